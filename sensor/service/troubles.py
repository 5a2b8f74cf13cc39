"""What of a service's status somebody should look after: `tapsight status` tells it first, and the log when it begins and when it is over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

LATE_MS, FULL = 2_000, 0.5  # lag, and fill of a ring, from which on it is worth a warning


def troubles(report: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Worst first: texts and what to put into them."""
    spool, sources, engine = report["spool"], report["sources"], report["engine"]
    for name, tap in sources.get("taps", {}).items():
        if tap["state"] not in ("up", ""):
            yield "tap {name}: {state}", {"name": name, "state": tap["state"].replace("_", " ")}
        if tap["dropped"]:
            yield "tap {name}: the kernel dropped {n} packets as the ring was full", {"name": name, "n": f"{tap['dropped']:,}"}
        elif tap["fill"] >= FULL:
            yield "tap {name}: its ring is {fill} full", {"name": name, "fill": f"{tap['fill']:.0%}"}
        if tap.get("merged"):
            yield "tap {name}: offloads made {n} packets of several (tapsight doctor says what to do)", {"name": name, "n": f"{tap['merged']:,}"}
    for name, feed in sources.get("sources", {}).items():
        for problem in filter(None, (feed.get("failed"), feed.get("error"), *feed.get("problems", [])[-1:])):
            yield "{name}: {problem}", {"name": name, "problem": problem}
    if engine["lag_ms"] >= LATE_MS:
        yield "the engine is {lag} ms late", {"lag": f"{engine['lag_ms']:,}"}
    if shed := sum(engine.get("shed", {}).values()):
        yield "{n} events and values were not looked at as the engine was late", {"n": f"{shed:,}"}
    if problem := engine.get("reload_problem"):
        yield "new rules could not be read, the old ones are at work: {problem}", {"problem": problem}
    rules = report.get("detection", {}).get("rules", {})
    if rules.get("failed") or rules.get("skipped"):
        yield (
            "rules that are not at work: {failed} failed, {skipped} skipped; tapsight rules check says why",
            {what: f"{rules.get(what, 0):,}" for what in ("failed", "skipped")},
        )
    for name, each in report["delivery"].items():
        for trouble in dict.fromkeys(each.get("trouble", {}).values()):
            yield "{name}: {problem}", {"name": name, "problem": trouble}
    for what, text in (
        ("dropped", "records that were dropped before they were delivered: {n}"),
        ("dead_letter", "records that were refused for good (dead letters): {n}"),
    ):
        if n := spool.get("total", {}).get(what, 0):
            yield text, {"n": f"{n:,}"}
    if happened := {name: n for name, n in spool.get("happened", {}).items() if n}:
        yield "spool: {problem}", {"problem": ", ".join(f"{name} {n:,}" for name, n in happened.items())}
    for what, n in report.get("ledger", {}).get("mistakes", {}).items():
        yield "a mistake of this program, please report it: {what} failed; times: {n}", {"what": what, "n": f"{n:,}"}
    for wrong in report.get("ledger", {}).get("imbalance", []):
        yield "does not balance: {problem}", {"problem": wrong}
