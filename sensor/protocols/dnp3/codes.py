"""Code tables of the application layer, and what each function does. Source: IEEE 1815-2012, 4 (application layer), 11 and A (objects)."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from sensor.events.vocabulary import Action


class Function(IntEnum):  # Table 4-2
    CONFIRM = 0
    READ = 1
    WRITE = 2
    SELECT = 3
    OPERATE = 4
    DIRECT_OPERATE = 5
    DIRECT_OPERATE_NR = 6
    IMMED_FREEZE = 7
    IMMED_FREEZE_NR = 8
    FREEZE_CLEAR = 9
    FREEZE_CLEAR_NR = 10
    FREEZE_AT_TIME = 11
    FREEZE_AT_TIME_NR = 12
    COLD_RESTART = 13
    WARM_RESTART = 14
    INITIALIZE_DATA = 15
    INITIALIZE_APPL = 16
    START_APPL = 17
    STOP_APPL = 18
    SAVE_CONFIG = 19
    ENABLE_UNSOLICITED = 20
    DISABLE_UNSOLICITED = 21
    ASSIGN_CLASS = 22
    DELAY_MEASURE = 23
    RECORD_CURRENT_TIME = 24
    OPEN_FILE = 25
    CLOSE_FILE = 26
    DELETE_FILE = 27
    GET_FILE_INFO = 28
    AUTHENTICATE_FILE = 29
    ABORT_FILE = 30
    ACTIVATE_CONFIG = 31
    AUTHENTICATE_REQ = 32
    AUTH_REQ_NO_ACK = 33
    RESPONSE = 129
    UNSOLICITED_RESPONSE = 130
    AUTHENTICATE_RESP = 131


F = Function
FREEZES = (F.IMMED_FREEZE, F.IMMED_FREEZE_NR, F.FREEZE_CLEAR, F.FREEZE_CLEAR_NR, F.FREEZE_AT_TIME, F.FREEZE_AT_TIME_NR)
RESPONSES = (F.RESPONSE, F.UNSOLICITED_RESPONSE, F.AUTHENTICATE_RESP)
OPERATES = (F.OPERATE, F.DIRECT_OPERATE, F.DIRECT_OPERATE_NR)
UNANSWERED = (F.CONFIRM, F.DIRECT_OPERATE_NR, F.IMMED_FREEZE_NR, F.FREEZE_CLEAR_NR, F.FREEZE_AT_TIME_NR, F.AUTH_REQ_NO_ACK)  # 4.4: no response comes

ACTION = {
    F.CONFIRM: Action.OTHER,
    F.READ: Action.READ,
    **dict.fromkeys((F.WRITE, *FREEZES), Action.WRITE),
    F.SELECT: Action.SELECT,
    **dict.fromkeys(OPERATES, Action.OPERATE),
    **dict.fromkeys((F.COLD_RESTART, F.WARM_RESTART), Action.RESTART),
    **dict.fromkeys((F.INITIALIZE_APPL, F.START_APPL), Action.START),
    F.STOP_APPL: Action.STOP,
    **dict.fromkeys((F.INITIALIZE_DATA, F.SAVE_CONFIG, F.ENABLE_UNSOLICITED, F.DISABLE_UNSOLICITED, F.ASSIGN_CLASS, F.ACTIVATE_CONFIG), Action.CONFIGURE_WRITE),
    **dict.fromkeys((F.DELAY_MEASURE, F.RECORD_CURRENT_TIME), Action.DIAGNOSTICS),
    **dict.fromkeys((F.OPEN_FILE, F.CLOSE_FILE, F.DELETE_FILE, F.GET_FILE_INFO, F.ABORT_FILE), Action.FILE_ACCESS),
    **dict.fromkeys((F.AUTHENTICATE_FILE, F.AUTHENTICATE_REQ, F.AUTH_REQ_NO_ACK, F.AUTHENTICATE_RESP), Action.AUTHENTICATE),
    F.RESPONSE: Action.READ,  # until its request is known
    F.UNSOLICITED_RESPONSE: Action.REPORT,
}

# What reads and writes of some groups are, beyond reading and writing values; of several in one message the last one listed counts.
GROUP_ACTION: tuple[tuple[Function, int, Action], ...] = (
    (F.READ, 0, Action.DISCOVER),
    (F.READ, 70, Action.FILE_ACCESS),
    (F.READ, 80, Action.DIAGNOSTICS),
    (F.READ, 82, Action.CONFIGURE_READ),
    (F.READ, 121, Action.DIAGNOSTICS),
    (F.WRITE, 80, Action.ALARM_MANAGEMENT),  # clears the restart indication: the master has seen it
    (F.WRITE, 70, Action.FILE_ACCESS),
    (F.WRITE, 0, Action.CONFIGURE_WRITE),
    (F.WRITE, 34, Action.CONFIGURE_WRITE),
    (F.WRITE, 85, Action.CONFIGURE_WRITE),
    (F.WRITE, 86, Action.CONFIGURE_WRITE),
    (F.WRITE, 50, Action.TIME_SET),
)


class Indication(IntEnum):  # 4.2.2.6: IIN1.0 to IIN1.7, then IIN2.0 to IIN2.5
    BROADCAST = 0
    CLASS_1_EVENTS = 1
    CLASS_2_EVENTS = 2
    CLASS_3_EVENTS = 3
    NEED_TIME = 4
    LOCAL_CONTROL = 5
    DEVICE_TROUBLE = 6
    DEVICE_RESTART = 7
    NO_FUNC_CODE_SUPPORT = 8
    OBJECT_UNKNOWN = 9
    PARAMETER_ERROR = 10
    EVENT_BUFFER_OVERFLOW = 11
    ALREADY_EXECUTING = 12
    CONFIG_CORRUPT = 13
    RESERVED_1 = 14
    RESERVED_2 = 15


I = Indication
REFUSALS = sum(1 << code for code in (I.NO_FUNC_CODE_SUPPORT, I.OBJECT_UNKNOWN, I.PARAMETER_ERROR, I.ALREADY_EXECUTING))
RESERVED_INDICATIONS = 1 << I.RESERVED_1 | 1 << I.RESERVED_2


class PrefixCode(IntEnum):  # Table 4-5
    NONE = 0
    INDEX_1 = 1
    INDEX_2 = 2
    INDEX_4 = 3
    SIZE_1 = 4
    SIZE_2 = 5
    SIZE_4 = 6
    RESERVED = 7


class RangeCode(IntEnum):  # Table 4-6
    START_STOP_1 = 0
    START_STOP_2 = 1
    START_STOP_4 = 2
    VIRTUAL_ADDRESS_1 = 3
    VIRTUAL_ADDRESS_2 = 4
    VIRTUAL_ADDRESS_4 = 5
    ALL = 6
    COUNT_1 = 7
    COUNT_2 = 8
    COUNT_4 = 9
    VARIABLE = 11


class Operation(IntEnum):  # A.8.1.2, control code bits 0 to 3
    NUL = 0
    PULSE_ON = 1
    PULSE_OFF = 2
    LATCH_ON = 3
    LATCH_OFF = 4


class TripClose(IntEnum):  # A.8.1.2, control code bits 6 and 7
    NUL = 0
    CLOSE = 1
    TRIP = 2
    RESERVED = 3


class ControlStatus(IntEnum):  # Table A-1
    SUCCESS = 0
    TIMEOUT = 1
    NO_SELECT = 2
    FORMAT_ERROR = 3
    NOT_SUPPORTED = 4
    ALREADY_ACTIVE = 5
    HARDWARE_ERROR = 6
    LOCAL = 7
    TOO_MANY_OBJS = 8
    NOT_AUTHORIZED = 9
    AUTOMATION_INHIBIT = 10
    PROCESSING_LIMITED = 11
    OUT_OF_RANGE = 12
    DOWNSTREAM_LOCAL = 13
    ALREADY_COMPLETE = 14
    BLOCKED = 15
    CANCELLED = 16
    BLOCKED_OTHER_MASTER = 17
    DOWNSTREAM_FAIL = 18
    NON_PARTICIPATING = 126
    UNDEFINED = 127


class DoubleBit(IntEnum):  # A.4.1
    INTERMEDIATE = 0
    DETERMINED_OFF = 1
    DETERMINED_ON = 2
    INDETERMINATE = 3


class FileMode(IntEnum):  # A.27.3
    NULL = 0
    READ = 1
    WRITE = 2
    APPEND = 3


class FileType(IntEnum):  # A.27.7
    DIRECTORY = 0
    FILE = 1


class FileStatus(IntEnum):  # A.27.4, A.27.6
    SUCCESS = 0
    PERMISSION_DENIED = 1
    INVALID_MODE = 2
    FILE_NOT_FOUND = 3
    FILE_LOCKED = 4
    TOO_MANY_OPEN = 5
    INVALID_HANDLE = 6
    WRITE_BLOCK_SIZE = 7
    COMM_LOST = 8
    CANNOT_ABORT = 9
    NOT_OPENED = 16
    HANDLE_EXPIRED = 17
    BUFFER_OVERRUN = 18
    FATAL = 19
    BLOCK_SEQUENCE = 20
    UNDEFINED = 255


ATTRIBUTES = {  # A.1: group 0, by variation
    196: "configuration_id", 197: "configuration_version", 198: "configuration_build_date", 199: "configuration_last_change_date",
    200: "configuration_signature", 201: "configuration_signature_algorithm", 202: "master_resource_id", 203: "device_location_altitude",
    204: "device_location_longitude", 205: "device_location_latitude", 206: "user_assigned_secondary_operator_name",
    207: "user_assigned_primary_operator_name", 208: "user_assigned_system_name", 209: "secure_authentication_version",
    210: "number_of_security_statistics", 211: "user_specific_attribute_sets", 212: "number_of_master_defined_data_set_prototypes",
    213: "number_of_outstation_defined_data_set_prototypes", 214: "number_of_master_defined_data_sets", 215: "number_of_outstation_defined_data_sets",
    216: "maximum_binary_outputs_per_request", 217: "local_timing_accuracy", 218: "duration_of_timing_accuracy", 219: "analog_output_events_supported",
    220: "maximum_analog_output_index", 221: "number_of_analog_outputs", 222: "binary_output_events_supported", 223: "maximum_binary_output_index",
    224: "number_of_binary_outputs", 225: "frozen_counter_events_supported", 226: "frozen_counters_supported", 227: "counter_events_supported",
    228: "maximum_counter_index", 229: "number_of_counters", 230: "frozen_analog_inputs_supported", 231: "analog_input_events_supported",
    232: "maximum_analog_input_index", 233: "number_of_analog_inputs", 234: "double_bit_events_supported", 235: "maximum_double_bit_index",
    236: "number_of_double_bit_inputs", 237: "binary_input_events_supported", 238: "maximum_binary_input_index", 239: "number_of_binary_inputs",
    240: "maximum_transmit_fragment_size", 241: "maximum_receive_fragment_size", 242: "software_version", 243: "hardware_version", 244: "owner_name",
    245: "location", 246: "id_code", 247: "device_name", 248: "serial_number", 249: "subset_and_conformance", 250: "product_name_and_model",
    252: "manufacturer_name", 254: "all_attributes", 255: "list_of_attributes",
}  # fmt: skip


def table(codes: dict[Function, Action]) -> NDArray[np.uint8]:
    """uint8[256]: the action of each function code."""
    actions = np.full(256, Action.OTHER, np.uint8)
    actions[list(codes)] = list(codes.values())
    return actions


ACTIONS = table(ACTION)
IS_KNOWN = np.isin(np.arange(256), list(Function))
