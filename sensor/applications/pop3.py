"""POP3 (RFC 1939; RFC 2449 for CAPA and lengths, RFC 2595 for STLS, RFC 5034 for AUTH): commands and answers."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import ClassVar

from sensor.applications import logins
from sensor.applications.application import Application, Conversation, Said
from sensor.applications.files import text
from sensor.applications.lines import LONGEST_FIRST, Lines, may_become_text
from sensor.applications.sasl import Exchange
from sensor.decode.packets import Transport
from sensor.events.vocabulary import Action

# RFC 1939 9, RFC 2449 5, RFC 2595 4, RFC 5034 4, RFC 6856: how many arguments each command has, from and to.
ARGUMENTS = {
    b"USER": (1, 1), b"PASS": (1, 255), b"APOP": (2, 2), b"AUTH": (0, 2), b"STAT": (0, 0), b"LIST": (0, 1), b"RETR": (1, 1), b"DELE": (1, 1), b"NOOP": (0, 0), b"RSET": (0, 0),
    b"QUIT": (0, 0), b"TOP": (2, 2), b"UIDL": (0, 1), b"CAPA": (0, 0), b"STLS": (0, 0), b"UTF8": (0, 0), b"LANG": (0, 1),
}  # fmt: skip
LOGON = frozenset((b"USER", b"PASS", b"APOP", b"AUTH"))
READING = frozenset((b"RETR", b"TOP", b"DELE", b"LIST", b"UIDL"))
SEVERAL_LINES = frozenset((b"RETR", b"TOP", b"CAPA"))  # whose answers have them; LIST, UIDL, AUTH and LANG without an argument, too
ALONE = frozenset((b"LIST", b"UIDL", b"AUTH", b"LANG"))
LONGEST_COMMAND, LONGEST_ANSWER = 255, 512  # RFC 2449 4, with CR LF
MOST_WAITING = 256  # commands without an answer, of which Suricata has an event
_COMMAND = re.compile(rb"([A-Za-z][A-Za-z0-9]{2,7})(?: |\Z)")
_ANSWER = re.compile(rb"(\+OK|-ERR|\+)(?:[ \t](.*))?\Z", re.DOTALL)
_GREETING = re.compile(rb"(?i)\+OK[^\r\n]*\bpop-?3?\b")
_FIRST = re.compile(rb"(?i)(?:CAPA|STLS|QUIT|AUTH|AUTH [ -~]+|APOP [ -~]+|USER [ -~]+)\r?\n")


class Pop3Conversation(Conversation):
    """Says every command, and every answer when its last line is there; of mails only the size. Behind STLS it is TLS."""

    def __init__(self) -> None:
        self._lines = {True: Lines(), False: Lines()}
        self._open: deque[tuple[int, bytes, bool]] = deque(maxlen=MOST_WAITING)  # transaction, command, whether its answer has several lines
        self._n_transactions = 0
        self._answer: Said | None = None  # whose lines are still to come
        self._n_bytes = 0
        self._user = b""
        self._exchange: Exchange | None = None  # that the client is in the midst of

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        if self.broken:
            return
        lines = self._lines[to_server]
        lines.add(data)
        while not self.broken:
            if not to_server and self._answer is not None:
                if (piece := lines.piece()) is None:
                    return
                yield from self._more(piece)
            else:
                if (line := lines.line()) is None:
                    return
                yield from self._command(line) if to_server else self._first_line(line)

    def gap(self, to_server: bool, size: int) -> Iterator[Said]:
        """Lines begin anew behind it."""
        self._lines[to_server] = Lines()
        return iter(())

    def close(self) -> Iterator[Said]:
        if self.broken:
            return
        if rest := self._lines[True].rest():
            yield from self._command(rest)
        if self._answer is None and (rest := self._lines[False].rest()) and not self.broken:
            yield from self._first_line(rest)
        yield from self._whole_answer()
        self.broken = True

    def _command(self, line: bytes) -> Iterator[Said]:
        if self._exchange is not None:
            yield from self._response(line)
            return
        found = _COMMAND.match(line)
        if not found:
            if line.strip():
                self.broken, self.why = True, "a line that is no command"
            return
        name, data = found[1].upper(), line[found.end() :]
        arguments = data.split()
        said = Said(True, about={"pop3.command": text(name)}, transaction=self._n_transactions)
        said.action = Action.AUTHENTICATE if name in LOGON else Action.FILE_ACCESS if name in READING else Action.OTHER
        if arguments and name not in (b"PASS", b"APOP", b"AUTH"):
            said.about["pop3.command_data"] = text(data)
        self._logs_on(name, data, arguments, said)
        least, most = ARGUMENTS.get(name, (0, 255))
        problems = {
            "unknown_command": name not in ARGUMENTS,
            "incorrect_argument_count": not least <= len(arguments) <= most,
            "request_too_long": len(line) + 2 > LONGEST_COMMAND,
            "too_many_transactions": len(self._open) == MOST_WAITING,
        }
        said.event(*(f"pop3.{problem}" for problem, there in problems.items() if there))
        self._open.append((self._n_transactions, name, name in SEVERAL_LINES or (name in ALONE and not arguments)))
        self._n_transactions += 1
        yield said

    def _logs_on(self, name: bytes, data: bytes, arguments: list[bytes], said: Said) -> None:
        if name == b"USER":
            self._user = data.strip()
        elif name == b"PASS":
            said.about |= logins.about("pop3", self._user, data)
        elif name == b"APOP" and arguments:
            said.about["pop3.command_data"] = text(arguments[0])
        elif name == b"AUTH" and arguments:
            said.about["pop3.command_data"] = text(arguments[0])
            exchange = Exchange(arguments[0])
            if len(arguments) > 1 and (login := exchange.login(arguments[1])):
                said.about |= logins.about("pop3", *login)
            self._exchange = exchange
        elif name == b"STLS":
            self.then = "tls"

    def _response(self, line: bytes) -> Iterator[Said]:
        """To a challenge; "*" gives up (RFC 5034 4)."""
        assert self._exchange is not None
        if login := self._exchange.login(line):
            yield Said(True, about=logins.about("pop3", *login), transaction=max(self._n_transactions - 1, 0), action=Action.AUTHENTICATE)

    def _first_line(self, line: bytes) -> Iterator[Said]:
        found = _ANSWER.match(line)
        if not found:
            if line.strip():
                self.broken, self.why = True, "a line that is no answer"
            return
        if found[1] == b"+":  # a challenge
            return
        self._exchange = None
        is_first = not self._open
        transaction, command, has_more = (self._n_transactions, b"", False) if is_first else self._open.popleft()
        self._n_transactions += is_first
        said = Said(False, about={"pop3.status": text(found[1])}, transaction=transaction, failed=found[1] == b"-ERR")
        if found[2]:
            said.about["pop3.reply"] = text(found[2])
        if len(line) + 2 > LONGEST_ANSWER:
            said.event("pop3.response_too_long")
        self._answer, self._n_bytes = said, 0
        if said.failed or not has_more:
            yield from self._whole_answer()
        if command == b"STLS" and not said.failed:
            self.broken = True

    def _more(self, piece: bytes) -> Iterator[Said]:
        if piece in (b".\r\n", b".\n"):
            assert self._answer is not None
            self._answer.about["pop3.size"] = self._n_bytes
            yield from self._whole_answer()
        else:
            self._n_bytes += len(piece) - piece.startswith(b"..")

    def _whole_answer(self) -> Iterator[Said]:
        said, self._answer = self._answer, None
        if said is not None:
            yield said


class Pop3(Application):
    name = "pop3"
    ports: ClassVar = {Transport.TCP: frozenset((110,))}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A greeting or a first command where POP3 is expected; elsewhere only a greeting that says POP."""
        head = data[:LONGEST_FIRST]
        if to_server:
            if not expected:
                return False
            if _FIRST.match(head):
                return True
        else:
            if not b"+OK".startswith(head[:3]):
                return False
            if (expected and head[:3] == b"+OK" and head[3:4] in (b" ", b"\r", b"\n")) or _GREETING.match(head):
                return True
        return None if may_become_text(data) else False

    def open(self) -> Conversation:
        return Pop3Conversation()
