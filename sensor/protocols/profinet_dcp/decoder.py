"""Frames -> events. They are few: each one's blocks are walked by themselves."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints, Mask
from sensor.events.address import mac_text
from sensor.events.field import Field
from sensor.events.table import CONTENT, Pdus, Table, pair
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.profinet_dcp.codes import ACTIONS, RESETS, SERVICES, Block, BlockError, FrameId, IpInfo, ResetMode, Service, ServiceType, Signal

# 4.3.1, behind the EtherType:
#
#      0          2            3              4       8                10               12
#      +----------+------------+--------------+-------+----------------+----------------+--------
#      | frame ID | service ID | service type | xid   | response delay | DCPDataLength  | blocks
#      +----------+------------+--------------+-------+----------------+----------------+--------
#
# A block; the two octets in front of its value are a qualifier in Set requests, information in responses and Hello, and not there in Identify requests.
# A Get request has only the pairs of option and suboption:
#
#      0        1           2        4              6
#      +--------+-----------+--------+--------------+-------+----------------------
#      | option | suboption | length | (qualifier)  | value | (one octet if odd)
#      +--------+-----------+--------+--------------+-------+----------------------
HEADER = np.dtype([("frame_id", ">u2"), ("service_id", "u1"), ("service_type", "u1"), ("xid", ">u4"), ("response_delay", ">u2"), ("data_length", ">u2")])
NAME = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")  # 4.3.1.4.15.2: labels; older devices have capitals

FIELDS = (
    Field("frame_id", "u2", "What kind of DCP frame", enum=FrameId),
    Field("service_id", "u1", "What is asked for", enum=Service, wireshark="pn_dcp.service_id"),
    Field("service_type", "u1", "Request or response", enum=ServiceType, wireshark="pn_dcp.service_type"),
    Field("xid", "u4", "Pairs a response with its request", wireshark="pn_dcp.xid"),
    Field("response_delay", "u2", "Devices spread their answers to an Identify over so much time", "10 ms", wireshark="pn_dcp.response_delay"),
    Field("data_length", "u2", "Bytes of blocks", "bytes", wireshark="pn_dcp.data_length"),
    Field("blocks", "u2[]", "What the blocks are about: option and suboption", enum=Block),
    Field(
        "qualifiers",
        "u2[]",
        "Qualifier of each block that is set: lowest bit 1 to keep it for good",
        wireshark="pn_dcp.block_qualifier pn_dcp.block_qualifier_reset",
    ),
    Field("infos", "u2[]", "Information of each block that is answered, IP blocks apart", wireshark="pn_dcp.block_info"),
    Field("answered", "u2[]", "Blocks that results are given for", enum=Block),
    Field("errors", "u1[]", "Their results", enum=BlockError, wireshark="pn_dcp.block_error"),
    Field("name_of_station", "text", "Name of station, by which a controller finds its device", wireshark="pn_dcp.suboption_device_nameofstation"),
    Field("type_of_station", "text", "The manufacturer's name for the device", wireshark="pn_dcp.suboption_device_devicevendorvalue"),
    Field("alias_name", "text", "Name by the neighbour and its port", wireshark="pn_dcp.suboption_device_aliasname"),
    Field("vendor_id", "u2", "Manufacturer, by PROFIBUS & PROFINET International's number", wireshark="pn_dcp.suboption_vendor_id"),
    Field("device_id", "u2", "Device, by the manufacturer's number", wireshark="pn_dcp.suboption_device_id"),
    Field("oem_vendor_id", "u2", "Manufacturer of the device that this one is sold for", wireshark="pn_dcp.suboption_device_oem_ven_id"),
    Field("oem_device_id", "u2", "The device that this one is sold for", wireshark="pn_dcp.suboption_device_oem_dev_id"),
    Field("device_role", "u1", "Bits: 1 I/O device, 2 I/O controller, 4 I/O multidevice, 8 supervisor", wireshark="pn_dcp.suboption_device_role"),
    Field("device_options", "u2[]", "Blocks that the device knows", enum=Block),
    Field("instance", "u2", "Instance of the device, high and low"),
    Field("rsi_properties", "u2", "Interfaces of the remote service that the device has, bits", wireshark="pn_dcp.suboption_device_rsi_properties_value"),
    Field("mac", "str", "MAC address that is told", wireshark="pn_dcp.suboption_ip_mac_address"),
    Field("ip", "str", "IP address that is set or told", wireshark="pn_dcp.suboption_ip_ip"),
    Field("subnet_mask", "str", "Its subnet mask", wireshark="pn_dcp.suboption_ip_subnetmask"),
    Field("gateway", "str", "Its gateway; the device's own address or zero for none", wireshark="pn_dcp.suboption_ip_standard_gateway"),
    Field("dns_servers", "str[]", "Name servers of the full IP suite"),
    Field("ip_info", "u2", "How the address came, and whether another device has it", enum=IpInfo, wireshark="pn_dcp.suboption_ip_block_info"),
    Field("dhcp_client_id", "text", "Client identifier for DHCP", wireshark="pn_dcp.suboption_dhcp_client_id"),
    Field("signal", "u2", "How the device shows where it is", enum=Signal, wireshark="pn_dcp.suboption_control_signal_value"),
    Field("reset_mode", "u2", "What a reset to factory takes back", enum=ResetMode),
    Field("initiative", "u2", "1 where the device says Hello when it has power", wireshark="pn_dcp.deviceinitiative_value"),
    Field("unread", "u2", "Bytes of blocks that are named but not decoded", "bytes"),
)
TEXTS = {
    Block.DEVICE_NAME_OF_STATION: "name_of_station", Block.DEVICE_TYPE_OF_STATION: "type_of_station", Block.DEVICE_ALIAS_NAME: "alias_name",
}  # fmt: skip
NUMBERS = {
    Block.DEVICE_ID: ("vendor_id", "device_id"), Block.DEVICE_OEM_ID: ("oem_vendor_id", "oem_device_id"), Block.DEVICE_INSTANCE: ("instance",),
    Block.DEVICE_RSI_PROPERTIES: ("rsi_properties",), Block.CONTROL_SIGNAL: ("signal",), Block.DEVICE_INITIATIVE: ("initiative",),
}  # fmt: skip
ADDRESSES = {Block.IP_PARAMETER: 3, Block.IP_FULL_SUITE: 7, Block.DEVICE_STANDARD_GATEWAY: 1}
TRANSACTION = (Block.CONTROL_START_TRANSACTION, Block.CONTROL_END_TRANSACTION)
BARE = (*TRANSACTION, *RESETS, Block.ALL)  # without a value


def size(header: Array) -> Ints:
    """Above 0 where a frame is DCP's: it is one PDU then, with its padding."""
    return np.where(_is_dcp(header["frame_id"]), HEADER.itemsize, 0).astype(np.int64)


def others(header: Array) -> Mask:
    """Frames of PROFINET RT that are not DCP's: cyclic data, alarms, time."""
    return ~_is_dcp(header["frame_id"])


def _is_dcp(frame_id: Array) -> Mask:
    return np.asarray((frame_id >= FrameId.HELLO) & (frame_id <= FrameId.IDENTIFY_RESPONSE), np.bool_)


def role(header: Array) -> NDArray[np.int8]:
    """Requests go to servers; a device that says Hello is asked for nothing, and speaks first like a client."""
    return np.where(header["service_type"] == ServiceType.REQUEST, 1, -1).astype(np.int8)


@dataclass
class Lists:
    """What the list fields of one frame hold."""

    blocks: list[int] = field(default_factory=list)
    qualifiers: list[int] = field(default_factory=list)
    infos: list[int] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    device_options: list[int] = field(default_factory=list)


LISTS = tuple(Lists.__dataclass_fields__)


def decode(pdus: Pdus, _state: None) -> Table:
    """One event per frame."""
    table, header, every = Table("profinet_dcp", FIELDS, pdus), pdus.header(HEADER), slice(None)
    for name in ("frame_id", "service_id", "service_type", "xid", "data_length"):
        table.set(name, every, header[name])
    service, is_asked = header["service_id"], header["service_type"] == ServiceType.REQUEST
    table.set("response_delay", np.flatnonzero((service == Service.IDENTIFY) & is_asked), header["response_delay"][(service == Service.IDENTIFY) & is_asked])
    for code, action in ACTIONS.items():
        table.action[service == code] = action
    paired = (service == Service.GET) | (service == Service.SET)  # an Identify goes to everybody: its answers are other conversations'
    table.is_request, table.is_response = paired & is_asked, paired & ~is_asked
    table.failed = header["service_type"] == ServiceType.RESPONSE_NOT_SUPPORTED
    pair(table, header["xid"].astype(np.int64) << 8 | service)
    table.flag(~np.isin(service, list(Service)) | ~np.isin(header["service_type"], list(ServiceType)), Anomaly.UNKNOWN_FUNCTION)
    end = pdus.at + HEADER.itemsize + header["data_length"]
    table.flag(end > pdus.end, Anomaly.LENGTH_MISMATCH)
    for frame_id, (services, types) in SERVICES.items():
        mine = header["frame_id"] == frame_id
        table.flag(mine & ~(np.isin(service, services) & np.isin(is_asked, types)), Anomaly.BAD_VALUE)
    lists = []
    for row, at, stop in zip(range(len(pdus)), (pdus.at + HEADER.itemsize).tolist(), np.minimum(end, pdus.end).tolist(), strict=True):
        lists.append(_blocks(table, row, at, pdus.data[at:stop].tobytes(), int(service[row]), is_asked=bool(is_asked[row])))
        if service[row] == Service.SET and is_asked[row]:
            table.action[row] = _act(lists[-1].blocks)
    for name in LISTS:
        counts = np.array([len(getattr(each, name)) for each in lists], np.int64)
        some = np.flatnonzero(counts)
        if some.size:
            content = [value for each in lists for value in getattr(each, name)]
            table.list(name, some, counts[some], np.array(content, table.fields[name].item), CONTENT)
    answers = np.flatnonzero(table.request >= 0)
    table.action[answers] = table.action[table.request[answers]]
    return table


def _act(blocks: list[int]) -> Action:
    """What a Set does."""
    if not set(blocks).isdisjoint(RESETS):
        return Action.RESTART
    is_lamp = Block.CONTROL_SIGNAL in blocks and {Block.CONTROL_SIGNAL, *TRANSACTION}.issuperset(blocks)
    return Action.DIAGNOSTICS if is_lamp else Action.CONFIGURE_WRITE


def _blocks(table: Table, row: int, begin: int, content: bytes, service: int, *, is_asked: bool) -> Lists:
    """The blocks of one frame. begin: where its content lies in the table's data."""
    lists, at = Lists(), 0
    if service == Service.GET and is_asked:
        lists.blocks = [int.from_bytes(content[i : i + 2]) for i in range(0, len(content) - 1, 2)]
        table.flag(row, Anomaly.TRUNCATED if len(content) % 2 else Anomaly.NONE)
        return lists
    has_head = not (service == Service.IDENTIFY and is_asked)
    while at + 4 <= len(content):
        code, length = int.from_bytes(content[at : at + 2]), int.from_bytes(content[at + 2 : at + 4])
        value, place = content[at + 4 : at + 4 + length], begin + at + 4
        at += 4 + length + length % 2
        lists.blocks.append(code)
        if len(value) < length:
            table.flag(row, Anomaly.TRUNCATED)
            return lists
        if code == Block.CONTROL_RESPONSE:
            if length == 3:
                lists.answered.append(int.from_bytes(value[:2]))
                lists.errors.append(value[2])
                table.failed[row] |= value[2] != BlockError.OK
            table.flag(row, Anomaly.LENGTH_MISMATCH if length != 3 else Anomaly.NONE if value[2] <= max(BlockError) else Anomaly.BAD_VALUE)
            continue
        if has_head and length >= 2:
            _head(table, row, lists, code, int.from_bytes(value[:2]), is_set=service == Service.SET and is_asked)
            value, place = value[2:], place + 2
        elif has_head:
            table.flag(row, Anomaly.LENGTH_MISMATCH)
            continue
        _value(table, row, lists, code, value, place)
    table.flag(row, Anomaly.TRAILING if at < len(content) else Anomaly.NONE)
    return lists


def _head(table: Table, row: int, lists: Lists, code: int, head: int, *, is_set: bool) -> None:
    """The two octets in front of a block's value."""
    if not is_set:
        if code in (Block.IP_PARAMETER, Block.IP_FULL_SUITE):
            table.set("ip_info", row, head)
        else:
            lists.infos.append(head)
        return
    lists.qualifiers.append(head)
    if code == Block.CONTROL_RESET_TO_FACTORY:
        table.set("reset_mode", row, head >> 1)


def _value(table: Table, row: int, lists: Lists, code: int, value: bytes, place: int) -> None:
    """A block's value; place: where it lies in the table's data."""
    length, expected = len(value), -1
    if code in TEXTS:
        text = value.rstrip(b"\0")
        table.span(TEXTS[Block(code)], row, place, len(text))
        table.flag(row, Anomaly.BAD_VALUE if code == Block.DEVICE_NAME_OF_STATION and (length > 240 or not NAME.issuperset(text)) else Anomaly.NONE)
    elif code in NUMBERS:
        names = NUMBERS[Block(code)]
        expected = 2 * len(names)
        for i, name in enumerate(names if length >= expected else ()):
            table.set(name, row, int.from_bytes(value[2 * i : 2 * i + 2]))
    elif code in ADDRESSES:
        expected = 4 * ADDRESSES[Block(code)]
        found = [str(ipaddress.IPv4Address(value[i : i + 4])) for i in range(0, expected, 4)] if length >= expected else []
        for name, address in zip(("gateway",) if expected == 4 else ("ip", "subnet_mask", "gateway"), found, strict=False):
            table.object(name, row, address)
        if len(found) > 3:
            table.object("dns_servers", row, found[3:])
    elif code == Block.IP_MAC_ADDRESS:
        expected = 6
        table.object("mac", row, mac_text(int.from_bytes(value[:6])))
    elif code == Block.DEVICE_ROLE:
        expected = 2
        table.set("device_role", row, value[0] if value else 0)
    elif code == Block.DEVICE_OPTIONS:
        expected = length & ~1
        lists.device_options = [int.from_bytes(value[i : i + 2]) for i in range(0, expected, 2)]
    elif code == Block.DHCP_CLIENT_IDENTIFIER and length > 3:  # an option of RFC 2132, 9.14: code, length, type, identifier
        expected = 2 + value[1]
        table.span("dhcp_client_id", row, place + 3, max(min(value[1] - 1, length - 3), 0))
    elif code in BARE:
        expected = 0
    else:
        table.set("unread", row, table.number("unread")[row] + length)
    table.flag(row, Anomaly.LENGTH_MISMATCH if expected not in (-1, length) else Anomaly.NONE)
