"""Packets as rules see them: the decoder's columns, and what the flow table knew of each packet's conversation when it came."""

from __future__ import annotations

import numpy as np

from sensor.columns import Array, Ints, Mask, firsts
from sensor.decode.decoder import DTYPES
from sensor.decode.packets import Packets, Transport
from sensor.streams.flows import ACKED, ANSWERED, BOTH, DATA, SYN, Flows, Numbered

NEVER = np.iinfo(np.int64).max
SYN_FLAG, RST_FLAG = 0x02, 0x04


def _shook(marks: Array) -> Mask:
    """Whether these letters (see flows.LETTERS) hold a SYN of one end and a SYN+ACK of the other."""
    a, b = marks, marks >> 6
    return ((a & SYN > 0) & (b & ANSWERED > 0)) | ((b & SYN > 0) & (a & ANSWERED > 0))


SHOOK = _shook(np.arange(1 << 12))


def columns(p: Packets, n: Numbered, flows: Flows, to_server: Mask) -> dict[str, Array]:
    """See events.seen.Inspected. to_server: per numbered packet. Runs before `Flows.account`: what this batch adds to the counts is told apart here."""
    result: dict[str, Array] = {name: getattr(p, name) for name in DTYPES}
    result |= {
        "frame": p.batch.frame,
        "offset": p.batch.offset,
        "captured": p.batch.captured,
        "length": p.batch.length,
        "link_type": p.batch.link_type,
        "reassembled": p.network_at >= len(p.batch.data),
        "ts_ns": p.batch.ts_ns,
        "flow": np.full(len(p.batch), -1, np.int32),
    }
    if not n.rows.size:
        return result | {name: np.zeros(len(p.batch), np.bool_) for name in ("to_server", "established", "handshake")}
    result["flow"][n.rows] = n.flow
    established, handshake = conversing(p, n, flows)
    for name, values in (("to_server", to_server), ("established", established), ("handshake", handshake)):
        result[name] = np.zeros(len(p.batch), np.bool_)
        result[name][n.rows] = values
    return result


def conversing(p: Packets, n: Numbered, flows: Flows) -> tuple[Mask, Mask]:
    """Per numbered packet: whether its conversation is under way (picked up midstream or not), and whether its beginning was seen, too."""
    transport, flags, marks = p.transport[n.rows], p.flags[n.rows], flows.c["letters"][n.flow]
    tcp = transport == Transport.TCP
    under_way = tcp & (flags & SYN_FLAG == 0)
    resets = np.flatnonzero(under_way & (flags & RST_FLAG != 0) & (marks & BOTH * (ACKED | DATA) == 0))
    if resets.size:
        under_way[resets] = _first(n.flow, n.letters & BOTH * (ACKED | DATA) != 0, n.flow[resets]) < resets
    handshake = under_way & SHOOK[marks]
    _shake(n, marks, np.flatnonzero(under_way & ~handshake), handshake)
    datagrams = np.flatnonzero(transport == Transport.UDP)
    if datagrams.size:
        other = n.stream[datagrams] ^ 1
        both = flows.c["packets"][other] > 0
        alone = np.flatnonzero(~both)
        both[alone] = _first(n.stream, transport == Transport.UDP, other[alone]) < datagrams[alone]
        under_way[datagrams] = handshake[datagrams] = both
    return under_way, handshake


def _shake(n: Numbered, marks: Array, asked: Ints, handshake: Mask) -> None:
    """Set handshake for those of the packets asked for whose flow's SYN or SYN+ACK came earlier in this batch."""
    begins = n.letters & BOTH * (SYN | ANSWERED) != 0
    if not begins.any():
        return
    asked = asked[np.isin(n.flow[asked], n.flow[begins])]
    came = []
    for side in (1, 1 << 6):
        for letter in (SYN, ANSWERED):
            first = _first(n.flow, n.letters & side * letter != 0, n.flow[asked])
            came.append(np.where(marks[asked] & side * letter != 0, -1, first))
    syn_a, answer_a, syn_b, answer_b = came
    handshake[asked] = np.minimum(np.maximum(syn_a, answer_b), np.maximum(syn_b, answer_a)) < asked


def _first(ids: Array, mask: Mask, asked: Array) -> Ints:
    """For each id asked for, the first masked row where it stands, or NEVER."""
    rows = np.flatnonzero(mask)
    if not rows.size:
        return np.full(len(asked), NEVER)
    some, first = firsts(ids[rows])
    place = np.minimum(np.searchsorted(some, asked), len(some) - 1)
    return np.where(some[place] == asked, rows[first[place]], NEVER)
