"""An alert of a rule says who sent what, what that means, and what became of it; the same whatever the cut."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from detectors.signature.apart import Found, counted
from rules import packs
from sensor.analysis import Analysis
from sensor.cli.signatures import made
from sensor.config import Config
from sensor.events.alert import Alert
from sensor.service.handed import MODELS, lean
from tests.detectors.signature.harness import signatures, talk
from tests.make import CLIENT, SERVER, batches
from tests.sinks.traffic import modbus

WRITE = 'alert modbus any any -> any any (msg:"it"; flow:to_server; modbus: function 6; sid:1;)'
ANY = 'alert modbus any any -> any any (msg:"it"; modbus.function_code:6; sid:1;)'


def write(transaction: int) -> tuple[int, bytes]:
    return 0, modbus(transaction, bytes((6, 0, 1, 0, 9)))


def accepted(transaction: int) -> tuple[int, bytes]:
    return 1, modbus(transaction, bytes((6, 0, 1, 0, 9)))


def refused(transaction: int) -> tuple[int, bytes]:
    return 1, modbus(transaction, b"\x86\x02")


def told(text: str, frames: list[bytes | tuple[int, bytes]], rows: int, *, apart: bool = False) -> list[Alert]:
    whole = Analysis(signatures=signatures(text))
    if not apart:
        whole.run(batches(frames, rows))
        return [alert for alert in whole.alerts.values() if alert.kind.rule]
    engine, split = signatures(text).engine, Analysis()
    engine.counts = False
    split.watch.detectors.append(counted())
    for seen in split.pipeline.run(batches(frames, rows)):
        found = pickle.loads(pickle.dumps(Found.by(engine, seen)))  # our own
        tables = {name: lean(table) for name, table in seen.tables.items()}
        for name, table in tables.items():
            table.fields, table.bit = MODELS[name].fields, MODELS[name].bit
        split.take(replace(seen, tables=tables, matches=found))
    return [alert for alert in split.alerts.values() if alert.kind.rule]


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 3, 1 << 30])
@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ([write(1), accepted(1)], "The other end carried it out."),
        ([write(1), write(2), refused(1), refused(2)], "The other end refused."),
        ([write(1), write(2), refused(2), accepted(1)], "The other end carried out some and refused others."),
        ([write(1), write(2)], "No answer was seen."),
    ],
)
def test_what_became_of_it(said: list[tuple[int, bytes]], outcome: str, rows: int, apart: bool) -> None:
    [alert] = told(WRITE, [*talk(*said)], rows, apart=apart)
    assert alert.count == sum(side == 0 for side, _ in said)
    assert alert.accepted + alert.refused == sum(side == 1 for side, _ in said)
    assert alert.sentence() == f"{CLIENT} sent {SERVER} what rule 1:1 of {alert.parameters['ruleset']} describes (modbus). {outcome}"


def test_who_sent_it() -> None:
    answer = 'alert modbus any any -> any any (msg:"it"; flow:to_client; modbus.function_code:6; sid:1;)'
    [alert] = told(answer, [*talk(write(1), accepted(1))], 1)
    assert alert.sentence().startswith(f"{SERVER} sent {CLIENT} what")
    assert "other end" not in alert.sentence()  # an answer is not answered
    assert alert.sentence("zh").startswith(f"{SERVER} 向 {CLIENT} 发送")
    [alert] = told(ANY, [*talk(write(1), accepted(1))], 1)
    assert (alert.count, alert.accepted, alert.refused) == (2, 1, 0)
    [alert] = told('alert tcp any any -> any any (msg:"it"; content:"hello"; sid:1;)', [*talk((0, b"hello"), ends=((CLIENT, 4), (SERVER, 5)))], 1)
    assert alert.sentence().endswith("describes (tcp).")  # of which nobody knows whether it asks


def test_requests_that_nobody_answers_are_forgotten() -> None:
    found = signatures(WRITE)
    found.waiting.most = 3
    Analysis(signatures=found).run(batches(talk(*(write(i) for i in range(9))), 2))
    assert len(found.waiting.entries) == 3
    assert found.evicted == 0  # nothing that anybody misses


@pytest.mark.parametrize("rows", [1, 4, 1 << 30])
def test_flows_that_take_turns_are_one_alert_that_no_cut_changes(rows: int) -> None:
    one, other = (talk(*(write(i) for i in range(30)), ends=((CLIENT, port), (SERVER, 502))) for port in (4000, 5000))
    pause = [0] * 40 + [700] * 26  # the silence between two alerts falls into one batch
    frames = [
        (second * 1_000_000_000 + at, frame)
        for at, (second, frame) in enumerate(zip(pause, (f for pair in zip(one, other, strict=True) for f in pair), strict=True))
    ]
    alerts = told(WRITE, [*frames], rows)
    assert [(each.count, len(each.frames), each.frames[0], each.frames[-1]) for each in alerts] == [(34, 21, 7, 40), (26, 21, 41, 66)]
    assert [each.first_ns for each in alerts] == [6, 700_000_000_040]
    assert all((np.diff(each.frames) > 0).all() for each in alerts)


def test_rules_of_the_packs_say_what_they_mean() -> None:
    analysis = Analysis(signatures=made(Config().rules))
    analysis.run(batches(talk((0, modbus(1, bytes((8, 0, 1, 0, 0)))), (1, modbus(1, bytes((8, 0, 1, 0, 0)))))))
    [about] = [about for pack in packs() for about in pack.rules.values() if about.title == "Modbus: communication restarted"]
    [alert] = [alert for alert in analysis.alerts.values() if alert.title() == about.title]
    assert f" {about.threat} " in alert.sentence()
    assert alert.sentence("zh") != alert.sentence()
