"""The ledger of a pipeline as one document: what was seen, what was understood, and what was not."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sensor.ledger import NOT_READ
from sensor.streams.flows import UNDECIDED, UNKNOWN

if TYPE_CHECKING:
    from sensor.pipeline import Pipeline


def account(pipeline: Pipeline) -> dict[str, Any]:
    """Packets by outcome, payload bytes by what became of them, events and anomalies by protocol, and what had to be forgotten; counts, of the whole run so far."""
    p = pipeline
    owners = {protocol.state: protocol.name for protocol in reversed(p.protocols)}  # of several that share a state the first one
    return p.ledger.report() | {
        "flows": {"total": p.flows.begun, "evicted": p.flows.evicted},
        "payload": {"bytes": p.ledger.payload, **payload(p), "slow_packets": p.streams.slow_segments},
        "protocols": {protocol.name: _protocol(p, number) for number, protocol in enumerate(p.protocols, 1)},
        "applications": p.conversations.report(p.event_ledger.events),
        "anomalies": dict(sorted(p.event_ledger.anomalies.items())),
        "forgotten": {f"state of {name}": getattr(p.states[state], "evicted", 0) for state, name in owners.items()},
        "imbalance": p.ledger.imbalance(p.streams.bytes, p.streams.held),
    }


def payload(p: Pipeline) -> dict[str, int]:
    """What became of all payload bytes: what protocols read; of their streams and PDUs what they did not; what applications were told; and the rest."""
    known, rest, not_read = Counter[str](), 0, sum(p.event_ledger.bytes.values())
    for (number, what), size in p.streams.bytes.items():
        if what in ("retransmitted", "padding") or number not in (UNDECIDED, UNKNOWN):
            known[what] += size
        elif what != "gap":
            rest += size
    return {
        "read": known["decoded"] - not_read,
        "not_read": known["skipped"] + known["unfinished"] + not_read,
        "applications": p.conversations.bytes,
        "retransmitted": known["retransmitted"],
        "padding": known["padding"],
        "unrecognised": rest - p.conversations.bytes,
    }


def _protocol(p: Pipeline, number: int) -> dict[str, Any]:
    """One protocol's part."""
    name = p.protocols[number - 1].name
    events = p.event_ledger.report(name)
    sizes = {f"bytes_{what}": size for (which, what), size in sorted(p.streams.bytes.items()) if which == number}
    if "bytes_decoded" in sizes:
        sizes["bytes_decoded"] -= sum(events.get(f"bytes_{what}", 0) for what in NOT_READ)
    incomplete = {"messages_incomplete": p.messages[name].incomplete} if name in p.messages else {}
    return events | sizes | p.exchanges[name].report() | incomplete
