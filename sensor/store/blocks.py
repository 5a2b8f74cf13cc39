"""Batches' results -> blocks of columns: columns go over whole; only what is rare, or one per conversation, is touched by Python."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints, Mask, ragged
from sensor.decode.packets import Transport
from sensor.events.address import conversation, mac_text
from sensor.events.community import community_ids
from sensor.events.field import Field, label, name_of
from sensor.events.point import Points
from sensor.events.protocol import Dataset
from sensor.events.seen import Seen
from sensor.events.table import Lists, Spans, Table
from sensor.events.vocabulary import Action
from sensor.sinks import ecs
from sensor.sinks.changes import Kept
from sensor.sinks.documents import OUTCOMES, TRUSTS, contents, outcome, parts, texts
from sensor.sinks.findings import ENDS, anomaly_ids, histories, protocol_names
from sensor.sinks.points import RAW_TYPES, REASONS, SPACES, VERBS, outcomes, place_in_row, qualities, text_of
from sensor.store.parts import Addresses, Block, Few, Listed, Numbers, Part, Words
from sensor.store.schema import column_name, words_name

ACTIONS = [label(action) for action in Action]
TRANSPORTS = [label(transport) for transport in Transport]
MOST_IDS = 1 << 15  # conversations whose community ids are kept


class Conversations:
    """Who talks to whom. Community ids are made once per conversation, and kept, bounded, until it is over."""

    def __init__(self) -> None:
        self.ids: dict[int, str | None] = {}  # by flow
        self.place = np.zeros(0, np.int32)

    def columns(self, flows: dict[str, Array], flow: NDArray[np.int32]) -> dict[str, Part]:
        """community_id, client and server of each row's flow."""
        if len(self.place) < len(flows["key"]):
            self.place = np.zeros(len(flows["key"]), np.int32)
        row = np.arange(len(flow))
        self.place[flow] = row
        stands = self.place[flow]  # of each flow's rows, the last stands for all
        is_one = stands == row
        one, which = flow[is_one], (np.cumsum(is_one) - 1)[stands]
        if len(self.ids) > MOST_IDS:
            self.ids.clear()
        numbers = one.tolist()
        if missing := [number for number in numbers if number not in self.ids]:
            self.ids |= zip(missing, named(flows, np.array(missing)), strict=True)
        return ends({name: flows[name][one] for name in BOTH}, which) | {"community_id": Words(which, [self.ids[number] for number in numbers])}

    def forget(self, flow: Array) -> None:
        """These flows are over: their numbers will be others'."""
        for one in flow.tolist() if self.ids else ():
            self.ids.pop(one, None)


SIDES = ("high", "low", "port")
BOTH = ("server_is_b", *(f"{end}_{side}" for end in "ab" for side in SIDES))


def ends(flows: dict[str, Array], which: Array) -> dict[str, Part]:
    """Addresses and ports of client and server: which of these flows is each row's."""
    columns: dict[str, Part] = {}
    for name, is_b in (("client", ~flows["server_is_b"]), ("server", flows["server_is_b"])):
        high, low, port = (np.where(is_b, flows[f"b_{side}"], flows[f"a_{side}"]) for side in SIDES)
        columns |= {f"{name}_ip": Addresses(which, high, low), f"{name}_port": Numbers(port[which])}
    return columns


def named(flows: dict[str, Array], flow: Ints) -> list[str | None]:
    """Community ids (none without IP) of rows of columns like the flow table's."""
    found: list[str | None] = [None] * len(flow)
    rows = np.flatnonzero(flows["ip_version"][flow])
    for row, name in zip(rows.tolist(), community_ids(flows, flow[rows]), strict=True):
        found[row] = name
    return found


def anomaly_text(bits: int) -> str | None:
    return ",".join(ecs.anomaly_names(bits)) or None


def quality_text(bits: int) -> str | None:
    return ",".join(qualities(bits)) or None


def front(seen: Seen, table: Table, rows: Ints, part: Ints, conversations: Conversations) -> dict[str, Part]:
    """The columns of every event, without its source."""
    return {
        "time": Numbers(table.ts_ns[rows]),
        "frame": Numbers(table.frame[rows]),
        "position": Numbers(table.pdus.position[table.pdu[rows]]),
        "part": Numbers(part),
        **conversations.columns(seen.flows, table.flow[rows]),
        "from_client": Numbers(table.to_server[rows]),
        "action": Numbers(table.action[rows], text=ACTIONS.__getitem__),
        "outcome": Numbers(outcome(table, rows).astype(np.uint8), text=OUTCOMES.__getitem__),
        "trust": Numbers(table.trust[rows], text=TRUSTS.__getitem__),
        "anomaly": Numbers(table.anomaly[rows], text=anomaly_text),
    }


def protocol_block(seen: Seen, table: Table, conversations: Conversations) -> Block:
    """The events of a protocol's table, in its order."""
    rows = np.flatnonzero(table.is_new)
    columns = front(seen, table, rows, parts(table.pdu[rows]), conversations)
    request = table.request[rows]
    answers = request >= 0
    columns["request_frame"] = Numbers(table.frame[np.maximum(request, 0)], answers)
    columns["latency_ns"] = Numbers(table.latency_ns[rows], answers)
    for field in table.fields.values():
        if field.name in table.columns:
            present = table.has(field.name)[rows]
            if present.any():
                columns |= field_columns(table, field, rows, present)
    return Block(len(rows), columns)


def field_columns(table: Table, field: Field, rows: Ints, present: Mask) -> dict[str, Part]:
    """One field: numbers whole, codes with their names, lists by their offsets, bytes and objects one by one."""
    name, column = column_name(table.dataset, field.name), table.columns[field.name]
    mine = np.flatnonzero(present)
    if isinstance(column, dict):
        values = [column.get(row) for row in rows[mine].tolist()]
        return {name: Few(mine, list(map(ecs.quote, values)) if field.dtype == "object" else values)}
    if isinstance(column, Spans):
        return {name: Few(mine, (contents if field.dtype == "bytes" else texts)(table, field, rows[mine]))}

    def of(values: Array) -> dict[str, Numbers]:
        found = {name: Numbers(values)}
        if field.enum is not None:
            found[words_name(table.dataset, field.name, table.fields)] = Numbers(values, text=partial(name_of, field.enum))
        return found

    if isinstance(column, Lists):
        start, count, content = column.flat()
        size = np.where(present, count[rows], 0)
        row, index = ragged(size)
        return {each: Listed(size, items, present) for each, items in of(content[start[rows][row] + index]).items()}
    found = of(column[rows])
    for each in found.values():
        each.present = present
    return dict(found)


def point_block(seen: Seen, table: Table, points: Points, kept: Kept, conversations: Conversations) -> Block:
    """The kept points of a table."""
    which = kept.rows
    rows, value, places = points.row[which], points.value[which], which.tolist()
    columns = front(seen, table, rows, parts(table.pdu)[rows], conversations)
    columns |= {
        "protocol": Words(np.zeros(len(rows), np.int64), [table.dataset]),
        "place": Numbers(place_in_row(points)[which]),
        "repeats": Numbers(kept.repeats),
        "outcome": Numbers(outcomes(table, points, kept).astype(np.uint8), text=OUTCOMES.__getitem__),
    }
    columns |= {name: Numbers(getattr(points, name)[which]) for name in ("unit", "block", "address", "index")}
    coded = (("space", points.space[which], SPACES), ("verb", points.verb[which], VERBS), ("raw_type", points.raw_type[which], RAW_TYPES))
    columns |= {name: Numbers(codes, text=texts.__getitem__) for name, codes, texts in (*coded, ("reason", kept.reason, REASONS))}
    columns |= {"quality": Numbers(points.quality[which], text=quality_text), "value": Numbers(value, ~np.isnan(value))}
    for name, found, make in (("text", points.exact, text_of), ("name", points.name, str)):
        mine = [i for i, point in enumerate(places) if point in found] if found else []
        columns |= {name: Few(np.array(mine), [make(found[places[i]]) for i in mine])} if mine else {}
    if points.time_ns:
        times = np.array([points.time_ns.get(point, 0) for point in places], np.int64)
        columns["device_time"] = Numbers(times, np.isin(which, list(points.time_ns)))
    return Block(len(rows), columns)


def flow_block(over: dict[str, Array], protocols: Sequence[Dataset]) -> Block:
    """Flows that are over, of one source."""
    b, row = over["server_is_b"], np.arange(len(over["flow"]))
    columns = ends(over, row) | {"community_id": Words(row, named(over, row))}
    for name, is_b in (("client_mac", ~b), ("server_mac", b)):
        columns[name] = Numbers(np.where(is_b, over["b_mac"], over["a_mac"]), text=mac_or_none)
    for name in ("packets", "bytes", "payload"):
        a_sent, b_sent = over[f"{name}_a"], over[f"{name}_b"]
        columns |= {f"client_{name}": Numbers(np.where(b, a_sent, b_sent)), f"server_{name}": Numbers(np.where(b, b_sent, a_sent))}
    one_sided = (over["packets_a"] == 0) | (over["packets_b"] == 0)
    columns |= {
        "time": Numbers(over["first_ns"]), "frame": Numbers(over["first_frame"]), "end": Numbers(over["last_ns"]), "duration_ns": Numbers(over["last_ns"] - over["first_ns"]),
        "vlan": Numbers(over["vlan"], over["vlan"] > 0), "transport": Numbers(over["transport"], text=TRANSPORTS.__getitem__),
        "history": Words(row, histories(over["history"], b)), "end_reason": Numbers(over["end"], text=ENDS.__getitem__),
        "protocol": Words(row, [name or None for name in protocol_names(over["protocol"], protocols)]), "trust": Numbers(one_sided.astype(np.uint8), text=TRUSTS.__getitem__),
    }  # fmt: skip
    return Block(len(row), columns)


def mac_or_none(mac: int) -> str | None:
    return mac_text(mac) if mac else None


def anomaly_block(seen: Seen) -> Block:
    """Packets and streams that break a rule."""
    anomalies, n = seen.anomalies, len(seen.anomalies)
    row, flow = np.arange(n), np.array([anomaly.flow for anomaly in anomalies])
    mine = np.flatnonzero(flow >= 0)
    talking = [conversation(seen.flows, one) for one in flow[mine].tolist()]
    ports = np.zeros((2, n), np.int64)
    ports[:, mine] = np.array([[client.port for client, _ in talking], [server.port for _, server in talking]], np.int64)
    from_b = np.array([anomaly.from_b for anomaly in anomalies], np.bool_)
    names = [(i, name) for i, name in zip(mine.tolist(), named(seen.flows, flow[mine]), strict=True) if name is not None]  # bare Ethernet has none
    columns: dict[str, Part] = {
        "id": Words(row, anomaly_ids(seen)),
        "time": Numbers(np.array([anomaly.ts_ns for anomaly in anomalies], np.int64)),
        "frame": Numbers(np.array([anomaly.frame for anomaly in anomalies], np.int64)),
        "kind": Words(row, [label(anomaly.kind) for anomaly in anomalies]),
        "protocol": Words(row, [anomaly.protocol or None for anomaly in anomalies]),
        "size": Numbers(np.array([anomaly.size for anomaly in anomalies], np.int64)),
        "detail": Words(row, [anomaly.detail or None for anomaly in anomalies]),
        "client_ip": Few(mine, [client.address for client, _ in talking]),
        "server_ip": Few(mine, [server.address for _, server in talking]),
        "client_port": Numbers(ports[0], flow >= 0),
        "server_port": Numbers(ports[1], flow >= 0),
        "from_client": Numbers(seen.flows["server_is_b"][np.maximum(flow, 0)] != from_b, flow >= 0),
        "community_id": Few(np.array([i for i, _ in names], np.int64), [name for _, name in names]),
    }
    return Block(n, columns)
