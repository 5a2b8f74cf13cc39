"""IMAP (RFC 9051, RFC 3501): commands, answers, and mails that cross as literals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from sensor.applications import logins
from sensor.applications.application import MOST_BODY, MOST_HELD, Application, Conversation, Said
from sensor.applications.files import text
from sensor.applications.lines import LONGEST_FIRST, Lines, may_become_text
from sensor.applications.reading import Transactions
from sensor.applications.sasl import Exchange
from sensor.decode.packets import Transport
from sensor.events.vocabulary import Action

MOST_LINES = 256  # of one command, or of an answer that are said together
MOST_FIELDS = 256  # of a mail's head
TO_SERVER, TO_CLIENT = 0, 1  # what imap.email.direction asks
LOGON = frozenset((b"LOGIN", b"AUTHENTICATE"))
READING = frozenset((b"FETCH", b"APPEND", b"STORE", b"COPY", b"MOVE", b"EXPUNGE", b"DELETE", b"SEARCH"))
_COMMAND = re.compile(rb"([!#-'+,./0-9:;=?-\[\]-`a-z|}~-]{1,64}) (?:(?i:UID) )?([A-Za-z]{1,32})(?: (.*))?\Z", re.DOTALL)  # tag, name, arguments (9, "command")
_DONE = re.compile(rb"([!#-'+,./0-9:;=?-\[\]-`a-z|}~-]{1,64}) (OK|NO|BAD)(?: (.*))?\Z", re.DOTALL | re.IGNORECASE)
_LITERAL = re.compile(rb"~?\{(\d{1,10})\+?\}\Z")
_WORD = re.compile(rb' *("(?:[^"\\]|\\.)*"|[^ "]+)')
_MAIL = re.compile(rb"(?i)\bBODY(?:\.PEEK)?\[|\bRFC822\b")
_EMPTY = re.compile(rb"(?:\A|\n)\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_GREETING = re.compile(rb"(?i)\* (?:OK|PREAUTH|BYE)\b[^\r\n]*\bIMAP")
_BEGIN = re.compile(rb"(?i)\* (?:OK|PREAUTH|BYE)[ \r\n]")
_FIRST = re.compile(rb"(?i)[a-z0-9.]{1,32} (?:CAPABILITY|STARTTLS|NOOP|LOGOUT|LOGIN [ -~]+|AUTHENTICATE [ -~]+|ID [ -~]+)\r?\n")


class _Side:
    """One direction: the lines of the command or answer under way, the literal that is, and the mail that it was."""

    def __init__(self) -> None:
        self.input = Lines()
        self.first: bytes | None = None  # line of what is not yet whole
        self.lines: list[bytes] = []
        self.values: list[bytes] = []  # literals that are no mails
        self.left = 0
        self.literal = bytearray()
        self.mail: bytes | None = None

    def keep(self, line: bytes) -> None:
        if len(self.lines) < MOST_LINES:
            self.lines.append(line)

    def held(self) -> int:
        return sum(map(len, self.lines))


class ImapConversation(Conversation):
    """Says every command; what a server says at the latest with the line that completes the command. Behind STARTTLS it is TLS."""

    def __init__(self) -> None:
        self._sides = {True: _Side(), False: _Side()}
        self._transactions = Transactions()
        self._exchange: Exchange | None = None
        self._last = 0  # the transaction of the last command
        self._starttls = b""  # its tag
        self._has_greeted = False

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        side = self._sides[to_server]
        if self.broken:
            return
        side.input.add(data)
        while not self.broken:
            if side.left:
                piece = side.input.take(side.left)
                if not piece:
                    return
                side.left -= len(piece)
                side.literal += piece[: max(0, MOST_BODY - len(side.literal))]
                if not side.left:
                    self._whole_literal(side)
            elif (line := side.input.line()) is not None:
                yield from self._line(to_server, side, line)
            else:
                return

    def gap(self, to_server: bool, size: int) -> Iterator[Said]:
        """Lines begin anew behind it; in the midst of a literal that only shortens it."""
        side = self._sides[to_server]
        if self.broken or 0 < size <= side.left:
            side.left -= min(size, side.left)
            if not self.broken and not side.left:
                self._whole_literal(side)
            return
        if not to_server:
            yield from self._say(side)
        self._sides[to_server] = _Side()

    def close(self) -> Iterator[Said]:
        if self.broken:
            return
        for to_server, side in self._sides.items():
            if side.left:
                self._whole_literal(side)
                if to_server:
                    yield from self._command(side)
            elif rest := side.input.rest():
                yield from self._line(to_server, side, rest)
        yield from self._say(self._sides[False])
        self.broken = True

    @staticmethod
    def _whole_literal(side: _Side) -> None:
        content, side.literal, side.left = bytes(side.literal), bytearray(), 0
        first, line = side.first or b"", side.lines[-1] if side.lines else b""
        found = _COMMAND.match(first)
        if (found and found[2].upper() == b"APPEND") or (first.startswith(b"*") and _MAIL.search(line)):
            side.mail = content
        elif len(side.values) < 2:
            side.values.append(content[:MOST_HELD])

    def _line(self, to_server: bool, side: _Side, line: bytes) -> Iterator[Said]:
        if to_server and self._exchange is not None:
            yield from self._response(line)
            return
        side.keep(line)
        side.first = line if side.first is None else side.first
        if literal := _LITERAL.search(line):
            side.left, side.literal = int(literal[1]), bytearray()
            if not side.left:
                self._whole_literal(side)
            return
        first, side.first = side.first, None
        if to_server:
            yield from self._command(side)
        elif not self._has_greeted or side.mail is not None or not first.startswith(b"*") or side.held() > MOST_HELD or len(side.lines) == MOST_LINES:
            yield from self._say(side, first)

    def _command(self, side: _Side) -> Iterator[Said]:
        lines, mail, literals = side.lines, side.mail, side.values
        side.lines, side.mail, side.values = [], None, []
        found = _COMMAND.match(lines[0])
        if not found:
            if lines[0].strip() and lines[0].strip().upper() != b"DONE":  # RFC 9051 6.3.13
                yield Said(True, {"imap.request": lines}, {"app-layer-event": "imap.invalid_data"}, transaction=self._transactions.begin())
                self.broken, self.why = True, "a line that is no command"
            return
        tag, name, arguments = found[1], found[2].upper(), found[3] or b""
        self._last = self._transactions.begin(tag)
        said = Said(True, {"imap.request": lines}, transaction=self._last)
        said.about = {"imap.tag": text(tag), "imap.command": text(name)}
        said.action = Action.AUTHENTICATE if name in LOGON else Action.FILE_ACCESS if name in READING else Action.OTHER
        if arguments and name not in LOGON:
            said.about["imap.command_data"] = text(arguments)
        if name == b"LOGIN":
            words = [_plain(word[1], literals) for word in _WORD.finditer(b" ".join((arguments, *lines[1:])))][:2]
            if len(words) == 2:
                said.about |= {"imap.command_data": text(words[0])} | logins.about("imap", words[0], words[1])
        elif name == b"AUTHENTICATE":
            words = arguments.split()[:2]
            self._exchange = Exchange(words[0] if words else b"")
            said.about["imap.command_data"] = text(words[0] if words else b"")
            if len(words) == 2 and (login := self._exchange.login(words[1])):
                said.about |= logins.about("imap", *login)
        elif name == b"STARTTLS":
            self.then, self._starttls = "tls", tag
        _add_mail(said, mail, TO_SERVER)
        yield said

    def _response(self, line: bytes) -> Iterator[Said]:
        assert self._exchange is not None
        if login := self._exchange.login(line):
            yield Said(True, about=logins.about("imap", *login), transaction=self._last, action=Action.AUTHENTICATE)

    def _say(self, side: _Side, first: bytes = b"* ") -> Iterator[Said]:
        """The lines of a server so far. first: of the last answer."""
        lines, mail = side.lines, side.mail
        side.lines, side.mail, side.values = [], None, []
        if not lines:
            return
        done, self._has_greeted = _DONE.match(first), True
        is_asked = done is not None and self._transactions.is_open(done[1])
        said = Said(False, {"imap.response": lines}, transaction=self._transactions.of(done[1]) if done else self._last)
        if done:
            self._exchange = None
            if not is_asked:
                said.facts["app-layer-event"] = "imap.request_not_found"
            said.about = {"imap.tag": text(done[1]), "imap.status": text(done[2].upper())} | ({"imap.reply": text(done[3])} if done[3] else {})
            said.failed = done[2].upper() != b"OK"
        elif first.startswith(b"*"):
            said.about = {"imap.reply": text(lines[0][2:])}
        elif not first.startswith(b"+"):
            said.facts["app-layer-event"] = "imap.invalid_data"
        _add_mail(said, mail, TO_CLIENT)
        yield said
        if done and done[1] == self._starttls and not said.failed:
            self.broken = True
        elif said.facts.get("app-layer-event") == "imap.invalid_data":
            self.broken, self.why = True, "a line that is no answer"


def _plain(word: bytes, literals: list[bytes]) -> bytes:
    """The value of a word (9, "astring")."""
    if _LITERAL.fullmatch(word):
        return literals.pop(0) if literals else b""
    return re.sub(rb"\\(.)", rb"\1", word[1:-1]) if word.startswith(b'"') else word


def _add_mail(said: Said, mail: bytes | None, direction: int) -> None:
    """Fields unfolded, their names in lower case with underscores, as Suricata has them."""
    if mail is None:
        return
    empty = _EMPTY.search(mail)
    head, body = (mail[: empty.start() + 1], mail[empty.end() :]) if empty else (mail, b"")
    lines = (line.partition(b":") for line in _FOLD.sub(b" ", head).splitlines()[:MOST_FIELDS])
    fields = [(name.strip().lower().replace(b"-", b"_"), value.strip()) for name, colon, value in lines if colon and name.strip()]
    said.facts["imap.email.direction"] = direction
    said.about["imap.mail_size"] = len(mail)
    if fields:
        said.buffers["imap.email.header"] = [name + b": " + value for name, value in fields]
        said.buffers["imap.email.header.name"] = [name for name, _ in fields]
        said.buffers["imap.email.header.value"] = [value for _, value in fields]
        if subject := next((value for name, value in fields if name == b"subject"), b""):
            said.about["email.subject"] = text(subject)
    if body:
        said.buffers["imap.email.body"] = [body]


class Imap(Application):
    name = "imap"
    ports: ClassVar = {Transport.TCP: frozenset((143,))}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A greeting or a first command where IMAP is expected; elsewhere only a greeting that says IMAP."""
        head = data[:LONGEST_FIRST]
        if to_server:
            if not expected:
                return False
            if _FIRST.match(head):
                return True
        else:
            if not b"* ".startswith(head[:2]):
                return False
            if (expected and _BEGIN.match(head)) or _GREETING.match(head):
                return True
        return None if may_become_text(data) else False

    def open(self) -> Conversation:
        return ImapConversation()
