"""Going one encapsulation deeper: what was outer is set aside, and the packet's columns are ready for the inner headers."""

from __future__ import annotations

import numpy as np

from sensor.columns import Array, Ints
from sensor.decode.packets import Outcome, Outer, Packets

DEEPEST = 4
ADDRESSES = ("source_high", "source_low", "destination_high", "destination_low")
INNER = (*ADDRESSES, "ip_version", "ip_protocol", "transport", "source_port", "destination_port", "payload_at", "payload_length", "wire_length", "transport_at")


def no_outer() -> Outer:
    addresses = {name: np.empty(0, np.uint64) for name in ADDRESSES}
    return Outer(row=np.empty(0, np.int64), tunnel=np.empty(0, np.uint8), key=np.empty(0, np.uint32), **addresses)


def deeper(packets: Packets, rows: Ints, tunnel: Array | int, key: Array, *, link: bool = False) -> Ints:
    """Opens one tunnel on each of these packets; returns which of `rows` may go on. A fifth one ends its packet as TOO_DEEP.

    link: what is around is an Ethernet header, so the outer addresses are its MACs (as for Transport.ETHERNET).
    """
    allowed = packets.tunnels[rows] < DEEPEST
    packets.outcome[rows[~allowed]] = Outcome.TOO_DEEP
    going = np.flatnonzero(allowed)
    rows = rows[going]
    packets.outcome[rows] = Outcome.DECODED
    packets.tunnels[rows] += 1
    if link:
        one = np.ones(len(rows), np.uint64)
        addresses = [one, packets.mac_source[rows], one, packets.mac_destination[rows]]
    else:
        addresses = [getattr(packets, name)[rows] for name in ADDRESSES]
    outer, kind = packets.outer, np.broadcast_to(np.asarray(tunnel, np.uint8), allowed.shape)[going]
    added: list[Array] = [rows, kind, *addresses, key[going].astype(np.uint32)]
    packets.outer = Outer(*(np.concatenate((old, new)) for old, new in zip(vars(outer).values(), added, strict=True)))
    for name in INNER:
        getattr(packets, name)[rows] = 0
    return going


def sort_outer(packets: Packets) -> None:
    """By packet, and there outermost first: the order in which they were opened."""
    order = np.argsort(packets.outer.row, kind="stable")
    packets.outer = Outer(*(column[order] for column in vars(packets.outer).values()))
