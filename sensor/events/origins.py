"""Where flows began: frame numbers count per file, and a conversation may go on in the next one."""

from __future__ import annotations

import numpy as np

from sensor.columns import Array, Ints, Source
from sensor.events.seen import Seen


class Origins:
    """The source in which each flow of the flow table began."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.began = np.zeros(0, np.int32)  # by flow number, a place in `sources`

    def add(self, seen: Seen) -> None:
        """Note the flows that began in this batch: before its flows that are over are asked for."""
        if not self.sources or self.sources[-1] is not seen.source:
            self.sources.append(seen.source)
        if len(self.began) < len(seen.flows["key"]):
            self.began = np.zeros(len(seen.flows["key"]), np.int32)  # pages that nothing touches cost nothing
        self.began[seen.started] = len(self.sources) - 1

    def of(self, flow: Array) -> list[Source]:
        """The source of each of these flows."""
        return [self.sources[i] for i in self.began[flow].tolist()]

    def place(self, flow: Array) -> Ints:
        """How many sources came before that of each of these flows."""
        return self.began[flow].astype(np.int64)
