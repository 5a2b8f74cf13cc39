"""What Suricata calls frames: parts of messages as they lie in the stream, by its names (Suricata 8 user guide, "Frame Keywords" and those of each protocol).

A Framing follows one conversation: it says how long each message is and which parts that has. What it cannot tell any more it says with ValueError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

PREFIX = "frame:"  # of the buffers that rules name, and of the kinds of units that they are
LONGEST = 4_096  # of a line, and of the fields behind a chunked body
Part = tuple[str, int, int]  # its name, and where it begins and ends in the message


def headed(data: bytes, header: int, names: tuple[str, str, str] = ("hdr", "data", "pdu")) -> Iterator[Part]:
    """A message's header, what is behind it, and both; of one that is cut short nothing."""
    if len(data) >= header:
        yield names[0], 0, header
        yield names[1], header, len(data)
        yield names[2], 0, len(data)


class Framing:
    """names: of its frames. size: of the message that begins these bytes of one side, as reading.Frames asks it; parts: those of a message, or of as much of it as there is."""

    names: ClassVar[tuple[str, ...]] = ("hdr", "data", "pdu")
    over: ClassVar[tuple[str, ...]] = ("tcp",)

    def size(self, to_server: bool, held: bytearray) -> int | None:
        raise NotImplementedError

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        raise NotImplementedError

    def datagram(self, to_server: bool, data: bytes) -> Iterable[Part]:
        return self.parts(to_server, data)
