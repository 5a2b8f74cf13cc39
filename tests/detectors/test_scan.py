from __future__ import annotations

import pytest

from tests import make
from tests.detectors.toy import PORT, Session, alerts, every


def knocks(n: int, *, hosts: bool = True, port: int = 80, step: int = 1) -> list[bytes]:
    """SYNs to n hosts, or to n ports of one."""
    if hosts:
        return [Session(server=f"10.0.{2 + i // 200}.{1 + i % 200}", port=port).open() for i in range(0, n * step, step)]
    return [Session(port=port + i).open() for i in range(n)]


def test_address_scan() -> None:
    found = alerts(every(1, knocks(100)))
    alert = found.pop("address-scan")
    assert not found
    assert (alert.count, alert.frames[:2], alert.client.address) == (100, (1, 2), make.CLIENT)
    assert "100" in alert.sentence()


@pytest.mark.parametrize("frames", [every(1, knocks(49)), every(3, knocks(100)), every(0.1, knocks(10) * 10)], ids=["few", "slow", "the same again"])
def test_no_address_scan(frames: list[tuple[int, bytes]]) -> None:
    assert not alerts(frames)


def test_a_scan_goes_on_until_it_pauses() -> None:
    """What comes behind a pause longer than the window is few again; the same targets again are no more."""
    frames = every(0.01, [*knocks(70), *knocks(70)])
    late = [(ts_ns + 400_000_000_000, frame) for ts_ns, frame in every(1, knocks(90)[80:])]
    alert = alerts([*frames, *late])["address-scan"]
    assert (alert.count, len(alert.frames), alert.frames[-1]) == (70, 21, 70)
    assert "70 addresses" in alert.sentence()


def test_port_scan() -> None:
    alert = alerts(every(1, knocks(60, hosts=False, port=100)))["port-scan"]
    assert (alert.count, alert.server.address, alert.kind.techniques) == (60, make.SERVER, ("T0846.001",))


def test_few_ports_are_no_scan() -> None:
    assert not alerts(every(1, knocks(24, hosts=False, port=100)))


def test_answers_of_a_server_to_many_clients_are_no_scan() -> None:
    datagrams = [make.udp((make.SERVER, 53), (f"10.0.3.{1 + i % 200}", 40000 + i), b"x") for i in range(200)]
    middle = [Session(client=f"10.0.3.{1 + i % 200}", client_port=40000 + i, port=80).say(b"x", server=True) for i in range(200)]
    assert not alerts([*datagrams, *middle])


def test_udp_and_the_other_direction() -> None:
    datagrams = [make.udp(("10.0.9.9", 50000), (f"10.0.3.{1 + i}", 161), b"x") for i in range(60)]
    assert alerts(datagrams)["address-scan"].client.address == "10.0.9.9"


def test_controller_scan() -> None:
    found = alerts(every(1, knocks(14, port=PORT)))
    alert = found.pop("controller-scan")
    assert (alert.count, alert.frames) == (14, tuple(range(1, 15)))
    assert not found
    assert not alerts(every(1, knocks(9, port=PORT)))


def test_multicast_is_no_target() -> None:
    assert not alerts([make.udp((make.CLIENT, 5000), (f"239.1.1.{i}", 5000), b"x") for i in range(1, 100)])
