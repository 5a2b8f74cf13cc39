"""What can be wrong with a mail (RFC 5322, RFC 2045), under the names that Suricata's rules have for it (smtp-events.rules); limits are Suricata's by default."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message

LONGEST_NAME = 75  # characters of a field's name
LONGEST_VALUE = 2000  # of a field, unfolded
LONGEST_LINE = 998  # RFC 5322 2.1.1
LONGEST_ENCODED = 76  # of a line of base64 or quoted-printable: RFC 2045 6.7, 6.8
LONGEST_BOUNDARY = 254
LONGEST_FILE_NAME = 255
MAIL_EVENTS = (
    "mime_parse_failed", "mime_malformed_msg", "mime_invalid_base64", "mime_invalid_qp", "mime_long_line", "mime_long_enc_line", "mime_long_header_name",
    "mime_long_header_value", "mime_long_boundary", "mime_long_filename",
)  # fmt: skip
MALFORMED = frozenset(("FirstHeaderLineIsContinuationDefect", "MultipartInvariantViolationDefect", "NoBoundaryInMultipartDefect"))
CUT = frozenset(("CloseBoundaryNotFoundDefect", "StartBoundaryNotFoundDefect"))  # of what may still come
_LONG = re.compile(rb"[^\n]{%d}[^\r\n]" % LONGEST_LINE)
_LONG_ENCODED = re.compile(rf"[^\r\n]{{{LONGEST_ENCODED + 1}}}")
_FOLD = re.compile(r"\r?\n[ \t]+")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_ESCAPE = re.compile(r"=(?![0-9A-F]{2}|\r?\n|\Z)")  # that is none


def of_parts(message: Message, most: int, *, is_whole: bool) -> Iterator[str]:
    """Of a mail's first parts, so many. is_whole: it is all there. The same may come more than once."""
    for _, part in zip(range(most), message.walk(), strict=False):
        yield from _of_head(part)
        defects = {type(defect).__name__ for defect in part.defects}
        if defects & MALFORMED or (is_whole and defects & CUT):
            yield "mime_malformed_msg"
        content = part.get_payload()
        if isinstance(content, str):
            yield from _of_content(part, content, is_whole=is_whole)


def _of_head(part: Message) -> Iterator[str]:
    for name, value in part.raw_items():
        if len(name) > LONGEST_NAME:
            yield "mime_long_header_name"
        if len(_FOLD.sub("", str(value))) > LONGEST_VALUE:
            yield "mime_long_header_value"
    if part.get_content_maintype() == "multipart":
        boundary = part.get_boundary("")
        if not boundary:
            yield "mime_malformed_msg"
        elif len(boundary) > LONGEST_BOUNDARY:
            yield "mime_long_boundary"
    if len(part.get_filename("")) > LONGEST_FILE_NAME:
        yield "mime_long_filename"


def _of_content(part: Message, content: str, *, is_whole: bool) -> Iterator[str]:
    encoding = str(part.get("content-transfer-encoding", "")).strip().lower()
    if encoding in ("base64", "quoted-printable") and _LONG_ENCODED.search(content):
        yield "mime_long_enc_line"
    if encoding == "quoted-printable" and _ESCAPE.search(content):
        yield "mime_invalid_qp"
    if encoding == "base64" and is_whole and not _BASE64.fullmatch("".join(content.split())):
        yield "mime_invalid_base64"


def has_long_line(mail: bytes) -> bool:
    return bool(_LONG.search(mail))
