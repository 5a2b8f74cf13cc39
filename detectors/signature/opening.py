"""How a TCP conversation begins (RFC 9293, 3.5; RFC 7413), and what is wrong with it; how one is picked up whose beginning was not seen."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.signature.exchange import Exchange
from detectors.signature.segments import ACK, FIN, MOST_SCALE, NUMBERS, RST, SYN, Segment, Side, beyond
from detectors.signature.sessions import State

SYNS, ANSWERS = 10, 5  # other SYNs and SYN+ACKs that are remembered (stream.max-syn-queued, stream.max-synack-queued)


@dataclass(slots=True)
class Opening(Exchange):
    """Until it is established."""

    def begin(self, s: Segment, *, midstream: bool) -> None:
        """The first segment."""
        if s.flags & RST:
            self.say("rst_but_no_session")
        elif s.flags & FIN and not (midstream and s.size):
            self.say("fin_but_no_session")
        elif s.flags & (SYN | ACK) == SYN:
            self.turned ^= s.side == 1
            client, server = self.sides
            client.begin(s.number)
            client.stamp = s.timestamp[0] if s.timestamp else None
            server.window = s.window
            self.state, self.syns = State.SYN_SENT, [s]
        elif not midstream:
            return
        elif s.flags & SYN:
            self.turned ^= s.side == 0
            client, server = self.sides
            client.begin(s.acknowledged - 1 & NUMBERS)
            client.stamp = s.timestamp[1] if s.timestamp else None
            self.midstream = True
            self.answer(s)
            server.acked = server.first
        elif s.flags & ACK:
            self.pick_up(s)

    def pick_up(self, s: Segment) -> None:
        """A segment in the middle. How windows are scaled is not known: as far as can be."""
        mine, other = self.sides[s.side], self.sides[1 - s.side]
        mine.begin(s.number - 1 & NUMBERS)
        other.begin(s.acknowledged - 1 & NUMBERS)
        mine.acked, mine.next = s.number, s.end + (s.flags & FIN) & NUMBERS
        other.acked = other.edge = s.acknowledged
        mine.scale = other.scale = MOST_SCALE
        mine.offer_anew(s.window)
        other.window = s.window << other.scale
        mine.stamp, other.stamp = s.timestamp or (None, None)
        self.midstream, self.stamped = True, s.timestamp is not None
        self.state = State.FIN_WAIT_1 if s.flags & FIN else State.ESTABLISHED

    def in_syn_sent(self, s: Segment, mine: Side, other: Side) -> None:
        client, server = self.sides
        stamps = [syn.timestamp[0] for syn in self.syns if syn.timestamp]
        if s.side and s.timestamp and client.stamp is not None and s.timestamp[1] and s.timestamp[1] not in stamps:
            self.say("pkt_invalid_timestamp")
        elif s.flags & RST:
            self.refuse(s, mine, other)
        elif s.flags & FIN:
            return
        elif s.flags & (SYN | ACK) == SYN | ACK:
            if s.side:
                self.accept(s, self.syns[0])
            elif not self.four_way:
                self.say("3whs_synack_in_wrong_direction")
            elif s.acknowledged != server.next:
                self.say("4whs_synack_with_wrong_ack")
            elif s.number != client.first:
                self.say("4whs_synack_with_wrong_syn")
            else:
                self.state = State.SYN_RECEIVED
                server.acked, client.acked = s.acknowledged, client.next
                server.offer_anew(s.window)
                client.offer_anew(client.window)
        elif s.flags & SYN:
            if s.side:
                self.four_way = True
                server.begin(s.number)
                client.window = s.window
            elif s.timestamp and s.timestamp != self.syns[-1].timestamp:
                if len(self.syns) > SYNS:
                    self.say("3whs_syn_flood")
                elif s.timestamp[0] not in stamps:
                    self.syns.append(s)
        elif s.flags & ACK and not s.side and s.number != client.next:
            self.say("3whs_async_wrong_seq")

    def refuse(self, s: Segment, mine: Side, other: Side) -> None:
        """A RST instead of an answer."""
        client = self.sides[0]
        is_about_syn = s.side == 1 and s.acknowledged == client.first + 1 & NUMBERS
        self.reset(s._replace(flags=RST) if is_about_syn else s, mine, other)
        if self.state != State.CLOSED:
            return
        if s.side:
            mine.refused = True
        elif s.number != client.first or s.window:
            self.state = State.SYN_SENT

    def accept(self, s: Segment, syn: Segment) -> None:
        """A SYN+ACK of the server's. What came with the SYN it acknowledges, too, if it may (RFC 7413)."""
        client = self.sides[0]
        with_data = syn.end + 1 & NUMBERS
        if s.acknowledged == client.first + 1 & NUMBERS:
            if syn.fast_open and syn.size:
                self.say("3whs_synack_tfo_data_ignored")
        elif not syn.fast_open or s.acknowledged != with_data:
            self.say("3whs_synack_with_wrong_ack")
            return
        client.next, self.answers = s.acknowledged, [s]
        self.answer(s)

    def answer(self, s: Segment) -> None:
        """The SYN+ACK that counts from now on."""
        client, server = self.sides
        server.begin(s.number)
        server.acked, client.acked = server.next, s.acknowledged
        server.stamp = s.timestamp[0] if s.timestamp else None
        self.stamped = None not in (client.stamp, server.stamp)
        client.scale, server.scale = s.scale or 0, (self.syns[0].scale or 0) if self.syns else 0
        client.window, client.edge = s.window, client.acked + s.window & NUMBERS  # not scaled (RFC 7323, 2.2)
        server.edge = server.acked + server.window & NUMBERS
        self.state = State.SYN_RECEIVED

    def in_syn_received(self, s: Segment, mine: Side, other: Side) -> None:
        client = self.sides[0]
        if s.flags & RST:
            self.reset(s, mine, other)
        elif s.flags & FIN:
            self.finish(s, mine, other)
        elif s.flags & (SYN | ACK) == SYN | ACK:
            if not s.side:
                self.say("3whs_synack_toserver_on_syn_recv")
            elif s.acknowledged != client.acked:
                self.say("3whs_synack_resend_with_different_ack")
            elif s.number not in [answer.number for answer in self.answers]:
                if len(self.answers) > ANSWERS:
                    self.say("3whs_synack_flood")
                else:
                    self.say("3whs_synack_resend_with_diff_seq")
                    self.answers.append(s)
                    self.answer(s)
        elif s.flags & SYN:
            if s.side:
                self.say("3whs_syn_toclient_on_syn_recv")
            elif s.number != client.first:
                self.say("3whs_syn_resend_diff_seq_on_syn_recv")
        elif s.flags & ACK:
            self.shake(s, mine, other)

    def is_last_of_three(self, s: Segment, mine: Side) -> bool:
        """Whether it may be what ends the handshake, though others before it were not seen."""
        client, server = self.sides
        ahead, more = beyond(s.number, mine.next), beyond(s.acknowledged, client.acked)
        if ahead < 0 or not mine.fits(s.number):
            return False
        return more > 0 or (more == ahead == 0 and not self.midstream) if s.side else s.acknowledged == server.next

    def shake(self, s: Segment, mine: Side, other: Side) -> None:
        """The handshake's last ACK: the client's, or the server's, where that is not seen or both have sent a SYN."""
        client, server = self.sides
        for answer in self.answers if not s.side else ():
            if answer.number + 1 & NUMBERS == s.acknowledged != server.next:
                self.answer(answer)
        if self.is_late(s, mine):
            return
        if self.four_way and s.side:
            if s.number != server.next:
                self.say("4whs_wrong_seq")
                return
            if self.is_invalid(s, client, "4whs_invalid_ack"):
                return
        elif s.number == client.next and not s.side and s.acknowledged != server.next:
            self.say("3whs_right_seq_wrong_ack_evasion")
            return
        elif not self.is_last_of_three(s, mine):
            self.say("3whs_wrong_seq_wrong_ack")
            return
        elif s.side and not self.midstream:
            self.say("3whs_ack_data_inject" if s.size else "3whs_ack_in_wrong_dir")
        self.state, self.syns, self.answers = State.ESTABLISHED, [], []
        mine.reach(s.end)
        other.acknowledge(s.acknowledged)
        if s.side:
            other.offer(s.window)
        else:
            other.offer_anew(s.window)
        if self.four_way or not s.side:
            self.stamp(s, mine)
