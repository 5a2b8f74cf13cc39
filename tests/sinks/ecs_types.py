"""The ECS 9.4 fields that documents use, with their types (schemas/*.yml): what a document says outside its own names must be one of them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

END = {"address": "keyword", "ip": "ip", "port": "long", "mac": "mac", "packets": "long", "bytes": "long"}
FIELDS = {
    "@timestamp": "date", "message": "text", "ecs.version": "keyword",
    **dict.fromkeys(("event.id", "event.kind", "event.module", "event.dataset", "event.action", "event.outcome", "event.reason"), "keyword"),
    "event.category": "keyword[]", "event.type": "keyword[]", "event.start": "date", "event.end": "date", "event.duration": "long", "event.severity": "long",
    "event.risk_score": "float",
    **{f"{side}.{name}": kind for side in ("source", "destination", "client", "server") for name, kind in END.items()},
    "network.type": "keyword", "network.transport": "keyword", "network.protocol": "keyword", "network.iana_number": "keyword", "network.community_id": "keyword",
    "network.packets": "long", "network.bytes": "long", "network.vlan.id": "keyword", "related.ip": "ip[]",
    "observer.name": "keyword", "observer.type": "keyword", "observer.vendor": "keyword", "observer.product": "keyword",
    "observer.ingress.zone": "keyword", "observer.ingress.interface.name": "keyword", "observer.ingress.interface.alias": "keyword",
    "rule.id": "keyword", "rule.name": "keyword", "rule.category": "keyword", "rule.ruleset": "keyword",
    "threat.framework": "keyword",
    **{f"threat.{what}.{name}": "keyword[]" for what in ("tactic", "technique", "technique.subtechnique") for name in ("id", "name")},
    "host.ip": "ip[]", "host.mac": "mac[]", "device.manufacturer": "keyword", "device.model.name": "keyword",
}  # fmt: skip
KINDS = {"alert", "asset", "event", "metric"}
OUTCOMES = {"success", "failure", "unknown"}
TYPES = {  # event.type by event.category, as schemas/event.yml pairs them
    "network": {"access", "allowed", "connection", "denied", "end", "info", "protocol", "start"},
    "configuration": {"access", "change", "creation", "deletion", "info"},
    "authentication": {"start", "end", "info"},
    "intrusion_detection": {"allowed", "denied", "info"},
    "host": {"access", "change", "end", "info", "start"},
}


def leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(f"{path}.{name}" if path else name, each)
    else:
        yield path, value


def problems(document: dict[str, Any]) -> list[str]:
    """What ECS would not take."""
    own = document["event"]["dataset"].removeprefix("tapsight.")
    found = [
        f"{path}: {FIELDS.get(path, 'no ECS field')}: {value!r}"
        for path, value in leaves("", document)
        if path.split(".")[0] not in ("tapsight", own) and not fits(FIELDS.get(path), value)
    ]
    event = document["event"]
    found += [f"event.{name}: {event.get(name)}" for name, known in (("kind", KINDS), ("outcome", OUTCOMES)) if event.get(name) not in known]
    allowed = set().union(*(TYPES.get(category, set()) for category in event["category"]))
    found += [f"event.type: {kind} with {event['category']}" for kind in event["type"] if kind not in allowed]
    return found + [f"no {name}" for name in ("@timestamp", "ecs", "event", "observer", "tapsight") if name not in document]


def fits(kind: str | None, value: Any) -> bool:
    """Whether a value is of an Elasticsearch type; None is none."""
    if kind is None:
        return False
    if kind.endswith("[]"):
        return isinstance(value, list) and all(fits(kind[:-2], each) for each in value)
    match kind:
        case "keyword" | "text":
            return isinstance(value, str)
        case "long":
            return isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63
        case "float":
            return isinstance(value, float)
        case "date":
            return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", value) is not None
        case "mac":
            return isinstance(value, str) and re.fullmatch(r"([0-9A-F]{2}-){5}[0-9A-F]{2}", value) is not None
        case _:
            return isinstance(value, str) and bool(ipaddress.ip_address(value))
