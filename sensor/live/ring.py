"""A TPACKET_V3 ring: packets that the kernel has put into memory it shares with us, block by block.

Sources: linux/if_packet.h, Documentation/networking/packet_mmap.rst, packet(7).
"""

from __future__ import annotations

import mmap
import socket
import struct
from dataclasses import dataclass

import numpy as np

from sensor.capture.chain import linked
from sensor.capture.files import ROWS, SIZE
from sensor.capture.window import Rows
from sensor.columns import Bytes, Ints, buffer, read

SOL_PACKET = 263
ADD_MEMBERSHIP, RX_RING, STATISTICS, VERSION, FANOUT, FANOUT_DATA, IGNORE_OUTGOING = 1, 5, 6, 10, 18, 22, 23  # PACKET_*
TPACKET_V3, MR_PROMISC, FANOUT_CBPF = 2, 1, 6
KERNEL, USER = 0, 1  # whose a block is
VLAN_VALID, VLAN_TPID_VALID, GSO_TCP = 1 << 4, 1 << 6, 1 << 8  # bits of a packet's status

#      0         4         8        12        16         20       24         28        32         36         40      44
#      +---------+---------+--------+---------+----------+--------+----------+---------+----------+----------+-------+------
#      | version | private | status | packets | first at | length | sequence (8)       | first s  | first ns | last s| ns
#      +---------+---------+--------+---------+----------+--------+--------------------+----------+----------+-------+------
STATUS_AT, SEQUENCE_AT, BLOCK_HEADER = 8, 24, 48

#      0          4     8      12         16       20       24    26    28       32         36          38        40
#      +----------+-----+------+----------+--------+--------+-----+-----+--------+----------+-----------+---------+---------
#      | next at  | s   | ns   | captured | length | status | mac | net | hash   | VLAN tci | VLAN tpid | padding | padding
#      +----------+-----+------+----------+--------+--------+-----+-----+--------+----------+-----------+---------+---------
PACKET = np.dtype(
    {
        "names": ["next", "s", "ns", "captured", "length", "status", "mac", "tci", "tpid"],
        "formats": ["u4", "u4", "u4", "u4", "u4", "u4", "u2", "u4", "u2"],
        "offsets": [0, 4, 8, 12, 16, 20, 24, 32, 36],
        "itemsize": 48,
    }
)
PLACE_AT = 24  # where `mac`, `net` and `hash` stand: eight bytes that a ring's packets have in common
ADDRESSES = np.dtype([("macs", "V12")])
TAGGED = np.dtype([("macs", "V12"), ("tpid", ">u2"), ("tci", ">u2")])


@dataclass(frozen=True)
class Size:
    """Of a ring: blocks of so many bytes (a multiple of the page), and after how many ms the kernel hands over one that is not full.

    pace_ms: how long a reader who keeps up lets blocks gather after each batch, as every batch costs something however small it is.
    """

    block: int = 1 << 19
    blocks: int = 128  # on a quiet link each holds 100 ms: the reader may be away for 12 s
    retire_ms: int = 100
    pace_ms: int = 0


class Ring:
    """The ring of an open packet socket: made for one that is not yet bound, or that which another reader has left (is_left)."""

    def __init__(self, opened: socket.socket, size: Size, *, is_left: bool = False) -> None:
        self.size, self.at = size, 0
        if not is_left:
            opened.setsockopt(SOL_PACKET, VERSION, TPACKET_V3)
            frame = 2048  # has no meaning in version 3, but has to fit
            request = struct.pack("=7I", size.block, size.blocks, frame, size.block // frame * size.blocks, size.retire_ms, 0, 0)
            opened.setsockopt(SOL_PACKET, RX_RING, request)
        self.map = mmap.mmap(opened.fileno(), size.block * size.blocks)
        self.data: Bytes = np.frombuffer(self.map, np.uint8)
        self.status = np.ndarray((size.blocks,), np.uint32, self.map, STATUS_AT, (size.block,))
        if is_left:
            self.at = self.place()

    def place(self) -> int:
        """The block that is to be taken next: of those that wait the one that was begun first; where none does, the one that the kernel began last."""
        sequence = np.ndarray((self.size.blocks,), np.uint64, self.map, SEQUENCE_AT, (self.size.block,))
        while True:
            waiting = np.flatnonzero(self.status & USER)
            if waiting.size:
                return int(waiting[np.argmin(sequence[waiting])])
            last = int(np.argmax(sequence))
            if not np.any(self.status & USER):  # so the kernel has gone no further meanwhile
                return last

    def close(self) -> None:
        """Read no more: what comes waits in the ring as long as the socket is open."""
        del self.data, self.status  # no view may be left when the map goes
        self.map.close()

    def free(self, opened: socket.socket) -> None:
        """Give the memory back, whoever else has the socket. Raises OSError."""
        self.close()
        opened.setsockopt(SOL_PACKET, RX_RING, bytes(28))

    @property
    def ready(self) -> bool:
        """Whether a block waits to be taken."""
        return bool(self.status[self.at] & USER)

    @property
    def fill(self) -> float:
        """The part of the ring that waits to be taken."""
        return float(np.count_nonzero(self.status & USER)) / self.size.blocks

    def take(self) -> tuple[Bytes, Ints]:
        """The bytes of the blocks that wait, copied, and where in them each packet's header begins (int64). The blocks are the kernel's again.

        At least one, and no more than make a batch: the further behind the reader is, the larger are its batches, and the less each packet costs.
        """
        blocks: list[tuple[int, int, int, int, int]] = []
        size = packets = 0
        while len(blocks) < self.size.blocks and self.status[self.at] & USER:
            begin = self.at * self.size.block
            _, _, _, count, first, length = struct.unpack_from("=6I", self.map, begin)
            if blocks and (size + length > SIZE or packets + count > ROWS):
                break
            blocks.append((begin, size, length, first, count))
            size, packets = size + (length + 7 & ~7), packets + count
            self.at = (self.at + 1) % self.size.blocks
        data, found = buffer(size), [np.empty(0, np.int64)]
        for begin, at, length, first, count in blocks:
            block = data[at : at + length]
            block[:] = self.data[begin : begin + length]
            self.status[begin // self.size.block] = KERNEL
            found.append(at + headers(block, first, count))
        return data, np.concatenate(found)


def headers(block: Bytes, first: int, count: int) -> Ints:
    """Where the headers of a block's packets begin: guessed in bulk and verified, walked where they are not alike (some sent by this host, some received)."""
    if not count:
        return np.empty(0, np.int64)
    words = block[: len(block) & ~7].view(np.uint64)
    place = first + PLACE_AT >> 3
    begin = (np.flatnonzero(words[place:] == words[place]) << 3) + first  # packets begin at multiples of eight bytes
    following = block[: len(block) & ~3].view(np.uint32)[begin >> 2].astype(np.int64)
    chain, _ = linked(begin, begin + np.where(following == 0, len(block), following))
    return chain if len(chain) == count else walked(block, first, count)


def walked(block: Bytes, first: int, count: int) -> Ints:
    """The same one by one."""
    words, at, found = block[: len(block) & ~3].data.cast("I"), first, []
    for _ in range(count):
        found.append(at)
        at += words[at >> 2]
    return np.array(found, np.int64)


def rows(data: Bytes, begin: Ints, link_type: int, interface: int, longest: int) -> tuple[Rows, int]:
    """The packets with these headers, and how many of them the kernel or the card has merged from several. Tags that were taken out are put back.

    longest: a packet with more bytes was merged. Since Linux 6.2 the kernel says so itself.
    """
    header = read(data, begin, PACKET)
    at, captured, length = begin + header["mac"], header["captured"].astype(np.int64), header["length"].astype(np.int64)
    status = header["status"]
    tagged = np.flatnonzero((status & VLAN_VALID != 0) & (captured >= 12))
    if tagged.size:
        whole = np.empty(len(tagged), TAGGED)
        whole["macs"] = read(data, at[tagged], ADDRESSES)["macs"]
        whole["tpid"] = np.where(status[tagged] & VLAN_TPID_VALID, header["tpid"][tagged], 0x8100)
        whole["tci"] = header["tci"][tagged]
        at[tagged] -= 4  # between the kernel's header and the packet there are at least 14 bytes
        np.ndarray((len(data) - TAGGED.itemsize + 1,), f"V{TAGGED.itemsize}", data, strides=(1,))[at[tagged]] = whole.view(f"V{TAGGED.itemsize}")
        captured[tagged] += 4
        length[tagged] += 4
    ts_ns = header["s"].astype(np.int64) * 1_000_000_000 + header["ns"]
    kind = np.full(len(begin), link_type, np.uint16)
    return Rows(at, captured, length, ts_ns, kind, np.full(len(begin), interface, np.uint16)), int(
        np.count_nonzero((status & GSO_TCP != 0) | (length > longest))
    )
