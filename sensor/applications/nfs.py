"""NFS 2, 3 and 4 over ONC RPC, over TCP and UDP. RFC 1094 2.2, RFC 1813 3.3, RFC 7530 15 and 16. Suricata 8 user guide, "NFS Keywords".

Buffers: nfs.filename, the names that a call says; file.data, what a call writes or a reply has read, of one message, and with it file.name, where it is known.
Facts of calls: nfs.version an integer, nfs_procedure an integer and nfs.procedure_name a text (of version 4: tuples of the compound's operations).
Event: nfs.malformed_data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sensor.applications import nfs4, onc_rpc
from sensor.applications.application import MOST_BODY, MOST_HELD, Application, Conversation, Said
from sensor.applications.nfs_codes import OPERATIONS, STATUS, V2, V3, V4
from sensor.applications.onc_rpc import CALL, REPLY, Accepted, opaque
from sensor.applications.reading import Cursor, Framed, Transactions, keep, text
from sensor.decode.packets import Transport
from sensor.events.vocabulary import Action

EVENTS = ("malformed_data",)
PROGRAM, VERSIONS = 100_003, range(2, 5)
PROCEDURES = {2: V2, 3: V3, 4: V4}
MOST_NAMES = 1_024  # files of one conversation whose name is known
MOST_ENTRIES = 512  # of a folder that are read
MOST_LISTED = 16  # operations that an event shows
NAMED = frozenset({"lookup", "create", "mkdir", "symlink", "mknod", "remove", "rmdir", "rename"})  # a folder's handle, and a name in it
GIVES_HANDLE = frozenset({"lookup", "create", "mkdir", "symlink", "mknod"})
ATTRIBUTES = {2: 68, 3: 84}  # bytes
# What a compound is about: the first of these operations in it.
FOREMOST = (
    "write", "read", "remove", "rename", "create", "link", "open", "setattr", "readdir", "readlink", "lookup", "close", "commit", "lock", "access", "getattr",
)  # fmt: skip
ACTIONS = dict.fromkeys(
    ("read", "write", "create", "remove", "rename", "mkdir", "rmdir", "symlink", "mknod", "link", "setattr", "open"), Action.FILE_ACCESS
) | dict.fromkeys(("lookup", "readdir", "readdirplus", "readlink"), Action.DISCOVER)


@dataclass
class Pending:
    """A call that waits for its reply. name: of the file that it is about; compound: of version 4."""

    transaction: int
    version: int
    procedure: str
    service: int
    name: bytes = b""
    compound: nfs4.Compound | None = None


class Session:
    """One conversation's calls and file handles."""

    def __init__(self) -> None:
        self.transactions = Transactions()
        self.pending: dict[int, Pending] = {}
        self.files: dict[bytes, bytes] = {}
        self._is_cut = False

    def message(self, to_server: bool, data: bytes, *, is_cut: bool = False) -> Iterator[Said]:
        """One call or reply. is_cut: it was longer, so that nothing is wrong if something is not there. Raises EOFError and ValueError for what is none."""
        self._is_cut = is_cut
        cursor = Cursor(data)
        cursor.skip(4)
        if (kind := cursor.big(4)) not in (CALL, REPLY):
            raise ValueError(f"no message of ONC RPC is of the type {kind}")
        is_call = kind == CALL
        if is_call != to_server:  # what a server calls is no NFS (RFC 7530 2.9.1)
            return
        said = self._called(onc_rpc.call(cursor)) if is_call else self._replied(onc_rpc.reply(cursor))
        if said is not None:
            yield said

    def malformed(self, to_server: bool, why: str) -> Said:
        """What is said of bytes that are no message."""
        said = Said(to_server, transaction=self.transactions.begin())
        self._problem(said, why)
        return said

    def _problem(self, said: Said, why: str) -> None:
        said.about["nfs.problem"] = why
        if not self._is_cut:
            said.event("nfs.malformed_data")

    # Calls

    def _called(self, call: onc_rpc.Call) -> Said | None:
        if call.program != PROGRAM or call.version not in PROCEDURES:
            return None
        names = PROCEDURES[call.version]
        procedure = names[call.procedure] if call.procedure < len(names) else str(call.procedure)
        pending = Pending(self.transactions.begin(), call.version, procedure, call.service)
        keep(self.pending, call.xid, pending)
        said = Said(
            True, facts={"nfs.version": call.version, "nfs_procedure": call.procedure, "nfs.procedure_name": procedure}, transaction=pending.transaction
        )
        said.about = {"nfs.version": call.version}
        if call.uid >= 0:
            said.about |= {"nfs.uid": call.uid, "nfs.gid": call.gid, "nfs.machine": text(call.machine)}
        try:
            if call.arguments is not None:
                (self._compound_asked if call.version == 4 else self._asked)(said, pending, call.arguments)
        except (EOFError, ValueError) as error:
            self._problem(said, str(error))
        said.about["nfs.procedure"] = pending.procedure
        said.action = ACTIONS.get(pending.procedure, Action.OTHER)
        return said

    def _asked(self, said: Said, pending: Pending, cursor: Cursor) -> None:
        """Versions 2 and 3."""
        procedure, version = pending.procedure, pending.version
        if procedure in ("null", "root", "writecache"):
            return
        handle = _handle(cursor, version)
        pending.name = self.files.get(handle, b"")
        names: list[bytes] = []
        if procedure in NAMED:
            pending.name = opaque(cursor, nfs4.NAME)
            names = [pending.name]
            if procedure == "rename":
                _handle(cursor, version)
                names.append(opaque(cursor, nfs4.NAME))
        elif procedure == "link":
            _handle(cursor, version)
            names = [opaque(cursor, nfs4.NAME)]
        elif procedure == "write":
            cursor.skip(12 if version == 2 else 16)
            self._content(said, cursor, pending.name)
        _say_names(said, names, pending.name)

    def _compound_asked(self, said: Said, pending: Pending, cursor: Cursor) -> None:
        if pending.procedure != "compound":
            return
        found = pending.compound = nfs4.compound(cursor, is_reply=False)
        operations = [OPERATIONS[number] for number in found.numbers]
        said.facts |= {"nfs_procedure": tuple(found.numbers) or 1, "nfs.procedure_name": tuple(operations) or "compound"}
        pending.procedure = next((name for name in FOREMOST if name in operations), operations[-1] if operations else "compound")
        said.about["nfs.operation"] = operations[:MOST_LISTED]
        pending.name = found.names[0] if pending.procedure in ("remove", "rename", "link") and found.names else self._followed(found, {})
        for data in found.data.values():
            said.buffers |= _files(data, pending.name)
        _say_names(said, found.names, pending.name)

    def _followed(self, asked: nfs4.Compound, given: Mapping[int, bytes]) -> bytes:
        """The name of the file that a compound ends at. given: handles that its reply gives, by the operation's place: they get their names."""
        name = saved = b""
        for place, number in enumerate(asked.numbers):
            operation = OPERATIONS[number]
            if operation == "putfh":
                name = self.files.get(asked.handles.get(place, b""), b"")
            elif operation in ("putrootfh", "putpubfh", "lookupp"):
                name = b""
            elif operation == "savefh":
                saved = name
            elif operation == "restorefh":
                name = saved
            elif place in asked.of:
                name = asked.of[place]
            elif operation == "getfh" and place in given and name:
                keep(self.files, given[place], name, MOST_NAMES)
        return name

    # Replies

    def _replied(self, reply: onc_rpc.Reply) -> Said | None:
        pending = self.pending.pop(reply.xid, None)
        if pending is None:
            return None
        said = Said(False, transaction=pending.transaction, about={"nfs.version": pending.version, "nfs.procedure": pending.procedure})
        said.action = ACTIONS.get(pending.procedure, Action.OTHER)
        if pending.name:
            said.about["file.name"] = text(pending.name)
        if reply.is_denied or reply.accepted != Accepted.SUCCESS:
            said.failed = True
            said.about["nfs.refused"] = (
                "denied" if reply.is_denied else Accepted(reply.accepted).name.lower() if reply.accepted in [*Accepted] else str(reply.accepted)
            )
            if reply.accepted not in [*Accepted]:
                self._problem(said, f"no call is accepted with {reply.accepted}")
            return said
        try:
            results = onc_rpc.within(reply.results, pending.service)
            if results is not None and pending.procedure != "null":
                self._results(said, pending, results)
        except (EOFError, ValueError) as error:
            self._problem(said, str(error))
        return said

    def _results(self, said: Said, pending: Pending, cursor: Cursor) -> None:
        if pending.compound is not None:
            found = nfs4.compound(cursor, is_reply=True)
            _say_status(said, found.status)
            self._followed(pending.compound, found.handles)
            for data in found.data.values():
                said.buffers |= _files(data, pending.name)
            return
        if (pending.version, pending.procedure) in ((2, "root"), (2, "writecache")):
            return
        status = cursor.big(4)
        _say_status(said, status)
        if status:
            return
        version, procedure = pending.version, pending.procedure
        if procedure in GIVES_HANDLE and (version, procedure) != (2, "symlink"):
            if version == 2 or procedure == "lookup" or cursor.big(4):
                keep(self.files, _handle(cursor, version), pending.name, MOST_NAMES)
        elif procedure == "read":
            _skip_attributes(cursor, version)
            cursor.skip(0 if version == 2 else 8)
            self._content(said, cursor, pending.name)
        elif procedure == "readdirplus":
            self._entries(cursor)

    def _content(self, said: Said, cursor: Cursor, name: bytes) -> None:
        """Data with its length before it, as much of it as is there."""
        size, left = cursor.big(4), cursor.left
        if size > left:
            self._problem(said, f"{size} bytes of data are said, {left} are there")
        said.buffers |= _files(cursor.take(min(size, left)), name)

    def _entries(self, cursor: Cursor) -> None:
        """RFC 1813 3.3.17: names, and handles of them."""
        _skip_attributes(cursor, 3)
        cursor.skip(8)
        for _ in range(MOST_ENTRIES):
            if not cursor.big(4):
                return
            cursor.skip(8)
            name = opaque(cursor, nfs4.NAME)
            cursor.skip(8)
            _skip_attributes(cursor, 3)
            if cursor.big(4) and name not in (b".", b".."):
                keep(self.files, _handle(cursor, 3), name, MOST_NAMES)


def _handle(cursor: Cursor, version: int) -> bytes:
    return cursor.take(32) if version == 2 else opaque(cursor, 64)


def _skip_attributes(cursor: Cursor, version: int) -> None:
    """Version 3 says whether there are any (RFC 1813 2.6, post_op_attr)."""
    cursor.skip(ATTRIBUTES[version] if version == 2 or cursor.big(4) else 0)


def _files(data: bytes, name: bytes) -> dict[str, Any]:
    return ({"file.data": [data[:MOST_BODY]]} if data else {}) | ({"file.name": [name]} if name else {})


def _say_names(said: Said, names: list[bytes], name: bytes) -> None:
    if found := [each for each in names if each]:
        said.buffers["nfs.filename"] = found
    if name or found:
        said.about["file.name"] = text(name or found[0])
    if len(found) > 1:
        said.about["nfs.other_name"] = text(found[-1])


def _say_status(said: Said, status: int) -> None:
    said.about["nfs.status"] = STATUS.get(status, str(status))
    said.failed = bool(status)


class NfsOverStream(Framed):
    """Records, which may have several fragments (RFC 5531 11)."""

    def __init__(self) -> None:
        super().__init__()
        self._session = Session()
        self._records = {side: bytearray() for side in (False, True)}
        self._cut: set[bool] = set()  # sides whose record is not all there

    def refused(self, to_server: bool) -> Iterator[Said]:
        yield self._session.malformed(to_server, self.why)

    def size(self, held: bytearray) -> int | None:
        return onc_rpc.record_size(held)

    def message(self, to_server: bool, data: bytes) -> Iterator[Said]:
        record = self._records[to_server]
        if len(data) < (onc_rpc.record_size(data) or 0) or len(record) + len(data) - 4 > MOST_HELD:
            self._cut.add(to_server)
        record += data[4 : 4 + MOST_HELD - len(record)]
        if int.from_bytes(data[:4]) & onc_rpc.LAST:
            self._records[to_server] = bytearray()
            is_cut = to_server in self._cut
            self._cut.discard(to_server)
            try:
                yield from self._session.message(to_server, bytes(record), is_cut=is_cut)
            except (EOFError, ValueError):
                if not is_cut:
                    raise


class NfsDatagrams(Conversation):
    """Datagrams: what one does not make sense of says nothing of the next."""

    def __init__(self) -> None:
        self._session = Session()

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        try:
            yield from self._session.message(to_server, data)
        except (EOFError, ValueError) as error:
            yield self._session.malformed(to_server, str(error))

    def gap(self, to_server: bool, size: int) -> Iterator[Said]:
        return iter(())


class NfsOverTcp(Application):
    name: ClassVar[str] = "nfs"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.TCP: frozenset({2049})}
    knows_answers = True

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A whole record that calls the program; on its port a reply, too."""
        if len(data) < 4:
            return None if data[:1] in (b"", b"\0", b"\x80") else False
        size = int.from_bytes(data[:4])
        if not 24 <= size & ~onc_rpc.LAST < 1 << 22:
            return False
        return onc_rpc.is_call(data[4:], PROGRAM, VERSIONS) if to_server else expected and onc_rpc.is_reply(data[4:])

    def open(self) -> Conversation:
        return NfsOverStream()


class NfsOverUdp(Application):
    name: ClassVar[str] = "nfs"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.UDP: frozenset({2049})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        return bool(onc_rpc.is_call(data, PROGRAM, VERSIONS) if to_server else expected and onc_rpc.is_reply(data))

    def open(self) -> Conversation:
        return NfsDatagrams()
