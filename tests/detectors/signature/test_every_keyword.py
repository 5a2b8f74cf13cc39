"""Every keyword that can be evaluated, all in one plan, over traffic of every kind: none raises, and no cut into batches matters."""

from __future__ import annotations

import pytest

from detectors.signature.detector import Signatures
from detectors.signature.engine import Engine
from detectors.signature.events import ON_PACKETS, ON_ROWS
from detectors.signature.keywords import table
from detectors.signature.load import loads
from detectors.signature.plan import Plan
from detectors.signature.rule import Rule
from sensor.analysis import Analysis
from tests.detectors.signature.harness import FIELDS, KNOWN, A, B, talk
from tests.detectors.signature.test_buffers import CLASS, DNP3, ENIP, READ, RESTART, S7, S7_SETUP, STOP, multiple
from tests.detectors.signature.test_engine import WEB, modbus
from tests.detectors.signature.test_headers import BAD_PING, BAD_SUM, CALL, TOO_BIG, UDP6, fragment, six, syn, with_options
from tests.make import batches, ethernet, ipv4, udp

ARGUMENTS = (
    "", "1", "1,1", "any", "valid", "invalid", "read", "US", "S", "ipv4", "rr", "a", "yes", "client,>,5", "stop", '"(a)"', "01", "function 3", "offset 0", "established",
    "correct", "isset,a", "limit, track by_src, count 1, seconds 9", "1,>,0,0", "1,0,v",
)  # fmt: skip
TRAFFIC = [
    *talk((0, modbus(3)), (1, modbus(3, b"\2\0\1")), (0, modbus(99)), (0, b"\0\1\0\7abc")),
    *talk((0, READ), (1, RESTART), (0, READ[:-1]), ends=DNP3),
    *talk((0, CLASS), (0, multiple("Pump", "Valve")), ends=ENIP),
    *talk((0, S7_SETUP[0]), (1, S7_SETUP[1]), (0, STOP), ends=S7),
    *talk((0, b"hello"), (0, b"again"), ends=WEB)[:5],
    *(udp(A, B, content, i) for i, content in enumerate((b"", b"x", CALL, b"c3RvcA=="))),
    BAD_SUM, BAD_PING, TOO_BIG, six(UDP6), six(b""), syn(b"\2\4\5\xb4\3\3\7"), syn(b"\2\xff"), with_options(b"\7\7\4\0\0\0\0"), with_options(b"\x88\xff"),
    fragment(0, bytes(16), True), fragment(16, b"abcd", False), fragment(8, b"overlap!", True), ethernet(b"\x45" + bytes(5)), ethernet(b"", 0x88B8), bytes(6),
    ethernet(b"\0\1\x08\0\6\4\0\1" + bytes(20), 0x0806), ethernet(ipv4(A[0], B[0], 6, bytes(9))), ethernet(ipv4(A[0], B[0], 17, bytes(3))), ethernet(ipv4(A[0], B[0], 58, b"")),
]  # fmt: skip


def rules() -> list[Rule]:
    """Of every keyword a rule or more that load."""
    texts = [f"{keyword}:{name};" for keyword in ("decode-event", "app-layer-event") for name in (*ON_PACKETS, *ON_ROWS)]
    for keyword in table(FIELDS):
        for argument in ARGUMENTS:
            option = f"{keyword}:{argument};" if argument else f"{keyword};"
            texts += [option, f'{option} content:"a";', f'pkt_data; {option} content:"a";', f'content:"a"; {option}']
    text = "\n".join(f"alert {'pkthdr' if i % 2 else 'ip'} any any -> any any ({each} sid:{i + 1};)" for i, each in enumerate(texts))
    return list(loads(text, {}, FIELDS).rules)


def test_no_keyword_raises_and_no_cut_matters() -> None:
    plan = Plan.of(rules(), KNOWN)
    keywords = {each.keyword for ready in plan.ready for each in ready.rule.conditions} | {buffer.name for ready in plan.ready for buffer in ready.rule.buffers}
    assert len(keywords) > 250
    results = []
    for rows in (1, 5, 100):
        engine, found = Signatures(Engine(plan)), set[tuple[str, int]]()
        analysis = Analysis(signatures=engine)
        analysis.run(batches(TRAFFIC, rows), each=lambda _, engine=engine, found=found: found.update((match.rule.text, match.frame) for match in engine.fired))
        results.append(found)
    assert len({text for text, _ in results[0]}) > 200
    assert results[0] ^ results[1] == set()
    assert results[1] ^ results[2] == set()


@pytest.mark.parametrize("keyword", ["iprep:src,CnC,>,1", "app-layer-event:http.lzma_memlimit_reached"])
def test_what_cannot_be_is_said(keyword: str) -> None:
    found = loads(f"alert ip any any -> any any ({keyword}; sid:1;)", {}, FIELDS)
    assert Plan.of(found.rules, KNOWN).unable
