"""Suricata's keywords about CIP that no single field answers: what a request's path names, and the revision of an identity. Suricata 8 user guide, "ENIP/CIP Keywords".

Only requests have a path: our fields of a response repeat its request's, and would be told of twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from detectors.signature.numbers import any_of, of_groups
from detectors.signature.rule import Several
from sensor.columns import Array, Ints, Mask, ragged
from sensor.events.table import Lists, Table

# The fields that hold what a path names, in its order; behind them attributes that a service lists.
PATH = {
    "enip.cip_class": ("parent_class_id", "class_id"),
    "enip.cip_instance": ("parent_instance_id", "instance_id"),
    "enip.cip_attribute": ("attribute_id", "attributes"),
}
KEYWORDS = (*PATH, "enip.revision")


def mask(keyword: str, asked: Any, table: Table) -> Mask:
    """Events that meet a keyword; of several numbers with an index, those whose PDU does: all that its services name."""
    if keyword == "enip.revision":
        revision = table.number("major_revision").astype(np.int64) << 8 | table.number("minor_revision")
        return np.asarray(table.has("major_revision") & any_of(asked, revision), np.bool_)
    found = list(_named(PATH[keyword], table))
    rows, numbers = np.concatenate([rows for rows, _ in found]), np.concatenate([numbers for _, numbers in found])
    if not isinstance(asked, Several):
        result = np.zeros(len(table), np.bool_)
        result[rows[any_of(asked, numbers)]] = True
        return result
    place = np.empty(len(table), np.int64)
    place[np.argsort(table.pdu, kind="stable")] = np.arange(len(table))
    order = np.argsort(place[rows], kind="stable")
    return of_groups(asked, table.pdu[rows[order]], len(table.pdus), numbers[order])[table.pdu] & ~table.is_response


def _named(fields: tuple[str, ...], table: Table) -> Iterator[tuple[Ints, Array]]:
    """Of each field the requests that have it, and its numbers, int64."""
    yield np.zeros(0, np.int64), np.zeros(0, np.int64)
    for name in fields:
        rows = np.flatnonzero(table.has(name) & ~table.is_response)
        column = table.columns.get(name)
        if isinstance(column, np.ndarray):
            yield rows, column[rows].astype(np.int64)
        elif isinstance(column, Lists):
            start, count, content = column.flat()
            item, index = ragged(count[rows])
            yield rows[item], content[start[rows][item] + index].astype(np.int64)


def service(text: str, table: Table) -> Mask:
    """service[,class[,attribute]]: of requests and responses, with a class of requests."""
    number, *named = (int(part) for part in text.split(","))
    result = table.has("service") & (table.number("service") == number)
    for keyword, part in zip(("enip.cip_class", "enip.cip_attribute"), named, strict=False):
        rows = np.concatenate([rows[numbers == part] for rows, numbers in _named(PATH[keyword], table)])
        result &= np.isin(np.arange(len(table)), rows)
    return np.asarray(result, np.bool_)
