"""What every field of every dataset is to Elasticsearch: from the fields' declarations for events, from the tables below for what is the sensor's own.

ECS 9.4 types (schemas/*.yml). A document's field that has no line here is kept, but not searched: mappings are not dynamic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sensor.datasets import EVENTS
from sensor.events.field import Field
from sensor.sinks.documents import Tree, placed

Type = dict[str, Any]  # a field's mapping

KEYWORD: Type = {"type": "keyword", "ignore_above": 1024}  # characters; longer texts are kept, but not searched
KEPT: Type = {"type": "keyword", "index": False, "doc_values": False}  # bytes as digits: kept, not searched
LONG: Type = {"type": "long"}
DOUBLE: Type = {"type": "double"}
BOOLEAN: Type = {"type": "boolean"}
DATE: Type = {"type": "date"}
IP: Type = {"type": "ip"}
TEXT: Type = {"type": "match_only_text"}
WILD: Type = {"type": "wildcard", "ignore_above": 1024}
FLATTENED: Type = {"type": "flattened", "ignore_above": 1024}
OPEN: Type = {"type": "object", "dynamic": True}  # counters whose names the sensor's code makes, so that there are only so many

NUMBERS: dict[str, Type] = {
    "u1": {"type": "short"}, "u2": {"type": "integer"}, "u4": LONG, "u8": {"type": "unsigned_long"}, "i1": {"type": "byte"}, "i2": {"type": "short"},
    "i4": {"type": "integer"}, "i8": LONG, "f4": {"type": "float"}, "f8": DOUBLE, "?": BOOLEAN, "M8[ns]": DATE,
}  # fmt: skip
TEXTS: dict[str, Type] = {"bytes": KEPT, "text": KEYWORD, "str": KEYWORD, "str[]": KEYWORD, "object": FLATTENED}


def paths(prefix: str, names: str, kind: Type) -> dict[str, Type]:
    """Several fields of one type."""
    return {f"{prefix}{name}": kind for name in names.split()}


END = {"address": KEYWORD, "ip": IP, "port": LONG, "mac": KEYWORD, "packets": LONG, "bytes": LONG}
EVENT: dict[str, Type] = {  # what every document may say
    "@timestamp": DATE, "message": TEXT, "ecs.version": KEYWORD, "data_stream.type": {"type": "constant_keyword", "value": "logs"},
    "data_stream.namespace": {"type": "constant_keyword"},
    **paths("event.", "id kind module dataset action outcome reason category type", KEYWORD), **paths("event.", "duration severity", LONG),
    **paths("event.", "start end created ingested", DATE), "event.risk_score": {"type": "float"},
    **{f"{side}.{name}": kind for side in ("source", "destination", "client", "server") for name, kind in END.items()},
    **paths("network.", "type transport protocol iana_number community_id direction vlan.id", KEYWORD), **paths("network.", "packets bytes", LONG),
    "related.ip": IP, "related.hosts": KEYWORD, "tags": KEYWORD,
    **paths("observer.", "name type vendor product version hostname ingress.zone ingress.interface.name ingress.interface.alias", KEYWORD),
    **paths("tapsight.", "source trust site", KEYWORD), "tapsight.frame": LONG,
}  # fmt: skip
ECS: dict[str, Type] = {  # names that fields take from ECS, where their type there is not what the field's own would be
    "url.original": WILD, "dns.resolved_ip": IP, "dns.answers": {"properties": {**paths("", "name type class data", KEYWORD), "ttl": LONG}},
    **paths("tls.", "server.not_before server.not_after client.not_before client.not_after", DATE),
    **dict.fromkeys(("url.port", "file.size", "http.request.body.bytes", "http.response.body.bytes", "http.response.status_code"), LONG),
}  # fmt: skip
PLACE = {"source": KEYWORD, "frame": LONG, "time": DATE}  # where something was seen
OWN: dict[str, dict[str, Type]] = {  # datasets that are not events of a protocol, besides what every document says
    "alert": {
        **paths("rule.", "id name category ruleset version uuid description reference license author", KEYWORD), "threat.framework": KEYWORD,
        **{f"threat.{what}.{name}": KEYWORD for what in ("tactic", "technique", "technique.subtechnique") for name in ("id", "name")},
        **paths("tapsight.alert.", "count accepted refused frames", LONG), **paths("tapsight.alert.", "key id", KEYWORD),
        "tapsight.alert.parameters": FLATTENED, "tapsight.alert.is_update": BOOLEAN,
        **paths("tapsight.alert.class.", "standard code name", KEYWORD),
    },
    "flow": {"tapsight.flow.history": KEYWORD, **paths("tapsight.flow.payload.", "source destination", LONG)},
    "asset": {
        "host.ip": IP, "host.mac": KEYWORD, **paths("device.", "manufacturer model.name serial_number", KEYWORD),
        **paths("tapsight.asset.", "id address roles serves uses publishes serves_not_decoded uses_not_decoded firmware serial name", KEYWORD), **paths("tapsight.asset.", "packets bytes", LONG),
        "tapsight.asset.last_seen": DATE, **{f"tapsight.asset.first.{name}": kind for name, kind in PLACE.items()},
        **paths("tapsight.asset.identity.", "name value said_by", KEYWORD),
        **{f"tapsight.asset.identity.{which}.{name}": kind for which in ("first", "last") for name, kind in PLACE.items()},
    },
    "point": {
        **paths("tapsight.point.", "protocol space verb raw_type text name quality reason", KEYWORD), **paths("tapsight.point.", "value first minimum maximum", DOUBLE),
        **paths("tapsight.point.", "unit block address index repeats", LONG), "tapsight.point.device_time": DATE,
    },
    "repeated": {**paths("tapsight.repeated.", "protocol action", KEYWORD), **paths("tapsight.repeated.", "requests responses failures", LONG)},
    "ledger": {
        "tapsight.sources": KEYWORD, **paths("tapsight.problems.", "source message", KEYWORD), "tapsight.problems.offset": LONG,
        **dict.fromkeys((f"tapsight.ledger.{name}" for name in ("packets", "payload", "flows", "protocols", "applications", "anomalies")), OPEN),
        **dict.fromkeys((f"tapsight.ledger.{name}" for name in ("not_read", "forgotten", "rules", "shed", "mistakes")), FLATTENED), "tapsight.ledger.imbalance": KEYWORD,
    },
    "anomaly": {"tapsight.anomaly.kind": KEYWORD, "tapsight.anomaly.detail": KEYWORD, "tapsight.anomaly.size": LONG},
    "health": {"tapsight.health": OPEN},
}  # fmt: skip
OF_EVENTS: dict[str, Type] = {"tapsight.request_frame": LONG, "tapsight.anomaly": KEYWORD}
COUNTERS: list[dict[str, Any]] = [  # what is under OPEN
    {"numbers": {"match_mapping_type": "long", "mapping": LONG}},
    {"fractions": {"match_mapping_type": "double", "mapping": DOUBLE}},
    {"texts": {"match_mapping_type": "string", "mapping": KEYWORD}},
]


def datasets() -> tuple[str, ...]:
    """Every dataset that has a data stream."""
    return (*OWN, *(dataset.name for dataset in EVENTS))


def stream_dataset(dataset: str) -> str:
    """A dataset's name as a data stream's name takes it: hyphens separate that name's parts."""
    return dataset.replace("-", "_")


def of_field(field: Field) -> Type:
    """What a field of an event is."""
    if field.ecs in ECS:
        return ECS[field.ecs]
    kind = TEXTS.get(field.dtype) or NUMBERS[field.dtype.removesuffix("[]")]
    return kind if field.enum is None else {"properties": {"code": kind, "name": KEYWORD}}


def of_tree(tree: Tree) -> dict[str, Type]:
    """Fields and objects of fields as properties."""
    return {name: of_field(each) if isinstance(each, Field) else {"properties": of_tree(each)} for name, each in tree.items()}


def nested(flat: Mapping[str, Type]) -> dict[str, Type]:
    """Dotted paths as properties within properties."""
    result: dict[str, Type] = {}
    for path, kind in flat.items():
        *parents, name = path.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {"properties": {}})["properties"]
        place[name] = kind
    return result


def merged(one: dict[str, Type], other: dict[str, Type]) -> dict[str, Type]:
    """Properties of both; objects that both have are joined."""
    result = dict(one)
    for name, kind in other.items():
        both = name in one and "properties" in one[name] and "properties" in kind
        result[name] = {"properties": merged(one[name]["properties"], kind["properties"])} if both else kind
    return result


def own_properties(dataset: str) -> dict[str, Type]:
    """What a dataset's documents say besides what all do."""
    if dataset in OWN:
        own = nested(OWN[dataset])
    else:
        fields = next(each.fields for each in EVENTS if each.name == dataset)
        own = merged(nested(OF_EVENTS), of_tree(placed(dataset, list(fields))))
    return merged(own, nested({"data_stream.dataset": {"type": "constant_keyword", "value": f"tapsight.{stream_dataset(dataset)}"}}))


FALLBACKS: dict[str, Type] = {  # what stands in where a server has no such type
    "wildcard": KEYWORD, "constant_keyword": KEYWORD, "match_only_text": {"type": "text"}, "unsigned_long": {"type": "long"}, "flattened": {"type": "object", "enabled": False},
}  # fmt: skip


def without(properties: dict[str, Type], missing: Iterable[str]) -> dict[str, Type]:
    """The same for a server that lacks these types."""
    lacking = set(missing)

    def one(kind: Type) -> Type:
        if "properties" in kind:
            return kind | {"properties": {name: one(each) for name, each in kind["properties"].items()}}
        return FALLBACKS[kind["type"]] if kind["type"] in lacking else kind

    return {name: one(kind) for name, kind in properties.items()}
