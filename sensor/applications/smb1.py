"""SMB 1 (CIFS): one message, with the commands that are chained to its first. [MS-CIFS] 2.2.3 and 2.2.4, [MS-SMB] 2.2.4."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from typing import ClassVar, NamedTuple

from sensor.applications.application import Said
from sensor.applications.reading import keep, text
from sensor.applications.smb_session import Pending, Session, action_of, is_error, ntlm, number, unicode

MAGIC = b"\xffSMB"
HEADER = 32  # 2.2.3.1
REPLY, UNICODE = 0x80, 0x8000  # Flags and Flags2
TRANSACT_NAMED_PIPE = 0x26  # 2.2.5.6
NO_MORE = 0xFF


class Command(IntEnum):
    """2.2.2.1: those that are read here, and the common others."""

    DELETE = 0x06
    RENAME = 0x07
    TRANSACTION = 0x25
    ECHO = 0x2B
    OPEN_ANDX = 0x2D
    READ_ANDX = 0x2E
    WRITE_ANDX = 0x2F
    TRANSACTION2 = 0x32
    TREE_DISCONNECT = 0x71
    NEGOTIATE = 0x72
    SESSION_SETUP_ANDX = 0x73
    LOGOFF_ANDX = 0x74
    TREE_CONNECT_ANDX = 0x75
    NT_TRANSACT = 0xA0
    NT_CREATE_ANDX = 0xA2
    CLOSE = 0x04


COMMANDS = {int(each): each for each in Command}
FROM_BOTH = frozenset({0x24})  # LOCKING_ANDX, by which a server breaks an oplock
ANDX = frozenset({0x24, 0x2D, 0x2E, 0x2F, 0x73, 0x74, 0x75, 0xA2})


class Block(NamedTuple):
    """One command of a message. words: where its parameters begin; n_words of two bytes. data: where its bytes begin, and end."""

    message: bytes
    words: int
    n_words: int
    data: int
    end: int

    def word(self, at: int, size: int = 2) -> int:
        """A number within the parameters. Raises EOFError behind their end."""
        if at + size > 2 * self.n_words:
            raise EOFError(f"the command has {self.n_words} words, byte {at} of them is expected")
        return number(self.message, self.words + at, size)

    @property
    def is_unicode(self) -> bool:
        return bool(number(self.message, 10, 2) & UNICODE)

    @property
    def tree(self) -> int:
        return number(self.message, 24, 2)

    def strings(self, at: int, count: int, *, is_unicode: bool | None = None) -> list[bytes]:
        """So many texts that end with NUL, in UTF-8. Those in Unicode are aligned to two bytes from the header."""
        found: list[bytes] = []
        wide = self.is_unicode if is_unicode is None else is_unicode
        for _ in range(count):
            at += at & 1 if wide else 0
            if at >= self.end:
                break
            end = at
            if wide:
                while (end := self.message.find(b"\0\0", end, self.end)) >= 0 and (end - at) & 1:
                    end += 1
            else:
                end = self.message.find(b"\0", at, self.end)
            end = self.end if end < 0 else end
            found.append(unicode(self.message[at:end]) if wide else self.message[at:end])
            at = end + (2 if wide else 1)
        return found


class Smb1:
    """Reads the messages of one connection."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def message(self, to_server: bool, data: bytes, at: int) -> Iterator[Said]:
        data = data[at:]
        if len(data) < HEADER + 3:
            raise ValueError("no header of SMB 1")
        code, is_answer = data[4], bool(data[9] & REPLY)
        key = (number(data, 12, 2), number(data, 26, 2), number(data, 30, 2))  # PID and MID
        pending = self._session.answered(key) if is_answer else self._session.request(key)
        said = Said(to_server, facts={"smb.version": "1"}, transaction=pending.transaction)
        said.about["smb.command"] = self._names(code)
        said.action = action_of(said.about["smb.command"])
        status = number(data, 5, 4)
        if is_answer:
            said.about["smb.status"] = f"0x{status:08x}"
            said.failed = is_error(status)
        if code not in FROM_BOTH:
            self._session.directed(said, is_answer)
        self._session.about_share(said, number(data, 24, 2))
        inner: list[Said] = []
        try:
            for command, block in blocks(data):
                read = (self._answers if is_answer else self._requests).get(command)
                if read:
                    inner += read(self, said, block, pending)
        except EOFError as error:
            self._session.malformed(said, str(error))
        yield said
        yield from inner

    @staticmethod
    def _names(code: int) -> str:
        return COMMANDS[code].name.lower() if code in COMMANDS else f"0x{code:02x}"

    def _negotiate(self, said: Said, block: Block, _pending: Pending) -> Iterator[Said]:
        """2.2.4.52."""
        offered = block.message[block.data : block.end]
        dialects = offered.split(b"\x02")[1:33]
        said.about["smb.dialects"] = [text(each.partition(b"\0")[0]) for each in dialects]
        if not (offered.startswith(b"\x02") and offered.endswith(b"\0")) or any(each.find(b"\0") != len(each) - 1 for each in dialects):
            said.event("smb.negotiate_malformed_dialects")
        return iter(())

    def _logon(self, said: Said, block: Block, _pending: Pending) -> Iterator[Said]:
        """2.2.4.53, and [MS-SMB] 2.2.4.6.1 with a security blob."""
        at = block.data
        if block.n_words == 12:
            size = block.word(14)
            ntlm(said, block.message[at : min(at + size, block.end)])
            system = block.strings(at + size, 2)
        elif block.n_words == 13:
            account, domain, *system = [*block.strings(at + block.word(14) + block.word(16), 4), b"", b""]
            if account:
                said.about["user.name"] = text(account)
            if domain:
                said.about["user.domain"] = text(domain)
        else:
            return iter(())
        self._system(said, system, "client")
        return iter(())

    def _logged_on(self, said: Said, block: Block, _pending: Pending) -> Iterator[Said]:
        """2.2.4.53, and [MS-SMB] 2.2.4.6.2."""
        if block.n_words == 4:
            size = block.word(6)
            ntlm(said, block.message[block.data : min(block.data + size, block.end)])
            self._system(said, block.strings(block.data + size, 2), "server")
        elif block.n_words == 3:
            self._system(said, block.strings(block.data, 2), "server")
        return iter(())

    @staticmethod
    def _system(said: Said, texts: list[bytes], side: str) -> None:
        """What a side says of its own system."""
        if texts and texts[0]:
            said.about[f"smb.{side}_os"] = text(texts[0])

    def _connect(self, said: Said, block: Block, pending: Pending) -> Iterator[Said]:
        """2.2.4.55."""
        [*path] = block.strings(block.data + block.word(6), 1)
        pending.name = path[0] if path else b""
        self._session.share(said, pending.name)
        return iter(())

    def _connected(self, said: Said, block: Block, pending: Pending) -> Iterator[Said]:
        """2.2.4.55."""
        if pending.name and not number(block.message, 5, 4):
            keep(self._session.shares, block.tree, pending.name)
            self._session.about_share(said, block.tree)
        if service := block.strings(block.data, 1, is_unicode=False):
            said.about["smb.share_type"] = text(service[0])
        return iter(())

    def _create(self, said: Said, block: Block, pending: Pending) -> Iterator[Said]:
        """2.2.4.64."""
        at, size = block.data, block.word(5)
        at += at & 1 if block.is_unicode else 0
        name = block.message[at : min(at + size, block.end)]
        pending.name = unicode(name) if block.is_unicode else name.rstrip(b"\0")
        self._session.opens(said, pending.name)
        return iter(())

    def _open(self, said: Said, block: Block, pending: Pending) -> Iterator[Said]:
        """2.2.4.41."""
        pending.name = next(iter(block.strings(block.data, 1)), b"")
        self._session.opens(said, pending.name)
        return iter(())

    def _delete(self, said: Said, block: Block, _pending: Pending) -> Iterator[Said]:
        """2.2.4.7 and 2.2.4.8: a text that has its kind before it."""
        self._session.opens(said, next(iter(block.strings(block.data + 1, 1)), b""))
        return iter(())

    def _opened(self, said: Said, block: Block, pending: Pending) -> Iterator[Said]:
        """2.2.4.64 and 2.2.4.41."""
        file = block.word(5 if block.n_words >= 34 else 4)
        if pending.name and not number(block.message, 5, 4):
            keep(self._session.files, file, pending.name)
            self._session.about_file(said, file)
        return iter(())

    def _close(self, said: Said, block: Block, _pending: Pending) -> Iterator[Said]:
        """2.2.4.5."""
        self._session.about_file(said, block.word(0))
        self._session.closes(block.word(0))
        return iter(())

    def _read(self, said: Said, block: Block, pending: Pending) -> Iterator[Said]:
        """2.2.4.42."""
        pending.file, pending.offset = block.word(4), block.word(6, 4) | (block.word(20, 4) << 32 if block.n_words >= 12 else 0)
        self._session.about_file(said, pending.file)
        return iter(())

    def _has_read(self, said: Said, block: Block, pending: Pending) -> Iterator[Said]:
        """2.2.4.42."""
        size = block.word(10) | block.word(14) << 16
        self._session.content(said, pending.file, block.tree, pending.offset, size)
        return self._in_pipe(said, block, pending.file, block.word(12), size)

    def _write(self, said: Said, block: Block, pending: Pending) -> Iterator[Said]:
        """2.2.4.43."""
        pending.file = block.word(4)
        self._session.about_file(said, pending.file)
        offset, size = block.word(6, 4) | (block.word(24, 4) << 32 if block.n_words >= 14 else 0), block.word(20) | block.word(18) << 16
        self._session.content(said, pending.file, block.tree, offset, size)
        return self._in_pipe(said, block, pending.file, block.word(22), size)

    def _transact(self, said: Said, block: Block, pending: Pending) -> Iterator[Said]:
        """2.2.4.33 and 2.2.5.6."""
        if block.word(26, 1) < 2 or block.word(28) != TRANSACT_NAMED_PIPE:
            return iter(())
        pending.file = block.word(30)
        self._session.about_file(said, pending.file)
        return self._in_pipe(said, block, pending.file, block.word(24), block.word(22))

    def _transacted(self, said: Said, block: Block, pending: Pending) -> Iterator[Said]:
        """2.2.4.33."""
        return self._in_pipe(said, block, pending.file, block.word(14), block.word(12)) if block.n_words >= 10 else iter(())

    def _in_pipe(self, said: Said, block: Block, file: object, at: int, size: int) -> Iterator[Said]:
        said.about["smb.n_bytes"] = size
        if not size or at < HEADER or file is None:
            return iter(())
        return self._session.pipe(said.to_server, file, block.tree, block.message[at : at + size], size, "1")

    _requests: ClassVar[Mapping[int, Callable[[Smb1, Said, Block, Pending], Iterator[Said]]]] = {
        Command.NEGOTIATE: _negotiate, Command.SESSION_SETUP_ANDX: _logon, Command.TREE_CONNECT_ANDX: _connect, Command.NT_CREATE_ANDX: _create,
        Command.OPEN_ANDX: _open, Command.DELETE: _delete, Command.RENAME: _delete, Command.CLOSE: _close, Command.READ_ANDX: _read,
        Command.WRITE_ANDX: _write, Command.TRANSACTION: _transact,
    }  # fmt: skip
    _answers: ClassVar[Mapping[int, Callable[[Smb1, Said, Block, Pending], Iterator[Said]]]] = {
        Command.SESSION_SETUP_ANDX: _logged_on, Command.TREE_CONNECT_ANDX: _connected, Command.NT_CREATE_ANDX: _opened, Command.OPEN_ANDX: _opened,
        Command.READ_ANDX: _has_read, Command.TRANSACTION: _transacted,
    }  # fmt: skip


def blocks(message: bytes) -> Iterator[tuple[int, Block]]:
    """The commands of a message, each behind the one before it (2.2.3.4). Raises EOFError where one is cut short. An answer that failed has no words."""
    command, at = message[4], HEADER
    for _ in range(8):
        n_words = number(message, at, 1)
        words = at + 1
        n_bytes = number(message, words + 2 * n_words, 2)
        data = words + 2 * n_words + 2
        if n_words or n_bytes:
            yield command, Block(message, words, n_words, data, min(data + n_bytes, len(message)))
        if command not in ANDX or n_words < 2 or message[words] == NO_MORE:
            return
        command, following = message[words], number(message, words + 2, 2)
        if following <= at:
            return
        at = following
