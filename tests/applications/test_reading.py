from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.applications.application import MOST_HELD, MOST_OPEN, Said
from sensor.applications.reading import Cursor, Framed, Frames, Transactions, text


def prefixed(held: bytearray) -> int | None:
    """Messages that begin with their length in three bytes."""
    if len(held) < 3:
        return None
    if held[0] == 0xFF:
        raise ValueError("no message")
    return 3 + int.from_bytes(held[:3], "big")


def frame(data: bytes) -> bytes:
    return len(data).to_bytes(3, "big") + data


class Echo(Framed):
    def size(self, held: bytearray) -> int | None:
        return prefixed(held)

    def message(self, to_server: bool, data: bytes) -> Iterator[Said]:
        yield Said(to_server, {"all": [data]})


def test_cursor() -> None:
    cursor = Cursor(b"\x01\x02\x03\x04ab\0cd")
    assert (cursor.big(2), cursor.little(2), cursor.until(b"\0"), cursor.left, cursor.rest()) == (0x102, 0x403, b"ab", 2, b"cd")
    for beyond in (
        lambda: cursor.take(1),
        lambda: cursor.until(b"\0"),
        lambda: cursor.take(-1),
        lambda: Cursor(b"ab", 9).take(1),
        lambda: Cursor(b"abc", 0, 2).take(3),
    ):
        with pytest.raises(EOFError):
            beyond()
    assert Cursor(b"ab", 9).rest() == b""
    assert text(b"a\xff\xc3\xa4") == "a\\xffä"


@given(st.lists(st.binary(max_size=20), max_size=10), st.lists(st.integers(0, 200)))
def test_messages_are_the_same_in_every_cut(messages: list[bytes], borders: list[int]) -> None:
    stream = b"".join(frame(each) for each in messages)
    places = sorted(min(each, len(stream)) for each in borders)
    frames = Frames(prefixed)
    found = [each for begin, end in zip([0, *places], [*places, len(stream)], strict=True) for each in frames.feed(stream[begin:end])]
    assert found == [frame(each) for each in messages]
    assert not frames.held


@pytest.mark.parametrize("step", [1000, 65_536, 10_000_000])
def test_of_a_long_message_the_beginning_is_given(step: int) -> None:
    stream = frame(b"a" * 1_000_000) + frame(b"next")
    frames = Frames(prefixed)
    found = []
    for at in range(0, len(stream), step):
        found += list(frames.feed(stream[at : at + step]))
        assert len(frames.held) <= MOST_HELD
    assert found == [stream[:MOST_HELD], frame(b"next")]


def test_bytes_that_are_missing_within_a_message_do_not_break() -> None:
    echo = Echo()
    assert not list(echo.feed(True, frame(b"0123456789")[:8]))
    assert [each.buffers["all"] for each in echo.gap(True, 3)] == [[b"\0\0\x0a01234"]]
    assert [each.buffers["all"] for each in echo.feed(True, b"89" + frame(b"x"))] == [[frame(b"x")]]
    assert not list(echo.feed(False, frame(b"z" * MOST_HELD)[: MOST_HELD - 1]))
    assert len(list(echo.feed(False, b"z"))) == 1
    assert not list(echo.gap(False, 2))
    assert len(list(echo.feed(False, b"z" + frame(b"y")))) == 1
    assert not echo.broken


def test_behind_missing_messages_the_next_one_begins() -> None:
    echo = Echo()
    assert not list(echo.feed(True, frame(b"0123456789")[:8]))
    assert [each.buffers["all"] for each in echo.gap(True, 300)] == [[b"\0\0\x0a01234"]]
    assert [each.buffers["all"] for each in echo.feed(True, frame(b"x"))] == [[frame(b"x")]]
    assert not list(echo.gap(True, 1))
    assert not list(echo.feed(True, b"\xff\xff\xff"))
    assert echo.broken


def test_what_is_held_at_the_end_is_said() -> None:
    echo = Echo()
    assert not list(echo.feed(True, frame(b"abc")[:-1])) + list(echo.feed(False, b"\0"))
    assert echo.n_held == 6
    assert [each.buffers["all"] for each in echo.close()] == [[frame(b"abc")[:-1]]]
    assert echo.n_held == 0


def test_nonsense_breaks() -> None:
    echo = Echo()
    assert len(list(echo.feed(True, frame(b"abc") + b"\xff\xff\xff"))) == 1
    assert (echo.broken, echo.why, echo.n_held) == (True, "no message", 0)


def test_transactions() -> None:
    transactions = Transactions()
    assert [transactions.begin("a"), transactions.begin("b"), transactions.begin()] == [0, 1, 2]
    assert [transactions.of("b", last=False), transactions.of("b"), transactions.of("b"), transactions.of("a")] == [1, 1, 3, 0]
    for key in range(MOST_OPEN + 1):
        transactions.begin(key)
    assert transactions.of(1) == 5
    assert transactions.of(0) == 4 + MOST_OPEN + 1
