"""Bounded memories that detectors keep: what was not touched while `most` others came is forgotten, and counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from detectors.state import TRANSIENT

SECOND = 1_000_000_000


@dataclass
class Recent:
    """A dictionary of at most 2 * most entries, in two generations: when the young one is full, it becomes the old one, and the old one is forgotten."""

    most: int = field(default=10_000, metadata=TRANSIENT)
    evicted: int = 0
    young: dict[Any, Any] = field(default_factory=dict)
    old: dict[Any, Any] = field(default_factory=dict)

    def get(self, key: Any) -> Any:
        """The key's value, None where it has none; looking at it keeps it."""
        value = self.young.get(key)
        if value is None and self.old:
            value = self.old.pop(key, None)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: Any, value: Any) -> None:
        if len(self.young) >= self.most and key not in self.young:
            self.evicted += len(self.old)
            self.young, self.old = {}, self.young
        self.young[key] = value

    def drop(self, key: Any) -> None:
        self.young.pop(key, None)
        self.old.pop(key, None)


@dataclass
class Burst:
    """Tells when something happened `limit` times within a window. Per key the times and frames of its latest, at most limit - 1."""

    recent: Recent = field(default_factory=lambda: Recent(4_000))

    def add(self, key: Any, ts_ns: int, frame: int, limit: int, window_ns: int) -> tuple[int, ...]:
        """One more; the frames of all of them when it makes the limit full (then counting begins anew), else none."""
        if limit <= 1:
            return (frame,)
        entry = self.recent.get(key)
        if entry is None:
            self.recent.put(key, [(ts_ns, frame)])
            return ()
        entry.append((ts_ns, frame))
        if len(entry) < limit:
            return ()
        if ts_ns - entry[0][0] > window_ns:
            del entry[0]
            return ()
        self.recent.drop(key)
        return tuple(number for _, number in entry)


@dataclass
class Fanout:
    """Tells when a key met `limit` different targets within a window. A key's first target is kept as a tuple: most keys never have a second."""

    recent: Recent = field(default_factory=lambda: Recent(2_000))

    def add(self, key: Any, target: int, ts_ns: int, frame: int, limit: int, window_ns: int) -> tuple[int, ...]:
        """One more; one frame per target when they are `limit` (then counting begins anew), else none."""
        recent = self.recent
        entry = recent.young.get(key)
        if entry is None:
            entry = recent.get(key) if recent.old else None
            if entry is None:
                recent.put(key, (target, ts_ns, frame))
                return ()
        if type(entry) is tuple:
            if entry[0] == target:
                return ()
            entry = recent.young[key] = {entry[0]: entry[1:]}
        if target in entry:
            return ()
        if len(entry) >= limit - 1:
            for each in [each for each, (met, _) in entry.items() if ts_ns - met > window_ns]:
                del entry[each]
        entry[target] = ts_ns, frame
        if len(entry) < limit:
            return ()
        recent.drop(key)
        return tuple(number for _, number in entry.values())
