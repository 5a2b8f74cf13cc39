"""TPKT, COTP and the S7 header: where one PDU ends, and where in it the S7 message, its parameters and its data lie.

Sources: RFC 1006 section 6 (TPKT); ITU-T X.224 (ISO/IEC 8073) section 13 (TPDUs of class 0). S7 itself is published nowhere: its layout here is what S7-300 and
S7-400 controllers, STEP 7 and the free implementations (libnodave, snap7) put on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints, Mask, read
from sensor.events.protocol import Carried
from sensor.events.table import Fragments, Pdus

# RFC 1006 section 6 and X.224 13.7, a DT TPDU of class 0:
#
#      0         1          2        4     5      6                7
#      +---------+----------+--------+-----+------+----------------+------
#      | version | reserved | length | LI  | code | EOT, TPDU-NR   | data
#      | = 3     | = 0      |        | = 2 | 0xF0 |                |
#      +---------+----------+--------+-----+------+----------------+------
#       length counts from here on    LI counts what follows it in the TPDU's header
HEADER = np.dtype([("version", "u1"), ("reserved", "u1"), ("length", ">u2"), ("length_indicator", "u1"), ("code", "u1"), ("number", "u1")])
TPKT = 4  # bytes before the length indicator
EOT = 0x80


class Tpdu(IntEnum):
    """X.224 13.1: the code's upper four bits."""

    EXPEDITED_DATA = 0x1
    EXPEDITED_ACKNOWLEDGEMENT = 0x2
    REJECT = 0x5
    DATA_ACKNOWLEDGEMENT = 0x6
    ERROR = 0x7
    DISCONNECT_REQUEST = 0x8
    DISCONNECT_CONFIRM = 0xC
    CONNECTION_CONFIRM = 0xD
    CONNECTION_REQUEST = 0xE
    DATA = 0xF


# The least length indicator of each code, 0 where RFC 1006 has no such TPDU (the lower four bits, a credit, are 0 in class 0); X.224 13.3 to 13.8 and 13.12.
LEAST = np.zeros(256, np.int64)
for _code, _least in ((0xE0, 6), (0xD0, 6), (0x80, 6), (0xC0, 5), (0x70, 4), (0xF0, 2), (0x10, 4)):
    LEAST[_code] = _least


def size(header: Array) -> Ints:
    """Bytes of each PDU (one TPKT) from its header, 0 where these bytes are none. A DT's header has no variable part in class 0."""
    length, indicator, code = header["length"].astype(np.int64), header["length_indicator"], header["code"]
    least = LEAST[code]
    plausible = (header["version"] == 3) & (header["reserved"] == 0) & (least > 0) & (indicator >= least) & (length > TPKT + indicator)
    plausible &= (indicator == 2) | (code != 0xF0)
    return np.where(plausible, length, 0)


def begins(head: bytes) -> bool:
    """Not what RDP asks for in its connection requests: behind the class come parameters, whose codes have the highest bit set (X.224 13.2.3)."""
    return len(head) <= 11 or head[5] not in (0xE0, 0xD0) or head[11] >= 0x80


def role(header: Array) -> NDArray[np.int8]:
    """Clients request connections and servers confirm them; data TPDUs do not tell."""
    return np.where(header["code"] == 0xE0, 1, np.where(header["code"] == 0xD0, -1, 0)).astype(np.int8)


def fragments(pdus: Pdus) -> Fragments:
    """X.224 6.3: a message is the user data of DT TPDUs up to one with EOT. STEP 7 sends DTs without data in between, which are part of none."""
    header = pdus.header(HEADER)
    is_data = header["code"] == 0xF0
    last = (header["number"] & EOT) != 0
    return Fragments(pdus.data, np.zeros(len(pdus), np.int64), None, last, np.where(is_data, pdus.at + HEADER.itemsize, pdus.end), pdus.end)


class Payload(IntEnum):
    """What the user data of a DT is, by its first byte: protocols that share port 102 and this framing."""

    UNKNOWN = 0
    S7COMM = 1
    S7COMM_PLUS = 2
    SESSION = 3  # ISO 8327: an MMS association begins with it


CARRIES = {Payload.S7COMM_PLUS: Carried("s7comm_plus"), Payload.SESSION: Carried("mms", server="ied")}  # IEC 61850-8-1 is the use of ISO 8327 that plants make
PAYLOAD = np.zeros(256, np.uint8)
PAYLOAD[0x32], PAYLOAD[0x72] = Payload.S7COMM, Payload.S7COMM_PLUS
PAYLOAD[[0x01, 0x09, 0x0A, 0x0C, 0x0D, 0x0E, 0x19]] = (
    Payload.SESSION
)  # ISO 8327-1 8.3: GIVE TOKENS or DATA TRANSFER, FINISH, DISCONNECT, REFUSE, CONNECT, ACCEPT, ABORT

# The S7 header, and what may follow it:
#
#      0      1        2            4               6                  8             10      11     12
#      +------+--------+------------+---------------+------------------+-------------+-------+------+------------+------
#      | 0x32 | ROSCTR | redundancy | PDU reference | parameter length | data length | error        | parameters | data
#      |      |        | = 0        | (any order)   |                  |             | class | code |            |
#      +------+--------+------------+---------------+------------------+-------------+-------+------+------------+------
#                                                                                     acknowledgements only
S7 = np.dtype([
    ("protocol_id", "u1"), ("rosctr", "u1"), ("redundancy", ">u2"), ("pdu_reference", ">u2"), ("parameter_length", ">u2"), ("data_length", ">u2"),
    ("error_class", "u1"), ("error_code", "u1"), ("first", "u1"),
])  # fmt: skip
SHORTEST = 10


class Rosctr(IntEnum):
    """Remote operating service control: what kind of S7 PDU it is."""

    JOB = 1
    ACK = 2
    ACK_DATA = 3
    USERDATA = 7


@dataclass
class Sections:
    """Where each row's parameters and data lie (int64 into the table's data), cut to the bytes that are there; `is_s7`: rows that are an S7 PDU."""

    record: Array
    is_s7: Mask
    parameter_at: Ints
    data_at: Ints  # where the parameters end
    data_end: Ints
    claimed_end: Ints  # where the header says that the data ends


def sections(pdus: Pdus) -> Sections:
    """The S7 header of every row's message."""
    at, end = pdus.message_at, pdus.message_end
    record = read(pdus.data, at, S7)
    rosctr = record["rosctr"]
    acknowledges = (rosctr == Rosctr.ACK) | (rosctr == Rosctr.ACK_DATA)
    is_s7 = (end - at >= SHORTEST) & (record["protocol_id"] == 0x32)
    parameter_at = np.minimum(at + SHORTEST + 2 * acknowledges, end)
    data_at = parameter_at + record["parameter_length"]
    claimed_end = data_at + record["data_length"]
    return Sections(record, is_s7, parameter_at, np.minimum(data_at, end), np.minimum(claimed_end, end), claimed_end)
