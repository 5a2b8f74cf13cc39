"""SMB over TCP, directly and in NetBIOS's session service: versions 1, 2 and 3, and the DCE/RPC in their named pipes.

RFC 1002 4.3 (session packets), [MS-SMB2] 2.1 (direct TCP, 2.2.41 encrypted, 2.2.42 compressed messages). Suricata 8 user guide, "SMB Keywords".

Buffers, UTF-8 without NUL, all of requests: smb.share and smb.named_pipe, the path of a tree connect with its server, the second if it ends with IPC$;
smb.ntlmssp_user, smb.ntlmssp_domain; file.name, the name or path by which a file or pipe is opened, deleted or renamed; dce.stub_data.
Events: see smb_session.EVENTS. Facts: smb.version "1" or "2" (3 is a dialect of 2); what dcerpc.py says of calls in pipes, which are messages of their own with their own transactions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from sensor.applications import smb1, smb2
from sensor.applications.application import Application, Conversation, Said
from sensor.applications.reading import Framed
from sensor.applications.smb_session import Session
from sensor.decode.packets import Transport

ENCRYPTED, COMPRESSED = b"\xfdSMB", b"\xfcSMB"
MESSAGE, REQUEST, KEEP_ALIVE = 0x00, 0x81, 0x85  # RFC 1002 4.3.1; between them are the answers to a request


class Smb(Framed):
    """One connection."""

    def __init__(self) -> None:
        super().__init__()
        self._session = Session()
        self._one, self._two = smb1.Smb1(self._session), smb2.Smb2(self._session)
        self._version = "2"
        self._hidden: set[bytes] = set()

    def size(self, held: bytearray) -> int | None:
        if held[0] != MESSAGE and not REQUEST <= held[0] <= KEEP_ALIVE:
            raise ValueError(f"session packets have no type {held[0]}")
        return 4 + int.from_bytes(held[1:4], "big") if len(held) >= 4 else None

    def refused(self, to_server: bool) -> Iterator[Said]:
        said = Said(to_server, facts={"smb.version": self._version}, transaction=self._session.transactions.begin())
        self._session.malformed(said, self.why)
        yield said

    def message(self, to_server: bool, data: bytes) -> Iterator[Said]:
        self._session.is_whole &= self.is_whole
        self._session.is_cut = len(data) < 4 + int.from_bytes(data[1:4], "big")
        try:
            yield from self._message(to_server, data)
        except (EOFError, ValueError):
            if not self._session.is_cut:
                raise

    def _message(self, to_server: bool, data: bytes) -> Iterator[Said]:
        if data[0] != MESSAGE or len(data) == 4:
            return
        match data[4:8]:
            case smb1.MAGIC:
                self._version = "1"
                yield from self._one.message(to_server, data, 4)
            case smb2.MAGIC:
                self._version = "2"
                yield from self._two.message(to_server, data, 4)
            case (b"\xfdSMB" | b"\xfcSMB") as magic:
                if magic not in self._hidden:  # said once: nothing more is known of the others
                    self._hidden.add(magic)
                    how = "encrypted" if magic == ENCRYPTED else "compressed"
                    yield Said(to_server, facts={"smb.version": "2"}, about={"smb.command": how}, transaction=self._session.transactions.begin())
            case _:
                raise ValueError("no message of SMB")

    def close(self) -> Iterator[Said]:
        yield from super().close()
        yield from self._session.close(self._version)


class SmbOverTcp(Application):
    name: ClassVar[str] = "smb"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.TCP: frozenset({139, 445})}
    knows_answers = True

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """With a message of SMB wherever it is; on its ports also with a session request or its answer."""
        if not data:
            return None
        if data[0] == MESSAGE:
            if len(data) >= 4 and int.from_bytes(data[1:4], "big") < smb1.HEADER + 3:
                return False
            magics = (smb1.MAGIC, smb2.MAGIC, ENCRYPTED, COMPRESSED)
            if not any(each.startswith(data[4:8]) for each in magics):
                return False
            return True if len(data) >= 8 else None
        if not expected:
            return False
        if data[0] == REQUEST and to_server:  # RFC 1002 4.3.2: two names of 34 bytes
            wanted = b"\x81\0\0\x44\x20"
            return wanted.startswith(data[:5]) if len(data) >= 5 else (None if wanted.startswith(data) else False)
        if 0x82 <= data[0] <= 0x84 and not to_server:  # 4.3.3 to 4.3.5
            size = {0x82: b"\0\0\0", 0x83: b"\0\0\x01", 0x84: b"\0\0\x06"}[data[0]]
            return True if data[1:4] == size else (None if len(data) < 4 and size.startswith(data[1:4]) else False)
        return False

    def open(self) -> Conversation:
        return Smb()
