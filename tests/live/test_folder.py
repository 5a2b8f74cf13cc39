"""Rotated captures: each packet once, across restarts, growth, renaming and whatever else lies in the folder."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from sensor.capture.files import ROWS
from sensor.columns import Batch, Heard
from sensor.live import Folder, Live, open_live
from tests import make
from tests.live.network import file_of, frames, talk


def folder(path: Path, settle_s: float = 0.0) -> Folder:
    (path / "in").mkdir(exist_ok=True)
    return Folder(path / "in", path / "state.json", "", settle_s, 0.02)


def taken(live: Live, packets: int, most_s: float = 20, *, settle: bool = True) -> list[Batch]:
    """So many packets, and what comes in the moment after."""
    found: list[Batch] = []
    until = time.monotonic() + most_s
    while sum(map(len, found)) < packets and time.monotonic() < until:
        if (batch := live.read(0.1)) is not None:
            found.append(batch)
    while (batch := live.read(0.3)) is not None:
        found.append(batch)
    if settle:
        live.settle()
    live.close()
    return found


def rotated(path: Path, name: str, frames_: list[bytes], age_s: float = 100) -> Path:
    made = file_of(list(make.batches(frames_)), path / "in" / name)
    os.utime(made, (time.time() - age_s,) * 2)
    return made


def test_files_in_the_order_of_their_writing_each_once_and_not_again_after_a_restart(tmp_path: Path) -> None:
    source, sent = folder(tmp_path), talk(30)
    rotated(tmp_path, "b.pcapng", sent[:20], 300)
    rotated(tmp_path, "a.pcapng", sent[20:40], 200)
    (tmp_path / "in" / "notes.txt").write_text("not a capture")
    (tmp_path / "in" / ".c.pcapng.part").write_bytes(b"hidden")
    os.mkfifo(tmp_path / "in" / "pipe")
    got = taken(open_live(source), 40)
    assert frames(got) == sent[:40]
    assert got[-1].frame.tolist() == list(range(1, 21))  # numbered as in its file
    assert source.report() | {"files": 2, "packets": 40, "not_captures": 1, "waiting": 0, "remembered": 3, "problems": []} == source.report()
    rotated(tmp_path, "c.pcapng", sent[40:], 100)
    (tmp_path / "in" / "a.pcapng").rename(tmp_path / "in" / "a.pcapng.1")
    assert frames(taken(open_live(folder(tmp_path)), 20)) == sent[40:]


def test_a_folder_has_a_zone(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rotated(tmp_path, "a.pcapng", talk(1))
    [batch, *_] = taken(open_live(Folder(tmp_path / "in", tmp_path / "state.json", "cell 7", 0, 0.02)), 2)
    assert batch.source.heard_at(0) == Heard(str(tmp_path / "in" / "a.pcapng"), "cell 7")


def test_a_file_that_was_left_in_its_middle_is_read_on_from_there(tmp_path: Path) -> None:
    source, sent = folder(tmp_path), talk(ROWS)
    rotated(tmp_path, "a.pcapng", sent)
    live, first = open_live(source), None
    while first is None:
        first = live.read(0.1)
    assert 0 < len(first) < len(sent)
    live.leave()
    rest = taken(open_live(again := folder(tmp_path)), len(sent) - len(first))
    assert frames([first, *rest]) == sent
    assert rest[0].source.id == first.source.id  # so its events have the ids that they would have had
    assert again.report() | {"files": 1, "grown": 0, "remembered": 1} == again.report()


def test_what_was_not_dealt_with_is_read_again(tmp_path: Path) -> None:
    source, sent = folder(tmp_path), talk(5)
    rotated(tmp_path, "a.pcapng", sent)
    assert frames(taken(open_live(source), 10, settle=False)) == sent
    assert frames(taken(open_live(folder(tmp_path)), 10)) == sent
    assert taken(open_live(folder(tmp_path)), 1, 0.5) == []


def test_a_file_is_read_when_it_no_longer_grows_or_a_newer_one_is_there(tmp_path: Path) -> None:
    source, sent = folder(tmp_path, 3600.0), talk(10)
    live = open_live(source)
    rotated(tmp_path, "a.pcapng", sent[:10], 50)
    assert live.read(0.5) is None
    rotated(tmp_path, "b.pcapng", sent[10:], 10)
    assert frames([batch for batch in (live.read(5),) if batch is not None]) == sent[:10]
    assert live.read(0.5) is None
    assert source.report()["waiting"] == 1
    live.close()


def test_a_file_that_grows_after_it_was_read_gives_only_what_is_new(tmp_path: Path) -> None:
    sent = talk(20)
    (tmp_path / "in").mkdir()
    rotated(tmp_path, "a.pcapng", sent[:10])
    assert frames(taken(open_live(folder(tmp_path)), 10)) == sent[:10]
    rotated(tmp_path, "a.pcapng", sent, 5)
    source = folder(tmp_path)
    got = taken(open_live(source), 30)
    assert frames(got) == sent[10:]
    assert got[0].frame[0] == 11
    assert source.report()["grown"] == 1


def test_another_file_in_the_place_of_one_is_read(tmp_path: Path) -> None:
    source = folder(tmp_path)
    made = rotated(tmp_path, "a.pcapng", talk(3))
    assert len(frames(taken(open_live(source), 6))) == 6
    other = talk(4, "10.0.0.9")
    inode = made.stat().st_ino
    file_of(list(make.batches([(5, frame) for frame in other])), made)
    assert made.stat().st_ino == inode
    assert frames(taken(open_live(folder(tmp_path)), 8)) == other


def test_broken_files_and_state_are_told(tmp_path: Path) -> None:
    source = folder(tmp_path)
    cut = rotated(tmp_path, "cut.pcapng", talk(5))
    cut.write_bytes(cut.read_bytes()[:-20])
    os.utime(cut, (1, 1))
    (tmp_path / "state.json").write_text('{"files": {"x": []}}')
    source = folder(tmp_path)
    assert len(frames(taken(open_live(source), 9, 3))) == 9
    report = source.report()
    assert report["unread"] == 1
    assert any("state.json: cannot be understood" in text for text in report["problems"])
    assert any("cut.pcapng: offset" in text for text in report["problems"])
    nowhere = Folder(tmp_path / "nowhere", tmp_path / "other.json", "", 0, 0.02)
    assert taken(open_live(nowhere), 1, 0.3) == []
    assert "No such file" in nowhere.report()["problems"][0]


def test_a_state_that_cannot_be_written_is_told_and_nothing_is_read_twice_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    source = Folder(tmp_path / "in", tmp_path / "missing" / "state.json", "", 0, 0.02)
    rotated(tmp_path, "a.pcapng", talk(3))
    live = open_live(source)
    assert (live.read(5) or ()).__len__() == 6
    live.settle()
    assert live.read(0.3) is None
    live.settle()
    assert live.read(0.3) is None
    assert any("cannot be written" in text for text in source.report()["problems"])
    live.close()


def test_a_feed_that_fails_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    class Failing:
        name = "failing"

        def items(self, _stop: threading.Event) -> None:
            raise RuntimeError("of its own making")

        def report(self) -> dict[str, str]:
            return {}

        def close(self) -> None: ...

    live = open_live(Failing())  # type: ignore[arg-type]
    assert live.read(0.5) is None
    assert live.report()["sources"]["failing"] == {"failed": "RuntimeError: of its own making"}
    live.close()
