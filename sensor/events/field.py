"""Field: one column of a dataset, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Field:
    """One column: from this line come its dtype, document key and mapping, rule keyword, table column, documentation row and comparison with Wireshark.

    dtype: a NumPy number ("u2", "f4"); "bytes" or "text" (bytes that lie in the packets); a number and "[]" (a list per row, "u2[]"); "str" or "str[]" (texts
    that a parser made); or "object" (rare, irregular: str, list or dict). `wireshark` names the field that says the same, or several that do in turn.
    """

    name: str
    dtype: str
    about: str
    unit: str = ""
    enum: type[IntEnum] | None = None
    ecs: str = ""  # document key; the protocol's name and the field's when empty
    wireshark: str = ""

    @property
    def kind(self) -> str:
        """How a column holds it: number, span, list or object."""
        if self.dtype in ("bytes", "text"):
            return "span"
        if self.dtype in ("str", "str[]", "object"):
            return "object"
        return "list" if self.dtype.endswith("[]") else "number"

    @property
    def item(self) -> np.dtype[np.generic]:
        """NumPy dtype of the value, or of a list's items."""
        return np.dtype(self.dtype.removesuffix("[]"))


def label(code: IntEnum) -> str:
    """A code's name as documents and pages show it: `READ_COILS` becomes `read_coils`."""
    return code.name.lower()


def name_of(codes: type[IntEnum], code: int) -> str:
    """The name of a code, `unknown_7` where the enumeration has none."""
    try:
        return label(codes(code))
    except ValueError:
        return f"unknown_{code}"


def coded(codes: type[IntEnum], code: int) -> dict[str, Any]:
    """A code and its name."""
    return {"code": code, "name": name_of(codes, code)}


def spoken(code: IntEnum) -> str:
    """A code's name as an identity's value: `PROGRAMMABLE_LOGIC_CONTROLLER` becomes `programmable logic controller`."""
    return code.name.lower().replace("_", " ")


CAPITALS = frozenset({"ASCO", "IDEC", "KEBA", "KUKA", "WAGO"})  # companies that write themselves so, besides every name of up to three letters


def proper(code: IntEnum) -> str:
    """A code's name as a company's: `ROCKWELL_AUTOMATION` becomes `Rockwell Automation`."""
    return " ".join("&" if word == "AND" else word if len(word) <= 3 or word in CAPITALS else word.capitalize() for word in code.name.split("_"))
