"""Charts of the sensor's health ask for what health documents say: their fields are no template's, so the code that makes them is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sensor.events.record import Record
from sensor.live import Live
from sensor.service.health import Health, health_line
from sensor.spool import Lane, Quotas, Spool
from tests.dashboards import kibana
from tests.dashboards.health import numbers, report

QUOTAS = Quotas(alert=64 << 10, asset=64 << 10, flow=64 << 10, event=128 << 10, reserve=64 << 10, segment=16 << 10)


def document(folder: Path) -> dict[str, Any]:
    """As sensor.service makes it, of a service that has delivered something."""
    with Spool(folder, QUOTAS, ("es", "syslog")) as spool:
        spool.append(Lane.ALERT, [Record("alert", f"a{i}", b"{}") for i in range(5)])
        spool.append(Lane.EVENT, [Record("modbus", f"m{i}", b"{}") for i in range(7)])
        chunk = spool.read("es", Lane.ALERT, 1 << 20)
        assert chunk is not None
        spool.acknowledge("es", Lane.ALERT, chunk.position, {"alert": {"delivered": 4, "duplicate": 1}})
        whole = {"sensor": "tap-a", "engine": Health().report() | {"shed": {}}, "sources": Live(None, None).report(), "spool": spool.report(), "delivery": {}}
    return dict(json.loads(health_line(whole, 1_741_165_200_000_000_000, "tap-a", "plant 1")))


def test_the_total_is_what_the_consumers_accounts_add_up_to(tmp_path: Path) -> None:
    total = document(tmp_path)["tapsight"]["health"]["spool"]["total"]
    assert total["produced"] == 24
    assert (total["delivered"], total["duplicate"], total["waiting"]) == (4, 1, 19)
    assert total["produced"] == sum(each for name, each in total.items() if name != "produced")


def test_fields_of_charts_are_in_documents(tmp_path: Path) -> None:
    there = {".".join(("tapsight", "health", *path)) for path, _ in numbers(document(tmp_path)["tapsight"]["health"])}
    wanted = {
        column["sourceField"]
        for shown in kibana.panels("en")
        if shown.kind == "lens"
        for column in shown.layer[1]["columns"].values()
        if column.get("sourceField", "").startswith("tapsight.health.")
    }
    assert document(tmp_path)["tapsight"]["site"] == "plant 1"
    assert len(wanted) > 15
    assert wanted <= there


def test_the_documents_that_panels_are_tried_with_are_like_the_services(tmp_path: Path) -> None:
    there = {path for path, _ in numbers(document(tmp_path)["tapsight"]["health"])}
    made = {path for path, _ in numbers(report("tap-a", 3)) if path[:2] not in (("sources", "taps"), ("engine", "shed"))}
    assert made <= there
