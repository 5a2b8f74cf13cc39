"""Rates over the last interval, and what the ledger says is not understood."""

from __future__ import annotations

import time

import pytest

from sensor.analysis import Analysis
from sensor.service.interval import INTERVAL_S, WORST, Interval, counters, unusual

SOURCES = {"taps": {"a": {"packets": 5, "bytes": 500, "dropped": 1, "state": "up"}}}


def test_rates_are_those_of_the_last_one_or_two_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    interval, ledger = Interval(), Analysis().ledger()
    now += 5
    assert not interval.is_over()
    rates = interval.rates(counters({"packets": 10, "bytes": 1000}, SOURCES))
    assert rates == {"seconds": 5.0, "engine": {"packets": 2.0, "bytes": 200.0}, "taps": {"a": {"packets": 1.0, "bytes": 100.0, "dropped": 0.2}}}
    for packets in (100, 200):
        now += INTERVAL_S
        assert interval.is_over()
        interval.turn(counters({"packets": packets, "bytes": 0}, SOURCES), ledger)
    now += 1
    assert interval.rates(counters({"packets": 211, "bytes": 0}, SOURCES))["engine"]["packets"] == round(111 / 11, 1)
    assert interval.rates(counters({"packets": 211, "bytes": 0}, SOURCES))["taps"]["a"]["packets"] == 0
    assert interval.ledger == {"imbalance": [], "mistakes": {}, "worst": []}


def test_what_is_not_understood() -> None:
    ledger = Analysis().ledger()
    ledger["packets"] |= {"total": 100, "outcome": {"decoded": 80, "duplicate": 5, "not_ip": 15}, "bad_checksum": 1}
    ledger["payload"] |= {"bytes": 1000, "unrecognised": 400}
    ledger["protocols"]["modbus"] |= {"requests_unanswered": 1, "requests_paired": 3, "bytes_gap": 10}
    ledger["anomalies"] = {"overlap": 2}
    ledger["forgotten"] = {"assets": 7}
    found = {" ".join(each["what"]): (each["count"], each["share"]) for each in unusual(ledger)}
    assert found == {
        "packets not ip": (15, 0.15), "packets bad checksum": (1, 0.01), "payload bytes unrecognised": (400, 0.4), "modbus bytes gap": (10, 0.01),
        "modbus requests unanswered": (1, 0.25), "anomalies overlap": (2, 0.02), "forgotten assets": (7, 1.0),
    }  # fmt: skip
    interval = Interval()
    interval.turn({}, ledger)
    assert [each["what"][-1] for each in interval.ledger["worst"]][:2] == ["assets", "unrecognised"]
    assert len(interval.ledger["worst"]) <= WORST
