"""Bodies of HTTP messages while they pass, and the files that are in them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sensor.applications.coding import CODINGS
from sensor.applications.files import Passing, whole

MOST_LAYERS = 2  # codings applied one after the other that are undone
MOST_PARTS = 64  # parts of a form that are told apart
_FILENAME = re.compile(rb"""(?i)[;\s]filename\s*=\s*(?:"([^"]*)"?|([^;\s]+))""")
_BOUNDARY = re.compile(rb"""(?i)[;\s]boundary\s*=\s*(?:"([^"]{1,200})"|([^;,\s]{1,200}))""")


class Body:
    """The body of one message: dechunked bytes go in. n_bytes: of them on the wire. file: what they are, decoded."""

    def __init__(self, codings: Iterable[bytes]) -> None:
        self._layers = [CODINGS[name]() for name in codings if name in CODINGS][:MOST_LAYERS]
        self.n_bytes = 0
        self.file = Passing()
        self.has_hole = False

    def add(self, data: bytes) -> None:
        if self.has_hole:
            return
        self.n_bytes += len(data)
        for layer in self._layers:
            data = layer.add(data)
        self.file.add(data)

    def close(self) -> None:
        if self.has_hole:
            return
        rest = b""
        for layer in self._layers:
            rest = layer.add(rest) + layer.close()
        self.file.add(rest)

    @property
    def is_wrong(self) -> bool:
        """It is not coded as it should be."""
        return any(layer.is_wrong for layer in self._layers)

    @property
    def is_bomb(self) -> bool:
        return any(layer.is_bomb for layer in self._layers)

    @property
    def is_whole(self) -> bool:
        return not self.has_hole and all(layer.is_whole for layer in self._layers)


def codings(*values: bytes) -> list[bytes]:
    """The codings of Content-Encoding and Transfer-Encoding, the outermost first."""
    return [name.strip().lower() for value in values for name in value.split(b",")[:8]][::-1]


def file_name(disposition: bytes) -> bytes:
    """The name that a Content-Disposition gives (RFC 6266)."""
    found = _FILENAME.search(disposition)
    return (found[1] or found[2] or b"") if found else b""


def boundary(content_type: bytes) -> bytes:
    """What separates the parts of a form (RFC 2046 5.1.1); empty if it is none."""
    found = _BOUNDARY.search(content_type) if content_type[:10].lower() == b"multipart/" else None
    return (found[1] or found[2] or b"") if found else b""


def parts(body: bytes, separator: bytes, is_whole: bool) -> list[tuple[bytes, Passing, bool]]:
    """The files of a form (RFC 7578): name, content, whether it is whole."""
    found = []
    pieces = (b"\r\n" + body).split(b"\r\n--" + separator, MOST_PARTS + 1)
    for number, piece in enumerate(pieces[1:], 1):
        head, empty, content = piece.partition(b"\r\n\r\n")
        if piece.startswith(b"--"):
            break
        fields = (line for line in head.split(b"\r\n") if line[:20].lower() == b"content-disposition:")
        name = file_name(next(fields, b""))
        if empty and name:
            found.append((name, whole(content), number < len(pieces) - 1 or (is_whole and number <= MOST_PARTS and not content)))
    return found
