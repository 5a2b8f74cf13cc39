"""`tapsight status`: a page for people, what is wrong first."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from sensor.cli.status import duration, size, status
from sensor.service.control import Control
from tests.service.status import STATUS


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    control = Control("127.0.0.1:0", lambda: STATUS)
    yield control.address
    control.close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(status, arguments, env={"COLUMNS": "200"}, catch_exceptions=False)


def test_a_page(address: str) -> None:
    text = run("--address", address, "--lang", "en").stdout
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("! ")] == [
        '! tap up"l\\ink\\n: no carrier', '! tap up"l\\ink\\n: the kernel dropped 12 packets as the ring was full', "! /captures: it is gone",
        "! /captures: x.pcap: cut short", "! the engine is 2,500 ms late", "! 7 events and values were not looked at as the engine was late",
        "! new rules could not be read, the old ones are at work: no such file",
        "! rules that are not at work: 1 failed, 2 skipped; tapsight rules check says why",
        "! elasticsearch: connection refused", "! records that were dropped before they were delivered: 4", "! records that were refused for good (dead letters): 1",
        "! spool: segments damaged 1", "! does not balance: 7 packets, but 6 outcomes",
    ]  # fmt: skip
    assert lines[0].startswith("! ")
    assert "  sensor press-shop, site suzhou-2, version 0.1.0, profile acts" in lines
    assert "  running since 2023-11-14 22:13:20 UTC, 1 d 2 h 3 min; listening to line-3, uplink" in lines
    assert ["line-3", "up", "45", "12.3", "kB", "600", "0", "0.0", "1%", "2"] in map(str.split, lines)
    assert "  600 packets, 45 packets/s, 2,988 B/s over the last 12 s" in lines
    assert "  shed: points 7" in lines
    assert "  /captures: files 3, waiting 1, x.pcap: cut short, it is gone" in lines
    assert "  alerts: high 2, low 1" in lines
    assert "  rules at work: 435, failed: 1, skipped: 2" in lines
    assert ["elasticsearch", "modbus", "600", "580", "10", "1", "0", "quota", "4", "5"] in map(str.split, lines)
    assert "  payload bytes unrecognised 1,234 (12.3%)" in lines
    assert [line for line in lines if line != line.rstrip()] == []


def test_other_forms(address: str) -> None:
    assert json.loads(run("--address", address, "--json").stdout) == STATUS == json.loads(run("--address", address, "--format", "json").stdout)
    text = run("--address", address, "--lang", "zh").stdout
    assert "引擎延迟 2,500 毫秒" in text
    assert "Taps" not in text


def test_nobody_answers() -> None:
    ran = CliRunner().invoke(status, ["--address", "127.0.0.1:9"])
    assert (ran.exit_code, "no service answers at 127.0.0.1:9" in ran.output) == (1, True)


@pytest.mark.parametrize(("octets", "text"), [(0, "0 B"), (9_999, "9,999 B"), (12_345, "12.3 kB"), (200_355_840, "200.4 MB"), (5e13, "50,000.0 GB")])
def test_sizes(octets: float, text: str) -> None:
    assert size(octets) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_600, "1 h"), (90_061, "1 d 1 h 1 min")])
def test_times(seconds: int, text: str) -> None:
    assert duration(seconds) == text
