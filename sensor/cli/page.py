"""The page that an analysis ends with: what was read, who is there, who talks with whom, what was done to controllers, what is wrong, what was not understood."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest
from itertools import islice
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sensor.analysis import Analysis
from sensor.assets.asset import Asset
from sensor.cli.places import Places, Times, lasting, span_of
from sensor.cli.terminal import console as for_output
from sensor.cli.terminal import print_table, printable
from sensor.cli.together import Told, together
from sensor.datasets import usual
from sensor.decode.packets import Transport
from sensor.events.address import mac_text
from sensor.events.alert import Severity
from sensor.events.field import label
from sensor.lang import counted, translate, worded

WIDTH = 160  # of a page that no terminal shows
WIDE = 140  # of a terminal that has room for six columns of assets
ROWS = 25  # of each table; the rest is said to be there
SAID = 6  # attributes of an asset
COLOURS = {Severity.CRITICAL: "bold red", Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "cyan"}
FIRST = ("name", "model", "product", "firmware", "serial", "hardware", "vendor")
PAYLOAD = ("read", "not_read", "applications", "retransmitted", "padding", "unrecognised")


def print_page(analysis: Analysis, lang: str, *, shows_all: bool = False) -> None:
    """The page, on standard output. shows_all: every row of each table."""
    Page(analysis, lang, shows_all=shows_all).print()


class Page:
    """console: where it is printed; most: rows of a table, None for all."""

    def __init__(self, analysis: Analysis, lang: str, *, shows_all: bool) -> None:
        self.analysis, self.lang, self.most = analysis, lang, None if shows_all else ROWS
        self.console: Console = for_output(WIDTH)
        self.span = span_of(analysis.sources)
        self.places, self.times = Places(analysis.sources), Times(self.span)

    def print(self) -> None:
        ledger = self.analysis.ledger()
        self._read(ledger)
        self._alerts()
        self._assets()
        self._conversations()
        self._acts()
        self._ledger(ledger)

    def say(self, text: str) -> str:
        return translate(text, self.lang)

    def listed(self, texts: Iterable[str]) -> str:
        return ("，" if self.lang == "zh" else ", ").join(texts)

    def counted(self, text: str, n: int) -> str:
        return counted(text, n, self.lang)

    def _read(self, ledger: dict[str, Any]) -> None:
        """What was read, and from when it is."""
        for source in self.analysis.sources:
            sizes = [self.counted("{count} byte|{count} bytes", source.bytes_read)]
            sizes += [self.counted("{count} problem|{count} problems", len(source.problems))] if source.problems else []
            self.console.print(Text.assemble((printable(source.name), "bold"), f"  {self.listed(sizes)}"))
        if self.span:
            first, last = self.span
            self.console.print(f"{Times(None).span(first, last)} UTC ({lasting(last - first, self.lang)})")
        packets, flows = ledger["packets"]["total"], ledger["flows"]["total"]
        self.console.print(self.listed((self.counted("{count} packet|{count} packets", packets), self.counted("{count} flow|{count} flows", flows))) + "\n")

    def _table(self, title: str, columns: tuple[str, ...], rows: Iterable[tuple[str | Text, ...]], n: int, most: int | None, note: str = "") -> None:
        """One part of the page, the first `most` of `n` rows; nothing but a sentence where there is nothing to show."""
        if not n:
            self.console.print(Text.assemble((self.say(title), "bold"), f": {self.say('none')}\n"))
            return
        self.console.print(Text.assemble((self.say(title), "bold"), f" ({note or f'{n:,}'})"))
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in columns:
            table.add_column(self.say(column), overflow="fold")
        for row in islice(rows, most):
            table.add_row(*row)
        print_table(self.console, table)
        if most is not None and n > most:
            self.console.print(self.say("{count} more: --all shows them").format(count=f"{n - most:,}"), style="dim")
        self.console.print()

    def _alerts(self) -> None:
        """The worst first; of those that are high or critical none is left out."""
        told = together(self.analysis.alerts.values())
        most = self.most and max(self.most, sum(each.severity >= Severity.HIGH for each in told))
        note, n = "", len(self.analysis.alerts)
        if n > len(told):
            note = self.say("{count}, {folded} of them told with others").format(count=f"{n:,}", folded=f"{n - len(told):,}")
        rows = ((Text(self.say(each.severity.name.lower()), COLOURS[each.severity]), self._alert(each)) for each in told)
        self._table("Alerts", ("Severity", "What was seen"), rows, len(told), most, note)

    def _alert(self, told: Told) -> Text:
        alert = told.alert
        frames = ",".join(map(str, alert.frames[:4])) + ("…" if len(alert.frames) > 4 else "")
        facts = (
            f"{alert.count:,}×",
            self.times.span(alert.first_ns, alert.last_ns),
            f"{self.say('frame' if len(alert.frames) == 1 else 'frames')} {self.places.at(alert.source, frames)}",
            " ".join(told.techniques),
            f"{self.say('id')} {alert.id[:12]}",
        )
        lines: list[Any] = [(alert.title(self.lang), "bold"), "\n", printable(alert.sentence(self.lang))]
        for rule in told.rules:
            said = self.say("Also rule {rule} of {ruleset}: {title}.").format_map({**rule.parameters, "title": rule.title(self.lang)})
            lines += ["\n", printable(said + ("" if self.lang == "zh" else " ") + self.say(rule.kind.meaning)), (f"  {self.say('id')} {rule.id[:12]}", "dim")]
        return Text.assemble(*lines, "\n", ("  ".join(filter(None, facts)), "dim"))

    def _assets(self) -> None:
        """Those of a role, and those that said something, first. A narrow terminal has what belongs together in one column."""
        n = len(self.analysis.assets)
        shown = nsmallest(self.most or n, self.analysis.assets, lambda asset: (not asset.roles, not asset.attributes))
        rows: Iterable[tuple[str, ...]] = map(self._asset, shown)
        columns: tuple[str, ...] = ("Address", "MAC", "Role", "Vendor and model", "Serves → uses", "What it said of itself")
        if self.console.width < WIDE:
            columns = ("Address", "Role", "What it said of itself")
            rows = ((_stacked(address, mac), _stacked(role, named, talks), said) for address, mac, role, named, talks, said in rows)
        self._table("Assets", columns, rows, n, self.most)

    def _asset(self, asset: Asset) -> tuple[str, ...]:
        said: dict[str, list[str]] = {}  # by who said it where
        for name, e in islice(sorted(asset.said, key=lambda item: telling(item[0])), None if self.most is None else SAID):
            where = f"({e.said_by}, {self.say('frame')} {self.places.at(e.first.source.name, str(e.first.frame))})"
            said.setdefault(where, []).append(f"{worded(name, self.lang)} {printable(e.value)}")
        texts = [f"{self.listed(values)} {where}" for where, values in said.items()]
        roles = ", ".join(worded(role, self.lang) for role in sorted(asset.roles))
        named = printable(" ".join(filter(None, (asset.best.get("vendor"), asset.model))))
        return asset.address, " ".join(map(mac_text, asset.macs)), roles, named, self._talks(asset), "\n".join(texts)

    def _talks(self, asset: Asset) -> str:
        """What it serves and uses, as far as that is decoded or told by its port; and what it publishes."""
        serves, uses = (
            [*sorted(known), *(self.say("{name} (not decoded)").format(name=name) for name in sorted(others))]
            for known, others in ((asset.serves, asset.serves_others), (asset.uses, asset.uses_others))
        )
        talks = " ".join((*serves, *(("→", *uses) if uses else ())))
        return _stacked(talks, f"{self.say('publishes')} {' '.join(sorted(asset.publishes))}" if asset.publishes else "")

    def _conversations(self) -> None:
        summary = self.analysis.summary
        rows = (
            (client, f"{server}:{port}" if port else server, protocol, f"{t.count:,}", f"{t.packets:,}", f"{t.bytes:,}")
            for client, server, port, protocol, t in summary.met_conversations(largest=True)
        )
        self._table("Conversations", ("Client", "Server", "Protocol", "Flows", "Packets", "Bytes"), rows, len(summary.conversations), self.most)
        unclaimed = (
            (
                f"0x{port:04X}" if transport == Transport.ETHERNET else f"{label(transport)}/{port}",
                self._usual(transport, port),
                f"{t.count:,}",
                f"{t.packets:,}",
                f"{t.bytes:,}",
            )
            for transport, port, t in summary.met_others(largest=True)
        )
        self._table(
            "Other traffic, by server port or EtherType", ("Transport", "Usually", "Flows", "Packets", "Bytes"), unclaimed, len(summary.others), self.most
        )

    def _usual(self, transport: Transport, number: int) -> str:
        """What usually speaks there: nothing that it says is known."""
        name, is_decoded = usual(transport, number)
        return name if is_decoded or not name else self.say("{name} (not decoded)").format(name=name)

    def _acts(self) -> None:
        rows = (
            (client, server, protocol, worded(action, self.lang), f"{t.count:,}", f"{t.refused:,}" if t.refused else "", self.times.span(t.first_ns, t.last_ns), self.places.span(t))
            for client, server, protocol, action, t in self.analysis.summary.met_acts()
        )  # fmt: skip
        columns = ("Client", "Server", "Protocol", "Action", "Count", "Refused", "Time", "Frames")
        self._table("Acts on controllers", columns, rows, len(self.analysis.summary.acts), self.most)

    def _ledger(self, ledger: dict[str, Any]) -> None:
        """What was understood and what was not."""
        self.console.print(self.say("Ledger"), style="bold")
        packets, payload = ledger["packets"], ledger["payload"]
        self._line("packets", packets["outcome"])
        self._line("not read", {kind: ", ".join(f"{n}×{c}" for n, c in counts.items()) for kind, counts in ledger["not_read"].items() if counts})
        self._line("marked", {name: packets[name] for name in ("cut_short", "bad_checksum") if packets[name]})
        self._line("payload bytes", {"all": payload["bytes"]} | {what: payload[what] for what in PAYLOAD if payload[what] or what == "unrecognised"})
        for name, entry in ledger["protocols"].items():
            self._line(name, {key: value for key, value in entry.items() if value and key != "anomalies"} | entry["anomalies"])
        self._line("applications", ledger["applications"])
        self._line("anomalies", ledger["anomalies"])
        self._line("forgotten", ledger["forgotten"])
        for what, count in ledger["mistakes"].items():
            self.console.print(f"  {self.say('a mistake of this program; please report it')}: {what} ({count:,})", style="red")
        for wrong in ledger["imbalance"]:
            self.console.print(f"  {self.say('does not balance')}: {wrong}", style="red")

    def _line(self, name: str, counts: dict[str, Any]) -> None:
        if counts:
            body = ", ".join(
                f"{self.say(key.replace('_', ' '))} {value:,}" if isinstance(value, int) else f"{self.say(key.replace('_', ' '))}: {value}"
                for key, value in counts.items()
            )
            self.console.print(f"  {self.say(name)}: {body}", soft_wrap=True)


def telling(attribute: str) -> int:
    """What tells most about a device comes first."""
    return FIRST.index(attribute) if attribute in FIRST else len(FIRST)


def _stacked(*lines: str) -> str:
    return "\n".join(filter(None, lines))
