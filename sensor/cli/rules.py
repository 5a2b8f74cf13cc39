"""`tapsight rules`: what becomes of rule files, before any capture is read."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sensor.cli.completion import FILE
from sensor.cli.groups import Group
from sensor.cli.reference import format_option
from sensor.cli.rule_options import Said, check_options, how_options, rule_options, run_options
from sensor.cli.settings import config_option, load_config
from sensor.cli.signatures import chosen, fields, places, planned, state_of, thresholds_of, variables
from sensor.cli.terminal import printable

if TYPE_CHECKING:
    from detectors.signature.explain import Account
    from detectors.signature.load import Problem, RuleSet
    from detectors.signature.plan import Plan, Ready
    from sensor.config import RuleSettings

paths_argument = click.argument("paths", nargs=-1, metavar="[PATH]...", type=FILE)


@click.group(cls=Group)
def rules() -> None:
    """Check, list, explain, profile or draft rules in Suricata's and Snort's language."""


@rules.command(epilog="Example: tapsight rules check emerging-scada.rules local/ --home-net 10.1.0.0/16")
@paths_argument
@check_options
@config_option
@format_option
@click.pass_context
def check(ctx: click.Context, paths: tuple[str, ...], said: Said, config: Path | None, style: str) -> None:
    """Say which rules are not loaded and why: file, line, keyword, reason. Exit code 1 where one failed. Without PATH: the rules of the configuration."""
    found, _ = read(settled(named(said, paths, config), config))
    if style == "json":
        click.echo(json.dumps(as_json(found), ensure_ascii=False, indent=2))
    else:
        for problem in found.problems:
            click.echo(printable(problem_line(problem)))
        for warned in found.warnings:
            more = f" ({warned.count} rules, the first is sid {warned.sid})" if warned.count > 1 else f" (sid {warned.sid})"
            about = f"accepted: {warned.text}{more}" if warned.sid else warned.text
            click.echo(printable(f"{warned.file}:{warned.line}: {about}"))
        for file, totals in (*found.totals.items(), *([("all files", found.total)] if len(found.totals) > 1 else [])):
            counts = ", ".join(f"{n} {state}" for state, n in dataclasses.asdict(totals).items() if n or state == "loaded")
            click.echo(printable(f"{file}: {counts}"))
    if found.total.failed:
        ctx.exit(1)


@rules.command("list", epilog="Example: tapsight rules list emerging-scada.rules --format json")
@paths_argument
@how_options
@config_option
@format_option
def list_(paths: tuple[str, ...], said: Said, config: Path | None, style: str) -> None:
    """List the rules that are loaded. Without PATH: those of the configuration."""
    found, _ = read(settled(named(said, paths, config), config))
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


@rules.command(epilog="Example: tapsight rules explain 9000001 plant.pcap")
@click.argument("sid", type=int)
@click.argument("captures", nargs=-1, metavar="[CAPTURE]...", type=FILE)
@rule_options
@config_option
@click.pass_context
def explain(ctx: click.Context, sid: int, captures: tuple[str, ...], said: Said, config: Path | None) -> None:
    """Say what a rule does, in the order of evaluation; and over a capture, how much each step of it leaves."""
    from detectors.signature.explain import STEPS, words
    from detectors.signature.variables import Variables

    settings = settled(said, config)
    found, _ = read(settings)
    mine = planned(dataclasses.replace(found, rules=tuple(rule for rule in found.rules if rule.sid == sid)), geoip=settings.geoip)
    if not mine.ready:
        reasons = [problem_line(problem) for problem in found.problems if problem.sid == sid]
        raise click.ClickException(
            printable(reasons[0]) if reasons else f"no rule has the sid {sid}" + ("" if said.rules else " among those that ship; --rules names others")
        )
    done, problems = counted(mine, captures)
    for ready, account in done:
        for line in words(ready, Variables(variables(settings)).values):
            click.echo(printable(line))
        for step, left in zip(STEPS, account.left, strict=True) if captures else ():
            click.echo(f"{left:>12,}  {step}")
    tell(ctx, problems)


@rules.command(epilog="Example: tapsight rules profile plant.pcap --rules local.rules")
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...", type=FILE)
@rule_options
@config_option
@click.option("--most", type=click.IntRange(1), default=30, show_default=True, help="How many rules to show.")
@click.pass_context
def profile(ctx: click.Context, captures: tuple[str, ...], said: Said, config: Path | None, most: int) -> None:
    """Time and hits by rule, the dearest first. What rules share (the search, addresses and ports) is nobody's."""
    _, plan = read(settled(said, config))
    done, problems = counted(plan, captures)
    click.echo(f"{'ms':>10} {'candidates':>12} {'alerts':>10}  rule")
    for _, account in sorted(done, key=lambda pair: -pair[1].ns)[:most]:
        click.echo(printable(f"{account.ns / 1e6:>10.1f} {account.left[3]:>12,} {account.left[5]:>10,}  {account.rule.id} {account.rule.msg}".rstrip()))
    tell(ctx, problems)


@rules.command("new-from", epilog="Example: tapsight rules new-from 3f2a plant.pcap >> local.rules")
@click.argument("alert")
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...", type=FILE)
@click.option("--sid", type=click.IntRange(1), default=1_000_001, show_default=True, help="The rule's number.")
@run_options
@config_option
@click.pass_context
def new_from(ctx: click.Context, alert: str, captures: tuple[str, ...], sid: int, said: Said, config: Path | None) -> None:
    """Draft a rule that finds what an alert (its id, or the beginning of it) found, and say how often it fires in these captures.

    Captures, rules and configuration have to be those of the analysis that told the id. A folder stands for the captures in and below it.
    """
    from detectors.signature.keywords import table
    from detectors.signature.load import loads
    from sensor.cli.draft_rule import draft, draft_of_ends, evidence, find, is_about_ends

    found, _ = find(captures, alert, said.over(load_config(config, None)), said.check(config))
    text = draft_of_ends(found, sid) if is_about_ends(found) else draft(found, evidence(captures, found), frozenset(table(fields())), sid)
    rule_set = loads(text, fields=fields())
    ((_, account),), problems = counted(planned(rule_set), captures)
    times = "once" if account.left[5] == 1 else f"{account.left[5]:,} times"
    click.echo(printable(f"# from alert {found.id}; fires {times} in {', '.join(captures)}"))
    click.echo(printable(text))
    tell(ctx, problems)


def counted(plan: Plan, captures: tuple[str, ...]) -> tuple[list[tuple[Ready, Account]], list[str]]:
    """Each rule of a plan, and its account over these captures; and what of them could not be read. Raises ClickException where there are none."""
    from detectors.signature.detector import Signatures
    from detectors.signature.explain import Accounting
    from sensor.analysis import Analysis
    from sensor.capture import open_captures

    engine, problems = Accounting(plan), list[str]()
    if captures:
        analysis = Analysis(signatures=Signatures(engine))
        analysis.run(open_captures(captures))
        problems = [f"{source.name}: {problem}" for source in analysis.sources for problem in source.problems]
        if not analysis.sources:
            raise click.ClickException(f"no captures found in {', '.join(captures)}")
    return list(zip(plan.ready, engine.accounts, strict=True)), problems


def tell(ctx: click.Context, problems: list[str]) -> None:
    """Say what could not be read, and end accordingly."""
    for problem in problems:
        click.echo(f"tapsight: {printable(problem)}", err=True)
    if problems:
        ctx.exit(1)


def named(said: Said, paths: tuple[str, ...], config: Path | None) -> Said:
    """With files and folders that are an argument of the command. Raises UsageError where neither they nor a configuration say which rules are meant."""
    if not paths and config is None:
        raise click.UsageError("name files or folders of rules (packs: those that ship), or a --config that does")
    return dataclasses.replace(said, rules=paths)


def settled(said: Said, config: Path | None) -> RuleSettings:
    """The configuration's settings with what the command line says. Raises UsageError where there shall be no rules."""
    settings = said.over(load_config(config, None)).rules
    if not chosen(settings):
        raise click.UsageError(f"{config}: there shall be no rules")
    return settings


def read(settings: RuleSettings) -> tuple[RuleSet, Plan]:
    """The rules, with our protocols' fields as keywords, and made ready; those that the engine cannot evaluate yet are skipped ones, not loaded ones."""
    from detectors.signature.load import Problem, Warned, load

    result = load(places(chosen(settings)), variables(settings), fields(), thresholds=thresholds_of(settings))
    plan = planned(result, as_suricata=settings.compat == "suricata", geoip=settings.geoip)
    result.warnings += tuple(Warned(reason, 1, file, line, 0) for file, line, reason in plan.reputations.wrong)
    for rule, reason in plan.unable:
        state = state_of(reason)
        result.problems.append(Problem(rule.file, rule.line, rule.sid, state, "", reason))
        result.totals[rule.file].count("loaded", -1)
        result.totals[rule.file].count(state)
    return result, plan


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
