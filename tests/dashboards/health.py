"""Health documents of two sensors, as the service tells them: counters that grow, and what is measured now."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

EVERY_S = 10


def report(sensor: str, n: int) -> dict[str, Any]:
    """The n-th of a sensor."""
    step = (n + (sensor == "tap-b")) % 4
    packets, told = 1_200 * n * (2 if sensor == "tap-b" else 1), 300 * n
    waiting = 40 * (n % 5)
    return {
        "sensor": sensor,
        "engine": {
            "packets": packets, "bytes": packets * 82, "batches": 10 * n, "alerts": n // 2, "lag_ms": 40 + 15 * step, "batch_ms": {"median": 4.5, "p99": 11.0 + n % 3},
            "memory": {"resident_bytes": 150_000_000 + 100_000 * n, "peak_bytes": 190_000_000}, "cpu_s": 1.7 * n, "shed": {"points": 0},
        },
        "sources": {"taps": {"eth1": {"packets": packets, "bytes": packets * 82, "dropped": 3 * n}}, "dropped": 3 * n, "lag_ms": 3.0, "waiting": 0},
        "spool": {
            "lanes": {lane: {"octets": 1_000 * place * (n % 7), "segments": 1, "appended": {}} for place, lane in enumerate(("alert", "asset", "flow", "event"))},
            "total": {"produced": told, "delivered": told - waiting - 7, "duplicate": 2, "dead_letter": 1, "dropped": 4, "waiting": waiting},
        },
        "delivery": {},
    }  # fmt: skip


def health(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Over the time of these documents."""
    times = sorted(each["@timestamp"] for each in documents)
    first, last = (datetime.fromisoformat(text.partition(".")[0]).replace(tzinfo=UTC) for text in (times[0], times[-1]))
    result = []
    base = next(each for each in documents if each["event"]["dataset"] == "tapsight.ledger")
    for n in range(1, min(int((last - first).total_seconds()) // EVERY_S, 100)):
        for sensor in ("tap-a", "tap-b"):
            document = copy.deepcopy({key: base[key] for key in ("ecs", "event", "observer")})
            document["@timestamp"] = (first + timedelta(seconds=EVERY_S * n)).strftime("%Y-%m-%dT%H:%M:%S.000000000Z")
            document["event"] |= {"id": f"health-{sensor}-{n}", "dataset": "tapsight.health", "category": ["host"]}
            document["observer"]["name"] = sensor
            document["tapsight"] = {"site": base["tapsight"]["site"], "health": report(sensor, n)}
            result.append(document)
    return result


def numbers(report: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """The numbers of nested mappings, with the keys that lead to them."""
    for key, value in report.items():
        if isinstance(value, Mapping):
            yield from numbers(value, (*path, str(key)))
        elif isinstance(value, int | float):
            yield (*path, str(key)), value
