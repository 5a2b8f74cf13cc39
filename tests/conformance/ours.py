"""What this sensor says: a capture through the pipeline, the fields that name a Wireshark field by frame."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from sensor.columns import Batch
from sensor.events.field import Field
from sensor.events.protocol import Protocol
from sensor.events.table import Lists, Spans, Table
from sensor.pipeline import Pipeline

Values = dict[str, dict[str, dict[int, list[tuple[int, Any]]]]]  # by protocol, field and frame: (row, value), rows counted through the capture


def say(batches: Iterable[Batch], protocols: tuple[Protocol, ...]) -> Values:
    """Every value of those fields in every frame, in the order of rows. Copies of packets are decoded too, as tshark does."""
    values: Values = {protocol.name: {field.name: defaultdict(list) for field in protocol.fields if field.wireshark} for protocol in protocols}
    row = 0
    for seen in Pipeline(protocols, deduplicate=False).run(batches):
        for dataset, table in seen.tables.items():
            new = np.flatnonzero(table.is_new)
            frames = table.frame
            for field in table.fields.values():
                if field.wireshark and field.name in table:
                    rows = new[table.has(field.name)[new]]
                    into = values[dataset][field.name]
                    for number, i, items in zip(frames[rows].tolist(), rows.tolist(), _values(table, field, rows), strict=True):
                        into[number].extend((row + i, item) for item in items)
            row += len(table)
    return values


def _values(table: Table, field: Field, rows: Any) -> Iterator[list[Any]]:
    """The field's values in each of these rows."""
    column = table.columns[field.name]
    if isinstance(column, Lists):
        yield from (column.of(row).tolist() for row in rows.tolist())
    elif isinstance(column, Spans):
        for at, size in zip(column.at[rows].tolist(), column.size[rows].tolist(), strict=True):
            yield [table.pdus.data[at : at + size].tobytes()]
    elif isinstance(column, dict):
        yield from (list(flatten(column[row])) for row in rows.tolist())
    elif column.dtype.kind == "M":
        yield from ([ns] for ns in column[rows].astype("M8[ns]").astype(np.int64).tolist())
    else:
        yield from ([number] for number in column[rows].tolist())


def flatten(value: Any) -> Iterator[Any]:
    """The single values of an object field, in order."""
    if isinstance(value, dict):
        for item in value.values():
            yield from flatten(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from flatten(item)
    else:
        yield value
