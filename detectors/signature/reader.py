"""From a rule's text to a Rule: header, options one after the other, then what they must not be together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from detectors.signature import buffers, conditions, messages, syntax
from detectors.signature.arguments import shown
from detectors.signature.classes import DEFAULT
from detectors.signature.draft import Classes, Draft, Key, Skipped, verify
from detectors.signature.framing import PREFIX
from detectors.signature.keywords import UNSUPPORTED, table
from detectors.signature.rule import Condition, Header, Number, Rule
from detectors.signature.syntax import Statement, shortened
from detectors.signature.variables import Variables, suggestion
from sensor.events.field import Field

IGMP = 2  # IP protocol number
NETWORK = ("igmp", "tcp", "udp", "icmp", "icmpv4", "icmpv6", "sctp", "ip", "ipv4", "ip4", "ipv6", "ip6", "tcp-pkt", "tcp-stream", "pkthdr", "ether", "arp")
APPLICATIONS = (
    "http", "http1", "http2", "tls", "ssl", "dns", "doh2", "mdns", "llmnr", "ssh", "smb", "smtp", "ftp", "ftp-data", "dcerpc", "mqtt", "modbus", "dnp3", "enip",
    "snmp", "tftp", "ntp", "dhcp", "ike", "ikev2", "krb5", "nfs", "rdp", "rfb", "sip", "imap", "pop3", "telnet", "websocket", "quic", "ldap", "pgsql", "mysql",
    "bittorrent-dht", "irc", "jabber", "msn", "file", "opc_ua", "cip", "s7commplus", "mms", "netbios-ssn",
)  # fmt: skip
SAME = {
    "ssl": "tls",
    "ip4": "ipv4",
    "ip6": "ipv6",
    "http1": "http",
    "ikev2": "ike",
    "netbios-ssn": "smb",
    "s7commplus": "s7comm_plus",
    "cip": "enip",
    "igmp": "ip",
}
# Families of buffers, and the header's protocols with which they contradict nothing; other families and protocols are not judged.
FAMILIES = {
    "http": {"http", "http2", "doh2"},
    "dns": {"dns", "doh2", "mdns"},
    "tls": {"tls", "smtp", "ftp", "imap", "pop3", "rdp"},
    "ssh": {"ssh"},
    "quic": {"quic"},
    "ike": {"ike"},
    "imap": {"imap"},
    "pgsql": {"pgsql"},
}
JUDGED = frozenset(
    {"http", "http2", "dns", "tls", "ssh", "smtp", "ftp", "mqtt", "modbus", "dnp3", "enip", "snmp", "ntp", "dhcp", "quic", "ike", "pop3", "imap", "pgsql"}
)
SUGGESTIONS = 200  # unknown keywords for which a near one is looked up: that takes milliseconds


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a rule was not read. state: failed or skipped."""

    state: str
    keyword: str
    reason: str
    suggestion: str = ""


class Reader:
    """Reads rules. fields: those of each protocol of ours by its name; every one is a keyword."""

    def __init__(
        self,
        fields: Mapping[str, Iterable[Field]] | None = None,
        variables: Variables | None = None,
        classes: Classes | None = None,
        features: Iterable[str] = (),
    ) -> None:
        self.keywords = table(fields or {})
        self.names = frozenset(self.keywords)
        self.plant = frozenset(fields or {})
        self.protocols = {*NETWORK, *APPLICATIONS, *(fields or {})}
        self.variables = variables or Variables()
        self.classes = classes or Classes(DEFAULT)
        self.features = frozenset(features)
        self._near: dict[str, str] = {}

    def read(self, text: str, file: str = "", line: int = 0) -> Rule | Failure:
        """One rule. Never raises for what the text says."""
        try:
            statement = syntax.statement(text)
        except ValueError as error:
            return Failure("failed", "", shown(str(error)))
        draft = Draft(statement, self.classes, self.features, self.names)
        draft.keyword = "header"
        try:
            header, ways = self._header(statement)
            if statement.protocol == "igmp":
                draft.condition(Condition("ip_proto", Number("=", IGMP)))
            draft.flow |= ways
            draft.is_snort3 = is_snort3(statement)
            if header.protocol == "file":
                draft.key = Key("file.data")
            for name, value in statement.options:
                if name == "requires":
                    draft.keyword = name
                    self.keywords[name].read(draft, value)
            for name, value in statement.options:
                if name != "requires":
                    draft.keyword = name
                    self._option(draft, name, value)
            verify(draft)
            draft.keyword = ""
            self._agree(draft, header)
            return self._rule(draft, header, text, file, line)
        except Skipped as error:
            return Failure("skipped", draft.keyword, shown(str(error)))
        except ValueError as error:
            reason, _, hint = str(error).partition("; did you mean ")
            return Failure("failed", shortened(shown(draft.keyword)), shown(reason), f"did you mean {shown(hint)}" if hint else "")

    def _option(self, draft: Draft, name: str, value: str) -> None:
        keyword = self.keywords.get(name)
        if keyword is None:
            if name in UNSUPPORTED:
                raise ValueError(f"this keyword is not supported: {UNSUPPORTED[name]}")
            raise ValueError(f"no such keyword{self._suggested(name)}")
        if keyword.argument is not None and bool(value) != keyword.argument:
            raise ValueError("needs an argument" if keyword.argument else f"takes no argument ({shortened(value)})")
        keyword.read(draft, value)

    def _suggested(self, name: str) -> str:
        if name not in self._near:
            if len(self._near) >= SUGGESTIONS:
                return ""
            self._near[name] = suggestion(name, self.names)
        return self._near[name]

    def _header(self, words: Statement) -> tuple[Header, set[str]]:
        """The header, and what the hook of its protocol says about the direction (Suricata 8: dns:request_complete)."""
        protocol, colon, hook = words.protocol.partition(":")
        if protocol not in self.protocols:
            raise ValueError(f"{shortened(protocol)} is no protocol that rules can name{suggestion(protocol, self.protocols)}")
        ways: set[str] = set()
        if colon:
            side = {"request": "to_server", "client": "to_server", "response": "to_client", "server": "to_client"}.get(hook.partition("_")[0])
            if side is None:
                raise ValueError(f"{shortened(words.protocol)} names no hook that is known here")
            ways.add(side)
        known = self.variables
        header = Header(
            SAME.get(protocol, protocol),
            known.addresses(words.source),
            known.ports(words.source_ports),
            words.direction,
            known.addresses(words.destination),
            known.ports(words.destination_ports),
        )
        return header, ways

    def _agree(self, draft: Draft, header: Header) -> None:
        """Header, keywords and buffers speak of the same protocol. Raises ValueError, as Suricata refuses what can never match."""
        about = [(each.keyword, conditions.datasets(each)) for each in draft.conditions if each.keyword != "app-layer-protocol"]
        about += [(key.name, tuple(each.removeprefix(PREFIX).partition(".")[0] for each in buffers.datasets(key.name))) for key in draft.sections]
        said, names = f"the header says {header.protocol}", () if header.protocol in NETWORK else (*messages.family(header.protocol),)
        for keyword, those in about:
            if names and those and not {*names} & {*those} and not self.plant.isdisjoint((*names, *those)):
                draft.keyword = keyword
                raise ValueError(f"{said}, and {keyword} is about {' or '.join(those)}: it can never match")
            if those and header.protocol in NETWORK:
                said, names = f"{keyword} is about {' or '.join(those)}", tuple(each for each in those if each in names) or those
        if header.protocol not in JUDGED:
            return
        for key in draft.sections:
            family = key.name.partition(".")[0]
            if family in FAMILIES and header.protocol not in FAMILIES[family]:
                raise ValueError(f"the header says {header.protocol}, and {key.name} is of another protocol")

    def _rule(self, draft: Draft, header: Header, text: str, file: str, line: int) -> Rule:
        facts = draft.facts
        if "sid" not in facts:
            raise ValueError("the rule has no sid")
        if draft.statement.has_gaps:
            draft.warn("an option is empty (two ; without anything between them)")
        priority, category = self.classes.known.get(facts.get("classtype", "").lower(), (3, ""))
        return Rule(
            action=draft.statement.action,
            header=header,
            sid=facts["sid"],
            gid=facts.get("gid", 1),
            rev=facts.get("rev", 0),
            msg=facts.get("msg", ""),
            classtype=facts.get("classtype", ""),
            category=category,
            priority=facts.get("priority", priority),
            references=tuple(draft.references),
            metadata=tuple(draft.metadata),
            target=facts.get("target", ""),
            flow=frozenset(draft.flow),
            buffers=draft.buffers(),
            conditions=tuple(draft.conditions),
            bits=tuple(draft.bits),
            flowints=tuple(draft.flowints),
            texts=tuple(draft.texts),
            thresholds=tuple(draft.thresholds),
            noalert=facts.get("noalert", False) or draft.statement.action == "config",
            alert_too=facts.get("alert_too", False),
            file=file,
            line=line,
            text=shown(text),
            warnings=tuple(draft.warnings),
        )


def is_snort3(statement: Statement) -> bool:
    """Whether a rule is written in Snort 3's way: there, http_uri and its kin are sticky buffers."""
    return statement.is_short or any(
        name in ("service", "rem", "bufferlen", "raw_data") or (name == "content" and value and value[-1] != '"') for name, value in statement.options
    )
