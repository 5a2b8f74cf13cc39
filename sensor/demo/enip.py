"""EtherNet/IP and CIP messages. Sources: CIP Volume 2 chapter 2 (encapsulation), Volume 1 chapter 3 (connections), Rockwell 1756-PM020 (tags)."""

from __future__ import annotations

import ipaddress
import struct

from sensor.demo.plant import Host

LIST_IDENTITY, REGISTER_SESSION, SEND_RR_DATA = 0x63, 0x65, 0x6F
GET_ATTRIBUTES_ALL, RESET, MULTIPLE_SERVICE_PACKET, EXECUTE_PCCC, READ_TAG, UNCONNECTED_SEND, FORWARD_OPEN = 1, 5, 10, 0x4B, 0x4C, 0x52, 0x54
IDENTITY, MESSAGE_ROUTER, ASSEMBLY, CONNECTION_MANAGER, PCCC = 1, 2, 4, 6, 0x67
REAL, DINT = 0xCA, 0xC4
REPLY = 0x80
ROCKWELL, LAPTOPS_SERIAL = 1, 0x66066600


def encapsulate(command: int, data: bytes = b"", session: int = 0, context: int = 0) -> bytes:
    return struct.pack("<HHIIQI", command, len(data), session, 0, context, 0) + data


def register(session: int) -> tuple[bytes, bytes]:
    """RegisterSession: request and reply."""
    data = struct.pack("<HH", 1, 0)
    return encapsulate(REGISTER_SESSION, data), encapsulate(REGISTER_SESSION, data, session)


def identity(device_type: int, product: int, revision: tuple[int, int], serial: int, name: str) -> bytes:
    """Attributes of the Identity object, as Get_Attributes_All answers them."""
    return struct.pack("<HHHBBHIB", ROCKWELL, device_type, product, *revision, 0x0060, serial, len(name)) + name.encode()


def list_identity(host: Host, attributes: bytes, context: int = 0) -> tuple[bytes, bytes]:
    """ListIdentity: request and reply."""
    item = struct.pack(">HHI8s", 2, 44818, int(ipaddress.IPv4Address(host.address)), b"")
    item = struct.pack("<H", 1) + item + attributes + b"\x03"
    return encapsulate(LIST_IDENTITY, context=context), encapsulate(LIST_IDENTITY, struct.pack("<HHH", 1, 0x0C, len(item)) + item, context=context)


def unconnected(session: int, context: int, message: bytes) -> bytes:
    """A CIP message in SendRRData."""
    data = struct.pack("<IHHHHHH", 0, 10, 2, 0, 0, 0xB2, len(message)) + message
    return encapsulate(SEND_RR_DATA, data, session, context)


def both(session: int, context: int, messages: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """A request and its reply likewise."""
    return unconnected(session, context, messages[0]), unconnected(session, context, messages[1])


def request(service: int, path: bytes, data: bytes = b"") -> bytes:
    return bytes((service, len(path) // 2)) + path + data


def reply(service: int, data: bytes = b"") -> bytes:
    """A good one."""
    return bytes((service | REPLY, 0, 0, 0)) + data


def instance(class_id: int, number: int = 1) -> bytes:
    """Logical segments of one byte."""
    return bytes((0x20, class_id, 0x24, number))


def tag(name: str) -> bytes:
    """An ANSI extended symbol segment."""
    return bytes((0x91, len(name))) + name.encode() + bytes(len(name) % 2)


def read_tags(tags: list[tuple[str, int, bytes]]) -> tuple[bytes, bytes]:
    """Several tags in one Multiple Service Packet: names, types and the values that are answered."""
    asks = [request(READ_TAG, tag(name), b"\x01\x00") for name, _, _ in tags]
    answers = [reply(READ_TAG, struct.pack("<H", kind) + value) for _, kind, value in tags]
    return request(MULTIPLE_SERVICE_PACKET, instance(MESSAGE_ROUTER), _together(asks)), reply(MULTIPLE_SERVICE_PACKET, _together(answers))


def _together(messages: list[bytes]) -> bytes:
    """A-4.10: how many, where each begins, and they."""
    at, offsets = 2 + 2 * len(messages), []
    for message in messages:
        offsets.append(at)
        at += len(message)
    return struct.pack(f"<H{len(offsets)}H", len(messages), *offsets) + b"".join(messages)


def to_slot(slot: int, message: bytes) -> bytes:
    """Unconnected_Send: through the chassis's backplane to the controller in this slot."""
    data = struct.pack("<BBH", 0x0A, 0x0E, len(message)) + message + bytes(len(message) % 2) + bytes((1, 0, 1, slot))
    return request(UNCONNECTED_SEND, instance(CONNECTION_MANAGER), data)


def forward_open(serial: int, originator: int, ids: tuple[int, int], sizes: tuple[int, int], interval_us: int) -> tuple[bytes, bytes]:
    """A class 1 connection, point to point, with ids and sizes of both directions (originator to target first)."""
    path = instance(ASSEMBLY, 102) + b"\x2c\x64\x2c\x65"  # configuration, and the connection points of outputs and inputs
    owner = struct.pack("<HHI", serial, ROCKWELL, originator)
    parameters = [0x4800 | size for size in sizes]  # point to point, scheduled, fixed size
    data = struct.pack("<BBII", 0x0A, 0x0E, 0, ids[1]) + owner + struct.pack("<B3sIHIHB", 1, b"", interval_us, parameters[0], interval_us, parameters[1], 1)
    answer = struct.pack("<II", *ids) + owner + struct.pack("<IIBB", interval_us, interval_us, 0, 0)
    return request(FORWARD_OPEN, instance(CONNECTION_MANAGER), data + bytes((len(path) // 2,)) + path), reply(FORWARD_OPEN, answer)


def cyclic(connection: int, count: int, data: bytes) -> bytes:
    """Class 1 data in a datagram, with the sequence count before it."""
    content = struct.pack("<H", count & 0xFFFF) + data
    return struct.pack("<HHHIIHH", 2, 0x8002, 8, connection, count, 0xB1, len(content)) + content


def change_mode(transaction: int, mode: int) -> tuple[bytes, bytes]:
    """PCCC command 0x0F, function 0x80 (1770-6.5.16, 7-4): change mode."""
    who = struct.pack("<BHI", 7, ROCKWELL, LAPTOPS_SERIAL)
    ask = who + struct.pack("<BBHBB", 0x0F, 0, transaction, 0x80, mode)
    return request(EXECUTE_PCCC, instance(PCCC), ask), reply(EXECUTE_PCCC, who + struct.pack("<BBH", 0x4F, 0, transaction))
