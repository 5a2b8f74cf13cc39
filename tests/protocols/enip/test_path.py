"""Encoded paths against a plain reader of segments."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensor.columns import padded
from sensor.protocols.enip.path import Has, tag_text, walk

LOGICAL = {"class_id": 0x20, "instance_id": 0x24, "member_id": 0x28, "attribute_id": 0x30}


def segment(kind: int, width: int, number: int) -> bytes:
    """C-1.4.2: a logical segment."""
    return bytes((kind | width,)) + (bytes((number & 0xFF,)) if width == 0 else b"\0" + (number & (1 << 8 * 2 * width) - 1).to_bytes(2 * width, "little"))


numbers = st.tuples(st.sampled_from([0, 1, 2]), st.integers(0, 0xFFFFFFFF))


@given(st.lists(st.tuples(numbers, numbers, st.none() | numbers), min_size=1, max_size=20))
def test_logical_segments_of_every_size(objects: list[tuple[tuple[int, int], tuple[int, int], tuple[int, int] | None]]) -> None:
    contents, expected = [], []
    for parts in objects:
        content, values = b"", {}
        for name, part in zip(("class_id", "instance_id", "attribute_id"), parts, strict=True):
            if part is not None:
                content += segment(LOGICAL[name], *part)
                values[name] = part[1] & (0xFF, 0xFFFF, 0xFFFFFFFF)[part[0]]
        contents.append(content)
        expected.append(values)
    end = np.cumsum([len(content) for content in contents])
    paths = walk(padded(b"".join(contents)), end - [len(content) for content in contents], end)
    bits = {"class_id": Has.CLASS, "instance_id": Has.INSTANCE, "attribute_id": Has.ATTRIBUTE}
    for i, values in enumerate(expected):
        assert {name: int(paths[name][i]) for name, bit in bits.items() if paths.has[i] & bit} == values


def one(path: str) -> dict[str, int]:
    content = bytes.fromhex(path)
    paths = walk(padded(content), np.array([0]), np.array([len(content)]))
    return {name: int(column[0]) for name, column in paths.columns.items()} | {"has": int(paths.has[0])}


def test_forms_of_the_specification() -> None:
    assert one("2001 2401")["has"] == Has.CLASS | Has.INSTANCE
    parent = one("2068 2405 206b 2500 3412")
    assert (parent["parent_class_id"], parent["parent_instance_id"], parent["class_id"], parent["instance_id"]) == (0x68, 5, 0x6B, 0x1234)
    assert one("0102")["port"] == 1
    assert one("0f1200 05".replace(" ", ""))["port"] == 0x12  # an extended port
    assert one("1509 3139322e3136382e31 00 2001".replace(" ", ""))["class_id"] == 1  # an extended link address, padded
    assert one("3404 0100 0e00 3600 94 05 2004 2401 2c64 2c65".replace(" ", ""))["point"] == 100  # an electronic key before
    assert one("2004 2401 2466 2467")["second_point"] == 0x67  # several instances of one class
    assert one("4305 2001")["class_id"] == 1
    assert one("8002 11112222 2001".replace(" ", ""))["class_id"] == 1


def test_segments_that_cannot_be() -> None:
    for path in ("2001 24", "23002401", "e0002401", "9120 4142"):
        assert one(path)["has"] & Has.BAD, path
    assert one("2001" * 100)["has"] & Has.BAD


def test_tags_as_people_write_them() -> None:
    assert tag_text(bytes.fromhex("9105 5461626c65 00 2803 290007 01".replace(" ", ""))) == b"Table[3,263]"
    assert tag_text(bytes.fromhex("6341 4243".replace(" ", ""))) == b"ABC"
    assert tag_text(bytes.fromhex("6021 4100".replace(" ", ""))) == b"A"
    assert tag_text(bytes.fromhex("60c7 3412".replace(" ", ""))) == str(0x1234).encode()


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=30))
def test_any_bytes_are_read_to_their_end_or_marked(contents: list[bytes]) -> None:
    contents = [content[: len(content) & ~1] for content in contents]
    end = np.cumsum([len(content) for content in contents])
    walk(padded(b"".join(contents)), end - [len(content) for content in contents], end)
    for content in contents:
        tag_text(content)
