"""The header of every APDU, and how a stream is recognised and cut by it (IEC 60870-5-104, section 5)."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints
from sensor.events.vocabulary import Action

# 5, figure 5: APCI. The four control octets, least significant bit first, begin with the format (5.1, figures 6 to 8):
#
#      +-------+--------+---------------------+---------------------+-----------
#      | 68H   | length | octets 1, 2         | octets 3, 4         | ASDU
#      +-------+--------+---------------------+---------------------+-----------
#                       | 0   send sequence   | 0  receive sequence |  I: information transfer
#                       | 10  zero            | 0  receive sequence |  S: numbered supervisory
#                       | 11  one function    | zero                |  U: unnumbered control
#                       length counts from here on
HEADER = np.dtype([("start", "u1"), ("length", "u1"), ("control", "<u4")])
START, SHORTEST, LONGEST = 0x68, 4, 253
SHORTEST_ASDU = 6  # IEC 60870-5-101 7.2.1 to 7.2.4: the data unit identifier, which every ASDU begins with
MODULUS = 1 << 15  # of both sequence numbers


class Format(IntEnum):  # 5.1, the values of the format's two bits; I has only one of them
    I = 0
    S = 1
    U = 3


class UFunction(IntEnum):  # 5.1, figure 8: exactly one of the six bits is set
    STARTDT_ACT = 0x01
    STARTDT_CON = 0x02
    STOPDT_ACT = 0x04
    STOPDT_CON = 0x08
    TESTFR_ACT = 0x10
    TESTFR_CON = 0x20


U_ACTION = dict.fromkeys(UFunction, Action.CONNECT) | dict.fromkeys((UFunction.TESTFR_ACT, UFunction.TESTFR_CON), Action.DIAGNOSTICS)
CONFIRMS = np.uint32(UFunction.STARTDT_CON | UFunction.STOPDT_CON | UFunction.TESTFR_CON)

IS_U = np.zeros(256, np.bool_)  # by the first control octet
IS_U[[function << 2 | Format.U for function in UFunction]] = True


SET_IN_I = np.uint32(0x0001_0000)  # a bit that is 0 in an I format: stations that do not look at it carry out the command behind it


def size(header: Array) -> Ints:
    """Bytes of each APDU from its header, 0 where these bytes are none: S and U are APCI only, I carries an ASDU."""
    length, control = header["length"].astype(np.int64), header["control"]
    is_i = (control & 1 == 0) & (length >= SHORTEST + SHORTEST_ASDU) & (length <= LONGEST)
    is_s, is_u = control & 0x0001_FFFF == Format.S, IS_U[control & 0xFF] & (control < 0x100)
    return np.where((header["start"] == START) & (is_i | (is_s | is_u) & (length == SHORTEST)), length + 2, 0)


def begins(head: bytes) -> bool:
    """Whether a flow may begin so: of an I format every bit counts there, as it is all that tells it from other bytes."""
    return len(head) < HEADER.itemsize or head[2] & 1 == 1 or head[4] & 1 == 0


def role(header: Array) -> NDArray[np.int8]:
    """STARTDT and STOPDT are asked by the controlling station, the client (5.3), and confirmed by the server; nothing else in the header tells."""
    function = np.where(IS_U[header["control"] & 0xFF], header["control"] >> 2, 0)
    asks, confirms = UFunction.STARTDT_ACT | UFunction.STOPDT_ACT, UFunction.STARTDT_CON | UFunction.STOPDT_CON
    return np.where(function & asks != 0, 1, np.where(function & confirms != 0, -1, 0)).astype(np.int8)
