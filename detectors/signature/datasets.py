"""dataset and datarep: lists of values that buffers are looked up in, and that rules may change. Suricata 8 user guide, "Datasets"."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from detectors.signature.numbers import holds
from detectors.signature.rule import Dataset
from detectors.signature.syntax import shortened

FILE_BYTES = 64 << 20
MOST_ENTRIES = 1_000_000  # of one list
MOST_REPUTATION = 65_535
HASHES = {"filemd5": 16, "filesha1": 20, "filesha256": 32}  # lists of files' hashes: kind, bytes
SIZES = {**{kind: (size,) for kind, size in HASHES.items()}, "md5": (16,), "sha256": (32,), "ipv4": (4,), "ip": (4, 16), "ipv6": (4, 16)}


def address(text: str) -> bytes:
    """An address's bytes; IPv4 within IPv6 as IPv4."""
    found = ipaddress.ip_address(text.strip("[]"))
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).packed


READ: Mapping[str, Callable[[str], bytes]] = {
    "string": lambda text: base64.b64decode(text, validate=True),
    **dict.fromkeys(("md5", "sha256", *HASHES), bytes.fromhex),
    "ip": address,
    "ipv4": address,
    "ipv6": address,
}


def reason(check: Dataset) -> str:
    """Why a list cannot be looked at; empty where it can, as far as is known before its file is read."""
    return "" if check.kind in READ else f"datasets of the type {check.kind} are not looked at"


@dataclass
class Lists:
    """All lists by name: what is in them, and each value's reputation. evicted: values that rules have added and that gave way to later ones."""

    kinds: dict[str, str] = field(default_factory=dict)
    entries: dict[str, dict[bytes, int]] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    most: int = MOST_ENTRIES
    evicted: int = 0

    def open(self, check: Dataset, folder: Path) -> None:
        """Make a rule's list ready; its file is read once. folder: where the rule's file lies. Raises ValueError."""
        kind = self.kinds.setdefault(check.name, check.kind)
        if kind != check.kind:
            raise ValueError(f"the dataset {shortened(check.name)} is of the type {kind} elsewhere, and not {check.kind}")
        entries = self.entries.setdefault(check.name, {})
        if not check.load:
            return
        file = (folder / check.load).resolve()
        if self.files.setdefault(check.name, file) != file:
            raise ValueError(f"the dataset {shortened(check.name)} is loaded from {self.files[check.name]} elsewhere")
        if not entries:
            entries.update(read(file, check))

    def copy(self) -> Lists:
        """The same lists, to be changed apart."""
        return Lists(self.kinds, {name: dict(entries) for name, entries in self.entries.items()}, self.files, self.most)

    def adopt(self, old: Lists, files: Lists) -> None:
        """What rules have added to another set's lists, or taken out, since they were as `files`: also to the lists here of the same names and types."""
        self.evicted += old.evicted
        for name, entries in self.entries.items():
            if old.kinds.get(name) == self.kinds[name]:
                began = files.entries.get(name, {})
                for value in began.keys() - old.entries[name].keys():
                    entries.pop(value, None)
                for value in [value for value in old.entries[name] if value not in began]:
                    self._add(entries, value)

    def holds(self, check: Dataset, value: bytes) -> bool:
        """Whether a buffer's value meets the check. set and unset hold where they change something."""
        sizes = SIZES.get(check.kind)
        if not value or (sizes and len(value) not in sizes):
            return False
        if sizes and len(value) == 16 and check.kind.startswith("ip"):
            value = address(str(ipaddress.ip_address(value)))
        entries = self.entries[check.name]
        match check.command:
            case "set":
                return self._add(entries, value)
            case "unset":
                return entries.pop(value, None) is not None
            case "isnotset":
                return value not in entries
        there = entries.get(value)
        return there is not None and (check.reputation is None or bool(holds(check.reputation, there)))

    def _add(self, entries: dict[bytes, int], value: bytes) -> bool:
        if value in entries:
            return False
        entries[value] = 0
        if len(entries) > self.most:
            del entries[next(iter(entries))]
            self.evicted += 1
        return True


def lines_of(file: Path) -> list[str]:
    """A file's lines. Raises ValueError where it is too large or cannot be read."""
    try:
        if file.stat().st_size > FILE_BYTES:
            raise ValueError(f"{file} is larger than {FILE_BYTES >> 20} MB")
        return file.read_bytes().decode("utf-8", "replace").splitlines()
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror or error}") from error


def read(file: Path, check: Dataset) -> dict[bytes, int]:
    """A list's file: a value a line, strings in Base64; for datarep a comma and the reputation behind it. Of lists of hashes what md5sum writes will do. Raises ValueError."""
    result: dict[bytes, int] = {}
    for number, line in enumerate(lines_of(file), 1):
        text, comma, reputation = (line[: 2 * HASHES[check.kind]], "", "") if check.kind in HASHES else line.strip().partition(",")
        if not text.strip() or text.startswith("#"):
            continue
        try:
            value, score = READ[check.kind](text), int(reputation or 0)
        except (ValueError, binascii.Error):
            value, score = b"", -1
        size_fits = check.kind not in SIZES or len(value) in SIZES[check.kind]
        if not (size_fits and 0 <= score <= MOST_REPUTATION and (comma or check.reputation is None)):
            form = f"{check.kind}{' in Base64' * (check.kind == 'string')}{' and reputation' if check.reputation else ''}"
            raise ValueError(f"{file}:{number}: {shortened(line)} is no {form}")
        result[value] = score
        if len(result) > MOST_ENTRIES:
            raise ValueError(f"{file} has more than {MOST_ENTRIES} values")
    return result
