"""Messages of several PDUs, against an oracle that takes one PDU at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.columns import padded
from sensor.events.table import Fragments, Pdus
from sensor.events.vocabulary import Trust
from sensor.streams import messages
from sensor.streams.messages import Messages

Part = tuple[int, bool, bool, bool, bytes, Trust]  # flow, to the server, first, last, content, trust
parts = st.lists(
    st.tuples(st.integers(0, 2), st.booleans(), st.booleans(), st.booleans(), st.binary(max_size=3), st.sampled_from([Trust.COMPLETE] * 5 + [Trust.AFTER_GAP])),
    max_size=30,
)


def pdus(items: list[Part]) -> Pdus:
    n = len(items)
    size = np.array([len(item[4]) for item in items], np.int64)
    end, zero = np.cumsum(size), np.zeros(n, np.int64)
    return Pdus(
        padded(b"".join(item[4] for item in items)), at=end - size, end=end, row=zero, frame=zero, ts_ns=zero, flow=np.array([i[0] for i in items], np.int32),
        to_server=np.array([i[1] for i in items], np.bool_), trust=np.array([i[5] for i in items], np.uint8), position=zero, carried=zero != 0,
        notes=zero.astype(np.uint32), message_at=zero, message_end=zero,
    )  # fmt: skip


def fragments(items: list[Part], *, marked: bool) -> Callable[[Pdus], Fragments]:
    first, last = (np.array([item[place] for item in items], np.bool_) for place in (2, 3))
    return lambda p: Fragments(p.data, np.zeros(len(p), np.int64), first if marked else None, last, p.at, p.end)


def assembled(items: list[Part], rows: int, *, marked: bool) -> tuple[list[bytes], int]:
    """The message that each PDU completes (empty: none), and how many were given up."""
    work, found = Messages(lambda p: Fragments(p.data, p.at, None, p.carried, p.at, p.end)), []
    for at in range(0, len(items), rows):
        some = items[at : at + rows]
        work.fragments, batch = fragments(some, marked=marked), pdus(some)
        work.assemble(batch)
        found += [batch.data[begin:end].tobytes() for begin, end in zip(batch.message_at.tolist(), batch.message_end.tolist(), strict=True)]
    return found, work.incomplete


def expected(items: list[Part], *, marked: bool) -> tuple[list[bytes], int]:
    """The same, one PDU at a time, without bounds."""
    found, incomplete = [], 0
    opened: dict[tuple[int, bool], bytes] = {}
    for flow, to_server, first, last, content, trust in items:
        key, result = (flow, to_server), b""
        begins = first if marked else trust == Trust.AFTER_GAP or key not in opened
        if content and begins:
            incomplete += opened.pop(key, None) is not None
            opened[key] = content
        elif content and key in opened:
            opened[key] += content
        elif content:
            incomplete += 1
        if content and last:
            result = opened.pop(key, b"")
        found.append(result)
    return found, incomplete


@settings(max_examples=300, deadline=None)
@given(parts, st.integers(1, 9), st.booleans())
def test_as_one_at_a_time(items: list[Part], rows: int, marked: bool) -> None:
    assert assembled(items, rows, marked=marked) == expected(items, marked=marked)


def test_endless_messages_are_given_up_once() -> None:
    piece = bytes(messages.MOST_BYTES // 2)
    items: list[Part] = [(0, True, False, False, piece, Trust.COMPLETE)] * 5 + [(0, True, False, True, piece, Trust.COMPLETE)]
    found, incomplete = assembled(items, 2, marked=False)
    assert (set(found), incomplete) == ({b""}, 1)


def test_the_oldest_open_message_leaves_first() -> None:
    items: list[Part] = [(flow, True, True, False, b"a", Trust.COMPLETE) for flow in range(messages.MOST_OPEN + 1)]
    items += [(flow, True, False, True, b"b", Trust.COMPLETE) for flow in (0, 1)]
    found, incomplete = assembled(items, 1000, marked=True)
    assert (found[-2:], incomplete) == ([b"", b"ab"], 2)
