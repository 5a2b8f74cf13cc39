"""The information elements, each declared once: its octets, what it says, and which of its values the standard does not allow (IEC 60870-5-101, 7.2.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Mask
from sensor.events.point import Quality, RawType

Read: TypeAlias = Callable[[Array], Array]  # records of an element's layout -> one value each
NO_TIME = np.datetime64("NaT", "ns")  # where time fields hold no time


@dataclass(frozen=True)
class Element:
    """One information element.

    layout: its octets as dtype fields, named unlike those of any element it occurs with. bad: which records hold what the standard reserves or forbids.
    lists: event fields that get one item per information object; scalars: those of commands and files, whose ASDUs have one object only.
    raw: how its value is typed, for the element that carries the object's value. quality: by the octet in the list `quality`, the Quality it means.
    """

    layout: tuple[tuple[str, str], ...]
    bad: Callable[[Array], Mask] | None = None
    lists: dict[str, Read] = field(default_factory=dict)
    scalars: dict[str, Read] = field(default_factory=dict)
    raw: RawType | None = None
    quality: NDArray[np.uint16] | None = None


def bits(name: str, shift: int = 0, width: int = 8) -> Read:
    """Bits of an octet."""
    return lambda record: record[name] >> shift & (1 << width) - 1


def whole(name: str) -> Read:
    return lambda record: record[name]


def among(name: str, values: Iterable[int], mask: int = 0xFF) -> Callable[[Array], Mask]:
    """Whether these bits of an octet hold one of `values`."""
    table = np.zeros(256, np.bool_)
    table[list(values)] = True
    return lambda record: table[record[name] & np.uint8(mask)]


def any_of(*conditions: Callable[[Array], Mask]) -> Callable[[Array], Mask]:
    return lambda record: np.logical_or.reduce([condition(record) for condition in conditions])


def qualities(**flags: int) -> NDArray[np.uint16]:
    """By octet: the flags that stand at the same bits wherever they occur (7.2.6.3), and those given as name=bit."""
    octet = np.arange(256)
    meaning = {"blocked": 0x10, "substituted": 0x20, "not_topical": 0x40, "invalid": 0x80} | flags
    result = np.zeros(256, np.uint16)
    for name, bit in meaning.items():
        result[octet & bit != 0] |= np.uint16(Quality[name.upper()])
    return result


def single(record: Array) -> Array:
    """R32-IEEE STD 754, 7.2.6.8."""
    with np.errstate(invalid="ignore"):  # a signalling NaN stays a NaN
        return np.ascontiguousarray(record["r32"]).view("<f4").astype(np.float64)


# 7.2.6.1 to 7.2.6.4: points and their quality
SIQ = Element((("siq", "u1"),), lambda r: r["siq"] & 0x0E != 0, {"value": bits("siq", 0, 1), "quality": whole("siq")}, raw=RawType.BOOL, quality=qualities())
DIQ = Element((("diq", "u1"),), lambda r: r["diq"] & 0x0C != 0, {"value": bits("diq", 0, 2), "quality": whole("diq")}, raw=RawType.ENUM, quality=qualities())
QDS = Element((("qds", "u1"),), lambda r: r["qds"] & 0x0E != 0, {"quality": whole("qds")}, quality=qualities(overflow=0x01))
QDP = Element((("qdp", "u1"),), lambda r: r["qdp"] & 0x07 != 0, {"quality": whole("qdp")}, quality=qualities(questionable=0x08))

# 7.2.6.5 to 7.2.6.9: values
VTI = Element(
    (("vti", "u1"),), lists={"value": lambda r: (r["vti"] << 1).astype(np.int8) >> 1, "transient": bits("vti", 7, 1)}, raw=RawType.INT8
)  # a signed value of 7 bits  # fmt: skip
NVA = Element((("nva", "<i2"),), lists={"value": lambda r: r["nva"] / 32768}, raw=RawType.FLOAT32)  # -1 to 1 - 2**-15
SVA = Element((("sva", "<i2"),), lists={"value": whole("sva")}, raw=RawType.INT16)
R32 = Element((("r32", "<u4"),), lambda r: r["r32"] & 0x7F80_0000 == 0x7F80_0000, {"value": single}, raw=RawType.FLOAT32)  # bad: infinite, or no number
BCR = Element(
    (("counter", "<i4"), ("bcr", "u1")),
    lists={"value": whole("counter"), "quality": whole("bcr"), "counter_sequence": bits("bcr", 0, 5)},
    raw=RawType.INT32,
    quality=qualities(overflow=0x20, blocked=0, substituted=0, not_topical=0),
)

AID = Element((("association", "<u2"),), lists={"association": whole("association")})  # IEC TS 60870-5-7: which association a security statistic is about

# 7.2.6.10 to 7.2.6.12: events of protection equipment
SEP = Element(
    (("sep", "u1"),),
    lambda r: r["sep"] & 0x04 != 0,
    {"value": bits("sep", 0, 2), "quality": whole("sep")},
    raw=RawType.ENUM,
    quality=qualities(questionable=0x08),
)
SPE = Element((("spe", "u1"),), lambda r: r["spe"] & 0xC0 != 0, {"value": whole("spe")}, raw=RawType.BITS)
OCI = Element((("oci", "u1"),), lambda r: r["oci"] & 0xF0 != 0, {"value": whole("oci")}, raw=RawType.BITS)

BSI = Element((("bsi", "<u4"),), lists={"value": whole("bsi")}, raw=RawType.BITS)  # 7.2.6.13
FBP = Element((("fbp", "<u2"),), lambda r: r["fbp"] != 0x55AA, scalars={"test_pattern": whole("fbp")})  # 7.2.6.14, fixed test bit pattern
SCD = Element((("status", "<u2"), ("changed", "<u2")), lists={"value": whole("status"), "changed": whole("changed")}, raw=RawType.BITS)  # 7.2.6.40

# 7.2.6.15 to 7.2.6.17: commands; 7.2.6.26 the qualifier, of which 4 to 15 are reserved
RESERVED_QU = [qu << 2 for qu in range(4, 16)]


def command(name: str, state_bits: int, states: tuple[int, ...]) -> Element:
    """SCO, DCO or RCO: the state in the lower bits (`states` are not permitted), five bits of QU, and S/E."""
    scalars = {"command": bits(name, 0, state_bits), "qualifier_of_command": bits(name, 2, 5), "select": bits(name, 7, 1)}
    bad = any_of(among(name, states, 3), among(name, RESERVED_QU, 0x7C))
    return Element(((name, "u1"),), bad, {"value": bits(name, 0, state_bits)}, scalars, RawType.BOOL if state_bits == 1 else RawType.ENUM)


SCO, DCO, RCO = command("sco", 1, (2, 3)), command("dco", 2, (0, 3)), command("rco", 2, (0, 3))
QOS = Element(
    (("qos", "u1"),), among("qos", range(1, 64), 0x7F), scalars={"qualifier_of_set_point": bits("qos", 0, 7), "select": bits("qos", 7, 1)}
)  # 7.2.6.39


# 7.2.6.18 to 7.2.6.20: times

DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0])  # by month


def cp56(end: str = "") -> Element:
    """CP56Time2a; `end` tells the second one of an ASDU."""
    ms, minute, hour, day, month, year = names = [part + end for part in ("ms", "minute", "hour", "day", "month", "year")]

    def outside(r: Array) -> Mask:
        last = DAYS[r[month] & 0x0F] + ((r[month] & 0x0F == 2) & (r[year] & 3 == 0))
        date = (r[day] & 0x1F == 0) | (r[day] & 0x1F > last)
        return np.asarray(date | (r[hour] & 0x1F > 23) | (r[minute] & 0x3F > 59) | (r[ms] > 59_999), np.bool_)

    def time(r: Array) -> Array:
        """The standard leaves the zone open, UTC is taken; of the century it says nothing: 1970 to 2069.

        Years from 100 on are not allowed (0 to 99), but met: stations that count from 1900.
        """
        years = (r[year] & 0x7F).astype(np.int64)
        months = (years + np.where(years < 70, 30, -70)) * 12 + (r[month] & 0x0F) - 1
        days = months.astype("M8[M]").astype("M8[D]").astype(np.int64) + (r[day] & 0x1F) - 1
        minutes = (days * 24 + (r[hour] & 0x1F)) * 60 + (r[minute] & 0x3F)
        return np.where(outside(r), NO_TIME, ((minutes * 60_000 + r[ms]) * 1_000_000).astype("M8[ns]"))

    flags: dict[str, Read] = {} if end else {"time_invalid": bits(minute, 7, 1), "summer_time": bits(hour, 7, 1)}
    layout = tuple(zip(names, ("<u2", "u1", "u1", "u1", "u1", "u1"), strict=True))
    return Element(layout, lambda r: (outside(r) | (r[year] & 0x7F > 99)) & (r[minute] & 0x80 == 0), {f"time{end}": time} | flags)


def hour_ms(record: Array) -> Array:
    ms: Array = (record["minute"] & 0x3F).astype(np.uint32) * 60_000 + record["ms"]
    return ms


CP16 = Element((("elapsed", "<u2"),), lambda r: r["elapsed"] > 59_999, {"elapsed": whole("elapsed")})
CP24 = Element(
    (("ms", "<u2"), ("minute", "u1")),
    lambda r: ((r["ms"] > 59_999) | (r["minute"] & 0x3F > 59)) & (r["minute"] & 0x80 == 0),
    {"time_of_hour": hour_ms, "time_invalid": bits("minute", 7, 1)},
)
CP56, CP56_END = cp56(), cp56("_end")

# 7.2.6.21 to 7.2.6.28: qualifiers
COI = Element(
    (("coi", "u1"),), among("coi", range(3, 32), 0x7F), scalars={"cause_of_initialization": bits("coi", 0, 7), "parameters_changed": bits("coi", 7, 1)}
)
QOI = Element((("qoi", "u1"),), among("qoi", (*range(20), *range(37, 64))), scalars={"qualifier_of_interrogation": whole("qoi")})
QCC = Element((("qcc", "u1"),), among("qcc", (0, *range(6, 32)), 0x3F), scalars={"counter_request": bits("qcc", 0, 6), "counter_freeze": bits("qcc", 6, 2)})
QPM = Element(
    (("qpm", "u1"),),
    among("qpm", (0, *range(5, 32)), 0x3F),
    scalars={"kind_of_parameter": bits("qpm", 0, 6), "parameter_change": bits("qpm", 6, 1), "parameter_operation": bits("qpm", 7, 1)},
)
QPA = Element((("qpa", "u1"),), among("qpa", (0, *range(4, 128))), scalars={"parameter_activation": whole("qpa")})
QRP = Element((("qrp", "u1"),), among("qrp", (0, *range(3, 128))), scalars={"reset_process": whole("qrp")})
TSC = Element((("tsc", "<u2"),), scalars={"test_sequence": whole("tsc")})  # IEC 60870-5-104 8.8, test sequence counter

# 7.2.6.28 to 7.2.6.38: files
NOF = Element((("nof", "<u2"),), lists={"name_of_file": whole("nof")})
NOS = Element((("nos", "u1"),), scalars={"name_of_section": whole("nos")})
LOF = Element((("lof", "<u2"), ("lof_high", "u1")), lists={"length_of_file": lambda r: r["lof_high"].astype(np.uint32) << 16 | r["lof"]})
FRQ = Element((("frq", "u1"),), among("frq", range(1, 64), 0x7F), scalars={"file_refused": bits("frq", 7, 1)})
SRQ = Element((("srq", "u1"),), among("srq", range(1, 64), 0x7F), scalars={"file_refused": bits("srq", 7, 1)})
SCQ = Element((("scq", "u1"),), among("scq", range(8, 11), 0x0F), scalars={"select_and_call": bits("scq", 0, 4), "file_error": bits("scq", 4, 4)})
LSQ = Element((("lsq", "u1"),), among("lsq", (0, *range(5, 128))), scalars={"last_section_or_segment": whole("lsq")})
AFQ = Element((("afq", "u1"),), among("afq", (0, *range(5, 11)), 0x0F), scalars={"file_acknowledge": bits("afq", 0, 4), "file_error": bits("afq", 4, 4)})
CHS = Element((("chs", "u1"),), scalars={"checksum": whole("chs")})
LOS = Element((("los", "u1"),), scalars={"length_of_segment": whole("los")})
SOF = Element((("sof", "u1"),), lists={"status_of_file": whole("sof")})
