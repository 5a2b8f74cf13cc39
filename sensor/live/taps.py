"""Several taps as one source: batches made of what comes in through all of them, in the order of time."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from sensor.capture.window import Cutter, Rows, joined, no_rows
from sensor.columns import PAD, Batch, Bytes, Ints, Problem, Source, buffer
from sensor.live import ring
from sensor.live.filters import compiled
from sensor.live.listener import Listener, Share, Tap, packet_socket
from sensor.live.ring import Size

CHECK_S = 1.0  # between two looks at the interfaces
SLACK_NS = 10_000_000  # by which the kernel's timers may be late


@dataclass
class Piece:
    """A block that was taken, and its packets that are not yet given on: from row `first`. order: int64, times that never go back."""

    data: Bytes
    rows: Rows
    order: Ints
    taken: float
    first: int = 0


class Taps:
    """Batches of what several interfaces bring, in the order of time. A block of a single interface becomes one batch as it is.

    Of several interfaces, which may be the two directions of one link, packets wait until no other interface can have an earlier one: twice the time after
    which the kernel hands over a block. left: listeners that others have left; those of taps whose interface and filter are the same go on where they were.
    """

    def __init__(self, taps: Sequence[Tap], share: Share | None = None, size: Size | None = None, left: Sequence[Listener] = ()) -> None:
        self.size, self.share = size or Size(), share or Share()
        if len({tap.interface for tap in taps}) < len(taps):
            raise ValueError("an interface is named twice")
        names, zones = [tap.name for tap in taps], {tap.zone for tap in taps}
        self.source = Source(", ".join(names), self.share.source, names, [tap.heard for tap in taps], zones.pop() if len(zones) == 1 else "", is_live=True)
        self.cutter = Cutter(self.source, 1 << 62, None)
        self.pieces: list[Piece] = []
        self.hold_ns = 2 * self.size.retire_ms * 1_000_000 + SLACK_NS
        self.known_ns = [0] * len(taps)  # by tap: it has no more packets before this time
        self.checked = self.given = 0.0  # monotonic: when the interfaces were looked at, and the last batch given on
        there = {(each.tap.interface, each.tap.filter): each for each in left}
        if any((tap.interface, tap.filter) not in there for tap in taps):
            try:
                packet_socket().close()
            except PermissionError as error:
                raise PermissionError(error.errno, "listening on an interface needs CAP_NET_RAW: start as root, or with that capability") from None
        programs = {tap: compiled(tap.filter, tap.interface) if tap.filter else [] for tap in taps if (tap.interface, tap.filter) not in there}
        self.listeners: list[Listener] = []
        for number, tap in enumerate(taps):
            if tap in programs:
                self.listeners.append(Listener(tap, number, programs[tap], self.size, self.share))
            else:
                self.listeners.append(there[tap.interface, tap.filter])
                self.listeners[-1].again(tap, number, self.share)
        self.check()

    def rest(self) -> Batch | None:
        """What was taken from the rings and waits for that of other interfaces: nothing more is waited for."""
        self.known_ns = [1 << 62] * len(self.listeners)
        return self.batch()

    def leave(self) -> list[Listener]:
        """Read no more; what comes waits in the rings of these listeners, for other taps to begin with."""
        for listener in self.listeners:
            listener.leave()
        return self.listeners

    def close(self) -> None:
        for listener in self.listeners:
            listener.end()

    def check(self) -> None:
        """Look after the interfaces, once a second."""
        self.checked = time.monotonic()
        for listener in self.listeners:
            said = listener.check()
            if said:
                self.source.report(Problem(self.source.bytes_read, said))

    def read(self, timeout_s: float) -> Batch | None:
        """The next batch; None where there is none within this time."""
        until, due = time.monotonic() + timeout_s, self.given + self.size.pace_ms / 1000
        time.sleep(max(0.0, min(until, due) - time.monotonic()))
        if time.monotonic() < due:
            return None
        while True:
            if time.monotonic() - self.checked >= CHECK_S:
                self.check()
            asked_ns = time.time_ns()
            self.take(asked_ns)
            batch = self.batch()
            if batch is not None:
                self.given = time.monotonic()
                return batch
            left = until - time.monotonic()
            if left <= 0:
                self.late(no_rows())
                return None
            self.wait(min(left, CHECK_S))

    def wait(self, most_s: float) -> None:
        """Until a ring has a block, or packets have waited long enough for those of other interfaces."""
        poll = select.poll()
        for listener in self.listeners:
            if listener.opened is not None:
                poll.register(listener.opened, select.POLLIN)
        if self.pieces:
            most_s = min(most_s, self.size.retire_ms / 1000)
        for descriptor, event in poll.poll(most_s * 1000):
            if event & select.POLLERR:
                for listener in self.listeners:
                    if listener.opened is not None and listener.opened.fileno() == descriptor:
                        self.checked = 0.0  # its interface went down or away: look at once
                        listener.opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def take(self, asked_ns: int) -> None:
        """One block of each ring that has one, into pieces."""
        for listener in self.listeners:
            if listener.ring is None or not listener.ring.ready:
                self.known_ns[listener.number] = max(self.known_ns[listener.number], asked_ns - self.hold_ns)
                continue
            data, begin = listener.ring.take()
            rows, merged = ring.rows(data, begin, listener.link_type, listener.number, listener.longest)
            listener.counts.packets += len(begin)
            listener.counts.bytes += int(rows.length.sum())
            listener.counts.merged += merged
            if len(begin):
                order = np.maximum.accumulate(rows.ts_ns)
                self.known_ns[listener.number] = int(order[-1])
                self.pieces.append(Piece(data, rows, order, time.monotonic()))

    def batch(self) -> Batch | None:
        """What can be given on of the pieces."""
        if not self.pieces:
            return None
        if len(self.listeners) == 1:
            (piece,) = self.pieces
            self.pieces = []
            return self.made(piece.data, piece.rows)
        chosen = [(piece, piece.first, stop) for piece in self.pieces if (stop := self.stop(piece)) > piece.first]
        if not chosen:
            return None
        parts, contents, orders, size = [], [], [], 0
        for piece, first, stop in chosen:
            begin, end = int(piece.rows.offset[first]), int(piece.rows.offset[stop - 1] + piece.rows.captured[stop - 1])
            part = Rows(*(getattr(piece.rows, column.name)[first:stop] for column in fields(Rows)))
            parts.append(Rows(part.offset + (size - begin), part.captured, part.length, part.ts_ns, part.link_type, part.interface))
            contents.append(piece.data[begin:end])
            orders.append(piece.order[first:stop])
            size, piece.first = size + end - begin, stop
        self.pieces = [piece for piece in self.pieces if piece.first < len(piece.rows.offset)]
        data = buffer(size)
        data[:-PAD] = np.concatenate(contents)
        rows = joined(parts)
        order = np.argsort(np.concatenate(orders), kind="stable")
        return self.made(data, Rows(*(getattr(rows, column.name)[order] for column in fields(Rows))))

    def stop(self, piece: Piece) -> int:
        """How many of a piece's packets are so old that no interface can still bring an older one; all where the clock was set back meanwhile."""
        late = (time.monotonic() - piece.taken) * 1e9 > 2 * self.hold_ns
        return len(piece.order) if late else int(np.searchsorted(piece.order, min(self.known_ns), "right"))

    def made(self, data: Bytes, rows: Rows) -> Batch:
        self.cutter.count_backwards(rows.ts_ns)
        self.source.bytes_read += int(rows.captured.sum())
        first = self.share.frames(len(rows.offset)) if self.share.frames else self.cutter.frame
        frame = np.arange(first, first + len(rows.offset))
        self.cutter.frame += len(frame)
        self.late(rows)
        return Batch(self.source, data, rows.offset, rows.captured, rows.length, rows.ts_ns, frame, rows.link_type, rows.interface)

    def late(self, rows: Rows) -> None:
        """How old each tap's last packet is that is given on; of a tap of which there is none, as before while some wait."""
        now_ns, waiting = time.time_ns(), {int(piece.rows.interface[0]) for piece in self.pieces}
        for listener in self.listeners:
            mine = rows.ts_ns if len(self.listeners) == 1 else rows.ts_ns[rows.interface == listener.number]
            if len(mine):
                listener.lag_ns = now_ns - int(mine[-1])
            elif listener.number not in waiting:
                listener.lag_ns = 0

    @property
    def fill(self) -> float:
        """The part of the fullest ring that waits to be taken."""
        return max((listener.ring.fill for listener in self.listeners if listener.ring), default=0.0)

    def report(self) -> dict[str, Any]:
        """By tap what it has seen, lost and is, and its lag (see Listener); dropped: by the kernel, of all; lag_ms: the worst."""
        taps = {}
        for listener in self.listeners:
            listener.count()
            taps[listener.tap.name] = {
                "interface": listener.tap.interface, "state": listener.state, **vars(listener.counts), "fill": listener.ring.fill if listener.ring else 0.0,
                "lag_ms": listener.lag_ns / 1e6,
            }  # fmt: skip
        dropped = sum(listener.counts.dropped for listener in self.listeners)
        lag_ms = max((tap["lag_ms"] for tap in taps.values()), default=0.0)
        return {"taps": taps, "dropped": dropped, "lag_ms": lag_ms, "waiting": sum(len(piece.rows.offset) - piece.first for piece in self.pieces)}
