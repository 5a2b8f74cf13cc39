"""Alerts: what detectors find, and the registry that makes one alert of one attack."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from sensor.bounded import Bounded
from sensor.events.address import End, conversation
from sensor.events.seen import Seen
from sensor.events.vocabulary import Action
from sensor.lang import translate

Key: TypeAlias = tuple[int | str, ...]
Value: TypeAlias = int | float | str

FRAMES = 20  # frames that an alert keeps from its beginning, besides its latest
ACCEPTED, REFUSED, MIXED, UNANSWERED = (
    "The other end carried it out.",
    "The other end refused.",
    "The other end carried out some and refused others.",
    "No answer was seen.",
)
OUTCOMES = (ACCEPTED, REFUSED, MIXED, UNANSWERED)


class Severity(IntEnum):
    """Elastic Security's scale."""

    LOW = 21
    MEDIUM = 47
    HIGH = 73
    CRITICAL = 99


@dataclass(frozen=True)
class Kind:
    """A kind of alert: everything about it that never changes.

    title and sentence are English and the keys of their translations; the sentence says what was seen and what was expected, and may name {client}, {server},
    {count}, {protocol} and the finding's own parameters. techniques: ATT&CK for ICS, identifiers of v19 and later (rules/attack_ics.yaml). gbt: class of
    GB/T 20986-2023 (rules/gbt20986.yaml). is_asked: it is a request, so the answer belongs to the story.
    """

    name: str
    title: str
    sentence: str
    severity: Severity
    techniques: tuple[str, ...]
    gbt: str
    is_asked: bool = False
    rule: tuple[tuple[str, str], ...] = ()  # ECS rule.* of a signature, beside what every kind has


@dataclass(frozen=True)
class Finding:
    """One fact that a detector noticed.

    key: what makes it the same alert as another of its kind. frames: the evidence, the deciding one last; ts_ns: that one's time. flow: the conversation
    (-1: none; is_reversed: its client is whom the flow table takes for the server), or `ends`, its client and server where they are known otherwise.
    count: how many facts it stands for; 0 for an answer (accepted or refused) to what is known already.
    """

    kind: Kind
    key: Key
    frames: tuple[int, ...]
    ts_ns: int
    flow: int = -1
    is_reversed: bool = False
    ends: tuple[End | None, End | None] | None = None
    protocol: str = ""
    action: Action | None = None
    parameters: Mapping[str, Value] = field(default_factory=dict)
    count: int = 1
    accepted: int = 0
    refused: int = 0


@dataclass(frozen=True)
class Alert:
    """One attack or mishap as people and documents see it.

    id: hash of sensor, source, first frame, detector and key: a replay gives the same. frames: the first FRAMES and the latest. first_ns, last_ns: capture
    time, ns since 1970 UTC. count: facts put together. accepted, refused: answers to them.
    """

    id: str
    kind: Kind
    sensor: str
    source: str
    key: str
    client: End | None
    server: End | None
    protocol: str
    action: Action | None
    parameters: Mapping[str, Value]
    frames: tuple[int, ...]
    first_ns: int
    last_ns: int
    count: int
    accepted: int
    refused: int
    interface: int  # of the source, where its conversation began; -1: it has none

    @property
    def detector(self) -> str:
        return self.kind.name

    @property
    def severity(self) -> Severity:
        return self.kind.severity

    def title(self, lang: str = "en") -> str:
        return translate(self.kind.title, lang)

    def sentence(self, lang: str = "en") -> str:
        """What was seen and what was expected, and how the other end answered."""
        ends = {name: end.address if end else "?" for name, end in (("client", self.client), ("server", self.server))}
        said = translate(self.kind.sentence, lang).format_map(ends | {"protocol": self.protocol, "count": self.count} | dict(self.parameters))
        if not self.kind.is_asked:
            return said
        return said + ("" if lang == "zh" else " ") + translate(self.outcome, lang)

    @property
    def outcome(self) -> str:
        """One of OUTCOMES."""
        if self.accepted:
            return MIXED if self.refused else ACCEPTED
        return REFUSED if self.refused else UNANSWERED


@dataclass
class Open:
    """An alert that may still grow."""

    id: str
    source: str
    first: Finding
    ends: tuple[End | None, End | None]
    frames: list[int]
    latest: int
    last_ns: int
    interface: int
    count: int = 0
    accepted: int = 0
    refused: int = 0

    def add(self, finding: Finding) -> None:
        """One more finding of the same kind and key."""
        self.count += finding.count
        self.accepted += finding.accepted
        self.refused += finding.refused
        if finding.count:
            self.last_ns = max(self.last_ns, finding.ts_ns)
            room = FRAMES - len(self.frames)
            if room > 0:
                self.frames += [frame for frame in dict.fromkeys(finding.frames) if frame not in self.frames][:room]
            self.latest = finding.frames[-1]

    def alert(self, sensor: str) -> Alert:
        finding, (client, server) = self.first, self.ends
        frames = (*self.frames, *(() if self.latest in self.frames else (self.latest,)))
        return Alert(
            id=self.id, kind=finding.kind, sensor=sensor, source=self.source, key=repr(finding.key), client=client, server=server, protocol=finding.protocol,
            action=finding.action, parameters=finding.parameters, frames=frames, first_ns=finding.ts_ns, last_ns=self.last_ns, count=self.count,
            accepted=self.accepted, refused=self.refused, interface=self.interface,
        )  # fmt: skip


@dataclass
class Alerts:
    """Puts findings together: those of one kind and key, in one source, that follow within `quiet_ns` of capture time are one alert.

    most: alerts of one kind that can still grow; the one that began first is closed to make room (counted in `evicted`): it has been handed out, and what
    belongs to it later begins another.
    """

    sensor: str
    most: int = 2_000
    quiet_ns: int = 600_000_000_000
    open: dict[str, Bounded[Open]] = field(default_factory=dict)
    changed: dict[str, Open] = field(default_factory=dict)

    @property
    def evicted(self) -> int:
        return sum(mine.evicted for mine in self.open.values())

    def add(self, seen: Seen, finding: Finding) -> None:
        """One finding; findings of one kind and key come in the order of the packets that completed them."""
        mine = self.open.setdefault(finding.kind.name, Bounded(self.most))
        key = seen.source.id, finding.key
        entry = mine.entries.get(key)
        if entry is None or finding.ts_ns - entry.last_ns > self.quiet_ns:
            if not finding.count:
                return
            entry = mine.put(key, self._begin(seen, finding))
        entry.add(finding)
        self.changed[entry.id] = entry

    def _begin(self, seen: Seen, finding: Finding) -> Open:
        text = "\0".join((self.sensor, seen.source.id, str(finding.frames[0]), finding.kind.name, repr(finding.key)))
        ends = finding.ends
        if ends is None:
            ends = conversation(seen.flows, finding.flow) if finding.flow >= 0 else (None, None)
            ends = ends[::-1] if finding.is_reversed else ends
        interface = int(seen.flows["interface"][finding.flow]) if finding.flow >= 0 else -1
        identifier = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        return Open(identifier, seen.source.id, finding, (ends[0], ends[1]), [], finding.frames[-1], finding.ts_ns, interface)

    def take(self) -> list[Alert]:
        """The alerts that are new or have grown since the last call, as they are now."""
        changed, self.changed = self.changed, {}
        return [entry.alert(self.sensor) for entry in changed.values()]
