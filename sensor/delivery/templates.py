"""Component and index templates of our data streams, as a server of some version takes them; names of streams and indices.

A dataset's stream is `logs-tapsight.DATASET-SITE`. `tapsight@custom`, where somebody made one, goes over all of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sensor.delivery.mappings import COUNTERS, EVENT, OWN, datasets, merged, nested, own_properties, stream_dataset, without

PREFIX = "logs-tapsight."
ASSETS = "tapsight-assets"  # the current state of each asset
PRIORITY = 260  # the built-in logs-*-* has 100, integrations 200
MOST_FIELDS = 2_000
RETENTION = {"alert": "365d", "asset": "365d", "ledger": "365d", "flow": "90d", "anomaly": "90d", "point": "90d"}
RETENTION_OF_EVENTS = "30d"
SERVERLESS = (99, 0)  # the version of what has none: always the newest


@dataclass(frozen=True)
class Server:
    """What a server is: its version, and which of our field types it lacks."""

    version: tuple[int, int]
    missing: frozenset[str] = frozenset()

    @property
    def has_lifecycle(self) -> bool:
        return self.version >= (8, 14)

    @property
    def has_logsdb(self) -> bool:
        return self.version >= (8, 17)

    @property
    def has_failure_store(self) -> bool:
        return self.version >= (9, 1) or (8, 19) <= self.version < (9, 0)

    @property
    def may_leave_fields_out(self) -> bool:
        """index.mapping.total_fields.ignore_dynamic_beyond_limit."""
        return self.version >= (8, 14)


@dataclass(frozen=True)
class Template:
    """One template: what API keeps it (`_component_template` or `_index_template`), its name and its body."""

    api: str
    name: str
    body: dict[str, Any]

    @property
    def meta(self) -> dict[str, Any]:
        """Whose it is; what tells one rendering from another (digest); and which types it does without."""
        meta: dict[str, Any] = self.body["_meta"]
        return meta


def site_of(name: str) -> str:
    """A site's name as a data stream's namespace takes it: lower case, at most 100 bytes, without what it may not hold."""
    text = re.sub(r'[-\\/*?"<>|\s,#:]+', "_", name.strip().lower()).strip("_.+")
    while len(text.encode()) > 100:
        text = text[:-1]
    return text or "default"


def stream(dataset: str, site: str) -> str:
    """The data stream of a dataset. site: as site_of gives it."""
    return f"{PREFIX}{stream_dataset(dataset)}-{site}"


def assets_index(site: str) -> str:
    """The index that holds one document per asset."""
    return f"{ASSETS}-{site}"


def settings(server: Server) -> dict[str, Any]:
    """Of every backing index. An odd value costs its field, never its document. Sorted by sensor and time: what is alike lies together."""
    index: dict[str, Any] = {"mapping": {"ignore_malformed": True, "total_fields": {"limit": MOST_FIELDS}}, "refresh_interval": "5s"}
    index |= {"sort": {"field": ["observer.name", "@timestamp"], "order": ["asc", "desc"]}}
    index |= {"mode": "logsdb"} if server.has_logsdb else {"codec": "best_compression"}
    if server.may_leave_fields_out:
        index["mapping"]["total_fields"]["ignore_dynamic_beyond_limit"] = True
    return {"index": index}


def templates(server: Server, retention: Mapping[str, str] = RETENTION, of_events: str = RETENTION_OF_EVENTS) -> list[Template]:
    """All of them, in the order in which they are put. retention: by dataset; of_events: of those that it does not name."""
    common = without(nested(EVENT), server.missing)
    found = [
        signed(server, "_component_template", "tapsight@settings", {"template": {"settings": settings(server)}}),
        signed(server, "_component_template", "tapsight@ecs", {"template": {"mappings": {"dynamic": False, "date_detection": False, "properties": common}}}),
    ]
    for dataset in datasets():
        own = without(own_properties(dataset), server.missing)
        mappings: dict[str, Any] = {"dynamic": False, "properties": own} | ({"dynamic_templates": COUNTERS} if dataset in ("ledger", "health") else {})
        template: dict[str, Any] = {"mappings": mappings}
        if server.has_lifecycle:
            template["lifecycle"] = {"data_retention": retention.get(dataset, of_events)}
        if server.has_failure_store:
            template["data_stream_options"] = {"failure_store": {"enabled": True}}
        body: dict[str, Any] = {
            "index_patterns": [f"{PREFIX}{stream_dataset(dataset)}-*"],
            "data_stream": {},
            "composed_of": ["tapsight@settings", "tapsight@ecs", "tapsight@custom"],
        }
        found.append(signed(server, "_index_template", f"{PREFIX}{stream_dataset(dataset)}", body | {"priority": PRIORITY, "template": template}))
    state = without(merged(nested(EVENT), nested(OWN["asset"])), server.missing)
    body = {"index_patterns": [f"{ASSETS}-*"], "composed_of": ["tapsight@custom"], "priority": PRIORITY}
    limits = {"index": {"mapping": {"ignore_malformed": True}}}
    found.append(signed(server, "_index_template", ASSETS, body | {"template": {"settings": limits, "mappings": {"dynamic": False, "properties": state}}}))
    return found


def signed(server: Server, api: str, name: str, body: dict[str, Any]) -> Template:
    """A template that says whose it is, and for what kind of server it was rendered."""
    whole = body | ({"ignore_missing_component_templates": ["tapsight@custom"]} if "composed_of" in body else {})
    without_types = sorted(server.missing)
    digest = hashlib.blake2b(json.dumps([whole, without_types], sort_keys=True).encode(), digest_size=8).hexdigest()
    return Template(api, name, whole | {"_meta": {"managed_by": "tapsight", "digest": digest, "without": without_types}})
