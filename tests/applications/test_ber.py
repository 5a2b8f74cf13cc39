from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.asn1.asn1 import ASN1_INTEGER, ASN1_OID
from scapy.asn1fields import ASN1F_INTEGER  # noqa: F401  # fills scapy's registry of codecs

from sensor.applications import ber


@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers_as_scapy_writes_them(number: int) -> None:
    assert ber.read(ASN1_INTEGER(number).enc(1)).number == number


@given(st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_object_identifiers_as_scapy_writes_them(numbers: list[int]) -> None:
    name = ".".join(map(str, [1, 3, *numbers]))
    value = ber.read(ASN1_OID(name).enc(1))
    assert (value.tag, value.oid) == (ber.OID, name)
    assert ber.Value(b"\x88\x37\x03", 6, 0, 3).oid == "2.999.3"


def test_values_within_values() -> None:
    data = bytes.fromhex("300a 020105 0403616263 0500") + b"rest"
    value = ber.read(data)
    assert (value.tag, value.end) == (ber.SEQUENCE, 12)
    assert [each.content for each in value.items()] == [b"\5", b"abc", b""]
    assert [each.tag for each in value.within(2)] == [ber.INTEGER, ber.OCTETS]
    with pytest.raises(EOFError):
        value.within(4)
    tagged = ber.read(bytes.fromhex("300a a003020101 a203020102")).tagged()
    assert {key: each.number for key, each in tagged.items()} == {0: 1, 2: 2}
    assert ber.read(b"\x04\x82\x01\x00" + bytes(256)).end == 260


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\x30", EOFError),
        (b"\x30\x02\x05", EOFError),
        (b"\x04\x82\1", EOFError),
        (b"\x30\x80", ValueError),
        (b"\x1f\1\0", ValueError),
        (b"\x04\x85" + bytes(5), ValueError),
    ],
)
def test_what_is_not_read(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        ber.read(data)
    with pytest.raises(EOFError):
        list(ber.Value(b"\x04\x05a", 0x30, 0, 3).items())
