"""The point model: one row per process value that any protocol reads, writes or reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints


class Verb(IntEnum):
    READ = 0
    WRITE = 1
    REPORT = 2
    OPERATE = 3


class Space(IntEnum):
    """What kind of thing a point's address counts, in its protocol's own words."""

    COIL = 0  # Modbus
    DISCRETE_INPUT = auto()
    INPUT_REGISTER = auto()
    HOLDING_REGISTER = auto()
    FILE_RECORD = auto()  # block: file number
    FIFO = auto()
    DATA_BLOCK = auto()  # S7: block is the DB number, index the bit
    INSTANCE_DATA_BLOCK = auto()
    INPUT = auto()
    OUTPUT = auto()
    FLAG = auto()
    COUNTER = auto()
    TIMER = auto()
    PERIPHERAL = auto()
    LOCAL_DATA = auto()
    SYSTEM_DATA = auto()
    TAG = auto()  # CIP: name is the symbolic path, index the element
    ATTRIBUTE = auto()  # CIP: block is class << 16 | instance, address the attribute
    ASSEMBLY = auto()  # CIP I/O: block is the connection point
    DATA_TABLE = auto()  # PCCC: name is N7:0 and the like
    OBJECT = auto()  # DNP3: block is the group << 8 | variation, address the index
    INFORMATION_OBJECT = auto()  # IEC 60870-5-104: block is the type id, address the information object address
    DATA_SET_MEMBER = auto()  # GOOSE: name is the data set, address the member
    SAMPLED_VALUE = auto()  # Sampled Values: name is the stream, address the channel
    INDEX_GROUP = auto()  # ADS: block is the index group, address the offset


class RawType(IntEnum):
    BOOL = 0
    UINT8 = auto()
    INT8 = auto()
    UINT16 = auto()
    INT16 = auto()
    UINT32 = auto()
    INT32 = auto()
    UINT64 = auto()
    INT64 = auto()
    FLOAT32 = auto()
    FLOAT64 = auto()
    ENUM = auto()  # a code of its protocol, e.g. a double point or a step command
    BITS = auto()
    STRING = auto()
    BYTES = auto()
    TIME = auto()


class Quality(IntFlag):
    """What is not good about a value, as its protocol says. 0 is good."""

    GOOD = 0
    INVALID = auto()
    NOT_TOPICAL = auto()
    SUBSTITUTED = auto()  # or forced
    BLOCKED = auto()
    OVERFLOW = auto()
    COMM_LOST = auto()
    RESTART = auto()
    TEST = auto()
    QUESTIONABLE = auto()
    REFUSED = auto()  # the device did not carry out the write or operate


@dataclass
class Points:
    """Columns, one row per value, in the order of the table's rows.

    row: int64, the table's row that carries it. unit: uint32 (unit id, slot, outstation or common address). space: uint8 (Space). block, address, index: int64, as
    Space says. verb, raw_type: uint8. quality: uint16 (Quality). value: float64, NaN where it is no number; exact: values that a float64 cannot hold (int beyond
    2**53, str, bytes), by point. name: names by point, where the address is one. time_ns: the device's own time stamp, by point.
    """

    row: Ints
    unit: NDArray[np.uint32]
    space: NDArray[np.uint8]
    block: Ints
    address: Ints
    index: Ints
    verb: NDArray[np.uint8]
    raw_type: NDArray[np.uint8]
    quality: NDArray[np.uint16]
    value: NDArray[np.float64]
    exact: dict[int, int | str | bytes] = field(default_factory=dict)
    name: dict[int, str] = field(default_factory=dict)
    time_ns: dict[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.row)

    def some(self, which: Ints) -> Points:
        """Copies of these points."""
        columns: list[Any] = [getattr(self, name)[which] for name in COLUMNS]
        few: tuple[dict[int, Any], ...] = (self.exact, self.name, self.time_ns)
        return Points(*columns, *({place: each[i] for place, i in enumerate(which.tolist()) if i in each} if each else {} for each in few))


COLUMNS = ("row", "unit", "space", "block", "address", "index", "verb", "raw_type", "quality", "value")


def points(
    row: Array, value: Array, raw_type: Any, *, space: Any, verb: Any, unit: Any = 0, block: Any = 0, address: Any = 0, index: Any = 0, quality: Any = 0
) -> Points:
    """Points from columns or scalars of one kind: scalars hold for every row."""
    n = len(row)
    with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
        value = value.astype(np.float64)

    def column(content: Any, dtype: Any) -> Any:
        return content.astype(dtype) if isinstance(content, np.ndarray) and content.ndim else np.full(n, content, dtype)

    return Points(
        row=row.astype(np.int64),
        unit=column(unit, np.uint32),
        space=column(space, np.uint8),
        block=column(block, np.int64),
        address=column(address, np.int64),
        index=column(index, np.int64),
        verb=column(verb, np.uint8),
        raw_type=column(raw_type, np.uint8),
        quality=column(quality, np.uint16),
        value=value,
    )


def join(parts: list[Points]) -> Points:
    """Several parts as one, in the order of their rows."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return points(np.zeros(0, np.int64), np.zeros(0), 0, space=0, verb=0)
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS}
    order = np.argsort(columns["row"], kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    c: list[Any] = [column[order] for column in columns.values()]
    joined = Points(*c)
    begin = 0
    for part in parts:
        joined.exact |= {int(place[begin + i]): value for i, value in part.exact.items()}
        joined.name |= {int(place[begin + i]): name for i, name in part.name.items()}
        joined.time_ns |= {int(place[begin + i]): time for i, time in part.time_ns.items()}
        begin += len(part)
    return joined
