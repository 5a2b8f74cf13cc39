"""What SMB 1 and SMB 2 share: the tables of a connection, NTLM's messages, and what named pipes carry.

[MS-NLMP] 2.2.1 (messages), 2.2.2.1 (AV_PAIR), 2.2.2.10 (VERSION).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from sensor.applications.application import MOST_HELD, Said
from sensor.applications.dcerpc import Dcerpc, size_of
from sensor.applications.reading import Transactions, keep, text
from sensor.events.vocabulary import Action

EVENTS = (
    "malformed_data", "malformed_ntlmssp_request", "negotiate_malformed_dialects", "file_overlap", "response_to_server", "request_to_client",
    "read_request_too_large", "read_response_too_large", "write_request_too_large", "negotiate_max_read_size_too_large", "negotiate_max_write_size_too_large",
)  # fmt: skip
MOST_SIZE = 1 << 24  # bytes: no message says more (RFC 1002 4.3.1, [MS-SMB2] 2.1)
MOST_PIPES = 16  # of one connection that are listened to


def number(data: bytes, at: int, size: int) -> int:
    """A little-endian number. Raises EOFError where it is not there."""
    if at < 0 or at + size > len(data):
        raise EOFError(f"{size} bytes are expected at byte {at}, {max(len(data) - at, 0)} are there")
    return int.from_bytes(data[at : at + size], "little")


def unicode(data: bytes) -> bytes:
    """UTF-16 as UTF-8, without NUL."""
    return data[: len(data) & ~1].decode("utf-16-le", "replace").replace("\0", "").encode()


@dataclass(slots=True)
class Pending:
    """A request that waits for its answer. name: of the share or file that it opens. file: that it reads or writes, from `offset` on."""

    transaction: int
    name: bytes = b""
    file: Hashable = None
    offset: int = 0


@dataclass
class Session:
    """The tables of one connection, each with a bound. files: name by file identifier. shares: path by tree identifier.

    passed: by file and side, up to where its content has been read or written without a hole. most: bytes that may be read and written at a time, as the server
    says; 0 if it does not. is_cut: the message was longer than what is there of it. is_whole: see Conversation.
    """

    transactions: Transactions = field(default_factory=Transactions)
    pending: dict[Hashable, Pending] = field(default_factory=dict)
    shares: dict[int, bytes] = field(default_factory=dict)
    files: dict[Hashable, bytes] = field(default_factory=dict)
    pipes: dict[Hashable, Dcerpc] = field(default_factory=dict)
    passed: dict[tuple[Hashable, bool], int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=lambda: {"read": 0, "write": 0})
    is_cut: bool = False
    is_whole: bool = True

    def malformed(self, said: Said, why: str) -> None:
        """What is said cannot be read to its end."""
        said.about["smb.problem"] = why
        if not self.is_cut:
            said.event("smb.malformed_data")

    def directed(self, said: Said, is_answer: bool) -> None:
        """Who asks is the client: where the connection's beginning was seen, that is known."""
        if self.is_whole and is_answer == said.to_server:
            said.event("smb.response_to_server" if is_answer else "smb.request_to_client")

    def limits(self, said: Said, read: int, write: int) -> None:
        """What the server says that may be read and written at a time."""
        self.most = {"read": read, "write": write}
        for what, size in self.most.items():
            if size > MOST_SIZE:
                said.event(f"smb.negotiate_max_{what}_size_too_large")

    def sized(self, said: Said, event: str, size: int, room: int = MOST_SIZE) -> None:
        """event: read_request and the like, of which the size may not be more than the server's limit, nor than the room that the message has for it."""
        most = self.most[event.partition("_")[0]]
        if size > room or (most and size > most):
            said.event(f"smb.{event}_too_large")

    def content(self, said: Said, file: Hashable, tree: int, offset: int, size: int) -> None:
        """So many bytes of a file are read or written from there on. What a pipe says has no place."""
        if not size or file is None or self.shares.get(tree, b"IPC$").upper().endswith(b"IPC$"):
            return
        passed = self.passed.get((file, said.to_server), 0)
        if offset < passed:
            said.event("smb.file_overlap")
        if offset <= passed:
            keep(self.passed, (file, said.to_server), max(passed, offset + size))

    def request(self, key: Hashable) -> Pending:
        found = Pending(self.transactions.begin())
        keep(self.pending, key, found)
        return found

    def answered(self, key: Hashable, *, last: bool = True) -> Pending:
        """The request that is answered; one that nobody saw has nothing but a new transaction."""
        found = self.pending.get(key)
        if found is None:
            return Pending(self.transactions.begin())
        if last:
            del self.pending[key]
        return found

    def share(self, said: Said, path: bytes) -> None:
        """A tree connect's path: IPC$ is where named pipes are."""
        if path:
            is_pipe = path.upper().endswith(b"IPC$")
            said.buffers["smb.named_pipe" if is_pipe else "smb.share"] = [path]
            said.about["smb.share"] = text(path)

    def opens(self, said: Said, name: bytes) -> None:
        if name:
            said.buffers["file.name"] = [name]
            said.about["file.name"] = text(name)

    def about_file(self, said: Said, file: Hashable) -> None:
        if name := self.files.get(file):
            said.about["file.name"] = text(name)

    def about_share(self, said: Said, tree: int) -> None:
        if path := self.shares.get(tree):
            said.about["smb.share"] = text(path)

    def pipe(self, to_server: bool, file: Hashable, tree: int, data: bytes, size: int, version: str) -> Iterator[Said]:
        """What one side says in a pipe, `size` bytes of which `data` was captured. Files of disks are none, and what does not begin with DCE/RPC is not either."""
        share = self.shares.get(tree, b"IPC$")
        if not share.upper().endswith(b"IPC$"):
            return
        if file not in self.pipes:
            if not _begins(data):
                return
            keep(self.pipes, file, Dcerpc(self.transactions), MOST_PIPES)
        pipe = self.pipes[file]
        yield from self._named(pipe.feed(to_server, data), file, version)
        if size > len(data):
            yield from self._named(pipe.gap(to_server, size - len(data)), file, version)
        while len(self.pipes) > 1 and sum(each.n_held for each in self.pipes.values()) > MOST_HELD:
            del self.pipes[next(iter(self.pipes))]

    def closes(self, file: Hashable) -> None:
        self.files.pop(file, None)
        self.pipes.pop(file, None)
        for side in (False, True):
            self.passed.pop((file, side), None)

    def close(self, version: str) -> Iterator[Said]:
        for file, pipe in self.pipes.items():
            yield from self._named(pipe.close(), file, version)
        self.pipes.clear()

    def _named(self, said: Iterator[Said], file: Hashable, version: str) -> Iterator[Said]:
        for each in said:
            each.facts["smb.version"] = version
            if name := self.files.get(file):
                each.about["smb.named_pipe"] = text(name)
            yield each


def _begins(data: bytes) -> bool:
    try:
        return len(data) >= 16 and size_of(data) is not None and data[4] in (0x00, 0x10) and data[6:8] == b"\0\0"
    except ValueError:
        return False


MORE_PROCESSING_REQUIRED = 0xC0000016
CONNECTS = ("negotiate", "tree_connect", "tree_disconnect", "logoff", "echo")
OTHERS = ("cancel", "ioctl", "transaction", "change_notify", "oplock_break")


def is_error(status: int) -> bool:
    """[MS-ERREF] 2.3: severity 3. A logon that goes on is none."""
    return status >> 30 == 3 and status != MORE_PROCESSING_REQUIRED


def action_of(command: str) -> Action:
    """Logons, connections, and else what is done to files."""
    if command.startswith("session_setup"):
        return Action.AUTHENTICATE
    if command.startswith(CONNECTS):
        return Action.CONNECT
    return Action.OTHER if command.startswith((*OTHERS, "0x")) or command.isdigit() else Action.FILE_ACCESS


def ntlm(said: Said, blob: bytes) -> None:
    """The NTLM message in a security blob, as far as it is there: who logs on (smb.ntlmssp_user, smb.ntlmssp_domain), or who the server says it is."""
    at = blob.find(b"NTLMSSP\0")
    if at < 0:
        return
    message = blob[at:]
    try:
        match number(message, 8, 4):
            case 1:
                number(message, 12, 4)
            case 2:
                _challenge(said, message)
            case 3:
                _authenticate(said, message)
            case kind:
                _malformed(said, f"no NTLM message is of the type {kind}")
    except EOFError:
        _malformed(said, "an NTLM message is cut short")


def _malformed(said: Said, why: str) -> None:
    said.about["smb.problem"] = why
    if said.to_server:
        said.event("smb.malformed_ntlmssp_request")


def _field(message: bytes, at: int) -> bytes:
    size, begin = number(message, at, 2), number(message, at + 4, 4)
    return message[begin : begin + size]


def _challenge(said: Said, message: bytes) -> None:
    """[MS-NLMP] 2.2.1.2."""
    flags = number(message, 20, 4)
    names = {1: "smb.server_name", 2: "smb.server_domain", 3: "smb.server_dns_name", 4: "smb.server_dns_domain"}
    if flags & 0x02000000 and len(message) >= 56:
        major, minor, build = message[48], message[49], number(message, 50, 2)
        said.about["smb.server_os_version"] = f"{major}.{minor}.{build}"
    pairs, at = _field(message, 40), 0
    for _ in range(16):
        kind, size = number(pairs, at, 2), number(pairs, at + 2, 2)
        if kind == 0:
            break
        if kind in names and (name := unicode(pairs[at + 4 : at + 4 + size])):
            said.about[names[kind]] = text(name)
        at += 4 + size


def _authenticate(said: Said, message: bytes) -> None:
    """[MS-NLMP] 2.2.1.3."""
    is_unicode = len(message) < 64 or bool(number(message, 60, 4) & 1)
    for at, buffer, key in ((28, "smb.ntlmssp_domain", "user.domain"), (36, "smb.ntlmssp_user", "user.name"), (44, "", "smb.workstation")):
        value = _field(message, at)
        value = unicode(value) if is_unicode else value.replace(b"\0", b"")
        if value:
            said.about[key] = text(value)
            if buffer:
                said.buffers[buffer] = [value]
    for at in (12, 20, 28, 36, 44):
        size, begin = number(message, at, 2), number(message, at + 4, 4)
        if size and begin + size > len(message):
            raise EOFError(f"{size} bytes are expected at byte {begin}, {max(len(message) - begin, 0)} are there")
