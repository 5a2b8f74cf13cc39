"""Messages of applications -> tables of events, as protocols make them of PDUs: from there on nobody needs to know which of the two an event was."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np

from sensor.applications.datasets import DATASETS
from sensor.columns import Array, Bytes
from sensor.events.field import Field
from sensor.events.message import Message
from sensor.events.protocol import Dataset
from sensor.events.table import CONTENT, Pdus, Table

LONGEST = 1_024  # characters of a text, and items of a list, that an event shows; the rest is in the capture


def tables(messages: list[Message], flows: dict[str, Array], data: Bytes) -> Iterator[Table]:
    """One table a dataset, in the order of messages. data: a buffer with PAD, of which nothing is shown: what messages say has been read."""
    by_name = sorted(messages, key=lambda message: message.application)
    for name, mine in groupby(by_name, key=lambda message: message.application):
        yield table(DATASETS[name], list(mine), flows, data)


def table(dataset: Dataset, messages: list[Message], flows: dict[str, Array], data: Bytes) -> Table:
    """The events of one dataset."""
    n = len(messages)
    none = np.zeros(n, np.int64)
    row, frame, ts_ns, flow, position = (np.array([getattr(m, name) for m in messages], np.int64) for name in ("row", "frame", "ts_ns", "flow", "position"))
    to_server = np.array([m.said.to_server for m in messages], np.bool_)
    trust = np.array([m.trust for m in messages], np.uint8)
    pdus = Pdus(
        data, none, none, row, frame, ts_ns, flow.astype(np.int32), to_server, trust, position, none.astype(np.bool_), none.astype(np.uint32), none, none,
        conversation=flows["conversation"][flow],
    )  # fmt: skip
    result = Table(dataset.name, dataset.fields, pdus)
    result.action[:] = [m.said.action for m in messages]
    result.failed[:] = [m.said.failed for m in messages]
    result.is_request, result.is_response = to_server.copy(), ~to_server
    fill(result, dataset.fields, [m.said.about for m in messages])
    return result


def key_of(dataset: str, field: Field) -> str:
    """Under which key documents have a field."""
    return field.ecs or f"{dataset}.{field.name}"


def fill(result: Table, fields: tuple[Field, ...], said: list[dict[str, Any]]) -> None:
    """The columns of a table, from what each row says by key."""
    for field in fields:
        key = key_of(result.dataset, field)
        found = [(row, about[key]) for row, about in enumerate(said) if key in about]
        if not found:
            continue
        rows = np.array([row for row, _ in found], np.int64)
        if field.kind == "object":
            for row, value in found:
                result.object(field.name, row, shown(value))
        elif field.kind == "list":
            counts = np.array([len(value) for _, value in found], np.int64)
            result.list(field.name, rows, counts, np.array([item for _, value in found for item in value], field.item), CONTENT)
        else:
            result.set(field.name, rows, np.array([value for _, value in found], field.item))


def shown(value: Any) -> Any:
    """As much of a text or list as an event shows."""
    match value:
        case str():
            return value[:LONGEST]
        case list():
            return [item[:LONGEST] if isinstance(item, str) else item for item in value[:LONGEST]]
    return value
