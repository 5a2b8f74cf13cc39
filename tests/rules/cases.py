"""A rule's case: frames that fire it, and frames that nearly do. Builders of both."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.detectors.signature.harness import talk
from tests.make import CLIENT, SERVER, udp

OUTSIDE = "203.0.113.5"
Frames = Sequence[bytes | tuple[int, bytes]]  # with its time in ns, or a millisecond after the one before
Said = bytes | tuple[int, bytes]  # what the client says, or (side, what it says) with side 1 for the server


@dataclass(frozen=True)
class Case:
    """also: rules that see the same thing from another side and fire together with it, whether or not the near miss does."""

    hit: Frames
    miss: Frames
    also: frozenset[int] = frozenset()


def speech(port: int, *said: Said, client: str = CLIENT) -> Frames:
    """A TCP connection to this port."""
    return talk(*[each if isinstance(each, tuple) else (0, each) for each in said], ends=((client, 40_000), (SERVER, port)))


def datagrams(port: int, *said: Said, client: str = CLIENT, server: str = SERVER, source_port: int = 40_000) -> Frames:
    """UDP between the client and this port."""
    ends = (client, source_port), (server, port)
    sides = [each if isinstance(each, tuple) else (0, each) for each in said]
    return [udp(*(ends if side == 0 else ends[::-1]), content, 1000 + i) for i, (side, content) in enumerate(sides)]


def over(build: Callable[..., Frames], port: int) -> Callable[..., Case]:
    """A maker of cases on this port: the payload that fires and the one that does not, each one or several."""

    def make(hit: Said | Sequence[Said], miss: Said | Sequence[Said], *also: int, client: str = CLIENT, near: str = CLIENT) -> Case:
        return Case(build(port, *several(hit), client=client), build(port, *several(miss), client=near), frozenset(also))

    return make


def several(said: Said | Sequence[Said]) -> list[Said]:
    return list(said) if isinstance(said, list) else [said]  # type: ignore[list-item]


def changed(content: bytes, at: int, *values: int) -> bytes:
    """The same with other bytes there."""
    at %= len(content)
    return content[:at] + bytes(values) + content[at + len(values) :]


def be16(*values: int) -> bytes:
    return struct.pack(f">{len(values)}H", *values)
