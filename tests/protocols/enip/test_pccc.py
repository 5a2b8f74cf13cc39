"""Replies to typed, word range and unprotected reads, what those write, and modes, built from 1770-6.5.16, chapters 7 and 13."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.events.point import RawType, Verb
from sensor.events.table import Table
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.enip import ENIP
from tests.protocols.enip.pdus import events, exchange, reply, request
from tests.protocols.enip.test_values import PCCC, REQUESTER, points


def ask(command: str, data: bytes = b"") -> bytes:
    """A command, and its function where it has any."""
    return request(0x4B, PCCC, REQUESTER + bytes.fromhex(command[:2]) + b"\0\1\0" + bytes.fromhex(command[2:]) + data)


def answer(command: int, data: bytes = b"", status: int = 0) -> bytes:
    return reply(0x4B, REQUESTER + bytes((command | 0x40, status, 1, 0)) + data)


def whole(table: Table) -> None:
    assert [one["anomaly"] for one in events(table)] == [0] * len(table)


@pytest.mark.parametrize(
    ("address", "content", "values", "raw"),
    [
        (b"\0$N7:0\0", "99 09 07 42 FEFF 2C01 0500", [-2, 300, 5], RawType.INT16),  # an array: 1 byte of parameter and 3 words
        (b"\0$F8:2\0", "9A 09 0A 94 08" + struct.pack("<2f", 1.5, -2.5).hex(), [], RawType.FLOAT32),  # cut below: sizes of 2 bytes
        (b"\0$F8:2\0", "94 08" + struct.pack("<f", 1.5).hex(), [1.5], RawType.FLOAT32),
        (b"\0$T4:1\0", "56 0020 6400 3200", [0x2000, 100, 50], RawType.INT16),
        (b"\0$N7:0\0", "42 0700", [7], RawType.INT16),
        (b"\0$L9:0\0", "44 00000100", [65536], RawType.INT32),
    ],
)
def test_typed_reads_and_writes_say_their_type(address: bytes, content: str, values: list[float], raw: RawType) -> None:
    if not values:  # the element's parameter has a type byte and a size: 9A says two bytes of size
        content, values = "9A 09 0A00 94 08" + struct.pack("<2f", 1.5, -2.5).hex(), [1.5, -2.5]
    data, head = bytes.fromhex(content), struct.pack("<HH", 0, len(values)) + address
    table = exchange(ask("0f68", head + b"\1\0"), answer(0x0F, data), ask("0f67", head + data), answer(0x0F))
    whole(table)
    name = address[2:-1].decode()
    assert points(table) == [(name, i, value, raw, verb) for verb in (Verb.READ, Verb.WRITE) for i, value in enumerate(values)]


def test_typed_data_that_no_file_type_means_stays_data() -> None:
    table = exchange(ask("0f68", struct.pack("<HH", 0, 1) + b"\0$D9:0\0\1\0"), answer(0x0F, bytes.fromhex("31 41")))
    assert events(table)[1]["data"] == b"\x31\x41"
    table = exchange(ask("0f68", struct.pack("<HH", 0, 1) + b"\0$N7:0\0\1\0"), answer(0x0F, bytes.fromhex("44 0100")), answer(0x0F, b"\x99"))
    assert events(table)[1]["anomaly"] == Anomaly.LENGTH_MISMATCH


@pytest.mark.parametrize(
    ("address", "name", "content", "values", "raw"),
    [
        (b"\0$N7:3\0", "N7:3", "0100 FFFF", [1, -1], RawType.INT16),
        (b"\0$F8:0\0", "F8:0", struct.pack("<2H", 0x3FC0, 0).hex(), [1.5], RawType.FLOAT32),  # the high word first
        (b"\0$B3:0\0", "B3:0", "0180", [0x8001], RawType.BITS),
        (b"\x06\x07\xff\x2c\x01", "7:300", "0200", [2], RawType.INT16),  # file and element by number: words
        (b"\x0e\x04\x00\x02", "4:0.2", "6400", [100], RawType.INT16),
        (b"\0$ST9:0\0", "ST9:0", "0500" + b"aVvl\0e".hex() + "00" * 76, ["Valve"], RawType.STRING),
    ],
)
def test_word_ranges(address: bytes, name: str, content: str, values: list[object], raw: RawType) -> None:
    head, data = struct.pack("<HH", 0, 2) + address, bytes.fromhex(content)
    table = exchange(ask("0f01", head + b"\4"), answer(0x0F, data), ask("0f00", head + data), answer(0x0F))
    whole(table)
    assert points(table) == [(name, i, value, raw, verb) for verb in (Verb.READ, Verb.WRITE) for i, value in enumerate(values)]


def test_unprotected_reads_and_writes() -> None:
    table = exchange(ask("01", struct.pack("<HB", 32, 4)), answer(1, b"\1\0\2\0"), ask("08", struct.pack("<Hh", 34, -5)), answer(8))
    whole(table)
    assert points(table) == [("020", 0, 1, RawType.INT16, Verb.READ), ("020", 1, 2, RawType.INT16, Verb.READ), ("021", 0, -5, RawType.INT16, Verb.WRITE)]
    assert events(table)[0]["element_count"] == 4


def test_refused_reads_have_no_values() -> None:
    table = exchange(ask("0f01", struct.pack("<HH", 0, 1) + b"\0$N7:0\0\2"), answer(0x0F, b"\x06", 0xF0))
    assert points(table) == []
    assert events(table)[1]["failed"]


@pytest.mark.parametrize(
    ("command", "mode", "name"),
    [("0f80", 1, "remote_program"), ("0f80", 6, "remote_run"), ("0f80", 9, "remote_test_single_step"), ("0f80", 3, "unknown_3"), ("0f3a", 0xF2, "remote_run")],
)
def test_modes(command: str, mode: int, name: str) -> None:
    [asked] = events(exchange(ask(command, bytes((mode,)))))
    assert asked["description"]["cpu_mode"]["name"] == name  # type: ignore[index]
    assert (asked["action"], asked["anomaly"], "data" in asked) == (Action.MODE_CHANGE, 0, False)


@given(st.sampled_from(["0f67", "0f68", "0f00", "0f01", "01", "08", "00", "0f80", "0f3a"]), st.binary(max_size=24), st.binary(max_size=24))
def test_any_content(command: str, asked: bytes, answered: bytes) -> None:
    table = exchange(ask(command, asked), answer(int(command[:2], 16), answered))
    events(table)
    assert ENIP.points is not None
    ENIP.points(table)
