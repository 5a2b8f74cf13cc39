"""Reads and reports that repeat all day, told once a minute: how often each was, and of every value that was another than before its first, last, least and greatest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints, Mask
from sensor.events.clock import time_text
from sensor.events.field import label
from sensor.events.point import Points, Verb
from sensor.events.seen import Seen
from sensor.events.table import Table
from sensor.events.told import written
from sensor.events.vocabulary import Action
from sensor.sinks import ecs
from sensor.sinks.changes import Changes, fingerprint
from sensor.sinks.ecs import quote
from sensor.sinks.points import RAW_TYPES, SPACES, VERBS, qualities, text_of
from sensor.slots import Slots

MINUTE_NS = 60_000_000_000
MOST_POINTS, MOST_GROUPS = 1 << 18, 1 << 16
COLUMNS = {
    "count": np.int64, "first_ns": np.int64, "last_ns": np.int64, "frame": np.int64, "first": np.float64, "last": np.float64, "low": np.float64, "high": np.float64,
    "bits": np.uint64, "before": np.uint64, "quality": np.uint16, "quality_before": np.uint16, "changed": np.bool_, "end": np.int64, "unit": np.uint32,
    "space": np.uint8, "block": np.int64, "address": np.int64, "index": np.int64, "raw_type": np.uint8, "verb": np.uint8,
}  # fmt: skip


@dataclass
class Group:
    """What one client does with one server, of one kind: how often by now."""

    ends: str
    dataset: str
    action: int
    frame: int
    first_ns: int
    last_ns: int = 0
    requests: int = 0
    responses: int = 0
    failures: int = 0


class Repeated:
    """Counts for one minute of capture time after the other. evicted: points and groups that found no room, and points that were
    forgotten for want of it: those are told again as if they were new.

    A point is known as sinks.changes knows it; `before` is the last value of the minutes before, so that only what changed needs telling.
    """

    def __init__(self, sensor: str, site: str = "", most: int = MOST_POINTS) -> None:
        self.sensor, self.site = sensor, site
        self.most, self.evicted, self.until_ns = most, 0, 0
        self.groups: dict[tuple[int, str, int], Group] = {}
        self.keys, self.slots, self.used = Changes(1), Slots(), 0  # keys: makes the hashes by which points are known
        self.c: dict[str, Array] = {name: np.zeros(4096, kind) for name, kind in COLUMNS.items()}
        self.ends: dict[tuple[int, str], int] = {}
        self.texts: list[tuple[str, str, str]] = []  # who talks to whom, dataset and source, by `end`
        self.names: dict[int, str] = {}
        self.exact: dict[int, str] = {}

    def add(self, seen: Seen, table: Table, wanted: Mask) -> None:
        """Events that are told in sum."""
        rows = np.flatnonzero(table.is_new & wanted)
        if not rows.size:
            return
        key = table.flow[rows].astype(np.int64) << 5 | table.action[rows]
        each, first, which = np.unique(key, return_index=True, return_inverse=True)
        request, failed = table.is_request[rows], table.failed[rows]
        counts = [np.bincount(which, weights).astype(np.int64).tolist() for weights in (request, ~request, failed)]
        last = np.zeros(len(each), np.int64)
        np.maximum.at(last, which, table.ts_ns[rows])
        for i, (code, at) in enumerate(zip(each.tolist(), rows[first].tolist(), strict=True)):
            flow, action = code >> 5, code & 31
            where = int(seen.flows["conversation"][flow]), table.dataset, action
            group = self.groups.get(where)
            if group is None:
                if len(self.groups) >= MOST_GROUPS:
                    self.evicted += 1
                    continue
                text = self._text(seen, table.dataset, flow)
                group = self.groups[where] = Group(text, table.dataset, action, int(table.frame[at]), int(table.ts_ns[at]))
            group.requests, group.responses, group.failures = (old + counts[j][i] for j, old in enumerate((group.requests, group.responses, group.failures)))
            group.last_ns = max(group.last_ns, int(last[i]))

    def _text(self, seen: Seen, dataset: str, flow: int) -> str:
        heard = seen.source.heard_at(int(seen.flows["interface"][flow]))
        ends = ecs.ends(seen.flows, np.array([flow]), np.array([True]))[0]
        return f'{ends},"protocol":"{dataset}"}},{ecs.observed(self.sensor, self.site, heard)}'

    def add_points(self, seen: Seen, table: Table, points: Points) -> None:
        """Values that were read or reported."""
        rows = np.flatnonzero(~written(points))
        if not rows.size:
            return
        number = self._number(self.keys.key(seen, table, points)[rows], seen, table, points, rows)
        known = number >= 0
        self.evicted += int(np.count_nonzero(~known))
        rows, number = rows[known], number[known]
        value, bits, c = points.value[rows], fingerprint(points)[rows], self.c
        ts_ns, frame = table.ts_ns[points.row[rows]], table.frame[points.row[rows]]
        new = c["count"][number] == 0
        fresh, begins = np.unique(number[new], return_index=True)
        at = np.flatnonzero(new)[begins]  # the first row of each point that has none yet in this minute
        c["first_ns"][fresh], c["first"][fresh] = ts_ns[at], value[at]
        c["low"][fresh] = c["high"][fresh] = value[at]
        c["changed"][fresh] = False
        np.add.at(c["count"], number, 1)
        np.fmin.at(c["low"], number, value)
        np.fmax.at(c["high"], number, value)
        differs = (bits != c["before"][number]) | (points.quality[rows] != c["quality_before"][number])
        c["changed"][number[differs]] = True
        for name, column in (("last", value), ("bits", bits), ("quality", points.quality[rows]), ("last_ns", ts_ns), ("frame", frame)):
            c[name][number] = column  # of several the last one stays
        if points.exact or self.exact:
            for row, place in zip(rows.tolist(), number.tolist(), strict=True):
                self.exact.pop(place, None)
                if row in points.exact:
                    self.exact[place] = text_of(points.exact[row])

    def _number(self, key: NDArray[np.uint64], seen: Seen, table: Table, points: Points, rows: Ints) -> NDArray[np.int32]:
        """The place of each point, -1 where there is no room."""
        number = self.slots.find(key)
        missing = np.flatnonzero(number < 0)
        if not missing.size:
            return number
        each, begins = np.unique(key[missing], return_index=True)
        each, at = each[: self.most - self.used], rows[missing[begins]][: self.most - self.used]
        places = np.arange(self.used, self.used + len(each), dtype=np.int32)
        self.used += len(each)
        while self.used > len(self.c["count"]):
            self.c = {name: np.concatenate((column, np.zeros(len(column), column.dtype))) for name, column in self.c.items()}
        self.slots.insert(each, places)
        for name in ("unit", "space", "block", "address", "index", "raw_type", "verb"):
            self.c[name][places] = getattr(points, name)[at]
        self.c["before"][places] = fingerprint(points)[at] + np.uint64(1)  # nothing was told of it yet
        flow = table.flow[points.row[at]]
        self.c["end"][places] = [self._end(seen, table.dataset, one) for one in flow.tolist()]
        if points.name:
            self.names |= {place: points.name[row] for place, row in zip(places.tolist(), at.tolist(), strict=True) if row in points.name}
        return self.slots.find(key)

    def _end(self, seen: Seen, dataset: str, flow: int) -> int:
        key = int(seen.flows["conversation"][flow]), dataset
        found = self.ends.get(key)
        if found is None:
            found = self.ends[key] = len(self.texts)
            self.texts.append((self._text(seen, dataset, flow), dataset, seen.source.id))
        return found

    def take(self, clock_ns: int, source_id: str, *, last: bool = False) -> Iterator[tuple[str, bytes]]:
        """The documents of the minute, where it is over (or nothing more comes), by dataset."""
        if not last and clock_ns < self.until_ns:
            return
        is_first, self.until_ns = not self.until_ns, clock_ns - clock_ns % MINUTE_NS + MINUTE_NS
        if is_first and not last:
            return
        groups, self.groups = self.groups, {}
        for (conversation, dataset, action), group in groups.items():
            yield "repeated", self._group(source_id, conversation, dataset, action, group).encode()
        c = self.c
        places = np.flatnonzero((c["count"][: self.used] > 0) & c["changed"][: self.used])
        for place in places.tolist():
            yield "point", self._point(place).encode()
        live = slice(0, self.used)
        spoken = c["count"][live] > 0
        for now, then in (("bits", "before"), ("quality", "quality_before")):
            c[then][live] = np.where(spoken, c[now][live], c[then][live])
        c["count"][live] = 0
        if self.used >= self.most or len(self.texts) > MOST_GROUPS:
            self._forget()

    def _forget(self) -> None:
        """No more room: begin anew, as if no point had been told."""
        self.evicted += self.used
        self.slots, self.used = Slots(), 0
        for each in (self.ends, self.texts, self.names, self.exact):
            each.clear()

    def _group(self, source_id: str, conversation: int, dataset: str, action: int, group: Group) -> str:
        name = label(Action(action))
        digest = hashlib.blake2b(f"{source_id}-{conversation}-{dataset}-{action}-{group.first_ns}".encode(), digest_size=10).hexdigest()
        return (
            f'{{"@timestamp":"{time_text(group.first_ns)}","ecs":{{"version":"{ecs.VERSION}"}},"event":{{"id":"repeated-{digest}","kind":"metric",'
            f'"module":"tapsight","dataset":"tapsight.repeated",{ecs.kind(action)},"outcome":"{"failure" if group.failures else "success"}",'
            f'"start":"{time_text(group.first_ns)}","end":"{time_text(group.last_ns)}"}},{group.ends},"frame":{group.frame},"trust":"complete","repeated":'
            f'{{"protocol":"{dataset}","action":"{name}","requests":{group.requests},"responses":{group.responses},"failures":{group.failures}}}}}}}'
        )

    def _point(self, place: int) -> str:
        c = {name: column[place].item() for name, column in self.c.items()}
        text, dataset, source_id = self.texts[c["end"]]
        digest = hashlib.blake2b(f"{source_id}-{place}-{c['first_ns']}-{c['frame']}".encode(), digest_size=10).hexdigest()
        numbers = "" if np.isnan(c["last"]) else "".join(f'"{key}":{quote(c[name])},' for key, name in VALUES)
        numbers += f'"text":{quote(self.exact[place])},' if place in self.exact else ""
        numbers += f'"name":{quote(self.names[place])},' if place in self.names else ""
        numbers += f'"quality":{quote(qualities(c["quality"]))},' if c["quality"] else ""
        return (
            f'{{"@timestamp":"{time_text(c["last_ns"])}","ecs":{{"version":"{ecs.VERSION}"}},"event":{{"id":"point-{digest}","kind":"event","module":"tapsight",'
            f'"dataset":"tapsight.point",{ecs.kind(Action.REPORT if c["verb"] == Verb.REPORT else Action.READ)},"outcome":"success",'
            f'"start":"{time_text(c["first_ns"])}","end":"{time_text(c["last_ns"])}"}},{text},"frame":{c["frame"]},"trust":"complete","point":'
            f'{{"protocol":"{dataset}","unit":{c["unit"]},"space":"{SPACES[c["space"]]}","verb":"{VERBS[c["verb"]]}","raw_type":"{RAW_TYPES[c["raw_type"]]}",'
            f'"block":{c["block"]},"address":{c["address"]},"index":{c["index"]},{numbers}"reason":"changed","repeats":{c["count"] - 1}}}}}}}'
        )


VALUES = (("value", "last"), ("first", "first"), ("minimum", "low"), ("maximum", "high"))
