"""Rules over packets made by hand."""

from __future__ import annotations

from collections.abc import Iterable

from detectors.signature.detector import Signatures
from detectors.signature.engine import Engine
from detectors.signature.load import loads
from detectors.signature.plan import Plan
from sensor.analysis import Analysis
from sensor.events.alert import Alert
from sensor.events.seen import Seen
from sensor.protocols import PROTOCOLS
from tests.make import ACK, CLIENT, SERVER, SYN, batches, tcp

FIELDS = {protocol.name: protocol.fields for protocol in PROTOCOLS}
KNOWN = {name: [field.name for field in fields] for name, fields in FIELDS.items()}
A, B = (CLIENT, 40_000), (SERVER, 502)


def signatures(text: str, *, handshake: bool = False) -> Signatures:
    """These rules, every one of which must load and be at work."""
    rules = loads(text, {}, FIELDS)
    assert not rules.problems, rules.problems
    plan = Plan.of(rules.rules, KNOWN, rules.filters)
    assert not plan.unable, plan.unable
    return Signatures(Engine(plan, handshake=handshake))


def fired(
    text: str, frames: Iterable[bytes | tuple[int, bytes]], rows: int = 1 << 30, *, handshake: bool = False, engine: Signatures | None = None
) -> list[tuple[int, int]]:
    """(sid, frame) of every match, as it came."""
    found: list[tuple[int, int]] = []
    engine = engine or signatures(text, handshake=handshake)

    def each(_seen: Seen) -> None:
        found.extend((match.rule.sid, match.frame) for match in engine.fired)

    Analysis(signatures=engine).run(batches(frames, rows), each=each)
    return found


def alerts(text: str, frames: Iterable[bytes | tuple[int, bytes]]) -> list[Alert]:
    analysis = Analysis(signatures=signatures(text))
    analysis.run(batches(frames))
    return [alert for alert in analysis.alerts.values() if alert.kind.rule]


def talk(*said: tuple[int, bytes], ends: tuple[tuple[str, int], tuple[str, int]] = (A, B), shake: bool = True) -> list[bytes]:
    """A TCP connection: its handshake (frames 1 to 3), then what each side (0: client) says, a frame each."""
    frames, at = [], [101, 501]
    if shake:
        frames = [tcp(*ends, 100, flags=SYN), tcp(*ends[::-1], 500, flags=SYN | ACK, acknowledgment=101), tcp(*ends, 101, acknowledgment=501)]
    for side, content in said:
        frames.append(tcp(*(ends if side == 0 else ends[::-1]), at[side], content, ACK, at[1 - side]))
        at[side] += len(content)
    return frames
