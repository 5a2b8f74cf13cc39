"""SASL's mechanisms that send a password readably: PLAIN (RFC 4616) and LOGIN, as base64 in lines of another protocol."""

from __future__ import annotations

import base64
import binascii


def decoded(line: bytes) -> bytes:
    """What a line says; nothing where it is no base64. A lone "=" is an empty response (RFC 4954 4)."""
    try:
        return base64.b64decode(line, validate=True)
    except binascii.Error:
        return b""


class Exchange:
    """What a client answers to challenges, until it is over."""

    def __init__(self, mechanism: bytes) -> None:
        self._mechanism = mechanism.upper()
        self._user: bytes | None = None

    def login(self, line: bytes) -> tuple[bytes, bytes] | None:
        """User and password, where this line is the one that completes them."""
        answer = decoded(line)
        if self._mechanism == b"PLAIN" and answer.count(b"\0") == 2:
            _, user, password = answer.split(b"\0")
            return user, password
        if self._mechanism != b"LOGIN":
            return None
        if self._user is None:
            self._user = answer
            return None
        user, self._user = self._user, None
        return user, answer
