"""pyads on both ends, which is Beckhoff's own library (AdsLib) as a client: what its test server answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stacks.proxy import Recording, TcpProxy, free_port, wait_for
from tests.stacks.said import Said, understood

pytest.importorskip("pyads", minversion="3.6", reason="pyads is not installed")

import pyads
from pyads.testserver import AdsTestServer, AdvancedHandler, PLCVariable

NET_ID, ADDRESS, PORT = "127.0.0.1.1.1", "127.0.0.43", 48898
VARIABLES = (
    ("MAIN.speed", 1.5, pyads.constants.ADST_REAL32, "REAL"),
    ("MAIN.count", -7, pyads.constants.ADST_INT32, "DINT"),
)


@pytest.fixture(scope="module")
def session() -> Iterator[Recording]:
    """A client that calls everything; AdsLib keeps its routes to itself, and knows one port only."""
    handler = AdvancedHandler()
    for name, value, kind, called in VARIABLES:
        handler.add_variable(PLCVariable(name, value, kind, called))
    port = free_port()
    with AdsTestServer(handler=handler, ip_address="127.0.0.1", port=port, logging=False):
        wait_for(port)
        try:
            proxy = TcpProxy(port, address=(ADDRESS, PORT))
        except OSError as error:
            pytest.skip(f"{ADDRESS}:{PORT}: {error}")
        with proxy:
            plc = pyads.Connection(NET_ID, pyads.PORT_TC3PLC1, ADDRESS)
            plc.open()
            assert plc.read_by_name("MAIN.speed", pyads.PLCTYPE_REAL) == 1.5
            plc.write_by_name("MAIN.count", 99, pyads.PLCTYPE_DINT)
            assert plc.get_symbol("MAIN.count").read() == 99
            assert plc.read_list_by_name(["MAIN.speed", "MAIN.count"]) == {"MAIN.speed": 1.5, "MAIN.count": 99}
            assert set(plc.write_list_by_name({"MAIN.speed": 2.5, "MAIN.count": 100}).values()) == {"no error"}
            plc.read_state()
            plc.write_control(pyads.ADSSTATE_STOP, 0, 0, pyads.PLCTYPE_INT)
            plc.close()
            yield proxy.recording


@pytest.fixture(scope="module")
def said(session: Recording) -> Said:
    return understood(session.tcp_frames(PORT), "ads")


def test_all_is_paired(said: Said) -> None:
    ledger = said.ledger["protocols"]["ads"]
    assert (ledger["requests_unanswered"], ledger["responses_unasked"]) == (0, 0)
    assert {*(event["command"] for event in said.events("ads"))} >= {"read", "write", "read_write", "read_state", "write_control"}


def test_values_have_the_names_and_types_that_the_server_told(said: Said) -> None:
    points = {(point.verb, point.name, point.raw_type, point.value) for point in said.points["ads"]}
    assert points >= {
        ("read", "MAIN.speed", "float32", 1.5),
        ("write", "MAIN.speed", "float32", 2.5),
        ("read", "MAIN.count", "int32", 99),
        ("write", "MAIN.count", "int32", 100),
    }


def test_what_it_does(said: Said) -> None:
    assert said.events("ads", action="stop")[0]["ads_state"] == "stop"
    described = said.events("ads", index_group="info_by_name_ex", state_flags=5)[0]["symbols"]
    assert described[0].items() >= {"name": "MAIN.count", "type": "DINT", "data_type": "int32", "size": 4}.items()
