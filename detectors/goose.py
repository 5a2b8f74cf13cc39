"""GOOSE replay and impersonation (IEC 61850-8-1): numbers that go back (but for a restart's), and a second publisher of one control block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.memory import Recent
from detectors.rows import flow, frame, ts_ns
from detectors.state import TRANSIENT
from sensor.columns import Ints, Mask, digest, heads, read
from sensor.events.address import mac_text
from sensor.events.alert import Finding, Kind, Severity
from sensor.events.seen import Seen
from sensor.events.table import Spans, Table
from sensor.events.vocabulary import Anomaly

REPLAY = Kind(
    "goose-replay", "GOOSE replay",
    "The state or sequence number of {block} from {client} goes back (times: {count}); they are expected only to grow.",
    Severity.CRITICAL, ("T1692.002",), "03002",
)  # fmt: skip
PUBLISHERS = Kind(
    "goose-publishers", "Two publishers of one GOOSE control block",
    "{mac} publishes {block}, and so does {known}; a control block is expected to have one publisher.",
    Severity.CRITICAL, ("T1692.002", "T0830"), "03002",
)  # fmt: skip
RESTART = Kind(
    "goose-restart", "GOOSE publisher restarted",
    "{client} numbers the frames of {block} from the beginning after a silence longer than it allows itself (times: {count}), as a device does after a restart; "
    "restarts are expected only in planned maintenance.",
    Severity.LOW, ("T0816",), "06004",
)  # fmt: skip
MOST = 65_536  # (flow, block) that are known to be in order
SALT = np.uint64(0x9E3779B97F4A7C15)  # the same in every run: what was reached goes on in the next
NONE = np.zeros(0, np.int64)
ENDS = np.dtype([("word", "<u8")])


def nothing() -> NDArray[np.uint64]:
    return np.zeros(0, np.uint64)


@dataclass
class Goose:
    """publishers: control block -> the MAC that publishes it. reached: digest of a control block -> its first publisher's MAC, its latest stNum and sqNum.
    familiar: sorted hashes of (sender, block) that were looked at in this run."""

    name: str = "goose"
    kinds: tuple[Kind, ...] = (REPLAY, PUBLISHERS, RESTART)
    needs: tuple[str, ...] = ("goose",)
    limits: str = "A replay in step with its original is not seen; one of a device's first frames, while that device is silent, looks like its restart."
    publishers: Recent = field(default_factory=Recent)
    reached: Recent = field(default_factory=Recent)
    familiar: NDArray[np.uint64] = field(default_factory=nothing, metadata=TRANSIENT)

    @property
    def evicted(self) -> int:
        return self.publishers.evicted + self.reached.evicted

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        table = seen.tables.get("goose")
        if table is None or not len(table):
            return
        back, restarted = went_back(table), restarts(table)
        for row in np.union1d(np.flatnonzero(back), self._behind(seen, table)).tolist():
            block, mac = name_of(table, row), sender(seen, table, row)
            kind = RESTART if restarted[row] else REPLAY
            yield Finding(kind, (block, mac), (frame(table, row),), ts_ns(table, row), flow(table, row), protocol="goose", parameters={"block": block})
        for row in self._unfamiliar(seen, table):
            yield from self._published(seen, table, row)

    def _behind(self, seen: Seen, table: Table) -> Ints:
        """Rows of other publishers whose numbers are not beyond those of the first publisher of their control block (APPID and reference)."""
        spans = table.columns.get("gocb_ref")
        if not isinstance(spans, Spans) or not {"appid", "st_num", "sq_num"} <= set(table.columns):
            return NONE
        rows = np.flatnonzero(table.has("gocb_ref") & table.has("st_num") & table.has("sq_num") & table.is_new)
        if not rows.size:
            return NONE
        key = digest(table.pdus.data, spans.at[rows], spans.size[rows], table.number("appid")[rows].astype(np.uint64), SALT)
        order = np.argsort(key, kind="stable")
        rows, key = rows[order], key[order]
        mac = senders(seen, table, rows)
        value = table.number("st_num")[rows].astype(np.uint64) << np.uint64(32) | table.number("sq_num")[rows].astype(np.uint64)
        start = np.flatnonzero(heads(key))
        length = np.diff(np.append(start, len(key)))
        known = [self.reached.get(each) or (first, 0) for each, first in zip(key[start].tolist(), mac[start].tolist(), strict=True)]
        owner, before = (np.repeat(np.array(column, np.uint64), length) for column in zip(*known, strict=True))
        is_owner = mac == owner
        latest = np.maximum.accumulate(np.where(is_owner, np.arange(len(key)), -1))  # the owner's row before each
        here = latest >= np.repeat(start, length)
        reached = np.where(here, value[latest], before)
        last = start + length - 1
        for each, first, number in zip(key[start].tolist(), owner[last].tolist(), reached[last].tolist(), strict=True):
            self.reached.put(each, (first, number))
        behind: Ints = rows[~is_owner & (value <= reached)]
        return behind

    def _unfamiliar(self, seen: Seen, table: Table) -> list[int]:
        """The first row of each sender and control block that this run has not looked at."""
        spans = table.columns.get("gocb_ref")
        if not isinstance(spans, Spans):
            return []
        rows = np.flatnonzero(spans.size >= ENDS.itemsize)
        at, size = spans.at[rows], spans.size[rows]
        head, tail = read(table.pdus.data, at, ENDS)["word"], read(table.pdus.data, at + size - ENDS.itemsize, ENDS)["word"]
        mac = senders(seen, table, rows)
        code = ((head ^ size.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15) ^ tail) * np.uint64(0xC2B2AE3D27D4EB4F) ^ mac
        place = np.minimum(np.searchsorted(self.familiar, code), max(len(self.familiar) - 1, 0))
        new = np.flatnonzero(self.familiar[place] != code) if len(self.familiar) else np.arange(len(code))
        if not new.size:
            return []
        codes, first = np.unique(code[new], return_index=True)
        self.familiar = np.union1d(self.familiar, codes) if len(self.familiar) + len(codes) <= MOST else codes
        return sorted(rows[new[first]].tolist())

    def _published(self, seen: Seen, table: Table, row: int) -> Iterator[Finding]:
        block, mac = name_of(table, row), sender(seen, table, row)
        known = self.publishers.get(block)
        if known is None:
            self.publishers.put(block, mac)
        elif known != mac:
            parameters = {"block": block, "mac": mac_text(mac), "known": mac_text(known)}
            yield Finding(PUBLISHERS, (block, mac), (frame(table, row),), ts_ns(table, row), flow(table, row), protocol="goose", parameters=parameters)


def went_back(table: Table) -> Mask:
    """Rows whose state or sequence number is below the one due: numbers that run ahead are those of lost frames."""
    result = table.anomaly & np.uint32(Anomaly.BAD_SEQUENCE) != 0
    behind = np.zeros(len(table), np.bool_)
    for name in ("st_num", "sq_num"):
        if f"expected_{name}" in table.columns:
            behind |= table.has(f"expected_{name}") & (table.number(name) < table.number(f"expected_{name}"))
    return np.asarray(result & behind & table.is_new)


def restarts(table: Table) -> Mask:
    """Rows where a publisher begins anew (IEC 61850-8-1: stNum 1 and sqNum 0; some begin with sqNum 1) after the frame before has lost its validity (timeAllowedToLive)."""
    if not {"st_num", "sq_num", "late"} <= set(table.columns):
        return np.zeros(len(table), np.bool_)
    return np.asarray(table.has("late") & (table.number("st_num") == 1) & (table.number("sq_num") <= 1))


def name_of(table: Table, row: int) -> str:
    """The control block's reference, as far as it is text."""
    spans = table.columns.get("gocb_ref")
    if not isinstance(spans, Spans):
        return "?"
    at, size = int(spans.at[row]), min(int(spans.size[row]), 129)  # VisibleString129
    return table.pdus.data[at : at + size].tobytes().decode("ascii", "backslashreplace")


def sender(seen: Seen, table: Table, row: int) -> int:
    return int(senders(seen, table, np.array([row]))[0])


def senders(seen: Seen, table: Table, rows: Ints) -> NDArray[np.uint64]:
    """The MAC that sent each row."""
    number = table.flow[rows]
    macs: NDArray[np.uint64] = np.where(table.to_server[rows] ^ seen.flows["server_is_b"][number], seen.flows["b_mac"][number], seen.flows["a_mac"][number])
    return macs
