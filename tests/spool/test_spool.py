"""The spool's promises, one by one."""

from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

import sensor.spool
from sensor.events.record import Record
from sensor.spool import Consumer, Lane, Quotas, Spool
from sensor.spool.account import imbalance
from sensor.spool.files import Files
from sensor.spool.frames import MAGIC
from sensor.spool.index import path_of, segments
from sensor.spool.state import State
from sensor.spool.survey import Survey
from tests.spool.faults import Crash, Faulty, flip

SMALL = Quotas(alert=64 << 10, asset=64 << 10, flow=64 << 10, event=128 << 10, reserve=64 << 10, segment=16 << 10)
ROOT = Path(__file__).parents[2]


def some(n: int, first: int = 0, dataset: str = "modbus", size: int = 499) -> list[Record]:
    return [Record(dataset, f"id{i:06}", b"x" * size) for i in range(first, first + n)]


def drained(spool: Spool, name: str = "es", most: int = 20_000, into: list[str] | None = None) -> list[str]:
    """All that a consumer has not received, acknowledged."""
    ids: list[str] = [] if into is None else into
    for lane in Lane:
        while (chunk := spool.read(name, lane, most)) is not None:
            ids += [record.id for record in chunk.records]
            spool.acknowledge(name, lane, chunk.position)
    return ids


def counts(spool: Spool, dataset: str = "modbus", name: str = "es") -> dict[str, Any]:
    document = spool.report()
    assert imbalance(document) == {}
    found: dict[str, Any] = document["consumers"][name]["datasets"].get(dataset, {})
    return found


def killed(spool: Spool) -> None:
    """As the system leaves it: files as they are, nothing held open."""
    os.close(spool.lock)
    for reader in spool.readers.values():
        reader.close()


def test_in_order_across_segments_and_restarts(tmp_path: Path) -> None:
    expected, got = [], []
    for start in range(0, 200, 50):
        with Spool(tmp_path, SMALL, ("es",)) as spool:
            records = some(50, start)
            spool.append(Lane.EVENT, records)
            expected += [record.id for record in records]
            chunk = spool.read("es", Lane.EVENT, 5000)
            assert chunk is not None
            assert {len(record.document) for record in chunk.records} == {499}
            got += [record.id for record in chunk.records]
            spool.acknowledge(
                "es", Lane.EVENT, chunk.position, {"modbus": {"delivered": len(chunk.records) - 1, "duplicate": 1, "dead_letter": 0, "passed_over": 0}}
            )
    with Spool(tmp_path, SMALL, ("es",)) as spool:
        got += drained(spool)
        assert got == expected
        assert counts(spool) == {"produced": 200, "delivered": 196, "duplicate": 4, "dead_letter": 0, "passed_over": 0, "dropped": {}, "waiting": 0}
    assert segments(tmp_path)[Lane.EVENT] == []


def test_one_sync_an_append(tmp_path: Path) -> None:
    synced: list[int] = []

    class Counting(Files):
        def datasync(self, fd: int) -> None:
            synced.append(fd)
            super().datasync(fd)

    with Spool(tmp_path, consumers=("es",), files=Counting()) as spool:
        spool.append(Lane.ALERT, some(1))
        synced.clear()
        for n in (1, 10, 1000):
            spool.append(Lane.ALERT, some(n))
        assert len(synced) == 3


def test_the_account_is_durable_before_a_segment_goes(tmp_path: Path) -> None:
    happened: list[str] = []

    class Watching(Files):
        def datasync(self, fd: int) -> None:
            super().datasync(fd)
            happened.append(Path(f"/proc/self/fd/{fd}").resolve().name)

        def unlink(self, path: Path) -> None:
            assert happened[-2].startswith("consumer-es")
            assert happened[-1].startswith("index")
            super().unlink(path)
            happened.append("unlink")

    with Spool(tmp_path, SMALL, ("es",), Watching()) as spool:
        spool.append(Lane.EVENT, some(150))
        while "unlink" not in happened:
            chunk = spool.read("es", Lane.EVENT, 100_000)
            assert chunk is not None
            spool.acknowledge("es", Lane.EVENT, chunk.position)


def test_over_the_quota_the_oldest_goes_and_is_counted(tmp_path: Path) -> None:
    with Spool(tmp_path, SMALL, ("es", "syslog")) as spool:
        spool.append(Lane.EVENT, some(100, dataset="s7comm"))
        assert len(drained(spool, "syslog")) == 100
        spool.append(Lane.EVENT, some(1000, 100))
        assert sum(path.stat().st_size for path in tmp_path.glob("event-*")) <= SMALL.event
        kept = drained(spool)
        assert kept == [f"id{i:06}" for i in range(1100 - len(kept), 1100)]
        assert counts(spool, "s7comm") == {
            "produced": 100,
            "delivered": 0,
            "duplicate": 0,
            "dead_letter": 0,
            "passed_over": 0,
            "dropped": {"quota": 100},
            "waiting": 0,
        }
        assert counts(spool)["dropped"] == {"quota": 1000 - len(kept)}
        assert counts(spool, "s7comm", "syslog")["delivered"] == 100


def test_lanes_do_not_take_from_each_other(tmp_path: Path) -> None:
    with Spool(tmp_path, SMALL, ("es",)) as spool:
        spool.append(Lane.ALERT, some(10, dataset="alert"))
        spool.append(Lane.EVENT, some(2000))
        assert counts(spool, "alert")["waiting"] == 10


@pytest.mark.parametrize("lane", [Lane.ALERT, Lane.EVENT])
def test_what_no_segment_holds_is_refused(tmp_path: Path, lane: Lane) -> None:
    with Spool(tmp_path, SMALL, ("es",)) as spool:
        spool.append(lane, [*some(1), Record("modbus", "big", bytes(70_000)), Record("modbus", "x" * 70_000, b""), *some(1, 1)])
        assert drained(spool) == ["id000000", "id000001"]
        assert counts(spool)["dropped"] == {"too large": 2}
    with Spool(tmp_path, SMALL, ("es",)) as spool:
        assert counts(spool) == {"produced": 4, "delivered": 2, "duplicate": 0, "dead_letter": 0, "passed_over": 0, "dropped": {"too large": 2}, "waiting": 0}


class Full(Files):
    """A disk of so many octets for segments and the reserve."""

    def __init__(self, directory: Path, octets: int) -> None:
        self.directory, self.octets = directory, octets

    def used(self) -> int:
        return sum(path.stat().st_size for path in [*self.directory.glob("*.segment"), *self.directory.glob("reserve")])

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        if not Path(f"/proc/self/fd/{fd}").resolve().name.endswith(".segment"):
            return super().write(fd, data, offset)
        room = self.octets - self.used()
        if room <= 0:
            raise OSError(errno.ENOSPC, "full")
        return super().write(fd, data[:room], offset)

    def free(self, path: Path) -> int:
        return max(0, self.octets - self.used())

    def allocate(self, fd: int, size: int) -> None:
        if Path(f"/proc/self/fd/{fd}").resolve().name == "reserve" and self.free(self.directory) < size:
            raise OSError(errno.ENOSPC, "full")
        super().allocate(fd, size)


def test_on_a_full_disk_telemetry_goes_first(tmp_path: Path) -> None:
    quotas = Quotas(1 << 20, 1 << 20, 1 << 20, 1 << 20, reserve=64 << 10, segment=16 << 10)
    with Spool(tmp_path, quotas, ("es",), Full(tmp_path, 256 << 10)) as spool:
        spool.append(Lane.FLOW, some(100, dataset="flow"))
        for start in range(0, 1000, 50):
            spool.append(Lane.EVENT, some(50, start))
        assert counts(spool, "flow")["waiting"] == 100
        assert counts(spool)["dropped"]["disk full"] > 500
        for start in range(0, 700, 50):
            spool.append(Lane.ALERT, some(50, start, "alert"))
        assert counts(spool)["waiting"] == 0
        assert counts(spool, "flow")["waiting"] == 0
        alerts = counts(spool, "alert")
        assert alerts["waiting"] + alerts["dropped"]["disk full"] == 700
        assert alerts["waiting"] > 350
        assert spool.report()["reserve"] < quotas.reserve
        assert drained(spool)[-1] == "id000699"
        spool.append(Lane.EVENT, some(10))
        assert drained(spool) == [record.id for record in some(10)]
        assert spool.report()["reserve"] == quotas.reserve  # there again


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("kill", [True, False])
def test_no_sync_is_tried_again_on_a_segment_whose_sync_failed(tmp_path: Path, cut: bool, kill: bool) -> None:
    """What was not durable is in the next segment, once: also where its first writing can't be cut off, and after a kill."""

    class Failing(Files):
        failed: str = ""
        later: list[str] = []  # noqa: RUF012
        armed = False

        def datasync(self, fd: int) -> None:
            name = Path(f"/proc/self/fd/{fd}").resolve().name
            if self.armed and name.endswith(".segment"):
                self.armed, self.failed = False, name
                raise OSError(errno.EIO, "broken")
            self.later.append(name)
            super().datasync(fd)

        def truncate(self, fd: int, size: int) -> None:
            if not cut:
                raise OSError(errno.EIO, "broken")
            super().truncate(fd, size)

    files = Failing()
    spool = Spool(tmp_path, SMALL, ("es",), files)
    spool.append(Lane.ALERT, some(5))
    files.armed = True
    files.later.clear()
    spool.append(Lane.ALERT, some(5, 5))
    assert files.failed
    assert files.failed not in files.later
    if kill:
        killed(spool)
        spool = Spool(tmp_path, SMALL, ("es",))
    assert drained(spool) == [record.id for record in some(10)]
    assert counts(spool)["delivered"] == 10
    assert spool.report()["happened"] == {"write failed: EIO": 1}
    spool.close()


def test_a_disk_that_takes_nothing_is_counted(tmp_path: Path) -> None:
    files = Faulty()
    with Spool(tmp_path, SMALL, ("es",), files) as spool:
        spool.append(Lane.ALERT, some(5))
        files.arm("write error", 0, 100)
        spool.append(Lane.ALERT, some(7, 5))
        assert counts(spool) == {"produced": 12, "delivered": 0, "duplicate": 0, "dead_letter": 0, "passed_over": 0, "dropped": {"disk error": 7}, "waiting": 5}
        files.disarm()
        spool.append(Lane.ALERT, some(3, 12))
        assert drained(spool) == ["id000000", "id000001", "id000002", "id000003", "id000004", "id000012", "id000013", "id000014"]


def test_a_torn_end_is_cut(tmp_path: Path) -> None:
    spool = Spool(tmp_path, SMALL, ("es",))
    spool.append(Lane.EVENT, some(5))
    killed(spool)
    path = path_of(tmp_path, Lane.EVENT, 1)
    good = path.stat().st_size
    with path.open("ab") as file:
        file.write(path.read_bytes()[-300:-100])
    with Spool(tmp_path, SMALL, ("es",)) as spool:
        assert path.stat().st_size == good
        assert spool.report()["happened"] == {"torn octets": 200}
        assert drained(spool) == [record.id for record in some(5)]


def test_damage_is_gone_past_counted_and_kept(tmp_path: Path) -> None:
    with Spool(tmp_path, SMALL, ("es",)) as spool:
        spool.append(Lane.EVENT, some(100))
        path = path_of(tmp_path, Lane.EVENT, 2)
        data = path.read_bytes()
        at = data.index(b"id", 3000)
        path.write_bytes(data[:at] + b"ID" + data[at + 2 :])
        checked = [each for each in Survey(tmp_path).check() if each.problem]
        assert [(each.segment, each.lost, each.problem) for each in checked] == [(2, 1, "damaged")]
        got = drained(spool)
        assert len(got) == 99
        assert counts(spool) == {"produced": 100, "delivered": 99, "duplicate": 0, "dead_letter": 0, "passed_over": 0, "dropped": {"damaged": 1}, "waiting": 0}
        assert spool.report()["quarantined"] == [path.name]
        assert not path.exists()


@pytest.mark.parametrize("durable", [True, False])
def test_what_a_consumer_has_passed_was_there(tmp_path: Path, durable: bool) -> None:
    """The newest segment loses its end after one has received it and the other has not."""
    spool = Spool(tmp_path, SMALL, ("es", "syslog"))
    spool.append(Lane.EVENT, some(10))
    assert len(drained(spool)) == 10
    killed(spool)
    path = path_of(tmp_path, Lane.EVENT, 1)
    path.write_bytes(path.read_bytes()[:-1000])
    if not durable:
        (tmp_path / "durable").write_bytes(bytes(4096))
    with Spool(tmp_path, SMALL, ("es", "syslog")) as spool:
        spool.append(Lane.EVENT, some(5, 10))
        assert len(drained(spool)) == 5
        assert len(drained(spool, "syslog")) == 13
        assert counts(spool) == {"produced": 15, "delivered": 15, "duplicate": 0, "dead_letter": 0, "passed_over": 0, "dropped": {}, "waiting": 0}
        assert counts(spool, name="syslog")["dropped"] == {"damaged": 2}
        assert counts(spool, "unknown") == {}


@pytest.mark.parametrize("what", ["missing", "empty", "a directory", "garbage"])
@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_lost_segment_is_counted_by_dataset(tmp_path: Path, what: str, number: int) -> None:
    spool = Spool(tmp_path, SMALL, ("es",))
    for start in range(0, 110, 10):
        spool.append(Lane.EVENT, some(10, start, "modbus" if start % 20 else "s7comm"))
    killed(spool)
    assert segments(tmp_path)[Lane.EVENT] == [1, 2, 3, 4]
    path = path_of(tmp_path, Lane.EVENT, number)
    size = path.stat().st_size
    path.unlink()
    if what == "a directory":
        path.mkdir()
    elif what != "missing":
        path.write_bytes(b"" if what == "empty" else bytes(Random(1).randbytes(size)))
    with Spool(tmp_path, SMALL, ("es",)) as spool:
        got = drained(spool)
        assert 0 < 110 - len(got) < 32
        datasets = ("modbus", "s7comm", "unknown")
        dropped = {dataset: found["dropped"] for dataset in datasets if (found := counts(spool, dataset)) and found["dropped"]}
        assert sum(sum(reasons.values()) for reasons in dropped.values()) == 110 - len(got)
        assert set(dropped) == ({"unknown"} if number == 4 else {"modbus", "s7comm"})


@pytest.mark.parametrize("how", ["index", "account", "both"])
def test_without_index_or_account_all_is_delivered_again(tmp_path: Path, how: str) -> None:
    spool = Spool(tmp_path, SMALL, ("es",))
    spool.append(Lane.EVENT, some(100))
    chunk = spool.read("es", Lane.EVENT, 5000)
    assert chunk is not None
    spool.acknowledge("es", Lane.EVENT, chunk.position)
    killed(spool)
    for pattern in {"index": ["index.?"], "account": ["consumer-es.?"], "both": ["index.?", "consumer-es.?"]}[how]:
        for path in tmp_path.glob(pattern):
            path.write_bytes(b"?" * 100)
    with Spool(tmp_path, SMALL, ("es",)) as spool:
        got = drained(spool)
        assert got == [record.id for record in (some(100)[len(chunk.records) :] if how == "index" else some(100))]
        assert counts(spool)["produced"] == 100
        spool.append(Lane.EVENT, some(5, 100))
        assert len(drained(spool)) == 5


def test_acknowledgements_are_checked(tmp_path: Path) -> None:
    with Spool(tmp_path, SMALL, ("es",)) as spool:
        spool.append(Lane.EVENT, some(20))
        first, second = spool.read("es", Lane.EVENT, 3000), spool.read("es", Lane.EVENT, 3000)
        assert first is not None
        assert second is not None
        with pytest.raises(ValueError, match="in the order"):
            spool.acknowledge("es", Lane.EVENT, second.position)
        for wrong in ({"modbus": {"delivered": 1}}, {"modbus": {"lost": len(first.records)}}, {"s7comm": {"delivered": len(first.records)}}):
            with pytest.raises(ValueError, match="outcomes are not"):
                spool.acknowledge("es", Lane.EVENT, first.position, wrong)
        spool.acknowledge("es", Lane.EVENT, first.position)
        with pytest.raises(ValueError, match="once"):
            spool.acknowledge("es", Lane.EVENT, first.position)
        assert counts(spool)["delivered"] == len(first.records)


def test_an_acknowledgement_that_fails_is_made_again(tmp_path: Path) -> None:
    files = Faulty()
    with Spool(tmp_path, SMALL, ("es",), files) as spool:
        spool.append(Lane.EVENT, some(20))
        chunk = spool.read("es", Lane.EVENT, 1 << 20)
        assert chunk is not None
        for fault in ("write error", "sync error"):
            files.arm(fault, 0)
            with pytest.raises(OSError, match="broken"):
                spool.acknowledge("es", Lane.EVENT, chunk.position)
            assert counts(spool)["waiting"] == 20
        spool.acknowledge("es", Lane.EVENT, chunk.position)
        assert counts(spool)["delivered"] == 20


def test_what_was_read_or_acknowledged_holds_though_tidying_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts that cannot be read when segments are to be removed: no chunk is lost, none must be acknowledged again, and the segments go later."""

    def broken(_state: State) -> None:
        raise OSError(errno.EIO, "broken")

    with Spool(tmp_path, SMALL, ("es",)) as spool:
        spool.append(Lane.EVENT, some(100))
        assert spool.read("es", Lane.ALERT, 1) is None  # it is there
        with monkeypatch.context() as patch:
            patch.setattr(State, "load", broken)
            patch.setattr(State, "peek", lambda state: state.generation)
            ids = drained(spool)
            assert counts(spool)["delivered"] == len(ids) > 0
            assert spool.report()["happened"]["tidying failed: EIO"] > 0
            assert 1 in segments(tmp_path)[Lane.EVENT]
        assert len(ids + drained(spool)) == 100
        spool.read("es", Lane.EVENT, 1)
        assert 1 not in segments(tmp_path)[Lane.EVENT]


def test_dropped_on_its_way_and_delivered_after_all(tmp_path: Path) -> None:
    """A chunk that a consumer holds while its segment goes counts as what became of it."""
    with Spool(tmp_path, SMALL, ("es",)) as spool:
        spool.append(Lane.EVENT, some(10))
        chunk = spool.read("es", Lane.EVENT, 1 << 20)
        assert chunk is not None
        spool.append(Lane.EVENT, some(1000, 10))
        spool.acknowledge("es", Lane.EVENT, chunk.position)
        later = drained(spool)
        found = counts(spool)
        assert found["delivered"] == 10 + len(later)
        assert found["dropped"] == {"quota": 1000 - len(later)}


def test_one_writer(tmp_path: Path) -> None:
    with Spool(tmp_path, SMALL) as spool:
        with pytest.raises(BlockingIOError, match=f"in use by process {os.getpid()}"):
            Spool(tmp_path, SMALL)
        assert Survey(tmp_path).in_use() == os.getpid()
        spool.append(Lane.ALERT, some(1))
    assert Survey(tmp_path).in_use() == 0
    Spool(tmp_path, SMALL).close()


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(OSError, match="file"):
        Spool(blocked / "spool", SMALL)
    read_only = tmp_path / "read-only"
    read_only.mkdir()
    if os.geteuid():
        read_only.chmod(0o555)
    elif subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tapsight-test", read_only], check=False, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    try:
        with pytest.raises(OSError, match="read-only") as error:
            Spool(read_only, SMALL)
        assert error.value.errno in (errno.EROFS, errno.EACCES)
        assert str(read_only) in str(error.value.filename)
    finally:
        if not os.geteuid():
            subprocess.run(["umount", read_only], check=True)


def test_a_start_holds_one_segment_at_a_time(tmp_path: Path) -> None:
    class Measuring(Files):
        most = total = 0

        def read(self, fd: int, size: int, offset: int) -> bytes:
            data = super().read(fd, size, offset)
            self.most, self.total = max(self.most, len(data)), self.total + len(data)
            return data

    spool = Spool(tmp_path, Quotas(segment=1 << 20), ("es",))
    for _ in range(20):
        spool.append(Lane.EVENT, some(2000))
    killed(spool)
    files = Measuring()
    with Spool(tmp_path, Quotas(segment=1 << 20), ("es",), files) as spool:
        assert counts(spool)["waiting"] == 40_000
        assert files.most <= 1 << 20
        assert files.total < 2 << 20  # the segments that are over are not read


def test_a_consumer_in_another_process(tmp_path: Path) -> None:
    with Spool(tmp_path, SMALL, ("es",)) as spool:
        spool.append(Lane.EVENT, some(100))
        code = (
            "import sys; from pathlib import Path; from sensor.spool import Consumer, Lane\n"
            "es, n = Consumer(Path(sys.argv[1]), 'es'), 0\n"
            "while (chunk := es.read(Lane.EVENT, 4000)) is not None:\n"
            "    n += len(chunk.records); es.acknowledge(Lane.EVENT, chunk.position)\n"
            "print(n)"
        )
        done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
        assert done.stdout == "100\n"
        assert counts(spool)["delivered"] == 100
        spool.append(Lane.EVENT, some(100, 100))
        assert counts(spool)["waiting"] == 100
        assert segments(tmp_path)[Lane.EVENT][0] > 1
        with pytest.raises(BlockingIOError, match="consumer es is in use"):
            spool.read("es", Lane.EVENT, 1), Consumer(tmp_path, "es")


def test_names_of_consumers(tmp_path: Path) -> None:
    for wrong in ("", "../x", "a/b", ".hidden", "x" * 65):
        with pytest.raises(ValueError, match="name"):
            Spool(tmp_path / "none", SMALL, (wrong,))
    assert not (tmp_path / "none").exists()


def test_a_new_consumer_begins_with_what_is_there(tmp_path: Path) -> None:
    with Spool(tmp_path, SMALL, ("es",)) as spool:
        spool.append(Lane.EVENT, some(2000))
        spool.append(Lane.EVENT, [Record("modbus", "big", bytes(70_000))])
    with Spool(tmp_path, SMALL, ("es", "late")) as spool:
        late = drained(spool, "late")
        assert counts(spool, name="late") == {
            "produced": len(late),
            "delivered": len(late),
            "duplicate": 0,
            "dead_letter": 0,
            "passed_over": 0,
            "dropped": {},
            "waiting": 0,
        }
        assert counts(spool)["dropped"] == {"quota": 2000 - len(late), "too large": 1}


def test_without_consumers_the_quota_still_holds(tmp_path: Path) -> None:
    with Spool(tmp_path, SMALL) as spool:
        spool.append(Lane.EVENT, some(3000))
        assert spool.report()["lanes"]["event"]["octets"] <= SMALL.event


def test_no_clock_has_a_part() -> None:
    for path in Path(sensor.spool.__file__).parent.glob("*.py"):
        names = {alias.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Import) for alias in node.names}
        assert not names & {"time", "datetime"}, path


def test_a_crash_at_any_call(directory: Path) -> None:
    """Two appends and a delivery, with the process's death at each of their calls in turn, and a power cut after it."""
    reached, after = True, 0
    while reached:
        place, files, returned, got = directory / str(after), Faulty(), 0, list[str]()
        files.arm("crash", after)
        spool = None
        try:
            spool = Spool(place, SMALL, ("es",), files)
            for start in (0, 60):
                spool.append(Lane.EVENT, some(60, start))
                returned = start + 60
                drained(spool, into=got)
            reached = False
        except Crash:
            if spool is not None:
                killed(spool)
            files.power_cut(Random(after))
        else:
            files.disarm()
            spool.close()
        with Spool(place, SMALL, ("es",)) as spool:
            drained(spool, into=got)
            assert set(got) >= {record.id for record in some(returned)}, after
            assert counts(spool).get("dropped", {}) == {}, after
        after += 1
    assert after > 30


def test_a_bit_in_each_octet_of_a_segment_costs_one_record_at_most(directory: Path) -> None:
    spool = Spool(directory / "whole", SMALL, ("es",))
    spool.append(Lane.EVENT, some(4, size=20))
    killed(spool)
    whole = {path.name: path.read_bytes() for path in (directory / "whole").iterdir()}
    name = path_of(directory, Lane.EVENT, 1).name
    for at in range(0, len(whole[name]), 3):
        place = directory / str(at)
        place.mkdir()
        for file, data in whole.items():
            (place / file).write_bytes(data if file != name else data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        with Spool(place, SMALL, ("es",)) as spool:
            assert len(drained(spool)) >= 3
            assert counts(spool, "unknown").get("dropped", {}) in ({}, {"damaged": 1})


def test_the_magic_is_no_text() -> None:
    with pytest.raises(UnicodeDecodeError):
        MAGIC.decode()
    assert all(bytes([octet]) not in "".join(map(chr, range(0x800))).encode() for octet in MAGIC[:2])


def test_flipping_is_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(8))
    flip(tmp_path / "x", Random(0))
    assert sum(octet.bit_count() for octet in (tmp_path / "x").read_bytes()) == 1


def test_who_is_no_destination_any_more_misses_nothing(tmp_path: Path) -> None:
    """What is no longer kept for it was dropped by nobody's fault; the account of all that ever were is the survey's."""
    with Spool(tmp_path, consumers=("es", "files")) as spool:
        spool.append(Lane.EVENT, some(100))
    for _ in range(3):
        with Spool(tmp_path, consumers=("files",)) as spool:
            spool.append(Lane.EVENT, some(100))
            assert len(drained(spool, "files")) >= 100
            found = spool.report()
    assert list(found["consumers"]) == ["files"]
    assert (found["total"]["dropped"], found["total"]["waiting"]) == (0, 0)
    assert list(Survey(tmp_path).report()["consumers"]) == ["es", "files"]
