"""Modbus/TCP messages. Sources: MODBUS Messaging on TCP/IP Implementation Guide V1.0b 3.1.3, MODBUS Application Protocol V1.1b3 section 6."""

from __future__ import annotations

import struct
from collections.abc import Sequence

READ_COILS, READ_HOLDING_REGISTERS, READ_INPUT_REGISTERS, WRITE_SINGLE_REGISTER, WRITE_MULTIPLE_REGISTERS = 1, 3, 4, 6, 16
ILLEGAL_FUNCTION, ILLEGAL_DATA_ADDRESS = 1, 2


def message(transaction: int, unit: int, pdu: bytes) -> bytes:
    """MBAP header and PDU."""
    return struct.pack(">HHHB", transaction & 0xFFFF, 0, len(pdu) + 1, unit) + pdu


def read(function: int, address: int, quantity: int) -> bytes:
    return struct.pack(">BHH", function, address, quantity)


def registers(function: int, values: Sequence[int]) -> bytes:
    """6.3, 6.4: the answer."""
    return struct.pack(f">BB{len(values)}H", function, 2 * len(values), *values)


def bits(function: int, values: Sequence[int]) -> bytes:
    """6.1: the answer, least significant bit first."""
    content = bytes(sum(bit << place for place, bit in enumerate(values[at : at + 8])) for at in range(0, len(values), 8))
    return bytes((function, len(content))) + content


def write_register(address: int, value: int) -> bytes:
    """6.6: request and answer are alike."""
    return struct.pack(">BHH", WRITE_SINGLE_REGISTER, address, value)


def write_registers(address: int, values: Sequence[int]) -> tuple[bytes, bytes]:
    """6.12: request and answer."""
    head = struct.pack(">BHH", WRITE_MULTIPLE_REGISTERS, address, len(values))
    return head + struct.pack(f">B{len(values)}H", 2 * len(values), *values), head


def exception(function: int, code: int) -> bytes:
    """Section 7."""
    return bytes((function | 0x80, code))


def identification(objects: Sequence[str]) -> tuple[bytes, bytes]:
    """6.21, 43/14: the request for basic identification, and the answer with vendor, product code and revision."""
    content = b"".join(bytes((number, len(text))) + text.encode() for number, text in enumerate(objects))
    return bytes((43, 14, 1, 0)), bytes((43, 14, 1, 1, 0, 0, len(objects))) + content
