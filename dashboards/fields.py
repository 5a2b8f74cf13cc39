"""Which fields our documents have, by data view, and what Kibana takes them for. From the templates of the data streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sensor.datasets import EVENTS
from sensor.delivery.mappings import EVENT, OWN, merged, nested, own_properties
from sensor.lang import translate

KINDS = {  # of Elasticsearch's types, what Kibana makes of them
    "keyword": "string", "constant_keyword": "string", "wildcard": "string", "ip": "ip", "date": "date", "boolean": "boolean",
    **dict.fromkeys(("byte", "short", "integer", "long", "unsigned_long", "float", "double"), "number"),
}  # fmt: skip
SPOKEN = tuple(dataset.name for dataset in EVENTS)
VIEWS: dict[str, tuple[str, ...]] = {  # data views and the datasets that they show
    "all": (*OWN, *SPOKEN),
    "events": tuple(name for name in (*OWN, *SPOKEN) if name not in ("alert", "anomaly", "asset", "flow", "health", "ledger", "point")),
    **{name: (name,) for name in ("alert", "anomaly", "asset", "flow", "health", "ledger", "point")},
}


def pattern(view: str) -> str:
    """The data streams of a data view."""
    if view == "all":
        return "logs-tapsight.*"
    if view == "events":
        return ",".join(("logs-tapsight.*", *(f"-logs-tapsight.{name}-*" for name in VIEWS if name not in ("all", "events"))))
    return f"logs-tapsight.{view}-*"


@dataclass(frozen=True)
class Known:
    """A field of a data view. kind: of KINDS, "object" where it is none; is_open: one of counters that the sensor's code names."""

    type: str
    can_group: bool
    is_open: bool = False

    @property
    def kind(self) -> str:
        return KINDS.get(self.type, "object")


def leaves(properties: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field and object by path."""
    for name, each in properties.items():
        yield before + name, each
        yield from leaves(each.get("properties", {}), f"{before}{name}.")


@cache
def of_dataset(dataset: str) -> dict[str, dict[str, Any]]:
    """Every field of a dataset's template by path."""
    return dict(leaves(merged(nested(EVENT), own_properties(dataset))))


def lookup(view: str, path: str) -> Known:
    """A field of a data view. Raises ValueError where there is none, or where datasets do not agree on what it is: Kibana cannot use those."""
    if path == "_id":
        return Known("keyword", can_group=False)
    found: dict[str, Known] = {}
    for dataset in VIEWS[view]:
        fields = of_dataset(dataset)
        if path in fields:
            each = fields[path]
            kind = "object" if "properties" in each or each.get("dynamic") else each["type"]
            found.setdefault(kind, Known(kind, KINDS.get(kind) is not None and each.get("doc_values", True)))
        elif any(fields.get(above, {}).get("dynamic") is True for above in parents(path)):
            found.setdefault("long", Known("long", can_group=True, is_open=True))
    if not found:
        raise ValueError(f"no document of {view} has {path}")
    if len({each.kind for each in found.values()}) > 1:
        raise ValueError(f"{path} is not the same in all documents of {view}: {', '.join(sorted(found))}")
    return next(iter(found.values()))


def parents(path: str) -> list[str]:
    """a.b.c: a, a.b."""
    words = path.split(".")
    return [".".join(words[:n]) for n in range(1, len(words))]


CAPITALS = {
    each.lower(): each for each in ("PI", "DB", "SZL", "URL", "MD5", "SHA1", "SHA256", "JA3", "JA3S", "JA4", "RPC", "IOA", "IIN", "OS", "ROSCTR", "APPID", "HASSH", "ALPN", "TPDU", "CIP", "PCCC")
}  # fmt: skip


def title(name: str) -> str:
    """A field's name as words: `db_numbers` becomes `DB numbers`."""
    words = " ".join(CAPITALS.get(word, word) for word in name.split("_"))
    return words[:1].upper() + words[1:]


@cache
def spoken() -> dict[str, dict[str, str]]:
    """What fields of protocols are called, by document key: their name as words, and the beginning of what is said about them in Chinese."""
    result = {}
    for dataset in EVENTS:
        for field in dataset.fields:
            path = field.ecs or f"{dataset.name}.{field.name}"
            zh = translate(field.about, "zh")
            for mark in "：；，。（":
                zh = zh.partition(mark)[0] if len(zh.partition(mark)[0]) > 1 and mark != "：" else zh
            result[path] = {"en": title(field.name), "zh": zh}
    return result
