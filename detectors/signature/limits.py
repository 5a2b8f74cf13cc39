"""Which matches are alerts, by how many there were: threshold, detection_filter, rate_filter and suppress."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np

from detectors.signature.configs import Suppress
from detectors.signature.rule import Threshold
from sensor.columns import Array, Ints, Mask

if TYPE_CHECKING:
    from detectors.signature.engine import Matches
    from detectors.signature.plan import Ready
    from detectors.signature.state import Place, State

SOURCE, DESTINATION = ("source_high", "source_low"), ("destination_high", "destination_low")
TRACKED = {"by_src": SOURCE, "by_dst": DESTINATION, "by_both": SOURCE + DESTINATION, "by_rule": (), "by_flow": ("conversation",)}


def alerts(state: State, ready: list[Ready], matches: Matches, changed: dict[tuple[int, int, int], str]) -> Mask:
    """Which of these matches are alerts. changed: those whose action a rate_filter changes, by kind of units, unit and rank; added to.

    All of a rule at once; one after the other where entries may have to give way to others, so that which do does not depend on how packets are cut into batches.
    """
    result = np.zeros(len(matches), np.bool_)
    order = np.argsort(matches.rank, kind="stable")
    rules = np.split(order, np.flatnonzero(np.diff(matches.rank[order])) + 1)
    if any(ready[int(matches.rank[rows[0]])].rates for rows in rules) or not state.counts.has_room(2 * len(matches)):
        result[:] = [_alerts(state, ready, matches, i, changed) for i in range(len(matches))]
        return result
    touched: dict[Hashable, int] = {}
    for mine in rules:
        each, rows = ready[int(matches.rank[mine[0]])], mine
        for threshold in each.filters:
            rows = rows[_count(state, threshold, each.rule.id, matches, rows, touched)]
        for suppress in each.suppressed:
            rows = rows[~_suppressed(suppress, matches, rows)]
        for threshold in each.limits:
            rows = rows[_count(state, threshold, each.rule.id, matches, rows, touched)]
        result[rows] = True
    state.counts.touch(sorted(touched, key=touched.__getitem__))
    return result


def _alerts(state: State, ready: list[Ready], matches: Matches, i: int, changed: dict[tuple[int, int, int], str]) -> bool:
    """Whether one match is."""
    each, place = ready[int(matches.rank[i])], matches.place(i)
    if not all(state.passes(threshold, each.rule.id, place) for threshold in each.filters):
        return False
    for rate in each.rates:
        if state.exceeds(rate, each.rule.id, place):
            changed[int(matches.number[i]), int(matches.unit[i]), int(matches.rank[i])] = rate.new_action
    if any(suppresses(suppress, place) for suppress in each.suppressed):
        return False
    return all(state.passes(threshold, each.rule.id, place) for threshold in each.limits)


def _count(state: State, threshold: Threshold, rule: str, matches: Matches, rows: Ints, touched: dict[Hashable, int]) -> Mask:
    """Which of a rule's matches pass a threshold. touched: by key of what was counted the last match; added to."""
    result = np.zeros(len(rows), np.bool_)
    if not rows.size:
        return result
    ts_ns = matches.column("ts_ns", rows)
    port = matches.column("source_port" if threshold.unique_on == "src_port" else "destination_port", rows)
    columns = [matches.column(name, rows) for name in TRACKED[threshold.track]]
    if threshold.track == "by_both":
        columns = either_way(*columns)
    order, differs = np.arange(len(rows)), np.zeros(len(rows) - 1, np.bool_)
    if columns:
        order = np.lexsort(columns)
        for column in columns:
            differs |= column[order[1:]] != column[order[:-1]]
    for group in np.split(order, np.flatnonzero(differs) + 1):
        key = (rule, threshold.kind, matches.place(int(rows[group[0]])).key(threshold.track))
        result[group] = state.count(threshold, key, ts_ns[group], port[group])
        touched[key] = int(rows[group[-1]])
    return result


def either_way(source_high: Array, source_low: Array, destination_high: Array, destination_low: Array) -> list[Array]:
    """The two addresses, the lower one first."""
    turned = (source_high > destination_high) | ((source_high == destination_high) & (source_low > destination_low))
    pairs = ((source_high, destination_high), (source_low, destination_low))
    return [np.where(turned, *pair) for pair in pairs] + [np.where(turned, *pair[::-1]) for pair in pairs]


def suppresses(each: Suppress, place: Place) -> bool:
    """Whether threshold.config wants no alert from here."""
    if each.addresses is None:
        return True
    ends = {"by_src": (place.source,), "by_dst": (place.destination,)}.get(each.track, (place.source, place.destination))
    return any(low <= address <= high for address in ends for low, high in each.addresses.ranges)


def _suppressed(each: Suppress, matches: Matches, rows: Ints) -> Mask:
    """The same of many."""
    result = np.zeros(len(rows), np.bool_)
    sides = {"by_src": ("source",), "by_dst": ("destination",)}.get(each.track, ("source", "destination"))
    for number, units in enumerate(matches.kinds):
        mine = matches.number[rows] == number
        for side in sides if mine.any() else ():
            within = None if each.addresses is None else units.within(side, each.addresses, ports=False)
            result[mine] |= True if within is None else within[matches.unit[rows[mine]]]
    return result
