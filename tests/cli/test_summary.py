"""The summary for programs says what the page says."""

from __future__ import annotations

import json

import pytest

from sensor.analysis import Analysis
from sensor.cli.summary import json_parts
from tests.make import udp
from tests.sinks.traffic import analysis, frames

SECOND = 1_000_000_000


@pytest.mark.parametrize("of", [analysis(name="a\nb\u2028.pcap"), Analysis()])
def test_the_summary_in_parts_is_one_document_with_a_line_an_item(of: Analysis) -> None:
    parts = list(json_parts(of))
    document = json.loads("".join(parts))
    lists = [name for name, value in document.items() if isinstance(value, list)]
    items = sum(len(document[name]) for name in lists)
    assert "".join(parts).count("\n    {") == items
    assert lists == ["sources", "assets", "conversations", "other_traffic", "acts", "alerts"]
    assert list(document) == ["start", "end", *lists, "ledger"]
    assert len(parts) == 2 * 6 + 2 + items  # each by itself


@pytest.mark.parametrize("rows", [1, 7, 1 << 30])
def test_times_are_those_of_the_packets_whatever_the_cut(rows: int) -> None:
    content = [(i * SECOND, frame) for i, frame in enumerate([udp(("10.0.0.1", 50_000), ("10.0.0.2", 47808), b"x"), *frames()])]
    document = json.loads("".join(json_parts(analysis(rows=rows, content=content))))
    last = f"1970-01-01T00:00:{len(content) - 1:02}.000000000Z"
    assert (document["start"], document["end"]) == ("1970-01-01T00:00:00.000000000Z", last)
    assert [(each["start"], each["end"]) for each in document["sources"]] == [(document["start"], last)]
    for name in ("conversations", "acts", "alerts", "other_traffic"):
        for each in document[name]:
            assert document["start"] <= each["start"] <= each["end"] <= last
    [act] = document["acts"]
    assert (act["start"], act["first_frame"]) == ("1970-01-01T00:00:12.000000000Z", 13)
    [bacnet] = [each for each in document["other_traffic"] if each["port"] == 47808]
    assert (bacnet["name"], bacnet["is_decoded"], bacnet["start"]) == ("bacnet", False, document["start"])
    assert [(each["name"], each["port"]) for each in document["other_traffic"] if each is not bacnet] == [(None, 5000)]


def test_without_packets_there_is_no_time() -> None:
    document = json.loads("".join(json_parts(analysis(content=[]))))
    assert (document["start"], document["end"]) == (None, None)
