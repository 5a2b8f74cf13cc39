"""cpppo on both ends: tags of every type, several services in a packet, identity."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from sensor.events.point import Quality
from tests.stacks.proxy import WAIT_S, Recording, TcpProxy, UdpProxy, free_port, wait_for
from tests.stacks.said import Said, understood

pytest.importorskip("cpppo", reason="cpppo is not installed")

import cpppo
from cpppo.server.enip import client
from cpppo.server.enip.get_attribute import attribute_operations
from cpppo.server.enip.main import main

Answers = dict[str, Any]
# By tag: the type, what is written, and how a point calls the type
TAGS: dict[str, tuple[str, list[int] | list[float], str]] = {
    "Flag": ("BOOL", [1], "bool"),
    "Tiny": ("SINT", [-128, 127], "int8"),
    "Byte": ("USINT", [0, 255], "uint8"),
    "Level": ("INT", [-32768, 32767, 42], "int16"),
    "Word": ("UINT", [65535], "uint16"),
    "Total": ("DINT", [-2147483648, 2147483647], "int32"),
    "Count": ("UDINT", [4294967295], "uint32"),
    "Huge": ("LINT", [-9007199254740993], "int64"),
    "Big": ("ULINT", [18446744073709551615], "uint64"),
    "Flow": ("REAL", [1.5, -0.125], "float32"),
    "Exact": ("LREAL", [2.5e-300], "float64"),
}


@contextmanager
def server() -> Iterator[int]:
    """A cpppo controller simulator with the tags; its port (TCP and UDP)."""
    port = free_port()
    control = cpppo.apidict(timeout=WAIT_S, done=False)
    tags = [f"{name}={kind}[{max(len(values), 1)}]" for name, (kind, values, _) in TAGS.items()]
    arguments = ["--no-config", "--address", f"127.0.0.1:{port}", *tags, "Scratch=INT[1000]", "Text=SSTRING[1]"]
    thread = threading.Thread(target=main, kwargs={"argv": arguments, "server": cpppo.dotdict(control=control)}, daemon=True)
    thread.start()
    try:
        wait_for(port)
        yield port
    finally:
        control["done"] = True
        thread.join(WAIT_S)


def operate(connection: Any, operations: list[str], **how: Any) -> list[Any]:
    """Values read, True where written, None where refused."""
    return [value for *_, value in connection.pipeline(operations=client.parse_operations(operations), **how)]


@pytest.fixture(scope="module")
def session() -> tuple[Recording, Answers]:
    """A client that writes and reads everything, and what it was told."""
    logging.getLogger("cpppo").setLevel(logging.ERROR)
    with server() as port, TcpProxy(port) as proxy:
        answers: Answers = {}
        with client.connector(host="127.0.0.1", port=proxy.port, timeout=WAIT_S) as connection:
            for name, (kind, values, _) in TAGS.items():
                place = f"{name}[0-{len(values) - 1}]"
                answers[f"write {name}"] = operate(connection, [f"{place}=({kind}){','.join(map(str, values))}"])
                answers[f"read {name}"] = operate(connection, [place])
            answers["element"] = operate(connection, ["Level[2]"])
            answers["together"] = operate(connection, ["Level[0-2]", "Flow[1]", "Total[0]=(DINT)7", "Missing"], multiple=500)
            answers["fragmented"] = operate(connection, [f"Scratch[0-999]=(INT){','.join(str(i) for i in range(1000))}", "Scratch[0-999]"], fragment=True)
            answers["text"] = operate(connection, ['Text[0]=(SSTRING)"Pump A"', "Text[0]"])
            asked = attribute_operations(["@1/1/7", "@1/1"])  # one attribute of the identity, and all of them
            answers["attributes"] = [value for *_, value in connection.pipeline(operations=asked)]
            answers["beyond"] = operate(connection, ["Level[7]", "Level[7]=(INT)1"])
            for ask in (connection.list_identity, connection.list_services):
                ask(timeout=WAIT_S)
                answers[ask.__name__], _ = client.await_response(connection, timeout=WAIT_S)
            with suppress(client.ENIPStatusError):  # this server ends the session
                operate(connection, ["Nowhere"])
    return proxy.recording, answers


@pytest.fixture(scope="module")
def said(session: tuple[Recording, Answers]) -> Said:
    return understood(session[0].tcp_frames(44818), "enip")


def points(said: Said, verb: str, name: str) -> list[tuple[int, Any, str]]:
    """Index, value and type of each, as often as they were seen."""
    return [
        (point.index, point.value, point.raw_type) for point in said.points["enip"] if (point.verb, point.name, point.quality) == (verb, name, Quality.GOOD)
    ]


def test_every_request_finds_its_answer_and_nothing_is_wrong(said: Said) -> None:
    ledger = said.ledger["protocols"]["enip"]
    assert ledger["requests_unanswered"] == ledger["responses_unasked"] == 0
    assert ledger["anomalies"] == {}


def test_every_type_as_it_was_written_and_read(said: Said, session: tuple[Recording, Answers]) -> None:
    for name, (_, values, raw_type) in TAGS.items():
        assert session[1][f"write {name}"] == [True]
        assert session[1][f"read {name}"] == [values]
        expected = [(index, value, raw_type) for index, value in enumerate(values)]
        assert points(said, "write", name)[: len(values)] == expected
        assert points(said, "read", name)[: len(values)] == expected
    assert {event["data_type"] for event in said.events("enip", operation="write_tag", outcome="unknown")} == {kind.lower() for kind, _, _ in TAGS.values()} | {
        "short_string"
    }


def test_elements_and_strings(said: Said, session: tuple[Recording, Answers]) -> None:
    assert session[1]["element"] == [[42]]
    assert points(said, "read", "Level")[3] == (2, 42, "int16")
    assert points(said, "write", "Text") == points(said, "read", "Text") == [(0, "Pump A", "string")]


def test_several_services_in_a_packet(said: Said, session: tuple[Recording, Answers]) -> None:
    assert session[1]["together"] == [[-32768, 32767, 42], [-0.125], True, None]
    assert points(said, "read", "Flow")[-1] == (1, -0.125, "float32")
    assert points(said, "write", "Total")[-1] == (0, 7, "int32")
    assert [event["outcome"] for event in said.events("enip", operation="multiple_service_packet")] == ["unknown", "success"]
    (missing,) = said.events("enip", tag="Missing", outcome="failure")
    assert missing["general_status"] == "path_destination_unknown"


def test_fragments(said: Said, session: tuple[Recording, Answers]) -> None:
    told = session[1]["fragmented"][1]
    assert told == list(range(len(told)))  # the first fragment is as far as this client goes
    assert points(said, "write", "Scratch") == [(i, i, "int16") for i in range(1000)]
    assert points(said, "read", "Scratch") == [(i, i, "int16") for i in range(len(told))]
    assert [event["general_status"] for event in said.events("enip", operation="read_tag_fragmented", outcome="success")] == ["partial_transfer"]


def test_identity(said: Said, session: tuple[Recording, Answers]) -> None:
    told = session[1]["list_identity"].enip.CIP.list_identity.CPF.item[0].identity_object
    (identity,) = said.events("enip", command="list_identity", outcome="success")
    assert (identity["product_name"], identity["serial_number"], identity["product_code"]) == (told.product_name, told.serial_number, told.product_code)
    assert identity["vendor_id"] == "rockwell_automation"
    assert said.events("enip", operation="get_attribute_single", outcome="success")[0]["product_name"] == told.product_name
    (every,) = said.events("enip", operation="get_attributes_all", outcome="success")
    assert (every["product_name"], every["serial_number"]) == (told.product_name, told.serial_number)
    assert any(attributes.get("product") == told.product_name and attributes.get("vendor") for attributes in said.identities["enip"])
    (services,) = said.events("enip", command="list_services", outcome="success")
    assert services["service_name"] == "Communications"


def test_refusals(said: Said, session: tuple[Recording, Answers]) -> None:
    assert session[1]["beyond"] == [None, None]
    refused = [(event["action"], event["extended_status"]) for event in said.events("enip", tag="Level[7]", outcome="failure")]
    assert refused == [("read", "access_beyond_end_of_object"), ("write", "access_beyond_end_of_object")]
    assert [(point.verb, point.index, point.name) for point in said.told["enip"] if point.quality == Quality.REFUSED] == [("write", 7, "Level")]
    assert said.events("enip", encapsulation_status="unsupported_command") == []
    assert said.documents["enip"][-1]["event"]["outcome"] == "failure"  # an unknown tag ends the session


def test_identity_over_udp() -> None:
    with server() as port, UdpProxy(port) as proxy, client.client(host="127.0.0.1", port=proxy.port, timeout=WAIT_S, udp=True) as connection:
        connection.list_identity(timeout=WAIT_S)
        answer, _ = client.await_response(connection, timeout=WAIT_S)
    said = understood(proxy.recording.udp_frames(44818), "enip")
    asked, told = said.events("enip", command="list_identity")
    assert asked["outcome"] == "unknown"
    assert told["product_name"] == answer.enip.CIP.list_identity.CPF.item[0].identity_object.product_name
