"""LLDPDUs as IEEE 802.1AB-2016 clause 8 builds them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.events.vocabulary import Anomaly
from sensor.protocols.lldp import LLDP
from tests.make import ethernet, run


def tlv(kind: int, value: bytes) -> bytes:
    return (kind << 9 | len(value)).to_bytes(2) + value


SWITCH = (
    tlv(1, b"\4\0\x0e\x8c\1\2\3")
    + tlv(2, b"\7port-001")
    + tlv(3, b"\0\x14")
    + tlv(5, b"switch-1")
    + tlv(6, b"SCALANCE X208")
    + tlv(7, b"\0\x84\0\4")
    + tlv(8, b"\5\1\x0a\0\0\7\2\0\0\0\1\0")
    + tlv(127, b"\0\x0e\xcf\2\0\0\0\0")
    + tlv(0, b"")
)


def frames(content: bytes) -> list[bytes]:
    return [ethernet(content + bytes(20), 0x88CC, source="000e8c010203", destination="0180c200000e")]


def test_every_tlv_becomes_a_field() -> None:
    result = run(frames(SWITCH))
    table = result.seen[0].tables["lldp"]
    assert {name: column[0] for name, column in table.columns.items()} == {
        "chassis_id_subtype": 4, "chassis_id": "00-0E-8C-01-02-03", "port_id_subtype": 7, "port_id": "port-001", "time_to_live": 20, "system_name": "switch-1",
        "system_description": "SCALANCE X208", "capabilities": ["bridge"], "management_addresses": ["10.0.0.7"], "organizations": [{"oui": "00-0E-CF", "subtype": 2}],
    }  # fmt: skip
    assert table.anomaly.tolist() == [0]
    assert [found.attributes for found in LLDP.identity(table)] == [{"name": "switch-1", "description": "SCALANCE X208", "chassis": "00-0E-8C-01-02-03"}]
    assert result.pipeline.report()["imbalance"] == []


def test_a_tlv_behind_the_end_is_an_anomaly() -> None:
    table = run([ethernet(SWITCH[:18], 0x88CC)]).seen[0].tables["lldp"]
    assert table.anomaly.tolist() == [Anomaly.TRUNCATED]


@given(st.binary(max_size=60))
def test_any_bytes_are_survived(content: bytes) -> None:
    result = run(frames(SWITCH[:9] + content))
    assert result.pipeline.report()["imbalance"] == []
