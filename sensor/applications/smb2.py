"""SMB 2 and 3: one message, with those that are compounded with it. [MS-SMB2] 2.2."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from typing import ClassVar

from sensor.applications.application import MOST_OPEN, Said
from sensor.applications.reading import keep
from sensor.applications.smb_session import MOST_SIZE, Pending, Session, action_of, is_error, ntlm, number, unicode

MAGIC = b"\xfeSMB"
HEADER = 64  # 2.2.1
RESPONSE = 1  # SMB2_FLAGS_SERVER_TO_REDIR
STATUS_PENDING, BUFFER_OVERFLOW = 0x103, 0x80000005
PIPE_TRANSCEIVE = 0x0011C017  # FSCTL_PIPE_TRANSCEIVE, 2.2.31
DIALECTS = {0x0202: "2.0.2", 0x0210: "2.1", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1", 0x02FF: "2.???"}


class Command(IntEnum):
    """2.2.1.2."""

    NEGOTIATE = 0
    SESSION_SETUP = 1
    LOGOFF = 2
    TREE_CONNECT = 3
    TREE_DISCONNECT = 4
    CREATE = 5
    CLOSE = 6
    FLUSH = 7
    READ = 8
    WRITE = 9
    LOCK = 10
    IOCTL = 11
    CANCEL = 12
    ECHO = 13
    QUERY_DIRECTORY = 14
    CHANGE_NOTIFY = 15
    QUERY_INFO = 16
    SET_INFO = 17
    OPLOCK_BREAK = 18


COMMANDS = {int(each): each for each in Command}


def pointed(data: bytes, at: int) -> bytes:
    """What an offset and a length, two octets each, name. Raises EOFError where those are not there."""
    begin, size = number(data, at, 2), number(data, at + 2, 2)
    return data[begin : begin + size]


class Smb2:
    """Reads the messages of one connection. Offsets in them count from the header (2.2.1), `at` here; `body` is where the command's own structure begins."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def message(self, to_server: bool, data: bytes, at: int) -> Iterator[Said]:
        """2.2.1 and 3.2.4.1.4: NextCommand leads to the message that follows."""
        for _ in range(MOST_OPEN):
            behind = number(data, at + 20, 4)
            yield from self._one(to_server, data[at : at + behind] if behind else data[at:])
            if behind < HEADER:
                return
            at += behind

    def _one(self, to_server: bool, data: bytes) -> Iterator[Said]:
        if len(data) < HEADER or data[:4] != MAGIC:
            raise ValueError("no header of SMB 2")
        code, is_answer, message_id = number(data, 12, 2), bool(data[16] & RESPONSE), number(data, 24, 8)
        status, tree = number(data, 8, 4), 0 if data[16] & 2 else number(data, 36, 4)
        command = COMMANDS.get(code)
        said = Said(to_server, facts={"smb.version": "2"}, about={"smb.command": command.name.lower() if command is not None else str(code)})
        said.action = action_of(said.about["smb.command"])
        if is_answer:
            said.about["smb.status"] = f"0x{status:08x}"
            said.failed = is_error(status)
            pending = self._session.answered(message_id, last=status != STATUS_PENDING)
        else:
            pending = self._session.request(message_id)
        said.transaction = pending.transaction
        if code != Command.OPLOCK_BREAK or not is_answer:  # a server breaks them as if it answered: 2.2.23
            self._session.directed(said, is_answer)
        self._session.about_share(said, tree)
        inner: list[Said] = []
        read = self._answers.get(code) if is_answer else self._requests.get(code)
        if read and (not is_answer or status in (0, BUFFER_OVERFLOW) or code == Command.SESSION_SETUP):
            try:
                inner += read(self, said, data, pending)
            except EOFError as error:
                self._session.malformed(said, str(error))
        yield said
        yield from inner

    def _negotiate(self, said: Said, data: bytes, _pending: Pending) -> Iterator[Said]:
        """2.2.3."""
        count = number(data, 66, 2)
        if not count or 100 + 2 * count > len(data):
            said.event("smb.negotiate_malformed_dialects")
        found = [number(data, 100 + 2 * i, 2) for i in range(min(count, 16))]
        said.about["smb.dialects"] = [DIALECTS.get(each, hex(each)) for each in found]
        return iter(())

    def _negotiated(self, said: Said, data: bytes, _pending: Pending) -> Iterator[Said]:
        """2.2.4."""
        dialect = number(data, 68, 2)
        said.about["smb.dialect"] = DIALECTS.get(dialect, hex(dialect))
        self._session.limits(said, number(data, 96, 4), number(data, 100, 4))
        return iter(())

    def _logon(self, said: Said, data: bytes, _pending: Pending) -> Iterator[Said]:
        """2.2.5."""
        ntlm(said, pointed(data, 76))
        return iter(())

    def _challenged(self, said: Said, data: bytes, _pending: Pending) -> Iterator[Said]:
        """2.2.6."""
        ntlm(said, pointed(data, 68))
        return iter(())

    def _connect(self, said: Said, data: bytes, pending: Pending) -> Iterator[Said]:
        """2.2.9."""
        pending.name = unicode(pointed(data, 68))
        self._session.share(said, pending.name)
        return iter(())

    def _connected(self, said: Said, data: bytes, pending: Pending) -> Iterator[Said]:
        """2.2.10."""
        if pending.name:
            keep(self._session.shares, number(data, 36, 4), pending.name)
            self._session.about_share(said, number(data, 36, 4))
        said.about["smb.share_type"] = {1: "disk", 2: "pipe", 3: "print"}.get(number(data, 66, 1), "other")
        return iter(())

    def _create(self, said: Said, data: bytes, pending: Pending) -> Iterator[Said]:
        """2.2.13."""
        pending.name = unicode(pointed(data, 108))
        self._session.opens(said, pending.name)
        return iter(())

    def _created(self, said: Said, data: bytes, pending: Pending) -> Iterator[Said]:
        """2.2.14."""
        number(data, 128, 16)
        if pending.name:
            keep(self._session.files, data[128:144], pending.name)
            self._session.about_file(said, data[128:144])
        return iter(())

    def _close(self, said: Said, data: bytes, pending: Pending) -> Iterator[Said]:
        """2.2.15."""
        pending.file = self._file(said, data, 72)
        self._session.closes(pending.file)
        return iter(())

    def _read(self, said: Said, data: bytes, pending: Pending) -> Iterator[Said]:
        """2.2.19."""
        self._session.sized(said, "read_request", number(data, 68, 4))
        pending.file, pending.offset = self._file(said, data, 80), number(data, 72, 8)
        return iter(())

    def _has_read(self, said: Said, data: bytes, pending: Pending) -> Iterator[Said]:
        """2.2.20."""
        at, size = number(data, 66, 1), number(data, 68, 4)
        self._session.sized(said, "read_response", size, self._room(data, at))
        self._session.content(said, pending.file, number(data, 36, 4), pending.offset, size)
        return self._in_pipe(said, data, pending.file, at, size)

    def _write(self, said: Said, data: bytes, pending: Pending) -> Iterator[Said]:
        """2.2.21."""
        pending.file, at, size = self._file(said, data, 80), number(data, 66, 2), number(data, 68, 4)
        self._session.sized(said, "write_request", size, self._room(data, at))
        self._session.content(said, pending.file, number(data, 36, 4), number(data, 72, 8), size)
        return self._in_pipe(said, data, pending.file, at, size)

    def _control(self, said: Said, data: bytes, pending: Pending) -> Iterator[Said]:
        """2.2.31."""
        code = number(data, 68, 4)
        said.about["smb.control_code"] = f"0x{code:08x}"
        pending.file = self._file(said, data, 72)
        return self._in_pipe(said, data, pending.file, number(data, 88, 4), number(data, 92, 4)) if code == PIPE_TRANSCEIVE else iter(())

    def _controlled(self, said: Said, data: bytes, _pending: Pending) -> Iterator[Said]:
        """2.2.32."""
        if number(data, 68, 4) != PIPE_TRANSCEIVE:
            return iter(())
        return self._in_pipe(said, data, self._file(said, data, 72), number(data, 96, 4), number(data, 100, 4))

    def _room(self, data: bytes, at: int) -> int:
        """For content from there on; of a message that was longer it is not known."""
        return MOST_SIZE if self._session.is_cut else max(len(data) - at, 0)

    def _file(self, said: Said, data: bytes, at: int) -> bytes:
        number(data, at, 16)
        self._session.about_file(said, data[at : at + 16])
        return data[at : at + 16]

    def _in_pipe(self, said: Said, data: bytes, file: object, at: int, size: int) -> Iterator[Said]:
        said.about["smb.n_bytes"] = size
        if not size or at < HEADER or file is None:
            return iter(())
        return self._session.pipe(said.to_server, file, number(data, 36, 4), data[at : at + size], size, "2")

    _requests: ClassVar[Mapping[int, Callable[[Smb2, Said, bytes, Pending], Iterator[Said]]]] = {
        Command.NEGOTIATE: _negotiate, Command.SESSION_SETUP: _logon, Command.TREE_CONNECT: _connect, Command.CREATE: _create, Command.CLOSE: _close,
        Command.READ: _read, Command.WRITE: _write, Command.IOCTL: _control,
    }  # fmt: skip
    _answers: ClassVar[Mapping[int, Callable[[Smb2, Said, bytes, Pending], Iterator[Said]]]] = {
        Command.NEGOTIATE: _negotiated, Command.SESSION_SETUP: _challenged, Command.TREE_CONNECT: _connected, Command.CREATE: _created,
        Command.READ: _has_read, Command.IOCTL: _controlled,
    }  # fmt: skip
