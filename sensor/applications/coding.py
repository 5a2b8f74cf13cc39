"""Content codings of HTTP undone while a body passes (RFC 9110 8.4.1), bounded, the same for every cut of the same bytes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

MOST_DECODED = 4 << 20  # bytes that one body may become; a small body that becomes more is a bomb and counts as cut off there
BOMB = 128  # times its size: what becomes as large as that is made to be
BLOCK = 4096  # compressed bytes that are decoded at a time: counted from the body's begin, so that segment borders do not matter
ROOM = 65_536
ZSTD_PIECE = 64  # bytes of Zstandard that are decoded at a time: of them come 2 MiB at most, for a block of 128 KiB takes four (RFC 8878 3.1.1.2)
ZSTD_WINDOW = 8 << 20  # what RFC 9659 3 lets a body have


class Coding:
    """One coding. What is not coded so from its first block on is passed on as it is; behind an error nothing comes any more.

    ended: nothing more will come. is_at_end: because the data says so. is_wrong: it is not coded so. is_bomb: so little became as much as one body may become.
    """

    def __init__(self) -> None:
        self._block = bytearray()
        self._is_plain = self._is_begun = False
        self._left = MOST_DECODED
        self._n_taken = 0
        self.ended = False
        self.is_at_end = False
        self.is_wrong = False

    def add(self, data: bytes) -> bytes:
        self._block += data
        size = len(self._block) // BLOCK * BLOCK
        blocks, self._block = self._block[:size], self._block[size:]
        return b"".join(self._decoded(bytes(blocks[at : at + BLOCK])) for at in range(0, size, BLOCK))

    def close(self) -> bytes:
        block, self._block = bytes(self._block), bytearray()
        return self._decoded(block) if block else b""

    def _decoded(self, block: bytes) -> bytes:
        if self._is_plain:
            return block
        if self.ended:
            return b""
        is_first, self._is_begun = not self._is_begun, True
        self._n_taken += len(block)
        made = self._made(block)
        if is_first and made is None:
            self._is_plain = self.is_wrong = True
            return block
        return made or b""

    def _made(self, block: bytes) -> bytes | None:
        """What one block gives; None where it is not coded so at all."""
        raise NotImplementedError

    @property
    def is_bomb(self) -> bool:
        return self._left <= 0 and self._n_taken * BOMB < MOST_DECODED

    @property
    def is_whole(self) -> bool:
        return self._is_plain or not self._is_begun or self.is_at_end


class Inflating(Coding):
    """gzip (RFC 1952), deflate (RFC 1950, and RFC 1951 without its header as many servers send it), told apart by their begin rather than by their name."""

    def __init__(self, name: bytes) -> None:
        super().__init__()
        self._name = name
        self._zlib: zlib._Decompress | None = None

    def _made(self, block: bytes) -> bytes | None:
        self._zlib = self._zlib or self._begin(block)
        if self._zlib is None:
            return None
        before = self._zlib.copy()
        try:
            return self._all(block)
        except zlib.error:
            self._zlib = before
        made = self._until_error(block)
        self.ended = self.is_wrong = True
        return made or None

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
            out = self._zlib.decompress(block, min(ROOM, self._left))
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


class Streamed(Coding):
    """Brotli (RFC 7932) and Zstandard (RFC 8878). Of the block that an error is in nothing comes."""

    def __init__(self, begin: Callable[[], Callable[[bytes], Iterator[tuple[bytes, bool]]]]) -> None:
        super().__init__()
        self._begin = begin
        self._decode: Callable[[bytes], Iterator[tuple[bytes, bool]]] | None = None

    def _made(self, block: bytes) -> bytes | None:
        self._decode = self._decode or self._begin()
        made = bytearray()
        try:
            for out, is_at_end in self._decode(block):
                made += out[: self._left - len(made)]
                self.is_at_end = is_at_end
                if is_at_end or len(made) >= self._left:
                    self.ended = True
                    break
        except Exception:  # noqa: BLE001  # each library has errors of its own, and the bytes are hostile
            self.ended = self.is_wrong = True
            return None
        self._left -= len(made)
        self.is_at_end &= self._left > 0
        return bytes(made)


def brotli() -> Callable[[bytes], Iterator[tuple[bytes, bool]]]:
    import brotli  # type: ignore[import-untyped]  # has none

    decoder = brotli.Decompressor()

    def decode(block: bytes) -> Iterator[tuple[bytes, bool]]:
        while out := decoder.process(block, output_buffer_limit=ROOM):
            yield out, decoder.is_finished()
            block = b""

    return decode


def zstandard() -> Callable[[bytes], Iterator[tuple[bytes, bool]]]:
    from zstandard import ZstdDecompressor

    decoder = ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()

    def decode(block: bytes) -> Iterator[tuple[bytes, bool]]:
        for at in range(0, len(block), ZSTD_PIECE):
            yield decoder.decompress(block[at : at + ZSTD_PIECE]), decoder.eof

    return decode


CODINGS: dict[bytes, Callable[[], Coding]] = {
    **{name: lambda name=name: Inflating(name) for name in (b"gzip", b"x-gzip", b"deflate")},  # type: ignore[misc]
    b"br": lambda: Streamed(brotli),
    b"zstd": lambda: Streamed(zstandard),
}
