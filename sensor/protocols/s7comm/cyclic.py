"""Function group cyclic data: a client subscribes to variables, the controller sends them in a cycle or when they change."""

from __future__ import annotations

import numpy as np

from sensor.columns import Array, Ints, padded
from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.s7comm import variables
from sensor.protocols.s7comm.codes import Cyclic, Group
from sensor.protocols.s7comm.content import Content, Kind
from sensor.protocols.s7comm.parts import Job, State

TIME_BASE_MS = (100, 1000, 10000)
SUBSCRIPTION, VALUES = 4, 2  # bytes before the addresses of a subscription (count, time base, factor), and before the values that it brings (count)


def decode(table: Table, row: int, content: Content, state: State) -> None:
    """A subscription, its end (a function and the job's number), or what it brings."""
    said = content.said
    if content.subfunction != Cyclic.UNSUBSCRIBE and len(said) >= 2:
        table.set("item_count", row, said[1])  # of two octets; no PDU has room for more than 255 items
    if content.subfunction == Cyclic.UNSUBSCRIBE:
        if content.kind == Kind.REQUEST and len(said) >= 2:
            table.object("message", row, {"function": said[0], "job": said[1]})
            if not table.pdus.carried[row]:
                state.jobs.entries.pop((content.flow, Group.CYCLIC, said[1]), None)
    elif content.kind == Kind.REQUEST:
        content.addresses = addresses(said)
        if len(said) < SUBSCRIPTION or len(content.addresses) < int.from_bytes(said[:2]):
            table.flag(row, Anomaly.TRUNCATED)
        elif said[2] < len(TIME_BASE_MS):
            table.set("interval", row, TIME_BASE_MS[said[2]] * said[3])
        else:
            table.flag(row, Anomaly.BAD_VALUE)
    else:
        bring(table, row, content, state, Group.CYCLIC, addresses(content.request), VALUES)


def bring(table: Table, row: int, content: Content, state: State, group: Group, asked: Array, at: int) -> None:
    """Values of a job: a count before `at`, then the values. asked: the addresses of the job, where this answers the request that made it."""
    key = (content.flow, group, content.sequence)
    if len(asked):
        state.jobs.put(key, Job(asked, content.position))
    job = state.jobs.entries.get(key)
    found = read_values(content.said[at - 2 :])
    if found is None:
        return
    content.codes = np.stack((found.return_code, found.transport_size), axis=1)
    if found.short.any():
        table.flag(row, Anomaly.TRUNCATED)
    if job is not None and job.position <= content.position and len(job.addresses) == len(found.return_code):
        content.addresses = job.addresses


def addresses(said: bytes) -> Array:
    """The addresses of a subscription."""
    count, left = int.from_bytes(said[:2]), max(0, len(said) - SUBSCRIPTION)
    nothing: Ints = np.zeros(1, np.int64)
    return variables.addresses(padded(said[SUBSCRIPTION:]), nothing, nothing + left, nothing + min(count, left)).records


def read_values(said: bytes) -> variables.Values | None:
    """Values behind their count; None where there is none."""
    if len(said) < 2:
        return None
    nothing: Ints = np.zeros(1, np.int64)
    return variables.values(padded(said[2:]), nothing, nothing + len(said) - 2, nothing + int.from_bytes(said[:2]))
