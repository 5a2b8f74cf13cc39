"""Conversations as captures, so that tshark can say what it makes of them."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from tests.applications.talk import Script
from tests.make import ACK, CLIENT, PSH, SERVER, SYN, tcp


def tshark(script: Script, port: int, folder: Path, *fields: str) -> list[list[str]]:
    """These fields of every packet of a conversation that has one of them."""
    program = shutil.which("tshark")
    if not program:
        pytest.skip("tshark is not here")
    ends = {True: (CLIENT, 40000), False: (SERVER, port)}
    sent = {True: 1, False: 1}
    frames = [tcp(ends[True], ends[False], 0, flags=SYN), tcp(ends[False], ends[True], 0, flags=SYN | ACK, acknowledgment=1)]
    for to_server, data in script:
        for begin in range(0, len(data), 1400):
            piece = data[begin : begin + 1400]
            frames.append(tcp(ends[to_server], ends[not to_server], sent[to_server], piece, PSH | ACK, sent[not to_server]))
            sent[to_server] += len(piece)
    path = folder / "talk.pcap"
    packets = b"".join(struct.pack("<IIII", 1_700_000_000, i, len(frame), len(frame)) + frame for i, frame in enumerate(frames))
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + packets)
    command = [program, "-r", str(path), "-T", "fields", "-E", "separator=|", *(word for field in fields for word in ("-e", field))]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split("|") for line in lines if line.strip("|")]
