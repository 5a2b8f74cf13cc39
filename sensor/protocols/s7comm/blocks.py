"""Function group block functions: how many blocks there are, which of one type, and what one is like."""

from __future__ import annotations

from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.s7comm import transfer
from sensor.protocols.s7comm.codes import Block
from sensor.protocols.s7comm.content import Content, Kind

MOST_NAMED = 4096  # blocks of one answer
HEADER = 6  # bytes of an answer to "info" before the block's own header: type, length, two unknown
AUTHOR = HEADER + transfer.BLOCK.size  # and behind that: author, family, name, version, a byte, checksum


def decode(table: Table, row: int, content: Content) -> None:
    """One data unit with content."""
    said = content.said
    match content.subfunction, content.kind:
        case Block.LIST, Kind.RESPONSE:
            table.object("blocks", row, [_count(said[at : at + 4]) for at in range(0, min(len(said), 4 * MOST_NAMED) - 3, 4)])
        case Block.LIST_TYPE, Kind.REQUEST:
            _type(table, row, said)
        case Block.LIST_TYPE, Kind.RESPONSE:
            table.object("blocks", row, [_entry(said[at : at + 4]) for at in range(0, min(len(said), 4 * MOST_NAMED) - 3, 4)])
        case Block.INFO, Kind.REQUEST:
            _type(table, row, said)
            name = transfer.block_name(said)
            if name is not None and len(said) >= 7:
                table.set("block_number", row, name[1])
            table.span("file_system", row, content.place + 7, min(1, max(0, len(said) - 7)))
        case Block.INFO, Kind.RESPONSE:
            _info(table, row, content)
        case _:
            content.left = 0


def _type(table: Table, row: int, said: bytes) -> None:
    """A block type in two hexadecimal digits."""
    kind = transfer.block_type(said)
    if kind is None:
        table.flag(row, Anomaly.BAD_VALUE)
    else:
        table.set("block_type", row, kind)


def _count(said: bytes) -> dict[str, str | int]:
    """Type in two digits, number of blocks."""
    kind = transfer.block_type(said)
    return {"type": said[:2].hex() if kind is None else transfer.type_name(kind), "count": int.from_bytes(said[2:])}


def _entry(said: bytes) -> dict[str, str | int]:
    """Number, flags, language."""
    return {"number": int.from_bytes(said[:2]), "flags": said[2], "language": transfer.language_name(said[3])}


def _info(table: Table, row: int, content: Content) -> None:
    """The block's header as it is when loaded, and what stands at its end."""
    said = content.said
    header = transfer.block_header(said[HEADER:])
    if header is None:
        table.flag(row, Anomaly.TRUNCATED)
        content.left = 0
        return
    behind = said[AUTHOR:]
    for place, name in enumerate(("author", "family", "name")):
        text = behind[place * 8 : place * 8 + 8].decode("latin-1").strip(" \0")
        if text:
            header["block_name" if name == "name" else name] = text
    if len(behind) >= 28:
        header["block_version"] = f"{behind[24] >> 4}.{behind[24] & 0xF}"
        header["checksum"] = int.from_bytes(behind[26:28])
    transfer.describe(table, row, header)
