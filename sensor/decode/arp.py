"""ARP packets as columns (RFC 826)."""

from __future__ import annotations

import numpy as np

from sensor.columns import read
from sensor.decode.packets import Outcome, Packets, Transport
from sensor.events.seen import Arp

# RFC 826, for Ethernet and IPv4:
#
#      0        2          4     5     6           8            14          18           24
#      +--------+----------+-----+-----+-----------+------------+-----------+------------+-----------+
#      | htype  | ptype    | hln | pln | operation | sender MAC | sender IP | target MAC | target IP |
#      +--------+----------+-----+-----+-----------+------------+-----------+------------+-----------+
LAYOUT = np.dtype(
    [("htype", ">u2"), ("ptype", ">u2"), ("hln", "u1"), ("pln", "u1"), ("operation", ">u2"), ("sender_mac_high", ">u2"), ("sender_mac_low", ">u4"),
     ("sender_ip", ">u4"), ("target_mac_high", ">u2"), ("target_mac_low", ">u4"), ("target_ip", ">u4")]
)  # fmt: skip


NONE, NO_MAC, NO_IP = np.zeros(0, np.int64), np.zeros(0, np.uint64), np.zeros(0, np.uint32)
NO_ARP = Arp(np.zeros(0, np.uint16), NO_MAC, NO_IP, NO_MAC, NO_IP, NONE, NONE)


def arp(p: Packets) -> Arp:
    """The ARP packets of a batch; those cut short are left out (their outcome says so)."""
    rows = np.flatnonzero((p.transport == Transport.ARP) & (p.outcome == Outcome.DECODED))
    if not rows.size:
        return NO_ARP
    header = read(p.data, p.network_at[rows], LAYOUT)
    macs = [header[f"{who}_mac_high"].astype(np.uint64) << np.uint64(32) | header[f"{who}_mac_low"] for who in ("sender", "target")]
    return Arp(
        operation=header["operation"].astype(np.uint16),
        sender_mac=macs[0],
        sender_ip=header["sender_ip"].astype(np.uint32),
        target_mac=macs[1],
        target_ip=header["target_ip"].astype(np.uint32),
        frame=p.batch.frame[rows],
        ts_ns=p.batch.ts_ns[rows],
    )
