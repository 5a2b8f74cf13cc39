"""The headers, and every code that the specification names.

Sources: Beckhoff Information System: "Specification for the ADS device, TwinCAT ADS/AMS" (headers, commands), "ADS Return Codes", "ADS device service: index groups and offsets";
the declarations of Beckhoff's ADS library (TcAdsDef.h) where the texts give no number.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints
from sensor.events.protocol import MOST_PDU
from sensor.events.vocabulary import Action

# AMS/TCP packet: the AMS/TCP header and the AMS header behind it, all little-endian.
#
#      0          2            6               12            14              20            22          24            26       30           34          38
#      +----------+------------+---------------+-------------+---------------+-------------+-----------+-------------+--------+------------+-----------+------
#      | reserved | length     | target net id | target port | source net id | source port | command   | state flags | length | error code | invoke id | data
#      +----------+------------+---------------+-------------+---------------+-------------+-----------+-------------+--------+------------+-----------+------
#                              the first length counts from here on                                                                          the second from here on
HEADER = np.dtype(
    [
        ("reserved", "<u2"), ("length", "<u4"), ("target_net_id", "V6"), ("target_port", "<u2"), ("source_net_id", "V6"), ("source_port", "<u2"),
        ("command", "<u2"), ("state_flags", "<u2"), ("data_length", "<u4"), ("error_code", "<u4"), ("invoke_id", "<u4"),
    ]
)  # fmt: skip
TCP_HEADER, AMS_HEADER = 6, 32
TARGET_AT, SOURCE_AT = 6, 14  # net id and port: an AMS address


class StateFlag(IntFlag):
    RESPONSE = 0x0001
    NO_RETURN = 0x0002
    ADS_COMMAND = 0x0004
    SYSTEM_COMMAND = 0x0008
    HIGH_PRIORITY = 0x0010
    TIMESTAMP_ADDED = 0x0020
    UDP = 0x0040
    INIT_COMMAND = 0x0080
    BROADCAST = 0x8000


class Command(IntEnum):
    INVALID = 0
    READ_DEVICE_INFO = 1
    READ = 2
    WRITE = 3
    READ_STATE = 4
    WRITE_CONTROL = 5
    ADD_DEVICE_NOTIFICATION = 6
    DELETE_DEVICE_NOTIFICATION = 7
    DEVICE_NOTIFICATION = 8
    READ_WRITE = 9


def size(header: Array) -> Ints:
    """Bytes of each PDU, 0 where these bytes are none: two lengths must agree, and no state flag that is reserved may be set."""
    length = header["length"].astype(np.int64)
    known = np.uint16(sum(StateFlag))
    plausible = (header["reserved"] == 0) & (length == header["data_length"].astype(np.int64) + AMS_HEADER) & (header["state_flags"] & ~known == 0)
    return np.where(plausible, length + TCP_HEADER, 0)


def begins(head: bytes) -> bool:
    """Whether these may be a flow's first bytes, of which there may be few: two reserved ones that are zero, and a length that has room for the AMS header and
    that is waited for. Other protocols' first messages are shorter than that header.
    """
    return not any(head[:2]) and (len(head) < TCP_HEADER or AMS_HEADER <= int.from_bytes(head[2:6], "little") <= MOST_PDU - TCP_HEADER)


def role(header: Array) -> NDArray[np.int8]:
    """Responses come from servers, and so do notifications, which are requests by their flags."""
    told = ((header["state_flags"] & StateFlag.RESPONSE) != 0) | (header["command"] == Command.DEVICE_NOTIFICATION)
    return np.where(told, -1, 1).astype(np.int8)


class AmsPort(IntEnum):
    ROUTER = 1
    DEBUGGER = 2
    LOGGER = 100
    EVENT_LOGGER = 110
    R0_RTIME = 200
    R0_TRACE = 290
    R0_IO = 300
    R0_PLC = 400
    R0_NC = 500
    R0_NC_SAF = 501
    R0_NC_SVB = 511
    R0_ISG = 550
    R0_PCS = 600
    TC2_PLC_1 = 801
    TC2_PLC_2 = 811
    TC2_PLC_3 = 821
    TC2_PLC_4 = 831
    TC3_PLC_1 = 851
    TC3_PLC_2 = 852
    TC3_PLC_3 = 853
    TC3_PLC_4 = 854
    CAM_CONTROLLER = 900
    SYSTEM_SERVICE = 10000
    SCOPE = 14000


class IndexGroup(IntEnum):
    """Reserved index groups, and those of a PLC's memory: what they mean to every ADS device but the system service."""

    MEMORY_BYTE = 0x4020
    MEMORY_BIT = 0x4021
    MEMORY_SIZE = 0x4025
    RETAIN_BYTE = 0x4030
    RETAIN_SIZE = 0x4035
    DATA_BYTE = 0x4040
    DATA_SIZE = 0x4045
    SYMBOL_TABLE = 0xF000
    SYMBOL_NAME = 0xF001
    SYMBOL_VALUE = 0xF002
    HANDLE_BY_NAME = 0xF003
    VALUE_BY_NAME = 0xF004
    VALUE_BY_HANDLE = 0xF005
    RELEASE_HANDLE = 0xF006
    INFO_BY_NAME = 0xF007
    SYMBOL_VERSION = 0xF008
    INFO_BY_NAME_EX = 0xF009
    SYMBOL_DOWNLOAD = 0xF00A
    SYMBOL_UPLOAD = 0xF00B
    SYMBOL_UPLOAD_INFO = 0xF00C
    SYMBOL_DOWNLOAD_2 = 0xF00D
    DATA_TYPE_UPLOAD = 0xF00E
    SYMBOL_UPLOAD_INFO_2 = 0xF00F
    SYMBOL_NOTIFICATION = 0xF010
    INPUT_BYTE = 0xF020
    INPUT_BIT = 0xF021
    INPUT_SIZE = 0xF025
    OUTPUT_BYTE = 0xF030
    OUTPUT_BIT = 0xF031
    OUTPUT_SIZE = 0xF035
    CLEAR_INPUTS = 0xF040
    CLEAR_OUTPUTS = 0xF050
    READ_INPUT_WRITE_OUTPUT = 0xF060
    SUM_READ = 0xF080
    SUM_WRITE = 0xF081
    SUM_READ_WRITE = 0xF082
    SUM_READ_EX = 0xF083
    SUM_READ_EX_2 = 0xF084
    SUM_ADD_NOTIFICATION = 0xF085
    SUM_DELETE_NOTIFICATION = 0xF086
    DEVICE_DATA = 0xF100


class SystemService(IntEnum):
    """Index groups of the system service, which have no other meaning there."""

    OPEN_CREATE = 100
    OPEN_READ = 101
    OPEN_WRITE = 102
    CREATE_FILE = 110
    CLOSE_HANDLE = 111
    FILE_OPEN = 120
    FILE_CLOSE = 121
    FILE_READ = 122
    FILE_WRITE = 123
    FILE_SEEK = 124
    FILE_TELL = 125
    FILE_GETS = 126
    FILE_PUTS = 127
    FILE_SCANF = 128
    FILE_PRINTF = 129
    FILE_EOF = 130
    FILE_DELETE = 131
    FILE_RENAME = 132
    FILE_FIND = 133
    MAKE_DIRECTORY = 138
    REMOVE_DIRECTORY = 139
    REGISTRY = 200
    SEND_EMAIL = 300
    TIME_SERVICES = 400
    START_PROCESS = 500
    CHANGE_NET_ID = 600


class AdsState(IntEnum):
    INVALID = 0
    IDLE = 1
    RESET = 2
    INIT = 3
    START = 4
    RUN = 5
    STOP = 6
    SAVE_CONFIGURATION = 7
    LOAD_CONFIGURATION = 8
    POWER_FAILURE = 9
    POWER_GOOD = 10
    ERROR = 11
    SHUTDOWN = 12
    SUSPEND = 13
    RESUME = 14
    CONFIG = 15
    RECONFIG = 16
    STOPPING = 17
    INCOMPATIBLE = 18
    EXCEPTION = 19


class TransmissionMode(IntEnum):
    NO_TRANSMISSION = 0
    CLIENT_CYCLE = 1
    CLIENT_ON_CHANGE = 2
    SERVER_CYCLE = 3
    SERVER_ON_CHANGE = 4
    SERVER_CYCLE_2 = 5
    SERVER_ON_CHANGE_2 = 6
    CLIENT_1_REQUEST = 10


class DataType(IntEnum):
    """ADST_ codes of a symbol's type."""

    VOID = 0
    INT16 = 2
    INT32 = 3
    REAL32 = 4
    REAL64 = 5
    INT8 = 16
    UINT8 = 17
    UINT16 = 18
    UINT32 = 19
    INT64 = 20
    UINT64 = 21
    STRING = 30
    WSTRING = 31
    REAL80 = 32
    BIT = 33
    BIG_TYPE = 65  # structures and what else is larger than the others


C, G, S = Command, IndexGroup, SystemService

COMMAND_ACTION = {
    C.READ_DEVICE_INFO: Action.DISCOVER,
    C.READ: Action.READ,
    C.WRITE: Action.WRITE,
    C.READ_STATE: Action.DIAGNOSTICS,
    C.ADD_DEVICE_NOTIFICATION: Action.READ,
    C.DEVICE_NOTIFICATION: Action.REPORT,
    C.READ_WRITE: Action.WRITE,
}
CONTROL_ACTION = {
    AdsState.RESET: Action.RESTART,
    AdsState.START: Action.START,
    AdsState.RUN: Action.START,
    AdsState.RESUME: Action.START,
    AdsState.STOP: Action.STOP,
    AdsState.SUSPEND: Action.STOP,
    AdsState.SHUTDOWN: Action.STOP,
}  # any other state: a change of mode
NAMED = (G.HANDLE_BY_NAME, G.VALUE_BY_NAME, G.INFO_BY_NAME, G.INFO_BY_NAME_EX)  # what is written there is a symbol's name
SUMS = tuple(group for group in G if G.SUM_READ <= group <= G.SUM_DELETE_NOTIFICATION)
SIZES = (G.MEMORY_SIZE, G.RETAIN_SIZE, G.DATA_SIZE, G.INPUT_SIZE, G.OUTPUT_SIZE)
DISCOVERS = (
    *SIZES, G.SYMBOL_TABLE, G.SYMBOL_NAME, G.HANDLE_BY_NAME, G.INFO_BY_NAME, G.SYMBOL_VERSION, G.INFO_BY_NAME_EX, G.SYMBOL_UPLOAD, G.SYMBOL_UPLOAD_INFO,
    G.DATA_TYPE_UPLOAD, G.SYMBOL_UPLOAD_INFO_2,
)  # fmt: skip
GROUP_ACTION = {
    **dict.fromkeys(DISCOVERS, Action.DISCOVER),
    **dict.fromkeys((G.SYMBOL_DOWNLOAD, G.SYMBOL_DOWNLOAD_2), Action.CONFIGURE_WRITE),
    **dict.fromkeys((*SUMS, G.RELEASE_HANDLE), Action.OTHER),  # a sum command does what its parts do, and they have rows of their own
    G.VALUE_BY_NAME: Action.READ,  # with READ_WRITE; what is written is the name
    G.DEVICE_DATA: Action.DIAGNOSTICS,
}
SERVICE_ACTION = {
    **dict.fromkeys((service for service in S if service < S.REGISTRY), Action.FILE_ACCESS),
    S.REGISTRY: Action.CONFIGURE_WRITE,
    S.TIME_SERVICES: Action.TIME_SET,
    S.START_PROCESS: Action.CONFIGURE_WRITE,
    S.CHANGE_NET_ID: Action.CONFIGURE_WRITE,
}
READ_ACTION = {S.REGISTRY: Action.CONFIGURE_READ, S.TIME_SERVICES: Action.DIAGNOSTICS}  # but for WRITE; a READ_WRITE writes what is to be read
PATHS = (S.OPEN_CREATE, S.OPEN_READ, S.OPEN_WRITE, S.CREATE_FILE, S.FILE_OPEN, S.FILE_DELETE, S.FILE_RENAME, S.FILE_FIND, S.MAKE_DIRECTORY, S.REMOVE_DIRECTORY)
PART_COMMAND = {  # what each part of a sum command does
    G.SUM_READ: C.READ,
    G.SUM_WRITE: C.WRITE,
    G.SUM_READ_WRITE: C.READ_WRITE,
    G.SUM_READ_EX: C.READ,
    G.SUM_READ_EX_2: C.READ,
    G.SUM_ADD_NOTIFICATION: C.ADD_DEVICE_NOTIFICATION,
    G.SUM_DELETE_NOTIFICATION: C.DELETE_DEVICE_NOTIFICATION,
}
