"""What makes another buffer of a buffer before a rule looks into it. Suricata 8 user guide, "Transformations". Results are bounded."""

from __future__ import annotations

import binascii
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from detectors.signature.measures import compile_regex
from detectors.signature.rule import Pcre

MOST = 1 << 20  # bytes of a result
MOST_NAME = 1_024  # bytes of a name that may have a public suffix
BLANK = b" \t\n\v\f\r"
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def transformed(data: bytes, transforms: tuple[tuple[str, str], ...]) -> bytes:
    """One after the other."""
    for name, argument in transforms:
        data = transform(data, name, argument)
    return data


def transform(data: bytes, name: str, argument: str) -> bytes:
    """A buffer as this makes it; as it was where it cannot."""
    return DONE[name](data, argument)[:MOST]


def reason(name: str, argument: str) -> str:
    """Why a transform cannot be done; empty where it can."""
    if name == "pcrexform":
        try:
            expression(argument)
        except ValueError as error:
            return str(error)
    return ""


def header_lowercase(data: bytes, _argument: str) -> bytes:
    """Names of header lines, not their values."""
    return re.sub(rb"(?m)^[^:\r\n]+(?=:)", lambda found: found[0].lower(), data)


@cache
def _suffixes() -> Any:
    """The list of public suffixes as the library has it: reading it takes a tenth of a second."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


def suffix(data: bytes, *, registered: bool) -> bytes:
    """The public suffix of a name or, registered, what somebody has registered under it; the whole buffer where it has none."""
    if len(data) > MOST_NAME or b"." not in data:
        return data
    name = data.decode("utf-8", "surrogateescape")
    found = (_suffixes().privatesuffix if registered else _suffixes().publicsuffix)(name, keep_case=True)
    return str(found).encode("utf-8", "surrogateescape") if found else data


def xor(data: bytes, argument: str) -> bytes:
    key = bytes.fromhex(argument)
    return bytes(byte ^ key[i % len(key)] for i, byte in enumerate(data))


@lru_cache(1_024)
def expression(text: str) -> Any:
    """Raises ValueError."""
    flags = re.fullmatch(r"/(.*)/([imsx]*)", text, re.DOTALL)
    return compile_regex(Pcre((flags[1] if flags else text).encode("utf-8", "surrogateescape"), flags[2] if flags else ""))


def pcrexform(data: bytes, argument: str) -> bytes:
    """What the first group captures."""
    try:
        found = expression(argument).search(data)
    except Exception:  # noqa: BLE001  # the library's own error, without a class of its own: too much work
        return data
    captured = found.group(1) if found else data
    return data if captured is None else bytes(captured)


def from_base64(data: bytes, argument: str) -> bytes:
    """bytes,offset,mode: rfc4648 ends at the first character that is none of its own, rfc2045 passes over it, strict wants none."""
    size, offset, mode = argument.split(",") if argument else ("0", "0", "rfc4648")
    text = data[int(offset) :]
    text = text[: int(size)] if int(size) else text
    if mode == "strict":
        try:
            return binascii.a2b_base64(text, strict_mode=True) or data
        except binascii.Error:
            return data
    usable = bytes(byte for byte in text.split(b"=")[0] if byte in BASE64) if mode == "rfc2045" else text[: len(text) - len(text.lstrip(BASE64))]
    whole = usable if len(usable) % 4 != 1 else usable[:-1]
    return (binascii.a2b_base64(whole + b"=" * (-len(whole) % 4)) if whole else b"") or data


def subslice(data: bytes, argument: str) -> bytes:
    """offset,bytes: either counts from the end where it is below zero."""
    offset, _, size = argument.partition(",")
    begin = max(len(data) + int(offset), 0) if int(offset) < 0 else int(offset)
    end = len(data) if not size else len(data) + int(size) if int(size) < 0 else begin + int(size)
    return data[begin : max(end, 0)]


def inflated(bits: int) -> Callable[[bytes, str], bytes]:
    """Gunzip (RFC 1952) and zlib_deflate (RFC 1950): at most so many bytes."""

    def inflate(data: bytes, argument: str) -> bytes:
        try:
            return zlib.decompressobj(bits).decompress(data, min(int(argument or 1_024), MOST)) or data
        except zlib.error:
            return data

    return inflate


def compress_whitespace(data: bytes, _argument: str) -> bytes:
    """Of several blanks in a row the first."""
    return re.sub(rb"([ \t\n\v\f\r])[ \t\n\v\f\r]+", rb"\1", data)


DONE: Mapping[str, Callable[[bytes, str], bytes]] = {
    "dotprefix": lambda data, _: b"." + data,
    "to_lowercase": lambda data, _: data.lower(),
    "to_uppercase": lambda data, _: data.upper(),
    "domain": lambda data, _: suffix(data, registered=True),
    "tld": lambda data, _: suffix(data, registered=False),
    "url_decode": lambda data, _: unquote_to_bytes(data.replace(b"+", b" ")),
    "strip_whitespace": lambda data, _: data.translate(None, BLANK),
    "compress_whitespace": compress_whitespace,
    "strip_pseudo_headers": lambda data, _: b"".join(line for line in data.splitlines(keepends=True) if not line.startswith(b":")),
    "header_lowercase": header_lowercase,
    "to_md5": lambda data, _: hashlib.md5(data, usedforsecurity=False).digest(),
    "to_sha1": lambda data, _: hashlib.sha1(data, usedforsecurity=False).digest(),
    "to_sha256": lambda data, _: hashlib.sha256(data).digest(),
    "xor": xor,
    "pcrexform": pcrexform,
    "from_base64": from_base64,
    "subslice": subslice,
    "gunzip": inflated(31),
    "zlib_deflate": inflated(15),
}
