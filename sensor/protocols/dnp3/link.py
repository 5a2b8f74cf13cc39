"""The data link layer and the transport function: frames, their checksums, and the segments they carry. Source: IEEE 1815-2012, 8 and 9."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from sensor.columns import PAD, Array, Ints, Mask, appended, ragged, read
from sensor.events.table import Fragments, Pdus
from sensor.events.vocabulary import Anomaly

# 9.2.4, the frame: a header block, then user data in blocks of 16 bytes (the last one shorter), a checksum behind each block
#
#      0             2        3         4             6        8       10                    26      28
#      +-------------+--------+---------+-------------+--------+-------+---------------------+-------+---
#      | 0x05   0x64 | length | control | destination | source | CRC   | user data, 16 bytes | CRC   | ...
#      +-------------+--------+---------+-------------+--------+-------+---------------------+-------+---
#                             length counts from here on, without checksums
HEADER = np.dtype([("start", ">u2"), ("length", "u1"), ("control", "u1"), ("destination", "<u2"), ("source", "<u2"), ("crc", "<u2")])
START, BLOCK, OVERHEAD = 0x0564, 16, 5  # OVERHEAD: what length counts besides user data
DIR, PRM, FCB, FCV, DFC = 0x80, 0x40, 0x20, 0x10, 0x10  # 9.2.4.1.3, the control octet
FIN, FIR, SEQUENCE = 0x80, 0x40, 0x3F  # 8.2.1, the transport header: the first byte of user data


class Direction(IntEnum):  # 9.2.4.1.3.1
    FROM_OUTSTATION = 0
    FROM_MASTER = 1


class PrimaryFunction(IntEnum):  # Table 9-1
    RESET_LINK_STATES = 0
    RESET_USER_PROCESS = 1  # obsolete
    TEST_LINK_STATES = 2
    CONFIRMED_USER_DATA = 3
    UNCONFIRMED_USER_DATA = 4
    REQUEST_LINK_STATUS = 9


class SecondaryFunction(IntEnum):  # Table 9-2
    ACK = 0
    NACK = 1
    LINK_STATUS = 11
    LINK_SERVICE_NOT_FUNCTIONING = 14  # obsolete
    NOT_SUPPORTED = 15


class Broadcast(IntEnum):  # 9.2.5.2.6: what outstations do with an application confirmation after a message to all of them
    DO_NOT_CONFIRM = 0xFFFD
    CONFIRM = 0xFFFE
    CONFIRMATION_OPTIONAL = 0xFFFF


USER_DATA = (PrimaryFunction.CONFIRMED_USER_DATA, PrimaryFunction.UNCONFIRMED_USER_DATA)
FIRST_RESERVED_ADDRESS = 0xFFF0  # 9.2.4.1.4: no device has these, except 0xFFFC as every device's second address


def _tables() -> NDArray[np.uint16]:
    """uint16[9, 65536]: what each little-endian word of 18 bytes adds to their CRC (9.2.4.3: x16+x13+x12+x11+x10+x8+x6+x5+x2+1, reflected)."""
    of_byte = np.arange(256, dtype=np.uint16)
    for _ in range(8):
        of_byte = np.where(of_byte & 1, of_byte >> 1 ^ 0xA6BC, of_byte >> 1).astype(np.uint16)
    behind = [of_byte]  # by how many bytes follow
    for _ in range(17):
        behind.append(behind[-1] >> 8 ^ of_byte[behind[-1] & 0xFF])
    return np.stack([(behind[16 - 2 * word][:, None] ^ behind[17 - 2 * word][None, :]).ravel() for word in range(9)])


# The CRC is linear and sent complemented: the words' shares of a block, checksum complemented back, add up to 0. What trails behind as zeros does not matter.
TABLES = _tables()
KEEP = np.array([[0xFF if i < length + 2 else 0 for i in range(18)] for length in range(BLOCK + 1)], np.uint8).view("<u2")  # by bytes of data
COMPLEMENT = np.array([[0xFF if length <= i < length + 2 else 0 for i in range(18)] for length in range(BLOCK + 1)], np.uint8).view("<u2")
RESIDUE = np.bitwise_xor.reduce(TABLES[np.arange(9), COMPLEMENT], axis=1)  # what a good block's sum is when its checksum is taken as sent
HEADER_RESIDUE = TABLES[4][0x6405] ^ TABLES[8][0xFFFF]


def _is_regular(control: int, length: int) -> bool:
    """Whether 9.2.6 lets a frame of this control octet be this long."""
    function = control & 0x0F
    if not control & PRM:
        return function in set(SecondaryFunction) and not control & FCB and length == OVERHEAD
    if function not in set(PrimaryFunction):
        return False
    counted = function in (PrimaryFunction.TEST_LINK_STATES, PrimaryFunction.CONFIRMED_USER_DATA)
    return bool(control & FCV) == counted and (length > OVERHEAD) == (function in USER_DATA)


def _regular() -> Mask:
    """The same for every control octet << 8 | length; beyond OVERHEAD all lengths are alike."""
    table = np.zeros((256, 256), np.bool_)
    table[:, OVERHEAD] = [_is_regular(control, OVERHEAD) for control in range(256)]
    table[:, OVERHEAD + 1 :] = np.array([_is_regular(control, OVERHEAD + 1) for control in range(256)])[:, None]
    return table.ravel()


REGULAR = _regular()


def header_holds(header: Array) -> Mask:
    """Whether the header block's checksum is right (bool per row), for headers that begin with 0x0564."""
    word = header["control"].astype(np.uint16) << 8 | header["length"]
    sum_ = TABLES[5][word] ^ TABLES[6][header["destination"]] ^ TABLES[7][header["source"]] ^ TABLES[8][header["crc"]]
    return np.asarray(sum_ == HEADER_RESIDUE, np.bool_)


def size(header: Array) -> Ints:
    """Bytes of each frame from its header, 0 where these bytes are no frame.

    A right checksum proves a header. With a wrong one it still counts as a damaged or forged frame where control octet and length fit each other, as one in 40
    random pairs does. Such a frame becomes an event with its anomaly instead of garbage, and chance finds one in 2.6 million positions.
    """
    length = header["length"].astype(np.int64)
    accepted = REGULAR[header["control"].astype(np.int64) << 8 | length] | header_holds(header)
    total = length + 5 + ((length + (BLOCK - 1 - OVERHEAD)) // BLOCK << 1)
    return np.where((header["start"] == START) & (length >= OVERHEAD) & accepted, total, 0)


def role(header: Array) -> NDArray[np.int8]:
    """The direction bit says which end is the master."""
    return np.where(header["control"] & DIR, 1, -1).astype(np.int8)


WORDS = np.dtype([("words", "<u2", 9)])


def segments(pdus: Pdus) -> Fragments:
    """The transport segment of each frame: user data without its checksums, put behind the buffer block by block (9.2.4.2).

    A frame with a wrong checksum is noted, and carries none: receivers discard it (9.2.6.5).
    """
    header = pdus.header(HEADER)
    length = np.maximum(header["length"].astype(np.int64) - OVERHEAD, 0)
    held = header_holds(header) & (pdus.at + HEADER.itemsize + length + ((length + BLOCK - 1) // BLOCK << 1) <= pdus.end)
    blocks = np.where(held, (length + BLOCK - 1) // BLOCK, 0)
    row, index = ragged(blocks)
    used = np.minimum(length[row] - index * BLOCK, BLOCK)
    words = read(pdus.data, pdus.at[row] + HEADER.itemsize + index * (BLOCK + 2), WORDS)["words"] & KEEP[used]
    remainder = RESIDUE[used]
    for word in range(9):
        remainder ^= TABLES[word][words[:, word]]
    good = held.copy()
    good[row[remainder != 0]] = False
    pdus.notes[~good] |= np.uint32(Anomaly.BAD_CHECKSUM)
    control = header["control"]
    carries = good & (length > 0) & (control & PRM != 0) & np.isin(control & 0x0F, USER_DATA)
    base = len(pdus.data) - PAD
    stripped = np.ascontiguousarray(words[:, :8]).view(np.uint8).ravel()
    data = appended(pdus.data, stripped)
    at = base + (np.cumsum(blocks) - blocks) * BLOCK
    transport = np.where(carries, data[np.where(carries, at, 0)], 0)
    return Fragments(
        data,
        key=header["source"].astype(np.int64) << 16 | header["destination"],
        first=carries & (transport & FIR != 0),
        last=carries & (transport & FIN != 0),
        at=np.where(carries, at + 1, 0),
        end=np.where(carries, at + length, 0),
        sequence=(transport & SEQUENCE).astype(np.int64),
        modulus=SEQUENCE + 1,
    )
