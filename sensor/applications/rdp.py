"""RDP: how a connection begins. What follows is TLS, or RDP's own encryption.

[MS-RDPBCGR] 2.2.1.1 (X.224 connection request), 2.2.1.2 (confirm); RFC 1006 6 (TPKT); ITU-T X.224 13.3.
Buffer: rdp.cookie, the value behind "Cookie: mstshash=" (most clients write a user's name), or the routing token behind "Cookie: msts=".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from sensor.applications.application import Application, Conversation, Said
from sensor.applications.reading import Cursor, Framed, text
from sensor.decode.packets import Transport

REQUEST, CONFIRM = 0xE0, 0xD0
COOKIES = (b"Cookie: mstshash=", b"Cookie: msts=")
NEGOTIATION_REQUEST, NEGOTIATION_RESPONSE, NEGOTIATION_FAILURE = 1, 2, 3
PROTOCOLS = {1: "tls", 2: "credssp", 4: "rdstls", 8: "credssp_early_auth", 16: "entra"}
FAILURES = {1: "tls_required", 2: "tls_not_allowed", 3: "no_certificate", 4: "inconsistent", 5: "credssp_required", 6: "tls_user_required"}
X224 = 11  # bytes of TPKT and X.224 before the cookie
MOST = 512  # bytes of a connection request


class Rdp(Framed):
    def size(self, held: bytearray) -> int | None:
        if held[0] != 3:
            raise ValueError("no TPKT")
        return max(int.from_bytes(held[2:4], "big"), 4) if len(held) >= 4 else None

    def message(self, to_server: bool, data: bytes) -> Iterator[Said]:
        if len(data) < X224 or data[5] not in (REQUEST, CONFIRM):
            raise ValueError("what follows is no connection request")
        said = Said(to_server, about={"rdp.type": "request" if data[5] == REQUEST else "confirm"})
        cursor = Cursor(data, X224)
        try:
            self._cookie(cursor, said)
            self._negotiation(cursor, said)
        except EOFError as error:
            said.about["rdp.problem"] = str(error)
        yield said
        if data[5] == CONFIRM:
            self._break("what follows is encrypted")

    @staticmethod
    def _cookie(cursor: Cursor, said: Said) -> None:
        for each in COOKIES:
            if cursor.data[cursor.at : cursor.at + len(each)] == each:
                cursor.skip(len(each))
                if value := cursor.until(b"\r\n"):
                    said.buffers["rdp.cookie"] = [value]
                    said.about["rdp.cookie"] = text(value)

    def _negotiation(self, cursor: Cursor, said: Said) -> None:
        """2.2.1.1.1, 2.2.1.2.1 and 2.2.1.2.2."""
        if not cursor.left:
            return
        kind = cursor.big(1)
        cursor.skip(3)
        value = cursor.little(4)
        if kind == NEGOTIATION_FAILURE:
            said.about["rdp.failure"] = FAILURES.get(value, str(value))
        elif kind in (NEGOTIATION_REQUEST, NEGOTIATION_RESPONSE):
            self.then = "tls" if value else ""
            said.about["rdp.security"] = [name for bit, name in PROTOCOLS.items() if value & bit] or ["rdp"]


class RdpOverTcp(Application):
    name: ClassVar[str] = "rdp"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.TCP: frozenset({3389})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A connection request with a cookie or a negotiation; without both only on its port, for S7comm and others begin with X.224 as well."""
        if not to_server or not b"\x03\0".startswith(data[:2]):
            return False
        if len(data) >= 4 and not X224 <= int.from_bytes(data[2:4], "big") <= MOST:
            return False
        size = int.from_bytes(data[2:4], "big")
        if len(data) >= 6 and (data[5] != REQUEST or data[4] != size - 5):
            return False
        if len(data) < X224 or (len(data) < size and len(data) < X224 + 8):
            return None
        rest = data[X224:size]
        if not rest:
            return expected
        return (
            any(each.startswith(rest[: len(each)]) for each in COOKIES)
            if len(rest) > 8 or rest[0] == ord("C")
            else rest[:4] == b"\1\0\x08\0" and len(rest) == 8
        )

    def open(self) -> Conversation:
        return Rdp()
