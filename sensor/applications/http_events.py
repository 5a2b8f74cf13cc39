"""What can be wrong with messages of HTTP/1.x, under the names that Suricata's rules have for it (http-events.rules).

What the names leave open is as Suricata 7.0.10 takes it, which was found by running it; what it has a name for but never says is as the name reads (NEVER).
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterator

from sensor.applications.bodies import MOST_LAYERS, MOST_PARTS, codings, file_name
from sensor.applications.coding import CODINGS
from sensor.applications.http_message import Head, Request

LONGEST_LINE = 18_000  # bytes of a start line or field, its end among them
LONGEST_NAME = 4096  # bytes of a file's name
MOST_FIELDS = 1024  # the start line not among them, but one
MOST_REPETITIONS = 64  # of one field
MOST_CHUNK = (1 << 31) - 1
MOST_LENGTH = (1 << 63) - 1
NEVER = (
    "invalid_server_port_in_request", "invalid_authority_port", "request_server_port_tcp_port_mismatch", "request_header_repetition",
    "response_header_repetition", "invalid_transfer_encoding_value_in_response", "multipart_generic_error", "request_line_incomplete",
    "request_line_invalid", "request_line_missing_protocol", "response_field_too_long", "double_encoded_uri", "unknown_error", "compression_bomb",
    "failed_protocol_change",
)  # fmt: skip
NAMES = (
    "gzip_decompression_failed", "request_field_missing_colon", "response_field_missing_colon", "invalid_request_chunk_len", "invalid_response_chunk_len",
    "invalid_transfer_encoding_value_in_request", "invalid_content_length_field_in_request", "invalid_content_length_field_in_response",
    "100_continue_already_seen", "unable_to_match_response_to_request", "request_header_invalid", "response_header_invalid", "missing_host_header",
    "host_header_ambiguous", "invalid_request_field_folding", "invalid_response_field_folding", "request_field_too_long", "multipart_no_filedata",
    "multipart_invalid_header", "request_uri_host_invalid", "request_header_host_invalid", "uri_delim_non_compliant", "method_delim_non_compliant",
    "request_line_leading_whitespace", "too_many_encoding_layers", "abnormal_ce_header", "request_auth_unrecognized",
    "response_abnormal_transfer_encoding", "response_chunked_old_proto", "response_invalid_protocol", "response_invalid_status",
    "request_body_unexpected", "duplicate_content_length_field_in_request", "duplicate_content_length_field_in_response", "range_invalid",
    "file_name_too_long", "request_chunk_extension", "request_too_many_headers", "response_too_many_headers", *NEVER,
)  # fmt: skip
HTTP_EVENTS = tuple(f"http.{name}" for name in NAMES)
METHODS = frozenset(
    b"GET POST PUT HEAD DELETE OPTIONS TRACE CONNECT PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK SEARCH REPORT SUBSCRIBE UNSUBSCRIBE NOTIFY "
    b"VERSION-CONTROL CHECKOUT UNCHECKOUT CHECKIN UPDATE LABEL MKWORKSPACE MKACTIVITY BASELINE-CONTROL MERGE INVOKE ERROR".split()
)
CONTENT_CODINGS = frozenset((*CODINGS, b"x-deflate", b"compress", b"x-compress", b"identity", b"none", b"inflate", b"lzma", b""))
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z\-]+")
_LENGTH = re.compile(rb"\d{1,18}")
_FIELDS = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z\-]++:[^\n]*+\n)*+(?:\r?\n)?")  # none of them folded
_LABEL = rb"[A-Za-z0-9_\-]{1,63}"
_NAME = re.compile(_LABEL + rb"(?:\." + _LABEL + rb")*\.?")
_AUTHORITY = re.compile(rb"(\[[^\]]*\]|[^:]*)(?::(.*))?", re.DOTALL)
_METHOD_END = re.compile(rb"[ \t]*" + _TOKEN.pattern + rb"([ \t\x0b\x0c]+)")
_URI_END = re.compile(rb"([ \t\x0b\x0c]+)HTTP/[^ \t\x0b\x0c]*[ \t\x0b\x0c]*\Z")
_ENDED = re.compile(rb"(?:\A|\n)\r?\n\Z")
_VERSION = re.compile(rb"HTTP/\d\.\d")
_DOUBLE = re.compile(rb"(?i)%(?:25|u0025)(?:[0-9a-f]{2}|u[0-9a-f]{4})")
_RANGE = re.compile(rb"\S+ +(?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)")
_SCHEME = re.compile(rb"(?i)(?:basic|digest|bearer)(?: |\Z)")


def of_fields(head: Head, to_server: bool) -> Iterator[str]:
    """At most one of each kind. Most heads are sound, which is soon seen."""
    is_short = len(head.raw) < LONGEST_LINE and len(head.fields) <= MOST_REPETITIONS and head.raw.count(b"\n") <= MOST_REPETITIONS
    if not (is_short and _LENGTH.fullmatch(head.values.get(b"content-length", b"0")) and _FIELDS.fullmatch(head.raw)):
        yield from _of_lines(head.raw, to_server)


def _of_lines(raw: bytes, to_server: bool) -> Iterator[str]:
    side = "request" if to_server else "response"
    found, counts, lengths, size = dict[str, None](), Counter[bytes](), list[bytes](), 0
    for line in raw.split(b"\n"):
        field = line.rstrip(b"\r")
        if not field:
            continue
        if field[:1] in (b" ", b"\t"):
            size += len(line) + 1
            if not counts:
                found[f"invalid_{side}_field_folding"] = None
        else:
            name, colon, value = field.partition(b":")
            size = len(line) + 1
            counts[name.strip(b" \t").lower()] += 1
            if not colon:
                found[f"{side}_field_missing_colon"] = None
            elif not _TOKEN.fullmatch(name):
                found[f"{side}_header_invalid"] = None
            elif name.lower() == b"content-length":
                lengths.append(value.strip(b" \t"))
        if size > LONGEST_LINE:
            found[f"{side}_field_too_long"] = None
    if lengths and not _is_length(lengths[0]):
        found[f"invalid_content_length_field_in_{side}"] = None
    if any(not _is_length(each) or _digits(each) != _digits(lengths[0]) for each in lengths[1:]):
        found[f"duplicate_content_length_field_in_{side}"] = None
    if counts.total() > MOST_FIELDS + 1:
        found[f"{side}_too_many_headers"] = None
    if any(count > MOST_REPETITIONS for count in counts.values()):
        found[f"{side}_header_repetition"] = None
    yield from found


def _digits(value: bytes) -> int:
    found = re.search(rb"\d{1,40}", value)
    return int(found[0]) if found else -1


def _is_length(value: bytes) -> bool:
    return 0 <= _digits(value) <= MOST_LENGTH


def of_request(head: Head, request: Request, *, is_body: bool) -> Iterator[str]:
    """is_body: it is none, but stands where the body of the one before would."""
    yield from _of_line(head.line, request)
    if not is_sound(request):
        yield "request_body_unexpected" if is_body else "request_line_invalid"
    elif b"HTTP/" not in head.line:
        yield "request_line_missing_protocol"
    yield from of_fields(head, to_server=True)
    yield from _of_hosts(head, request)
    if b"transfer-encoding" in head.values and (b"chunked" not in codings(head.value(b"transfer-encoding")) or request.protocol < b"HTTP/1.1"):
        yield "invalid_transfer_encoding_value_in_request"
    if b"authorization" in head.values and not _SCHEME.match(head.value(b"authorization")):
        yield "request_auth_unrecognized"
    if head.value(b"content-type")[:19].lower() == b"multipart/form-data" and b"boundary=" not in head.value(b"content-type").lower():
        yield "multipart_generic_error"
    if len(request.path) > LONGEST_NAME:
        yield "file_name_too_long"
    yield from _of_codings(head)


def _of_line(line: bytes, request: Request) -> Iterator[str]:
    if line[:1] in (b" ", b"\t"):
        yield "request_line_leading_whitespace"
    if (found := _METHOD_END.match(line)) and found[1].strip(b" "):
        yield "method_delim_non_compliant"
    if (found := _URI_END.search(line)) and found[1].strip(b" "):
        yield "uri_delim_non_compliant"
    if len(line) + 2 > LONGEST_LINE:
        yield "request_field_too_long"
    if _DOUBLE.search(request.path) or _DOUBLE.search(request.query or b""):
        yield "double_encoded_uri"


def is_sound(request: Request) -> bool:
    """Whether a line is a request's: it has a method that is known, or a version."""
    return request.method.upper() in METHODS or bool(_VERSION.fullmatch(request.protocol))


def _of_hosts(head: Head, request: Request) -> Iterator[str]:
    """RFC 9110 7.2, RFC 9112 3.2."""
    is_connect = request.method.upper() == b"CONNECT"
    if b"host" not in head.values:
        if request.protocol == b"HTTP/1.1" and _ENDED.search(head.raw):
            yield "missing_host_header"
    else:
        name, port = host_of(head.value(b"host"))
        if port is not None and not _is_port(port):
            yield "invalid_server_port_in_request"
        if not _is_host(name) or not (port is None or _is_port(port)):
            yield "request_header_host_invalid"
    if request.authority:
        asked, at = host_of(request.authority.rpartition(b"@")[2])
        if not _is_host(asked) or not (at is None or _is_port(at)):
            yield "request_uri_host_invalid"
        if at is not None and not _is_port(at):
            yield "invalid_authority_port" if is_connect else "invalid_server_port_in_request"
        if b"host" in head.values and (name.lower() != asked.lower() or (port is not None and at is not None and _digits(port) != _digits(at))):
            yield "host_header_ambiguous"


def host_of(authority: bytes) -> tuple[bytes, bytes | None]:
    """RFC 3986 3.2: host and port, None without a colon."""
    found = _AUTHORITY.fullmatch(authority.strip(b" \t"))
    return (found[1], found[2]) if found else (authority, None)


def _is_host(name: bytes) -> bool:
    if name.startswith(b"["):
        try:
            ipaddress.IPv6Address(name[1:-1].decode("latin-1"))
        except ValueError:
            return False
        return name.endswith(b"]")
    return len(name) <= 255 and bool(_NAME.fullmatch(name))


def _is_port(port: bytes) -> bool:
    return bool(re.fullmatch(rb" *\d{1,9}", port)) and 0 < int(port) < 65_536


def of_response(head: Head, protocol: bytes, code: bytes) -> Iterator[str]:
    if protocol not in (b"HTTP/0.9", b"HTTP/1.0", b"HTTP/1.1"):
        yield "response_invalid_protocol"
    if not re.fullmatch(rb"[1-9]\d\d", code):
        yield "response_invalid_status"
    if len(head.line) + 2 > LONGEST_LINE:
        yield "response_field_too_long"
    yield from of_fields(head, to_server=False)
    transfer = head.value(b"transfer-encoding").lower()
    if b"chunked" in transfer:
        if transfer != b"chunked":
            yield "response_abnormal_transfer_encoding"
        if protocol in (b"HTTP/0.9", b"HTTP/1.0"):
            yield "response_chunked_old_proto"
    elif transfer:
        yield "invalid_transfer_encoding_value_in_response"
    if b"content-range" in head.values and not is_range(head.value(b"content-range")):
        yield "range_invalid"
    if len(file_name(b";" + head.value(b"content-disposition"))) > LONGEST_NAME:
        yield "file_name_too_long"
    yield from _of_codings(head)


def is_range(value: bytes) -> bool:
    """Content-Range: RFC 9110 14.4."""
    found = _RANGE.fullmatch(value)
    if not found:
        return False
    first, last, size = found.groups()
    return first is None or (int(first) <= int(last) and (size == b"*" or int(last) < int(size)))


def _of_codings(head: Head) -> Iterator[str]:
    names = codings(head.value(b"content-encoding"))
    if len(names) > MOST_LAYERS:
        yield "too_many_encoding_layers"
    if not CONTENT_CODINGS.issuperset(names):
        yield "abnormal_ce_header"


def of_form(body: bytes, separator: bytes, is_whole: bool) -> Iterator[str]:
    """RFC 7578: of a form's parts."""
    pieces = (b"\r\n" + body).split(b"\r\n--" + separator, MOST_PARTS + 1)
    found = dict.fromkeys(("multipart_generic_error",) if is_whole and len(pieces) == 1 else ())
    for number, piece in enumerate(pieces[1 : MOST_PARTS + 1], 1):
        head, empty, _ = piece.partition(b"\r\n\r\n")
        if piece.startswith(b"--") or (not empty and number == len(pieces) - 1):
            break
        behind, *lines = head.split(b"\r\n")
        if behind.strip(b" \t") or any(line and line[:1] not in (b" ", b"\t") and b":" not in line for line in lines):
            found["multipart_invalid_header"] = None
        if not empty and any(file_name(line) for line in lines if line[:20].lower() == b"content-disposition:"):
            found["multipart_no_filedata"] = None
    yield from found
