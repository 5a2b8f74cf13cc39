"""What is told of a moment rather than of the whole run: rates over the last interval, and what the ledger says is not understood."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

INTERVAL_S = 10.0
WORST = 8  # entries of the ledger that are told
FINE = ("decoded", "duplicate")  # outcomes of packets that are as they should be
Counts = dict[str, dict[str, int]]  # of the engine ("") and of each tap: packets, bytes, dropped


class Interval:
    """Counters as they were one to two intervals ago. `turn` is the engine's thread's, `rates` whoever's asks."""

    def __init__(self) -> None:
        self.older = self.newer = (time.monotonic(), Counts())
        self.ledger: dict[str, Any] = {"imbalance": [], "mistakes": {}, "worst": []}

    def is_over(self) -> bool:
        return time.monotonic() - self.newer[0] >= INTERVAL_S

    def turn(self, counts: Counts, ledger: Mapping[str, Any]) -> None:
        """The next interval begins."""
        self.older, self.newer = self.newer, (time.monotonic(), counts)
        self.ledger = {
            "imbalance": list(ledger["imbalance"]),
            "mistakes": dict(ledger["mistakes"]),
            "worst": sorted(unusual(ledger), key=lambda each: -each["share"])[:WORST],
        }

    def rates(self, counts: Counts) -> dict[str, Any]:
        """Counts a second since then, and how long that is."""
        began, before = self.older
        seconds = max(time.monotonic() - began, 0.001)
        rates = {name: {what: round((n - before.get(name, {}).get(what, 0)) / seconds, 1) for what, n in each.items()} for name, each in counts.items()}
        return {"seconds": round(seconds, 1), "engine": rates.pop("", {}), "taps": rates}


def counters(engine: Mapping[str, int], sources: Mapping[str, Any]) -> Counts:
    """Packets and bytes that the engine has seen, and by tap, with what the kernel dropped."""
    taps = sources.get("taps", {})
    return {"": {what: engine[what] for what in ("packets", "bytes")}} | {
        name: {what: tap[what] for what in ("packets", "bytes", "dropped")} for name, tap in taps.items()
    }


def unusual(ledger: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What is not as it should be: in words, how many, and which share of all packets, payload bytes, or requests."""

    def entry(*words: str, count: int, of: int) -> Iterator[dict[str, Any]]:
        if count:
            yield {"what": list(words), "count": count, "share": round(count / max(of, count), 4)}

    packets, payload = ledger["packets"], ledger["payload"]
    for outcome, n in packets["outcome"].items():
        if outcome not in FINE:
            yield from entry("packets", outcome.replace("_", " "), count=n, of=packets["total"])
    for mark in ("cut_short", "bad_checksum"):
        yield from entry("packets", mark.replace("_", " "), count=packets[mark], of=packets["total"])
    yield from entry("payload bytes", "unrecognised", count=payload["unrecognised"], of=payload["bytes"])
    for protocol, counts in ledger["protocols"].items():
        for what in ("bytes_gap", "bytes_skipped", "bytes_foreign"):
            yield from entry(protocol, what.replace("_", " "), count=counts.get(what, 0), of=payload["bytes"])
        unanswered = counts["requests_unanswered"]
        yield from entry(protocol, "requests unanswered", count=unanswered, of=unanswered + counts["requests_paired"])
    for name, n in ledger["anomalies"].items():
        yield from entry("anomalies", name.replace("_", " "), count=n, of=packets["total"])
    for name, n in ledger["forgotten"].items():
        yield from entry("forgotten", name, count=n, of=n)
