"""Something that takes bulk requests as Elasticsearch does, and keeps nothing: `python -m bench.stub` prints its port and serves until it is killed."""

from __future__ import annotations

import gzip
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NODES = b'{"nodes":{"one":{"version":"9.3.2"}}}'
ITEM = b'{"create":{"status":201}}'


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        lines = (gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body).count(b"\n")
        answer = b'{"took":1,"errors":false,"items":[%s]}' % b",".join([ITEM] * (lines // 2)) if "/_bulk" in self.path else NODES
        self.send_response(200)
        for name, value in (("content-type", "application/json"), ("x-elastic-product", "Elasticsearch"), ("content-length", str(len(answer)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST = handle_request  # noqa: N815  # names of the standard library's

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def main() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
