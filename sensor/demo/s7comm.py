"""S7comm messages in TPKT (RFC 1006) and COTP (RFC 905, ISO 8073 class 0). S7comm is not published: the shapes are those of Wireshark's dissector."""

from __future__ import annotations

import struct
from collections.abc import Sequence

JOB, ACK, ACK_DATA, USERDATA = 1, 2, 3, 7
SETUP, READ_VAR, WRITE_VAR, REQUEST_DOWNLOAD, DOWNLOAD_BLOCK, DOWNLOAD_ENDED, PI_SERVICE, PLC_STOP = 0xF0, 4, 5, 0x1A, 0x1B, 0x1C, 0x28, 0x29
CPU_FUNCTIONS, SECURITY = 4, 5
DB, FLAGS = 0x84, 0x83
BYTE, REAL = 2, 8
PDU_SIZE = 240


def tpkt(content: bytes) -> bytes:
    return struct.pack(">BBH", 3, 0, len(content) + 4) + content


def connect(rack: int, slot: int, kind: int = 1) -> tuple[bytes, bytes]:
    """COTP connection request and confirm. kind: 1 programming device, 2 HMI, 3 others; with rack and slot it makes the called TSAP."""
    parameters = b"\xc0\x01\x0a\xc1\x02" + bytes((kind, 0)) + b"\xc2\x02" + bytes((kind, rack << 5 | slot))
    request = struct.pack(">BBHHB", 6 + len(parameters), 0xE0, 0, 1, 0) + parameters
    confirm = struct.pack(">BBHHB", 6 + len(parameters), 0xD0, 1, 0x4431, 0) + parameters
    return tpkt(request), tpkt(confirm)


def message(rosctr: int, reference: int, parameters: bytes, data: bytes = b"", error: int = 0) -> bytes:
    """A message in one COTP data TPDU. error: class and code, of acknowledgements."""
    header = struct.pack(">BBHHHH", 0x32, rosctr, 0, reference & 0xFFFF, len(parameters), len(data))
    if rosctr in (ACK, ACK_DATA):
        header += error.to_bytes(2)
    return tpkt(b"\x02\xf0\x80" + header + parameters + data)


def setup(reference: int) -> tuple[bytes, bytes]:
    """Setup communication: one job at a time each way."""
    parameters = struct.pack(">BBHHH", SETUP, 0, 1, 1, PDU_SIZE)
    return message(JOB, reference, parameters), message(ACK_DATA, reference, parameters)


def variable(area: int, number: int, byte: int, size: int, count: int) -> bytes:
    """S7-Any address of an item."""
    return struct.pack(">BBBBHHB", 0x12, 10, 0x10, size, count, number, area) + (byte * 8).to_bytes(3)


def read(reference: int, items: Sequence[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Read var: addresses, and the values that are answered (as they lie in memory)."""
    head = bytes((READ_VAR, len(items)))
    content = b""
    for _, value in items:
        content += bytes(len(content) % 2) + struct.pack(">BBH", 0xFF, 4, 8 * len(value)) + value
    return message(JOB, reference, head + b"".join(address for address, _ in items)), message(ACK_DATA, reference, head, content)


def write(reference: int, address: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Write var: one item."""
    head = bytes((WRITE_VAR, 1))
    content = struct.pack(">BBH", 0, 4, 8 * len(value)) + value
    return message(JOB, reference, head + address, content), message(ACK_DATA, reference, head, b"\xff")


def userdata(reference: int, group: int, subfunction: int, sequence: int, request: bytes, response: bytes) -> tuple[bytes, bytes]:
    """A request of a function group with its content, and the answer."""
    ask = bytes((0, 1, 0x12, 4, 0x11, 0x40 | group, subfunction, 0))
    answer = bytes((0, 1, 0x12, 8, 0x12, 0x80 | group, subfunction, sequence, 0, 0, 0, 0))
    content = [struct.pack(">BBH", 0xFF, 9, len(data)) + data if data else b"\x0a\x00\x00\x00" for data in (request, response)]
    return message(USERDATA, reference, ask, content[0]), message(USERDATA, reference, answer, content[1])


def system_status(reference: int, sequence: int, szl: int, records: Sequence[bytes], index: int = 0) -> tuple[bytes, bytes]:
    """Read SZL: a list of records of one size."""
    answer = struct.pack(">HHHH", szl, index, len(records[0]), len(records)) + b"".join(records)
    return userdata(reference, CPU_FUNCTIONS, 1, sequence, struct.pack(">HH", szl, index), answer)


def module(index: int, order_number: str, version: bytes) -> bytes:
    """A record of SZL 0x0011: order number, type, version."""
    return struct.pack(">H20sH4s", index, order_number.ljust(20).encode(), 0xC0, version)


def component(index: int, text: str) -> bytes:
    """A record of SZL 0x001C: a name."""
    return struct.pack(">H32s", index, text.encode())


def password(reference: int, text: str) -> tuple[bytes, bytes]:
    """Security: the eight characters, each mixed with the one two before it: anyone can undo that."""
    mixed = bytearray()
    for place, character in enumerate(text.ljust(8).encode()):
        mixed.append(character ^ 0x55 ^ (mixed[place - 2] if place > 1 else 0))
    return userdata(reference, SECURITY, 1, 1, bytes(mixed), b"")


def request_download(reference: int, block: str, load_size: int, code_size: int) -> tuple[bytes, bytes]:
    """block: type and number as file names have them (0800001: OB1)."""
    sizes = f"1{load_size:06}{code_size:06}"
    return (
        message(JOB, reference, struct.pack(">BBHI", REQUEST_DOWNLOAD, 0, 0x0100, 0) + _name(block) + bytes((len(sizes),)) + sizes.encode()),
        message(ACK_DATA, reference, bytes((REQUEST_DOWNLOAD,))),
    )


def download_block(reference: int, block: str, content: bytes) -> tuple[bytes, bytes]:
    """The controller asks for the block, the client gives it, all in one."""
    return (
        message(JOB, reference, struct.pack(">BBHI", DOWNLOAD_BLOCK, 0, 0x0100, 0) + _name(block)),
        message(ACK_DATA, reference, bytes((DOWNLOAD_BLOCK, 0)), struct.pack(">HH", len(content), 0x00FB) + content),
    )


def download_ended(reference: int, block: str) -> tuple[bytes, bytes]:
    """The controller has all of it."""
    return message(JOB, reference, struct.pack(">BBHI", DOWNLOAD_ENDED, 0, 0x0100, 0) + _name(block)), message(ACK_DATA, reference, bytes((DOWNLOAD_ENDED,)))


def _name(block: str) -> bytes:
    return b"\x09_" + block.encode() + b"P"


def program(number: int, code: bytes) -> bytes:
    """An organisation block: header, code and an empty footer."""
    header = struct.pack(
        ">HBBBBHI4s6s6sHHHH",
        0x7070,
        1,
        1,
        1,
        8,
        number,
        36 + len(code),
        bytes(4),
        b"\x02\x9a\x52\x40\x3c\x1b",
        b"\x02\x9a\x52\x40\x3c\x1b",
        0,
        0,
        20,
        len(code),
    )
    return header + code


def insert(reference: int, block: str) -> tuple[bytes, bytes]:
    """PI service _INSE: the block becomes part of the program."""
    argument = b"\x01\x00" + block.encode() + b"P"
    parameters = struct.pack(">B6sBH", PI_SERVICE, bytes(6), 0xFD, len(argument)) + argument + b"\x05_INSE"
    return message(JOB, reference, parameters), message(ACK_DATA, reference, bytes((PI_SERVICE,)))


def stop(reference: int) -> tuple[bytes, bytes]:
    """PLC stop."""
    return message(JOB, reference, struct.pack(">B5s", PLC_STOP, bytes(5)) + b"\x09P_PROGRAM"), message(ACK_DATA, reference, bytes((PLC_STOP,)))
