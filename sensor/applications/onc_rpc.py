"""ONC RPC: calls and replies, over datagrams and, in records, over streams. RFC 5531 9 (messages), 8.2 and 14 (AUTH_SYS), 11 (records); RFC 2203 5.3 (RPCSEC_GSS)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from sensor.applications.application import MOST_HELD
from sensor.applications.reading import Cursor

CALL, REPLY, VERSION = 0, 1, 2
AUTH_SYS, RPCSEC_GSS = 1, 6
MOST_AUTH = 400  # bytes of a credential, RFC 5531 8.2
LAST = 1 << 31  # of a record's mark: no fragment follows


class Accepted(IntEnum):
    """RFC 5531 9, accept_stat."""

    SUCCESS = 0
    PROG_UNAVAIL = 1
    PROG_MISMATCH = 2
    PROC_UNAVAIL = 3
    GARBAGE_ARGS = 4
    SYSTEM_ERR = 5


class Service(IntEnum):
    """RFC 2203 5.3.1, of RPCSEC_GSS."""

    NONE = 1
    INTEGRITY = 2
    PRIVACY = 3


@dataclass
class Call:
    """A call: whom, what, who says so. service: of RPCSEC_GSS, how arguments and results are wrapped; arguments: where they begin, None where nobody can read them."""

    xid: int
    program: int
    version: int
    procedure: int
    machine: bytes = b""
    uid: int = -1
    gid: int = -1
    service: int = Service.NONE
    arguments: Cursor | None = None


@dataclass
class Reply:
    """An answer. denied: the credentials or the version were; accepted: what became of the call. results: where they begin."""

    xid: int
    is_denied: bool
    accepted: int
    results: Cursor


def opaque(cursor: Cursor, most: int = MOST_HELD) -> bytes:
    """Bytes with their length before them, to a multiple of 4 (RFC 4506 4.10). Raises EOFError, and ValueError where there are more than `most`."""
    size = cursor.big(4)
    if size > most:
        raise ValueError(f"{size} bytes are said at byte {cursor.at - 4}, where at most {most} can be")
    found = cursor.take(size)
    cursor.skip(min(-size % 4, cursor.left))
    return found


def call(cursor: Cursor) -> Call:
    """A call, behind its xid and kind. Raises EOFError and ValueError."""
    xid = int.from_bytes(cursor.data[cursor.at - 8 : cursor.at - 4])
    version, program, program_version, procedure = (cursor.big(4) for _ in range(4))
    if version != VERSION:
        raise ValueError(f"no call of ONC RPC has the version {version}")
    found = Call(xid, program, program_version, procedure)
    flavor = cursor.big(4)
    credential = Cursor(opaque(cursor, MOST_AUTH))
    cursor.skip(4)
    opaque(cursor, MOST_AUTH)
    found.arguments = cursor
    if flavor == AUTH_SYS:
        credential.skip(min(4, credential.left))
        found.machine = opaque(credential, 255)
        found.uid, found.gid = credential.big(4), credential.big(4)
    elif flavor == RPCSEC_GSS:
        _, control, _, service = (credential.big(4) for _ in range(4))
        found.service = service
        found.arguments = None if control else within(cursor, service)
    return found


def within(cursor: Cursor, service: int) -> Cursor | None:
    """Arguments or results as RPCSEC_GSS wraps them (RFC 2203 5.3.2); None where they are encrypted. Raises EOFError."""
    if service == Service.INTEGRITY:
        cursor.skip(8)  # their length, and the call's number
    return None if service == Service.PRIVACY else cursor


def reply(cursor: Cursor) -> Reply:
    """A reply, behind its xid and kind. Raises EOFError and ValueError."""
    xid = int.from_bytes(cursor.data[cursor.at - 8 : cursor.at - 4])
    state = cursor.big(4)
    if state > 1:
        raise ValueError(f"no reply of ONC RPC has the state {state}")
    if state == 1:
        return Reply(xid, True, Accepted.SYSTEM_ERR, cursor)
    cursor.skip(4)
    opaque(cursor, MOST_AUTH)
    return Reply(xid, False, cursor.big(4), cursor)


def record_size(held: bytes | bytearray) -> int | None:
    """Of a record's fragment, its mark included; None: more bytes are needed."""
    return None if len(held) < 4 else 4 + (int.from_bytes(held[:4]) & ~LAST)


def is_call(data: bytes, program: int, versions: range) -> bool | None:
    """Whether bytes, from the xid on, begin a call of this program; None: more bytes are needed."""
    expected = (CALL.to_bytes(4), VERSION.to_bytes(4), program.to_bytes(4))
    if not all(wanted.startswith(data[at : at + 4]) for at, wanted in zip((4, 8, 12), expected, strict=True)):
        return False
    return None if len(data) < 24 else int.from_bytes(data[16:20]) in versions


def is_reply(data: bytes) -> bool | None:
    """Whether bytes, from the xid on, begin a reply that was accepted, or denied."""
    if len(data) < 24:
        return None if b"\0\0\0\1\0\0\0".startswith(data[4:11]) else False
    kind, state, flavor, size = (int.from_bytes(data[at : at + 4]) for at in (4, 8, 12, 16))
    return kind == REPLY and ((state == 1 and flavor <= 1) or (state == 0 and flavor in (0, AUTH_SYS, RPCSEC_GSS) and size <= MOST_AUTH))
