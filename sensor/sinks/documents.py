"""Rows of a protocol's table -> ECS documents as lines of JSON: one template per combination of fields.

What ECS has no name for stands under the protocol's own name, and what is the sensor's own under `tapsight`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from sensor.columns import Array, Ints, Mask, heads
from sensor.events.field import Field, label, name_of
from sensor.events.seen import Seen
from sensor.events.table import Lists, Spans, Table
from sensor.events.vocabulary import Action, Trust
from sensor.mistakes import contained
from sensor.sinks import ecs
from sensor.sinks.ecs import quote
from sensor.sinks.template import Template

LONGEST = 1024  # bytes or list items of one field that a document carries; the rest is in the capture
SUCCESS, FAILURE, UNKNOWN = 0, 1, 2
OUTCOMES = ("success", "failure", "unknown")
KINDS = [f'{ecs.kind(action)},"outcome":"{outcome}"' for action in range(len(Action)) for outcome in OUTCOMES]
TRUSTS = [label(trust) for trust in Trust]


Tree: TypeAlias = "dict[str, Field | Tree]"


def placed(dataset: str, fields: list[Field]) -> Tree:
    """Fields under their documents' keys. Without any there is the dataset's own object."""
    tree: Tree = {dataset: {}}
    for field in fields:
        *path, name = (field.ecs or f"{dataset}.{field.name}").split(".")
        place = tree
        for key in path:
            inner = place.setdefault(key, {})
            assert isinstance(inner, dict)
            place = inner
        place[name] = field
    return {key: each for key, each in tree.items() if each or len(tree) == 1}


def json_values(values: Array) -> list[Any]:
    """Items that `%s` writes as JSON does: integers as they are, times and truths in its words, null for what is no number or no time."""
    match values.dtype.kind:
        case "f":
            return list(map(quote, values.astype(np.float64).tolist()))
        case "M":
            known = ~np.isnat(values)
            texts = ecs.times(np.where(known, values, np.datetime64(0, "ns")).astype("M8[ns]").astype(np.int64))
            return [f'"{text}"' if is_known else "null" for text, is_known in zip(texts, known.tolist(), strict=True)]
        case "b":
            return ["true" if value else "false" for value in values.tolist()]
        case _:
            return list(values.tolist())


def coded(field: Field, codes: Array) -> dict[int, str]:
    """Code and name as JSON, for every code of the column."""
    return {code: _coded(field, code) for code in np.unique(codes).tolist()}


@lru_cache(maxsize=1 << 14)
def _coded(field: Field, code: int) -> str:
    assert field.enum is not None
    return f'{{"code":{code},"name":{quote(name_of(field.enum, code))}}}'


def outcome(table: Table, rows: Ints) -> Array:
    """SUCCESS, FAILURE or UNKNOWN per row: a request's fate is not in it. int64."""
    return np.where(table.failed[rows], FAILURE, np.where(table.is_request[rows], UNKNOWN, SUCCESS))


def parts(pdu: Ints) -> Ints:
    """Counts the rows of each PDU from 0 (rows of a PDU need not stand together)."""
    place = np.arange(len(pdu))
    order = place if bool((pdu[1:] >= pdu[:-1]).all()) else np.argsort(pdu, kind="stable")
    begins = np.maximum.accumulate(np.where(heads(pdu[order]), place, 0))
    result = np.empty(len(pdu), np.int64)
    result[order] = place - begins
    return result


class Renderer:
    """Renders the events of one sensor."""

    def __init__(self, sensor: str, site: str = "") -> None:
        self.sensor, self.site = sensor, site
        self.ends = ecs.Ends()

    def observed(self, t: Template, seen: Seen, flow: Array) -> None:
        """Who heard each row, and where: of several taps that whose packet began its flow. `tapsight` is left open for the rest."""
        if len(seen.source.interfaces) == 1:
            t.fixed(ecs.observed(self.sensor, self.site, seen.source.heard_at(0)))
        else:
            interfaces = seen.flows["interface"][flow]
            t.chosen(interfaces, {each: ecs.observed(self.sensor, self.site, seen.source.heard_at(each)) for each in np.unique(interfaces).tolist()})

    def table(self, seen: Seen, table: Table, wanted: Mask | None = None) -> list[bytes]:
        """One line per event of a protocol's table (of the rows that are wanted, where not all are), in its order."""
        return contained(f"{table.dataset}: documents", list, self._lines, seen, table, wanted)

    def _lines(self, seen: Seen, table: Table, wanted: Mask | None) -> list[bytes]:
        new = np.flatnonzero(table.is_new if wanted is None else table.is_new & wanted)
        if not new.size:
            return []
        part = parts(table.pdu)[new] if wanted is not None else parts(table.pdu[new])
        masks, which = np.unique(table.present[new], return_inverse=True)
        answers, wrong = table.request[new] >= 0, table.anomaly[new] != 0
        group = which << 2 | answers.astype(np.int64) << 1 | wrong
        lines: list[bytes] = []
        order = []
        for each in np.flatnonzero(np.bincount(group)).tolist():
            mine = np.flatnonzero(group == each)
            lines += self._group(seen, table, new[mine], part[mine], int(masks[each >> 2]), each & 2 != 0, each & 1 != 0)
            order.append(mine)
        if len(order) == 1:
            return lines
        place = np.empty(len(new), np.int64)
        place[np.concatenate(order)] = np.arange(len(new))
        return list(map(lines.__getitem__, place.tolist()))

    def _group(self, seen: Seen, table: Table, rows: Ints, part: Ints, mask: int, is_answer: bool, is_wrong: bool) -> list[bytes]:
        """Events that have the same fields."""
        t, frame, dataset = Template(), table.frame[rows], table.dataset
        self._front(t, seen, table, rows, part)
        if is_answer:
            t.fixed(',"duration":')
            t.integers(table.latency_ns[rows])
        t.fixed("},")
        t.chosen(*self.ends.column(seen.flows, table.flow[rows], table.to_server[rows]))
        t.fixed(f',"protocol":"{dataset}"}},')
        self.observed(t, seen, table.flow[rows])
        t.fixed(',"frame":')
        t.integers(frame)
        if is_answer:
            t.fixed(',"request_frame":')
            t.integers(table.frame[table.request[rows]])
        t.fixed(',"trust":"')
        t.chosen(table.trust[rows], TRUSTS)
        t.fixed('"')
        if is_wrong:
            bits = table.anomaly[rows]
            t.fixed(',"anomaly":')
            t.chosen(bits, {code: quote(ecs.anomaly_names(code)) for code in np.unique(bits).tolist()})
        t.fixed("}")
        self._object(t, table, placed(dataset, [field for field in table.fields.values() if mask & int(table.bit[field.name])]), rows)
        t.fixed("}")
        return t.lines(len(rows))

    def _object(self, t: Template, table: Table, content: Tree, rows: Ints, separator: str = ",") -> None:
        """Fields and objects of fields, by key."""
        for key, each in content.items():
            t.fixed(f'{separator}"{key}":')
            separator = ","
            if isinstance(each, Field):
                self._field(t, table, each, rows)
            else:
                t.fixed("{")
                self._object(t, table, each, rows, "")
                t.fixed("}")

    def _front(self, t: Template, seen: Seen, table: Table, rows: Ints, part: Ints) -> None:
        """Time and what kind of event it is."""
        t.fixed('{"@timestamp":"')
        t.times(table.ts_ns[rows])
        t.fixed(f'","ecs":{{"version":"{ecs.VERSION}"}},"event":{{"id":"{seen.source.id}-{table.dataset}-')
        t.integers(table.frame[rows])
        t.fixed("-")
        t.integers(table.pdus.position[table.pdu[rows]])
        t.fixed("-")
        t.integers(part)
        t.fixed(f'","kind":"event","module":"tapsight","dataset":"tapsight.{table.dataset}",')
        t.chosen(table.action[rows].astype(np.int64) * len(OUTCOMES) + outcome(table, rows), KINDS)

    def _field(self, t: Template, table: Table, field: Field, rows: Ints) -> None:
        """One field of these rows, as JSON."""
        column = table.columns[field.name]
        if isinstance(column, Lists):
            t.filled(lists(column, rows, field))
        elif isinstance(column, Spans):
            if field.dtype == "bytes":
                t.fixed('"')
                t.hexadecimal(table.pdus.data, column.at[rows], np.minimum(column.size[rows], LONGEST))
                t.fixed('"')
            else:
                t.filled(list(map(quote, texts(table, field, rows))))
        elif isinstance(column, dict):
            t.filled([quote(column.get(row)) for row in rows.tolist()])
        elif field.enum is not None:
            codes = column[rows]
            t.chosen(codes, coded(field, codes))
        elif column.dtype.kind in "ui":
            t.integers(column[rows])
        else:
            t.filled(json_values(column[rows]))


def lists(column: Lists, rows: Ints, field: Field) -> list[Any]:
    """The list of each row, at most LONGEST items: Python writes lists of integers as JSON does."""
    start, count, content = column.flat()
    begin, end = start[rows], start[rows] + np.minimum(count[rows], LONGEST)
    low = int(begin.min()) if len(begin) else 0
    part = content[low : int(end.max()) if len(end) else 0]
    bounds = zip((begin - low).tolist(), (end - low).tolist(), strict=True)
    if field.enum is not None:
        texts = list(map(coded(field, part).__getitem__, part.tolist()))
    elif part.dtype.kind in "ui":
        values = part.tolist()
        return [values[a:b] for a, b in bounds]
    else:
        texts = json_values(part)
    return [f"[{','.join(texts[a:b])}]" for a, b in bounds]


def contents(table: Table, field: Field, rows: Ints) -> list[bytes]:
    """The bytes of each row, at most LONGEST."""
    column = table.columns[field.name]
    assert isinstance(column, Spans)
    begin, end = column.at[rows], column.at[rows] + np.minimum(column.size[rows], LONGEST)
    low = int(begin.min()) if len(begin) else 0
    whole = table.pdus.data[low : int(end.max()) if len(end) else 0].tobytes()  # bytes are cut from bytes five times as fast as from an array
    return [whole[a:b] for a, b in zip((begin - low).tolist(), (end - low).tolist(), strict=True)]


def texts(table: Table, field: Field, rows: Ints) -> list[str]:
    """The text of each row, as it reads (without the zeros that pad it)."""
    return [content.decode("utf-8", "replace").rstrip("\0") for content in contents(table, field, rows)]
