"""The checks of a payload as columns: what needs no search is decided for all rows at once, and exactly.

As long as checks lie at known places (content at one offset, byte_test, byte_jump, isdataat ...), where the next one looks is a number per row. From the first one
on that must be searched for, the place is not known; what does not depend on it is still decided here, the rest is left to match.py.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from detectors.signature import expressions
from detectors.signature.match import is_relative
from detectors.signature.numbers import holds
from detectors.signature.rule import BufferSize, ByteExtract, ByteJump, Bytes, ByteTest, Check, Content, IsDataAt, Number, Pcre, Quantity
from detectors.signature.units import Units, bounded
from sensor.columns import Array, Ints, Mask, read

WORD = np.dtype([("word", ">u8")])
MOST_AT_ONCE = 32  # bytes of a content that are compared here
MOST_PLACES = 64  # at which a content is looked for here
CASELESS = bytes(0xDF if chr(byte).isascii() and chr(byte).isalpha() else 0xFF for byte in range(256))  # the bits of a byte that count where case does not
WIDEST = 4  # bytes of a number that is followed here: then nothing overflows


@dataclass
class Rows:
    """Rows that are still possible. position: where the last match ended, None once that is not known; sure: nothing had to be passed over."""

    units: Units
    rows: Ints
    position: Array | None = None
    variables: dict[str, Array] = field(default_factory=dict)
    sure: bool = True
    name: Hashable = None  # of the rows, as long as they are all still there: what is read of them is kept

    def keep(self, mask: Mask) -> None:
        self.name = None
        self.rows = self.rows[mask]
        if isinstance(self.position, np.ndarray) and self.position.ndim:
            self.position = self.position[mask]
        self.variables = {name: column[mask] for name, column in self.variables.items()}

    @property
    def size(self) -> Ints:
        return self.units.size[self.rows]

    def value(self, quantity: Quantity) -> Array | None:
        """A number as a column; None where it is a variable that is not known here."""
        return np.asarray(quantity) if isinstance(quantity, int) else self.variables.get(quantity)

    def place(self, offset: Quantity, relative: bool) -> Array | None:
        """Where a check looks, from the unit's beginning; None where that is not known."""
        base, value = (self.position if relative else np.asarray(0)), self.value(offset)
        return None if base is None or value is None else base + value


def decide(checks: tuple[Check, ...], units: Units, rows: Ints, name: Hashable = None) -> tuple[Ints, bool]:
    """The rows that these checks leave, and whether they all hold there for certain. name: of these rows, where they are asked more than once."""
    state = Rows(units, rows, np.asarray(0), name=name)
    for check in checks:
        if not state.rows.size:
            break
        mask = _check(check, state)
        if mask is None:
            state.sure = False
        elif not mask.all():
            state.keep(mask)
    return state.rows, state.sure


def _check(check: Check, state: Rows) -> Mask | None:
    """Which rows meet the check; None where that cannot be told here. Moves the position on."""
    match check:
        case Content():
            return _content(check, state)
        case ByteTest():
            found = _number(check.bytes, state)
            other = state.value(check.value)
            if found is None or other is None or (isinstance(check.value, int) and not 0 <= check.value < 1 << 62):
                return None
            number, _, fits = found
            answer = (number ^ other) != 0 if check.operator == "^" else holds(Number(check.operator, other), number)  # type: ignore[arg-type]  # a column is as good
            return np.asarray(fits & (answer != check.negated), np.bool_)
        case ByteJump() | ByteExtract():
            found = _number(check.bytes, state) if check.bytes.size else None
            if found is None:
                state.position = None
                if isinstance(check, ByteExtract):
                    state.variables.pop(check.name, None)
                return None
            return _jump(check, found, state) if isinstance(check, ByteJump) else _extract(check, found, state)
        case IsDataAt():
            place = state.place(check.position, check.relative)
            return None if place is None else np.asarray((place <= state.size if check.relative else place < state.size) != check.negated, np.bool_)
        case BufferSize():
            return np.asarray(holds(check.size, state.size), np.bool_)
        case Pcre():
            return _pcre(check, state)
    state.position = None
    return None


def _content(check: Content, state: Rows) -> Mask | None:
    """A content that can lie at one place, or at so few that they are looked at sooner than the rows one by one."""
    length, further = len(check.pattern), 0
    if is_relative(check):
        fixed = check.within == length and (check.offset, check.depth, check.least) == (None, None, 0)
        fixed &= not (isinstance(check.distance, int) and check.distance < 0)
        place = state.place(check.distance or 0, relative=True) if fixed else None
    else:
        place = state.place(check.offset or 0, relative=False)
        further = 0 if has_one_place(check) else _further(check, state)
    if place is None or further > min(MOST_PLACES, len(state.rows) // 2) or check.endswith or length > MOST_AT_ONCE:
        least = _least(check, state)
        if not check.negated:
            state.position = None
        state.sure = False
        return least
    here = _lies(check, state, place)
    for more in range(1, further + 1):
        here |= _lies(check, state, place + more)
    if check.negated:
        return ~here
    state.position = None if further else place + length
    return here


def has_one_place(check: Content) -> bool:
    """Whether a content that is not relative can lie at its offset only."""
    return check.startswith or check.depth == len(check.pattern)


def _further(check: Content, state: Rows) -> int:
    """At how many places it may lie besides the first one."""
    if not isinstance(check.offset, int | None) or not isinstance(check.depth, int | None):
        return MOST_PLACES + 1
    begin, most = check.offset or 0, int(state.size.max(initial=0))
    return max(0, (most if check.depth is None else min(most, begin + check.depth)) - len(check.pattern) - begin)


def _lies(check: Content, state: Rows, place: Array) -> Mask:
    """Rows that hold it there."""
    length = len(check.pattern)
    here = np.asarray((place >= 0) & (place + length <= state.size), np.bool_)
    for begin in range(0, length, 8):
        bits, word = word_of(check.pattern[begin : begin + 8], nocase=check.nocase)
        here &= (_words(state, place + begin) & np.uint64(bits)) == np.uint64(word)
    return here


def _pcre(check: Pcre, state: Rows) -> Mask | None:
    """An expression that can lie at one place only."""
    expression, place = expressions.fixed(check), state.place(0, check.relative)
    if expression is None or place is None:
        state.position = None if not check.negated else state.position
        return None

    def take(place: Array) -> tuple[Array, Mask]:
        return state.units.data[bounded(state.units.data, state.units.at[state.rows] + place)], np.asarray(place < state.size, np.bool_)

    found, end = expressions.matches(expression, check.flags, take, np.broadcast_to(place, state.rows.shape))
    if check.negated:
        return ~found
    state.position = end
    state.sure &= not check.captures
    return found


def _least(check: Content, state: Rows) -> Mask:
    """Rows that are long enough for a content that must be searched for."""
    begin = check.offset if isinstance(check.offset, int) and not is_relative(check) else 0
    if check.negated:
        return np.ones(len(state.rows), np.bool_)
    return np.asarray(state.size >= begin + len(check.pattern), np.bool_)


@lru_cache(maxsize=1 << 16)
def word_of(part: bytes, *, nocase: bool) -> tuple[int, int]:
    """Up to eight bytes as the first of a big-endian word: the bits that count, and what they have to be."""
    bits = int.from_bytes((part.translate(CASELESS) if nocase else b"\xff" * len(part)).ljust(8, b"\0"))
    return bits, int.from_bytes(part.ljust(8, b"\0")) & bits


def _words(state: Rows, place: Array) -> Array:
    return read_words(state.units, state.rows, place, state.name if place.ndim == 0 else None)


def read_words(units: Units, rows: Ints, place: Array, name: Hashable = None) -> Array:
    """Eight bytes from there on, uint64; beyond a unit's end they are its neighbours', and the sizes say so. name: of the rows, where they are read more than once."""

    def get() -> Array:
        result: Array = read(units.data, bounded(units.data, units.at[rows] + np.maximum(place, 0)), WORD)["word"].astype(np.uint64)
        return result

    words: Array = get() if name is None else units.once((name, int(place)), get)
    return words


def _number(where: Bytes, state: Rows) -> tuple[Array, Array, Mask] | None:
    """The numbers that lie there, where they end, and which rows have them."""
    place = state.place(where.offset, where.relative)
    if place is None or where.string or where.dce or where.bitmask or not isinstance(where.size, int) or not 0 < where.size <= WIDEST:
        return None
    fits = np.asarray((place >= 0) & (place + where.size <= state.size), np.bool_)
    number = _words(state, place)
    number = number.byteswap() & np.uint64((1 << 8 * where.size) - 1) if where.little else number >> np.uint64(64 - 8 * where.size)
    return number.astype(np.int64), place + where.size, fits


def _jump(check: ByteJump, found: tuple[Array, Array, Mask], state: Rows) -> Mask | None:
    number, end, fits = found
    extra = state.value(check.post_offset)
    if extra is None:
        state.position = None
        return None
    number = number * check.multiplier
    if check.align:
        number = number + -number % 4
    begin = {"here": end, "beginning": np.asarray(0), "end": state.size}[check.start]
    there = np.broadcast_to(begin + number + extra, fits.shape)
    state.position = np.maximum(there, 0)
    return np.asarray(fits & (there <= state.size), np.bool_)


def _extract(check: ByteExtract, found: tuple[Array, Array, Mask], state: Rows) -> Mask:
    number, end, fits = found
    number = number * check.multiplier
    if check.align:
        number = number + -number % check.align
    state.variables[check.name] = np.broadcast_to(number, fits.shape)
    state.position = end
    return fits
