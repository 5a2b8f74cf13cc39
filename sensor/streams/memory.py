"""What segments held a little while ago, so that a retransmission can be compared with what it repeats."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Bytes, Ints

SEGMENTS = 16_384  # of the whole capture: further back nothing is compared


class Memory:
    """The last SEGMENTS segments of all streams, in the batches' own buffers."""

    def __init__(self) -> None:
        self.batches: deque[tuple[int, Ints, NDArray[np.uint32], Ints, Ints, Ints, Bytes]] = deque()
        self.serial = 0

    def add(self, stream: Ints, sequence: NDArray[np.uint32], at: Ints, length: Ints, frame: Ints, data: Bytes) -> None:
        """Remember segments of one batch, in order."""
        if len(stream):
            self.batches.append((self.serial, stream, sequence, at, length, frame, data))
            self.serial += len(stream)
        while self.batches and self.batches[0][0] + len(self.batches[0][1]) <= self.serial - SEGMENTS:
            self.batches.popleft()

    def earlier(self, stream: int, sequence: int, size: int, frame: int, since: int, until: int) -> bytes | None:
        """What the first remembered segment of the stream (but not `frame` itself, and of frames `since` to `until`) held at these sequence numbers.

        Bytes that no single remembered segment covers are not compared: None.
        """
        for serial, streams, sequences, ats, lengths, frames, data in self.batches:
            mine = np.flatnonzero((streams == stream) & (frames != frame) & (frames >= since) & (frames <= until))
            mine = mine[serial + mine >= self.serial - SEGMENTS]
            offset = (np.uint32(sequence) - sequences[mine]).astype(np.int64)
            covers = np.flatnonzero(offset + size <= lengths[mine])
            if covers.size:
                begin = int(ats[mine[covers[0]]] + offset[covers[0]])
                return data[begin : begin + size].tobytes()
        return None
