"""Who makes a device: the IEEE's registry of MAC prefixes (MA-L) as netaddr ships it, looked up in its index without loading it whole (0.1 s)."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path


@lru_cache(1 << 12)
def organisation(prefix: int) -> str:
    """The organisation that three bytes are registered to; empty where there is none. A record's first line: 00-80-63 (hex) NAME."""
    index, text = _registry()
    begin = index.find(b"\n%d," % prefix) + 1
    if not begin:
        return ""
    _, offset, size = map(int, index[begin : index.index(b"\n", begin)].split(b","))
    with text.open("rb") as file:
        file.seek(offset)
        line = file.read(size).partition(b"\n")[0]
    return line.partition(b"(hex)")[2].decode("utf-8", "replace").strip(" \t\r,.")


@cache
def _registry() -> tuple[bytes, Path]:
    """Lines of prefix, offset and size; and the file that those are of."""
    spec = find_spec("netaddr")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "eui"
    return b"\n" + (folder / "oui.idx").read_bytes(), folder / "oui.txt"


def vendor_of(mac: int) -> str:
    """The organisation that a MAC's first three bytes are registered to; empty where there is none."""
    return "" if mac >> 40 & 3 else organisation(mac >> 24)  # locally administered, or a group
