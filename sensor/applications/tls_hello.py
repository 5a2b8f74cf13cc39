"""Hello messages of TLS (RFC 8446 4.1, RFC 5246 7.4.1) and of SSL 2, and the fingerprints that are made of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

SERVER_NAME, GROUPS, POINTS, SIGNATURES, ALPN, VERSIONS = 0, 10, 11, 13, 16, 43  # IANA, TLS ExtensionType Values
LONGEST_NAME = 255  # bytes, RFC 1035 2.3.4
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # the random of a HelloRetryRequest: RFC 8446 4.1.3
_NAMES = {0x0002: "ssl2", 0x0300: "ssl3", 0x0301: "1.0", 0x0302: "1.1", 0x0303: "1.2", 0x0304: "1.3"}
_JA4 = {0x0002: "s2", 0x0300: "s3", 0x0301: "10", 0x0302: "11", 0x0303: "12", 0x0304: "13"}


def vector(data: bytes, at: int, width: int) -> tuple[bytes, int]:
    """A vector behind its length of `width` bytes (RFC 8446 3.4), and where it ends. ValueError: it is longer than the message."""
    begin = at + width
    end = begin + int.from_bytes(data[at:begin])
    if end > len(data) or begin > len(data):
        raise ValueError("a vector is longer than its message")
    return data[begin:end], end


def vectors(data: bytes, width: int) -> list[bytes]:
    """Vectors that follow each other; one that is cut off is left out."""
    found, at = [], 0
    try:
        while at < len(data):
            content, at = vector(data, at, width)
            found.append(content)
    except ValueError:
        pass
    return found


def numbers(data: bytes) -> list[int]:
    """Numbers of 16 bits that follow each other."""
    return [int.from_bytes(data[at : at + 2]) for at in range(0, len(data) - 1, 2)]


def is_grease(number: int) -> bool:
    """RFC 8701: values without meaning."""
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


def sensible(values: list[int]) -> list[int]:
    return [value for value in values if not is_grease(value)]


def _is_list(content: bytes, width: int) -> bool:
    """Whether it holds the list whose length it begins with, and something is listed. A client may ask with nothing at all."""
    size = int.from_bytes(content[:width])
    return not content or 0 < size <= len(content) - width


def _name_flaws(content: bytes) -> list[str]:
    """Of the names that a client asks for (RFC 6066 3): the first one that is wrong."""
    at, end = 2, 2 + int.from_bytes(content[:2])
    while at < min(end, len(content)):
        size = int.from_bytes(content[at + 1 : at + 3])
        if content[at]:
            return ["invalid_sni_type"]
        if not 0 < size <= LONGEST_NAME or at + 3 + size > len(content):
            return ["invalid_sni_length"]
        at += 3 + size
    return []


@dataclass
class Hello:
    """ciphers: those offered, or the one chosen. extensions: type and content in their order."""

    is_client: bool
    version_field: int
    random: bytes
    ciphers: list[int]
    extensions: list[tuple[int, bytes]]

    @cached_property
    def _contents(self) -> dict[int, bytes]:
        return dict(reversed(self.extensions))

    @property
    def flaws(self) -> list[str]:
        """What is wrong with its extensions (RFC 8446 4.2, RFC 6066 3), as Suricata names it."""
        found = []
        if any(not _is_list(content, width) for kind, content in self.extensions for width in self._widths(kind)):
            found.append("handshake_invalid_length")
        if self.is_client:
            names = [content for kind, content in self.extensions if kind == SERVER_NAME]
            found += ["multiple_sni_extensions"] * (len(names) > 1) + [flaw for content in names for flaw in _name_flaws(content)]
        return found

    def _widths(self, kind: int) -> tuple[int, ...]:
        """Of the length before the list that an extension is; none where it is no list."""
        if not self.is_client:
            return (2,) if kind == ALPN else ()
        return {SERVER_NAME: (2,), GROUPS: (2,), POINTS: (1,), SIGNATURES: (2,), ALPN: (2,), VERSIONS: (1,)}.get(kind, ())

    def _listed(self, kind: int, width: int) -> bytes:
        """The vector that an extension is; empty without the extension or if it makes no sense."""
        try:
            return vector(self._contents.get(kind, b""), 0, width)[0]
        except ValueError:
            return b""

    @property
    def server_names(self) -> list[bytes]:
        """RFC 6066 3: host names."""
        found, data, at = [], self._listed(SERVER_NAME, 2), 0
        try:
            while at < len(data):
                kind = data[at]
                name, at = vector(data, at + 1, 2)
                if kind == 0:
                    found.append(name)
        except ValueError:
            pass
        return found

    @property
    def alpn(self) -> list[bytes]:
        return vectors(self._listed(ALPN, 2), 1)

    @property
    def versions(self) -> list[int]:
        """Of the extension supported_versions (RFC 8446 4.2.1), in its order."""
        return sensible(numbers(self._listed(VERSIONS, 1) if self.is_client else self._contents.get(VERSIONS, b"")))

    @property
    def version(self) -> int:
        """What is spoken if a server says it; what is wanted most if a client does."""
        return next((version for version in self.versions if version in _NAMES or version >> 8 == 0x7F), self.version_field)

    @property
    def is_retry(self) -> bool:
        return not self.is_client and self.random == RETRY

    @property
    def ja3(self) -> str:
        """JA3 and JA3S (Salesforce, github.com/salesforce/ja3): version, ciphers, extensions, and of a client also groups and point formats."""
        kinds = sensible([kind for kind, _ in self.extensions])
        lists = [sensible(self.ciphers), kinds]
        if self.is_client:
            lists += [sensible(numbers(self._listed(GROUPS, 2))), list(self._listed(POINTS, 1))]
        return ",".join((str(self.version_field), *("-".join(map(str, each)) for each in lists)))

    @property
    def ja4(self) -> str:
        """JA4 of TLS over TCP (FoxIO, github.com/FoxIO-LLC/ja4, technical_details/JA4.md)."""
        ciphers = sorted(sensible(self.ciphers))
        kinds = sensible([kind for kind, _ in self.extensions])
        version = _JA4.get(max(self.versions, default=self.version_field), "00")
        begin = f"t{version}{'d' if SERVER_NAME in kinds else 'i'}{min(len(ciphers), 99):02}{min(len(kinds), 99):02}{_ends(self.alpn)}"
        hashed = ",".join(f"{kind:04x}" for kind in sorted(kinds) if kind not in (SERVER_NAME, ALPN))
        signatures = ",".join(f"{each:04x}" for each in sensible(numbers(self._listed(SIGNATURES, 2))))
        return f"{begin}_{_short(','.join(f'{each:04x}' for each in ciphers))}_{_short(hashed + ('_' + signatures if signatures else ''))}"


def _ends(protocols: list[bytes]) -> str:
    """First and last character of the first protocol, of its hexadecimal form if they are no letters or digits."""
    first = protocols[0] if protocols else b""
    if not first:
        return "00"
    if first[:1].isalnum() and first[-1:].isalnum():
        return chr(first[0]) + chr(first[-1])
    return first.hex()[0] + first.hex()[-1]


def _short(listed: str) -> str:
    return hashlib.sha256(listed.encode()).hexdigest()[:12] if listed else "0" * 12


def md5(data: bytes) -> bytes:
    """The digits of it, as fingerprints are written."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest().encode()


def version_name(version: int) -> str:
    """As the keyword tls.version has it; empty for drafts and nonsense."""
    return _NAMES.get(version, "")


def word_of_version(version: int) -> str:
    """As the keyword ssl_version has it."""
    name = version_name(version)
    return name.replace("ssl", "sslv") if name.startswith("ssl") else f"tls{name}" if name else ""


def hello_of(body: bytes, is_client: bool) -> Hello:
    """The content of a ClientHello or ServerHello. ValueError: it ends early."""
    if len(body) < 34:
        raise ValueError("a hello ends early")
    _, at = vector(body, 34, 1)
    if is_client:
        ciphers, at = vector(body, at, 2)
        _, at = vector(body, at, 1)
    else:
        ciphers, at = body[at : at + 2], at + 3
    if len(ciphers) < 2 or len(ciphers) % 2 or at > len(body):
        raise ValueError("a hello ends early")
    extensions, rest, end = [], vector(body, at, 2)[0] if at < len(body) else b"", 0
    while end < len(rest):
        if len(rest) - end < 4:
            raise ValueError("an extension ends early")
        kind = int.from_bytes(rest[end : end + 2])
        content, end = vector(rest, end + 2, 2)
        extensions.append((kind, content))
    return Hello(is_client, int.from_bytes(body[:2]), body[2:34], numbers(ciphers), extensions)


def old_version(data: bytes) -> int | None:
    """The version of an SSL 2 ClientHello (RFC 5246 E.2, RFC 6101 E) that begins with these 11 bytes; None if it is none."""
    if len(data) < 11 or not data[0] & 0x80 or data[2] != 1:
        return None
    size = int.from_bytes(data[:2]) & 0x7FFF
    version, ciphers, session, challenge = (int.from_bytes(data[at : at + 2]) for at in (3, 5, 7, 9))
    is_sound = ciphers and ciphers % 3 == 0 and session in (0, 16) and 16 <= challenge <= 32 and size == 9 + ciphers + session + challenge
    return version if is_sound and version in _NAMES and version < 0x0304 else None
