"""Bounded memories that detectors keep: what was not touched while `most` others came is forgotten, and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from detectors.state import TRANSIENT
from sensor.events.alert import FRAMES, Finding

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
    """Tells when something happened `limit` times within a window, and from then on each time it happens again, until a pause (`rest`) ends it.

    recent: per key the times and frames of its latest, at most limit - 1. lasting: per key that reached its limit, when it happened last.
    """

    recent: Recent = field(default_factory=lambda: Recent(4_000))
    lasting: Recent = field(default_factory=lambda: Recent(4_000))

    @property
    def evicted(self) -> int:
        return self.recent.evicted + self.lasting.evicted

    def add(self, key: Any, ts_ns: int, frame: int, limit: int, window_ns: int) -> tuple[int, ...]:
        """One more; the frames of all of them when it makes the limit full, its own where it goes on, else none."""
        if limit <= 1:
            return (frame,)
        last = self.lasting.get(key)
        if last is not None:
            if ts_ns - last <= rest(window_ns):
                self.lasting.put(key, max(ts_ns, last))
                return (frame,)
            self.lasting.drop(key)
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
        self.lasting.put(key, ts_ns)
        return tuple(number for _, number in entry)


@dataclass
class Fanout:
    """Tells when a key met `limit` different targets within a window, and from then on each further one, until a pause (`rest`) ends it.

    recent: a key's first target as a tuple (most keys never have a second), then target -> when and frame. scans: keys that reached their limit: when the
    last target was met, and all of them; the scan entered first is forgotten where together they have more than `most`.
    """

    most: int = field(default=1 << 18, metadata=TRANSIENT)
    recent: Recent = field(default_factory=lambda: Recent(2_000))
    scans: dict[Any, list[Any]] = field(default_factory=dict)
    targets: int = 0
    forgotten: int = 0

    @property
    def evicted(self) -> int:
        return self.recent.evicted + self.forgotten

    def add(self, key: Any, target: int, ts_ns: int, frame: int, limit: int, window_ns: int) -> tuple[int, ...]:
        """One more; one frame per target when they are `limit`, its own where it is a further one, else none."""
        if self.scans and (scan := self.scans.get(key)) is not None:
            if target in scan[1]:
                return ()
            if ts_ns - scan[0] <= rest(window_ns):
                scan[0] = max(ts_ns, scan[0])
                scan[1][target] = True
                self._room(1)
                return (frame,)
            self.targets -= len(self.scans.pop(key)[1])
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
        self.scans[key] = [ts_ns, dict.fromkeys(entry, True)]
        self._room(limit)
        return tuple(number for _, number in entry.values())

    def _room(self, new: int) -> None:
        self.targets += new
        while self.targets > self.most:
            self.targets -= len(self.scans.pop(next(iter(self.scans)))[1])
            self.forgotten += 1


def rest(window_ns: int) -> int:
    """After how long a pause (ns) what goes on is over, and counting begins anew."""
    return min(window_ns, 300 * SECOND)


Make: TypeAlias = Callable[[Any, tuple[int, ...], int, int], Finding]


@dataclass
class Gathered:
    """Facts that add to one alert: context and time of the one before them; the latest time, how many, the first of their frames, the latest frame."""

    context: Any
    begun_ns: int
    ts_ns: int
    count: int = 0
    frames: list[int] = field(default_factory=list)
    latest: int = 0


@dataclass
class Gathering:
    """Puts the facts of a batch that add to the same alert together: two findings per alert and second of capture time instead of one per fact.

    make: (context, frames, ts_ns, count) -> finding. The first fact of each second stands alone, and those within a second behind it are put together: whatever
    the alerts' quiet time (a second at least), none ends between them, so that no cut into batches changes an alert.
    """

    make: Make
    held: dict[Any, Gathered] = field(default_factory=dict)

    def add(self, key: Any, frames: tuple[int, ...], ts_ns: int, context: Any, count: int = 0) -> tuple[Finding, ...]:
        """Facts of one alert: their frames, how many (as many as frames unless said). Returns the findings that are due before the end of the batch."""
        count = count or len(frames)
        held = self.held.get(key)
        if held is not None and ts_ns - held.begun_ns <= SECOND and count == 1:
            held.count += 1
            held.ts_ns = max(ts_ns, held.ts_ns)
            held.latest = frames[0]
            if len(held.frames) < FRAMES and frames[0] not in held.frames:
                held.frames.append(frames[0])
            return ()
        self.held[key] = Gathered(context, ts_ns, ts_ns)
        now = self.make(context, frames, ts_ns, count)
        return (now,) if held is None or not held.count else (self._gathered(held), now)

    def end(self) -> Iterator[Finding]:
        """What the batch left."""
        for held in self.held.values():
            if held.count:
                yield self._gathered(held)
        self.held.clear()

    def _gathered(self, held: Gathered) -> Finding:
        return self.make(held.context, (*(frame for frame in held.frames if frame != held.latest), held.latest), held.ts_ns, held.count)
