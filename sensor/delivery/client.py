"""The official client from our settings, what server answers it, and what its errors say in one line."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sensor.config import ElasticsearchSettings
from sensor.delivery.templates import SERVERLESS, Server

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

PLACE = re.compile(r"HTTPS?Connection\(host='([^']*)', port=(\d+)\)")  # as the client writes an address
PORTS = {"http": 80, "https": 443}
JSON = {"accept": "application/json", "content-type": "application/json"}


def connect(settings: ElasticsearchSettings) -> Elasticsearch:
    """A client that tries once: waiting and trying again is the sender's business. Raises ValueError where the settings make no sense, OSError where a file cannot be read."""
    from elasticsearch import Elasticsearch

    from sensor.delivery.transport import node_class

    where: dict[str, Any] = {"cloud_id": settings.cloud_id} if settings.cloud_id else {"hosts": [address(url) for url in settings.urls]}
    if not settings.cloud_id and not settings.urls:
        raise ValueError("no address of Elasticsearch: --es, or elasticsearch.urls in the configuration")
    api_key = settings.api_key or os.environ.get("TAPSIGHT_ES_API_KEY", "")
    password = settings.password or os.environ.get("TAPSIGHT_ES_PASSWORD", "")
    if api_key:
        where["api_key"] = api_key
    elif settings.user:
        where["basic_auth"] = (settings.user, password)
    if settings.fingerprint:
        where["ssl_assert_fingerprint"] = settings.fingerprint
    elif settings.ca:
        with open(settings.ca, "rb"):  # noqa: PTH123  # the client's own error does not say which file
            where["ca_certs"] = settings.ca
    return Elasticsearch(
        **where,
        node_class=node_class(compat=settings.compat, compress=settings.gzip, proxy=settings.proxy),
        max_retries=0,
        request_timeout=settings.timeout_s,
        connections_per_node=2,
        max_dead_node_backoff=30,
    )


def address(url: str) -> str:
    """A URL with a port, as the client wants it. Raises ValueError where it is none."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in PORTS or not parts.hostname:
        raise ValueError(f"{url}: http://HOST:PORT or https://HOST:PORT was expected")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or PORTS[parts.scheme]}{parts.path.rstrip('/')}"


def server(client: Elasticsearch) -> Server:
    """What is at the other end: of a cluster's nodes the oldest; what does not tell of nodes is serverless, or tells of itself. Raises what the client raises."""
    from elasticsearch import ApiError

    try:
        nodes = client.perform_request("GET", "/_nodes?filter_path=nodes.*.version", headers={"accept": "application/json"}).body["nodes"]
        versions = [node["version"] for node in nodes.values()]
    except ApiError as error:
        if error.status_code not in (403, 404, 405, 410):
            raise
        try:
            version = client.info()["version"]
        except ApiError:
            raise error from None  # the first one says what is amiss
        if version.get("build_flavor") == "serverless":
            return Server(SERVERLESS)
        versions = [version["number"]]
    return Server(min(map(numbers, versions)))


def numbers(version: str) -> tuple[int, int]:
    """Major and minor. Raises ValueError."""
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        raise ValueError(f"no version: {version!r}")
    return int(found[1]), int(found[2])


def type_of(error: Any) -> str:
    """The type of an error, as Elasticsearch names it: of a whole answer, or of one item."""
    if isinstance(error, dict):
        inner = error.get("error", error)
        if isinstance(inner, dict):
            return str(inner.get("type", "error"))[:100]
        return str(inner)[:100]
    return "error"


def told(error: BaseException | dict[str, Any]) -> str:
    """One line of at most 400 characters."""
    if isinstance(error, dict):
        cause = error.get("caused_by")
        text = f"{error.get('type')}: {error.get('reason')}" + (f" ({cause.get('reason')})" if isinstance(cause, dict) else "")
    else:
        status, body = getattr(error, "status_code", None), getattr(error, "body", None)
        inner = body.get("error") if isinstance(body, dict) else None
        text = told(inner) if isinstance(inner, dict) else str(inner or getattr(error, "message", None) or error)
        text = PLACE.sub(r"\1:\2", text)
        text = f"{status} {text}" if status else f"{type(error).__name__}: {text}"
    return " ".join(text.split())[:400]


def is_of_another_version(error: Any) -> bool:
    """Whether the server refuses the client's dialect."""
    return type_of(getattr(error, "body", None)) == "media_type_header_exception"
