"""`tapsight fields`, `protocols` and `detectors`: what there is, from the declarations themselves."""

from __future__ import annotations

import json
from typing import Any

import click

from sensor.cli.completion import PROTOCOL
from sensor.cli.settings import lang_option
from sensor.cli.terminal import console, print_table
from sensor.events.field import Field
from sensor.events.vocabulary import Action, Trust
from sensor.lang import default_language, translate

ANY = "any"  # instead of a protocol: what events of all of them have
COMMON = (
    Field("action", "u1", "What is done, whatever the protocol", enum=Action, ecs="event.action"),
    Field("trust", "u1", "How far the event can be believed, from what was seen of its stream", enum=Trust, ecs="tapsight.trust"),
)
WIDTH = 200  # of a table that no terminal shows
format_option = click.option("--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How to print it.")


@click.command(epilog="Example: tapsight fields modbus --format json")
@click.argument("protocol", required=False, shell_complete=PROTOCOL)
@format_option
@lang_option
def fields(protocol: str | None, style: str, lang: str | None) -> None:
    """List every field with its type, unit, meaning, document key, Wireshark's name for it and keyword in rules; of one protocol, the names of its codes, too.

    action and trust, which every event of an industrial protocol has, come last.
    """
    from detectors.signature.keywords import table
    from sensor.cli.signatures import fields as rule_fields
    from sensor.datasets import EVENTS

    columns = rule_fields()  # of applications rules know Suricata's buffers, not these fields
    keywords = table(columns)
    names = [each.name for each in EVENTS]
    if protocol is not None and protocol not in names:
        raise click.UsageError(f"no protocol {protocol!r}: there are {', '.join(names)}")
    lang = lang or default_language()
    shown = [(each.name, field) for each in EVENTS if protocol in (None, each.name) for field in each.fields]
    rows = [
        {
            "protocol": name,
            "field": field.name,
            "dtype": field.dtype,
            "unit": field.unit,
            "description": translate(field.about, lang),
            "ecs": field.ecs or f"{name}.{field.name}",
            "wireshark": field.wireshark,
            "keyword": keyword if (keyword := field.name if name == ANY else f"{name}.{field.name}") in keywords and name in (ANY, *columns) else "",
            "codes": {code.value: code.name.lower() for code in field.enum} if field.enum else {},
        }
        for name, field in (*shown, *((ANY, field) for field in COMMON if protocol is None or protocol in columns))
    ]
    show(rows, ("protocol", "field", "dtype", "unit", "description", "ecs", "wireshark", "keyword"), style, lang)
    if protocol is not None and style == "table":
        show_codes(rows)


def show_codes(rows: list[dict[str, Any]]) -> None:
    """The names that codes have in rules and documents, a field a paragraph."""
    out = console(WIDTH)
    for row in rows:
        if row["codes"]:
            out.print(f"\n{row['keyword'] or row['field']}", style="bold")
            out.print(", ".join(f"{name} {code}" for code, name in row["codes"].items()))


@click.command(epilog="Example: tapsight protocols")
@format_option
@lang_option
def protocols(style: str, lang: str | None) -> None:
    """List the protocols: how each is found, and what it needs and cannot do."""
    from sensor.applications import APPLICATIONS
    from sensor.datasets import EVENTS
    from sensor.decode.packets import Transport
    from sensor.protocols import PROTOCOLS

    lang = lang or default_language()
    ports: dict[str, dict[Transport, set[int]]] = {each.name: {Transport.TCP: set(each.tcp_ports), Transport.UDP: set(each.udp_ports)} for each in PROTOCOLS}
    for application in APPLICATIONS:
        for transport, numbers in application.ports.items():
            ports.setdefault(application.name, {}).setdefault(transport, set()).update(numbers)
    ethertypes = {each.name: each.ethertypes for each in PROTOCOLS}
    rows = [
        {
            "protocol": each.name,
            "title": each.title,
            "tcp": sorted(ports[each.name].get(Transport.TCP, ())),
            "udp": sorted(ports[each.name].get(Transport.UDP, ())),
            "ethertypes": [f"0x{number:04X}" for number in ethertypes.get(each.name, ())],
            "fields": len(each.fields),
            "limits": translate(each.needs, lang),
        }
        for each in EVENTS
    ]
    show(rows, ("protocol", "title", "tcp", "udp", "ethertypes", "fields", "limits"), style, lang)


@click.command(epilog="Example: tapsight detectors --lang zh")
@format_option
@lang_option
def detectors(style: str, lang: str | None) -> None:
    """List the detectors and their alerts: severity, ATT&CK for ICS technique, GB/T 20986 class, what each needs and cannot do."""
    from detectors import DETECTORS

    lang = lang or default_language()
    rows = []
    for detector in (make() for make in DETECTORS):
        for kind in detector.kinds:
            rows.append(  # noqa: PERF401  # two loops deep it reads better this way
                {
                    "alert": kind.name,
                    "title": translate(kind.title, lang),
                    "severity": int(kind.severity),
                    "techniques": list(kind.techniques),
                    "gbt_20986": kind.gbt,
                    "needs": list(detector.needs),
                    "limits": translate(detector.limits, lang),
                }
            )
    show(rows, ("alert", "title", "severity", "techniques", "gbt_20986", "needs", "limits"), style, lang)


def show(rows: list[dict[str, Any]], columns: tuple[str, ...], style: str, lang: str) -> None:
    """Rows as a table to read, or as JSON."""
    if style == "json":
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(translate(column, lang), overflow="fold")
    above = ""
    for row in rows:
        shown = row | {"limits": translate("as above", lang)} if row.get("limits") and row["limits"] == above else row
        above = row.get("limits", "")
        table.add_row(*(", ".join(map(str, shown[column])) if isinstance(shown[column], list) else str(shown[column]) for column in columns))
    print_table(console(WIDTH), table)
