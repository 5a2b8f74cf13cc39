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

from detectors.signature.arguments import negation, number, one_of, parts, several, unquoted, whole
from detectors.signature.draft import Draft
from detectors.signature.rule import Condition, Number, Several
from detectors.signature.syntax import shortened
from detectors.signature.variables import suggestion
from sensor.applications.imap import TO_CLIENT, TO_SERVER

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
LDAP_OPERATIONS = {  # RFC 4511 4
    "bind_request": 0, "bind_response": 1, "unbind_request": 2, "search_request": 3, "search_result_entry": 4, "search_result_done": 5, "modify_request": 6,
    "modify_response": 7, "add_request": 8, "add_response": 9, "del_request": 10, "del_response": 11, "mod_dn_request": 12, "mod_dn_response": 13,
    "compare_request": 14, "compare_response": 15, "abandon_request": 16, "search_result_reference": 19, "extended_request": 23, "extended_response": 24,
    "intermediate_response": 25,
}  # fmt: skip
LDAP_RESULTS = {  # RFC 4511 4.1.9 and IANA, LDAP Result Codes
    "success": 0, "operations_error": 1, "protocol_error": 2, "time_limit_exceeded": 3, "size_limit_exceeded": 4, "compare_false": 5, "compare_true": 6,
    "auth_method_not_supported": 7, "stronger_auth_required": 8, "referral": 10, "admin_limit_exceeded": 11, "unavailable_critical_extension": 12,
    "confidentiality_required": 13, "sasl_bind_in_progress": 14, "no_such_attribute": 16, "undefined_attribute_type": 17, "inappropriate_matching": 18,
    "constraint_violation": 19, "attribute_or_value_exists": 20, "invalid_attribute_syntax": 21, "no_such_object": 32, "alias_problem": 33,
    "invalid_dns_syntax": 34, "is_leaf": 35, "alias_dereferencing_problem": 36, "inappropriate_authentication": 48, "invalid_credentials": 49,
    "insufficient_access_rights": 50, "busy": 51, "unavailable": 52, "unwilling_to_perform": 53, "loop_detect": 54, "sort_control_missing": 60,
    "offset_range_error": 61, "naming_violation": 64, "object_class_violation": 65, "not_allowed_on_non_leaf": 66, "not_allowed_on_rdn": 67,
    "entry_already_exists": 68, "object_class_mods_prohibited": 69, "results_too_large": 70, "affects_multiple_dsas": 71, "control_error": 76, "other": 80,
    "canceled": 118, "no_such_operation": 119, "too_late": 120, "cannot_cancel": 121, "assertion_failed": 122, "authorization_denied": 123,
    "e_sync_refresh_required": 4096, "no_operation": 16654,
}  # fmt: skip
INTEGERS = {  # keyword -> bits
    "ttl": 8, "tos": 8, "id": 16, "fragoffset": 16, "seq": 32, "ack": 32, "window": 16, "tcp.mss": 16, "itype": 8, "icode": 8, "icmp_id": 16, "icmp_seq": 16,
    "dsize": 16, "icmpv6.mtu": 32, "tcp.wscale": 8, "flow.age": 32, "flow.pkts_toclient": 32, "flow.pkts_toserver": 32, "flow.bytes_toclient": 64,
    "flow.bytes_toserver": 64, "vlan.id": 16, "vlan.layers": 8, "filesize": 64, "dns.opcode": 8, "dns.rrtype": 16, "dns.rcode": 16, "snmp.version": 32,
    "snmp.pdu_type": 32, "dce.opnum.number": 16, "tls.cert_chain_len": 32, "krb5_msg_type": 32, "krb5_err_code": 32, "dhcp.leasetime": 64, "dhcp.renewal_time": 64,
    "dhcp.rebinding_time": 64, "dhcp.message_type": 8, "rfb.sectype": 32, "ntp.version": 8, "ntp.mode": 8, "ntp.stratum": 8, "ntp.request_code": 8, "tftp.opcode": 16,
    "ldap.request.operation": 8, "http2.frametype": 8, "http2.errorcode": 32, "http2.priority": 8, "http2.window": 32, "http2.size_update": 64, "ldap.responses.count": 32,
    "ftp.dynamic_port": 16, "websocket.mask": 32, "websocket.opcode": 8, "igmp.type": 8, "imap.email.direction": 8, "snmp.trap_type": 8,
    "sctp.vtag": 32, "sctp.chunk_type": 8, "sctp.chunk_cnt": 8,
    "ike.exchtype": 8, "ike.key_exchange_payload_length": 32, "ike.nonce_payload_length": 32,
}  # fmt: skip
MULTIPLE = ("dns.rrtype", "http2.frametype", "http2.errorcode", "http2.priority", "http2.window")
VLAN_LAYERS = 3  # that Suricata reads
NAMES: dict[str, Mapping[str, int]] = {
    "snmp.trap_type": {"coldstart": 0, "warmstart": 1, "linkdown": 2, "linkup": 3, "authenticationfailure": 4, "egpneighborloss": 5, "enterprisespecific": 6},
    "imap.email.direction": {"to_server": TO_SERVER, "to_client": TO_CLIENT},
    "dns.rcode": {
        "noerror": 0, "formerr": 1, "servfail": 2, "nxdomain": 3, "notimp": 4, "refused": 5, "yxdomain": 6, "yxrrset": 7, "nxrrset": 8, "notauth": 9, "notzone": 10,
        "badvers": 16, "badsig": 16, "badkey": 17, "badtime": 18, "badmode": 19, "badname": 20, "badalg": 21, "badtrunc": 22, "badcookie": 23,
    },
    "dns.rrtype": {
        "a": 1, "ns": 2, "md": 3, "mf": 4, "cname": 5, "soa": 6, "mb": 7, "mg": 8, "mr": 9, "null": 10, "wks": 11, "ptr": 12, "hinfo": 13, "minfo": 14, "mx": 15,
        "txt": 16, "rp": 17, "afsdb": 18, "x25": 19, "isdn": 20, "rt": 21, "nsap": 22, "nsapptr": 23, "sig": 24, "key": 25, "px": 26, "gpos": 27, "aaaa": 28,
        "loc": 29, "nxt": 30, "srv": 33, "atma": 34, "naptr": 35, "kx": 36, "cert": 37, "a6": 38, "dname": 39, "opt": 41, "apl": 42, "ds": 43, "sshfp": 44,
        "ipseckey": 45, "rrsig": 46, "nsec": 47, "dnskey": 48, "dhcid": 49, "nsec3": 50, "nsec3param": 51, "tlsa": 52, "smimea": 53, "hip": 55, "cds": 59,
        "cdnskey": 60, "openpgpkey": 61, "csync": 62, "zonemd": 63, "svcb": 64, "https": 65, "spf": 99, "tkey": 249, "tsig": 250, "ixfr": 251, "axfr": 252,
        "mailb": 253, "maila": 254, "any": 255, "uri": 256, "caa": 257,
    },
    "snmp.pdu_type": {
        "get_request": 0, "get_next_request": 1, "response": 2, "set_request": 3, "trap_v1": 4, "get_bulk_request": 5, "inform_request": 6, "trap_v2": 7, "report": 8,
    },
    "krb5_msg_type": {"as_req": 10, "as_rep": 11, "tgs_req": 12, "tgs_rep": 13, "error": 30},
    "dhcp.message_type": {name: i for i, name in enumerate(("discover", "offer", "request", "decline", "ack", "nak", "release", "inform"), 1)},
    "ntp.mode": {
        name: i for i, name in enumerate(("reserved", "symmetric_active", "symmetric_passive", "client", "server", "broadcast", "control", "private"))
    },
    "tftp.opcode": {"read": 1, "write": 2, "error": 5},
    "ldap.request.operation": LDAP_OPERATIONS,
    "websocket.opcode": {"continuation": 0, "text": 1, "binary": 2, "connection_close": 8, "ping": 9, "pong": 10},  # RFC 6455 11.8
    "http2.frametype": {  # RFC 9113 6
        name: i
        for i, name in enumerate(("data", "headers", "priority", "rst_stream", "settings", "push_promise", "ping", "goaway", "window_update", "continuation"))
    }
    | {"rststream": 3, "pushpromise": 5, "windowupdate": 8},
    "http2.errorcode": {  # RFC 9113 7
        name: i
        for i, name in enumerate((
            "no_error", "protocol_error", "internal_error", "flow_control_error", "settings_timeout", "stream_closed", "frame_size_error", "refused_stream",
            "cancel", "compression_error", "connect_error", "enhance_your_calm", "inadequate_security", "http_1_1_required",
        ))
    },
}  # fmt: skip


def integer(keyword: str, bits: int, names: Mapping[str, int] | None = None) -> Reader:
    """The reader of an integer keyword."""

    def read(draft: Draft, value: str) -> None:
        draft.condition(Condition(keyword, number(value, bits, names)))

    return read


def multiple(keyword: str, bits: int, names: Mapping[str, int] | None = None, most: int | None = None) -> Reader:
    """The reader of a multi-integer: value[,index[,subslice]]. most: the highest index."""

    def read(draft: Draft, value: str) -> None:
        asked = several(unquoted(value), bits, names)
        if most is not None and isinstance(asked, Several) and not -most - 1 <= asked.at <= most:
            raise ValueError(f"{asked.at} is no index from {-most - 1} to {most}")
        draft.condition(Condition(keyword, asked))

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


def of_direction(keyword: str, bits: int) -> Reader:
    """The reader of flow.pkts and flow.bytes: direction,number."""

    def read(draft: Draft, value: str) -> None:
        side, comma, text = value.partition(",")
        if not comma:
            raise ValueError(f"{keyword} has a direction and a number")
        side = one_of(side, ("toserver", "toclient", "either", "both"), "direction")
        draft.condition(Condition(f"{keyword}_{side}", number(text, bits)))

    return read


def named_bits(keyword: str, bits: int, names: Mapping[str, int], otherwise: str = "+") -> Reader:
    """The reader of an integer whose bits have names: a number, or [operator]name[,name ...], ! before those that shall not be set.

    + each is as it says, * any is, - not each is, = these are set and no others. otherwise: the operator where none is said.
    """

    def read(draft: Draft, value: str) -> None:
        found = _FLAGS.fullmatch(value.strip().lower())
        draft.condition(Condition(keyword, _flags(found[1] or otherwise, found[2], names) if found else number(value, bits)))

    return read


_FLAGS = re.compile(r"([-+*=]?)\s*(!?\s*[a-z][a-z0-9_]*(?:[\s,]+!?\s*[a-z][a-z0-9_]*)*)")


def _flags(operator: str, text: str, names: Mapping[str, int]) -> Number:
    mask = wanted = 0
    for each in re.findall(r"!?\s*[a-z][a-z0-9_]*", text):
        negated, name = negation(each)
        if name not in names:
            raise ValueError(f"{shortened(name)} is no name of a bit{suggestion(name, names)}")
        if mask & names[name]:
            raise ValueError(f"{name} is said twice")
        mask |= names[name]
        wanted |= 0 if negated else names[name]
    match operator:
        case "+":
            return Number("&=", mask, wanted)
        case "-":
            return Number("!&=", mask, wanted)
        case "=":
            return Number("=", wanted)
    return Number("!&=", mask, mask ^ wanted) if wanted != mask else Number("&", mask)


def reply_received(draft: Draft, value: str) -> None:
    """ftp.reply_received:yes."""
    if one_of(value, ("yes", "on", "no", "off"), "answer") in ("no", "off"):
        raise ValueError("that no reply came is not known where a command is looked at")
    draft.condition(Condition("ftp.reply_received", "yes"))


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
        draft.condition(Condition(keyword, name.replace("ikev2.", "ike.", 1) if name.startswith("ikev2.") else name))

    return read
