"""Points -> ECS documents as lines of JSON."""

from __future__ import annotations

import numpy as np

from sensor.columns import Array, Ints, heads
from sensor.events.clock import time_text
from sensor.events.field import label
from sensor.events.point import Points, Quality, RawType, Space, Verb
from sensor.events.seen import Seen
from sensor.events.table import Table
from sensor.sinks import ecs
from sensor.sinks.changes import Kept, Reason
from sensor.sinks.documents import FAILURE, KINDS, LONGEST, SUCCESS, TRUSTS, UNKNOWN, Renderer, outcome, parts
from sensor.sinks.ecs import quote
from sensor.sinks.template import Template

SPACES, VERBS, RAW_TYPES, REASONS = ([label(each) for each in words] for words in (Space, Verb, RawType, Reason))


def place_in_row(points: Points) -> Ints:
    """Counts the points of each row of the table from 0."""
    place = np.arange(len(points))
    return place - np.maximum.accumulate(np.where(heads(points.row), place, 0))


def qualities(bits: int) -> list[str]:
    """The names of Quality bits; none where the value is good."""
    return [str(bit.name).lower() for bit in Quality if bit and bits & bit]


def text_of(exact: int | str | bytes) -> str:
    """A value that is no float64: text as it reads, bytes in hexadecimal, integers in full."""
    return exact[:LONGEST].hex() if isinstance(exact, bytes) else str(exact)[:LONGEST]


def outcomes(table: Table, points: Points, kept: Kept) -> Array:
    """SUCCESS, FAILURE or UNKNOWN per kept point (int64). An answer may refuse some of the values that it is about."""
    found = outcome(table, points.row[kept.rows])
    for reason, result in ((Reason.ASKED, UNKNOWN), (Reason.WRITTEN, SUCCESS), (Reason.REFUSED, FAILURE)):
        found[kept.reason == reason] = result
    return found


def point_lines(renderer: Renderer, seen: Seen, table: Table, points: Points, kept: Kept) -> list[bytes]:
    """One document per kept point."""
    which = kept.rows
    if not which.size:
        return []
    rows = points.row[which]
    t, flow, to_server = Template(), table.flow[rows], table.to_server[rows]
    t.fixed('{"@timestamp":"')
    t.times(table.ts_ns[rows])
    t.fixed(f'","ecs":{{"version":"{ecs.VERSION}"}},"event":{{"id":"{seen.source.id}-point-{table.dataset}-')
    for column in (table.frame[rows], table.pdus.position[table.pdu[rows]], parts(table.pdu)[rows]):
        t.integers(column)
        t.fixed("-")
    t.integers(place_in_row(points)[which])
    t.fixed('","kind":"event","module":"tapsight","dataset":"tapsight.point",')
    t.chosen(table.action[rows].astype(np.int64) * 3 + outcomes(table, points, kept), KINDS)
    t.fixed("},")
    t.chosen(*renderer.ends.column(seen.flows, flow, to_server))
    t.fixed(f',"protocol":"{table.dataset}"}},')
    renderer.observed(t, seen, flow)
    t.fixed(',"frame":')
    t.integers(table.frame[rows])
    t.fixed(',"trust":"')
    t.chosen(table.trust[rows], TRUSTS)
    t.fixed(f'","point":{{"protocol":"{table.dataset}","unit":')
    t.integers(points.unit[which])
    for name, codes, texts in (("space", points.space, SPACES), ("verb", points.verb, VERBS), ("raw_type", points.raw_type, RAW_TYPES)):
        t.fixed(f',"{name}":"')
        t.chosen(codes[which], texts)
        t.fixed('"')
    for name, values in (("block", points.block), ("address", points.address), ("index", points.index)):
        t.fixed(f',"{name}":')
        t.integers(values[which])
    t.filled(_values(points, which))
    t.fixed(',"reason":"')
    t.chosen(kept.reason, REASONS)
    t.fixed('","repeats":')
    t.integers(kept.repeats)
    t.fixed("}}}")
    return t.lines(len(which))


def _values(points: Points, which: Ints) -> list[str]:
    """Value and, where there are any, name, quality and the device's own time."""
    plain = not (points.exact or points.name or points.time_ns or points.quality[which].any())
    values = points.value[which].tolist()
    numbers = [f',"value":{int(value) if value.is_integer() else quote(value)}' for value in values]
    if plain:
        return numbers
    for i, (point, quality) in enumerate(zip(which.tolist(), points.quality[which].tolist(), strict=True)):
        if point in points.exact:
            numbers[i] = f',"text":{quote(text_of(points.exact[point]))}'
        if point in points.name:
            numbers[i] += f',"name":{quote(points.name[point])}'
        if quality:
            numbers[i] += f',"quality":{quote(qualities(quality))}'
        if point in points.time_ns:
            numbers[i] += f',"device_time":"{time_text(points.time_ns[point])}"'
    return numbers
