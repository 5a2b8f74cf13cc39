"""Who is on the network, and how we know: addresses, MACs, names and identities, each with the frames that said so.

An asset is an address that has sent something. A MAC is an asset's own when ARP said so or when it stands for no other address; a MAC with several addresses
(a router) joins nothing. A MAC that speaks only layer 2 protocols is an asset of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from sensor.columns import firsts, heads, order_by
from sensor.events.address import MAC_HIGH, MAPPED, address_text, mac_text
from sensor.events.origins import Origins
from sensor.events.protocol import Dataset, Protocol
from sensor.events.seen import Seen
from sensor.events.table import Table
from sensor.events.vocabulary import Action

MOST = 65_536  # assets; the one longest silent leaves first and is counted
MOST_ATTRIBUTES = 256  # values kept of one asset
MOST_MACS = 16  # MACs kept of one address, addresses of one MAC
ENGINEERING = (
    Action.DOWNLOAD, Action.UPLOAD, Action.MODIFY_PROGRAM, Action.START, Action.STOP, Action.RESTART, Action.MODE_CHANGE, Action.FIRMWARE_UPDATE, Action.FORCE,
)  # fmt: skip
IS_ENGINEERING = np.isin(np.arange(256), ENGINEERING)
OUTSTATIONS = {"dnp3", "iec104"}
PUBLISHED = {"goose"}  # sent to a group: whoever sends it is no client
ANNOUNCED = {"lldp"}  # anybody may say who he is
IO_DEVICES = {"communications adapter", "general purpose discrete io", "safety discrete io", "safety analog io", "cip motion io"}  # CIP device types
INPUT_OUTPUT = {"cip_io", "enip"}  # by which a controller reaches its own inputs and outputs


class Where(NamedTuple):
    """A packet: its source (before which came `place` others), frame and time. They sort as they were read."""

    place: int
    frame: int
    ts_ns: int
    source: str


@dataclass
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


@dataclass
class Asset:
    """One address (or MAC) and everything that is known of it."""

    high: int
    low: int
    first: Where
    last_ns: int = 0
    packets: int = 0
    bytes: int = 0
    macs: OrderedDict[int, bool] = field(default_factory=OrderedDict)  # True where ARP said so
    serves: set[str] = field(default_factory=set)  # protocols
    uses: set[str] = field(default_factory=set)
    engineered: int = 0  # engineering acts that it did
    attributes: dict[tuple[str, str], Evidence] = field(default_factory=dict)  # (attribute, value)

    @property
    def address(self) -> str:
        return address_text(self.high, self.low)

    @property
    def is_io_device(self) -> bool:
        """Its identity says so, and it has no inputs and outputs of its own elsewhere, as a controller behind a communications adapter has."""
        types = {value for name, value in self.attributes if name == "device_type"}
        return bool(types) and types <= IO_DEVICES and "cip_io" not in self.uses

    def roles(self, industrial: frozenset[str]) -> list[str]:
        """What it behaves like, by the industrial protocols among those that it serves and uses."""
        found, serves, uses = set(), self.serves & industrial, self.uses & industrial
        if serves & OUTSTATIONS:
            found.add("outstation")
        if serves - OUTSTATIONS:
            found.add("io_device" if self.is_io_device else "controller")
        if self.uses & PUBLISHED:
            found.add("ied")
        if self.engineered:
            found.add("engineering_station")
        elif uses - INPUT_OUTPUT if serves and "cip_io" in uses else uses:
            found.add("gateway" if serves else "hmi")
        return sorted(found)


class Assets:
    """Learns from batches. Bounded; `evicted` counts assets that left."""

    def __init__(self, datasets: tuple[Dataset, ...], most: int = MOST) -> None:
        self.datasets, self.most = {dataset.name: dataset for dataset in datasets}, most
        self.industrial = frozenset(dataset.name for dataset in datasets if isinstance(dataset, Protocol)) - PUBLISHED - ANNOUNCED
        self.known: OrderedDict[tuple[int, int], Asset] = OrderedDict()
        self.shared: OrderedDict[int, set[int]] = OrderedDict()  # MAC -> the addresses that it was seen with
        self.evicted = 0
        self.origins = Origins()
        self.waiting = np.zeros(0, np.int32)  # flows of which only one side was seen so far
        self.met = np.zeros(0, np.bool_)  # by flow: whether it has said who its ends are
        self.spoken = np.zeros(0, np.uint8)  # by flow * 2 + (sent to the server): the protocol that the sender was last found to speak, counted from 1

    def learn(self, seen: Seen) -> None:
        """One batch: flows that were answered, flows that are over, ARP, and what devices say."""
        self.origins.add(seen)
        if len(self.met) < len(seen.flows["key"]):
            self.met, self.spoken = np.zeros(len(seen.flows["key"]), np.bool_), np.zeros(len(seen.flows["key"]) * 2, np.uint8)
        arp = seen.arp
        for mac, ip, frame, ts_ns in zip(*(column.tolist() for column in (arp.sender_mac, arp.sender_ip, arp.frame, arp.ts_ns)), strict=True):
            if ip:
                self._address(0, MAPPED | ip, self._here(seen, frame, ts_ns)).macs[mac] = True
                self._share(mac, MAPPED | ip)
        waiting = np.concatenate((self.waiting, seen.started))
        packets = seen.flows["packets"]
        answered = (packets[waiting * 2] > 0) & (packets[waiting * 2 + 1] > 0)
        for flow in waiting[answered].tolist():
            self._flow({name: seen.flows[name][flow] for name in NAMES}, flow, "ab")
        self.met[waiting[answered]] = True
        self.waiting = waiting[~answered & seen.flows["live"][waiting]][-MOST:]
        for number, (name, dataset) in enumerate(self.datasets.items(), 1):
            if (table := seen.datasets.get(name)) is not None:
                self._speak(seen, table, number)
                self._identify(seen, table, dataset)
                self._engineering(seen, table)
        self._over(seen)

    def _here(self, seen: Seen, frame: int, ts_ns: int) -> Where:
        return Where(len(self.origins.sources) - 1, frame, ts_ns, seen.source.name)

    def _over(self, seen: Seen) -> None:
        """Flows that are over: those that were not answered make an asset of their sender alone; all add to the counts."""
        over = seen.over
        columns = {name: over[name].tolist() for name in (*NAMES, "packets_a", "packets_b", "bytes_a", "bytes_b", "last_ns")}
        for number, met, values in zip(over["flow"].tolist(), self.met[over["flow"]].tolist(), zip(*columns.values(), strict=True), strict=True):
            flow = dict(zip(columns, values, strict=True))
            senders = "".join(end for end in "ab" if flow[f"packets_{end}"])
            if not met:
                self._flow(flow, number, senders)
            for end in senders:
                asset = self.known.get((flow[f"{end}_high"], flow[f"{end}_low"]))
                if asset is not None:
                    asset.packets += flow[f"packets_{end}"]
                    asset.bytes += flow[f"bytes_{end}"]
                    asset.last_ns = max(asset.last_ns, flow["last_ns"])
        self.met[over["flow"]] = False
        self.spoken[over["flow"] * 2] = self.spoken[over["flow"] * 2 + 1] = 0

    def _flow(self, flow: dict[str, Any], number: int, ends: str) -> None:
        """Who the ends of a flow are. number: its row of the flow table; ends: of those that sent something."""
        place = int(self.origins.place(np.array([number]))[0])
        when = Where(place, int(flow["first_frame"]), int(flow["first_ns"]), self.origins.sources[place].name)
        for end in ends:
            asset, mac = self._address(int(flow[f"{end}_high"]), int(flow[f"{end}_low"]), when), int(flow[f"{end}_mac"])
            if mac and asset.high != MAC_HIGH:
                asset.macs.setdefault(mac, False)
                if len(asset.macs) > MOST_MACS:
                    asset.macs.popitem(last=False)
                self._share(mac, asset.low)

    def _speak(self, seen: Seen, table: Table, number: int) -> None:
        """Who serves and who uses a protocol: whoever sent an event of it, once per flow and direction."""
        new = np.flatnonzero(table.is_new & ~table.foreign)
        stream = table.flow[new].astype(np.int64) << 1 | table.to_server[new]
        told = np.flatnonzero(self.spoken[stream] != number)
        if told.size:
            _, first = firsts(stream[told])
            for row in new[told[first]].tolist():
                is_server = not table.pdus.to_server[table.pdu[row]]
                asset = self._end(seen, table, row, is_server=is_server)
                (asset.serves if is_server else asset.uses).add(table.dataset)
            self.spoken[stream[told]] = number

    def _address(self, high: int, low: int, when: Where) -> Asset:
        asset = self.known.get((high, low))
        if asset is None:
            if len(self.known) >= self.most:
                self.known.popitem(last=False)
                self.evicted += 1
            asset = self.known[high, low] = Asset(high, low, when, when.ts_ns)
        else:
            self.known.move_to_end((high, low))
            asset.first, asset.last_ns = min(asset.first, when), max(asset.last_ns, when.ts_ns)
        return asset

    def _share(self, mac: int, low: int) -> None:
        addresses = self.shared.setdefault(mac, set())
        if len(addresses) < MOST_MACS:
            addresses.add(low)
        if len(self.shared) > self.most:
            self.shared.popitem(last=False)

    def _identify(self, seen: Seen, table: Table, dataset: Dataset) -> None:
        """What devices say of themselves."""
        if dataset.identity is None:
            return
        new = table.is_new
        for found in dataset.identity(table):
            if new[found.row]:
                where, asset = self._where(seen, table, found.row), self._end(seen, table, found.row, is_server=found.is_server)
                for name, value in found.attributes.items():
                    entry = asset.attributes.get((name, value))
                    if entry is not None:
                        entry.add(table.dataset, where)
                    elif len(asset.attributes) < MOST_ATTRIBUTES:
                        asset.attributes[name, value] = Evidence(value, table.dataset, where, where)

    def _engineering(self, seen: Seen, table: Table) -> None:
        """Who programs, starts and stops controllers."""
        rows = np.flatnonzero(IS_ENGINEERING[table.action] & table.to_server & table.is_new)
        if rows.size:
            flow = table.flow[rows]
            order = order_by(flow)
            start = np.flatnonzero(heads(flow[order]))
            for row, count in zip(rows[order[start]].tolist(), np.diff(np.append(start, len(rows))).tolist(), strict=True):
                self._end(seen, table, row, is_server=False).engineered += count

    def _where(self, seen: Seen, table: Table, row: int) -> Where:
        """The packet of an event."""
        pdu = table.pdu[row]
        return self._here(seen, int(table.pdus.frame[pdu]), int(table.pdus.ts_ns[pdu]))

    def _end(self, seen: Seen, table: Table, row: int, *, is_server: bool) -> Asset:
        """The server or the client of an event."""
        flow, flows = int(table.pdus.flow[table.pdu[row]]), seen.flows
        end = "b" if bool(flows["server_is_b"][flow]) == is_server else "a"
        return self._address(int(flows[f"{end}_high"][flow]), int(flows[f"{end}_low"][flow]), self._where(seen, table, row))

    def own_macs(self, asset: Asset) -> list[int]:
        """The MACs that are this asset's own."""
        return [mac for mac, by_arp in asset.macs.items() if by_arp or len(self.shared.get(mac, ())) <= 1]

    def documents(self, sensor: str) -> Iterator[dict[str, Any]]:
        """One ECS document per asset, in the order of addresses."""
        ordered = sorted(self.known.items())
        owners: dict[int, list[Asset]] = {}
        for (high, _), asset in ordered:
            for mac in self.own_macs(asset) if high != MAC_HIGH else ():
                owners.setdefault(mac, []).append(asset)
        joined = {key for key, _ in ordered if key[0] == MAC_HIGH and len(owners.get(key[1], ())) == 1}  # a MAC that several claim (spoofing) is nobody's
        for key in joined:
            owner, part = owners[key[1]][0], self.known[key]
            owner.serves |= part.serves
            owner.uses |= part.uses
            owner.attributes = part.attributes | owner.attributes
        for key, asset in ordered:
            if key not in joined:
                yield self._document(asset, sensor)

    def _document(self, asset: Asset, sensor: str) -> dict[str, Any]:
        macs = [asset.low] if asset.high == MAC_HIGH else sorted(self.own_macs(asset))
        best: dict[str, Evidence] = {}
        said = sorted(asset.attributes.items(), key=lambda item: (item[1].first, item[0]))
        for (name, _), evidence in said:
            if name not in best or evidence.last >= best[name].last:
                best[name] = evidence
        alone = [mac for mac in macs if len(self.shared.get(mac, ())) <= 1]  # no other address claims it
        vendor = best["vendor"].value if "vendor" in best else next(filter(None, map(vendor_of, alone or macs)), "")
        identity = [{"name": name, "value": e.value, "said_by": e.said_by, "first": _place(e.first), "last": _place(e.last)} for (name, _), e in said]
        device: dict[str, Any] = {"manufacturer": vendor} if vendor else {}
        if model := best.get("model") or best.get("product") or best.get("order_number"):
            device["model"] = {"name": model.value}
        host: dict[str, Any] = {} if asset.high == MAC_HIGH else {"ip": [asset.address]}
        host |= {"mac": [mac_text(mac) for mac in macs]} if macs else {}
        own: dict[str, Any] = {
            "id": asset.address,
            "address": asset.address,
            "roles": asset.roles(self.industrial),
            "serves": sorted(asset.serves),
            "uses": sorted(asset.uses),
        }
        own |= {"packets": asset.packets, "bytes": asset.bytes, "first": _place(asset.first), "last_seen": _time(asset.last_ns), "identity": identity}
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


NAMES = ("a_high", "a_low", "b_high", "b_low", "a_mac", "b_mac", "first_frame", "first_ns")


def _place(where: Where) -> dict[str, Any]:
    return {"source": where.source, "frame": where.frame, "time": _time(where.ts_ns)}


def _time(ts_ns: int) -> str:
    return str(np.datetime_as_string(np.datetime64(ts_ns, "ns"))) + "Z"


def vendor_of(mac: int) -> str:
    """The organisation that the IEEE registered a MAC's first three bytes to, as netaddr ships the registry; empty where there is none."""
    from netaddr import EUI, NotRegisteredError

    if mac >> 40 & 3:  # locally administered, or a group
        return ""
    try:
        return str(EUI(mac).oui.registration()["org"]).strip(" ,.")
    except NotRegisteredError:
        return ""
