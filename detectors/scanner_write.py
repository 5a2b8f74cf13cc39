"""A host that scanned goes on to write, operate or reprogram: reconnaissance and attack in one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from detectors.act import ACTS
from detectors.rows import asked, flow, frame, lookup, pair, pick, ts_ns
from sensor.columns import Ints
from sensor.events.alert import Finding, Kind, Severity
from sensor.events.seen import Seen
from sensor.events.table import Table
from sensor.events.vocabulary import Action

SCANNER_WRITE = Kind(
    "scanner-write", "Write from a host that scanned",
    "{client}, which scanned before (frame {scan}), sent commands that change something to {server} ({protocol}, commands: {count}); hosts that control are expected not to scan.",
    Severity.CRITICAL, ("T1692.001", "T0846"), "02018",
)  # fmt: skip
SCANS = ("address-scan", "port-scan", "controller-scan", "arp-scan", "exception-burst", "point-sweep")


@dataclass
class ScannerWrite:
    """Hears what the scan detectors find, so it stands behind them in the list. scanners: address -> [source, frame of its first scan]."""

    name: str = "scanner-write"
    kinds: tuple[Kind, ...] = (SCANNER_WRITE,)
    needs: tuple[str, ...] = ("tables",)
    limits: str = "Knows the scans of this run only, and only those before the write; a scanner that changes its address escapes."
    most: int = field(default=1000, metadata={"constant": True})
    evicted: int = 0
    scanners: dict[tuple[int, int], list[int | str]] = field(default_factory=dict)

    def hear(self, seen: Seen, findings: Iterable[Finding]) -> None:
        """Remember the hosts behind scans, each by the first of them."""
        for finding in sorted(findings, key=lambda each: each.frames[-1]):
            if finding.kind.name in SCANS:
                host, last = self._host(seen, finding), finding.frames[-1]
                if host not in self.scanners:
                    if len(self.scanners) >= self.most:
                        del self.scanners[next(iter(self.scanners))]
                        self.evicted += 1
                    self.scanners[host] = [seen.source.id, last]

    @staticmethod
    def _host(seen: Seen, finding: Finding) -> tuple[int, int]:
        if finding.flow < 0:
            return int(finding.key[0]), int(finding.key[1])
        end = "a" if seen.flows["server_is_b"][finding.flow] else "b"
        return int(seen.flows[f"{end}_high"][finding.flow]), int(seen.flows[f"{end}_low"][finding.flow])

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        if not self.scanners:
            return
        lows = np.array([low for _, low in self.scanners], np.uint64)
        c = seen.flows

        def by_scanners(table: Table) -> Ints:
            rows = asked(table, MASK)
            number = table.flow[rows]
            low = np.where(c["server_is_b"][number], c["a_low"][number], c["b_low"][number])
            rows = rows[np.isin(low, lows)]
            return rows[table.is_new[rows]]

        for table, row in pick(seen, by_scanners):
            number, now = flow(table, row), frame(table, row)
            end = "a" if c["server_is_b"][number] else "b"
            scan = self.scanners.get((int(c[f"{end}_high"][number]), int(c[f"{end}_low"][number])))
            if scan is not None and (scan[0] != seen.source.id or now > int(scan[1])):
                action = Action(int(table.action[row]))
                parameters = {"scan": scan[1]}
                yield Finding(
                    SCANNER_WRITE, pair(seen, number, table.dataset), (now,), ts_ns(table, row), number,
                    protocol=table.dataset, action=action, parameters=parameters,
                )  # fmt: skip


CONTROLS = (Action.WRITE, Action.SELECT, Action.OPERATE, Action.CONFIGURE_WRITE)
MASK = lookup((*CONTROLS, *(action for action in ACTS if action not in (Action.UPLOAD, Action.TIME_SET))))
