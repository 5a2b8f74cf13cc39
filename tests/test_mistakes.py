"""What a mistake of ours costs: not the run, and no more than it must."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from detectors.scan import Scan
from sensor.analysis import Analysis
from sensor.cli.main import cli
from sensor.events.table import Pdus, Table
from sensor.harmless import MOST_TRIES
from sensor.mistakes import MISTAKES, contained
from sensor.pipeline import Pipeline
from sensor.protocols.modbus import MODBUS
from sensor.sinks.ndjson import NdjsonSink
from tests import make
from tests.capture.make import pcap

HARM = 0xDEAD  # the transaction on which the decoder fails
decode = MODBUS.decode


@pytest.fixture(autouse=True)
def _as_it_runs(monkeypatch: pytest.MonkeyPatch, _mistakes_are_raised: None) -> None:
    monkeypatch.setattr(MISTAKES, "is_strict", False)
    monkeypatch.setattr(MISTAKES, "counts", Counter())


def request(transaction: int) -> bytes:
    return transaction.to_bytes(2) + bytes.fromhex("00000006010600010002")


def frames(*transactions: int) -> list[bytes]:
    """Each written, and answered by an echo."""
    return list(make.turns(*((side, request(transaction)) for transaction in transactions for side in (0, 1)), port=502))


def fails_on(is_harmful: Callable[[Pdus], Any], calls: list[int] | None = None) -> Callable[[Pdus, Any], Table]:
    def failing(pdus: Pdus, state: Any) -> Table:
        if calls is not None:
            calls.append(len(pdus))
        if is_harmful(pdus):
            raise IndexError("nobody thought of that")
        return decode(pdus, state)

    return failing


def holds_harm(pdus: Pdus) -> bool:
    return bool((pdus.header(MODBUS.header)["transaction_id"] == HARM).any()) if len(pdus) else False


def ledger_of(content: list[bytes], rows: int = 100) -> dict[str, Any]:
    analysis = Analysis()
    analysis.run(make.batches(content, rows))
    return analysis.ledger()


@pytest.mark.parametrize("rows", [1, 7, 100])
@pytest.mark.parametrize("harm", [[], [3], [0, 5, 9], list(range(10))])
def test_a_decoder_that_fails_costs_the_pdus_on_which_it_does(monkeypatch: pytest.MonkeyPatch, harm: list[int], rows: int) -> None:
    monkeypatch.setitem(vars(MODBUS), "decode", fails_on(holds_harm))
    ledger = ledger_of(frames(*(HARM if i in harm else i for i in range(10))), rows)
    modbus = ledger["protocols"]["modbus"]
    assert modbus["events"] == 20 - 2 * len(harm)
    assert modbus["requests_paired"] == 10 - len(harm)
    assert modbus.get("bytes_failed", 0) == 24 * len(harm)
    assert ledger["payload"] | {"read": 240 - 24 * len(harm), "not_read": 24 * len(harm)} == ledger["payload"]
    assert list(ledger["mistakes"]) == ["modbus: decode"] * bool(harm)
    assert ledger["imbalance"] == []


def test_looking_for_them_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setitem(vars(MODBUS), "decode", fails_on(lambda pdus: len(pdus) > 0, calls))
    ledger = ledger_of(frames(*range(500)), 2000)
    assert ledger["protocols"]["modbus"]["bytes_failed"] == 12 * 1000
    assert MOST_TRIES < len(calls) < 2 * MOST_TRIES


def test_pdus_that_fail_together_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(MODBUS), "decode", fails_on(lambda pdus: len(pdus) > 1))
    ledger = ledger_of(frames(1, 2))
    assert (ledger["protocols"]["modbus"]["events"], ledger["protocols"]["modbus"]["bytes_failed"]) == (0, 48)
    assert ledger["imbalance"] == []


def test_what_depends_on_the_state_costs_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Pipeline().states[MODBUS.state]
    seen: list[Any] = []

    def failing(pdus: Pdus, state: Any) -> Table:
        seen.append(state)
        if state is seen[0]:
            raise ValueError(kept)
        return decode(pdus, state)

    monkeypatch.setitem(vars(MODBUS), "state", object)
    monkeypatch.setitem(vars(MODBUS), "decode", failing)
    ledger = ledger_of(frames(1, 2))
    assert ledger["protocols"]["modbus"]["bytes_failed"] == 48
    assert len(set(map(id, seen))) == 2


@pytest.mark.parametrize("part", ["points", "identity"])
def test_values_and_identities_are_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, part: str) -> None:
    def failing(_table: Table) -> Iterator[Any]:
        raise OverflowError("a number too long")

    monkeypatch.setitem(vars(MODBUS), part, failing)
    path = tmp_path / "documents.ndjson"
    analysis = Analysis(sinks=[NdjsonSink(str(path), frozenset({"modbus", "point"}), "test")])
    analysis.run(make.batches(frames(1, 2)))
    assert set(analysis.ledger()["mistakes"]) == {f"modbus: {part}"}
    assert analysis.ledger()["protocols"]["modbus"]["events"] == 4
    assert path.read_text().count('"dataset":"tapsight.modbus"') == 4


def test_other_detectors_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    syns = [make.tcp((make.CLIENT, 1024 + i), (make.SERVER, 1 + i), 1, flags=make.SYN, identification=i) for i in range(200)]
    found = {kind for analysis in [Analysis()] for kind in _kinds(analysis, syns)}
    assert "port-scan" in found

    def failing(_self: Scan, _seen: Any) -> Iterator[Any]:
        raise KeyError("port")

    monkeypatch.setattr(Scan, "on_batch", failing)
    analysis = Analysis()
    assert _kinds(analysis, syns + frames(1, 2)) < found | {"write"}
    assert set(analysis.ledger()["mistakes"]) == {"detector scan"}
    assert analysis.ledger()["protocols"]["modbus"]["events"] == 4


def _kinds(analysis: Analysis, content: list[bytes]) -> set[str]:
    analysis.run(make.batches(content))
    return {alert.kind.name for alert in analysis.alerts.values()}


def test_errors_of_the_machine_are_no_mistakes() -> None:
    for error in (OSError("no space"), MemoryError()):

        def full(error: Exception = error) -> None:
            raise error

        with pytest.raises(type(error)):
            contained("disk", lambda: None, full)
    assert MISTAKES.counts == {}


def test_it_is_told_once_where(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        assert contained("lists", list, [0].pop, 1) == []
    assert MISTAKES.counts == {"lists": 3}
    (record,) = caplog.records
    assert "lists failed (IndexError: pop index out of range; mistakes.py:" in record.getMessage()


def test_the_page_shows_them_and_debug_stops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(vars(MODBUS), "decode", fails_on(holds_harm))
    path = tmp_path / "harm.pcap"
    path.write_bytes(pcap(frames(1, HARM, 2)))
    result = CliRunner().invoke(cli, ["analyze", "--no-rules", str(path)], catch_exceptions=False)
    assert "a mistake of this program; please report it: modbus: decode (1)" in result.output
    assert "bytes failed 24" in result.output
    with pytest.raises(IndexError, match="nobody thought of that"):
        CliRunner().invoke(cli, ["--debug", "analyze", "--no-rules", str(path)], catch_exceptions=False)


def test_some_of_the_pdus() -> None:
    pdus = Pdus.none(np.zeros(8, np.uint8))
    assert len(pdus.some(slice(0, 0))) == 0
