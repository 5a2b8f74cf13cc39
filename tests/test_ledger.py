from __future__ import annotations

import numpy as np

from sensor.analysis import Analysis
from sensor.protocols.enip.connections import CONNECTION, MOST, Connections
from tests import make


def test_ethertypes_are_hexadecimal() -> None:
    """As standards and Wireshark write them."""
    frames = [make.ethernet(bytes(46), 0x9999), make.ethernet(bytes(47), 0x9999), make.ethernet(bytes(48), 0x88CA)]
    assert make.run(frames).pipeline.report()["not_read"]["ethertypes"] == {"0x88CA": 1, "0x9999": 2}


def test_what_protocols_had_to_forget_is_told() -> None:
    analysis = Analysis()
    connections = analysis.pipeline.states[Connections]
    connections.open(np.zeros(MOST, CONNECTION))
    assert analysis.ledger()["forgotten"] == {}
    connections.open(np.zeros(3, CONNECTION))
    assert analysis.ledger()["forgotten"] == {"state of enip": 3}
