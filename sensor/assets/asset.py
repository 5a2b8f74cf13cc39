"""One asset, and the document that tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sensor.assets.vendors import vendor_of
from sensor.events.address import MAC_HIGH, address_text, mac_text
from sensor.events.clock import time_text

SAID = frozenset({"io_device", "controller", "engineering_station"})  # roles that a device may say it has
IO_DEVICES = {"communications adapter", "general purpose discrete io", "safety discrete io", "safety analog io", "cip motion io"}  # CIP device types
INPUT_OUTPUT = {"cip_io", "enip"}  # by which a controller reaches its own inputs and outputs


class Where(NamedTuple):
    """A packet: its source (before which came `place` others), frame and time. They sort as they were read."""

    place: int
    frame: int
    ts_ns: int
    source: str


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
    serves: set[str]  # protocols
    uses: set[str]
    by_serving: dict[str, str]  # the role that serving a protocol tells of
    by_using: dict[str, str]
    engineered: int  # engineering acts that it did
    attributes: Attributes = field(default_factory=dict)

    @property
    def address(self) -> str:
        return address_text(self.high, self.low)

    @property
    def is_io_device(self) -> bool:
        """Its identity says so, and it has no inputs and outputs of its own elsewhere, as a controller behind a communications adapter has."""
        types = {value for name, value in self.attributes if name == "device_type"}
        return bool(types) and types <= IO_DEVICES and "cip_io" not in self.uses

    @property
    def roles(self) -> list[str]:
        """What it says it is, and what it behaves like, by the protocols that it serves and uses."""
        found = {value for name, value in self.attributes if name == "role"} & SAID
        serves = {self.by_serving[name] for name in self.serves if name in self.by_serving}
        uses = {name: self.by_using[name] for name in self.uses if name in self.by_using}
        clients = {name for name, role in uses.items() if role == "hmi"}
        found |= serves - {"controller"} | set(uses.values()) - {"hmi"}
        if "controller" in serves:
            found.add("io_device" if self.is_io_device else "controller")
        if self.engineered:
            found.add("engineering_station")
        elif clients - INPUT_OUTPUT if serves and "cip_io" in clients else clients:
            found.add("gateway" if serves else "hmi")
        return sorted(found)

    def document(self, sensor: str) -> dict[str, Any]:
        """As ECS has it."""
        best: dict[str, Evidence] = {}
        said = sorted(self.attributes.items(), key=lambda item: (item[1].first, item[0]))
        for (name, _), evidence in said:
            if name not in best or evidence.last >= best[name].last:
                best[name] = evidence
        vendor = best["vendor"].value if "vendor" in best else next(filter(None, map(vendor_of, self.alone or self.macs)), "")
        identity = [{"name": name, "value": e.value, "said_by": e.said_by, "first": _place(e.first), "last": _place(e.last)} for (name, _), e in said]
        device: dict[str, Any] = {"manufacturer": vendor} if vendor else {}
        if model := best.get("model") or best.get("product") or best.get("order_number"):
            device["model"] = {"name": model.value}
        address, last = self.address, time_text(self.last_ns)
        host: dict[str, Any] = {} if self.high == MAC_HIGH else {"ip": [address]}
        host |= {"mac": [mac_text(mac) for mac in self.macs]} if self.macs else {}
        own: dict[str, Any] = {"id": address, "address": address, "roles": self.roles, "serves": sorted(self.serves), "uses": sorted(self.uses)}
        own |= {"packets": self.packets, "bytes": self.bytes, "first": _place(self.first), "last_seen": last, "identity": identity}
        own |= {name: best[name].value for name in ("firmware", "serial", "name") if name in best}
        return {
            "@timestamp": last,
            "ecs": {"version": "9.4.0"},
            "event": {
                "id": f"asset-{address}",
                "kind": "asset",
                "category": ["host"],
                "type": ["info"],
                "module": "tapsight",
                "dataset": "tapsight.asset",
            },
            "host": host,
            **({"device": device} if device else {}),
            "observer": {"type": "sensor", "name": sensor},
            "tapsight": {"asset": own},
        }


def _place(where: Where) -> dict[str, Any]:
    return {"source": where.source, "frame": where.frame, "time": time_text(where.ts_ns)}
