"""Where flows began: frame numbers count per file, and a conversation may go on in the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from sensor.columns import Array, Ints, Source, pages
from sensor.events.seen import Seen

FRAME = 44  # bits of a frame number; above them stands the place of its source
MOST_SOURCES = 1_024  # that are kept whether anything refers to them or not


class Origins:
    """The source in which each flow of the flow table began, for a run that never ends: sources that nothing refers to any more are forgotten.

    referring: the int64 columns (place of the source << FRAME | frame) in which somebody keeps what came from where; their places change when sources are forgotten.
    """

    def __init__(self, referring: Callable[[], Iterable[Ints]] = lambda: ()) -> None:
        self.referring = referring
        self.sources: list[Source] = []
        self.before: list[int] = []  # by place, how many sources came before it in all
        self.places: dict[Source, int] = {}
        self.count, self.most, self.current = 0, MOST_SOURCES, 0
        self.began = np.zeros(0, np.int32)  # by flow number, a place in `sources`
        self.over = np.zeros(0, np.int32)  # flows that nobody asks for any more when the next batch comes

    def add(self, seen: Seen) -> None:
        """Note the flows that began in this batch: before its flows that are over are asked for."""
        if len(self.began) < len(seen.flows["key"]):
            self.began = pages(len(seen.flows["key"]), np.int32)
        place = self.places.get(seen.source)
        if place is None:
            if len(self.sources) >= self.most:
                self._forget()
            place = self.places[seen.source] = len(self.sources)
            self.sources.append(seen.source)
            self.before.append(self.count)
            self.count += 1
        self.current = place
        for flow in (self.over, seen.started):
            self.began[flow[self.began[flow] != place]] = place  # with one source all stay zero, and cost nothing
        self.over = seen.over["flow"]

    def _forget(self) -> None:
        """Sources that no flow and no column refers to. The others keep their order."""
        n, columns = len(self.sources), list(self.referring())
        used = np.zeros(n, np.bool_)
        used[self.began] = True
        inside = [np.flatnonzero(column >> FRAME < n) for column in columns]
        for column, rows in zip(columns, inside, strict=True):
            used[column[rows] >> FRAME] = True
        kept, places = np.flatnonzero(used), np.cumsum(used) - 1
        self.began = places[self.began].astype(np.int32)
        for column, rows in zip(columns, inside, strict=True):
            column[rows] = places[column[rows] >> FRAME] << FRAME | column[rows] & (1 << FRAME) - 1
        self.sources, self.before = [self.sources[i] for i in kept.tolist()], [self.before[i] for i in kept.tolist()]
        self.places = {source: place for place, source in enumerate(self.sources)}
        self.most = 2 * len(kept) + MOST_SOURCES

    def of(self, flow: Array) -> list[Source]:
        """The source of each of these flows."""
        return [self.sources[i] for i in self.began[flow].tolist()]

    def place(self, flow: Array) -> Ints:
        """The place of the source of each of these flows."""
        return self.began[flow].astype(np.int64)

    def here(self, frame: Ints) -> Ints:
        """Frames of the source that is being read, as `referring` columns keep them."""
        return np.int64(self.current << FRAME) | frame
