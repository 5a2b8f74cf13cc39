"""`tapsight doctor`: each thing it looks at, as it should be and as it should not."""

from __future__ import annotations

import ctypes.util
import json
import os
import pwd
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sensor.cli import doctor
from sensor.cli.doctor import FINDINGS, Finding, findings
from sensor.live import interface, listener
from tests.live.network import Network, entered


@pytest.fixture
def network() -> Iterator[Network]:
    with entered() as made:
        yield made


def named(found: Iterator[Finding]) -> dict[str, dict[str, Any]]:
    return {finding.name: finding.values for finding in found}


def test_an_interface_that_is_fit(network: Network, tmp_path: Path) -> None:
    network.cable()
    interface.set_features("tap", {"rx-gro": False})
    found = named(findings(("tap",), tmp_path))
    assert {"right", "up", "promiscuous", "apart", "filter"} <= found.keys()
    assert not {name for name in found if FINDINGS[name][1] == doctor.FAILED} - {"no disk"}


def test_interfaces_that_are_not(network: Network, tmp_path: Path) -> None:
    assert "none" in named(findings((), tmp_path))
    network.cable()
    interface.set_features("tap", {"rx-gro": True})
    found = named(findings((), tmp_path))
    assert found["merging"] == {"name": "tap", "features": "rx-gro", "switches": "gro off"}
    network.ip("link set plant down")
    assert "no carrier" in named(findings(("tap",), tmp_path))
    assert "down" in named(findings(("plant",), tmp_path))
    assert named(findings(("eth9",), tmp_path))["no interface"] == {"name": "eth9", "others": "tap, plant"}


def test_the_command_says_what_to_do_and_fails(network: Network, tmp_path: Path) -> None:
    network.cable()
    network.ip("link set tap down")
    ran = CliRunner().invoke(doctor.doctor, ["-i", "tap", "--state", str(tmp_path), "--lang", "en"])
    assert ran.exit_code == 1
    assert "✗ tap is down.\n    Run: ip link set tap up\n" in ran.output
    ran = CliRunner().invoke(doctor.doctor, ["-i", "tap", "--state", str(tmp_path), "--format", "json", "--lang", "zh"])
    document = json.loads(ran.output)
    assert ran.exit_code == 1
    assert document["failed"] == 1
    assert {"check": "interface", "result": "failed", "found": "tap 未启用。", "advice": "请运行：ip link set tap up"} in document["checks"]


def checked(tmp_path: Path, *words: str, **parts: Any) -> dict[str, list[dict[str, str]]]:
    """What is said with this configuration, by what is checked."""
    file = tmp_path / "tapsight.yaml"
    file.write_text(json.dumps({"run": {"state": str(tmp_path)}} | parts))
    ran = CliRunner().invoke(doctor.doctor, ["--config", str(file), "--format", "json", "--lang", "en", *words], catch_exceptions=False)
    found: dict[str, list[dict[str, str]]] = {}
    for each in json.loads(ran.output)["checks"]:
        found.setdefault(each["check"], []).append(each)
    return found


def test_what_is_configured_is_checked(network: Network, tmp_path: Path) -> None:
    network.cable()
    with answering(200, b'{"nodes": {"one": {"version": "9.3.2"}}}') as url:
        elastic = {"urls": [url], "api_key": "a2V5"}
        found = checked(tmp_path, run={"taps": [{"interface": "tap"}], "state": str(tmp_path)}, elasticsearch=elastic)
    assert found["configuration"][0]["found"] == f"{tmp_path}/tapsight.yaml is good."
    assert [each["found"] for each in found["interface"]] == ["tap is up and has a link."]
    assert "9.3 answers" in found["elasticsearch"][0]["found"]
    assert "secret" not in str(found)
    assert "destinations" not in found
    assert found["disk"][0]["found"].startswith(str(tmp_path)) or "free" in found["disk"][0]["found"]
    found = checked(tmp_path, "-i", "plant", run={"taps": [{"interface": "tap"}]})
    assert [each["found"] for each in found["interface"]] == ["plant is up and has a link."]
    assert [each["result"] for each in found["destinations"]] == ["warning"]


def test_folders_need_no_interface(tmp_path: Path) -> None:
    found = checked(tmp_path, run={"folders": [str(tmp_path)], "state": str(tmp_path)})
    assert not {"rights", "interface", "filters"} & found.keys()
    found = checked(tmp_path, run={"folders": [f"{tmp_path}/not"], "state": str(tmp_path)})
    assert [(each["result"], each["found"].partition(": ")[2]) for each in found["configuration"]] == [
        ("failed", f"run.folders.0: no such folder: '{tmp_path}/not'"),
    ]


def test_a_configuration_that_cannot_be_used_does_not_stop_the_rest(network: Network, tmp_path: Path) -> None:
    network.cable()
    found = checked(tmp_path, "-i", "tap", "--state", str(tmp_path), sensor=3)
    assert ":1: sensor: " in found["configuration"][0]["found"]
    assert found["interface"][0]["result"] == "ok"
    assert {"clock", "disk"} <= found.keys()


def test_rules_are_loaded(tmp_path: Path) -> None:
    rules = tmp_path / "own.rules"
    command = f"tapsight rules check --config {tmp_path}/tapsight.yaml"
    for text, result, words in (
        ("alert tcp any any -> any any (sid:1;)\n", "ok", "1 rules load."),
        ("alert tcp any any -> any any (sid:1;)\nalert tcp any any -> any any (contnt:1; sid:2;)\n", "warning", "1 rules load, 1 failed and 0 are skipped."),
        ("alert tcp any any -> any any (geoip:any,CN; sid:2;)\n", "failed", "None of the rules loads: 0 failed and 1 are skipped."),
    ):
        rules.write_text(text)
        (found,) = checked(tmp_path, rules={"paths": [str(rules)]})["rules"]
        assert (found["result"], found["found"], found["advice"]) == (result, words, "" if result == "ok" else f"See why: {command}")
    assert "rules" not in checked(tmp_path, rules={"packs": False})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_the_user_whom_the_service_becomes(tmp_path: Path) -> None:
    nobody, state, rules = pwd.getpwuid(65_534).pw_name, tmp_path / "state", tmp_path / "own.rules"
    state.mkdir()
    rules.write_text("alert tcp any any -> any any (sid:1;)\n")
    rules.chmod(0o600)
    for folder in (tmp_path, *tmp_path.parents):
        if Path(tempfile.gettempdir()) in folder.parents:
            folder.chmod(0o755)
    run = {"state": str(state), "user": nobody}
    found = checked(tmp_path, run=run, rules={"paths": [str(rules)]})
    assert [each["found"] for each in found["user"]] == [f"{nobody} has no access to {rules} (rules.paths)."]
    assert [(each["result"], each["found"].partition(",")[0]) for each in found["state"]] == [("warning", f"1 files in {state} belong to others than {nobody}")]
    rules.chmod(0o644)
    assert [each["result"] for each in checked(tmp_path, run=run, rules={"paths": [str(rules)]})["user"]] == ["ok"]
    assert checked(tmp_path, run=run | {"user": "nobody-of-that-name"})["user"][0]["found"] == "run.user: there is no user nobody-of-that-name."


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_state_that_belongs_to_several(tmp_path: Path) -> None:
    state = tmp_path / "state"
    (state / "spool").mkdir(parents=True)
    assert list(doctor.owners(state, "")) == list(doctor.owners(tmp_path / "none", "")) == []
    os.chown(state / "spool", 65_534, 65_534)
    state.chmod(0o777)
    assert [(each.name, each.values["path"]) for each in doctor.owners(state, "")] == [("foreign", state), ("open state", state)]


def test_rights_and_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        raise PermissionError

    monkeypatch.setattr(listener, "packet_socket", refused)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: None)
    found = named(findings(("lo",), tmp_path))
    assert {"no right", "no filter"} <= found.keys()
    assert not {"promiscuous", "not promiscuous"} & found.keys()


def test_the_clock_is_asked() -> None:
    assert doctor.clock().name in ("clock", "no clock")


@pytest.mark.parametrize(("free", "name"), [(100 << 30, "disk"), (1 << 30, "scarce disk"), (1 << 20, "no disk")])
def test_room_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, name: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(free, 0, free))
    found = doctor.disk(tmp_path / "not" / "there")
    assert (found.name, found.values["path"]) == (name, tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    assert doctor.disk(tmp_path) == Finding("not writable", {"path": tmp_path})


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://tapsight:secret@127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "name"),
    [
        (200, b'{"nodes": {"one": {"version": "9.3.2"}}}', "elasticsearch"), (401, b'{"error": "security"}', "no login"), (503, b"{}", "no elasticsearch"),
        (200, b"not json", "no elasticsearch"), (200, b"{}", "no elasticsearch"),
    ],
)  # fmt: skip
def test_elasticsearch(status: int, body: bytes, name: str) -> None:
    with answering(status, body) as url:
        found = named(doctor.elasticsearch(url))
    assert next(iter(found)) == name
    assert "secret" not in str(found)
    if name == "elasticsearch":
        assert found[name]["version"] == "9.3"
        assert "unseen templates" in found  # what answers so is none that has them


def test_no_elasticsearch() -> None:
    found = named(doctor.elasticsearch("http://127.0.0.1:9"))
    assert "refused" in str(found["no elasticsearch"]["error"])
    assert list(named(doctor.elasticsearch("nonsense"))) == ["no elasticsearch"]


def test_what_is_said_names_what_it_is_about() -> None:
    for name, (_, _, found, advice) in FINDINGS.items():
        values = {
            "name": "eth\x1b1",
            "others": "",
            "kind": 1,
            "error": "e",
            "features": "f",
            "switches": "s",
            "error_ms": 1,
            "path": "p",
            "problem": "p",
            "free": "1",
            "version": "9",
            "url": "u",
            "user": "u",
            "file": "f",
            "n": 1,
            "failed": 1,
            "skipped": 1,
            "command": "c",
        }
        document = Finding(name, values).document("en")
        assert "{" not in document["found"] + document["advice"]
        assert "\x1b" not in document["found"] + document["advice"]
        assert (document["found"] == "", document["advice"] == "") == (found == "", advice == "")
