"""A rule as the engine sees it: what the text says, with every argument read, and nothing of how it will be evaluated.

Names are the keywords' own (Suricata 8 user guide, "Suricata Rules"; Snort 2 and 3 forms are read into the same classes).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

Quantity: TypeAlias = int | str  # a number, or the name of a variable that byte_extract or byte_math sets

PAYLOAD = ""  # the buffer of rules that name none: a packet's payload, a PDU, or a stretch of a stream
FLOW_WORDS = {"to_server": ("to_server", True), "from_client": ("to_server", True), "to_client": ("to_server", False), "from_server": ("to_server", False)}


@dataclass(frozen=True, slots=True)
class Number:
    """An integer keyword's condition. operator: = != < <= > >= <> (between, both excluded) !<> & (any bit of value) !& (none); &= and !&= (the bits of value are
    high, or are not). high: of <> and !<>, and of &= and !&=."""

    operator: str
    value: int
    high: int = 0


@dataclass(frozen=True, slots=True)
class Several:
    """A multi-integer keyword's condition: what has to be met by how many, or by which, of some numbers.

    number: what each is asked, None: nothing, they are counted. which: "any", "all" (and there is one), "all_or_absent", "or_absent" (any, or there is none), "times"
    (as many as `times` says) or "at" (the one at `at`, from the end where that is below zero; with `or_beyond` also where there is none). begin, end: of those that are
    looked at, from the end where they are below zero; end 0: all behind begin. Where an end lies outside, none is looked at.
    """

    number: Number | None
    which: str = "any"
    at: int = 0
    or_beyond: bool = False
    times: Number = Number(">", 0)
    begin: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Content:
    """content, with its modifiers. depth counts from offset; within from distance, as their keywords do. None: not given."""

    pattern: bytes
    negated: bool = False
    nocase: bool = False
    offset: Quantity | None = None
    depth: Quantity | None = None
    distance: Quantity | None = None
    within: Quantity | None = None
    startswith: bool = False
    endswith: bool = False
    fast_pattern: bool = False
    fast_pattern_part: tuple[int, int] | None = None  # offset and length within pattern
    least: int = 0  # of one that is relative: it begins nowhere before this byte


@dataclass(frozen=True, slots=True)
class Pcre:
    """pcre. flags: those of the expression itself (i m s x A E G); relative: R. What named a buffer (U, P, H ...) has become the buffer.

    captures: scope (flow or pkt) and name of the variable that each group sets, from the first group on; a group of scope "" sets none.
    """

    pattern: bytes
    flags: str = ""
    negated: bool = False
    relative: bool = False
    captures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Bytes:
    """Where byte_test and its kin find a number, and how it is written. string: "" (binary), "dec", "hex" or "oct"; of size 0: as far as there are digits."""

    size: Quantity
    offset: Quantity
    relative: bool = False
    little: bool = False
    string: str = ""
    bitmask: int = 0  # 0: none
    dce: bool = False  # the byte order that the DCERPC header says


@dataclass(frozen=True, slots=True)
class ByteTest:
    """byte_test. operator: = < > <= >= & ^, negated by !."""

    bytes: Bytes
    operator: str
    value: Quantity
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ByteJump:
    """byte_jump: moves to where the number says. start: from "here" (behind the number), the "beginning" or the "end" of the buffer."""

    bytes: Bytes
    multiplier: int = 1
    align: bool = False
    start: str = "here"
    post_offset: Quantity = 0


@dataclass(frozen=True, slots=True)
class ByteExtract:
    """byte_extract: a number that later arguments name. align: 0, 2 or 4 bytes."""

    bytes: Bytes
    name: str
    multiplier: int = 1
    align: int = 0


@dataclass(frozen=True, slots=True)
class ByteMath:
    """byte_math. operator: + - * / << >>."""

    bytes: Bytes
    operator: str
    value: Quantity
    name: str


@dataclass(frozen=True, slots=True)
class IsDataAt:
    """isdataat."""

    position: Quantity
    relative: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True)
class BufferSize:
    """bsize, and urilen on the uri."""

    size: Number


@dataclass(frozen=True, slots=True)
class Base64Decode:
    """base64_decode: what it decodes is the buffer base64_data. size: at most so many bytes of text, 0: to the end."""

    size: int = 0
    offset: int = 0
    relative: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """dataset and datarep: whether the buffer is in a list. command: isset isnotset set unset. kind: string md5 sha256 ip ipv4 ipv6. load: its file, "" without one.

    reputation: of datarep, what the value beside it must be.
    """

    command: str
    name: str
    kind: str = "string"
    load: str = ""
    reputation: Number | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """absent: the buffer is not there. or_else: or it is, and the other checks hold."""

    or_else: bool = False


@dataclass(frozen=True, slots=True)
class Entropy:
    """entropy, in bits a byte (Shannon). size: of at most so many bytes, 0: all. operator: = != < <= > >= <> !<>, the last two without both ends."""

    operator: str
    value: float
    high: float = 0.0
    size: int = 0
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Hashed:
    """Snort's md5, sha256 and sha512: what some bytes have to be, without saying it."""

    algorithm: str
    digest: bytes
    length: int
    offset: int = 0
    relative: bool = False
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Element:
    """Snort's ber_data and ber_skip: a BER element of this tag lies here; goes into it or, with skips, behind it."""

    tag: int
    skips: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Asn1:
    """asn1: whether ASN.1 that begins at the offset has one of these faults. oversize: more than so many bytes in one element, -1: not asked."""

    bitstring_overflow: bool = False
    double_overflow: bool = False
    oversize: int = -1
    offset: int = 0
    relative: bool = False


@dataclass(frozen=True, slots=True)
class Personal:
    """Snort's sd_pattern: at least `threshold` texts of a kind (credit_card, us_social, us_social_nodashes, email, us_phone), or of an expression of its own."""

    kind: str
    threshold: int = 1


Check: TypeAlias = (
    Absent
    | Entropy
    | Hashed
    | Element
    | Asn1
    | Personal
    | Content
    | Pcre
    | ByteTest
    | ByteJump
    | ByteExtract
    | ByteMath
    | IsDataAt
    | BufferSize
    | Base64Decode
    | Dataset
)


@dataclass(frozen=True, slots=True)
class Buffer:
    """What one buffer must hold, in the order in which it is written. transforms: e.g. ("dotprefix", ""), ("xor", "0a0b"), applied in turn."""

    name: str
    checks: tuple[Check, ...]
    transforms: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """A keyword that looks at a header, a decoded field, an event or a list, and not at bytes.

    value: a Number for integer keywords, Several for multi-integers; a tuple of Numbers or texts where any of them does; text otherwise, in the keyword's own form without blanks around it.
    """

    keyword: str
    value: Number | Several | str | tuple[Number | str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Bit:
    """flowbits, xbits, hostbits. command: set unset toggle isset isnotset. names: any of them does. track: "flow", "src", "dst", "pair" or "tx". expire: seconds."""

    command: str
    names: tuple[str, ...]
    track: str = "flow"
    expire: int = 0


@dataclass(frozen=True, slots=True)
class FlowInt:
    """flowint. operator: = + - (change), or isset, isnotset (notset), < <= > >= == != (ask). value: a number or another variable's name."""

    name: str
    operator: str
    value: int | str = 0


@dataclass(frozen=True, slots=True)
class Text:
    """flowvar and pktvar: whether a text that a pcre has captured holds a pattern. scope: flow or pkt."""

    scope: str
    name: str
    pattern: bytes
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Threshold:
    """threshold and detection_filter. kind: limit, threshold, both, backoff or detection_filter. track: by_src by_dst by_both by_rule by_flow."""

    kind: str
    track: str
    count: int
    seconds: int
    multiplier: int = 10
    unique_on: str = ""


@dataclass(frozen=True, slots=True)
class RateFilter:
    """rate_filter: after count alerts within seconds another action, for timeout seconds."""

    gid: int
    sid: int
    track: str
    count: int
    seconds: int
    new_action: str
    timeout: int


@dataclass(frozen=True, slots=True)
class Ranges:
    """An address or port expression: closed ranges of integers, ascending and apart. None in `ranges` never happens; the whole space is `any`.

    Addresses are 128 bits, IPv4 as ::ffff:a.b.c.d as everywhere here. of_family: what it is to Suricata, where that is less: what is not an IPv4 network is IPv4.
    """

    ranges: tuple[tuple[int, int], ...]
    text: str = field(default="any", compare=False)
    of_family: tuple[tuple[int, int], ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a rule. direction: -> or <> or =>."""

    protocol: str
    source: Ranges
    source_ports: Ranges
    direction: str
    destination: Ranges
    destination_ports: Ranges


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. file, line: where it stands (its first line). options in the order of evaluation; flow: the words of the flow keyword."""

    action: str  # alert, pass, drop, reject, rejectsrc, rejectdst, rejectboth, log, activate ... : a passive sensor alerts, but for pass
    header: Header
    sid: int
    gid: int = 1
    rev: int = 0
    msg: str = ""
    classtype: str = ""
    category: str = ""  # the classtype's description
    priority: int = 3
    references: tuple[tuple[str, str], ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    target: str = ""  # src_ip or dest_ip
    flow: frozenset[str] = frozenset()
    buffers: tuple[Buffer, ...] = ()
    conditions: tuple[Condition, ...] = ()
    bits: tuple[Bit, ...] = ()
    flowints: tuple[FlowInt, ...] = ()
    texts: tuple[Text, ...] = ()
    thresholds: tuple[Threshold, ...] = ()  # at most one threshold and one detection_filter
    noalert: bool = False
    alert_too: bool = False  # the keyword alert: a pass rule that says so
    file: str = ""
    line: int = 0
    text: str = ""
    warnings: tuple[str, ...] = ()  # accepted, but worth saying

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """The lists that its buffers are looked up in."""
        return tuple(check for buffer in self.buffers for check in buffer.checks if isinstance(check, Dataset))

    @property
    def captures(self) -> bool:
        """Whether its regular expressions set variables."""
        return any(isinstance(check, Pcre) and any(scope for scope, _ in check.captures) for buffer in self.buffers for check in buffer.checks)

    @property
    def id(self) -> str:
        return f"{self.gid}:{self.sid}"
