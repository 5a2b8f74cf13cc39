"""The fast path, the slow path and every cut into batches say the same about a stream, whatever the network did to it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.events.vocabulary import Anomaly, Trust
from sensor.pipeline import Pipeline
from sensor.protocols import PROTOCOLS
from sensor.streams.streams import Streams
from tests.make import ACK, CLIENT, FIN, RST, SERVER, SYN, Run, batches, run, tcp, udp

A, B = (CLIENT, 40000), (SERVER, 502)


def read_request(number: int) -> bytes:
    return struct.pack("!HHHBBHH", number, 0, 6, 1, 3, number & 0xFF, 2)


def read_response(number: int) -> bytes:
    return struct.pack("!HHHBBBHH", number, 0, 7, 1, 3, 4, number, number)


def everything(result: Run) -> tuple[object, ...]:
    assert result.pipeline.report()["imbalance"] == []
    # What a flow that is over still held comes with the next batch, whenever that is: its place in the order is the one thing that the cut decides.
    return sorted(result.rows("modbus", "transaction_id", "address")), sorted(result.anomalies), dict(result.pipeline.streams.bytes)


class AlwaysSlow(Streams):
    """Streams that sends every segment down the slow path: the oracle."""

    def _in_order(self, stream, sequence, wire):
        in_order, order = super()._in_order(stream, sequence, wire)
        return np.zeros_like(in_order), order


def slow_pipeline() -> Pipeline:
    pipeline = Pipeline()
    pipeline.streams.__class__ = AlwaysSlow
    return pipeline


@dataclass
class Talk:
    """A conversation of requests and responses as the segments that a network might make of it."""

    start: int = 0xFFFFFF00  # so that sequence numbers wrap around
    sent: list[int] = field(default_factory=lambda: [0, 0])
    frames: list[bytes] = field(default_factory=list)

    def segment(self, side: int, content: bytes, flags: int = ACK) -> None:
        ends = (A, B) if side == 0 else (B, A)
        acknowledgment = self.start + 1 + self.sent[1 - side]
        self.frames.append(tcp(*ends, self.start + 1 + self.sent[side], content, flags, acknowledgment, len(self.frames)))
        self.sent[side] += len(content)

    def handshake(self) -> None:
        self.frames.append(tcp(A, B, self.start, b"", SYN))
        self.frames.append(tcp(B, A, self.start, b"", SYN | ACK, self.start + 1))


@st.composite
def mangled(draw):
    """Frames of a conversation, cut, swapped, repeated, lost, overlapped."""
    talk = Talk(start=draw(st.sampled_from([0, 0x7FFFFFF0, 0xFFFFFFC0])))
    if draw(st.booleans()):
        talk.handshake()
    for number in range(draw(st.integers(1, 6))):
        for side, content in ((0, read_request(number)), (1, read_response(number))):
            cuts = sorted(draw(st.lists(st.integers(0, len(content)), max_size=3)))
            for begin, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
                talk.segment(side, content[begin:end])
    if draw(st.booleans()):
        talk.segment(0, b"", FIN | ACK)
        talk.segment(1, b"", draw(st.sampled_from([FIN | ACK, RST])))
    frames = talk.frames
    for _ in range(draw(st.integers(0, 5))):
        i, j = draw(st.integers(0, len(frames) - 1)), draw(st.integers(0, len(frames) - 1))
        kind = draw(st.sampled_from(["swap", "repeat", "lose", "rewrite"]))
        if kind == "swap":
            frames[i], frames[j] = frames[j], frames[i]
        elif kind == "repeat":
            frames.insert(j, frames[i][:19] + bytes([len(frames)]) + frames[i][20:])  # another IP identification: no mirror's copy
        elif kind == "lose" and len(frames) > 1:
            del frames[i]
        elif len(frames[i]) > 54:
            frames.insert(j, frames[i][:19] + b"\xee" + frames[i][20:-1] + bytes([frames[i][-1] ^ 0xFF]))
    return frames


@settings(max_examples=80, deadline=None)
@given(mangled())
def test_fast_slow_and_every_cut_agree(frames: list[bytes]) -> None:
    whole = everything(run(frames))
    assert everything(run(frames, pipeline=slow_pipeline())) == whole
    for rows in (1, 3, 7):
        assert everything(run(frames, rows)) == whole


@settings(max_examples=40, deadline=None)
@given(mangled(), st.booleans())
def test_the_ledger_balances_at_any_moment(frames: list[bytes], inspect: bool) -> None:
    """A service is asked while bytes wait for others."""
    pipeline = Pipeline(inspect=inspect)
    for _ in pipeline.run(batches(frames, 1)):
        assert pipeline.report()["imbalance"] == []


def test_split_at_every_byte() -> None:
    """However a stream of PDUs is cut into two segments, the same PDUs come out."""
    stream = b"".join(read_request(number) for number in range(3))
    for cut in range(1, len(stream)):
        talk = Talk()
        talk.handshake()
        talk.segment(0, stream[:cut])
        talk.segment(0, stream[cut:])
        rows = run(talk.frames).rows("modbus", "transaction_id")
        assert [row[-1] for row in rows] == [0, 1, 2]
        assert [row[0] for row in rows] == [3 if cut >= (number + 1) * 12 else 4 for number in range(3)]


def test_one_byte_segments() -> None:
    talk = Talk()
    for byte in read_request(7) + read_request(8):
        talk.segment(0, bytes([byte]))
    assert [(row[0], row[-1]) for row in run(talk.frames).rows("modbus", "transaction_id")] == [(12, 7), (24, 8)]


def test_lost_segment_is_a_gap_and_what_follows_says_so() -> None:
    """A segment that the tap missed but the receiver acknowledged costs its own PDU, and nothing else."""
    talk = Talk()
    for number in range(4):
        talk.segment(0, read_request(number))
        talk.segment(1, read_response(number))
    del talk.frames[2]
    result = run(talk.frames)
    assert [row[-1] for row in result.rows("modbus", "transaction_id")] == [0, 0, 1, 2, 2, 3, 3]
    assert {row[-1]: row[2] for row in result.rows("modbus", "transaction_id")}[2] in (Trust.AFTER_GAP, Trust.COMPLETE)
    assert [kind for kind, _ in result.anomalies] == ["STREAM_GAP"]
    assert result.pipeline.streams.bytes[1, "gap"] == 12


@pytest.mark.parametrize("rows", [1, 100])
def test_sequence_numbers_that_jump_are_no_missing_bytes(rows: int) -> None:
    talk = Talk()
    talk.segment(0, read_request(1))
    talk.sent[0] += 1 << 28
    talk.segment(0, read_request(2))
    result = run(talk.frames, rows)
    assert [row[-1] for row in result.rows("modbus", "transaction_id")] == [1, 2]
    assert result.anomalies == [("SEQUENCE_JUMP", 2)]
    assert result.pipeline.streams.bytes[1, "gap"] == 0


@pytest.mark.parametrize("rows", [1, 100])
def test_a_segment_beyond_any_window_does_not_end_the_stream(rows: int) -> None:
    """No receiver takes it; a sensor that follows it would read nothing of what comes after."""
    talk = Talk()
    talk.segment(0, read_request(1))
    talk.frames.append(tcp(A, B, talk.start + (1 << 28), read_request(66), ACK, 1, 99))
    for number in range(2, 80):
        talk.segment(0, read_request(number))
    result = run(talk.frames, rows)
    assert [row[-1] for row in result.rows("modbus", "transaction_id")] == list(range(1, 80))
    assert result.anomalies == [("SEQUENCE_JUMP", 3)]
    assert result.pipeline.streams.bytes[1, "skipped"] == 12
    assert result.pipeline.report()["imbalance"] == []


def test_garbage_is_passed_over_and_the_next_pdu_is_found() -> None:
    talk = Talk()
    talk.segment(0, read_request(1))
    talk.segment(0, b"\xff" * 21 + read_request(2))
    talk.segment(0, read_request(3))
    result = run(talk.frames)
    assert [(row[2], row[-1]) for row in result.rows("modbus", "transaction_id")] == [(Trust.COMPLETE, 1), (Trust.RESYNCED, 2), (Trust.COMPLETE, 3)]
    assert ("GARBAGE", 2) in result.anomalies
    assert result.pipeline.streams.bytes[1, "skipped"] == 21


def test_overlap_with_other_content_is_reported_and_the_first_bytes_win() -> None:
    talk = Talk()
    talk.segment(0, read_request(1))
    evil = bytearray(talk.frames[0])
    evil[19], evil[-1] = 0x77, evil[-1] ^ 1
    result = run([*talk.frames, bytes(evil)])
    assert result.anomalies == [("OVERLAP_DIFFERENT", 2)]
    assert len(result.rows("modbus")) == 1


@pytest.mark.parametrize("content", [b"\x00", b""])
def test_keep_alives_are_no_overlap(content: bytes) -> None:
    """RFC 9293 3.8.4: one byte (or none) before the next one expected."""
    talk = Talk()
    talk.segment(0, read_request(1))
    talk.frames.append(tcp(A, B, talk.start + talk.sent[0], content, ACK, 1, 99))
    talk.segment(0, read_request(2))
    result = run(talk.frames)
    assert [row[-1] for row in result.rows("modbus", "transaction_id")] == [1, 2]
    assert result.anomalies == []


def test_recognised_by_structure_on_any_port() -> None:
    frames = [tcp((CLIENT, 40000), (SERVER, 15020), 1, read_request(5)), tcp((SERVER, 15020), (CLIENT, 40000), 1, read_response(5))]
    assert [(row[1], row[-1]) for row in run(frames).rows("modbus", "transaction_id")] == [(True, 5), (False, 5)]


def test_another_protocol_on_an_industrial_port_is_given_up_and_said() -> None:
    talk = Talk()
    for _ in range(9):
        talk.segment(0, b"GET / HTTP/1.1\r\nHost: plant\r\n\r\n")
    result = run(talk.frames)
    assert result.rows("modbus") == []
    assert [kind for kind, _ in result.anomalies] == ["UNEXPECTED_PROTOCOL"]
    assert result.pipeline.report()["payload"]["unrecognised"] == 9 * 31


def test_one_sided_conversations_are_labelled() -> None:
    talk = Talk()
    for number in range(12):
        talk.segment(0, read_request(number))
    trusts = [row[2] for row in run(talk.frames).rows("modbus")]
    assert trusts == [Trust.COMPLETE] * 7 + [Trust.ONE_SIDED] * 5
    assert [row[2] for row in run(talk.frames, 1).rows("modbus")] == trusts


def dnp3_frame() -> bytes:
    """A request link status frame with its checksum (IEEE 1815, 9.2)."""
    return bytes.fromhex("056405c903000400") + crc(bytes.fromhex("056405c903000400"))


def crc(block: bytes) -> bytes:
    value = 0
    for byte in block:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA6BC if value & 1 else value >> 1
    return (~value & 0xFFFF).to_bytes(2, "little")


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_junk_does_not_silence_a_port(rows: int) -> None:
    """A flow of datagrams that was given up is said to be, and still decoded where it speaks what its port is for."""
    junk = [udp((CLIENT, 5000), (SERVER, 20000), bytes([number]) * 30, number) for number in range(1, 10)]
    frames = [*junk, udp((CLIENT, 5000), (SERVER, 20000), dnp3_frame(), 99)]
    result = run(frames, rows)
    assert ("UNEXPECTED_PROTOCOL", 8) in result.anomalies
    assert [row[0] for row in result.rows("dnp3")] == [10]
    assert result.pipeline.report()["imbalance"] == []


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5])
def test_a_reset_begins_nothing_on_either_path(rows: int) -> None:
    """A segment with all flags set, a SYN's among them, before the client's first data: found by the fuzzer."""
    frames = [
        tcp(B, A, 500, read_response(1)[:5]),  # half a PDU: the flow goes down the slow path, and is back with the next segment
        tcp(B, A, 505, read_response(1)[5:], identification=2),
        tcp(A, B, 90_000, flags=0xFF, identification=3),
        tcp(A, B, 100, read_request(2), identification=4),
        tcp(A, B, 112, read_request(3), identification=5),
    ]
    assert everything(run(frames, rows)) == everything(run(frames, pipeline=slow_pipeline())) == everything(run(frames))
    assert len(run(frames, rows).rows("modbus")) == 3


def dnp3_of(length: int) -> bytes:
    """The same with another length, and the checksum right for it."""
    head = bytes([0x05, 0x64, length]) + dnp3_frame()[3:8]
    return head + crc(head)


LONGER = {  # a PDU, and the same with a length of more than it has
    "modbus": (read_request(1), read_request(1)[:4] + b"\x00\xfe" + read_request(1)[6:]),
    "s7comm": tuple(bytes.fromhex(f"0300{length:04x}02f08032010000000100080000f0000001000101e0") for length in (25, 0xFFFF)),
    "enip": tuple(bytes.fromhex("6f00") + struct.pack("<HI16x", length, 9) + bytes(8) for length in (8, 0xFFE0)),
    "iec104": tuple(bytes.fromhex(f"68{length:02x}0000000064010600010000000014") for length in (14, 253)),
    "dnp3": (dnp3_frame(), dnp3_of(255)),
}


def sent_as(name: str, *contents: bytes) -> list[bytes]:
    """These segments, from a client to the protocol's port."""
    sent, frames = 1, []
    (port,) = next(protocol.tcp_ports for protocol in PROTOCOLS if protocol.name == name)
    for i, content in enumerate(contents):
        frames.append(tcp(A, (SERVER, port), sent, content, identification=i))
        sent += len(content)
    return frames


@pytest.mark.parametrize("rows", [1, 100])
@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("name", LONGER)
def test_a_length_that_reaches_over_what_follows_hides_nothing(name: str, before: int, rows: int) -> None:
    """Who takes each segment for a PDU carries out what follows; in a flow that begins so, too."""
    good, long = LONGER[name]
    result = run(sent_as(name, *[good] * before, long, good, good + good, good), rows)
    assert [bool(row[4] & Anomaly.HIDES_PDU) for row in result.rows(name)] == [False] * before + [True] + [False] * 4
    assert {what for _, what in result.pipeline.streams.bytes} == {"decoded"}


@pytest.mark.parametrize("name", LONGER)
def test_a_pdu_that_goes_on_in_another_segment_is_waited_for(name: str) -> None:
    """That segment is no PDU to its end, though it begins like one."""
    good, long = LONGER[name]
    assert run(sent_as(name, long, good + b"!")).rows(name) == []
