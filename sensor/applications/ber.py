"""ASN.1 BER as SNMP, LDAP and Kerberos use it: definite lengths, tags of one octet. ITU-T X.690 8.1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

INTEGER, OCTETS, NULL, OID, ENUMERATED, SEQUENCE, SET = 0x02, 0x04, 0x05, 0x06, 0x0A, 0x30, 0x31
MOST_ITEMS = 256  # of one constructed value that are looked at


class Value(NamedTuple):
    """One value: its tag octet, and its contents from `begin` to `end` of the message."""

    data: bytes
    tag: int
    begin: int
    end: int

    @property
    def content(self) -> bytes:
        return self.data[self.begin : self.end]

    @property
    def number(self) -> int:
        """8.3; of more than 16 octets only the first 16 count."""
        return int.from_bytes(self.data[self.begin : min(self.end, self.begin + 16)], "big", signed=True)

    @property
    def oid(self) -> str:
        """8.19, at most 128 numbers; empty where the value has none."""
        numbers: list[int] = []
        value = 0
        for byte in self.content[:512]:
            value = value << 7 | byte & 0x7F
            if value >> 64:
                return ""
            if byte < 0x80:
                numbers += [value] if numbers else [min(value // 40, 2), value - 40 * min(value // 40, 2)]
                value = 0
        return ".".join(map(str, numbers[:128]))

    def items(self) -> Iterator[Value]:
        """The values within it, one behind the other. Raises EOFError and ValueError."""
        at = self.begin
        for _ in range(MOST_ITEMS):
            if at >= self.end:
                return
            found = read(self.data, at, self.end)
            yield found
            at = found.end

    def within(self, count: int) -> list[Value]:
        """Its first values, exactly so many of them. Raises EOFError where it has fewer."""
        found = [value for value, _ in zip(self.items(), range(count), strict=False)]
        if len(found) < count:
            raise EOFError(f"{count} values are expected at byte {self.begin}, {len(found)} are there")
        return found

    def tagged(self) -> dict[int, Value]:
        """What explicit context tags hold, by tag number (8.14)."""
        return {item.tag & 0x1F: read(item.data, item.begin, item.end) for item in self.items() if item.tag & 0xE0 == 0xA0}


def header(data: bytes | bytearray, at: int = 0) -> tuple[int, int] | None:
    """Where the value at `at` begins and how long it is; None: more bytes are needed. Raises ValueError for what this module does not read."""
    if len(data) < at + 2:
        return None
    first = data[at + 1]
    if data[at] & 0x1F == 0x1F or first == 0x80 or first > 0x84:
        raise ValueError(f"no BER of a definite length at byte {at}")
    if first < 0x80:
        return at + 2, first
    n_octets = first & 0x7F
    if len(data) < at + 2 + n_octets:
        return None
    return at + 2 + n_octets, int.from_bytes(data[at + 2 : at + 2 + n_octets], "big")


def read(data: bytes, at: int = 0, end: int | None = None) -> Value:
    """The value at `at`. Raises EOFError where it goes beyond `end`, ValueError for what is no BER."""
    end = len(data) if end is None else end
    found = header(data, at)
    if found is None or found[0] + found[1] > end:
        raise EOFError(f"the value at byte {at} goes beyond byte {end}")
    return Value(data, data[at], found[0], found[0] + found[1])
