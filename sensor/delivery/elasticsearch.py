"""Records into Elasticsearch's data streams, each once: `create` under its own id, so that what is sent again is refused as known (409) and counts as delivered.

What becomes of an item is decided item by item; of a request without a usable answer nothing is known, and all of it is sent again.
A record that is sent again after its stream rolled over is taken twice: ids are unique in a backing index only.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sensor.config import ElasticsearchSettings
from sensor.delivery.client import connect, is_of_another_version, server, told, type_of
from sensor.delivery.outcome import Fate, Outcome, Paused
from sensor.delivery.templates import Server, assets_index, site_of, stream
from sensor.events.record import Record

if TYPE_CHECKING:
    from elasticsearch import ApiError, Elasticsearch

FIELDS = "took,errors,items.*.status,items.*.error,items.*.failure_store"
LONGEST_WAIT_S = 300.0
AHEAD_NS = 60_000_000_000  # how much later than now a state must be to be one that a clock set back since has given
INVALID = (
    "action_request_validation_exception",
    "parse_exception",
    "x_content_parse_exception",
    "json_parse_exception",
)  # a request that some record makes unreadable


class ElasticsearchDestination:
    """One cluster. A request is tried once; the sender waits and comes again."""

    name = "elasticsearch"
    datasets: frozenset[str] = frozenset()

    def __init__(self, settings: ElasticsearchSettings, site: str) -> None:
        """Raises ValueError or OSError where the settings cannot be used; nothing is sent yet."""
        self.settings, self.site = settings, site_of(site)
        self.most_bytes, self.most_records = settings.batch_bytes, settings.batch_documents
        self.client: Elasticsearch = connect(settings)
        self.server: Server | None = None
        self.installed = False

    def close(self) -> None:
        self.client.close()

    def deliver(self, records: Sequence[Record]) -> Outcome:
        """Send records. Raises Paused where nothing is decided."""
        outcome = Outcome.undecided(len(records))
        self._send(records, range(len(records)), outcome)
        if outcome.trouble and not any(outcome.fates):
            raise Paused(outcome.trouble, outcome.wait_s, is_alarm=outcome.is_alarm)
        return outcome

    def check(self) -> Server:
        """What is at the other end. Raises Paused where it cannot be told."""
        from elasticsearch import ApiError, TransportError, UnsupportedProductError

        if self.server is None:
            try:
                self.server = server(self.client)
            except ApiError as error:
                raise self._refused(error) from error
            except (TransportError, UnsupportedProductError, LookupError, TypeError, ValueError, AttributeError) as error:
                raise Paused(f"no Elasticsearch: {told(error)}") from error
        return self.server

    def _refused(self, error: ApiError) -> Paused:
        """A request as a whole was not taken."""
        if is_of_another_version(error):
            other = 8 if self.settings.compat == 9 else 9
            return Paused(f"the server is of another version: set elasticsearch.compat to {other} ({told(error)})", is_alarm=True)
        return Paused(told(error), waiting(error), is_alarm=400 <= error.status_code < 429 and error.status_code not in (404, 408, 421, 425))

    def _send(self, records: Sequence[Record], places: Sequence[int], outcome: Outcome) -> None:
        """One request with the records at these places; two with half of them where that is too long."""
        from elasticsearch import ApiError, TransportError, UnsupportedProductError

        try:
            parameters = self._parameters()
            body, actions = self._body(records, places)
            answer: Any = self.client.bulk(operations=body, filter_path=FIELDS, require_data_stream=True, **parameters).body  # type: ignore[arg-type]  # bytes go as they are
        except Paused as pause:
            outcome.hold(pause)
        except ApiError as error:
            is_too_long, is_invalid = error.status_code == 413, error.status_code == 400 and type_of(error.body) in INVALID
            if not is_too_long and not is_invalid:
                outcome.hold(self._refused(error))
            elif len(places) == 1:
                outcome.fates[places[0]] = Fate.DEAD
                outcome.why[places[0]] = ("too_long", told(error)) if is_too_long else (type_of(error.body), told(error))
            else:
                for half in (places[: len(places) // 2], places[len(places) // 2 :]):
                    self._send(records, half, outcome)
        except (TransportError, UnsupportedProductError) as error:
            outcome.trouble = told(error)
        else:
            self._overtake(records, self._judge(answer, actions, outcome), outcome)

    def _overtake(self, records: Sequence[Record], ahead: dict[int, int], outcome: Outcome) -> None:
        """States that are newer than what a clock which has been set back since gave. They take the next version, and so does whatever follows until time has passed it."""
        from elasticsearch import ApiError, TransportError

        if not ahead:
            return
        body = b"".join(part for place, version in ahead.items() for part in (self._state(records[place], version), records[place].document, b"\n"))
        try:
            results = items(self.client.bulk(operations=body, filter_path=FIELDS, **self._parameters()).body) or []  # type: ignore[arg-type]  # bytes go as they are
        except (ApiError, TransportError, Paused):
            results = []
        taken = sum(result["status"] < 300 for result in results)
        outcome.notes += Counter(
            {name: n for name, n in {"assets_index: ahead of the clock": taken, "assets_index: not replaced": len(ahead) - taken}.items() if n}
        )

    def _parameters(self) -> dict[str, Any]:
        """What this server knows: payload stays out of error texts where it can be kept out."""
        return {"include_source_on_error": False} if self.check().version >= (8, 18) else {}

    def _body(self, records: Sequence[Record], places: Sequence[int]) -> tuple[bytes, list[tuple[int, bool]]]:
        """The request, and of each of its actions the record's place and whether it keeps the current state of an asset."""
        parts: list[bytes] = []
        actions: list[tuple[int, bool]] = []
        fronts: dict[str, bytes] = {}
        for place in places:
            record = records[place]
            front = fronts.get(record.dataset)
            if front is None:
                front = fronts[record.dataset] = b'{"create":{"_index":%s,"_id":' % json.dumps(stream(record.dataset, self.site)).encode()
            parts += (front, json.dumps(record.id).encode(), b"}}\n", record.document, b"\n")
            actions.append((place, False))
            if record.dataset == "asset" and self.settings.assets_index and (action := self._state(record, 0)):
                parts += (action, record.document, b"\n")
                actions.append((place, True))
        return b"".join(parts), actions

    def _state(self, record: Record, least: int) -> bytes:
        """The action that keeps an asset's current state: what is older than what is there is refused. Empty where the document does not say which asset, and when.

        least: the version that it has at least.
        """
        try:
            document = json.loads(record.document)
            when = int(np.datetime64(document["@timestamp"].removesuffix("Z"), "ns").astype(np.int64))
            key = f"{document['observer']['name']}-{document['tapsight']['asset']['id']}"
        except (ValueError, LookupError, TypeError, AttributeError):
            return b""
        how = {"_index": assets_index(self.site), "_id": key, "version": max(when, least), "version_type": "external_gte", "require_data_stream": False}
        return json.dumps({"index": how}).encode() + b"\n"

    def _judge(self, answer: Any, actions: list[tuple[int, bool]], outcome: Outcome) -> dict[int, int]:
        """The fate of each record, from the answer to its actions. Gives the places of new states that what is there is ahead of, though it is later than now; and the version to take."""
        ahead: dict[int, int] = {}
        results = items(answer)
        if results is None or len(results) != len(actions):
            outcome.trouble = f"not an answer to what was sent: {str(answer)[:200]}"
            return ahead
        for (place, is_state), result in zip(actions, results, strict=True):
            fate = self._fate(result, outcome)
            if is_state:
                if fate is Fate.RETRY and result["status"] not in (401, 403, 404):
                    outcome.fates[place] = Fate.RETRY
                elif result["status"] == 409:
                    version = current(result.get("error"))
                    if outcome.fates[place] is Fate.DELIVERED and version > time.time_ns() + AHEAD_NS:
                        ahead[place] = version + 1
                elif fate is not Fate.DELIVERED:
                    outcome.notes[f"assets_index: {type_of(result.get('error'))}"] += 1
                continue
            outcome.fates[place] = fate
            if fate is Fate.DEAD:
                outcome.why[place] = (type_of(result.get("error")), told(result.get("error") or {}))
            elif result.get("failure_store") == "used":
                outcome.notes["failure_store"] += 1
        return ahead

    def _fate(self, result: dict[str, Any], outcome: Outcome) -> Fate:
        """What a status means; what has to wait says why."""
        status: int = result["status"]
        if 200 <= status < 300:
            return Fate.DELIVERED
        if status == 409:
            return Fate.DUPLICATE
        if status in (401, 403, 404, 408, 429) or status >= 500:
            error = result.get("error") or {}
            outcome.trouble = f"{status} {told(error)}"
            outcome.is_alarm |= status in (401, 403)
            if status == 404:
                self._reinstall(outcome)
            return Fate.RETRY
        return Fate.DEAD

    def _reinstall(self, outcome: Outcome) -> None:
        """No template makes this data stream: once a request make them, where that is allowed."""
        from elasticsearch import ApiError, TransportError

        from sensor.delivery.install import install

        if not self.settings.install:
            outcome.trouble, outcome.is_alarm = f"templates are missing: tapsight es install ({outcome.trouble})", True
        elif not self.installed:
            self.installed = True
            try:
                install(self.client)
            except (ApiError, TransportError) as error:
                outcome.trouble, outcome.is_alarm, self.installed = f"templates could not be installed: {told(error)}", True, False


def items(answer: Any) -> list[dict[str, Any]] | None:
    """What an answer says of each action; None where it is no such answer."""
    found = answer.get("items") if isinstance(answer, dict) else None
    if not isinstance(found, list):
        return None
    results = [next(iter(item.values()), None) if isinstance(item, dict) else None for item in found]
    sound = [each for each in results if isinstance(each, dict) and isinstance(each.get("status"), int)]
    return sound if len(sound) == len(results) else None


def current(error: Any) -> int:
    """The version of what is there, as a refusal of an older one says it; 0 where it does not."""
    reason = error.get("reason") if isinstance(error, dict) else None
    found = re.search(r"current version \[(\d{1,19})\]", str(reason))
    return int(found[1]) if found else 0


def waiting(error: ApiError) -> float | None:
    """What Retry-After asks for, in seconds."""
    asked = error.meta.headers.get("retry-after") or ""
    return min(float(asked), LONGEST_WAIT_S) if asked.isascii() and asked.isdigit() else None
