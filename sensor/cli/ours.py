"""What the sensor says of one frame: its headers, its events field by field, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sensor.capture import open_source
from sensor.columns import Batch, Problem
from sensor.decode.packets import Outcome, Packets, Transport
from sensor.events.address import address_text, conversation, mac_text
from sensor.events.clock import time_text
from sensor.events.field import Field, label
from sensor.events.seen import Seen
from sensor.events.table import Lists, Spans, Table
from sensor.events.vocabulary import Action, Anomaly, Trust
from sensor.lang import counted, translate, worded
from sensor.pipeline import Pipeline

if TYPE_CHECKING:
    from rich.table import Table as RichTable

BEHIND_NS = 5_000_000_000  # read on so far behind the frame: what waits for lost segments has been given up by then
BEHIND = 65_536  # and at most so many frames
MOST_ITEMS = 64  # of a list or bytes that are shown


@dataclass(frozen=True)
class Event:
    """One event: what it is, and its fields with name, value and meaning."""

    title: str
    fields: list[tuple[str, str, str]]


@dataclass
class Found:
    """packet: what decoding said of it, None where there is no such frame. frames: how many were read."""

    packet: list[tuple[str, str | int]] | None = None
    events: list[Event] = field(default_factory=list)
    anomalies: list[str] = field(default_factory=list)
    frames: int = 0
    problems: list[Problem] = field(default_factory=list)


def look(capture: str, frame: int) -> Found:
    """Run the pipeline up to the frame, and far enough behind it for everything that it completes."""
    source, batches = open_source(capture)
    found, pipeline = Found(problems=source.problems), Pipeline(inspect=True)
    decode = pipeline.decoder.decode

    def watched(batch: Batch) -> Packets:
        packets = decode(batch)
        for row in np.flatnonzero(batch.frame == frame).tolist():
            found.packet = headers(packets, row)
        return packets

    pipeline.decoder.decode = watched  # type: ignore[method-assign]  # the pipeline's own decoder, looked at on its way
    for seen in pipeline.run(up_to(batches, frame, found)):
        for table in seen.datasets.values():
            found.events += [event(seen, table, row) for row in np.flatnonzero((table.frame == frame) & table.is_new).tolist()]
        found.anomalies += [f"{label(each.kind)} {each.detail}".strip() for each in seen.anomalies if each.frame == frame]
    return found


def up_to(batches: Iterator[Batch], frame: int, found: Found) -> Iterator[Batch]:
    """Batches to the one with the frame, and those shortly behind it."""
    stop_ns = None
    for batch in batches:
        if len(batch):
            first = int(batch.frame[0])
            if stop_ns is not None and (int(batch.ts_ns[0]) > stop_ns or first > frame + BEHIND):
                return
            found.frames = int(batch.frame[-1])
            if first <= frame <= found.frames:
                stop_ns = int(batch.ts_ns[frame - first]) + BEHIND_NS
        yield batch


def headers(p: Packets, row: int) -> list[tuple[str, str | int]]:
    """A packet's own columns as text."""
    batch = p.batch
    ends = [address_text(int(high[row]), int(low[row])) for high, low in ((p.source_high, p.source_low), (p.destination_high, p.destination_low))]
    ports = [int(p.source_port[row]), int(p.destination_port[row])] if p.transport[row] in (Transport.TCP, Transport.UDP) else []
    said: list[tuple[str, str | int]] = [
        ("time", time_text(int(batch.ts_ns[row]))),
        ("bytes", f"{int(batch.captured[row])} of {int(batch.length[row])}"),
        ("MAC", f"{mac_text(int(p.mac_source[row]))} > {mac_text(int(p.mac_destination[row]))}"),
        ("VLAN", str(int(p.vlan[row])) if p.vlan[row] else ""),
        ("addresses", " > ".join(f"{end}:{port}" if ports else end for end, port in zip(ends, ports or (0, 0), strict=True)) if p.transport[row] else ""),
        ("transport", label(Transport(int(p.transport[row])))),
        ("payload", int(p.payload_length[row])),
        ("outcome", label(Outcome(int(p.outcome[row])))),
        ("interface", batch.source.interfaces[int(batch.interface[row])]),
    ]
    return [(name, value) for name, value in said if value != ""]


def event(seen: Seen, table: Table, row: int) -> Event:
    """A row of a protocol's table."""
    client, server = conversation(seen.flows, int(table.flow[row]))
    ends = (client.address, server.address) if table.to_server[row] else (server.address, client.address)
    title = f"{table.dataset}  {label(Action(int(table.action[row])))}  {ends[0]} > {ends[1]}  {label(Trust(int(table.trust[row])))}"
    request = int(table.request[row])
    title += f"  answers frame {int(table.frame[request])}" if request >= 0 else ""
    title += "  refused" if table.failed[row] else ""
    wrong = [bit.name.lower() for bit in Anomaly if bit.name and int(table.anomaly[row]) & bit]
    title += f"  [{', '.join(wrong)}]" if wrong else ""
    fields = [(each.name, value_of(table, each, row), each.about) for each in table.fields.values() if table.has(each.name)[row]]
    return Event(title, fields)


def value_of(table: Table, each: Field, row: int) -> str:
    """A field's value as people read it."""
    column = table.columns[each.name]
    if isinstance(column, Lists):
        items = column.of(row)
        shown = ", ".join(item(each, one) for one in items[:MOST_ITEMS].tolist())
        return shown + (f" … {len(items) - MOST_ITEMS} more" if len(items) > MOST_ITEMS else "")
    if isinstance(column, Spans):
        at, size = int(column.at[row]), int(column.size[row])
        content = table.pdus.data[at : at + min(size, MOST_ITEMS)].tobytes()
        more = f" … {size - MOST_ITEMS} more bytes" if size > MOST_ITEMS else ""
        return (content.decode("utf-8", "replace").rstrip("\0") if each.dtype == "text" else content.hex(" ")) + more
    if isinstance(column, dict):
        return str(column.get(row, ""))
    unit = f" {each.unit}" if each.unit else ""
    return item(each, column[row].item() if column.dtype.kind != "M" else column[row]) + unit


def item(each: Field, value: Any) -> str:
    """One value; a code with its name."""
    if each.enum is None:
        return str(value)
    try:
        return f"{label(each.enum(value))} ({value})"
    except ValueError:
        return f"unknown ({value})"


def view(found: Found, lang: str) -> RichTable:
    """Everything about the frame, as one column of a page."""
    from rich.table import Table as Rich
    from rich.text import Text

    table = Rich(title="Tapsight", title_justify="left", title_style="bold", box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for name, value in found.packet or ():
        shown = counted("{count} byte|{count} bytes", value, lang) if isinstance(value, int) else worded(value, lang) if name == "outcome" else value
        table.add_row(translate(name, lang), Text(shown), "")
    if not found.events:
        table.add_row("", "", "")
        table.add_row(Text(translate("no event", lang), style="bold"), "", Text(translate("nothing that is decoded ends in this frame", lang), style="dim"))
    for each in found.events:
        table.add_row("", "", "")
        name, *rest = each.title.split("  ", 1)
        table.add_row(Text(name, style="bold"), Text(rest[0] if rest else "", style="bold"), "")
        for name, value, about in each.fields:
            table.add_row("  " + name, Text(value), Text(translate(about, lang), style="dim"))
    for anomaly in found.anomalies:
        table.add_row(Text(translate("anomaly", lang), style="red"), Text(anomaly), "")
    return table
