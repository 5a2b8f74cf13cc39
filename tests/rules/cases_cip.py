"""Cases of the pack cip."""

from __future__ import annotations

import struct

from sensor.demo.enip import PCCC, encapsulate, instance, register, request, unconnected
from tests.rules.cases import OUTSIDE, Case, Said, over, speech

to_controller = over(speech, 44818)
SESSION = 7


def asked(service: int, class_id: int, data: bytes = b"", context: int = 1) -> bytes:
    return unconnected(SESSION, context, request(service, instance(class_id), data))


def failed(service: int, class_id: int, status: int, times: int) -> list[Said]:
    """Requests that are answered with this general status."""
    answer = bytes((service | 0x80, 0, status, 0))
    return [each for i in range(times) for each in (asked(service, class_id, context=i), (1, unconnected(SESSION, i, answer)))]


def pccc(function: int, data: bytes = b"", command: int = 0x0F) -> bytes:
    """Execute PCCC (1770-6.5.16, chapter 7)."""
    who = struct.pack("<BHI", 7, 1, 0x66)
    return unconnected(SESSION, 1, request(0x4B, instance(PCCC), who + struct.pack("<BBHB", command, 0, 1, function) + data))


def unknown(status: int, times: int) -> list[Said]:
    """Encapsulation commands that are answered with this status."""
    refused = [struct.pack("<HHIIQI", 0x66, 0, SESSION, status, i, 0) for i in range(times)]
    return [each for i in range(times) for each in (encapsulate(0x66, session=SESSION, context=i), (1, refused[i]))]


CASES: dict[int, Case] = {
    9006001: to_controller(asked(5, 1, b"\x00"), asked(5, 2, b"\x00")),
    9006002: to_controller(asked(5, 1, b"\x01"), asked(5, 1, b"\x00"), 9006001),
    9006003: to_controller(asked(6, 0x8E), asked(1, 0x8E)),
    9006004: to_controller(asked(7, 0x8E), asked(1, 0x8E)),
    9006005: to_controller(asked(8, 0xAC, bytes(8)), asked(1, 0xAC)),
    9006006: to_controller(asked(8, 0x68, bytes(8)), asked(1, 0x68)),
    9006007: to_controller(asked(9, 0x68), asked(1, 0x68)),
    9006008: to_controller(asked(8, 0x70, bytes(8)), asked(1, 0x70)),
    9006009: to_controller(asked(9, 0x70), asked(1, 0x70)),
    9006010: to_controller(asked(0x51, 0x6A, bytes(8)), asked(0x4C, 0x6A, bytes(8))),
    9006011: to_controller(asked(0x4B, 0xA1, bytes(8)), asked(0x0E, 0xA1)),
    9006012: to_controller(asked(0x4C, 0x37, bytes(8)), asked(0x4F, 0x37, b"\x00")),
    9006013: to_controller(asked(0x4B, 0x37, b"\xff"), asked(0x4F, 0x37, b"\x00")),
    9006014: to_controller(asked(4, 0x8B, bytes(14)), asked(3, 0x8B, b"\x01\x00\x06\x00")),
    9006015: to_controller(asked(0x10, 0xF5, bytes(8)), asked(0x0E, 0xF5)),
    9006016: to_controller(asked(0x10, 0xF6, bytes(4)), asked(0x0E, 0xF6)),
    9006017: to_controller(asked(0x4C, 0x74, bytes(14)), asked(0x4B, 0x74, bytes(4))),
    9006018: to_controller(pccc(0x80, b"\x01"), pccc(0x03)),
    9006019: to_controller(pccc(0x3A, b"\x01"), pccc(0x03)),
    9006020: to_controller(pccc(0x50), pccc(0x53)),
    9006021: to_controller(pccc(0x52), pccc(0x55)),
    9006022: to_controller(pccc(0x53), pccc(0x50)),
    9006023: to_controller(pccc(0x57), pccc(0x03)),
    9006024: to_controller(pccc(0x41), pccc(0x03)),
    9006025: to_controller(pccc(0x00, command=7), pccc(0x03, command=6)),
    9006026: to_controller(pccc(0x07), pccc(0x03)),
    9006027: to_controller([encapsulate(0x63, context=i) for i in range(10)], [encapsulate(0x63, context=i) for i in range(9)]),
    9006028: to_controller(register(SESSION)[0], register(SESSION)[0], client=OUTSIDE),
    9006029: to_controller(failed(0x0E, 1, 0x0F, 3), failed(0x0E, 1, 0x0E, 3)),
    9006030: to_controller(failed(0x0E, 1, 0x08, 20), failed(0x0E, 1, 0x14, 20)),
    9006031: to_controller(failed(0x0E, 1, 0x05, 20), failed(0x0E, 1, 0x14, 20)),
    9006032: to_controller(unknown(1, 5), unknown(3, 5)),
    9006033: to_controller(asked(0x15, 4), asked(0x16, 4)),
    9006034: to_controller(asked(8, 0x6B, bytes(8)), asked(0x55, 0x6B, bytes(8))),
    9006035: to_controller(asked(9, 0x69), asked(1, 0x69)),
}  # fmt: skip
