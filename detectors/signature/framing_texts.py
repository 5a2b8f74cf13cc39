"""Frames of protocols that speak in lines."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from detectors.signature.framing import LONGEST, Framing, Part
from sensor.applications.application import MOST_HELD
from sensor.applications.telnet import DONT, IAC, SB, SE, WILL


class TelnetText(Framing):
    """Commands (RFC 854, RFC 855) and, between them, lines."""

    names = ("ctl", "data", "pdu")

    def __init__(self) -> None:
        self._scanned = {True: 0, False: 0}

    def size(self, to_server: bool, held: bytearray) -> int | None:
        if held[0] == IAC:
            if len(held) < 2:
                return None
            if held[1] != SB:
                size = 3 if WILL <= held[1] <= DONT else 2
                return size if len(held) >= size else None
            end = held.find(bytes((IAC, SE)), max(2, self._scanned[to_server] - 1))
            size = end + 2 if end >= 0 else 0
        else:
            ends = [at for at in (held.find(b"\n", self._scanned[to_server]) + 1, held.find(bytes((IAC,)), self._scanned[to_server])) if at > 0]
            size = min(ends, default=0)
        self._scanned[to_server] = len(held)
        return size or (MOST_HELD if len(held) >= MOST_HELD else None)

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        self._scanned[to_server] = 0
        return [("ctl" if data[0] == IAC else "data", 0, len(data)), ("pdu", 0, len(data))]


class SmtpText(Framing):
    """RFC 5321: lines of both sides, and mails (4.1.1.4; RFC 3030 2)."""

    names = ("command_line", "data", "response_line")

    def __init__(self) -> None:
        self._is_mail, self._has_data, self._chunk, self._scanned = False, False, 0, 0

    def size(self, to_server: bool, held: bytearray) -> int | None:
        if to_server and self._chunk:
            return self._chunk
        if to_server and self._is_mail:
            self._has_data = True
            if held[:3] == b".\r\n":
                return 3
            end = held.find(b"\r\n.\r\n", max(0, self._scanned - 4))
            self._scanned = len(held)
            return end + 5 if end >= 0 else MOST_HELD if len(held) >= MOST_HELD else None
        newline = held.find(b"\n", 0, LONGEST)
        return newline + 1 if newline >= 0 else LONGEST if len(held) >= LONGEST else None

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        if to_server and (self._chunk or self._is_mail):
            is_last = self._is_mail and data[-5:] in (b"\r\n.\r\n", b".\r\n")
            end = len(data) - 3 if is_last and not self._chunk else len(data)
            self._is_mail, self._has_data = self._is_mail and not is_last, self._has_data and not is_last
            self._chunk = self._scanned = 0
            return [("data", 0, end)] if end else []
        line = data.rstrip(b"\r\n")
        if to_server:
            self._is_mail = line.upper().rstrip() == b"DATA"
            chunk = re.match(rb"(?i)BDAT[ \t]+(\d{1,9})", line)
            self._chunk = int(chunk[1]) if chunk else 0
        elif self._is_mail and not self._has_data and line[:1] in (b"4", b"5"):  # it does not want the mail
            self._is_mail = False
        return [("command_line" if to_server else "response_line", 0, len(line))]


class HttpMessage(Framing):
    """Requests and answers with their bodies (RFC 9112 6.3)."""

    names = ("request", "response")
    _BEGINS: ClassVar = {True: re.compile(rb"[!#-'*+.0-9A-Z^-z|~-]{1,32} "), False: re.compile(rb"HTTP/1\.\d")}
    _EMPTY = re.compile(rb"\n\r?\n")
    _LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(\d{1,15})")
    _CHUNKED = re.compile(rb"(?im)^transfer-encoding:[^\r\n]*chunked")
    _SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}(?![0-9A-Fa-f])")

    def __init__(self) -> None:
        self._scanned = {True: 0, False: 0}
        self._body: dict[bool, int] = {}  # where what is not yet looked at of a chunked body begins; MOST_HELD: what ends with the connection
        self._methods: list[bytes] = []

    def size(self, to_server: bool, held: bytearray) -> int | None:
        if to_server not in self._body:
            if held[0] in b"\r\n":
                return len(held) - len(held.lstrip(b"\r\n"))
            if not self._BEGINS[to_server].match(held):
                if len(held) > 33 or b"\n" in held:
                    raise ValueError("a line that begins no message")
                return None
            empty = self._EMPTY.search(held, max(0, self._scanned[to_server] - 2))
            self._scanned[to_server] = len(held)
            if empty is None:
                if len(held) >= MOST_HELD:
                    raise ValueError("a head without an end")
                return None
            if (size := self._begin(to_server, bytes(held[: empty.end()]))) is not None:
                return size
        if (at := self._body[to_server]) < MOST_HELD:
            size = self._chunked(to_server, held, at)
            if size is not None:
                return size
        return MOST_HELD if len(held) >= MOST_HELD else None

    def _begin(self, to_server: bool, head: bytes) -> int | None:
        """The size of the message with this head; None where its body has to be looked at."""
        method, status = head.partition(b" ")[0], head.split(b" ", 2)[1][:3] if not to_server else b""
        if to_server:
            self._methods = [*self._methods, method][-64:]
        elif status[:1] != b"1":
            method = self._methods.pop(0) if self._methods else b""
        has_body = to_server or not (status[:1] == b"1" or status in (b"204", b"304") or method == b"HEAD")
        if has_body and self._CHUNKED.search(head):
            self._body[to_server] = len(head)
            return None
        if has_body and (length := self._LENGTH.search(head)):
            return len(head) + int(length[1])
        if to_server or not has_body:
            return len(head)
        self._body[to_server] = MOST_HELD
        return None

    def _chunked(self, to_server: bool, held: bytearray, at: int) -> int | None:
        """RFC 9112 7.1."""
        while (newline := held.find(b"\n", at, at + 256)) >= 0:
            size = self._SIZE.match(held, at)
            if not size:
                raise ValueError("a chunk without a size")
            length = int(size[0], 16)
            if not length:
                end = self._EMPTY.search(held, newline, newline + LONGEST)
                if end is None and len(held) >= newline + LONGEST:
                    raise ValueError("fields behind a body without an end")
                return end.end() if end else None
            behind = newline + 1 + length
            after = held.find(b"\n", behind, behind + 2)
            if after < 0:
                if len(held) >= behind + 2:
                    raise ValueError("a chunk that is longer than it says")
                return None
            self._body[to_server] = at = after + 1
        if len(held) >= at + 256:
            raise ValueError("a long line between chunks")
        return None

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        self._scanned[to_server] = 0
        self._body.pop(to_server, None)
        return [(self.names[not to_server], 0, len(data))] if data.strip(b"\r\n") else []


class ImapText(Framing):
    """Commands and answers with their literals (RFC 9051 4.3), and of literals that are mails head and body."""

    names = ("pdu", "headers", "body")
    _LITERAL = re.compile(rb"\{(\d{1,10})\+?\}\r?\n\Z")
    _EMPTY = re.compile(rb"\n\r?\n")

    def __init__(self) -> None:
        self._lines: dict[bool, int] = {}  # where the line that is not yet looked at begins
        self._literals: dict[bool, list[tuple[int, int]]] = {}

    def size(self, to_server: bool, held: bytearray) -> int | None:
        at = self._lines.get(to_server, 0)
        while len(held) > at:
            newline = held.find(b"\n", at, at + LONGEST)
            if newline < 0:
                return at + LONGEST if len(held) >= at + LONGEST else None
            literal = self._LITERAL.search(held, max(at, newline - 16), newline + 1)
            if literal is None:
                return newline + 1
            end = newline + 1 + int(literal[1])
            self._literals.setdefault(to_server, []).append((newline + 1, end))
            if end >= MOST_HELD:
                return end
            self._lines[to_server] = at = end
        return None

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        self._lines.pop(to_server, None)
        yield "pdu", 0, len(data)
        for begin, end in self._literals.pop(to_server, ()):
            empty = self._EMPTY.search(data, begin, min(end, len(data)))
            if empty and b":" in data[begin : empty.start()]:
                yield "headers", begin, empty.start() + 1
                yield "body", empty.end(), min(end, len(data))
