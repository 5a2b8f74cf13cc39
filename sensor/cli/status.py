"""`tapsight status`: how the running service is."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from sensor.cli.reference import show
from sensor.cli.settings import config_option, lang_option, load_config
from sensor.cli.spool import ACCOUNT, accounted
from sensor.cli.terminal import printable
from sensor.lang import translate
from sensor.service.troubles import troubles

PATIENCE_S = 5
UNITS = ("B", "kB", "MB", "GB")


@click.command(epilog="Example: tapsight status --format json")
@click.option("--address", metavar="HOST:PORT", help="Where the service tells how it is; by default as configured.")
@click.option("--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How to print it.")
@click.option("--json", "style", flag_value="json", help="The same as --format json.")
@config_option
@lang_option
def status(address: str | None, style: str, config: Path | None, lang: str | None) -> None:
    """Say how the running service is: what is wrong first, then rates, drops, lag, detection, delivery. Exit code 1 where there is none."""
    settings = load_config(config, lang)
    address = address or settings.run.listen
    if not address:
        raise click.UsageError("run.listen is empty: the service tells nobody how it is")
    try:
        with urllib.request.urlopen(f"http://{address}/status", timeout=PATIENCE_S) as answer:  # http and nothing else
            report: dict[str, Any] = json.load(answer)
    except (OSError, ValueError) as error:
        raise click.ClickException(f"no service answers at {address} (--config or --address says another): {getattr(error, 'reason', error)}") from error
    if style == "json":
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
        return
    page(report, settings.lang)


def page(report: Mapping[str, Any], lang: str) -> None:
    """Everything for people."""

    def say(text: str) -> str:
        return translate(text, lang)

    def part(title: str, *lines: str) -> None:
        click.echo("\n" * (title != say("Service") or is_wrong), nl=False)
        click.echo(click.style(title, bold=True))
        for line in lines:
            click.echo(f"  {printable(line)}")

    is_wrong = False
    for text, values in troubles(report):
        is_wrong = True
        click.echo(click.style("! ", fg="yellow") + printable(say(text).format(**values)))
    engine, found, sources = report["engine"], report.get("detection", {}), report["sources"]
    started = datetime.fromtimestamp(report.get("started", 0), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    who = {"sensor": report["sensor"], "site": report.get("site", ""), "version": report.get("version", ""), "profile": report.get("profile", "")}
    part(
        say("Service"),
        ", ".join(f"{say(name)} {value}" for name, value in who.items() if value),
        say("running since {started}, {time}; listening to {sources}").format(
            started=started, time=duration(engine["uptime_s"]), sources=report.get("listening", "")
        ),
    )
    rates = report.get("rates", {"seconds": 0, "taps": {}, "engine": {}})
    if sources.get("taps"):
        part(say("Taps"))
        show([_tap(name, tap, rates["taps"].get(name, {}), lang) for name, tap in sources["taps"].items()], TAP, "table", lang)
    if sources.get("sources"):
        part(say("Folders and streams"), *(f"{name}: {_counts(feed, lang)}" for name, feed in sources["sources"].items()))
    speed = rates["engine"]
    facts = [
        say("{packets} packets, {per_second} packets/s, {bytes}/s over the last {seconds} s").format(
            packets=f"{engine['packets']:,}",
            per_second=f"{speed.get('packets', 0):,.0f}",
            bytes=size(speed.get("bytes", 0)),
            seconds=f"{rates['seconds']:.0f}",
        ),
        say("lag {lag} ms; a batch takes {median} ms, {p99} ms at worst; memory {memory}").format(
            lag=f"{engine['lag_ms']:,}",
            median=engine["batch_ms"]["median"],
            p99=engine["batch_ms"]["p99"],
            memory=size(engine["memory"]["resident_bytes"]),
        ),
    ]
    part(say("Engine"), *facts, *(f"{say(what)}: {_counts(engine[what], lang)}" for what in ("shed", "forgotten") if any(engine.get(what, {}).values())))
    rules = found.get("rules", {})
    part(
        say("Detection"),
        say("alerts: {alerts}").format(alerts=_counts(found.get("alerts", {}), lang) or say("none")),
        ", ".join(
            say(text).format(rules=f"{rules.get(state, 0):,}")
            for state, text in (("evaluated", "rules at work: {rules}"), ("failed", "failed: {rules}"), ("skipped", "skipped: {rules}"))
            if rules.get(state) or state == "evaluated"
        ),
    )
    rows = [accounted(name, dataset, counts, lang) for name, each in report["spool"]["consumers"].items() for dataset, counts in each["datasets"].items()]
    part(say("Delivery"), *([] if rows else [say("none")]))
    if rows:
        show(rows, ACCOUNT, "table", lang)
        click.echo("  " + say("produced = delivered + duplicate + dead letter + passed over + dropped + waiting"))
    lanes = ", ".join(f"{say(name)} {size(lane['octets'])}" for name, lane in report["spool"]["lanes"].items())
    click.echo(f"  {say('in the spool')}: {lanes}")
    worst = report.get("ledger", {}).get("worst", [])
    lines = [f"{' '.join(map(say, each['what']))} {each['count']:,} ({each['share']:.1%})" for each in worst]
    part(say("Not understood"), *(lines or [say("none")]))


TAP = ("tap", "state", "packets/s", "bytes/s", "packets", "dropped", "dropped/s", "ring fill", "lag ms")


def _tap(name: str, tap: Mapping[str, Any], rate: Mapping[str, float], lang: str) -> dict[str, str]:
    """A row of the taps' table."""
    return {
        "tap": printable(name), "state": translate(tap["state"].replace("_", " "), lang), "packets/s": f"{rate.get('packets', 0):,.0f}",
        "bytes/s": size(rate.get("bytes", 0)), "packets": f"{tap['packets']:,}", "dropped": f"{tap['dropped']:,}",
        "dropped/s": f"{rate.get('dropped', 0):,.1f}", "ring fill": f"{tap['fill']:.0%}", "lag ms": f"{tap['lag_ms']:,.0f}",
    }  # fmt: skip


def _counts(counts: Mapping[str, Any], lang: str) -> str:
    """What is not zero."""
    return ", ".join(
        f"{translate(name.replace('_', ' '), lang)} {value:,}" if isinstance(value, int) else "; ".join(value) if isinstance(value, list) else f"{value}"
        for name, value in counts.items()
        if value
    )


def size(octets: float) -> str:
    """Bytes, with at least three digits of them: 12,345 B, 12.3 MB."""
    unit = 0
    while octets >= 10_000 and unit < len(UNITS) - 1:
        octets, unit = octets / 1000, unit + 1
    return f"{octets:,.0f} {UNITS[unit]}" if unit == 0 else f"{octets:,.1f} {UNITS[unit]}"


def duration(seconds: int) -> str:
    """Days, hours and minutes; less than a minute in seconds."""
    days, hours, minutes = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60
    if seconds < 60:
        return f"{seconds} s"
    return " ".join(f"{n} {unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if n)
