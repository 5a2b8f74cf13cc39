"""Codes of Sampled Values (IEC 61850-9-2)."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Synch(IntEnum):  # 8.5.2, smpSynch; 5 to 254 name the clock of an area
    NOT_SYNCHRONIZED = 0
    LOCAL_CLOCK = 1
    GLOBAL_CLOCK = 2


class Mode(IntEnum):  # smpMod: what smpRate counts
    SAMPLES_PER_PERIOD = 0
    SAMPLES_PER_SECOND = 1
    SECONDS_PER_SAMPLE = 2


class Validity(IntEnum):  # the lowest two bits of a quality (IEC 61850-7-3, 6.2; their places: 9-2LE, 7.2)
    GOOD = 0
    INVALID = 1
    RESERVED = 2  # a bit string's bits the other way round: older devices say invalid so
    QUESTIONABLE = 3


class Flag(IntFlag):
    """The other bits of a quality that say more than good or not."""

    OVERFLOW = 0x4
    OLD_DATA = 0x80
    SUBSTITUTED = 0x400
    TEST = 0x800
    OPERATOR_BLOCKED = 0x1000
