"""What systemd is told."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from sensor.service.notify import notify, watchdog_s


@pytest.mark.parametrize("abstract", [False, True])
def test_states_reach_the_manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    name = f"@tapsight-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        assert notify("READY=1", "STATUS=listening")
        assert manager.recv(100) == b"READY=1\nSTATUS=listening"


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "none"))
    assert not notify("READY=1")


def test_the_watchdog_is_fed_twice_as_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert watchdog_s() == 30
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert watchdog_s() == 0
