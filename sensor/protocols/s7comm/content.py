"""The content of one userdata data unit, as the decoders of the function groups get it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from sensor.columns import Array


class Kind(IntEnum):
    """Userdata types without what numerical controls add."""

    PUSH = 0
    REQUEST = 4
    RESPONSE = 8
    UNDEFINED = 12


@dataclass
class Content:
    """said: its bytes; they lie at `place` of the table's data, or were put together from several PDUs. request: the content of the request that it answers,
    where that is known. flow, position: of its PDU.

    What a decoder may add: addresses (variables.ADDRESS) of variables in it, or of those whose values are in it; codes (uint8[n, 2]), the values' return codes
    and transport sizes; left, where the bytes begin that it could not read.
    """

    said: bytes
    place: int
    kind: Kind
    subfunction: int
    sequence: int
    flow: int
    position: int
    request: bytes = b""
    addresses: Array | None = None
    codes: Array | None = None
    left: int | None = None
