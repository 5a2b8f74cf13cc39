"""The modbus keyword (rule-language.md 18): the request of a transaction, addresses from 1, overlaps, values of several registers, categories."""

from __future__ import annotations

import pytest

from tests.detectors.signature.harness import fired, talk
from tests.detectors.signature.test_engine import modbus

READ, ANSWER = modbus(3, b"\0\x08\0\x60"), modbus(3, b"\2\0\1")  # 9 to 104
WRITE = modbus(16, b"\0\x10\0\2\4\0\5\x12\x34")  # 17 and 18
COILS = modbus(15, b"\0\x01\0\x03\1\x05")  # coils 2 and 4 on, 3 off
BOTH = modbus(23, b"\0\x01\0\1\0\x20\0\1\2\0\7")  # reads 2, writes 33


def rule(options: str) -> str:
    return f"alert modbus any any -> any any ({options} sid:1;)"


@pytest.mark.parametrize(
    ("options", "said", "expected"),
    [
        ("modbus: function 3;", [(0, READ), (1, ANSWER)], [4]),  # of a transaction the request
        ("modbus: function 3;", [(1, ANSWER)], [4]),  # of which none was seen: the response
        ("modbus: function !3;", [(0, READ), (0, WRITE)], [5]),
        ("modbus: function >3;", [(0, READ), (0, WRITE)], [5]),
        ("modbus: function 15<>17;", [(0, READ), (0, WRITE)], [5]),
        ("modbus: function read_coils;", [(0, modbus(1)), (0, READ)], [4]),
        ("modbus: function 8, subfunction 4;", [(0, modbus(8, b"\0\4\0\0")), (0, modbus(8, b"\0\1\0\0"))], [4]),
        ("modbus: function 8, subfunction !4;", [(0, modbus(8, b"\0\4\0\0")), (0, modbus(8, b"\0\1\0\0"))], [5]),
        ("modbus: function assigned;", [(0, READ), (0, modbus(99)), (0, modbus(66)), (0, modbus(9))], [4]),
        ("modbus: function unassigned;", [(0, READ), (0, modbus(99)), (0, modbus(66)), (0, modbus(9))], [5]),
        ("modbus: function public;", [(0, READ), (0, modbus(99)), (0, modbus(66)), (0, modbus(9))], [4, 5]),
        ("modbus: function user;", [(0, READ), (0, modbus(99)), (0, modbus(66)), (0, modbus(9))], [6]),
        ("modbus: function reserved;", [(0, READ), (0, modbus(99)), (0, modbus(66)), (0, modbus(9))], [7]),
        ("modbus: function !reserved;", [(0, READ), (0, modbus(99)), (0, modbus(66)), (0, modbus(9))], [4, 5, 6]),
        ("modbus: function all;", [(0, READ), (0, modbus(99))], [4, 5]),
        ("modbus: unit 1, access read;", [(0, READ), (0, WRITE)], [4]),
        ("modbus: unit !1, access read;", [(0, READ)], []),
        ("modbus: access write;", [(0, READ), (0, WRITE), (0, BOTH)], [5, 6]),
        ("modbus: access read holding;", [(0, READ), (0, modbus(4)), (0, BOTH)], [4, 6]),
        ("modbus: access read input;", [(0, READ), (0, modbus(4))], [5]),
        ("modbus: access read discretes;", [(0, modbus(2)), (0, modbus(1))], [4]),
        ("modbus: access write coils;", [(0, modbus(5, b"\0\1\xff\0")), (0, WRITE)], [4]),
        ("modbus: access read, address 9;", [(0, READ)], [4]),
        ("modbus: access read, address 104;", [(0, READ)], [4]),
        ("modbus: access read, address 8;", [(0, READ)], []),
        ("modbus: access read, address 105;", [(0, READ)], []),
        ("modbus: access read, address <10;", [(0, READ)], [4]),
        ("modbus: access read, address <9;", [(0, READ)], []),
        ("modbus: access read, address >103;", [(0, READ)], [4]),
        ("modbus: access read, address >104;", [(0, READ)], []),
        ("modbus: access read, address 100<>200;", [(0, READ)], [4]),
        ("modbus: access read, address 104<>200;", [(0, READ)], []),
        ("modbus: access read, address 1<>9;", [(0, READ)], []),
        ("modbus: access read, address 2;", [(0, BOTH)], [4]),
        ("modbus: access write, address 2;", [(0, BOTH)], []),
        ("modbus: access write, address 33;", [(0, BOTH)], [4]),
        ("modbus: access write, address 33, value 7;", [(0, BOTH)], [4]),
        ("modbus: access write holding, address 18, value 4660;", [(0, WRITE)], [4]),
        ("modbus: access write holding, address 17, value 4660;", [(0, WRITE)], []),
        ("modbus: access write holding, address 17, value <6;", [(0, WRITE)], [4]),
        ("modbus: access write holding, address 19, value >0;", [(0, WRITE)], []),
        ("modbus: access write coils, address 2, value 1;", [(0, COILS)], [4]),
        ("modbus: access write coils, address 3, value 1;", [(0, COILS)], []),
        ("modbus: access write holding, address 17, value 500<>5000;", [(0, modbus(6, b"\0\x10\x12\x34")), (0, modbus(6, b"\0\x10\0\1"))], [4]),
        ('modbus.data; content:"|00 08|"; startswith;', [(0, READ), (0, WRITE)], [4]),
        ("modbus.data; bsize:4; byte_test:2,>,90,2;", [(0, READ), (0, modbus(3))], [4]),
        ("modbus_func:write_multiple_registers; modbus_unit:1;", [(0, READ), (0, WRITE)], [5]),
        ("modbus_func:3;", [(0, READ), (1, ANSWER)], [4, 5]),  # Snort's: every PDU
        ('modbus_data; content:"|12 34|"; offset:7; depth:2;', [(0, WRITE)], [4]),
        ("modbus.registers:0x1234;", [(0, WRITE), (0, READ)], [4]),
        ("modbus.exception_code:2;", [(0, READ), (1, modbus(0x83, b"\2"))], [5]),
        ("modbus.function_code:3,16;", [(0, READ), (0, WRITE), (0, modbus(4))], [4, 5]),
        ('modbus.server_id; content:"plc";', [(0, modbus(17, b"")), (1, modbus(17, b"\4plc\xff"))], [5]),
    ],
)  # fmt: skip
def test_modbus(options: str, said: list[tuple[int, bytes]], expected: list[int]) -> None:
    assert [frame for _, frame in fired(rule(options), talk(*said))] == expected
    assert [frame for _, frame in fired(rule(options), talk(*said), 1)] == expected


@pytest.mark.parametrize("options", ["modbus: function 129;", "modbus: address 1000<>1999;"])
def test_misuse_is_accepted(options: str) -> None:
    assert fired(rule(options), talk((0, READ))) == []
