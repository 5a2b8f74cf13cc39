"""`tapsight rules`: what becomes of rule files, before any capture is read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sensor.cli.completion import FILE
from sensor.cli.groups import Group
from sensor.cli.reference import format_option
from sensor.cli.signatures import PACKS, fields, places, planned
from sensor.cli.terminal import printable

if TYPE_CHECKING:
    from detectors.signature.explain import Account
    from detectors.signature.load import Problem, RuleSet
    from detectors.signature.plan import Plan, Ready

paths_argument = click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(path_type=Path))
home_option = click.option("--home-net", metavar="CIDR,...", help="The addresses of the plant, $HOME_NET in rules. [default: private addresses]")
variable_option = click.option("--var", "settings", multiple=True, metavar="NAME=VALUE", help="A variable that rules name, e.g. DNP3_PORTS=[20000,19999].")
geoip_option = click.option("--geoip", default="", metavar="FILE", type=FILE, help="Database of countries in MaxMind's format (.mmdb), for rules with geoip.")


@click.group(cls=Group)
def rules() -> None:
    """Check, list, explain, profile or draft rules in Suricata's and Snort's language."""


@rules.command(epilog="Example: tapsight rules check emerging-scada.rules local/ --home-net 10.1.0.0/16")
@paths_argument
@home_option
@variable_option
@geoip_option
@format_option
@click.pass_context
def check(ctx: click.Context, paths: tuple[Path, ...], home_net: str | None, settings: tuple[str, ...], geoip: str, style: str) -> None:
    """Say which rules are not loaded and why: file, line, keyword, reason. Exit code 1 where one failed."""
    found, _ = read(paths, home_net, settings, geoip)
    if style == "json":
        click.echo(json.dumps(as_json(found), ensure_ascii=False, indent=2))
    else:
        for problem in found.problems:
            click.echo(printable(problem_line(problem)))
        for warned in found.warnings:
            more = f" ({warned.count} rules, the first is sid {warned.sid})" if warned.count > 1 else f" (sid {warned.sid})"
            click.echo(printable(f"{warned.file}:{warned.line}: accepted: {warned.text}{more}"))
        for file, totals in (*found.totals.items(), *([("all files", found.total)] if len(found.totals) > 1 else [])):
            counts = ", ".join(f"{n} {state}" for state, n in dataclasses.asdict(totals).items() if n or state == "loaded")
            click.echo(printable(f"{file}: {counts}"))
    if found.total.failed:
        ctx.exit(1)


@rules.command("list", epilog="Example: tapsight rules list emerging-scada.rules --format json")
@paths_argument
@home_option
@variable_option
@format_option
def list_(paths: tuple[Path, ...], home_net: str | None, settings: tuple[str, ...], style: str) -> None:
    """List the rules that are loaded."""
    found, _ = read(paths, home_net, settings)
    if style == "json":
        rows = [
            {
                "id": rule.id,
                "rev": rule.rev,
                "action": rule.action,
                "protocol": rule.header.protocol,
                "msg": rule.msg,
                "classtype": rule.classtype,
                "priority": rule.priority,
                "file": rule.file,
                "line": rule.line,
            }
            for rule in found.rules
        ]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    for rule in found.rules:
        click.echo(printable(f"{rule.id}:{rule.rev}  {rule.action} {rule.header.protocol}  {rule.msg}".rstrip()))


rules_option = click.option(
    "--rules", "paths", multiple=True, metavar="FILE|DIR", type=click.Path(path_type=Path), help="Where the rules are; packs: those that ship. [default: packs]"
)


@rules.command(epilog="Example: tapsight rules explain 9000001 plant.pcap")
@click.argument("sid", type=int)
@click.argument("captures", nargs=-1, metavar="[CAPTURE]...", type=FILE)
@rules_option
@home_option
@variable_option
@geoip_option
def explain(sid: int, captures: tuple[str, ...], paths: tuple[Path, ...], home_net: str | None, settings: tuple[str, ...], geoip: str) -> None:
    """Say what a rule does, in the order of evaluation; and over a capture, how much each step of it leaves."""
    from detectors.signature.explain import STEPS, words
    from detectors.signature.variables import Variables

    found, _ = read(paths or [Path(PACKS)], home_net, settings, geoip)
    mine = planned(dataclasses.replace(found, rules=tuple(rule for rule in found.rules if rule.sid == sid)), geoip=geoip)
    if not mine.ready:
        reasons = [problem_line(problem) for problem in found.problems if problem.sid == sid]
        raise click.ClickException(
            printable(reasons[0]) if reasons else f"no rule has the sid {sid}" + ("" if paths else " among those that ship; --rules names others")
        )
    for ready, account in counted(mine, captures):
        for line in words(ready, Variables(variables_of(home_net, settings)).values):
            click.echo(printable(line))
        for step, left in zip(STEPS, account.left, strict=True) if captures else ():
            click.echo(f"{left:>12,}  {step}")


@rules.command(epilog="Example: tapsight rules profile plant.pcap --rules local.rules")
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...", type=FILE)
@rules_option
@home_option
@variable_option
@geoip_option
@click.option("--most", type=click.IntRange(1), default=30, show_default=True, help="How many rules to show.")
def profile(captures: tuple[str, ...], paths: tuple[Path, ...], home_net: str | None, settings: tuple[str, ...], geoip: str, most: int) -> None:
    """Time and hits by rule, the dearest first. What rules share (the search, addresses and ports) is nobody's."""
    _, plan = read(paths or [Path(PACKS)], home_net, settings, geoip)
    done = counted(plan, captures)
    click.echo(f"{'ms':>10} {'candidates':>12} {'alerts':>10}  rule")
    for _, account in sorted(done, key=lambda pair: -pair[1].ns)[:most]:
        click.echo(printable(f"{account.ns / 1e6:>10.1f} {account.left[3]:>12,} {account.left[5]:>10,}  {account.rule.id} {account.rule.msg}".rstrip()))


@rules.command("new-from", epilog="Example: tapsight rules new-from 3f2a plant.pcap >> local.rules")
@click.argument("alert")
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...", type=FILE)
@click.option("--sid", type=click.IntRange(1), default=1_000_001, show_default=True, help="The rule's number.")
def new_from(alert: str, captures: tuple[str, ...], sid: int) -> None:
    """Draft a rule that finds what an alert (its id, or the beginning of it) found, and say how often it fires in these captures."""
    from detectors.signature.keywords import table
    from detectors.signature.load import loads
    from sensor.cli.draft_rule import draft, evidence, find

    found, _ = find(captures, alert)
    text = draft(found, evidence(captures, found), frozenset(table(fields())), sid)
    rule_set = loads(text, fields=fields())
    ((_, account),) = counted(planned(rule_set), captures)
    times = "once" if account.left[5] == 1 else f"{account.left[5]:,} times"
    click.echo(printable(f"# from alert {found.id}; fires {times} in {', '.join(captures)}"))
    click.echo(printable(text))


def counted(plan: Plan, captures: tuple[str, ...]) -> list[tuple[Ready, Account]]:
    """Each rule of a plan, and its account over these captures."""
    from detectors.signature.detector import Signatures
    from detectors.signature.explain import Accounting
    from sensor.analysis import Analysis
    from sensor.capture import open_captures

    engine = Accounting(plan)
    if captures:
        analysis = Analysis(signatures=Signatures(engine))
        analysis.run(open_captures(captures))
        problems = [f"{source.name}: {problem}" for source in analysis.sources for problem in source.problems]
        if not analysis.sources or problems:
            raise click.ClickException(problems[0] if problems else f"no captures found in {', '.join(captures)}")
    return list(zip(plan.ready, engine.accounts, strict=True))


def read(paths: Sequence[Path], home_net: str | None, settings: tuple[str, ...], geoip: str = "") -> tuple[RuleSet, Plan]:
    """The rules, with our protocols' fields as keywords, and made ready; those that the engine cannot evaluate yet are skipped ones, not loaded ones."""
    from detectors.signature.load import Problem, load

    result = load(places([str(path) for path in paths]), variables_of(home_net, settings), fields())
    plan = planned(result, geoip=geoip)
    for rule, reason in plan.unable:
        state = "failed" if reason.startswith("pcre") else "skipped"
        result.problems.append(Problem(rule.file, rule.line, rule.sid, state, "", reason))
        result.totals[rule.file].count("loaded", -1)
        result.totals[rule.file].count(state)
    return result, plan


def variables_of(home_net: str | None, settings: tuple[str, ...]) -> dict[str, str]:
    """What --home-net and --var say. Raises UsageError where a value is no expression."""
    from detectors.signature.variables import Variables

    values: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        name = name.strip().removeprefix("$")
        if not equals or not name.isidentifier() or not value.strip():
            raise click.UsageError(f"--var {setting}: a variable has the form NAME=VALUE")
        values[name] = value.strip()
    if home_net is not None:
        plain = home_net.strip()
        values["HOME_NET"] = f"[{plain}]" if "," in plain and not plain.startswith(("[", "![")) else plain
    known = Variables(values)
    for name in values:
        try:
            (known.ports if name.endswith("_PORTS") else known.addresses)(f"${name}")
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    return values


def problem_line(problem: Problem) -> str:
    """One problem as a line: where, what, why."""
    where = f"{problem.file}:{problem.line}" if problem.line else problem.file
    rule = f" sid {problem.sid}" if problem.sid else ""
    keyword = f"{problem.keyword}: " if problem.keyword else ""
    hint = f"; {problem.suggestion}" if problem.suggestion else ""
    return f"{where}:{rule} {problem.state}: {keyword}{problem.reason}{hint}"


def as_json(found: RuleSet) -> dict[str, object]:
    """A rule set's state for programs."""
    return {
        "problems": [dataclasses.asdict(each) for each in found.problems],
        "warnings": [dataclasses.asdict(each) for each in found.warnings],
        "files": {file: dataclasses.asdict(totals) for file, totals in found.totals.items()},
        "total": dataclasses.asdict(found.total),
    }
