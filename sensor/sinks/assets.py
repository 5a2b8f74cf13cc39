"""Assets -> ECS documents as JSON: there may be as many as a network has addresses, so each is one formatted string."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from sensor.assets.asset import Asset, Where
from sensor.columns import Heard
from sensor.events.address import MAC_HIGH, mac_text
from sensor.events.clock import time_text
from sensor.events.field import label
from sensor.events.vocabulary import Action
from sensor.sinks import ecs

quoted = lru_cache(1 << 10)(ecs.quote)  # names of sources
EVENT = '"kind":"asset","category":["host"],"type":["info"],"module":"tapsight","dataset":"tapsight.asset"'
OUTCOME = f',"action":"{label(Action.DISCOVER)}","outcome":"unknown"'


@lru_cache(1 << 10)
def listed(names: frozenset[str]) -> str:
    """Names in their order, as JSON."""
    return ecs.quote(sorted(names))


@lru_cache(1 << 10)
def observer(sensor: str, heard: Heard) -> str:
    """Which sensor heard it first, and where, as JSON."""
    return ecs.quote({"type": "sensor", "name": sensor} | ecs.ingress(heard))


def asset_text(asset: Asset, sensor: str) -> str:
    """One asset, as the summary carries it."""
    return _text(asset, sensor, _parts(asset), asset.address)


def asset_line(asset: Asset, sensor: str, site: str = "") -> str:
    """The same with what every event has. Its id is that of what is known of it now: more is known in another document."""
    parts = _parts(asset)
    known = hashlib.blake2b(_text(asset, sensor, parts, asset.address).encode(), digest_size=8).hexdigest()
    where = f'{ecs.place(site)}"frame":{asset.first.frame},"source":{quoted(asset.first.source.name)},"trust":"complete",'
    return _text(asset, sensor, parts, f"{asset.address}-{known}", OUTCOME, where)


def _parts(asset: Asset) -> tuple[str, str]:
    """What is dear to say, once: the host, and what is known of it."""
    seen = f'"packets":{asset.packets},"bytes":{asset.bytes},"last_seen":"{time_text(asset.last_ns)}"'
    return body(asset), f'{own(asset)},{seen},"identity":{identity(asset)}'


def _text(asset: Asset, sensor: str, parts: tuple[str, str], identifier: str, event: str = "", where: str = "") -> str:
    host, known = parts
    return (
        f'{{"@timestamp":"{time_text(asset.last_ns)}","ecs":{{"version":"{ecs.VERSION}"}},"event":{{"id":"asset-{identifier}",{EVENT}{event}}},{host},'
        f'"observer":{observer(sensor, asset.first.source)},"tapsight":{{{where}"asset":{{{known}}}}}}}'
    )


def body(asset: Asset) -> str:
    """The host, and the device that it is."""
    address = "" if asset.high == MAC_HIGH else f'"ip":["{asset.address}"]'
    macs = '"mac":["' + '","'.join(map(mac_text, asset.macs)) + '"]' if asset.macs else ""
    vendor, model = asset.best.get("vendor"), asset.model
    device = ({"manufacturer": vendor} if vendor else {}) | ({"model": {"name": model}} if model else {})
    return f'"host":{{{address}{"," if address and macs else ""}{macs}}}' + (f',"device":{ecs.quote(device)}' if device else "")


def own(asset: Asset) -> str:
    """What does not change from packet to packet."""
    text = f'"id":"{asset.address}","address":"{asset.address}","roles":{listed(asset.roles)},"serves":{listed(asset.serves)},"uses":{listed(asset.uses)}'
    text += f',"publishes":{listed(asset.publishes)},"serves_not_decoded":{listed(asset.serves_others)},"uses_not_decoded":{listed(asset.uses_others)}'
    text += f',"first":{_place(asset.first)}'
    if asset.attributes:
        best = asset.best
        text += "".join(f',"{name}":{ecs.quote(best[name])}' for name in ("firmware", "serial", "name") if name in best)
    return text


def identity(asset: Asset) -> str:
    """All that it said of itself, and where."""
    if not asset.attributes:  # most
        return "[]"
    said = (
        f'{{"name":{quoted(name)},"value":{ecs.quote(e.value)},"said_by":{quoted(e.said_by)},"first":{_place(e.first)},"last":{_place(e.last)}}}'
        for name, e in asset.said
    )
    return f"[{','.join(said)}]"


def _place(where: Where) -> str:
    return f'{{"source":{quoted(where.source.name)},"frame":{where.frame},"time":"{time_text(where.ts_ns)}"}}'
