"""The conversations under way: each is recognised by its first bytes, fed in order, and forgotten when its flow is over."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sensor.applications.application import MOST_HELD, Application, Conversation, Expected
from sensor.applications.beginnings import NO_TLS, WRONG_DIRECTION, of_answer, stays_plain, turned_round
from sensor.bounded import Budget
from sensor.columns import Array, pages
from sensor.decode.packets import Transport
from sensor.events.message import Message, Said
from sensor.events.seen import APART, MISSING_AT, NONE, OWNED, Seen
from sensor.events.vocabulary import Role, Trust
from sensor.mistakes import MISTAKES

MOST_CONVERSATIONS = 65_536
MOST_EXPECTED = 1_024  # connections that others have announced
AT_ONCE = 8_192  # of a million flows that are over
ONE_SIDED = 8  # packets of one side without any of the other, after which what it says is labelled so
MOST_RAW = 64 << 20  # bytes of all conversations that messages may come from
MOST_HEAD = 2_048  # bytes after which a conversation that is none yet is none


@dataclass
class Open:
    """A flow that is listened to: its parser, once it is known, or what was said until then. last: frame and time of what was fed last; fed: how often
    each side was heard, server first; count: messages.

    name: of the parser's application. inner: the parser of what follows, for sides that have turned to it. raw: by side, what a message may come from.
    unnamed: bytes heard before the application was known. is_whole: its beginning was seen. first: who spoke first; answer: what the other side begins with, until
    it is known what that is; is_plain: a side that has to encrypt does not.
    """

    parser: Conversation | None = None
    name: str = ""
    inner: Conversation | None = None
    turned: set[bool] = field(default_factory=set)
    raw: dict[bool, bytearray] = field(default_factory=lambda: {False: bytearray(), True: bytearray()})
    head: list[tuple[bool, bytes]] = field(default_factory=list)
    last: tuple[int, int] = (0, 0)
    fed: list[int] = field(default_factory=lambda: [0, 0])
    count: int = 0
    unnamed: int = 0
    is_whole: bool = True
    first: bool = True
    answer: bytes | None = b""
    is_plain: bool = False

    def hear(self, to_server: bool, frame: int, ts_ns: int, content: bytes, *, is_datagram: bool) -> None:
        """The next packet."""
        self.fed[to_server] += 1
        self.last = frame, ts_ns
        kept = self.raw[to_server]
        if is_datagram:
            kept.clear()
        kept += content
        if len(kept) > 2 * MOST_HELD:
            del kept[:-MOST_HELD]

    @property
    def held(self) -> int:
        """Bytes of `raw`."""
        return sum(map(len, self.raw.values()))

    def give_up(self) -> None:
        """What messages may come from is needed for others."""
        for kept in self.raw.values():
            kept.clear()

    def parsers(self) -> list[tuple[str, Conversation]]:
        """With the names of their applications."""
        named = ((self.name, self.parser), (self.parser.then if self.parser is not None else "", self.inner))
        return [(name, parser) for name, parser in named if parser is not None]

    def messages(self, flow: int, row: int, said: list[tuple[str, Said]]) -> Iterator[Message]:
        """What was said with the last packet, by which application."""
        for name, each in said:
            is_alone = self.fed[each.to_server] >= ONE_SIDED and not self.fed[not each.to_server]
            yield Message(
                name, each, flow, row, *self.last, Trust.ONE_SIDED if is_alone else Trust.COMPLETE, self.count, bytes(self.raw[each.to_server][-MOST_HELD:])
            )
            self.count += 1
        for _, each in said:
            self.raw[each.to_server].clear()


class Conversations:
    """Feeds parsers.

    number, done: by flow the place in `applications` of what it speaks, counted from 1 (0: not known), and whether nothing is left to parse. evicted:
    conversations that were forgotten before their end because there were too many. broken: those that their parser could make no sense of from somewhere on.
    raw: the bytes that messages may come from, of all together; who has to give up theirs says its next message without them. bytes: of conversations whose
    application is known, where no protocol has them.
    """

    def __init__(self, applications: tuple[Application, ...], most: int = MOST_CONVERSATIONS) -> None:
        self.applications, self.most, self.evicted, self.broken, self.failed = applications, most, 0, 0, 0
        self.open: OrderedDict[Hashable, Open] = OrderedDict()  # by conversation
        self.raw = Budget(MOST_RAW)  # by conversation
        self.bytes = 0
        self.expected: OrderedDict[tuple[int, int, int], Expected] = OrderedDict()  # by address (high and low) and port that they go to
        self.names = {application.name: number for number, application in enumerate(applications, 1)}
        self.number, self.done = np.zeros(0, np.uint8), np.zeros(0, np.bool_)
        self.transports = {transport for application in applications for transport in application.ports}

    def messages(self, seen: Seen) -> list[Message]:
        """What this batch says. Says of each piece and of each flow that is over, too, what it is part of."""
        if seen.inspected is None:
            return []
        if len(self.done) < (flows := len(seen.flows["conversation"])):
            before, self.number, self.done = (self.number, self.done), pages(flows, np.uint8), pages(flows, np.bool_)
            self.number[: len(before[0])], self.done[: len(before[1])] = before
        pieces, packets, data, c = seen.inspected.pieces, seen.inspected.packets, seen.inspected.data, seen.flows
        is_asked = (packets["transport"] == Transport.UDP) & (packets["flow"] >= 0) & (packets["payload_length"] > 0)
        datagrams = np.flatnonzero(is_asked if Transport.UDP in self.transports else is_asked & False)
        n_pieces = len(pieces)
        unclaimed = np.zeros(len(packets["flow"]), np.bool_)
        unclaimed[seen.inspected.unclaimed] = True
        parts = [
            (
                pieces.row,
                pieces.flow,
                pieces.to_server,
                pieces.at,
                pieces.end,
                pieces.frame,
                pieces.ts_ns,
                np.where(pieces.notes & APART, np.maximum(pieces.notes >> MISSING_AT, 1), 0),
                np.arange(len(pieces)),
                pieces.notes & OWNED == 0,
            ),
            (
                datagrams,
                *(packets[name][datagrams] for name in ("flow", "to_server", "payload_at")),
                packets["payload_at"][datagrams] + packets["payload_length"][datagrams],
                *(packets[name][datagrams] for name in ("frame", "ts_ns")),
                np.zeros(len(datagrams), np.bool_),
                n_pieces + datagrams,
                unclaimed[datagrams],
            ),
        ]
        columns = [np.concatenate(pair) for pair in zip(*parts, strict=True)]
        spoken = seen.inspected.spoken = np.zeros(n_pieces + len(packets["flow"]), np.int64)
        spoken[columns[8]] = self._spoken(columns[1])  # of those that are done; the others' follows
        order = np.lexsort((columns[5], columns[0]))  # what one packet releases, of both sides, in the order in which it was said
        order = order[~self.done[columns[1][order]]]
        columns[9] = np.where(columns[9], columns[4] - columns[3], 0)
        found: list[Message] = []
        for row, flow, to_server, at, end, frame, ts_ns, missing, place, size in zip(*(column[order].tolist() for column in columns), strict=True):
            if not self.done[flow]:
                key = int(c["conversation"][flow])
                each = self._opened(key, flow, c)
                transport, content = Transport(int(c["transport"][flow])), data[at:end].tobytes()
                each.hear(to_server, frame, ts_ns, content, is_datagram=transport == Transport.UDP)
                port = int(c["b_port" if c["server_is_b"][flow] else "a_port"][flow])
                try:
                    heard = list(self._feed(each, flow, to_server, content, transport, port, missing))
                except Exception as error:  # noqa: BLE001  # a parser's mistake costs its conversation, not the sensor
                    MISTAKES.note(f"{each.name or 'applications'}: conversation", error)
                    heard, self.done[flow] = [], True
                    self.failed += 1
                found += each.messages(flow, row, heard)
                if each.parser is not None and each.parser.expected:
                    self._expect(each.parser, flow, c)
                if self.done[flow]:
                    self.broken += each.parser is not None
                    del self.open[key]
                for other in self.raw.hold(key, 0 if self.done[flow] else each.held):
                    self.open[other].give_up()
                each.unnamed += size
                if self.number[flow]:
                    self.bytes += each.unnamed - size  # its own follow, with those of all that are known by now
                    each.unnamed = 0
            spoken[place] = self._spoken(flow)
        self.bytes += int(columns[9][spoken[columns[8]] > 0].sum())
        over = seen.over["flow"][self.number[seen.over["flow"]] > 0]
        for flow, key in zip(over.tolist(), c["conversation"][over].tolist(), strict=True):
            if (last := self.open.get(key)) is not None:
                for name, parser in last.parsers():
                    try:
                        heard = [(name, said) for said in parser.close()]
                    except Exception as error:  # noqa: BLE001  # as above
                        MISTAKES.note(f"{name}: conversation", error)
                        heard = []
                        self.failed += 1
                    found += last.messages(flow, 0, heard)
        return found

    def spoken(self, flow: Array, protocol: Array, count: int) -> Array:
        """What flows spoke, by number: of a protocol, or `count` and the place in `applications` where it was one of those."""
        application = self.number[flow]
        return np.where((protocol > 0) & (protocol <= count) | (application == 0), protocol, count + application)

    def forget(self, seen: Seen) -> None:
        """Flows that are over: their numbers will be others'."""
        over = seen.over["flow"]
        if len(self.done):
            spoke = over[self.done[over] | (self.number[over] > 0)]
            self.done[spoke], self.number[spoke] = False, 0
        for begin in range(0, len(over) if self.open else 0, AT_ONCE):
            for key in seen.flows["conversation"][over[begin : begin + AT_ONCE]].tolist():
                self.open.pop(key, None)
                self.raw.forget(key)

    def report(self, events: Mapping[str, int]) -> dict[str, int]:
        """How many events there were of each application, and how many conversations could not be followed to their end."""
        names = dict.fromkeys(application.name for application in self.applications)
        counts = {name: events.get(name, 0) for name in names} | {
            "conversations_broken": self.broken,
            "conversations_evicted": self.evicted,
            "conversations_failed": self.failed,
            "conversations_without_bytes": self.raw.given_up,
        }
        return {name: count for name, count in counts.items() if count}

    def _spoken(self, flow: Any) -> Any:
        """What these flows speak, as far as it is known."""
        return np.where(self.number[flow] > 0, self.number[flow], np.where(self.done[flow], NONE, 0))

    def _expect(self, parser: Conversation, flow: int, c: Mapping[str, Array]) -> None:
        """Keep what a conversation has announced."""
        for each in parser.expected:
            if each.name in self.names:
                end = "b" if each.at_server == bool(c["server_is_b"][flow]) else "a"
                self.expected[int(c[f"{end}_high"][flow]), int(c[f"{end}_low"][flow]), each.port] = each
                if len(self.expected) > MOST_EXPECTED:
                    self.expected.popitem(last=False)
                    self.evicted += 1
        parser.expected = ()

    def _opened(self, key: int, flow: int, c: Mapping[str, Array]) -> Open:
        each = self.open.get(key)
        if each is None:
            each = self.open[key] = Open(is_whole=bool(c["role"][flow] == Role.HANDSHAKE))
            self.number[flow] = 0
            for end in "ab" if self.expected else "":
                if found := self.expected.pop((int(c[f"{end}_high"][flow]), int(c[f"{end}_low"][flow]), int(c[f"{end}_port"][flow])), None):
                    each.parser, each.name, self.number[flow] = found.conversation, found.name, self.names[found.name]
                    each.answer = None
            if len(self.open) > self.most:
                gone, _ = self.open.popitem(last=False)
                self.raw.forget(gone)
                self.evicted += 1
        else:
            self.open.move_to_end(key)  # who is silent longest goes first
        return each

    def _feed(self, each: Open, flow: int, to_server: bool, content: bytes, transport: Transport, port: int, missing: int) -> Iterator[tuple[str, Said]]:
        if each.parser is None:
            each.head.append((to_server, content))
            self._recognise(each, flow, transport, port)
            if each.parser is None:
                if self.done[flow] and each.is_whole:
                    text = b"".join(content for side, content in each.head if side == each.first)
                    name = turned_round(self._over(transport), each.first, text)
                    yield from _told(name, each.first, WRONG_DIRECTION if name else "")
                return
            said, each.head = each.head, []
        else:
            said = [(to_server, content)]
        for last, (side, text) in enumerate(said, 1 - len(said)):  # 0: what came now
            name, parser = self._speaker(each, each.parser, flow, side, text)
            is_plain = bool(text) and stays_plain(parser, side)
            if missing and last == 0 and not parser.broken:
                yield from ((name, one) for one in parser.gap(side, missing))
            if not parser.broken:
                yield from ((name, one) for one in parser.feed(side, text))
            elif parser.then and each.inner is None:
                yield from ((name, one) for one in parser.strayed(side))
            if each.answer is not None and side != each.first:
                yield from _told(each.name, side, self._answered(each, side, text, transport, apart=missing > 0 and last == 0))
            if is_plain and parser is each.parser and not each.is_plain:
                each.is_plain = True
                yield from _told(each.name, side, NO_TLS)
        self.done[flow] = each.inner.broken if each.inner is not None else each.parser.broken and each.parser.then not in self.names

    def _over(self, transport: Transport) -> list[Application]:
        return [application for application in self.applications if transport in application.ports]

    def _answered(self, each: Open, side: bool, text: bytes, transport: Transport, *, apart: bool) -> str:
        """The event that it is what the side that did not speak first begins with."""
        each.answer = (each.answer or b"") + text
        application = next(one for one in self._over(transport) if one.name == each.name)
        event = of_answer(application, self._over(transport), side, each.answer) if each.is_whole and not apart else ""
        if event is not None or len(each.answer) > MOST_HEAD:
            each.answer = None
        return event or ""

    def _speaker(self, each: Open, parser: Conversation, flow: int, side: bool, text: bytes) -> tuple[str, Conversation]:
        """Whose these bytes are: each side turns to what follows where it begins so, for what the other one says late may be of what was before."""
        then = self.names.get(parser.then, 0)
        if not then or (side not in each.turned and self.applications[then - 1].starts(side, text, True) is False):
            return each.name, parser
        each.turned.add(side)
        each.inner = each.inner or parser.after or self.applications[then - 1].open()
        self.number[flow] = then
        return parser.then, each.inner

    def _recognise(self, each: Open, flow: int, transport: Transport, port: int) -> None:
        """By what the side that spoke first has said so far."""
        first = each.first = each.head[0][0]
        text = b"".join(content for side, content in each.head if side == first)
        waiting = False
        here = [(number, application) for number, application in enumerate(self.applications, 1) if transport in application.ports]
        for number, application in sorted(here, key=lambda pair: port not in pair[1].ports[transport]):  # who is expected here is asked first
            verdict = application.starts(first, text, port in application.ports[transport])
            if verdict:
                self.number[flow], each.parser, each.name = number, application.open(), application.name
                each.parser.is_whole = each.is_whole
                return
            waiting |= verdict is None
        self.done[flow] = not waiting or sum(len(content) for _, content in each.head) > MOST_HEAD


def _told(name: str, to_server: bool, event: str) -> Iterator[tuple[str, Said]]:
    """A message of this application that says nothing but the event."""
    if event:
        said = Said(to_server)
        said.event(event)
        yield name, said
