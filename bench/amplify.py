"""Few real packets -> many: rounds of real captures, each with addresses of its own: a long capture with the mix and the shape of real ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.craft import RECORD, START_US, STEP_US, fold, write
from bench.worst import polling
from sensor.columns import Array, Bytes, Ints, padded, ragged, read

CAPTURES = Path(__file__).parents[1] / "../shared/captures"
MIX = (
    "modbus/modbusBig.pcap", "enip/EthernetIP-CIP.pcap", "s7comm/s7comm_varservice_libnodavedemo_bench.pcap", "dnp3/dnp3.pcap",
    "iec104/*.pcap", "melsec/melsoft_129_clean.pcap",
)  # fmt: skip
WORK = Path(__file__).parent / "work"
MAC, ADDRESS = np.dtype("u1"), np.dtype(">u4")
PER_REPLICA_OUI = 0xFFFFFF  # of a MAC, the part that a replica has for itself: its vendor stays


@dataclass
class Round:
    """One round of all captures, as pcap records, and where in them lies what each replica changes.

    data: uint8 with padding. begin, size (int64 per record, of the whole record). mac_at, address_at: int64, places of addresses that are a host's own;
    mac_id, address_id: which host of the round. sums: of each checksum to adjust its place, and for each of its two addresses the row of address_at.
    """

    data: Bytes
    begin: Ints
    size: Ints
    mac_at: Ints
    mac_id: Ints
    address_at: Ints
    address_id: Ints
    sum_at: Ints
    sum_rows: Array
    sum_is_udp: Array

    def __len__(self) -> int:
        return len(self.begin)


def sources(captures: Path = CAPTURES) -> list[Path]:
    """The real captures that are there."""
    return [path for pattern in MIX for path in sorted(captures.glob(pattern))]


def amplify(path: Path, n: int, captures: Path = CAPTURES) -> Path:
    """A capture of `n` packets at `path`, from real captures or, where there are none, from one that is made."""
    contents = [source.read_bytes() for source in sources(captures)]
    if not contents:
        made = write(path.with_suffix(".seed"), polling(20_000))
        contents = [made.read_bytes()]
        made.unlink()
    return write(path, replicas(compose(contents), n))


def compose(contents: list[bytes]) -> Round:
    """Captures as one round, their records interleaved, each capture's in their order."""
    chains = [chain(content) for content in contents]
    base = np.cumsum([0, *map(len, contents[:-1])])
    at, size = np.concatenate([begin + start for (begin, _), start in zip(chains, base, strict=True)]), np.concatenate([size for _, size in chains])
    capture = np.repeat(np.arange(len(chains)), [len(begin) for begin, _ in chains])
    order = np.argsort(np.concatenate([(np.arange(len(begin)) + 0.5) / len(begin) for begin, _ in chains]), kind="stable")  # by each one's own progress
    at, size, capture = at[order], size[order], capture[order]
    row, index = ragged(size)
    data = padded(np.frombuffer(b"".join(contents), np.uint8)[at[row] + index].tobytes())
    return _places(data, np.cumsum(size) - size, size, capture)


def chain(content: bytes) -> tuple[Ints, Ints]:
    """Where the records of a little-endian Ethernet pcap begin and how long they are, with their headers; IPv6 apart, whose addresses nobody changes here."""
    if content[:4] != b"\xd4\xc3\xb2\xa1" or content[20] != 1:
        raise ValueError("the amplifier reads little-endian microsecond pcap of Ethernet")
    begin, sizes, at = [], [], 24
    while at + RECORD.itemsize <= len(content):
        size = RECORD.itemsize + int.from_bytes(content[at + 8 : at + 12], "little")
        if at + size > len(content):
            break
        if content[at + RECORD.itemsize + 12 : at + RECORD.itemsize + 14] != b"\x86\xdd":
            begin.append(at)
            sizes.append(size)
        at += size
    return np.array(begin, np.int64), np.array(sizes, np.int64)


def _places(data: Bytes, begin: Ints, size: Ints, capture: Ints) -> Round:
    """Find the addresses and checksums of each record."""
    frame, end = begin + RECORD.itemsize, begin + size
    rows = np.flatnonzero(size >= RECORD.itemsize + 14)
    tagged = _u2(data, frame + 12) == 0x8100
    ethertype, network = np.where(tagged, _u2(data, frame + 16), _u2(data, frame + 12)), frame + 14 + 4 * tagged
    ip = rows[(ethertype[rows] == 0x0800) & (network[rows] + 20 <= end[rows]) & (data[network[rows]] >> 4 == 4)]
    arp = rows[(ethertype[rows] == 0x0806) & (network[rows] + 28 <= end[rows])]
    mac_at, mac_capture = (
        np.concatenate((frame[rows], frame[rows] + 6, network[arp] + 8, network[arp] + 18)),
        np.concatenate((capture[rows], capture[rows], capture[arp], capture[arp])),
    )
    address_at = np.concatenate((network[ip] + 12, network[ip] + 16, network[arp] + 14, network[arp] + 24))
    address_capture = np.concatenate((capture[ip], capture[ip], capture[arp], capture[arp]))
    mac = np.array([int.from_bytes(data[at : at + 6].tobytes()) for at in mac_at.tolist()], np.int64)
    own_mac = np.flatnonzero((mac >> 40 & 1 == 0) & (mac != 0))
    address = read(data, address_at, np.dtype([("a", ADDRESS)]))["a"].astype(np.int64)
    own = (address >> 28 < 14) & (address != 0)
    is_own = np.flatnonzero(own)
    number = np.full(len(address_at), -1)
    number[is_own] = np.arange(len(is_own))
    _, mac_id = np.unique(np.stack((mac_capture[own_mac], mac[own_mac])), axis=1, return_inverse=True)
    _, address_id = np.unique(np.stack((address_capture[is_own], address[is_own])), axis=1, return_inverse=True)
    # Checksums: the IP header's, and TCP's or UDP's of the packets that have that header. Their sums have both addresses in them.
    first, protocol = _u2(data, network + 6) & 0x1FFF == 0, data[network + 9]
    transport = network + (data[network] & 15).astype(np.int64) * 4
    summed = ip[first[ip] & ((protocol[ip] == 6) | (protocol[ip] == 17))]
    place = transport[summed] + np.where(protocol[summed] == 6, 16, 6)
    has = (place + 2 <= end[summed]) & ((protocol[summed] == 6) | (_u2(data, place) != 0))  # RFC 768: zero is no checksum
    summed, place = summed[has], place[has]
    index = np.empty(len(begin), np.int64)
    index[ip] = np.arange(len(ip))
    which = np.concatenate((np.arange(len(ip)), index[summed]))
    return Round(
        data, begin, size, mac_at[own_mac], mac_id.ravel(), address_at[is_own], address_id.ravel(),
        sum_at=np.concatenate((network[ip] + 10, place)), sum_rows=np.stack((number[which], number[which + len(ip)])),
        sum_is_udp=np.concatenate((np.zeros(len(ip), np.bool_), protocol[summed] == 17)),
    )  # fmt: skip


def _u2(data: Bytes, at: Ints) -> Ints:
    return data[at].astype(np.int64) << 8 | data[at + 1]


def replicas(one: Round, n: int) -> Iterator[Bytes]:
    """Records of as many rounds as `n` packets take, the last one cut."""
    end = int((one.begin + one.size)[-1])
    for number, first in enumerate(range(0, n, len(one))):
        data = replica(one, number)
        us = START_US + (first + np.arange(len(one))) * STEP_US
        _put(data, one.begin, (us // 1_000_000).astype("<u4"))
        _put(data, one.begin + 4, (us % 1_000_000).astype("<u4"))
        yield data[: end if first + len(one) <= n else int(one.begin[n - first])]


def replica(one: Round, number: int) -> Bytes:
    """The round's records with addresses that are this replica's own."""
    hosts, macs = int(one.address_id.max(initial=0)) + 1, int(one.mac_id.max(initial=0)) + 1
    data = one.data.copy()
    old, new = read(one.data, one.address_at, np.dtype([("a", ADDRESS)]))["a"].astype(np.int64), (10 << 24) + 1 + number * hosts + one.address_id
    _put(data, one.address_at, new.astype(">u4"))
    mac = (number * macs + one.mac_id) & PER_REPLICA_OUI
    data[one.mac_at[:, None] + np.arange(3, 6)] = mac.astype(">u4").view(np.uint8).reshape(-1, 4)[:, 1:]
    _put(data, one.sum_at, adjusted(_u2(one.data, one.sum_at), one.sum_rows, old, new, one.sum_is_udp).astype(">u2"))
    return data


def adjusted(checksum: Ints, rows: Array, old: Ints, new: Ints, is_udp: Array) -> Ints:
    """RFC 1624, equation 3: HC' = ~(~HC + ~m + m') for the words of both addresses. rows: each checksum's addresses in old and new, -1 where one stays."""
    total = ~checksum & 0xFFFF
    for row in rows:
        before, after = np.where(row < 0, 0, old[row]), np.where(row < 0, 0, new[row])
        for shift in (16, 0):
            total = total + (~(before >> shift) & 0xFFFF) + (after >> shift & 0xFFFF)
    result = ~fold(total) & 0xFFFF
    return np.where(is_udp & (result == 0), 0xFFFF, result)


def _put(data: Bytes, at: Ints, values: Array) -> None:
    data[at[:, None] + np.arange(values.itemsize)] = values.view(np.uint8).reshape(len(values), -1)
