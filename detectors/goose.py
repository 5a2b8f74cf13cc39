"""GOOSE replay and impersonation (IEC 61850-8-1): numbers that go back (but for a restart's), and a second publisher of one control block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from detectors.memory import Recent
from detectors.published import SALT, Published, application, senders
from sensor.columns import Ints, Mask, digest, heads
from sensor.events.alert import Kind, Severity
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
    "{client} numbers the frames of {block} from the beginning, with a younger state or after a silence longer than it allows itself (times: {count}), as a device "
    "does after a restart; restarts are expected only in planned maintenance.",
    Severity.MEDIUM, ("T0816",), "06004",
)  # fmt: skip


@dataclass
class Goose(Published):
    """reached: digest of a control block -> its first publisher's MAC, its latest stNum and sqNum."""

    name: str = "goose"
    kinds: tuple[Kind, ...] = (REPLAY, PUBLISHERS, RESTART)
    needs: tuple[str, ...] = ("goose",)
    limits: str = "A replay in step with its original is not seen; one of a device's first frames, while that device is silent or with a younger time, looks like its restart."
    reference: str = field(default="gocb_ref", metadata={"constant": True})
    doubled: Kind = field(default=PUBLISHERS, metadata={"constant": True})
    reached: Recent = field(default_factory=Recent)

    @property
    def evicted(self) -> int:
        return self.publishers.evicted + self.reached.evicted

    def wrong(self, seen: Seen, table: Table) -> Iterator[tuple[int, Kind]]:
        back, behind = np.flatnonzero(went_back(table)), self._behind(seen, table)
        restarted = np.setdiff1d(back[table.has("restart")[back]], behind) if "restart" in table else back[:0]
        for row in np.union1d(back, behind).tolist():
            yield row, RESTART if row in restarted else REPLAY

    def _behind(self, seen: Seen, table: Table) -> Ints:
        """Rows of other publishers whose numbers are not beyond those of the first publisher of their control block (APPID and reference)."""
        spans = table.columns.get(self.reference)
        if not isinstance(spans, Spans) or not {"appid", "st_num", "sq_num"} <= set(table.columns):
            return np.zeros(0, np.int64)
        rows = np.flatnonzero(table.has(self.reference) & table.has("st_num") & table.has("sq_num") & table.is_new)
        if not rows.size:
            return rows
        key = digest(table.pdus.data, spans.at[rows], spans.size[rows], application(table, rows), SALT)
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


def went_back(table: Table) -> Mask:
    """Rows whose state or sequence number is below the one due: numbers that run ahead are those of lost frames."""
    result = table.anomaly & np.uint32(Anomaly.BAD_SEQUENCE) != 0
    behind = np.zeros(len(table), np.bool_)
    for name in ("st_num", "sq_num"):
        if f"expected_{name}" in table.columns:
            behind |= table.has(f"expected_{name}") & (table.number(name) < table.number(f"expected_{name}"))
    return np.asarray(result & behind & table.is_new)
