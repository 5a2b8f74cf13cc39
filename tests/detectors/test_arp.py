from __future__ import annotations

import struct

from tests import make
from tests.detectors.toy import alerts, every

A, B, EVIL = "02000000000a", "02000000000b", "0200000000ee"
ASK, TELL = 1, 2


def arp(operation: int, mac: str, sender: str, target: str, target_mac: str = "000000000000") -> bytes:
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + bytes.fromhex(mac) + make.ip(sender) + bytes.fromhex(target_mac) + make.ip(target)
    return make.ethernet(body.ljust(46, b"\0"), 0x0806, mac, "ffffffffffff" if operation == ASK else target_mac)


def asked_and_told(mac: str, address: str) -> list[bytes]:
    return [arp(ASK, A, "10.0.0.1", address), arp(TELL, mac, address, "10.0.0.1", A)]


def test_arp_scan() -> None:
    alert = alerts(every(1, [arp(ASK, A, "10.0.0.1", f"10.0.0.{i}") for i in range(2, 82)]))["arp-scan"]
    assert (alert.count, alert.client.address) == (80, "10.0.0.1")


def test_few_or_slow_questions_are_no_scan() -> None:
    assert not alerts(every(1, [arp(ASK, A, "10.0.0.1", f"10.0.0.{2 + i % 39}") for i in range(100)]))
    assert not alerts(every(10, [arp(ASK, A, "10.0.0.1", f"10.0.0.{i}") for i in range(2, 82)]))


def test_spoofing() -> None:
    poison = [arp(TELL, EVIL, "10.0.0.2", "10.0.0.1", A)] * 30
    found = alerts(every(20, [*asked_and_told(B, "10.0.0.2"), *poison]))
    alert = found.pop("arp-spoofing")
    assert not found
    assert (alert.count, alert.server.address) == (30, "10.0.0.1")
    assert "02-00-00-00-00-EE" in alert.sentence()


def test_an_exchanged_device_is_neither_spoofing_nor_conflict() -> None:
    news = [arp(ASK, EVIL, "10.0.0.2", "10.0.0.2"), arp(TELL, EVIL, "10.0.0.2", "10.0.0.2", "ffffffffffff")]
    assert not alerts(every(5, [*asked_and_told(B, "10.0.0.2"), *news, *asked_and_told(EVIL, "10.0.0.2")]))


def test_conflict() -> None:
    both = [arp(ASK, A, "10.0.0.1", "10.0.0.2"), arp(TELL, B, "10.0.0.2", "10.0.0.1", A), arp(TELL, EVIL, "10.0.0.2", "10.0.0.1", A)]
    found = alerts(every(1, both * 5))
    assert found.pop("address-conflict").count == 8
    assert not found


def test_an_owner_who_claims_a_spoofed_address_back_is_the_same_story() -> None:
    poison, back = arp(TELL, EVIL, "10.0.0.2", "10.0.0.1", A), asked_and_told(B, "10.0.0.2")
    assert set(alerts(every(6, [*back, poison, *back, poison, *back]))) == {"arp-spoofing"}


def test_an_address_that_goes_back_a_day_later_is_no_conflict() -> None:
    assert not alerts(every(40_000, [arp(ASK, mac, "10.0.0.2", "10.0.0.2") for mac in (B, EVIL, B)]))
