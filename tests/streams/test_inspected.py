"""What rules see of packets: the same however they are cut into batches, and the same as a plain reading of the words says."""

from __future__ import annotations

import io
import struct
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.analysis import Analysis
from sensor.channel import Pack, Unpack
from sensor.columns import Array
from sensor.decode.decoder import DTYPES
from sensor.decode.packets import Outcome
from sensor.events.seen import Inspected
from sensor.pipeline import Pipeline
from tests.make import ACK, CLIENT, FIN, RST, SERVER, SYN, batches, ethernet, ipv4, tcp, udp
from tests.streams.test_streams import dnp3_frame, read_request, read_response

TOLD = ("frame", "ts_ns", "to_server", "established", "handshake", "transport", "flags", "sequence", "source_port", "destination_port", "payload_length")
A, B = (CLIENT, 40_000), (SERVER, 502)


def inspected(frames: Sequence[bytes], rows: int = 1 << 30, jobs: int = 1) -> list[Inspected]:
    return [seen.inspected for seen in Pipeline(inspect=True).run(batches(frames, rows), jobs) if seen.inspected]


def told(frames: Sequence[bytes], rows: int = 1 << 30, jobs: int = 1) -> list[tuple[object, ...]]:
    """Per packet, what does not depend on where it lies; and its payload."""
    result: list[tuple[object, ...]] = []
    for each in inspected(frames, rows, jobs):
        columns = each.packets
        payloads = [each.data[at : at + size].tobytes() for at, size in zip(columns["payload_at"].tolist(), columns["payload_length"].tolist(), strict=True)]
        result += zip(*(columns[name].tolist() for name in TOLD), payloads, strict=True)
    return result


def marks(frames: Sequence[bytes], rows: int = 1 << 30, jobs: int = 1) -> list[tuple[bool, bool]]:
    """Established and handshake of each packet."""
    names = ("established", "handshake")
    return [pair for each in inspected(frames, rows, jobs) for pair in zip(*(each.packets[name].tolist() for name in names), strict=True)]


@st.composite
def packets(draw: st.DrawFn) -> list[tuple[int, bool, bool, int, bytes]]:
    """Packets of two TCP and two UDP conversations: which, whether TCP, whether the server sends it, flags, payload."""
    flags = st.sampled_from([SYN, SYN | ACK, ACK, ACK, RST, RST | ACK, FIN | ACK, SYN | RST, 0])
    one = st.tuples(st.integers(0, 1), st.booleans(), st.booleans(), flags, st.sampled_from([b"", b"", b"x" * 40]))
    return draw(st.lists(one, min_size=1, max_size=30))


def frame(number: int, which: int, is_tcp: bool, back: bool, flags: int, payload: bytes) -> bytes:
    ends = [(CLIENT, 40_000 + which), (SERVER, 80)]
    source, destination = reversed(ends) if back else ends
    return tcp(source, destination, 100, payload, flags, 0, number) if is_tcp else udp(source, destination, payload, number)


def over(before: set[tuple[str, bool]]) -> bool:
    """Whether a connection of which so much was seen has ended."""
    return any(name == "RST" for name, _ in before) or {("FIN", True), ("FIN", False)} <= before


def expected(talk: list[tuple[int, bool, bool, int, bytes]]) -> list[tuple[bool, bool]]:
    """One packet after the other, in the words of Inspected."""
    seen: dict[tuple[int, bool], set[tuple[str, bool]]] = {}
    result = []
    for which, is_tcp, back, flags, payload in talk:
        before = seen.setdefault((which, is_tcp), set())
        if is_tcp:
            if flags & (SYN | ACK) == SYN and {True, False} & {one for name, one in before if name == "SYN+ACK"} and over(before):
                before.clear()  # of the same number: another connection
            established = not flags & SYN and not (flags & RST and ("conversing", False) not in before)
            handshake = established and any({("SYN", one), ("SYN+ACK", not one)} <= before for one in (False, True))
            if payload or (flags & ACK and not flags & (SYN | FIN | RST)):
                before.add(("conversing", False))
            for flag, name in ((SYN, "SYN+ACK" if flags & ACK else "SYN"), (FIN, "FIN"), (RST, "RST")):
                if flags & flag:
                    before.add((name, back))
        else:
            before.add(("said", back))
            established = handshake = len(before) == 2
        result.append((established, handshake))
    return result


@settings(max_examples=50, deadline=None)
@given(packets())
def test_established_is_what_it_is_said_to_be(talk: list[tuple[int, bool, bool, int, bytes]]) -> None:
    frames = [frame(number, *packet) for number, packet in enumerate(talk)]
    for rows in (1, 2, 5, 64):
        assert marks(frames, rows) == expected(talk)


def conversation() -> list[bytes]:
    return [
        tcp(A, B, 99, flags=SYN),
        tcp(B, A, 499, flags=SYN | ACK, acknowledgment=100),
        tcp(A, B, 100, acknowledgment=500, identification=2),
        tcp(A, B, 100, read_request(1), acknowledgment=500, identification=3),
        tcp(B, A, 500, read_response(1), acknowledgment=112, identification=2),
        ethernet(ipv4(CLIENT, SERVER, 1, bytes(8))),
        udp((CLIENT, 5000), (SERVER, 20_000), dnp3_frame(), 7),
        ethernet(bytes(46), 0x9999),
    ]


def test_a_row_a_packet_whatever_it_is() -> None:
    frames = [*conversation(), conversation()[-2]]  # the last one is a mirror's copy
    each, end = inspected(frames)
    batch = {"frame", "offset", "captured", "length", "link_type", "ts_ns"}
    assert set(each.packets) == {*DTYPES, *batch, "reassembled", "flow", "to_server", "established", "handshake"}
    assert all(len(column) == len(frames) for column in each.packets.values())
    assert all(len(column) == 0 for column in end.packets.values())
    assert each.packets["flow"].dtype == np.int32
    assert (each.packets["flow"] >= 0).tolist() == [True] * 7 + [True, False]
    assert each.packets["outcome"][-1] == Outcome.DUPLICATE
    assert each.packets["to_server"].tolist() == [True, False, True, True, False, True, True, True, False]
    assert each.packets["handshake"].tolist() == [False, False, True, True, True, False, False, False, False]


@pytest.mark.parametrize(("rows", "jobs"), [(1, 1), (3, 1), (4, 2)])
def test_no_cut_and_no_second_process_changes_it(rows: int, jobs: int) -> None:
    assert told(conversation(), rows, jobs) == told(conversation())


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_who_the_server_is_counts_from_when_it_was_known(rows: int) -> None:
    """On ports that say nothing, what came before the first PDU has the sides that were guessed then, in every cut."""
    client, server = (CLIENT, 3000), (SERVER, 4000)
    frames = [
        tcp(server, client, 500, identification=1),
        tcp(client, server, 100, dnp3_frame(), identification=1),
        tcp(server, client, 500, identification=2),
    ]
    sides = [row[2] for row in told(frames)]
    assert sides == [row[2] for row in told(frames, rows)] == [True, True, False]


def test_the_buffer_is_the_one_that_tables_end_with() -> None:
    frames = [*conversation(), udp((CLIENT, 5000), (SERVER, 20_000), dnp3_frame(), 8)]
    for jobs in (1, 2):
        for seen in Pipeline(inspect=True).run(batches(frames), jobs):
            assert seen.inspected
            assert seen.inspected.pieces.data is seen.inspected.data
            if seen.tables:
                assert list(seen.tables.values())[-1].pdus.data is seen.inspected.data


def test_only_who_asks_is_given_it() -> None:
    assert all(seen.inspected is None for seen in Pipeline().run(batches(conversation())))
    given_: list[object] = []
    Analysis().run(batches(conversation()), each=lambda seen: given_.append(seen.inspected))
    assert all(given_)


def test_an_array_crosses_once_however_often_it_is_named() -> None:
    slab, file = memoryview(bytearray(1 << 16)), io.BytesIO()
    data: Array = np.arange(1000)
    pack = Pack(file, slab, {})
    pack.dump([data, {"again": data}, data.copy()])
    assert pack.used < 3 * data.nbytes
    file.seek(0)
    one, named, other = Unpack(file, slab, {}).load()
    assert one is named["again"] is not other
    assert np.array_equal(one, data)
    assert np.array_equal(other, data)


# Pieces


def pieces(frames: Sequence[bytes], rows: int = 1 << 30, jobs: int = 1) -> list[tuple[int, int, bool, int, bytes, bool]]:
    """Of every piece: its conversation, its server's port, whether the client speaks, its frame, its bytes, and whether it stands apart."""
    result = []
    for seen in Pipeline(inspect=True).run(batches(frames, rows), jobs):
        if seen.inspected is not None:
            p = seen.inspected.pieces
            for i in range(len(p)):
                content = p.data[p.at[i] : p.end[i]].tobytes()
                result.append((int(p.conversation[i]), int(seen.flows["b_port"][p.flow[i]]), bool(p.to_server[i]), int(p.frame[i]), content, bool(p.notes[i])))
    return result


WEB = (("10.0.0.1", 40_000), ("10.0.0.2", 8_080))
TEXT = bytes(65 + i % 26 for i in range(400))


@st.composite
def segments(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Places in TEXT of the segments of one stream: everything is there, in any order, some of it several times."""
    cuts = sorted({0, len(TEXT), *draw(st.lists(st.integers(1, len(TEXT) - 1), max_size=20))})
    parts = list(pairwise(cuts))
    parts += draw(st.lists(st.sampled_from(parts), max_size=4))
    begin = draw(st.integers(0, len(parts)))
    return parts[:begin] + draw(st.permutations(parts[begin:]))


@given(segments(), st.integers(1, 12))
def test_what_no_protocol_frames_is_told_in_order_and_once(parts: list[tuple[int, int]], rows: int) -> None:
    frames = [tcp(*WEB, 100, flags=SYN), tcp(*WEB[::-1], 500, flags=SYN | ACK, acknowledgment=101)]
    frames += [tcp(*WEB, 101 + a, TEXT[a:b], ACK, 501, identification=i) for i, (a, b) in enumerate(parts, 10)]
    found = pieces(frames)
    assert b"".join(each[4] for each in found) == TEXT
    assert not any(each[5] for each in found)
    assert pieces(frames, rows) == found


def test_a_gap_stands_between_pieces() -> None:
    frames = [tcp(*WEB, 100, flags=SYN)]
    frames += [tcp(*WEB, 101 + 30 * i, bytes([65 + i]) * 30, ACK, 501, identification=i) for i in range(12)]  # given up after eight
    frames += [
        tcp(*WEB, 501, b"after", ACK, 501, identification=50),
        tcp(*WEB[::-1], 501, b"", ACK, 600, identification=51),
        tcp(*WEB, 506, b"more", identification=52),
    ]
    for rows in (1, 5, 100):
        found = [(content, apart) for *_, content, apart in pieces(frames, rows)]
        assert found[-3:] == [(b"L" * 30, False), (b"after", True), (b"more", False)]


@given(st.lists(st.tuples(st.sampled_from(["pdu", "junk", "half"]), st.integers(1, 40)), min_size=1, max_size=12), st.integers(1, 9))
def test_every_byte_is_in_a_pdu_or_in_a_piece(items: list[tuple[str, int]], rows: int) -> None:
    """And PDUs are the same ones whether somebody asks for pieces or not."""
    said, at = [], 101
    for i, (what, size) in enumerate(items):
        content = {"pdu": struct.pack("!HHHBBHH", i, 0, 6, 1, 3, 0, 1), "junk": b"\xff" * size, "half": struct.pack("!HHHBB", i, 0, 6, 1, 3)}[what]
        said.append(tcp(("10.0.0.1", 40_000), ("10.0.0.2", 502), at, content, ACK, 501, identification=i))
        at += len(content)
    frames = [tcp(("10.0.0.1", 40_000), ("10.0.0.2", 502), 100, flags=SYN), *said]
    asked, plain = Pipeline(inspect=True), Pipeline()
    found: list[list[tuple[int, bytes]]] = []
    whole: Counter[int] = Counter()
    for pipeline in (asked, plain):
        mine = []
        for seen in pipeline.run(batches(frames, rows)):
            for pdus in [table.pdus for table in seen.tables.values()] + ([seen.inspected.pieces] if seen.inspected else []):
                for i in np.flatnonzero(~pdus.carried).tolist():
                    content = pdus.data[pdus.at[i] : pdus.end[i]].tobytes()
                    whole.update(content if pipeline is asked else b"")
                    if seen.inspected is None or pdus is not seen.inspected.pieces:
                        mine.append((int(pdus.position[i]), content))
        found.append(mine)
    assert found[0] == found[1]
    assert whole == Counter(b"".join(frame[54:] for frame in said))
    assert asked.report()["payload"]["unrecognised"] == plain.report()["payload"]["unrecognised"]
    assert asked.report()["protocols"] == plain.report()["protocols"]
    assert not asked.report()["imbalance"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_second_process_tells_the_same_pieces(jobs: int) -> None:
    frames = [tcp(*WEB, 101 + i * 10, bytes([65 + i]) * 10, ACK, 501, identification=i) for i in range(20)]
    assert pieces(frames, 3, jobs) == pieces(frames)


@pytest.mark.parametrize("rows", [1, 1 << 30])
def test_who_is_answered_has_said_all(rows: int) -> None:
    """Few bytes that might begin a PDU are told before what the other side answers; those that nobody has acknowledged wait for more."""
    ends = (CLIENT, 40_000), (SERVER, 12_345)
    frames = [
        tcp(*ends, 100, flags=SYN), tcp(*ends[::-1], 500, flags=SYN | ACK, acknowledgment=101),
        tcp(*ends, 101, b"\0\1\0\0", ACK, 501), tcp(*ends[::-1], 501, b"\0\2\0\0", ACK, 105), tcp(*ends, 105, b"\0\3\0\0", ACK, 505), tcp(*ends[::-1], 505, b"!" * 40, ACK, 105),
    ]  # fmt: skip
    found = [(int(frame), bool(side)) for each in inspected(frames, rows) for frame, side in zip(each.pieces.frame, each.pieces.to_server, strict=True)]
    assert found == [(3, True), (4, False), (6, False), (5, True)]
