"""Values, qualities and times of every object that annex A of IEEE 1815-2012 lays out."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.events.point import Points, Quality, RawType, Verb
from sensor.protocols.dnp3 import DNP3
from sensor.protocols.dnp3.objects import LAYOUTS, SIZE, UNKNOWN, Kind
from sensor.sinks.changes import fingerprint
from tests.protocols.dnp3.make import OUTSTATION, Said, decode, lines, request, response


def points(*said: Said) -> Points:
    assert DNP3.points is not None
    [table] = decode(said)
    return DNP3.points(table)


NUMBERS = {"u1": "B", "u2": "H", "u4": "I", "i2": "h", "i4": "i", "f4": "f", "f8": "d"}
PLAIN = {
    code: layout
    for code, layout in LAYOUTS.items()
    if layout.record is not None and layout.kind in (Kind.COUNTER, Kind.ANALOG, Kind.DEADBAND, Kind.ANALOG_COMMAND_EVENT)
}


@pytest.mark.parametrize("code", PLAIN)
def test_numbers(code: int) -> None:
    """Two items behind 16-bit indexes, part by part as the layout says."""
    record = PLAIN[code].record
    assert record is not None
    flags, time, value = 0x01 if "status" not in (record.names or ()) else 0, 1_700_000_000_123, 42
    items = b""
    for index in (7, 300):
        items += struct.pack("<H", index)
        for name in record.names or ():
            part = {"flags": flags, "status": 0, "value": value + index, "time_low": time & 0xFFFFFFFF, "time_high": time >> 32, "association": 1}[name]
            items += struct.pack("<" + NUMBERS[record[name].str[1:]], part)
    found = points(response((struct.pack("<BBBH", code >> 8, code & 0xFF, 0x28, 2) + items).hex()))
    assert found.address.tolist() == [7, 300]
    assert found.value.tolist() == [49, 342]
    assert found.block.tolist() == [code, code]
    assert found.unit.tolist() == [OUTSTATION] * 2
    assert found.quality.tolist() == [0, 0]
    assert found.time_ns == ({0: time * 1_000_000, 1: time * 1_000_000} if "time_low" in (record.names or ()) else {})


STATES = {
    code: layout for code, layout in LAYOUTS.items() if layout.record is not None and layout.kind in (Kind.BINARY, Kind.DOUBLE_BIT, Kind.BINARY_COMMAND_EVENT)
}


@pytest.mark.parametrize("code", STATES)
def test_states(code: int) -> None:
    """The state in the upper bits of the flags, behind 8-bit indexes; a relative time needs a common one before it."""
    layout, time = STATES[code], 1_700_000_000_000
    assert layout.record is not None
    names = layout.record.names or ()
    items = b""
    for index in (7, 200):
        items += bytes((index,))
        for name in names:
            part = {"flags": 0x81, "time_low": time & 0xFFFFFFFF, "time_high": time >> 32, "relative": 5}[name]
            items += struct.pack("<" + NUMBERS[layout.record[name].str[1:]], part)
    common = bytes.fromhex("33010701") + struct.pack("<Q", time)[:6] if "relative" in names else b""
    found = points(response((common + bytes((code >> 8, code & 0xFF, 0x17, 2)) + items).hex()))
    assert found.address.tolist() == [7, 200]
    assert found.value.tolist() == [2 if layout.kind == Kind.DOUBLE_BIT else 1] * 2
    assert found.quality.tolist() == [Quality.REFUSED if layout.kind == Kind.BINARY_COMMAND_EVENT else Quality.GOOD] * 2
    assert set(found.time_ns.values()) == ({(time + 5) * 1_000_000} if "relative" in names else {time * 1_000_000} if "time_low" in names else set())


def test_packed_bits() -> None:
    found = points(response("01010003 0C  A902"))  # indexes 3 to 12
    assert found.address.tolist() == list(range(3, 13))
    assert found.value.tolist() == [1, 0, 0, 1, 0, 1, 0, 1, 0, 1]
    assert set(found.raw_type.tolist()) == {RawType.BOOL}
    found = points(response("03010001 05  E401"))
    assert found.value.tolist() == [0, 1, 2, 3, 1]
    assert set(found.raw_type.tolist()) == {RawType.ENUM}


def test_flags_and_relative_times() -> None:
    common = struct.pack("<Q", 1_700_000_000_000)[:6].hex()
    found = points(response("33010701" + common + "020317 02 05 81 0A00 06 03 1400"))
    assert found.value.tolist() == [1, 0]
    assert found.quality.tolist() == [0, Quality.RESTART]
    assert found.time_ns == {0: 1_700_000_000_010_000_000, 1: 1_700_000_000_020_000_000}
    assert points(response("020317 01 05 81 0A00")).time_ns == {}  # without a common time nobody knows when
    assert points(response("1E01170101 25 00000000")).quality.tolist() == [Quality.COMM_LOST | Quality.OVERFLOW]
    assert points(response("0402 1701 03 C0 010000000000")).value.tolist() == [3]


def test_verbs() -> None:
    crob, analog = "0C0117010503 01 64000000 C8000000 ", "2902170109 2A00 "
    found = points(request(5, crob + "00" + analog + "00"), response(crob + "00" + analog + "04"))
    assert found.verb.tolist() == [Verb.OPERATE] * 4
    assert found.row.tolist() == [0, 0, 1, 1]
    assert found.value.tolist() == [3, 42, 3, 42]
    assert found.quality.tolist() == [0, 0, 0, Quality.REFUSED]
    assert points(request(3, crob + "00"), response(crob + "04")).quality.tolist() == [Quality.REFUSED]
    assert len(points(request(3, crob + "00"), response(crob + "00"))) == 0
    assert len(points(request(3, crob + "00"))) == 0  # a select does nothing yet
    assert points(request(2, "2201170104 0500")).verb.tolist() == [Verb.WRITE]
    assert points(response("1E02170104 01 0500", 0, "0000", 130, 0xF0)).verb.tolist() == [Verb.REPORT]
    assert len(points(request(1, "1E0200 0005"))) == 0


def test_contents_and_odd_numbers() -> None:
    found = points(response("6E03000203 414243 444546" + "5601 5B01 0400 DEADBEEF" + "65010000 00 3412" + "66010000 00 7F" + "51010000 00 32 01 02"))
    numbers = dict(zip(found.block.tolist(), found.value.tolist(), strict=True))
    assert [found.exact[i] for i in sorted(found.exact)] == [bytes.fromhex("DEADBEEF"), b"ABC", b"DEF"]  # a message's points by group
    assert (numbers[0x6501], numbers[0x6601], numbers[0x5101]) == (1234, 127, 50)
    assert points(request(2, "32010701" + struct.pack("<Q", 1500)[:6].hex())).value.tolist() == [1.5]


def test_a_long_range_of_nothing_is_no_point() -> None:
    assert len(points(response("1E02 02 00000000 FFFFFFFF 01 0500 01 06"))) == 1
    assert len(points(response("0101 02 00000000 FFFFFFFF 03"))) == 8


@given(st.integers(0, 255), st.integers(0, 255), st.sampled_from([0x00, 0x07, 0x17, 0x28, 0x5B, 0x02]), st.binary(max_size=60))
def test_points_stay_within_their_messages(group: int, variation: int, qualifier: int, items: bytes) -> None:
    found = points(response((bytes([group, variation, qualifier]) + items).hex()))
    assert len(found) <= 8 * len(items)
    [line] = lines(decode([response((bytes([group, variation, qualifier]) + items).hex())]))
    assert line["anomaly"] or SIZE[group << 8 | variation] != UNKNOWN
    assert np.all(found.row == 0)


def test_a_signalling_nan_is_a_value_like_another() -> None:
    told = points(response("1e05 00 0000 01 0100a07f 1e06 00 0101 01 010000000000f47f".replace(" ", "")))
    asked = points(request(5, "2903 17 01 07 0100a07f 00".replace(" ", "")))
    assert np.isnan([*told.value, *asked.value]).tolist() == [True] * 3
    assert fingerprint(told).tolist() == fingerprint(asked).tolist() * 2
