"""What a protocol of general-purpose networks is to the sensor: a parser a flow, fed with what each side says, in order, and what it makes of that.

Protocols that carry values of a plant are columns (sensor/protocols). These here, HTTP, TLS, DNS and their kin, are few packets beside those and need
well-kept parsers, so they are parsed message by message, and only in flows whose first bytes say what they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from sensor.decode.packets import Transport
from sensor.events.message import Said

__all__ = ["MOST_BODY", "MOST_HELD", "MOST_OPEN", "Application", "Conversation", "Expected", "Said"]

MOST_BODY = 102_400  # bytes of a body that rules look at: what Suricata looks at by default
MOST_HELD = 65_536  # bytes a conversation may hold of a message that is not yet whole, in each direction
MOST_OPEN = 64  # requests of one conversation that wait for an answer


@dataclass(frozen=True)
class Expected:
    """A connection that another one has announced. at_server: whether it goes to that one's server. name: of the application that it is one of."""

    at_server: bool
    port: int
    name: str
    conversation: Conversation


class Conversation:
    """The parser of one flow. Bounded in memory by the limits above whatever it is fed; never raises for anything that is fed.

    broken: it no longer makes sense of what it is fed, and wants no more; why says what was wrong. then: what application each side may go on with from now on
    ("": none); it is asked whether it begins there. expected: what it has announced since somebody took it from there.
    """

    broken: bool = False
    why: str = ""
    then: str = ""
    expected: list[Expected] | tuple[()] = ()

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        """The next bytes of one direction (of a datagram protocol: one datagram, whole)."""
        raise NotImplementedError

    def gap(self, to_server: bool, size: int) -> Iterator[Said]:
        """So many bytes of this direction (one at least) were never seen. By default what follows cannot be told any more."""
        self.broken, self.why = True, f"{size} bytes are missing"
        return iter(())

    def close(self) -> Iterator[Said]:
        """Nothing more comes: what is held is said now, as far as it goes."""
        return iter(())


class Application:
    """One protocol. name: Suricata's (http tls dns ssh ftp smb dcerpc snmp mqtt tftp ntp dhcp telnet). ports: where it is expected, by transport."""

    name: ClassVar[str]
    ports: ClassVar[Mapping[Transport, frozenset[int]]]

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """Whether a conversation that begins with these bytes is one of this protocol; None: more bytes are needed. expected: its port is one of `ports`."""
        raise NotImplementedError

    def open(self) -> Conversation:
        raise NotImplementedError
