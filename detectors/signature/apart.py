"""Rules evaluated in several processes, and in one place counted: how many matches there were of a source or in all, no process alone can tell."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from detectors.signature import limits
from detectors.signature.detector import Signatures
from detectors.signature.engine import Engine, Matches
from detectors.signature.plan import Ready
from detectors.signature.state import State
from sensor.columns import Ints, padded
from sensor.events.seen import Seen


@dataclass
class Found:
    """Matches that no threshold has been asked about, with no more of their units than what they are counted by and told with. matches.rank: places in `ready`."""

    matches: Matches
    ready: list[Ready]

    @staticmethod
    def by(engine: Engine, seen: Seen) -> Found | None:
        """What an engine that does not count finds in a batch; None: nothing."""
        matches = engine.on_batch(seen)
        if not matches:
            return None
        ranks, rank = np.unique(matches.rank, return_inverse=True)
        used, number = np.unique(matches.number, return_inverse=True)
        unit, kinds = np.zeros(len(matches), np.int64), []
        for place, which in enumerate(used.tolist()):
            units, mine = matches.kinds[which], number == place
            rows, unit[mine] = np.unique(matches.unit[mine], return_inverse=True)
            columns = {name: column[rows] for name, column in units.columns.items()}
            kept: dict[str, Ints] = {name: getattr(units, name)[rows] for name in ("at", "size", "fresh", "row", "index")}
            kinds.append(replace(units, **kept, data=padded(b""), columns=columns, table=None, masks={}, said=None, raw=None, contents={}))
        ready = [engine.plan.ready[each] for each in ranks.tolist()]
        slim = [Ready(each.rule, place, each.suppressed, each.rates, None, []) for place, each in enumerate(ready)]
        return Found(Matches(kinds, number, unit, rank, matches.flow, matches.conversation), slim)

    def shift(self, base: int) -> None:
        """Flow numbers become those of a table in which others stand before them."""
        for columns in (vars(self.matches), *(units.columns for units in self.matches.kinds)):
            columns["flow"] = np.where(columns["flow"] >= 0, columns["flow"] + base, columns["flow"])


@dataclass
class Matched:
    """The rules of which the last batch had matches."""

    ready: list[Ready] = field(default_factory=list)


@dataclass
class Counting:
    """Stands where an engine does, and gives of what others have found the matches that are alerts. Rules are known by their ids, so that it outlives rule sets."""

    state: State = field(default_factory=State)
    plan: Matched = field(default_factory=Matched)
    changed: dict[tuple[int, int, int], str] = field(default_factory=dict)

    @property
    def evicted(self) -> int:
        return self.state.evicted

    def on_batch(self, seen: Seen) -> Matches | None:
        """The matches that are alerts; None where there are none."""
        self.changed = {}
        self.state.forget(seen.over["conversation"])
        if not isinstance(seen.matches, Found):
            return None
        self.plan.ready, matches = seen.matches.ready, seen.matches.matches
        holds = np.ones(len(matches), np.bool_)
        counted = np.flatnonzero(np.array([ready.counted for ready in self.plan.ready])[matches.rank])
        if counted.size:
            holds[counted] = limits.alerts(self.state, self.plan.ready, matches.some(counted), self.changed)
        return matches.some(holds) or None


def counted() -> Signatures:
    """The detector that makes findings of what rules have found elsewhere."""
    return Signatures(cast("Engine", Counting()))  # it asks an engine for no more than that has
