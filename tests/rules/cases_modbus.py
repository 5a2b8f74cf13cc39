"""Cases of the packs modbus and umas."""

from __future__ import annotations

import struct

from sensor.demo.modbus import message, read, write_register
from tests.rules.cases import OUTSIDE, Case, Said, over, speech

to_device = over(speech, 502)


def pdu(content: str | bytes, transaction: int = 1, unit: int = 1) -> bytes:
    return message(transaction, unit, bytes.fromhex(content) if isinstance(content, str) else content)


def refused(function: int, code: int, times: int) -> list[Said]:
    """Reads that are refused with this exception."""
    found: list[Said] = []
    for i in range(times):
        found += [pdu(struct.pack(">BHH", function, i, 1), i), (1, pdu(bytes((function | 0x80, code)), i))]
    return found


def umas(function: int, content: bytes = b"", transaction: int = 1) -> bytes:
    return pdu(bytes((0x5A, 0, function)) + content, transaction)


CASES: dict[int, Case] = {
    9002001: to_device(pdu("08 0001 0000"), pdu("08 0000 0000")),
    9002002: to_device(pdu("08 0004 0000"), pdu("08 0002 0000")),
    9002003: to_device(pdu("08 000a 0000"), pdu("08 000b 0000")),
    9002004: to_device(pdu("08 0003 0a00"), pdu("08 000c 0000")),
    9002005: to_device(pdu(write_register(5, 1), unit=0), pdu(write_register(5, 1), unit=255)),
    9002006: to_device(pdu("15 09 06 0004 0007 0001 06af"), pdu("14 07 06 0004 0001 0002")),
    9002007: to_device(pdu("14 07 06 0004 0001 0002"), pdu("15 09 06 0004 0007 0001 06af")),
    9002008: to_device(pdu("11"), pdu("07")),
    9002009: to_device(pdu("2b 0e 03 00"), pdu("2b 0e 01 00")),
    9002010: to_device(pdu("00 0000"), pdu("64 0000")),
    9002011: to_device(pdu("7e 0000"), pdu("64 0000")),
    9002012: to_device(pdu("32 0000"), pdu("64 0000")),
    9002013: to_device(refused(3, 1, 10), refused(3, 6, 10)),
    9002014: to_device(refused(3, 2, 20), refused(3, 6, 20)),
    9002015: to_device(refused(3, 11, 20), refused(3, 6, 20)),
    9002016: to_device(refused(3, 4, 1), refused(3, 6, 1)),
    9002017: to_device(refused(3, 8, 1), refused(3, 6, 1)),
    9002018: to_device(pdu(write_register(5, 1)), pdu(write_register(5, 1)), client=OUTSIDE),
    9002019: to_device(pdu(read(3, 0, 4)), pdu(read(3, 0, 4)), client=OUTSIDE),
    9002020: to_device([pdu(struct.pack(">BHH", 5, i, 0xFF00), i) for i in range(100)], [pdu(struct.pack(">BHH", 5, i, 0xFF00), i) for i in range(99)]),
    9002021: to_device([pdu(write_register(i, 1), i) for i in range(100)], [pdu(write_register(i, 1), i) for i in range(99)]),
    9002022: to_device(pdu("2b 0d 0000"), pdu("2b 0e 01 00")),
    9002023: to_device(pdu("0c"), pdu("0b")),
    9002024: to_device([pdu(read(3, 125 * i, 125), i) for i in range(50)], [pdu(read(3, 125 * i, 124), i) for i in range(50)]),
    9002025: to_device(pdu("16 0004 00f2 0025"), pdu(write_register(4, 0x25))),
    9003001: to_device(umas(0x40, b"\xff\x00"), umas(0x04)),
    9003002: to_device(umas(0x41, b"\xff\x00"), umas(0x04, b"\x41")),
    9003003: to_device(umas(0x30, b"\x00\x01"), umas(0x35)),
    9003004: to_device(umas(0x31, b"\x00\x01\x00\x00\x04abcd"), umas(0x34, b"\x00\x01\x00\x00")),
    9003005: to_device(umas(0x32, b"\x00\x01"), umas(0x35)),
    9003006: to_device(umas(0x33, b"\x00\x01"), umas(0x34, b"\x00\x01\x00\x00")),
    9003007: to_device(umas(0x10, b"\x3c\x49\x00\x00\x05ADMIN"), umas(0x12)),
    9003008: to_device(umas(0x23, bytes(12)), umas(0x22, bytes(12))),
    9003009: to_device(umas(0x25, bytes(12)), umas(0x24, bytes(12))),
    9003010: to_device(umas(0x71, bytes(12)), umas(0x70, bytes(12))),
    9003011: to_device(umas(0x60, bytes(8)), umas(0x58, bytes(8))),
    9003012: to_device([umas(0x20, struct.pack("<BBHIHH", 0, 0x13, 0, i, 0, 100), i) for i in range(20)], [umas(0x20, bytes(12), i) for i in range(19)]),
    9003013: to_device(umas(0x03, b"\x00"), umas(0x04)),
    9003014: to_device(umas(0x02), umas(0x02), client=OUTSIDE),
    9003015: to_device(
        [each for i in range(10) for each in (umas(0x10, bytes((i,)), i), (1, umas(0xFD, b"\x10\x80", i)))],
        [each for i in range(10) for each in (umas(0x10, bytes((i,)), i), (1, umas(0xFE, b"\x10\x80", i)))],
        9003007,
    ),
}  # fmt: skip
