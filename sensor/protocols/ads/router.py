"""The datagrams of ADS routers (UDP 48899): devices are found, and routes to them added, with name and password in clear.

Source: Beckhoff's ADS library, AmsRouter (RegisterUdp: cookie, service ids, tags); the version of Windows is its OSVERSIONINFOW.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints
from sensor.events.field import Field
from sensor.events.protocol import Identity
from sensor.events.table import CONTENT, Pdus, Table, pair
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.ads.codes import AmsPort
from sensor.protocols.ads.errors import ErrorCode

#      0        4           8         12       18     20      24    26       28
#      +--------+-----------+---------+--------+------+-------+-----+--------+-------+--- ...
#      | cookie | invoke id | service | net id | port | count | tag | length | value | tag
#      +--------+-----------+---------+--------+------+-------+-----+--------+-------+--- ...
HEADER = np.dtype([("cookie", "<u4"), ("invoke_id", "<u4"), ("service", "<u4"), ("net_id", "V6"), ("port", "<u2"), ("count", "<u4")])
TAG = struct.Struct("<HH")
NUMBER = struct.Struct("<I")
TWINCAT_VERSION = struct.Struct("<BBH")
OS_VERSION = struct.Struct("<5I")  # its own size, major, minor, build, platform; then the service pack in UTF-16
COOKIE, RESPONSE = 0x71146603, 0x80000000


class Service(IntEnum):
    SERVER_INFO = 1
    ADD_ROUTE = 6
    DELETE_ROUTE = 0xB001
    SERVER_INFO_RESPONSE = RESPONSE | 1
    ADD_ROUTE_RESPONSE = RESPONSE | 6
    DELETE_ROUTE_RESPONSE = RESPONSE | 0xB001


class Tag(IntEnum):
    STATUS = 1
    PASSWORD = 2
    TWINCAT_VERSION = 3
    OS_VERSION = 4
    COMPUTER_NAME = 5
    NET_ID = 7
    OPTIONS = 9
    ROUTE_NAME = 12
    USER_NAME = 13
    FINGERPRINT = 18


class Platform(IntEnum):
    """VER_PLATFORM_ codes of Windows."""

    WIN32S = 0
    WINDOWS = 1
    NT = 2
    CE = 3


FIELDS = (
    Field("service", "u4", "What is asked for, or answered", enum=Service),
    Field("invoke_id", "u4", "Pairs a response with its request"),
    Field("net_id", "str", "AMS net id of the sender"),
    Field("port", "u2", "AMS port of the sender", enum=AmsPort),
    Field("tags", "u2[]", "What the datagram holds", enum=Tag),
    Field("status", "u4", "What the router says", enum=ErrorCode),
    Field("computer_name", "text", "The device's name; of a route, the name or address of the host that it leads to"),
    Field("route_name", "text", "Name that the route gets"),
    Field("route_net_id", "str", "AMS net id that the route leads to"),
    Field("user_name", "text", "User of the controller who may add routes"),
    Field("password_size", "u2", "Bytes of the user's password, which goes in clear and is not kept", "bytes"),
    Field("twincat_version", "str", "The device's version of TwinCAT"),
    Field("os_version", "str", "Its version of Windows"),
    Field("os_platform", "u4", "Which Windows it is", enum=Platform),
    Field("fingerprint", "text", "Fingerprint of the device's certificate for Secure ADS"),
    Field("unread", "u2", "Bytes of tags that are named but not decoded", "bytes"),
)
TEXTS = {Tag.COMPUTER_NAME: "computer_name", Tag.ROUTE_NAME: "route_name", Tag.USER_NAME: "user_name", Tag.FINGERPRINT: "fingerprint"}
ACTIONS = {Service.SERVER_INFO: Action.DISCOVER, Service.ADD_ROUTE: Action.CONFIGURE_WRITE, Service.DELETE_ROUTE: Action.CONFIGURE_WRITE}


def size(header: Array) -> Ints:
    """Above 0 where a datagram has the cookie."""
    return np.where(header["cookie"] == COOKIE, HEADER.itemsize, 0).astype(np.int64)


def role(header: Array) -> NDArray[np.int8]:
    return np.where(header["service"] & np.uint32(RESPONSE), -1, 1).astype(np.int8)


def decode(pdus: Pdus, _state: None) -> Table:
    """One event per datagram. They are few: tags are walked one by one."""
    table, header, every = Table("ads_router", FIELDS, pdus), pdus.header(HEADER), slice(None)
    for name in ("service", "invoke_id", "port"):
        table.set(name, every, header[name])
    service = header["service"] & np.uint32(RESPONSE - 1)
    for code, action in ACTIONS.items():
        table.action[service == code] = action
    is_answer = header["service"] >= RESPONSE
    table.is_request, table.is_response = ~is_answer, is_answer
    table.unanswerable = np.flatnonzero(header["service"] == Service.SERVER_INFO)  # it may go to everybody: the answers are other conversations' then
    pair(table, header["invoke_id"].astype(np.int64) << 32 | service)
    table.flag(~np.isin(header["service"], list(Service)), Anomaly.UNKNOWN_FUNCTION)
    tags = [_tags(table, row, count) for row, count in enumerate(header["count"].tolist())]
    counts = np.array([len(found) for found in tags], np.int64)
    some = np.flatnonzero(counts)
    table.list("tags", some, counts[some], np.array([tag for found in tags for tag in found], np.uint16), CONTENT)
    table.failed = is_answer & (table.number("status") != 0)
    return table


def _tags(table: Table, row: int, count: int) -> list[int]:
    """Fill one row; its tags."""
    pdus, found, unread = table.pdus, list[int](), 0
    at, end = int(pdus.at[row]), int(pdus.end[row])
    table.object("net_id", row, _net_id(pdus.data[at + 12 : at + 18].tobytes()))
    at += HEADER.itemsize
    while len(found) < count:
        if at + TAG.size > end:
            table.flag(row, Anomaly.TRUNCATED)
            break
        tag, length = TAG.unpack(pdus.data[at : at + TAG.size].tobytes())
        found.append(tag)
        at += TAG.size
        if at + length > end:
            table.flag(row, Anomaly.TRUNCATED)
            unread, at = unread + end - at, end
            break
        value = pdus.data[at : at + length].tobytes()
        if tag in TEXTS:
            table.span(TEXTS[Tag(tag)], row, at, len(value.partition(b"\0")[0]))
        elif not _value(table, row, tag, value):
            unread += length
        at += length
    table.trailing(np.array([row]), np.array([at]), np.array([end]))
    if unread:
        table.set("unread", row, unread)
    return found


def _value(table: Table, row: int, tag: int, value: bytes) -> bool:
    """Fill in what is no text; whether it could be read."""
    match tag:
        case Tag.STATUS if len(value) == NUMBER.size:
            table.set("status", row, NUMBER.unpack(value)[0])
        case Tag.PASSWORD:
            table.set("password_size", row, len(value.rstrip(b"\0")))
        case Tag.TWINCAT_VERSION if len(value) == TWINCAT_VERSION.size:
            table.object("twincat_version", row, ".".join(map(str, TWINCAT_VERSION.unpack(value))))
        case Tag.OS_VERSION if len(value) >= OS_VERSION.size:
            _, major, minor, build, platform = OS_VERSION.unpack_from(value)
            table.set("os_platform", row, platform)
            pack = value[OS_VERSION.size :].decode("utf-16-le", "replace").partition("\0")[0]
            table.object("os_version", row, f"{major}.{minor}.{build} {pack}".strip())
        case Tag.NET_ID if len(value) == 6:
            table.object("route_net_id", row, _net_id(value))
        case _:
            if tag in (Tag.STATUS, Tag.TWINCAT_VERSION, Tag.OS_VERSION, Tag.NET_ID):
                table.flag(row, Anomaly.LENGTH_MISMATCH)
            return False
    return True


def _net_id(octets: bytes) -> str:
    return ".".join(map(str, octets))


def identity(table: Table) -> Iterator[Identity]:
    """What a device says when it is asked who it is."""
    told: dict[str, dict[int, str]] = {
        said: column
        for name, said in (("net_id", "ams_net_id"), ("twincat_version", "firmware"), ("os_version", "operating_system"))
        if isinstance(column := table.columns.get(name), dict)
    }
    for row in np.flatnonzero(table.number("service") == Service.SERVER_INFO_RESPONSE).tolist():
        attributes = {"name": table.content("computer_name", row).decode("utf-8", "replace")} | {said: column.get(row, "") for said, column in told.items()}
        yield Identity(row, {name: said for name, said in attributes.items() if said}, is_server=not table.to_server[row])
