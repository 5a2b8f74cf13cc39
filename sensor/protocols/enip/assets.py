"""What devices say of themselves, for the assets: the Identity object, by list or by get, of the device itself or of a module behind it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sensor.events.field import proper, spoken
from sensor.events.protocol import Identity
from sensor.events.table import Table
from sensor.protocols.enip.codes import Command
from sensor.protocols.enip.identity_codes import DeviceType, Vendor
from sensor.protocols.enip.operations import Operation


def identity(table: Table) -> Iterator[Identity]:
    """Of replies to ListIdentity and to gets without route: the device itself. Of those that an Unconnected Send carried on: a module, under its slot or route.

    What a connection carries is left out: where it leads, only its opening tells.
    """
    says = table.has("product_name") | table.has("serial_number") | table.has("vendor_id")
    rows = np.flatnonzero(says & table.is_response & table.is_new & ~table.failed)
    first = np.searchsorted(table.pdu, table.pdu[rows])
    connected = table.number("command")[first] == Command.SEND_UNIT_DATA
    for row in rows[~connected].tolist():
        attributes, route = _attributes(table, row), _route(table, int(table.request[row]))
        if not route:
            yield Identity(row, attributes)
        elif "product" in attributes:
            revision = f" {attributes['firmware']}" if "firmware" in attributes else ""
            serial = f" ({attributes['serial']})" if "serial" in attributes else ""
            yield Identity(row, {route: f"{attributes['product']}{revision}{serial}"})


def _attributes(table: Table, row: int) -> dict[str, str]:
    """The identity's fields of one row, as assets name them."""

    def number(name: str) -> int | None:
        return int(table.number(name)[row]) if table.has(name)[row] else None

    vendor, kind, code, major, serial = (number(name) for name in ("vendor_id", "device_type", "product_code", "major_revision", "serial_number"))
    found = {
        "vendor": None if vendor is None else proper(Vendor(vendor)) if vendor in set(Vendor) else f"vendor {vendor}",
        "device_type": None if kind is None else spoken(DeviceType(kind)) if kind in set(DeviceType) else f"device type {kind}",
        "product_code": None if code is None else str(code),
        "firmware": None if major is None else f"{major}.{number('minor_revision') or 0:03d}",
        "serial": None if serial is None else f"{serial:08x}",
        "product": _text(table, "product_name", row),
    }
    return {name: text for name, text in found.items() if text}


def _text(table: Table, name: str, row: int) -> str:
    return table.content(name, row).decode("utf-8", "replace").strip("\0 ")


def _route(table: Table, request: int) -> str:
    """Where an Unconnected Send sent this request: `slot_2` on a backplane (port 1), else the route's bytes; nothing where none did."""
    if request < 0:
        return ""
    first = int(np.searchsorted(table.pdu, table.pdu[request]))
    if table.number("operation")[first] != Operation.UNCONNECTED_SEND:
        return ""
    path = table.content("connection_path", first)
    if len(path) == 2 and path[0] == 1:
        return f"slot_{path[1]}"
    return f"module_{path.hex()}" if path else ""
