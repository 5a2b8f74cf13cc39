"""A status as the service tells it, with something wrong in every part."""

from __future__ import annotations

from typing import Any

TAP = {
    "interface": "eth1",
    "state": "up",
    "packets": 600,
    "bytes": 39_900,
    "dropped": 0,
    "frozen": 0,
    "merged": 0,
    "reopened": 0,
    "downs": 0,
    "fill": 0.01,
    "lag_ms": 2.4,
}
COUNTS = {"produced": 600, "delivered": 580, "duplicate": 10, "dead_letter": 1, "passed_over": 0, "dropped": {"quota": 4}, "waiting": 5}
STATUS: dict[str, Any] = {
    "sensor": "press-shop", "site": "suzhou-2", "version": "0.1.0", "profile": "acts", "started": 1_700_000_000.0, "listening": "line-3, uplink",
    "engine": {
        "uptime_s": 93_784, "packets": 600, "bytes": 39_900, "batches": 123, "alerts": 3, "lag_ms": 2_500, "batch_ms": {"median": 106.2, "p99": 128.5},
        "memory": {"resident_bytes": 200_355_840, "peak_bytes": 200_355_840}, "cpu_s": 2.985, "reloads": {"done": 1, "failed": 1}, "reload_problem": "no such file",
        "shed": {"points": 7}, "forgotten": {"points": 0, "repeated reads": 2},
    },
    "sources": {
        "taps": {"line-3": TAP, 'up"l\\ink\n': TAP | {"state": "no_carrier", "packets": 0, "bytes": 0, "dropped": 12, "frozen": 1, "lag_ms": 0.0}},
        "dropped": 12, "lag_ms": 2.4, "waiting": 0, "sources": {"/captures": {"files": 3, "waiting": 1, "problems": ["x.pcap: cut short"], "failed": "it is gone"}},
    },
    "spool": {
        "lanes": {"alert": {"octets": 0, "segments": 0, "appended": {"alert": 3}}, "event": {"octets": 723_973, "segments": 1, "appended": {"modbus": 600}}},
        "refused": {"modbus": {"too large": 2}}, "consumers": {"elasticsearch": {"datasets": {"modbus": COUNTS}, "damaged": 0, "keeps": True}},
        "total": {"produced": 600, "delivered": 580, "duplicate": 10, "dead_letter": 1, "passed_over": 0, "dropped": 4, "waiting": 5},
        "happened": {"segments damaged": 1}, "quarantined": [], "reserve": 1 << 24,
    },
    "delivery": {
        "elasticsearch": {
            "destination": "elasticsearch", "delivered": {"modbus": 580}, "duplicate": {"modbus": 10}, "passed_over": {}, "dead_letter": {"modbus": {"mapping": 1}},
            "retried": {"modbus": 20}, "notes": {}, "trouble": {"event": "connection refused", "flow": "connection refused"}, "is_alarm": True, "last_success": 1_700_000_100.5, "requests": 9,
        },
    },
    "rates": {"seconds": 12.0, "engine": {"packets": 45.0, "bytes": 2_987.5}, "taps": {"line-3": {"packets": 45.0, "bytes": 12_345.0, "dropped": 0.0}}},
    "detection": {"alerts": {"high": 2, "low": 1}, "rules": {"evaluated": 435, "failed": 1, "skipped": 2, "gave_up_steps": 0, "gave_up_regexes": 0}},
    "ledger": {"imbalance": ["7 packets, but 6 outcomes"], "worst": [{"what": ["payload bytes", "unrecognised"], "count": 1_234, "share": 0.1234}]},
}  # fmt: skip
