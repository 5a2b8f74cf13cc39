"""What a detector's dataclass fields are, settings, state or neither, and its state as plain data to keep between runs."""

from __future__ import annotations

from dataclasses import field, fields, is_dataclass
from typing import Any

VERSION = 1  # of the saved form
TRANSIENT = {"transient": True}  # metadata of fields that hold for this process only, such as columns by flow number


def setting(default: Any, about: str, least: float = 0) -> Any:
    """A dataclass field that the configuration may set."""
    return field(default=default, metadata={"about": about, "least": least})


def settings(detector: Any) -> list[Any]:
    """The dataclass fields that the configuration may set."""
    return [each for each in fields(detector) if "about" in each.metadata]


def state_fields(thing: Any) -> list[str]:
    return [each.name for each in fields(thing) if not each.metadata and each.name not in CONSTANT]


CONSTANT = ("name", "kinds", "needs", "limits")


def save(detector: Any) -> dict[str, Any]:
    """The state of a detector as JSON can hold it."""
    return {"version": VERSION, "detector": detector.name, "state": _pack(detector)}


def load(detector: Any, saved: dict[str, Any]) -> None:
    """Take up a saved state. Raises ValueError where it is another detector's, another version's or has other fields: then begin with none."""
    if saved.get("version") != VERSION or saved.get("detector") != detector.name:
        raise ValueError(f"state of {saved.get('detector')!r}, version {saved.get('version')}; expected {detector.name!r}, version {VERSION}")
    _unpack_into(detector, saved["state"])


def _pack(value: Any) -> Any:
    """JSON keeps neither tuples, sets nor keys that are no text: each container becomes [its letter, items]."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _pack(getattr(value, name)) for name in state_fields(value)}
    if isinstance(value, dict):
        return ["d", [[_pack(key), _pack(each)] for key, each in value.items()]]
    if isinstance(value, (tuple, list)):
        return ["t" if isinstance(value, tuple) else "l", [_pack(each) for each in value]]
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"a detector's state cannot hold {type(value).__name__}")


def _unpack(packed: Any) -> Any:
    if not isinstance(packed, list):
        return packed
    letter, items = packed
    if letter == "d":
        return {_unpack(key): _unpack(each) for key, each in items}
    unpacked = [_unpack(each) for each in items]
    return tuple(unpacked) if letter == "t" else unpacked


def _unpack_into(thing: Any, state: dict[str, Any]) -> None:
    names = state_fields(thing)
    if set(names) != set(state):
        raise ValueError(f"state has the fields {sorted(state)}; expected {sorted(names)}")
    for name in names:
        if is_dataclass(getattr(thing, name)):
            _unpack_into(getattr(thing, name), state[name])
        else:
            setattr(thing, name, _unpack(state[name]))
