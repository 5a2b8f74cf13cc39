"""WebSocket (RFC 6455 5), behind HTTP's answer 101. Suricata 8 user guide, "WebSocket Keywords".

Buffer: websocket.payload, without its mask, of the last frame of a message that of all of them (what permessage-deflate has packed is inflated, RFC 7692).
Facts: websocket.opcode, websocket.flags (the first octet's upper four bits), websocket.mask (of frames that have one) integers.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import ClassVar

from sensor.applications.application import MOST_HELD, Application, Conversation, Said
from sensor.applications.reading import Framed
from sensor.decode.packets import Transport

FIN, PACKED = 0x80, 0x40
OPCODES = {0: "continuation", 1: "text", 2: "binary", 8: "connection_close", 9: "ping", 10: "pong"}  # 11.8
CLOSE = 8
TAIL = b"\0\0\xff\xff"  # RFC 7692 7.2.2


def header(held: bytes | bytearray) -> tuple[int, int, int] | None:
    """Where the mask and the payload begin, and how long the payload is (5.2); None: more bytes are needed."""
    if len(held) < 2:
        return None
    size, at = held[1] & 0x7F, 2
    if size > 125:
        at += 2 if size == 126 else 8
        size = int.from_bytes(held[2:at])
    begin = at + 4 * (held[1] >> 7)
    return None if len(held) < begin else (at, begin, size)


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """5.3."""
    key = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(len(payload))


class WebSocketConversation(Framed):
    def __init__(self) -> None:
        super().__init__()
        self._n_frames = 0
        self._parts: dict[bool, tuple[bytearray, bool]] = {}  # of a message under way: what there is of it, and whether it is packed
        self._inflate = {side: zlib.decompressobj(-zlib.MAX_WBITS) for side in (False, True)}

    def size(self, held: bytearray) -> int | None:
        if held[0] & 0x0F not in OPCODES:
            raise ValueError(f"no frame of WebSocket has the opcode {held[0] & 0x0F}")
        found = header(held)
        return None if found is None else found[1] + found[2]

    def message(self, to_server: bool, data: bytes) -> Iterator[Said]:
        found = header(data)
        if found is None:
            return
        at, begin, size = found
        opcode, payload = data[0] & 0x0F, data[begin:]
        said = Said(to_server, facts={"websocket.opcode": opcode, "websocket.flags": data[0] & 0xF0}, transaction=self._n_frames)
        self._n_frames += 1
        if begin > at:
            said.facts["websocket.mask"] = int.from_bytes(data[at:begin])
            payload = unmasked(payload, data[at:begin])
        said.about = {"websocket.opcode": OPCODES[opcode], "websocket.size": size}
        if size > MOST_HELD - 1:
            said.facts["app-layer-event"] = "websocket.skip_end_of_payload"
        elif opcode < CLOSE and not data[0] & 0x0F and len(self._parts.get(to_server, (b"",))[0]) + size > MOST_HELD - 1:
            said.facts["app-layer-event"] = "websocket.reassembly_limit_reached"
        if opcode < CLOSE:
            payload = self._whole(to_server, data[0], payload)
        elif opcode == CLOSE and len(payload) >= 2:
            said.about["websocket.close_code"] = int.from_bytes(payload[:2])
        if payload:
            said.buffers["websocket.payload"] = [payload]
        yield said

    def _whole(self, to_server: bool, first: int, payload: bytes) -> bytes:
        """A frame's payload; of the last one of several what they are together."""
        parts, is_packed = self._parts.pop(to_server, (bytearray(), False)) if not first & 0x0F else (bytearray(), bool(first & PACKED))
        parts += payload[: MOST_HELD - len(parts)]
        if not first & FIN:
            self._parts[to_server] = parts, is_packed
            return payload
        return self._unpacked(to_server, bytes(parts)) if is_packed else bytes(parts)

    def _unpacked(self, to_server: bool, data: bytes) -> bytes:
        """Inflated, at most MOST_HELD bytes; as it was where that cannot be done, and after it."""
        inflate = self._inflate[to_server]
        try:
            result = inflate.decompress(data + TAIL, MOST_HELD)
        except zlib.error:
            return data
        if inflate.unconsumed_tail:  # too long: what follows may refer to what is not here
            self._inflate[to_server] = zlib.decompressobj(-zlib.MAX_WBITS)
        return result or data


class WebSocket(Application):
    name: ClassVar[str] = "websocket"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.TCP: frozenset()}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """Nothing in a frame says what it is: only what HTTP has announced is one."""
        return expected and bool(data) and data[0] & 0x0F in OPCODES and not data[0] & 0x30

    def open(self) -> Conversation:
        return WebSocketConversation()
