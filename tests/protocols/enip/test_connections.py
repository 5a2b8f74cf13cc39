"""Which opening a connected message belongs to: the latest before it, in the order in which packets completed them."""

from __future__ import annotations

import numpy as np
import pytest

from sensor.protocols.enip.connections import ANY_FLOW, CONNECTION, MOST, Connections


def opening(flow: int, connection_id: int, since: int) -> np.ndarray:
    record = np.zeros(1, CONNECTION)
    record["flow"], record["ot_connection_id"], record["to_connection_id"], record["since"] = flow, connection_id, connection_id + 1, since
    return record


def place(connections: Connections, flow: int, connection_id: int, serial: int) -> int:
    return int(connections.find(np.array([flow]), np.array([connection_id]), np.array([serial]))[0])


@pytest.mark.parametrize(("serial", "expected"), [(9, -1), (10, 0), (19, 0), (20, 1), (99, 1)])
def test_a_message_belongs_to_the_latest_opening_before_it(serial: int, expected: int) -> None:
    """A message that overtook the answer to its opening is nobody's, whether or not both came in one batch."""
    connections = Connections()
    connections.open(np.concatenate((opening(3, 77, 10), opening(3, 77, 20))))
    assert place(connections, 3, 77, serial) == place(connections, 3, 78, serial) == place(connections, ANY_FLOW, 77, serial) == expected
    assert place(connections, 4, 77, serial) == -1


def test_the_oldest_leave_first_and_are_counted() -> None:
    connections = Connections()
    for number in range(MOST + 2):
        connections.open(opening(number, number * 2, 0))
    assert connections.evicted == 2
    assert place(connections, 1, 2, 5) == -1
    assert place(connections, 2, 4, 5) >= 0
