"""Rows -> ECS documents as lines of JSON: rendered column by column, one template per combination of fields, so that a document costs microseconds.

The field names are those of ECS 9.4 (schemas/event.yml, network.yml, client.yml, server.yml); what ECS has no name for stands under the protocol's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sensor.columns import Array, Ints, heads
from sensor.decode.packets import Transport
from sensor.events.address import MAC_HIGH, conversation
from sensor.events.community import community_id
from sensor.events.field import Field, label
from sensor.events.seen import Seen
from sensor.events.table import Lists, Spans, Table
from sensor.events.vocabulary import Action, Anomaly, Trust

ECS_VERSION = "9.4.0"
LONGEST = 1024  # bytes or list items of one field that a document carries; the rest is in the capture
quote = json.dumps


class Renderer:
    """Renders events of one sensor. Keeps the rendered ends of each flow for the time of a batch."""

    def __init__(self, sensor: str) -> None:
        self.sensor = sensor
        self.flow_text: dict[tuple[int, bool], str] = {}

    def table(self, seen: Seen, table: Table) -> Iterator[str]:
        """One line per event of a protocol's table, in its order."""
        self.flow_text.clear()
        new = np.flatnonzero(table.is_new)
        if not new.size:
            return
        lines: list[str] = [""] * len(new)
        fronts = self._heads(seen, table, new)
        masks, which = np.unique(table.present[new], return_inverse=True)
        for i, mask in enumerate(masks.tolist()):
            mine = np.flatnonzero(which == i)
            rows = new[mine]
            fields = [field for field in table.fields.values() if mask & int(table.bit[field.name])]
            parts = [f'"{field.name}":%s' for field in fields]
            template = '%s,"' + table.dataset + '":{' + ",".join(parts) + "}}"
            columns = [self._column(table, field, rows) for field in fields]
            head = [fronts[j] for j in mine.tolist()]
            for j, values in zip(mine.tolist(), zip(head, *columns, strict=True), strict=True):
                lines[j] = template % values
        yield from lines

    def _heads(self, seen: Seen, table: Table, rows: Ints) -> list[str]:
        """What every event has, up to its protocol's own fields."""
        frame, flow, to_server = table.frame[rows], table.flow[rows], table.to_server[rows]
        position, index = table.pdus.position[table.pdu[rows]].tolist(), _index_in_pdu(table.pdu[rows]).tolist()
        dataset = table.dataset
        prefix = f'"kind":"event","category":["network"],"module":"tapsight","dataset":"tapsight.{dataset}"'
        template = (
            '{"@timestamp":"%sZ","ecs":{"version":"' + ECS_VERSION + '"},"event":{"id":"' + seen.source.id + "-" + dataset + '-%d-%d-%d",' + prefix
            + ',"type":["protocol",%s],"action":"%s","outcome":"%s"%s},%s,"observer":{"type":"sensor","name":' + quote(self.sensor) + '},"tapsight":{"frame":%d,"source":'
            + quote(seen.source.name) + ',"trust":"%s"%s}'
        )  # fmt: skip
        action = table.action[rows].tolist()
        latency, request = table.latency_ns[rows].tolist(), table.request[rows]
        asked = np.where(request >= 0, table.frame[np.maximum(request, 0)], 0).tolist()
        columns = zip(
            times(table.ts_ns[rows]), frame.tolist(), position, index, action, table.failed[rows].tolist(), latency, flow.tolist(), to_server.tolist(), asked,
            table.trust[rows].tolist(), table.anomaly[rows].tolist(), strict=True,
        )  # fmt: skip
        texts = []
        for ts, number, place, i, act, failed, ns, one, to, request_frame, trust, anomaly in columns:
            text = self.flow_text.get((one, to)) or self._ends(seen, one, to)
            more = (f',"request_frame":{request_frame}' if request_frame else "") + (_anomalies(anomaly) if anomaly else "")
            duration = f',"duration":{ns}' if ns >= 0 else ""
            kind = ECS_TYPE[act]
            texts.append(template % (ts, number, place, i, kind, ACTIONS[act], "failure" if failed else "success", duration, text, number, TRUSTS[trust], more))
        return texts

    def _ends(self, seen: Seen, flow: int, to_server: bool) -> str:
        text = self.flow_text[flow, to_server] = ends(seen.flows, flow, to_server)
        return text

    def _column(self, table: Table, field: Field, rows: Ints) -> Sequence[Any]:
        """One field of these rows, each as JSON text or a number."""
        column = table.columns[field.name]
        if isinstance(column, Lists):
            return [_list(column.of(row)) for row in rows.tolist()]
        if isinstance(column, Spans):
            spans = zip(column.at[rows].tolist(), column.size[rows].tolist(), strict=True)
            return [_bytes(table.pdus.data[at : at + min(size, LONGEST)].tobytes(), field.dtype) for at, size in spans]
        if isinstance(column, dict):
            return [quote(column[row], ensure_ascii=False, default=str) for row in rows.tolist()]
        if field.enum is not None:
            return codes(column[rows], field)
        return numbers(column[rows])


def ends(flows: dict[str, Array], flow: int, to_server: bool | None) -> str:
    """source, destination, client, server, network and related of a flow; where the sender does not matter (None) the client is the source."""
    client, server = conversation(flows, flow)
    is_mac = int(flows["a_high"][flow]) == MAC_HIGH
    texts = []
    for end in (client, server):
        body: dict[str, Any] = {"address": end.address} | ({} if is_mac else {"ip": end.address}) | ({"port": end.port} if end.port else {})
        texts.append(quote(body | ({"mac": end.mac} if end.mac != "00-00-00-00-00-00" else {})))
    source, destination = texts if to_server is not False else reversed(texts)
    network: dict[str, Any] = {"transport": Transport(int(flows["transport"][flow])).name.lower()}
    network |= {"vlan": {"id": str(int(flows["vlan"][flow]))}} if flows["vlan"][flow] else {}
    if not is_mac:
        network |= {"type": f"ipv{int(flows['ip_version'][flow])}", "iana_number": str(int(flows["ip_protocol"][flow]))}
        network |= {"community_id": community_id(flows, flow)}
    related = "" if is_mac else f',"related":{{"ip":[{quote(client.address)},{quote(server.address)}]}}'
    protocol = f',"client":{texts[0]},"server":{texts[1]},"network":{quote(network)}{related}'
    return f'"source":{source},"destination":{destination}{protocol}'


def times(ts_ns: Ints) -> list[str]:
    """UTC with nanoseconds, as ECS writes times, without the Z."""
    return list(np.datetime_as_string(ts_ns.astype("M8[ns]"), unit="ns").tolist())


def numbers(values: Array) -> list[Any]:
    """Numbers as JSON has them: NaN and the infinities, which it has not, as null."""
    if values.dtype.kind == "f":
        return [quote(value) if np.isfinite(value) else "null" for value in values.astype(np.float64).tolist()]
    return list(values.tolist())


def codes(values: Array, field: Field) -> list[str]:
    """Codes with their names."""
    names = {code: f'{{"code":{code},"name":{quote(name_of(field, code))}}}' for code in np.unique(values).tolist()}
    return [names[code] for code in values.tolist()]


def name_of(field: Field, code: int) -> str:
    """The name of an enum field's code, `unknown_7` where the enumeration has none."""
    assert field.enum is not None
    try:
        return label(field.enum(code))
    except ValueError:
        return f"unknown_{code}"


def _list(values: Array) -> str:
    body = ",".join(map(str, numbers(values[:LONGEST])))
    return f"[{body}]"


def _bytes(content: bytes, dtype: str) -> str:
    return quote(content.decode("utf-8", "replace").rstrip("\0")) if dtype == "text" else f'"{content.hex()}"'


def _anomalies(bits: int) -> str:
    return ',"anomaly":' + quote([str(bit.name).lower() for bit in Anomaly if bits & bit])


def _index_in_pdu(pdu: Ints) -> Ints:
    """Counts the rows of each PDU from 0."""
    place = np.arange(len(pdu))
    return place - np.maximum.accumulate(np.where(heads(pdu), place, 0))


ACTIONS = {action.value: label(action) for action in Action}
TRUSTS = {trust.value: label(trust) for trust in Trust}
ECS_TYPE = {
    action.value: {Action.CONNECT: '"connection"', Action.READ: '"access"', Action.WRITE: '"change"', Action.ERROR: '"error"'}.get(action, '"info"') for action in Action
}
