"""What a COMPOUND of NFS version 4 asks for and gives, operation by operation, as far as their arguments are known. RFC 7530 16, RFC 8881 18."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sensor.applications.nfs_codes import OPERATIONS
from sensor.applications.onc_rpc import opaque
from sensor.applications.reading import Cursor

MOST_OPERATIONS = 64  # of one compound that are read
NAME, HANDLE, STATE = 255, 128, 16  # most bytes of a name and of a handle; bytes of a state


@dataclass
class Compound:
    """numbers: of its operations, in order; names: of files, as they are said. By operation's place: of, the name that it goes on with (LOOKUP, OPEN, CREATE);
    handles, the one that it says or gives (PUTFH, GETFH); data, what it writes or has read. is_whole: nothing was left."""

    numbers: list[int] = field(default_factory=list)
    names: list[bytes] = field(default_factory=list)
    of: dict[int, bytes] = field(default_factory=dict)
    handles: dict[int, bytes] = field(default_factory=dict)
    data: dict[int, bytes] = field(default_factory=dict)
    status: int = 0
    is_whole: bool = False


def skip(size: int) -> Callable[[Cursor, Compound, int], None]:
    def read(cursor: Cursor, _found: Compound, _place: int) -> None:
        cursor.skip(size)

    return read


def bitmap(cursor: Cursor) -> None:
    count = cursor.big(4)
    if count > 16:
        raise ValueError(f"a bitmap of {count} words")
    cursor.skip(4 * count)


def attributes(cursor: Cursor) -> None:
    """fattr4: which, and their values."""
    bitmap(cursor)
    opaque(cursor)


def names(count: int, *, keep: bool = True) -> Callable[[Cursor, Compound, int], None]:
    def read(cursor: Cursor, found: Compound, place: int) -> None:
        for _ in range(count):
            name = opaque(cursor, NAME)
            found.names.append(name)
            if keep:
                found.of[place] = name

    return read


def handle(cursor: Cursor, found: Compound, place: int) -> None:
    found.handles[place] = opaque(cursor, HANDLE)


def content(cursor: Cursor, found: Compound, place: int) -> None:
    """Data, as much of it as is there: a message that is cut short ends in it."""
    size = cursor.big(4)
    found.data[place] = cursor.take(min(size, cursor.left))
    if len(found.data[place]) < size:
        raise EOFError("the message is cut short")
    cursor.skip(min(-size % 4, cursor.left))


def write(cursor: Cursor, found: Compound, place: int) -> None:
    cursor.skip(STATE + 8 + 4)
    content(cursor, found, place)


def create(cursor: Cursor, found: Compound, place: int) -> None:
    """16.4: a link has its target, a device its numbers."""
    kind = cursor.big(4)
    if kind == 5:
        found.names.append(opaque(cursor, 4_096))
    elif kind in (3, 4):
        cursor.skip(8)
    names(1)(cursor, found, place)
    attributes(cursor)


def opened(cursor: Cursor, found: Compound, place: int) -> None:
    """16.16."""
    cursor.skip(4 + 4 + 4 + 8)
    opaque(cursor, 1_024)
    if cursor.big(4) == 1:  # to be created
        mode = cursor.big(4)
        if mode in (0, 1):
            attributes(cursor)
        elif mode == 2:
            cursor.skip(8)
        elif mode == 3:  # RFC 8881 18.16
            cursor.skip(8)
            attributes(cursor)
        else:
            raise ValueError(f"no way to create a file is {mode}")
    claim = cursor.big(4)
    if claim in (0, 3):
        names(1)(cursor, found, place)
    elif claim == 1:
        cursor.skip(4)
    elif claim == 2:
        cursor.skip(STATE)
        names(1)(cursor, found, place)
    elif claim == 5:
        cursor.skip(STATE)
    elif claim not in (4, 6):
        raise ValueError(f"no claim is {claim}")


def setattr_(cursor: Cursor, _found: Compound, _place: int) -> None:
    cursor.skip(STATE)
    attributes(cursor)


def set_client(cursor: Cursor, _found: Compound, _place: int) -> None:
    cursor.skip(8)
    opaque(cursor, 1_024)
    cursor.skip(4)
    opaque(cursor, 64)
    opaque(cursor, 256)
    cursor.skip(4)


def readdir(cursor: Cursor, _found: Compound, _place: int) -> None:
    cursor.skip(8 + 8 + 4 + 4)
    bitmap(cursor)


def granted(cursor: Cursor, _found: Compound, _place: int) -> None:
    """16.16.3."""
    cursor.skip(STATE + 20 + 4)
    bitmap(cursor)
    delegation = cursor.big(4)
    if delegation in (1, 2):  # to read, and to write
        cursor.skip(STATE + 4 + (12 if delegation == 2 else 0) + 12)
        opaque(cursor, 1_024)
    elif delegation == 3 and cursor.big(4) in (1, 2):  # none, and why (RFC 8881 18.16.2)
        cursor.skip(4)


def read_result(cursor: Cursor, found: Compound, place: int) -> None:
    cursor.skip(4)
    content(cursor, found, place)


def created(cursor: Cursor, _found: Compound, _place: int) -> None:
    cursor.skip(20)
    bitmap(cursor)


Readers = dict[str, Callable[[Cursor, Compound, int], None]]
NOTHING: Readers = dict.fromkeys(("getfh", "savefh", "restorefh", "putrootfh", "putpubfh", "lookupp", "readlink"), skip(0))
ARGUMENTS: Readers = NOTHING | {
    "putfh": handle, "lookup": names(1), "open": opened, "create": create, "remove": names(1, keep=False), "rename": names(2, keep=False),
    "link": names(1, keep=False), "secinfo": names(1, keep=False), "read": skip(STATE + 12), "write": write, "close": skip(4 + STATE), "commit": skip(12),
    "access": skip(4), "getattr": lambda cursor, _found, _place: bitmap(cursor), "setattr": setattr_, "readdir": readdir, "renew": skip(8),
    "setclientid": set_client, "setclientid_confirm": skip(16), "open_confirm": skip(STATE + 4), "open_downgrade": skip(STATE + 12), "delegreturn": skip(STATE),
    "sequence": skip(16 + 16), "reclaim_complete": skip(4), "secinfo_no_name": skip(4), "destroy_session": skip(16), "destroy_clientid": skip(8),
    "free_stateid": skip(STATE), "verify": lambda cursor, _found, _place: attributes(cursor), "nverify": lambda cursor, _found, _place: attributes(cursor),
}  # fmt: skip
RESULTS: Readers = (
    dict.fromkeys(("putfh", "putrootfh", "putpubfh", "savefh", "restorefh", "lookup", "lookupp", "renew", "verify", "nverify", "delegreturn"), skip(0))
    | dict.fromkeys(("setclientid_confirm", "reclaim_complete", "destroy_session", "destroy_clientid", "free_stateid"), skip(0))
    | {
        "getfh": handle, "open": granted, "access": skip(8), "getattr": lambda cursor, _found, _place: attributes(cursor), "read": read_result, "write": skip(16),
        "close": skip(STATE), "commit": skip(8), "sequence": skip(16 + 20), "remove": skip(20), "rename": skip(40), "link": skip(20),
        "setattr": lambda cursor, _found, _place: bitmap(cursor), "open_confirm": skip(STATE), "open_downgrade": skip(STATE), "setclientid": skip(16),
        "create": created,
    }
)  # fmt: skip


def compound(cursor: Cursor, *, is_reply: bool) -> Compound:
    """What there is to read. Never raises: where arguments or results are not known, or the message ends, the rest is left."""
    found = Compound()
    try:
        if is_reply:
            found.status = cursor.big(4)
        opaque(cursor, 1_024)
        cursor.skip(0 if is_reply else 4)
        count = cursor.big(4)
        for place in range(min(count, MOST_OPERATIONS)):
            number = cursor.big(4)
            if number not in OPERATIONS:
                return found
            found.numbers.append(number)
            if is_reply and cursor.big(4):
                return found  # it is the last one: what failed gives no more
            read = (RESULTS if is_reply else ARGUMENTS).get(OPERATIONS[number])
            if read is None:
                return found
            read(cursor, found, place)
        found.is_whole = count <= MOST_OPERATIONS
    except (EOFError, ValueError):
        pass
    return found
