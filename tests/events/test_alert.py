from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from sensor.events.alert import FRAMES, Alerts, Finding, Kind, Severity

KIND = Kind("test", "Title", "{client} did {what} {count} times.", Severity.LOW, ("T0858",), "06004")
QUIET = 600_000_000_000


def seen(source: str = "s") -> Any:
    return SimpleNamespace(source=SimpleNamespace(id=source), flows={})


def finding(frame: int, ts_ns: int = 0, key: str = "k", **more: Any) -> Finding:
    return Finding(KIND, (key,), (frame,), ts_ns, parameters={"what": "it"}, **more)


def test_one_attack_is_one_alert() -> None:
    alerts = Alerts("sensor")
    alerts.add(seen(), finding(1, 5))
    (first,) = alerts.take()
    for frame in range(2, 100):
        alerts.add(seen(), finding(frame, 5 + frame))
    (last,) = alerts.take()
    assert first.id == last.id
    assert (last.count, last.first_ns, last.last_ns) == (99, 5, 104)
    assert last.frames == (*range(1, FRAMES + 1), 99)
    assert last.sentence() == "? did it 99 times."
    assert not alerts.take()


def test_key_source_sensor_and_quiet_time_make_another() -> None:
    ids = set()
    for sensor in ("one", "other"):
        alerts = Alerts(sensor)
        for place, source, key, frame, ts_ns in (
            (0, "s", "k", 1, 0),
            (1, "s", "k2", 1, 0),
            (2, "s2", "k", 1, 0),
            (3, "s", "k", 2, QUIET),
            (4, "s", "k", 3, 2 * QUIET + 1),
        ):
            alerts.add(seen(source), finding(frame, ts_ns, key))
            ids |= {alert.id for alert in alerts.take()}
            assert len(ids) == (sensor == "other") * 4 + (1, 2, 3, 3, 4)[place]


def test_an_answer_alone_begins_no_alert() -> None:
    alerts = Alerts("sensor")
    alerts.add(seen(), finding(1, count=0, accepted=1))
    assert not alerts.take()


def test_the_registry_is_bounded() -> None:
    alerts = Alerts("sensor", most=10)
    for number in range(50):
        alerts.add(seen(), finding(number, key=str(number)))
    assert len(alerts.take()) == 50
    assert sum(len(each.entries) for each in alerts.open.values()) == 10
    assert alerts.evicted == 40
