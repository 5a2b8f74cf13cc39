"""What Wireshark says: tshark run once per capture, its fields by frame, its value formats brought to Python values."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

BETWEEN = "\x1f"  # between the values of one field; a unit separator occurs in no printed value
PREFERENCES = ("-n", "-o", "tcp.reassemble_out_of_order:TRUE")  # like ours: segments are put in order before they are read
WHOLE = re.compile(r"FT_(U?INT\d+|CHAR|FRAMENUM)$")
TEXT_TIME = re.compile(r"(\w{3}) +(\d+), (\d{4}) (\d\d):(\d\d):(\d\d)(?:\.(\d+))?")
ISO_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Said:
    """One capture's fields: by field name, by frame, the printed values in Wireshark's order. notes: what tshark complained about."""

    values: dict[str, dict[int, list[str]]]
    notes: str


def tshark() -> str | None:
    """The program, where it is installed."""
    return shutil.which("tshark")


@cache
def types() -> dict[str, str]:
    """Type of every field that this tshark knows, e.g. FT_UINT16."""
    lines = _run("-G", "fields").stdout.splitlines()
    return {parts[2]: parts[3] for parts in (line.split("\t") for line in lines) if parts[0] == "F" and len(parts) > 3}


def say(capture: Path, names: list[str]) -> Said:
    """Every value of these fields (all known to `types`) in every frame of the capture."""
    wanted = [argument for name in names for argument in ("-e", name)]
    form = ("-T", "fields", "-E", "occurrence=a", "-E", "separator=/t", "-E", f"aggregator={BETWEEN}", "-e", "frame.number")
    done = _run("-r", str(capture), *PREFERENCES, *form, *wanted)
    values: dict[str, dict[int, list[str]]] = {name: {} for name in names}
    for line in done.stdout.split("\n"):  # a text may hold other characters at which Python ends lines
        frame, *cells = line.split("\t")
        if not frame.isdigit():
            continue
        for name, cell in zip(names, cells, strict=False):
            if cell:
                values[name][int(frame)] = cell.split(BETWEEN)
    return Said(values, "\n".join(line for line in done.stderr.splitlines() if "Running as user" not in line))


def frames_where(capture: Path, display_filter: str) -> set[int]:
    """Frames that a display filter selects. Raises ValueError where tshark does not understand it."""
    done = _run("-r", str(capture), *PREFERENCES, "-Y", display_filter, "-T", "fields", "-e", "frame.number")
    if done.returncode and not done.stdout and "cut short" not in done.stderr:
        raise ValueError(f"{display_filter}: {done.stderr.strip()}")
    return {int(line) for line in done.stdout.split()}


def value(text: str, kind: str) -> object:
    """A printed value as int, float or text; bytes as lower-case hexadecimal digits, times as ns (since 1970 UTC). Text where it does not fit its type."""
    if WHOLE.match(kind):
        return _whole(text)
    if kind == "FT_BOOLEAN":
        return int(text.lower() in ("1", "true", "set"))
    if kind in ("FT_FLOAT", "FT_DOUBLE"):
        try:
            return float(text)
        except ValueError:
            return text
    if kind in ("FT_BYTES", "FT_UINT_BYTES", "FT_ETHER", "FT_EUI64"):
        return text.replace(":", "").replace("-", "").lower()
    if kind == "FT_ABSOLUTE_TIME":
        return _time(text)
    if kind == "FT_RELATIVE_TIME":
        return round(float(text) * 1_000_000_000)
    return text.strip('"').rstrip("\0")


def _whole(text: str) -> object:
    if len(text) >= 3 and text[0] == text[-1] == "'":
        text = text[1:-1]
        return int(text.replace("\\", "0"), 0) if text.startswith("\\x") else ord(text[-1])
    try:
        return int(text, 0)
    except ValueError:
        return text


def _time(text: str) -> object:
    if found := TEXT_TIME.search(text):
        month, day, year, *clock = found.groups()
        date = int(year), MONTHS.index(month) + 1, int(day)
    elif found := ISO_TIME.search(text):
        year, month, day, *clock = found.groups()
        date = int(year), int(month), int(day)
    else:
        return text
    hour, minute, second = (int(part) for part in clock[:3])
    whole = int(datetime(*date, hour, minute, second, tzinfo=UTC).timestamp())
    return whole * 1_000_000_000 + int((clock[3] or "").ljust(9, "0")[:9])


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = tshark()
    if program is None:
        raise FileNotFoundError("tshark is not installed")
    environment = os.environ | {"TZ": "UTC", "LC_ALL": "C.UTF-8"}
    return subprocess.run((program, *arguments), capture_output=True, text=True, errors="replace", check=False, env=environment)
