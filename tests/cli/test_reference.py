"""`tapsight fields` shows the keyword that rules have for a field."""

from __future__ import annotations

import json

from click.testing import CliRunner

from detectors.signature.industrial_keywords import is_text
from detectors.signature.load import loads
from sensor.cli.reference import detectors
from sensor.cli.reference import fields as command
from sensor.protocols import PROTOCOLS


def test_every_keyword_that_is_shown_is_one_of_a_rule() -> None:
    result = CliRunner().invoke(command, ["--format", "json"])
    assert result.exit_code == 0, result.output
    fields = {each.name: each.fields for each in PROTOCOLS}
    known = {f"{name}.{field.name}": field for name, columns in fields.items() for field in columns}
    every = json.loads(result.output)
    rows = [row for row in every if row["protocol"] in fields]
    assert [row["keyword"] for row in every if row not in rows and row["keyword"]] == ["action", "trust"]
    assert (every[-2]["codes"]["4"], every[-2]["codes"]["9"], every[-1]["codes"]["0"]) == ("write", "stop", "complete")
    shown = [row["keyword"] for row in rows if row["keyword"]]
    assert "s7comm.function" in shown
    assert "modbus.objects" not in shown  # no one form
    for keyword in shown:
        options = f'{keyword}; content:"x";' if is_text(known[keyword]) else f"{keyword}:1;"
        loaded = loads(f"alert tcp any any -> any any ({options} sid:1;)", {}, fields)
        assert loaded.rules, loaded.problems
    assert all(bool(row["keyword"]) == (known[f"{row['protocol']}.{row['field']}"].dtype != "object") for row in rows)


def test_the_table_shows_it() -> None:
    result = CliRunner().invoke(command, ["modbus", "--lang", "zh"])
    assert "规则关键字" in result.output
    assert "modbus.unit_id" in result.output
    assert "\nmodbus.function_code\nread_coils 1, read_discrete_inputs 2, " in result.output
    assert "\naction\nother 0, connect 1, " in result.output
    assert "\ntrust\ncomplete 0, " in result.output
    assert "complete 0" not in CliRunner().invoke(command, ["http"]).output


def test_a_limit_of_several_alerts_is_told_once() -> None:
    table = CliRunner().invoke(detectors, ["--lang", "en"]).output
    assert table.count("What is usual is not learned") <= 1
    assert table.count("as above") > 9
    rows = json.loads(CliRunner().invoke(detectors, ["--lang", "en", "--format", "json"]).output)
    assert all(row["limits"].endswith(".") for row in rows)
