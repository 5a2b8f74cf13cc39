"""PDUs that are parts of messages -> where each message lies: most are whole in one PDU; only the others are put together in plain Python."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sensor.columns import PAD
from sensor.events.table import Fragments, Pdus

MOST_OPEN, MOST_BYTES = 4096, 1 << 16  # messages of one protocol that are open at once, and bytes of one


class Messages:
    """Open messages of one protocol. incomplete: how many were given up (a new one began, bytes were missing, no room)."""

    def __init__(self, fragments: Callable[[Pdus], Fragments]) -> None:
        self.fragments = fragments
        self.open: dict[tuple[int, bool, int], bytearray] = {}
        self.incomplete = 0

    def assemble(self, pdus: Pdus) -> None:
        """Set message_at and message_end of these PDUs (none of them carried), and their data where messages had to be put together."""
        f = self.fragments(pdus)
        whole = f.first & f.last
        pdus.message_at, pdus.message_end = np.where(whole, f.at, 0), np.where(whole, f.end, 0)
        pdus.data = f.data
        parts = np.flatnonzero((f.end > f.at) & ~whole)
        stray = np.flatnonzero(whole) if self.open else parts[:0]
        rows = np.union1d(parts, stray)
        annex, base = bytearray(), len(f.data) - PAD
        columns = (pdus.flow[rows], pdus.to_server[rows], f.key[rows], f.first[rows], f.last[rows], f.at[rows], f.end[rows])
        for row, flow, to_server, key, first, last, at, end in zip(rows.tolist(), *(column.tolist() for column in columns), strict=True):
            message = self._part((flow, to_server, key), f.data[at:end].tobytes(), first=first, last=last)
            if message is not None and not (first and last):
                pdus.message_at[row] = base + len(annex)
                annex += message
                pdus.message_end[row] = base + len(annex)
        if annex:
            pdus.data = np.concatenate((f.data[:base], np.frombuffer(bytes(annex), np.uint8), np.zeros(PAD, np.uint8)))

    def _part(self, key: tuple[int, bool, int], content: bytes, *, first: bool, last: bool) -> bytes | None:
        """One part; the whole message when it is the last."""
        if first:
            if self.open.pop(key, None) is not None:
                self.incomplete += 1
            if last:
                return content
            if len(self.open) >= MOST_OPEN:
                del self.open[next(iter(self.open))]
                self.incomplete += 1
            self.open[key] = bytearray(content)
            return None
        message = self.open.get(key)
        if message is None or len(message) + len(content) > MOST_BYTES:
            self.incomplete += 1
            self.open.pop(key, None)
            return None
        message += content
        return bytes(self.open.pop(key)) if last else None

    def forget(self, flows: set[int]) -> None:
        """These flows are over."""
        for key in [key for key in self.open if key[0] in flows]:
            del self.open[key]
            self.incomplete += 1
