"""Frames and segments against a bit-by-bit checksum (IEEE 1815-2012, 8 and 9)."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.dnp3 import DNP3
from sensor.protocols.dnp3.link import HEADER, segments, size
from tests.protocols.dnp3.make import Said, decode, frame, lines, pdus, segment

RESET_LINK = bytes.fromhex("056405C001000004E921")


def measured(content: bytes) -> int:
    return int(size(np.frombuffer(content[:10].ljust(10, b"\0"), HEADER))[0])


def test_a_frame_of_header_alone() -> None:
    assert measured(RESET_LINK) == 10
    [line] = lines(decode([(RESET_LINK, True)]))
    assert (line["destination"], line["source"], line["primary_function"], line["direction"]) == (1, 1024, 0, 1)
    assert (line["action"], line["anomaly"]) == (Action.CONNECT, 0)
    assert "function" not in line
    assert "transport_first" not in line


@given(st.binary(max_size=250), st.integers(0, 65535), st.integers(0, 65535))
def test_every_length(user_data: bytes, destination: int, source: int) -> None:
    content = frame(user_data, 0xC4, destination, source)
    assert measured(content) == len(content)
    batch = pdus([(content, True)])
    found = segments(batch)
    assert not batch.notes.any()
    assert found.data[found.at[0] : found.end[0]].tobytes() == user_data[1:]
    assert found.key[0] == source << 16 | destination


@given(st.binary(min_size=1, max_size=60), st.data())
def test_one_wrong_bit_is_always_found(user_data: bytes, data: st.DataObject) -> None:
    content = bytearray(frame(user_data, 0xC4, 10, 3))
    bit = data.draw(st.integers(32, len(content) * 8 - 1))  # behind the length: what comes before moves the end
    content[bit >> 3] ^= 1 << (bit & 7)
    batch = pdus([(bytes(content), True)])
    found = segments(batch)
    assert batch.notes[0] == Anomaly.BAD_CHECKSUM
    assert found.at[0] == found.end[0]


def test_a_wrong_header_checksum_is_an_event_without_application() -> None:
    content, _ = segment(b"\xc0\x01\x3c\x02\x06", True)
    forged = content[:8] + b"\0\0" + content[10:]
    assert measured(forged) == len(forged)
    [line] = lines(decode([(forged, True)]))
    assert line["anomaly"] == Anomaly.BAD_CHECKSUM
    assert line["source"] == 3
    assert "function" not in line


@given(st.binary(min_size=10, max_size=10))
def test_chance_is_no_frame(content: bytes) -> None:
    if content[:2] != b"\x05\x64":
        assert measured(content) == 0
    wrong = b"\x05\x64\xff\xff" + content[4:]  # a control octet that no frame of this length has: only the checksum could prove it
    assert measured(wrong) in (0, 292)


def test_role_is_the_direction_bit() -> None:
    both = np.frombuffer(RESET_LINK + frame(b"", 0x0B, 1, 2), HEADER)
    assert DNP3.role(both).tolist() == [1, -1]


def cut(content: bytes, *numbers: int) -> list[Said]:
    """A fragment in as many segments as numbers are given."""
    step = -(-len(content) // len(numbers))
    parts = [content[at : at + step] for at in range(0, len(content), step)]
    marks = [0x40, *([0] * (len(parts) - 2)), 0x80]
    return [segment(part, True, mark | number) for part, mark, number in zip(parts, marks, numbers, strict=True)]


WRITE = b"\xc0\x02\x32\x01\x07\x01" + bytes(6) + b"\x50\x01\x00\x07\x07\x00"


def test_fragments_of_several_frames() -> None:
    *before, last = lines(decode(cut(WRITE, 63, 0, 1)))
    assert last["object"] == [0x3201, 0x5001]
    assert last["time"] == "1970-01-01T00:00:00.000000000"
    assert all("function" not in line and line["transport_sequence"] in (63, 0) for line in before)


def test_a_lost_segment_ends_the_fragment() -> None:
    first, middle, last = cut(WRITE, 1, 2, 3)
    found = lines(decode([first, last]))
    assert [line["anomaly"] for line in found] == [0, Anomaly.BAD_SEQUENCE]
    assert "function" not in found[1]
    found = lines(decode([first, middle, middle, last], cuts=[1, 2, 3]))  # sent twice: taken once
    assert [line["anomaly"] for line in found] == [0, 0, 0, 0]
    assert found[3]["function"] == 2
