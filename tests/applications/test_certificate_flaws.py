"""Certificates written by hand, each with one thing that is not as it has to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.applications.ber import INTEGER, OCTETS, OID, SEQUENCE, SET
from sensor.applications.certificate_flaws import BITS, BOOLEAN, EXTENSIONS, FLAWS, SUBJECT_ID, TIME, UTC_TIME, VERSION, flaws
from tests.applications.test_tls import certificate

UTF8, NULL = 0x0C, 0x05


def der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return bytes([tag]) + (bytes([len(content)]) if len(content) < 128 else b"\x82" + len(content).to_bytes(2)) + content


def named(*attributes: bytes) -> bytes:
    return der(SEQUENCE, der(SET, *attributes))


COMMON_NAME, RSA, BASIC = der(OID, b"\x55\4\3"), der(OID, bytes.fromhex("2a864886f70d010101")), der(OID, b"\x55\x1d\x13")
NUMBER = der(INTEGER, b"\1")
ATTRIBUTE, ALGORITHM = der(SEQUENCE, COMMON_NAME, der(UTF8, b"plc")), der(SEQUENCE, RSA, der(NULL))
BEGIN, END = der(UTC_TIME, b"200101000000Z"), der(UTC_TIME, b"400101000000Z")
BODY = {
    "version": der(VERSION, der(INTEGER, b"\2")), "serial": der(INTEGER, b"\x0a\x0b"), "algorithm": ALGORITHM, "issuer": named(ATTRIBUTE), "validity": der(SEQUENCE, BEGIN, END),
    "subject": named(ATTRIBUTE), "key": der(SEQUENCE, ALGORITHM, der(BITS, b"\0key")), "others": b"",
}  # fmt: skip


def written(algorithm: bytes = ALGORITHM, signature: bytes = der(BITS, b"\0signed"), **parts: bytes) -> bytes:
    return der(SEQUENCE, der(SEQUENCE, *(BODY | parts).values()), algorithm, signature)


def extensions(*each: bytes) -> bytes:
    return der(EXTENSIONS, der(SEQUENCE, *each))


@pytest.mark.parametrize(
    "sound",
    [
        written(),
        certificate()[2],
        written(version=b""),
        written(validity=der(SEQUENCE, der(TIME, b"20200101000000Z"), der(TIME, b"99991231235959Z"))),
        written(issuer=der(SEQUENCE)),
        written(algorithm=der(SEQUENCE, RSA)),
        written(
            others=der(SUBJECT_ID, b"\0a")
            + extensions(der(SEQUENCE, BASIC, der(BOOLEAN, b"\xff"), der(OCTETS, b"0\0")), der(SEQUENCE, BASIC, der(OCTETS, b"0\0")))
        ),
    ],
)
def test_a_sound_one_has_none(sound: bytes) -> None:
    assert flaws(sound) == ()


WRONG = {
    "length": [b"", der(SEQUENCE), der(SEQUENCE, der(SEQUENCE), ALGORITHM, der(BITS)), written(subject=b""), written(algorithm=der(SEQUENCE))],
    "version": [written(version=der(VERSION, each)) for each in (b"", der(OCTETS, b"\2"), der(INTEGER, b"\3"), der(INTEGER, b"\1" * 9))],
    "serial": [written(serial=each) for each in (b"", der(OCTETS, b"\1"), der(INTEGER), der(INTEGER, b"\1" * 40))],
    "algorithmidentifier": [written(algorithm=der(SEQUENCE, NUMBER)), written(der(SEQUENCE, NUMBER)), written(key=der(SEQUENCE, der(SEQUENCE, NUMBER), der(BITS)))],
    "x509name": [written(issuer=named()), written(subject=named(NUMBER)), written(subject=der(SEQUENCE, ATTRIBUTE)), written(subject=named(der(SEQUENCE, COMMON_NAME)))],
    "date": [
        written(validity=der(SEQUENCE, *each))
        for each in ((), (BEGIN,), (BEGIN, NUMBER), (BEGIN, der(UTC_TIME, b"401301000000Z")), (BEGIN, der(UTC_TIME, b"400101000000")), (der(TIME, b"200101000000Z"), END))
    ],
    "extensions": [
        written(others=each)
        for each in (der(0xA7), der(EXTENSIONS), der(EXTENSIONS, NUMBER), extensions(NUMBER), extensions(der(SEQUENCE, BASIC)), extensions(der(SEQUENCE, BASIC, NUMBER)))
    ],
    "der": [bytes(50), NUMBER, der(SEQUENCE, NUMBER, ALGORITHM, der(BITS)), b"\x30\x80" + written()[4:] + bytes(2), written(algorithm=NUMBER), written(key=NUMBER)],
    "subject": [written(subject=NUMBER), written(subject=named(NUMBER))],
    "issuer": [written(issuer=NUMBER), written(issuer=named(NUMBER))],
    "validity": [written(validity=NUMBER), written(validity=der(SEQUENCE, BEGIN))],
    "invalid_certificate": [b"junk junk", written()[:-1], written()[:60], written(signature=der(OCTETS, b"signed"))],
}  # fmt: skip


@pytest.mark.parametrize("flaw", [*FLAWS, "invalid_certificate"])
def test_each_flaw(flaw: str) -> None:
    for number, each in enumerate(WRONG[flaw]):
        assert flaw in flaws(each), number


@given(st.binary(max_size=60), st.integers(0, 200), st.integers(0, 6))
def test_nothing_raises(new: bytes, at: int, gone: int) -> None:
    whole = certificate()[2]
    for data in (new, whole[:at] + new + whole[at + gone :], written()[:at] + new + written()[at + gone :]):
        assert set(flaws(data)) <= {*FLAWS, "invalid_certificate"}
