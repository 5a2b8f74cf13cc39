"""What became of every record: the spool's and its consumers' accounts as one document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sensor.spool.consumer import Account
from sensor.spool.index import Index
from sensor.spool.records import OUTCOMES, Counts, Lane, Reasons, add


def report(directory: Path, index: Index, totals: Mapping[Lane, Counts], octets: Mapping[Lane, int], accounts: Mapping[str, Account]) -> dict[str, Any]:
    """totals: all records of a lane so far. For each consumer and dataset: produced = delivered + duplicate + dead_letter + passed_over + dropped by reason + waiting."""
    lanes = {
        lane.name.lower(): {
            "octets": octets[lane],
            "segments": sum(not entry.gone for entry in index.lanes[lane]) - (index.lanes[lane][-1].before == totals[lane]),
            "appended": dict(sorted(totals[lane].items())),
        }
        for lane in Lane
    }
    room = directory / "quarantine"
    consumers = {name: consumer(account, index, totals) | {"keeps": name in index.consumers} for name, account in accounts.items()}
    return {
        "lanes": lanes,
        "refused": plain(index.refused),
        "consumers": consumers,
        "total": total(consumers.values()),
        "happened": dict(sorted(index.happened.items())),
        "quarantined": sorted(path.name for path in room.iterdir()) if room.is_dir() else [],
    }


def total(consumers: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The same over all consumers and datasets: what a chart can show whatever they are called."""
    found = dict.fromkeys(("produced", *OUTCOMES, "dropped", "waiting"), 0)
    for each in consumers:
        for counts in each["datasets"].values():
            for name in found:
                found[name] += sum(counts[name].values()) if name == "dropped" else counts.get(name, 0)
    return found


def consumer(account: Account, index: Index, totals: Mapping[Lane, Counts]) -> dict[str, Any]:
    """One consumer's datasets, as if it had noticed all that is gone."""
    now = Account.of(account.document())
    waiting: Counts = Counter()
    produced: Counts = Counter()
    for lane, place in now.places.items():
        place.settle(index.lanes[lane], now.dropped)
        waiting += totals[lane] - place.passed
        produced += totals[lane]
    produced -= now.start
    dropped: Reasons = now.dropped
    for dataset, counts in index.refused.items():
        for reason, n in counts.items():
            since = max(0, n - now.refused.get(dataset, Counter())[reason])
            add(dropped, dataset, reason, since)
            produced[dataset] += since
    datasets = {
        dataset: {
            "produced": produced[dataset],
            **{outcome: now.outcomes.get(dataset, Counter())[outcome] for outcome in OUTCOMES},
            "dropped": dict(dropped.get(dataset, {})),
            "waiting": waiting[dataset],
        }
        for dataset in sorted({*produced, *now.outcomes, *dropped, *waiting})
    }
    return {"datasets": {name: counts for name, counts in datasets.items() if any(counts.values())}, "damaged": now.damaged}


def imbalance(document: dict[str, Any]) -> dict[str, int]:
    """Of a report: consumer and dataset, and how many records of it nobody can account for. Empty."""
    found = {}
    for name, each in document["consumers"].items():
        for dataset, counts in each["datasets"].items():
            known = sum(counts.get(outcome, 0) for outcome in OUTCOMES) + sum(counts["dropped"].values()) + counts["waiting"]
            if counts["produced"] != known:
                found[f"{name} {dataset}"] = counts["produced"] - known
    return found


def plain(reasons: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    return {dataset: dict(sorted(Counter(counts).items())) for dataset, counts in sorted(reasons.items())}
