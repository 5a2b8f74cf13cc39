"""The flow table: who talks to whom, how it began and ended, and that neither floods nor cuts change what is said of it."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

import communityid
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.columns import Batch, Ints, Source, padded
from sensor.decode.decoder import Decoder
from sensor.decode.packets import Transport
from sensor.events.community import calculate, community_id
from sensor.pipeline import Pipeline
from sensor.protocols import PROTOCOLS
from sensor.sinks.findings import histories
from sensor.streams.flows import CLOSED_NS, TCP_NS, UDP_NS, End, Flows, Role, flow_rows
from sensor.streams.streams import hints
from tests.make import ACK, CLIENT, FIN, PSH, RST, SERVER, SYN, batches, ethernet, ipv4, run, tcp, udp

A, B = (CLIENT, 40_000), (SERVER, 502)
SECOND, BEGIN = 1_000_000_000, 1_700_000_000_000_000_000
CUTS = (1, 2, 3, 1 << 20)
HINT = hints(PROTOCOLS)
Timed = tuple[int, bytes]


def flows(frames: list[bytes] | list[Timed], rows: int = 1 << 20) -> list[dict[str, Any]]:
    """Every flow of these frames as it was when it was over, in the order in which they began."""
    found = []
    for seen in run(frames, rows).seen:
        over = seen.over
        found += [{name: column[i] for name, column in over.items()} for i in range(len(over["flow"]))]
    return sorted(found, key=lambda flow: int(flow["first_frame"]))


def one(frames: list[bytes] | list[Timed]) -> dict[str, Any]:
    """The only flow, the same at any cut."""
    (flow,) = flows(frames)
    for rows in CUTS:
        (other,) = flows(frames, rows)
        for name in flow.keys() - {"key", "flow"}:  # keys have this run's secrets in them
            assert flow[name] == other[name], (name, rows)
    return flow


def history(flow: dict[str, Any]) -> str:
    return histories(np.array([flow["history"]]), np.array([flow["server_is_b"]]))[0]


def server(flow: dict[str, Any]) -> tuple[str, int]:
    end = "b" if flow["server_is_b"] else "a"
    return str(ipaddress.IPv4Address(int(flow[f"{end}_low"]) & 0xFFFFFFFF)), int(flow[f"{end}_port"])


def handshake(a: tuple[str, int] = A, b: tuple[str, int] = B, start: int = 100) -> list[bytes]:
    return [tcp(a, b, start, flags=SYN), tcp(b, a, 500, flags=SYN | ACK, acknowledgment=start + 1), tcp(a, b, start + 1, acknowledgment=501)]


def at(seconds: float, frame: bytes) -> Timed:
    return BEGIN + int(seconds * SECOND), frame


# Who is the server


@pytest.mark.parametrize("a", [("10.0.0.1", 40_000), ("10.0.0.200", 40_000)])
@pytest.mark.parametrize("port", [502, 12_345, 50_000])
def test_whom_the_syn_goes_to_is_the_server_whatever_its_port(a: tuple[str, int], port: int) -> None:
    b = ("10.0.0.100", port)
    for frames in (handshake(a, b), handshake(a, b)[1:], handshake(a, b)[:1]):
        flow = one(frames)
        assert server(flow) == b
        assert flow["role"] == Role.HANDSHAKE


@pytest.mark.parametrize("first", [0, 1])
def test_without_handshake_the_known_port_tells_then_the_lower_one(first: int) -> None:
    for ends, role in (((("10.0.0.1", 80), ("10.0.0.2", 502)), Role.PORT), ((("10.0.0.1", 9999), ("10.0.0.2", 7777)), Role.LOWER_PORT)):
        flow = one([tcp(ends[first], ends[1 - first], 1), tcp(ends[1 - first], ends[first], 1)])
        assert server(flow) == ends[1]
        assert flow["role"] == role


@pytest.mark.parametrize("flags", [SYN | FIN, SYN | RST, SYN | 0x20, SYN | ACK | FIN])
def test_a_syn_that_begins_nothing_tells_nothing(flags: int) -> None:
    """As scanners and fuzzers send them: neither end is the server for that."""
    flow = one([tcp(("10.0.0.2", 502), ("10.0.0.1", 2582), 1, flags=flags), tcp(("10.0.0.1", 2582), ("10.0.0.2", 502), 1)])
    assert server(flow) == ("10.0.0.2", 502)
    assert flow["role"] == Role.PORT


def test_without_both_the_first_pdu_tells() -> None:
    response = struct.pack("!HHHBBBH", 1, 0, 5, 1, 3, 2, 77)
    flow = one([tcp(("10.0.0.1", 5000), ("10.0.0.2", 6000), 1, response)])
    assert server(flow) == ("10.0.0.1", 5000)
    assert flow["role"] == Role.STRUCTURE or flow["role"] == Role.LOWER_PORT


# What is counted


def test_packets_bytes_and_payload_by_direction() -> None:
    flow = one([*handshake(), tcp(A, B, 101, b"x" * 12, PSH | ACK), tcp(B, A, 501, b"y" * 7, PSH | ACK)])
    assert (flow["packets_a"], flow["packets_b"]) == (3, 2)
    assert (flow["payload_a"], flow["payload_b"]) == (12, 7)
    assert (flow["bytes_a"], flow["bytes_b"]) == (3 * 54 + 12, 2 * 54 + 7)
    assert flow["last_ns"] - flow["first_ns"] == 4_000_000
    assert flow["first_frame"] == 1


def test_time_going_backwards_moves_no_end_back() -> None:
    flow = one([at(10, tcp(A, B, 1)), at(12, tcp(A, B, 1)), at(11, tcp(A, B, 1))])
    assert flow["first_ns"] == BEGIN + 10 * SECOND
    assert flow["last_ns"] == BEGIN + 12 * SECOND


def test_icmp_of_both_directions_is_one_flow_and_vlans_are_two() -> None:
    echo = [ethernet(ipv4(*ends, 1, bytes((kind, 0, 0, 0, 0, 1, 0, 1)))) for ends, kind in (((CLIENT, SERVER), 8), ((SERVER, CLIENT), 0))]
    assert one(echo)["packets_a"] == 1
    tagged = [frame[:12] + b"\x81\x00" + vlan.to_bytes(2) + frame[12:] for vlan in (5, 6) for frame in [tcp(A, B, 1, identification=vlan)]]
    assert len(flows(tagged)) == 2


# How it began and ended


@pytest.mark.parametrize(
    ("frames", "letters", "end"),
    [
        (handshake(), "ShA", End.OPEN),
        ([*handshake(), tcp(A, B, 101, b"x" * 12, PSH | ACK), tcp(B, A, 501, b"y", PSH | ACK)], "ShADd", End.OPEN),
        ([*handshake(), tcp(B, A, 501, flags=FIN | ACK), tcp(A, B, 101, flags=FIN | ACK), tcp(B, A, 502)], "ShAfFa", End.FIN),
        ([*handshake(), tcp(A, B, 101, flags=FIN | ACK)], "ShAF", End.OPEN),
        ([tcp(A, B, 1, flags=SYN), tcp(B, A, 0, flags=RST | ACK)], "Sr", End.RST),
        ([tcp(B, A, 1, b"late", PSH | ACK), tcp(A, B, 1)], "dA", End.OPEN),
    ],
)
def test_history_and_end(frames: list[bytes], letters: str, end: End) -> None:
    flow = one(frames)
    assert history(flow) == letters
    assert flow["end"] == end


def error(quoted: bytes, kind: int = 3, code: int = 1, *, icmp6: bool = False) -> bytes:
    """A router's word about a packet (an Ethernet frame): RFC 792, RFC 4443 3.1."""
    said = bytes((kind, code, 0, 0, 0, 0, 0, 0)) + quoted[14:]
    if icmp6:
        return ethernet(b"\x60\0\0\0" + len(said).to_bytes(2) + b"\x3a\x40" + bytes(15) + b"\x09" + quoted[14 + 8 : 14 + 24] + said, 0x86DD)
    return ethernet(ipv4("10.0.0.9", A[0], 1, said))


SIX = ethernet(b"\x60\0\0\0\0\x0c\x11\x40" + bytes(15) + b"\x01" + bytes(15) + b"\x02" + struct.pack(">HHHH", 5000, 502, 12, 0) + b"data", 0x86DD)
ASKED, DATAGRAM = tcp(A, B, 1, flags=SYN), udp(A, B, b"asked")


@pytest.mark.parametrize("rows", CUTS)
@pytest.mark.parametrize(
    ("frames", "end"),
    [
        ([ASKED, error(ASKED[:42])], End.UNREACHABLE),  # the first eight bytes of TCP are quoted
        ([DATAGRAM, error(DATAGRAM, code=3), DATAGRAM], End.UNREACHABLE),
        ([SIX, error(SIX, 1, 4, icmp6=True)], End.UNREACHABLE),
        ([ASKED, error(ASKED, code=4)], End.OPEN),  # too large for a link
        ([ASKED, error(ASKED, 11)], End.OPEN),  # time exceeded
        ([ASKED, error(ASKED), *handshake()[1:]], End.OPEN),  # it was reached in the end
        ([ASKED, error(tcp(B, A, 1))], End.OPEN),  # about the other end's packet, and this end is there
        ([ASKED, error(ASKED[:30])], End.OPEN),  # too short to tell
        ([ASKED, error(udp(A, B, b"x"))], End.OPEN),  # of another flow
        ([ASKED, error(ASKED), tcp(A, B, 2, flags=RST)], End.RST),
    ],
)
def test_who_was_not_reached(frames: list[bytes], end: End, rows: int) -> None:
    assert flows(frames, rows)[0]["end"] == end  # the second one is the router's


@pytest.mark.parametrize("rows", CUTS)
@pytest.mark.parametrize(
    ("timed", "ends"),
    [
        ([(0, DATAGRAM), (1, error(DATAGRAM)), (7200, DATAGRAM)], [End.UNREACHABLE, End.OPEN]),  # an hour later the two talk anew
        ([(0, DATAGRAM), (7200, DATAGRAM), (7201, error(DATAGRAM))], [End.TIMEOUT, End.UNREACHABLE]),
        ([(0, error(DATAGRAM)), (1, DATAGRAM)], [End.OPEN]),  # about an earlier one
        ([(0, DATAGRAM), (7200, error(DATAGRAM))], [End.TIMEOUT]),  # that was over by then
    ],
)
def test_the_flow_of_the_time_was_not_reached(timed: list[tuple[int, bytes]], ends: list[End], rows: int) -> None:
    """Whatever the cut: a batch may hold the quoted packet, the error, and the next flow of the same two."""
    found = flows([(BEGIN + SECOND * at, frame) for at, frame in timed], rows)
    assert [flow["end"] for flow in found if flow["transport"] == Transport.UDP] == ends


def test_two_processes_agree_on_who_was_not_reached() -> None:
    """The error comes in another batch than the flow, whose columns the interpreting process keeps of its own."""
    frames = [ASKED, *[udp(A, ("10.0.0.7", 9), b"x")] * 8, error(ASKED), *[udp(A, ("10.0.0.7", 9), b"x")] * 8]
    ends = [[end for seen in Pipeline().run(batches(frames, 1), jobs) for end in seen.over["end"].tolist()] for jobs in (1, 2)]
    assert ends[0] == ends[1]
    assert End.UNREACHABLE in ends[0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([SYN, SYN | ACK, ACK, FIN | ACK, RST, RST | ACK]), st.booleans()), min_size=1, max_size=30))
def test_a_history_is_the_letters_in_the_order_of_their_first_appearance(packets: list[tuple[bool, int, bool]]) -> None:
    """Held against a packet by packet reading."""
    frames, expected = [], list[str]()
    for from_client, flags, data in packets:
        payload = b"z" if data and not flags & (SYN | RST) else b""
        ends = (A, B) if from_client else (B, A)
        frames.append(tcp(*ends, 7, payload, flags))
        letters = ("S" if flags & 0x12 == SYN else "") + ("H" if flags & 0x12 == SYN | ACK else "") + ("D" if payload else "")
        letters += ("F" if flags & FIN else "") + ("R" if flags & RST else "")
        letters = letters or "A"
        letters = "".join(sorted(letters, key="SHADFR".index))
        expected.append(letters if from_client else letters.lower())
    found = flows(frames, rows=4)
    size = int(found[1]["first_frame"]) - 1 if len(found) > 1 else len(frames)  # a SYN behind the end is another connection's
    seen = "".join(dict.fromkeys("".join(expected[:size])))
    mine = history(found[0])
    first_syn = packets[0][0] if packets[0][1] & 0x12 == SYN else not packets[0][0] if packets[0][1] & 0x12 == SYN | ACK else True
    if not first_syn:
        mine = mine.swapcase()  # the table took end b for the client
    assert mine == seen


# When another one begins


@pytest.mark.parametrize("rows", CUTS)
@pytest.mark.parametrize(
    ("make", "patience"), [(lambda: tcp(A, B, 1, b"x"), TCP_NS), (lambda: udp((CLIENT, 5000), (SERVER, 6000), b"x"), UDP_NS)], ids=["tcp", "udp"]
)
def test_silence_ends_a_flow(rows: int, make: Any, patience: int) -> None:
    seconds = patience / SECOND
    assert len(flows([at(0, make()), at(seconds, make())], rows)) == 1
    first, second = flows([at(0, make()), at(seconds + 1, make())], rows)
    assert first["end"] == End.TIMEOUT
    assert second["first_frame"] == 2


@pytest.mark.parametrize("rows", CUTS)
def test_a_closed_connection_waits_less(rows: int) -> None:
    frames = [at(i, frame) for i, frame in enumerate([*handshake(), tcp(B, A, 501, flags=RST)])]
    after = tcp(A, B, 101, b"x")
    assert len(flows([*frames, at(3 + CLOSED_NS / SECOND, after)], rows)) == 1
    assert len(flows([*frames, at(4 + CLOSED_NS / SECOND, after)], rows)) == 2


@pytest.mark.parametrize("rows", CUTS)
def test_ports_used_again_are_another_flow(rows: int) -> None:
    frames = [*handshake(), tcp(A, B, 101, b"one"), *handshake(start=9_000), tcp(A, B, 9_001, b"two")]
    first, second = flows(frames, rows)
    assert (first["end"], second["end"]) == (End.REUSED, End.OPEN)
    assert (first["packets_a"], second["packets_a"]) == (3, 3)
    assert second["first_frame"] == 5


@pytest.mark.parametrize("rows", CUTS)
def test_a_syn_sent_again_is_the_same_flow(rows: int) -> None:
    assert len(flows([tcp(A, B, 100, flags=SYN), tcp(A, B, 100, flags=SYN), *handshake()[1:]], rows)) == 1
    refused = [tcp(A, B, 100, flags=SYN), tcp(B, A, 0, flags=RST | ACK, acknowledgment=101)]
    assert len(flows(refused * 3, rows)) == 1
    late = [at(i / 10, frame) for i, frame in enumerate([*handshake(), tcp(A, B, 101, b"one"), tcp(A, B, 100, flags=SYN)])]
    assert len(flows(late, rows)) == 1


ENDS = {
    "closed": [tcp(A, B, 104, flags=FIN | ACK), tcp(B, A, 501, flags=FIN | ACK)],
    "reset": [tcp(B, A, 501, flags=RST)],
    "open": [],
}


@pytest.mark.parametrize("rows", CUTS)
@pytest.mark.parametrize("end", ENDS)
def test_another_connection_may_count_from_the_same_number(end: str, rows: int) -> None:
    """What is done with it would else be taken for what was sent before, sent again."""
    frames = [*handshake(), tcp(A, B, 101, b"one"), *ENDS[end], *handshake(), tcp(A, B, 101, b"two")]
    _, second = flows([at(i, frame) for i, frame in enumerate(frames)], rows)
    assert second["first_frame"] == 5 + len(ENDS[end])
    assert second["payload_a"] == 3


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.booleans(), st.sampled_from([SYN, SYN | ACK, ACK, FIN | ACK, RST]), st.integers(0, 2),
            st.sampled_from([0, 1, 2, 29, 31, 3700]), st.sampled_from([b"", b"x"]),
        ),
        max_size=40,
    )
)  # fmt: skip
def test_no_cut_changes_a_flow(packets: list[tuple[int, bool, int, int, int, bytes]]) -> None:
    now, frames = 0, []
    for client, back, flags, sequence, wait, content in packets:
        now += wait
        ends = (B, (CLIENT, 1000 + client)) if back else ((CLIENT, 1000 + client), B)
        frames.append(at(now, tcp(*ends, 10 * sequence, content, flags=flags, identification=len(frames))))
    known = ("first_frame", "first_ns", "last_ns", "packets_a", "packets_b", "bytes_a", "end", "history", "server_is_b", "role")
    said = [[[flow[name] for name in known] for flow in flows(frames, rows)] for rows in CUTS] if frames else []
    assert all(each == said[0] for each in said)
    assert sum(int(flow[3]) + int(flow[4]) for flow in (said[0] if said else [])) == len(frames)


# Bounds


def flood(count: int, rows: int) -> list[Batch]:
    """SYN packets of `count` different connections, as batches."""
    frame = np.frombuffer(tcp(("10.0.0.0", 1), B, 1, flags=SYN), np.uint8)
    found, source = [], Source("flood.pcap")
    for begin in range(0, count, rows):
        n = min(rows, count - begin)
        data, number = np.tile(frame, (n, 1)), np.arange(begin, begin + n)
        for place in range(3):
            data[:, 27 + place] = number >> (16 - 8 * place) & 0xFF  # the last three bytes of the source address
        size = np.full(n, len(frame))
        kind = np.zeros(n, np.uint16)
        found.append(Batch(source, padded(data.tobytes()), np.arange(n) * len(frame), size, size, BEGIN + number * 1000, number + 1, kind + 1, kind))
    return found


def table(some: list[Batch], flows: Flows, check: Any = lambda: None) -> dict[str, Ints]:
    """These batches through a flow table alone: what it said of each flow that was over."""
    decoder, over = Decoder(), []
    for batch in some:
        packets = decoder.decode(batch)
        numbered = flows.number(packets, flow_rows(packets))
        flows.account(packets, numbered)
        over += flows.columns(flows.close())
        check()
    flows.finish()
    over += [*flows.columns(flows.close()), *flows.columns(flows.close())]
    return {name: np.concatenate([each[name] for each in over]) for name in over[0]}


def test_a_flood_stays_within_the_bound_and_loses_no_packet() -> None:
    count, room = 100_000, 4_096
    flows = Flows(HINT, 4 * room, room)

    def bounded() -> None:
        assert int(flows.c["live"].sum()) <= 4 * room
        assert flows.used <= 4 * room

    over = table(flood(count, room), flows, bounded)
    assert len(over["flow"]) == flows.begun == count
    assert int(over["packets_a"].sum() + over["packets_b"].sum()) == count
    assert flows.evicted == int(np.count_nonzero(over["end"] == End.EVICTED)) > 0
    assert len(np.unique(over["first_frame"])) == count
    assert len(np.unique(over["flow"])) < count  # numbers are given again, what state is kept by is not
    assert len(np.unique(over["conversation"])) == count


def test_the_longest_silent_flow_leaves_first() -> None:
    room = 64
    flows = Flows(HINT, 16 * room, room)
    busy = [next(batches([tcp(A, B, i, b"x", identification=i)])) for i in range(64)]  # no copies that a mirror made
    mixed = [batch for pair in zip(flood(64 * room, room), busy, strict=True) for batch in pair]
    over = table(mixed, flows)
    ports = over["a_port"]
    mine = np.flatnonzero((ports == A[1]) | (over["b_port"] == A[1]))
    assert over["end"][mine].tolist() == [End.OPEN]
    assert int(over["packets_a"][mine].sum() + over["packets_b"][mine].sum()) == 64


def test_a_table_too_small_for_a_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="room for 400 flows"):
        Flows(HINT, 399, 100)


# Community id


@pytest.mark.parametrize(
    ("frames", "expected"),
    [  # the specification's own examples, seed 0
        ([tcp(("128.232.110.120", 34_855), ("66.35.250.204", 80), 1)], "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        ([tcp(("66.35.250.204", 80), ("128.232.110.120", 34_855), 1)], "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        ([udp(("192.168.1.52", 54_585), ("8.8.8.8", 53), b"?")], "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
        ([ethernet(ipv4("192.168.0.89", "192.168.0.1", 1, bytes((8, 0, 0, 0, 0, 1, 0, 1))))], "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
        ([ethernet(ipv4("192.168.0.1", "192.168.0.89", 1, bytes((0, 0, 0, 0, 0, 1, 0, 1))))], "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
    ],
)
def test_community_ids_of_the_specification(frames: list[bytes], expected: str) -> None:
    flow = one(frames)
    assert community_id({name: np.array([value]) for name, value in flow.items()}, 0) == expected


addresses = st.one_of(st.tuples(*[st.ip_addresses(v=4)] * 2), st.tuples(*[st.ip_addresses(v=6)] * 2))
ports = st.integers(0, 0xFFFF)


@settings(max_examples=500)
@given(addresses, ports, ports, st.sampled_from([1, 6, 17, 47, 58, 132]), ports)
def test_community_ids_against_the_reference(pair: tuple[Any, Any], p: int, q: int, protocol: int, seed: int) -> None:
    """Against the specification's reference implementation, any tuple and any seed."""
    a, b = (address.packed for address in pair)
    has_ports = protocol in (1, 6, 17, 58, 132)
    if protocol in (1, 58):
        p, q = p & 0xFF, q & 0xFF
    reference = communityid.FlowTuple(protocol, a, b, p, q) if has_ports else communityid.FlowTuple(protocol, a, b)
    if protocol in (1, 58):
        reference = getattr(communityid.FlowTuple, "make_icmp" if protocol == 1 else "make_icmp6")(a, b, p, q)
    assert calculate(a, b, protocol, (p, q) if has_ports else None, seed) == communityid.CommunityID(seed=seed).calc(reference)


@settings(max_examples=50, deadline=None)
@given(*[st.ip_addresses(v=4)] * 2, ports, ports, st.booleans())
def test_a_flow_has_its_community_id_in_both_directions(a: Any, b: Any, p: int, q: int, is_tcp: bool) -> None:
    x, y = (str(a), p), (str(b), q)
    frames = [tcp(x, y, 1), tcp(y, x, 2)] if is_tcp else [udp(x, y, b"1"), udp(y, x, b"2")]
    make = communityid.FlowTuple.make_tcp if is_tcp else communityid.FlowTuple.make_udp
    expected = communityid.CommunityID().calc(make(a.packed, b.packed, p, q))
    found = flows(frames)
    assert {community_id({name: np.array([value]) for name, value in flow.items()}, 0) for flow in found} == {expected}
    assert sum(int(flow["packets_a"]) + int(flow["packets_b"]) for flow in found) == 2


@pytest.mark.parametrize("rows", CUTS)
def test_a_flow_silent_at_the_end_is_over_by_timeout(rows: int) -> None:
    """Also where the table was last looked through a moment before the end."""
    frames = [at(0, tcp(A, B, 100, flags=SYN)), at(30, tcp((CLIENT, 9), B, 1, flags=SYN)), at(31, tcp((CLIENT, 10), B, 1, flags=SYN))]
    assert [flow["end"] for flow in flows(frames, rows)] == [End.TIMEOUT, End.OPEN, End.OPEN]
