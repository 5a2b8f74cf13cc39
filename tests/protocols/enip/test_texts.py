"""Readers of texts take any content."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.protocols.enip.texts import READERS


@pytest.mark.parametrize("kind", READERS)
@given(content=st.binary(max_size=40))
def test_any_content(kind: int, content: bytes) -> None:
    found = READERS[kind](content)
    assert found is None or (isinstance(found[0], str) and 0 <= found[1] <= len(content))


def test_a_path_of_a_connection() -> None:
    assert READERS[0xDC](bytes.fromhex("010020042405 2c64 2c65".replace(" ", ""))) == (
        "class 0x4 instance 5 connection point 100 connection point 101 port 1",
        10,
    )
