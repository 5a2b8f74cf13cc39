"""What is said in protocols of general-purpose networks: one message after the other, as rules and events see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sensor.events.vocabulary import Action, Trust


@dataclass(slots=True)
class Said:
    """One message, or as much of it as there will be.

    to_server: whether the client says it. buffers: by sticky buffer's name (see detectors/signature/buffer_keywords.py), every value that it has in this message.
    facts: by keyword's name, the integers and texts that keywords other than buffers ask for; a tuple where there are several. about: what the event says, by
    the keys of sensor/applications/datasets.py. transaction: counts a conversation's transactions from 0; an answer has its request's. action: what it does. failed: an answer
    that says no.
    """

    to_server: bool
    buffers: dict[str, Sequence[bytes]] = field(default_factory=dict)
    facts: dict[str, int | str | tuple[int | str, ...]] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    transaction: int = 0
    action: Action = Action.OTHER
    failed: bool = False

    def event(self, *names: str) -> None:
        """Says that these events have happened: what rules ask for with app-layer-event."""
        before = self.facts.get("app-layer-event", ())
        if names:
            self.facts["app-layer-event"] = tuple(dict.fromkeys((*(before if isinstance(before, tuple) else (before,)), *names)))


@dataclass(frozen=True)
class Message:
    """What was said, in which flow, the packet that completed it: its row in the batch (0 at a flow's end), frame and time, how far it can be believed, and how
    many messages its flow said before. raw: what its side said from the end of what the message before it was in, up to its own end; of that the last bytes.
    """

    application: str
    said: Said
    flow: int
    row: int
    frame: int
    ts_ns: int
    trust: Trust
    position: int
    raw: bytes = b""
