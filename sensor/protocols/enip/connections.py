"""Open connections: what Forward Opens agreed on, so that connected messages and I/O find their owner."""

from __future__ import annotations

import numpy as np

from sensor.columns import Array, Ints

MOST = 4096  # connections remembered; the oldest leave first and are counted
MOST_REOPENED = 64  # openings of one id that a look back in time passes over
ANY_FLOW = -1  # I/O runs beside the session that opened it: there the id alone must do

CONNECTION = np.dtype(
    [
        ("ot_connection_id", "u4"),
        ("to_connection_id", "u4"),
        ("connection_serial_number", "u2"),
        ("originator_vendor_id", "u2"),
        ("originator_serial_number", "u4"),
        ("since", "i8"),  # the serial number of the packet that completed the opening
        ("flow", "i8"),  # which of the whole run (Pdus.conversation)
        ("is_known", "?"),  # the request was seen too: what follows is known
        ("transport_class", "u1"),
        ("class_id", "u4"),
        ("instance_id", "u4"),
        ("consumed_point", "u4"),
        ("produced_point", "u4"),
        ("ot_size", "u2"),
        ("to_size", "u2"),
        ("ot_rpi", "u4"),
        ("to_rpi", "u4"),
    ]
)


class Connections:
    """Connections by flow and id, and by id alone; of several openings the latest before the moment asked for. opened, evicted: counts."""

    def __init__(self) -> None:
        self.records = np.zeros(MOST, CONNECTION)
        self.opened = 0
        self._index: tuple[Array, Array] | None = None

    @property
    def evicted(self) -> int:
        return max(0, self.opened - MOST)

    def open(self, records: Array) -> Array:
        """Remember these connections (CONNECTION, in the order of their opening); the places that `records` keeps them at."""
        records = records[-MOST:]
        places = (self.opened + np.arange(len(records))) % MOST
        self.records[places] = records
        self.opened += len(records)
        self._index = None
        return places

    def find(self, flow: Array | int, connection_id: Array, serial: Ints) -> Ints:
        """The place of each row's connection in `records`, -1 where none is known: either id names it, in this flow (or ANY_FLOW), opened before the packet `serial`."""
        if not self.opened:
            return np.full(len(connection_id), -1, np.int64)
        keys, places = self._sorted()
        key = _key(flow, connection_id)
        at = np.searchsorted(keys, key, side="right") - 1
        for _ in range(MOST_REOPENED):
            late = np.flatnonzero((at >= 0) & (keys[at] == key) & (self.records["since"][places[at]] > serial))
            if not late.size:
                break
            at[late] -= 1
        found = (at >= 0) & (keys[at] == key) & (self.records["since"][places[at]] <= serial)
        return np.where(found, places[at], -1)

    def _sorted(self) -> tuple[Array, Array]:
        """Keys, sorted, and the places they lead to; openings of one key in their order."""
        if self._index is None:
            n = min(self.opened, MOST)
            order = (self.opened - n + np.arange(n)) % MOST
            kept = self.records[order]
            ids = [kept["ot_connection_id"], kept["to_connection_id"]]
            keys = np.concatenate([_key(flow, each) for flow in (kept["flow"], ANY_FLOW) for each in ids])
            by_key = np.argsort(keys, kind="stable")
            self._index = keys[by_key], np.tile(order, 4)[by_key]
        return self._index


def _key(flow: Array | int, connection_id: Array) -> Ints:
    return (np.asarray(flow, np.int64) + 1 << 32) + connection_id.astype(np.int64)
