"""Frames as units: parts of what is said in streams and datagrams whose application is known, of the kinds that some rule asks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from detectors.signature.framing import PREFIX, Framing
from detectors.signature.framings import FRAMINGS
from detectors.signature.messages import SPOKEN, Where
from detectors.signature.units import Units, sides
from sensor.applications.reading import Frames
from sensor.bounded import Bounded, Budget
from sensor.columns import Array, padded
from sensor.decode.packets import Transport
from sensor.events.seen import APART, NONE, OWNED, Seen

MOST_TALKS = 16_384
MOST_BYTES = 64 << 20  # that all of them hold
MOST_HEAD = 4_096  # bytes of a conversation that are kept until it is known what it speaks
OF_PLANT = ("enip",)  # whose PDUs are no part of `pieces`


class Found(NamedTuple):
    """A frame, and where it was said: see Pdus for the columns."""

    row: int
    flow: int
    to_server: bool
    frame: int
    ts_ns: int
    content: bytes


class Talk:
    """A connection. last: frame and time of its last piece; head: what was said before it was known what is spoken."""

    def __init__(self) -> None:
        self.name = ""
        self.framing: Framing | None = None
        self.sides: dict[bool, Frames] = {}
        self.head: list[tuple[bool, bytes]] = []
        self.last = 0, 0
        self.held = 0

    def turn(self, name: str) -> None:
        """From now on it speaks this."""
        self.name, self.framing, self.sides = name, FRAMINGS[name]() if name in FRAMINGS else None, {}

    def heard(self, to_server: bool, content: bytes, *, apart: bool) -> Iterator[tuple[str, bytes]]:
        """The frames that these bytes complete: name and content. apart: they do not go on from those before."""
        if (framing := self.framing) is None:
            return
        if apart or to_server not in self.sides:
            yield from self.rest(to_server)
            self.sides[to_server] = Frames(partial(framing.size, to_server))
        try:
            for message in self.sides[to_server].feed(content):
                yield from named(self.name, framing.parts(to_server, message), message)
        except ValueError:  # the next bytes may begin a message
            del self.sides[to_server]

    def rest(self, to_server: bool) -> Iterator[tuple[str, bytes]]:
        """Those of a message that does not come to its end."""
        side = self.sides.pop(to_server, None)
        if side is not None and self.framing is not None and side.held:
            message = bytes(side.held)
            yield from named(self.name, self.framing.parts(to_server, message), message)

    def size(self) -> int:
        """Bytes that it holds."""
        return sum(len(side.held) for side in self.sides.values()) + sum(len(content) for _, content in self.head)

    def give_up(self) -> None:
        self.sides, self.head = {}, []


def named(application: str, parts: Iterable[tuple[str, int, int]], message: bytes) -> Iterator[tuple[str, bytes]]:
    return ((f"{application}.{name}", message[begin:end]) for name, begin, end in parts if end > begin)


@dataclass
class Framer:
    """wanted: names of frames that rules ask for, as tls.pdu. Bounded; evicted: conversations forgotten, or without the bytes that they held."""

    wanted: frozenset[str] = frozenset()
    open: Bounded[Talk] = field(default_factory=lambda: Bounded(MOST_TALKS))  # by conversation
    bytes: Budget = field(default_factory=lambda: Budget(MOST_BYTES))  # by conversation

    @property
    def evicted(self) -> int:
        return self.open.evicted + self.bytes.given_up

    @property
    def applications(self) -> frozenset[str]:
        return frozenset(name.partition(".")[0] for name in self.wanted)

    def units(self, seen: Seen) -> list[Units]:
        """One kind of units for each name that is wanted and there, in the order in which the packets completed them."""
        if not self.wanted or seen.inspected is None:
            return []
        found: dict[str, list[Found]] = {}
        sources = [self._plant(seen), self._datagrams(seen), self._streams(seen), self._ended(seen)]
        for name, frame in (each for source in sources for each in source):
            if name in self.wanted:
                found.setdefault(name, []).append(frame)
        return [_made(seen, name, sorted(frames, key=lambda each: each.row)) for name, frames in sorted(found.items())]

    def _plant(self, seen: Seen) -> Iterator[tuple[str, Found]]:
        for application in self.applications.intersection(OF_PLANT, seen.tables):
            pdus, framing = seen.tables[application].pdus, FRAMINGS[application]()
            columns = (pdus.row, pdus.flow, pdus.to_server, pdus.frame, pdus.ts_ns, pdus.at, pdus.end, pdus.carried)
            for *where, at, end, carried in zip(*(column.tolist() for column in columns), strict=True):
                if not carried:
                    content = pdus.data[at:end].tobytes()
                    yield from ((name, Found._make((*where, part))) for name, part in named(application, framing.datagram(where[2], content), content))

    def _datagrams(self, seen: Seen) -> Iterator[tuple[str, Found]]:
        assert seen.inspected is not None
        p, data, spoken = seen.inspected.packets, seen.inspected.data, seen.inspected.spoken[len(seen.inspected.pieces) :]
        asked = [name for name in self.applications if "udp" in FRAMINGS[name].over and name not in OF_PLANT]
        rows = np.flatnonzero((p["transport"] == Transport.UDP) & (p["flow"] >= 0) & np.isin(SPOKEN[spoken], asked)) if asked else np.zeros(0, np.int64)
        framings = {name: FRAMINGS[name]() for name in asked}
        columns = (rows, *(p[name][rows] for name in ("flow", "to_server", "frame", "ts_ns", "payload_at", "payload_length")), SPOKEN[spoken[rows]])
        for *where, at, size, name in zip(*(column.tolist() for column in columns), strict=True):
            content = data[at : at + size].tobytes()
            yield from ((part, Found._make((*where, some))) for part, some in named(name, framings[name].datagram(where[2], content), content))

    def _streams(self, seen: Seen) -> Iterator[tuple[str, Found]]:
        assert seen.inspected is not None
        pieces, data, applications = seen.inspected.pieces, seen.inspected.data, self.applications
        if all("tcp" not in FRAMINGS[name].over or name in OF_PLANT for name in applications):
            return
        conversation, spoken = seen.flows["conversation"][pieces.flow], seen.inspected.spoken[: len(pieces)]
        order = np.lexsort((pieces.frame, pieces.row))
        columns = (conversation, spoken, pieces.notes, pieces.row, pieces.flow, pieces.to_server, pieces.frame, pieces.ts_ns, pieces.at, pieces.end)
        for key, number, notes, row, flow, to_server, frame, ts_ns, at, end in zip(*(column[order].tolist() for column in columns), strict=True):
            name = str(SPOKEN[number]) if number > 0 else ""
            if number == NONE or notes & OWNED or (name and name not in applications and key not in self.open.entries):
                self._forget(key)
                continue
            talk = self.open.get(key) or self.open.put(key, Talk())
            talk.last, said = (frame, ts_ns), [(to_server, data[at:end].tobytes())]
            if not name:
                talk.head = [*talk.head, *said] if talk.size() + len(said[0][1]) <= MOST_HEAD else []
            else:
                said, talk.head = [*talk.head, *said], []
                if name != talk.name or (talk.framing is None and name in applications):  # or other rules ask for it since
                    talk.turn(name if name in applications else "")
                    talk.name = name
                for side, content in said:
                    for part, some in talk.heard(side, content, apart=bool(notes & APART) and side == to_server):
                        yield part, Found(row, flow, side, frame, ts_ns, some)
            self._hold(key, talk)

    def _ended(self, seen: Seen) -> Iterator[tuple[str, Found]]:
        """What flows that are over still held; they have no packet."""
        for flow, key in zip(seen.over["flow"].tolist(), seen.over["conversation"].tolist(), strict=True) if self.open.entries else ():
            if (talk := self.open.entries.get(key)) is not None:
                for side in (True, False):
                    for part, some in talk.rest(side):
                        yield part, Found(0, flow, side, *talk.last, some)

    def _hold(self, key: int, talk: Talk) -> None:
        if (size := talk.size()) != talk.held:
            talk.held = size
            for other in self.bytes.hold(key, size):
                if (silent := self.open.entries.get(other)) is not None:
                    silent.give_up()
                    silent.held = 0

    def _forget(self, key: int) -> None:
        self.open.drop((key,))
        self.bytes.forget(key)

    def forget(self, conversations: Array) -> None:
        """Flows that are over."""
        for key in conversations.tolist() if self.open.entries else ():
            self._forget(key)


def _made(seen: Seen, name: str, frames: list[Found]) -> Units:
    row, flow, to_server, frame, ts_ns = (np.array([each[i] for each in frames], np.int64) for i in range(5))
    size = np.array([len(each.content) for each in frames], np.int64)
    where = Where(flow.astype(np.int32), to_server.astype(np.bool_), frame, ts_ns)
    columns = sides(seen, where) | {"application": np.full(len(frames), name.partition(".")[0])}
    data = padded(b"".join(each.content for each in frames))
    return Units(PREFIX + name, data, np.cumsum(size) - size, size, size * 0, row, np.arange(len(frames)), columns)
