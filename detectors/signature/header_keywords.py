"""Keywords about headers, checksums, sizes and events. Suricata 8 user guide, "Header Keywords" and "Decode layer keywords".

The values of those that are neither a number nor a word by itself:
flags, fragbits     [+*!]LETTERS[,MASK]: letters in the order FSRPAUEC or MDR, none for no bit; + all of them and others, * any of them, ! not these
stream_size         side,operator,bytes     tos, ip_proto ...   a Number
ipopts, *-csum      a word                  geoip               direction,COUNTRY[,COUNTRY ...]
iprep               side,category,operator,value (a Number's) or side,category,isset
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from detectors.signature.arguments import negation, number, one_of, parts, unquoted, whole
from detectors.signature.draft import Draft
from detectors.signature.rule import Condition
from detectors.signature.syntax import shortened

Reader = Callable[[Draft, str], None]

# IANA, Assigned Internet Protocol Numbers: those that rules name.
IP_PROTOCOLS = {
    "ip": 0, "hopopt": 0, "icmp": 1, "igmp": 2, "ggp": 3, "ipip": 4, "ipv4": 4, "st": 5, "tcp": 6, "cbt": 7, "egp": 8, "igp": 9, "pup": 12, "udp": 17, "hmp": 20,
    "xns_idp": 22, "rdp": 27, "iso_tp4": 29, "dccp": 33, "xtp": 36, "idpr_cmtp": 38, "ipv6": 41, "ipv6_route": 43, "ipv6_frag": 44, "idrp": 45, "rsvp": 46,
    "gre": 47, "esp": 50, "ipsec_esp": 50, "ah": 51, "ipsec_ah": 51, "skip": 57, "icmpv6": 58, "ipv6_icmp": 58, "ipv6_nonxt": 59, "ipv6_opts": 60, "eigrp": 88,
    "ospf": 89, "mtp": 92, "encap": 98, "pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115, "isis": 124, "fc": 133, "sctp": 132, "mpls_in_ip": 137,
}  # fmt: skip
IP_OPTIONS = ("rr", "eol", "nop", "ts", "sec", "esec", "lsrr", "ssrr", "satid", "any", "lsrre", "cipso", "qs")
CHECKSUMS = ("ipv4-csum", "tcpv4-csum", "tcpv6-csum", "udpv4-csum", "udpv6-csum", "icmpv4-csum", "icmpv6-csum")
INTEGERS = {  # keyword -> bits
    "ttl": 8, "tos": 8, "id": 16, "fragoffset": 16, "seq": 32, "ack": 32, "window": 16, "tcp.mss": 16, "itype": 8, "icode": 8, "icmp_id": 16, "icmp_seq": 16,
    "dsize": 16, "icmpv6.mtu": 32, "tcp.wscale": 8, "flow.age": 32, "flow.pkts_toclient": 32, "flow.pkts_toserver": 32, "flow.bytes_toclient": 64,
    "flow.bytes_toserver": 64, "vlan.id": 16, "vlan.layers": 8, "filesize": 64, "dns.opcode": 8, "dns.rrtype": 16, "dns.rcode": 16, "snmp.version": 32,
    "dce.opnum.number": 16, "tls.cert_chain_len": 32,
}  # fmt: skip
NAMES: dict[str, Mapping[str, int]] = {
    "dns.rcode": {name: i for i, name in enumerate(("noerror", "formerr", "servfail", "nxdomain", "notimp", "refused", "yxdomain", "yxrrset", "nxrrset", "notauth", "notzone"))},
    "dns.rrtype": {"a": 1, "ns": 2, "cname": 5, "soa": 6, "ptr": 12, "mx": 15, "txt": 16, "aaaa": 28, "srv": 33, "opt": 41, "any": 255},
    "snmp.pdu_type": {
        "get_request": 0, "get_next_request": 1, "response": 2, "set_request": 3, "trap_v1": 4, "get_bulk_request": 5, "inform_request": 6, "trap_v2": 7, "report": 8,
    },
}  # fmt: skip


def integer(keyword: str, bits: int, names: Mapping[str, int] | None = None) -> Reader:
    """The reader of an integer keyword."""

    def read(draft: Draft, value: str) -> None:
        draft.condition(Condition(keyword, number(value, bits, names)))

    return read


def word(keyword: str, known: tuple[str, ...], *, negatable: bool = False) -> Reader:
    """The reader of a keyword that takes one of some words."""

    def read(draft: Draft, value: str) -> None:
        negated, text = negation(value) if negatable else (False, value)
        draft.condition(Condition(keyword, one_of(unquoted(text), known, keyword), negated))

    return read


def text(keyword: str, form: str, example: str, *, negatable: bool = False) -> Reader:
    """The reader of a keyword whose text has this form; blanks around commas go."""
    expected = re.compile(form, re.IGNORECASE)

    def read(draft: Draft, value: str) -> None:
        negated, argument = negation(value) if negatable else (False, value)
        argument = ",".join(parts(unquoted(argument)))
        if not expected.fullmatch(argument):
            raise ValueError(f"{shortened(argument) or 'nothing'} has not the form of {example}")
        draft.condition(Condition(keyword, argument, negated))

    return read


def bare(keyword: str) -> Reader:
    """The reader of a keyword that says all by being there."""

    def read(draft: Draft, _value: str) -> None:
        draft.condition(Condition(keyword, ""))

    return read


def ip_proto(draft: Draft, value: str) -> None:
    draft.condition(Condition("ip_proto", number(value, 8, IP_PROTOCOLS)))


def letters(keyword: str, order: str, others: Mapping[str, str]) -> Reader:
    """The reader of flags and fragbits. others: older letters for the same bits."""

    def bits(text: str) -> str:
        found = {others.get(letter, letter) for letter in text.upper() if not letter.isspace()}
        if strange := found - set(order) - {"0"}:
            raise ValueError(f"{', '.join(sorted(strange))}: no such flag; there are {', '.join(order)} and 0")
        return "".join(letter for letter in order if letter in found)

    def read(draft: Draft, value: str) -> None:
        flags, comma, ignored = unquoted(value).partition(",")
        flags = flags.strip()
        operator = next((each for each in "+*!" if flags.startswith(each) or flags.endswith(each)), "")
        flags = flags.strip(operator + " ") if operator else flags
        if not flags:
            raise ValueError(f"{keyword} names no flag")
        draft.condition(Condition(keyword, operator + bits(flags) + (f",{bits(ignored)}" if comma else "")))

    return read


def dsize(draft: Draft, value: str) -> None:
    if any(each.keyword == "dsize" for each in draft.conditions):
        raise ValueError("the rule has one already")
    draft.condition(Condition("dsize", number(value, 16)))


def stream_size(draft: Draft, value: str) -> None:
    """stream_size:side,operator,bytes."""
    found = parts(value)
    if len(found) != 3:
        raise ValueError("stream_size has three arguments: side, operator, bytes")
    side = one_of(found[0], ("server", "client", "both", "either"), "side of a stream")
    operator = one_of(found[1], ("<", ">", "=", "<=", ">=", "!="), "operator")
    draft.condition(Condition("stream_size", f"{side},{operator},{whole(found[2], 'bytes')}"))


def iprep(draft: Draft, value: str) -> None:
    """iprep:side,category,operator,value."""
    found = parts(value)
    if len(found) not in (3, 4):
        raise ValueError("iprep has the arguments side, category, operator and value")
    side = one_of(found[0], ("any", "src", "dst", "both"), "side")
    if not re.fullmatch(r"[\w.\-]+", found[1]):
        raise ValueError(f"{shortened(found[1]) or 'nothing'} is no category")
    test = [
        one_of(found[2], ("isset", "isnotset") if len(found) == 3 else ("<", ">", "=", "<=", ">="), "test"),
        *(str(whole(each, "value", 0, 127)) for each in found[3:]),
    ]
    draft.condition(Condition("iprep", ",".join((side, found[1], *test))))


def geoip(draft: Draft, value: str) -> None:
    """geoip:[direction,]COUNTRY[,COUNTRY ...]; countries as in ISO 3166-1 alpha-2, ! before all of them."""
    found = parts(value.upper())
    side = "any"
    if found[0] in ("SRC", "DST", "BOTH", "ANY"):
        side = found.pop(0).lower()
    negated = bool(found) and found[0].startswith("!")
    found = [each.removeprefix("!").strip() for each in found]
    if not found or not all(re.fullmatch("[A-Z][A-Z0-9]", each) for each in found):
        raise ValueError("a country has two letters")
    draft.condition(Condition("geoip", ",".join((side, *found)), negated))


EVENT = r"[a-z0-9_]+(?:\.[a-z0-9_]+)*"
_EVENT_NAME = re.compile(EVENT)


def event(keyword: str) -> Reader:
    """The reader of app-layer-event, decode-event, stream-event and engine-event."""

    def read(draft: Draft, value: str) -> None:
        name = unquoted(value).strip().lower()
        if not _EVENT_NAME.fullmatch(name):
            raise ValueError(f"{shortened(name) or 'nothing'} is no name of an event")
        draft.condition(Condition(keyword, name))

    return read
