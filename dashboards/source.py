"""A dashboard as its source says it: rows of panels, each with what it counts and by what. YAML, checked against the fields that documents have."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dashboards import fields
from sensor.protocols import PROTOCOLS

WIDTH = 48  # columns of Kibana's grid
KINDS = ("metric", "table", "time", "bar", "pie", "tag", "heatmap", "events", "markdown", "links")
OPERATIONS = ("count", "unique", "sum", "max", "min", "average", "median", "p95", "last", "rate")
INDUSTRIAL = [protocol.name for protocol in PROTOCOLS if protocol.name != "lldp"]
PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8", "224.0.0.0/3", "fc00::/7", "fe80::/10", "ff00::/8", "::1")
ACTS = (
    "write", "operate", "mode_change", "start", "stop", "restart", "download", "upload", "modify_program", "force", "configure_write", "firmware_update",
    "time_set", "file_access",
)  # fmt: skip
MACROS = {
    "{industrial}": f"({' or '.join(INDUSTRIAL)})",
    "{private}": "(" + " or ".join(f'"{each}"' for each in PRIVATE) + ")",
    "{acts}": f"({' or '.join(ACTS)})",
}  # what conditions may name


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(Model):
    """A text in each language."""

    en: str
    zh: str

    def of(self, lang: str) -> str:
        text: str = getattr(self, lang)
        return text


def condition(text: str) -> str:
    """A condition in Kibana's language (KQL), written out."""
    for name, meaning in MACROS.items():
        text = text.replace(name, meaning)
    return " ".join(text.split())


class Filter(Model):
    """One of several conditions that make groups."""

    name: Words
    where: str
    color: str = ""

    _where = field_validator("where")(condition)


class Value(Model):
    """What is counted of a group: `count`, `sum network.bytes`, ... rate: how fast a counter that only grows does, per second."""

    of: str
    name: Words | None = None
    where: str = ""
    format: Literal["number", "bytes", "percent", "duration"] = "number"

    _where = field_validator("where")(condition)

    @model_validator(mode="before")
    @classmethod
    def short(cls, value: Any) -> Any:
        return {"of": value} if isinstance(value, str) else value

    @field_validator("of")
    @classmethod
    def is_known(cls, text: str) -> str:
        operation, _, field = text.partition(" ")
        if operation not in OPERATIONS or (operation == "count") != (not field):
            raise ValueError(f"{text}: a value is count, or one of {', '.join(OPERATIONS[1:])} and a field")
        return text

    @property
    def operation(self) -> str:
        return self.of.partition(" ")[0]

    @property
    def field(self) -> str:
        return self.of.partition(" ")[2]


class Group(Model):
    """By what is counted: a field's most frequent values (or those of which another value is greatest), or conditions."""

    of: str = ""
    size: int = Field(10, ge=1, le=1000)
    order: int = -1  # which of the panel's values; -1: the first that can be ordered by
    name: Words | None = None
    filters: tuple[Filter, ...] = ()
    exclude: tuple[str, ...] = ()  # values that make no group
    missing: bool = False  # whether what has no such field makes a group; of texts only

    @model_validator(mode="before")
    @classmethod
    def short(cls, value: Any) -> Any:
        return {"of": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def is_one(self) -> Group:
        if bool(self.of) == bool(self.filters):
            raise ValueError("a group is of a field or of filters")
        return self


class Panel(Model):
    """One panel. width: of the grid's 48 columns; go: the dashboard that a click on a value leads to."""

    kind: Literal["metric", "table", "time", "bar", "pie", "tag", "heatmap", "events", "markdown", "links"]
    title: Words
    width: int = Field(ge=1, le=WIDTH)
    view: str = ""
    where: str = ""
    by: tuple[Group, ...] = ()
    values: tuple[Value, ...] = (Value(of="count"),)
    axis: str = "@timestamp"
    shape: Literal["bar_stacked", "line", "area_stacked"] = "bar_stacked"
    go: str = ""
    search: str = ""
    text: Words | None = None
    color: str = ""

    _where = field_validator("where")(condition)

    @model_validator(mode="before")
    @classmethod
    def short(cls, value: Any) -> Any:
        """`metric: TITLE` in the place of `kind: metric` and `title: TITLE`."""
        kinds = [kind for kind in KINDS if isinstance(value, dict) and kind in value and isinstance(value[kind], dict)]
        if len(kinds) != 1:
            raise ValueError(f"a panel is one of {', '.join(KINDS)}")
        rest = {key: each for key, each in value.items() if key != kinds[0]}
        return rest | {"kind": kinds[0], "title": value[kinds[0]]}

    @model_validator(mode="after")
    def is_whole(self) -> Panel:
        if self.kind in ("markdown", "links"):
            if (self.kind == "markdown") != (self.text is not None):
                raise ValueError(f"{self.title.en}: markdown, and nothing else, has a text")
            return self
        if self.kind == "events":
            if self.search not in searches():
                raise ValueError(f"{self.title.en}: there is no search {self.search!r}")
            return self
        if self.view not in fields.VIEWS:
            raise ValueError(f"{self.title.en}: there is no data view {self.view!r}")
        least = {"metric": 0, "time": 0, "table": 1, "bar": 1, "pie": 1, "tag": 1, "heatmap": 2}[self.kind]
        most = {"metric": 0, "time": 1, "table": 12, "bar": 2, "pie": 2, "tag": 1, "heatmap": 2}[self.kind]
        if not least <= len(self.by) <= most:
            raise ValueError(f"{self.title.en}: a {self.kind} has {least} to {most} groups")
        for group in self.by:
            known = fields.lookup(self.view, group.of) if group.of else None
            if known is not None and (not known.can_group or (group.missing and known.kind != "string")):
                raise ValueError(f"{self.title.en}: {group.of} ({known.type}) cannot be grouped by{', with what has none' if known.can_group else ''}")
        for each in self.values:
            if each.field:
                known = fields.lookup(self.view, each.field)
                if not known.can_group or (known.kind not in ("number", "date") and each.operation not in ("unique", "last")):
                    raise ValueError(f"{self.title.en}: no {each.operation} of {each.field} ({known.type})")
        return self


class Row(Model):
    height: int = Field(ge=2, le=40)
    panels: tuple[Panel, ...] = Field(min_length=1)

    @field_validator("panels")
    @classmethod
    def fits(cls, panels: tuple[Panel, ...]) -> tuple[Panel, ...]:
        if sum(panel.width for panel in panels) != WIDTH:
            raise ValueError(f"the row of {panels[0].title.en!r} is {sum(panel.width for panel in panels)} columns wide, not {WIDTH}")
        return panels


class Search(Model):
    """A list of documents. columns: besides the time."""

    title: Words
    view: str
    where: str = ""
    columns: tuple[str, ...]

    _where = field_validator("where")(condition)

    @model_validator(mode="after")
    def is_known(self) -> Search:
        for column in self.columns:
            fields.lookup(self.view, column)
        return self


class Dashboard(Model):
    """One page. protocol: only its documents are shown."""

    name: str
    title: Words
    about: Words
    time: str = "now-24h"
    protocol: str = ""
    controls: tuple[str, ...] = ()
    controls_view: str = "all"
    rows: tuple[Row, ...]


def read(name: str) -> Any:
    """A YAML file of `sources`."""
    return yaml.safe_load(resources.files("dashboards").joinpath("sources", name).read_text("utf-8"))


@cache
def searches() -> dict[str, Search]:
    """Lists of documents by name: those of `searches.yaml`, and one for each protocol."""
    from dashboards.protocols import protocol_searches

    return {name: Search(**each) for name, each in (read("searches.yaml") | protocol_searches()).items()}


@cache
def dashboards() -> tuple[Dashboard, ...]:
    """All pages, in the order of navigation: those of `sources`, then one for each protocol."""
    from dashboards.protocols import pages

    return tuple(Dashboard(**(read(f"{name}.yaml") | {"name": name})) for name in PAGES) + tuple(Dashboard(**page) for page in pages())


PAGES = ("overview", "alerts", "assets", "conversations", "acts", "points", "protocols", "health", "conversation")


@cache
def words() -> dict[str, Words]:
    """What values and fields are called, by `max @timestamp` or `client.address`."""
    return {key: Words(**each) for key, each in read("words.yaml").items()}


def name_of(key: str, lang: str) -> str:
    """What a value or a field is called. Raises ValueError where nobody said so."""
    field = key.rpartition(" ")[2]
    for each in (key, field):
        if each in words():
            return words()[each].of(lang)
    for each in (field, field.removesuffix(".name")):
        if each in fields.spoken():
            return fields.spoken()[each][lang]
    raise ValueError(f"words.yaml does not say what {key} is called")


def fields_of(where: str) -> Iterable[str]:
    """The fields that a condition names."""
    return [match[1] for match in re.finditer(r"([@\w.-]+)\s*(?::|>=|<=|>|<)", re.sub(r'"[^"]*"', '""', where))]
