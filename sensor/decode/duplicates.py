"""Copies: a mirror of both ports of a switch, or of both sides of a router, captures the same packet twice.

A packet is a copy when the same bytes, from the network header to the end of the datagram, were captured at most WINDOW packets and NEAR_NS earlier
(measured to the latest packet with these bytes). IPv4's time to live and header checksum and IPv6's hop limit may differ (a router lies between), and so
may MACs, tags and padding, except in frames that are not IP: their MACs belong to what is compared, for two devices may well say the same.

What is not a copy, and how it is told apart:
- A TCP retransmission has a new identification in IPv4, and comes after a round trip at least, usually 200 ms. One that has neither (IPv6, or an
  identification of 0, within 10 ms) counts as a copy, as do repeated acknowledgments: neither brings bytes that were not there before.
- A poll over UDP may be the same each time where IPv4's identification is 0 or missing (RFC 6864 lets it; IPv6 has none): for UDP such packets must come
  within NEAR_UNNUMBERED_NS, less than a device takes to answer and be asked again.
"""

from __future__ import annotations

import secrets

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Bytes, Ints, Mask, heads, order_by, read
from sensor.decode.packets import Packets, Transport

WINDOW = 1024  # packets
NEAR_NS = 10_000_000
NEAR_UNNUMBERED_NS = 1_000_000
LONGEST = 1 << 18  # bytes of one packet that are compared: as many as pcap holds of one

WORD = np.dtype([("word", "<u8")])
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
IDENTIFICATION = np.uint64(0x0000FFFF00000000)  # bytes 4 and 5 of an IPv4 header, in its first eight
TIME_TO_LIVE_AND_CHECKSUM = np.uint64(0xFFFF00FF)  # bytes 8, 10 and 11 of an IPv4 header, in its second eight
HOP_LIMIT = np.uint64(0xFF00000000000000)  # byte 7 of an IPv6 header, in its first eight
LEFT = np.array([(1 << 8 * left) - 1 for left in range(8)], np.uint64)  # the bytes of a last word that are the packet's
MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64)  # odd, bits well spread


class Duplicates:
    """Finds copies. Of the last WINDOW packets it keeps a fingerprint each and a keyed hash of all bytes, so that batch boundaries do not matter.

    The fingerprint takes what headers have anyway; only packets whose fingerprints are equal, and a batch's last WINDOW, are hashed as a whole. That hash
    is NH of UMAC (Black and others, CRYPTO 1999; RFC 4418 5.2.1) with secret random keys: whatever a sender tries, a packet of his passes for a copy of
    another once in 2**32.
    """

    def __init__(self) -> None:
        self.keys = np.frombuffer(secrets.token_bytes((LONGEST // 8 + 1) * 8), np.uint64)
        self.fingerprint, self.content = np.empty(0, np.uint64), np.empty(0, np.uint64)
        self.ts_ns = np.empty(0, np.int64)

    def find(self, packets: Packets) -> Mask:
        """Which packets are copies; to be asked once for every batch, in order of capture, when the outermost headers have been read."""
        n, kept = len(packets.outcome), len(self.fingerprint)
        fingerprint = np.concatenate((self.fingerprint, fingerprints(packets)))
        ts_ns = np.concatenate((self.ts_ns, packets.batch.ts_ns))
        content = np.concatenate((self.content, np.zeros(n, np.uint64)))
        alike = equal_ids(fingerprint)
        last = max(kept, kept + n - WINDOW)
        needed = np.concatenate((alike[(alike >= kept) & (alike < last)], np.arange(last, kept + n)))
        content[needed] = self.hashes(packets, needed - kept)
        copies = np.zeros(n, np.bool_)
        if alike.size:
            alike = alike[fingerprint[alike] != 0]
            alike = alike[np.lexsort((content[alike], fingerprint[alike]))]  # stable: by row among equals
            same = ~heads(fingerprint[alike]) & ~heads(content[alike])
            later, earlier = alike[1:][same[1:]], alike[:-1][same[1:]]
            later, earlier = later[later >= kept], earlier[later >= kept]
            near = np.where(unnumbered(packets, later - kept), NEAR_UNNUMBERED_NS, NEAR_NS)
            close = (later - earlier <= WINDOW) & (np.abs(ts_ns[later] - ts_ns[earlier]) <= near)
            copies[later[close] - kept] = True
        self.fingerprint, self.content, self.ts_ns = fingerprint[-WINDOW:], content[-WINDOW:], ts_ns[-WINDOW:]
        return copies

    def hashes(self, packets: Packets, rows: Ints) -> NDArray[np.uint64]:
        """A hash of each row's bytes from its network header on, with what may differ between copies left out."""
        at = packets.network_at[rows]
        size = np.clip(packets.network_end[rows] - at, 0, LONGEST)
        version = np.where(size >= 12, packets.ip_version[rows], 0)
        counts = (size >> 3) + 1  # a word that holds what is left of the last eight bytes, even where that is nothing
        starts = np.cumsum(counts) - counts
        word = np.arange(int(counts.sum())) - np.repeat(starts, counts)
        words = word_at(packets.data, np.repeat(at, counts) + 8 * word)
        words[starts + counts - 1] &= LEFT[size & 7]
        words[starts[version == 4] + 1] &= ~TIME_TO_LIVE_AND_CHECKSUM
        words[starts[version == 6]] &= ~HOP_LIMIT
        key = self.keys[word]
        product = (words + key) & LOW
        words >>= HALF
        key >>= HALF
        words += key
        words &= LOW
        product *= words
        hashed: NDArray[np.uint64] = np.add.reduceat(product, starts) if len(rows) else product
        hashed += size.astype(np.uint64)
        return hashed


def fingerprints(packets: Packets) -> NDArray[np.uint64]:
    """A number of each packet that copies share and others seldom do; 0 for packets that are not compared, as they have no network header."""
    at, end = packets.network_at, packets.network_end
    first, last = word_at(packets.data, at), word_at(packets.data, np.maximum(end - 8, 0))
    short = end - at < 8
    if short.any():
        first[short], last[short] = (end - at)[short].astype(np.uint64), 0
    is_ipv6 = packets.ip_version == 6
    if is_ipv6.any():
        first[is_ipv6] &= ~HOP_LIMIT
    mixed: NDArray[np.uint64] = first * MIX[0]
    for value, multiplier in ((last, MIX[1]), (packets.source_low, MIX[2]), (packets.destination_low, MIX[3])):
        mixed ^= value
        mixed *= multiplier
        mixed ^= mixed >> np.uint64(29)
    if is_ipv6.any():
        mixed ^= (packets.sequence.astype(np.uint64) << np.uint64(32) | packets.acknowledgment) * MIX[0] * is_ipv6
    mixed |= np.uint64(1)
    compared = (packets.ip_version != 0) | (packets.transport != Transport.NONE)
    if not compared.all():
        mixed *= compared
    return mixed


def word_at(data: Bytes, at: Ints) -> NDArray[np.uint64]:
    words: NDArray[np.uint64] = read(data, at, WORD)["word"]
    return words


def equal_ids(fingerprint: Array) -> Ints:
    """Rows whose fingerprint's high half occurs more than once: sorted by two radix passes, the rest then is about the few that are left."""
    ids = (fingerprint >> np.uint64(32)).astype(np.uint32)
    order = order_by(ids)
    ordered = ids[order]
    repeats = ~heads(ordered)
    if not repeats.any():
        return np.empty(0, np.int64)
    repeats[:-1] |= repeats[1:]
    return order[repeats]


def unnumbered(packets: Packets, rows: Ints) -> Mask:
    """UDP datagrams that no identification tells apart."""
    identification = word_at(packets.data, packets.network_at[rows]) & IDENTIFICATION
    without: Mask = (packets.transport[rows] == Transport.UDP) & ((packets.ip_version[rows] != 4) | (identification == 0))
    return without
