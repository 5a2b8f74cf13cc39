"""How the sensor is as Prometheus reads it (text-based exposition format 0.0.4): families with their help and type; what varies is a label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from detectors.signature.detector import STATES

Sample = tuple[dict[str, Any], float]  # labels, value
OUTCOMES = ("delivered", "duplicate", "dead_letter", "passed_over")
TAP = {
    "packets": "Packets that a tap brought.",
    "bytes": "Bytes that a tap brought, on the wire.",
    "dropped": "Packets that the kernel dropped as the tap's ring was full.",
    "frozen": "Times that the tap's ring was full.",
    "merged": "Packets that offloading made of several.",
    "reopened": "Times that the tap was opened again.",
    "downs": "Times that the tap's interface went down or away.",
}


def metrics(report: Mapping[str, Any]) -> str:
    """All families of a status (see Service.status) that have samples."""
    lines = []
    for name, kind, about, samples in families(report):
        body = [f"{name}{labelled(labels)} {value}" for labels, value in samples]
        if body:
            lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}", *body]
    return "\n".join([*lines, ""])


def labelled(labels: Mapping[str, Any]) -> str:
    """Labels with their values escaped."""
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{escaped(str(value))}"' for name, value in labels.items()) + "}"


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def by(label: str, counts: Mapping[str, int]) -> list[Sample]:
    """A sample a key."""
    return [({label: key}, n) for key, n in counts.items()]


def families(report: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Iterable[Sample]]]:
    """Name, type, help and samples of each."""
    info = {name: report[name] for name in ("sensor", "site", "version") if name in report}
    yield "tapsight_info", "gauge", "Which sensor this is; always 1.", [(info, 1)] if info else []
    if engine := report.get("engine"):
        yield from _engine(engine)
    found = report.get("detection", {})
    yield "tapsight_alerts_total", "counter", "Alerts told, each once.", by("severity", found.get("alerts", {}))
    yield "tapsight_rules", "gauge", "Rules by what became of them.", by("state", {k: n for k, n in found.get("rules", {}).items() if k in STATES})
    yield from _sources(report.get("sources", {}))
    yield from _spool(report.get("spool", {}))
    yield from _delivery(report.get("delivery", {}))


def _engine(engine: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Iterable[Sample]]]:
    batch, memory = engine["batch_ms"], engine["memory"]
    yield "tapsight_uptime_seconds", "gauge", "How long the sensor runs.", [({}, engine["uptime_s"])]
    yield "tapsight_packets_total", "counter", "Packets that the engine has looked at.", [({}, engine["packets"])]
    yield "tapsight_bytes_total", "counter", "Bytes of these packets, on the wire.", [({}, engine["bytes"])]
    yield "tapsight_batches_total", "counter", "Batches that the engine has looked at.", [({}, engine["batches"])]
    yield "tapsight_lag_seconds", "gauge", "How late the engine is.", [({}, engine["lag_ms"] / 1000)]
    times = [({"quantile": quantile}, round(batch[name] / 1000, 6)) for quantile, name in (("0.5", "median"), ("0.99", "p99"))]
    yield "tapsight_batch_seconds", "gauge", "Time that a batch takes, of the last ones.", times
    yield "tapsight_memory_resident_bytes", "gauge", "Memory in use.", [({}, memory["resident_bytes"])]
    yield "tapsight_memory_peak_bytes", "gauge", "The most memory that was in use.", [({}, memory["peak_bytes"])]
    yield "tapsight_cpu_seconds_total", "counter", "Processor time.", [({}, engine["cpu_s"])]
    yield "tapsight_reloads_total", "counter", "Times that the rules were read anew.", by("result", engine["reloads"])
    yield "tapsight_shed_total", "counter", "What was not looked at as the engine was late.", by("dataset", engine.get("shed", {}))
    yield "tapsight_forgotten_total", "counter", "What there was no room to remember.", by("reason", engine.get("forgotten", {}))


def _sources(sources: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Iterable[Sample]]]:
    taps = sources.get("taps", {})
    for what, about in TAP.items():
        yield f"tapsight_tap_{what}_total", "counter", about, [({"tap": name}, tap[what]) for name, tap in taps.items()]
    yield (
        "tapsight_tap_up",
        "gauge",
        "Whether the tap's interface is up and has a link.",
        [({"tap": name}, int(tap["state"] == "up")) for name, tap in taps.items()],
    )
    yield "tapsight_tap_ring_fill_ratio", "gauge", "How full the tap's ring is, from 0 to 1.", [({"tap": name}, tap["fill"]) for name, tap in taps.items()]
    yield "tapsight_tap_lag_seconds", "gauge", "How late the tap's packets are read.", [({"tap": name}, tap["lag_ms"] / 1000) for name, tap in taps.items()]
    feeds = sources.get("sources", {})
    counts = [({"source": name, "kind": what}, n) for name, feed in feeds.items() for what, n in feed.items() if isinstance(n, int)]
    yield "tapsight_source_count", "gauge", "What folders and streams have brought, and what waits in them.", counts
    failed = [({"source": name}, int("failed" in feed)) for name, feed in feeds.items()]
    yield "tapsight_source_failed", "gauge", "Whether nothing comes of a folder or stream any more.", failed


def _spool(spool: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Iterable[Sample]]]:
    lanes = spool.get("lanes", {})
    yield "tapsight_spool_bytes", "gauge", "Size of the spool.", [({"lane": name}, lane["octets"]) for name, lane in lanes.items()]
    yield "tapsight_spool_segments", "gauge", "Segments of the spool.", [({"lane": name}, lane["segments"]) for name, lane in lanes.items()]
    appended = [({"lane": name, "dataset": dataset}, n) for name, lane in lanes.items() for dataset, n in lane["appended"].items()]
    yield "tapsight_spool_records_total", "counter", "Records that the spool took.", appended
    refused = [({"dataset": dataset, "reason": why}, n) for dataset, reasons in spool.get("refused", {}).items() for why, n in reasons.items()]
    yield "tapsight_spool_refused_total", "counter", "Records that the spool did not take.", refused
    yield "tapsight_spool_events_total", "counter", "What happened to the spool.", by("reason", spool.get("happened", {}))
    accounts = [(name, dataset, counts) for name, each in spool.get("consumers", {}).items() for dataset, counts in each["datasets"].items()]
    produced = [({"destination": name, "dataset": dataset}, counts["produced"]) for name, dataset, counts in accounts]
    yield "tapsight_delivery_produced_total", "counter", "Records that are for a destination.", produced
    outcomes = [({"destination": name, "dataset": dataset, "outcome": what}, counts[what]) for name, dataset, counts in accounts for what in OUTCOMES]
    yield "tapsight_delivery_records_total", "counter", "What became of the records for a destination.", outcomes
    dropped = [({"destination": name, "dataset": dataset, "reason": why}, n) for name, dataset, counts in accounts for why, n in counts["dropped"].items()]
    yield "tapsight_delivery_dropped_total", "counter", "Records that a destination will never get.", dropped
    waiting = [({"destination": name, "dataset": dataset}, counts["waiting"]) for name, dataset, counts in accounts]
    yield "tapsight_delivery_waiting", "gauge", "Records in the spool that a destination has not got yet.", waiting


def _delivery(delivery: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Iterable[Sample]]]:
    told = [(name, each) for name, each in delivery.items() if each]
    yield "tapsight_delivery_requests_total", "counter", "Requests to a destination.", [({"destination": name}, each["requests"]) for name, each in told]
    retried = [({"destination": name, "dataset": dataset}, n) for name, each in told for dataset, n in each["retried"].items()]
    yield "tapsight_delivery_retried_total", "counter", "Records that were sent again.", retried
    dead = [
        ({"destination": name, "dataset": dataset, "reason": why}, n)
        for name, each in told
        for dataset, reasons in each["dead_letter"].items()
        for why, n in reasons.items()
    ]
    yield "tapsight_delivery_dead_letters_total", "counter", "Records that a destination refused for good.", dead
    alarm = [({"destination": name}, int(each["is_alarm"])) for name, each in told]
    yield "tapsight_delivery_alarm", "gauge", "Whether somebody has to do something about a destination.", alarm
    last = [({"destination": name}, each["last_success"]) for name, each in told if each["last_success"]]
    yield "tapsight_delivery_last_success_timestamp_seconds", "gauge", "When a destination last took something.", last
