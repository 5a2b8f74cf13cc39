"""Events -> points: one per information object that has a value."""

from __future__ import annotations

import numpy as np

from sensor.columns import ragged
from sensor.events.point import Points, Quality, Space, Verb, join, points
from sensor.events.table import Lists, Table
from sensor.protocols.iec104 import types
from sensor.protocols.iec104.codes import Cause


def values(table: Table) -> Points:
    """Monitored values as reports, or as reads where they were asked for; commands and parameters to be carried out, their confirmations and refusals."""
    value, address = table.columns.get("value"), table.columns.get("ioa")
    if not isinstance(value, Lists) or not isinstance(address, Lists):
        return join([])
    type_id, cause = table.number("type_id"), table.number("cause")
    monitored, negative = types.IS_MONITORED[type_id], table.number("negative") != 0
    ordered = np.isin(cause, (Cause.ACTIVATION, Cause.ACTIVATION_CONFIRMATION)) & (table.number("select") == 0) & ~negative
    start, count, content = value.flat()
    rows = np.flatnonzero((count > 0) & table.is_new & (monitored | ordered | table.failed))
    item, index = ragged(count[rows])
    row = rows[item]
    asked = np.isin(cause, (Cause.REQUEST, *range(Cause.INTERROGATED_BY_STATION, Cause.REQUESTED_BY_GROUP_4_COUNTER + 1)))
    verb = np.where(monitored, np.where(asked, Verb.READ, Verb.REPORT), np.where(types.IS_COMMAND[type_id], Verb.OPERATE, Verb.WRITE))
    quality = np.where(table.number("test") != 0, Quality.TEST, 0) | np.where(table.failed, Quality.REFUSED, 0)
    addresses, _, ioa = address.flat()
    result = points(
        row, content[start[row] + index], types.RAW[type_id[row]], space=Space.INFORMATION_OBJECT, verb=verb[row], unit=table.number("common_address")[row],
        block=type_id[row], address=ioa[addresses[row] + index], quality=quality[row],
    )  # fmt: skip
    octets = table.columns.get("quality")
    if isinstance(octets, Lists):
        begin, held, octet = octets.flat()
        has = np.flatnonzero(held[row] > 0)
        result.quality[has] |= types.QUALITY[type_id[row[has]], octet[begin[row[has]] + index[has]]]
    times, invalid = table.columns.get("time"), table.columns.get("time_invalid")
    if isinstance(times, Lists) and isinstance(invalid, Lists):
        begin, held, time = times.flat()
        flag_at, _, flag = invalid.flat()
        has = np.flatnonzero(held[row] > 0)
        ns, is_invalid = time[begin[row[has]] + index[has]], flag[flag_at[row[has]] + index[has]]
        known = ~np.isnat(ns) & (is_invalid == 0)
        result.time_ns = dict(zip(has[known].tolist(), ns[known].astype(np.int64).tolist(), strict=True))
    return result
