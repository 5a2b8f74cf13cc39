"""Cases of the packs bacnet and opcua."""

from __future__ import annotations

import struct

from tests.rules.cases import OUTSIDE, Case, Said, datagrams, over, speech

to_building = over(datagrams, 47808)
to_server = over(speech, 4840)
ROUTED = bytes.fromhex("2c 0001 01 05 0002 01 07 ff".replace(" ", ""))  # NPDU control with destination and source, network 1 station 5 from 2 station 7


def bvlc(function: int, content: bytes) -> bytes:
    """J.2."""
    return struct.pack(">BBH", 0x81, function, 4 + len(content)) + content


def npdu(apdu: bytes, control: bytes = b"\x04") -> bytes:
    """6.2."""
    return b"\x01" + control + apdu


def confirmed(service: int, content: bytes = b"\x09\x00", *, invoke: int = 1, control: bytes = b"\x04", kind: int = 0) -> bytes:
    """20.1.2."""
    return bvlc(0x0A, npdu(bytes((kind << 4, 5, invoke, service)) + content, control))


def unconfirmed(service: int, content: bytes = b"") -> bytes:
    """20.1.3."""
    return bvlc(0x0B, npdu(bytes((0x10, service)) + content, b"\x00"))


def ua(node: int, content: bytes = b"", *, kind: bytes = b"MSGF", number: int = 1) -> bytes:
    """OPC 10000-6, 6.7.2: header, channel, token, sequence number, request; then the type of what follows as a node identifier of four bytes."""
    body = struct.pack("<IIIIBBH", 1, 1, number, number, 1, 0, node) + content
    return kind + struct.pack("<I", 8 + len(body)) + body


def opened(policy: str) -> bytes:
    name = f"http://opcfoundation.org/UA/SecurityPolicy#{policy}".encode()
    body = struct.pack("<II", 0, len(name)) + name + b"\xff" * 8 + struct.pack("<IIBBH", 1, 1, 1, 0, 446)
    return b"OPNF" + struct.pack("<I", 8 + len(body)) + body


def hello(url: bytes) -> bytes:
    return b"HELF" + struct.pack("<IIIIIII", 32 + len(url), 0, 65535, 65535, 0, 0, len(url)) + url


def fault(status: int, times: int) -> list[Said]:
    """ServiceFaults with this status: timestamp, request handle, result."""
    faults = [ua(397, struct.pack("<QII", 0, i, status) + bytes(8), number=i) for i in range(times)]
    return [each for i in range(times) for each in (ua(631, number=i), (1, faults[i]))]


def token(identity: int) -> bytes:
    """ActivateSession: request header, then an identity token of this type."""
    return ua(467, bytes(40) + struct.pack("<BBHBI", 1, 0, identity, 1, 12) + struct.pack("<I", 4) + b"user" + struct.pack("<i", -1))


def times(node: int, count: int) -> list[Said]:
    return [ua(node, bytes(20), number=i) for i in range(count)]


CASES: dict[int, Case] = {
    9007001: to_building(confirmed(20, control=ROUTED), confirmed(20, kind=3)),
    9007002: to_building(confirmed(17), confirmed(17, kind=2)),
    9007003: to_building(confirmed(7), confirmed(7, kind=3)),
    9007004: to_building(confirmed(6), confirmed(12)),
    9007005: to_building(confirmed(10), confirmed(12)),
    9007006: to_building(confirmed(11), confirmed(12)),
    9007007: to_building(confirmed(8), confirmed(5)),
    9007008: to_building(confirmed(9), confirmed(5)),
    9007009: to_building(confirmed(27), confirmed(28)),
    9007010: to_building(confirmed(21), confirmed(22)),
    9007011: to_building(confirmed(18), confirmed(12)),
    9007012: to_building([confirmed(15, invoke=i) for i in range(50)], [confirmed(15, invoke=i) for i in range(49)]),
    9007013: to_building(unconfirmed(6, bytes(10)), unconfirmed(0, bytes(10))),
    9007014: to_building(bvlc(1, bytes(10)), bvlc(2, b"")),
    9007015: to_building(bvlc(5, b"\x00\x3c"), bvlc(2, b"")),
    9007016: to_building(bvlc(8, bytes(6)), bvlc(6, b"")),
    9007017: to_building(bvlc(0x0A, b"\x01\x80\x06\x00"), bvlc(0x0A, b"\x01\x80\x00\x00\x01")),
    9007018: to_building([unconfirmed(8, bytes((9, i))) for i in range(30)], [unconfirmed(8, bytes((9, i))) for i in range(29)]),
    9007019: to_building(confirmed(12), confirmed(12), client=OUTSIDE),
    9007020: to_building(
        [confirmed(12), (1, bvlc(0x0A, npdu(bytes.fromhex("5001149104911a"), b"\x00")))],
        [confirmed(12), (1, bvlc(0x0A, npdu(bytes.fromhex("50010c91019120"), b"\x00")))],
    ),
    9008001: to_server(opened("None"), opened("Basic256Sha256")),
    9008002: to_server(token(324), token(321)),
    9008003: to_server(times(712, 50), times(712, 49)),
    9008004: to_server(ua(488), ua(631)),
    9008005: to_server(ua(500), ua(631)),
    9008006: to_server(ua(700), ua(664)),
    9008007: to_server(times(673, 100), times(673, 99)),
    9008008: to_server(times(527, 100), times(527, 99)),
    9008009: to_server(times(428, 10), times(428, 9)),
    9008010: to_server(fault(0x801F0000, 3), fault(0x80340000, 3)),
    9008011: to_server(fault(0x80210000, 3), fault(0x80340000, 3)),
    9008012: to_server(hello(b"opc.tcp://plc:4840"), hello(b"opc.tcp://plc:4840"), client=OUTSIDE),
    9008013: to_server(times(12190, 10), times(12190, 9)),
}
