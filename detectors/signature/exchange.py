"""A TCP conversation that somebody between the two looks at, and which of its segments are acceptable (RFC 9293, 3.10.7.4), in the words of Suricata's stream events."""

from __future__ import annotations

from dataclasses import dataclass, field

from detectors.signature.segments import ACK, NUMBERS, SYN, Segment, Side, beyond
from detectors.signature.sessions import State


@dataclass(slots=True)
class Exchange:
    """sides: the client's, the server's; turned: the client is not who sent the flow's first packet.

    midstream: its beginning was not seen; four_way: both have sent a SYN (RFC 9293, 3.5); stamped: both send time stamps; confirmed: the server has spoken since the
    handshake. syns, answers: the client's SYNs with different time stamps, the server's different SYN+ACKs, as long as the handshake lasts. said: of the last segment.
    """

    state: State = State.NONE
    sides: tuple[Side, Side] = field(default_factory=lambda: (Side(), Side()))
    turned: bool = False
    midstream: bool = False
    four_way: bool = False
    stamped: bool = False
    confirmed: bool = False
    syns: list[Segment] = field(default_factory=list)
    answers: list[Segment] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def say(self, event: str) -> None:
        self.said.append(event)

    def is_due(self, s: Segment, mine: Side) -> bool:
        """Whether it is not all from before the beginning."""
        before = 1 if mine.is_deep else beyond(s.end, mine.origin)
        if not s.size or min(before, beyond(s.end, mine.acked)) > 0:
            return True
        self.say("pkt_spurious_retransmission")
        if before < 0 or (before == 0 and self.state < State.ESTABLISHED):
            self.say("reassembly_segment_before_base_seq")
            return False
        return True

    def is_aside(self, s: Segment, mine: Side, other: Side) -> bool:
        """Whether nothing follows from it: it asks if the other side is there (RFC 9293, 3.8.4), answers that, is out of date, or takes back more of the window
        than the other side has used (3.8.6)."""
        if s.size <= 1 and s.number == mine.next - 1 & NUMBERS and s.acknowledged == other.acked:
            mine.probes = True
            return True
        window = s.window << other.scale
        if other.probes and not s.size and s.number == mine.next and s.acknowledged == other.next and window == other.window:
            other.probes = False
            return True
        if self.state < State.ESTABLISHED:
            return False
        if s.flags & ACK and not s.size and s.number == mine.next and beyond(s.acknowledged, other.acked) < 0:
            return True
        if self.state == State.CLOSED or self.is_last(s, mine, other) or beyond(s.acknowledged, other.next) <= 0 or beyond(s.number, mine.next) <= 0:
            return False
        less = other.window - window
        is_bad = less > s.size and less > (s.acknowledged - other.acked & NUMBERS) + (32 if window > 1024 else 0)
        if is_bad:
            self.say("pkt_bad_window_update")
        return is_bad

    def is_last(self, s: Segment, mine: Side, other: Side) -> bool:
        """Whether it acknowledges a FIN, and nothing else."""
        is_closing = self.state in (State.TIME_WAIT, State.CLOSE_WAIT, State.LAST_ACK) and s.flags == ACK and not s.size
        return is_closing and s.number == mine.next + 1 & NUMBERS and s.acknowledged == other.next + 1 & NUMBERS

    def is_late(self, s: Segment, mine: Side) -> bool:
        """Whether its time stamp is older than that of another before it (RFC 7323, 5)."""
        if not self.stamped or s.timestamp is None or not mine.stamp or beyond(s.timestamp[0], mine.stamp) >= 0:
            return False
        self.say("pkt_invalid_timestamp")
        return True

    def is_invalid(self, s: Segment, other: Side, event: str) -> bool:
        """Whether it acknowledges what could not be sent, or was acknowledged more than a window ago (RFC 5961, 5.2)."""
        more = beyond(s.acknowledged, other.acked)
        is_valid = beyond(s.acknowledged, other.edge) <= 0 if more > 0 else not other.window or -more <= other.window
        if is_valid or not s.flags & ACK:
            return False
        self.said += ["pkt_invalid_ack", event]
        return True

    def repeats(self, s: Segment, mine: Side) -> bool:
        """Whether it is sent again, all or in part."""
        if not s.size or (beyond(s.end, mine.next) > 0 and not beyond(s.number, mine.acked) < 0 < beyond(s.end, mine.acked)):
            return False
        self.say("pkt_retransmission")
        return True

    def stamp(self, s: Segment, mine: Side) -> None:
        if self.stamped and s.timestamp is not None and s.number == mine.next:
            mine.stamp = s.timestamp[0]

    def reset(self, s: Segment, mine: Side, other: Side) -> None:
        """A RST is believed where its number is the next one (RFC 5961, 3.2)."""
        if s.size:
            self.say("rst_with_data")
        if not self.is_late(s, mine) and not self.is_invalid(s, other, "rst_invalid_ack") and s.number == mine.next:
            self.state = State.CLOSED

    def finish(self, s: Segment, mine: Side, other: Side) -> None:
        """The first FIN."""
        if self.is_late(s, mine) or self.is_invalid(s, other, "fin_invalid_ack"):
            return
        if beyond(s.number, mine.acked) < 0 or not mine.fits(s.number):
            self.say("fin_out_of_window")
            return
        if s.flags & SYN and not s.side:
            self.say("fin_syn")
        self.state = State.FIN_WAIT_1 if s.side else State.CLOSE_WAIT
        self.syns, self.answers = [], []
        mine.next = s.end + s.side & NUMBERS  # the server's is counted, the client's when it is acknowledged
        other.reach(s.acknowledged)
        if s.flags & ACK:
            other.acknowledge(s.acknowledged)
        other.window = s.window << other.scale
        if s.side:
            other.offer(s.window)
        self.stamp(s, mine)
