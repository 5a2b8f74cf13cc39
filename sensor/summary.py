"""What a run amounts to: conversations and acts, counted as they pass, bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sensor.columns import Array, Ints, heads, order_by
from sensor.decode.packets import Transport
from sensor.events.address import address_text
from sensor.events.field import label
from sensor.events.origins import FRAME, Origins
from sensor.events.protocol import Dataset, spoken
from sensor.events.seen import Seen
from sensor.events.table import Table
from sensor.events.vocabulary import Action
from sensor.keyed import NEVER, Keyed

MOST = 20_000  # conversations and acts that are kept apart; what comes later is counted together

# What is done to a controller, as against what is asked of it.
ACTS = (
    Action.WRITE, Action.SELECT, Action.OPERATE, Action.MODE_CHANGE, Action.START, Action.STOP, Action.RESTART, Action.DOWNLOAD, Action.UPLOAD,
    Action.MODIFY_PROGRAM, Action.FORCE, Action.CONFIGURE_WRITE, Action.FIRMWARE_UPDATE, Action.TIME_SET, Action.AUTHENTICATE, Action.ALARM_MANAGEMENT, Action.FILE_ACCESS,
)  # fmt: skip
IS_ACT = np.isin(np.arange(256), ACTS)


@dataclass(slots=True)
class Tally:
    """How often, how much, the frames where it was first seen (in `source`) and last seen (in `last_source`), and its earliest and latest time."""

    source: str
    first_frame: int
    last_source: str
    last_frame: int
    count: int
    packets: int
    bytes: int
    refused: int
    first_ns: int
    last_ns: int


ENDS: dict[str, type[np.generic]] = dict.fromkeys(("client_high", "client_low", "server_high", "server_low"), np.uint64)
COUNTS = (
    {"first": NEVER, "last": np.int64(0)} | dict.fromkeys(("count", "packets", "bytes", "refused"), np.int64(0)) | {"earliest_ns": NEVER, "latest_ns": ~NEVER}
)


class Summary:
    """conversations: by client, server, server port and protocol. acts: by client, server, protocol and action. others: what no protocol claims, by transport
    and server port (or EtherType). Their first and last: place of the source and frame. uncounted: what found no room."""

    def __init__(self, protocols: tuple[Dataset, ...]) -> None:
        self.names = spoken(protocols)
        self.numbers = {name: number for number, name in reversed(self.names.items())}
        self.same = np.zeros(256, np.uint8)  # by number, the first of those that have its name; 0 where it is none
        self.same[list(self.names)] = [self.numbers[name] for name in self.names.values()]
        self.conversations = Keyed(MOST, ENDS | {"port": np.uint16, "protocol": np.uint8}, COUNTS, evicts=False)
        self.acts = Keyed(MOST, ENDS | {"protocol": np.uint8, "action": np.uint8}, COUNTS, evicts=False)
        self.others = Keyed(MOST, {"transport": np.uint8, "port": np.uint16}, COUNTS, evicts=False)
        self.uncounted = 0
        self.origins = Origins(lambda: (table.c[name] for table in (self.conversations, self.acts, self.others) for name in ("first", "last")))

    def add(self, seen: Seen) -> None:
        """One batch."""
        self.origins.add(seen)
        for table in seen.tables.values():
            self._acts(seen, table)
        known = self.same[seen.over["protocol"]] > 0
        self._over(self.conversations, seen, np.flatnonzero(known), lambda over, port: (*_ends(over), port, self.same[over["protocol"]]))
        self._over(self.others, seen, np.flatnonzero(~known), _unclaimed)

    def _over(self, table: Keyed, seen: Seen, rows: Ints, identity: Callable[[dict[str, Array], Array], tuple[Array, ...]]) -> None:
        """Flows that are over. They are counted as they end, in whatever order they began."""
        if not rows.size:
            return
        over = {name: column[rows] for name, column in seen.over.items()}
        port = np.where(over["server_is_b"], over["b_port"], over["a_port"])
        row = table.meet(over["last_ns"], *identity(over, port))
        counted = row >= 0
        self.uncounted += int(np.count_nonzero(~counted))
        np.minimum.at(table.c["first"], row[counted], (self.origins.place(over["flow"]) << FRAME | over["first_frame"])[counted])
        np.minimum.at(table.c["earliest_ns"], row[counted], over["first_ns"][counted])
        np.maximum.at(table.c["latest_ns"], row[counted], over["last_ns"][counted])
        np.add.at(table.c["count"], row[counted], np.int64(1))
        for name in ("packets", "bytes"):
            np.add.at(table.c[name], row[counted], (over[f"{name}_a"] + over[f"{name}_b"])[counted])

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
        order = rows[order]
        one = order[start]  # of each flow and action
        new, frame, ts_ns = table.is_new[order], self.origins.here(table.frame[order]), table.ts_ns[order]
        first, last, earliest, latest = (
            reduce.reduceat(np.where(new, column, none), start)
            for column, none_first, none_last in ((frame, NEVER, 0), (ts_ns, NEVER, ~NEVER))
            for reduce, none in ((np.minimum, none_first), (np.maximum, none_last))
        )
        count, no = np.add.reduceat(new.astype(np.int64), start), np.add.reduceat(refused[order], start)
        ends = _ends({name: column[table.flow[one]] for name, column in seen.flows.items() if name in ADDRESSES})
        identity = (*ends, np.full(len(one), self.numbers[table.dataset]), table.action[one])
        fresh, c = count > 0, self.acts.c
        self.uncounted += int(np.count_nonzero(self.acts.meet(table.ts_ns[one[fresh]], *(column[fresh] for column in identity)) < 0))
        row = self.acts.find(*identity)  # what was refused may have been asked in an earlier batch
        counted = row >= 0
        row = row[counted]
        np.minimum.at(c["first"], row, first[counted])
        np.maximum.at(c["last"], row, last[counted])
        np.minimum.at(c["earliest_ns"], row, earliest[counted])
        np.maximum.at(c["latest_ns"], row, latest[counted])
        np.add.at(c["count"], row, count[counted])
        np.add.at(c["refused"], row, no[counted])

    def _tallies(self, table: Keyed, *, largest: bool) -> Iterator[tuple[int, Tally]]:
        """Rows and what they count, in the order in which they were first seen (the same however the packets were cut into batches), or the largest first."""
        rows, c = table.rows(), table.c
        rows = rows[np.argsort(c["first"][rows], kind="stable")]
        if largest:
            rows = rows[np.argsort(-c["bytes"][rows], kind="stable")]
        for row, first, last, *counts in zip(*(column.tolist() for column in (rows, *(c[name][rows] for name in COUNTS))), strict=True):
            sources, frames = [self.origins.sources[each >> FRAME].name for each in (first, last)], [each & (1 << FRAME) - 1 for each in (first, last)]
            yield row, Tally(sources[0], frames[0], sources[1], frames[1], *counts)

    def met_conversations(self, *, largest: bool = False) -> Iterator[tuple[str, str, int, str, Tally]]:
        """Client, server, port, protocol and what there was."""
        c = self.conversations.c
        for row, tally in self._tallies(self.conversations, largest=largest):
            yield *_texts(c, row), int(c["port"][row]), self.names[int(c["protocol"][row])], tally

    def met_acts(self) -> Iterator[tuple[str, str, str, str, Tally]]:
        """Client, server, protocol, action and what there was."""
        c = self.acts.c
        for row, tally in self._tallies(self.acts, largest=False):
            yield *_texts(c, row), self.names[int(c["protocol"][row])], label(Action(int(c["action"][row]))), tally

    def met_others(self, *, largest: bool = False) -> Iterator[tuple[Transport, int, Tally]]:
        """Transport, port and what there was."""
        c = self.others.c
        for row, tally in self._tallies(self.others, largest=largest):
            yield Transport(int(c["transport"][row])), int(c["port"][row]), tally


ADDRESSES = ("a_high", "a_low", "b_high", "b_low", "server_is_b")


def _unclaimed(over: dict[str, Array], port: Array) -> tuple[Array, ...]:
    return over["transport"], np.where(over["transport"] == Transport.ETHERNET, over["ethertype"], port)


def _ends(flows: dict[str, Array]) -> tuple[Array, ...]:
    """Client and server, both halves of each."""
    b = flows["server_is_b"]
    return tuple(np.where(b == is_client, flows[f"a_{half}"], flows[f"b_{half}"]) for is_client in (True, False) for half in ("high", "low"))


def _texts(c: dict[str, Array], row: int) -> tuple[str, str]:
    client, server = (address_text(int(c[f"{end}_high"][row]), int(c[f"{end}_low"][row])) for end in ("client", "server"))
    return client, server
