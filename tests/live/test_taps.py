"""Rings on virtual cables: what a tap gives is what was sent, and an analysis of it says what an analysis of the same packets in a file says."""

from __future__ import annotations

import ctypes.util
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.replay import Replay
from sensor.capture import open_source, read_capture
from sensor.channel import CONTEXT
from sensor.columns import Batch, Heard
from sensor.live import Share, Size, Tap, interface, listener
from sensor.live.taps import Taps
from sensor.pipeline import Pipeline
from tests import make
from tests.live.network import ANSWER, READ, A, B, Listen, Network, file_of, frames, gathered, talk
from tests.results import differences, results

ROOT = Path(__file__).parents[2]
CAPTURES = ROOT / "../shared/captures"
REAL = ("modbus/modbusBig.pcap", "s7comm/s7comm_varservice_libnodavedemo_bench.pcap", "dnp3/dnp3.pcap", "iec104/*.pcap", "enip/cip*.pcap")


def tagged(frame: bytes, *tags: str) -> bytes:
    return frame[:12] + bytes.fromhex("".join(tags)) + frame[12:]


def same_as_offline(batches: list[Batch], path: Path) -> list[str]:
    """Where an analysis of these batches differs from one of a file with the same packets: a file has no taps that documents could name."""
    source, offline = open_source(str(file_of(batches, path)))
    live = batches[0].source
    source.name, live = live.name, replace(live, interfaces=[live.name] * len(live.interfaces), taps=[], zone="")
    return differences(results([replace(batch, source=live) for batch in batches]), results(offline))


@pytest.mark.parametrize("pattern", REAL)
def test_live_says_what_offline_says(network: Network, listen: Listen, tmp_path: Path, pattern: str) -> None:
    paths = sorted(CAPTURES.glob(pattern))
    if not paths:
        pytest.skip("the captures are not there")
    network.cable(mtu=65000)
    for path in paths[:6]:
        tap = listen([Tap("tap")])
        sent = [batch for batch in read_capture(str(path)) if len(batch)]
        sent = [batch for batch in sent if (batch.captured >= 14).all() and (batch.link_type == 1).all()]
        if not sent:
            continue
        with Replay("plant", sent) as replay:
            replay.send()
        got = gathered(tap, sum(map(len, sent)))
        assert frames(got) == frames(sent), path
        assert same_as_offline(got, tmp_path / "live.pcapng") == [], path


def test_at_the_speed_of_the_plant(network: Network, listen: Listen, tmp_path: Path) -> None:
    network.cable()
    tap = listen([Tap("tap", site="north", zone="cell 3", tap="ring")])
    sent = list(make.batches([(1_700_000_000_000_000_000 + place * 10_000_000, frame) for place, frame in enumerate(talk(30))]))
    with Replay("plant", sent) as replay:
        speaking = threading.Thread(target=replay.send_as_captured)
        speaking.start()
        got = gathered(tap, 60)
        speaking.join()
    assert len(got) > 2  # a batch closes long before all has come
    assert got[0].source.interfaces == ["north/cell 3/ring"]
    assert frames(got) == frames(sent)
    assert np.concatenate([batch.frame for batch in got]).tolist() == list(range(1, 61))
    assert same_as_offline(got, tmp_path / "live.pcapng") == []


def test_vlan_tags_are_there(network: Network, listen: Listen, tmp_path: Path) -> None:
    network.cable(mtu=1508)
    tap = listen([Tap("tap")])
    plain = talk(20)
    sent = [
        [frame, tagged(frame, "81000005"), tagged(frame, "88a80007", "8100a005"), tagged(frame, "8100e000")][place // 2 % 4]
        for place, frame in enumerate(plain)
    ]
    network.send(sent)
    got = gathered(tap, len(sent))
    assert frames(got) == sent
    assert same_as_offline(got, tmp_path / "live.pcapng") == []


def test_jumbo_frames_are_whole(network: Network, listen: Listen) -> None:
    network.cable(mtu=9000)
    tap = listen([Tap("tap")])
    sent = [make.udp(A, B, bytes(8900)), make.udp(A, B, b"short")]
    network.send(sent)
    got = gathered(tap, 2)
    assert frames(got) == sent
    assert (got[0].captured == got[0].length).all()
    assert tap.report()["taps"]["tap"]["merged"] == 0


def test_merged_packets_are_counted_and_say_the_same(network: Network, listen: Listen) -> None:
    """A real connection between two interfaces, with and without offloads that make one packet of several."""
    network.cable()
    other = f"{network.name}-b"
    network.ip(f"netns add {other}")
    try:
        network.ip(f"link set tap netns {other}")
        network.ip("address add 10.9.0.1/24 dev plant")
        network.ip(f"-n {other} address add 10.9.0.2/24 dev tap")
        network.ip(f"-n {other} link set tap up")
        answered: dict[bool, int] = {}
        merged: dict[bool, int] = {}
        for offload in (True, False):
            interface.set_features("plant", dict.fromkeys(OFFLOADS, offload))
            assert interface.merging("plant") == (["rx-gro"] if offload else [])
            tap = listen([Tap("plant")])
            server = subprocess.Popen(["ip", "netns", "exec", other, sys.executable, "-c", SERVER, str(int(offload))], stdout=subprocess.PIPE)
            assert server.stdout
            server.stdout.readline()
            with socket.create_connection(("10.9.0.2", 502), 10) as client:
                client.sendall(READ * 2000)
                client.shutdown(socket.SHUT_WR)
                while client.recv(1 << 16):
                    pass
            server.communicate()
            got = gathered(tap, 1 << 30, 1)
            merged[offload] = tap.report()["taps"]["plant"]["merged"]
            answered[offload] = sum(int(seen.tables["modbus"].is_new.sum()) for seen in Pipeline().run(got) if "modbus" in seen.tables)
        assert merged[True] > 0
        assert merged[False] == 0
        assert answered == {True: 4000, False: 4000}
    finally:
        network.ip(f"netns del {other}")


OFFLOADS = ("tx-tcp-segmentation", "tx-generic-segmentation", "rx-gro")
SERVER = f"""
import socket, sys
from sensor.live import interface
interface.set_features("tap", dict.fromkeys({OFFLOADS}, sys.argv[1] == "1"))
with socket.create_server(("10.9.0.2", 502)) as listening:
    print("ready", flush=True)
    with listening.accept()[0] as one:
        seen = 0
        while more := one.recv(1 << 16):
            before, seen = seen // 12, seen + len(more)
            one.sendall(bytes.fromhex("{ANSWER.hex()}") * (seen // 12 - before))
"""


def test_a_link_goes_down_and_up(network: Network, listen: Listen) -> None:
    network.cable()
    tap = listen([Tap("tap")])
    network.send(talk(1))
    assert len(frames(gathered(tap, 2))) == 2
    network.ip("link set tap down")
    assert gathered(tap, 1, 1.2) == []
    assert tap.report()["taps"]["tap"]["state"] == "down"
    network.ip("link set tap up")
    network.send(talk(1))
    assert len(frames(gathered(tap, 2))) == 2
    tap.check()
    assert tap.report()["taps"]["tap"] | {"state": "up", "downs": 1} == tap.report()["taps"]["tap"]
    network.ip("link set plant down")
    until = time.monotonic() + 10  # the kernel takes its time to tell (linkwatch)
    while tap.report()["taps"]["tap"]["state"] == "up" and time.monotonic() < until:
        tap.check()
    assert tap.report()["taps"]["tap"]["state"] == "no_carrier"
    assert [problem.message for problem in tap.source.problems][:1] == ["tap: down"]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interface_disappears_and_comes_back_when_rights_are_gone(network: Network, listen: Listen, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    network.cable()
    tap = listen([Tap("tap")], Share(workers, 7))

    def refused() -> Any:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(listener, "packet_socket", refused)
    for round_ in range(listener.SPARE):
        network.send(talk(1))
        assert len(frames(gathered(tap, 2))) == 2
        network.ip("link del tap")
        assert gathered(tap, 1, 0.2) == []
        tap.check()
        assert tap.report()["taps"]["tap"]["state"] == "gone"
        network.cable()
        tap.check()
        assert tap.report()["taps"]["tap"] | {"state": "up", "reopened": round_ + 1} == tap.report()["taps"]["tap"]
    network.ip("link del tap")
    network.cable()
    tap.check()
    assert "cannot be opened" in tap.source.problems[-1].message


def test_an_interface_that_is_not_there_yet_is_waited_for(network: Network, listen: Listen) -> None:
    tap = listen([Tap("tap")])
    assert tap.report()["taps"]["tap"]["state"] == "gone"
    assert tap.read(0) is None
    network.cable()
    tap.check()
    network.send(talk(1))
    assert len(frames(gathered(tap, 2))) == 2


def test_filters(network: Network, listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    network.cable()
    modbus, other = talk(3), [make.udp(("10.0.0.1", 9), ("10.0.0.3", 53), b"x")]
    sent = modbus + other + [tagged(frame, "81000005") for frame in modbus] + [tagged(frame, "81000006") for frame in modbus]
    for expression, expected in (
        ("udp", other), ("tcp port 502", sent[:6] + sent[7:]), ("vlan 5 and tcp", sent[7:13]), ("less 0", []), ("", sent),
    ):  # fmt: skip
        tap = listen([Tap("tap", filter=expression)])
        network.send(sent)
        assert frames(gathered(tap, len(expected), 3)) == expected, expression
    with pytest.raises(ValueError, match=r"filter 'tcp prot 5': .*syntax error"):
        listen([Tap("tap", filter="tcp prot 5")])
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: None)
    with pytest.raises(ValueError, match="needs libpcap"):
        listen([Tap("tap", filter="tcp")])


def test_workers_share_the_packets_by_pairs_of_hosts(network: Network, listen: Listen) -> None:
    network.cable()
    both = [listen([Tap("tap")], Share(2, 99)) for _ in range(2)]
    pairs = [(f"10.0.{place}.1", f"10.0.{place}.2") for place in range(40)]
    sent, owner = [], []
    for number, (one, other) in enumerate(pairs):
        whole = make.udp((one, 7), (other, 7), bytes(64))
        fragments = [whole[:20] + b"\x20\x00" + whole[22:58], whole[:20] + b"\x00\x03" + whole[22:34] + whole[58:]]
        flow = [make.tcp((one, 1), (other, 502), 1, READ), make.tcp((other, 502), (one, 1), 1, ANSWER), whole, *fragments]
        flow += [tagged(flow[0], "81000005"), tagged(flow[1], "88a80007", "81000005")]
        sent += flow
        owner += [number] * len(flow)
    arp = make.ethernet(b"\0\1\x08\0\6\4\0\1" + bytes(20), 0x0806)
    six = [make.ethernet(b"\x60" + bytes(5) + b"\x3b\x40" + a + b, 0x86DD) for a, b in ((b"a" * 16, b"b" * 16), (b"b" * 16, b"a" * 16))]
    goose = [make.ethernet(b"goose", 0x88B8, f"0200000000{number:02x}", "010ccd010001") for number in range(8)]
    network.send([*sent, arp, *six, *goose])
    got = [frames(gathered(each, 1 << 30, 1)) for each in both]
    assert sorted(got[0] + got[1]) == sorted([*sent, arp, *six, *goose])
    workers = [{number for frame, number in zip(sent, owner, strict=True) if frame in one} for one in map(set, got)]
    assert workers[0] | workers[1] == set(range(40))
    assert workers[0] & workers[1] == set()
    assert min(map(len, workers)) > 5
    assert arp in got[0]
    assert len([frame for frame in six if frame in got[0]]) in (0, 2)


def test_what_the_kernel_drops_is_counted(network: Network, listen: Listen) -> None:
    network.cable()
    tap = listen([Tap("tap")], size=Size(1 << 16, 2, 50))
    sent = list(make.batches(talk(3000)))
    with Replay("plant", sent) as replay:
        replay.send()
    report = tap.report()["taps"]["tap"]
    assert report["dropped"] > 0
    assert report["frozen"] > 0
    assert report["fill"] == 1.0
    got = gathered(tap, 1 << 30, 1)
    report = tap.report()["taps"]["tap"]
    assert report["packets"] + report["dropped"] == 6000
    assert frames(got) == frames(sent)[: report["packets"]]
    assert report["fill"] == 0.0


def test_both_directions_of_a_link_come_in_order(network: Network, listen: Listen, tmp_path: Path) -> None:
    network.cable("plant", "tap")
    network.cable("plant2", "tap2")
    tap = listen([Tap("tap", tap="out"), Tap("tap2", tap="back")])
    sent = talk(100)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as one, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as other:
        one.bind(("plant", 0))
        other.bind(("plant2", 0))
        for place, frame in enumerate(sent):
            (one, other)[place % 2].send(frame)
    got = gathered(tap, len(sent))
    assert frames(got) == sent
    assert np.concatenate([batch.interface for batch in got]).tolist() == [0, 1] * 100
    assert got[0].source.interfaces == ["out", "back"]
    assert same_as_offline(got, tmp_path / "live.pcapng") == []


def test_others_read_on_where_one_left(network: Network, listen: Listen) -> None:
    """Again and again, round a small ring, whether packets wait in it or not: each once, in their order; the tap that is gone is heard no more."""
    network.cable()
    network.cable("other", "gone")
    size, sent = Size(block=1 << 14, blocks=4, retire_ms=10), talk(600)
    taps = listen([Tap("tap"), Tap("gone")], size=size)
    got: list[bytes] = []
    for turn in range(40):
        network.send(sent[turn * 30 : (turn + 1) * 30])
        if turn % 3:
            until = time.monotonic() + 20
            while len(got) < (turn + 1) * 30 and time.monotonic() < until:
                if (batch := taps.read(0.1)) is not None:
                    got += frames([batch])
        if (batch := taps.rest()) is not None:
            got += frames([batch])
        left = taps.leave()
        taps = listen([Tap("tap", zone=f"cell {turn}")], size=size, left=left)
        for each in left:
            if each not in taps.listeners:
                each.end()
        assert taps.source.taps == [Heard(f"cell {turn}", f"cell {turn}", "tap")]
    got += frames(gathered(taps, len(sent) - len(got)))
    assert got == sent
    assert taps.report()["dropped"] == 0


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("workers", [1, 2])
def test_others_read_on_what_a_worker_had_opened_anew(network: Network, listen: Listen, monkeypatch: pytest.MonkeyPatch, times: int, workers: int) -> None:
    """Of the sockets that a worker took when the interface came back another process knows what the kernel says of them."""
    network.cable()
    tap = listen([Tap("tap")], Share(workers, 7))

    def refused() -> Any:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(listener, "packet_socket", refused)

    def work() -> None:
        for _ in range(times):
            network.ip("link del tap")
            gathered(tap, 1, 0.2)
            tap.check()
            network.cable()
            tap.check()
        network.send(talk(1))

    worker = CONTEXT.Process(target=work)
    worker.start()
    left = tap.leave()
    worker.join(30)
    assert worker.exitcode == 0
    again = listen([Tap("tap", zone="cell 1")], Share(workers, 7), left=left)
    network.send(talk(2))
    assert frames(gathered(again, 6)) == talk(1) + talk(2)
    assert len(again.listeners[0].spare) == listener.SPARE - times
    assert again.report()["taps"]["cell 1"]["state"] == "up"
    assert not again.source.problems


def test_an_interface_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="named twice"):
        Taps([Tap("tap"), Tap("tap")])


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ('drop_privileges("nobody")', "10 refused 0"),
        ("drop_privileges(root=True)", "10 refused 0"),
        ("keep_one(); drop_privileges()", "10 refused 0"),
        ("drop_privileges()", "refuses to run as root"),
        ('drop_privileges("root")', "root is root"),
        ("threading.Thread(target=time.sleep, args=(5,), daemon=True).start(); drop_privileges(root=True)", "1 threads keep capabilities"),
    ],
)
def test_rights_are_given_up(network: Network, how: str, expected: str) -> None:
    """The ring still works, and no packet socket can be made any more."""
    network.cable()
    environment = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", DROPPED + how + READS], capture_output=True, text=True, check=False, env=environment)
    assert expected in (done.stdout + done.stderr).splitlines()[-1], done


DROPPED = """
import ctypes, os, sys, threading, time
from sensor.live import Tap, open_live, drop_privileges
from sensor.live.privileges import CAP_NET_RAW, VERSION_3, capabilities
from tests.live.network import Network, talk
live = open_live([Tap("tap")])
Network.send(talk(5))
def keep_one():
    libc = ctypes.CDLL(None)
    libc.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
    os.setuid(65534)
    right = 1 << CAP_NET_RAW
    assert libc.capset((ctypes.c_uint32 * 2)(VERSION_3, 0), (ctypes.c_uint32 * 6)(right, right)) == 0
    assert capabilities() == right
"""
READS = """
packets = 0
while batch := live.read(0.5):
    packets += len(batch)
try:
    Network.send([])
except PermissionError:
    print(packets, "refused", capabilities())
"""


def test_without_rights_it_says_which(network: Network) -> None:
    script = "import os\nfrom sensor.live import Tap, open_live\nos.setuid(65534)\nopen_live([Tap('tap')])"
    unable = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)})
    assert "needs CAP_NET_RAW" in unable.stderr.splitlines()[-1]


def test_a_clock_that_is_set_back_stops_nothing(network: Network, listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    network.cable("plant", "tap")
    network.cable("plant2", "tap2")
    both, real = listen([Tap("tap"), Tap("tap2")]), time.time_ns
    monkeypatch.setattr("sensor.live.taps.time.time_ns", lambda: real() - 3_600_000_000_000)
    network.send(talk(3))
    assert frames(gathered(both, 6)) == talk(3)


def test_blocks_gather_for_a_reader_who_keeps_up(network: Network, listen: Listen) -> None:
    """Each batch costs something: what comes meanwhile is one batch, and none of it is lost."""
    network.cable()
    tap = listen([Tap("tap")], size=Size(block=1 << 14, blocks=64, retire_ms=10, pace_ms=400))
    for frame in talk(5):
        network.send([frame])
        time.sleep(0.05)
    first = tap.read(5)
    assert first is not None
    assert tap.read(0.01) is None  # not due, whatever there is
    network.send(talk(5))
    time.sleep(0.05)
    network.send(talk(5))
    second = tap.read(5)
    assert second is not None
    assert (len(first), len(second)) == (10, 20)
    assert tap.report()["taps"]["tap"]["lag_ms"] >= 300
