"""PDUs that are parts of messages -> where each message lies: most are whole in one PDU; only the others are put together in plain Python."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sensor.columns import PAD, Ints, appended
from sensor.events.table import Fragments, Pdus
from sensor.events.vocabulary import Anomaly, Trust

MOST_OPEN, MOST_BYTES = 4096, 1 << 16  # messages of one protocol that are open at once, and bytes of one


class Messages:
    """Open messages of one protocol; None in the place of one that was given up and whose other parts are still to come.

    incomplete: how many were given up (a new one began, bytes were missing, no room).
    """

    def __init__(self, fragments: Callable[[Pdus], Fragments]) -> None:
        self.fragments = fragments
        self.open: dict[tuple[int, bool, int], bytearray | None] = {}
        self.numbers: dict[tuple[int, bool, int], int] = {}  # the sequence number of each open message's latest part, where parts have one
        self.incomplete = 0

    def assemble(self, pdus: Pdus) -> None:
        """Set message_at and message_end of these PDUs (none of them carried), and their data where messages had to be put together."""
        f = self.fragments(pdus)
        whole = f.last if f.first is None else f.first & f.last
        pdus.message_at, pdus.message_end = np.where(whole, f.at, 0), np.where(whole, f.end, 0)
        pdus.data = f.data
        carries = f.end > f.at
        parts = carries & ~whole
        if not self.open and not parts.any():
            return
        flows = np.union1d(pdus.flow[parts], np.array([flow for flow, _, _ in self.open], np.int64))
        self._put_together(pdus, f, np.flatnonzero(carries & np.isin(pdus.flow, flows)))

    def _put_together(self, pdus: Pdus, f: Fragments, rows: Ints) -> None:
        """Every PDU of the flows in which messages have parts, in order. Where only last parts are marked, one is first when none before it is open."""
        pdus.message_at[rows] = pdus.message_end[rows] = 0
        annex, base = bytearray(), len(f.data) - PAD
        lost = (pdus.trust == Trust.AFTER_GAP) | (pdus.trust == Trust.RESYNCED)
        begins = lost if f.first is None else f.first
        number = np.zeros(len(pdus), np.int64) if f.sequence is None else f.sequence
        columns = (pdus.flow[rows], pdus.to_server[rows], f.key[rows], begins[rows], f.last[rows], f.at[rows], f.end[rows], number[rows])
        for row, flow, to_server, key, begin, last, at, end, number_ in zip(rows.tolist(), *(column.tolist() for column in columns), strict=True):
            stream, content = (flow, to_server, key), f.data[at:end].tobytes()
            first = begin or (f.first is None and stream not in self.open)
            if f.sequence is not None:
                if not first and self._is_repeated(stream, content, number_):
                    continue
                if not first and not self._is_next(stream, number_, f.modulus):
                    pdus.notes[row] |= np.uint32(Anomaly.BAD_SEQUENCE)
                self.numbers[stream] = number_
            message = self._part(stream, content, first=first, last=last)
            if first and last:
                pdus.message_at[row], pdus.message_end[row] = at, end
            elif message is not None:
                pdus.message_at[row] = base + len(annex)
                annex += message
                pdus.message_end[row] = base + len(annex)
        self.numbers = {stream: number_ for stream, number_ in self.numbers.items() if stream in self.open}
        if annex:
            pdus.data = appended(f.data, annex)

    def _is_repeated(self, stream: tuple[int, bool, int], content: bytes, number: int) -> bool:
        """Whether this is the open message's latest part once more."""
        message = self.open.get(stream)
        return message is not None and self.numbers[stream] == number and message.endswith(content)

    def _is_next(self, stream: tuple[int, bool, int], number: int, modulus: int) -> bool:
        """Whether a part continues the open message; if not, that message is given up."""
        if self.open.get(stream) is None or number == (self.numbers[stream] + 1) % modulus:
            return True
        self.open[stream] = None
        self.incomplete += 1
        return False

    def _part(self, key: tuple[int, bool, int], content: bytes, *, first: bool, last: bool) -> bytes | None:
        """One part; the whole message when it is the last."""
        if first:
            if self.open.pop(key, None) is not None:
                self.incomplete += 1
            if last:
                return content
            if len(self.open) >= MOST_OPEN:
                self.incomplete += self.open.pop(next(iter(self.open))) is not None
            self.open[key] = bytearray(content)
            return None
        known, message = key in self.open, self.open.get(key)
        if message is not None and len(message) + len(content) <= MOST_BYTES:
            message += content
        elif message is not None or not known:
            self.incomplete += 1
            message = None
        if last:
            self.open.pop(key, None)
            return None if message is None else bytes(message)
        if known:
            self.open[key] = message
        return None

    def forget(self, flows: set[int]) -> None:
        """These flows are over."""
        for key in [key for key in self.open if key[0] in flows]:
            self.incomplete += self.open.pop(key) is not None
