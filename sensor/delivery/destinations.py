"""The destinations that a configuration names."""

from __future__ import annotations

from collections.abc import Callable

from sensor.config import Config
from sensor.delivery.elasticsearch import ElasticsearchDestination
from sensor.delivery.files import FileDestination
from sensor.delivery.kafka import KafkaDestination
from sensor.delivery.outcome import Destination
from sensor.delivery.syslog import SyslogDestination
from sensor.delivery.webhook import WebhookDestination

MAKERS: dict[str, Callable[[Config], Destination]] = {  # by the name of the destination, which is that of its part of the configuration
    "elasticsearch": lambda config: ElasticsearchDestination(config.elasticsearch, config.site),
    "syslog": lambda config: SyslogDestination(config.syslog),
    "files": lambda config: FileDestination(config.files),
    "webhook": lambda config: WebhookDestination(config.webhook),
    "kafka": lambda config: KafkaDestination(config.kafka),
}


def wanted(config: Config) -> list[str]:
    """The names of those that there shall be."""
    found = {
        "elasticsearch": config.elasticsearch.urls or config.elasticsearch.cloud_id,
        "syslog": config.syslog.host,
        "files": config.files.path,
        "webhook": config.webhook.url,
        "kafka": config.kafka.brokers,
    }
    return [name for name, where in found.items() if where]


def destinations(config: Config) -> list[Destination]:
    """Each of them. Raises ValueError or OSError for one that cannot be."""
    return [MAKERS[name](config) for name in wanted(config)]
