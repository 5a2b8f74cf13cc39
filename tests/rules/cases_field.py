"""Cases of the packs hart_ip, ads and fox."""

from __future__ import annotations

import struct

from tests.rules.cases import OUTSIDE, Case, Said, datagrams, over, speech

HART_COMMANDS = (6, 34, 35, 36, 37, 40, 41, 42, 43, 44, 45, 46, 47, 79, 71, 22)
READ, WRITE, WRITE_CONTROL, READ_WRITE = 2, 3, 5, 9
SYSTEM_SERVICE, RUNTIME = 10_000, 851

to_gateway = over(datagrams, 5094)
to_twincat, to_router = over(speech, 48898), over(datagrams, 48899)
to_station = over(speech, 1911)


def hart(command: int, *, kind: int = 0) -> bytes:
    """HART-IP header (version, type, identifier, status, sequence, length), then a long frame: delimiter, address, command, length, checksum."""
    body = bytes((0x82, 0x26, 0x4E, 0, 0, 0xD2, command, 0, 0))
    return struct.pack(">BBBBHH", 1, kind, 3, 0, 1, 8 + len(body)) + body


def session(kind: int = 0) -> bytes:
    return struct.pack(">BBBBHHBI", 1, kind, 0, 0, 2, 13, 1, 30_000)


def ams(command: int, content: bytes, *, port: int = RUNTIME, flags: int = 4, invoke: int = 1) -> bytes:
    """AMS/TCP header, then the AMS header: target, source, command, flags, length, error, invoke."""
    header = bytes((5, 13, 117, 96, 1, 1)) + struct.pack("<H", port) + bytes((192, 168, 1, 199, 1, 1)) + struct.pack("<H", 32_771)
    body = header + struct.pack("<HHIII", command, flags, len(content), 0, invoke) + content
    return struct.pack("<HI", 0, len(body)) + body


def control(state: int, *, flags: int = 4) -> bytes:
    return ams(WRITE_CONTROL, struct.pack("<HHI", state, 0, 0), port=SYSTEM_SERVICE, flags=flags)


def group(number: int, command: int, *, port: int = SYSTEM_SERVICE) -> bytes:
    return ams(command, struct.pack("<III", number, 0, 0) + bytes(4), port=port)


def routing(operation: int, content: bytes = b"") -> bytes:
    """Port 48899: magic, zero, operation, who asks, how many tags, tags."""
    return bytes.fromhex("03661471") + struct.pack("<II", 0, operation) + bytes((192, 168, 1, 199, 1, 1)) + struct.pack("<HI", SYSTEM_SERVICE, 1) + content


def refused(result: int, times: int) -> list[Said]:
    answers = [routing(0x80000006, struct.pack("<HHIH", 1, 4, result, i)) for i in range(times)]
    return [each for i in range(times) for each in (routing(0x80000001, bytes((i,))), (1, answers[i]))]


def fox(verb: str, content: str = "", number: int = 1) -> bytes:
    return f"fox a {number} -1 fox {verb}\n{{\n{content}}};;\n".encode()


CASES: dict[int, Case] = {
    **{9017001 + i: to_gateway(hart(command), hart(command, kind=1)) for i, command in enumerate(HART_COMMANDS)},
    9017017: to_gateway(session(), session(), client=OUTSIDE),
    9018001: to_twincat(control(6), control(6, flags=5)),
    9018002: to_twincat(control(5), control(5, flags=5)),
    9018003: to_twincat(control(2), control(2, flags=5)),
    9018004: to_twincat(control(16), control(16, flags=5)),
    9018005: to_twincat(control(12), control(12, flags=5)),
    9018006: to_twincat(group(500, WRITE), group(500, WRITE, port=RUNTIME)),
    9018007: to_twincat(group(120, READ_WRITE), group(120, READ_WRITE, port=RUNTIME)),
    9018008: to_twincat(group(131, READ_WRITE), group(130, READ_WRITE)),
    9018009: to_twincat(group(200, WRITE), group(200, READ)),
    9018010: to_twincat(
        [ams(WRITE, struct.pack("<III", 0x4020, i, 1) + b"\1", invoke=i) for i in range(200)],
        [ams(READ, struct.pack("<III", 0x4020, i, 1), invoke=i) for i in range(200)],
    ),
    9018011: to_router(routing(6), routing(0x80000006)),
    9018012: to_router(refused(0x0704, 3), refused(0, 3)),
    9018013: to_router(routing(1), routing(0x80000001)),
    9019001: to_station(fox("hello"), fox("keepalive")),
    9019002: to_station(fox("hello"), fox("hello"), 9019001, client=OUTSIDE),
    9019003: to_station([fox("hello", number=i) for i in range(10)], [fox("hello", number=i) for i in range(9)], 9019001),
    9019004: to_station(
        [fox("keepalive"), (1, fox("challenge", "method=s:digest-md5\n"))], [fox("keepalive"), (1, fox("challenge", "method=s:scram-sha256\n"))]
    ),
}
