"""Scans: one host begins conversations with many addresses, many ports of one address, or many controllers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.memory import SECOND, Fanout
from detectors.state import setting
from sensor.columns import Array, Mask
from sensor.decode.packets import Transport
from sensor.events.address import MAPPED, End, address_text, mac_text
from sensor.events.alert import Finding, Kind, Severity
from sensor.events.seen import Seen
from sensor.streams.flows import Role

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


@dataclass
class Begun:
    """Conversations that begin in a batch, by frame: flow, from_b (which end began it), source, target (addresses as 64 bits), network (of the target)."""

    flow: NDArray[np.int32]
    from_b: Mask
    source: NDArray[np.uint64]
    target: NDArray[np.uint64]
    network: NDArray[np.uint64]


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
    return Begun(flow[keep], from_b[keep], source[keep], fold(high, low)[keep], network[keep])


def fold(high: Array, low: Array) -> NDArray[np.uint64]:
    """An address as 64 bits: IPv4 as it is, IPv6 mixed (multiplication by the 64-bit golden ratio)."""
    folded: NDArray[np.uint64] = np.where(high == 0, low, low ^ (high * np.uint64(0x9E3779B97F4A7C15)))
    return folded


def mix(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return first * np.uint64(0x9E3779B97F4A7C15) ^ second


@dataclass
class Scan:
    """Counts the targets of each source, by the columns of conversations that begin."""

    name: str
    kinds: tuple[Kind, ...]
    limits: str
    limit: int = setting(50, "Different targets that make a scan", least=2)
    window_s: int = setting(120, "Seconds within which they count", least=1)
    needs: tuple[str, ...] = ("flows",)
    fanout: Fanout = field(default_factory=Fanout)

    @property
    def evicted(self) -> int:
        return self.fanout.recent.evicted

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        if not len(seen.started):
            return
        some = begun(seen)
        rows, key, target = self._columns(seen, some)
        flow = some.flow[rows]
        c, window, limit, add = seen.flows, self.window_s * SECOND, self.limit, self.fanout.add
        columns = (rows, key, target, c["first_ns"][flow], c["first_frame"][flow])
        for row, one, other, ts_ns, frame in zip(*(column.tolist() for column in columns), strict=True):
            frames = add(one, other, ts_ns, frame, limit, window)
            if frames:
                yield self._finding(seen, int(some.flow[row]), bool(some.from_b[row]), frames, ts_ns)

    def _columns(self, seen: Seen, some: Begun) -> tuple[Array, Array, Array]:
        """Rows to count, the key each counts for, and what is counted."""
        kind, c = self.kinds[0], seen.flows
        if kind is ADDRESS:
            return np.arange(len(some.flow)), mix(some.source, some.network), some.target
        ported = (c["transport"][some.flow] == Transport.TCP) | (c["transport"][some.flow] == Transport.UDP)
        if kind is CONTROLLER:
            rows = np.flatnonzero(ported & (c["hint"][some.flow] > 0))
            return rows, some.source[rows], some.target[rows]
        rows = np.flatnonzero(ported)
        flow = some.flow[rows]
        port = np.where(some.from_b[rows], c["a_port"][flow], c["b_port"][flow]).astype(np.int64)
        return rows, mix(some.source[rows], some.target[rows]), port | c["transport"][flow].astype(np.int64) << 16

    def _finding(self, seen: Seen, flow: int, from_b: bool, frames: tuple[int, ...], ts_ns: int) -> Finding:
        c = seen.flows
        source, target = ("b", "a") if from_b else ("a", "b")
        one, other = ((int(c[f"{end}_high"][flow]), int(c[f"{end}_low"][flow])) for end in (source, target))
        ends = tuple(End(address_text(*address), 0, mac_text(int(c[f"{end}_mac"][flow]))) for end, address in ((source, one), (target, other)))
        more: tuple[int, ...] = other if self.kinds[0] is PORT else (other[0], other[1] >> 16) if self.kinds[0] is ADDRESS else ()
        parameters = {"limit": self.limit, "window_s": self.window_s}
        return Finding(self.kinds[0], (*one, *more), frames, ts_ns, ends=(ends[0], ends[1]), parameters=parameters, count=len(frames))


SLOW = "A scan slower than the window, or without TCP handshakes, is not seen; a host that begins to work with many others at once looks like one."


def address_scan() -> Scan:
    return Scan("address-scan", (ADDRESS,), SLOW, limit=50)


def port_scan() -> Scan:
    return Scan("port-scan", (PORT,), SLOW, limit=25)


def controller_scan() -> Scan:
    return Scan("controller-scan", (CONTROLLER,), SLOW, limit=10)
