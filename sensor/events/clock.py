"""Times as documents and pages say them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(1 << 12)
def _second(seconds: int) -> str:
    when = EPOCH + timedelta(seconds=seconds)
    return f"{when.year:04}-{when.month:02}-{when.day:02}T{when.hour:02}:{when.minute:02}:{when.second:02}"


def time_text(ts_ns: int) -> str:
    """Nanoseconds since 1970 (UTC, any int64) as RFC 3339 has them, with all nine digits."""
    seconds, ns = divmod(int(ts_ns), 1_000_000_000)
    return f"{_second(seconds)}.{ns:09}Z"
