"""The document in two files: whatever happens while it is replaced, the old one or the new one is there."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from sensor.spool.files import Files
from sensor.spool.state import State
from tests.spool.faults import Crash, Faulty, flip


def test_the_newest_is_loaded(tmp_path: Path) -> None:
    state = State(Files(), tmp_path / "index")
    assert state.load() is None
    for n in range(5):
        state.save({"n": n, "long": "x" * 9000 * (5 - n)})
        assert State(Files(), tmp_path / "index").load() == {"n": n, "long": "x" * 9000 * (5 - n)}
    assert State(Files(), tmp_path / "index").peek() == state.generation == 5


def test_another_version_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensor.spool.state.VERSION", 2)
    State(Files(), tmp_path / "index").save({"n": 1})
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"index\.0: of another version"):
        State(Files(), tmp_path / "index").load()


@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_bit_costs_one_generation(tmp_path: Path, seed: int) -> None:
    state = State(Files(), tmp_path / "index")
    for n in range(2):
        state.save({"n": n})
    newest = state.paths[state.at]
    data = newest.read_bytes()
    end = 35 + len('{"version":1,"n":1}')
    newest.write_bytes(data[:end])
    flip(newest, Random(seed))
    again = State(Files(), tmp_path / "index")
    assert again.load() == {"n": 0}
    assert again.invalid() == [newest]
    again.save({"n": 2})
    assert again.invalid() == []
    assert State(Files(), tmp_path / "index").load() == {"n": 2}


@pytest.mark.parametrize("fault", ["crash", "full", "short", "write error", "sync error"])
@pytest.mark.parametrize("after", range(6))
def test_old_or_new(tmp_path: Path, fault: str, after: int) -> None:
    for seed in range(4):
        files, path = Faulty(), tmp_path / f"index{seed}"
        state = State(files, path)
        state.save({"n": 0})
        state.save({"n": 1})
        files.arm(fault, after)
        try:
            state.save({"n": 2, "x": "y" * 30_000})
            expected = [2]
        except (Crash, OSError):
            expected = [1, 2]
        files.power_cut(Random(seed))
        document = State(Files(), path).load()
        assert document is not None
        assert document["n"] in expected


def test_a_full_disk_still_takes_it(tmp_path: Path) -> None:
    """Its space is its own since the first time."""
    files = Faulty()
    state = State(files, tmp_path / "index")
    state.save({})
    state.save({})
    files.allocate = lambda fd, size: pytest.fail("needs no more space")  # type: ignore[method-assign]
    sizes = [path.stat().st_size for path in state.paths]
    for n in range(6):
        state.save({"n": "x" * 1000 * n})
    assert [path.stat().st_size for path in state.paths] == sizes
