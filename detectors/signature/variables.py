"""Address and port expressions: [10.0.0.0/8,!$SERVERS,2001:db8::/32], [1024:,!8080]. Variables are such expressions with a name.

A list is the union of what it names without what it negates; one that only negates is everything else. Nested lists and variables are sets of their own.
Suricata 8 user guide, "Rules Format", "Source and destination" and "Ports".
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from detectors.signature.rule import Ranges
from detectors.signature.syntax import shortened
from sensor.lang import near

Spans = tuple[tuple[int, int], ...]

ADDRESSES = ((0, (1 << 128) - 1),)
PORTS = ((0, 65_535),)
IPV4 = 0xFFFF << 32  # ::ffff:0.0.0.0, where IPv4 addresses stand
DEPTH = 32  # of brackets and of variables in variables

# What is not routed on the internet (RFC 1918, 3927, 4193, 4291), so what a plant uses.
PRIVATE = "[10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,fc00::/7,fe80::/10]"

# Clients and servers of plants are HOME_NET, as in Suricata's own configuration: rules "from $X_CLIENT to $X_SERVER" then fire within a plant, rules "from
# !$X_CLIENT" (unauthorized clients) fire for whoever comes from outside, and become exact once the user says who the clients are. EXTERNAL_NET is any: an
# attacker in a plant is inside already.
DEFAULTS: dict[str, str] = {
    "HOME_NET": PRIVATE,
    "EXTERNAL_NET": "any",
    **{
        f"{name}_SERVERS": "$HOME_NET"
        for name in (
            "HTTP",
            "SMTP",
            "SQL",
            "DNS",
            "TELNET",
            "AIM",
            "DC",
            "FTP",
            "SSH",
            "SIP",
            "SNMP",
            "SMB",
            "POP",
            "IMAP",
            "NTP",
            "DHCP",
            "LDAP",
            "RDP",
            "VNC",
        )
    },
    **{
        f"{protocol}_{role}": "$HOME_NET"
        for protocol in (
            "MODBUS",
            "DNP3",
            "ENIP",
            "S7",
            "BACNET",
            "FINS",
            "MODICON",
            "IEC104",
            "OPCUA",
            "OMRON",
            "UMAS",
            "MELSEC",
            "GOOSE",
            "MMS",
            "FOX",
            "PCOM",
        )
        for role in ("CLIENT", "SERVER")
    },
    "BACNET_DEVICES": "$HOME_NET",
    "HTTP_PORTS": "80",
    "HTTPS_PORTS": "443",
    "SHELLCODE_PORTS": "!80",
    "ORACLE_PORTS": "1521",
    "SQL_PORTS": "[1433,1521,3306,5432]",
    "SSH_PORTS": "22",
    "FTP_PORTS": "21",
    "SIP_PORTS": "[5060,5061]",
    "FILE_DATA_PORTS": "[$HTTP_PORTS,110,143]",
    "MAIL_PORTS": "[25,110,143]",
    "GTP_PORTS": "[2123,2152,3386]",
    "GENEVE_PORTS": "6081",
    "VXLAN_PORTS": "4789",
    "TEREDO_PORTS": "3544",
    "MODBUS_PORTS": "502",
    "DNP3_PORTS": "20000",
    "ENIP_PORTS": "44818",
    "S7_PORTS": "102",
    "BACNET_PORTS": "47808",
    "FINS_PORTS": "9600",
    "IEC104_PORTS": "2404",
    "OPCUA_PORTS": "4840",
}


class Variables:
    """The named expressions, and every expression read so far."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.values = {**DEFAULTS, **(values or {})}
        self._sets: dict[tuple[str, str, bool], Spans] = {}
        self._whole: dict[tuple[str, str], Ranges] = {}
        self._by_family = False  # what is negated is so of its own version of IP alone, as in Suricata

    def addresses(self, text: str) -> Ranges:
        """An address expression. Raises ValueError."""
        return self._read("address", text)

    def ports(self, text: str) -> Ranges:
        """A port expression. Raises ValueError."""
        return self._read("port", text)

    def _read(self, kind: str, text: str) -> Ranges:
        ranges = self._whole.get((kind, text))
        if ranges is None:
            spans = self._expression(kind, text, ())
            if not spans:
                raise ValueError(f"{shortened(text)} leaves no {kind}")
            ranges = self._whole[kind, text] = Ranges(spans, text, self._of_family(text) if kind == "address" else ())
        return ranges

    def _of_family(self, text: str) -> Spans:
        self._by_family = True
        try:
            return self._expression("address", text, ())
        except ValueError:  # nothing is left
            return ()
        finally:
            self._by_family = False

    def _space(self, kind: str, negated: Spans) -> Spans:
        """What something is negated of."""
        if kind == "port":
            return PORTS
        return families(negated) if self._by_family else ADDRESSES

    def _expression(self, kind: str, text: str, names: tuple[str, ...], depth: int = 0) -> Spans:
        """The set that a text names. names: the variables within whose values it stands."""
        text = text.strip()
        if depth > DEPTH:
            raise ValueError(f"brackets lie more than {DEPTH} deep")
        if text.startswith("!"):
            return self._negated(kind, text[1:], names, depth)
        if text.startswith("["):
            if not text.endswith("]"):
                raise ValueError(f"{shortened(text)}: a bracket is not closed")
            return self._list(kind, text[1:-1], names, depth)
        if text.startswith("$"):
            return self._variable(kind, text[1:], names, depth)
        if text.lower() == "any":
            return ADDRESSES if kind == "address" else PORTS
        return LEAVES[kind](text)

    def _negated(self, kind: str, text: str, names: tuple[str, ...], depth: int) -> Spans:
        negated = self._expression(kind, text, names, depth + 1)
        left = without(self._space(kind, negated), negated)
        if not left:
            raise ValueError(f"!{shortened(text.strip())} leaves no {kind}: what is negated is any")
        return left

    def _list(self, kind: str, text: str, names: tuple[str, ...], depth: int) -> Spans:
        wanted: list[tuple[int, int]] = []
        unwanted: list[tuple[int, int]] = []
        is_negative = True
        for item in items(text):
            if item.startswith("!"):
                unwanted += self._expression(kind, item[1:], names, depth + 1)
            else:
                is_negative = False
                wanted += self._expression(kind, item, names, depth + 1)
        refused = merged(unwanted)
        if self._by_family and kind == "address":
            wanted += without(families(refused), families(merged(wanted)))
        space = self._space(kind, refused) if is_negative else merged(wanted)
        return without(space, refused)

    def _variable(self, kind: str, name: str, names: tuple[str, ...], depth: int) -> Spans:
        if name in names:
            raise ValueError(f"${name} is defined by itself ({' -> '.join(f'${each}' for each in (*names, name))})")
        known = self._sets.get((kind, name, self._by_family))
        if known is not None:
            return known
        value = self.values.get(name)
        if value is None:
            raise ValueError(f"${shortened(name)} is not defined: say --var {shortened(name)}=...{suggestion(name, self.values)}")
        try:
            spans = self._expression(kind, value, (*names, name), depth + 1)
        except ValueError as error:
            raise ValueError(f"${name}: {error}") from error
        self._sets[kind, name, self._by_family] = spans
        return spans


def listed(networks: Sequence[str]) -> str:
    """Networks as one expression. A single one may be an expression itself, or several with commas between them."""
    text = ",".join(each.strip() for each in networks)
    return text if "," not in text or (len(networks) == 1 and text.startswith(("[", "!["))) else f"[{text}]"


def mistaken(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Of these variables those that no rule can name, and why. What ends in _PORTS is about ports, other known names about addresses, and names of the user's own about either."""
    known = Variables(values)
    for name in values:
        if not name.isidentifier():
            yield name, "letters, digits and underscores make a variable's name, without the dollar"
            continue
        kinds = [known.ports] if name.endswith("_PORTS") else [known.addresses] if name in DEFAULTS else [known.addresses, known.ports]
        reasons = []
        for read in kinds:
            try:
                read(f"${name}")
            except ValueError as error:
                reasons.append(str(error).removeprefix(f"${name}: "))
        if len(reasons) == len(kinds):
            yield name, reasons[0]


def suggestion(word: str, known: Iterable[str]) -> str:
    """What somebody may have meant, where something is near."""
    return _near(word[:64], tuple(known))


@lru_cache(1024)
def _near(word: str, known: tuple[str, ...]) -> str:
    """Looking for what is near takes milliseconds, and rules of one file tend to make the same mistake."""
    text = near(word, known)
    return text if text.startswith("; did you mean") else ""


def items(text: str) -> list[str]:
    """The items of a list, without blanks around them."""
    if "[" not in text:
        found = text.split(",")
    else:
        found, depth = [""], 0
        for piece in re.split(r"([\[\],])", text):
            if piece == "," and not depth:
                found.append("")
                continue
            depth += (piece == "[") - (piece == "]")
            found[-1] += piece
        if depth:
            raise ValueError(f"[{shortened(text)}]: brackets do not match")
    found = [item.strip() for item in found]
    if not all(found):
        raise ValueError(f"[{shortened(text)}]: an item is empty")
    return found


def merged(spans: Iterable[tuple[int, int]]) -> Spans:
    """Ascending and apart."""
    result: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if result and low <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], high))
        else:
            result.append((low, high))
    return tuple(result)


def without(spans: Spans, others: Spans) -> Spans:
    """What is in spans and not in others, both ascending and apart."""
    if not others:
        return spans
    result = []
    i = 0
    for low, high in spans:
        begin = low
        while i < len(others) and others[i][1] < begin:
            i += 1
        j = i
        while j < len(others) and others[j][0] <= high:
            if others[j][0] > begin:
                result.append((begin, others[j][0] - 1))
            begin = others[j][1] + 1
            j += 1
        if begin <= high:
            result.append((begin, high))
    return tuple(result)


def families(spans: Spans) -> Spans:
    """All addresses of the versions of IP that these are of."""
    four = ((IPV4, IPV4 | 0xFFFFFFFF),)
    six = without(ADDRESSES, four)
    return merged((*(four if without(four, spans) != four else ()), *(six if without(six, spans) != six else ())))


def _address(text: str) -> tuple[int, int]:
    """One address: its number, and how many bits it has."""
    try:
        if ":" in text:
            return int.from_bytes(socket.inet_pton(socket.AF_INET6, text)), 128
        return IPV4 | int.from_bytes(socket.inet_pton(socket.AF_INET, text)), 32
    except (OSError, ValueError):
        raise ValueError(f"{shortened(text)} is no address") from None


def _addresses(text: str) -> Spans:
    """An address, a network or a range of addresses."""
    if "-" in text:
        (low, bits), (high, other) = (_address(each.strip()) for each in text.split("-", 1))
        if bits != other or high < low:
            raise ValueError(f"{shortened(text)} is no range of addresses")
        return ((low, high),)
    address, slash, length = text.partition("/")
    low, bits = _address(address.strip())
    if not slash:
        return ((low, low),)
    size = 1 << bits - _prefix(length.strip(), bits)
    low = low & -size if bits == 128 else IPV4 | (low & 0xFFFFFFFF & -size)
    span = ((low, low + size - 1),)
    return without(span, ((IPV4, IPV4 | 0xFFFFFFFF),)) if bits == 128 else span  # ::/0 is every IPv6 address, and no IPv4 address


def _prefix(text: str, bits: int) -> int:
    """The length of a prefix, or of a mask such as 255.255.0.0."""
    if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= bits:
        return int(text)
    if bits == 32 and text.count(".") == 3:
        mask = _address(text)[0] & 0xFFFFFFFF
        gap = mask ^ 0xFFFFFFFF
        if not gap & (gap + 1):
            return 32 - gap.bit_length()
    raise ValueError(f"/{shortened(text)} is no prefix of {bits} bits")


def _ports(text: str) -> Spans:
    """A port, or a range of ports that may be open at either end."""
    low, colon, high = text.partition(":")
    begin = _port(low, text) if low.strip() or not colon else 0
    end = (_port(high, text) if high.strip() else 65_535) if colon else begin
    if end < begin or (colon and not low.strip() and not high.strip()):
        raise ValueError(f"{shortened(text)} is no range of ports")
    return ((begin, end),)


def _port(text: str, whole: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65_535):
        raise ValueError(f"{shortened(whole)} is no port")
    return int(text)


LEAVES: dict[str, Callable[[str], Spans]] = {"address": _addresses, "port": _ports}
