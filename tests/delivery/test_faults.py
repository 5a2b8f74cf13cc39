"""What may happen between a sensor and its store. After each fault: every record is in the store exactly once by id, or a dead letter, and the account balances."""

from __future__ import annotations

from pathlib import Path

import pytest

from sensor.config import ElasticsearchSettings
from sensor.delivery.elasticsearch import ElasticsearchDestination
from sensor.spool.records import Lane
from tests.delivery.faulty import Proxy
from tests.delivery.sending import dead, deliver, destination, records, sender, stored
from tests.delivery.server import Server, free_port

N = 60
SITE = "faults"  # one for all: a new data stream takes a while
STREAM = f"logs-tapsight.modbus-{SITE}"
PASSING = (  # faults that go over: nothing is lost by them
    "reset_before", "reset_after", "hang", "truncated", "half_json", "fewer_items", "not_json", "no_product", "slow", "all_429", "some_429", "some_503",
    "unavailable", "bad_gateway", "unauthorized", "forbidden", "bad_request",
)  # fmt: skip
APPLIED = {"reset_after", "truncated", "half_json", "not_json", "fewer_items"}  # the store had it all, and we could not know
ALARMS = {"unauthorized", "forbidden", "bad_request"}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes(fault: str, plain: Server, proxy: Proxy, tmp_path: Path) -> None:
    one, queue = sender(tmp_path, destination(proxy.url, SITE, batch_documents=25, timeout_s=2 if fault == "hang" else 60), records(N, fault))
    with proxy.spoiling(fault, times=3):
        while proxy.spoilt < 1:
            one.step()
        if fault in ALARMS:
            assert one.report()["is_alarm"]
        report = deliver(one, queue)
    assert proxy.spoilt == 3 or fault == "slow"
    assert stored(plain.url, STREAM, fault) == dict.fromkeys((f"{fault}-{i}" for i in range(N)), 1)
    assert dead(tmp_path) == []
    delivered, duplicates = report["delivered"].get("modbus", 0), report["duplicate"].get("modbus", 0)
    assert delivered + duplicates == N
    assert duplicates > 0 or fault not in APPLIED
    assert report["trouble"] == {}
    one.destination.close()


def test_some_are_refused_for_good(plain: Server, proxy: Proxy, tmp_path: Path) -> None:
    one, queue = sender(tmp_path, destination(proxy.url, SITE, batch_documents=30), records(N, "refused"))
    with proxy.spoiling("some_400"):
        report = deliver(one, queue)
    letters = dead(tmp_path)
    assert report["dead_letter"] == {"modbus": {"document_parsing_exception": 20}}
    assert {letter["reason"] for letter in letters} == {"document_parsing_exception: made"}
    ids = stored(plain.url, STREAM, "refused")
    assert set(ids.values()) == {1}
    assert sorted([*ids, *(letter["id"] for letter in letters)]) == sorted(f"refused-{i}" for i in range(N))
    one.destination.close()


def test_what_is_too_long_is_halved(plain: Server, proxy: Proxy, tmp_path: Path) -> None:
    """Until it fits; what is too long by itself is a dead letter."""
    content = records(N, "halved")
    long = records(1, "long")[0]
    content.insert(7, type(long)("modbus", long.id, long.document[:-1] + b',"modbus":{"data":"' + b"0123456789abcdef" * 4_000 + b'"}}'))
    proxy.largest = 3_000
    one, queue = sender(tmp_path, destination(proxy.url, SITE, gzip=False), content)
    with proxy.spoiling("too_large"):
        report = deliver(one, queue)
    assert stored(plain.url, STREAM, "halved") == dict.fromkeys((f"halved-{i}" for i in range(N)), 1)
    assert report["dead_letter"] == {"modbus": {"too_long": 1}}
    assert [letter["id"] for letter in dead(tmp_path)] == ["long-0"]
    one.destination.close()


def test_a_store_that_is_not_there_yet(plain: Server, proxy: Proxy, tmp_path: Path) -> None:
    """Refused, and a name that nobody knows: nothing is lost, and it goes on once there is somebody."""
    for url in (f"http://127.0.0.1:{free_port()}", "http://no-such-host.invalid:9200"):
        one, queue = sender(tmp_path, destination(url, SITE), records(N, "absent"))
        for _ in range(5):
            one.step()
        assert len(queue) == N
        assert one.report()["trouble"].keys() == {"event"}
        one.destination.close()
        one.destination = destination(plain.url, SITE)
        one.step()
        deliver(one, queue)
    assert stored(plain.url, STREAM, "absent") == dict.fromkeys((f"absent-{i}" for i in range(N)), 1)


def test_one_of_several_hosts_is_down(plain: Server, tmp_path: Path) -> None:
    urls = [f"http://127.0.0.1:{free_port()}", plain.url]
    one, queue = sender(tmp_path, ElasticsearchDestination(ElasticsearchSettings(urls=urls, batch_documents=10), SITE), records(N, "hosts"))
    deliver(one, queue)
    assert stored(plain.url, STREAM, "hosts") == dict.fromkeys((f"hosts-{i}" for i in range(N)), 1)
    one.destination.close()


def test_through_a_proxy_that_asks_for_whole_addresses(plain: Server, proxy: Proxy, tmp_path: Path) -> None:
    one, queue = sender(tmp_path, destination(plain.url, SITE, proxy=proxy.url), records(N, "proxied"))
    deliver(one, queue)
    assert proxy.methods
    assert len(stored(plain.url, STREAM, "proxied")) == N
    one.destination.close()


def test_something_that_is_no_elasticsearch(plain: Server, proxy: Proxy, tmp_path: Path) -> None:
    """A proxy that takes the product's header away from everything: nothing is sent to it."""
    one, queue = sender(tmp_path, destination(proxy.url, SITE), records(N, "product"))
    proxy.strip = True
    one.step()
    assert "not Elasticsearch" in one.report()["trouble"]["event"]
    assert len(queue) == N
    proxy.strip = False
    one.work[-1].not_before = 0
    deliver(one, queue)
    assert stored(plain.url, STREAM, "product") == dict.fromkeys((f"product-{i}" for i in range(N)), 1)
    one.destination.close()


def test_alerts_go_first_and_a_stuck_lane_holds_up_no_other(plain: Server, proxy: Proxy, tmp_path: Path) -> None:
    """Events that nothing takes wait; alerts that come meanwhile go."""
    one, queue = sender(tmp_path, destination(proxy.url, SITE), records(N, "late"))
    with proxy.spoiling("all_429"):
        one.step()
    one.work[-1].not_before += 3_600
    queue.append(Lane.ALERT, records(3, "urgent", "alert"))
    one.step()
    assert one.report()["delivered"] == {"alert": 3}
    assert len(queue) == N
    one.work[-1].not_before = 0
    deliver(one, queue)
    assert len(stored(plain.url, f"logs-tapsight.*-{SITE}", "late")) == N
    assert len(stored(plain.url, f"logs-tapsight.alert-{SITE}", "urgent")) == 3
    one.destination.close()


def test_dead_letters_that_cannot_be_kept_are_not_dead(plain: Server, tmp_path: Path) -> None:
    """A record is refused, and the file for it cannot be written: it stays in the spool, with an alarm, until it can."""
    bad = records(1, "unkept")[0]
    one, queue = sender(tmp_path, destination(plain.url, SITE), [type(bad)("modbus", bad.id, b'{"no":"time"}')])
    one.dead_letters.file.path = tmp_path / "missing" / "dead.ndjson"
    one.step()
    assert len(queue) == 1
    assert one.report()["is_alarm"]
    one.dead_letters.file.path = tmp_path / "dead.ndjson"
    report = deliver(one, queue)
    assert sum(report["dead_letter"]["modbus"].values()) == len(dead(tmp_path)) == 1
    one.destination.close()
