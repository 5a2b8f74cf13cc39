"""A rule while its options are read one after the other, and what a reader of a keyword may do with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from detectors.signature.rule import (
    PAYLOAD,
    Absent,
    Bit,
    Buffer,
    BufferSize,
    ByteExtract,
    ByteJump,
    ByteMath,
    ByteTest,
    Check,
    Condition,
    Content,
    Element,
    FlowInt,
    IsDataAt,
    Pcre,
    Text,
    Threshold,
)
from detectors.signature.syntax import Statement

SEVERAL = frozenset(  # buffers of which one event has several: each time a rule names one, another may match
    {
        "dns.query", "dns.queries.rrname", "dns.answers.rrname", "dns.authorities.rrname", "dns.additionals.rrname", "dns.query.name", "dns.answer.name",
        "dns.response.rrname", "tls.certs", "tls.subjectaltname", "tls.alpn", "http.request_header", "http.response_header", "http2.header", "http2.header_name",
        "mqtt.subscribe.topic", "mqtt.unsubscribe.topic", "krb5.cname", "krb5.sname", "file.name", "file.data", "file.magic", "smtp.rcpt_to", "quic.cyu.hash",
        "quic.cyu.string", "email.url", "email.received", "ldap.responses.dn", "ldap.responses.message", "sip.via", "sip.to", "sip.from",
        "ldap.request.attribute_type", "ldap.responses.attribute_type", "sip.content_length", "sip.content_type", "sip.user_agent", "sdp.attribute", "sdp.bandwidth",
        "sdp.time", "sdp.repeat_time", "sdp.media.media",
        "sdp.media.session_info", "sdp.media.connection_data", "sdp.media.encryption_key", "ftp.reply", "ftp.completion_code", "nfs.filename", "mdns.queries.rrname", "mdns.answers.rrname",
        "mdns.authorities.rrname", "mdns.additionals.rrname", "mdns.response.rrname", "llmnr.queries.rrname", "llmnr.answers.rrname",
        "ike.vendor", "imap.request", "imap.response", "imap.email.header", "imap.email.header.name", "imap.email.header.value",
    }
)  # fmt: skip
POSITIONAL = (Content, Pcre, ByteTest, ByteJump, ByteExtract, ByteMath, IsDataAt, Element)


class Skipped(ValueError):  # noqa: N818  # it is no error
    """The rule asks for something that is not there and says so itself (requires): no error."""


class Key(NamedTuple):
    """One buffer of a rule. nth: of buffers of which an event has several, which of those that the rule names."""

    name: str
    transforms: tuple[tuple[str, str], ...] = ()
    nth: int = 0


@dataclass(frozen=True)
class Classes:
    """What classtypes mean: priority and description by name. is_given: they came from the user's classification.config."""

    known: Mapping[str, tuple[int, str]]
    is_given: bool = False


@dataclass
class Draft:
    """One rule in the making. key: the buffer that what follows is about."""

    statement: Statement
    classes: Classes
    features: frozenset[str] = frozenset()
    keywords: frozenset[str] = frozenset()
    facts: dict[str, Any] = field(default_factory=dict)  # what the keywords of Rule's own fields said
    sections: dict[Key, list[Check]] = field(default_factory=dict)
    key: Key = field(default_factory=lambda: Key(PAYLOAD))
    waiting: str = ""  # the sticky buffer that nothing has looked into yet
    is_raw: bool = False  # pkt_data stands right before: what follows may transform the payload
    last: tuple[Key, int] | None = None  # the last content
    previous: Key | None = None  # where the last positional check lies
    names: set[str] = field(default_factory=set)  # variables that byte_extract and byte_math set
    flow: set[str] = field(default_factory=set)
    conditions: list[Condition] = field(default_factory=list)
    bits: list[Bit] = field(default_factory=list)
    flowints: list[FlowInt] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    thresholds: list[Threshold] = field(default_factory=list)
    references: list[tuple[str, str]] = field(default_factory=list)
    metadata: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    is_snort3: bool = False
    keyword: str = ""  # what is read just now, for errors

    def add(self, check: Check, key: Key | None = None) -> None:
        """A check of the current buffer, or of another."""
        if key is None:
            key, self.waiting, self.is_raw = self.key, "", False
        checks = self.sections.setdefault(key, [])
        checks.append(check)
        if isinstance(check, POSITIONAL):
            self.previous = key
            if isinstance(check, Content):
                self.last = key, len(checks) - 1

    def place(self, relative: bool) -> Key | None:
        """Where a relative check belongs where no sticky buffer is set: to what it is relative to, which a modifier may have moved."""
        return self.previous if relative and self.key.name == PAYLOAD and not self.waiting else None

    def content(self) -> Content:
        """The content that a modifier is about."""
        if self.last is None:
            raise ValueError("no content stands before it")
        key, at = self.last
        check = self.sections[key][at]
        assert isinstance(check, Content)
        return check

    def modify(self, **changes: Any) -> None:
        """The last content with these arguments. Each may be given once."""
        content = self.content()
        for name in changes:
            if getattr(content, name) is not None and getattr(content, name) is not False:
                raise ValueError("the content has one already")
        assert self.last is not None
        self.sections[self.last[0]][self.last[1]] = replace(content, **changes)

    def move(self, name: str) -> None:
        """The last content into another buffer (http_uri and its kin)."""
        content = self.content()
        assert self.last is not None
        key, at = self.last
        if key.name not in (PAYLOAD, "file.data") or key.transforms:
            raise ValueError(f"the content before it is about {key.name} already")
        del self.sections[key][at]
        if not self.sections[key]:
            del self.sections[key]
        self.add(content, Key(name))

    def stick(self, name: str) -> None:
        """What follows is about this buffer."""
        self.settle()
        nth = 0
        if name in SEVERAL:
            nth = sum(key.name == name for key in self.sections)
        self.key, self.waiting, self.is_raw = Key(name, (), nth), name, False

    def transform(self, name: str, argument: str) -> None:
        """What follows is about the current buffer as this makes it."""
        if not self.waiting and not self.is_raw:
            raise ValueError("no buffer stands right before it")
        self.key = self.key._replace(transforms=(*self.key.transforms, (name, argument)))

    def settle(self) -> None:
        """Nothing may wait for a check that does not come."""
        if self.waiting and not self.is_snort3:
            raise ValueError(f"nothing looks into {self.waiting}")
        self.waiting = ""

    def condition(self, condition: Condition) -> None:
        self.conditions.append(condition)

    def once(self, name: str, value: Any) -> None:
        """A fact that a rule says once."""
        if name in self.facts:
            raise ValueError("the rule has one already")
        self.facts[name] = value

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def buffers(self) -> tuple[Buffer, ...]:
        return tuple(Buffer(key.name, tuple(checks), key.transforms) for key, checks in self.sections.items())


def verify(draft: Draft) -> None:
    """What can never match, or contradicts itself, is an error of the rule. Raises ValueError."""
    draft.keyword = draft.waiting
    draft.settle()
    draft.keyword = "absent"
    for checks in draft.sections.values():
        _verify_absent(checks)
    draft.keyword = "content"
    chosen = 0
    for checks in draft.sections.values():
        size = next((most(check.size) for check in checks if isinstance(check, BufferSize)), None)
        for check in checks:
            if isinstance(check, Content):
                chosen += check.fast_pattern
                _verify_content(check, size)
    if chosen > 1:
        raise ValueError("one content of a rule may have fast_pattern")
    sizes = [most(each.value) for each in draft.conditions if each.keyword == "dsize"]
    payload = draft.sections.get(Key(PAYLOAD), ())
    draft.keyword = "dsize"
    if sizes and sizes[0] is not None:
        for check in payload:
            if isinstance(check, Content):
                _verify_content(check, sizes[0])


def _verify_absent(checks: list[Check]) -> None:
    """What is not there has nothing to look into."""
    absent = [check for check in checks if isinstance(check, Absent)]
    if len(absent) > 1:
        raise ValueError("it is said twice of one buffer")
    if absent and not absent[0].or_else and len(checks) > 1:
        raise ValueError("nothing else can be asked of a buffer that shall be absent; say or_else")
    if absent and absent[0].or_else and len(checks) == 1:
        raise ValueError("nothing else is asked of the buffer")
    if absent and any(isinstance(check, Content) and check.fast_pattern for check in checks):
        raise ValueError("a content of a buffer that may be absent cannot have fast_pattern")


def _verify_content(content: Content, size: int | None) -> None:
    length = len(content.pattern)
    bound = content.depth if content.depth is not None else content.within
    if isinstance(bound, int) and bound < length:
        raise ValueError(f"{'depth' if content.depth is not None else 'within'} {bound} is less than the content's {length} bytes: it can never match")
    is_absolute = content.offset is not None or content.depth is not None
    is_relative = content.distance is not None or content.within is not None
    if is_absolute and is_relative:
        raise ValueError("offset and depth do not go together with distance and within for one content")
    if content.startswith and (is_absolute or is_relative):
        raise ValueError("startswith says offset and depth itself: no offset, depth, distance or within beside it")
    if content.fast_pattern and content.negated and (is_absolute or is_relative):
        raise ValueError("a negated content with a place cannot have fast_pattern")
    if size is not None and not content.negated:
        begin = content.offset if isinstance(content.offset, int) else 0
        if begin + length > size:
            raise ValueError(f"a content of {length} bytes{f' from {begin} on' if begin else ''} never fits into {size} bytes")


def most(condition: Any) -> int | None:
    """The largest number that meets a condition; None where there is no bound."""
    match condition.operator:
        case "=" | "<=":
            return int(condition.value)
        case "<":
            return int(condition.value) - 1
        case "<>":
            return int(condition.high) - 1
    return None
