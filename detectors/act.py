"""Acts upon controllers: stopped, started, reprogrammed, forced: one look at the action of every request, whatever its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from detectors.rows import asked, lookup, pair
from sensor.columns import Ints
from sensor.events.alert import Finding, Kind, Severity
from sensor.events.seen import Seen
from sensor.events.table import Table
from sensor.events.vocabulary import Action

LOW, MEDIUM, HIGH, CRITICAL = Severity
BY_STAFF = "06004"  # GB/T 20986: deliberate misoperation, until somebody confirms another cause

# fmt: off
ACTS = {
    Action.STOP: Kind(
        "controller-stopped", "Controller stopped",
        "{client} told the controller {server} to stop ({protocol}); a running controller is expected to be left running.",
        CRITICAL, ("T0858", "T0816"), BY_STAFF, is_asked=True,
    ),
    Action.START: Kind(
        "controller-started", "Controller started",
        "{client} told the controller {server} to start ({protocol}); controllers are expected to be started by staff on site.",
        HIGH, ("T0858",), BY_STAFF, is_asked=True,
    ),
    Action.RESTART: Kind(
        "controller-restarted", "Controller restarted",
        "{client} told the controller {server} to restart ({protocol}); restarts are expected only in planned maintenance.",
        HIGH, ("T0816",), BY_STAFF, is_asked=True,
    ),
    Action.MODE_CHANGE: Kind(
        "mode-changed", "Operating mode changed",
        "{client} told {server} to change its operating mode ({protocol}); the mode is expected to stay as it is.",
        HIGH, ("T0858",), BY_STAFF, is_asked=True,
    ),
    Action.DOWNLOAD: Kind(
        "program-downloaded", "Program downloaded",
        "{client} wrote program into the controller {server} ({protocol}); programs are expected to change only in planned maintenance.",
        CRITICAL, ("T0843",), BY_STAFF, is_asked=True,
    ),
    Action.UPLOAD: Kind(
        "program-uploaded", "Program uploaded",
        "{client} read program out of the controller {server} ({protocol}); only engineering stations are expected to.",
        MEDIUM, ("T0845",), "03005", is_asked=True,
    ),
    Action.MODIFY_PROGRAM: Kind(
        "program-modified", "Program modified",
        "{client} changed parts of the program in the controller {server} ({protocol}); programs are expected to change only in planned maintenance.",
        HIGH, ("T0889",), BY_STAFF, is_asked=True,
    ),
    Action.FORCE: Kind(
        "values-forced", "Values forced",
        "{client} forced values in the controller {server} ({protocol}); values are expected to come from the process.",
        CRITICAL, ("T0835",), BY_STAFF, is_asked=True,
    ),
    Action.FIRMWARE_UPDATE: Kind(
        "firmware-updated", "Firmware update",
        "{client} sent a firmware update to {server} ({protocol}); firmware is expected to change only in planned maintenance.",
        CRITICAL, ("T1693.001", "T0800"), BY_STAFF, is_asked=True,
    ),
    Action.TIME_SET: Kind(
        "clock-set", "Clock set",
        "{client} set the clock of {server} ({protocol}); clocks are expected to be set by the plant's time source.",
        LOW, ("T0836",), BY_STAFF, is_asked=True,
    ),
}
# fmt: on


@dataclass
class Act:
    """One finding per request, and another that tells whether it was refused once the answer is seen."""

    name: str = "act"
    kinds: tuple[Kind, ...] = tuple(ACTS.values())
    needs: tuple[str, ...] = ("tables",)
    limits: str = (
        "Sees requests, not who is entitled to make them; where only answers are captured it sees nothing, and encrypted sessions hide what they do. "
        "What is usual is not learned: a write or operate from a host that never did before raises no alert."
    )

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        for table in seen.tables.values():
            requests = asked(table, MASK)
            if requests.size:
                yield from self._finds(seen, table, requests)

    def _finds(self, seen: Seen, table: Table, requests: Ints) -> Iterator[Finding]:
        answers = np.flatnonzero((table.request >= 0) & np.isin(table.request, requests))
        rows = np.union1d(requests, answers)
        rows = rows[table.is_new[rows]]
        request, pdu = table.request[rows], table.pdu[rows]
        columns = (
            table.action[np.where(request < 0, rows, request)],
            request >= 0,
            table.failed[rows],
            table.pdus.flow[pdu],
            table.pdus.frame[pdu],
            table.pdus.ts_ns[pdu],
        )
        keys = {number: pair(seen, number, table.dataset) for number in set(table.pdus.flow[pdu].tolist())}
        for code, is_answer, failed, number, frame, ts_ns in zip(*(column.tolist() for column in columns), strict=True):
            action = Action(code)
            yield Finding(
                ACTS[action], keys[number], (frame,), ts_ns, number, protocol=table.dataset, action=action,
                count=not is_answer, accepted=is_answer and not failed, refused=is_answer and failed,
            )  # fmt: skip


MASK = lookup(ACTS)
