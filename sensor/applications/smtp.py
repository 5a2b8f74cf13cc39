"""SMTP (RFC 5321; RFC 3030 for BDAT, RFC 3207 for STARTTLS): envelopes, mails and what is attached to them.

Events: SMTP_EVENTS. Those of commands and replies, which are not said otherwise, are said at once, each once for a mail.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from enum import Enum, auto
from typing import ClassVar

from sensor.applications.application import MOST_OPEN, Application, Conversation, Said
from sensor.applications.files import text
from sensor.applications.lines import LONGEST_FIRST, Lines
from sensor.applications.mail import MOST_MAIL, say_mail
from sensor.applications.mail_events import MAIL_EVENTS
from sensor.decode.packets import Transport

MOST_RECIPIENTS = 256
LONGEST_COMMAND, LONGEST_REPLY = 4096, 512  # bytes of a line with its end: commands as Suricata has it, replies as RFC 5321 4.5.3.1.5
SMTP_EVENTS = tuple(f"smtp.{name}" for name in (
    "invalid_reply", "unable_to_match_reply_with_request", "max_command_line_len_exceeded", "max_reply_line_len_exceeded", "invalid_pipelined_sequence",
    "bdat_chunk_len_exceeded", "no_server_welcome_message", "tls_rejected", "data_command_rejected", "duplicate_fields", "unparsable_content",
    "failed_protocol_change", *MAIL_EVENTS,
))  # fmt: skip
_COMMAND = re.compile(rb"(?i)(HELO|EHLO|LHLO|MAIL FROM:|RCPT TO:|DATA|BDAT|RSET|STARTTLS|QUIT)(?:[ \t]*(?<![A-Z])(<[^>]*>|[^ \t]+)([^\r\n]*))?", re.DOTALL)
_HELLO = (b"HELO", b"EHLO", b"LHLO")
_VERB = re.compile(rb"(?i)(?:HELO|EHLO|LHLO|MAIL|RCPT|DATA|BDAT|RSET|STARTTLS|QUIT|NOOP|VRFY|EXPN|HELP|AUTH|ETRN)\b")
_CODE = re.compile(rb"[2-5][0-5]\d(?:[ -]|\Z)")  # RFC 5321 4.2
_REPLY = re.compile(rb"([2-5]\d\d)(?: (.*)|-.*)?\Z", re.DOTALL)
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_GREETING = re.compile(rb"(?i)220[ -][^\r\n]*SMTP")
_FIRST = re.compile(rb"(?i)(?:EHLO|HELO|LHLO) [\x21-\xff]")
PROBLEMS = {  # event -> what it says
    "invalid_reply": "a line that is no reply",
    "unable_to_match_reply_with_request": "a reply to nothing",
    "max_command_line_len_exceeded": f"a command of more than {LONGEST_COMMAND} bytes",
    "max_reply_line_len_exceeded": f"a reply of more than {LONGEST_REPLY} bytes",
    "invalid_pipelined_sequence": "a mail that did not wait for the server",
    "bdat_chunk_len_exceeded": "a chunk that is longer than it says",
    "no_server_welcome_message": "a client that did not wait for the server's greeting",
    "tls_rejected": "the server did not want TLS",
    "data_command_rejected": "the server did not want the mail",
    "duplicate_fields": "a command that was given already",
    "unparsable_content": "a line that is no command",
    "failed_protocol_change": "what follows is not TLS",
}


class _Mode(Enum):
    COMMANDS = auto()
    DATA = auto()
    CHUNK = auto()


class SmtpConversation(Conversation):
    """Says a mail with its envelope when it is there; an envelope without a mail when it is given up. Behind STARTTLS it is TLS."""

    def __init__(self) -> None:
        self._client, self._server = Lines(LONGEST_COMMAND), Lines(LONGEST_REPLY)
        self._open: deque[bytes] = deque([b""], MOST_OPEN)  # what waits for its reply; the greeting waits for none that asks
        self._is_known = True  # nothing that waits for its reply is lost
        self._is_heard = False  # the server is
        self._noted: set[str] = set()  # events of this mail
        self._is_behind_chunk = False
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
                if len(self._client) and self._is_sure and self._is_heard and b"DATA" in self._open:
                    yield from self._note(True, "invalid_pipelined_sequence")
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
        self.is_whole = False
        if not to_server:
            self._server = Lines(LONGEST_REPLY)
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

    def strayed(self, to_server: bool) -> Iterator[Said]:
        self.then = ""
        yield from self._note(to_server, "failed_protocol_change")

    def _command(self, line: bytes) -> Iterator[Said]:
        if _BINARY.search(line):
            self.broken, self.why = True, "a line that is no command"
            yield from self._note(True, "unparsable_content")
            return
        if len(line) + 2 > LONGEST_COMMAND:
            yield from self._note(True, "max_command_line_len_exceeded")
        if self._is_behind_chunk and not _VERB.match(line):
            yield from self._note(True, "bdat_chunk_len_exceeded")
        self._is_behind_chunk = False
        found = _COMMAND.match(line)
        self._ask(found[1].upper() if found else b"")
        if not found:
            return
        name, argument = found[1].upper(), found[2] or b""
        if name in _HELLO:
            if self._helo:
                yield from self._note(True, "duplicate_fields")
            self._helo, self._is_helo_said = argument, False
        elif name == b"MAIL FROM:":
            if self._sender is not None:
                yield from self._note(True, "duplicate_fields")
                yield from self._say(is_whole=False)
            self._sender = argument
        elif name == b"RCPT TO:":
            self._recipients = [*self._recipients, argument][:MOST_RECIPIENTS]
        elif name == b"DATA" and not argument:
            self._mode, self._is_line_begin = _Mode.DATA, True
        elif name == b"BDAT":
            size = re.match(rb"\d{1,12}", argument)
            if not size:
                yield from self._note(True, "bdat_chunk_len_exceeded")
            self._left, self._is_last = int(size[0]) if size else 0, b"LAST" in found[3].upper() if found[3] else False
            self._mode = _Mode.CHUNK
        elif name in (b"RSET", b"QUIT"):
            yield from self._say(is_whole=False)
        elif name == b"STARTTLS":
            self._wants_tls, self.then = True, "tls"

    def _reply(self, line: bytes) -> Iterator[Said]:
        if len(line) + 2 > LONGEST_REPLY:
            yield from self._note(False, "max_reply_line_len_exceeded")
        if not _CODE.match(line):
            yield from self._note(False, "invalid_reply")
        if not self._is_heard and self._is_sure and any(self._open):
            yield from self._note(False, "no_server_welcome_message")
        self._is_heard = True
        found = _REPLY.match(line)
        if line[3:4] != b"-":
            yield from self._answered(int(found[1]) if found else 0)
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

    def _ask(self, name: bytes) -> None:
        """A command, or a mail's end, that there will be a reply to."""
        self._is_known &= len(self._open) < MOST_OPEN
        self._open.append(name)

    @property
    def _is_sure(self) -> bool:
        """Whether it is known what waits for its reply."""
        return self.is_whole and self._is_known

    def _answered(self, code: int) -> Iterator[Said]:
        """The last line of a reply."""
        if not self._is_sure:
            return
        if not self._open:
            if code != 421:  # RFC 5321 3.8: it may come whenever the server ends
                yield from self._note(False, "unable_to_match_reply_with_request")
            return
        name = self._open.popleft()
        if name == b"DATA" and code != 354:
            yield from self._note(False, "data_command_rejected")
        elif name == b"STARTTLS" and code != 220:
            yield from self._note(False, "tls_rejected")
        elif name in _HELLO and code >= 400:
            self._helo = b""

    def _note(self, to_server: bool, name: str) -> Iterator[Said]:
        """An event of a command or a reply."""
        if name not in self._noted:
            self._noted.add(name)
            said = Said(to_server, transaction=self._n_transactions, about={"smtp.problem": PROBLEMS[name]})
            said.event(f"smtp.{name}")
            yield said

    def _data(self, piece: bytes) -> Iterator[Said]:
        """RFC 5321 4.1.1.4, 4.5.2: to a line with nothing but a dot; a line that begins with a dot has one more."""
        is_begin, self._is_line_begin = self._is_line_begin, piece.endswith(b"\n")
        if is_begin and piece in (b".\r\n", b".\n"):
            self._mode = _Mode.COMMANDS
            self._ask(b".")
            yield from self._say(is_whole=True)
        else:
            self._keep(piece[1:] if is_begin and piece.startswith(b".") else piece)

    def _chunk(self) -> Iterator[Said]:
        data = self._client.take(self._left)
        self._left -= len(data)
        self._keep(data)
        if not self._left:
            self._mode, self._is_behind_chunk = _Mode.COMMANDS, True
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
            self._noted.clear()
            yield said
        self._sender, self._recipients, self._size = None, [], 0
        self._mail = bytearray()


class Smtp(Application):
    name = "smtp"
    ports: ClassVar = {Transport.TCP: frozenset((25, 587, 2525))}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A greeting where SMTP is expected, or that names it; a client's greeting."""
        head = data[:LONGEST_FIRST]
        if to_server:
            if len(head) >= 6:
                return bool(_FIRST.match(head))
            return None if any((word + b" ").startswith(head.upper()) for word in (b"EHLO", b"HELO", b"LHLO")) else False
        if head[:4] not in (b"220 ", b"220-"):
            return None if len(head) < 4 and b"220".startswith(head[:3]) else False
        if expected or _GREETING.match(head):
            return True
        return None if b"\n" not in head and len(data) < LONGEST_FIRST else False

    def open(self) -> Conversation:
        return SmtpConversation()
