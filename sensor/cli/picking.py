"""Which packets of a capture are wanted: by frame number, by conversation, by time. Each is a mask over a batch's rows."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from sensor.capture import open_source
from sensor.columns import Batch, Ints, Mask, Source
from sensor.decode.decoder import Decoder
from sensor.decode.packets import Outcome, Packets, Transport
from sensor.events.address import MAC_HIGH, MAPPED, End
from sensor.events.community import PORTED, calculate, packed

SECOND = 1_000_000_000
TUPLE = ("source_high", "source_low", "destination_high", "destination_low", "ip_protocol", "source_port", "destination_port")
Tuple = tuple[int, int, int, int, int, int, int]
IN_FLOW = (Outcome.DECODED, Outcome.DUPLICATE)
PIECES = (Outcome.FRAGMENT, Outcome.FRAGMENT_DROPPED)


class Frames:
    """Frame numbers as a user writes them: `3,9-12`. Raises ValueError where a part is no number or range."""

    def __init__(self, text: str) -> None:
        bounds = []
        for part in text.split(","):
            match = re.fullmatch(r"\s*([0-9]{1,18})(?:\s*-\s*([0-9]{1,18}))?\s*", part)
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
            if not 0 < first <= last:
                raise ValueError(f"{part.strip()!r} is no frame number (from 1) or range of them")
            bounds.append((first, last))
        joined: list[tuple[int, int]] = []
        for first, last in sorted(bounds):
            if joined and first <= joined[-1][1] + 1:
                joined[-1] = joined[-1][0], max(joined[-1][1], last)
            else:
                joined.append((first, last))
        self.first, self.last = (np.array(column, np.int64) for column in zip(*joined, strict=True))

    def mask(self, batch: Batch) -> Mask:
        place = np.searchsorted(self.first, batch.frame, side="right") - 1
        found: Mask = (place >= 0) & (batch.frame <= self.last[place])
        return found

    def are_behind(self, batch: Batch) -> bool:
        """Whether nothing from this batch on is wanted."""
        return bool(len(batch)) and int(batch.frame[0]) > int(self.last[-1])

    def __len__(self) -> int:
        return int((self.last - self.first + 1).sum())


@lru_cache(1 << 16)
def community(found: Tuple) -> str:
    """The community id of a packet's addresses, protocol and ports."""
    source_high, source_low, destination_high, destination_low, protocol, *ports = found
    ends = (packed(source_high, source_low), packed(destination_high, destination_low))
    return calculate(*ends, protocol, (ports[0], ports[1]) if protocol in PORTED else None)


@dataclass
class Flow:
    """The packets of a conversation by its community id: its own, the copies that a mirror made of them, and the IP fragments between its two ends.

    `look` at every batch first: only then it is known whose fragments are meant. tuples: what belongs to the id (both directions, at most MOST).
    """

    wanted: str
    tuples: set[Tuple] = field(default_factory=set)
    decoder: Decoder = field(default_factory=lambda: Decoder(deduplicate=False))

    def look(self, batch: Batch) -> None:
        """Find which addresses and ports the id stands for."""
        p = self.decoder.decode(batch)
        rows = np.flatnonzero((p.ip_version > 0) & np.isin(p.outcome, IN_FLOW) & (p.transport != Transport.ARP))
        columns = np.column_stack([getattr(p, name)[rows].astype(np.uint64) for name in TUPLE])
        for values in np.unique(columns, axis=0).tolist() if len(rows) else ():
            found = (values[0], values[1], values[2], values[3], values[4], values[5], values[6])
            if community(found) == self.wanted:
                self.tuples.add(found)

    def mask(self, batch: Batch) -> Mask:
        p = self.decoder.decode(batch)
        found = np.zeros(len(batch), np.bool_)
        whole, pieces = np.isin(p.outcome, IN_FLOW), np.isin(p.outcome, PIECES)
        for each in self.tuples:
            same = np.ones(len(batch), np.bool_)
            for name, value in zip(TUPLE[:5], each[:5], strict=True):
                same &= getattr(p, name) == value
            ports = (p.source_port == each[5]) & (p.destination_port == each[6]) if each[4] in PORTED else whole
            found |= same & (whole & ports | pieces)
        return found


@dataclass
class Around:
    """The packets between two ends (or of one, where only one is known), within `within_ns` of one of these times (sorted)."""

    ends: tuple[End | None, End | None]
    times: Ints
    within_ns: int
    decoder: Decoder = field(default_factory=lambda: Decoder(deduplicate=False))

    def mask(self, batch: Batch) -> Mask:
        p = self.decoder.decode(batch)
        place = np.searchsorted(self.times, batch.ts_ns)
        before, after = self.times[np.maximum(place - 1, 0)], self.times[np.minimum(place, len(self.times) - 1)]
        near = np.minimum(np.abs(batch.ts_ns - before), np.abs(after - batch.ts_ns)) <= self.within_ns
        client, server = self.ends
        between: Mask = np.ones(len(batch), np.bool_)
        if client is not None and server is not None:
            between = _is(p, "source", client) & _is(p, "destination", server) & _port(p, "destination", server)
            between |= _is(p, "source", server) & _is(p, "destination", client) & _port(p, "source", server)
        elif one := client or server:
            between = _is(p, "source", one) | _is(p, "destination", one)
        found: Mask = near & between
        return found


def _is(p: Packets, side: str, end: End) -> Mask:
    """Where an end's address, or the MAC that stands for it, is the packet's."""
    high, low = halves(end.address)
    if high == MAC_HIGH:
        mac: Mask = getattr(p, f"mac_{side}") == low
        return mac
    found: Mask = (getattr(p, f"{side}_high") == high) & (getattr(p, f"{side}_low") == low)
    return found


def _port(p: Packets, side: str, end: End) -> Mask:
    """Where the server's port is the packet's; everywhere if it has none."""
    found: Mask = (getattr(p, f"{side}_port") == end.port) | (end.port == 0)
    return found


def halves(address: str) -> tuple[int, int]:
    """An address as columns hold it."""
    if re.fullmatch("(?:[0-9A-F]{2}-){5}[0-9A-F]{2}", address):
        return MAC_HIGH, int(address.replace("-", ""), 16)
    ip = ipaddress.ip_address(address)
    return (0, MAPPED | int(ip)) if ip.version == 4 else (int(ip) >> 64, int(ip) & (1 << 64) - 1)


def times(capture: str, frames: Frames) -> Ints:
    """When these frames were captured, sorted: int64 ns."""
    found = [batch.ts_ns[frames.mask(batch)] for batch in until(capture, frames)[1]]
    return np.sort(np.concatenate(found))


def until(capture: str, frames: Frames | None) -> tuple[Source, Iterator[Batch]]:
    """A capture's source, and its batches as far as the last of these frames (to the end where there are none)."""
    source, batches = open_source(capture)

    def some() -> Iterator[Batch]:
        for batch in batches:
            if frames is not None and frames.are_behind(batch):
                return
            yield batch

    return source, some()
