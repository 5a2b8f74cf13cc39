"""What a run amounts to: conversations and acts, counted as they pass, bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from sensor.columns import heads, order_by
from sensor.decode.packets import Transport
from sensor.events.address import conversation
from sensor.events.field import label
from sensor.events.origins import Origins
from sensor.events.protocol import Dataset
from sensor.events.seen import Seen
from sensor.events.table import Table
from sensor.events.vocabulary import Action

MOST = 20_000  # conversations and acts that are kept apart; what comes later is counted together

# What is done to a controller, as against what is asked of it.
ACTS = (
    Action.WRITE, Action.OPERATE, Action.MODE_CHANGE, Action.START, Action.STOP, Action.RESTART, Action.DOWNLOAD, Action.UPLOAD, Action.MODIFY_PROGRAM,
    Action.FORCE, Action.CONFIGURE_WRITE, Action.FIRMWARE_UPDATE, Action.TIME_SET, Action.AUTHENTICATE, Action.ALARM_MANAGEMENT, Action.FILE_ACCESS,
)  # fmt: skip
IS_ACT = np.isin(np.arange(256), ACTS)
Key = TypeVar("Key", bound=tuple[str | int, ...])


@dataclass
class Tally:
    """How often, how much, and where it was first seen (`first_frame` of `source`, before which came `place` others) and last seen."""

    source: str
    place: int
    first_frame: int
    last: tuple[int, int] = (0, 0)  # place of the source, and frame
    count: int = 0
    packets: int = 0
    bytes: int = 0
    refused: int = 0

    def begin(self, source: str, place: int, frame: int) -> None:
        """It may have been seen earlier than was known: flows are counted as they end, in whatever order they began."""
        if (place, frame) < (self.place, self.first_frame):
            self.source, self.place, self.first_frame = source, place, frame

    @property
    def last_frame(self) -> int:
        return self.last[1]


def as_met(table: dict[Key, Tally]) -> list[tuple[Key, Tally]]:
    """What was counted, in the order in which it was first seen: the same however the packets were cut into batches."""
    return sorted(table.items(), key=lambda item: (item[1].place, item[1].first_frame, item[0]))


@dataclass
class Summary:
    """conversations: by (client, server, server port, protocol). acts: by (client, server, protocol, action). uncounted: what found no room."""

    protocols: tuple[Dataset, ...]
    conversations: dict[tuple[str, str, int, str], Tally] = field(default_factory=dict)
    others: dict[tuple[str, int], Tally] = field(default_factory=dict)  # what no protocol claims: by transport and server port
    acts: dict[tuple[str, str, str, str], Tally] = field(default_factory=dict)
    uncounted: int = 0
    origins: Origins = field(default_factory=Origins)

    def add(self, seen: Seen) -> None:
        """One batch."""
        self.origins.add(seen)
        for table in seen.tables.values():
            self._acts(seen, table)
        protocol = seen.over["protocol"]
        known = (protocol > 0) & (protocol <= len(self.protocols))
        for i in np.flatnonzero(known).tolist():
            self._conversation(seen, i)
        if not known.all():
            self._others(seen, np.flatnonzero(~known))

    def _tally(self, table: dict[Any, Tally], key: Any, place: int, frame: int) -> Tally | None:
        tally, source = table.get(key), self.origins.sources[place].name
        if tally is None:
            if len(table) >= MOST:
                self.uncounted += 1
                return None
            tally = table[key] = Tally(source, place, frame)
        tally.begin(source, place, frame)
        return tally

    def _conversation(self, seen: Seen, i: int) -> None:
        over = seen.over
        client, server = conversation(over, i)
        name = self.protocols[int(over["protocol"][i]) - 1].name
        place = int(self.origins.place(over["flow"][i]))
        tally = self._tally(self.conversations, (client.address, server.address, server.port, name), place, int(over["first_frame"][i]))
        if tally is not None:
            tally.count += 1
            tally.packets += int(over["packets_a"][i] + over["packets_b"][i])
            tally.bytes += int(over["bytes_a"][i] + over["bytes_b"][i])

    def _others(self, seen: Seen, rows: np.ndarray[Any, Any]) -> None:
        over = seen.over
        port = np.where(over["server_is_b"][rows], over["b_port"][rows], over["a_port"][rows]).astype(np.int64)
        port = np.where(over["transport"][rows] == Transport.ETHERNET, over["ethertype"][rows], port)
        keys, which = np.unique(over["transport"][rows].astype(np.int64) << 16 | port, return_inverse=True)
        count = np.bincount(which)
        packets = np.bincount(which, (over["packets_a"] + over["packets_b"])[rows])
        size = np.bincount(which, (over["bytes_a"] + over["bytes_b"])[rows])
        first = np.full(len(keys), np.iinfo(np.int64).max)
        np.minimum.at(first, which, self.origins.place(over["flow"][rows]) << 48 | over["first_frame"][rows])
        for i, key in enumerate(keys.tolist()):
            tally = self._tally(self.others, (label(Transport(key >> 16)), key & 0xFFFF), int(first[i]) >> 48, int(first[i]) & (1 << 48) - 1)
            if tally is not None:
                tally.count, tally.packets, tally.bytes = tally.count + int(count[i]), tally.packets + int(packets[i]), tally.bytes + int(size[i])

    def _acts(self, seen: Seen, table: Table) -> None:
        is_act = IS_ACT[table.action] & table.to_server
        refusals = table.request[table.failed & (table.request >= 0) & table.is_new]
        refused = np.bincount(refusals, minlength=len(table))
        rows = np.flatnonzero(is_act & (table.is_new | (refused > 0)))
        if not rows.size:
            return
        key = table.flow[rows].astype(np.int64) << 5 | table.action[rows]
        order = order_by(key)
        start = np.flatnonzero(heads(key[order]))
        frame, place = table.frame, len(self.origins.sources) - 1
        for begin, end in zip(start.tolist(), [*start[1:].tolist(), len(order)], strict=True):
            mine = rows[order[begin:end]]
            client, server = conversation(seen.flows, int(table.flow[mine[0]]))
            key_ = client.address, server.address, table.dataset, label(Action(int(table.action[mine[0]])))
            new = mine[table.is_new[mine]]
            tally = self._tally(self.acts, key_, place, int(frame[new].min())) if new.size else self.acts.get(key_)
            if tally is not None:
                tally.count += len(new)
                tally.refused += int(refused[mine].sum())
                tally.last = max(tally.last, (place, int(frame[new].max()))) if new.size else tally.last
