"""Who is on the network, and how we know: addresses, MACs, names and identities, each with the frames that said so.

An asset is an address that has sent something. A MAC is an asset's own when ARP said so or when it stands for no other address; a MAC with several addresses
(a router) joins nothing. A MAC that speaks only layer 2 protocols is an asset of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sensor.columns import heads, order_by
from sensor.events.address import MAC_HIGH, MAPPED, address_text, mac_text
from sensor.events.protocol import Protocol
from sensor.events.seen import Seen
from sensor.events.table import Table
from sensor.events.vocabulary import Action

MOST = 65_536  # assets; the one longest silent leaves first and is counted
MOST_MACS = 16  # MACs kept of one address, addresses of one MAC
ENGINEERING = (
    Action.DOWNLOAD, Action.UPLOAD, Action.MODIFY_PROGRAM, Action.START, Action.STOP, Action.RESTART, Action.MODE_CHANGE, Action.FIRMWARE_UPDATE, Action.FORCE,
)  # fmt: skip
IS_ENGINEERING = np.isin(np.arange(256), ENGINEERING)
OUTSTATIONS, DEVICES = ("dnp3", "iec104"), ("goose",)


@dataclass
class Evidence:
    """A value, who said it, and the first and the last frame (of which source) that did."""

    value: str
    said_by: str
    first: tuple[str, int, int]  # source, frame, ts_ns
    last: tuple[str, int, int]


@dataclass
class Asset:
    """One address (or MAC) and everything that is known of it."""

    high: int
    low: int
    first: tuple[str, int, int]
    last_ns: int = 0
    packets: int = 0
    bytes: int = 0
    macs: OrderedDict[int, bool] = field(default_factory=OrderedDict)  # True where ARP said so
    serves: dict[str, int] = field(default_factory=dict)  # protocol -> conversations
    uses: dict[str, int] = field(default_factory=dict)
    engineered: int = 0  # engineering acts that it did
    attributes: dict[tuple[str, str], Evidence] = field(default_factory=dict)  # (attribute, value)

    @property
    def address(self) -> str:
        return address_text(self.high, self.low)

    @property
    def roles(self) -> list[str]:
        """What it behaves like."""
        found = set()
        if self.serves.keys() & set(OUTSTATIONS):
            found.add("outstation")
        if self.serves.keys() - set(OUTSTATIONS) - set(DEVICES):
            found.add("controller")
        if self.serves.keys() & set(DEVICES):
            found.add("ied")
        if self.engineered:
            found.add("engineering_station")
        elif self.uses:
            found.add("gateway" if self.serves else "hmi")
        return sorted(found)


class Assets:
    """Learns from batches. Bounded; `evicted` counts assets that left."""

    def __init__(self, protocols: tuple[Protocol, ...], most: int = MOST) -> None:
        self.protocols, self.most = protocols, most
        self.known: OrderedDict[tuple[int, int], Asset] = OrderedDict()
        self.shared: dict[int, set[int]] = {}  # MAC -> the addresses that it was seen with
        self.evicted = 0
        self.waiting = np.zeros(0, np.int32)  # flows of which only one side was seen so far

    def learn(self, seen: Seen) -> None:
        """One batch: flows that were answered, flows that are over, ARP, and what devices say."""
        for mac, ip, frame, ts_ns in zip(
            *(column.tolist() for column in (seen.arp.sender_mac, seen.arp.sender_ip, seen.arp.frame, seen.arp.ts_ns)), strict=True
        ):
            if ip:
                self._address(0, MAPPED | ip, (seen.source.name, frame, ts_ns)).macs[mac] = True
                self._share(mac, ip)
        waiting = np.concatenate((self.waiting, seen.started))
        packets = seen.flows["packets"]
        answered = (packets[waiting * 2] > 0) & (packets[waiting * 2 + 1] > 0) & seen.flows["live"][waiting]
        for flow in waiting[answered].tolist():
            self._flow(seen, {name: seen.flows[name][flow] for name in NAMES}, 3)
        self.waiting = waiting[~answered & seen.flows["live"][waiting]][-MOST:]
        self._over(seen)
        for table in seen.tables.values():
            self._identify(seen, table)
            self._engineering(seen, table)

    def _over(self, seen: Seen) -> None:
        """Flows that are over: those never answered make an asset of their sender alone; all add to the counts."""
        over = seen.over
        columns = {name: over[name].tolist() for name in (*NAMES, "packets_a", "packets_b", "bytes_a", "bytes_b", "last_ns")}
        for values in zip(*columns.values(), strict=True):
            flow = dict(zip(columns, values, strict=True))
            if not (flow["packets_a"] and flow["packets_b"]):
                self._flow(seen, flow, 1 if flow["packets_a"] else 2)
            for end in "ab":
                asset = self.known.get((flow[f"{end}_high"], flow[f"{end}_low"]))
                if asset is not None:
                    asset.packets += flow[f"packets_{end}"]
                    asset.bytes += flow[f"bytes_{end}"]
                    asset.last_ns = max(asset.last_ns, flow["last_ns"])

    def _flow(self, seen: Seen, flow: dict[str, Any], sides: int) -> None:
        """What a flow says of its ends; sides: 1 for end a, 2 for end b, 3 for both."""
        number = int(flow["protocol"])
        name = self.protocols[number - 1].name if 0 < number <= len(self.protocols) else ""
        when = (seen.source.name, int(flow["first_frame"]), int(flow["first_ns"]))
        for bit, end in ((1, "a"), (2, "b")):
            if sides & bit:
                asset = self._address(int(flow[f"{end}_high"]), int(flow[f"{end}_low"]), when)
                mac = int(flow[f"{end}_mac"])
                if mac and asset.high != MAC_HIGH:
                    asset.macs.setdefault(mac, False)
                    if len(asset.macs) > MOST_MACS:
                        asset.macs.popitem(last=False)
                    self._share(mac, asset.low)
                if name:
                    table = asset.serves if bool(flow["server_is_b"]) == (end == "b") else asset.uses
                    table[name] = table.get(name, 0) + 1

    def _address(self, high: int, low: int, when: tuple[str, int, int]) -> Asset:
        asset = self.known.get((high, low))
        if asset is None:
            if len(self.known) >= self.most:
                self.known.popitem(last=False)
                self.evicted += 1
            asset = self.known[high, low] = Asset(high, low, when, when[2])
        else:
            self.known.move_to_end((high, low))
        return asset

    def _share(self, mac: int, low: int) -> None:
        addresses = self.shared.setdefault(mac, set())
        if len(addresses) < MOST_MACS:
            addresses.add(low)
        if len(self.shared) > self.most:
            self.shared.pop(next(iter(self.shared)))

    def _identify(self, seen: Seen, table: Table) -> None:
        """What devices say of themselves."""
        protocol = next(protocol for protocol in self.protocols if protocol.name == table.dataset)
        if protocol.identity is None:
            return
        new = table.is_new
        for found in protocol.identity(table):
            if new[found.row]:
                flow, where = int(table.flow[found.row]), (seen.source.name, int(table.frame[found.row]), int(table.ts_ns[found.row]))
                end = "b" if bool(seen.flows["server_is_b"][flow]) == found.is_server else "a"
                asset = self._address(int(seen.flows[f"{end}_high"][flow]), int(seen.flows[f"{end}_low"][flow]), where)
                for name, value in found.attributes.items():
                    entry = asset.attributes.get((name, value))
                    if entry is not None:
                        entry.last = where
                    elif len(asset.attributes) < 256:
                        asset.attributes[name, value] = Evidence(value, table.dataset, where, where)

    def _engineering(self, seen: Seen, table: Table) -> None:
        """Who programs, starts and stops controllers."""
        rows = np.flatnonzero(IS_ENGINEERING[table.action] & table.to_server & table.is_new)
        if rows.size:
            flow = table.flow[rows]
            order = order_by(flow)
            start = np.flatnonzero(heads(flow[order]))
            for one, count in zip(flow[order[start]].tolist(), np.diff(np.append(start, len(rows))).tolist(), strict=True):
                end = "a" if seen.flows["server_is_b"][one] else "b"
                first = rows[order[start[0]]]
                where = (seen.source.name, int(table.frame[first]), int(table.ts_ns[first]))
                self._address(int(seen.flows[f"{end}_high"][one]), int(seen.flows[f"{end}_low"][one]), where).engineered += count

    def own_macs(self, asset: Asset) -> list[int]:
        """The MACs that are this asset's own."""
        return [mac for mac, by_arp in asset.macs.items() if by_arp or len(self.shared.get(mac, ())) <= 1]

    def documents(self, sensor: str) -> Iterator[dict[str, Any]]:
        """One ECS document per asset, in the order of addresses."""
        joined = {mac for asset in self.known.values() if asset.high != MAC_HIGH for mac in self.own_macs(asset)}
        for (high, low), asset in sorted(self.known.items()):
            if high == MAC_HIGH and low in joined and not asset.attributes:
                owner = next(other for other in self.known.values() if low in other.macs)
                owner.serves |= asset.serves
                continue
            yield self._document(asset, sensor)

    def _document(self, asset: Asset, sensor: str) -> dict[str, Any]:
        macs = [asset.low] if asset.high == MAC_HIGH else self.own_macs(asset)
        best: dict[str, Evidence] = {}
        for (name, _), evidence in asset.attributes.items():
            if name not in best or evidence.last[2] >= best[name].last[2]:
                best[name] = evidence
        vendor = best["vendor"].value if "vendor" in best else next(filter(None, map(vendor_of, macs)), "")
        identity = [
            {"name": name, "value": e.value, "said_by": e.said_by, "first": _where(e.first), "last": _where(e.last)}
            for (name, _), e in asset.attributes.items()
        ]
        device: dict[str, Any] = {"manufacturer": vendor} if vendor else {}
        if model := best.get("model") or best.get("product") or best.get("order_number"):
            device["model"] = {"name": model.value}
        host: dict[str, Any] = {} if asset.high == MAC_HIGH else {"ip": [asset.address]}
        host |= {"mac": [mac_text(mac) for mac in macs]} if macs else {}
        own: dict[str, Any] = {"id": asset.address, "address": asset.address, "roles": asset.roles, "serves": sorted(asset.serves), "uses": sorted(asset.uses)}
        own |= {"packets": asset.packets, "bytes": asset.bytes, "first": _where(asset.first), "last_seen": _time(asset.last_ns), "identity": identity}
        own |= {name: best[name].value for name in ("firmware", "serial", "name") if name in best}
        return {
            "@timestamp": _time(asset.last_ns),
            "ecs": {"version": "9.4.0"},
            "event": {
                "id": f"asset-{asset.address}",
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


NAMES = ("a_high", "a_low", "b_high", "b_low", "a_mac", "b_mac", "server_is_b", "protocol", "first_frame", "first_ns")


def _where(evidence: tuple[str, int, int]) -> dict[str, Any]:
    return {"source": evidence[0], "frame": evidence[1], "time": _time(evidence[2])}


def _time(ts_ns: int) -> str:
    return str(np.datetime_as_string(np.datetime64(ts_ns, "ns"))) + "Z"


def vendor_of(mac: int) -> str:
    """The organisation that the IEEE registered a MAC's first three bytes to, as netaddr ships the registry; empty where there is none."""
    from netaddr import EUI, NotRegisteredError

    if mac >> 40 & 3:  # locally administered, or a group
        return ""
    try:
        return str(EUI(mac).oui.registration()["org"])
    except NotRegisteredError:
        return ""
