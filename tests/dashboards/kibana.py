"""Reads what is shipped as Kibana does: objects, what lies in them as text, and what panels refer to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dashboards.build import HOME

JSON_TEXTS = (
    "panelsJSON",
    "optionsJSON",
    "searchSourceJSON",
    "fieldFormatMap",
    "fields",
    "runtimeFieldMap",
    "fieldAttrs",
    "sourceFilters",
    "typeMeta",
    "ignoreParentSettingsJSON",
)


@cache
def objects(lang: str, home: Path = HOME) -> dict[tuple[str, str], dict[str, Any]]:
    """By type and id."""
    lines = (home / f"tapsight-{lang}.ndjson").read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines[:-1]]
    assert json.loads(lines[-1])["exportedCount"] == len(found)
    result = {(each["type"], each["id"]): each for each in found}
    assert len(result) == len(found), "ids are unique"
    return result


def of_type(lang: str, kind: str) -> list[dict[str, Any]]:
    return [each for (its, _), each in objects(lang).items() if its == kind]


def target(lang: str, references: list[dict[str, str]], name: str) -> dict[str, Any]:
    """The object that a reference of this name leads to."""
    (found,) = [each for each in references if each["name"] == name]
    return objects(lang)[found["type"], found["id"]]


@dataclass(frozen=True)
class Shown:
    """A panel of a dashboard. filters: those of the dashboard, as queries."""

    lang: str
    dashboard: dict[str, Any]
    panel: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.dashboard['id']}:{self.panel['panelIndex']} {self.panel['title']}"

    @property
    def kind(self) -> str:
        return str(self.panel["type"])

    @property
    def attributes(self) -> dict[str, Any]:
        return dict(self.panel["embeddableConfig"]["attributes"])

    @property
    def references(self) -> list[dict[str, str]]:
        return list(self.dashboard["references"])

    @property
    def filters(self) -> list[dict[str, Any]]:
        source = json.loads(self.dashboard["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        return [each["query"] for each in source["filter"] if not each["meta"]["disabled"]]

    @property
    def layer(self) -> tuple[str, dict[str, Any]]:
        ((name, layer),) = self.attributes["state"]["datasourceStates"]["formBased"]["layers"].items()
        return name, layer

    @property
    def query(self) -> str:
        return str(self.attributes["state"]["query"]["query"])

    @property
    def view(self) -> dict[str, Any]:
        """Its data view."""
        return target(self.lang, self.references, f"{self.panel['panelIndex']}:indexpattern-datasource-layer-{self.layer[0]}")

    @property
    def search(self) -> dict[str, Any]:
        return target(self.lang, self.references, f"{self.panel['panelIndex']}:{self.panel['panelRefName']}")


def panels(lang: str) -> list[Shown]:
    """Every panel of every dashboard."""
    return [Shown(lang, each, panel) for each in of_type(lang, "dashboard") for panel in json.loads(each["attributes"]["panelsJSON"])]
