"""Community ids of flows, against the reference implementation."""

from __future__ import annotations

import communityid
import pytest

from sensor.events.community import community_id
from tests.make import ethernet, ipv4, run, tcp, udp

LOW, HIGH = "10.0.0.1", "10.0.0.2"


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
