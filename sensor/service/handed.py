"""What a worker hands to the writer of each batch, and how the writer sees the batches of all workers as those of one pipeline.

The writer looks at what may span workers: who is there, and what detectors find. For that it needs the flow table's rows that a batch has touched, events
without what only documents say, and what rules have found. Documents are made by the worker.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from typing import Any

import numpy as np

from detectors import DETECTORS, LOOKED_INTO
from sensor.beside import columns_of, put
from sensor.columns import MOST_PROBLEMS, Array, Problem, Source, padded
from sensor.datasets import EVENTS
from sensor.events.seen import Seen
from sensor.events.table import Lists, Pdus, Table
from sensor.streams.flows import COLUMNS, COUNTS, STREAM

WHOLE = {name for make in DETECTORS for name in make().needs}  # datasets whose every field detectors look at
KEPT = ("row", "frame", "ts_ns", "flow", "to_server", "trust", "position", "carried")  # of a PDU's columns
NONE = np.zeros(0, np.int64)
EMPTY = padded(b"")


@dataclass
class Parcel:
    """seen: without the flow table; None where nothing has come. touched, columns: rows of the flow table. report: how the worker is, now and then. is_last: its end."""

    clock_ns: int
    seen: Seen | None = None
    touched: Array = field(default_factory=lambda: NONE)
    columns: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] | None = None
    is_last: bool = False


def parcel(seen: Seen) -> Parcel:
    """A batch's results on their way to the writer."""
    flows = [seen.started, *(table.pdus.flow for table in seen.datasets.values()), np.array([each.flow for each in seen.anomalies], np.int32)]
    if seen.inspected is not None:
        flows.append(seen.inspected.packets["flow"])
    touched = np.unique(np.concatenate(flows))
    touched = touched[touched >= 0]
    tables, applications = ({name: lean(table) for name, table in some.items()} for some in (seen.tables, seen.applications))
    handed = replace(seen, flows={}, tables=tables, applications=applications, inspected=None, messages=[], records=[])
    return Parcel(seen.clock_ns, handed, touched, columns_of(seen.flows, touched) if touched.size else {})


def lean(table: Table) -> Table:
    """What assets and detectors ask of a table. Lists are read for documents alone; what a device says of itself is read here."""
    result, pdus = copy.copy(table), copy.copy(table.pdus)
    dataset, whole = DATASETS[table.dataset], table.dataset in WHOLE
    if dataset.identity is not None:
        result.identities = dataset.said(table)
    for column in fields(Pdus):
        if column.name not in KEPT:
            setattr(pdus, column.name, NONE)
    pdus.data = table.pdus.data if whole else EMPTY
    result.pdus, result.fields, result.bit, result.rest = pdus, {}, {}, []  # the reader knows the dataset's fields
    result.columns = {name: column for name, column in table.columns.items() if whole or name in LOOKED_INTO if not isinstance(column, Lists | dict)}
    return result


DATASETS = {each.name: each for each in EVENTS}
MODELS = {each.name: Table(each.name, each.fields, Pdus.none(EMPTY)) for each in EVENTS}  # for what all tables of a dataset share


class Merged:
    """The pipelines of all workers as one: the flow table has a part for each, and the ledger is the sum. most: flows of one worker; shared: the taps that some read together."""

    def __init__(self, workers: int, most: int, shared: Source | None) -> None:
        self.most, self.shared = most, shared
        self.flows: dict[str, Array] = {name: np.zeros(most * workers, dtype) for name, dtype in (COLUMNS | COUNTS).items()}
        self.flows |= {name: np.zeros(most * workers * 2, dtype) for name, dtype in STREAM.items()}
        self.problems: list[list[Problem]] = [[] for _ in range(workers)]
        self.ledgers: list[dict[str, Any]] = [{} for _ in range(workers)]

    def run(self, parcels: Iterable[tuple[int, Parcel]], jobs: int = 1) -> Iterator[Seen]:
        """The results of these parcels, each with the number of its worker."""
        del jobs  # there are as many as there are workers
        for number, each in parcels:
            if each.seen is not None:
                yield self.taken(number, each, each.seen)

    def taken(self, number: int, each: Parcel, seen: Seen) -> Seen:
        """Flow numbers become those of the common table."""
        base = number * self.most
        if each.columns:
            put(self.flows, each.touched.astype(np.int64) + base, each.columns)
        pdus = {id(table.pdus): table.pdus for table in seen.datasets.values()}
        for some in pdus.values():
            some.flow = some.flow + np.int32(base)
        for name, table in seen.datasets.items():
            table.fields, table.bit = MODELS[name].fields, MODELS[name].bit
        if seen.matches is not None:
            seen.matches.shift(base)
        seen.started, seen.over["flow"] = seen.started + np.int32(base), seen.over["flow"] + np.int32(base)
        seen.anomalies = [replace(anomaly, flow=anomaly.flow + base) if anomaly.flow >= 0 else anomaly for anomaly in seen.anomalies]
        self.flows["live"][seen.over["flow"]] = False
        seen.flows, seen.source = self.flows, self._source(number, seen.source)
        return seen

    def _source(self, number: int, source: Source) -> Source:
        """Where workers share the packets, what they read is one source, with the problems of all."""
        if self.shared is None or source.id != self.shared.id:
            return source
        if len(source.problems) != len(self.problems[number]):
            self.problems[number] = list(source.problems)
            self.shared.problems = list(dict.fromkeys(chain(*self.problems)))[:MOST_PROBLEMS]
        return self.shared

    def report(self) -> dict[str, Any]:
        """The ledger of all workers together."""
        return total(self.ledgers)


def total(reports: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Numbers are added, lists put together; of anything else the first says it."""
    result: dict[str, Any] = {}
    for report in reports:
        for key, value in report.items():
            before = result.get(key)
            if isinstance(value, dict):
                result[key] = total((before or {}, value))
            elif before is None or isinstance(value, bool | str):
                result.setdefault(key, value)
            else:
                result[key] = before + value
    return result
