"""The page that an analysis ends with, where what devices say of themselves is written by an attacker."""

from __future__ import annotations

import pytest

from sensor.cli.page import print_page
from tests.sinks.traffic import analysis


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_text_of_a_device_or_file_writes_to_the_terminal(capsys: pytest.CaptureFixture[str], lang: str) -> None:
    print_page(analysis(name="plant[/]\x1b[2J.pcap"), lang)
    page = capsys.readouterr().out
    assert "\x1b" not in page
    assert "plant[/]\\x1b[2J.pcap" in page
    assert "</script>[/][red]\\r\\n=cmd()" in "".join(page.split())  # shown as it is, over as many lines as its column needs
