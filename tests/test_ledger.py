from __future__ import annotations

import numpy as np
import pytest

from sensor.analysis import Analysis
from sensor.protocols.enip.connections import CONNECTION, MOST, Connections
from tests import make


def test_ethertypes_are_hexadecimal() -> None:
    """As standards and Wireshark write them."""
    frames = [make.ethernet(bytes(46), 0x9999), make.ethernet(bytes(47), 0x9999), make.ethernet(bytes(48), 0x88CA)]
    assert make.run(frames).pipeline.report()["not_read"]["ethertypes"] == {"0x88CA": 1, "0x9999": 2}


def payload(frames: list[bytes], rows: int) -> dict[str, int]:
    """What became of all payload bytes, of what there was any."""
    analysis = Analysis()
    analysis.run(make.batches(frames, rows))
    ledger = analysis.ledger()
    assert ledger["imbalance"] == []
    return {what: size for what, size in ledger["payload"].items() if size and what != "slow_packets"}


CLIENT = make.CLIENT, 40_000
S7_PLUS = bytes.fromhex("0300000f02f080") + b"\x72" + bytes(7)
FIRST = bytes.fromhex("0300000b02f000") + b"\x72" + bytes(3)  # of two parts
MODBUS = bytes.fromhex("000100000006010600010002")


@pytest.mark.parametrize("rows", [1, 100])
@pytest.mark.parametrize(
    ("port", "said", "expected"),
    [
        (102, [S7_PLUS], {"read": 7, "not_read": 8}),  # TPKT and COTP are read
        (102, [FIRST, S7_PLUS], {"read": 14, "not_read": 12}),
        (502, [MODBUS, MODBUS[:5] + b"\x08" + MODBUS[6:] + b"\xff\xff"], {"read": 24, "not_read": 2}),
        (502, [MODBUS, b"\xff" * 20, MODBUS], {"read": 24, "not_read": 20}),
        (502, [MODBUS, MODBUS[:5]], {"read": 12, "not_read": 5}),
        (9, [b"\x00" * 30], {"unrecognised": 30}),
        (8080, [b"GET / HT", b"TP/1.1\r\nHost: plant\r\n\r\n"], {"applications": 31}),  # known by the second segment
    ],
)
def test_every_payload_byte_has_one_account(port: int, said: list[bytes], expected: dict[str, int], rows: int) -> None:
    sent, frames = 1, []
    for i, content in enumerate(said):
        frames.append(make.tcp(CLIENT, (make.SERVER, port), sent, content, identification=i))
        sent += len(content)
    assert payload(frames, rows) == {"bytes": sent - 1} | expected


@pytest.mark.parametrize("rows", [1, 100])
def test_datagrams_and_frames_have_one_too(rows: int) -> None:
    """A query by name, junk, and a frame with its padding."""
    query = bytes.fromhex("000100000001000000000000") + b"\x05plant\0" + bytes.fromhex("00010001")
    goose = bytes.fromhex("0001000e00000000610480020000")
    frames = [make.udp(CLIENT, (make.SERVER, 53), query), make.udp(CLIENT, (make.SERVER, 9), b"?" * 7, 2), make.ethernet(goose + bytes(32), 0x88B8)]
    assert payload(frames, rows) == {"bytes": len(query) + 7 + 46, "applications": len(query), "unrecognised": 7, "read": 14, "padding": 32}


def test_what_protocols_had_to_forget_is_told() -> None:
    analysis = Analysis()
    connections = analysis.pipeline.states[Connections]
    connections.open(np.zeros(MOST, CONNECTION))
    assert analysis.ledger()["forgotten"] == {}
    connections.open(np.zeros(3, CONNECTION))
    assert analysis.ledger()["forgotten"] == {"state of enip": 3}
