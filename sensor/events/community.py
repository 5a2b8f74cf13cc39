"""Community ID flow hashing, version 1 (Corelight, community-id-spec)."""

from __future__ import annotations

import base64
import hashlib
import struct

import numpy as np

from sensor.columns import Array

# The specification's one-way and request/response pairs of ICMP and ICMPv6 types: a type's counterpart is the "port" of the other end.
ICMP_PAIRS = {0: 8, 8: 0, 9: 10, 10: 9, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17}
ICMPV6_PAIRS = {128: 129, 129: 128, 130: 131, 131: 130, 133: 134, 134: 133, 135: 136, 136: 135, 139: 140, 140: 139, 144: 145, 145: 144}


def community_id(flows: dict[str, Array], flow: int, seed: int = 0) -> str:
    """The community id of a flow of the flow table; for ICMP, of its first packet's type and code."""
    protocol = int(flows["ip_protocol"][flow])
    ends = "ba" if flows["begun_by_b"][flow] else "ab"  # from sender to receiver: an ICMP message that has no answer has a direction
    first, second = (packed(int(flows[f"{end}_high"][flow]), int(flows[f"{end}_low"][flow])) for end in ends)
    ports = int(flows[f"{ends[0]}_port"][flow]), int(flows[f"{ends[1]}_port"][flow])
    return calculate(first, second, protocol, ports if protocol in PORTED else None, seed)


TUPLE = np.dtype([("seed", ">u2"), ("a", ">u4"), ("b", ">u4"), ("protocol", "u1"), ("padding", "u1"), ("p", ">u2"), ("q", ">u2")])  # of IPv4


def community_ids(flows: dict[str, Array], flow: Array) -> list[str]:
    """The same of many flows, all of IP: TCP, UDP and SCTP over IPv4 at once, the others one by one."""
    protocol = flows["ip_protocol"][flow]
    is_plain = (flows["ip_version"][flow] == 4) & ((protocol == 6) | (protocol == 17) | (protocol == 132))
    plain = flow[is_plain]
    found = iter(_plain(flows, plain)) if len(plain) else iter(())
    return [next(found) if easy else community_id(flows, one) for one, easy in zip(flow.tolist(), is_plain.tolist(), strict=True)]


def _plain(flows: dict[str, Array], flow: Array) -> list[str]:
    """The lower address goes first, of two equal ones the lower port."""
    a, b = (flows[f"{end}_low"][flow] << np.uint64(16) | flows[f"{end}_port"][flow] for end in "ab")
    content = np.zeros(len(flow), TUPLE)
    content["protocol"] = flows["ip_protocol"][flow]
    for name, port, end in (("a", "p", np.minimum(a, b)), ("b", "q", np.maximum(a, b))):
        content[name], content[port] = end >> np.uint64(16) & np.uint64(0xFFFFFFFF), end & np.uint64(0xFFFF)
    text, size = content.tobytes(), TUPLE.itemsize
    sums = [hashlib.sha1(text[at : at + size], usedforsecurity=False).digest() for at in range(0, len(text), size)]
    encoded = base64.b64encode(b"\0".join([*sums, b""])).decode()  # of 21 octets each, so that all are encoded at once
    return [f"1:{encoded[at : at + 27]}=" for at in range(0, len(encoded), 28)]


PORTED = (1, 6, 17, 58, 132)  # ICMP, TCP, UDP, ICMPv6, SCTP


def calculate(a: bytes, b: bytes, protocol: int, ports: tuple[int, int] | None, seed: int = 0) -> str:
    """The hash of one tuple of addresses (4 or 16 bytes), IP protocol and, where it has them, ports."""
    one_way = False
    if ports is not None and protocol in (1, 58):
        pairs = ICMP_PAIRS if protocol == 1 else ICMPV6_PAIRS
        one_way = ports[0] not in pairs
        ports = ports[0], pairs.get(ports[0], ports[1])
    p, q = ports or (0, 0)
    if not one_way and (a, p) > (b, q):
        a, b, p, q = b, a, q, p
    tail = struct.pack("!HH", p, q) if ports is not None else b""
    digest = hashlib.sha1(struct.pack("!H", seed) + a + b + bytes((protocol, 0)) + tail, usedforsecurity=False).digest()
    return "1:" + base64.b64encode(digest).decode()


def packed(high: int, low: int) -> bytes:
    """An address as the 4 or 16 bytes that it has on the wire."""
    return (low & 0xFFFFFFFF).to_bytes(4) if high == 0 and low >> 32 == 0xFFFF else high.to_bytes(8) + low.to_bytes(8)
