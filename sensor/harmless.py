"""What is left of a batch whose PDUs make a decoder fail: all of it but those that do."""

from __future__ import annotations

from typing import Any

import numpy as np

from sensor.columns import Mask
from sensor.events.protocol import Protocol
from sensor.events.table import Pdus, Table

MOST_TRIES = 64  # a failing decoder may be called so often for one batch; whatever still fails then goes with its neighbours


def decode_harmless(protocol: Protocol, pdus: Pdus, state: Any) -> tuple[Table, Mask]:
    """The events of the PDUs that can be decoded, and which of them cannot (bool per PDU). Where even the others fail together, nothing is decoded."""
    harmful = _harmful(protocol, pdus)
    try:
        return protocol.decode(pdus.some(~harmful), state), harmful
    except Exception:  # noqa: BLE001  # the caller has told of it
        return Table(protocol.name, protocol.fields, pdus.some(slice(0, 0))), np.ones(len(pdus), np.bool_)


def _harmful(protocol: Protocol, pdus: Pdus) -> Mask:
    """Found by halving, with states that nobody keeps."""
    harmful, waiting, tries = np.zeros(len(pdus), np.bool_), [np.arange(len(pdus))], 0
    while waiting:
        rows, tries = waiting.pop(), tries + 1
        try:
            protocol.decode(pdus.some(rows), protocol.state())
        except Exception:  # noqa: BLE001  # as above
            if len(rows) == 1 or tries > MOST_TRIES:
                harmful[rows] = True
            else:
                waiting += np.array_split(rows, 2)
    return harmful
