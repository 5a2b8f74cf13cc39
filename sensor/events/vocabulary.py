"""The words that hold for every protocol: what was done, how far it can be believed, what was wrong with it."""

from __future__ import annotations

from enum import IntEnum, IntFlag, auto


class Action(IntEnum):
    """What a PDU does, whatever its protocol: one detector for `stop` serves all of them. A protocol's code tables name the action of every function once."""

    OTHER = 0
    CONNECT = auto()  # open, close or keep up a session
    AUTHENTICATE = auto()
    READ = auto()
    WRITE = auto()  # values: registers, variables, set points
    SELECT = auto()  # what comes before an operate: the device makes ready and changes nothing
    OPERATE = auto()  # a command to the process: breaker, output
    MODE_CHANGE = auto()
    START = auto()
    STOP = auto()
    RESTART = auto()
    DOWNLOAD = auto()  # a program into the controller
    UPLOAD = auto()  # a program out of the controller
    MODIFY_PROGRAM = auto()  # delete, insert, link or edit parts of the program
    FORCE = auto()
    CONFIGURE_READ = auto()
    CONFIGURE_WRITE = auto()
    FIRMWARE_UPDATE = auto()
    TIME_SET = auto()
    FILE_ACCESS = auto()
    DIAGNOSTICS = auto()
    DISCOVER = auto()  # who are you, what have you got
    ALARM_MANAGEMENT = auto()
    REPORT = auto()  # values or events sent without being asked for each time
    ERROR = auto()  # a PDU whose only content is a refusal


class Trust(IntEnum):
    """How far an event can be believed, from what the sensor saw of its stream."""

    COMPLETE = 0
    ONE_SIDED = 1  # only one direction of the conversation was seen
    AFTER_GAP = 2  # bytes before it are missing; it begins where a segment begins
    RESYNCED = 3  # bytes before it are missing; it was found again by its structure
    GUESSED = 4  # its protocol is known by port alone


class Role(IntEnum):
    """How it is known which end is the server: by the handshake; else by the port; else by what the first PDU says of its sender; else by the lower port."""

    LOWER_PORT = 0
    PORT = 1
    STRUCTURE = 2
    HANDSHAKE = 3


class Anomaly(IntFlag):
    """What is wrong with a PDU. Several may hold at once; none is a reason to drop it."""

    NONE = 0
    TRUNCATED = auto()  # a field lies behind the end of the PDU
    TRAILING = auto()  # bytes behind the last field
    LENGTH_MISMATCH = auto()  # a length or count inside contradicts another
    UNKNOWN_FUNCTION = auto()  # a code that the specification does not know or reserves
    BAD_VALUE = auto()  # a field outside what the specification allows
    BAD_CHECKSUM = auto()
    NO_REQUEST = auto()  # a response to nothing that was asked
    WRONG_RESPONSE = auto()  # a response that does not fit its request
    WRONG_ROLE = auto()  # a server's PDU sent by the client, or the reverse
    BAD_SEQUENCE = auto()  # sequence or state numbers that go back or jump
    NESTED_TOO_DEEP = auto()
    HIDES_PDU = auto()  # its length reaches over another PDU, which nobody sees who believes it


class Kind(IntEnum):
    """What is wrong with a packet or a stream (dataset `anomaly`)."""

    TEARDROP = auto()
    TINY_FRAGMENT = auto()
    FRAGMENT_OVERLAP = auto()
    FRAGMENT_TIMEOUT = auto()
    FRAGMENT_NO_ROOM = auto()
    BAD_LENGTH = auto()
    LAND = auto()
    ICMP_ERROR = auto()  # a host or router says that a packet did not arrive
    OVERLAP_DIFFERENT = auto()  # TCP: the same sequence numbers with other content
    STREAM_GAP = auto()  # TCP: bytes that were never seen
    STREAM_NO_ROOM = auto()  # TCP: out-of-order bytes beyond the bound
    GARBAGE = auto()  # bytes of a known protocol's stream that are no PDU
    UNEXPECTED_PROTOCOL = auto()  # an industrial port that speaks something else
    SEQUENCE_JUMP = auto()  # TCP: sequence numbers further on than any window
    FRAGMENTS_INCOMPLETE = auto()  # parts of an application message without the rest
