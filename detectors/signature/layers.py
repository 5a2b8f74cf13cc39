"""Packets as Suricata has them (`--compat suricata`): each layer of a tunnel, and each fragment besides the datagram that it completes, is a packet of its own; of
what is broken behind the IP header rules see that header alone, and nothing of what was cut short within the datagram.

Suricata 8 developer guide, "Packet pipeline", and what running it showed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sensor.columns import Array, Batch, Bytes, Ints, Mask, Source, read
from sensor.decode import link, tunnels
from sensor.decode.decoder import DTYPES, blank, headers
from sensor.decode.packets import Outcome, Packets, Transport, Tunnel
from sensor.decode.rows import numbers
from sensor.decode.wrapping import DEEPEST

WORD, BYTE = np.dtype([("value", ">u2")]), np.dtype([("value", "u1")])
UNOPENED = (Tunnel.GTP_U, Tunnel.TZSP, Tunnel.ERSPAN_III)  # tunnels that are only payload there
BEHEADED = (Outcome.SHORT_TRANSPORT, Outcome.BAD_TRANSPORT, Outcome.FRAGMENT, Outcome.FRAGMENT_DROPPED, Outcome.OTHER_TRANSPORT)
SEEN = (Outcome.DECODED, *BEHEADED)
ICMP, IP_IN_IP, IPV6_IN_IP, IPV6_FRAGMENT, ESP, AH, NO_NEXT_HEADER = 1, 4, 41, 44, 50, 51, 59
ESP_HEADER = 8
TRANSPORTS = np.zeros(256, np.uint8)  # by IP protocol
TRANSPORTS[[6, 17, 1, 58, 132]] = Transport.TCP, Transport.UDP, Transport.ICMP, Transport.ICMPV6, Transport.SCTP
IN_FLOWS = np.zeros(256, np.bool_)  # IP protocols whose packets have flows
IN_FLOWS[[6, 17, 1, 58, 132, ESP, IP_IN_IP, IPV6_IN_IP]] = True
INNERMOST = DEEPEST + 1  # the layer of what our decoder's columns are about


def settle(data: Bytes, p: dict[str, Array]) -> None:
    """Sets what of packets' columns Suricata has otherwise: headers, payload and flow of those that are broken, and where there is no flow, to_server. Adds
    declared, the transport that the IP header names, looked_at: whether it is a packet for rules, and in_flow: whether it would have a flow."""
    outcome, four, at = p["outcome"], p["ip_version"] == 4, p["network_at"]
    is_ip, captured = p["ip_version"] > 0, p["network_end"] - at
    promised = read(data, np.where(is_ip, at + np.where(four, 2, 4), 0), WORD)["value"].astype(np.int64) + np.where(four, 0, 40)
    p["looked_at"] = is_ip & (promised <= captured) & np.isin(outcome, SEEN)
    named = read(data, np.where(four, at + 9, 0), BYTE)["value"]
    fragments = np.isin(outcome, (Outcome.FRAGMENT, Outcome.FRAGMENT_DROPPED))
    protocol = np.where(four, named, np.where(fragments, IPV6_FRAGMENT, p["ip_protocol"])).astype(np.uint8)
    is_esp = (outcome == Outcome.OTHER_TRANSPORT) & (protocol == ESP) & (p["payload_length"] >= ESP_HEADER)
    p["payload_at"], p["payload_length"] = p["payload_at"] + ESP_HEADER * is_esp, p["payload_length"] - ESP_HEADER * is_esp
    bare = (np.isin(outcome, BEHEADED) & ~is_esp) | overlong(data, p) | (protocol == AH) | np.isin(p["transport"], (Transport.NONE, Transport.IGMP)) & ~is_esp
    bare |= (p["transport"] == Transport.ICMPV6) & four | (p["transport"] == Transport.ICMP) & ~four
    for name in ("transport", "source_port", "destination_port", "flags", "transport_at", "payload_length"):
        p[name] = np.where(bare & is_ip, 0, p[name]).astype(p[name].dtype)
    p["looked_at"] &= four | ~(bare & np.isin(protocol, (ICMP, NO_NEXT_HEADER)))
    p["ip_protocol"], p["declared"] = protocol, TRANSPORTS[protocol]
    p["flow"] = np.where(bare, -1, p["flow"]).astype(np.int32)
    p["in_flow"] = IN_FLOWS[protocol] & p["looked_at"] & (~bare | np.isin(protocol, (IP_IN_IP, IPV6_IN_IP)) & (outcome == Outcome.OTHER_TRANSPORT))


def overlong(data: Bytes, p: dict[str, Array]) -> Mask:
    """UDP whose length is more than there is."""
    is_udp = (p["transport"] == Transport.UDP) & (p["transport_at"] > 0)
    length = read(data, np.where(is_udp, p["transport_at"] + 4, 0), WORD)["value"].astype(np.int64)
    return np.asarray(is_udp & (length > p["network_end"] - p["transport_at"]), np.bool_)


def around(source: Source, data: Bytes, p: dict[str, Array]) -> dict[str, Array] | None:
    """What is around packets, as packets: outer layers and last fragments. Columns as p, and row and layer (0: the outermost). What is in tunnels that Suricata
    does not open is not looked at. None where there is nothing."""
    rows = np.flatnonzero((p["tunnels"] > 0) | p["reassembled"])
    rows = rows[p["outcome"][rows] != Outcome.DUPLICATE]
    if not rows.size:
        return None
    offset, captured, length, ts_ns, frame = (p[name][rows] for name in ("offset", "captured", "length", "ts_ns", "frame"))
    batch = Batch(source, data, offset, captured, length, ts_ns, frame, p["link_type"][rows], np.zeros(len(rows), np.uint16))
    found = list(layers(batch))
    shut = np.zeros(len(rows), np.bool_)
    kept: list[tuple[Ints, int, dict[str, Array]]] = []
    for layer, (which, columns, closes) in enumerate(found):
        going = ~shut[which]
        kept.append((rows[which[going]], layer, {name: column[going] for name, column in columns.items()}))
        shut[which[closes]] = True
    p["outcome"] = p["outcome"].copy()
    p["outcome"][rows[shut]] = Outcome.TOO_DEEP
    row = np.concatenate([each for each, *_ in kept])
    columns = {name: np.concatenate([each[name] for *_, each in kept]) for name in DTYPES}
    for name in ("frame", "ts_ns", "length"):
        columns[name] = p[name][row]
    columns["reassembled"], columns["flow"] = np.zeros(len(row), np.bool_), np.full(len(row), -1, np.int32)
    return columns | {"row": row, "layer": np.repeat([layer for _, layer, _ in kept], [len(each) for each, *_ in kept])}


def layers(batch: Batch) -> Iterator[tuple[Ints, dict[str, Array], Mask]]:
    """Layer by layer, outermost first, those of these packets that have something around another packet: which, their columns, and whether it is a tunnel that
    Suricata does not open."""
    found: Packets = blank(batch)
    frames = link.frames(found)
    for _ in range(DEEPEST):
        datagrams, fragments = headers(found, frames)
        columns = {name: getattr(found, name).copy() for name in DTYPES}
        opened = len(found.outer.row)
        inner = [frame for part in datagrams for frame in tunnels.opened(found, part, np.zeros(len(batch), np.bool_))]
        kind = np.zeros(len(batch), np.uint8)
        kind[found.outer.row[opened:]] = found.outer.tunnel[opened:]
        which = np.unique(np.concatenate([numbers(part.datagrams.rows, found.outcome) for part in fragments] + [found.outer.row[opened:]])).astype(np.int64)
        closes = np.isin(kind[which], UNOPENED)
        columns = {name: column[which] for name, column in columns.items()}
        columns["payload_length"] *= closes  # what is opened is not looked into
        yield which, columns, closes
        if not inner:
            return
        frames = link.joined(inner)
