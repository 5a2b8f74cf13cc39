"""Frames as a stack sends them on the loopback interface."""

from __future__ import annotations

import socket
import time

import pytest

INTERFACE, ETH_P_ALL = "lo", 3


def tap() -> socket.socket:
    """A socket that hears every frame. Skips where that is not allowed."""
    try:
        heard = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        heard.bind((INTERFACE, 0))
    except (AttributeError, OSError) as error:
        pytest.skip(f"no raw socket on {INTERFACE}: {error}")
    heard.settimeout(0.5)
    return heard


def hear(heard: socket.socket, count: int, ethertype: bytes, destination: bytes) -> list[tuple[int, bytes]]:
    """A publisher's frames, each once: a loopback interface hears what goes out and what comes in."""
    frames: list[tuple[int, bytes]] = []
    end = time.monotonic() + 5
    while len(frames) < count and time.monotonic() < end:
        try:
            frame, address = heard.recvfrom(2000)
        except TimeoutError:
            continue
        if frame[:6] == destination and ethertype in frame[12:18] and address[2] == socket.PACKET_OUTGOING:
            frames.append((time.time_ns(), frame))
    assert len(frames) == count
    return frames
