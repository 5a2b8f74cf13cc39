"""Where and when something was, as the page says it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from sensor.cli.terminal import printable
from sensor.columns import Source
from sensor.events.clock import time_text
from sensor.lang import counted
from sensor.summary import Tally

UNITS = (  # the largest that a time is at least two of
    (86_400_000_000_000, "{count} day|{count} days"),
    (3_600_000_000_000, "{count} h"),
    (60_000_000_000, "{count} min"),
    (1_000_000_000, "{count} s"),
    (1_000_000, "{count} ms"),
)


def span_of(sources: Iterable[Source]) -> tuple[int, int] | None:
    """When the first and the last packet was, ns; None where there is none."""
    met = [(source.first_ns, source.last_ns) for source in sources if source.first_ns is not None and source.last_ns is not None]
    return (min(first for first, _ in met), max(last for _, last in met)) if met else None


def lasting(ns: int, lang: str) -> str:
    """A time in the unit that suits it."""
    unit, text = next((each for each in UNITS if ns >= 2 * each[0]), UNITS[-1])
    return counted(text, round(ns / unit), lang)


class Times:
    """When something was, to the second, in UTC; with the day where there are several."""

    def __init__(self, span: tuple[int, int] | None) -> None:
        days = {time_text(each)[:10] for each in span or ()}
        self.begin = 11 if len(days) == 1 else 0

    def at(self, ns: int) -> str:
        return time_text(ns)[self.begin : 19].replace("T", " ")

    def span(self, first_ns: int, last_ns: int) -> str:
        """From the first to the last, which is told without its day where that is the first one's."""
        first, last = self.at(first_ns), self.at(last_ns)
        return first if first == last else f"{first}–{last[-8:] if first[:-8] == last[:-8] else last}"


class Places:
    """Where something is: its frame, and the file before it where there are several, by the shortest name that is its own."""

    def __init__(self, sources: Iterable[Source]) -> None:
        names = {source.id: source.name for source in sources}
        short = Counter(Path(name).name for name in names.values())
        own = {name: base if short[base := Path(name).name] == 1 else name for name in names.values()}
        self.names = {**own, **{identifier: own[name] for identifier, name in names.items()}} if len(names) > 1 else {}

    def at(self, source: str, frames: str) -> str:
        """source: a source's name or id."""
        return f"{printable(self.names[source])}:{frames}" if source in self.names else frames

    def span(self, t: Tally) -> str:
        """From the first to the last."""
        first, last = self.at(t.source, str(t.first_frame)), str(t.last_frame)
        if t.last_source != t.source:
            return f"{first}–{self.at(t.last_source, last)}"
        return first if t.first_frame == t.last_frame else f"{first}–{last}"
