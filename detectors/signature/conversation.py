"""What is wrong with the segments of a TCP conversation, in the words of Suricata's stream events.

It is followed through the states of RFC 9293, 3.3.2, as 3.10.7 says what becomes of each segment, by somebody between the two, who has to believe either. What Suricata
objects to, and in what order, was found by running version 7.0.10; the two directions are not always treated alike.
"""

from __future__ import annotations

from dataclasses import dataclass

from detectors.signature.opening import Opening
from detectors.signature.segments import ACK, FIN, NUMBERS, RST, SYN, URG, Segment, Side, beyond
from detectors.signature.sessions import DEPTH, State

URGENT = 65_535  # bytes out of band
NAMES = {
    State.FIN_WAIT_1: "fin1",
    State.FIN_WAIT_2: "fin2",
    State.TIME_WAIT: "timewait",
    State.LAST_ACK: "lastack",
    State.CLOSE_WAIT: "closewait",
    State.CLOSING: "closing",
}
UNSAID = (  # by Suricata, as it is configured by default and looks on: of a packet that it lets pass, or that another event is said of
    "3whs_ack_in_wrong_dir", "3whs_ack_data_inject", "3whs_async_wrong_seq", "3whs_synack_resend_with_diff_seq", "reassembly_segment_before_base_seq",
)  # fmt: skip
EVENTS = (
    *UNSAID, "3whs_right_seq_wrong_ack_evasion", "3whs_syn_flood", "3whs_syn_resend_diff_seq_on_syn_recv", "3whs_syn_toclient_on_syn_recv", "3whs_synack_flood",
    "3whs_synack_in_wrong_direction", "3whs_synack_resend_with_different_ack", "3whs_synack_tfo_data_ignored", "3whs_synack_toserver_on_syn_recv",
    "3whs_synack_with_wrong_ack", "3whs_wrong_seq_wrong_ack", "4whs_invalid_ack", "4whs_synack_with_wrong_ack", "4whs_synack_with_wrong_syn", "4whs_wrong_seq",
    "closewait_ack_out_of_window", "closewait_fin_out_of_window", "closewait_invalid_ack", "closewait_pkt_before_last_ack", "closing_ack_wrong_seq",
    "closing_invalid_ack", "est_invalid_ack", "est_packet_out_of_window", "est_pkt_before_last_ack", "est_syn_resend", "est_syn_resend_diff_seq", "est_syn_toclient",
    "est_synack_resend", "est_synack_resend_with_diff_seq", "est_synack_resend_with_different_ack", "est_synack_toserver", "fin1_ack_wrong_seq", "fin1_fin_wrong_seq",
    "fin1_invalid_ack", "fin2_ack_wrong_seq", "fin2_fin_wrong_seq", "fin2_invalid_ack", "fin_but_no_session", "fin_invalid_ack", "fin_out_of_window", "fin_syn",
    "lastack_ack_wrong_seq", "lastack_invalid_ack", "pkt_bad_window_update", "pkt_broken_ack", "pkt_invalid_ack", "pkt_invalid_timestamp", "pkt_retransmission",
    "pkt_spurious_retransmission", "reassembly_depth_reached", "reassembly_urgent_oob_limit_reached", "rst_but_no_session", "rst_invalid_ack", "rst_with_data",
    "shutdown_syn_resend", "suspected_rst_inject", "timewait_ack_wrong_seq", "timewait_invalid_ack",
)  # fmt: skip


@dataclass(slots=True)
class Conversation(Opening):
    """All of it."""

    def takes(self, segment: Segment, *, midstream: bool) -> list[str]:
        """What is wrong with the next segment: of EVENTS. midstream: a conversation is followed though its beginning was not seen."""
        self.said = []
        if not segment.flags & ACK and segment.acknowledged:
            self.say("pkt_broken_ack")
        if self.begins_anew(segment, midstream=midstream):
            self.state, self.sides = State.NONE, (Side(), Side())
            self.midstream = self.four_way = self.stamped = self.confirmed = False
            self.syns, self.answers = [], []
        s = segment._replace(side=1 - segment.side) if self.turned else segment
        if self.state == State.NONE:
            self.begin(s, midstream=midstream)
            return self.said
        mine, other = self.sides[s.side], self.sides[1 - s.side]
        if s.flags & (SYN | FIN | RST) or not self.is_aside(s, mine, other):
            mine.probes = other.probes = False
            if self.is_due(s, mine):
                self.follow(s, mine, other)
        if mine.refused and not s.flags & RST:
            mine.refused = False
            self.say("suspected_rst_inject")
        return self.said

    def begins_anew(self, s: Segment, *, midstream: bool) -> bool:
        """Whether it is the first one that is seen of another conversation between the same two (RFC 9293, 3.6.1)."""
        if self.state < State.LAST_ACK or s.flags & (SYN | RST | FIN) != SYN:
            return False
        return midstream and s.number != self.sides[1].first if s.flags & ACK else s.number != self.sides[0].first

    def follow(self, s: Segment, mine: Side, other: Side) -> None:
        """Any other segment."""
        match self.state:
            case State.SYN_SENT:
                self.in_syn_sent(s, mine, other)
            case State.SYN_RECEIVED:
                self.in_syn_received(s, mine, other)
            case State.ESTABLISHED:
                self.in_established(s, mine, other)
            case State.CLOSED:
                pass
            case _:
                self.in_closing(s, mine, other)
        self.watch(s, mine)

    def watch(self, s: Segment, mine: Side) -> None:
        """What is put together of a stream, and what goes past it (RFC 6093)."""
        goes_past = not mine.is_deep and beyond(s.number, mine.origin) <= DEPTH < beyond(s.end, mine.origin)
        mine.is_deep |= beyond(mine.next, mine.origin) > DEPTH
        if self.said or self.state < State.ESTABLISHED or not s.size:
            return
        if goes_past:
            self.say("reassembly_depth_reached")
        if s.flags & URG and 0 < s.urgent <= s.size and mine.urgent < URGENT:
            mine.urgent += 1
            if mine.urgent == URGENT:
                self.say("reassembly_urgent_oob_limit_reached")

    def in_established(self, s: Segment, mine: Side, other: Side) -> None:
        client, server = self.sides
        if s.flags & RST:
            self.reset(s, mine, other)
        elif s.flags & FIN:
            self.finish(s, mine, other)
        elif s.flags & (SYN | ACK) == SYN | ACK:
            if not s.side:
                self.say("est_synack_toserver")
            elif s.acknowledged != client.acked:
                self.say("est_synack_resend_with_different_ack")
            elif s.number != server.first:
                self.say("est_synack_resend_with_diff_seq")
            elif self.confirmed:
                self.say("est_synack_resend")
        elif s.flags & SYN:
            self.say("est_syn_toclient" if s.side else "est_syn_resend_diff_seq" if s.number != client.first else "est_syn_resend")
        elif s.flags & ACK:
            self.transfer(s, mine, other)
            self.confirmed |= s.side == 1

    def transfer(self, s: Segment, mine: Side, other: Side) -> None:
        """Data, or an ACK."""
        if self.is_late(s, mine) or self.is_invalid(s, other, "est_invalid_ack"):
            return
        asks = s.size <= 1 and s.number == mine.next - 1 & NUMBERS
        fills = beyond(mine.acked, mine.next) > 0 and beyond(s.end, mine.next) > 0  # what was acknowledged and not seen
        if beyond(s.end, mine.acked) < 0 and not asks and not fills:
            self.say("est_pkt_before_last_ack")
            return
        probes = s.size == 1 and s.number == mine.next and not mine.window  # a window that is shut (RFC 9293, 3.8.6.1)
        if not probes:
            mine.reach(s.end)
        if self.midstream:
            mine.stretch(mine.acked + mine.window & NUMBERS)
            mine.stretch(mine.next)  # however windows are scaled
        elif not probes and beyond(s.end, mine.edge) > 0:
            self.say("est_packet_out_of_window")
            return
        other.acknowledge(s.acknowledged)
        other.offer(s.window)
        self.stamp(s, mine)

    def in_closing(self, s: Segment, mine: Side, other: Side) -> None:
        """After the first FIN."""
        if s.flags & RST:
            self.reset(s, mine, other)
        elif s.flags & FIN and self.state != State.CLOSING:
            self.finish_too(s, mine, other)
        elif s.flags & SYN:
            self.say("shutdown_syn_resend")
        elif s.flags & ACK and not (self.state == State.LAST_ACK and s.side) and not self.is_late(s, mine):
            self.close(s, mine, other)

    def finish_too(self, s: Segment, mine: Side, other: Side) -> None:
        """The other FIN, or one that is sent again."""
        state, name = self.state, NAMES[self.state]
        if state in (State.TIME_WAIT, State.LAST_ACK) or self.is_late(s, mine):
            return
        again = self.repeats(s, mine)
        ahead = beyond(s.number, mine.next)
        if not again and (ahead < (0 if state == State.CLOSE_WAIT else -1) or not mine.fits(s.number)):
            self.say("closewait_fin_out_of_window" if state == State.CLOSE_WAIT else f"{name}_fin_wrong_seq")
            return
        if self.is_invalid(s, other, f"{name}_invalid_ack"):
            return
        self.settle(s, mine, other)
        if s.side and state == State.CLOSE_WAIT:
            self.state = State.LAST_ACK
        elif state == State.CLOSE_WAIT or (ahead == -1 and not s.size):
            return
        elif state == State.FIN_WAIT_2 or not again:
            self.state = State.CLOSING if state == State.FIN_WAIT_1 and not s.flags & ACK else State.TIME_WAIT

    def close(self, s: Segment, mine: Side, other: Side) -> None:
        """Data or an ACK after a FIN."""
        state, name = self.state, NAMES[self.state]
        again = self.repeats(s, mine)
        if state == State.CLOSE_WAIT and s.size and beyond(s.end, mine.acked) <= 0:
            self.say("closewait_pkt_before_last_ack")
            return
        asked_first = state in (State.FIN_WAIT_1, State.LAST_ACK)
        if asked_first and self.is_invalid(s, other, f"{name}_invalid_ack"):
            return
        if not again and self.is_strange(s, mine):
            self.say("closewait_ack_out_of_window" if state == State.CLOSE_WAIT else f"{name}_ack_wrong_seq")
            return
        if not asked_first and self.is_invalid(s, other, f"{name}_invalid_ack"):
            return
        is_finished = s.number == mine.next and beyond(s.acknowledged, other.next) >= 0
        self.settle(s, mine, other)
        other.offer(s.window)
        if again:
            return
        if state == State.FIN_WAIT_1 and not s.side and is_finished:
            self.state = State.FIN_WAIT_2
        elif state == State.CLOSING:
            self.state = State.TIME_WAIT
        elif (state == State.LAST_ACK and not s.side) or (state == State.TIME_WAIT and s.side):
            self.state = State.CLOSED

    def is_strange(self, s: Segment, mine: Side) -> bool:
        """Whether its number is none that could follow."""
        ahead = beyond(s.number, mine.next)
        match self.state:
            case State.FIN_WAIT_1 | State.FIN_WAIT_2:
                return not self.midstream and beyond(s.end, mine.edge) > 0
            case State.CLOSE_WAIT:
                return not mine.fits(s.number)
            case State.LAST_ACK:
                return ahead > 1
        return ahead not in ((-1, 0) if s.side else (0, 1))

    def settle(self, s: Segment, mine: Side, other: Side) -> None:
        """Take over what a segment says after a FIN."""
        if s.number == mine.next and not (s.side and self.state in (State.FIN_WAIT_1, State.FIN_WAIT_2)):
            mine.next = s.end
        if self.state != State.TIME_WAIT:
            other.reach(s.acknowledged)
        if s.flags & ACK:
            other.acknowledge(s.acknowledged)
        other.window = s.window << other.scale
        self.stamp(s, mine)
