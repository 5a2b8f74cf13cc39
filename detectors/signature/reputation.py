"""iprep: scores of addresses by category. Suricata 8 user guide, "IP Reputation".

Beside a rule file, in the folder iprep: categories.txt with lines id,name,description and *.list with lines address-or-network,category,score.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from detectors.signature.datasets import MOST_ENTRIES, lines_of
from detectors.signature.numbers import holds
from detectors.signature.rule import Condition, Number, Rule
from detectors.signature.syntax import shortened
from detectors.signature.units import Units
from sensor.columns import Ints, Mask

MAPPED = 0xFFFF << 32
MOST_WRONG = 20  # lines of a folder that are told


@dataclass
class Reputation:
    """Scores: by category (lower case) and length of prefix, networks as integers of that many bits. All are 128 bits, as everywhere here.

    wrong: of lines that were left out file, number and what is wrong, the first MOST_WRONG.
    """

    scores: dict[str, dict[int, dict[int, int]]] = field(default_factory=dict)
    wrong: list[tuple[str, int, str]] = field(default_factory=list)

    @staticmethod
    def read(folder: Path) -> Reputation:
        """A line that is none is left out. Raises ValueError for a file that cannot be read."""
        result, names, count = Reputation(), {}, 0
        for _, parts in result.lines(folder / "categories.txt", 2):
            names[parts[0]] = parts[1].lower()
            result.scores.setdefault(parts[1].lower(), {})
        for file in sorted(folder.glob("*.list")):
            for number, (address, category, score) in ((number, parts[:3]) for number, parts in result.lines(file, 3)):
                if category not in names or not score.isdecimal() or int(score) > 127:
                    result.leave_out(file, number, f"{shortened(f'{address},{category},{score}')} has no category of categories.txt and score up to 127")
                    continue
                try:
                    network = ipaddress.ip_network(address, strict=False)
                except ValueError as error:
                    result.leave_out(file, number, str(error))
                    continue
                bits = network.prefixlen + (96 if network.version == 4 else 0)
                value = int(network.network_address) | (MAPPED if network.version == 4 else 0)
                result.scores[names[category]].setdefault(bits, {})[value >> 128 - bits] = int(score)
                if (count := count + 1) > MOST_ENTRIES:
                    raise ValueError(f"{folder} has more than {MOST_ENTRIES} addresses")
        return result

    def lines(self, file: Path, least: int) -> Iterator[tuple[int, list[str]]]:
        """The lines of a file of values with commas between them, with their numbers. Raises ValueError."""
        for number, line in enumerate(lines_of(file), 1):
            if line.strip() and not line.lstrip().startswith("#"):
                parts = [part.strip() for part in line.split(",")]
                if len(parts) < least:
                    self.leave_out(file, number, f"{shortened(line)} has fewer than {least} parts")
                else:
                    yield number, parts

    def leave_out(self, file: Path, number: int, reason: str) -> None:
        if len(self.wrong) < MOST_WRONG:
            self.wrong.append((str(file), number, f"left out: {reason}"))

    def score(self, category: str, address: int) -> int:
        """The score of the smallest network that holds the address; -1 where none does."""
        networks = self.scores.get(category, {})
        return next((found for bits in sorted(networks, reverse=True) if (found := networks[bits].get(address >> 128 - bits)) is not None), -1)

    def reason(self, condition: Condition) -> str:
        category = str(condition.value).split(",")[1].lower()
        return "" if category in self.scores else f"iprep: there is no category {shortened(category)} in categories.txt of the folder iprep beside the rules"

    def mask(self, condition: Condition, units: Units) -> Mask:
        """side,category,test: any is either side, both is both of them."""
        side, category, test, *value = str(condition.value).split(",")
        met = []
        for each in ("source", "destination"):
            scores = units.once((each, category), partial(self._scores, category.lower(), units, each))
            if test in ("isset", "isnotset"):
                met.append((scores >= 0) == (test == "isset"))
            else:
                met.append((scores >= 0) & holds(Number(test, int(value[0])), scores))
        source, destination = met
        return np.asarray({"src": source, "dst": destination, "both": source & destination, "any": source | destination}[side], np.bool_)

    def _scores(self, category: str, units: Units, side: str) -> Ints:
        pairs = np.stack((units.columns[f"{side}_high"], units.columns[f"{side}_low"]), axis=1)
        some, inverse = np.unique(pairs, axis=0, return_inverse=True)
        scores = np.array([self.score(category, high << 64 | low) for high, low in some.tolist()], np.int64)
        result: Ints = scores[inverse.reshape(-1)] if len(scores) else np.zeros(0, np.int64)
        return result


@dataclass
class Reputations:
    """Those of each folder with rules, read when a rule asks."""

    by_folder: dict[Path, Reputation | str] = field(default_factory=dict)

    def of(self, rule: Rule) -> Reputation | str:
        """The reputations beside a rule's file, or why there are none."""
        folder = Path(rule.file).parent / "iprep"
        if folder not in self.by_folder:
            try:
                self.by_folder[folder] = Reputation.read(folder)
            except ValueError as error:
                self.by_folder[folder] = f"iprep: {error}"
        return self.by_folder[folder]

    @property
    def wrong(self) -> list[tuple[str, int, str]]:
        """Lines that were left out: file, number, what is wrong."""
        return [each for found in self.by_folder.values() if isinstance(found, Reputation) for each in found.wrong]

    def reason(self, rule: Rule) -> str:
        """Why a rule's reputations cannot be looked at; empty where they can, or where it asks for none."""
        asked = [each for each in rule.conditions if each.keyword == "iprep"]
        if not asked:
            return ""
        found = self.of(rule)
        return found if isinstance(found, str) else next((why for each in asked if (why := found.reason(each))), "")

    def kept(self, rule: Rule, units: Units, rows: Ints) -> Ints:
        """Of these units, those whose addresses meet what the rule asks of them."""
        for each in rule.conditions:
            if each.keyword == "iprep" and not isinstance(found := self.of(rule), str):
                rows = rows[found.mask(each, units)[rows]]
        return rows
