"""Where and when something was, as the page says it."""

from __future__ import annotations

import pytest

from sensor.cli.places import Places, Times, lasting, span_of
from sensor.columns import Source
from sensor.summary import Tally

DAY, SECOND = 86_400_000_000_000, 1_000_000_000


def tally(first: str, first_frame: int, last: str, last_frame: int) -> Tally:
    return Tally(first, first_frame, last, last_frame, 1, 1, 1, 0, 0, 0)


def test_names_of_files_are_as_short_as_they_are_their_own() -> None:
    places = Places([Source("a/x.pcap", "1"), Source("b/x.pcap", "2"), Source("b/y\x1b.pcap", "3")])
    assert [places.at(source, "7") for source in ("1", "b/x.pcap", "3", "other")] == ["a/x.pcap:7", "b/x.pcap:7", "y\\x1b.pcap:7", "7"]
    assert places.span(tally("a/x.pcap", 3, "a/x.pcap", 9)) == "a/x.pcap:3–9"
    assert places.span(tally("a/x.pcap", 3, "b/x.pcap", 9)) == "a/x.pcap:3–b/x.pcap:9"
    assert places.span(tally("a/x.pcap", 3, "b/x.pcap", 3)) == "a/x.pcap:3–b/x.pcap:3"
    assert Places([Source("a/x.pcap", "1")]).at("1", "7,8") == "7,8"


def test_one_frame_is_no_span() -> None:
    assert Places([]).span(tally("x", 611, "x", 611)) == "611"
    assert Places([]).span(tally("x", 611, "x", 612)) == "611–612"


def test_the_day_is_told_where_there_are_several() -> None:
    day = Times((0, DAY - 1))
    assert (day.at(SECOND), day.span(SECOND, SECOND + 1), day.span(SECOND, 2 * SECOND)) == ("00:00:01", "00:00:01", "00:00:01–00:00:02")
    days = Times((0, DAY))
    assert days.span(SECOND, 2 * SECOND) == "1970-01-01 00:00:01–00:00:02"
    assert days.span(SECOND, DAY) == "1970-01-01 00:00:01–1970-01-02 00:00:00"
    assert Times(None).at(0) == "1970-01-01 00:00:00"


@pytest.mark.parametrize(
    ("ns", "said"),
    [(0, "0 ms"), (SECOND, "1,000 ms"), (119 * SECOND, "119 s"), (240 * SECOND, "4 min"), (7_200 * SECOND, "2 h"), (2 * DAY, "2 days"), (DAY, "24 h")],
)
def test_how_long(ns: int, said: str) -> None:
    assert lasting(ns, "en") == said


def test_from_the_first_to_the_last_of_all_sources() -> None:
    one, other, empty = Source("a", first_ns=5, last_ns=9), Source("b", first_ns=2, last_ns=3), Source("c")
    assert span_of([one, empty, other]) == (2, 9)
    assert span_of([empty]) is None
