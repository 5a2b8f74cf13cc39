"""Kafka: against a broker that the client library brings, or against the one that TAPSIGHT_KAFKA names (HOST:PORT)."""

from __future__ import annotations

import os
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from cryptography.hazmat.primitives import serialization

from sensor.config import KafkaSettings
from sensor.delivery.kafka import OURS, REFUSED, TOO_LONG, KafkaDestination
from sensor.delivery.outcome import Fate, Outcome, Paused
from sensor.events.record import Record
from tests.delivery.guard import Guard
from tests.delivery.sending import dead, deliver, records, sender
from tests.delivery.server import free_port

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    if given := os.environ.get("TAPSIGHT_KAFKA"):
        yield given
        return
    cluster = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = cluster.list_topics(timeout=10).brokers.values()
    yield f"{broker.host}:{broker.port}"


@pytest.fixture
def topic() -> str:
    return f"t{secrets.token_hex(4)}.{{dataset}}"


def settings(brokers: str, topic: str, **more: object) -> KafkaSettings:
    return KafkaSettings.model_validate({"brokers": [brokers], "topic": topic, "transport": "plain"} | more)


def stored(brokers: str, topic: str) -> list[tuple[bytes, bytes]]:
    """Keys and values of all that a topic has."""
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "test", "log_level": 0, "enable.auto.commit": False})
    partitions = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in consumer.list_topics(topic, timeout=10).topics[topic].partitions]
    ends = sum(high - low for low, high in (consumer.get_watermark_offsets(each, timeout=10) for each in partitions))
    consumer.assign(partitions)
    found: list[tuple[bytes, bytes]] = []
    until = time.monotonic() + 20
    while len(found) < ends and time.monotonic() < until:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            found.append((bytes(message.key() or b""), bytes(message.value() or b"")))
    consumer.close()
    return found


def test_every_document_in_the_topic_of_its_dataset(brokers: str, topic: str, tmp_path: Path) -> None:
    content = [*records(200, "kafka"), *records(3, "kafka", "alert")]
    one, queue = sender(tmp_path, KafkaDestination(settings(brokers, topic)), content)
    assert deliver(one, queue)["delivered"] == {"modbus": 200, "alert": 3}
    one.destination.close()
    for dataset in ("modbus", "alert"):
        expected = [(each.id.encode(), each.document) for each in content if each.dataset == dataset]
        assert sorted(stored(brokers, topic.replace("{dataset}", dataset))) == sorted(expected)


def test_what_is_too_long_is_a_dead_letter(brokers: str, topic: str, tmp_path: Path) -> None:
    content = records(10, "long")
    content.insert(5, Record("modbus", "too-long", b"x" * 1_200_000))
    one, queue = sender(tmp_path, KafkaDestination(settings(brokers, topic)), content)
    report = deliver(one, queue)
    assert (report["delivered"], report["dead_letter"]) == ({"modbus": 10}, {"modbus": {"too_long": 1}})
    assert [letter["id"] for letter in dead(tmp_path)] == ["too-long"]
    one.destination.close()


def test_nobody_is_there_and_then_somebody_is(brokers: str, topic: str, tmp_path: Path) -> None:
    """Nothing is lost, it says why, and it goes on."""
    one, queue = sender(tmp_path, KafkaDestination(settings(f"127.0.0.1:{free_port()}", topic, timeout_s=1)), records(20, "absent"))
    one.step()
    assert len(queue) == 20
    assert "refused" in one.report()["trouble"]["event"]
    assert not one.report()["is_alarm"]
    one.destination.close()
    one.destination = KafkaDestination(settings(brokers, topic))
    one.work[-1].not_before = 0
    assert deliver(one, queue)["delivered"] == {"modbus": 20}
    assert len(stored(brokers, topic.replace("{dataset}", "modbus"))) == 20
    one.destination.close()


def test_a_broker_that_hangs_up_on_everybody() -> None:
    """Nothing is decided; the next attempt begins anew."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            try:
                while True:
                    listening.accept()[0].close()
            except OSError:
                return

        threading.Thread(target=hang_up, daemon=True).start()
        where = KafkaDestination(settings(f"127.0.0.1:{listening.getsockname()[1]}", "t", timeout_s=1))
        for _ in range(2):
            with pytest.raises(Paused):
                where.deliver(records(1, "x"))
        where.close()
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("name", OURS)
def test_what_somebody_has_to_set_right_is_an_alarm(name: str) -> None:
    where, outcome = KafkaDestination(settings("127.0.0.1:9", "t")), Outcome.undecided(1)
    where._told(outcome, 0, KafkaError(getattr(KafkaError, name)), None)  # type: ignore[arg-type]  # of a message nothing is asked
    assert (outcome.fates, outcome.is_alarm) == ([Fate.RETRY], True)
    where.close()


def test_what_a_broker_refuses_with_others_is_sent_alone() -> None:
    where, outcome = KafkaDestination(settings("127.0.0.1:9", "t")), Outcome.undecided(2)
    where._told(outcome, 0, KafkaError(getattr(KafkaError, TOO_LONG)), None)  # type: ignore[arg-type]
    assert (outcome.fates, where.too_long) == ([Fate.RETRY, Fate.RETRY], [0])
    where._told(outcome, 1, KafkaError(getattr(KafkaError, REFUSED)), None)  # type: ignore[arg-type]
    assert outcome.fates[1] is Fate.DEAD
    where.close()


def test_settings_that_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="HOST:PORT was expected"):
        settings("broker", "t")
    with pytest.raises(ValueError, match="a topic's name"):
        settings("broker:9092", "{data}")
    for mistaken in ({"certificate": "a"}, {"key": "a"}):
        with pytest.raises(ValueError, match="certificate and key go together"):
            settings("broker:9092", "t", transport="tls", **mistaken)
    with pytest.raises(ValueError, match="of no use without transport: tls"):
        settings("broker:9092", "t", ca="a")
    with pytest.raises(OSError, match=r"ca\.crt"):
        KafkaDestination(settings("broker:9092", "t", transport="tls", ca=str(tmp_path / "ca.crt")))
    with pytest.raises(OSError, match=r"own\.key"):
        KafkaDestination(settings("broker:9092", "t", transport="tls", certificate=__file__, key=str(tmp_path / "own.key")))
    (bad := tmp_path / "bad.crt").write_text("no certificate")
    with pytest.raises(ValueError, match="kafka: "):
        KafkaDestination(settings("broker:9092", "t", transport="tls", ca=str(bad)))


def guarded(guard: Guard, topic: str, authority: Path, **more: object) -> KafkaSettings:
    """Settings that the guard lets through, but for those that are said otherwise."""
    return settings(f"127.0.0.1:{guard.port}", topic, **{"transport": "tls", "ca": str(authority / "ca.crt"), "timeout_s": 10} | more)


@pytest.fixture
def guard(brokers: str, authority: Path, request: pytest.FixtureRequest) -> Iterator[Guard]:
    """In front of the broker. Its parameters: arguments of Guard; tls: whether it speaks that; asks: whether it asks for a certificate."""
    if os.environ.get("TAPSIGHT_KAFKA"):
        pytest.skip("goes with the broker that the client library brings")
    arguments, context = dict(request.param), None
    if arguments.pop("tls"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority / "node.crt", authority / "node.key")
        context.load_verify_locations(authority / "ca.crt")
        context.verify_mode = ssl.CERT_REQUIRED if arguments.pop("asks", False) else ssl.CERT_NONE
    with Guard(brokers, context, **arguments) as made:
        yield made


@pytest.mark.parametrize(
    ("guard", "more"),
    [
        ({"tls": True}, {}),
        ({"tls": True, "asks": True}, {"own": True}),
        *(
            ({"tls": tls, "user": "sensor", "password": "p=ss,word", "mechanism": how}, {"user": "sensor", "mechanism": how})
            for tls in (True, False)
            for how in MECHANISMS
        ),
    ],
    indirect=["guard"],
)
def test_encrypted_with_a_certificate_and_by_password(
    guard: Guard, more: dict[str, object], brokers: str, topic: str, tmp_path: Path, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAPSIGHT_KAFKA_PASSWORD", "p=ss,word")
    more = dict(more)
    if more.pop("own", False):
        monkeypatch.setenv("TAPSIGHT_KAFKA_KEY_PASSWORD", "secret")
        more |= {"certificate": str(authority / "node.crt"), "key": str(encrypted(authority / "node.key", tmp_path, b"secret"))}
    where = guarded(guard, topic, authority, **more if guard.context else more | {"transport": "plain", "ca": ""})
    one, queue = sender(tmp_path, KafkaDestination(where), records(50, "guarded"))
    assert deliver(one, queue)["delivered"] == {"modbus": 50}
    one.destination.close()
    assert guard.let_in
    assert guard.names == ({"node"} if "certificate" in more else set())
    assert len(stored(brokers, topic.replace("{dataset}", "modbus"))) == 50


@pytest.mark.parametrize(
    ("guard", "more", "why"),
    [
        ({"tls": True}, {"ca": ""}, "certificate"),
        ({"tls": True, "asks": True}, {}, "certificate"),
        ({"tls": True, "user": "sensor", "password": "another", "mechanism": "SCRAM-SHA-512"}, {"user": "sensor", "password": "word"}, "SASL"),
    ],
    indirect=["guard"],
)
def test_what_is_not_trusted_is_an_alarm_and_waits(guard: Guard, more: dict[str, object], why: str, topic: str, tmp_path: Path, authority: Path) -> None:
    one, queue = sender(tmp_path, KafkaDestination(guarded(guard, topic, authority, timeout_s=3, **more)), records(5, "waits"))
    one.step()
    assert len(queue) == 5
    assert one.report()["is_alarm"]
    assert why in one.report()["trouble"]["event"]
    assert not guard.let_in
    one.destination.close()


def encrypted(key: Path, folder: Path, password: bytes) -> Path:
    """The same key under a password."""
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(password))
    (folder / "own.key").write_bytes(serialization.load_pem_private_key(key.read_bytes(), None).private_bytes(*form))
    return folder / "own.key"
