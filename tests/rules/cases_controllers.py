"""Cases of the packs fins, melsec, codesys, tristation, pcom and ge_srtp."""

from __future__ import annotations

import struct

from tests.rules.cases import OUTSIDE, Case, datagrams, over, speech

FINS_COMMANDS = (
    0x0401, 0x0402, 0x0102, 0x0103, 0x0202, 0x0203, 0x0305, 0x0306, 0x0307, 0x0308, 0x0702, 0x0C02, 0x2203, 0x2204, 0x2205, 0x2301, 0x2103,
)  # fmt: skip
SLMP_COMMANDS = (0x1001, 0x1002, 0x1003, 0x1005, 0x1006, 0x1630, 0x1820, 0x1822, 0x1824, 0x1829, 0x1828, 0x1810)
CODESYS_GROUPS = (0x11, 0x08, 0x0C, 0x13, 0x12, 0x02, 0x07, 0x06)
TRISTATION_COMMANDS = (21, 20, 22, 0, 1, 55, 56, 10, 11, 80, 65, 66, 27, 17, 7, 32)

fins_udp, fins_tcp = over(datagrams, 9600), over(speech, 9600)
slmp, codesys, codesys_udp = over(speech, 5007), over(speech, 11740), over(datagrams, 1740)
pcom_tcp, srtp = over(speech, 20256), over(speech, 18245)
tristation = over(datagrams, 1502)


def fins(command: int, *, flags: int = 0x80, service: int = 1) -> bytes:
    """OMRON W342, 3-3: ICF, RSV, GCT, destination, source, SID, command."""
    return bytes((flags, 0, 2, 0, 2, 0, 0, 200, 0, service)) + command.to_bytes(2) + bytes(4)


def in_tcp(content: bytes) -> bytes:
    """OMRON W421, 7-4: FINS/TCP header with command 2 (frame send)."""
    return b"FINS" + struct.pack(">III", 8 + len(content), 2, 0) + content


def slmp_request(command: int, content: bytes = bytes(4), *, subheader: int = 0x5000) -> bytes:
    """SH-080956ENG, 4.2: a 3E frame in binary code."""
    body = struct.pack("<HHH", 16, command, 0) + content
    return subheader.to_bytes(2) + bytes((0, 0xFF, 0xFF, 3, 0)) + struct.pack("<H", len(body)) + body


def service(group: int, subcommand: int = 2, *, response: int = 0) -> bytes:
    """CODESYS V3 over TCP: block driver, datagram, channel and service layers."""
    layer7 = struct.pack("<HHHHII", 0xCD55, 12, group | response << 7, subcommand, 1, 0)
    channel = struct.pack("<BBHIIII", 1, 0x81, 1, 1, 0, len(layer7), 0)
    datagram = bytes((0xC5, 0x6B, 0x40, 0x40, 0, 0x33)) + bytes(12)
    content = datagram + channel + layer7
    return struct.pack("<II", 0xE8170100, 8 + len(content)) + content


def name_service(message: int, *, kind: int = 3) -> bytes:
    return bytes((0xC5, 0x6B, 0x40, kind, 0, 0x03)) + bytes(6) + struct.pack("<HHI", 0xC202, 0x0103, message)


def tristation_command(command: int, *, kind: int = 5) -> bytes:
    """TCM header (type, channel, length), then direction, connection, command, number, checksum and length."""
    content = struct.pack("<BBBBHHH", 0, 1, command, 1, 0, 0, 10)
    return struct.pack("<BBH", kind, 0, len(content)) + content + b"\x12\x34"


def tcm(kind: int) -> bytes:
    return bytes((kind, 0, 0, 0, 0x12, 0x34))


def pcom(command: str, *, mode: int = 0x65) -> bytes:
    """PCOM/TCP header, then PCOM ASCII: /, unit, command, checksum."""
    content = f"/01{command}F2\r".encode()
    return struct.pack("<HBBH", 1, mode, 0, len(content)) + content


def srtp_request(code: int, *, kind: int = 0xC0, packet: int = 2, extra: bytes = b"") -> bytes:
    """The header of 56 bytes: type, sequence, ... message type at 31, service request code at 42 (at 50 where parameters are long)."""
    content = bytearray(56)
    content[0], content[2], content[31], content[50 if kind == 0x80 else 42] = packet, 5, kind, code
    return bytes(content) + extra


CASES: dict[int, Case] = {
    **{9009001 + i: fins_udp(fins(command), fins(command, flags=0xC0)) for i, command in enumerate(FINS_COMMANDS)},
    **{9009051 + i: fins_tcp(in_tcp(fins(command)), in_tcp(fins(command, flags=0xC0))) for i, command in enumerate(FINS_COMMANDS)},
    9009018: fins_udp([fins(0x0501, service=i) for i in range(10)], [fins(0x0501, service=i) for i in range(9)]),
    9009019: fins_udp(fins(0x0101), fins(0x0101), client=OUTSIDE),
    **{9010001 + i: slmp(slmp_request(command), slmp_request(command, subheader=0xD000)) for i, command in enumerate(SLMP_COMMANDS)},
    9010013: slmp(
        [slmp_request(0x1401, bytes((i, 0, 0, 0xA8, 1, 0))) for i in range(100)], [slmp_request(0x0401, bytes((i, 0, 0, 0xA8, 1, 0))) for i in range(100)]
    ),
    9010014: slmp([slmp_request(0x0101, bytes((i,))) for i in range(10)], [slmp_request(0x0101, bytes((i,))) for i in range(9)]),
    **{9011001 + i: codesys(service(group), service(group, response=1)) for i, group in enumerate(CODESYS_GROUPS)},
    9011009: codesys_udp([name_service(i) for i in range(5)], [name_service(i, kind=4) for i in range(5)]),
    9011010: codesys(service(0x1B), service(0x1B), client=OUTSIDE),
    9011011: over(speech, 2455)(bytes.fromhex("bbbb0100000001"), bytes.fromhex("bbbb0100000101")),
    **{9012001 + i: tristation(tristation_command(command), tristation_command(command, kind=6)) for i, command in enumerate(TRISTATION_COMMANDS)},
    9012017: tristation(tcm(1), tcm(2)),
    9012018: Case(datagrams(1502, tcm(6), server="255.255.255.255"), datagrams(1502, tcm(6))),
    9013001: pcom_tcp(pcom("CCR"), pcom("CCS")),
    9013002: pcom_tcp(pcom("CCS"), pcom("CCR")),
    9013003: pcom_tcp(pcom("CCE"), pcom("CCE", mode=0x66)),
    9013004: pcom_tcp(pcom("CCI"), pcom("CCI", mode=0x66)),
    9013005: pcom_tcp(pcom("SC00123051201026"), pcom("RC")),
    9013006: pcom_tcp(pcom("SA0000011"), pcom("RA000001")),
    9013007: pcom_tcp(pcom("SB0000011"), pcom("RB000001")),
    9013008: pcom_tcp(pcom("SW0000011234"), pcom("RW000001")),
    9013009: pcom_tcp(pcom("ID"), pcom("RC")),
    9013010: pcom_tcp(pcom("RC"), pcom("RC"), client=OUTSIDE),
    **{
        9014000 + i: srtp(srtp_request(code), srtp_request(code, packet=3))
        for i, code in ((1, 0x23), (3, 0x07), (6, 0x21), (7, 0x24), (8, 0x39), (9, 0x44), (10, 0x40), (11, 0x3F))
    },
    9014004: srtp(srtp_request(7, kind=0x80, extra=bytes(16)), srtp_request(4, kind=0x80, extra=bytes(16))),
    9014005: srtp(srtp_request(9, kind=0x80, extra=bytes(16)), srtp_request(4, kind=0x80, extra=bytes(16))),
}
