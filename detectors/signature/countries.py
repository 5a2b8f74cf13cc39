"""geoip: in which country addresses are, as a database in MaxMind's format says. Suricata 8 user guide, "IP Header Keywords", "geoip"; MaxMind DB File Format 2.0."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from detectors.signature.rule import Condition, Rule
from detectors.signature.units import Units
from sensor.bounded import Bounded
from sensor.columns import Array, Ints, Mask
from sensor.events.address import MAPPED

MOST_KNOWN = 65_536  # addresses whose country is kept
KINDS = ("country", "city", "enterprise", "location")  # words in the types of databases that say countries
NOWHERE = ""  # of what no country is known


@dataclass
class Countries:
    """file: the database, "" for none. It is opened when a rule asks. unreadable: addresses whose record the database could not give."""

    file: str = ""
    unreadable: int = 0
    known: Bounded[str] = field(default_factory=lambda: Bounded(MOST_KNOWN))

    @cached_property
    def database(self) -> Any:
        """Raises ValueError where it cannot be read."""
        import maxminddb

        try:
            return maxminddb.open_database(self.file)
        except (OSError, maxminddb.InvalidDatabaseError, ValueError) as error:
            raise ValueError(f"{self.file}: {getattr(error, 'strerror', None) or error}") from error

    def reason(self, rule: Rule) -> str:
        """Why a rule's countries cannot be looked at; empty where they can, or where it asks for none."""
        if not any(each.keyword == "geoip" for each in rule.conditions):
            return ""
        if not self.file:
            return "geoip: no database of countries is named (--geoip FILE, rules.geoip)"
        try:
            kind = str(self.database.metadata().database_type)
        except ValueError as error:
            return f"geoip: {error}"
        return "" if any(word in kind.lower() for word in KINDS) else f"geoip: {Path(self.file).name} is a database of the type {kind}, which says no countries"

    def country(self, address: int) -> str:
        """ISO 3166-1 code of a 128-bit address; NOWHERE where none is known."""
        found = self.known.get(address)
        return self.known.put(address, self._looked_up(address)) if found is None else found

    def _looked_up(self, address: int) -> str:
        mapped = address >> 32 == MAPPED >> 32
        try:
            record = self.database.get(ipaddress.IPv4Address(address & 0xFFFF_FFFF) if mapped else ipaddress.IPv6Address(address))
        except Exception:  # noqa: BLE001  # a damaged database, or IPv6 where it has IPv4 alone: the library has an error for each
            self.unreadable += 1
            return NOWHERE
        country = record.get("country") if isinstance(record, dict) else None
        code = country.get("iso_code") if isinstance(country, dict) else country
        return code.upper() if isinstance(code, str) else NOWHERE

    def kept(self, rule: Rule, units: Units, rows: Ints) -> Ints:
        """Of these units, those whose addresses are where the rule wants them."""
        for each in rule.conditions:
            if each.keyword == "geoip" and rows.size:
                rows = rows[self.mask(each, units)[rows]]
        return rows

    def mask(self, condition: Condition, units: Units) -> Mask:
        """side,CODE[,CODE ...]: any is either side, both is both of them. An address of no known country is neither in one nor outside of it."""
        side, *codes = str(condition.value).split(",")
        met = []
        for each in ("source", "destination"):
            country: Array = units.once((each, "country"), partial(self._countries, units, each))
            met.append((country != NOWHERE) & (np.isin(country, codes) != condition.negated))
        source, destination = met
        return np.asarray({"src": source, "dst": destination, "both": source & destination, "any": source | destination}[side], np.bool_)

    def _countries(self, units: Units, side: str) -> Array:
        pairs = np.stack((units.columns[f"{side}_high"], units.columns[f"{side}_low"]), axis=1)
        some, inverse = np.unique(pairs, axis=0, return_inverse=True)
        return np.array([self.country(high << 64 | low) for high, low in some.tolist()], np.str_)[inverse.reshape(-1)]
