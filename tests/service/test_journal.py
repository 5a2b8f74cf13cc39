"""What the log says: troubles when they begin, grow and end, health now and then; with fields where journald listens."""

from __future__ import annotations

import copy
import logging
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.service.journal import Journald, Told, is_journald, log, tell_health
from tests.service.status import STATUS


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[socket.socket]:
    """Where journald would listen, with our log going there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.settimeout(5)
        handler, before, level = Journald(str(tmp_path / "socket")), log.handlers[:], log.level
        log.handlers[:] = [handler]
        log.setLevel(logging.INFO)
        yield listening
        log.handlers[:] = before
        log.setLevel(level)
        handler.close()


def received(listening: socket.socket) -> dict[str, str]:
    """The fields of one entry: name, length, content."""
    content, found = listening.recv(1 << 16), {}
    while content:
        name, _, rest = content.partition(b"\n")
        (length,) = struct.unpack_from("<Q", rest)
        assert rest[8 + length : 9 + length] == b"\n"
        found[name.decode()], content = rest[8 : 8 + length].decode(), rest[9 + length :]
    return found


def test_an_entry_has_fields(journald: socket.socket) -> None:
    fields = {"event": "trouble", "n": 7}
    record = log.makeRecord("tapsight", logging.WARNING, "", 0, "two\nlines: %s", ("\ud800",), None, extra={"fields": fields})
    log.handlers[0].emit(record)  # by no way on which pytest keeps it: its processes cannot hand on what no encoding knows
    found = received(journald)
    assert found == {"MESSAGE": "two\nlines: ?", "PRIORITY": "4", "SYSLOG_IDENTIFIER": "tapsight", "TAPSIGHT_EVENT": "trouble", "TAPSIGHT_N": "7"}


def test_without_journald_it_is_a_line_with_its_priority(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handler = Journald(str(tmp_path / "nobody"))
    handler.emit(logging.LogRecord("tapsight", logging.ERROR, "", 0, "one\ntwo", None, None))
    handler.close()
    assert capsys.readouterr().err == "<3>one\n<3>two\n"


def test_journald_is_known_by_the_file_that_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "log").open("wb") as file:
        status = os.fstat(file.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        assert is_journald(file.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino + 1}")  # of whoever started us, and our output went elsewhere
        assert not is_journald(file.fileno())


def test_health_is_a_line_with_numbers(journald: socket.socket) -> None:
    tell_health(STATUS)
    found = received(journald)
    assert found["MESSAGE"] == (
        "health: packets=600 packets_per_second=45.0 dropped=12 ring_fill=0.01 lag_ms=2500 batch_ms=106.2 batch_ms_p99=128.5 shed=7 alerts=3 waiting=5 "
        "memory_bytes=200355840 rules_evaluated=435 rules_failed=1 rules_skipped=2"
    )
    assert (found["PRIORITY"], found["TAPSIGHT_EVENT"], found["TAPSIGHT_DROPPED"]) == ("6", "health", "12")


def test_a_trouble_is_told_when_it_begins_when_it_grew_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tapsight")
    fine = copy.deepcopy(STATUS)
    del (
        fine["sources"]["taps"]['up"l\\ink\n'],
        fine["sources"]["sources"]["/captures"],
        fine["spool"]["total"]["dropped"],
        fine["spool"]["total"]["dead_letter"],
    )
    fine["engine"] |= {"lag_ms": 0, "shed": {}, "reload_problem": ""}
    fine["detection"]["rules"] |= {"failed": 0, "skipped": 0}
    fine["spool"]["happened"], fine["delivery"]["elasticsearch"]["trouble"], fine["ledger"]["imbalance"] = {}, {}, []
    told = Told()

    def said(now_s: float) -> list[tuple[str, str]]:
        caplog.clear()
        told.tell(fine, now_s)
        return [(record.levelname, record.getMessage()) for record in caplog.records]

    assert said(0) == []
    fine["delivery"]["elasticsearch"]["trouble"] = {"event": "connection refused"}
    fine["sources"]["taps"]["line-3"] = fine["sources"]["taps"]["line-3"] | {"dropped": 12}
    dropped = "tap line-3: the kernel dropped {} packets as the ring was full"
    assert said(10) == [("WARNING", dropped.format(12)), ("WARNING", "elasticsearch: connection refused")]
    assert said(20) == []
    fine["sources"]["taps"]["line-3"]["dropped"] = 13
    assert said(30) == []
    fine["delivery"]["elasticsearch"]["trouble"] = {}
    assert said(75) == [("WARNING", dropped.format(13)), ("INFO", "over: elasticsearch: connection refused")]
    assert said(200) == []
