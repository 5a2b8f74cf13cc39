from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.network import Network, entered


@pytest.fixture
def network() -> Iterator[Network]:
    with entered() as made:
        yield made
