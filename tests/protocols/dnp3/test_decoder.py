"""Application messages built by hand from IEEE 1815-2012, 4 and annex A."""

import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.dnp3 import DNP3
from sensor.protocols.dnp3.codes import ACTION, ControlStatus, Function, Indication
from sensor.protocols.dnp3.headers import MOST_HEADERS
from tests.protocols.dnp3.make import MASTER, OUTSTATION, Said, decode, frame, lines, request, response, segment

CROB = "0C 01 17 01 05 03 01 64000000 C8000000 00"  # latch on index 5, 100 ms on, 200 ms off


def test_a_class_poll_and_its_answer() -> None:
    poll, answer = lines(decode([request(1, "3C0206 3C0306 3C0406 3C0106", 7), response("1E01000001 01 2A000000 81 FFFFFFFF", 7, "8200")]))
    assert poll["object"] == [0x3C02, 0x3C03, 0x3C04, 0x3C01]
    assert poll["range_code"] == [6, 6, 6, 6]
    assert (poll["function"], poll["sequence"], poll["action"], poll["anomaly"]) == (Function.READ, 7, Action.READ, 0)
    assert answer["iin"] == 0x8200
    assert answer["indications"] == [Indication.CLASS_1_EVENTS, Indication.DEVICE_RESTART]
    assert (answer["object_group"], answer["object_count"], answer["first_index"]) == ([30], [2], [0])
    assert (answer["answers"], answer["action"], answer["anomaly"]) == (1, Action.READ, 0)


def test_control_relay_output_block() -> None:
    found = lines(decode([request(3, CROB, 1), response(CROB, 1), request(4, CROB, 2), response(CROB[:-2] + "07", 2)]))
    assert (found[0]["control_index"], found[0]["operation"], found[0]["trip_close"], found[0]["control_count"]) == ([5], [3], [0], [1])
    assert (found[0]["on_time"], found[0]["off_time"]) == ([100], [200])
    assert found[2]["select_frame"] == 1
    assert (found[3]["control_status"], found[3]["failed"], found[3]["answers"]) == ([ControlStatus.LOCAL], True, 3)
    assert [line["action"] for line in found] == [Action.SELECT] * 2 + [Action.OPERATE] * 2
    assert not any(line["anomaly"] for line in found)


def test_operate_that_is_not_what_was_selected() -> None:
    other = CROB.replace("05 03", "06 03")
    select = [request(3, CROB, 1), response(CROB, 1)]
    assert lines(decode([*select, request(4, other, 2)]))[2]["anomaly"] == Anomaly.BAD_VALUE
    assert lines(decode([*select, request(4, CROB, 5)]))[2]["anomaly"] == Anomaly.BAD_SEQUENCE
    assert lines(decode([request(1, "3C0106", 0), response("", 0), request(4, CROB, 2)]))[2]["anomaly"] == Anomaly.BAD_SEQUENCE
    assert lines(decode([request(4, CROB, 2)]))[0]["anomaly"] == 0  # its select may lie before the capture


def test_analog_outputs_of_every_size() -> None:
    blocks = "2901280100 0200 D6FFFFFF00  2902170109 2A0000  2903170109 0000C03F00  2904170109 000000000000F8BF00"
    [line] = lines(decode([request(5, blocks)]))
    assert line["set_point"] == [-42, 42, 1.5, -1.5]
    assert line["control_index"] == [2, 9, 9, 9]
    assert line["control_status"] == [0, 0, 0, 0]


def test_acts() -> None:
    objects = {Function.WRITE: "32010701" + "00" * 6}
    for function, action in ACTION.items():
        if function < 129:
            [line] = lines(decode([request(function, objects.get(function, ""))]))
            assert line["action"] == (Action.TIME_SET if function == Function.WRITE else action), function
    [restart] = lines(decode([request(2, "5001000707 00")]))
    assert restart["action"] == Action.ALARM_MANAGEMENT
    assert lines(decode([response("", 0, "0000", 130, 0xF0)]))[0]["action"] == Action.REPORT


def test_unsolicited_responses_are_confirmed_and_broadcasts_not_answered() -> None:
    confirm = segment(bytes([0xD5, 0]), True)
    found = decode([response("", 5, "0000", 130, 0xF0), confirm])
    assert lines(found)[1]["answers"] == 1
    wide, _ = frame(b"\xc0\xc1\x0d", 0xC4, 0xFFFF, MASTER), True
    [table] = decode([(wide, True)])
    assert not table.is_request[0]
    assert lines([table])[0]["broadcast"] == 0xFFFF


def test_a_solicited_response_is_answer_and_asks_for_confirmation() -> None:
    said = [request(1, "3C0206", 3), response("", 3, control=0xE0), segment(bytes([0xC3, 0]), True)]
    assert [line["answers"] for line in lines(decode(said))] == [0, 1, 2]
    assert [line["answers"] for line in lines(decode(said, cuts=[1, 2]))] == [0, 1, 2]


def test_device_attributes() -> None:
    def text(content: bytes) -> str:
        return (bytes([1, len(content)]) + content).hex()

    objects = "00FC000000" + text(b"ACME") + "00FA000000" + text(b"RTU 7") + "00F8000000" + text(b"4711") + "00F2000000" + text(b"1.2") + "00EF000000 0201 10"
    objects += "00C6000000 0706" + struct.pack("<Q", 86_400_000)[:6].hex()
    [line] = lines(decode([response(objects)]))
    expected = {
        "manufacturer_name": "ACME",
        "product_name_and_model": "RTU 7",
        "serial_number": "4711",
        "software_version": "1.2",
        "number_of_binary_inputs": 16,
        "configuration_build_date": "1970-01-02T00:00:00.000Z",
    }
    assert line["attributes"] == expected
    assert line["anomaly"] == 0
    asked, _ = lines(decode([request(1, "00FE000000"), response(objects)]))
    assert asked["action"] == Action.DISCOVER


def test_file_transfer() -> None:
    name = b"./log.txt"
    command = struct.pack("<HHIHHIIHHH", 26, len(name), 1000, 0, 0o644, 7, 99, 2, 1024, 5) + name
    opened = struct.pack("<IIHHB", 0xAB, 99, 512, 5, 0)
    block = struct.pack("<II", 0xAB, 0x80000003) + b"content"
    sized = [struct.pack("<BBBBH", 70, variation, 0x5B, 1, len(body)) + body for variation, body in ((3, command), (4, opened), (5, block))]
    open_, status, write = lines(decode([request(25, sized[0].hex()), response(sized[1].hex()), request(2, sized[2].hex(), 1)]))
    assert (open_["file_name"], open_["file_mode"], open_["file_size"], open_["file_permissions"]) == (name, 2, 99, 0o644)
    assert open_["file_time"] == "1970-01-01T00:00:01.000000000"
    assert (status["file_handle"], status["file_maximum_block"], status["file_status"]) == (0xAB, 512, 0)
    assert (write["file_block"], write["file_last_block"], write["file_data"]) == (3, 1, b"content")
    assert [line["action"] for line in (open_, status, write)] == [Action.FILE_ACCESS] * 3


def test_authentication() -> None:
    challenge = "7801 5B01 0C00 03000000 0100 04 01 DEADBEEF"
    [line] = lines(decode([response(challenge, 0, "0000", 131)]))
    algorithm, reason = {"code": 4, "name": "hmac_sha_256_16_octets"}, {"code": 1, "name": "critical"}
    assert line["authentication"] == [{"object": "challenge", "size": 12, "sequence": 3, "user": 1, "mac_algorithm": algorithm, "reason": reason}]
    error = "7807 5B01 0F00 05000000 0200 0700 0C" + struct.pack("<Q", 1000)[:6].hex()
    [line] = lines(decode([response(error, 0, "0000", 131)]))
    code = {"code": 12, "name": "max_session_key_status_requests_exceeded"}
    expected = {"object": "error", "size": 15, "sequence": 5, "user": 2, "association": 7, "error_code": code, "time": "1970-01-01T00:00:01.000Z"}
    assert line["authentication"] == [expected]
    assert line["failed"]
    change = struct.pack("<BBIHHHHH", 4, 1, 9, 2, 30, 3, 0, 4) + b"bob" + bytes(4)
    [line] = lines(decode([request(32, (struct.pack("<BBBBH", 120, 10, 0x5B, 1, len(change)) + change).hex())]))
    [said] = line["authentication"]  # type: ignore[misc]
    assert (said["user_name"], said["operation"]["name"], said["user_role"]["name"]) == ("bob", "add", "engineer")
    aggressive = "78030701 04000000 0100" + CROB + "7809 5B01 0400 01020304"
    [line] = lines(decode([request(5, aggressive)]))
    assert line["object"] == [0x7803, 0x0C01, 0x7809]
    assert line["control_index"] == [5]


def anomaly(said: Said) -> int:
    return int(lines(decode([said]))[0]["anomaly"])  # type: ignore[call-overload]


def test_malformed() -> None:
    assert anomaly(request(1, "3C020A")) == Anomaly.BAD_VALUE  # a reserved range code
    assert anomaly(request(1, "3C0286")) == Anomaly.BAD_VALUE  # the reserved bit
    assert anomaly(request(1, "01010005 03")) == Anomaly.BAD_VALUE  # stop before start
    assert anomaly(request(1, "3C02")) == Anomaly.TRUNCATED
    assert anomaly(request(1, "01010105")) == Anomaly.TRUNCATED
    assert anomaly(response("1E01000001 01 2A000000 81")) == Anomaly.TRUNCATED
    assert anomaly(response("C801000000 01")) == Anomaly.UNKNOWN_FUNCTION  # a group that annex A does not have
    assert anomaly(request(99)) == Anomaly.UNKNOWN_FUNCTION
    assert anomaly(segment(b"\xc0", True)) == Anomaly.TRUNCATED
    assert anomaly((response("")[0], False)) == 0
    assert anomaly(segment(b"\xc0\x81\0\0", True)) == Anomaly.WRONG_ROLE
    assert anomaly(response("", 0, "0080")) == Anomaly.BAD_VALUE  # reserved indications
    assert anomaly((frame(b"\xc0\xc0\x01", 0xC4, OUTSTATION, 0xFFFF), True)) == Anomaly.BAD_VALUE  # nobody sends from there
    assert lines(decode([response("C801000000 01")]))[0]["unread"] == b"\x01"


def test_refusals_are_failures() -> None:
    assert lines(decode([request(1, "010106"), response("", 0, "0004")]))[1]["failed"]


def test_headers_without_end_are_bounded() -> None:
    content = b"\xc0\x01" + b"\x3c\x02\x06" * (MOST_HEADERS + 9)
    parts = [content[at : at + 240] for at in range(0, len(content), 240)]
    marks = [0x40, *([0] * (len(parts) - 2)), 0x80]
    said = [segment(part, True, mark | i) for i, (part, mark) in enumerate(zip(parts, marks, strict=True))]
    last = lines(decode(said))[-1]
    assert last["anomaly"] == Anomaly.NESTED_TOO_DEEP
    assert len(last["object"]) == MOST_HEADERS  # type: ignore[arg-type]


OBJECTS = st.sampled_from(
    ["3C0206", CROB, "1E01000001 01 2A000000 81 FFFFFFFF", "020317010501 0100", "33010701 010203040506", "00FC000000 0102 4142", "1E0A", "7001"]
)
SAID = st.one_of(
    st.builds(request, st.sampled_from([0, 1, 2, 3, 4, 5, 6, 11, 20, 25]), OBJECTS, st.integers(0, 3)),
    st.builds(response, OBJECTS, st.integers(0, 3), st.sampled_from(["0000", "8207"]), st.sampled_from([129, 130, 131]), st.sampled_from([0xC0, 0xE0, 0xF0])),
    st.builds(segment, st.binary(max_size=40), st.booleans(), st.integers(0, 255)),
    st.just((frame(b"", 0xC9, OUTSTATION, MASTER), True)),
)


@settings(deadline=None)
@given(st.lists(SAID, min_size=1, max_size=12), st.sets(st.integers(1, 11)))
def test_batches_do_not_matter(said: list[Said], cuts: set[int]) -> None:
    inside = sorted(cut for cut in cuts if cut < len(said))
    assert lines(decode(said, inside)) == lines(decode(said))


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=120), st.integers(0, 255), st.integers(0, 255)), min_size=1, max_size=6))
def test_nothing_that_arrives_raises(content: list[tuple[bytes, int, int]]) -> None:
    said = [
        (frame(bytes([0xC0 | number & 63, 0xC0, function]) + body, 0xC4 if number & 64 else 0x44, OUTSTATION, MASTER), True)
        for body, number, function in content
    ]
    for table in decode(said):
        assert DNP3.points is not None
        assert len(DNP3.points(table)) >= 0
        assert len(lines([table])) == len(said)
        assert np.all(table.request < len(table))
