"""Templates into a server, out of it, and whether those that are there are ours: under an administrator's rights, not the shipper's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sensor.delivery.client import JSON, server, told
from sensor.delivery.mappings import FALLBACKS
from sensor.delivery.templates import PREFIX, RETENTION, RETENTION_OF_EVENTS, Server, templates

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

NO_SUCH_TYPE = re.compile(r"type \[(\w+)\] declared on field")


def install(client: Elasticsearch, retention: Mapping[str, str] = RETENTION, of_events: str = RETENTION_OF_EVENTS) -> tuple[Server, list[str]]:
    """Put every template that is not there as it shall be. Gives what the server is, and the names of those that changed.

    Field types that the server lacks are found by its refusal: it has no list of them. Raises what the client raises.
    """
    from elasticsearch import BadRequestError

    found = known(client)
    changed: dict[str, None] = {}
    for _ in range(len(FALLBACKS) + 1):
        try:
            for each in templates(found, retention, of_events):
                if meta(client, each.api, each.name).get("digest") != each.meta["digest"]:
                    client.perform_request("PUT", f"/{each.api}/{each.name}", headers=JSON, body=each.body)
                    changed[each.name] = None
            break
        except BadRequestError as error:
            lacking = NO_SUCH_TYPE.search(str(error.body))
            if lacking is None or lacking[1] in found.missing or lacking[1] not in FALLBACKS:
                raise
            found = replace(found, missing=found.missing | {lacking[1]})
    return found, list(changed)


def roll_over(client: Elasticsearch, changed: list[str]) -> list[str]:
    """Begin new backing indices of the data streams whose templates changed, so that they apply. Gives the streams' names."""
    common = any(name.startswith("tapsight@") for name in changed)
    rolled = []
    for name in streams(client):
        if common or name.rpartition("-")[0] in changed:
            client.perform_request("POST", f"/{name}/_rollover", headers=JSON, body={})
            rolled.append(name)
    return rolled


def streams(client: Elasticsearch) -> list[str]:
    """Our data streams."""
    answer = client.perform_request("GET", f"/_resolve/index/{PREFIX}*", headers=JSON).body
    return [each["name"] for each in answer["data_streams"]]


def meta(client: Elasticsearch, api: str, name: str) -> dict[str, Any]:
    """What the template of this name in the server says of itself; empty where there is none, or it is not ours."""
    from elasticsearch import NotFoundError

    try:
        answer = client.perform_request("GET", f"/{api}/{name}", headers=JSON).body
    except NotFoundError:
        return {}
    kind = api.removeprefix("_")
    found: dict[str, Any] = answer[f"{kind}s"][0][kind].get("_meta", {})
    return found if found.get("managed_by") == "tapsight" else {}


def known(client: Elasticsearch) -> Server:
    """What is at the other end, with the types that it was found to lack when templates were installed."""
    return replace(server(client), missing=frozenset(meta(client, "_component_template", "tapsight@ecs").get("without", ())))


def check(client: Elasticsearch, retention: Mapping[str, str] = RETENTION, of_events: str = RETENTION_OF_EVENTS) -> tuple[Server, list[str]]:
    """What is missing or differs: nothing, where everything is as install makes it. Raises what the client raises."""
    found = known(client)
    wrong = []
    for template in templates(found, retention, of_events):
        there = meta(client, template.api, template.name)
        if there.get("digest") != template.meta["digest"]:
            wrong.append(f"{template.name}: {'is another version' if there else 'is missing'}")
    return found, wrong


@dataclass
class Uninstalled:
    """What became of our templates. kept: a template that data streams use stays, and so do those that it is composed of; refused: with the reason."""

    streams: list[str]
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def uninstall(client: Elasticsearch) -> Uninstalled:
    """Remove our templates. Data stays. Raises what the client raises where nothing can be done."""
    from elasticsearch import ApiError, NotFoundError

    done = Uninstalled(streams(client))
    used = {name.rpartition("-")[0] for name in done.streams}
    for template in reversed(templates(Server((9, 9)))):
        is_used = bool(used) if template.api == "_component_template" else template.name in used
        try:
            if not meta(client, template.api, template.name):
                continue
            if is_used:
                done.kept.append(template.name)
                continue
            client.perform_request("DELETE", f"/{template.api}/{template.name}", headers=JSON)
            done.removed.append(template.name)
        except NotFoundError:
            continue
        except ApiError as error:
            done.refused.append(f"{template.name}: {told(error)}")
    return done
