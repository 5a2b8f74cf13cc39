"""The official client's node, as we need it: gzip at a level that pays, an HTTP proxy, and the older dialect for clusters of version 8.

Importing this imports elastic_transport and urllib3: only sensor.delivery.client does, when there is something to send.
"""

from __future__ import annotations

import gzip
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3
from elastic_transport import HttpHeaders, NodeConfig, Urllib3HttpNode
from elastic_transport.client_utils import DEFAULT, DefaultType

LEVEL = 1  # of gzip: documents shrink to a tenth at twice the speed of level 6


def node_class(*, compat: int, compress: bool, proxy: str) -> type[Urllib3HttpNode]:
    """A node that speaks so."""

    class Node(Urllib3HttpNode):
        def __init__(self, config: NodeConfig) -> None:
            super().__init__(config)
            if proxy:
                pool: Any = self.pool
                through(pool, proxy)
                if self.scheme == "http":  # the proxy itself is asked, for whole addresses; https goes through a tunnel instead
                    self._path_prefix = self.base_url
                    pool.host, pool.port, pool.is_same_host = pool.proxy.host, pool.proxy.port, lambda _url: True

        def perform_request(
            self,
            method: str,
            target: str,
            body: bytes | None = None,
            headers: HttpHeaders | None = None,
            request_timeout: DefaultType | float | None = DEFAULT,
        ) -> Any:
            ours = HttpHeaders(headers or {})
            for name in ("accept", "content-type"):
                if compat != 9 and name in ours:
                    ours[name] = ours[name].replace("compatible-with=9", f"compatible-with={compat}")
            if body and compress:
                body = gzip.compress(body, LEVEL)
                ours["content-encoding"] = "gzip"
            return super().perform_request(method, target, body, ours, request_timeout)

    return Node


def through(pool: Any, proxy: str) -> None:
    """Lead a pool's connections through an HTTP proxy. pool: urllib3's, of one node."""
    parts = urlsplit(proxy)
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
    place = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    headers = urllib3.make_headers(proxy_basic_auth=login) if login else {}
    manager = urllib3.ProxyManager(place, proxy_headers=headers)
    pool.proxy, pool.proxy_headers, pool.proxy_config = manager.proxy, headers, manager.proxy_config
    pool.conn_kw |= {"proxy": manager.proxy, "proxy_config": manager.proxy_config}
