"""PDUs waiting to be decoded, and the tables of events that decoding fills."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Bytes, Ints, Mask, order_by, ragged, read
from sensor.events.field import Field
from sensor.events.vocabulary import Anomaly


@dataclass
class Pdus:
    """Complete PDUs of one protocol, in the order in which the packets completing them were captured.

    data: uint8 with PAD. Per row: at and end (int64 into data), row (int64, the packet of the batch that released it), frame and ts_ns (int64, of the packet
    that carried its last byte), flow (int32), to_server (bool, by role), trust (uint8, events.Trust), position (int64, counts the PDUs of its flow),
    carried (bool: a request of an earlier batch that still waits for its answer: decoded again so that the answer can be, but no event any more).
    """

    data: Bytes
    at: Ints
    end: Ints
    row: Ints
    frame: Ints
    ts_ns: Ints
    flow: NDArray[np.int32]
    to_server: Mask
    trust: NDArray[np.uint8]
    position: Ints
    carried: Mask
    notes: NDArray[np.uint32]  # Anomaly bits that framing found
    message_at: Ints  # where the message lies that the PDU completes: its own bytes, or those of several PDUs put together
    message_end: Ints  # equal to message_at where it completes none
    released_ns: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # capture time, never going back, when it was complete; ts_ns where not given
    serial: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # packets of the run before the one that completed it; released_ns where not given
    conversation: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # which flow of the whole run: flow numbers are given again; flow where not given

    def __post_init__(self) -> None:
        if len(self.released_ns) != len(self.ts_ns):
            self.released_ns = self.ts_ns
        if len(self.serial) != len(self.ts_ns):
            self.serial = self.released_ns
        if len(self.conversation) != len(self.ts_ns):
            self.conversation = self.flow.astype(np.int64)

    def __len__(self) -> int:
        return len(self.at)

    @staticmethod
    def none(data: Bytes) -> Pdus:
        """No PDUs, over this buffer."""
        none, no = np.zeros(0, np.int64), np.zeros(0, np.bool_)
        return Pdus(data, none, none, none, none, none, none.astype(np.int32), no, no.astype(np.uint8), none, no, none.astype(np.uint32), none, none)

    def some(self, rows: Array | slice) -> Pdus:
        """Those of these rows (indices, mask or slice), over the same buffer."""
        return replace(self, **{each.name: getattr(self, each.name)[rows] for each in fields(Pdus) if each.name != "data"})

    def header(self, layout: np.dtype[Any]) -> Array:
        """The record at each PDU's beginning."""
        return read(self.data, self.at, layout)


@dataclass
class Spans:
    """Bytes that lie in the table's data: at and size, int64 per row."""

    at: Ints
    size: Ints


class Lists:
    """A list of numbers per row, read out of the packets only when somebody looks: most lists are never looked at.

    Each `put` names rows (int64), how many items each has, and where in `data` its first one lies: one after the other, each `wire` (a dtype) or, where wire is
    None, one bit, the least significant first. Or, where wire is CONTENT, items already read, one row's after the other's, or a function that reads them then
    (with counts None: that gives counts and items).
    """

    def __init__(self, n: int, item: np.dtype[np.generic], data: Bytes) -> None:
        self.n, self.item, self.data = n, item, data
        self.parts: list[tuple[Ints, Ints | None, Array | Callable[[], Any], np.dtype[Any] | None]] = []
        self._read: tuple[Ints, Ints, Array] | None = None

    def put(self, rows: Ints, counts: Array | None, at: Array | Callable[[], Any], wire: np.dtype[Any] | None) -> None:
        self.parts.append((rows, None if counts is None else counts.astype(np.int64), at, wire))
        self._read = None

    def flat(self) -> tuple[Ints, Ints, Array]:
        """Where each row's items begin in the content, how many they are, and the content."""
        if self._read is None:
            start, count, contents, total = np.zeros(self.n, np.int64), np.zeros(self.n, np.int64), [np.zeros(0, self.item)], 0
            for rows, put, at, wire in self.parts:
                content = at() if callable(at) else at if wire == CONTENT or put is None else items(self.data, at, put, wire)
                counts, content = (put, content) if put is not None else content
                start[rows], count[rows] = total + np.cumsum(counts) - counts, counts
                with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
                    contents.append(content.astype(self.item))
                total += len(content)
            self._read = start, count, np.concatenate(contents)
        return self._read

    def of(self, row: int) -> Array:
        start, count, content = self.flat()
        mine: Array = content[start[row] : start[row] + count[row]]
        return mine


CONTENT = np.dtype("V1")  # stands for "already read" where Lists name a wire dtype


def items(data: Bytes, at: Array, counts: Array, wire: np.dtype[Any] | None) -> Array:
    """`counts` items of `wire` from each offset on, one row's after the other's; bits (0 or 1) where wire is None."""
    row, index = ragged(counts)
    if wire is None:
        bits: Array = data[at[row] + (index >> 3)] >> (index & 7).astype(np.uint8) & 1
        return bits
    content: Array = read(data, at[row] + index * wire.itemsize, np.dtype([("item", wire)]))["item"]
    return content


Column = NDArray[Any] | Spans | Lists | dict[int, Any]


class Table:
    """Events of one dataset: one row per PDU, or per service or object where a PDU carries several.

    A column exists once a row has set it; `present` (uint64 per row) has a bit per Field, so that 0 and absent stay apart. Every row also has pdu (index into
    `pdus`), action (uint8), anomaly (uint32, Anomaly bits), failed (bool: the server refused or could not), is_request (bool: it must be answered), is_response
    (bool: it answers) and request (int64: the row of the request that it answers, else -1).
    """

    def __init__(self, dataset: str, fields: Sequence[Field], pdus: Pdus, pdu: Ints | None = None) -> None:
        self.dataset, self.fields, self.pdus = dataset, {f.name: f for f in fields}, pdus
        self.pdu: Ints = np.arange(len(pdus)) if pdu is None else pdu
        self.is_whole = pdu is None  # a row per PDU: its columns are the PDUs' own
        n = len(self.pdu)
        self.columns: dict[str, Column] = {}
        self.present = np.zeros(n, np.uint64)
        self.bit = {f.name: np.uint64(1 << i) for i, f in enumerate(fields)}
        self.action = np.zeros(n, np.uint8)
        self.anomaly = np.zeros(n, np.uint32) if pdu is not None else pdus.notes.copy()
        self.failed = np.zeros(n, np.bool_)
        self.foreign = np.zeros(n, np.bool_)  # what only shares the protocol's framing: others' content, and the transport's own messages
        self.inner: NDArray[np.uint8] | None = None  # of foreign rows, what they carry: its place in `carries`, counted from 1; 0 where nobody knows
        self.is_request, self.is_response = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        self.request = np.full(n, -1, np.int64)
        self.unanswerable = np.zeros(0, np.int64)  # requests that nobody need answer; where somebody does, it is theirs
        self.rest: list[tuple[Ints, Ints, Ints]] = []  # rows, and where bytes lie behind their last field
        self.identities: list[Any] | None = None  # what its dataset's `identity` gives, where that was asked already

    def __len__(self) -> int:
        return len(self.pdu)

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def number(self, name: str) -> NDArray[Any]:
        """A number column, zero where no row has set it."""
        column = self.columns.get(name)
        if column is None:
            column = self.columns[name] = np.zeros(len(self), self.fields[name].item)
        assert isinstance(column, np.ndarray)
        return column

    def has(self, name: str) -> Mask:
        """Rows in which the field is present."""
        return np.asarray((self.present & self.bit[name]) != 0, np.bool_)

    def set(self, name: str, rows: Array | slice | int, values: Any) -> None:
        """Set a number field in these rows (indices, mask, slice or one index)."""
        self.number(name)[rows] = values
        self.present[rows] |= self.bit[name]

    def copy(self, name: str, rows: Mask, values: Array) -> None:
        """Set a number field where `rows` says so, from a column as long as the table: cheaper than by index where most rows have it."""
        np.copyto(self.number(name), values, where=rows)
        self.present |= rows * self.bit[name]

    def span(self, name: str, rows: Array | slice | int, at: Array | int, size: Array | int) -> None:
        """Set a bytes or text field to the bytes at..at+size of data."""
        column = self.columns.get(name)
        if column is None:
            column = self.columns[name] = Spans(np.zeros(len(self), np.int64), np.zeros(len(self), np.int64))
        assert isinstance(column, Spans)
        column.at[rows], column.size[rows] = at, size
        self.present[rows] |= self.bit[name]

    def content(self, name: str, row: int) -> bytes:
        """The bytes of a bytes or text field in one row, empty where it is absent."""
        column = self.columns.get(name)
        if not isinstance(column, Spans) or not self.present[row] & self.bit[name]:
            return b""
        at = int(column.at[row])
        return self.pdus.data[at : at + int(column.size[row])].tobytes()

    def list(self, name: str, rows: Ints, counts: Array | None, at: Array | Callable[[], Any], wire: np.dtype[Any] | None) -> None:
        """Set a list field of these rows: `counts` items of `wire` from the offsets `at` on (see Lists). Each row once."""
        column = self.columns.get(name)
        if column is None:
            column = self.columns[name] = Lists(len(self), self.fields[name].item, self.pdus.data)
        assert isinstance(column, Lists)
        column.put(rows, counts, at, wire)
        self.present[rows] |= self.bit[name]

    def object(self, name: str, row: int, value: Any) -> None:
        """Set an object field (str, list, dict) of one row: for what is rare."""
        column = self.columns.setdefault(name, {})
        assert isinstance(column, dict)
        column[row] = value
        self.present[row] |= self.bit[name]

    def flag(self, rows: Array | int, anomaly: Anomaly) -> None:
        """Mark rows (indices without repeats, mask or one index) as anomalous."""
        self.anomaly[rows] |= np.uint32(anomaly)

    def trailing(self, rows: Ints, at: Ints, end: Ints) -> None:
        """Bytes at..end of these rows, where there are some, lie behind the last field: marked TRAILING, and kept for whoever asks what they hide."""
        some = np.flatnonzero(at < end)
        if some.size:
            self.flag(rows[some], Anomaly.TRAILING)
            self.rest.append((rows[some], at[some], end[some]))

    def body(self, layout: np.dtype[Any], rows: Ints, at: Array, end: Array) -> Mask:
        """Read `layout` at `at` (one per row of `rows`) into the fields of the same names; rows without room are marked TRUNCATED. Which rows had room."""
        fits: Mask = at + layout.itemsize <= end
        if not fits.all():
            self.flag(rows[~fits], Anomaly.TRUNCATED)
            rows, at = rows[fits], at[fits]
        if rows.size:
            record = read(self.pdus.data, at, layout)
            bits = np.uint64(0)
            for name in layout.names or ():
                if name in self.fields:
                    column = self.number(name)
                    column[rows] = record[name].astype(column.dtype)  # aligned and in this machine's order first: a third of the time
                    bits |= self.bit[name]
            self.present[rows] |= bits
        return fits

    # What every row takes from its PDU.

    @property
    def frame(self) -> Ints:
        return self.pdus.frame if self.is_whole else self.pdus.frame[self.pdu]

    @property
    def ts_ns(self) -> Ints:
        return self.pdus.ts_ns if self.is_whole else self.pdus.ts_ns[self.pdu]

    @property
    def flow(self) -> NDArray[np.int32]:
        return self.pdus.flow if self.is_whole else self.pdus.flow[self.pdu]

    @property
    def to_server(self) -> Mask:
        return self.pdus.to_server if self.is_whole else self.pdus.to_server[self.pdu]

    @property
    def trust(self) -> NDArray[np.uint8]:
        return self.pdus.trust if self.is_whole else self.pdus.trust[self.pdu]

    @property
    def is_new(self) -> Mask:
        """Rows that are events of this batch, not requests carried over for their answers' sake."""
        return ~self.pdus.carried if self.is_whole else ~self.pdus.carried[self.pdu]

    @property
    def latency_ns(self) -> Ints:
        """From request to response; -1 where there is no request."""
        ts = self.ts_ns
        return np.where(self.request >= 0, ts - ts[self.request], -1)


WINDOW = 64  # a response belongs to a request at most this many PDUs back in its flow
PATIENCE_NS = 30_000_000_000  # and at most this long ago


def pair(table: Table, key: Array) -> None:
    """Find the request of each response: the latest one of its flow with the same key (int64 per row) that nothing has answered yet.

    Needs is_request and is_response; sets request. Speculates that a response stands right behind its request in the flow; the rows for which that fails are
    sorted by (flow, key).
    """
    flow, is_request, is_response = table.flow, table.is_request, table.is_response
    position, released_ns = table.pdus.position[table.pdu], table.pdus.released_ns[table.pdu]
    request = np.full(len(flow), -1, np.int64)
    order = order_by(flow)
    asked, follower = order[:-1], order[1:]
    direct = (flow[asked] == flow[follower]) & is_request[asked] & is_response[follower] & (key[asked] == key[follower])
    request[follower[direct]] = asked[direct]
    open_ = is_request | is_response
    open_[asked[direct]] = open_[follower[direct]] = False
    left = np.flatnonzero(open_)
    if left.size and is_response[left].any():
        left = left[np.lexsort((left, key[left], flow[left]))]
        for _ in range(WINDOW):  # like brackets: the innermost pairs first, then those around them
            asked, follower = left[:-1], left[1:]
            match = (flow[asked] == flow[follower]) & (key[asked] == key[follower]) & is_request[asked] & is_response[follower]
            if not match.any():
                break
            request[follower[match]] = asked[match]
            left = left[~(np.append(match, False) | np.append(False, match))]
    rows = np.flatnonzero(request >= 0)
    late = (position[rows] - position[request[rows]] > WINDOW) | (released_ns[rows] - released_ns[request[rows]] > PATIENCE_NS)
    request[rows[late]] = -1
    table.request = request


@dataclass
class Fragments:
    """How PDUs are parts of longer messages, for protocols that split them (COTP, the DNP3 transport function).

    data: the buffer in which at and end (int64 per PDU) say where its part lies: the PDUs' own, or that with more appended. at == end: it carries no part of a
    message. key (int64): tells messages of one flow and direction apart. first, last (bool): the message begins, ends with it; first is None for protocols that
    only mark the last part. sequence (int64): the number of each part, for protocols that count them modulo `modulus`: a message that lacks one is given up.
    """

    data: Bytes
    key: Ints
    first: Mask | None
    last: Mask
    at: Ints
    end: Ints
    sequence: Ints | None = None
    modulus: int = 1
