"""Internet checksums (RFC 1071), as columns: the IPv4 header's of every packet, the transport's when somebody asks.

Ones' complement sums do not care about byte order or word size: headers are summed in 64-bit words as the machine reads them, then folded to 16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Bytes, Ints, Mask, ragged
from sensor.decode.packets import Outcome, Packets, Transport

NETWORK, TRANSPORT = 1, 2  # bits of Packets.checksum_bad
WORDS = np.dtype([("a", "<u8"), ("b", "<u8"), ("c", "<u4")])
LOW = 0xFFFFFFFF


def folded(total: Array) -> NDArray[np.uint64]:
    """A sum of 16-bit or 32-bit words, folded to 16 bits with end-around carry."""
    total = (total & LOW) + (total >> 32)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return (total & 0xFFFF) + (total >> 16)


def ipv4_header_bad(data: Bytes, at: Ints, header: Array, size: Array | int) -> NDArray[np.uint8]:
    """1 where the header's checksum is wrong. header: its first 20 bytes, as read; size: bytes of it with options."""
    words = header.view(WORDS)
    total = (words["a"] & LOW) + (words["a"] >> 32) + (words["b"] & LOW)
    total += words["b"] >> 32
    total += words["c"]
    optioned = np.flatnonzero(size != 20)
    if optioned.size and not isinstance(size, int):
        total[optioned] += sums(data, at[optioned] + 20, size[optioned] - 20)
    bad: NDArray[np.uint8] = (folded(total) != 0xFFFF).view(np.uint8)
    return bad


def sums(data: Bytes, at: Ints, size: Ints) -> NDArray[np.uint64]:
    """The sum of the 16-bit words (as the machine reads them) of many byte ranges, an odd last byte padded with zero. Ranges are clipped to the buffer."""
    at = np.clip(at, 0, len(data))
    size = np.clip(size, 0, len(data) - at)
    row, byte = ragged((size + 1) >> 1)
    first = at[row] + 2 * byte
    odd_end = first + 1 == (at + size)[row]
    second = np.where(odd_end, 0, data[np.minimum(first + 1, len(data) - 1)]).astype(np.float64)
    low = data[first]
    weights = low + second * 256  # exact in float64, as bincount adds it: 64 KiB of words stay far below 2**53
    return np.bincount(row, weights, len(at)).astype(np.uint64)


def transport(packets: Packets) -> NDArray[np.uint8]:
    """Packets.checksum_bad with its transport bit filled. On demand and kept, since it touches every byte (see bench): the fast path does not pay for it."""
    if packets.transport_summed:
        return packets.checksum_bad
    packets.transport_summed = True
    packets.checksum_bad |= transport_bad(packets.data, vars(packets)) * np.uint8(TRANSPORT)
    return packets.checksum_bad


def transport_bad(data: Bytes, c: Mapping[str, Any]) -> NDArray[np.uint8]:
    """1 where the transport's checksum is wrong, for decoded TCP, UDP, ICMP, ICMPv6 and IGMP; packets cut by the snap length count as good.

    c: Packets' columns by name. UDP's 0 over IPv4 means that there is none (RFC 768).
    Source: RFC 9293 3.1, RFC 768, RFC 792, RFC 4443 2.3 (with the pseudo header), RFC 8200 8.1.
    """
    kind = c["transport"]
    summed: Mask = (c["outcome"] == Outcome.DECODED) & (kind >= Transport.TCP) & (kind <= Transport.IGMP) & (c["payload_length"] >= c["wire_length"])
    rows = np.flatnonzero(summed)
    at = c["transport_at"][rows]
    size = c["payload_at"][rows] + c["wire_length"][rows] - at
    total = sums(data, at, size)
    pseudo = np.isin(kind[rows], (Transport.TCP, Transport.UDP, Transport.ICMPV6))
    total += np.where(pseudo, pseudo_header(c, rows, size), np.uint64(0))
    bad = folded(total) != 0xFFFF
    field = at + 6
    bad &= ~((kind[rows] == Transport.UDP) & (c["ip_version"][rows] == 4) & (data[field] == 0) & (data[field + 1] == 0))
    result = np.zeros(len(kind), np.uint8)
    result[rows] = bad
    return result


def pseudo_header(c: Mapping[str, Any], rows: Ints, size: Ints) -> NDArray[np.uint64]:
    """Addresses, length and protocol, summed in network order and then turned to the machine's words, which a ones' complement sum permits."""
    total = size.astype(np.uint64) + c["ip_protocol"][rows]
    is_ipv6 = c["ip_version"][rows] == 6
    for name in ("source", "destination"):
        low, high = c[f"{name}_low"][rows], c[f"{name}_high"][rows]
        total += (low & LOW) + np.where(is_ipv6, (low >> 32) + (high & LOW) + (high >> 32), np.uint64(0))
    return folded(total).astype(np.uint16).byteswap().astype(np.uint64)
