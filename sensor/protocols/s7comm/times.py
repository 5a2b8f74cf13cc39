"""DATE_AND_TIME: year, month, day, hour, minute, second, milliseconds in three digits and the weekday in one, all BCD."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read(content: bytes) -> datetime | None:
    """None where it is no date. Years 90 to 99 are of the last century."""
    digits = content[:8].hex()
    if len(digits) < 16 or not digits.isdigit():
        return None
    year, month, day, hour, minute, second = (int(digits[at : at + 2]) for at in range(0, 12, 2))
    try:
        return datetime(year + (1900 if year >= 90 else 2000), month, day, hour, minute, second, int(digits[12:15]) * 1000, UTC)
    except ValueError:
        return None


def text(content: bytes) -> str:
    """As ISO 8601 without a zone: controllers do not say theirs. The bytes where they are no date."""
    time = read(content)
    return content.hex() if time is None else time.isoformat(timespec="milliseconds").removesuffix("+00:00")


def put(table: Table, row: int, content: bytes) -> None:
    """The clock of a controller."""
    time = read(content)
    if time is None:
        table.flag(row, Anomaly.TRUNCATED if len(content) < 8 else Anomaly.BAD_VALUE)
    else:
        table.set("device_time", row, (time - EPOCH) // timedelta(microseconds=1) * 1000)
