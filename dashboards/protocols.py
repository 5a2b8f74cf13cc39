"""One page for each dataset of events, from its declared fields and a short source (`sources/pages.yaml`)."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from dashboards import fields
from sensor.datasets import EVENTS
from sensor.events.field import Field
from sensor.events.protocol import Dataset, Protocol
from sensor.lang import LANGUAGES, translate

ERRORS = {"en": "Errors", "zh": "错误"}
ENDS = ("client.address", "server.address")
WRITES = "event.action: {acts}"
READS = "event.action: (read or report or configure_read)"
GOOD = ("success", "no_error", "good")  # what errors are not
MENU = {"height": 3, "panels": [{"links": {"en": "Pages", "zh": "页面"}, "width": 48}]}


class Page(BaseModel):
    """What only people know of a protocol, by names of its fields. functions: what it is asked for; errors: how it refuses; tags: names that it carries;
    reads, writes: what is told of them beside who did it to whom; points: what tells its points apart; columns: of its list of events."""

    model_config = ConfigDict(extra="forbid")

    functions: tuple[str, ...]
    errors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    points: Literal["address", "name"] = "address"
    columns: tuple[str, ...]


@cache
def sources() -> dict[str, Page]:
    """The short sources by dataset; of a dataset that has none yet, its first fields. Raises ValueError where there is no such dataset."""
    from dashboards.source import read

    found = {name: Page(**each) for name, each in read("pages.yaml").items()}
    if wrong := found.keys() - {dataset.name for dataset in EVENTS}:
        raise ValueError(f"pages.yaml names what is no dataset: {', '.join(sorted(wrong))}")
    return {dataset.name: found.get(dataset.name) or plain(dataset) for dataset in EVENTS}


def plain(dataset: Dataset) -> Page:
    """What can be said of a protocol without knowing it: its first code tables, or else its first fields."""
    able = [field for field in dataset.fields if fields.lookup("events", key(dataset, field)).can_group]
    named = [field.name for field in able if field.enum is not None]
    first = tuple(field.name for field in able)
    return Page(functions=tuple(named[:2]) or first[:1], columns=tuple(named[:3]) or first[:5])


def path(dataset: Dataset, name: str) -> str:
    """The document's key of a field by its name; an enumeration's is that of its codes' names. Raises ValueError."""
    field = next((field for field in dataset.fields if field.name == name), None)
    if field is None:
        raise ValueError(f"pages.yaml: {dataset.name} has no field {name}")
    return key(dataset, field)


def key(dataset: Dataset, field: Field) -> str:
    return (field.ecs or f"{dataset.name}.{field.name}") + (".name" if field.enum else "")


def paths(dataset: Dataset, names: tuple[str, ...]) -> list[str]:
    return [path(dataset, name) for name in names]


def protocol_searches() -> dict[str, Any]:
    """A list of events for each."""
    return {
        f"protocol-{dataset.name}": {
            "title": {"en": f"{dataset.title}: events", "zh": f"{translate(dataset.title, 'zh')}：事件"},
            "view": "events",
            "where": f"event.dataset: tapsight.{dataset.name}",
            "columns": [
                "event.action", "event.outcome", "source.address", "destination.address", *paths(dataset, sources()[dataset.name].columns), "tapsight.anomaly",
                "network.community_id", "tapsight.source", "tapsight.frame",
            ],
        }
        for dataset in EVENTS
    }  # fmt: skip


def metric(en: str, zh: str, **rest: Any) -> dict[str, Any]:
    return {"metric": {"en": en, "zh": zh}, "width": 8, "view": "events"} | rest


def pages() -> list[dict[str, Any]]:
    """The sources of all pages."""
    return [page(dataset, sources()[dataset.name]) for dataset in EVENTS]


def page(dataset: Dataset, source: Page) -> dict[str, Any]:
    """One page: functions, errors, clients and servers, reads and writes, values, alerts, and the events themselves."""
    is_own = f"event.dataset: tapsight.{dataset.name}"
    failed = {"of": "count", "where": "event.outcome: failure", "name": ERRORS}
    first = metric("Events", "事件", where=is_own, color="#54b399")
    numbers = [
        first,
        metric("Clients", "客户端", values=["unique client.address"], color="#6092c0"),
        metric("Servers", "服务器", values=["unique server.address"], color="#6092c0"),
        metric("Acts", "操作", where=f"{is_own} and event.action: {{acts}}", color="#d6bf57"),
        metric("Errors", "错误", where=f"{is_own} and event.outcome: failure", color="#e7664c"),
        metric("Anomalies", "异常", where=f"{is_own} and tapsight.anomaly: *", color="#bd271e"),
    ]
    functions = [bar(dataset, name, 48 // len(source.functions), where=is_own) for name in source.functions]
    talk = [
        {
            "time": {"en": "Events by act", "zh": "事件（按动作）"}, "width": 24, "view": "events", "where": is_own, "by": [{"of": "event.action", "size": 12}],
            "go": "acts",
        },
        {
            "table": {"en": "Clients and servers", "zh": "客户端与服务器"}, "width": 24, "view": "events",
            "by": [{"of": ENDS[0], "size": 30}, {"of": ENDS[1], "size": 30}],
            "values": ["count", failed, "sum tapsight.repeated.requests", "max @timestamp"], "go": "conversations",
        },
    ]  # fmt: skip
    wrong = [refused(dataset, name, 48 // (len(source.errors) + 1), is_own) for name in source.errors]
    anomalies = {
        "bar": {"en": "What is wrong with them", "zh": "异常"}, "width": 48 - sum(each["width"] for each in wrong), "view": "events",
        "where": f"{is_own} and tapsight.anomaly: *", "by": ["tapsight.anomaly", "client.address"], "go": "conversations",
    }  # fmt: skip
    rows = [MENU, row(6, numbers), row(12, functions), row(12, talk), row(11, [*wrong, anomalies])]
    if source.reads or source.writes:
        rows.append(row(11, [done(dataset, "Reads and reports", "读取与上报", READS, source.reads)]))
        rows.append(row(11, [done(dataset, "Writes and other acts", "写入与其他操作", WRITES, source.writes)]))
    if source.tags:
        rows.append(row(9, [tag(dataset, name, 48 // len(source.tags)) for name in source.tags]))
    if dataset.points is not None:
        rows.append(row(12, values(source.points)))
    rows.append(row(15, [{"events": {"en": "Events, newest first", "zh": "事件（最新在前）"}, "width": 48, "search": f"protocol-{dataset.name}"}]))
    title, kind = dataset.title, ("industrial protocol", "工控协议") if isinstance(dataset, Protocol) else ("application", "应用协议")
    return {
        "name": f"protocol-{dataset.name}",
        "title": {"en": title, "zh": translate(title, "zh")},
        "about": {"en": f"{title} ({kind[0]}): functions, errors, clients and servers, reads and writes.", "zh": f"{translate(title, 'zh')}（{kind[1]}）：功能、错误、客户端与服务器、读取与写入。"},
        "protocol": dataset.name, "controls": [*ENDS, "event.action", "tapsight.source"], "controls_view": "events", "rows": rows,
    }  # fmt: skip


def row(height: int, panels: list[dict[str, Any]]) -> dict[str, Any]:
    """A row that is filled: its last panel takes what division leaves."""
    rest = 48 - sum(panel["width"] for panel in panels)
    return {"height": height, "panels": [*panels[:-1], panels[-1] | {"width": panels[-1]["width"] + rest}]}


def names(dataset: Dataset, name: str) -> dict[str, str]:
    return called(path(dataset, name))


def called(field: str) -> dict[str, str]:
    from dashboards.source import name_of

    return {lang: name_of(field, lang) for lang in LANGUAGES}


def bar(dataset: Dataset, name: str, width: int, where: str) -> dict[str, Any]:
    """A field's values, and how it went."""
    by = [{"of": path(dataset, name), "size": 15}, {"of": "event.outcome", "size": 3}]
    return {"bar": names(dataset, name), "width": width, "view": "events", "where": where, "by": by, "go": "conversations"}


def refused(dataset: Dataset, name: str, width: int, is_own: str) -> dict[str, Any]:
    """An error's codes but for those that say that there is none, by who caused them."""
    field = path(dataset, name)
    is_number = fields.lookup("events", field).kind == "number"
    by = [{"of": field, "size": 15, "exclude": () if is_number else GOOD}, {"of": "client.address", "size": 10}]
    where = f"{is_own} and {field} >= 1" if is_number else f"{is_own} and {field}: *"
    return {"bar": names(dataset, name), "width": width, "view": "events", "where": where, "by": by, "go": "conversations"}


def tag(dataset: Dataset, name: str, width: int) -> dict[str, Any]:
    return {"tag": names(dataset, name), "width": width, "view": "events", "by": [{"of": path(dataset, name), "size": 25}], "go": "conversations"}


def done(dataset: Dataset, en: str, zh: str, where: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Who did what to whom, with what the protocol says of it: names make groups, numbers are told by their range."""
    known = {each: fields.lookup("events", each).kind for each in paths(dataset, names)}
    groups = [{"of": each, "size": 20} for each in (*ENDS, "event.action")]
    groups += [{"of": each, "size": 20, "missing": where == WRITES} for each, kind in known.items() if kind == "string"]
    values: list[Any] = ["count", {"of": "count", "where": "event.outcome: failure", "name": ERRORS}]
    values += [ranged(each, which) for each, kind in known.items() if kind != "string" for which in ("min", "max")]
    condition = f"event.dataset: tapsight.{dataset.name} and {where}"
    panel = {"table": {"en": en, "zh": zh}, "width": 48, "view": "events", "where": condition, "by": groups, "values": [*values, "max @timestamp"]}
    return panel | ({"go": "points"} if dataset.points is not None else {})


def ranged(field: str, which: str) -> dict[str, Any]:
    """The least or greatest of a number."""
    name = called(field)
    of = {"min": {"en": "{}, from", "zh": "{}（起）"}, "max": {"en": "to", "zh": "（止）"}}[which]
    return {"of": f"{which} {field}", "name": {lang: of[lang].format(name[lang]) for lang in name}}


def values(by: str) -> list[dict[str, Any]]:
    """Its points. by: what tells them apart."""
    groups: list[dict[str, Any]] = [
        {"of": "server.address", "size": 10},
        {"of": "tapsight.point.space", "size": 10},
        {"of": "tapsight.point.block", "size": 10},
    ]
    groups.append({"of": f"tapsight.point.{by}", "size": 30})
    return [
        {
            "time": {"en": "Values, by point", "zh": "数值（按点）"}, "width": 24, "view": "point", "shape": "line", "by": [{"of": f"tapsight.point.{by}", "size": 12}],
            "where": "tapsight.point.value: *", "values": ["last tapsight.point.value"], "go": "points",
        },
        {
            "table": {"en": "Points", "zh": "点表"}, "width": 24, "view": "point", "by": groups, "where": "tapsight.point.value: *",
            "values": ["count", "last tapsight.point.value", "min tapsight.point.value", "max tapsight.point.value"], "go": "points",
        },
    ]  # fmt: skip
