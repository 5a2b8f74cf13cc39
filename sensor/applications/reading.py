"""What parsers of messages share: reading a message's bytes, cutting a stream into messages, counting transactions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import TypeVar

from sensor.applications.application import MOST_HELD, MOST_OPEN, Conversation, Said

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def keep(table: dict[K, V], key: K, value: V, most: int = MOST_OPEN) -> None:
    """Puts it in; the oldest goes when there are too many."""
    table.pop(key, None)
    table[key] = value
    if len(table) > most:
        del table[next(iter(table))]


def text(data: bytes) -> str:
    """Bytes as a person reads them: UTF-8, and what is none as hexadecimal escapes."""
    return data.decode("utf-8", "backslashreplace")


class Cursor:
    """Reads numbers and bytes in turn. Raises EOFError where they are not there."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data = data
        self.end = len(data) if end is None else min(end, len(data))
        self.at = min(at, self.end)

    @property
    def left(self) -> int:
        return self.end - self.at

    def skip(self, size: int) -> int:
        """Goes over so many bytes; where they begin."""
        at = self.at
        if size < 0 or at + size > self.end:
            raise EOFError(f"{size} bytes are expected at byte {at}, {self.left} are there")
        self.at = at + size
        return at

    def take(self, size: int) -> bytes:
        at = self.skip(size)
        return self.data[at : self.at]

    def rest(self) -> bytes:
        return self.take(self.left)

    def big(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def little(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def until(self, end: bytes) -> bytes:
        """What stands before these bytes; the cursor goes behind them."""
        found = self.data.find(end, self.at, self.end)
        if found < 0:
            raise EOFError(f"the text that begins at byte {self.at} has no end")
        result = self.data[self.at : found]
        self.at = found + len(end)
        return result


class Frames:
    """Cuts what one direction says into messages, in linear time. Of a message longer than MOST_HELD its beginning is given, and the rest skipped.

    size: of the message that begins with these bytes (all of it, at least 1); None: more bytes are needed, of which it has to need less than MOST_HELD.
    It raises ValueError for what begins no message.
    """

    __slots__ = ("_size", "_skip", "_total", "held")

    def __init__(self, size: Callable[[bytearray], int | None]) -> None:
        self.held = bytearray()
        self._size = size
        self._total = 0  # the size of the message that begins `held`; 0: not known
        self._skip = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._skip:
            dropped = min(self._skip, len(data))
            self._skip -= dropped
            data = data[dropped:]
        self.held += data
        while self.held:
            self._total = self._total or self._size(self.held) or 0
            size = min(self._total, MOST_HELD)
            if not size or len(self.held) < size:
                return
            message, here = bytes(self.held[:size]), min(len(self.held), self._total)
            self._skip = self._total - here
            self._total = 0
            del self.held[:here]
            yield message

    def rest(self) -> bytes:
        """What there is of a message that does not come to its end."""
        return bytes(self.held) if self._total else b""

    def spans(self, size: int) -> bool:
        """Whether so many bytes from here on are part of a message of which it is known where it ends."""
        return size <= max(self._skip, self._total - len(self.held))

    def gap(self, size: int) -> bytes:
        """So many bytes are missing: what there is of the message that they are part of. Where it is not known where that ends, what follows is taken to begin another."""
        if size <= self._skip:
            self._skip -= size
            return b""
        message = self.rest()
        self._skip = max(self._total - len(self.held) - size, 0)
        self._total = 0
        self.held.clear()
        return message


class Framed(Conversation):
    """A conversation over a stream whose messages say how long they are. A message that is cut short is said as far as it goes."""

    def __init__(self) -> None:
        self._frames = {side: Frames(self.size) for side in (False, True)}

    def size(self, held: bytearray) -> int | None:
        """See Frames."""
        raise NotImplementedError

    def message(self, to_server: bool, data: bytes) -> Iterator[Said]:
        """What one message says. ValueError and EOFError break the conversation."""
        raise NotImplementedError

    def refused(self, to_server: bool) -> Iterator[Said]:
        """What is said of bytes that broke the conversation: by default nothing."""
        return iter(())

    @property
    def n_held(self) -> int:
        return sum(len(frames.held) for frames in self._frames.values())

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        if self.broken:
            return
        try:
            for message in self._frames[to_server].feed(data):
                yield from self.message(to_server, message)
                if self.broken:
                    break
        except (ValueError, EOFError) as error:
            self._break(str(error))
            yield from self.refused(to_server)

    def gap(self, to_server: bool, size: int) -> Iterator[Said]:
        if self.broken:
            return
        try:
            if message := self._frames[to_server].gap(size):
                yield from self.message(to_server, message)
        except (ValueError, EOFError) as error:
            self._break(str(error))

    def close(self) -> Iterator[Said]:
        for to_server, frames in self._frames.items():
            if self.broken:
                return
            try:
                if message := frames.rest():
                    yield from self.message(to_server, message)
            except (ValueError, EOFError) as error:
                self._break(str(error))
            frames.held.clear()

    def _break(self, why: str) -> None:
        self.broken, self.why = True, why
        for frames in self._frames.values():
            frames.held.clear()


class Transactions:
    """Numbers of a conversation's transactions, those that wait for an answer by what the answer will be known by."""

    def __init__(self) -> None:
        self._next = 0
        self._open: dict[Hashable, int] = {}

    def begin(self, key: Hashable = None) -> int:
        """The number of a new one. With a key it is open until its `last`; the oldest is given up when there are more than MOST_OPEN."""
        number = self._next
        self._next += 1
        if key is not None:
            keep(self._open, key, number)
        return number

    def is_open(self, key: Hashable) -> bool:
        return key in self._open

    def of(self, key: Hashable, *, last: bool = True) -> int:
        """The number of the one that is open with this key, a new one's if none is. last: it is no longer open then."""
        number = self._open.pop(key, None) if last else self._open.get(key)
        return self.begin() if number is None else number
