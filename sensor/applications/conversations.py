"""The conversations under way: each is recognised by its first bytes, fed in order, and forgotten when its flow is over."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from sensor.applications.application import Application, Conversation
from sensor.columns import Array
from sensor.decode.packets import Transport
from sensor.events.message import Message, Said
from sensor.events.seen import APART, Seen
from sensor.events.vocabulary import Trust

MOST_CONVERSATIONS = 65_536
ONE_SIDED = 8  # packets of one side without any of the other, after which what it says is labelled so
MOST_HEAD = 2_048  # bytes after which a conversation that is none yet is none


@dataclass
class Open:
    """A flow that is listened to: its parser, once it is known, or what was said until then. last: frame and time of what was fed last; fed: how often
    each side was heard, server first; count: messages."""

    parser: Conversation | None = None
    head: list[tuple[bool, bytes]] = field(default_factory=list)
    last: tuple[int, int] = (0, 0)
    fed: list[int] = field(default_factory=lambda: [0, 0])
    count: int = 0

    def hear(self, to_server: bool, frame: int, ts_ns: int) -> None:
        """The next packet."""
        self.fed[to_server] += 1
        self.last = frame, ts_ns

    def messages(self, name: str, flow: int, row: int, said: Iterable[Said]) -> Iterator[Message]:
        """What was said with the last packet."""
        for each in said:
            is_alone = self.fed[each.to_server] >= ONE_SIDED and not self.fed[not each.to_server]
            yield Message(name, each, flow, row, *self.last, Trust.ONE_SIDED if is_alone else Trust.COMPLETE, self.count)
            self.count += 1


class Conversations:
    """Feeds parsers.

    number, done: by flow the place in `applications` of what it speaks, counted from 1 (0: not known), and whether nothing is left to parse. evicted:
    conversations that were forgotten before their end because there were too many. broken: those that their parser could make no sense of from somewhere on.
    """

    def __init__(self, applications: tuple[Application, ...], most: int = MOST_CONVERSATIONS) -> None:
        self.applications, self.most, self.evicted, self.broken = applications, most, 0, 0
        self.open: OrderedDict[int, Open] = OrderedDict()  # by conversation
        self.number, self.done = np.zeros(0, np.int64), np.zeros(0, np.bool_)
        self.transports = {transport for application in applications for transport in application.ports}

    def messages(self, seen: Seen) -> list[Message]:
        """What this batch says. Says of each piece and of each flow that is over, too, what it is part of."""
        if seen.inspected is None:
            return []
        if len(self.done) < (flows := len(seen.flows["conversation"])):
            self.number, self.done = (np.concatenate((column, np.zeros(flows - len(column), column.dtype))) for column in (self.number, self.done))
        pieces, packets, data, c = seen.inspected.pieces, seen.inspected.packets, seen.inspected.data, seen.flows
        is_asked = (packets["transport"] == Transport.UDP) & (packets["flow"] >= 0) & (packets["payload_length"] > 0)
        datagrams = np.flatnonzero(is_asked if Transport.UDP in self.transports else is_asked & False)
        parts = [
            (pieces.row, pieces.flow, pieces.to_server, pieces.at, pieces.end, pieces.frame, pieces.ts_ns, pieces.notes & APART != 0, np.arange(len(pieces))),
            (
                datagrams,
                *(packets[name][datagrams] for name in ("flow", "to_server", "payload_at")),
                packets["payload_at"][datagrams] + packets["payload_length"][datagrams],
                *(packets[name][datagrams] for name in ("frame", "ts_ns")),
                np.zeros(len(datagrams), np.bool_),
                np.full(len(datagrams), -1),
            ),
        ]
        columns = [np.concatenate(pair) for pair in zip(*parts, strict=True)]
        spoken = seen.inspected.spoken = self.number[pieces.flow]  # of those that are done; the others' follows
        order = np.argsort(columns[0], kind="stable")
        order = order[~self.done[columns[1][order]]]
        found: list[Message] = []
        for row, flow, to_server, at, end, frame, ts_ns, apart, piece in zip(*(column[order].tolist() for column in columns), strict=True):
            if not self.done[flow]:
                key = int(c["conversation"][flow])
                each = self._opened(key, flow)
                each.hear(to_server, frame, ts_ns)
                transport = Transport(int(c["transport"][flow]))
                port = int(c["b_port" if c["server_is_b"][flow] else "a_port"][flow])
                heard = list(self._feed(each, flow, to_server, data[at:end].tobytes(), transport, port, apart=apart))  # which may tell what it is
                found += each.messages(self._name(flow), flow, row, heard)
                if self.done[flow]:
                    self.broken += each.parser is not None
                    del self.open[key]
            if piece >= 0:
                spoken[piece] = self.number[flow]
        for flow, key in zip(seen.over["flow"].tolist(), seen.over["conversation"].tolist(), strict=True):
            last = self.open.get(key)
            if last is not None and last.parser is not None:
                found += last.messages(self._name(flow), flow, 0, last.parser.close())
        return found

    def spoken(self, over: Mapping[str, Array], count: int) -> Array:
        """What flows that are over spoke, by number: of a protocol, or `count` and the place in `applications` where it was one of those."""
        application = self.number[over["flow"]]
        return np.where((over["protocol"] > 0) & (over["protocol"] <= count) | (application == 0), over["protocol"], count + application)

    def forget(self, seen: Seen) -> None:
        """Flows that are over: their numbers will be others'."""
        if len(self.done):
            self.done[seen.over["flow"]], self.number[seen.over["flow"]] = False, 0
        for key in seen.over["conversation"].tolist() if self.open else ():
            self.open.pop(key, None)

    def report(self, events: Mapping[str, int]) -> dict[str, int]:
        """How many events there were of each application, and how many conversations could not be followed to their end."""
        names = dict.fromkeys(application.name for application in self.applications)
        counts = {name: events.get(name, 0) for name in names} | {"conversations_broken": self.broken, "conversations_evicted": self.evicted}
        return {name: count for name, count in counts.items() if count}

    def _name(self, flow: int) -> str:
        return self.applications[int(self.number[flow]) - 1].name

    def _opened(self, key: int, flow: int) -> Open:
        each = self.open.get(key)
        if each is None:
            each = self.open[key] = Open()
            self.number[flow] = 0
            if len(self.open) > self.most:
                self.open.popitem(last=False)
                self.evicted += 1
        return each

    def _feed(self, each: Open, flow: int, to_server: bool, content: bytes, transport: Transport, port: int, *, apart: bool) -> Iterator[Said]:
        if each.parser is None:
            each.head.append((to_server, content))
            self._recognise(each, flow, transport, port)
            if each.parser is None:
                return
            said, each.head = each.head, []
        else:
            said = [(to_server, content)]
            if apart:
                yield from each.parser.gap(to_server, 0)
        for side, text in said:
            if each.parser.broken:
                break
            yield from each.parser.feed(side, text)
        self.done[flow] = each.parser.broken

    def _recognise(self, each: Open, flow: int, transport: Transport, port: int) -> None:
        """By what the side that spoke first has said so far."""
        first = each.head[0][0]
        text = b"".join(content for side, content in each.head if side == first)
        waiting = False
        here = [(number, application) for number, application in enumerate(self.applications, 1) if transport in application.ports]
        for number, application in sorted(here, key=lambda pair: port not in pair[1].ports[transport]):  # who is expected here is asked first
            verdict = application.starts(first, text, port in application.ports[transport])
            if verdict:
                self.number[flow], each.parser = number, application.open()
                return
            waiting |= verdict is None
        self.done[flow] = not waiting or sum(len(content) for _, content in each.head) > MOST_HEAD
