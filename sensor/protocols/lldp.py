"""LLDP: what switches, controllers and stations tell their neighbours about themselves.

Source: IEEE 802.1AB-2016, clause 8 (the sections named below).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from enum import IntEnum

import numpy as np

from sensor.columns import Array, Ints
from sensor.events.address import mac_text
from sensor.events.field import Field
from sensor.events.protocol import Identity, Protocol
from sensor.events.table import Pdus, Table
from sensor.events.vocabulary import Action, Anomaly

# 8.4.1, a TLV; the first one of every LLDPDU is the chassis identifier (8.5.2):
#
#      7 bits   9 bits          1 octet    1 to 255 octets
#      +------+---------------+----------+-----------------
#      | type | length        | subtype  | identifier
#      +------+---------------+----------+-----------------
HEADER = np.dtype([("type_length", ">u2"), ("subtype", "u1")])


def size(header: Array) -> Ints:
    """Above 0 where a frame begins with a chassis identifier: it is an LLDPDU then, to the End TLV or the frame's end."""
    length = header["type_length"] & 0x1FF
    return np.where((header["type_length"] >> 9 == Tlv.CHASSIS_ID) & (length >= 2) & (header["subtype"] <= 7), length + 2, 0).astype(np.int64)


class Tlv(IntEnum):  # 8.4.2, Table 8-1
    END = 0
    CHASSIS_ID = 1
    PORT_ID = 2
    TIME_TO_LIVE = 3
    PORT_DESCRIPTION = 4
    SYSTEM_NAME = 5
    SYSTEM_DESCRIPTION = 6
    SYSTEM_CAPABILITIES = 7
    MANAGEMENT_ADDRESS = 8
    ORGANIZATIONALLY_SPECIFIC = 127


class ChassisId(IntEnum):  # 8.5.2.2, Table 8-2
    CHASSIS_COMPONENT = 1
    INTERFACE_ALIAS = 2
    PORT_COMPONENT = 3
    MAC_ADDRESS = 4
    NETWORK_ADDRESS = 5
    INTERFACE_NAME = 6
    LOCALLY_ASSIGNED = 7


class PortId(IntEnum):  # 8.5.3.2, Table 8-3
    INTERFACE_ALIAS = 1
    PORT_COMPONENT = 2
    MAC_ADDRESS = 3
    NETWORK_ADDRESS = 4
    INTERFACE_NAME = 5
    AGENT_CIRCUIT_ID = 6
    LOCALLY_ASSIGNED = 7


CAPABILITIES = ("other", "repeater", "bridge", "wlan_access_point", "router", "telephone", "docsis_cable_device", "station")  # 8.5.8.1, Table 8-4

FIELDS = (
    Field("chassis_id_subtype", "u1", "What kind of identifier the chassis has", enum=ChassisId, wireshark="lldp.chassis.subtype"),
    Field("chassis_id", "str", "The sender's chassis"),
    Field("port_id_subtype", "u1", "What kind of identifier the port has", enum=PortId, wireshark="lldp.port.subtype"),
    Field("port_id", "str", "The sender's port"),
    Field("time_to_live", "u2", "How long this holds; 0: the sender leaves", unit="s", wireshark="lldp.time_to_live"),
    Field("port_description", "str", "The port in words", wireshark="lldp.port.desc"),
    Field("system_name", "str", "The sender's name", wireshark="lldp.tlv.system.name"),
    Field("system_description", "str", "The sender's hardware and software in words", wireshark="lldp.tlv.system.desc"),
    Field("capabilities", "str[]", "What the sender is switched on to be"),
    Field("management_addresses", "str[]", "Where the sender is managed"),
    Field("organizations", "object", "Organizationally specific TLVs: identifier and subtype"),
)


def decode(pdus: Pdus, _state: None) -> Table:
    """One event per LLDPDU. They come every half minute or so: each is walked by itself."""
    table = Table("lldp", FIELDS, pdus)
    table.action[:] = Action.DISCOVER
    for row, at, end in zip(range(len(pdus)), pdus.at.tolist(), pdus.end.tolist(), strict=True):
        _walk(table, row, pdus.data[at:end].tobytes())
    return table


def _walk(table: Table, row: int, content: bytes) -> None:
    """8.4: TLVs up to the End TLV; behind it lies the frame's padding."""
    at, addresses, organizations = 0, [], []
    while at + 2 <= len(content):
        kind, length = content[at] >> 1, int.from_bytes(content[at : at + 2]) & 0x1FF
        value = content[at + 2 : at + 2 + length]
        at += 2 + length
        if len(value) < length:
            table.flag(row, Anomaly.TRUNCATED)
            break
        match kind:
            case Tlv.END:
                break
            case Tlv.CHASSIS_ID | Tlv.PORT_ID if length >= 2:
                name = "chassis_id" if kind == Tlv.CHASSIS_ID else "port_id"
                table.set(f"{name}_subtype", row, value[0])
                table.object(name, row, _identifier(value, 4 if kind == Tlv.CHASSIS_ID else 3))
            case Tlv.TIME_TO_LIVE if length >= 2:
                table.set("time_to_live", row, int.from_bytes(value[:2]))
            case Tlv.PORT_DESCRIPTION | Tlv.SYSTEM_NAME | Tlv.SYSTEM_DESCRIPTION:
                table.object(Tlv(kind).name.lower(), row, value.decode("utf-8", "replace"))
            case Tlv.SYSTEM_CAPABILITIES if length >= 4:
                enabled = int.from_bytes(value[2:4])
                table.object("capabilities", row, [name for bit, name in enumerate(CAPABILITIES) if enabled >> bit & 1])
            case Tlv.MANAGEMENT_ADDRESS if length >= 2 and length > value[0]:
                addresses.append(_address(value[1 : 1 + value[0]]))
            case Tlv.ORGANIZATIONALLY_SPECIFIC if length >= 4:
                organizations.append({"oui": value[:3].hex("-").upper(), "subtype": value[3]})
            case _:
                table.flag(row, Anomaly.BAD_VALUE)
    for name, found in (("management_addresses", addresses), ("organizations", organizations)):
        if found:
            table.object(name, row, found)


def _identifier(value: bytes, mac_subtype: int) -> str:
    """8.5.2.3: a MAC, a network address or text, as the subtype says."""
    if value[0] == mac_subtype and len(value) == 7:
        return mac_text(int.from_bytes(value[1:]))
    return _address(value[1:]) if value[0] == mac_subtype + 1 else value[1:].decode("utf-8", "replace")


def _address(value: bytes) -> str:
    """An IANA address family number and an address (8.5.9.4): IPv4, IPv6, or the octets."""
    if value[:1] in (b"\1", b"\2") and len(value) in (5, 17):
        return str(ipaddress.ip_address(value[1:]))
    return mac_text(int.from_bytes(value[1:])) if value[:1] == b"\6" and len(value) == 7 else value[1:].hex()


def identity(table: Table) -> Iterator[Identity]:
    """The sender's name and description. An LLDPDU goes to a multicast address: its sender is the client."""
    names = {"system_name": "name", "system_description": "description", "chassis_id": "chassis"}
    for row in range(len(table)):
        attributes = {names[field]: column[row] for field in names if isinstance(column := table.columns.get(field), dict) and column.get(row)}
        if attributes:
            yield Identity(row, attributes, is_server=bool(~table.to_server[row]))


LLDP = Protocol(
    name="lldp",
    title="Link Layer Discovery Protocol",
    fields=FIELDS,
    header=HEADER,
    size=size,
    decode=decode,
    ethertypes=(0x88CC,),
    is_datagram=True,
    identity=identity,
    server="",
    client="",
    is_published=True,
    needs="Organizationally specific TLVs are named, not decoded.",
)
