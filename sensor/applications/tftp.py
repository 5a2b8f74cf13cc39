"""TFTP: what is asked for. The file itself goes between other ports (RFC 1350 4), that is: in flows of their own.

RFC 1350 5 (packets), RFC 2347 (options).
Buffers: tftp.filename and file.name, as sent. Facts: tftp.opcode an integer, tftp.mode a text in lower case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from sensor.applications.application import Application, Conversation, Said
from sensor.applications.reading import Cursor, Transactions, text
from sensor.decode.packets import Transport

OPCODES = {1: "read", 2: "write", 3: "data", 4: "acknowledgment", 5: "error", 6: "option_acknowledgment"}
MODES = ("netascii", "octet", "mail")
MOST_OPTIONS = 16


class Tftp(Conversation):
    def __init__(self) -> None:
        self._transactions = Transactions()
        self._last = 0

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        """Requests and errors are said; blocks of data and what acknowledges them are not."""
        cursor = Cursor(data)
        said = Said(to_server)
        try:
            opcode = cursor.big(2)
            if opcode not in (1, 2, 5):
                return
            said.facts["tftp.opcode"] = opcode
            said.about["tftp.opcode"] = OPCODES[opcode]
            if opcode == 5:
                said.transaction = self._last
                said.about["tftp.error_code"] = cursor.big(2)
                said.about["tftp.error"] = text(cursor.until(b"\0"))
            else:
                said.transaction = self._last = self._transactions.begin()
                self._request(cursor, said)
        except EOFError as error:
            said.about["tftp.problem"] = str(error)
        if said.facts:
            yield said

    @staticmethod
    def _request(cursor: Cursor, said: Said) -> None:
        if name := cursor.until(b"\0"):
            said.buffers["tftp.filename"] = said.buffers["file.name"] = [name]
            said.about["file.name"] = text(name)
        said.facts["tftp.mode"] = said.about["tftp.mode"] = text(cursor.until(b"\0")).lower()
        options: list[str] = []
        while cursor.left and len(options) < MOST_OPTIONS:
            options.append(f"{text(cursor.until(bytes(1)))}={text(cursor.until(bytes(1)))}")
        if options:
            said.about["tftp.option"] = options


class TftpOverUdp(Application):
    name: ClassVar[str] = "tftp"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.UDP: frozenset({69})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A request: a readable name and one of three modes, to the last byte."""
        if data[:2] not in (b"\0\1", b"\0\2") or not data.endswith(b"\0"):
            return False
        name, mode, *options = data[2:-1].split(b"\0")[:64] if data.count(b"\0", 2) > 1 else (b"", b"")
        readable = bool(name) and all(0x20 <= byte != 0x7F for byte in name)
        return readable and mode.decode("latin-1").lower() in MODES and len(options) % 2 == 0

    def open(self) -> Conversation:
        return Tftp()
