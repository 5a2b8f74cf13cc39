"""Telnet (RFC 854, RFC 855): the text of both sides without commands and negotiations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from sensor.applications import logins
from sensor.applications.application import Application, Conversation, Said
from sensor.applications.files import text
from sensor.decode.packets import Transport
from sensor.events.vocabulary import Action

IAC, SE, SB, WILL, DONT = 255, 240, 250, 251, 254  # RFC 854, codes of commands
LONGEST_LINE = 4096
_NEGOTIATION = re.compile(rb"\xff[\xfb-\xfe][\x00-\x31\x8a-\x8c\xff]|\xff\xfa[\x00-\x31]")
_PASSWORD = re.compile(rb"(?i)(?:password|passwd|passcode)[^:]{0,16}:\s*\??\s*$")  # a prompt
_END = re.compile(rb"[\r\n\x00]+")
_TEXT = re.compile(rb"[\x07-\x0d\x1b\x20-\x7e]*")


class _Side:
    """One direction: where it is within a command, and the line that is under way."""

    def __init__(self) -> None:
        self.command = b""  # bytes of a command that is not yet whole
        self.is_inside = False  # of a subnegotiation
        self.line = bytearray()

    def plain(self, data: bytes) -> bytes:
        """The bytes that are no commands."""
        data, self.command = self.command + data, b""
        kept: list[bytes] = []
        at = 0
        while at < len(data):
            mark = data.find(b"\xff", at)
            if mark < 0:
                mark = len(data)
            if not self.is_inside:
                kept.append(data[at:mark])
            if mark == len(data):
                break
            size = 3 if len(data) > mark + 1 and WILL <= data[mark + 1] <= DONT and not self.is_inside else 2
            if len(data) < mark + size:
                self.command = data[mark:]
                break
            code = data[mark + 1]
            if code == IAC and not self.is_inside:
                kept.append(b"\xff")
            self.is_inside = code == SB or (self.is_inside and code != SE)
            at = mark + size
        return b"".join(kept)


class TelnetConversation(Conversation):
    """Says lines. What a server says without ending its line, a prompt, is said when the client ends one."""

    def __init__(self) -> None:
        self._sides = {True: _Side(), False: _Side()}
        self._n_transactions = 0
        self._prompt = self._user = b""  # what the server said last, and the client's line before this one

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        side = self._sides[to_server]
        first, *others = _END.split(side.plain(data)) if not self.broken else [b""]
        self._grow(side, first)
        for each in others:
            if side.line:
                if to_server:
                    yield from self._say(False)
                yield from self._say(to_server)
            self._grow(side, each)

    def gap(self, to_server: bool, size: int) -> Iterator[Said]:
        """The line is said as far as it goes; what follows is text again, at the worst with a command in it."""
        if size:
            yield from self._say(to_server)
            self._sides[to_server] = _Side()

    def close(self) -> Iterator[Said]:
        yield from self._say(False)
        yield from self._say(True)
        self.broken = True

    @staticmethod
    def _grow(side: _Side, data: bytes) -> None:
        side.line += data[: max(0, LONGEST_LINE - len(side.line))]

    def _say(self, to_server: bool) -> Iterator[Said]:
        side = self._sides[to_server]
        line = bytes(side.line)
        side.line.clear()
        if not line:
            return
        said = Said(to_server, {"telnet.data": [line]}, about={"telnet.data": text(line)}, transaction=self._n_transactions)
        if not to_server:
            self._prompt = line
        elif _PASSWORD.search(self._prompt):
            said.about, said.action = logins.about("telnet", self._user.strip(), line), Action.AUTHENTICATE
            self._prompt = b""
        else:
            self._prompt, self._user = b"", line
        yield said
        self._n_transactions += to_server


class Telnet(Application):
    name = "telnet"
    ports: ClassVar = {Transport.TCP: frozenset((23, 2323))}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """Two negotiations; where Telnet is expected one, or text."""
        if expected and (data[:1] == b"\xff" or len(data) >= 4):
            if data[:1] != b"\xff":
                return bool(_TEXT.fullmatch(data[:64]))
            return bool(_NEGOTIATION.match(data)) if len(data) >= 3 else None
        if len(data) >= 6:
            return bool(_NEGOTIATION.match(data) and (data[1] == SB or _NEGOTIATION.match(data, 3)))
        begins = (data[:1] in (b"", b"\xff") and (len(data) < 3 or _NEGOTIATION.match(data)) and data[3:4] in (b"", b"\xff")) or (
            expected and _TEXT.fullmatch(data)
        )
        return None if begins else False

    def open(self) -> Conversation:
        return TelnetConversation()
