"""Captures over TCP and through pipes, on this host only."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from sensor.live import Live, Pipe, Remote, open_live, remote
from tests import make
from tests.live.network import file_of, frames, talk


@pytest.fixture
def listening() -> socket.socket:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


def received(live: Live, packets: int) -> list[bytes]:
    found: list[bytes] = []
    until = time.monotonic() + 20
    while len(found) < packets and time.monotonic() < until:
        if (batch := live.read(0.1)) is not None:
            found += frames([batch])
    return found


def test_over_tcp_and_again_after_the_connection_was_lost(tmp_path: Path, listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSES_S", (0.01, 0.02))
    sent = talk(20)
    content = file_of(list(make.batches(sent)), tmp_path / "a.pcapng").read_bytes()
    source = Remote("127.0.0.1", listening.getsockname()[1], 0.05)
    live = open_live(source)
    assert live.read(0) is None  # begins
    for round_, cut in enumerate((0, 30, 0)):
        one, _ = listening.accept()
        with one:
            for begin in range(0, len(content) - cut, 700):  # in pieces that cut packets
                one.sendall(content[begin : min(begin + 700, len(content) - cut)])
                time.sleep(0.001)
            expected = sent[:-1] if cut else sent
            assert received(live, len(expected)) == expected
            assert source.report() | {"connections": round_ + 1, "state": "connected"} == source.report()
    deadline = time.monotonic() + 10
    while source.report()["failures"] < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert source.report()["error"] == "the sender has closed the connection"
    live.close()
    assert source.report()["bytes"] == 3 * len(content) - 30


def test_what_is_no_capture_and_who_is_not_there(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSES_S", (0.01, 0.02))
    source = Remote("127.0.0.1", listening.getsockname()[1])
    live = open_live(source)
    live.read(0)
    with listening.accept()[0] as one:
        one.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    deadline = time.monotonic() + 10
    while "a pcap or pcapng file was expected" not in source.report()["error"] and time.monotonic() < deadline:
        live.read(0.05)
    assert "a pcap or pcapng file was expected" in source.report()["error"]
    listening.close()
    while "refused" not in source.report()["error"] and time.monotonic() < deadline:
        live.read(0.05)
    assert source.report() | {"state": "not connected", "error": "Connection refused"} == source.report()
    live.close()


def test_a_sender_that_is_faster_than_the_engine_waits(tmp_path: Path, listening: socket.socket) -> None:
    content = file_of(list(make.batches(talk(500) * 20)), tmp_path / "a.pcapng").read_bytes()
    header = content[: content.index(b"tap") + 1000]  # only to say what is a capture: what follows repeats whole records
    assert header
    source = Remote("127.0.0.1", listening.getsockname()[1], 0.01)
    live = open_live(source)
    live.read(0)
    one, _ = listening.accept()
    done = threading.Event()

    def pour() -> None:
        with one:
            for _ in range(50):  # 100 MB, several sections one behind the other
                one.sendall(content)
        done.set()

    speaking = threading.Thread(target=pour)
    speaking.start()
    assert not done.wait(1.0)  # nobody reads
    assert source.report()["bytes"] < 30 << 20
    packets = 0
    while packets < 50 * 20_000:
        batch = live.read(5)
        assert batch is not None
        packets += len(batch)
    speaking.join()
    live.close()


@pytest.mark.parametrize("writers", [1, 2])
def test_a_pipe_and_its_next_writer(tmp_path: Path, writers: int) -> None:
    os.mkfifo(tmp_path / "pipe")
    content = file_of(list(make.batches(talk(5))), tmp_path / "a.pcapng").read_bytes()
    source = Pipe(str(tmp_path / "pipe"), 0.01)
    live = open_live(source)
    live.read(0)
    for round_ in range(writers):
        with (tmp_path / "pipe").open("wb") as writer:
            writer.write(content)
        assert received(live, 10) == talk(5)
        assert source.report()["streams"] == round_ + 1
    live.close()


def test_what_is_no_pipe_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    live = open_live(Pipe(str(tmp_path / "file")))
    live.read(0.3)
    assert "is no pipe" in live.report()["sources"][str(tmp_path / "file")]["failed"]
    live.close()
