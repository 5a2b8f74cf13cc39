"""Against a real server: every dataset's documents are taken, each once; rights, TLS, versions; installing and removing templates."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensor.analysis import Analysis
from sensor.capture import open_captures
from sensor.cli.doctor import elasticsearch
from sensor.config import ElasticsearchSettings
from sensor.delivery.client import connect
from sensor.delivery.install import check, install, uninstall
from sensor.events.record import Record
from tests.delivery.conftest import USERS
from tests.delivery.sending import ask, dead, deliver, destination, document, records, sender, stored
from tests.delivery.server import Server
from tests.results import Lines
from tests.sinks.ecs_types import leaves

CAPTURES = Path(__file__).parents[2] / "../shared/captures"
LONG = bool(os.environ.get("TAPSIGHT_LONG"))
MOST_ALIKE = 1 << 30 if LONG else 3  # documents of the same dataset with the same fields that are indexed; TAPSIGHT_LONG=1: all (130,000)


def unlike(lines: list[bytes]) -> Iterator[Record]:
    """Documents, of those that have the same fields only a few."""
    alike: Counter[tuple[str, ...]] = Counter()
    for line in lines:
        body = json.loads(line)
        shape = (body["event"]["dataset"], *(path for path, _ in leaves("", body)))
        alike[shape] += 1
        if alike[shape] <= MOST_ALIKE:
            yield Record.of(line)


def test_documents_of_every_dataset_are_taken(plain: Server, demo_capture: Path, tmp_path: Path) -> None:
    """Zero rejected, zero failed, no value left out, and all of them there."""
    captures = [str(demo_capture), *([str(CAPTURES)] if CAPTURES.is_dir() else [])]
    sink = Lines()
    Analysis(None, [sink]).run(open_captures(captures))
    content = list(unlike(sink.lines))
    one, queue = sender(tmp_path, destination(plain.url, "every"), content)
    report = deliver(one, queue)
    assert report["dead_letter"] == {}
    assert dead(tmp_path) == []
    assert report["notes"] == {}
    assert sum(report["delivered"].values()) == len(content)
    ids = stored(plain.url, "logs-tapsight.*-every")
    assert ids == Counter(record.id for record in content)
    assert ask(plain.url, "/logs-tapsight.*-every/_count", {"query": {"exists": {"field": "_ignored"}}})["count"] == 0
    assets = ask(plain.url, "/tapsight-assets-every/_count", {"query": {"match_all": {}}})["count"]
    assert assets == len({json.loads(record.document)["tapsight"]["asset"]["id"] for record in content if record.dataset == "asset"})
    one.destination.close()


def test_sent_again_is_there_once(plain: Server, tmp_path: Path) -> None:
    for round_, name in enumerate(("delivered", "duplicate")):
        one, queue = sender(tmp_path / str(round_), destination(plain.url, "again"), records(50, "again"))
        assert deliver(one, queue)[name] == {"modbus": 50}
        one.destination.close()
    assert set(stored(plain.url, "logs-tapsight.modbus-again").values()) == {1}


def test_what_the_mapping_refuses_is_a_dead_letter(plain: Server, tmp_path: Path) -> None:
    """A record among others never holds them up; nor does one whose id is too long, which makes the server refuse the whole request."""
    good = records(20, "good")
    bad = [Record("modbus", "object", document("object", event="text")), Record("modbus", "x" * 600, document("long"))]
    one, queue = sender(tmp_path, destination(plain.url, "refused"), [*good[:10], *bad, *good[10:]])
    report = deliver(one, queue)
    delivered = report["delivered"]["modbus"]
    assert {letter["id"] for letter in dead(tmp_path)} | set(stored(plain.url, "logs-tapsight.modbus-refused")) >= {record.id for record in good} | {"x" * 600}
    assert delivered + sum(report["dead_letter"]["modbus"].values()) == 22
    assert "action_request_validation_exception" in report["dead_letter"]["modbus"]
    assert delivered in (20, 21)  # the failure store takes what the mapping does not: delivered, and noted
    assert (delivered == 21) == (report["notes"] == {"failure_store": 1})
    one.destination.close()


def asset(when: str, packets: int) -> Record:
    body = {"tapsight": {"asset": {"id": "10.0.0.9", "packets": packets}}, "@timestamp": when}
    return Record("asset", f"asset-10.0.0.9-{packets}", document(f"asset-10.0.0.9-{packets}", "asset", **body))


def test_an_asset_has_one_document_of_its_current_state(plain: Server, tmp_path: Path) -> None:
    """What is older and comes later does not replace it."""
    states = [asset("2026-11-28T06:00:00.000000001Z", 1), asset("2026-11-28T06:00:00.000000003Z", 3), asset("2026-11-28T06:00:00.000000002Z", 2)]
    one, queue = sender(tmp_path, destination(plain.url, "state"), states)
    assert deliver(one, queue)["delivered"] == {"asset": 3}
    ask(plain.url, "/tapsight-assets-state/_refresh")
    hits = ask(plain.url, "/tapsight-assets-state/_search", {})["hits"]["hits"]
    assert [(hit["_id"], hit["_source"]["tapsight"]["asset"]["packets"]) for hit in hits] == [("s1-10.0.0.9", 3)]
    assert len(stored(plain.url, "logs-tapsight.asset-state")) == 3
    one.destination.close()


def test_after_the_clock_was_set_back_an_asset_is_what_it_is_now(plain: Server, tmp_path: Path) -> None:
    """A state of the future does not stand until then; what is older and comes later still does not replace what is there."""
    states = [asset("2099-01-01T00:00:00Z", 1), asset("2026-11-28T06:00:00Z", 2), asset("2026-11-28T06:00:01Z", 3)]
    for number, state in enumerate(states):
        one, queue = sender(tmp_path / str(number), destination(plain.url, "back"), [state])
        report = deliver(one, queue)
        assert (report["delivered"], report["dead_letter"]) == ({"asset": 1}, {})
        assert report["notes"] == ({"assets_index: ahead of the clock": 1} if number else {})
        one.destination.close()
        ask(plain.url, "/tapsight-assets-back/_refresh")
        hits = ask(plain.url, "/tapsight-assets-back/_search", {})["hits"]["hits"]
        assert [hit["_source"]["tapsight"]["asset"]["packets"] for hit in hits] == [number + 1]
    one, queue = sender(tmp_path / "again", destination(plain.url, "back"), states[:2])
    assert deliver(one, queue)["duplicate"] == {"asset": 2}  # and what is sent again replaces nothing
    one.destination.close()
    ask(plain.url, "/tapsight-assets-back/_refresh")
    (hit,) = ask(plain.url, "/tapsight-assets-back/_search", {})["hits"]["hits"]
    assert hit["_source"]["tapsight"]["asset"]["packets"] == 3


def settings(server: Server, user: str, **more: Any) -> ElasticsearchSettings:
    ca = "" if "fingerprint" in more else str((server.tls or Path()) / "ca.crt")
    return ElasticsearchSettings(**({"urls": [server.url], "user": user, "password": USERS[user][0], "ca": ca} | more))


def secured(server: Server, site: str, user: str, **more: Any) -> Any:
    from sensor.delivery.elasticsearch import ElasticsearchDestination

    return ElasticsearchDestination(settings(server, user, **more), site)


def test_the_shippers_rights_suffice_and_others_do_not(guarded: Server, tmp_path: Path) -> None:
    one, queue = sender(tmp_path, secured(guarded, "rights", "shipper"), [*records(30, "rights"), asset("2026-11-28T06:00:00Z", 1)])
    assert deliver(one, queue)["delivered"] == {"modbus": 30, "asset": 1}
    assert one.report()["notes"] == {}
    with connect(settings(guarded, "shipper")) as client, pytest.raises(Exception, match="403"):
        client.search(index="logs-tapsight.*")
    for user, change, said in (("reader", {}, "403"), ("shipper", {"password": "wrong"}, "401")):
        one, queue = sender(tmp_path, secured(guarded, "rights", user, **change), records(5, "later"))
        one.step()
        report = one.report()
        assert report["is_alarm"]
        assert report["trouble"]["event"].startswith(said)
        assert len(queue) == 5
        one.destination.close()
        one.destination = secured(guarded, "rights", "shipper")  # the right is given again: it goes on, and nothing is lost
        one.work[-1].not_before = 0
        deliver(one, queue)
    with connect(settings(guarded, "admin")) as client:
        client.indices.refresh(index="logs-tapsight.modbus-rights")
        assert client.count(index="logs-tapsight.modbus-rights")["count"] == 35


def test_certificates_are_verified(guarded: Server, tmp_path: Path) -> None:
    """By our authority, or by fingerprint; by the system's authorities it is not trusted."""
    import ssl

    pem = ((guarded.tls or Path()) / "node.crt").read_text("utf-8")
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    one, queue = sender(tmp_path, secured(guarded, "tls", "shipper", fingerprint=fingerprint), records(5, "tls"))
    assert deliver(one, queue)["delivered"] == {"modbus": 5}
    for wrong in ({"fingerprint": "00" * 32}, {"ca": ""}):
        one, queue = sender(tmp_path, secured(guarded, "tls", "shipper", **wrong), records(5, "tls"))
        one.step()
        assert len(queue) == 5
        assert "ertificate" in one.report()["trouble"]["event"] or "ingerprint" in one.report()["trouble"]["event"]
        one.destination.close()


def test_an_older_cluster_needs_the_older_dialect(older: Server, tmp_path: Path) -> None:
    one, queue = sender(tmp_path, destination(older.url, "older"), records(20, "older"))
    one.step()
    assert one.report()["is_alarm"]
    assert "set elasticsearch.compat to 8" in one.report()["trouble"]["event"]
    one.destination.close()
    one.destination = destination(older.url, "older", compat=8, install=True)  # no templates are there: they are installed when they are missed
    one.work[-1].not_before = 0
    report = deliver(one, queue)
    assert report["delivered"] == {"modbus": 20}
    assert report["retried"]["modbus"] >= 20
    assert len(stored(older.url, "logs-tapsight.modbus-older")) == 20
    one.destination.close()
    client = connect(ElasticsearchSettings(urls=[older.url], compat=8))
    assert check(client)[1] == []
    config = tmp_path / "tapsight.yaml"
    config.write_text(f"elasticsearch: {{urls: ['{older.url}'], compat: 8}}\n")
    assert "templates" in {each.name for each in elasticsearch(older.url, ElasticsearchSettings(urls=[older.url], compat=8))}
    command = tapsight("es", "uninstall", "--config", config)
    assert command.returncode == 1
    assert command.stdout.endswith(" templates removed\n")
    assert command.stderr.splitlines()[0] == "3 templates stay, as 1 data streams use them, with their data: logs-tapsight.modbus-older"
    assert len(command.stderr.splitlines()) == 2
    done = uninstall(client)
    assert (done.streams, done.removed, done.refused) == (["logs-tapsight.modbus-older"], [], [])
    assert set(done.kept) == {"logs-tapsight.modbus", "tapsight@ecs", "tapsight@settings"}
    missing = [line for line in check(client)[1] if line.endswith(": is missing")]
    assert len(missing) > 10
    found = {each.name: each.values for each in elasticsearch(older.url, ElasticsearchSettings(urls=[older.url], compat=8))}
    assert found["no templates"]["n"] == len(missing)
    client.close()


def test_missing_templates_raise_an_alarm(plain: Server, tmp_path: Path) -> None:
    """Where they may not be installed by itself: nothing is written into an index that nobody described."""
    one, queue = sender(tmp_path, destination(plain.url, "missing"), records(3, "missing", "no_such_dataset"))
    one.step()
    report = one.report()
    assert report["is_alarm"]
    assert "tapsight es install" in report["trouble"]["event"]
    assert len(queue) == 3
    one.destination.close()


def tapsight(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sensor.cli.main", *map(str, words)], capture_output=True, text=True, timeout=500, check=False, env=os.environ | environment
    )


def test_the_command_line(plain: Server, demo_capture: Path, tmp_path: Path) -> None:
    """Templates are checked and put; an analysis is delivered, and a second time finds everything there."""
    done = tapsight("es", "check", "--es", plain.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert "all templates are as they shall be" in done.stdout
    assert tapsight("es", "check", "--es", plain.url, "--retention", "alert=1d").stdout == "logs-tapsight.alert: is another version\n"
    assert "0 templates installed" in tapsight("es", "install", "--es", plain.url).stdout
    config = tmp_path / "tapsight.yaml"
    config.write_text("site: Command-Line\n")
    ndjson = tmp_path / "all.ndjson"
    words = ("analyze", "--config", config, "--quiet", "--only", "alert,asset,flow,ledger,s7comm", "--ndjson", ndjson, "--es", plain.url, demo_capture)
    first, second = tapsight(*words), tapsight(*words)
    assert (first.returncode, first.stderr, second.returncode) == (0, "", 0)
    written = {json.loads(line)["event"]["id"] for line in ndjson.read_text("utf-8").splitlines()}
    assert stored(plain.url, "logs-tapsight.*-command_line") == dict.fromkeys(written, 1)


def test_the_command_line_says_what_is_wrong(guarded: Server, demo_capture: Path, tmp_path: Path) -> None:
    config = tmp_path / "tapsight.yaml"
    config.write_text(f"elasticsearch: {{urls: ['{guarded.url}'], user: shipper, ca: '{(guarded.tls or Path()) / 'ca.crt'}'}}\n")
    for words, code, said in (
        (("es", "install", "--config", config), 1, "401"),
        (("es", "check", "--es", "http://127.0.0.1:1"), 1, "refused"),
        (("es", "check", "--es", "ftp://x"), 2, "was expected"),
        (("es", "check"), 2, "no address"),
        (("es", "install", "--es", "http://127.0.0.1:1", "--retention", "soon"), 2, "30d"),
        (("es", "install", "--es", "http://127.0.0.1:1", "--retention", "modbas=1d"), 2, "did you mean modbus"),
        (("analyze", "--config", config, "--es", guarded.url, demo_capture), 1, "401"),
    ):
        done = tapsight(*words, TAPSIGHT_ES_PASSWORD="wrong")
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
        assert said in done.stderr


def test_install_twice_changes_nothing(plain: Server) -> None:
    with connect(ElasticsearchSettings(urls=[plain.url])) as client:
        assert install(client)[1] == []
