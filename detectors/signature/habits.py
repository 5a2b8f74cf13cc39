"""What Suricata asks a rule about, with its default configuration: which units, what of them, and in which order it tells (`--compat suricata`).

Suricata 7 developer guide, "Rule types", and what running it showed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from detectors.signature.rule import FLOW_WORDS, PAYLOAD, Check, Condition, Content, Header, Number, Pcre, Ranges, Rule
from detectors.signature.units import PACKET, PIECE
from sensor.columns import Ints, Mask

ENDED = "flow end"  # the kind of units that stand for the end of a flow
MOST_ALERTS = 15  # of one packet (packet-alert-max)
ADDRESSES = ("ip_proto", "l3_proto", "sameip", "iprep", "geoip")
# Protocols of a header; any other is an application.
NETWORK = ("tcp", "tcp-pkt", "tcp-stream", "udp", "icmp", "icmpv4", "icmpv6", "ip", "ip4", "ip6", "ipv4", "ipv6", "sctp", "pkthdr", "ether", "arp")


def groups(rule: Rule, *, about_packets: bool) -> list[tuple[str, frozenset[str]]]:
    """The kinds of units that a rule looks at: packets, streams or ends of flows, and the columns that have to be true of them.

    A rule that counts from a beginning by offset, depth or startswith looks at packets and streams; any other about payload at streams, and at packets that are
    part of none. One that says nothing but who talks to whom is asked of a flow's first packet in each direction; one that says nothing but what is spoken, of the
    first for which that is known.
    """
    protocol = rule.header.protocol
    contents = [check for buffer in rule.buffers if buffer.name == PAYLOAD for check in buffer.checks]
    flags = "".join(str(each.value).partition(",")[0] for each in rule.conditions if each.keyword == "flags")
    marks = frozenset({"opens or ends"} if set(flags) & set("SFR") else ())  # even where the rule wants them unset
    keywords = {each.keyword for each in rule.conditions}
    if "app-layer-protocol" in keywords:
        marks |= {"detected"}
    if not contents:
        if protocol not in NETWORK:
            return [(PACKET, marks)] if about_packets or rule.buffers else [(PACKET, marks), (ENDED, frozenset())]
        is_told = "app-layer-protocol" in keywords
        if not (rule.buffers or asks_flow(rule)) and keywords <= {*ADDRESSES, "app-layer-protocol"} and rule.flow <= (set(FLOW_WORDS) if is_told else set()):
            return [(PACKET, frozenset({"announced" if is_told else "first"}))]
        return [(PACKET, marks.union(*(sized(each.value) for each in rule.conditions if each.keyword == "dsize" and isinstance(each.value, Number))))]
    payload = frozenset({"payload"})
    if about_packets or protocol in ("tcp-pkt", "udp") or "no_stream" in rule.flow:
        return [(PACKET, marks | payload)]
    anchored = any(isinstance(each, Content) and (each.startswith or each.offset is not None or each.depth is not None) for each in contents)
    if "only_stream" in rule.flow:
        return [(PIECE, frozenset())]
    return [(PIECE, frozenset()), (PACKET, payload | marks if anchored and protocol != "tcp-stream" else payload | marks | {"alone"})]


def ways(rule: Rule) -> frozenset[str]:
    """The columns of packets that follow from flow: which way, and where it says more than that, that there is a flow."""
    words = rule.flow - {"only_stream", "no_stream"}
    found = {("to_client", "to_server")[FLOW_WORDS[word][1]] for word in words if word in FLOW_WORDS}
    return frozenset(found | ({"in_flow"} if words - set(FLOW_WORDS) else set()))


def passes_flow(rule: Rule, kind: str) -> bool:
    """Whether a pass rule that matched a unit of this kind lets the whole flow through, and not that packet alone."""
    about_addresses = {each.keyword for each in rule.conditions} <= {*ADDRESSES, "app-layer-protocol"}
    return kind != PACKET or not (rule.buffers or rule.flow or not about_addresses or asks_flow(rule))


def asks_flow(rule: Rule) -> bool:
    """Whether it looks at what rules have remembered of a flow."""
    return bool(rule.flowints) or any(bit.track == "flow" and bit.command in ("isset", "isnotset") for bit in rule.bits)


def sized(size: Number) -> frozenset[str]:
    """What dsize asks of a packet beside the size of its own: a stream that is looked at with it is payload, too."""
    if size.operator in ("!=", ">", ">=", "<>") or (size.operator == "=" and size.value):
        return frozenset({"payload"})
    return frozenset({"bare"} if size.operator == "=" else ())


OF_IKE_1 = frozenset(  # what Suricata looks for in version 1 of IKE only
    {"ike.vendor", "ike.key_exchange_payload", "ike.key_exchange_payload_length", "ike.nonce_payload", "ike.nonce_payload_length"}
)


def asked(rule: Rule) -> Rule:
    """The rule as Suricata asks it: of the messages that have its keywords there."""
    names = {each.name for each in rule.buffers} | {each.keyword for each in rule.conditions}
    if names & OF_IKE_1:
        rule = replace(rule, conditions=(*rule.conditions, Condition("ike.version", Number("=", 1))))
    if "ike.vendor" in names:
        rule = replace(rule, flow=rule.flow | {"to_server"})
    return placed(rule)


def placed(rule: Rule) -> Rule:
    """The rule as Suricata has it: addresses that are not some IPv4 network are IPv4; a content with a distance begins nowhere before the bytes that those before it
    take up, and a negated one without a place of its own, which is never there, takes up as many as it has."""
    header = replace(rule.header, source=of_family(rule.header.source), destination=of_family(rule.header.destination))
    rule = rule if header == rule.header else replace(rule, header=header)
    found = tuple(replace(buffer, checks=tuple(_placed(buffer.checks))) for buffer in rule.buffers)
    return rule if found == rule.buffers else replace(rule, buffers=found)


def of_family(addresses: Ranges) -> Ranges:
    return replace(addresses, ranges=addresses.of_family) if addresses.of_family else addresses


def _placed(checks: tuple[Check, ...]) -> Iterator[Check]:
    taken, absent = 0, False  # bytes before the next one, and whether any of them are a negated one's
    for check in checks:
        if isinstance(check, Content):
            distance, is_free = check.distance, not check.startswith and (check.offset, check.depth, check.distance, check.within) == (None,) * 4
            if is_free:
                taken, absent = len(check.pattern), check.negated
            elif check.negated or not isinstance(distance, int):
                taken, absent = 0, False
            else:
                least = max(taken + distance, 0)
                taken = least + len(check.pattern)
                if absent:
                    yield replace(check, least=least)
                    continue
        elif not (isinstance(check, Pcre) and check.relative):
            taken, absent = 0, False
        yield check


def is_searched(check: Check) -> bool:
    """Whether a check may be the pattern that is searched for before a rule is asked."""
    if not isinstance(check, Content):
        return False
    return not check.negated or (check.offset, check.depth, check.distance, check.within, check.startswith, check.endswith) == (None,) * 4 + (False,) * 2


@dataclass(frozen=True)
class Searched:
    """Streams in which a rule's pattern is searched for: those of the server's port, whatever the rule says of the other."""

    header: Header
    to_server: bool | None

    def covers(self, to_server: bool, source_port: int, destination_port: int) -> bool:
        ports, port = (self.header.destination_ports, destination_port) if to_server else (self.header.source_ports, source_port)
        other = self.header.source_ports if to_server else self.header.destination_ports
        ranges = ports.ranges + (other.ranges if self.header.direction == "<>" else ())
        return self.to_server in (None, to_server) and any(low <= port <= high for low, high in ranges)

    @staticmethod
    def of(rule: Rule) -> Searched | None:
        """Of a rule that looks at streams; None where it has nothing to search for."""
        if not any(is_searched(check) for buffer in rule.buffers if buffer.name == PAYLOAD for check in buffer.checks):
            return None
        sides = {word: way for word, (_, way) in FLOW_WORDS.items()}
        return Searched(rule.header, next((sides[word] for word in rule.flow if word in sides), None))


def foremost(row: Ints, rank: Ints) -> Mask:
    """Of matches by packet and rank of their rule, those that Suricata tells of: each packet's first ones in the order of rules."""
    order = np.lexsort((rank, row))
    behind = np.arange(len(row)) - np.searchsorted(row[order], row[order])
    result = np.zeros(len(row), np.bool_)
    result[order] = behind < MOST_ALERTS
    return result
