"""Wireshark's dissection of one frame, by pyshark, which runs tshark. The slow path: tshark reads the capture up to that frame."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE_S = 600


@dataclass
class Dissection:
    """lines: depth and text, none where Wireshark said nothing. notes: what the user should know of how they came about."""

    lines: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def dissection(capture: Path, frame: int) -> Dissection:
    """What Wireshark says of a frame. Nothing is raised: what does not work is in the notes.

    tshark is asked for everything up to the frame, so that it knows the conversation before it. pyshark is given an event loop of its own: it would look for
    one, and for a child watcher, in ways that Python 3.12 deprecates and 3.14 has not any more. Where pyshark fails all the same, tshark itself is asked.
    """
    if shutil.which("tshark") is None:
        return Dissection(notes=["tshark is missing (Debian: apt-get install tshark): Wireshark's view is not shown"])
    try:
        lines = by_pyshark(capture, frame)
    except Exception as error:  # noqa: BLE001  # whatever goes wrong in there, tshark itself may still work
        found = by_tshark(capture, frame)
        text = str(error).strip().splitlines()
        found.notes.append(f"pyshark failed ({type(error).__name__}{': ' + text[0] if text else ''}): tshark was asked directly")
        return found
    return Dissection(lines) if lines else by_tshark(capture, frame)


def by_pyshark(capture: Path, frame: int) -> list[tuple[int, str]]:
    """The layers of the frame and their fields, in Wireshark's words."""
    import asyncio

    import pyshark  # type: ignore[import-untyped]  # it has no types

    loop = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(loop)
        with pyshark.FileCapture(str(capture), display_filter=f"frame.number=={frame}", custom_parameters=["-c", str(frame)], eventloop=loop) as packets:
            packet = next(iter(packets), None)
            return [line for layer in packet.layers for line in of_layer(layer)] if packet is not None else []
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def of_layer(layer: Any) -> list[tuple[int, str]]:
    """A layer's name, and each of its fields that Wireshark shows."""
    lines = [(0, layer.layer_name.upper())]
    for each in layer._all_fields.values():  # noqa: SLF001  # pyshark has no public way to a field that occurs several times
        lines += [(1, one.showname or one.show) for one in each.all_fields if not one.hide and (one.showname or one.show)]
    return lines


def by_tshark(capture: Path, frame: int) -> Dissection:
    """What tshark prints."""
    command = ["tshark", "-n", "-r", str(capture.absolute()), "-c", str(frame), "-Y", f"frame.number=={frame}", "-V"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S, check=False)  # noqa: S603  # no shell, a path and a number
    except (OSError, subprocess.TimeoutExpired) as error:
        return Dissection(notes=[f"tshark failed: {error}"])
    lines = [((len(line) - len(line.lstrip())) // 4, line.strip()) for line in done.stdout.splitlines() if line.strip()]
    problems = [line for line in done.stderr.splitlines() if line and not line.startswith("Running as user")]
    return Dissection(lines, [f"tshark: {problems[0]}"] if problems and not lines else [])
