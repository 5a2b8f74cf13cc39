"""What is written is told with its answer, whatever the cut into batches."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sensor.analysis import Analysis
from sensor.sinks.ndjson import NdjsonSink
from tests.make import CLIENT, SERVER, batches, tcp
from tests.protocols.test_modbus import mbap

A, B = (CLIENT, 40000), (SERVER, 502)
EXCHANGES = (
    ("05000AFF00", "05000AFF00"),
    ("0F0000000A025501", "0F0000000A"),
    ("050FFFFF00", "8502"),  # illegal data address
    ("1000010002040001FFFF", "1000010002"),
    ("0600070009", ""),  # nobody answers
    ("0600070008", "0304000100020003"),  # another function's answer
    ("170003000100040001020063", "17020007"),
    ("0300030001", "03020007"),
)


def frames() -> list[bytes]:
    """Requests, each two before its answer."""
    told: list[tuple[int, bytes]] = []
    for number, pair in enumerate(EXCHANGES):
        told += [(4 * number + side * 9, mbap(number, bytes.fromhex(body))) for side, body in enumerate(pair) if body]
    sent, result = [1, 1], []
    for at, content in sorted(told, key=lambda each: each[0]):
        side = int(at % 4 == 1)
        result.append(tcp(*((A, B) if side == 0 else (B, A)), sent[side], content, identification=len(result)))
        sent[side] += len(content)
    return result


def points(path: Path, rows: int) -> list[tuple[int, int, float, str, str]]:
    """Frame, address, value, why and outcome of the points that documents tell."""
    Analysis(sinks=[NdjsonSink(str(path), frozenset({"point"}), "tapsight")]).run(batches(frames(), rows))
    found = []
    for line in path.read_text().splitlines():
        document = json.loads(line)
        point = document["tapsight"]["point"]
        found.append((document["tapsight"]["frame"], point["address"], point["value"], point["reason"], document["event"]["outcome"]))
    return found


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 64])
def test_the_outcome_is_that_of_the_answer(tmp_path: Path, rows: int) -> None:
    found = points(tmp_path / "points.ndjson", rows)
    whole = points(tmp_path / "whole.ndjson", 16384)
    assert found == whole
    asked = [(address, value) for _, address, value, reason, _ in found if reason == "asked"]
    coils = list(enumerate(map(float, (1, 0, 1, 0, 1, 0, 1, 0, 1, 0))))
    assert sorted(asked) == sorted([(10, 1), *coils, (0xFFF, 1), (1, 1), (2, 0xFFFF), (7, 9), (7, 8), (4, 0x63)])
    assert sorted((a, v) for _, a, v, reason, _ in found if reason == "written") == sorted([(10, 1), *coils, (1, 1), (2, 0xFFFF), (4, 0x63)])
    assert [(a, v) for _, a, v, reason, _ in found if reason == "refused"] == [(0xFFF, 1)]
    assert {(reason, outcome) for *_, reason, outcome in found} == {("asked", "unknown"), ("written", "success"), ("refused", "failure"), ("first", "success")}


def test_documents_have_ids_of_their_own(tmp_path: Path) -> None:
    points(tmp_path / "points.ndjson", 2)
    ids = [json.loads(line)["event"]["id"] for line in (tmp_path / "points.ndjson").read_text().splitlines()]
    assert len(ids) == len(set(ids))
