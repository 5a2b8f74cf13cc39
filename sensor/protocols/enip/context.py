"""What decoding one batch passes on from step to step."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Ints
from sensor.events.table import Table
from sensor.protocols.enip.connections import Connections
from sensor.protocols.enip.path import Paths
from sensor.protocols.enip.services import Messages


@dataclass
class Context:
    """Rows of one batch: the table, the messages and paths behind it (same rows), the open connections, and the first row of each PDU (top).

    connection: int64, the row's place in connections.records, -1 where none is known. operation: uint16 (Operation), 0 where none is known.
    """

    table: Table
    message: Messages
    paths: Paths
    connections: Connections
    top: Ints
    connection: Ints = field(init=False)
    operation: NDArray[np.uint16] = field(init=False)

    def __post_init__(self) -> None:
        self.connection = np.full(len(self.table), -1, np.int64)
        self.operation = np.zeros(len(self.table), np.uint16)
