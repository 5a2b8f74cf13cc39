"""PROFINET DCP: how devices are found, named, addressed and reset, by layer 2 alone and without any authentication.

Source: IEC 61158-6-10, 4.3 (DCP) and 4.2.2 (frame identifiers).
"""

from __future__ import annotations

from collections.abc import Iterator

from sensor.events.protocol import Identity, Protocol
from sensor.events.table import Table
from sensor.protocols.profinet_dcp.codes import ROLES, Service, ServiceType
from sensor.protocols.profinet_dcp.decoder import FIELDS, HEADER, decode, others, role, size

SAID = {"name_of_station": "name", "type_of_station": "product", "alias_name": "alias"}
NUMBERED = {"vendor_id": "profinet_vendor_id", "device_id": "profinet_device_id"}


def identity(table: Table) -> Iterator[Identity]:
    """What a device says of itself when it answers, or says Hello."""
    asked, service = table.number("service_type") == ServiceType.REQUEST, table.number("service_id")
    for row in ((~asked & (service != Service.SET)) | (service == Service.HELLO)).nonzero()[0].tolist():
        said: dict[str, str] = {}
        for field, name in SAID.items():
            if text := table.content(field, row):
                said[name] = text.decode("utf-8", "replace")
        for field, name in NUMBERED.items():
            if table.has(field)[row]:
                said[name] = f"0x{int(table.number(field)[row]):04X}"
        if table.has("device_role")[row]:
            bits = int(table.number("device_role")[row])
            roles = [name for bit, name in ROLES.items() if bits & bit]
            said |= {"role": roles[-1]} if roles else {}
        if isinstance(column := table.columns.get("ip"), dict) and column.get(row, "0.0.0.0") != "0.0.0.0":  # noqa: S104  # an address not set, not one to listen at
            said["ip"] = column[row]
        if said:
            yield Identity(row, said, is_server=not table.to_server[row])


PROFINET_DCP = Protocol(
    name="profinet_dcp",
    title="PROFINET DCP",
    fields=FIELDS,
    header=HEADER,
    size=size,
    decode=decode,
    ethertypes=(0x8892,),
    is_datagram=True,
    others=others,
    role=role,
    identity=identity,
    server="",
    client="",
    needs="Cyclic data and alarms of PROFINET are not decoded; their bytes are counted as unrecognised.",
)

__all__ = ["PROFINET_DCP"]
