"""The MBAP header, and every code that the specification names.

Sources: MODBUS Messaging on TCP/IP Implementation Guide V1.0b (MBAP); MODBUS Application Protocol Specification V1.1b3 (the rest; sections named below).
"""

from __future__ import annotations

import re
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints
from sensor.events.vocabulary import Action

# Guide 3.1.3, the MBAP header, and the function code behind it:
#
#      0              2              4              6      7      8
#      +--------------+--------------+--------------+------+------+------
#      | transaction  | protocol = 0 | length       | unit | func | data
#      +--------------+--------------+--------------+------+------+------
#                                    length counts from here on
HEADER = np.dtype([("transaction_id", ">u2"), ("protocol_id", ">u2"), ("length", ">u2"), ("unit_id", "u1"), ("function_code", "u1")])
LONGEST = 254  # Guide 3.1.3 and Specification 4.1: 253 bytes of PDU and the unit
LONGEST_SEEN = 260  # of devices that count differently; such a PDU is read, and marked


def size(header: Array) -> Ints:
    """Bytes of each PDU from its header, 0 where these bytes are no Modbus PDU. Servers that do not look at the protocol carry out what stands behind it."""
    length = header["length"].astype(np.int64)
    plausible = ((header["protocol_id"] == 0) | IS_PUBLIC[header["function_code"]]) & (length >= 2) & (length <= LONGEST_SEEN)
    return np.where(plausible, length + 6, 0)


def role(header: Array) -> NDArray[np.int8]:
    """An exception (7) comes from a server; nothing else in the header tells."""
    return np.where(header["function_code"] >= 0x80, -1, 0).astype(np.int8)


# A message of LDAP as Windows writes it, with four octets for every length: SEQUENCE, INTEGER (the message's number), an operation (RFC 4511, 4.1.1). As a header
# it says transaction 30 84, protocol 0, its own length, unit 2 and function 1 to 4.
LDAP = re.compile(rb"\x30\x84\0\0..\x02(?:\x01.|\x02..|\x03...|\x04....)[\x42\x4a\x50\x60-\x79]", re.DOTALL)


def begins(head: bytes) -> bool:
    """Whether a flow that begins with these bytes may be Modbus: with its protocol, which is 0, and not as LDAP does."""
    return not any(head[2:4]) and not LDAP.match(head)


class Function(IntEnum):  # 5.1, and 5 of the older PI-MBUS-300 for the serial line's codes
    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4
    WRITE_SINGLE_COIL = 5
    WRITE_SINGLE_REGISTER = 6
    READ_EXCEPTION_STATUS = 7
    DIAGNOSTICS = 8
    GET_COMM_EVENT_COUNTER = 11
    GET_COMM_EVENT_LOG = 12
    WRITE_MULTIPLE_COILS = 15
    WRITE_MULTIPLE_REGISTERS = 16
    REPORT_SERVER_ID = 17
    READ_FILE_RECORD = 20
    WRITE_FILE_RECORD = 21
    MASK_WRITE_REGISTER = 22
    READ_WRITE_MULTIPLE_REGISTERS = 23
    READ_FIFO_QUEUE = 24
    ENCAPSULATED_INTERFACE_TRANSPORT = 43


class ExceptionCode(IntEnum):  # 7
    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    SERVER_DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    SERVER_DEVICE_BUSY = 6
    NEGATIVE_ACKNOWLEDGE = 7
    MEMORY_PARITY_ERROR = 8
    GATEWAY_PATH_UNAVAILABLE = 10
    GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND = 11


class Diagnostic(IntEnum):  # 6.8.1
    RETURN_QUERY_DATA = 0
    RESTART_COMMUNICATIONS_OPTION = 1
    RETURN_DIAGNOSTIC_REGISTER = 2
    CHANGE_ASCII_INPUT_DELIMITER = 3
    FORCE_LISTEN_ONLY_MODE = 4
    CLEAR_COUNTERS_AND_DIAGNOSTIC_REGISTER = 10
    RETURN_BUS_MESSAGE_COUNT = 11
    RETURN_BUS_COMMUNICATION_ERROR_COUNT = 12
    RETURN_BUS_EXCEPTION_ERROR_COUNT = 13
    RETURN_SERVER_MESSAGE_COUNT = 14
    RETURN_SERVER_NO_RESPONSE_COUNT = 15
    RETURN_SERVER_NAK_COUNT = 16
    RETURN_SERVER_BUSY_COUNT = 17
    RETURN_BUS_CHARACTER_OVERRUN_COUNT = 18
    CLEAR_OVERRUN_COUNTER_AND_FLAG = 20


# 6.8.1: the two diagnostics that change what the device does
DIAGNOSTIC_ACTION = {Diagnostic.RESTART_COMMUNICATIONS_OPTION: Action.RESTART, Diagnostic.FORCE_LISTEN_ONLY_MODE: Action.MODE_CHANGE}


class Category(IntEnum):  # 5
    PUBLIC = 0
    USER_DEFINED = 1  # 65-72 and 100-110
    RESERVED = 2  # 5.1 and Annex A: used by companies' legacy products
    UNASSIGNED = 3


class MeiType(IntEnum):  # 6.19
    CANOPEN_GENERAL_REFERENCE = 13
    READ_DEVICE_IDENTIFICATION = 14


class IdentificationObject(IntEnum):  # 6.21
    VENDOR_NAME = 0
    PRODUCT_CODE = 1
    MAJOR_MINOR_REVISION = 2
    VENDOR_URL = 3
    PRODUCT_NAME = 4
    MODEL_NAME = 5
    USER_APPLICATION_NAME = 6


class Umas(IntEnum):
    """What Modicon controllers are asked for, and how they answer, in the second byte behind function 90 (the first is the session's key). Not specified by their
    maker: https://lirasenlared.blogspot.com/2017/08/the-unity-umas-protocol-part-i.html"""

    INIT_COMMUNICATION = 0x01
    READ_ID = 0x02
    READ_PROJECT_INFO = 0x03
    READ_PLC_INFO = 0x04
    READ_CARD_INFO = 0x06
    REPEAT = 0x0A
    TAKE_PLC_RESERVATION = 0x10
    RELEASE_PLC_RESERVATION = 0x11
    KEEP_ALIVE = 0x12
    READ_MEMORY_BLOCK = 0x20
    READ_VARIABLES = 0x22
    WRITE_VARIABLES = 0x23
    READ_COILS_REGISTERS = 0x24
    WRITE_COILS_REGISTERS = 0x25
    INITIALIZE_DOWNLOAD = 0x30
    DOWNLOAD_BLOCK = 0x31
    END_DOWNLOAD = 0x32
    INITIALIZE_UPLOAD = 0x33
    UPLOAD_BLOCK = 0x34
    END_UPLOAD = 0x35
    START_PLC = 0x40
    STOP_PLC = 0x41
    MONITOR_PLC = 0x50
    CHECK_PLC = 0x58
    READ_IO_OBJECT = 0x70
    WRITE_IO_OBJECT = 0x71
    GET_STATUS_MODULE = 0x73
    ERROR = 0xFD
    OK = 0xFE


UMAS = 90  # the function code that carries it
F, U = Function, Umas
READ_BITS, READ_REGISTERS = (F.READ_COILS, F.READ_DISCRETE_INPUTS), (F.READ_HOLDING_REGISTERS, F.READ_INPUT_REGISTERS)

ACTION = {
    **dict.fromkeys((*READ_BITS, *READ_REGISTERS, F.READ_FIFO_QUEUE), Action.READ),
    **dict.fromkeys((F.WRITE_SINGLE_COIL, F.WRITE_SINGLE_REGISTER, F.WRITE_MULTIPLE_COILS, F.WRITE_MULTIPLE_REGISTERS, F.MASK_WRITE_REGISTER), Action.WRITE),
    F.READ_WRITE_MULTIPLE_REGISTERS: Action.WRITE,
    **dict.fromkeys((F.READ_FILE_RECORD, F.WRITE_FILE_RECORD), Action.FILE_ACCESS),
    **dict.fromkeys((F.READ_EXCEPTION_STATUS, F.DIAGNOSTICS, F.GET_COMM_EVENT_COUNTER, F.GET_COMM_EVENT_LOG), Action.DIAGNOSTICS),
    **dict.fromkeys((F.REPORT_SERVER_ID, F.ENCAPSULATED_INTERFACE_TRANSPORT), Action.DISCOVER),
}


IS_PUBLIC = np.isin(np.arange(256), list(Function))


def _category(code: int) -> Category:
    if code in set(Function):
        return Category.PUBLIC
    if 65 <= code <= 72 or 100 <= code <= 110:
        return Category.USER_DEFINED
    return Category.RESERVED if code in (9, 10, 13, 14, 18, 19, 40, 41, 42, 90, 91, 125, 126, 127) else Category.UNASSIGNED


UMAS_ACTION = {
    **dict.fromkeys((U.INIT_COMMUNICATION, U.TAKE_PLC_RESERVATION, U.RELEASE_PLC_RESERVATION, U.KEEP_ALIVE), Action.CONNECT),
    **dict.fromkeys((U.READ_ID, U.READ_PROJECT_INFO, U.READ_PLC_INFO, U.READ_CARD_INFO), Action.DISCOVER),
    **dict.fromkeys((U.REPEAT, U.CHECK_PLC, U.GET_STATUS_MODULE), Action.DIAGNOSTICS),
    **dict.fromkeys((U.READ_MEMORY_BLOCK, U.READ_VARIABLES, U.READ_COILS_REGISTERS, U.MONITOR_PLC, U.READ_IO_OBJECT), Action.READ),
    **dict.fromkeys((U.WRITE_VARIABLES, U.WRITE_COILS_REGISTERS, U.WRITE_IO_OBJECT), Action.WRITE),
    **dict.fromkeys((U.INITIALIZE_DOWNLOAD, U.DOWNLOAD_BLOCK, U.END_DOWNLOAD), Action.DOWNLOAD),
    **dict.fromkeys((U.INITIALIZE_UPLOAD, U.UPLOAD_BLOCK, U.END_UPLOAD), Action.UPLOAD),
    U.START_PLC: Action.START,
    U.STOP_PLC: Action.STOP,
}
UMAS_ACTIONS = np.array([UMAS_ACTION.get(Umas(code), Action.OTHER) if code in set(Umas) else Action.OTHER for code in range(256)], np.uint8)

CATEGORY = np.array([_category(code) for code in range(128)], np.uint8)
ACTIONS = np.array([ACTION.get(Function(code), Action.OTHER) if CATEGORY[code] == Category.PUBLIC else Action.OTHER for code in range(128)], np.uint8)
