"""FTP's control connection (RFC 959; RFC 2228 for AUTH, RFC 2428 for EPRT and EPSV).

Events: ftp.request_command_too_long and ftp.response_command_too_long, of lines of 4096 bytes with their end, where Suricata begins to drop of them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any, ClassVar

from sensor.applications import logins
from sensor.applications.application import MOST_OPEN, Application, Conversation, Expected, Said
from sensor.applications.files import text
from sensor.applications.ftp_data import FtpData
from sensor.applications.lines import LONGEST_FIRST, Lines
from sensor.decode.packets import Transport
from sensor.events.vocabulary import Action

_FILES = {b"RETR": "retr", b"STOR": "stor", b"STOU": "stor", b"APPE": "stor"}  # commands that move a file (RFC 959 4.1.3)
MOST_REPLY_LINES = 256  # of one reply
FILE_COMMANDS = frozenset((b"RETR", b"STOR", b"STOU", b"APPE", b"DELE", b"RNFR", b"RNTO", b"LIST", b"NLST", b"MLSD", b"MLST", b"MKD", b"RMD", b"SIZE", b"MDTM"))
LOGON_COMMANDS = frozenset((b"USER", b"PASS", b"ACCT", b"AUTH"))
_COMMAND = re.compile(rb"[A-Za-z]{3,8}(?= |$)")
_REPLY = re.compile(rb"([1-6]\d\d)([ -])(.*)", re.DOTALL)
_SIX = re.compile(rb"(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})")
_EXTENDED = re.compile(rb"(?P<d>[!-~])(?:(?P<net>[12])(?P=d)(?P<address>[0-9A-Fa-f:.]{1,45})|(?P=d))(?P=d)(?P<port>\d{1,5})(?P=d)")
_GREETING = re.compile(rb"(?i)220[ -][^\r\n]*\bftp")
_FIRST_WORDS = (b"USER", b"AUTH", b"FEAT", b"SYST", b"QUIT", b"OPTS", b"HOST", b"NOOP")
_FIRST = re.compile(rb"(?i)(?:" + b"|".join(_FIRST_WORDS) + rb")(?: [\x20-\xff]*)?\r?\n")
_ANONYMOUS = re.compile(rb"(?i)USER (?:anonymous|ftp)\r?\n")
FTP_EVENTS = ("ftp.request_command_too_long", "ftp.response_command_too_long")
_LONG = 4096 - len(b"\r\n")


def announced(line: bytes, is_reply: bool) -> dict[str, Any]:
    """Where a data connection goes: PORT and reply 227 (RFC 959 4.1.2), EPRT and reply 229 (RFC 2428)."""
    found = _SIX.search(line)
    if found:
        octets = [int(each) for each in found.groups()]
        if max(octets) < 256:
            return {"address": ".".join(map(str, octets[:4])), "port": octets[4] * 256 + octets[5]}
    found = _EXTENDED.search(line)
    if found and int(found["port"]) < 65_536 and (is_reply or found["address"]):
        return {"address": text(found["address"] or b""), "port": int(found["port"])}
    return {}


class FtpConversation(Conversation):
    """Says every command, and every reply when its last line is there. Behind AUTH it is TLS."""

    def __init__(self) -> None:
        self._lines = {True: Lines(), False: Lines()}
        self._open: deque[tuple[int, bytes]] = deque(maxlen=MOST_OPEN)
        self._n_transactions = 0
        self._reply: list[tuple[bytes, bytes]] = []  # code and text of its lines so far
        self._is_reply_long = False  # one of them is
        self._announced: tuple[bool, int] | None = None  # whether the data goes to the server, and the port
        self.expected: list[Expected] = []
        self._user = b""

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        if self.broken:
            return
        lines = self._lines[to_server]
        lines.add(data)
        while not self.broken and (line := lines.line()) is not None:
            yield from self._command(line) if to_server else self._reply_line(line)

    def gap(self, to_server: bool, size: int) -> Iterator[Said]:
        """Lines begin anew behind it; a reply that was under way is said as far as it goes."""
        if not self.broken:
            self._lines[to_server] = Lines()
            if size and not to_server:
                yield from self._whole_reply()

    def close(self) -> Iterator[Said]:
        if self.broken:
            return
        if rest := self._lines[True].rest():
            yield from self._command(rest)
        if not self.broken and (rest := self._lines[False].rest()):
            yield from self._reply_line(rest)
        yield from self._whole_reply()
        self.broken = True

    def _command(self, line: bytes) -> Iterator[Said]:
        line = line.lstrip(b"\xff\xf4\xf2")  # Telnet's interrupt and synch before ABOR: RFC 959 4.1.3
        found = _COMMAND.match(line)
        if not found:
            if line.strip():
                self.broken, self.why = True, "a line that is no command"
            if len(line) >= _LONG:
                yield self._too_long(Said(True, transaction=self._n_transactions))
            return
        name, data = found[0].upper(), line[found.end() + 1 :].rstrip(b" ")
        said = Said(True, {"ftp.command": [name]}, transaction=self._n_transactions)
        said.about["ftp.command"] = text(name)
        said.action = Action.FILE_ACCESS if name in FILE_COMMANDS else Action.AUTHENTICATE if name in LOGON_COMMANDS else Action.OTHER
        if data:
            said.buffers["ftp.command_data"] = [data]
            if name != b"PASS":
                said.about["ftp.command_data"] = text(data)
        if name == b"USER":
            self._user = data
        elif name == b"PASS":
            said.about |= logins.about("ftp", self._user, data)
        if name in (b"PORT", b"EPRT"):
            self._say_announced(said, announced(data, is_reply=False), "active")
        if name == b"AUTH" and data.upper().startswith((b"TLS", b"SSL")):
            self.then = "tls"
        if name in _FILES and self._announced:
            self.expected = [Expected(*self._announced, "ftp-data", FtpData(_FILES[name], data))]
            self._announced = None
        self._open.append((self._n_transactions, name))
        self._n_transactions += 1
        yield self._too_long(said) if len(line) >= _LONG else said

    def _reply_line(self, line: bytes) -> Iterator[Said]:
        """RFC 959 4.2: a reply of several lines ends with its code and a blank; lines between may be anything."""
        found = _REPLY.match(line)
        if not found and not self._reply and line[:3].isdigit() and len(line) == 3:
            found = _REPLY.match(line + b" ")
        if not self._reply and not found:
            if line.strip():
                self.broken, self.why = True, "a line that is no reply"
            if len(line) >= _LONG:
                yield self._too_long(Said(False, transaction=self._n_transactions))
            return
        self._is_reply_long |= len(line) >= _LONG
        is_last = bool(found and found[2] == b" " and (not self._reply or found[1] == self._reply[0][0]))
        self._reply.append((found[1] if found else self._reply[0][0], found[3] if found else line))
        if is_last or len(self._reply) >= MOST_REPLY_LINES:
            yield from self._whole_reply()

    def _whole_reply(self) -> Iterator[Said]:
        lines, self._reply = self._reply, []
        is_long, self._is_reply_long = self._is_reply_long, False
        if not lines:
            return
        code = lines[0][0]
        is_interim = code.startswith(b"1")
        if not self._open:
            transaction, command = self._n_transactions, b""
            self._n_transactions += 1
        else:
            transaction, command = self._open[0] if is_interim else self._open.popleft()
        texts = [each for _, each in lines]
        said = Said(False, {"ftp.reply": texts, "ftp.completion_code": [code]}, transaction=transaction)
        said.facts["ftp.reply_received"] = "yes"
        said.about, said.failed = {"ftp.code": int(code), "ftp.reply": text(texts[0])}, code >= b"4"
        if code in (b"227", b"229"):
            self._say_announced(said, announced(texts[-1], is_reply=True), "passive")
        yield self._too_long(said) if is_long else said
        if code == b"234" and command == b"AUTH":
            self.broken = True

    @staticmethod
    def _too_long(said: Said) -> Said:
        said.event(FTP_EVENTS[not said.to_server])
        return said

    def _say_announced(self, said: Said, where: dict[str, Any], mode: str) -> None:
        """Where the data goes. ftpbounce is the address that a client names: a bounce if it is not its own."""
        if not where:
            return
        self._announced = (mode == "passive", where["port"])
        said.facts |= {"ftp.dynamic_port": where["port"], "ftp.mode": mode}
        said.about |= {"ftp.data_port": where["port"], "ftp.mode": mode}
        if where["address"]:
            said.about["ftp.data_address"] = where["address"]
            if mode == "active":
                said.facts["ftpbounce"] = where["address"]


class Ftp(Application):
    name = "ftp"
    ports: ClassVar = {Transport.TCP: frozenset((21, 2121))}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A greeting or a first command where FTP is expected; elsewhere only a greeting that says FTP, or an anonymous user."""
        head = data[:LONGEST_FIRST]
        if not to_server:
            if not (b"220 ".startswith(head[:4]) or b"220-".startswith(head[:4]) or (expected and b"120 ".startswith(head[:4]))):
                return False
            sure = len(head) >= 4 and (expected or bool(_GREETING.match(head)))
        else:
            sure = bool((_FIRST if expected else _ANONYMOUS).match(head))
            words = _FIRST_WORDS if expected else (b"USER",)
            if not sure and not (any(word.startswith(head[:4].upper()) for word in words) and re.fullmatch(rb"(?: [\x20-\xff]*)?\r?", head[4:])):
                return False
        return True if sure else None if b"\n" not in head and len(data) < LONGEST_FIRST else False

    def open(self) -> Conversation:
        return FtpConversation()
