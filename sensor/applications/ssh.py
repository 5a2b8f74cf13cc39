"""SSH (RFC 4253): what both sides say they are and offer before they encrypt, and the HASSH fingerprints of it. Events: see EVENTS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from sensor.applications.application import Application, Conversation, Said
from sensor.applications.files import text
from sensor.applications.tls_hello import md5, vector
from sensor.decode.packets import Transport
from sensor.events.vocabulary import Action

KEXINIT, NEWKEYS = 20, 21  # RFC 4250 4.1.2
LONGEST_PACKET = 35_000  # RFC 4253 6.1
LONGEST_VERSION = 255  # RFC 4253 4.2
LONGEST_LINE = 1024  # other lines may come before a server's version
MOST_LINES = 64
EVENTS = ("invalid_banner", "long_banner", "invalid_record")
_VERSION = re.compile(rb"SSH-([^-\r\n]{1,32})-([^ \r\n]*)")
_BEGIN = re.compile(rb"SSH-[12]\.\d")
_OTHER = rb"(?:(?!SSH-)[^\0-\x08\x0a-\x1f\x7f]{0,1023}\r?\n)"  # lines that a server may send before its version
_BEGIN_BEHIND = re.compile(_OTHER + rb"{1,63}" + _BEGIN.pattern)
_ONLY_OTHER = re.compile(_OTHER + rb"{0,63}[^\0-\x08\x0a-\x1f\x7f]{0,1023}\r?")


class _Side:
    def __init__(self, to_server: bool) -> None:
        self.to_server = to_server
        self.held = bytearray()
        self.scanned = 0
        self.n_lines = 0
        self.has_version = False
        self.said: Said | None = None
        self.is_done = False

    def event(self, name: str) -> None:
        if self.said is None:
            self.said = Said(self.to_server, action=Action.CONNECT)
        self.said.event(f"ssh.{name}")

    def finish(self) -> Iterator[Said]:
        self.is_done = True
        self.held.clear()
        said, self.said = self.said, None
        if said:
            yield said


class SshConversation(Conversation):
    """Says each side's version and key exchange as one, since rules ask for both together. Behind NEWKEYS it wants no more."""

    def __init__(self) -> None:
        self._sides = {to_server: _Side(to_server) for to_server in (True, False)}

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        side = self._sides[to_server]
        if self.broken or side.is_done:
            return
        side.held += data
        while side.held and not side.is_done:
            size = len(side.held)
            yield from self._packet(side) if side.has_version else self._line(side)
            if len(side.held) == size:
                break
        self.broken = self.broken or all(each.is_done for each in self._sides.values())

    def gap(self, to_server: bool, size: int) -> Iterator[Said]:
        if not self.broken and not self._sides[to_server].is_done:
            yield from self._give_up(f"{size} bytes are missing")

    def close(self) -> Iterator[Said]:
        for side in self._sides.values() if not self.broken else ():
            if not side.has_version and side.held.startswith(b"SSH-") and len(side.held) > LONGEST_VERSION:
                side.event("long_banner")
            elif not side.has_version and side.n_lines:
                side.event("invalid_banner")
        yield from self._give_up(self.why)

    def _refuse(self, side: _Side, event: str, why: str) -> Iterator[Said]:
        """What this side says makes no sense."""
        side.event(event)
        assert side.said is not None
        side.said.about["ssh.problem"] = why
        yield from self._give_up(why)

    def _give_up(self, why: str) -> Iterator[Said]:
        self.broken, self.why = True, why
        for side in self._sides.values():
            yield from side.finish()

    def _line(self, side: _Side) -> Iterator[Said]:
        newline = side.held.find(b"\n", side.scanned)
        side.scanned = len(side.held)
        if (newline if newline >= 0 else len(side.held)) > LONGEST_LINE or side.n_lines >= MOST_LINES:
            yield from self._refuse(side, "long_banner" if side.held.startswith(b"SSH-") else "invalid_banner", "no version of SSH")
        elif newline >= 0:
            line = bytes(side.held[:newline])
            del side.held[: newline + 1]
            side.scanned = 0
            side.n_lines += 1
            if version := _VERSION.match(line):
                yield from self._version(side, version[1], version[2], is_long=len(line.rstrip(b"\r")) > LONGEST_VERSION)
            elif side.to_server or line.startswith(b"SSH-"):
                side.event("invalid_banner")

    def _version(self, side: _Side, protocol: bytes, software: bytes, *, is_long: bool) -> Iterator[Said]:
        side.has_version = True
        side.said = side.said or Said(side.to_server, action=Action.CONNECT)
        side.said.buffers["ssh.proto"] = [protocol]
        if is_long:
            side.event("long_banner")
        is_2 = protocol.startswith(b"2") or protocol == b"1.99"  # RFC 4253 5.1
        side.said.facts["ssh.protoversion"] = (text(protocol), "2_compat") if is_2 else text(protocol)
        side.said.about = {"ssh.version": text(protocol), "ssh.software": text(software)}
        if software:
            side.said.buffers["ssh.software"] = [software]
        if not is_2:
            yield from side.finish()

    def _packet(self, side: _Side) -> Iterator[Said]:
        """RFC 4253 6: length, length of padding, payload, padding; no MAC yet."""
        if len(side.held) < 5:
            return
        size, padding = int.from_bytes(side.held[:4]), side.held[4]
        if not padding + 1 < size <= LONGEST_PACKET:
            yield from self._refuse(side, "invalid_record", "bytes that are no packet")
        elif len(side.held) >= 4 + size:
            payload = bytes(side.held[5 : 4 + size - padding])
            del side.held[: 4 + size]
            if payload[0] == KEXINIT and side.said:
                try:
                    _say_algorithms(side.said, payload)
                except ValueError:
                    yield from self._refuse(side, "invalid_record", "a key exchange that ends early")
                    return
                said, side.said = side.said, None
                yield said
            elif payload[0] == NEWKEYS:
                yield from side.finish()


def _say_algorithms(said: Said, payload: bytes) -> None:
    """HASSH (Salesforce, github.com/salesforce/hassh): algorithms of key exchange, encryption, integrity and compression, those of the side's own direction."""
    lists, at = [], 17
    for _ in range(8):
        names, at = vector(payload, at, 4)
        lists.append(names)
    own = 2 if said.to_server else 3
    listed = b";".join((lists[0], lists[own], lists[own + 2], lists[own + 4]))
    name = "ssh.hassh" if said.to_server else "ssh.hassh.server"
    fingerprint = md5(listed)
    said.buffers |= {f"{name}.string": [listed], name: [fingerprint]}
    said.about["ssh.hassh" if said.to_server else "ssh.hassh_server"] = fingerprint.decode()


class Ssh(Application):
    name = "ssh"
    ports: ClassVar = {Transport.TCP: frozenset((22, 2222, 2200, 22222))}
    knows_answers = True

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A server may send other lines first (RFC 4253 4.2): those are waited for to their end where its port is expected."""
        if len(data) < 7 and _BEGIN.match(data + b"SSH-2.0"[len(data) :]):
            return None
        if _BEGIN.match(data) or (not to_server and _BEGIN_BEHIND.match(data)):
            return True
        return None if not to_server and expected and _ONLY_OTHER.fullmatch(data) else False

    def open(self) -> Conversation:
        return SshConversation()
