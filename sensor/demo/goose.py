"""GOOSE and LLDP frames. Sources: IEC 61850-8-1 annex A and C; IEEE 802.1AB clause 8."""

from __future__ import annotations

import struct

ETHERTYPE, LLDP_ETHERTYPE = 0x88B8, 0x88CC
NEAREST_BRIDGE = "01:80:c2:00:00:0e"


def tlv(tag: int, content: bytes) -> bytes:
    """BER with a definite length."""
    size = len(content)
    return bytes((tag,)) + (bytes((size,)) if size < 0x80 else bytes((0x81, size))) + content


def number(tag: int, value: int) -> bytes:
    return tlv(tag, value.to_bytes(max(1, value.bit_length() // 8 + 1)))


def publish(appid: int, block: str, ts_ns: int, state: int, sequence: int, *, closed: bool, current: float) -> bytes:
    """A PDU of a feeder's control block: breaker position, trip, and a current in amperes. ts_ns: of its last change."""
    device, _, name = block.partition("/LLN0$GO$")
    values = tlv(0x84, b"\x06\x80" if closed else b"\x06\x40") + tlv(0x83, b"\x00") + tlv(0x87, b"\x08" + struct.pack(">f", current))
    stamp = struct.pack(">I", ts_ns // 1_000_000_000) + (ts_ns % 1_000_000_000 * (1 << 24) // 1_000_000_000).to_bytes(3) + b"\x0a"
    pdu = b"".join((
        tlv(0x80, block.encode()), number(0x81, 4000), tlv(0x82, f"{device}/LLN0$Breaker".encode()), tlv(0x83, name.encode()), tlv(0x84, stamp),
        number(0x85, state), number(0x86, sequence), tlv(0x87, b"\x00"), number(0x88, 1), tlv(0x89, b"\x00"), number(0x8A, 3), tlv(0xAB, values),
    ))  # fmt: skip
    body = tlv(0x61, pdu)
    return struct.pack(">HHHH", appid, 8 + len(body), 0, 0) + body


def lldp(mac: str, port: int, name: str, description: str, address: str) -> bytes:
    """What a bridge says of itself: chassis, port, time to live, names, capabilities, management address."""

    def part(kind: int, content: bytes) -> bytes:
        return struct.pack(">H", kind << 9 | len(content)) + content

    management = bytes((5, 1, *map(int, address.split(".")))) + struct.pack(">BIB", 2, port, 0)
    return b"".join((
        part(1, b"\x04" + bytes.fromhex(mac.replace(":", ""))), part(2, b"\x07" + str(port).encode()), part(3, struct.pack(">H", 120)),
        part(4, f"Port {port}".encode()), part(5, name.encode()), part(6, description.encode()), part(7, struct.pack(">HH", 4, 4)), part(8, management),
        part(0, b""),
    ))  # fmt: skip
