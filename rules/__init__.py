"""What detections are called elsewhere: ATT&CK for ICS techniques and GB/T 20986-2023 classes; and the packs of rules that ship. All is data beside this module."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
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


@dataclass(frozen=True)
class About:
    """What a rule is about. technique: since v19 of ATT&CK for ICS; severity: a value of `signature_severity`."""

    title: str
    threat: str
    technique: str
    severity: str
    gbt_20986: str
    references: tuple[str, ...]
    false_positives: str


@dataclass(frozen=True)
class Pack:
    """A file of rules, and what each is about by its sid."""

    name: str
    title: str
    file: Path
    references: tuple[str, ...]
    rules: dict[int, About]


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


def pack_files() -> list[Path]:
    """The packs' rules."""
    return sorted((Path(__file__).parent / "packs").glob("*.rules"))


@cache
def packs() -> tuple[Pack, ...]:
    """By name. What a rule says nothing of is its pack's: threat, gbt_20986, references, false_positives."""
    return tuple(_pack(file) for file in pack_files())


def _pack(file: Path) -> Pack:
    about = _read(f"packs/{file.stem}.yaml")
    shared = {key: about[key] for key in ("threat", "gbt_20986", "references", "false_positives")}
    rules = {sid: About(**{**shared, **each, "references": tuple(each.get("references", shared["references"]))}) for sid, each in about["rules"].items()}
    return Pack(file.stem, about["title"], file, tuple(about["references"]), rules)


def _read(name: str) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(resources.files("rules").joinpath(name).read_text("utf-8"), loader)  # noqa: S506  # both are safe loaders
