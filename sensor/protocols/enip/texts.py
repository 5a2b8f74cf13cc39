"""Values that are text, or that people read as text: strings of wide characters and of several languages, times, paths.

Source: CIP Volume 1, C-1.4 (paths), C-5.2.1 (STRING2, STRINGN, STRINGI), C-5.2.4 (DATE_AND_TIME).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import numpy as np

from sensor.columns import PAD, Ints, appended, padded
from sensor.events.table import Table
from sensor.protocols.enip.codes import DataType as D
from sensor.protocols.enip.path import Has, tag_text, walk

EPOCH = np.datetime64("1972-01-01", "ms")
DAY_MS = 86_400_000
WIDE = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}  # by bytes of a character
CHARACTERS = {4: "latin-1", 5: "iso8859-2", 6: "iso8859-3", 7: "iso8859-4", 8: "iso8859-5", 9: "iso8859-6", 10: "iso8859-7", 11: "iso8859-8", 12: "iso8859-9"}
CHARACTERS |= {1000: "utf-16-le", 1001: "utf-32-le"}  # C-5.2.1, character sets of STRINGI; the others' width tells
PARTS = (
    ("class_id", Has.CLASS, "class {:#x}"),
    ("instance_id", Has.INSTANCE, "instance {}"),
    ("attribute_id", Has.ATTRIBUTE, "attribute {}"),
    ("point", Has.POINT, "connection point {}"),
    ("second_point", Has.SECOND_POINT, "connection point {}"),
    ("port", Has.PORT, "port {}"),
)
Reader = Callable[[bytes], tuple[str, int] | None]  # the text that content begins with and where it ends; None where it is cut or none


def put(table: Table, name: str, rows: Ints, texts: Sequence[bytes]) -> None:
    """Texts that do not lie in packets as they read: they go behind the packets' bytes."""
    if not texts:
        return
    base = len(table.pdus.data) - PAD
    sizes = np.array([len(text) for text in texts], np.int64)
    table.span(name, rows, base + np.cumsum(sizes) - sizes, sizes)
    table.pdus.data = appended(table.pdus.data, b"".join(texts))


def counted(content: bytes, head: str, width: int = 1) -> tuple[bytes, int, int] | None:
    """Characters behind their count, or behind their size and count; with where they end and how wide each is."""
    size = struct.calcsize(head)
    if len(content) < size:
        return None
    *wide, count = struct.unpack_from(head, content)
    width = wide[0] if wide else width
    end = size + count * width
    return (content[size:end], end, width) if end <= len(content) else None


HEADS = {D.STRING: ("<H", 1), D.STRING2: ("<H", 2), D.STRINGN: ("<HH", 1), D.SHORT_STRING: ("<B", 1)}


def string(kind: int) -> Reader:
    def reader(content: bytes) -> tuple[str, int] | None:
        found = counted(content, *HEADS[D(kind)])
        if found is None or found[2] not in WIDE:
            return None
        return found[0].decode(WIDE[found[2]], "replace"), found[1]

    return reader


def international(content: bytes) -> tuple[str, int] | None:
    """STRINGI: how many, then for each a language, what kind of string, its character set, and the string. Of several each behind its language."""
    if not content:
        return None
    said: list[tuple[str, str]] = []
    at = 1
    for _ in range(content[0]):
        if at + 6 > len(content) or content[at + 3] not in HEADS:
            return None
        language, kind, characters = content[at : at + 3].decode("latin-1"), content[at + 3], int.from_bytes(content[at + 4 : at + 6], "little")
        found = counted(content[at + 6 :], *HEADS[D(kind)])
        if found is None or found[2] not in WIDE:
            return None
        said.append((language, found[0].decode(CHARACTERS.get(characters, WIDE[found[2]]), "replace")))
        at += 6 + found[1]
    return said[0][1] if len(said) == 1 else ", ".join(f"{language}: {text}" for language, text in said), at


def time(content: bytes) -> tuple[str, int] | None:
    """DATE_AND_TIME: milliseconds of the day, and days since 1972."""
    if len(content) < 6:
        return None
    ms, days = struct.unpack_from("<IH", content)
    return (str(EPOCH + np.timedelta64(days * DAY_MS + ms, "ms")), 6) if ms < DAY_MS else None


def path(content: bytes) -> tuple[str, int] | None:
    """EPATH: the numbers that it names, and the tag as people write it."""
    paths = walk(padded(content), np.zeros(1, np.int64), np.array([len(content)]))
    has = int(paths.has[0])
    if has & Has.BAD:
        return None
    said = [form.format(int(paths[name][0])) for name, bit, form in PARTS if has & bit]
    tag = tag_text(content).decode("utf-8", "replace")
    return " ".join([*said, tag] if tag else said), len(content)


READERS: dict[int, Reader] = {
    D.STRING2: string(D.STRING2),
    D.STRINGN: string(D.STRINGN),
    D.STRINGI: international,
    D.DATE_AND_TIME: time,
    D.EPATH: path,
}
