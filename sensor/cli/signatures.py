"""Rules from the command line and the configuration, made ready."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rules import pack_files
from sensor.cli.rule_options import Said

if TYPE_CHECKING:
    from detectors.signature.detector import Signatures
    from detectors.signature.load import RuleSet
    from detectors.signature.plan import Plan
    from sensor.config import RuleSettings
    from sensor.events.field import Field


PACKS = "packs"  # as a path: the rules that ship


def places(paths: Sequence[str]) -> list[str]:
    """Files and folders of rules; PACKS, where nothing is called so, stands for the rules that ship."""
    return [each for path in paths for each in (map(str, pack_files()) if path == PACKS and not Path(path).exists() else [path])]


def variables(settings: RuleSettings) -> dict[str, str]:
    """Variables by name, with those of Suricata's default configuration where rules are evaluated as there."""
    known = settings.known
    return (AS_SURICATA if settings.compat and known.get("HOME_NET") != "any" else {}) | known


def thresholds_of(settings: RuleSettings) -> list[Path]:
    return [Path(settings.threshold_config)] if settings.threshold_config else []


def chosen(settings: RuleSettings) -> list[str]:
    """Files and folders of the rules that are wanted; none where there shall be none."""
    return settings.paths or [PACKS] * settings.packs


def read(paths: Sequence[str], known: dict[str, str], thresholds: Sequence[Path]) -> RuleSet:
    """The rules of these files and folders. Raises UsageError for one that is not there."""
    from detectors.signature.load import load

    for path in [*map(Path, paths), *thresholds]:
        if not path.exists():
            raise click.UsageError(f"{path}: no such file or folder")
    return load(paths, known, fields(), thresholds=thresholds)


def fields() -> dict[str, tuple[Field, ...]]:
    """Those of each protocol, for which rules have keywords."""
    from sensor.protocols import PROTOCOLS

    return {protocol.name: protocol.fields for protocol in PROTOCOLS}


AS_SURICATA = {"HOME_NET": "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]", "EXTERNAL_NET": "!$HOME_NET"}  # its default configuration


def planned(rules: RuleSet, *, as_suricata: bool = False, geoip: str = "") -> Plan:
    """A rule set made ready."""
    from detectors.signature.plan import Plan

    known = {name: [field.name for field in columns] for name, columns in fields().items()}
    return Plan.of(rules.rules, known, rules.filters, as_suricata=as_suricata, geoip=geoip)


def made(settings: RuleSettings, check: str = "") -> Signatures | None:
    """The rule engine for what is configured, or for the packs that ship; None where there shall be no rules.

    How many are not loaded is said in one line. check: the command that says why.
    """
    paths = chosen(settings)
    if not paths:
        return None
    from detectors.signature.detector import Signatures
    from detectors.signature.engine import Engine
    from detectors.signature.suricata import Sessions

    as_suricata = settings.compat == "suricata"
    plan, missing = kept(places(paths), variables(settings), thresholds_of(settings), settings.cache, as_suricata=as_suricata, geoip=settings.geoip)
    for file, number, reason in plan.reputations.wrong:
        click.echo(f"tapsight: {file}:{number}: {reason}", err=True)
    if any(missing.values()):
        click.echo(f"tapsight: {len(plan.ready)} rules at work, {sum(missing.values())} not: {check or Said().check()} says why", err=True)
    return Signatures(
        Engine(plan, sessions=Sessions(settings.midstream, settings.checksums != "none", settings.checksums == "auto") if as_suricata else None), missing
    )


def state_of(reason: str) -> str:
    """What becomes of a rule that was read and cannot be evaluated: only a regular expression is the rule's own fault."""
    return "failed" if reason.startswith("pcre") else "skipped"


def kept(
    paths: Sequence[str], known: dict[str, str], thresholds: Sequence[Path], place: str, *, as_suricata: bool = False, geoip: str = ""
) -> tuple[Plan, dict[str, int]]:
    """The rules of these files and folders, made ready, and how many are not (failed, skipped); from an earlier start where nothing has changed since. Raises UsageError.

    place: where they are kept: "" for the user's own folder, "none" for nowhere. What cannot be used there or written is said, and no more.
    """
    from detectors.signature import cache

    folder, name = cache.folder(place), ""
    try:
        if place != "none":
            columns = {name: [(each.name, each.dtype, each.enum and list(each.enum.__members__.items())) for each in some] for name, some in fields().items()}
            name = cache.key(
                [Path(path) for path in paths],
                (sorted(known.items()), list(map(str, thresholds)), list(map(cache.content_of, thresholds)), columns, as_suricata, geoip),
            )
            if found := cache.read(folder, name, geoip):
                return found
    except (OSError, ValueError) as error:
        click.echo(f"tapsight: {folder / name}.rules: not used: {error}", err=True)
    rules = read(paths, known, thresholds)
    plan = planned(rules, as_suricata=as_suricata, geoip=geoip)
    missing = {"failed": rules.total.failed, "skipped": rules.total.skipped}
    for _, reason in plan.unable:
        missing[state_of(reason)] += 1
    try:
        if name:
            cache.write(folder, name, plan, missing)
    except OSError as error:
        click.echo(f"tapsight: {folder}: rules are not kept for the next start: {error.strerror or error}", err=True)
    return plan, missing
