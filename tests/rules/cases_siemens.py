"""Cases of the packs s7comm and s7comm_plus."""

from __future__ import annotations

import struct

from sensor.demo import s7comm
from tests.protocols.s7comm.build import address, answer, connection, data, job, userdata, value
from tests.rules.cases import OUTSIDE, Case, over, speech

to_plc = over(speech, 102)
JOB = 7


def service(name: bytes, argument: bytes = b"") -> bytes:
    """A PI service: its argument and name."""
    return job(JOB, b"\x28" + bytes(6) + b"\xfd" + struct.pack(">H", len(argument)) + argument + bytes((len(name),)) + name)


def download(block: str) -> bytes:
    return s7comm.request_download(JOB, block, 100, 40)[0]


def write(area: int, size: int = 2) -> bytes:
    return job(JOB, b"\x05\x01" + address(size, 1, 0, area, 0), value(4, b"\x01"))


def refused(reference: int) -> tuple[int, bytes]:
    """An answer to a security request: wrong password."""
    return 1, userdata(8, 5, 1, None, reference=reference, part=(0, 0, 0xD602))


def plus(function: int, content: bytes, *, version: int = 2, opcode: int = 0x31) -> bytes:
    """S7comm-plus: protocol, version and length, the digest that version 3 has, then opcode and function."""
    said = bytes((opcode, 0, 0)) + function.to_bytes(2) + content
    digest = b"\x20" + bytes(range(32)) if version == 3 else b""
    return data(b"\x72" + struct.pack(">BH", version, len(digest + said)) + digest + said + b"\x72" + struct.pack(">BH", version, 0))


def operating_state(state: int, *, version: int = 2, attribute: bytes = b"\x90\x77") -> bytes:
    return plus(
        0x04F2, bytes.fromhex("000000100000 03ca34 00000034 01") + attribute + bytes((0, 8, state)) + bytes.fromhex("000004e8896900120000"), version=version
    )


def called(tsap: bytes) -> bytes:
    return connection(0xE0, 0, 1, b"\xc1\x02\x06\x20\xc2" + bytes((len(tsap),)) + tsap + b"\xc0\x01\x0a")


def read_szl(szl: int, number: int) -> bytes:
    return s7comm.userdata(number, 4, 1, number, struct.pack(">HH", szl, 0), b"")[0]


SETUP = s7comm.setup(1)[0]
INSERTED = b"\x01\x000800001P"


CASES: dict[int, Case] = {
    9000001: to_plc(s7comm.stop(JOB)[0], service(b"P_PROGRAM")),
    9000002: to_plc(service(b"P_PROGRAM"), service(b"P_PROGRAM", b"C ")),
    9000003: to_plc(service(b"P_PROGRAM", b"C "), service(b"P_PROGRAM")),
    9000004: to_plc(download("0800001"), download("0A00001")),
    9000005: to_plc(download("0A00001"), download("0800001")),
    9000006: to_plc(download("0C00005"), download("0B00005")),
    9000007: to_plc(download("0B00000"), download("0A00000")),
    9000008: to_plc(job(JOB, b"\x1d" + bytes(7) + b"\x09_0800001A"), job(JOB, b"\x1f" + bytes(7))),
    9000009: to_plc(service(b"_DELE", INSERTED), service(b"_INSE", INSERTED)),
    9000010: to_plc(service(b"_INSE", INSERTED), service(b"_DELE", INSERTED)),
    9000011: to_plc(service(b"_MODU", b"EP"), service(b"_GARB")),
    9000012: to_plc(service(b"_GARB"), service(b"_MODU", b"EP")),
    9000013: to_plc(service(b"_N_F_DELE"), service(b"_GARB")),
    9000014: to_plc(s7comm.password(1, "secret")[0], userdata(4, 5, 2, None)),
    9000015: to_plc(
        [each for i in range(1, 4) for each in (s7comm.password(i, f"try{i}")[0], refused(i))], [s7comm.password(1, "once")[0], refused(1)], 9000014
    ),
    9000016: to_plc(userdata(4, 1, 9, bytes(20)), userdata(4, 1, 2, bytes(20))),
    9000017: to_plc(userdata(4, 1, 8, bytes(20)), userdata(4, 1, 2, bytes(20))),
    9000018: to_plc(userdata(4, 1, 12, bytes(4)), userdata(4, 1, 14, bytes(4))),
    9000019: to_plc(userdata(4, 1, 10, bytes(4)), userdata(4, 1, 14, bytes(4))),
    9000020: to_plc(userdata(4, 7, 2, bytes(10)), userdata(4, 7, 1, None)),
    9000021: to_plc(write(0x82), write(0x83)),
    9000022: to_plc(write(0x81), write(0x84)),
    9000023: to_plc(write(0x80), write(0x84)),
    9000024: to_plc(write(29, 29), write(0x84)),
    9000025: to_plc(userdata(4, 3, 1, None), userdata(4, 3, 3, bytes(8))),
    9000026: to_plc(
        [each for i in range(5) for each in (s7comm.read(i, [(address(2, 1, 1, 0x84, 0), b"")])[0], (1, answer(i, b"\x04\x01", b"\x03\x00\x00\x00")))],
        [each for i in range(5) for each in (s7comm.read(i, [(address(2, 1, 1, 0x84, 0), b"")])[0], (1, answer(i, b"\x04\x01", b"\x0a\x00\x00\x00")))],
    ),
    9000027: to_plc([connection(0xE0, 0, i, b"\xc2\x02\x01" + bytes((i,))) for i in range(20)], [connection(0xE0, 0, 1, b"\xc2\x02\x01\x02")]),
    9000028: to_plc(SETUP, SETUP, client=OUTSIDE),
    9000029: to_plc([SETUP, (1, userdata(0, 0, 0, None))], [SETUP, (1, userdata(0, 0, 2, None))]),
    9000030: to_plc([SETUP, (1, userdata(0, 0, 4, None))], [SETUP, (1, userdata(0, 0, 2, None))]),
    9000031: to_plc([read_szl(0x11, i) for i in range(10)], [read_szl(0x11, i) for i in range(3)]),
    9000032: to_plc(
        [each for i in range(10) for each in (s7comm.write(i, address(2, 1, 1, 0x84, i * 8), b"\1")[0], (1, answer(i, b"\x05\x01", b"\x05")))],
        [each for i in range(10) for each in (s7comm.write(i, address(2, 1, 1, 0x84, i * 8), b"\1")[0], (1, answer(i, b"\x05\x01", b"\xff")))],
    ),
    9000033: to_plc(userdata(4, 4, 7, bytes(4)), userdata(4, 4, 8, bytes(4))),
    9001001: to_plc(operating_state(1), operating_state(1, attribute=b"\x90\x78")),
    9001002: to_plc(operating_state(3, version=3), operating_state(2, version=3)),
    9001003: to_plc(called(b"SIMATIC-ROOT-ES"), called(b"SIMATIC-ROOT-HMI")),
    9001004: to_plc(plus(0x04CA, bytes(20), version=1), plus(0x04CA, bytes(20), version=1), client=OUTSIDE),
    9001005: to_plc([plus(0x04BB, struct.pack(">H", i) + bytes(20)) for i in range(30)], [plus(0x0586, struct.pack(">H", i) + bytes(20)) for i in range(30)]),
}
