"""Who is on the network: the same whatever the cut, by evidence only."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from sensor.assets.assets import Assets
from sensor.pipeline import Pipeline
from sensor.protocols import PROTOCOLS
from sensor.sinks.assets import asset_text
from tests.make import CLIENT, SERVER, SYN, batches, ethernet, run, tcp
from tests.sinks.traffic import Talk, frames, read

CUTS = (1, 2, 5, 1 << 20)
SECOND, BEGIN = 1_000_000_000, 1_700_000_000_000_000_000
GOOSE = bytes.fromhex("0001000c00000000") + b"\x61\x02\x80\x00"


def documents(assets: Assets) -> Iterator[dict[str, Any]]:
    return (json.loads(asset_text(asset, "test")) for asset in assets)


def known(some: list[Any], rows: int = 1 << 20) -> dict[str, dict[str, Any]]:
    """The asset documents of these frames, by address."""
    assets = Assets(PROTOCOLS)
    for seen in run(some, rows).seen:
        assets.learn(seen)
    return {document["tapsight"]["asset"]["address"]: document for document in documents(assets)}


def own(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["tapsight"]["asset"]
    return found


@pytest.mark.parametrize("rows", CUTS)
def test_whoever_asks_uses_and_whoever_answers_serves(rows: int) -> None:
    """A role is told by what was said, so it is known of conversations that go on, too, and of those whose protocol came long after they began."""
    found = known(frames(), rows)
    assert (own(found[CLIENT])["uses"], own(found[SERVER])["serves"]) == (["modbus"], ["modbus"])
    assert own(found[SERVER])["roles"] == ["controller"]


@pytest.mark.parametrize("rows", CUTS)
def test_what_a_mac_sent_counts_for_the_address_that_has_it(rows: int) -> None:
    """GOOSE before and after a conversation of the same device: first, last and how much are those of both, and one asset is counted."""
    published = [(BEGIN + at * SECOND, ethernet(GOOSE.ljust(50, bytes([at])), 0x88B8, destination="010ccd010001")) for at in (0, 100)]
    talk = [(BEGIN + (i + 10) * SECOND, frame) for i, frame in enumerate(frames())]
    alone, both = known(talk, rows), known([published[0], *talk, published[1]], rows)
    assert list(alone) == list(both)
    before, after = own(alone[CLIENT]), own(both[CLIENT])
    assert (after["packets"] - before["packets"], after["bytes"] - before["bytes"]) == (2, 2 * 64)
    assert (after["first"]["frame"], after["first"]["time"]) == (1, "2023-11-14T22:13:20.000000000Z")
    assert after["last_seen"] == "2023-11-14T22:15:00.000000000Z"
    assert own(both[SERVER])["packets"] == own(alone[SERVER])["packets"]
    assets = Assets(PROTOCOLS)
    for seen in run([published[0], *talk, published[1]], rows).seen:
        assets.learn(seen)
    assert len(assets) == len(list(assets)) == 2


@pytest.mark.parametrize(("networks", "roles"), [((), ["external"]), (("8.8.0.0/16",), ["hmi"])])
def test_a_client_on_the_internet_is_none_of_the_plants_hosts(networks: tuple[str, ...], roles: list[str]) -> None:
    assets = Assets(PROTOCOLS, networks=networks)
    for seen in run([tcp(("8.8.8.8", 40_000), (SERVER, 502), 1, read(1, [1])[0]), tcp((SERVER, 502), ("8.8.8.8", 40_000), 1, read(1, [1])[1])]).seen:
        assets.learn(seen)
    found = {document["tapsight"]["asset"]["address"]: own(document)["roles"] for document in documents(assets)}
    assert found == {"8.8.8.8": roles, SERVER: ["controller"]}


@pytest.mark.parametrize("rows", CUTS)
def test_requests_alone_make_no_server(rows: int) -> None:
    found = known([tcp((CLIENT, 40_000), (SERVER, 502), 1, read(1, [1])[0])], rows)
    assert list(found) == [CLIENT]
    assert own(found[CLIENT])["uses"] == ["modbus"]


@pytest.mark.parametrize("rows", CUTS)
def test_an_asset_is_first_where_its_first_conversation_began(rows: int) -> None:
    """However many conversations it had, and whichever of them ended first."""
    short, long = [Talk(source=port) for port in (40_000, 40_001)]
    some = [*long.frames, *short.frames]
    timed = [(BEGIN + i * SECOND, frame) for i, frame in enumerate(some)]
    timed += [(BEGIN + (i + 20) * SECOND, frame) for i, frame in enumerate(short.end()[3:])] + [
        (BEGIN + 900 * SECOND, tcp((CLIENT, 40_001), (SERVER, 502), 1000))
    ]
    found = known(timed, rows)
    assert own(found[CLIENT])["first"]["frame"] == 1
    assert own(found[SERVER])["first"]["frame"] == 1  # whoever answers was there when it was asked
    assert found[CLIENT]["@timestamp"] == "2023-11-14T22:28:20.000000000Z"


def test_a_conversation_that_begins_and_ends_in_one_batch_still_names_its_ends() -> None:
    """Another connection of the same ports follows at once."""
    again = [tcp((CLIENT, 40_000), (SERVER, 502), 77_000, flags=SYN)]
    found = known([*Talk().frames, *again])
    assert own(found[SERVER])["packets"] == 1
    assert len(found[SERVER]["host"]["ip"]) == 1


def test_what_a_mac_publishes_is_said_of_the_address_that_has_it() -> None:
    device = "02000000000a"
    goose = ethernet(GOOSE, 0x88B8, source=device, destination="010ccd010001")
    arp = ethernet(
        struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 2, bytes.fromhex(device), bytes((10, 0, 0, 9)), bytes(6), bytes((10, 0, 0, 9))), 0x0806, source=device
    )
    alone, joined = known([goose]), known([goose, arp])
    assert [document["tapsight"]["asset"]["address"] for document in alone.values()] == ["02-00-00-00-00-0A"]
    assert list(joined) == ["10.0.0.9"]
    said = own(joined["10.0.0.9"])
    assert (said["publishes"], said["uses"], said["serves"]) == (["goose"], [], [])


def test_the_source_is_that_in_which_the_conversation_began() -> None:
    assets = Assets(PROTOCOLS)
    talk = Talk()
    talk.exchange(*read(1, [5]))

    def both() -> Any:
        yield from batches(talk.frames[:2], name="one.pcap")
        yield from batches(talk.frames[2:], name="two.pcap")

    for seen in Pipeline().run(both()):
        assets.learn(seen)
    firsts = {own(document)["first"]["source"] for document in documents(assets)}
    assert firsts == {"one.pcap"}
