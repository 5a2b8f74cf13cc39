"""What each CIP service does to which object: names and actions, both looked up by class and service."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from sensor.events.vocabulary import Action
from sensor.protocols.enip.codes import ObjectClass as C
from sensor.protocols.enip.codes import Service as S

COMMON, SPECIFIC, RESERVED = 0x32, 0x4B, 0x64  # Volume 1, A-2: where vendors', objects' and no one's services begin


class Operation(IntEnum):
    """Services by name: a common one is its code; those from 0x4B on mean something else for every object, and stand behind its class."""

    GET_ATTRIBUTES_ALL = S.GET_ATTRIBUTES_ALL
    SET_ATTRIBUTES_ALL = S.SET_ATTRIBUTES_ALL
    GET_ATTRIBUTE_LIST = S.GET_ATTRIBUTE_LIST
    SET_ATTRIBUTE_LIST = S.SET_ATTRIBUTE_LIST
    RESET = S.RESET
    START = S.START
    STOP = S.STOP
    CREATE = S.CREATE
    DELETE = S.DELETE
    MULTIPLE_SERVICE_PACKET = S.MULTIPLE_SERVICE_PACKET
    APPLY_ATTRIBUTES = S.APPLY_ATTRIBUTES
    GET_ATTRIBUTE_SINGLE = S.GET_ATTRIBUTE_SINGLE
    SET_ATTRIBUTE_SINGLE = S.SET_ATTRIBUTE_SINGLE
    FIND_NEXT_OBJECT_INSTANCE = S.FIND_NEXT_OBJECT_INSTANCE
    ERROR_RESPONSE = S.ERROR_RESPONSE
    RESTORE = S.RESTORE
    SAVE = S.SAVE
    NO_OPERATION = S.NO_OPERATION
    GET_MEMBER = S.GET_MEMBER
    SET_MEMBER = S.SET_MEMBER
    INSERT_MEMBER = S.INSERT_MEMBER
    REMOVE_MEMBER = S.REMOVE_MEMBER
    GROUP_SYNC = S.GROUP_SYNC
    GET_CONNECTION_POINT_MEMBER_LIST = S.GET_CONNECTION_POINT_MEMBER_LIST
    SYMBOLIC_TRANSLATION = 0x024B  # Message Router, Volume 1, 5-3.3.2
    CONNECTION_BIND = 0x054B  # Connection, 5-4.7
    PRODUCING_APPLICATION_LOOKUP = 0x054C
    SAFETY_CLOSE = 0x054E
    SAFETY_OPEN = 0x0554
    FORWARD_CLOSE = 0x064E  # Connection Manager, 3-5.5
    UNCONNECTED_SEND = 0x0652
    FORWARD_OPEN = 0x0654
    GET_CONNECTION_DATA = 0x0656
    SEARCH_CONNECTION_DATA = 0x0657
    EXTENDED_FORWARD_OPEN = 0x0659
    GET_CONNECTION_OWNER = 0x065A
    LARGE_FORWARD_OPEN = 0x065B
    GET_ENUM_STRING = 0x0F4B  # Parameter, 5-14.4
    INITIATE_UPLOAD = 0x374B  # File, 5-42.4
    INITIATE_DOWNLOAD = 0x374C
    INITIATE_PARTIAL_READ = 0x374D
    INITIATE_PARTIAL_WRITE = 0x374E
    UPLOAD_TRANSFER = 0x374F
    DOWNLOAD_TRANSFER = 0x3750
    CLEAR_FILE = 0x3751
    EXECUTE_PCCC = 0x674B  # PCCC, 1756-PM020
    EXECUTE_PCCC_DH_PLUS = 0x674C
    EXECUTE_PCCC_LOCAL = 0x674D
    READ_TAG = 0x6B4C  # any tag, whatever object its symbol names: 1756-PM020
    WRITE_TAG = 0x6B4D
    READ_MODIFY_WRITE_TAG = 0x6B4E
    READ_TAG_FRAGMENTED = 0x6B52
    WRITE_TAG_FRAGMENTED = 0x6B53
    GET_INSTANCE_ATTRIBUTE_LIST = 0x6B55
    READ_TEMPLATE = 0x6C4C
    READ_MEMORY = 0x724C  # Logix data table memory, by address
    WRITE_MEMORY = 0x724D
    LOCK_CHALLENGE = 0x744B
    LOCK_RESPONSE = 0x744C
    UPDATE_FIRMWARE = 0xA14B  # Non-Volatile Storage: what ControlFLASH asks for
    TRANSFER_FIRMWARE = 0xA14D
    GET_AND_CLEAR = 0xF64C  # Ethernet Link, Volume 2, 5-5.5


O = Operation

GETS = (S.GET_ATTRIBUTES_ALL, S.GET_ATTRIBUTE_LIST, S.GET_ATTRIBUTE_SINGLE, S.GET_MEMBER)
SETS = (S.SET_ATTRIBUTES_ALL, S.SET_ATTRIBUTE_LIST, S.SET_ATTRIBUTE_SINGLE, S.SET_MEMBER, S.INSERT_MEMBER, S.REMOVE_MEMBER)
PROCESS = (
    C.ASSEMBLY, C.DISCRETE_INPUT_POINT, C.DISCRETE_OUTPUT_POINT, C.ANALOG_INPUT_POINT, C.ANALOG_OUTPUT_POINT, C.PRESENCE_SENSING, C.PARAMETER,
    C.DISCRETE_INPUT_GROUP, C.DISCRETE_OUTPUT_GROUP, C.DISCRETE_GROUP, C.ANALOG_INPUT_GROUP, C.ANALOG_OUTPUT_GROUP, C.ANALOG_GROUP, C.POSITION_SENSOR,
    C.POSITION_CONTROLLER, C.MOTOR_DATA, C.CONTROL_SUPERVISOR, C.AC_DC_DRIVE, C.OVERLOAD, C.SOFTSTART, C.S_ANALOG_SENSOR, C.S_ANALOG_ACTUATOR, C.REGISTER,
    C.SYMBOL,
)  # fmt: skip
DESCRIPTIONS = (C.IDENTITY, C.MESSAGE_ROUTER, C.SYMBOL, C.TEMPLATE, C.CONTROLLER_NAME)
PROGRAMS = (C.PROGRAM, C.PROGRAM_PARTS, C.ROUTINE, C.TASK)

SERVICE_ACTION = {
    **dict.fromkeys(GETS, Action.CONFIGURE_READ),
    **dict.fromkeys((*SETS, S.APPLY_ATTRIBUTES, S.RESTORE, S.CREATE, S.DELETE, S.SAVE), Action.CONFIGURE_WRITE),
    S.RESET: Action.RESTART,
    S.START: Action.START,
    S.STOP: Action.STOP,
    S.FIND_NEXT_OBJECT_INSTANCE: Action.DISCOVER,
    S.ERROR_RESPONSE: Action.ERROR,
    S.NO_OPERATION: Action.DIAGNOSTICS,
    S.GROUP_SYNC: Action.DIAGNOSTICS,
    S.GET_CONNECTION_POINT_MEMBER_LIST: Action.DISCOVER,
}
OPERATION_ACTION = {
    **dict.fromkeys((O.FORWARD_OPEN, O.LARGE_FORWARD_OPEN, O.EXTENDED_FORWARD_OPEN, O.FORWARD_CLOSE), Action.CONNECT),
    **dict.fromkeys((O.SAFETY_OPEN, O.SAFETY_CLOSE, O.CONNECTION_BIND), Action.CONNECT),
    **dict.fromkeys((O.GET_CONNECTION_DATA, O.SEARCH_CONNECTION_DATA, O.GET_CONNECTION_OWNER), Action.DIAGNOSTICS),
    **dict.fromkeys((O.PRODUCING_APPLICATION_LOOKUP, O.GET_AND_CLEAR), Action.DIAGNOSTICS),
    **dict.fromkeys((O.GET_INSTANCE_ATTRIBUTE_LIST, O.READ_TEMPLATE, O.SYMBOLIC_TRANSLATION), Action.DISCOVER),
    **dict.fromkeys((O.READ_TAG, O.READ_TAG_FRAGMENTED, O.READ_MEMORY), Action.READ),
    **dict.fromkeys((O.WRITE_TAG, O.WRITE_TAG_FRAGMENTED, O.READ_MODIFY_WRITE_TAG, O.WRITE_MEMORY), Action.WRITE),
    **dict.fromkeys((O.INITIATE_UPLOAD, O.INITIATE_PARTIAL_READ, O.UPLOAD_TRANSFER, O.CLEAR_FILE), Action.FILE_ACCESS),
    **dict.fromkeys((O.INITIATE_DOWNLOAD, O.INITIATE_PARTIAL_WRITE, O.DOWNLOAD_TRANSFER), Action.FIRMWARE_UPDATE),
    **dict.fromkeys((O.LOCK_CHALLENGE, O.LOCK_RESPONSE), Action.AUTHENTICATE),
    O.GET_ENUM_STRING: Action.CONFIGURE_READ,
}
# What Logix controllers and engineering stations do beyond the published services, as seen in captures and in MITRE's ACID indicators.
PAIR_ACTION = {
    (C.CONTROLLER_DEVICE, 0x5C): Action.AUTHENTICATE,
    (C.CONTROLLER_MEMORY, S.CREATE): Action.DOWNLOAD,
    (C.PROGRAM, 0x4D): Action.FORCE,
    (C.PROGRAM, 0x4E): Action.FORCE,
    (C.MODULE, 0x4D): Action.FORCE,
    (C.MODULE, 0x4E): Action.FORCE,
    (C.PROGRAM_PARTS, 0x51): Action.MODIFY_PROGRAM,
    **{(each, service): Action.MODIFY_PROGRAM for each in (*PROGRAMS, C.SYMBOL, C.TEMPLATE) for service in (S.CREATE, S.DELETE)},
    **{(each, service): Action.MODIFY_PROGRAM for each in PROGRAMS for service in SETS},
    **{(C.ROUTINE, service): Action.UPLOAD for service in (0x4C, 0x52)},
    **{(each, service): Action.TIME_SET for each in (C.WALL_CLOCK_TIME, C.TIME_SYNC, C.COORDINATED_SYSTEM_TIME) for service in SETS},
    **{(each, service): Action.DISCOVER for each in DESCRIPTIONS for service in GETS},
    **{(each, service): Action.READ for each in PROCESS for service in GETS if each != C.SYMBOL},
    **{(each, service): Action.WRITE for each in PROCESS for service in SETS if each != C.SYMBOL},
    **{(C.NON_VOLATILE_STORAGE, service): Action.FIRMWARE_UPDATE for service in (*SETS, *range(COMMON, 0x80))},
    **{(C.FILE, service): Action.FILE_ACCESS for service in (S.CREATE, S.DELETE)},
    **{(C.CONNECTION_MANAGER, service): Action.DIAGNOSTICS for service in GETS},
    **{(C.ETHERNET_LINK, service): Action.DIAGNOSTICS for service in GETS},
}


def _actions() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    array = np.zeros(257 << 8, np.uint8)
    table = array.reshape(257, 256)  # the last row: classes beyond one byte, and none
    for service, action in SERVICE_ACTION.items():
        table[:, service] = action
    for operation, action in OPERATION_ACTION.items():
        array[operation] = action
    for (class_id, service), action in PAIR_ACTION.items():
        table[class_id, service] = action
    return array


def _operations() -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
    table = np.zeros((257, 256), np.uint16)
    for operation in Operation:
        table[operation >> 8 if operation >= COMMON else slice(None), operation & 0xFF] = operation
    return table.reshape(-1)


ACTIONS = _actions()  # by class (256 for those that have no row) << 8 | service
OPERATIONS = _operations()  # by the same, 0 where the service has no name

RESERVED_SERVICES = np.array([(code < COMMON and code not in set(S)) or code >= RESERVED for code in range(128)], np.bool_)
