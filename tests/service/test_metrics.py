"""Metrics, read back by the rules of the text-based exposition format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.service.metrics import labelled, metrics
from tests.service.status import STATUS

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
Labels = frozenset[tuple[str, str]]


def labels(text: str) -> Labels:
    found, at = [], 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, text
        found.append((match[1], re.sub(r"\\(.)", lambda escape: {"n": "\n"}.get(escape[1], escape[1]), match[2])))
        at = match.end()
    assert len({name for name, _ in found}) == len(found)
    return frozenset(found)


def parsed(text: str) -> dict[str, tuple[str, dict[Labels, float]]]:
    """Type and samples by family. A family has one HELP and one TYPE, before its samples, which stand together and are different."""
    families: dict[str, tuple[str, dict[Labels, float]]] = {}
    assert text.endswith("\n")
    told = ""
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            _, _, told, about = line.split(" ", 3)
            assert NAME.fullmatch(told)
            assert told not in families
            assert about
            families[told] = ("", {})
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert (name, families[name]) == (told, ("", {}))
            assert kind in ("counter", "gauge")
            assert (kind == "counter") == name.endswith("_total")
            families[name] = (kind, {})
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == told
            key = labels(match[2] or "")
            assert key not in families[told][1]
            families[told][1][key] = float(match[3])
    return families


def test_every_family_is_well_formed() -> None:
    found = parsed(metrics(STATUS))
    assert all(samples for _, samples in found.values())
    assert all("press" not in name and "modbus" not in name and "elasticsearch" not in name for name in found)

    def value(name: str, **of: str) -> float:
        return found[name][1][frozenset(of.items())]

    assert value("tapsight_packets_total") == 600
    assert value("tapsight_lag_seconds") == 2.5
    assert value("tapsight_alerts_total", severity="high") == 2
    assert value("tapsight_tap_dropped_total", tap='up"l\\ink\n') == 12
    assert value("tapsight_tap_up", tap="line-3") == 1
    assert value("tapsight_shed_total", dataset="points") == 7
    of = {"destination": "elasticsearch", "dataset": "modbus"}
    assert value("tapsight_delivery_dropped_total", **of, reason="quota") == 4
    assert value("tapsight_delivery_dead_letters_total", **of, reason="mapping") == 1
    outcomes = sum(found["tapsight_delivery_records_total"][1].values())
    assert outcomes + 4 + value("tapsight_delivery_waiting", **of) == value("tapsight_delivery_produced_total", **of)


def test_parts_that_are_not_there() -> None:
    assert metrics({}) == ""
    for part in ("engine", "sources", "spool", "delivery", "detection"):
        parsed(metrics({name: value for name, value in STATUS.items() if name != part}))


@given(st.dictionaries(st.sampled_from(["tap", "dataset", "reason"]), st.text()))
def test_values_of_labels_come_back(values: dict[str, str]) -> None:
    assert labels(labelled(values)[1:-1]) == frozenset(values.items())


@pytest.mark.parametrize("line", ['a{b="1",b="2"} 1', 'a{b="\\x"} 1', "a.b 1"])
def test_the_reader_is_strict(line: str) -> None:
    with pytest.raises(AssertionError):
        parsed(f"# HELP a x\n# TYPE a gauge\n{line}\n")
