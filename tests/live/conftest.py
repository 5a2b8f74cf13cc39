from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sensor.live.taps import Taps
from tests.live.network import Listen, Network, entered


@pytest.fixture
def network() -> Iterator[Network]:
    with entered() as made:
        yield made


@pytest.fixture
def listen(network: Network) -> Iterator[Listen]:
    """Opens taps in the namespace; closed with it."""
    opened: list[Taps] = []

    def listen(*arguments: Any, **options: Any) -> Taps:
        opened.append(Taps(*arguments, **options))
        return opened[-1]

    yield listen
    for taps in opened:
        taps.close()
