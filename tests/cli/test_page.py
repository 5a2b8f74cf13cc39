"""The page that an analysis ends with, where what devices say of themselves is written by an attacker."""

from __future__ import annotations

import json

import pytest

from sensor.analysis import Analysis
from sensor.cli.page import Places, json_parts, print_page
from sensor.columns import Source
from sensor.summary import Tally
from tests.make import batches, udp
from tests.sinks.traffic import analysis, frames


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_text_of_a_device_or_file_writes_to_the_terminal(capsys: pytest.CaptureFixture[str], lang: str) -> None:
    print_page(analysis(name="plant[/]\x1b[2J.pcap"), lang)
    page = capsys.readouterr().out
    assert "\x1b" not in page
    assert "plant[/]\\x1b[2J.pcap" in page
    assert "</script>[/][red]\\r\\n=cmd()" in "".join(page.split())  # shown as it is, over as many lines as its column needs


@pytest.mark.parametrize("of", [analysis(name="a\nb\u2028.pcap"), Analysis()])
def test_the_summary_in_parts_is_one_document_with_a_line_an_item(of: Analysis) -> None:
    parts = list(json_parts(of))
    document = json.loads("".join(parts))
    items = sum(len(document[name]) for name in list(document)[:-1])
    assert "".join(parts).count("\n    {") == items
    assert list(document) == ["sources", "assets", "conversations", "other_traffic", "acts", "alerts", "ledger"]
    assert len(parts) == 2 * 6 + 1 + items  # each by itself


def test_frames_are_those_of_a_file_where_there_are_several(capsys: pytest.CaptureFixture[str]) -> None:
    print_page(of := analysis(name="night/one.pcap"), "en")
    assert "one.pcap:" not in capsys.readouterr().out
    both = Analysis()
    both.run(
        batch
        for name, content in (("night/one.pcap", frames()), ("day/two.pcap", [udp(("10.9.0.1", 1), ("10.9.0.2", 2), b"x"), *frames()]))
        for batch in batches(content, 1 << 30, name)
    )
    print_page(both, "en")
    page = "".join(capsys.readouterr().out.split())
    [alert] = [alert for alert in both.alerts.values() if alert.kind.name == next(iter(of.alerts.values())).kind.name][:1]
    assert f"framesone.pcap:{alert.frames[0]}" in page
    assert "frameone.pcap:" in page  # of what an asset said of itself
    assert [t.last_source for *_, t in both.summary.met_acts()] == ["night/one.pcap"]
    assert "one.pcap:12–12" in page
    document = json.loads("".join(json_parts(both)))
    assert {each["source"] for name in ("alerts", "acts") for each in document[name]} <= {"night/one.pcap", "day/two.pcap"}


def test_names_of_files_are_as_short_as_they_are_their_own() -> None:
    places = Places([Source("a/x.pcap", "1"), Source("b/x.pcap", "2"), Source("b/y\x1b.pcap", "3")])
    assert [places.at(source, "7") for source in ("1", "b/x.pcap", "3", "other")] == ["a/x.pcap:7", "b/x.pcap:7", "y\\x1b.pcap:7", "7"]
    assert places.span(Tally("a/x.pcap", 3, "a/x.pcap", 9, 1, 1, 1, 0)) == "a/x.pcap:3–9"
    assert places.span(Tally("a/x.pcap", 3, "b/x.pcap", 9, 1, 1, 1, 0)) == "a/x.pcap:3–b/x.pcap:9"
    assert Places([Source("a/x.pcap", "1")]).at("1", "7,8") == "7,8"
