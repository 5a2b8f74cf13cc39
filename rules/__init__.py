"""What detections are called elsewhere: ATT&CK for ICS techniques and GB/T 20986-2023 classes, read from the data files beside this module."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml


@dataclass(frozen=True)
class Technique:
    """A technique of ATT&CK for ICS. id: since v19; v18: before, empty where there was none. zh: its name in Chinese."""

    id: str
    name: str
    zh: str
    v18: str
    tactics: tuple[str, ...]


@dataclass(frozen=True)
class IncidentClass:
    """A class of GB/T 20986-2023. zh: its name in the standard. is_verified: the code was seen in print."""

    code: str
    name: str
    zh: str
    is_verified: bool


@cache
def techniques() -> dict[str, Technique]:
    """By identifier of v19 and later."""
    entries = _read("attack_ics.yaml")["techniques"]
    return {each["id"]: Technique(each["id"], each["name"], each["zh"], each.get("v18", each["id"]), tuple(each["tactics"])) for each in entries}


def old_ids(ids: Iterable[str]) -> list[str]:
    """What these techniques were called before v19; those that were not are left out."""
    return [old for old in dict.fromkeys(techniques()[each].v18 for each in ids) if old]


@cache
def tactics() -> dict[str, str]:
    """English name by identifier."""
    return {identifier: each["name"] for identifier, each in _read("attack_ics.yaml")["tactics"].items()}


@cache
def incident_classes() -> dict[str, IncidentClass]:
    """By code: two digits, or five for a subclass."""
    return {each["code"]: IncidentClass(each["code"], each["name"], each["zh"], each["verified"]) for each in _read("gbt20986.yaml")["classes"]}


def _read(name: str) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(resources.files("rules").joinpath(name).read_text("utf-8"), loader)  # noqa: S506  # both are safe loaders
