"""Community ids of flows, against the reference implementation."""

from __future__ import annotations

import communityid
import pytest

from sensor.events.community import community_id, community_ids
from tests.make import ethernet, ipv4, run, tcp, udp

LOW, HIGH = "10.0.0.1", "10.0.0.2"
IPV6 = bytes.fromhex("60000000 0009 11 40") + bytes((0xFE, 0x80, *bytes(13), 1, 0xFE, 0x80, *bytes(13), 2)) + bytes((0, 5, 0, 6, 0, 9, 0, 0, 1))  # UDP


@pytest.mark.parametrize("ends", [(LOW, HIGH), (HIGH, LOW)])
@pytest.mark.parametrize("message", [(8, 0), (0, 0), (3, 1), (11, 0), (13, 0), (5, 3)])
def test_icmp_has_a_direction_where_nothing_answers(ends: tuple[str, str], message: tuple[int, int]) -> None:
    seen = run([ethernet(ipv4(*ends, 1, bytes(message) + bytes(34)))]).seen[0]
    (flow,) = seen.started.tolist()
    assert community_id(seen.flows, flow) == communityid.CommunityID().calc(communityid.FlowTuple.make_icmp(*ends, *message))


@pytest.mark.parametrize("ends", [((LOW, 502), (HIGH, 40000)), ((HIGH, 502), (LOW, 40000)), ((LOW, 7), (LOW, 7))])
def test_tcp_and_udp(ends: tuple[tuple[str, int], tuple[str, int]]) -> None:
    for frame, make in ((tcp(*ends, 0, flags=2), communityid.FlowTuple.make_tcp), (udp(*ends, b"x"), communityid.FlowTuple.make_udp)):
        seen = run([frame]).seen[0]
        expected = communityid.CommunityID().calc(make(ends[0][0], ends[1][0], ends[0][1], ends[1][1]))
        assert [community_id(seen.flows, flow) for flow in seen.started.tolist()] == [expected]


def test_many_at_once_are_as_one_by_one() -> None:
    ends = [((LOW, 502), (HIGH, 40000)), ((HIGH, 502), (LOW, 40000)), ((LOW, 7), (LOW, 7)), ((LOW, 9), (LOW, 8)), (("200.0.0.1", 1), ("9.0.0.1", 65535))]
    frames = [make for pair in ends for make in (tcp(*pair, 0, flags=2), udp(*pair, b"x"))]
    frames += [ethernet(ipv4(LOW, HIGH, 1, bytes((8, 0)) + bytes(34))), ethernet(IPV6, 0x86DD), ethernet(ipv4(LOW, HIGH, 47, bytes(40)))]
    seen = run(frames).seen[0]
    flows = seen.started
    assert len(flows) >= 8
    assert community_ids(seen.flows, flows) == [community_id(seen.flows, flow) for flow in flows.tolist()]
    assert community_ids(seen.flows, flows[:0]) == []
