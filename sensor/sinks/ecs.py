"""What every document has, in the words of ECS 9.4 (schemas/base.yml, event.yml, network.yml, client.yml, server.yml, threat.yml)."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any

import numpy as np

from sensor.columns import Array, Heard, Ints
from sensor.decode.packets import Transport
from sensor.events.address import MAC_HIGH, End, address_texts, mac_texts
from sensor.events.community import community_ids
from sensor.events.field import label
from sensor.events.vocabulary import Action, Anomaly

VERSION = "9.4.0"
FRAMEWORK = "MITRE ATT&CK for ICS"
NO_MAC = "00-00-00-00-00-00"
MOST_ENDS = 1 << 15  # conversations whose text is kept

# event.category and event.type of an action: pairs that ECS allows ("network" alone has no change, no error)
OPENS = (("network",), ("protocol", "connection"))
LOGS_IN = (("network", "authentication"), ("protocol", "info"))
ACCESSES = (("network",), ("protocol", "access"))
CHANGES = (("network", "configuration"), ("protocol", "change"))
TELLS = (("network",), ("protocol", "info"))
TYPES = {
    Action.CONNECT: OPENS,
    Action.AUTHENTICATE: LOGS_IN,
    **dict.fromkeys((Action.READ, Action.WRITE, Action.SELECT, Action.OPERATE, Action.UPLOAD, Action.CONFIGURE_READ, Action.FILE_ACCESS), ACCESSES),
    **dict.fromkeys((Action.MODE_CHANGE, Action.START, Action.STOP, Action.RESTART, Action.DOWNLOAD, Action.MODIFY_PROGRAM, Action.FORCE), CHANGES),
    **dict.fromkeys((Action.CONFIGURE_WRITE, Action.FIRMWARE_UPDATE, Action.TIME_SET), CHANGES),
}


ENCODE = json.JSONEncoder(separators=(",", ":"), default=str, allow_nan=False).encode  # made once: json.dumps makes one for every value


def quote(value: Any) -> str:
    """JSON without spaces. Lone surrogates and control characters are escaped, whatever JSON has no word for becomes text, NaN and the infinities null."""
    if isinstance(value, float):
        return float.__repr__(value) if math.isfinite(value) else "null"
    try:
        return ENCODE(value)
    except ValueError:
        return json.dumps(finite(value), separators=(",", ":"), default=str)


def finite(value: Any) -> Any:
    """The same value with null in the place of numbers that JSON has not."""
    if isinstance(value, dict):
        return {str(key): finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def times(ts_ns: Ints) -> list[str]:
    """The same for a column. Seconds are written once each: a batch has few."""
    second, fraction = np.divmod(ts_ns, 1_000_000_000)
    each, which = np.unique(second, return_inverse=True)
    texts = np.datetime_as_string(each.astype("M8[s]")).tolist()
    return [f"{texts[i]}.{ns:09d}Z" for i, ns in zip(which.tolist(), fraction.tolist(), strict=True)]


def kind(action: int) -> str:
    """event.category, event.type and event.action of an action, as JSON members."""
    category, types = TYPES.get(Action(action), TELLS)
    return f'"category":{quote(category)},"type":{quote(types)},"action":"{label(Action(action))}"'


def anomaly_names(bits: int) -> list[str]:
    """The names of Anomaly bits."""
    return [str(bit.name).lower() for bit in Anomaly if bits & bit]


def end_body(end: End) -> dict[str, Any]:
    """source, destination, client or server of one end. A MAC is no `ip`."""
    is_mac = end.address == end.mac or "-" in end.address
    body: dict[str, Any] = {"address": end.address} | ({} if is_mac else {"ip": end.address}) | ({"port": end.port} if end.port else {})
    return body | ({"mac": end.mac} if end.mac != NO_MAC else {})


class Ends:
    """What documents say of conversations: rendered once each and kept, bounded, until they are over."""

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}

    def column(self, flows: dict[str, Array], flow: Array, to_server: Array) -> tuple[Ints, dict[int, str]]:
        """A key of each row's flow and sender, and by key source, destination, client, server, related and network (left open for the protocol to be put in)."""
        key = flow.astype(np.int64) << 2 | flows["server_is_b"][flow].astype(np.int64) << 1 | to_server
        if len(self.texts) > MOST_ENDS:
            self.texts.clear()
        if missing := set(np.unique(key).tolist()) - self.texts.keys():
            some = np.array(sorted(missing))
            self.texts |= zip(some.tolist(), ends(flows, some >> 2, some & 1), strict=True)
        return key, self.texts

    def forget(self, flow: Array) -> None:
        """These flows are over: their numbers will be others'."""
        if self.texts:
            gone = set(flow.tolist())
            self.texts = {key: text for key, text in self.texts.items() if key >> 2 not in gone}


def observer(sensor: str, heard: Heard) -> dict[str, Any]:
    """Which sensor, and where it heard what a document tells."""
    return {"type": "sensor", "vendor": "Tapsight", "product": "tapsight", "name": sensor} | ingress(heard)


def ingress(heard: Heard) -> dict[str, Any]:
    """Zone and interface (observer.ingress.*), where they are known."""
    interface = {name: value for name, value in (("name", heard.interface), ("alias", heard.alias)) if value}
    found = ({"zone": heard.zone} if heard.zone else {}) | ({"interface": interface} if interface else {})
    return {"ingress": found} if found else {}


@lru_cache(1 << 10)
def observed(sensor: str, site: str, heard: Heard) -> str:
    """Which sensor, where it heard it, and the beginning of what is its own: its site, where it has one, and the source; left open for the rest."""
    return f'"observer":{quote(observer(sensor, heard))},"tapsight":{{{place(site)}"source":{quote(heard.name)}'


def place(site: str) -> str:
    return f'"site":{quote(site)},' if site else ""


def ends(flows: dict[str, Array], flow: Ints, to_server: Array) -> list[str]:
    """See Ends.column. Of several rows of columns like the flow table's."""
    (a_texts, a_addresses), (b_texts, b_addresses) = (_ends(flows, flow, end) for end in "ab")
    networks, has_ip = _networks(flows, flow)
    columns = (flows["server_is_b"][flow].tolist(), to_server.tolist(), a_texts, b_texts, a_addresses, b_addresses, has_ip, networks)
    found = []
    for server_is_b, asks, a, b, a_address, b_address, is_ip, network in zip(*columns, strict=True):
        client, server = (a, b) if server_is_b else (b, a)
        source, destination = (client, server) if asks else (server, client)
        first, second = (a_address, b_address) if server_is_b else (b_address, a_address)
        related = f',"related":{{"ip":["{first}","{second}"]}}' if is_ip else ""
        found.append(f'"source":{source},"destination":{destination},"client":{client},"server":{server}{related},"network":{network}')
    return found


def _ends(flows: dict[str, Array], flow: Ints, end: str) -> tuple[list[str], list[str]]:
    """Each flow's end a or b as JSON, and its address. As `end_body` has it: a MAC is no `ip`, and what is zero is left out."""
    high = flows[f"{end}_high"][flow]
    addresses, macs = address_texts(high, flows[f"{end}_low"][flow]), mac_texts(flows[f"{end}_mac"][flow])
    columns = zip(addresses, (high == MAC_HIGH).tolist(), flows[f"{end}_port"][flow].tolist(), macs, strict=True)
    texts = [
        f'{{"address":"{address}"'
        + ("" if is_mac else f',"ip":"{address}"')
        + (f',"port":{port}' if port else "")
        + (f',"mac":"{mac}"}}' if mac != NO_MAC else "}")
        for address, is_mac, port, mac in columns
    ]
    return texts, addresses


def _networks(flows: dict[str, Array], flow: Ints) -> tuple[list[str], list[bool]]:
    """What `network` says of each flow, left open, and whether it is of IP."""
    has_ip = flows["a_high"][flow] != MAC_HIGH
    columns = zip(*(flows[name][flow].tolist() for name in ("transport", "vlan")), strict=True)
    texts = [f'{{"transport":"{label(Transport(transport))}"' + (f',"vlan":{{"id":"{vlan}"}}' if vlan else "") for transport, vlan in columns]
    rows = np.flatnonzero(has_ip)
    of_ip = (*(flows[name][flow[rows]].tolist() for name in ("ip_version", "ip_protocol")), community_ids(flows, flow[rows]))
    for row, version, protocol, community in zip(rows.tolist(), *of_ip, strict=True):
        texts[row] += f',"type":"ipv{version}","iana_number":"{protocol}","community_id":"{community}"'
    return texts, has_ip.tolist()
