"""SMTP (RFC 5321; RFC 3030 for BDAT, RFC 3207 for STARTTLS): envelopes, mails and what is attached to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import ClassVar

from sensor.applications.application import Application, Conversation, Said
from sensor.applications.files import text
from sensor.applications.lines import Lines
from sensor.applications.mail import MOST_MAIL, say_mail
from sensor.decode.packets import Transport

MOST_RECIPIENTS = 256
_COMMAND = re.compile(rb"(?i)(HELO|EHLO|LHLO|MAIL FROM:|RCPT TO:|DATA|BDAT|RSET|STARTTLS|QUIT)(?:[ \t]*(?<![A-Z])(<[^>]*>|[^ \t]+)([^\r\n]*))?", re.DOTALL)
_REPLY = re.compile(rb"([2-5]\d\d)(?: (.*)|-.*)?\Z", re.DOTALL)
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_GREETING = re.compile(rb"(?i)220[ -][^\r\n]*SMTP")
_FIRST = re.compile(rb"(?i)(?:EHLO|HELO|LHLO) [\x21-\xff]")
_LONGEST = 512  # of a first line that is waited for


class _Mode(Enum):
    COMMANDS = auto()
    DATA = auto()
    CHUNK = auto()


class SmtpConversation(Conversation):
    """Says a mail with its envelope when it is there; an envelope without a mail when it is given up. Behind STARTTLS it is TLS."""

    def __init__(self) -> None:
        self._client, self._server = Lines(), Lines(512)
        self._mode = _Mode.COMMANDS
        self._left = 0  # of a chunk
        self._is_last = False  # chunk of the mail
        self._is_line_begin = True
        self._wants_tls = False
        self._has_greeted = False
        self._helo = b""
        self._is_helo_said = False
        self._sender: bytes | None = None
        self._recipients: list[bytes] = []
        self._mail = bytearray()
        self._size = 0
        self._n_transactions = 0

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        if self.broken:
            return
        if not to_server:
            self._server.add(data)
            while not self.broken and (line := self._server.line()) is not None:
                yield from self._reply(line)
            return
        self._client.add(data)
        while not self.broken:
            if self._mode is _Mode.CHUNK:
                yield from self._chunk()
                if self._mode is _Mode.CHUNK:
                    return
            elif self._mode is _Mode.DATA:
                piece = self._client.piece()
                if piece is None:
                    return
                yield from self._data(piece)
            else:
                line = self._client.line()
                if line is None:
                    return
                yield from self._command(line)

    def gap(self, to_server: bool, size: int) -> Iterator[Said]:
        if self.broken:
            return
        if not to_server:
            self._server = Lines(512)
            return
        yield from self.close()
        self.why = f"{size} bytes are missing"

    def close(self) -> Iterator[Said]:
        if self.broken:
            return
        if self._mode is _Mode.DATA:
            self._keep(self._client.take(len(self._client)))
        elif self._mode is _Mode.COMMANDS and (rest := self._client.rest()):
            yield from self._command(rest)
        yield from self._say(is_whole=False)
        self.broken = True

    def _command(self, line: bytes) -> Iterator[Said]:
        if _BINARY.search(line):
            self.broken, self.why = True, "a line that is no command"
            return
        found = _COMMAND.match(line)
        if not found:
            return
        name, argument = found[1].upper(), found[2] or b""
        if name in (b"HELO", b"EHLO", b"LHLO"):
            self._helo, self._is_helo_said = argument, False
        elif name == b"MAIL FROM:":
            if self._sender is not None:
                yield from self._say(is_whole=False)
            self._sender = argument
        elif name == b"RCPT TO:":
            self._recipients = [*self._recipients, argument][:MOST_RECIPIENTS]
        elif name == b"DATA" and not argument:
            self._mode, self._is_line_begin = _Mode.DATA, True
        elif name == b"BDAT":
            size = re.match(rb"\d{1,12}", argument)
            self._left, self._is_last = int(size[0]) if size else 0, b"LAST" in found[3].upper() if found[3] else False
            self._mode = _Mode.CHUNK
        elif name in (b"RSET", b"QUIT"):
            yield from self._say(is_whole=False)
        elif name == b"STARTTLS":
            self._wants_tls, self.then = True, "tls"

    def _reply(self, line: bytes) -> Iterator[Said]:
        found = _REPLY.match(line)
        if not found:
            return
        code = int(found[1])
        if not self._has_greeted and code == 220:
            self._has_greeted = True
            yield Said(False, about={"smtp.greeting": text(line[4:])}, transaction=self._n_transactions)
        if line[3:4] == b"-":
            return
        if self._wants_tls:
            self._wants_tls = False
            if code == 220:
                yield from self._say(is_whole=False)
                self.broken = True
        if code >= 400 and self._mode is _Mode.DATA and not self._size and not len(self._client):  # it does not want the mail
            self._mode = _Mode.COMMANDS

    def _data(self, piece: bytes) -> Iterator[Said]:
        """RFC 5321 4.1.1.4, 4.5.2: to a line with nothing but a dot; a line that begins with a dot has one more."""
        is_begin, self._is_line_begin = self._is_line_begin, piece.endswith(b"\n")
        if is_begin and piece in (b".\r\n", b".\n"):
            self._mode = _Mode.COMMANDS
            yield from self._say(is_whole=True)
        else:
            self._keep(piece[1:] if is_begin and piece.startswith(b".") else piece)

    def _chunk(self) -> Iterator[Said]:
        data = self._client.take(self._left)
        self._left -= len(data)
        self._keep(data)
        if not self._left:
            self._mode = _Mode.COMMANDS
            if self._is_last:
                yield from self._say(is_whole=True)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        self._mail += data[: max(0, MOST_MAIL - len(self._mail))]

    def _say(self, is_whole: bool) -> Iterator[Said]:
        """The envelope and the mail; nothing if there is nothing new."""
        if self._sender is not None or self._recipients or self._mail or (self._helo and not self._is_helo_said):
            said = Said(True, transaction=self._n_transactions)
            envelope = {
                "helo": [self._helo] if self._helo else [],
                "mail_from": [self._sender or b""] if self._sender is not None else [],
                "rcpt_to": self._recipients,
            }
            for name, values in envelope.items():
                if values:
                    said.buffers[f"smtp.{name}"] = values
                    said.about[f"smtp.{name}"] = [text(each) for each in values] if name == "rcpt_to" else text(values[0])
            if self._mail:
                say_mail(said, bytes(self._mail), is_whole and self._size <= MOST_MAIL)
                said.about["smtp.mail_size"] = self._size
            self._is_helo_said = True
            self._n_transactions += 1
            yield said
        self._sender, self._recipients, self._size = None, [], 0
        self._mail = bytearray()


class Smtp(Application):
    name = "smtp"
    ports: ClassVar = {Transport.TCP: frozenset((25, 587, 2525))}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A greeting where SMTP is expected, or that names it; a client's greeting."""
        head = data[:_LONGEST]
        if to_server:
            if len(head) >= 6:
                return bool(_FIRST.match(head))
            return None if any((word + b" ").startswith(head.upper()) for word in (b"EHLO", b"HELO", b"LHLO")) else False
        if head[:4] not in (b"220 ", b"220-"):
            return None if len(head) < 4 and b"220".startswith(head[:3]) else False
        if expected or _GREETING.match(head):
            return True
        return None if b"\n" not in head and len(data) < _LONGEST else False

    def open(self) -> Conversation:
        return SmtpConversation()
