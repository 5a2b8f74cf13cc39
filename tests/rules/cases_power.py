"""Cases of the packs iec104 and dnp3."""

from __future__ import annotations

import struct

from sensor.demo.dnp3 import MASTER, OUTSTATION, crc, frame
from sensor.demo.iec104 import asdu, information, unnumbered
from tests.rules.cases import OUTSIDE, Case, Said, over, speech

to_station = over(speech, 2404)
to_outstation = over(speech, 20000)


def told(kind: int, cause: int, elements: bytes, *, sent: int = 0, station: int = 1, address: int = 100) -> bytes:
    """An ASDU with one object."""
    return information(sent, 0, asdu(kind, cause, station, (address, elements)))


def commands(kind: int, elements: bytes, times: int, cause: int = 6) -> list[Said]:
    return [told(kind, cause, elements, sent=i, address=100 + i) for i in range(times)]


def answered(kind: int, cause: int, elements: bytes, times: int) -> list[Said]:
    """Commands, and what the station says to each."""
    return [each for i in range(times) for each in (told(kind, 6, elements, sent=i), (1, told(kind, cause, elements, sent=i)))]


def asked(function: int, objects: str = "", *, number: int = 0, destination: int = 10) -> bytes:
    return frame(MASTER, destination, 3, bytes((0xC0 | number & 15, function)) + bytes.fromhex(objects), number)


def replied(objects: str = "", *, iin: str = "0000", number: int = 0) -> Said:
    return 1, frame(OUTSTATION, 3, 10, bytes((0xC0 | number & 15, 129)) + bytes.fromhex(iin + objects), number)


def exchanged(iin: str, times: int = 1) -> list[Said]:
    """Reads of class 0, answered with these indications (IIN1 first)."""
    return [each for i in range(times) for each in (asked(1, "3c0106", number=i), replied(iin=iin, number=i))]


def link(function: int, destination: int = 10) -> bytes:
    """A link frame without user data."""
    content = struct.pack("<HBBHH", 0x6405, 5, 0xC0 | function, destination, 3)
    return content + crc(content)


def opened(mode: int) -> str:
    """Group 70, variation 3: open, of a file with this mode (11.3.1: name, time, permissions, key, size, mode, block, request)."""
    name = b"/cfg.xml"
    content = struct.pack("<HH6sHIIHHH", 26, len(name), bytes(6), 0, 0, 100, mode, 512, 1) + name
    return (b"\x46\x03\x5b\x01" + struct.pack("<H", len(content)) + content).hex()


CROB = "0c01280100 0500 03 01 64000000 64000000 00"
SINGLE_ON, DOUBLE_ON, STEP_UP = b"\x01", b"\x02", b"\x02"
SELECTED = b"\x81"
FLOAT = struct.pack("<fB", 1.0, 0)

CASES: dict[int, Case] = {
    9004001: to_station(told(105, 6, b"\x01", address=0), told(105, 7, b"\x01", address=0)),
    9004002: to_station(commands(45, SINGLE_ON, 10), commands(45, SELECTED, 10)),
    9004003: to_station(commands(46, DOUBLE_ON, 10), commands(46, DOUBLE_ON, 9)),
    9004004: to_station(commands(47, STEP_UP, 20), commands(47, STEP_UP, 19)),
    9004005: to_station(commands(50, FLOAT, 50), commands(50, FLOAT, 50, cause=8)),
    9004006: to_station(told(51, 6, bytes(4)), told(51, 8, bytes(4))),
    9004007: to_station(told(112, 6, FLOAT[:4] + b"\x01"), told(50, 6, FLOAT)),
    9004008: to_station(told(113, 6, b"\x01"), told(113, 8, b"\x01")),
    9004009: to_station(told(122, 13, b"\x01\x00\x00\x04"), told(122, 13, b"\x01\x00\x00\x03")),
    9004010: to_station(told(120, 13, b"\x01\x00\x64\x00\x00\x00"), told(124, 13, b"\x01\x00\x01\x01")),
    9004011: to_station(told(122, 13, b"\x01\x00\x00\x02"), told(122, 13, b"\x01\x00\x00\x03")),
    9004012: to_station(told(101, 6, b"\x85", address=0), told(101, 6, b"\x05", address=0)),
    9004013: to_station([told(102, 5, b"", sent=i, address=i + 1) for i in range(30)], [told(102, 5, b"", sent=i, address=i + 1) for i in range(29)]),
    9004014: to_station(commands(100, b"\x14", 10), commands(100, b"\x14", 9)),
    9004015: to_station(answered(45, 47, SELECTED, 5), answered(45, 7, SELECTED, 5)),
    9004016: to_station(answered(45, 44, SELECTED, 3), answered(45, 7, SELECTED, 3)),
    9004017: to_station(answered(45, 46, SELECTED, 3), answered(45, 7, SELECTED, 3)),
    9004018: to_station(unnumbered(0x13), unnumbered(0x43)),
    9004019: to_station(told(140, 6, b"\x01"), told(45, 6, b"\x01")),
    9004020: to_station(told(52, 6, b"\x01"), told(45, 6, b"\x01")),
    9004021: to_station(told(45, 6, b"\x01", station=0xFFFF), told(100, 6, b"\x14", station=0xFFFF)),
    9004022: to_station([unnumbered(7), (1, told(70, 4, b"\x02", address=0))], [unnumbered(7), (1, told(70, 4, b"\x00", address=0))]),
    9004023: to_station(told(45, 6, b"\x01"), told(45, 6, b"\x01"), client=OUTSIDE),
    9004024: to_station(unnumbered(7), unnumbered(7), client=OUTSIDE),
    9004025: to_station(answered(45, 0x47, SINGLE_ON, 5), answered(45, 0x07, SINGLE_ON, 5)),
    9004026: to_station(told(13, 3, FLOAT), told(50, 6, FLOAT)),
    9005001: to_outstation(asked(13), asked(24)),
    9005002: to_outstation(asked(14), asked(23)),
    9005003: to_outstation(asked(18, "5a01 06"), asked(23)),
    9005004: to_outstation(asked(17, "5a01 06"), asked(23)),
    9005005: to_outstation(asked(16, "5a01 06"), asked(23)),
    9005006: to_outstation(asked(15, "1400 06"), asked(7, "1400 06")),
    9005007: to_outstation(asked(19), asked(23)),
    9005008: to_outstation(asked(31, "4608 5b01 0400 61626364"), asked(23)),
    9005009: to_outstation(asked(21, "3c0206"), asked(20, "3c0206")),
    9005010: to_outstation(asked(25, opened(2)), asked(25, opened(1))),
    9005011: to_outstation(asked(25, opened(1)), asked(25, opened(2))),
    9005012: to_outstation(asked(27, "4603 5b01 2200 1a00 0800 000000000000 0000 00000000 00000000 0000 0000 0100 2f6366672e786d6c"), asked(28, "3c0206")),
    9005013: to_outstation(asked(5, CROB, destination=0xFFFF), asked(1, "3c0106", destination=0xFFFF)),
    9005014: to_outstation(asked(6, CROB), asked(5, CROB)),
    9005015: to_outstation([asked(5, CROB, number=i) for i in range(20)], [asked(5, CROB, number=i) for i in range(19)]),
    9005016: to_outstation(asked(9, "1400 06"), asked(7, "1400 06")),
    9005017: to_outstation(asked(22, "3c0206 0100 06"), asked(23)),
    9005018: to_outstation(asked(2, "2201 0000 00 0a00"), asked(2, "3201 0701 000000000000")),
    9005019: to_outstation(exchanged("8000"), exchanged("0100")),
    9005020: to_outstation(exchanged("0008"), exchanged("0200")),
    9005021: to_outstation(exchanged("0020"), exchanged("0010")),
    9005022: to_outstation(exchanged("4000"), exchanged("0100")),
    9005023: to_outstation(exchanged("0001", 5), exchanged("0004", 5)),
    9005024: to_outstation(exchanged("0002", 10), exchanged("0004", 10)),
    9005025: to_outstation([asked(1, "3c0106"), replied("7807 5b01 0e00 00000000 0000 0000 01 000000000000")], exchanged("0000")),
    9005026: to_outstation([asked(5, CROB), replied(CROB[:-2] + "09")], [asked(5, CROB), replied(CROB)]),
    9005027: to_outstation(asked(2, "7004 1700 01 61626364"), asked(2, "6e04 1700 01 61626364")),
    9005028: to_outstation(asked(5, CROB), asked(5, CROB), client=OUTSIDE),
    9005029: to_outstation(link(1), link(2)),
    9005030: to_outstation([link(9, i) for i in range(20)], [link(9, i) for i in range(19)]),
}
