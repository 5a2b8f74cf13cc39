"""Groups 83, 85 to 88, 90, 91 and 100, built from annex A of IEEE 1815-2012."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.events.point import RawType
from sensor.events.vocabulary import Action
from sensor.protocols.dnp3 import DNP3
from sensor.protocols.dnp3.points import real
from tests.protocols.dnp3.make import Said, decode, lines, request, response

TIME = struct.pack("<Q", 1_700_000_000_123)[:6]
UUID = bytes(range(16))


def sized(group: int, variation: int, *contents: bytes) -> str:
    """An object header whose items each stand behind their size."""
    return (bytes((group, variation, 0x5B, len(contents))) + b"".join(struct.pack("<H", len(content)) + content for content in contents)).hex()


def element(code: int, ancillary: bytes, data_type: int = 0, longest: int = 0) -> bytes:
    return bytes((3 + len(ancillary), code, data_type, longest)) + ancillary


def value(content: bytes) -> bytes:
    return bytes((len(content),)) + content


PROTOTYPE = sized(85, 1, element(2, UUID) + element(5, b"A", 4, 4) + element(5, b"B", 2, 2))
DESCRIPTOR = sized(86, 1, element(1, b"\x07") + element(4, b"Feeder") + element(5, b"Count", 2, 8) + element(6, UUID) + element(5, b"Mode", 1, 8))
VALUES = value(struct.pack("<Q", 1 << 60)) + value(struct.pack("<f", 1.5)) + value(b"\x02\x01") + value(b"auto")
PRESENT = sized(87, 1, value(b"\x07\x00") + value(TIME) + VALUES)


def test_values_have_the_types_and_names_of_their_descriptor() -> None:
    said = [response(PROTOTYPE), response(DESCRIPTOR, 1), response(PRESENT, 2)]
    prototype, descriptor, present = lines(decode(said, cuts=[1, 2]))
    [told] = prototype["data_sets"]  # type: ignore[misc]
    assert told["elements"][0] == {"code": {"code": 2, "name": "uuid"}, "value": UUID.hex()}
    assert told["elements"][1] == {"code": {"code": 5, "name": "dael"}, "data_type": {"code": 4, "name": "flt"}, "longest": 4, "value": "A"}
    [told] = descriptor["data_sets"]  # type: ignore[misc]
    assert (told["object"], told["elements"][0]["value"], told["elements"][1]["value"]) == ("data_set_descriptor_contents", 7, "Feeder")
    [told] = present["data_sets"]  # type: ignore[misc]
    assert (told["object"], told["id"], told["time"]) == ("data_set_present_value", 7, "2023-11-14T22:13:20.123Z")
    expected = [("Count", "uint", 1 << 60), ("A", "flt", 1.5), ("B", "uint", 0x0102), ("Mode", "vstr", "auto")]
    assert told["values"] == [{"name": name, "type": kind, "value": value} for name, kind, value in expected]


def test_values_of_data_sets_are_points() -> None:
    assert DNP3.points is not None
    *_, table = decode([response(PROTOTYPE), response(DESCRIPTOR, 1), response(PRESENT, 2)], cuts=[1, 2])
    found = DNP3.points(table)
    assert (found.address.tolist(), found.index.tolist(), found.name) == ([7] * 4, [0, 1, 2, 3], {0: "Count", 1: "A", 2: "B", 3: "Mode"})
    assert (found.value[1:3].tolist(), found.exact) == ([1.5, 0x0102], {0: 1 << 60, 3: "auto"})
    assert found.raw_type.tolist() == [RawType.UINT64, RawType.FLOAT64, RawType.UINT64, RawType.STRING]


def test_values_without_descriptor_stay_bytes() -> None:
    assert DNP3.points is not None
    [table] = decode([response(PRESENT.replace("5701", "5801", 1))])
    [told] = lines([table])[0]["data_sets"]  # type: ignore[misc]
    assert (told["object"], told["values"][3]) == ("data_set_event_snapshot", {"value": b"auto".hex()})
    assert DNP3.points(table).exact[3] == b"auto"
    other = sized(86, 1, element(1, b"\x07") + element(5, b"Count", 2, 8))  # one value, not four: this descriptor is not that of these values
    [told] = lines(decode([response(other), response(PRESENT, 1)]))[1]["data_sets"]  # type: ignore[misc]
    assert told["values"][3] == {"value": b"auto".hex()}


def test_characteristics_points_and_private_objects() -> None:
    objects = "5602000307 0D" + sized(86, 3, b"\x02\x1e\x05" + b"\x00" + b"\x03\x0a\x00\x01") + sized(83, 1, b"ACME" + struct.pack("<HH", 9, 2) + b"\xab\xcd")
    [line] = lines(decode([response(objects.replace("5602000307", "5602000303"))]))
    characteristics, points, private = line["data_sets"]  # type: ignore[misc]
    assert characteristics == {"object": "data_set_descriptor_characteristics", "index": 3, "characteristics": ["readable", "static", "event"]}
    assert points["points"] == [{"group": 30, "index": 5}, {}, {"group": 10, "index": 256}]
    assert {name: private[name] for name in ("vendor", "object_id", "data")} == {"vendor": "ACME", "object_id": 9, "data": "abcd"}
    assert line["anomaly"] == 0


@pytest.mark.parametrize("content", [b"\x05\x01", b"\x02\x01\x00", b""])
def test_elements_that_do_not_fill_their_object_are_bytes(content: bytes) -> None:
    [told] = lines(decode([response(sized(86, 1, content))]))[0]["data_sets"]  # type: ignore[misc]
    assert told == {"object": "data_set_descriptor_contents", "index": 0, "bytes": content.hex()}


def test_application() -> None:
    [line] = lines(decode([request(18, sized(90, 1, b"pump control"))]))
    assert (line["application"], line["action"], line["anomaly"]) == (b"pump control", Action.STOP, 0)
    assert DNP3.points is not None
    assert DNP3.points(decode([response(sized(90, 1, b"pump control"))])[0]).exact == {0: "pump control"}


def test_status_of_requested_operation() -> None:
    asked, told = lines(decode([request(31, sized(70, 8, b"new.cfg")), response(sized(91, 1, struct.pack("<I", 5000) + b"\x00\x03"))]))
    assert asked["action"] == told["action"] == Action.CONFIGURE_WRITE
    assert (told["time_delay"], told["operation_status"]) == (5000, [0, 3])
    [cut] = lines(decode([response(sized(91, 1, b"\x01"))]))
    assert cut["anomaly"]


def test_floating_point() -> None:
    def points(*contents: bytes) -> list[float]:
        assert DNP3.points is not None
        found = DNP3.points(decode([response(sized(100, 1, *contents))])[0])
        return [found.exact.get(i, value) for i, value in enumerate(found.value.tolist())]

    assert points(struct.pack("<f", 0.5), struct.pack("<d", -2.25), b"abc") == [0.5, -2.25, b"abc"]
    assert real(struct.pack("<QH", 0xC000 << 48, 0x3FFF)) == 1.5  # 80 bits: the integer bit is there
    assert real(struct.pack("<QH", 1 << 63, 0xFFFF)) == -math.inf
    assert math.isnan(real(struct.pack("<QH", 3 << 62, 0x7FFF)) or 0)
    assert real(struct.pack("<QH", 1 << 63, 0x7FFE)) == math.inf


@given(st.lists(st.tuples(st.sampled_from([0x5301, 0x5302, 0x5501, 0x5601, 0x5602, 0x5603, 0x5701, 0x5801, 0x5A01, 0x5B01, 0x6401]), st.binary(max_size=40))))
def test_any_content(objects: list[tuple[int, bytes]]) -> None:
    said: list[Said] = [response(sized(code >> 8, code & 0xFF, content), sequence % 16) for sequence, (code, content) in enumerate(objects)]
    if said:
        assert DNP3.points is not None
        [table] = decode(said)
        DNP3.points(table)
        lines([table])
