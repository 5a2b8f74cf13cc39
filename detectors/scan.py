"""Scans: one host begins conversations with many addresses, many ports of one address, or many controllers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.memory import SECOND, Fanout, Gathering, Recent
from detectors.state import setting
from sensor.columns import Array, Ints, Mask
from sensor.decode.packets import Transport
from sensor.events.address import MAPPED
from sensor.events.alert import Finding, Kind, Severity
from sensor.events.seen import Seen
from sensor.events.vocabulary import Role

ADDRESS = Kind(
    "address-scan", "Address scan",
    "{client} began conversations with {count} addresses near {server}; within {window_s} s fewer than {limit} are expected.",
    Severity.MEDIUM, ("T0846",), "02001",
)  # fmt: skip
PORT = Kind(
    "port-scan", "Port scan",
    "{client} tried {count} ports of {server}; within {window_s} s fewer than {limit} are expected.",
    Severity.MEDIUM, ("T0846.001",), "02001",
)  # fmt: skip
CONTROLLER = Kind(
    "controller-scan", "Controller scan",
    "{client} tried industrial ports of {count} addresses, such as {server}; within {window_s} s fewer than {limit} are expected.",
    Severity.HIGH, ("T0846.001", "T0888"), "02001",
)  # fmt: skip


INDUSTRIAL = 1 << 24  # the port belongs to one of our protocols


@dataclass
class Begun:
    """Conversations that begin in a batch, by frame: flow, from_b (which end began it), source, target (addresses as 64 bits), network (of the target),
    port (with the transport and INDUSTRIAL; 0 where there is none)."""

    flow: NDArray[np.int32]
    from_b: Mask
    source: NDArray[np.uint64]
    target: NDArray[np.uint64]
    network: NDArray[np.uint64]
    port: Ints


def begun(seen: Seen) -> Begun:
    """The conversations that a host really began: a TCP connection with its handshake; a datagram to a known port, or to the lower port; an ICMP message.

    Conversations that were there before the capture are left out, and so are multicast and broadcast targets.
    """
    c, flow = seen.flows, seen.started[np.argsort(seen.flows["first_frame"][seen.started], kind="stable")]
    transport, role = c["transport"][flow], c["role"][flow]
    surely = (role == Role.HANDSHAKE) | (role == Role.PORT)  # these two are known with the first packet and never change
    from_b = np.where(surely, ~c["server_is_b"][flow], c["begun_by_b"][flow])
    a, b = c["a_port"][flow], c["b_port"][flow]
    to_lower = np.where(from_b, a <= b, b <= a)
    keep = (transport == Transport.TCP) & (role == Role.HANDSHAKE) | (transport == Transport.UDP) & (surely | to_lower)
    keep |= (transport == Transport.ICMP) | (transport == Transport.ICMPV6)
    high, low = (np.where(from_b, c[f"a_{half}"][flow], c[f"b_{half}"][flow]) for half in ("high", "low"))
    is_v4 = (high == 0) & (low >> np.uint64(32) == 0xFFFF)
    keep &= np.where(is_v4, low < np.uint64(MAPPED | 0xE0000000), high >> np.uint64(56) != 0xFF)
    source = fold(np.where(from_b, c["b_high"][flow], c["a_high"][flow]), np.where(from_b, c["b_low"][flow], c["a_low"][flow]))
    network = np.where(is_v4, low >> np.uint64(16), high)
    port = np.where(from_b, a, b).astype(np.int64) | transport.astype(np.int64) << 16 | np.where(c["hint"][flow] > 0, INDUSTRIAL, 0)
    port[(transport != Transport.TCP) & (transport != Transport.UDP)] = 0
    return Begun(flow[keep], from_b[keep], source[keep], fold(high, low)[keep], network[keep], port[keep])


def fold(high: Array, low: Array) -> NDArray[np.uint64]:
    """An address as 64 bits: IPv4 as it is, IPv6 mixed (multiplication by the 64-bit golden ratio)."""
    folded: NDArray[np.uint64] = np.where(high == 0, low, low ^ (high * np.uint64(0x9E3779B97F4A7C15)))
    return folded


@dataclass
class Scan:
    """Counts the targets of each source, by the columns of conversations that begin. Nothing is counted for a source before its second conversation."""

    name: str = "scan"
    kinds: tuple[Kind, ...] = (ADDRESS, PORT, CONTROLLER)
    needs: tuple[str, ...] = ("flows",)
    limits: str = "A scan slower than the window, or without TCP handshakes, is not seen; a host that begins to work with many others at once looks like one."
    address_limit: int = setting(50, "Addresses in one network (/16; IPv6 /64) that make an address scan", least=2)
    port_limit: int = setting(25, "Ports of one address that make a port scan", least=2)
    controller_limit: int = setting(10, "Addresses whose industrial ports are tried that make a controller scan", least=2)
    window_s: int = setting(120, "Seconds within which they count", least=1)
    sources: Recent = field(default_factory=lambda: Recent(50_000))  # source -> its only conversation, or True
    addresses: Fanout = field(default_factory=Fanout)
    ports: Fanout = field(default_factory=Fanout)
    controllers: Fanout = field(default_factory=Fanout)

    @property
    def evicted(self) -> int:
        return self.sources.evicted + sum(fanout.evicted for fanout in (self.addresses, self.ports, self.controllers))

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        if not len(seen.started):
            return
        some = begun(seen)
        c, sources = seen.flows, self.sources
        more = Gathering(partial(self._finding, seen))
        columns = (some.source, some.target, some.network, some.port, c["first_ns"][some.flow], c["first_frame"][some.flow])
        for row, conversation in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            source = conversation[0]
            before = sources.young.get(source) or sources.get(source)
            if before is None:
                sources.put(source, conversation)
                continue
            if before is not True:
                sources.put(source, True)
                self._count(before)  # the first alone fills no limit
            for key, kind, frames in self._count(conversation):
                yield from more.add(key, frames, conversation[4], (kind, int(some.flow[row]), bool(some.from_b[row])))
        yield from more.end()

    def _count(self, conversation: tuple[int, int, int, int, int, int]) -> list[tuple[Any, Kind, tuple[int, ...]]]:
        """Add a conversation to what its source did: what is a scan by now, with a frame per target that is new to it."""
        source, target, network, port, ts_ns, frame = conversation
        window = self.window_s * SECOND
        found: list[tuple[Any, Kind, tuple[int, ...]]] = []
        if frames := self.addresses.add((source, network), target, ts_ns, frame, self.address_limit, window):
            found.append(((ADDRESS.name, source, network), ADDRESS, frames))
        if port and (frames := self.ports.add((source, target), port, ts_ns, frame, self.port_limit, window)):
            found.append(((PORT.name, source, target), PORT, frames))
        if port & INDUSTRIAL and (frames := self.controllers.add(source, target, ts_ns, frame, self.controller_limit, window)):
            found.append(((CONTROLLER.name, source), CONTROLLER, frames))
        return found

    def _finding(self, seen: Seen, context: tuple[Kind, int, bool], frames: tuple[int, ...], ts_ns: int, count: int) -> Finding:
        c, (kind, flow, from_b) = seen.flows, context
        one, other = ((int(c[f"{end}_high"][flow]), int(c[f"{end}_low"][flow])) for end in ("ba" if from_b else "ab"))
        more: tuple[int, ...] = other if kind is PORT else (other[0], other[1] >> 16) if kind is ADDRESS else ()
        limit = {ADDRESS.name: self.address_limit, PORT.name: self.port_limit, CONTROLLER.name: self.controller_limit}[kind.name]
        parameters = {"limit": limit, "window_s": self.window_s}
        return Finding(kind, (*one, *more), frames, ts_ns, flow, is_reversed=bool(c["server_is_b"][flow]) == from_b, parameters=parameters, count=count)
