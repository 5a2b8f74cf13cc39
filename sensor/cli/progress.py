"""How far an analysis is: bytes, packets, rate and time left, on standard error, where that is a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

from sensor.events.seen import Seen

EVERY_S = 0.1


class Progress:
    """A progress line while captures are read; silent where nobody looks."""

    def __init__(self, *, show: bool) -> None:
        self.bar: Any = None
        self.packets, self.shown, self.begun = 0, 0.0, time.monotonic()
        self.before: dict[str, int] = {}
        if show and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (BarColumn(), DownloadColumn(), TextColumn("{task.fields[packets]} packets, {task.fields[rate]}/s"), TimeRemainingColumn())
            self.bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task("", total=None, packets="0", rate="0")

    def __enter__(self) -> Self:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar:
            self.bar.stop()

    def advance(self, seen: Seen) -> None:
        """One batch is done."""
        self.packets += seen.packets
        now = time.monotonic()
        if self.bar and now - self.shown > EVERY_S:
            self.shown = now
            self.before[seen.source.name] = seen.source.bytes_read
            rate = self.packets / max(now - self.begun, 1e-9)
            total = seen.source.bytes_total
            self.bar.update(
                self.task, completed=sum(self.before.values()), total=total or None, packets=f"{self.packets:,}", rate=f"{rate:,.0f}"
            )  # fmt: skip


class Delivering:
    """A line about documents that are still to be delivered, on standard error, where that is a terminal."""

    def __init__(self, *, show: bool) -> None:
        self.bar: Any = None
        if show and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("documents delivered"), TextColumn("{task.fields[trouble]}", markup=False))
            self.bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task("", total=None, trouble="")

    def advance(self, done: int, total: int, trouble: str) -> None:
        """So many of so many are delivered, and what keeps the others."""
        if self.bar:
            self.bar.start()
            self.bar.update(self.task, completed=done, total=total, trouble=trouble)

    def stop(self) -> None:
        if self.bar:
            self.bar.stop()
