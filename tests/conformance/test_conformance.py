"""Our fields against Wireshark's, over captures made here and, where they are, the shared ones."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from bench.craft import PSH, Payloads, packets, records, tcp, write
from bench.worst import CLIENT, REQUEST, RESPONSE, SERVER, WRITE, polling
from sensor.protocols import PROTOCOLS
from tests import make
from tests.conformance import wireshark
from tests.conformance.__main__ import main
from tests.conformance.run import ENOUGH, document, run, text
from tests.protocols import test_ads, test_profinet_dcp, test_sv

SHARED = Path(__file__).parents[2] / "../shared/captures"
pytestmark = pytest.mark.skipif(wireshark.tshark() is None, reason="tshark is not installed")
MODBUS = tuple(protocol for protocol in PROTOCOLS if protocol.name == "modbus")


def conversation(path: Path, turns: list[tuple[int, bytes]]) -> Path:
    """Modbus segments of one connection, each from the client (0) or the server (1)."""
    import numpy as np

    which = np.array([side for side, _ in turns])
    sizes = np.array([len(content) for _, content in turns])
    sent = [np.cumsum(np.where(which == side, sizes, 0)) for side in (0, 1)]
    mine, other = np.where(which == 0, sent[0], sent[1]) - sizes, np.where(which == 0, sent[1], sent[0])
    ends = np.where(which == 0, CLIENT, SERVER), np.where(which == 0, SERVER, CLIENT)
    ports = np.where(which == 0, 40000, 502), np.where(which == 0, 502, 40000)
    payloads = Payloads.of([content for _, content in turns], np.arange(len(turns)))
    parts = tcp(ends, ports, (1000 + mine, 1000 + other), PSH, payloads)
    return write(path, [records(*packets(ends, parts, payloads.size), 0)])


def pdu(transaction: int, body: bytes) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(body) + 1, 1) + body


def test_modbus_made_here(tmp_path: Path) -> None:
    mask = pdu(9, struct.pack(">BHHH", 22, 4, 0xF2, 0x25))
    identification = pdu(10, bytes((43, 14, 1, 0)))
    exception = pdu(11, bytes((0x83, 2)))
    turns = [
        (0, REQUEST),
        (1, RESPONSE),
        (0, WRITE),
        (1, WRITE[:12]),
        (0, REQUEST + mask),
        (1, RESPONSE + mask),
        (0, identification),
        (0, REQUEST[:5]),
        (0, REQUEST[5:]),
        (1, exception),
    ]
    conversation(tmp_path / "turns.pcap", turns)
    write(tmp_path / "polling.pcap", polling(400))
    report = run(tmp_path, MODBUS, [])
    assert report.captures == 2
    assert report.compared > 1500
    assert report.agreed == report.compared, text(report)
    assert {title for title, field in document(report)["fields"].items() if field["compared"]} >= {
        "modbus.transaction_id",
        "modbus.value+registers",
        "modbus.and_mask",
        "modbus.mei_type",
    }


SYN = make.tcp((make.CLIENT, 40000), (make.SERVER, 48898), 0, flags=make.SYN)  # without it tshark 4.6 waits for what came before
EVERY_KIND = {"profinet_dcp": test_profinet_dcp.EVERY_KIND, "sv": test_sv.EVERY_KIND, "ads": (SYN, *test_ads.frames(*test_ads.EVERY_KIND))}


@pytest.mark.parametrize(("name", "frames"), EVERY_KIND.items(), ids=EVERY_KIND)
def test_frames_made_here(tmp_path: Path, name: str, frames: tuple[bytes, ...]) -> None:
    """Frames of every kind that the protocol's own tests know."""
    wrpcap(str(tmp_path / "frames.pcap"), [Ether(frame) for frame in frames])
    report = run(tmp_path, tuple(protocol for protocol in PROTOCOLS if protocol.name == name))
    assert report.compared > 70
    assert report.agreed == report.compared, text(report)


def test_a_difference_is_found_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With an address taken for a quantity, the comparison fails and names field, capture and frame."""
    from dataclasses import replace

    swapped = tuple(replace(field, wireshark="modbus.word_cnt" if field.name == "address" else "") for field in MODBUS[0].fields)
    wrong = replace(MODBUS[0], fields=swapped, decode=lambda pdus, state: _renamed(MODBUS[0].decode(pdus, state), swapped))
    conversation(tmp_path / "turns.pcap", [(0, REQUEST), (1, RESPONSE)])
    monkeypatch.setattr("tests.conformance.__main__.PROTOCOLS", (wrong,))
    monkeypatch.setattr("sys.argv", ["conformance", str(tmp_path)])
    assert main() == 1
    assert "turns.pcap frame 1: different: ours [100], theirs [10]" in capsys.readouterr().out


def _renamed(table: object, fields: object) -> object:
    table.fields = {field.name: field for field in fields}  # type: ignore[attr-defined]
    return table


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_shared_captures(protocol: object) -> None:
    """Each protocol over the captures in the folder of its name."""
    folders = {"cip": "enip", "goose": "iec61850", "profinet_dcp": "profinet"}
    place = SHARED / folders.get(protocol.name, protocol.name)
    if not place.is_dir():
        pytest.skip("no captures in ../shared")
    report = run(place, (protocol,))
    assert report.share >= ENOUGH, text(report, 10)
