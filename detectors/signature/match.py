"""Whether one buffer holds what a rule asks of it: the exact answer, with backtracking, for one (rule, row) that the columns could not exclude.

Semantics: Suricata 8 user guide, "Payload Keywords"; what it leaves open is as the engine itself does it. A check that is relative looks from where the last
positive content, pcre, byte_jump, byte_extract or byte_math ended. Where a check fails that depends on an earlier one, that one is tried again further on; where
it does not, nothing can help and the whole buffer fails at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detectors.signature.measures import compile_regex, cost, element, measured
from detectors.signature.numbers import BASES, U64, digits, holds
from detectors.signature.rule import (
    Absent,
    Asn1,
    Base64Decode,
    BufferSize,
    ByteExtract,
    ByteJump,
    ByteMath,
    Bytes,
    ByteTest,
    Check,
    Content,
    Dataset,
    Element,
    Entropy,
    Hashed,
    IsDataAt,
    Pcre,
    Personal,
    Quantity,
)

MOST_CHECKS = 256  # of one buffer: each asks for the next one
STEPS = 3_000  # checks tried in one buffer before it is given up: what a rule may cost at most
FOUND, FAILED, HOPELESS = 1, 0, -1  # of what is behind a check: holds; not from here; from nowhere
DECODED, REPRESENTATION, CAPTURED = "base64_data", "data representation", "captured texts"  # variables that no rule can name
UNSAID = 256  # bytes in which a number lies as text whose length is given as 0: as far as there are digits
MOST_CAPTURED = 1_024  # bytes of a text that a group captures


@dataclass
class Costs:
    """What confirming had to give up, for the ledger."""

    steps: int = 0  # buffers given up after STEPS
    regexes: int = 0  # searches given up after MATCH_LIMIT


class Program:
    """The checks of one buffer, made ready. Raises ValueError where there are too many or an expression does not compile."""

    def __init__(self, checks: Sequence[Check]) -> None:
        if len(checks) > MOST_CHECKS:
            raise ValueError(f"a buffer has {len(checks)} contents and other checks; at most {MOST_CHECKS} are looked at")
        self.absent = next((check for check in checks if isinstance(check, Absent)), None)
        self.checks = tuple(check for check in checks if not isinstance(check, Absent | Dataset))
        self.moved = [moves(self.checks, i) for i in range(len(self.checks))]  # whether a later check depends on where this one matched
        self.free = [not (is_relative(check) or names_variable(check)) for check in self.checks]
        self.has_variables = any(map(names_variable, self.checks))
        self.regexes: dict[int, Any] = {i: compile_regex(check) for i, check in enumerate(self.checks) if isinstance(check, Pcre)}

    def holds(self, data: bytes, variables: dict[str, Any] | None = None, fresh: int = 0, costs: Costs | None = None) -> bool:
        """Whether `data` satisfies all checks. variables: what byte_extract and byte_math set, kept for the caller.

        fresh: a match must reach beyond this offset; what lies before it has been looked at already.
        """
        attempt = Attempt(self, data, {} if variables is None else variables, fresh, costs or Costs())
        return attempt.run(0, 0, 0) == FOUND


def is_relative(check: Check) -> bool:
    match check:
        case Content():
            return check.distance is not None or check.within is not None
        case Pcre() | IsDataAt() | Base64Decode() | Hashed() | Asn1():
            return check.relative
        case Element():
            return True
        case ByteTest() | ByteJump() | ByteExtract() | ByteMath():
            return check.bytes.relative
    return False


def names_variable(check: Check) -> bool:
    """Whether an argument is what an earlier check read."""
    match check:
        case Content():
            arguments: tuple[Any, ...] = (check.offset, check.depth, check.distance, check.within)
        case IsDataAt():
            arguments = (check.position,)
        case ByteTest() | ByteMath():
            arguments = (check.value, check.bytes.offset, check.bytes.size)
        case ByteJump():
            arguments = (check.bytes.offset, check.bytes.size, check.post_offset)
        case ByteExtract():
            arguments = (check.bytes.offset, check.bytes.size)
        case _:
            return False
    return any(isinstance(argument, str) for argument in arguments)


def sets_position(check: Check) -> bool:
    match check:
        case Content() | Pcre():
            return not check.negated
        case ByteJump() | ByteExtract() | ByteMath() | Element():
            return True
    return False


def moves(checks: tuple[Check, ...], i: int) -> bool:
    """Whether another place of check i could make a later one hold."""
    for later in checks[i + 1 :]:
        if is_relative(later):
            return True
        if sets_position(later):
            return False
    return False


def captured(check: Pcre, found: Any) -> dict[tuple[str, str], bytes]:
    """The variables that an expression's groups set, by scope and name."""
    texts = {key: found.group(number) for number, key in enumerate(check.captures, 1) if key[0]}
    return {key: bytes(text[:MOST_CAPTURED]) for key, text in texts.items() if text is not None}


class Attempt:
    """One buffer, one program."""

    def __init__(self, program: Program, data: bytes, variables: dict[str, Any], fresh: int, costs: Costs) -> None:
        self.program, self.data, self.variables, self.fresh, self.costs = program, data, variables, fresh, costs
        self.lower: bytes | None = None
        self.steps = 0

    def run(self, i: int, position: int, reach: int) -> int:
        """The checks from i on. position: where the last match ended; reach: how far any match reached."""
        if i == len(self.program.checks):
            return FOUND if reach > self.fresh or not self.fresh else FAILED
        self.steps += 1
        if self.steps > STEPS:
            self.costs.steps += self.steps == STEPS + 1
            return HOPELESS
        check = self.program.checks[i]
        match check:
            case Content():
                return self.content(i, check, position, reach)
            case Pcre():
                return self.pcre(i, check, position, reach)
            case ByteJump():
                there = self.jump(check, position)
                return self.run(i + 1, there, reach) if there is not None else self.failed(i)
            case ByteExtract() | ByteMath():
                there = self.extract(check, position) if isinstance(check, ByteExtract) else self.math(check, position)
                return self.run(i + 1, there, reach) if there is not None else self.failed(i)
            case Element():
                there = element(check, self.data, position)
                return self.run(i + 1, there, reach) if there is not None else self.failed(i)
            case ByteTest():
                true = self.test(check, position)
            case IsDataAt():
                at = self.quantity(check.position)
                true = (position + at <= len(self.data) if check.relative else at < len(self.data)) != check.negated
            case BufferSize():
                true = holds(check.size, len(self.data))
            case Base64Decode():
                true = self.decode(check, position)
            case Entropy() | Hashed() | Asn1() | Personal():
                self.steps += cost(check, self.data)
                true = measured(check, self.data, position)
            case _:
                raise ValueError(f"no check of a buffer: {check}")
        return self.run(i + 1, position, reach) if true else self.failed(i)

    def failed(self, i: int) -> int:
        """Check i does not hold: whether another place of an earlier match may help."""
        return HOPELESS if self.program.free[i] and not self.fresh else FAILED

    def exhausted(self, i: int) -> int:
        """Check i holds, but nowhere so that those behind it do."""
        return FAILED if self.program.has_variables else self.failed(i)

    def quantity(self, value: Quantity) -> int:
        """A number, or a variable's; 0 where it was not set in this buffer."""
        return value if isinstance(value, int) else int(self.variables.get(value, 0))

    # content and pcre

    def content(self, i: int, check: Content, position: int, reach: int) -> int:
        low, high = self.window(check, position)
        size = len(check.pattern)
        where = self.find(check, low, high)
        if check.negated:
            return self.run(i + 1, position, reach) if where < 0 else self.failed(i)
        while where >= 0:
            end = where + size
            result = self.run(i + 1, end, max(reach, end))
            if result != FAILED:
                return result
            if not (self.program.moved[i] or self.fresh):
                return self.exhausted(i)
            self.steps += 1
            if self.steps > STEPS:
                self.costs.steps += self.steps == STEPS + 1
                return HOPELESS
            where = self.find(check, where + 1, high)
            if where < 0:
                return self.exhausted(i)
        return self.failed(i)

    def window(self, check: Content, position: int) -> tuple[int, int]:
        """Where a content may lie: its first byte not before the one, its last one before the other."""
        size = len(self.data)
        if is_relative(check):
            distance = 0 if check.distance is None else self.quantity(check.distance)
            low = max(position + distance, check.least)
            high = size if check.within is None else position + distance + self.quantity(check.within)
            if check.offset is not None:
                low = max(low, position + self.quantity(check.offset))
            if check.depth is not None:
                high = min(high, position + self.quantity(check.depth))
        else:
            low = 0 if check.offset is None else self.quantity(check.offset)
            high = size if check.depth is None else low + self.quantity(check.depth)
            if check.startswith:
                high = min(high, len(check.pattern))
        return max(low, 0), min(high, size)

    def find(self, check: Content, low: int, high: int) -> int:
        if check.endswith:
            last = len(self.data) - len(check.pattern)
            low, high = max(low, last), high if high >= len(self.data) else -1
        if low > high or high < 0:
            return -1
        if not check.nocase:
            return self.data.find(check.pattern, low, high)
        if self.lower is None:
            self.lower = self.data.lower()
        return self.lower.find(check.pattern.lower(), low, high)

    def pcre(self, i: int, check: Pcre, position: int, reach: int) -> int:
        regex = self.program.regexes[i]
        begin = min(position, len(self.data)) if check.relative else 0
        subject = self.data[begin:] if begin else self.data
        start = 0
        while True:
            try:
                found = regex.match(subject, start) if "A" in check.flags else regex.search(subject, start)
            except Exception:  # noqa: BLE001  # the library's own error, without a class of its own: too much work
                self.costs.regexes += 1
                return HOPELESS
            if check.negated:
                return self.run(i + 1, position, reach) if found is None else self.failed(i)
            if found is None:
                return self.exhausted(i) if start else self.failed(i)
            end = begin + found.end()
            if check.captures:
                self.variables[CAPTURED] = self.variables.get(CAPTURED, {}) | captured(check, found)
            result = self.run(i + 1, end, max(reach, end))
            if result != FAILED:
                return result
            if not (self.program.moved[i] or self.fresh) or "A" in check.flags or found.start() >= len(subject):
                return self.exhausted(i)
            start = found.start() + 1

    # Numbers

    def number(self, where: Bytes, position: int) -> tuple[int, int] | None:
        """The number that lies there, and where it ends; None where it does not lie within the buffer or is none."""
        at = (position if where.relative else 0) + self.quantity(where.offset)
        size = self.quantity(where.size)
        if at < 0 or at + size > len(self.data) or size < 0 or (not where.string and size > 8):
            return None
        raw = self.data[at : at + (size or UNSAID * bool(where.string))]
        if where.string:
            value, used = digits(raw, BASES[where.string])
            if not used:
                return None
            end = at + used
        else:
            little = self.is_little() if where.dce else where.little
            value, end = int.from_bytes(raw, "little" if little else "big"), at + size
        if where.bitmask:
            value = (value & where.bitmask) >> ((where.bitmask & -where.bitmask).bit_length() - 1)
        return value, end

    def is_little(self) -> bool:
        """Whether the data representation of the DCERPC header says so (C706, 12.5.3.1 and 14.1): its fifth octet."""
        representation: bytes = self.variables.get(REPRESENTATION, self.data[4:5])
        return representation[:1] >= b"\x10"

    def test(self, check: ByteTest, position: int) -> bool:
        read = self.number(check.bytes, position)
        if read is None:
            return False
        value, other = read[0], self.quantity(check.value) & U64
        match check.operator:
            case "=":
                result = value == other
            case "<":
                result = value < other
            case ">":
                result = value > other
            case "<=":
                result = value <= other
            case ">=":
                result = value >= other
            case "&":
                result = value & other != 0
            case _:
                result = value ^ other != 0
        return result != check.negated

    def jump(self, check: ByteJump, position: int) -> int | None:
        read = (
            self.number(check.bytes, position)
            if check.bytes.size or check.bytes.string
            else (0, (position if check.bytes.relative else 0) + self.quantity(check.bytes.offset))
        )
        if read is None:
            return None
        value, end = read
        value *= check.multiplier
        if check.align:
            value += -value % 4
        value += self.quantity(check.post_offset)
        there = value + {"here": end, "beginning": 0, "end": len(self.data)}[check.start]
        return None if there > len(self.data) else max(there, 0)

    def extract(self, check: ByteExtract, position: int) -> int | None:
        read = self.number(check.bytes, position)
        if read is None:
            return None
        value = read[0] * check.multiplier
        if check.align:
            value += -value % check.align
        self.variables[check.name] = value & U64
        return read[1]

    def math(self, check: ByteMath, position: int) -> int | None:
        read = self.number(check.bytes, position)
        if read is None:
            return None
        value, other = read[0], self.quantity(check.value)
        match check.operator:
            case "+":
                value += other
            case "-":
                value -= other
            case "*":
                value *= other
            case "/":
                if not other:
                    return None
                value //= other
            case "<<":
                value = value << other if other < 64 else 0
            case _:
                value >>= other
        self.variables[check.name] = value & U64
        return read[1]

    def decode(self, check: Base64Decode, position: int) -> bool:
        """Base64 from there on, up to the first character that is none (RFC 4648, 3.3: blanks and line ends are none)."""
        import binascii

        begin = (position if check.relative else 0) + check.offset
        text = self.data[max(begin, 0) : begin + check.size if check.size else None]
        usable = bytearray()
        for byte in text:
            if byte not in BASE64:
                break
            usable.append(byte)
        whole = len(usable) // 4 * 4 if len(usable) % 4 == 1 else len(usable)
        decoded = binascii.a2b_base64(bytes(usable[:whole]) + b"=" * (-whole % 4)) if whole else b""
        self.variables[DECODED] = decoded
        return bool(decoded)


BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
