"""Bodies of HTTP messages while they pass: content codings undone, bounded, the same for every cut of the same bytes."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable

from sensor.applications.files import Passing, whole

MOST_DECODED = 4 << 20  # bytes that one body may become; a small body that becomes more is a bomb and counts as cut off there
MOST_LAYERS = 2  # codings applied one after the other that are undone
MOST_PARTS = 64  # parts of a form that are told apart
_BLOCK = 4096  # compressed bytes that are decoded at a time: counted from the body's begin, so that segment borders do not matter
_ROOM = 65_536
_FILENAME = re.compile(rb"""(?i)[;\s]filename\s*=\s*(?:"([^"]*)"?|([^;\s]+))""")
_BOUNDARY = re.compile(rb"""(?i)[;\s]boundary\s*=\s*(?:"([^"]{1,200})"|([^;,\s]{1,200}))""")


class Inflating:
    """gzip (RFC 1952), deflate (RFC 1950, and RFC 1951 without its header as many servers send it), told apart by their begin rather than by their name.

    What is none of them is passed on as it is; behind an error nothing comes any more. ended: nothing more will come. is_at_end: because the data says so.
    """

    def __init__(self, name: bytes) -> None:
        self._name = name
        self._block = bytearray()
        self._zlib: zlib._Decompress | None = None
        self._is_plain = False
        self._left = MOST_DECODED
        self.ended = False
        self.is_at_end = False

    def add(self, data: bytes) -> bytes:
        self._block += data
        size = len(self._block) // _BLOCK * _BLOCK
        blocks, self._block = self._block[:size], self._block[size:]
        return b"".join(self._decoded(bytes(blocks[at : at + _BLOCK])) for at in range(0, size, _BLOCK))

    def close(self) -> bytes:
        block, self._block = bytes(self._block), bytearray()
        return self._decoded(block) if block else b""

    def _decoded(self, block: bytes) -> bytes:
        if self._is_plain:
            return block
        if self.ended:
            return b""
        is_first = self._zlib is None
        if self._zlib is None:
            self._zlib = self._begin(block)
            if self._zlib is None:
                self._is_plain = True
                return block
        before = self._zlib.copy()
        try:
            return self._all(block)
        except zlib.error:
            self._zlib = before
        made = self._until_error(block)
        self.ended = True
        if is_first and not made:
            self._is_plain = True
            return block
        return made

    def _begin(self, block: bytes) -> zlib._Decompress | None:
        if block.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(31)
        if len(block) > 1 and block[0] & 15 == 8 and int.from_bytes(block[:2]) % 31 == 0:
            return zlib.decompressobj(15)
        return zlib.decompressobj(-15) if self._name == b"deflate" else None

    def _all(self, block: bytes) -> bytes:
        made: list[bytes] = []
        assert self._zlib is not None
        while block and not self.ended:
            out = self._zlib.decompress(block, min(_ROOM, self._left))
            made.append(out)
            self._left -= len(out)
            block = self._zlib.unconsumed_tail
            if self._zlib.eof:
                block = self._zlib.unused_data
                if block.startswith(b"\x1f\x8b"):  # RFC 1952 2.2: members follow each other
                    self._zlib = zlib.decompressobj(31)
                else:
                    self.ended = self.is_at_end = True
            self.ended = self.ended or self._left <= 0
        return b"".join(made)

    def _until_error(self, block: bytes) -> bytes:
        """What comes before the error: once in a body, so byte by byte."""
        made = bytearray()
        try:
            for at in range(len(block)):
                if not self.ended:
                    made += self._all(block[at : at + 1])
        except zlib.error:
            pass
        return bytes(made)

    @property
    def is_whole(self) -> bool:
        return self._is_plain or self._zlib is None or self.is_at_end


class Body:
    """The body of one message: dechunked bytes go in. n_bytes: of them on the wire. file: what they are, decoded."""

    def __init__(self, codings: Iterable[bytes]) -> None:
        self._layers = [Inflating(name) for name in codings if name in (b"gzip", b"x-gzip", b"deflate")][:MOST_LAYERS]
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
