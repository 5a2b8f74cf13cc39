"""What a rule does, in words and in the order of evaluation; and over traffic, how many units each step of it leaves and how long it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from time import perf_counter_ns
from types import MappingProxyType
from typing import Any

from detectors.signature.engine import Engine, Matches
from detectors.signature.match import DECODED
from detectors.signature.plan import Key, Ready
from detectors.signature.rule import PAYLOAD, Buffer, ByteExtract, ByteJump, ByteMath, Bytes, ByteTest, Check, Content, Number, Pcre, Rule, Several
from detectors.signature.units import Units
from sensor.columns import Ints
from sensor.events.seen import Seen

STEPS = ("looked at", "by address, port, direction and flow", "by the search", "by keywords and fixed bytes", "confirmed", "alerts")
VARIABLE = re.compile(r"\$(\w+)")


def words(ready: Ready, values: Mapping[str, str] = MappingProxyType({})) -> list[str]:
    """What the rule will do, a line a step. values: of variables, by name."""
    rule = ready.rule
    h = rule.header
    lines = [f"{rule.action} {h.protocol} {h.source.text} {h.source_ports.text} {h.direction} {h.destination.text} {h.destination_ports.text}"]
    lines += [f"  ${name} is {values[name]}" for name in named(lines[0], values)]
    if rule.flow:
        lines.append(f"flow: {', '.join(sorted(rule.flow))}")
    places = {"packets" if key.on_packets else " and ".join(key.datasets) if key.datasets else "PDUs and streams" for key in ready.keys}
    lines.append(f"looks at {', '.join(sorted(places))}")
    lines.append(f"searches all of them at once for {plain(ready.pattern.expression)}" if ready.pattern else "searches for nothing: asks all of them")
    lines += [f"asks for {'no ' if each.negated else ''}{each.keyword} {spoken(each.value)}".rstrip() for each in rule.conditions]
    for buffer, _ in ready.programs:
        lines += list(_of_buffer(buffer))
    lines += [f"asks or sets {each.track}'s bit {'|'.join(each.names)}: {each.command}" for each in rule.bits]
    lines += [f"asks or sets the variable {each.name}: {each.operator} {each.value}" for each in rule.flowints]
    lines += [f"asks whether the {each.scope} text {each.name} {'lacks' if each.negated else 'holds'} {text(each.pattern)}" for each in rule.texts]
    lines += [f"{each.kind}: {each.count} in {each.seconds} s, {each.track}" for each in rule.thresholds]
    return [*lines, "says nothing (noalert)" if rule.noalert else f"says: {rule.msg}"]


def named(text: str, values: Mapping[str, str]) -> list[str]:
    """The variables that a text names, and those that their values name, in this order, each once."""
    found: dict[str, None] = {}
    waiting = [text]
    while waiting:
        names = [name for name in VARIABLE.findall(waiting.pop(0)) if name in values and name not in found]
        found |= dict.fromkeys(names)
        waiting += [values[name] for name in names]
    return list(found)


def _of_buffer(buffer: Buffer) -> Iterator[str]:
    names = {PAYLOAD: "the payload", DECODED: "what base64_decode gave"}
    yield f"in {names.get(buffer.name, buffer.name)}" + "".join(f", {name}" for name, _ in buffer.transforms) + ":"
    for check in buffer.checks:
        yield f"  {described(check)}"


def described(check: Check) -> str:
    """One check with what is said of it."""
    match check:
        case ByteTest(number, operator, value, negated):
            return f"byte_test: {place(number)} {'not ' if negated else ''}{operator} {value}"
        case ByteJump(number, multiplier, align, start, post):
            begin = {"here": "from behind it", "beginning": "from the beginning", "end": "from the end"}[start]
            times = f", times {multiplier}" if multiplier != 1 else ""
            return f"byte_jump: by {place(number)}{times}, {begin}{', to a multiple of 4' if align else ''}{f', and by {post}' if post else ''}"
        case ByteExtract(number, name, multiplier, align):
            times = f", times {multiplier}" if multiplier != 1 else ""
            return f"byte_extract: {name} is {place(number)}{times}{f', to a multiple of {align}' if align else ''}"
        case ByteMath(number, operator, value, name):
            return f"byte_math: {name} is {place(number)} {operator} {value}"
    said = []
    for each in fields(check):
        value = getattr(check, each.name)
        if (
            each.name in ("pattern", "negated")
            or value is None
            or value is False
            or value in ("", ())
            or (value == 0 and each.name not in ("offset", "position"))
        ):
            continue
        if each.name == "captures":
            said += [f"captures the {scope} text {name}" for scope, name in value if name]
            continue
        said.append(each.name if value is True else f"{each.name} {spoken(value)}")
    name = type(check).__name__.lower()
    pattern = f" {text(check.pattern)}" if isinstance(check, Content | Pcre) else ""
    return f"{'not ' if getattr(check, 'negated', False) else ''}{name}{pattern}{': ' if said else ''}{', '.join(said)}"


def place(number: Bytes) -> str:
    """Where a number lies, and how it is written."""
    form = f" of {number.string} digits" if number.string else ", little endian" if number.little else ", in the order of DCE/RPC" if number.dce else ""
    mask = f", masked with {number.bitmask:#x}" if number.bitmask else ""
    begin = f"{number.offset} behind the last match" if number.relative else str(number.offset)
    return f"the {number.size} byte{'s' * (number.size != 1)} at {begin}{form}{mask}"


def spoken(value: Any) -> str:
    """A keyword's value."""
    if isinstance(value, tuple):
        return " or ".join(map(spoken, value))
    if isinstance(value, Several):
        return among(value)
    if isinstance(value, Number):
        return f"{value.operator} {value.value}" + (f" {value.high}" if value.high else "")
    return text(value) if isinstance(value, bytes) else str(value).replace(",", ", ")


def among(asked: Several) -> str:
    """How many, or which, of several numbers have to meet what."""
    which = {
        "times": f"so often: {spoken(asked.times)}", "at": f"number {asked.at} of them, from 0{' (from the end)' * (asked.at < 0)}{', or there is none' * asked.or_beyond}",
        "all_or_absent": "all of them, or none is there", "or_absent": "any of them, or none is there",
    }.get(asked.which, f"{asked.which} of them")  # fmt: skip
    part = f", from {asked.begin} to {asked.end or 'the end'}" if asked.begin or asked.end else ""
    return f"{'that there are' if asked.number is None else spoken(asked.number)}, {which}{part}"


def plain(expression: bytes) -> str:
    """An expression as people write it: letters and digits as they are."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda code: one if (one := bytes.fromhex(code[1].decode())).isalnum() else code[0], expression).decode("latin-1")


def text(pattern: bytes) -> str:
    """Bytes as rules write them."""
    return repr(pattern)[1:]


@dataclass
class Account:
    """Of one rule: units that each step left (see STEPS), and nanoseconds."""

    rule: Rule
    left: list[int] = field(default_factory=lambda: [0] * len(STEPS))
    ns: int = 0


class Accounting(Engine):
    """An engine that keeps accounts of what it does. Slower: for rules' authors."""

    def __init__(self, plan: Any) -> None:
        super().__init__(plan)
        self.accounts = [Account(ready.rule) for ready in plan.ready]

    def _candidates(self, each: Units, hits: tuple[Ints, Ints]) -> Iterator[tuple[Ready, Ints, bool]]:
        for ready in self.plan.ready:
            for key in ready.keys:
                if key.is_about(each.kind):
                    left = self.accounts[ready.rank].left
                    left[0] += len(each)
                    left[1] += len(key.rows(each, handshake=self.handshake))
        begin = perf_counter_ns()
        for ready, rows, sure in super()._candidates(each, hits):
            account = self.accounts[ready.rank]
            account.ns += perf_counter_ns() - begin
            account.left[3] += len(rows)
            yield ready, rows, sure
            begin = perf_counter_ns()

    def _narrow(self, each: Units, ready: Ready, rows: Ints, shared: Key | None = None) -> Iterator[tuple[Ready, Ints, bool]]:
        self.accounts[ready.rank].left[2] += len(rows)
        yield from super()._narrow(each, ready, rows, shared)

    def _held(self, seen: Seen, kinds: list[Units], found: list[tuple[int, Ready, Ints, bool]]) -> Iterator[tuple[int, Ready, Ints, bool]]:
        for number, ready, rows, sure in super()._held(seen, kinds, found):
            if sure or not self.in_order[ready.rank]:
                self.accounts[ready.rank].left[4] += len(rows)
            yield number, ready, rows, sure

    def _holds(self, ready: Ready, each: Units, here: int, captured: dict[tuple[str, str], bytes] | None = None) -> bool:
        begin = perf_counter_ns()
        result = super()._holds(ready, each, here, captured)
        account = self.accounts[ready.rank]
        account.ns += perf_counter_ns() - begin
        account.left[4] += result and bool(self.in_order[ready.rank])  # of the others `_held` tells
        return result

    def _confirm(self, seen: Seen, kinds: list[Units], found: list[tuple[int, Ready, Ints, bool]]) -> Matches | None:
        matches = super()._confirm(seen, kinds, found)
        for rank in [] if matches is None else matches.rank.tolist():
            self.accounts[rank].left[5] += 1
        return matches
