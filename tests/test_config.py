from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import DETECTORS
from detectors.state import settings
from detectors.watch import Watch
from sensor.config import Config, ConfigError, check, described, example, load


def problems(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "tapsight.yaml"
    file.write_bytes(text.encode())
    return [problem.removeprefix(f"{file}:") for problem in check(file)]


def test_the_example_has_every_key_and_every_default(tmp_path: Path) -> None:
    assert not problems(tmp_path, example())
    assert load(tmp_path / "tapsight.yaml") == Config()
    keys = {key for key, _, _ in described()}
    for make in DETECTORS:
        detector = make()
        assert {f"detectors.{kind.name}.enabled" for kind in detector.kinds} <= keys
        assert {f"detectors.{detector.name}.{each.name}" for each in settings(detector)} <= keys
    assert all(about for _, _, about in described())


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert not problems(tmp_path, "")
    assert load(tmp_path / "tapsight.yaml") == Config()


def test_what_is_set_reaches_the_detectors(tmp_path: Path) -> None:
    text = "networks: [8.8.0.0/16]\ndetectors:\n  scan: {port_limit: 7}\n  clock-set: {enabled: false}\n  exception-burst: {enabled: false, limit: 5}\n"
    assert not problems(tmp_path, text)
    config = load(tmp_path / "tapsight.yaml")
    watch = Watch(config.sensor, config.detector_settings(), disabled=config.disabled())
    detectors = {detector.name: detector for detector in watch.detectors}
    assert detectors["scan"].port_limit == 7
    assert detectors["scan"].address_limit == 50
    assert detectors["internet-address"].networks == ("8.8.0.0/16",)
    assert "exception-burst" not in detectors
    assert watch.disabled == {"clock-set", "exception-burst"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sensor: 3\n", "1: sensor: "),
        ("site: a\n\ndetectors:\n  scan:\n    port_limit: 1\n", "5: detectors.scan.port_limit: "),
        ("detectors:\n  scan:\n    speed: 1\n", "3: detectors.scan.speed: "),
        ("detectors:\n  nonsense: {}\n", "2: detectors.nonsense: "),
        ("detectors:\n  scan:\n    port_limits: 9\n", "3: detectors.scan.port_limits: no such setting; did you mean port_limit"),
        ("deduplicate: maybe\n", "1: deduplicate: a valid boolean was expected, here is 'maybe'"),
        ("lang: fr\n", "1: lang: "),
        ("networks:\n  - 10.0.0.1/8\n", "1: networks: "),
        ("sensor: a\nsensor: b\n", "2: 'sensor' stands here twice"),
        ("a: &x [1]\nb: *x\n", "2: aliases"),
        ("sensor: " + "[" * 40, "1: nested deeper"),
        ("sensor: [\n", "2: "),
        ("sensor: !!python/object/apply:os.system [x]\n", "1: "),
        ("\n- 1\n", "2: (file): "),
        ("? [a]\n: 1\n", "1: a key must be text"),
        ("site: 2001-99-99\n", "1: month"),
        ("# " + "x" * 300_000, " longer than"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_key(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(expected), problem


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "sensor: 1\nflows: 2\nmore: 3\n")) == 3


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert check(tmp_path / "none.yaml") == [f"{tmp_path / 'none.yaml'}: No such file or directory"]


@given(st.binary(max_size=80) | st.text("{}[]:-&*!?|>'\"#%@` \n\tab01", max_size=60).map(str.encode))
def test_whatever_the_file_holds_only_a_config_error_comes_out(content: bytes) -> None:
    file = Path("/dev/shm/tapsight-test.yaml") if Path("/dev/shm").is_dir() else Path("tapsight-test.yaml")
    file.write_bytes(content)
    try:
        with contextlib.suppress(ConfigError):
            assert isinstance(load(file), Config)
    finally:
        file.unlink()
