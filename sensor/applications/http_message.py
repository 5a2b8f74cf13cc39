"""Heads of HTTP/1.x messages as rules and events see them.

What each buffer holds is as Suricata 8 documents it (doc/userguide/rules/http-keywords), URIs as its default personality makes them.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sensor.applications import logins
from sensor.applications.application import Said
from sensor.applications.files import text

_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*://([^/?#\\]*)")
_ESCAPE = re.compile(rb"%(?:[uU]([0-9A-Fa-f]{4})|([0-9A-Fa-f]{2}))")
_QUERY_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_SEVERAL_BYTES = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_SLASHES = re.compile(rb"[/\\]+")
_PORT = re.compile(rb":(\d{0,5})$")

# Fields that have a buffer of their own.
_BOTH = {b"content-type": "http.content_type", b"content-length": "http.content_len", b"connection": "http.connection"}
_OF_REQUEST = _BOTH | {
    b"user-agent": "http.user_agent", b"referer": "http.referer", b"accept": "http.accept", b"accept-encoding": "http.accept_enc",
    b"accept-language": "http.accept_lang", b"cookie": "http.cookie",
}  # fmt: skip
_OF_RESPONSE = _BOTH | {b"server": "http.server", b"location": "http.location", b"set-cookie": "http.cookie"}


@dataclass
class Head:
    """A start line and fields (RFC 9112 2.1). fields: name as first sent and value, those of one name joined by a comma (RFC 9110 5.2), in their order."""

    line: bytes
    raw: bytes
    fields: list[tuple[bytes, bytes]]

    @cached_property
    def values(self) -> dict[bytes, bytes]:
        """By name in lower case."""
        return {name.lower(): value for name, value in self.fields}

    def value(self, name: bytes) -> bytes:
        return self.values.get(name, b"")

    def said(self, to_server: bool) -> Said:
        """The buffers that requests and responses have alike."""
        hidden = b"cookie" if to_server else b"set-cookie"
        lines = [(name, name + b": " + value) for name, value in self.fields]
        said = Said(to_server)
        said.buffers["http.start"] = [b"".join(part + b"\r\n" for part in (self.line, *(line for _, line in lines))) + (b"\r\n" if lines else b"")]
        if lines:
            said.buffers["http.header"] = [b"".join(line + b"\r\n" for name, line in lines if name.lower() != hidden)]
            said.buffers["http.header.raw"] = [self.raw]
            said.buffers["http.header_names"] = [b"\r\n" + b"".join(name + b"\r\n" for name, _ in lines) + b"\r\n"]
            said.buffers["http.request_header" if to_server else "http.response_header"] = [line for _, line in lines]
        own = _OF_REQUEST if to_server else _OF_RESPONSE
        said.buffers.update({own[name]: [value] for name, value in self.values.items() if name in own})
        return said


def head_of(block: bytes) -> Head:
    """A head from its start line to its empty line; lines may end with LF alone (RFC 9112 2.2), and be folded (5.2)."""
    line, _, raw = block.partition(b"\n")
    names: dict[bytes, int] = {}
    found: list[tuple[bytes, list[bytes]]] = []
    last: list[bytes] = []
    for each in raw.split(b"\n"):
        field = each.rstrip(b"\r")
        if not field:
            continue
        if field[0] in b" \t" and last:
            last.extend((b" ", field.strip(b" \t")))
            continue
        name, colon, value = field.partition(b":")
        name, value = (name.strip(b" \t"), value.strip(b" \t")) if colon else (b"", field.strip(b" \t"))
        at = names.setdefault(name.lower(), len(found))
        if at == len(found):
            last = [value]
            found.append((name, last))
        else:
            last = found[at][1]
            last.extend((b", ", value))
    return Head(line.rstrip(b"\r"), raw, [(name, b"".join(pieces).strip(b" \t")) for name, pieces in found])


@dataclass(frozen=True)
class Request:
    """A request line (RFC 9112 3). protocol is empty for HTTP/0.9. host, port: of an absolute URI."""

    method: bytes
    uri: bytes
    protocol: bytes
    authority: bytes
    path: bytes
    query: bytes | None
    fragment: bytes | None

    @property
    def normalised(self) -> bytes:
        """Path and query with escapes undone, without dot segments (RFC 3986 5.2.4) and repeated separators; without scheme and host."""
        query = b"" if self.query is None else b"?" + _QUERY_ESCAPE.sub(_byte, self.query)
        return normalised_path(self.path) + query + (b"" if self.fragment is None else b"#" + self.fragment)


def request_of(line: bytes) -> Request:
    """Whatever stands between method and version is the URI, blanks too."""
    method, _, rest = line.replace(b"\t", b" ").lstrip(b" ").partition(b" ")
    rest = rest.strip(b" ")
    before, _, last = rest.rpartition(b" ")
    uri, protocol = (before.rstrip(b" "), last) if last.startswith(b"HTTP/") else (rest, b"")
    if method.upper() == b"CONNECT":
        return Request(method, uri, protocol, uri, b"", None, None)
    absolute = _ABSOLUTE.match(uri)
    relative, sharp, fragment = uri[absolute.end() if absolute else 0 :].partition(b"#")
    path, question, query = relative.partition(b"?")
    return Request(method, uri, protocol, absolute[1] if absolute else b"", path, query if question else None, fragment if sharp else None)


def _byte(found: re.Match[bytes]) -> bytes:
    return bytes((int(found[1], 16),))


def _fitted(code: int) -> bytes:
    """One byte for a character: itself, or the letter that it looks like."""
    if code < 256:
        return bytes((code,))
    return unicodedata.normalize("NFKD", chr(code)).encode("ascii", "ignore")[:1] or b"?" if not 0xD800 <= code < 0xE000 else b"?"


def normalised_path(path: bytes) -> bytes:
    plain = _ESCAPE.sub(lambda found: bytes((int(found[2], 16),)) if found[2] else _fitted(int(found[1], 16)), path)
    if not plain.isascii():
        plain = _SEVERAL_BYTES.sub(lambda found: _fitted(ord(found[0].decode("utf-8", "replace")[0])), plain)
    segments = _SLASHES.sub(b"/", plain).split(b"/")
    kept: list[bytes] = []
    for segment in segments[:-1]:
        if segment == b"..":
            del kept[max(1, len(kept) - 1) :]
        elif segment != b".":
            kept.append(segment)
    if segments[-1] == b"..":
        del kept[max(1, len(kept) - 1) :]
    return b"/".join((*kept, b"" if segments[-1] in (b".", b"..") else segments[-1]))


def _host(authority: bytes) -> tuple[bytes, bytes]:
    """The host in lower case, and the port."""
    name = authority.rpartition(b"@")[2].strip(b" \t")
    port = _PORT.search(name)
    is_bracketed = name.startswith(b"[")
    if port and (is_bracketed or name.count(b":") == 1):
        name = name[: port.start()]
    return name.lower().rstrip(b"."), port[1] if port else b""


def said_of_request(head: Head) -> tuple[Said, Request]:
    request = request_of(head.line)
    said = head.said(to_server=True)
    said.buffers |= {"http.method": [request.method], "http.uri.raw": [request.uri], "http.request_line": [head.line]}
    if request.path or request.query is not None:
        said.buffers["http.uri"] = [request.normalised]
    if request.protocol:
        said.buffers["http.protocol"] = [request.protocol]
    raw = request.authority.rpartition(b"@")[2] or head.value(b"host") or head.value(b":authority")
    name, port = _host(raw)
    if raw:
        said.buffers["http.host"] = [b", ".join(_host(each)[0] for each in raw.split(b","))]
        said.buffers["http.host.raw"] = [raw]
    about: dict[str, Any] = {"http.request.method": text(request.method), "url.original": text(request.uri), "http.version": _version(request.protocol)}
    pairs = {
        "url.path": request.path, "url.query": request.query, "url.domain": name,
        "user_agent.original": head.value(b"user-agent"), "http.request.referrer": head.value(b"referer"), "http.request.mime_type": _mime(head),
    }  # fmt: skip
    said.about = about | {key: text(value) for key, value in pairs.items() if value}
    if port and int(port) < 65_536:
        said.about["url.port"] = int(port)
    if user_password := _basic(head.value(b"authorization")):
        said.about |= logins.about("http", *user_password)
    return said, request


def _basic(value: bytes) -> tuple[bytes, bytes] | None:
    """User and password of the scheme that does not hide them (RFC 7617)."""
    scheme, _, encoded = value.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except ValueError:
        return None
    return (user, password) if colon else None


def _version(protocol: bytes) -> str:
    return text(protocol.removeprefix(b"HTTP/")) or "0.9"


def _mime(head: Head) -> bytes:
    return head.value(b"content-type").partition(b";")[0].strip().lower()


def said_of_response(head: Head) -> tuple[Said, int]:
    """The status is 0 if it is no number."""
    said = head.said(to_server=False)
    protocol, _, rest = head.line.partition(b" ")
    code, _, message = rest.lstrip(b" ").partition(b" ")
    status = int(code) if len(code) == 3 and code.isdigit() else 0
    said.buffers |= {"http.response_line": [head.line], "http.protocol": [protocol], "http.stat_code": [code]}
    if message:
        said.buffers["http.stat_msg"] = [message]
    said.about = {"http.version": _version(protocol)}
    if status:
        said.about["http.response.status_code"] = status
        said.failed = status >= 400
    said.about |= {key: text(value) for key, value in (("http.response.mime_type", _mime(head)), ("http.server", head.value(b"server"))) if value}
    return said, status
