"""The words of S7: functions, areas, types, services, states, and the action of each."""

from __future__ import annotations

from enum import IntEnum

from sensor.events.vocabulary import Action


class Function(IntEnum):
    """The first parameter byte of jobs and their acknowledgements."""

    CPU_SERVICES = 0x00
    READ_VAR = 0x04
    WRITE_VAR = 0x05
    REQUEST_DOWNLOAD = 0x1A
    DOWNLOAD_BLOCK = 0x1B
    DOWNLOAD_ENDED = 0x1C
    START_UPLOAD = 0x1D
    UPLOAD = 0x1E
    END_UPLOAD = 0x1F
    PI_SERVICE = 0x28
    PLC_STOP = 0x29
    SETUP_COMMUNICATION = 0xF0


def names(codes: type[IntEnum]) -> dict[int, str]:
    """Each code's name as documents show it."""
    return {int(code): code.name.lower() for code in codes}


F = Function
ACTION = {
    F.READ_VAR: Action.READ,
    F.WRITE_VAR: Action.WRITE,
    **dict.fromkeys((F.REQUEST_DOWNLOAD, F.DOWNLOAD_BLOCK, F.DOWNLOAD_ENDED), Action.DOWNLOAD),
    **dict.fromkeys((F.START_UPLOAD, F.UPLOAD, F.END_UPLOAD), Action.UPLOAD),
    F.PI_SERVICE: Action.OPERATE,  # refined by the service's name, below
    F.PLC_STOP: Action.STOP,
    F.SETUP_COMMUNICATION: Action.CONNECT,
}


class ConnectionType(IntEnum):
    """The first byte of the TSAP that a client calls: what resource of the controller it wants."""

    PROGRAMMING_DEVICE = 1
    OPERATOR_PANEL = 2
    S7_BASIC = 3


class SyntaxId(IntEnum):
    """How an item says what it means."""

    S7ANY = 0x10
    PBC_R_ID = 0x13
    ALARM_LOCK_FREE = 0x15
    ALARM_INDICATION = 0x16
    ALARM_ACKNOWLEDGE = 0x19
    ALARM_QUERY = 0x1A
    NOTIFY_INDICATION = 0x1C
    NCK = 0x82
    NCK_METRIC = 0x83
    NCK_INCH = 0x84
    DRIVE_ES_ANY = 0xA2
    DB_READ = 0xB0
    SYMBOLIC_1200 = 0xB2


class Area(IntEnum):
    DATA_RECORD = 0x01
    SYSTEM_INFO_200 = 0x03
    SYSTEM_FLAGS_200 = 0x05
    ANALOG_INPUTS_200 = 0x06
    ANALOG_OUTPUTS_200 = 0x07
    COUNTERS = 0x1C
    TIMERS = 0x1D
    IEC_COUNTERS_200 = 0x1E
    IEC_TIMERS_200 = 0x1F
    PERIPHERAL = 0x80
    INPUTS = 0x81
    OUTPUTS = 0x82
    FLAGS = 0x83
    DATA_BLOCKS = 0x84
    INSTANCE_DATA_BLOCKS = 0x85
    LOCAL_DATA = 0x86
    PREVIOUS_LOCAL_DATA = 0x87


class TransportSize(IntEnum):
    """The type of an item's elements, in its address."""

    BIT = 1
    BYTE = 2
    CHAR = 3
    WORD = 4
    INT = 5
    DWORD = 6
    DINT = 7
    REAL = 8
    DATE = 9
    TIME_OF_DAY = 10
    TIME = 11
    S5TIME = 12
    DATE_AND_TIME = 15
    COUNTER = 28
    TIMER = 29
    IEC_TIMER = 30
    IEC_COUNTER = 31
    HS_COUNTER = 32


class DataTransportSize(IntEnum):
    """The type before an item's data: says whether its length counts bits or bytes."""

    NULL = 0
    BIT = 3  # bits
    BYTE_WORD_DWORD = 4  # bits
    INTEGER = 5  # bits
    DINTEGER = 6
    REAL = 7
    OCTET_STRING = 9
    NCK_ADDRESS_1 = 0x11
    NCK_ADDRESS_2 = 0x12


class BlockType(IntEnum):
    """Two hexadecimal digits in file names, a number elsewhere."""

    OB = 0x08
    DB = 0x0A
    SDB = 0x0B
    FC = 0x0C
    SFC = 0x0D
    FB = 0x0E
    SFB = 0x0F


class Language(IntEnum):
    UNDEFINED = 0
    STL = 1
    LADDER = 2
    FUNCTION_BLOCK_DIAGRAM = 3
    SCL = 4
    DB = 5
    GRAPH = 6
    SDB = 7
    CPU_DB = 8
    SDB_AFTER_RESET = 17
    SDB_ROUTING = 18
    ENCRYPTED = 41


PI_ACTION = {
    "P_PROGRAM": Action.START,
    "_INSE": Action.MODIFY_PROGRAM,  # put a downloaded block into the program
    "_INS2": Action.MODIFY_PROGRAM,
    "_DELE": Action.MODIFY_PROGRAM,  # delete a block
    "_MODU": Action.MODIFY_PROGRAM,  # copy RAM to ROM
    "_GARB": Action.MODIFY_PROGRAM,  # compress memory
    "_RSET": Action.RESTART,
    "_N_LOGIN_": Action.AUTHENTICATE,
    "_N_LOGOUT": Action.AUTHENTICATE,
    "_N_SELECT": Action.MODIFY_PROGRAM,  # a numerical control's part program to be run
    "_N_SETUFR": Action.CONFIGURE_WRITE,
    **dict.fromkeys(
        ("_N_F_OPER", "_N_F_OPEN", "_N_F_CLOS", "_N_F_SEEK", "_N_F_DELE", "_N_F_DELR", "_N_F_XFER", "_N_F_COPY", "_N_F_RENA", "_N_F_PROT", "_N_F_DMDA"),
        Action.FILE_ACCESS,
    ),
}


class UserdataType(IntEnum):
    """What a userdata PDU is; numerical controls set bits 0 and 1 on top."""

    PUSH = 0
    NC_PUSH = 3
    REQUEST = 4
    NC_REQUEST = 7
    RESPONSE = 8
    NC_RESPONSE = 11


class Group(IntEnum):
    """Function groups of userdata."""

    MODE_TRANSITION = 0
    PROGRAMMING = 1
    CYCLIC = 2
    BLOCK = 3
    CPU = 4
    SECURITY = 5
    BLOCK_SEND = 6
    TIME = 7
    NC_PROGRAMMING = 15


class Programming(IntEnum):
    BLOCK_STATUS = 0x01
    VARIABLE_STATUS = 0x02
    OUTPUT_INTERRUPT_STACK = 0x03
    OUTPUT_BLOCK_STACK = 0x04
    OUTPUT_LOCAL_STACK = 0x05
    TIME_MEASUREMENT = 0x06
    FORCE_SELECTION = 0x07
    MODIFY_VARIABLE = 0x08
    FORCE = 0x09
    BREAKPOINT = 0x0A
    EXIT_HOLD = 0x0B
    MEMORY_RESET = 0x0C
    DISABLE_JOB = 0x0D
    ENABLE_JOB = 0x0E
    DELETE_JOB = 0x0F
    READ_JOB_LIST = 0x10
    READ_JOB = 0x11
    REPLACE_JOB = 0x12
    BLOCK_STATUS_2 = 0x13
    FLASH_LED = 0x16


class Cyclic(IntEnum):
    TRANSFER = 1
    UNSUBSCRIBE = 4
    CHANGE_DRIVEN = 5
    CHANGE_DRIVEN_MODIFY = 7
    READ_RECORD = 8


class Block(IntEnum):
    LIST = 1
    LIST_TYPE = 2
    INFO = 3


class Cpu(IntEnum):
    READ_SZL = 0x01
    MESSAGE_SERVICE = 0x02
    DIAGNOSTIC_MESSAGE = 0x03
    ALARM_8_INDICATION = 0x05
    NOTIFY_INDICATION = 0x06
    ALARM_8_LOCK = 0x07
    ALARM_8_UNLOCK = 0x08
    SCAN_INDICATION = 0x09
    ALARM_ACKNOWLEDGE = 0x0B
    ALARM_ACKNOWLEDGE_INDICATION = 0x0C
    ALARM_LOCK_INDICATION = 0x0D
    ALARM_UNLOCK_INDICATION = 0x0E
    ALARM_SQ_INDICATION = 0x11
    ALARM_S_INDICATION = 0x12
    ALARM_QUERY = 0x13
    NOTIFY_8_INDICATION = 0x16


class Security(IntEnum):
    PASSWORD = 1
    END_PASSWORD = 2


class BlockSend(IntEnum):
    BSEND = 0


class Time(IntEnum):
    READ_CLOCK = 1
    SET_CLOCK = 2
    READ_CLOCK_FOLLOWING = 3
    SET_CLOCK_FOLLOWING = 4


class NcProgramming(IntEnum):
    REQUEST_DOWNLOAD = 1
    DOWNLOAD_BLOCK = 2
    CONTINUE_DOWNLOAD = 3
    DOWNLOAD_ENDED = 4
    START_UPLOAD = 6
    UPLOAD = 7
    CONTINUE_UPLOAD = 8


class State(IntEnum):
    """Operating states: the mode transition that a controller announces, and the status list 0x0424."""

    STOP = 0
    WARM_RESTART = 1
    RUN = 2
    HOT_RESTART = 3
    HOLD = 4
    COLD_RESTART = 6
    RUN_REDUNDANT = 9
    LINK_UP = 11
    UPDATE = 12
    DEFECTIVE = 13


# By function group, every subfunction that is known.
SUBFUNCTIONS: dict[int, type[IntEnum]] = {
    Group.MODE_TRANSITION: State, Group.PROGRAMMING: Programming, Group.CYCLIC: Cyclic, Group.BLOCK: Block, Group.CPU: Cpu, Group.SECURITY: Security,
    Group.BLOCK_SEND: BlockSend, Group.TIME: Time, Group.NC_PROGRAMMING: NcProgramming,
}  # fmt: skip
# The name of each: group * 256 + subfunction.
Operation = IntEnum(  # type: ignore[misc]  # the names are the table's
    "Operation", {f"{Group(group).name}_{code.name}": group << 8 | code for group, codes in SUBFUNCTIONS.items() for code in codes}
)
# By both, the action. What a group does in general stands under -1.
USERDATA_ACTION: dict[tuple[int, int], Action] = {
    (Group.MODE_TRANSITION, -1): Action.REPORT,
    (Group.PROGRAMMING, -1): Action.DIAGNOSTICS,
    (Group.PROGRAMMING, Programming.FORCE): Action.FORCE,
    (Group.PROGRAMMING, Programming.FORCE_SELECTION): Action.FORCE,
    (Group.PROGRAMMING, Programming.MODIFY_VARIABLE): Action.WRITE,
    (Group.PROGRAMMING, Programming.VARIABLE_STATUS): Action.READ,
    (Group.PROGRAMMING, Programming.BREAKPOINT): Action.MODE_CHANGE,
    (Group.PROGRAMMING, Programming.EXIT_HOLD): Action.MODE_CHANGE,
    (Group.PROGRAMMING, Programming.MEMORY_RESET): Action.MODIFY_PROGRAM,
    (Group.CYCLIC, -1): Action.READ,
    (Group.CYCLIC, Cyclic.UNSUBSCRIBE): Action.OTHER,
    (Group.BLOCK, -1): Action.DISCOVER,
    (Group.CPU, -1): Action.ALARM_MANAGEMENT,
    (Group.CPU, Cpu.READ_SZL): Action.DIAGNOSTICS,  # the identification lists: DISCOVER
    (Group.CPU, Cpu.MESSAGE_SERVICE): Action.ALARM_MANAGEMENT,
    (Group.CPU, Cpu.DIAGNOSTIC_MESSAGE): Action.REPORT,
    (Group.SECURITY, -1): Action.AUTHENTICATE,
    (Group.BLOCK_SEND, -1): Action.WRITE,
    (Group.TIME, -1): Action.DIAGNOSTICS,
    (Group.TIME, Time.SET_CLOCK): Action.TIME_SET,
    (Group.TIME, Time.SET_CLOCK_FOLLOWING): Action.TIME_SET,
    (Group.NC_PROGRAMMING, -1): Action.DOWNLOAD,
    (Group.NC_PROGRAMMING, NcProgramming.START_UPLOAD): Action.UPLOAD,
    (Group.NC_PROGRAMMING, NcProgramming.UPLOAD): Action.UPLOAD,
    (Group.NC_PROGRAMMING, NcProgramming.CONTINUE_UPLOAD): Action.UPLOAD,
}
