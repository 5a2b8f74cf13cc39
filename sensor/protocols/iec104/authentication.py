"""ASDUs of secure authentication (IEC TS 60870-5-7): no information objects, but an octet that counts segments, and in the first one the numbers below.

What is behind them (challenges, keys, authentication codes) and later segments stay bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sensor.columns import Array, Ints, read
from sensor.events.field import coded
from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.iec104 import types
from sensor.protocols.iec104.types import TypeId
from sensor.protocols.iec62351 import named

T = TypeId
#      0
#      +-------------------+----
#      | FIN  FIR  segment | numbers, then what has the sizes that they tell
#      +-------------------+----
FIN, FIR, SEGMENT = 0x80, 0x40, 0x3F
BY_USER: list[tuple[str, str]] = [("sequence", "<u4"), ("user", "<u2")]
LAYOUTS: dict[TypeId, np.dtype[Any]] = {
    one: np.dtype(names)
    for one, names in {
        T.S_CH_NA_1: [*BY_USER, ("mac_algorithm", "u1"), ("reason", "u1"), ("challenge_size", "<u2")],
        T.S_RP_NA_1: [*BY_USER, ("mac_size", "<u2")],
        T.S_AR_NA_1: [("asdu_type", "u1")],  # aggressive mode: a whole ASDU, then sequence, user and authentication code
        T.S_KR_NA_1: [("user", "<u2")],
        T.S_KS_NA_1: [*BY_USER, ("key_wrap_algorithm", "u1"), ("key_status", "u1"), ("mac_algorithm", "u1"), ("challenge_size", "<u2")],
        T.S_KC_NA_1: [*BY_USER, ("key_size", "<u2")],
        T.S_ER_NA_1: [("sequence", "<u4"), ("key_change_sequence", "<u4"), ("user", "<u2"), ("association", "<u2"), ("error_code", "u1")],
        T.S_US_NA_1: [
            ("key_change_method", "u1"), ("operation", "u1"), ("sequence", "<u4"), ("user_role", "<u2"), ("user_role_expiry", "<u2"), ("user_name_size", "<u2"),
            ("public_key_size", "<u2"), ("certification_size", "<u2"),
        ],
        T.S_UQ_NA_1: [("key_change_method", "u1"), ("user_name_size", "<u2"), ("challenge_size", "<u2")],
        T.S_UR_NA_1: [*BY_USER, ("challenge_size", "<u2")],
        T.S_UK_NA_1: [*BY_USER, ("key_size", "<u2")],
        T.S_UA_NA_1: [*BY_USER, ("key_size", "<u2")],
        T.S_UC_NA_1: [],
    }.items()
}  # fmt: skip
WHOLE = (T.S_KR_NA_1,)  # short enough to have no segments


def decode(table: Table, rows: Ints, type_id: Array, at: Ints) -> None:
    """One by one: they are rare."""
    mine = np.isin(type_id, list(LAYOUTS))
    for row, code, begin in zip(rows[mine].tolist(), type_id[mine].tolist(), at[mine].tolist(), strict=True):
        _asdu(table, row, types.BY_NUMBER[code], begin, int(table.pdus.end[row]))


def _asdu(table: Table, row: int, type_id: TypeId, at: int, end: int) -> None:
    data, said, layout = table.pdus.data, dict[str, Any](), LAYOUTS[type_id]
    is_first = True
    if type_id not in WHOLE:
        if at >= end:
            table.flag(row, Anomaly.TRUNCATED)
            return
        octet = int(data[at])
        at, is_first = at + 1, bool(octet & FIR)
        said = {"is_first": is_first, "is_last": bool(octet & FIN), "segment": octet & SEGMENT}
    if is_first and at + layout.itemsize > end:
        table.flag(row, Anomaly.TRUNCATED)
    elif is_first and layout.names:
        record = read(data, np.array([at]), layout)[0]
        said |= named(dict(zip(layout.names, record.tolist(), strict=True)))
        name_at = at + layout.itemsize
        if "asdu_type" in said:
            said["asdu_type"] = coded(TypeId, said["asdu_type"])
        if "user_name_size" in said:
            said["user_name"] = data[name_at : min(name_at + said["user_name_size"], end)].tobytes().decode("utf-8", "replace")
    table.failed[row] |= type_id == T.S_ER_NA_1
    table.object("authentication", row, said)
