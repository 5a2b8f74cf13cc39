"""byte_test and its kin, base64."""

from __future__ import annotations

import pytest

from detectors.signature.rule import Base64Decode, ByteExtract, ByteJump, ByteMath, Bytes, ByteTest, Check, Content
from tests.detectors.signature.make import buffers, checks, problem


@pytest.mark.parametrize(
    ("option", "check"),
    [
        ("byte_test:4,>,399,0", ByteTest(Bytes(4, 0), ">", 399)),
        ("byte_test: 1, >=, 0x80, 7", ByteTest(Bytes(1, 7), ">=", 0x80)),
        ("byte_test:4,>,0x2000,-3,relative,little", ByteTest(Bytes(4, -3, relative=True, little=True), ">", 0x2000)),
        ("byte_test:1,!&,0xc0,0", ByteTest(Bytes(1, 0), "&", 0xC0, negated=True)),
        ("byte_test:1,!=,5,0", ByteTest(Bytes(1, 0), "=", 5, negated=True)),
        ("byte_test:1,!,5,0", ByteTest(Bytes(1, 0), "=", 5, negated=True)),
        ("byte_test:8,^,5,0,big", ByteTest(Bytes(8, 0), "^", 5)),
        ("byte_test:5,<=,5,0,string,hex", ByteTest(Bytes(5, 0, string="hex"), "<=", 5)),
        ("byte_test:5,<,5,0,string", ByteTest(Bytes(5, 0, string="dec"), "<", 5)),
        ("byte_test:2,=,1,0,dce,bitmask 0x7ff", ByteTest(Bytes(2, 0, dce=True, bitmask=0x7FF), "=", 1)),
        ("byte_test:0,>,399,0,string,dec", ByteTest(Bytes(0, 0, string="dec"), ">", 399)),
        ("byte_test:0,=,0,0", ByteTest(Bytes(0, 0), "=", 0)),
        ("byte_extract:0,0,n,string,hex", ByteExtract(Bytes(0, 0, string="hex"), "n")),
        ("byte_math:bytes 4,offset 0,oper -,rvalue 2,result v,bitmask 12", ByteMath(Bytes(4, 0, bitmask=0x12), "-", 2, "v")),
        ("byte_jump:2,4", ByteJump(Bytes(2, 4))),
        ("byte_jump:0,0,from_end,post_offset -4", ByteJump(Bytes(0, 0), start="end", post_offset=-4)),
        (
            "byte_jump:4,0,relative,little,multiplier 2,align,from_beginning",
            ByteJump(Bytes(4, 0, relative=True, little=True), 2, align=True, start="beginning"),
        ),
        ("byte_jump:5,0,string,dec", ByteJump(Bytes(5, 0, string="dec"))),
        ("byte_extract:1,0,n", ByteExtract(Bytes(1, 0), "n")),
        ("byte_extract:4,-1,len,relative,little,multiplier 2,align 4", ByteExtract(Bytes(4, -1, relative=True, little=True), "len", 2, 4)),
        ("byte_math:bytes 4, offset 0, oper +, rvalue 1248, result v", ByteMath(Bytes(4, 0), "+", 1248, "v")),
        ("byte_math:bytes 2,offset 1,oper <<,rvalue 3,result v,relative,endian little", ByteMath(Bytes(2, 1, relative=True, little=True), "<<", 3, "v")),
        ("byte_math:bytes 4,offset 0,oper *,rvalue 2,result v,string hex", ByteMath(Bytes(4, 0, string="hex"), "*", 2, "v")),
        ("byte_math:bytes 4,offset 0,oper -,rvalue 2,result v,dce,bitmask 0xff", ByteMath(Bytes(4, 0, dce=True, bitmask=0xFF), "-", 2, "v")),
        ("base64_decode", Base64Decode()),
        ("base64_decode:bytes 12,offset 1,relative", Base64Decode(12, 1, relative=True)),
    ],
)
def test_forms(option: str, check: Check) -> None:
    assert checks(f"{option};") == (check,)


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("byte_test:4,>,399", "four arguments"),
        ("byte_test:9,>,399,0", "from 0 to 8"),
        ("byte_test:-1,>,399,0", "from 0 to 8"),
        ("byte_test:24,>,399,0,string", "from 0 to 23"),
        ("byte_test:4,~,399,0", "no operator"),
        ("byte_test:4,,399,0", "no operator"),
        ("byte_test:4,>,many,0", "no variable"),
        ("byte_test:4,>,1,0,reltive", "no argument"),
        ("byte_test:4,>,1,0,little,big", "two ways"),
        ("byte_test:4,>,1,0,hex", "of a string"),
        ("byte_test:4,>,1,0,string,little", "no byte order"),
        ("byte_test:4,>,1,0,relative,relative", "twice"),
        ("byte_test:4,>,1,0,bitmask", "takes an argument"),
        ("byte_jump:2", "two arguments"),
        ("byte_jump:2,0,from_beginning,from_end", "exclude"),
        ("byte_jump:2,0,multiplier 0", "from 1"),
        ("byte_extract:1,0", "three arguments"),
        ("byte_extract:1,0,1n", "no name"),
        ("byte_extract:1,0,n,align 3", "2 or 4"),
        ("byte_math:bytes 4,offset 0,oper +,rvalue 1", "lacks result"),
        ("byte_math:bytes 4,offset 0,oper %,rvalue 1,result v", "no operator"),
        ("byte_math:bytes 4,offset 0,oper /,rvalue 0,result v", "divided by 0"),
        ("byte_math:bytes 4,offset 0,oper +,rvalue 1,result v,endian middle", "no byte order"),
        ("base64_decode:bytes 0", "from 1"),
        ("base64_decode:all", "no argument"),
        ("base64_data", "no base64_decode"),
        ("base64_decode:bytes 5; base64_data:5", "no argument"),
    ],
)
def test_wrong_forms(option: str, reason: str) -> None:
    assert reason in problem(f"{option};").reason


def test_variables_must_be_set_before() -> None:
    assert checks("byte_extract:1,0,a; byte_test:a,>,a,a; byte_jump:1,a; byte_math:bytes a,offset a,oper +,rvalue a,result b; byte_test:1,=,b,0;")
    assert "no variable" in problem("byte_test:1,=,a,0; byte_extract:1,0,a;").reason


def test_decoded_base64_is_a_buffer() -> None:
    found = buffers('content:"a"; base64_decode:bytes 8, relative; base64_data; content:"b";')
    assert [(each.name, each.checks) for each in found] == [
        ("", (Content(b"a"), Base64Decode(8, relative=True))),
        ("base64_data", (Content(b"b"),)),
    ]
