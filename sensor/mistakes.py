"""Mistakes of our own: what bytes that nobody thought of make our code raise costs what was looked at, not the run. Each is counted and told, none is silent."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from traceback import extract_tb
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger("tapsight")


class Mistakes:
    """Of one process. counts: by what failed, for the ledger. is_strict: mistakes are raised as they are (tests; `tapsight --debug`)."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.is_strict = False

    def note(self, what: str, error: Exception) -> None:
        """Something failed; the first time that it does the log says where."""
        if self.is_strict or isinstance(error, (OSError, MemoryError)):  # those are no mistakes of what was looked at
            raise error
        self.counts[what] += 1
        if self.counts[what] == 1:
            place = extract_tb(error.__traceback__)[-1]
            log.error(
                "%s failed (%s: %s; %s:%s): a mistake of this program, please report it",
                what,
                type(error).__name__,
                error,
                Path(place.filename).name,
                place.lineno,
            )


MISTAKES = Mistakes()


def contained(what: str, instead: Callable[[], T], make: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """What `make` gives of its arguments; where it fails, what `instead` gives. what: tells whoever reads the ledger what failed.

    Errors: OSError and MemoryError are passed on.
    """
    try:
        return make(*arguments, **named)
    except Exception as error:  # noqa: BLE001  # whatever it is
        MISTAKES.note(what, error)
    return instead()
