"""The made plant is what it says: right checksums, every request answered, and the same packets however they are cut."""

from __future__ import annotations

import numpy as np

from bench.documents import Counted, measure, section
from bench.plant import NS, Plant
from bench.soak import Day, Row, slope
from bench.soak import section as soaked
from sensor.analysis import Analysis
from tests.live.network import frames

SMALL = Plant(5, NS // 5, 60, 3)


def test_every_request_is_answered() -> None:
    analysis = Analysis()
    analysis.run(SMALL.batches(120, 7))
    ledger = analysis.ledger()
    modbus = ledger["protocols"]["modbus"]
    asked = 126 * 5 * 5 + 5 * 3 + 126  # polls and writes, and what visitors ask, in eighteen batches of seven seconds
    assert (modbus["requests_paired"], modbus["requests_unanswered"], modbus["responses_unasked"], modbus["anomalies"]) == (asked, 0, 0, {})
    assert ledger["packets"]["bad_checksum"] == ledger["payload"]["unrecognised"] == ledger["payload"]["slow_packets"] == 0
    assert len(analysis.assets.known) == 2 + 5 + 3
    assert analysis.alerts == {}


def test_the_cut_changes_nothing() -> None:
    one, many = (list(SMALL.batches(20, each_s)) for each_s in (20, 2))
    assert frames(one) == frames(many)
    assert np.array_equal(one[0].ts_ns, np.concatenate([batch.ts_ns for batch in many]))
    assert np.array_equal(one[0].frame, np.concatenate([batch.frame for batch in many]))
    assert bool((np.diff(one[0].ts_ns) >= 0).all())


def test_documents_are_counted() -> None:
    found = {profile: (measure(profile, SMALL, 60), 60) for profile in ("alerts", "acts", "full")}
    counts = {profile: counted.documents for profile, (counted, _) in found.items()}
    assert set(counts["alerts"]) == {"ledger"}
    assert counts["full"]["modbus"] == 60 * (5 * 5 * 2 + 2) + 5 * 2
    assert counts["acts"]["modbus"] == 5 * 2  # the writes
    assert 0 < found["acts"][0].gzipped < found["acts"][0].octets < found["full"][0].octets
    assert isinstance(found["acts"][0], Counted)
    assert f"| `full` | {counts['full'].total() * 1440:,} |" in section(found, SMALL)


def test_growth_is_that_of_the_second_half() -> None:
    rows = [Row(hour, 0, 0, 0, 0, 0, 1_000_000 * (100 + min(hour, 12) * 10 + hour), 0, 60.0) for hour in range(1, 25)]
    assert round(slope(rows)) == 1_000_000
    assert "grew by +1.00 MB an hour" in soaked(Day(24, 0, SMALL, rows=rows), "")
