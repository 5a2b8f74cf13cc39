"""The values that events tell, and of those that were to be written what became of them: that says the answer, and so it is told with the answer."""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import numpy as np

from sensor.columns import Ints, Mask
from sensor.events.point import Points, Quality, Verb, join
from sensor.events.protocol import Dataset
from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly
from sensor.mistakes import contained


def told(dataset: Dataset, table: Table) -> Points:
    """Every value of the batch's events. A request's values to be written stand once more in the row of its answer, refused where that refuses; not so where the
    answer has values of its own: it says of each what became of it."""
    if not len(table):
        return _points(dataset, table)
    answers = np.flatnonzero((table.request >= 0) & (table.anomaly & np.uint32(Anomaly.WRONG_RESPONSE) == 0))
    request = table.request[answers]
    found = _points(dataset, _with(table, request))
    if not request.size:
        return found
    is_written = written(found)
    spoken = np.zeros(len(table), np.bool_)
    spoken[found.row[is_written]] = True
    answer = np.full(len(table), -1)
    answer[request[~spoken[answers]]] = answers[~spoken[answers]]
    again = np.flatnonzero(is_written & table.to_server[found.row] & (answer[found.row] >= 0))
    own = np.flatnonzero(table.is_new[found.row])
    parts = [found if len(own) == len(found) else found.some(own)]
    if again.size:
        confirmed = found.some(again)
        confirmed.row = answer[confirmed.row]
        confirmed.quality[table.failed[confirmed.row]] |= np.uint16(Quality.REFUSED)
        parts.append(confirmed)
    return join(parts)


def _points(dataset: Dataset, table: Table) -> Points:
    assert dataset.points is not None
    return contained(f"{dataset.name}: points", lambda: join([]), dataset.points, table)


def written(points: Points) -> Mask:
    """Which are values to be written, as against those that were read or reported."""
    return np.asarray((points.verb == Verb.WRITE) | (points.verb == Verb.OPERATE))


def _with(table: Table, request: Ints) -> Table:
    """The same table; requests of earlier batches that are answered here count as this batch's."""
    pdu = table.pdu[request]
    pdu = pdu[table.pdus.carried[pdu] & table.pdus.to_server[pdu]]
    if not pdu.size:
        return table
    result, carried = copy(table), table.pdus.carried.copy()
    carried[pdu] = False
    result.pdus = replace(table.pdus, carried=carried)
    return result
