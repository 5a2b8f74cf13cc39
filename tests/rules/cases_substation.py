"""Cases of the packs goose, mms and synchrophasor."""

from __future__ import annotations

import struct
from collections.abc import Callable

from sensor.demo.goose import ETHERTYPE, number, tlv
from tests.make import ethernet
from tests.protocols.s7comm.build import data
from tests.rules.cases import OUTSIDE, Case, Frames, datagrams, over, speech

NS = 1_000_000
to_device = over(speech, 102)
to_unit, to_unit_udp = over(speech, 4712), over(datagrams, 4712)


def goose(state: int = 1, sequence: int = 0, *, live: int = 4000, simulated: int = 0, test: int = 0, needs: int = 0, revision: int = 3) -> bytes:
    """IEC 61850-8-1, annex C; simulated: the S bit of the header."""
    block = b"IED1LD0/LLN0$GO$gcb1"
    pdu = b"".join((
        tlv(0x80, block), number(0x81, live), tlv(0x82, b"IED1LD0/LLN0$ds1"), tlv(0x83, b"gcb1"), tlv(0x84, struct.pack(">I", 1_700_000_000) + b"\0\0\0\x0a"),
        number(0x85, state), number(0x86, sequence), tlv(0x87, bytes((test,))), number(0x88, revision), tlv(0x89, bytes((needs,))), number(0x8A, 1),
        tlv(0xAB, tlv(0x83, b"\x01")),
    ))  # fmt: skip
    body = tlv(0x61, pdu)
    return ethernet(struct.pack(">HHHH", 0x3001, 8 + len(body), simulated << 15, 0) + body, ETHERTYPE, destination="010ccd010001")


def later(*frames: tuple[int, bytes]) -> Frames:
    """Frames with their times in ms."""
    return [(1_700_000_000_000_000_000 + at * NS, frame) for at, frame in frames]


def mms(service: bytes, content: bytes = b"\x80\x00") -> bytes:
    """A confirmed request of ISO 9506-2 in the presentation layer of ISO 8823."""
    request = b"\x02\x01\x05" + service + bytes((len(content),)) + content
    request = b"\xa0" + bytes((len(request),)) + request
    user = b"\x02\x01\x03\xa0" + bytes((len(request),)) + request
    user = b"\x30" + bytes((len(user),)) + user
    return data(b"\x01\x00\x01\x00\x61" + bytes((len(user),)) + user)


def written(name: bytes) -> bytes:
    variable = b"\xa1" + bytes((len(name) + 8,)) + b"\x1a\x04IED1\x1a" + bytes((len(name),)) + name
    return mms(b"\xa5", variable + b"\xa0\x03\x83\x01\x01")


def read(name: bytes) -> bytes:
    return mms(b"\xa4", b"\x1a" + bytes((len(name),)) + name)


def command(code: int, *, version: int = 1, kind: int = 4, unit: int = 7) -> bytes:
    """C37.118.2, 6.2 and 6.6."""
    return struct.pack(">BBHHIIHH", 0xAA, kind << 4 | version, 18, unit, 1_700_000_000, 0, code, 0)


def unit_cases(base: int, case: Callable[..., Case]) -> dict[int, Case]:
    return {
        base: case(command(1), command(2)),
        base + 1: case(command(8), command(4)),
        base + 2: case([command(5, unit=i) for i in range(10)], [command(5, unit=i) for i in range(9)]),
        base + 3: case(command(2), command(2), client=OUTSIDE),
    }


CASES: dict[int, Case] = {
    9015001: Case([goose(simulated=1)], [goose()]),
    9015002: Case([goose(test=1)], [goose()]),
    9015003: Case([goose(needs=1)], [goose()]),
    9015004: Case([goose(100, 5), goose(90, 0)], [goose(100, 5), goose(101, 0)]),
    9015005: Case([goose(0xFFFFFFFF)], [goose(1000)]),
    9015006: Case([goose(live=0)], [goose(live=10)]),
    9015007: Case([goose(revision=0)], [goose(revision=1)]),
    9015008: Case(later((0, goose(5, 1)), (9000, goose(5, 2))), later((0, goose(5, 1)), (3000, goose(5, 2)))),
    9016001: to_device(mms(b"\xbf\x29"), mms(b"\xbf\x2a")),
    9016002: to_device(mms(b"\xbf\x28"), mms(b"\xbf\x2a")),
    9016003: to_device(mms(b"\xbf\x2b"), mms(b"\xbf\x2a")),
    9016004: to_device(mms(b"\xbf\x2c"), mms(b"\xbf\x2a")),
    9016005: to_device(mms(b"\xba"), mms(b"\xa2")),
    9016006: to_device(mms(b"\xbd"), mms(b"\xa2")),
    9016007: to_device(mms(b"\xbf\x24"), mms(b"\xbf\x25")),
    9016008: to_device(mms(b"\xbf\x26"), mms(b"\xbf\x2d")),
    9016009: to_device(mms(b"\xbf\x4c"), mms(b"\xbf\x4d")),
    9016010: to_device(mms(b"\xbf\x2e"), mms(b"\xbf\x48")),
    9016011: to_device(mms(b"\xbf\x4b"), mms(b"\xbf\x48")),
    9016012: to_device([written(b"CSWI%d$CO$Pos$Oper" % i) for i in range(10)], [read(b"CSWI%d$CO$Pos$Oper" % i) for i in range(10)]),
    9016013: to_device(written(b"LLN0$GO$gcb01$GoEna"), read(b"LLN0$GO$gcb01$GoEna")),
    9016014: to_device(written(b"LLN0$SP$SGCB$ActSG"), read(b"LLN0$SP$SGCB$ActSG")),
    **unit_cases(9020001, to_unit),
    **unit_cases(9020011, to_unit_udp),
}
