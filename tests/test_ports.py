"""What is known by its port alone is not what is decoded."""

from __future__ import annotations

import pytest

from sensor.datasets import usual
from sensor.decode.packets import Transport
from sensor.ports import NOT_DECODED, USED


@pytest.mark.parametrize(
    ("transport", "number", "name", "is_decoded"),
    [
        (Transport.UDP, 47808, "bacnet", False),
        (Transport.TCP, 1911, "fox", False),
        (Transport.TCP, 5094, "hart-ip", False),
        (Transport.UDP, 4712, "c37.118", False),
        (Transport.UDP, 48899, "ads_router", True),
        (Transport.TCP, 502, "modbus", True),
        (Transport.UDP, 502, "", False),
        (Transport.ETHERNET, 0x88B8, "goose", True),
        (Transport.ETHERNET, 0x88A4, "ethercat", False),
        (Transport.TCP, 80, "http", True),
        (Transport.TCP, 65_000, "", False),
    ],
)
def test_what_usually_speaks_there(transport: Transport, number: int, name: str, is_decoded: bool) -> None:
    assert usual(transport, number) == (name, is_decoded)


def test_each_is_named_once_and_none_is_decoded() -> None:
    assert len(NOT_DECODED) == sum(len(transports) * len(numbers) for _, transports, numbers in USED)
    assert all(usual(transport, number) == (name, False) for (transport, number), name in NOT_DECODED.items())
