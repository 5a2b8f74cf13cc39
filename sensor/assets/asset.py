"""One asset, and what it is taken for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from sensor.assets.vendors import vendor_of
from sensor.columns import Heard
from sensor.events.address import address_text, is_outside

SAID = frozenset({"io_device", "controller", "engineering_station"})  # roles that a device may say it has
IO_DEVICES = {"communications adapter", "general purpose discrete io", "safety discrete io", "safety analog io", "cip motion io"}  # CIP device types
OPERATORS = frozenset({"hmi", "gateway", "engineering_station"})  # roles of the plant's own hosts
INPUT_OUTPUT = {"cip_io", "enip"}  # by which a controller reaches its own inputs and outputs


class Where(NamedTuple):
    """A packet: its source (before which came `place` others), frame and time. They sort as they were read."""

    place: int
    frame: int
    ts_ns: int
    source: Heard


@dataclass(slots=True)
class Evidence:
    """A value, who said it, and the first and the last frame (of which source) that did."""

    value: str
    said_by: str
    first: Where
    last: Where

    def add(self, said_by: str, where: Where) -> None:
        """The same was said once more."""
        if (where, said_by) < (self.first, self.said_by):
            self.said_by, self.first = said_by, where
        self.last = max(self.last, where)


Attributes = dict[tuple[str, str], Evidence]  # by attribute and value


@dataclass(frozen=True, eq=False)
class Behaviour:
    """The roles that serving and using protocols tell of, by protocol; protocols that are published; networks of the plant whose addresses are public."""

    by_serving: dict[str, str]
    by_using: dict[str, str]
    published: frozenset[str]
    networks: tuple[str, ...] = ()


@dataclass(slots=True)
class Asset:
    """One address (or MAC) and everything that is known of it. macs: its own; alone: those of them that no other address was seen with."""

    high: int
    low: int
    first: Where
    last_ns: int
    packets: int
    bytes: int
    macs: list[int]
    alone: list[int]
    serves: frozenset[str]  # protocols
    uses: frozenset[str]
    publishes: frozenset[str]
    serves_others: frozenset[str]  # protocols of which nothing is decoded, by their ports
    uses_others: frozenset[str]
    behaviour: Behaviour
    engineered: int  # engineering acts that it did
    is_engineers: bool  # engineering acts were done by it, or by an address that has its MAC
    attributes: Attributes = field(default_factory=dict)

    @property
    def address(self) -> str:
        return address_text(self.high, self.low)

    @property
    def is_io_device(self) -> bool:
        """Its identity says so, and it has no inputs and outputs of its own elsewhere, as a controller behind a communications adapter has."""
        types = {value for name, value in self.attributes if name == "device_type"} if self.attributes else set()
        return bool(types) and types <= IO_DEVICES and "cip_io" not in self.uses

    @property
    def roles(self) -> frozenset[str]:
        """What it says it is, and what it behaves like, by the protocols that it serves and uses."""
        said = frozenset(value for name, value in self.attributes if name == "role") & SAID if self.attributes else frozenset[str]()
        found = roles(self.behaviour, self.serves, self.uses | self.publishes, said, is_engineering=self.engineered > 0, is_io_device=self.is_io_device)
        if self.is_engineers:  # what an engineer's tool publishes makes it no protection relay
            found -= {"ied"}
        if found & OPERATORS and is_outside(self.high, self.low, self.behaviour.networks):
            found = found - OPERATORS | {"external"}
        return found

    @property
    def model(self) -> str:
        """What it is, by whatever of its attributes says it best; empty where none does."""
        best = self.best if self.attributes else {}
        return best.get("model") or best.get("product") or best.get("order_number") or ""

    @property
    def said(self) -> list[tuple[str, Evidence]]:
        """Its attributes by name, as it first said them."""
        return [(name, evidence) for (name, _), evidence in sorted(self.attributes.items(), key=lambda item: (item[1].first, item[0]))]

    @property
    def best(self) -> dict[str, str]:
        """By attribute, of what it said the value that it said last; without any, who made its network card."""
        best: dict[str, Evidence] = {}
        for name, evidence in self.said if self.attributes else ():
            if name not in best or evidence.last >= best[name].last:
                best[name] = evidence
        vendor = "" if "vendor" in best else next(filter(None, map(vendor_of, self.alone or self.macs)), "")
        return {name: evidence.value for name, evidence in best.items()} | ({"vendor": vendor} if vendor else {})


@lru_cache(1 << 12)  # hosts are many, what they do is much alike
def roles(
    behaviour: Behaviour, serves: frozenset[str], uses: frozenset[str], said: frozenset[str], *, is_engineering: bool, is_io_device: bool
) -> frozenset[str]:
    """See Asset.roles."""
    found = set(said)
    as_server = {behaviour.by_serving[name] for name in serves if name in behaviour.by_serving}
    as_client = {name: behaviour.by_using[name] for name in uses if name in behaviour.by_using}
    clients = {name for name, role in as_client.items() if role == "hmi"}
    found |= as_server - {"controller"} | set(as_client.values()) - {"hmi"}
    if "controller" in as_server:
        found.add("io_device" if is_io_device else "controller")
    if is_engineering:
        found.add("engineering_station")
    elif clients - INPUT_OUTPUT if as_server and "cip_io" in clients else clients:
        found.add("gateway" if as_server else "hmi")
    return frozenset(found)
