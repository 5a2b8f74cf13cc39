"""The slow path: one TCP stream at a time, byte by byte exact, bounded. It is also what the fast path is held against.

Policy where segments overlap: the first bytes seen win (as Linux and Windows do for data already delivered); other content is reported, never used.
A hole is waited for until the receiver acknowledges beyond it (then the sensor missed it), or `HELD_BYTES`, `HELD_SEGMENTS` or `HELD_NS` are exceeded.
A PDU that waits for more while a segment brings nothing but whole PDUs has a length that reaches over them. Receivers that take each segment for a PDU carry
those out, so both are read: the one as far as it goes, and those.
A hole that no window would leave is none: the sequence numbers jump, by mistake or to mislead. Where the stream goes on before it, what lies behind it is dropped.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from typing import TypeAlias

from sensor.events.protocol import MOST_PDU, Protocol
from sensor.events.seen import APART, MISSING_AT, MOST_MISSING, OWNED
from sensor.events.vocabulary import Anomaly, Kind, Trust
from sensor.streams.flows import UNDECIDED, UNKNOWN
from sensor.streams.framing import find, first, may_begin, size_at, whole
from sensor.streams.stream import UNASKED, Flow, Found, Segment, Stream, Trouble, last, signed

HELD_BYTES, HELD_SEGMENTS, HELD_NS = 1 << 16, 64, 1_000_000_000
MOST_GAP = 1 << 24  # bytes of a hole; receivers offer windows of a few MiB at most
Earlier: TypeAlias = Callable[[int, int, int], bytes | None]  # of a stream: sequence number, size, the frame that asks -> what another frame held there
TRIES = 8  # segments without any PDU after which a flow's protocol is given up


class Reassembler:
    """Feeds segments through one flow's streams and collects what comes out, until it is cleared.

    numbers: of the protocols that TCP may carry. count: called with (protocol number, what, bytes) for every byte that is accounted for.
    inspect: what is part of no PDU becomes pieces, and flows of no known protocol are put in order, too.
    """

    def __init__(self, protocols: tuple[Protocol, ...], numbers: tuple[int, ...], count: Callable[[int, str, int], None], *, inspect: bool = False) -> None:
        self.protocols, self.numbers, self.count, self.inspect = protocols, numbers, count, inspect
        self.found: list[Found] = []
        self.pieces: list[Found] = []
        self.troubles: list[Trouble] = []

    def clear(self) -> None:
        """What was collected has been taken."""
        self.found.clear()
        self.pieces.clear()
        self.troubles.clear()

    def feed(self, flow: Flow, from_b: bool, segment: Segment, acknowledged: int, earlier: Earlier) -> None:
        """One packet of the flow, in capture order; acknowledged: its ACK number, -1 where it has none."""
        other = flow.streams[not from_b]
        if acknowledged >= 0 and other.held and other.next is not None:
            head = other.held[0][2]
            if signed(acknowledged - head.sequence) >= 0 and signed(acknowledged - other.next) > 0:
                self._gap(flow, not from_b, segment)
        stream = flow.streams[from_b]
        if stream.next is None and segment.begins:
            stream.next = segment.sequence
        if not segment.content and not segment.cut:
            return
        if flow.protocol == UNKNOWN and not self.inspect:
            self.count(UNKNOWN, "unrecognised", len(segment.content))
            return
        if stream.next is None:
            stream.next = segment.sequence
        distance = signed(segment.sequence - stream.next)
        if distance > 0:
            self._hold(flow, from_b, segment)
        else:
            before = stream.next
            self._advance(flow, from_b, segment, earlier)
            self._release(flow, from_b, segment, earlier)
            if stream.next != before:
                self._forget_jumps(flow, from_b, segment)

    def give_up_holes(self, flow: Flow, from_b: bool) -> None:
        """Deliver what is held behind holes."""
        stream = flow.streams[from_b]
        while stream.held:
            head = stream.held[0][2]
            self._gap(flow, from_b, Segment(0, b"", 0, 0, head.frame, head.ts_ns))

    def finish(self, flow: Flow, from_b: bool) -> None:
        """Nothing more comes: deliver what is held, and count what remains as unfinished."""
        self.give_up_holes(flow, from_b)
        stream = flow.streams[from_b]
        self.count(flow.protocol, "unfinished", len(stream.buffer))
        self._piece(flow, from_b, 0, len(stream.buffer))
        stream.buffer.clear()
        stream.marks.clear()

    def _advance(self, flow: Flow, from_b: bool, segment: Segment, earlier: Earlier) -> None:
        """A segment that begins at or before what is expected: what is new of it goes into the buffer."""
        stream = flow.streams[from_b]
        assert stream.next is not None
        old = -signed(segment.sequence - stream.next)
        content = segment.content
        if old:
            again = content[:old]
            before = earlier(segment.sequence, len(again), segment.frame) if again and (len(content) > 1 or old > 1) else None  # one byte before: a keep-alive
            if before is not None and before != again and flow.protocol != UNKNOWN:
                self.troubles.append(Trouble(Kind.OVERLAP_DIFFERENT, segment.row, segment.frame, segment.ts_ns, from_b, len(again)))
            self.count(flow.protocol, "retransmitted", len(again))
            if old >= len(content) + segment.cut:
                return
            content = content[old:]
        stream.next = (segment.sequence + len(segment.content) + segment.cut) & 0xFFFFFFFF
        if content and flow.protocol == UNKNOWN:
            self.count(UNKNOWN, "unrecognised", len(content))
            self._say(stream, Found(content, segment.row, segment.frame, segment.ts_ns, from_b, Trust.COMPLETE))
        elif content:
            if stream.buffer and not old and self._is_hidden(flow, stream, segment):
                self._deliver(flow, from_b, segment, len(stream.buffer), Anomaly.HIDES_PDU)
                stream.trust = Trust.RESYNCED
            sizes = () if old or stream.buffer else segment.sizes
            stream.buffer += content
            stream.marks.append((len(stream.buffer), segment.frame, segment.ts_ns))
            self._frame(flow, from_b, segment, sizes)
        if segment.cut:
            self._lose(flow, from_b, segment, segment.cut)

    def _is_hidden(self, flow: Flow, stream: Stream, segment: Segment) -> bool:
        """Whether the buffer holds the beginning of a PDU whose length reaches over the PDUs that this segment is. Decides what an undecided flow speaks."""
        number = flow.protocol or flow.hint
        if number in (UNDECIDED, UNKNOWN) or stream.lost:
            return False
        protocol, is_none = self.protocols[number - 1], segment.sizes and not segment.sizes[number]
        if is_none or len(stream.buffer) < protocol.header.itemsize or not whole(protocol, segment.content, 0):
            return False
        if flow.protocol == UNDECIDED:
            if not size_at(protocol, stream.buffer, 0) or not may_begin(protocol, stream.buffer):
                return False
            flow.protocol = number
        return True

    def _hold(self, flow: Flow, from_b: bool, segment: Segment) -> None:
        stream = flow.streams[from_b]
        assert stream.next is not None
        if not stream.held:
            stream.origin = stream.next
        stream.arrivals += 1
        insort(stream.held, (signed(segment.sequence - stream.origin), stream.arrivals, segment), key=lambda entry: entry[:2])
        stream.held_bytes += len(segment.content)
        oldest = min(entry[2].ts_ns for entry in stream.held)
        if stream.held_bytes > HELD_BYTES or len(stream.held) > HELD_SEGMENTS or segment.ts_ns - oldest > HELD_NS:
            self._gap(flow, from_b, segment)

    def _release(self, flow: Flow, from_b: bool, now: Segment, earlier: Earlier) -> None:
        """Held segments that have become due."""
        stream = flow.streams[from_b]
        while stream.held and stream.next is not None and signed(stream.held[0][2].sequence - stream.next) <= 0:
            segment = stream.held.pop(0)[2]
            stream.held_bytes -= len(segment.content)
            segment.row, segment.begins = now.row, False
            self._advance(flow, from_b, segment, earlier)

    def _forget_jumps(self, flow: Flow, from_b: bool, now: Segment) -> None:
        """The stream goes on where it stood: what is held beyond any window no receiver takes, and it must not end the stream here either."""
        stream = flow.streams[from_b]
        assert stream.next is not None
        while stream.held and (size := signed(stream.held[-1][2].sequence - stream.next)) > MOST_GAP:
            segment = stream.held.pop()[2]
            stream.held_bytes -= len(segment.content)
            if flow.protocol == UNKNOWN:
                self.count(UNKNOWN, "unrecognised", len(segment.content))
            else:
                self.troubles.append(Trouble(Kind.SEQUENCE_JUMP, now.row, now.frame, now.ts_ns, from_b, size))
                self.count(flow.protocol, "skipped", len(segment.content))

    def _gap(self, flow: Flow, from_b: bool, now: Segment) -> None:
        """Give up the hole before the first held segment and go on behind it."""
        stream = flow.streams[from_b]
        assert stream.next is not None
        head = stream.held[0][2]
        self._lose(flow, from_b, now, signed(head.sequence - stream.next))
        stream.next = head.sequence
        self._release(flow, from_b, now, lambda _sequence, _size, _frame: None)

    def _lose(self, flow: Flow, from_b: bool, now: Segment, size: int) -> None:
        """Bytes that were never seen: the PDU they fell into is lost, the next one must be found."""
        stream = flow.streams[from_b]
        if flow.protocol != UNKNOWN:
            is_gap = size <= MOST_GAP
            self.troubles.append(Trouble(Kind.STREAM_GAP if is_gap else Kind.SEQUENCE_JUMP, now.row, now.frame, now.ts_ns, from_b, size))
            self.count(flow.protocol, "gap", size if is_gap else 0)
            self._drop(flow, from_b, now.row, len(stream.buffer))
            stream.need, stream.lost, stream.trust = 1, True, Trust.AFTER_GAP
        stream.apart, stream.missing = True, min(stream.missing + size, MOST_MISSING)

    def _drop(self, flow: Flow, from_b: bool, row: int, size: int) -> None:
        """Pass over bytes at the buffer's beginning that are part of no PDU."""
        if size:
            stream = flow.streams[from_b]
            self.count(flow.protocol, "skipped", size)
            self._piece(flow, from_b, row, size)
            self._consume(stream, size)

    def _piece(self, flow: Flow, from_b: bool, row: int, size: int) -> None:
        """The buffer's first bytes are part of no PDU: told packet by packet."""
        stream, begin = flow.streams[from_b], 0
        notes = 0 if flow.protocol in (UNDECIDED, UNKNOWN) else OWNED
        for end, frame, ts_ns in stream.marks if size and self.inspect else ():  # one piece a packet
            if begin < size:
                self._say(stream, Found(bytes(stream.buffer[begin : min(end, size)]), row, frame, ts_ns, from_b, Trust.COMPLETE, notes))
            begin = end

    def _say(self, stream: Stream, piece: Found) -> None:
        self.pieces.append(piece._replace(notes=piece.notes | (APART if stream.apart else 0) | stream.missing << MISSING_AT))
        stream.apart, stream.missing = False, 0

    def _consume(self, stream: Stream, size: int) -> None:
        del stream.buffer[:size]
        stream.marks = [(end - size, frame, ts_ns) for end, frame, ts_ns in stream.marks if end > size]

    def _frame(self, flow: Flow, from_b: bool, now: Segment, sizes: Sequence[int]) -> None:
        """Take whole PDUs from the buffer's beginning. sizes: see Segment, of what the buffer holds."""
        stream = flow.streams[from_b]
        while stream.buffer and len(stream.buffer) >= stream.need and flow.protocol != UNKNOWN:
            if flow.protocol == UNDECIDED and not self._recognise(flow, stream, now, from_b, sizes):
                return
            protocol = self.protocols[flow.protocol - 1]
            if len(stream.buffer) < protocol.header.itemsize:
                stream.need = protocol.header.itemsize
                return
            size, sizes = self._size(flow.protocol, stream.buffer, sizes), ()
            if not 0 < size <= MOST_PDU or (stream.lost and size > len(stream.buffer)):
                if not self._resync(flow, from_b, now):
                    return
                continue
            if size > len(stream.buffer):
                stream.need = size
                return
            self._deliver(flow, from_b, now, size)
        if flow.protocol == UNKNOWN:
            self.count(UNKNOWN, "unrecognised", len(stream.buffer))
            self._consume(stream, len(stream.buffer))

    def _deliver(self, flow: Flow, from_b: bool, now: Segment, size: int, notes: int = 0) -> None:
        stream = flow.streams[from_b]
        frame, ts_ns = last(stream, size)
        self.found.append(Found(bytes(stream.buffer[:size]), now.row, frame, ts_ns, from_b, stream.trust, notes))
        self.count(flow.protocol, "decoded", size)
        self._consume(stream, size)
        stream.need, stream.lost, stream.trust, stream.apart, stream.missing = 1, False, Trust.COMPLETE, True, 0
        flow.tries = 0

    def _size(self, number: int, buffer: bytearray, sizes: Sequence[int]) -> int:
        if sizes and sizes[number] != UNASKED:
            return sizes[number]
        return size_at(self.protocols[number - 1], buffer, 0)

    def _resync(self, flow: Flow, from_b: bool, now: Segment) -> bool:
        """These bytes are no PDU: find the next one in the buffer, of this protocol or of another. False where there is none; the buffer is empty then."""
        stream = flow.streams[from_b]
        if not stream.lost:
            self.troubles.append(Trouble(Kind.GARBAGE, now.row, now.frame, now.ts_ns, from_b, len(stream.buffer)))
            stream.lost = True
        at = find(self.protocols[flow.protocol - 1], stream.buffer)
        if at is None and not flow.tries:  # whether it is another's is asked once
            another = next((number for number in self.numbers if number != flow.protocol and whole(self.protocols[number - 1], stream.buffer, 0)), None)
            at, flow.protocol = (0, another) if another else (None, flow.protocol)
        if at is not None:
            self._drop(flow, from_b, now.row, at)
            stream.need, stream.lost, stream.trust = 1, False, Trust.RESYNCED
            return True
        self._drop(flow, from_b, now.row, len(stream.buffer))
        stream.need = 1
        flow.tries += 1
        if flow.tries >= TRIES:
            self._give_up(flow, now, from_b)
        return False

    def _recognise(self, flow: Flow, stream: Stream, now: Segment, from_b: bool, sizes: Sequence[int]) -> bool:
        """Decide what an undecided flow speaks from the beginning of its buffer. True once decided."""
        waiting = False
        for number in first(flow.hint, self.numbers):
            protocol = self.protocols[number - 1]
            if len(stream.buffer) < protocol.header.itemsize:
                waiting |= number == flow.hint or (not flow.hint and may_begin(protocol, stream.buffer))
                continue
            size = self._size(number, stream.buffer, sizes)
            if size and not may_begin(protocol, stream.buffer):
                continue
            if (number == flow.hint and 0 < size <= len(stream.buffer)) or (size > 0 and whole(protocol, stream.buffer, 0)):
                flow.protocol = number
                return True
            waiting |= number == flow.hint and len(stream.buffer) < size <= MOST_PDU
        if waiting and len(stream.buffer) < MOST_PDU:
            stream.need = len(stream.buffer) + 1
            return False
        self._drop(flow, from_b, now.row, len(stream.buffer))
        stream.need, stream.trust = 1, Trust.RESYNCED
        flow.tries += 1
        if flow.tries >= TRIES:
            self._give_up(flow, now, from_b)
        return False

    def _give_up(self, flow: Flow, now: Segment, from_b: bool) -> None:
        if flow.hint:
            self.troubles.append(Trouble(Kind.UNEXPECTED_PROTOCOL, now.row, now.frame, now.ts_ns, from_b, 0))
        flow.protocol = UNKNOWN
        for side, stream in enumerate(flow.streams):
            self.count(UNKNOWN, "unrecognised", len(stream.buffer))
            self._piece(flow, bool(side), now.row, len(stream.buffer))
            stream.buffer.clear()
            stream.marks.clear()
            stream.lost, stream.trust = False, Trust.COMPLETE
            if not self.inspect:
                self.count(UNKNOWN, "unrecognised", stream.held_bytes)
                stream.held.clear()
                stream.held_bytes = 0
