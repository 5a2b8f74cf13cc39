"""What is kept of DNP3 conversations from batch to batch."""

from __future__ import annotations

from dataclasses import dataclass, field

from sensor.protocols.dnp3 import sets
from sensor.protocols.dnp3.selects import Selects


@dataclass
class Memory:
    """Selects that operates are held against, and descriptors that data sets are typed by. evicted: how many left to make room."""

    selects: Selects = field(default_factory=Selects)
    descriptors: sets.Memory = field(default_factory=sets.memory)

    @property
    def evicted(self) -> int:
        return self.selects.evicted + self.descriptors.evicted
