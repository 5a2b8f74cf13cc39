"""What systemd is told: that we are ready, alive, reloading, stopping (sd_notify(3))."""

from __future__ import annotations

import os
import socket


def notify(*states: str) -> bool:
    """Send states (READY=1, WATCHDOG=1, STATUS=...) to the service manager; False where there is none."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place:
        return False
    address = "\0" + place[1:] if place.startswith("@") else place
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.sendto("\n".join(states).encode(), address)
    except OSError:
        return False
    return True


def is_looked_after() -> bool:
    """Whether a service manager starts us again when we end."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def watchdog_s() -> float:
    """How often the service manager wants to hear from us, halved as it advises; 0: never."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    return int(os.environ.get("WATCHDOG_USEC", "0")) / 2_000_000
