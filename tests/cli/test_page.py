"""The page that an analysis ends with, where what devices say of themselves is written by an attacker."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sensor.analysis import Analysis
from sensor.cli import page as module
from sensor.cli.page import print_page
from sensor.cli.summary import json_parts
from sensor.events.alert import Severity
from tests.make import batches, udp
from tests.sinks.traffic import analysis, frames


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_text_of_a_device_or_file_writes_to_the_terminal(capsys: pytest.CaptureFixture[str], lang: str) -> None:
    print_page(analysis(name="plant[/]\x1b[2J.pcap"), lang)
    page = capsys.readouterr().out
    assert "\x1b" not in page
    assert "plant[/]\\x1b[2J.pcap" in page
    assert "</script>[/][red]\\r\\n=cmd()" in "".join(page.split())  # shown as it is, over as many lines as its column needs


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
    assert "one.pcap:12" in page
    document = json.loads("".join(json_parts(both)))
    assert {each["source"] for name in ("alerts", "acts") for each in document[name]} <= {"night/one.pcap", "day/two.pcap"}


HOUR = 3_600_000_000_000


def test_it_says_from_when_to_when_and_one_of_a_thing_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    print_page(analysis(content=[(23 * HOUR, udp(("10.0.0.1", 50_000), ("10.0.0.2", 47808), b"x"))]), "en")
    page = capsys.readouterr().out
    assert "\n1970-01-01 23:00:00 UTC (0 ms)\n1 packet, 1 flow\n" in page
    assert [line.split() for line in page.splitlines() if "47808" in line] == [["udp/47808", "bacnet", "(not", "decoded)", "1", "1", "43"]]
    print_page(analysis(content=[(23 * HOUR + i * HOUR, frame) for i, frame in enumerate(frames())]), "zh")
    page = capsys.readouterr().out
    assert "1970-01-01 23:00:00–1970-01-03 " in page
    assert "1970-01-02 1" in page[page.index("操作") :]  # an act, with its day


def test_nothing_is_something(capsys: pytest.CaptureFixture[str]) -> None:
    print_page(analysis(content=[]), "en")
    assert "0 packets, 0 flows" in capsys.readouterr().out


def test_what_is_left_out_can_be_had_and_nothing_that_is_high_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", 1)
    of = analysis(content=[*frames(), *(udp(("10.0.0.1", 5000), ("10.0.0.2", port), b"x") for port in (7, 8, 9))])
    [alert, *_] = of.alerts.values()
    kinds = [replace(alert.kind, severity=severity) for severity in (Severity.HIGH, Severity.HIGH, Severity.LOW, Severity.LOW)]
    of.alerts = {str(i): replace(alert, id=str(i), kind=kind) for i, kind in enumerate(kinds)}
    print_page(of, "en")
    page = capsys.readouterr().out
    assert page.count("high  ") == 2
    assert "low   " not in page
    assert "2 more: --all shows them" in page
    assert "3 more: --all shows them" in page  # ports
    print_page(of, "en", shows_all=True)
    page = capsys.readouterr().out
    assert page.count("low  ") == 2
    assert "more:" not in page


@pytest.mark.parametrize("width", [80, 120, 160])
def test_no_line_is_wider_than_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(module, "WIDTH", width)
    print_page(analysis(), "en")
    page, _, ledger = capsys.readouterr().out.partition("\nLedger\n")
    assert max(map(len, page.splitlines())) <= width
    assert ledger
