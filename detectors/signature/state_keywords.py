"""Keywords about flows, what is remembered between packets, and how often an alert is raised. Suricata 8 user guide, "Flow Keywords", "Xbits", "Thresholding"."""

from __future__ import annotations

import re
from collections.abc import Callable

from detectors.signature.arguments import negation, one_of, parts, unquoted, whole
from detectors.signature.draft import Draft
from detectors.signature.payload_keywords import pattern
from detectors.signature.rule import Bit, Condition, FlowInt, Text, Threshold
from detectors.signature.syntax import shortened

FLOW = {
    "to_server": "to_server", "from_client": "to_server", "to_client": "to_client", "from_server": "to_client", "established": "established",
    "not_established": "not_established", "stateless": "stateless", "only_stream": "only_stream", "no_stream": "no_stream", "only_frag": "only_frag",
    "no_frag": "no_frag",
}  # fmt: skip
CONTRADICTIONS = (("to_server", "to_client"), ("established", "not_established", "stateless"), ("only_stream", "no_stream"), ("only_frag", "no_frag"))
COMMANDS = ("set", "unset", "toggle", "isset", "isnotset")
XBITS_SECONDS, HOSTBITS_SECONDS = 30, 300  # Suricata's own, where a rule says none
_BIT = re.compile(r"[^\s,;|&]+")


def flow(draft: Draft, value: str) -> None:
    for part in parts(value):
        each = part.lower()
        if each not in FLOW:
            raise ValueError(f"{shortened(each) or 'nothing'} is no word of flow; there are {', '.join(FLOW)}")
        draft.flow.add(FLOW[each])
    for group in CONTRADICTIONS:
        if len(both := draft.flow & set(group)) > 1:
            raise ValueError(f"{' and '.join(sorted(both))} exclude one another")


def flowbits(draft: Draft, value: str) -> None:
    """flowbits:command,name[|name ...]; Snort's name&name are several bits."""
    found = parts(value)
    command = found[0].lower()
    if command == "noalert":
        draft.facts["noalert"] = True
        return
    command = one_of("isnotset" if command == "notset" else command, COMMANDS, "command of flowbits")
    if len(found) == 3:
        draft.warn("flowbits: Snort's groups of bits are not kept apart")
    elif len(found) != 2:
        raise ValueError("flowbits has a command and a name")
    if "&" in found[1]:
        draft.bits += [Bit(command, (_name(each),)) for each in parts(found[1], "&")]
        return
    names = tuple(_name(each) for each in parts(found[1], "|"))
    if len(names) > 1 and not command.startswith("is"):
        raise ValueError(f"{command} takes one name: which of several is not said")
    draft.bits.append(Bit(command, names))


def _name(text: str) -> str:
    if not _BIT.fullmatch(text):
        raise ValueError(f"{shortened(text) or 'nothing'} is no name of a bit")
    return text


_XBITS_TRACKS = {"ip_src": "src", "ip_dst": "dst", "ip_pair": "pair", "tx": "tx"}


def xbits(draft: Draft, value: str) -> None:
    """xbits:command,name,track ip_src|ip_dst|ip_pair|tx[,expire seconds]."""
    command, *found = parts(value)
    if command.lower() == "noalert":
        draft.facts["noalert"] = True
        return
    command = one_of(command, COMMANDS, "command of xbits")
    words = {each.partition(" ")[0].lower(): each.partition(" ")[2].strip() for each in found[1:]}
    if not found or "track" not in words or set(words) - {"track", "expire"}:
        raise ValueError("xbits has a command, a name, track and expire")
    track = _XBITS_TRACKS.get(words["track"].lower())
    if track is None:
        raise ValueError(f"track {shortened(words['track'])} is not supported; there are {', '.join(_XBITS_TRACKS)}")
    expire = whole(words["expire"], "expire", 1) if "expire" in words else XBITS_SECONDS
    draft.bits.append(Bit(command, (_name(found[0]),), track, expire))


def hostbits(draft: Draft, value: str) -> None:
    """hostbits:command,name[,src|dst]."""
    command, *found = parts(value)
    if command.lower() == "noalert":
        draft.facts["noalert"] = True
        return
    command = one_of(command, COMMANDS, "command of hostbits")
    if len(found) not in (1, 2):
        raise ValueError("hostbits has a command, a name and a side")
    side = one_of(found[1], ("src", "dst"), "side") if len(found) == 2 else "src"
    draft.bits.append(Bit(command, (_name(found[0]),), side, HOSTBITS_SECONDS))


_FLOWINT = ("=", "+", "-", "<", "<=", ">", ">=", "==", "!=", "isset", "isnotset")


def flowint(draft: Draft, value: str) -> None:
    """flowint:name,operator[,value]."""
    found = parts(value)
    if len(found) not in (2, 3):
        raise ValueError("flowint has a name, an operator and a value")
    operator = one_of({"notset": "isnotset", "!isset": "isnotset"}.get(found[1].lower(), found[1]), _FLOWINT, "operator of flowint")
    if operator.startswith("is") != (len(found) == 2):
        raise ValueError(f"{operator} takes {'no' if operator.startswith('is') else 'a'} value")
    other: int | str = 0
    if len(found) == 3:
        other = whole(found[2], "value") if found[2][:1].isdigit() else _name(found[2])
    draft.flowints.append(FlowInt(_name(found[0]), operator, other))


_TEXT = re.compile(r'([^\s,;|&]+)\s*,\s*(!?)\s*"(.+)"', re.DOTALL)


def text(scope: str) -> Callable[[Draft, str], None]:
    """The reader of flowvar and pktvar: name,[!]"pattern"."""

    def read(draft: Draft, value: str) -> None:
        found = _TEXT.fullmatch(value)
        if not found:
            raise ValueError(f'{shortened(value) or "nothing"} has not the form of name,"pattern"')
        draft.texts.append(Text(scope, found[1], pattern(found[3]), bool(found[2])))

    return read


TRACKS = ("by_src", "by_dst", "by_both", "by_rule", "by_flow")


def words_of(text: str, known: tuple[str, ...]) -> dict[str, str]:
    """`name value` pairs in any order."""
    words: dict[str, str] = {}
    for part in parts(text):
        name, _, argument = part.partition(" ")
        name = one_of(name, known, "argument")
        if name in words:
            raise ValueError(f"{name} is said twice")
        words[name] = argument.strip()
    return words


def threshold_of(text: str, kinds: tuple[str, ...]) -> Threshold:
    """The arguments of threshold, in any order. Raises ValueError."""
    words = words_of(text, ("type", "track", "count", "seconds", "multiplier", "unique_on"))
    kind = one_of(words.get("type", ""), kinds, "type of threshold")
    track = one_of(words.get("track", ""), TRACKS, "track")
    if (kind == "backoff") != ("seconds" not in words):
        raise ValueError("seconds is missing" if kind != "backoff" else "backoff has no seconds")
    if kind == "backoff" and track != "by_flow":
        raise ValueError("backoff is tracked by_flow")
    return Threshold(
        kind,
        track,
        whole(words.get("count", ""), "count", 1),
        whole(words.get("seconds", "0"), "seconds", 0 if kind == "backoff" else 1),
        whole(words.get("multiplier", "10"), "multiplier", 1),
        one_of(words["unique_on"], ("src_port", "dst_port"), "unique_on") if "unique_on" in words else "",
    )


def threshold(draft: Draft, value: str) -> None:
    if any(each.kind != "detection_filter" for each in draft.thresholds):
        raise ValueError("the rule has one already")
    draft.thresholds.append(threshold_of(value, ("limit", "threshold", "both", "backoff")))


def detection_filter(draft: Draft, value: str) -> None:
    if any(each.kind == "detection_filter" for each in draft.thresholds):
        raise ValueError("the rule has one already")
    words = words_of(value, ("track", "count", "seconds", "unique_on"))
    unique = one_of(words["unique_on"], ("src_port", "dst_port"), "unique_on") if "unique_on" in words else ""
    count, seconds = whole(words.get("count", ""), "count", 1), whole(words.get("seconds", ""), "seconds", 1)
    draft.thresholds.append(Threshold("detection_filter", one_of(words.get("track", ""), TRACKS, "track"), count, seconds, unique_on=unique))


def noalert(draft: Draft, _value: str) -> None:
    draft.facts["noalert"] = True


def alert(draft: Draft, _value: str) -> None:
    draft.facts["alert_too"] = True


def app_layer_protocol(draft: Draft, value: str) -> None:
    """app-layer-protocol:[!]name[,mode]."""
    negated, text = negation(unquoted(value))
    name, _, mode = text.partition(",")
    modes = ("final", "original", "either", "both", "to_server", "to_client", "toserver", "toclient")
    mode = one_of(mode, modes, "mode") if mode.strip() else ""
    name = name.strip().lower()
    if not re.fullmatch(r"[a-z0-9_\-]+", name):
        raise ValueError(f"{shortened(name) or 'nothing'} is no protocol")
    draft.condition(Condition("app-layer-protocol", name + (f",{mode}" if mode else ""), negated))


SERVICES = {"ssl": "tls", "netbios-ssn": "smb", "dcerpc": "dcerpc", "http2": "http", "cip": "enip", "s7commplus": "s7comm_plus", "tftp": "tftp"}


def service(draft: Draft, value: str) -> None:
    """Snort 3's service:name[,name ...]: the flow speaks one of them."""
    names = tuple(SERVICES.get(each, each) for each in parts(value.lower()))
    if not all(re.fullmatch(r"[a-z0-9_\-]+", each) for each in names):
        raise ValueError("a service is a word")
    draft.condition(Condition("app-layer-protocol", names if len(names) > 1 else names[0]))
