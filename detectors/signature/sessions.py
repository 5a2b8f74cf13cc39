"""TCP sessions as Suricata follows them, as far as rules notice: which packets become part of a stream, and which of its bytes rules look at, and when.

RFC 9293, 3.3.2, and Suricata's developer guide, "Stream engine"; what these leave open was found by running it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import IntEnum

from detectors.signature.segments import ACK, FIN, HALF, RST, SYN

CHUNK = 2_560  # acknowledged bytes that are looked at without another reason (stream.reassembly.toserver-chunk-size and its twin)
WINDOW = 65_535
GUESSED = 16  # bytes of each side, up to which it is still open what they speak
DEPTH = 1 << 20  # bytes of a stream that are put together (stream.reassembly.depth)


class State(IntEnum):
    """Of a TCP session (RFC 9293, 3.3.2), in Suricata's order: what comes after TIME_WAIT is closing, and looked at at once."""

    NONE = 0
    SYN_SENT = 1
    SYN_RECEIVED = 2
    ESTABLISHED = 3
    FIN_WAIT_1 = 4
    FIN_WAIT_2 = 5
    TIME_WAIT = 6
    LAST_ACK = 7
    CLOSE_WAIT = 8
    CLOSING = 9
    CLOSED = 10


@dataclass
class Stream:
    """One direction. Offsets count from the first byte. acked, looked: up to where the other side has acknowledged, and rules have looked."""

    base: int = 0  # sequence number of the first byte
    right: int = 0  # offset behind the highest byte sent
    acked: int = 0
    looked: int = 0
    starts: list[int] = field(default_factory=list)  # of the blocks, ascending; none touches the next
    blocks: list[bytearray] = field(default_factory=list)
    asked: int = -1  # a parser has a message that ends here
    flush: bool = False  # it has said so

    def offset(self, number: int) -> int:
        """The offset that a sequence number is nearest to."""
        return self.right + ((number - self.base - self.right + HALF) & 0xFFFFFFFF) - HALF

    def give_up(self) -> None:
        """What is held is not looked at any more: its room is needed for others."""
        self.looked = max(self.looked, self.end)
        self.starts, self.blocks = [], []

    @property
    def end(self) -> int:
        """Behind the last byte that there is."""
        return self.starts[-1] + len(self.blocks[-1]) if self.starts else 0

    def insert(self, at: int, content: bytes) -> None:
        """What is there already stays (host-os-policy: windows)."""
        if at < self.looked:
            at, content = self.looked, content[self.looked - at :]
        content = content[: max(DEPTH - at, 0)]
        if not content:
            return
        begin, end = at, at + len(content)
        first = max(bisect_right(self.starts, begin) - 1, 0)
        while first < len(self.starts) and self.starts[first] + len(self.blocks[first]) < begin:
            first += 1
        last = first
        merged, low = bytearray(content), begin
        while last < len(self.starts) and self.starts[last] <= end:
            start, block = self.starts[last], self.blocks[last]
            if start < low:
                merged[:0] = block[: low - start]
                low = start
            if start + len(block) > low + len(merged):
                merged += block[low + len(merged) - start :]
            merged[start - low : start - low + len(block)] = block
            last += 1
        self.starts[first:last], self.blocks[first:last] = [low], [merged]

    def chunks(self, *, whole: bool = False, searched: bool = True) -> list[bytes]:
        """What rules look at now, one after the other. whole: what is not acknowledged, too.

        searched: whether a rule searches the stream for a pattern, or it is settled what it speaks; otherwise they look at the same bytes again the next time,
        as far as a window reaches.
        """
        found: list[bytes] = []
        looked = self.looked
        for start, block in zip(self.starts, self.blocks, strict=True):
            if start + len(block) <= looked:
                continue
            begin = max(start, looked)
            size = start + len(block) - begin
            if not whole:
                if self.acked < looked:
                    break
                size = min(size, self.acked - looked)
            if size <= 0:
                break
            found.append(bytes(block[begin - start : begin - start + size]))
            looked = looked + size if begin == looked else begin if begin < self.acked else looked
        looked = looked if searched or self.flush else max(self.looked, self.end - WINDOW)
        if looked > self.looked:
            self.looked, self.flush = looked, False
            while self.starts and self.starts[0] + len(self.blocks[0]) <= looked:
                del self.starts[0], self.blocks[0]
            if self.starts and looked - self.starts[0] > CHUNK:
                del self.blocks[0][: looked - self.starts[0]]
                self.starts[0] = looked
        return found


@dataclass
class Session:
    """A flow. client_is_a: who sent its first packet. streams: the client's, the server's. came: how many packets each side has sent; announced: whether a packet
    of it has been the first for which it is known what the side speaks (of datagrams: whether it has spoken after the other one). is_mute: no parser is given
    what it says."""

    client_is_a: bool
    state: State = State.NONE
    streams: tuple[Stream, Stream] = field(default_factory=lambda: (Stream(), Stream()))
    came: list[int] = field(default_factory=lambda: [0, 0])
    announced: list[bool] = field(default_factory=lambda: [False, False])
    last: tuple[int, int] = (0, 0)  # frame and time of its last packet
    application: int = 0  # see Inspected.spoken
    is_mute: bool = False

    def takes(self, side: int, number: int, acknowledged: int, flags: int, content: bytes, *, midstream: bool) -> bool:
        """The next packet, of the client (0) or the server (1): whether its bytes became part of the stream."""
        mine, other = self.streams[side], self.streams[1 - side]
        match self.state:
            case State.NONE:
                return self._begin(side, number, acknowledged, flags, content, midstream=midstream)
            case State.SYN_SENT:
                if flags & RST:
                    self.state = State.CLOSED
                elif side == 1 and flags & (SYN | ACK) == SYN | ACK and acknowledged == other.base:
                    mine.base, self.state = number + 1 & 0xFFFFFFFF, State.SYN_RECEIVED
                return False
            case State.CLOSED:
                return False
        if flags & SYN:
            return False
        if flags & RST:
            self.state = State.CLOSED
            self._acknowledge(other, acknowledged, flags)
            mine.acked = max(mine.acked, mine.right)
            return False
        if self.state == State.SYN_RECEIVED:
            if not flags & ACK:
                return False
            self.state = State.ESTABLISHED
        at = mine.offset(number)
        if at + len(content) < mine.acked:
            return False  # sent again though it was acknowledged
        if len(content) <= 1 and not flags & FIN and at == mine.right - 1 and other.offset(acknowledged) == other.acked:
            return False  # keeps the connection alive
        self._acknowledge(other, acknowledged, flags)
        mine.right = max(mine.right, at + len(content))
        added = bool(content) and at < DEPTH and at + len(content) > 0
        if added:
            mine.insert(at, content) if at >= 0 else mine.insert(0, content[-at:])
        self._close(side, flags, other, acknowledged)
        return added

    def _begin(self, side: int, number: int, acknowledged: int, flags: int, content: bytes, *, midstream: bool) -> bool:
        mine, other = self.streams[side], self.streams[1 - side]
        if flags & (SYN | ACK | RST) == SYN:
            mine.base, self.state = number + 1 & 0xFFFFFFFF, State.SYN_SENT
        elif midstream and flags & (SYN | ACK) == SYN | ACK:
            self.client_is_a = not self.client_is_a
            other.base, mine.base, self.state = number + 1 & 0xFFFFFFFF, acknowledged, State.SYN_RECEIVED
        elif midstream and flags & ACK and not flags & (FIN | RST):
            mine.base, other.base, self.state = number, acknowledged, State.ESTABLISHED
            mine.right = len(content)
            mine.insert(0, content)
            return bool(content)
        return False

    @staticmethod
    def _acknowledge(other: Stream, acknowledged: int, flags: int) -> None:
        if flags & ACK:
            other.acked = max(other.acked, other.offset(acknowledged))
            if 0 <= other.asked <= other.acked:
                other.flush, other.asked = True, -1

    def _close(self, side: int, flags: int, other: Stream, acknowledged: int) -> None:
        finished = flags & ACK and other.offset(acknowledged) > other.end
        if flags & FIN:
            self.state = {
                State.ESTABLISHED: (State.CLOSE_WAIT, State.FIN_WAIT_1)[side],
                State.CLOSE_WAIT: State.LAST_ACK if side == 1 else State.CLOSE_WAIT,
                State.FIN_WAIT_1: State.TIME_WAIT if side == 0 else State.FIN_WAIT_1,
                State.FIN_WAIT_2: State.TIME_WAIT if side == 0 else State.FIN_WAIT_2,
            }.get(self.state, self.state)
        elif flags & ACK:
            self.state = {
                State.LAST_ACK: State.CLOSED if side == 0 else State.LAST_ACK,
                State.FIN_WAIT_1: State.FIN_WAIT_2 if side == 0 and finished else State.FIN_WAIT_1,
                State.TIME_WAIT: State.CLOSED if side == 1 else State.TIME_WAIT,
            }.get(self.state, self.state)

    @property
    def held(self) -> int:
        """Bytes."""
        return sum(len(block) for stream in self.streams for block in stream.blocks)

    def is_ready(self, side: int) -> bool:
        """Whether rules look at this side's stream together with a packet of it that has just come."""
        stream = self.streams[side]
        due = stream.flush or self.state > State.TIME_WAIT or stream.acked - stream.looked >= CHUNK or stream.right >= DEPTH
        return due and stream.looked < stream.end

    @property
    def is_decided(self) -> bool:
        """Whether it is settled what they speak, or that nobody knows: what was looked at then is not looked at again."""
        return min(stream.right for stream in self.streams) > GUESSED

    def rest(self, side: int) -> list[bytes]:
        """Those that are left at the end."""
        return self.streams[side].chunks(whole=True) if self.state >= State.SYN_RECEIVED else []
