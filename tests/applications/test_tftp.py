from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.tftp import TFTP, TFTP_ERROR, TFTP_RRQ, TFTP_WRQ, TFTP_Option, TFTP_Options

from sensor.applications.tftp import Tftp, TftpOverUdp
from tests.applications.script import broken, survives, talk

READ = bytes(TFTP() / TFTP_RRQ(filename="fw/plc.bin", mode="Octet"))
WRITE = bytes(TFTP() / TFTP_WRQ(filename="a", mode="netascii") / TFTP_Options(options=[TFTP_Option(oname="blksize", value="1428")]))
ERROR = bytes(TFTP() / TFTP_ERROR(errorcode=1, errormsg=b"File not found"))
SCRIPTS = [[(True, READ), (False, ERROR)], [(True, WRITE), (False, b"\0\6blksize\x001428\0"), (True, b"\0\3\0\1data")]]


def test_requests() -> None:
    read, error = talk(Tftp(), SCRIPTS[0])
    assert read.buffers == {"tftp.filename": [b"fw/plc.bin"], "file.name": [b"fw/plc.bin"]}
    assert read.facts == {"tftp.opcode": 1, "tftp.mode": "octet"}
    assert (error.facts, error.about["tftp.error"], error.transaction) == ({"tftp.opcode": 5}, "File not found", 0)
    [write] = talk(Tftp(), SCRIPTS[1])
    assert write.facts == {"tftp.opcode": 2, "tftp.mode": "netascii"}
    assert write.about["tftp.option"] == ["blksize=1428"]
    [cut] = talk(Tftp(), [(True, b"\0\1name\0octe")])
    assert cut.buffers["tftp.filename"] == [b"name"]
    assert "no end" in cut.about["tftp.problem"]


def test_starts() -> None:
    application = TftpOverUdp()
    assert application.starts(True, READ, False)
    assert application.starts(True, WRITE, False)
    for data in (
        READ[:-1],
        READ + b"x",
        ERROR,
        b"\0\1\0octet\0",
        b"\0\1a\x01b\0octet\0",
        b"\0\1a\0exec\0",
        b"\0\1a\0octet\0x\0",
        b"\0\1\0",
        b"\0\1",
        bytes.fromhex("000100000006010300000000"),
    ):
        assert application.starts(True, data, True) is False


@given(st.binary(max_size=60).map(lambda data: b"\0\1" + data))
def test_random_bytes_are_not_taken(data: bytes) -> None:
    assert TftpOverUdp().starts(True, data, False) is False


@settings(max_examples=200)
@given(broken(SCRIPTS))
def test_nothing_raises(script: list[tuple[bool, bytes]]) -> None:
    survives(TftpOverUdp(), script)
