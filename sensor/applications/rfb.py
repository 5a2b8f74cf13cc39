"""RFB, what VNC speaks: versions, how one logs on, and the desktop's name. What follows are pictures, keys and the mouse.

RFC 6143 7.1 (handshake), 7.2 (security types), 7.3 (initialisation). Suricata 8 user guide, "RFB Keywords".
Buffer: rfb.name, the desktop's name as sent. Facts, integers: rfb.sectype, what the client (before 3.7: the server) chose; rfb.secresult, 0 where it may go on. Events: see EVENTS.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from typing import ClassVar

from sensor.applications.application import MOST_HELD, Application, Conversation, Said
from sensor.applications.reading import text
from sensor.decode.packets import Transport

EVENTS = ("malformed_message", "unimplemented_security_type", "unknown_security_result", "confused_state")
VERSION = re.compile(rb"RFB (\d{3})\.(\d{3})\n")
FORM = b"RFB 003.008\n"
NONE, VNC = 1, 2
FAILED = 1  # 7.1.3; 2 is known to some
SECURITY = {
    0: "invalid",
    1: "none",
    2: "vnc",
    5: "ra2",
    6: "ra2ne",
    16: "tight",
    17: "ultra",
    18: "tls",
    19: "vencrypt",
    30: "apple_remote_desktop",
}  # 8.1.2, IANA
MOST_NAME = 1024
SERVER, CLIENT = False, True
Steps = Generator[tuple[bool, int] | Said, bytes, None]  # yields what it needs, a side and a number of bytes, and gets them; or something that is said


class Rfb(Conversation):
    def __init__(self) -> None:
        self._held = {SERVER: bytearray(), CLIENT: bytearray()}
        self._is_confused = False
        self._steps = self._handshake()
        self._needs = self._next(None)[1]

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        """The sides take turns; what one says too early waits."""
        if self.broken:
            return
        self._held[to_server] += data
        while self._needs is not None:
            side, size = self._needs
            held = self._held[side]
            if len(held) < size:
                break
            taken = bytes(held[:size])
            del held[:size]
            said, self._needs = self._next(taken)
            yield from said
        if self._needs and self._held[not self._needs[0]] and not self._is_confused:
            self._is_confused = True
            said_early = Said(not self._needs[0], about={"rfb.problem": "the other side has to speak first"})
            said_early.event("rfb.confused_state")
            yield said_early
        if self._needs is None or any(len(held) > MOST_HELD for held in self._held.values()):
            self.broken, self.why = True, self.why or "what follows is not looked at"
            self._held = {SERVER: bytearray(), CLIENT: bytearray()}

    def _next(self, data: bytes | None) -> tuple[list[Said], tuple[bool, int] | None]:
        """What is said until the handshake needs something, and what it needs; None at its end."""
        said: list[Said] = []
        try:
            step = next(self._steps) if data is None else self._steps.send(data)
            while isinstance(step, Said):
                said.append(step)
                step = next(self._steps)
        except StopIteration:
            return said, None
        except ValueError as error:
            self.why = str(error)
            return said, None
        return said, step

    def _handshake(self) -> Steps:
        minor = yield from self._versions()
        kind = yield from self._security(minor)
        if kind == VNC:
            yield SERVER, 16
            yield CLIENT, 16
        elif kind != NONE:
            return
        if kind == VNC or minor >= 8:  # 7.1.3
            result = int.from_bytes((yield SERVER, 4), "big")
            said = Said(SERVER, facts={"rfb.secresult": result, "rfb.sectype": kind}, about={"rfb.type": "security_result", "rfb.is_accepted": result == 0})
            if result > FAILED:
                said.event("rfb.unknown_security_result")
            yield said
            if result:
                return
        shared = yield CLIENT, 1
        size = yield SERVER, 24  # 7.3.2
        name = yield SERVER, min(int.from_bytes(size[20:], "big"), MOST_NAME)
        said = Said(SERVER, about={"rfb.type": "server_init", "rfb.name": text(name), "rfb.is_shared": shared != b"\0"})
        said.about |= {"rfb.width": int.from_bytes(size[:2], "big"), "rfb.height": int.from_bytes(size[2:4], "big")}
        if name:
            said.buffers["rfb.name"] = [name]
        yield said

    @staticmethod
    def _versions() -> Generator[tuple[bool, int] | Said, bytes, int]:
        """7.1.1: what both speak, by its second number."""
        minor = 0
        for side in (SERVER, CLIENT):
            found = VERSION.fullmatch((yield side, len(FORM)))
            if not found:
                said = Said(side, about={"rfb.problem": "no version of RFB"})
                said.event("rfb.malformed_message")
                yield said
                raise ValueError("no version of RFB")
            minor = int(found[2])
            yield Said(side, about={"rfb.type": "version", "rfb.version": f"{int(found[1])}.{minor}"})
        return minor

    @staticmethod
    def _security(minor: int) -> Generator[tuple[bool, int] | Said, bytes, int]:
        """7.1.2; before 3.7 the server chooses (appendix A)."""
        if minor < 7:
            chooser, kind = SERVER, int.from_bytes((yield SERVER, 4), "big")
        else:
            offered = yield SERVER, (yield SERVER, 1)[0]
            about = {"rfb.type": "security_types", "rfb.offered": [SECURITY.get(each, str(each)) for each in offered]}
            yield Said(SERVER, about=about)
            if not offered:
                return 0
            chooser, kind = CLIENT, (yield CLIENT, 1)[0]
        said = Said(chooser, facts={"rfb.sectype": kind}, about={"rfb.type": "security_type", "rfb.security_type": SECURITY.get(kind, str(kind))})
        if kind not in (NONE, VNC) and (kind or chooser == CLIENT):  # a server's 0 says no
            said.event("rfb.unimplemented_security_type")
        yield said
        return kind


class RfbOverTcp(Application):
    name: ClassVar[str] = "rfb"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.TCP: frozenset({5900, 5901, 5902, 5903})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """The server speaks first, and says its version."""
        if to_server:
            return False
        start = data[: len(FORM)]
        if len(start) == len(FORM):
            return VERSION.fullmatch(start) is not None
        return None if VERSION.fullmatch(start + FORM[len(start) :]) else False

    def open(self) -> Conversation:
        return Rfb()
