"""Every document into topics of Kafka, or of what speaks its protocol: the key is event.id, and one counts as delivered when all replicas in step have it.

What was under way when a connection broke may be there twice: readers go by the key. Source: librdkafka's CONFIGURATION.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.config import KafkaSettings
from sensor.delivery.outcome import Fate, Outcome, Paused
from sensor.events.record import Record

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message, Producer

GRACE_S = 2.0  # for the client to say that a message's time is over
OURS = (  # somebody has to set it right
    "_AUTHENTICATION", "_SSL", "SASL_AUTHENTICATION_FAILED", "UNSUPPORTED_SASL_MECHANISM", "TOPIC_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED",
    "UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION", "TOPIC_EXCEPTION", "POLICY_VIOLATION",
)  # fmt: skip
TOO_LONG, REFUSED, ALL_DOWN = "MSG_SIZE_TOO_LARGE", "INVALID_RECORD", "_ALL_BROKERS_DOWN"


class KafkaDestination:
    """One cluster."""

    name = "kafka"
    datasets: frozenset[str] = frozenset()
    most_bytes, most_records = 4_000_000, 10_000

    def __init__(self, settings: KafkaSettings) -> None:
        """Raises ValueError for what the client does not take, OSError where a file with certificates or a key cannot be read. Nobody is called yet."""
        self.settings = settings
        self.heard: KafkaError | None = None  # what the client said of its connections since the last attempt began
        self.too_long: list[int] = []  # places of records that were refused together with others
        self.producer: Producer | None = self._connect()

    def _connect(self) -> Producer:
        from confluent_kafka import KafkaException, Producer

        settings = self.settings
        files = {"ssl.ca.location": settings.ca, "ssl.certificate.location": settings.certificate, "ssl.key.location": settings.key}
        files = {name: path for name, path in files.items() if path}
        for path in files.values():
            Path(path).open("rb").close()  # the client's own error does not say which file
        how: dict[str, Any] = {
            "bootstrap.servers": ",".join(settings.brokers), "client.id": "tapsight", "enable.idempotence": True, "compression.type": "lz4",
            "message.timeout.ms": settings.timeout_s * 1000, "topic.metadata.propagation.max.ms": settings.timeout_s * 500,
            "security.protocol": f"{'SASL_' if settings.user else ''}{'SSL' if settings.transport == 'tls' else 'PLAINTEXT'}",
            "error_cb": self._hear, "log_level": 0,
        }  # fmt: skip
        how |= files
        if key_password := settings.key_password or os.environ.get("TAPSIGHT_KAFKA_KEY_PASSWORD", ""):
            how["ssl.key.password"] = key_password
        if settings.user:
            password = settings.password or os.environ.get("TAPSIGHT_KAFKA_PASSWORD", "")
            how |= {"sasl.mechanism": settings.mechanism, "sasl.username": settings.user, "sasl.password": password}
        try:
            return Producer(how)
        except KafkaException as error:
            raise ValueError(f"kafka: {error.args[0].str()}") from error

    def deliver(self, records: Sequence[Record]) -> Outcome:
        """Raises Paused where nothing is decided."""
        outcome = Outcome.undecided(len(records))
        self.heard, self.too_long = None, []
        self._send(records, range(len(records)), outcome)
        alone, self.too_long = self.too_long, []
        for place in alone:  # it was the batch that was too long, or only one of them
            self._send(records, [place], outcome)
        for place in self.too_long:
            outcome.fates[place], outcome.why[place] = Fate.DEAD, ("too_long", f"the broker does not take a message of {len(records[place].document)} octets")
        undecided = Fate.RETRY in outcome.fates
        if undecided:
            self._explain(outcome)
        if undecided and not any(outcome.fates):
            raise Paused(outcome.trouble, is_alarm=outcome.is_alarm)
        return outcome

    def _send(self, records: Sequence[Record], places: Iterable[int], outcome: Outcome) -> None:
        """Hand over, and wait until each is decided or its time is over."""
        from confluent_kafka import KafkaException

        if self.producer is None:
            self.producer = self._connect()
        for place in places:
            record = records[place]
            topic = self.settings.topic.replace("{dataset}", record.dataset)
            try:
                self.producer.produce(topic, record.document, record.id.encode("utf-8", "replace"), on_delivery=partial(self._told, outcome, place))
            except KafkaException as error:  # not even tried
                self._judge(error.args[0], outcome, place, is_alone=True)
            except BufferError:
                break  # the rest is undecided
        if self.producer.flush(self.settings.timeout_s + GRACE_S):
            self._drop()

    def _told(self, outcome: Outcome, place: int, error: KafkaError | None, _message: Message) -> None:
        """The client says what became of a message."""
        if error is None:
            outcome.fates[place] = Fate.DELIVERED
        else:
            self._judge(error, outcome, place)

    def _judge(self, error: KafkaError, outcome: Outcome, place: int, *, is_alone: bool = False) -> None:
        name = error.name()
        if name == TOO_LONG and not is_alone:
            self.too_long.append(place)
        elif name in (TOO_LONG, REFUSED):
            outcome.fates[place] = Fate.DEAD
            outcome.why[place] = ("too_long" if name == TOO_LONG else name.lower(), error.str())
        else:
            outcome.trouble = outcome.trouble or error.str()
            outcome.is_alarm = outcome.is_alarm or is_ours(error)
        if error.fatal():
            self._drop()

    def _explain(self, outcome: Outcome) -> None:
        """Why some are undecided: that a connection cannot be made says more than that a message's time is over."""
        heard, self.heard = self.heard, None
        if heard is not None:
            outcome.trouble, outcome.is_alarm = heard.str(), outcome.is_alarm or is_ours(heard)
        outcome.trouble = outcome.trouble or "no answer"

    def _hear(self, error: KafkaError) -> None:
        if self.heard is None or error.name() != ALL_DOWN:
            self.heard = error

    def _drop(self) -> None:
        """A client that cannot go on: what it still has is sent again by another one."""
        if self.producer is not None:
            self.producer.purge(blocking=False)
            self.producer = None

    def close(self) -> None:
        self._drop()


def is_ours(error: KafkaError) -> bool:
    """Whether somebody has to set it right. A broker that wants another certificate than ours says so by an alert of TLS, which the client takes for a lost connection."""
    return error.name() in OURS or "SSL alert" in error.str()
