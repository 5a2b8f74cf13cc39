"""Options about rules that several commands share, folded into one argument."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sensor.cli.completion import FILE

if TYPE_CHECKING:
    from sensor.config import Config


@dataclass(frozen=True)
class Said:
    """What a command line says of rules; the configuration says the rest."""

    rules: tuple[str, ...] = ()
    no_rules: bool = False
    home_net: str | None = None
    var: tuple[str, ...] = ()
    threshold_config: Path | None = None
    geoip: Path | None = None
    compat: str | None = None
    checksums: str | None = None
    midstream: bool = False
    rule_cache: str | None = None

    def over(self, settings: Config) -> Config:
        """The configuration with this in it. As Suricata: copies of packets count, too. Raises UsageError."""
        from detectors.signature.variables import mistaken

        rules = settings.rules
        said: dict[str, Any] = {"paths": list(self.rules), "home_net": [self.home_net] if self.home_net is not None else [], "geoip": str(self.geoip or "")}
        said |= {"variables": rules.variables | self._variables() if self.var else {}, "threshold_config": str(self.threshold_config or "")}
        said |= {"compat": self.compat, "checksums": self.checksums, "midstream": self.midstream, "cache": self.rule_cache}
        changes = {name: value for name, value in said.items() if value} | ({"packs": False, "paths": []} if self.no_rules else {})
        rules = rules.model_copy(update=changes)
        if not (rules.paths or rules.packs) and any((self.rules, self.home_net, self.var, self.threshold_config, self.geoip)):
            raise click.UsageError("--rules, --home-net, --var, --threshold-config and --geoip are about rules, and there shall be none")
        if not rules.compat and (self.checksums or self.midstream):
            raise click.UsageError("-k and --midstream are about --compat suricata")
        for name, reason in mistaken(rules.known):
            raise click.UsageError(f"${name}: {reason}")
        return settings.model_copy(update={"rules": rules} | ({"deduplicate": False} if rules.compat else {}))

    def _variables(self) -> dict[str, str]:
        """Those of --var by name, without the dollar."""
        found = {}
        for each in self.var:
            name, equals, value = each.partition("=")
            name = name.strip().removeprefix("$")
            if not equals or not name.isidentifier() or not value.strip():
                raise click.UsageError(f"--var {each}: a variable has the form NAME=VALUE")
            found[name] = value.strip()
        return found

    def check(self, config: Path | None = None) -> str:
        """The command that says what becomes of these rules."""
        words = ["tapsight", "rules", "check", *(self.rules or ([] if config else ["packs"]))]
        words += ["--config", str(config)] if config else []
        words += ["--home-net", self.home_net] if self.home_net is not None else []
        words += [word for each in self.var for word in ("--var", each)]
        words += ["--threshold-config", str(self.threshold_config)] if self.threshold_config else []
        words += ["--geoip", str(self.geoip)] if self.geoip else []
        words += ["--compat", self.compat] if self.compat else []
        return shlex.join(words)


RULES = click.option(
    "--rules",
    multiple=True,
    metavar="FILE|DIR",
    type=FILE,
    help="Rules in Suricata's or Snort's language, instead of those that ship; packs: those that ship, too; may be given several times.",
)
NO_RULES = click.option("--no-rules", is_flag=True, help="Without any rules, those that ship included.")
HOW = (
    click.option("--home-net", metavar="CIDR,...", help="The addresses of the plant, HOME_NET in rules; by default private addresses."),
    click.option("--var", multiple=True, metavar="NAME=VALUE", help="Another variable that rules name, such as DNP3_PORTS=[20000,19999]."),
    click.option("--threshold-config", type=click.Path(path_type=Path), metavar="FILE", help="threshold.config for the rules."),
    click.option("--geoip", type=click.Path(path_type=Path), metavar="FILE", help="Database of countries in MaxMind's format (.mmdb), for rules with geoip."),
)
COMPAT = click.option(
    "--compat",
    type=click.Choice(["suricata"]),
    help="Evaluate rules as Suricata does with its default configuration, to compare alert for alert, instead of as suits plants.",
)
RUN = (
    COMPAT,
    click.option(
        "-k",
        "checksums",
        type=click.Choice(["auto", "all", "none"]),
        help="With --compat: whether checksums are verified, as of Suricata's -k and pcap-file.checksum-checks. [default: auto]",
    ),
    click.option("--midstream", is_flag=True, help="With --compat: pick up connections whose beginning was not seen, as Suricata's stream.midstream."),
    click.option(
        "--rule-cache", metavar="DIR|none", type=FILE, help="Where rules made ready are kept for the next start; by default in the user's cache folder."
    ),
)
NAMES = {each.name for each in fields(Said)}


def folded(*options: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A command with these options has them as one argument, `said`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(*args: Any, **values: Any) -> Any:
            said = Said(**{name: values.pop(name) for name in NAMES & values.keys()})
            return function(*args, said=said, **values)

        for option in reversed(options):
            option(called)
        return called

    return decorate


how_options = folded(*HOW)
check_options = folded(*HOW, COMPAT)
rule_options = folded(RULES, *HOW)
run_options = folded(RULES, *HOW, *RUN)
analysis_options = folded(RULES, NO_RULES, *HOW, *RUN)
