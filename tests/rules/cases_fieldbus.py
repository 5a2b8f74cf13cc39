"""Cases of the packs profinet_dcp and sv."""

from __future__ import annotations

import struct

from sensor.protocols.profinet_dcp.codes import Block, Service
from tests.make import ethernet
from tests.protocols.test_profinet_dcp import EVERYBODY, GET_SET, IDENTIFY, IP, TOOL, answer, block, dcp, result, set_
from tests.protocols.test_sv import asdu, frame
from tests.rules.cases import Case, Frames

NS = 250_000
NAMED, ADDRESSED = 9025001, 9025002


def name(text: bytes) -> bytes:
    return block(Block.DEVICE_NAME_OF_STATION, text, 1)


def address(content: bytes = IP) -> bytes:
    return block(Block.IP_PARAMETER, content, 1)


def identify(code: int, value: bytes = b"", number: int = 0) -> bytes:
    return dcp(IDENTIFY, Service.IDENTIFY, 0, block(code, value, None), xid=number, ends=(TOOL, EVERYBODY))


def told(content: bytes) -> bytes:
    """A device's answer to a Get."""
    return answer(content, service=Service.GET)


def sample(content: bytes = b"", *, simulated: int = 0) -> bytes:
    return ethernet(frame(content or asdu(), reserved1=simulated << 15), 0x88BA, destination="010ccd040001")


def measured(value: int, quality: int = 0) -> bytes:
    return sample(asdu(sample=struct.pack(">iI", value, quality) + bytes(56)))


def counted(*counts: int) -> Frames:
    """A stream of 4,000 samples a second that says so."""
    about = {"rate": b"\x86\2\x0f\xa0", "mode": b"\x88\2\0\1"}
    return [(1_700_000_000_000_000_000 + place * NS, sample(asdu(count, sample=bytes(64), **about))) for place, count in enumerate(counts)]


SOUND = measured(1000)
RESET, SIGNAL = block(Block.CONTROL_FACTORY_RESET), block(Block.CONTROL_SIGNAL, b"\1\0")
CASES: dict[int, Case] = {
    9025001: Case([set_(name(b"pump-2"))], [told(name(b"pump-2")), identify(Block.DEVICE_NAME_OF_STATION, b"pump-2")]),
    9025002: Case([set_(address())], [told(address())]),
    9025003: Case([set_(name(b""))], [told(name(b"")), set_(name(b"a"))]),
    9025004: Case([set_(address(bytes(12)))], [set_(address()), told(address(bytes(12)))], frozenset({ADDRESSED})),
    9025005: Case([set_(block(Block.CONTROL_RESET_TO_FACTORY, head=4))], [set_(SIGNAL), answer(result(Block.CONTROL_RESET_TO_FACTORY))]),
    9025006: Case([set_(address(), xid=i) for i in range(10)], [set_(address(), xid=i) for i in range(9)], frozenset({ADDRESSED})),
    9025007: Case([set_(name(b"%n%n%n "))], [set_(name(b"Pump-2.line\0"))], frozenset({NAMED})),
    9025008: Case([told(name(b"a" * 241))], [told(name(b"a" * 240))]),
    9025009: Case([identify(Block.ALL)], [identify(Block.DEVICE_NAME_OF_STATION, b"pump-1")]),
    9025010: Case(
        [identify(Block.DEVICE_NAME_OF_STATION, b"p%d" % i, i) for i in range(100)], [identify(Block.DEVICE_NAME_OF_STATION, b"p%d" % i, i) for i in range(99)]
    ),
    9025011: Case(
        [set_(SIGNAL, xid=3), answer(result(Block.CONTROL_SIGNAL, 6), xid=3)],
        [set_(SIGNAL, xid=3), answer(result(Block.CONTROL_SIGNAL), xid=3)],
        frozenset({9025012}),
    ),
    9025012: Case([set_(SIGNAL)], [answer(result(Block.CONTROL_SIGNAL))]),
    9025013: Case([told(block(Block.IP_PARAMETER, IP, 0x81))], [told(block(Block.IP_PARAMETER, IP, 2))]),
    9025014: Case([set_(block(Block.DHCP_CONTROL, b"\xff\1\2"))], [told(block(Block.DHCP_CONTROL, b"\xff\1\2")), set_(block(Block.CONTROL_END_TRANSACTION))]),
    9025015: Case([dcp(GET_SET, 1, 0)], [dcp(GET_SET, 1, 1), dcp(GET_SET, Service.GET, 0, b"\2\2")]),
    9026001: Case([sample(asdu(sample=bytes(64)), simulated=1)], [SOUND]),
    9026002: Case([measured(5, 0x800)], [measured(5, 0x3FF)]),
    9026003: Case([measured(5, 0x400)], [measured(5, 0x1000)]),
    9026004: Case(counted(5, 6, 7, 2000), counted(5, 6, 7, 9)),
    9026005: Case([*counted(5, 6), (1_700_000_000_500_000_000, counted(600)[0][1])], [*counted(5, 6), (1_700_000_000_500_000_000, counted(400)[0][1])]),  # type: ignore[index]
    9026006: Case([sample(asdu(sample=bytes(64), synch=0))], [SOUND]),
    9026007: Case([sample(asdu(sample=bytes(64), conf_rev=b"\x83\4\0\0\0\0"))], [SOUND]),
    9026008: Case([measured(-1_500_000_000)], [measured(999_999_999)]),
}
