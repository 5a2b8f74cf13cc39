"""Assets of the demo's plant: roles by behaviour, and nobody's identity taken over by who claims his address."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sensor.analysis import Analysis
from sensor.capture import open_source
from sensor.sinks.assets import asset_text

LAPTOP = "54-E1-AD-66-06-66"


@pytest.fixture(scope="module")
def assets(demo_capture: Path) -> dict[str, Any]:
    analysis = Analysis()
    analysis.run(open_source(str(demo_capture))[1])
    first, again = ([json.loads(asset_text(asset, "s")) for asset in analysis.assets] for _ in range(2))
    assert first == again
    return {document["tapsight"]["asset"]["address"]: document for document in first}


@pytest.mark.parametrize(
    ("address", "roles"),
    [
        ("192.168.10.20", ["hmi"]),
        ("192.168.10.25", ["hmi"]),
        ("192.168.10.40", ["controller"]),
        ("192.168.10.41", ["controller"]),
        ("192.168.10.43", ["controller"]),  # it uses EtherNet/IP too, but only to reach its own inputs and outputs
        ("192.168.10.44", ["io_device"]),  # its identity says that it is an adapter
        ("192.168.10.50", ["outstation"]),
        ("192.168.10.51", ["outstation"]),
        ("192.168.10.60", ["ied"]),  # publishing is no client's work
        ("192.168.10.66", ["engineering_station"]),
        ("192.168.10.2", []),  # a switch only says who it is
    ],
)
def test_roles(assets: dict[str, Any], address: str, roles: list[str]) -> None:
    assert assets[address]["tapsight"]["asset"]["roles"] == roles


def test_what_a_mac_says_is_its_addresss(assets: dict[str, Any]) -> None:
    """LLDP has no IP: ARP says whose MAC it is."""
    assert assets["192.168.10.2"]["tapsight"]["asset"]["name"] == "sw-process-1"
    assert "00-80-63-4A-10-02" not in assets


def test_a_spoofed_address_keeps_its_owners_vendor(assets: dict[str, Any]) -> None:
    """The laptop claims the HMI's address by ARP: what the laptop published stays its own, and the HMI stays a Dell."""
    assert set(assets["192.168.10.20"]["host"]["mac"]) == {LAPTOP, "F8-B1-56-C2-20-14"}
    assert assets["192.168.10.20"]["device"]["manufacturer"] == "Dell Inc"
    assert assets["192.168.10.20"]["tapsight"]["asset"]["publishes"] == []
    assert (assets[LAPTOP]["tapsight"]["asset"]["publishes"], assets[LAPTOP]["tapsight"]["asset"]["uses"]) == (["goose"], [])


def test_who_engineers_is_no_relay_whatever_he_publishes(assets: dict[str, Any]) -> None:
    assert assets[LAPTOP]["tapsight"]["asset"]["roles"] == []
    assert assets["192.168.10.60"]["tapsight"]["asset"]["publishes"] == ["goose"]


def test_identities_read_as_people_write_them(assets: dict[str, Any]) -> None:
    said = {(item["name"], item["value"]) for item in assets["192.168.10.43"]["tapsight"]["asset"]["identity"]}
    assert {("vendor", "Rockwell Automation"), ("device_type", "programmable logic controller")} <= said
    makers = {address: document.get("device", {}).get("manufacturer", "") for address, document in assets.items()}
    assert makers["192.168.10.41"] == "Siemens AG"
    assert not [maker for maker in makers.values() if maker.endswith((",", "."))]
