"""The destinations that a configuration names."""

from __future__ import annotations

from sensor.config import Config
from sensor.delivery.elasticsearch import ElasticsearchDestination
from sensor.delivery.files import FileDestination
from sensor.delivery.kafka import KafkaDestination
from sensor.delivery.outcome import Destination
from sensor.delivery.syslog import SyslogDestination
from sensor.delivery.webhook import WebhookDestination


def destinations(config: Config) -> list[Destination]:
    """Each of them. Raises ValueError or OSError for one that cannot be."""
    found: list[Destination] = []
    if config.elasticsearch.urls or config.elasticsearch.cloud_id:
        found.append(ElasticsearchDestination(config.elasticsearch, config.site))
    if config.syslog.host:
        found.append(SyslogDestination(config.syslog))
    if config.files.path:
        found.append(FileDestination(config.files))
    if config.webhook.url:
        found.append(WebhookDestination(config.webhook))
    if config.kafka.brokers:
        found.append(KafkaDestination(config.kafka))
    return found
