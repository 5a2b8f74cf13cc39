"""All conversations together: what they may hold."""

from __future__ import annotations

import pytest

from sensor.pipeline import Pipeline
from tests.detectors.signature.harness import talk
from tests.make import run

A, B, WEB = ("10.0.0.1", 40_001), ("10.0.0.2", 40_002), ("10.0.0.9", 80)
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\n\r\n"


def test_what_messages_came_from_has_one_budget() -> None:
    """The conversation that was silent longest says its message without the bytes that it gave up, and that is counted; the other has all of its own."""
    pieces = [talk((0, HEAD + b"a" * 500), (0, b"A" * 100), ends=(each, WEB)) for each in (A, B)]
    frames = [*pieces[0][:4], *pieces[1][:4], *(packets[4] for packets in pieces)]
    for rows in (1, 1 << 30):
        pipeline = Pipeline(inspect=True)
        pipeline.conversations.raw.most = 1_000
        result = run(frames, rows, pipeline)
        raw = [message.raw for seen in result.seen for message in seen.messages]
        assert raw == [b"A" * 100, HEAD + b"a" * 500 + b"A" * 100]
        assert pipeline.report()["applications"]["conversations_without_bytes"] == 1
        assert pipeline.conversations.raw.total == 0


@pytest.mark.parametrize("rows", [1 << 30, 1])
def test_a_message_goes_on_as_many_bytes_behind_as_were_lost(rows: int) -> None:
    """Of the first answer's body a segment was never seen: the second answer is no part of it."""
    ask, body = b"GET /a HTTP/1.1\r\nHost: plc\r\n\r\n", b"x" * 300
    answer = b"HTTP/1.1 200 OK\r\nServer: first\r\nContent-Length: 900\r\n\r\n"
    other = b"HTTP/1.1 404 Not Found\r\nServer: second\r\nContent-Length: 0\r\n\r\n"
    frames = talk((0, ask), (1, answer + body), (1, body), (1, body), (0, ask), (1, other), ends=(A, WEB))
    seen = run([*frames[:5], *frames[6:]], rows, Pipeline(inspect=True)).seen
    codes = [message.said.about.get("http.response.status_code") for each in seen for message in each.messages if not message.said.to_server]
    assert codes == [200, 404]
