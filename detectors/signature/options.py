"""The options of IPv4 and TCP headers, walked for all packets at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.signature.units import Units
from sensor.columns import Bytes, Ints, Mask
from sensor.decode.packets import Transport

EOL, NOP = 0, 1
IP_KINDS = {  # RFC 791 3.1, RFC 1108, RFC 4782, CIPSO (FIPS 188)
    "eol": EOL, "nop": NOP, "rr": 7, "qs": 25, "ts": 68, "sec": 130, "lsrr": 131, "lsrre": 131, "esec": 133, "cipso": 134, "satid": 136, "ssrr": 137, "rtralt": 148,
}  # fmt: skip
TCP_MSS, TCP_SCALE = 2, 3  # RFC 9293 3.2, RFC 7323 2.2
TCP_ONCE = (TCP_MSS, TCP_SCALE, 4, 8)


@dataclass(frozen=True)
class Options:
    """One entry per option, in the order in which steps reached them: the unit, the kind, where it begins and how many bytes it has.

    malformed: units with an option whose length cannot be.
    """

    unit: Ints
    kind: Ints
    at: Ints
    size: Ints
    malformed: Mask

    def having(self, mask: Mask, n: int) -> Mask:
        """Of n units, those with an option that the mask chooses."""
        result = np.zeros(n, np.bool_)
        result[self.unit[mask]] = True
        return result

    def repeated(self, kinds: tuple[int, ...], n: int) -> Mask:
        """Of n units, those with one of these kinds more than once."""
        mine = np.isin(self.kind, kinds)
        code, count = np.unique(self.unit[mine] << 8 | self.kind[mine], return_counts=True)
        result = np.zeros(n, np.bool_)
        result[code[count > 1] >> 8] = True
        return result


def walk(data: Bytes, at: Ints, end: Ints) -> Options:
    """The options from `at` to `end` of every unit, none where at >= end: at most 40 bytes each, so 40 steps."""
    malformed = np.zeros(len(at), np.bool_)
    unit = np.flatnonzero(at < end)
    place = at[unit]
    none = np.zeros(0, np.int64)
    found: list[tuple[Ints, Ints, Ints, Ints]] = [(none, none, none, none)]
    while unit.size:
        kind = data[place].astype(np.int64)
        short = kind <= NOP
        left = end[unit] - place
        size = np.where(short, 1, np.where(left >= 2, data[place + 1], 0)).astype(np.int64)
        bad = (size > left) | (~short & (size < 2))
        malformed[unit[bad]] = True
        good = ~bad
        found.append((unit[good], kind[good], place[good], size[good]))
        good &= (kind != EOL) & (size < left)
        unit, place = unit[good], (place + size)[good]
    unit, kinds, places, sizes = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return Options(unit, kinds, places, sizes, malformed)


def ip_options(units: Units) -> Options:
    """Of IPv4 headers."""
    c = units.columns
    at = c["network_at"]
    has = (c["ip_version"] == 4) & (at + 20 <= c["network_end"])
    size = np.where(has, (units.data[np.where(has, at, 0)] & 15).astype(np.int64) << 2, 0)
    found: Options = units.once("ip options", lambda: walk(units.data, at + 20, np.minimum(at + size, c["network_end"])))
    return found


def tcp_options(units: Units) -> Options:
    """Of TCP headers."""
    c = units.columns
    at = c["transport_at"]
    has = (c["transport"] == Transport.TCP) & (at > 0)
    begin = np.where(has, at + 20, 0)
    found: Options = units.once("tcp options", lambda: walk(units.data, begin, np.where(has, c["payload_at"], 0)))
    return found
