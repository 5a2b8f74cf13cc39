from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from detectors import DETECTORS
from detectors.state import settings
from detectors.watch import Watch
from sensor.cli.main import cli
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
        ("rules:\n  home_net: [10.0.0.0/33]\n", "2: rules.home_net: /33 is no prefix of 32 bits"),
        ("rules:\n  home_net: [10.0.0.0/8, plant]\n  variables: {FOO: $HOME_NET}\n", "2: rules.home_net: plant is no address"),
        ("rules:\n  variables:\n    GOOD: 10.0.0.1\n    FOO: '[10.0.0.1'\n", "4: rules.variables.FOO: [10.0.0.1: a bracket is not closed"),
        ("rules:\n  variables: {X_PORTS: 10.0.0.1}\n", "2: rules.variables.X_PORTS: 10.0.0.1 is no port"),
        ("rules:\n  variables: {MODBUS_CLIENT: '502'}\n", "2: rules.variables.MODBUS_CLIENT: 502 is no address"),
        ("rules:\n  variables: {FOO: $BAR}\n", "2: rules.variables.FOO: $BAR is not defined"),
        ("rules:\n  variables: {EXTERNAL_NET: '!$HOME_NET', HOME_NET: any}\n", "2: rules.variables.EXTERNAL_NET: "),
        ("rules:\n  variables: {$HOME_NET: 10.0.0.0/8}\n", "2: rules.variables.$HOME_NET: letters, digits and underscores"),
        ("# " + "x" * 300_000, " longer than"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_key(tmp_path: Path, text: str, expected: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert problem.startswith(expected), problem


def test_variables_of_rules(tmp_path: Path) -> None:
    assert not problems(tmp_path, "rules:\n  home_net: ['[10.0.0.0/8]', 192.0.2.0/24]\n  variables: {FOO: '!$HOME_NET', BAR: '502', X_PORTS: '[1:5,9]'}\n")
    known = load(tmp_path / "tapsight.yaml").rules.known
    assert known == {"HOME_NET": "[[10.0.0.0/8],192.0.2.0/24]", "FOO": "!$HOME_NET", "BAR": "502", "X_PORTS": "[1:5,9]"}
    assert not problems(tmp_path, "rules: {home_net: [any]}\n")
    assert load(tmp_path / "tapsight.yaml").rules.known == {"HOME_NET": "any"}


@pytest.mark.parametrize("listen", ["", "127.0.0.1:9464", "127.9.9.9:1", "[::1]:65535"])
def test_where_status_may_be_told(tmp_path: Path, listen: str) -> None:
    assert not problems(tmp_path, f"run:\n  listen: '{listen}'\n")


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:٣", "localhost:9464", ":9464", "x", "::1"]
)
def test_where_status_may_not_be_told(tmp_path: Path, listen: str) -> None:
    assert problems(tmp_path, f"site: x\nrun:\n  listen: '{listen}'\n") == [
        f"3: run.listen: ADDRESS:PORT on loopback was expected, such as 127.0.0.1:9464 or [::1]:9464: {listen!r}"
    ]


@pytest.mark.parametrize("url", ["http://a:9200", "https://u:p@[::1]:9200/path", "elastic.example:9200", "https://elastic.example"])
def test_addresses_of_elasticsearch(tmp_path: Path, url: str) -> None:
    assert not problems(tmp_path, f"elasticsearch:\n  urls: ['{url}']\n")


@pytest.mark.parametrize("url", ["ftp://a:9200", "http://", "http://a:99999", "http://a:0", "http://a:b", "", "http://a b:9200", "http://[::1"])
def test_what_is_no_address_of_elasticsearch(tmp_path: Path, url: str) -> None:
    found = problems(tmp_path, f"elasticsearch:\n  urls:\n    - http://good:9200\n    - '{url}'\n")
    assert found == [f"4: elasticsearch.urls.1: http://HOST:PORT or https://HOST:PORT was expected: {url!r}"]


def test_pipes_are_pipes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    text = f"run:\n  pipes: [{tmp_path}/pipe, {tmp_path}/tapsight.yaml]\n"
    assert problems(tmp_path, text) == [f"2: run.pipes.1: no such pipe: '{tmp_path}/tapsight.yaml'"]


@pytest.mark.parametrize("broker", ["kafka", "kafka:0", "kafka:x", "a:1,b:2", "user@a:1", "http://a:1", "a:1/x", ""])
def test_brokers_have_a_port(tmp_path: Path, broker: str) -> None:
    assert not problems(tmp_path, "kafka: {brokers: ['kafka.example:9092', '[::1]:9093'], topic: 'plant.{dataset}'}\n")
    assert problems(tmp_path, f"kafka:\n  brokers: ['{broker}']\n") == [f"2: kafka.brokers.0: HOST:PORT was expected: {broker!r}"]


def test_streams_and_webhooks_have_addresses(tmp_path: Path) -> None:
    assert not problems(tmp_path, "run: {streams: ['tcp://a:1']}\nwebhook: {url: ''}\n")
    found = problems(tmp_path, "run: {streams: ['tcp://a', 'udp://a:1']}\nwebhook: {url: 'x://y'}\n")
    assert [each.split(":")[1].strip() for each in found if "tcp://HOST:PORT was expected" in each] == ["run.streams.0.url", "run.streams.1.url"]
    assert found[2:] == ["2: webhook.url: http://HOST:PORT or https://HOST:PORT was expected: 'x://y'"]


def test_a_folder_stream_or_pipe_has_a_zone_or_is_named_alone(tmp_path: Path) -> None:
    path = tmp_path / "tapsight.yaml"
    path.write_text("run: {folders: [a, {path: b, zone: cell 7}], streams: ['tcp://a:1', {url: 'tcp://b:1', zone: cell 8}], pipes: [{path: c}]}\n")
    run = load(path).run
    assert [(each.path, each.zone) for each in (*run.folders, *run.pipes)] == [("a", ""), ("b", "cell 7"), ("c", "")]
    assert [(each.url, each.zone) for each in run.streams] == [("tcp://a:1", ""), ("tcp://b:1", "cell 8")]
    assert run.feeds == ["a", "b", "tcp://a:1", "tcp://b:1", "c"]
    assert problems(tmp_path, "run:\n  folders:\n    - {path: a, zones: x}\n")[0].startswith("3: run.folders.0.zones: no such setting")
    items = Config.model_json_schema()["$defs"]["RunSettings"]["properties"]["folders"]["items"]
    assert [next(iter(each.values())) for each in items["anyOf"]] == ["string", "#/$defs/FeedSettings"]  # what editors offer


def test_what_is_named_and_not_there(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "file").touch()
    text = f"""
run:
  folders: [{tmp_path}/there, {tmp_path}/not]
  state: {tmp_path}/file
rules: {{paths: [{tmp_path}/there, {tmp_path}/x.rules], threshold_config: {tmp_path}/there}}
elasticsearch: {{ca: {tmp_path}/ca.pem}}
files: {{path: {tmp_path}/no/documents.ndjson}}
"""
    assert problems(tmp_path, text) == [
        f"3: run.folders.1: no such folder: '{tmp_path}/not'",
        f"4: run.state: is no folder: '{tmp_path}/file'",
        f"5: rules.paths.1: no such file or folder: '{tmp_path}/x.rules'",
        f"5: rules.threshold_config: no such file: '{tmp_path}/there'",
        f"6: elasticsearch.ca: no such file: '{tmp_path}/ca.pem'",
        f"7: files.path: no such folder: '{tmp_path}/no'",
    ]
    load(tmp_path / "tapsight.yaml")  # a folder may come later: whoever opens it says so


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


def test_both_forms_name_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "tapsight.yaml"
    file.write_text("site: here\n")
    for command, said in (("check", f"{file}: good"), ("show", "site: here")):
        for words in ([str(file)], ["--config", str(file)]):
            done = CliRunner().invoke(cli, ["config", command, *words])
            assert (done.exit_code, said in done.output) == (0, True)
        assert CliRunner().invoke(cli, ["config", command, str(file), "--config", str(file)]).exit_code == 2
    assert CliRunner().invoke(cli, ["config", "check"]).exit_code == 2
