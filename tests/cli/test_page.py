"""The page that an analysis ends with, where what devices say of themselves is written by an attacker."""

from __future__ import annotations

import json

import pytest

from sensor.analysis import Analysis
from sensor.cli.page import json_parts, print_page
from tests.sinks.traffic import analysis


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
