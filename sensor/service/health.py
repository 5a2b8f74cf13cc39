"""How the sensor is: counted as it works, told as a document."""

from __future__ import annotations

import resource
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sensor.events.seen import Seen
from sensor.sinks import findings
from sensor.sinks.ecs import quote

RECENT = 600  # batches over which times are told
LATE_NS = (2_000_000_000, 10_000_000_000)  # how late the engine may be before it sheds the first, and the second kind of work
FULL = (0.5, 0.75)  # and how full the fullest ring


@dataclass
class Health:
    """Counts of a run. packets, bytes: of all batches; lag_ns: how late the last batch was, against the time of the clock; alerts: told by now."""

    started: float = field(default_factory=time.time)
    packets: int = 0
    bytes: int = 0
    batches: int = 0
    alerts: int = 0
    lag_ns: int = 0
    clock_ns: int = 0
    times: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    began: float = field(default_factory=time.perf_counter)
    reloads: int = 0
    reloads_failed: int = 0
    reload_problem: str = ""  # of the last one

    def add(self, seen: Seen, alerts: int) -> None:
        """One batch, which is done by now."""
        now = time.perf_counter()
        self.times.append(now - self.began)
        self.began = now
        self.packets += seen.packets
        self.bytes += seen.bytes
        self.batches += 1
        self.alerts = alerts
        self.clock_ns = seen.clock_ns
        if seen.source.is_live:
            self.lag_ns = max(0, time.time_ns() - seen.clock_ns) if seen.packets else 0

    def reloaded(self, problem: Exception | None) -> None:
        """New rules are at work, or could not be read."""
        self.reload_problem = "" if problem is None else "; ".join(str(problem).splitlines())
        self.reloads += problem is None
        self.reloads_failed += problem is not None

    def report(self) -> dict[str, Any]:
        """Everything, as numbers."""
        times = sorted(self.times)
        middle, worst = (times[len(times) // 2], times[-1 - len(times) // 100]) if times else (0.0, 0.0)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "uptime_s": int(time.time() - self.started), "packets": self.packets, "bytes": self.bytes, "batches": self.batches, "alerts": self.alerts,
            "lag_ms": self.lag_ns // 1_000_000, "batch_ms": {"median": round(middle * 1000, 3), "p99": round(worst * 1000, 3)},
            "memory": {"resident_bytes": resident(), "peak_bytes": usage.ru_maxrss * 1024}, "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
            "reloads": {"done": self.reloads, "failed": self.reloads_failed}, "reload_problem": self.reload_problem,
        }  # fmt: skip


@dataclass
class Pressure:
    """Whether a measure (how late, how full) is beyond its limits, and stays there: a single slow batch, or a start that has to catch up, is no reason to shed."""

    limits: tuple[float, ...]
    level: int = 0  # of these limits
    before: float = 0.0

    def add(self, value: float) -> int:
        """After each batch: the level. It rises where two batches in turn are beyond a limit and the second is no better; it falls at once."""
        now, lasting = (sum(each > limit for limit in self.limits) for each in (value, min(value, self.before)))
        self.level = min(now, max(self.level, lasting if value >= self.before else 0))
        self.before = value
        return self.level


class Shedding:
    """How many kinds of work there is no time for (see Published.shed)."""

    def __init__(self) -> None:
        self.late, self.full = Pressure(LATE_NS), Pressure(FULL)

    def add(self, lag_ns: int, fill: float) -> int:
        """After each batch."""
        return max(self.late.add(lag_ns), self.full.add(fill))


def resident() -> int:
    """Bytes of memory in use (proc(5), statm)."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  # read every few seconds for months
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def health_line(report: Mapping[str, Any], now_ns: int, sensor: str, site: str = "") -> str:
    """The health document."""
    document = findings.base("health", f"health-{sensor}-{now_ns}", now_ns, sensor, site)
    document["event"] |= {"kind": "metric", "category": ["host"], "type": ["info"], "action": "report", "outcome": "success"}
    document["tapsight"] |= {"health": dict(report)}
    return quote(document)
