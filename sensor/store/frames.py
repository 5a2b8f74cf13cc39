"""Batches' columns -> Polars frames: columns go over whole; only what is rare, or one per conversation, is touched by Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints, Source
from sensor.decode.packets import Transport
from sensor.events.address import conversation, mac_text
from sensor.events.community import community_id
from sensor.events.field import Field, label
from sensor.events.point import Points
from sensor.events.protocol import Protocol
from sensor.events.seen import Seen
from sensor.events.table import Lists, Spans, Table
from sensor.events.vocabulary import Action
from sensor.sinks import ecs
from sensor.sinks.changes import Kept
from sensor.sinks.documents import OUTCOMES, TRUSTS, outcome, parts, spans
from sensor.sinks.findings import ENDS, anomaly_ids, histories, protocol_names
from sensor.sinks.points import RAW_TYPES, REASONS, SPACES, VERBS, place_in_row, qualities, text_of
from sensor.store.schema import column_name

if TYPE_CHECKING:
    import polars as pl

ACTIONS = [label(action) for action in Action]
TRANSPORTS = [label(transport) for transport in Transport]
MOST_TEXTS = 1 << 17  # conversations whose texts are kept


def words(codes: Array, texts: Sequence[str | None]) -> pl.Series:
    """texts[code] of each row."""
    import polars as pl

    return pl.Series(texts, dtype=pl.String).gather(codes.astype(np.uint32))


def distinct(codes: Array, text: Any) -> pl.Series:
    """text(code) of each row, asked once per distinct code (up to 64 bits wide)."""
    if not len(codes) or codes[0] == codes[-1] and bool((codes == codes[0]).all()):
        return words(np.zeros(len(codes), np.uint32), [text(int(codes[0]))] if len(codes) else [])
    each, which = np.unique(codes, return_inverse=True)
    return words(which, [text(code) for code in each.tolist()])


def when(ts_ns: Any) -> pl.Series:
    """Times as Polars has them."""
    import polars as pl

    return pl.Series(ts_ns, dtype=pl.Int64).cast(pl.Datetime("ns", "UTC"))


def masked(series: pl.Series, present: NDArray[np.bool_]) -> pl.Series:
    """Null where the field is absent."""
    import polars as pl

    return series if bool(present.all()) else series.set(pl.Series(~present), None)


class Conversations:
    """Who talks to whom, as text: made once per conversation, and kept, bounded, until it is over."""

    def __init__(self) -> None:
        self.texts: dict[int, tuple[str, str, str | None]] = {}
        self.place = np.zeros(0, np.int64)

    def columns(self, flows: dict[str, Array], flow: NDArray[np.int32]) -> dict[str, Any]:
        """community_id, client and server of each row's flow."""
        if len(self.place) < len(flows["key"]):
            self.place = np.zeros(len(flows["key"]), np.int64)
        row = np.arange(len(flow))
        self.place[flow] = row
        stands = self.place[flow]  # of each flow's rows, the last stands for all
        is_one = stands == row
        one, which = flow[is_one], (np.cumsum(is_one) - 1)[stands]
        b = flows["server_is_b"][one]
        if len(self.texts) > MOST_TEXTS:
            self.texts.clear()
        found = [self.texts.get(key) or self._make(flows, key) for key in (one.astype(np.int64) << 1 | b).tolist()]
        client, server, community = zip(*found, strict=True) if found else ((), (), ())
        ports = {"client_port": np.where(b, flows["a_port"][one], flows["b_port"][one]), "server_port": np.where(b, flows["b_port"][one], flows["a_port"][one])}
        texts = {"community_id": words(which, community), "client_ip": words(which, client), "server_ip": words(which, server)}
        return texts | {name: port[which] for name, port in ports.items()}

    def _make(self, flows: dict[str, Array], key: int) -> tuple[str, str, str | None]:
        found = self.texts[key] = of_flow(flows, key >> 1)
        return found

    def forget(self, flow: Array) -> None:
        """These flows are over: their numbers will be others'."""
        for one in flow.tolist() if self.texts else ():
            self.texts.pop(one << 1, None)
            self.texts.pop(one << 1 | 1, None)


def of_flow(flows: dict[str, Array], flow: int) -> tuple[str, str, str | None]:
    """Client, server and community id (none without IP) of a row of columns like the flow table's."""
    client, server = conversation(flows, flow)
    return client.address, server.address, community_id(flows, flow) if flows["ip_version"][flow] else None


def front(seen: Seen, table: Table, rows: Ints, part: Ints, conversations: Conversations) -> dict[str, Any]:
    """The columns of every event."""
    return {
        "time": when(table.ts_ns[rows]),
        "source": words(np.zeros(len(rows)), [seen.source.name]),
        "source_id": words(np.zeros(len(rows)), [seen.source.id]),
        "frame": table.frame[rows],
        "position": table.pdus.position[table.pdu[rows]],
        "part": part,
        **conversations.columns(seen.flows, table.flow[rows]),
        "from_client": table.to_server[rows],
        "action": words(table.action[rows], ACTIONS),
        "outcome": words(outcome(table, rows), OUTCOMES),
        "trust": words(table.trust[rows], TRUSTS),
        "anomaly": distinct(table.anomaly[rows], lambda bits: ",".join(ecs.anomaly_names(bits)) or None),
    }


def protocol_frame(seen: Seen, table: Table, conversations: Conversations) -> pl.DataFrame:
    """The events of a protocol's table, in its order; columns that no row has are left out."""
    import polars as pl

    rows = np.flatnonzero(table.is_new)
    columns = front(seen, table, rows, parts(table.pdu[rows]), conversations)
    request = table.request[rows]
    answers = request >= 0
    columns["request_frame"] = masked(pl.Series(table.frame[np.maximum(request, 0)]), answers)
    columns["latency_ns"] = masked(pl.Series(table.latency_ns[rows]), answers)
    for field in table.fields.values():
        present = table.has(field.name)[rows]
        if field.name in table.columns and present.any():
            columns |= field_columns(table, field, rows, present)
    return pl.DataFrame(columns)


def field_columns(table: Table, field: Field, rows: Ints, present: NDArray[np.bool_]) -> dict[str, pl.Series]:
    """One field: numbers whole, codes with their names, lists by their offsets, bytes and objects one by one."""
    import polars as pl

    name, column = column_name(table.dataset, field.name), table.columns[field.name]
    if isinstance(column, Lists):
        return {name: list_series(column, rows, present)}
    if isinstance(column, Spans | dict):
        values: list[Any] = [None] * len(rows)
        mine = np.flatnonzero(present)
        if isinstance(column, dict):
            found: list[Any] = [ecs.quote(column.get(row)) for row in rows[mine].tolist()]
        else:
            found = spans(table, field, rows[mine])
        if field.dtype == "bytes":
            found = [bytes.fromhex(text) for text in found]
        for i, value in zip(mine.tolist(), found, strict=True):
            values[i] = value
        return {name: pl.Series(values, dtype=pl.Binary if field.dtype == "bytes" else pl.String)}
    codes = column[rows]
    numbers = {name: masked(pl.Series(codes), present)}
    if field.enum is not None:
        numbers[name + "_name"] = masked(distinct(codes, lambda code: ecs.name_of(field, code)), present)
    return numbers


def list_series(column: Lists, rows: Ints, present: NDArray[np.bool_]) -> pl.Series:
    """The lists of these rows, null where the field is absent."""
    import polars as pl

    start, count, content = column.flat()
    begin, size = start[rows], np.where(present, count[rows], 0)
    full = np.flatnonzero(size)
    group = np.repeat(np.arange(len(full), dtype=np.uint32), size[full])
    item = np.arange(len(group)) + np.repeat(begin[full] - (np.cumsum(size[full]) - size[full]), size[full])
    frame = pl.DataFrame({"group": pl.Series(group).set_sorted(), "item": content[item]})
    lists = frame.group_by("group", maintain_order=True).agg("item")["item"]
    if len(full) == len(rows):
        return lists
    place = np.full(len(rows), len(full), np.uint32)  # an empty list stands behind the full ones
    place[full] = np.arange(len(full))
    everything = pl.concat([lists, pl.Series([[]], dtype=lists.dtype)])
    return masked(everything.gather(place), present)


def point_frame(seen: Seen, table: Table, points: Points, kept: Kept, conversations: Conversations) -> pl.DataFrame:
    """The kept points of a table."""
    import polars as pl

    which = kept.rows
    rows, value = points.row[which], points.value[which]
    columns = front(seen, table, rows, parts(table.pdu)[rows], conversations)
    columns |= {"protocol": words(np.zeros(len(rows)), [table.dataset]), "place": place_in_row(points)[which], "repeats": kept.repeats, "reason": words(kept.reason, REASONS)}
    columns |= {"space": words(points.space[which], SPACES), "verb": words(points.verb[which], VERBS), "raw_type": words(points.raw_type[which], RAW_TYPES)}
    columns |= {name: getattr(points, name)[which] for name in ("unit", "block", "address", "index")}
    columns["quality"] = distinct(points.quality[which], lambda bits: ",".join(qualities(bits)) or None)
    columns["value"] = masked(pl.Series(value), ~np.isnan(value))
    places = which.tolist()
    for name, found, make in (("text", points.exact, text_of), ("name", points.name, str)):
        if found:
            columns[name] = pl.Series([make(found[i]) if i in found else None for i in places], dtype=pl.String)
    if points.time_ns:
        columns["device_time"] = when([points.time_ns.get(i) for i in places])
    return pl.DataFrame(columns)


def flow_frame(over: dict[str, Array], origins: list[Source], protocols: Sequence[Protocol]) -> pl.DataFrame:
    """Flows that are over. Raises nothing for flows without IP: their ends are MACs."""
    import polars as pl

    b = over["server_is_b"]
    found = [of_flow(over, row) for row in range(len(b))]
    client, server, community = zip(*found, strict=True) if found else ((), (), ())
    macs = {"client_mac": np.where(b, over["a_mac"], over["b_mac"]), "server_mac": np.where(b, over["b_mac"], over["a_mac"])}
    columns: dict[str, Any] = {
        "time": when(over["first_ns"]), "source": [source.name for source in origins], "source_id": [source.id for source in origins], "frame": over["first_frame"],
        "community_id": pl.Series(community, dtype=pl.String), "client_ip": pl.Series(client, dtype=pl.String), "server_ip": pl.Series(server, dtype=pl.String),
        "client_port": np.where(b, over["a_port"], over["b_port"]), "server_port": np.where(b, over["b_port"], over["a_port"]),
        "end": when(over["last_ns"]), "duration_ns": over["last_ns"] - over["first_ns"], "vlan": over["vlan"], "transport": words(over["transport"], TRANSPORTS),
        "history": histories(over["history"], b), "end_reason": words(over["end"], [ENDS[code] for code in range(len(ENDS))]),
        "protocol": [name or None for name in protocol_names(over["protocol"], protocols)],
    }  # fmt: skip
    for name in ("packets", "bytes", "payload"):
        a_sent, b_sent = over[f"{name}_a"], over[f"{name}_b"]
        columns |= {f"client_{name}": np.where(b, a_sent, b_sent), f"server_{name}": np.where(b, b_sent, a_sent)}
    columns["trust"] = words((over["packets_a"] == 0) | (over["packets_b"] == 0), TRUSTS)  # complete, one_sided
    columns |= {name: distinct(column, lambda mac: mac_text(mac) if mac else None) for name, column in macs.items()}
    return pl.DataFrame(columns)


def anomaly_frame(seen: Seen) -> pl.DataFrame:
    """Packets and streams that break a rule."""
    import polars as pl

    rows = []
    for anomaly, identifier in zip(seen.anomalies, anomaly_ids(seen), strict=True):
        flow = anomaly.flow
        row: dict[str, Any] = {"id": identifier, "time": anomaly.ts_ns, "source": seen.source.name, "source_id": seen.source.id, "frame": anomaly.frame}
        row |= {"kind": label(anomaly.kind), "protocol": anomaly.protocol or None, "size": anomaly.size, "detail": anomaly.detail or None}
        if flow >= 0:
            client, server = conversation(seen.flows, flow)
            row |= {"client_ip": client.address, "client_port": client.port, "server_ip": server.address, "server_port": server.port}
            row |= {"community_id": of_flow(seen.flows, flow)[2], "from_client": bool(seen.flows["server_is_b"][flow]) != anomaly.from_b}
        rows.append(row)
    types = {"community_id": pl.String, "client_ip": pl.String, "client_port": pl.UInt16, "server_ip": pl.String, "server_port": pl.UInt16, "from_client": pl.Boolean}
    frame = pl.DataFrame(rows, schema_overrides=types | {"protocol": pl.String, "detail": pl.String}, infer_schema_length=None)
    return frame.with_columns(when(frame["time"]).alias("time"))
