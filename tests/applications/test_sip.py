"""SIP over UDP and TCP."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.applications.application import MOST_OPEN
from sensor.applications.sip import Sip, SipOverTcp
from tests.applications.talk import Script, check_cuts, check_hostile, check_starts, check_strangers, listen

SIP = Sip()
INVITE = (
    b"INVITE sip:op@plant.example SIP/2.0\r\nv: SIP/2.0/UDP 10.0.0.1:5060\r\nf: <sip:eve@x.example>;tag=1\r\nTo: <sip:op@plant.example>\r\n"
    b"Call-ID: 7\r\nCSeq: 1 INVITE\r\nUser-Agent: Asterisk\r\nc: application/sdp\r\nl: 3\r\n\r\nv=0"
)
TRYING = b"SIP/2.0 100 Trying now\r\nVia: x\r\nCall-ID: 7\r\nCSeq: 1 INVITE\r\n\r\n"


def test_requests_and_responses() -> None:
    request, response = listen(SIP, [(True, INVITE), (True, b"\r\n\r\n"), (False, TRYING)])
    assert {name: values[0] for name, values in request.buffers.items()} == {
        "sip.method": b"INVITE",
        "sip.uri": b"sip:op@plant.example",
        "sip.request_line": b"INVITE sip:op@plant.example SIP/2.0",
        "sip.protocol": b"SIP/2.0",
        "sip.via": b"SIP/2.0/UDP 10.0.0.1:5060",
        "sip.from": b"<sip:eve@x.example>;tag=1",
        "sip.to": b"<sip:op@plant.example>",
        "sip.user_agent": b"Asterisk",
        "sip.content_type": b"application/sdp",
        "sip.content_length": b"3",
    }
    expected = {
        "sip.response_line": b"SIP/2.0 100 Trying now",
        "sip.protocol": b"SIP/2.0",
        "sip.stat_code": b"100",
        "sip.stat_msg": b"Trying now",
        "sip.via": b"x",
    }
    assert {name: values[0] for name, values in response.buffers.items()} == expected
    assert (request.transaction, response.transaction) == (0, 0)
    assert request.about["user_agent.original"] == "Asterisk"


def test_what_is_no_message() -> None:
    assert [each.facts for each in listen(SIP, [(True, INVITE), (True, b"\r\n\r\n"), (True, b"nonsense\r\n")])] == [{}, {"app-layer-event": "sip.invalid_data"}]


def test_transactions_are_bounded() -> None:
    said = listen(SIP, [(True, INVITE.replace(b"CSeq: 1", b"CSeq: %d" % i)) for i in range(2, MOST_OPEN + 10)] + [(True, INVITE)])
    assert said[-1].transaction == MOST_OPEN + 8


@given(st.lists(st.tuples(st.booleans(), st.one_of(st.binary(max_size=60), st.integers(0, len(INVITE)).map(lambda size: INVITE[:size] + b"\xff\n")))))
def test_hostile(script: list[tuple[bool, bytes]]) -> None:
    listen(SIP, script)
    for to_server, data in script:
        assert SIP.starts(to_server, data, True) in (True, False)


def test_starts() -> None:
    assert SIP.starts(True, INVITE, False)
    assert SIP.starts(False, TRYING, False)
    check_strangers(SIP, [b"OPTIONS / HTTP/1.1\r\n", b"M-SEARCH * HTTP/1.1\r\n", b"OPTIONS rtsp://x RTSP/1.0\r\n"])


def test_sdp() -> None:
    """A session and two media: what stands behind an m= is of that one."""
    body = (
        b"v=0\r\no=op 1 1 IN IP4 10.0.0.1\r\ns=call\r\ni=about\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\na=sendrecv\r\n"
        b"m=audio 30000 RTP/AVP 0\r\ni=voice\r\nc=IN IP4 10.0.0.2\r\na=rtpmap:0 PCMU/8000\r\nm=video 30002 RTP/AVP 31\r\nk=prompt\r\n"
    )
    (said,) = listen(SIP, [(True, INVITE.removesuffix(b"v=0") + body)])
    assert {name: values for name, values in said.buffers.items() if name.startswith("sdp.")} == {
        "sdp.origin": [b"op 1 1 IN IP4 10.0.0.1"], "sdp.session_name": [b"call"], "sdp.session_info": [b"about"], "sdp.connection_data": [b"IN IP4 10.0.0.1"],
        "sdp.time": [b"0 0"], "sdp.attribute": [b"sendrecv", b"rtpmap:0 PCMU/8000"], "sdp.media.media": [b"audio 30000 RTP/AVP 0", b"video 30002 RTP/AVP 31"],
        "sdp.media.session_info": [b"voice"], "sdp.media.connection_data": [b"IN IP4 10.0.0.2"], "sdp.media.encryption_key": [b"prompt"],
    }  # fmt: skip
    (other,) = listen(SIP, [(True, INVITE.replace(b"application/sdp", b"text/plain") + body)])
    assert not [name for name in other.buffers if name.startswith("sdp.")]


STREAM = SipOverTcp()
LONG = INVITE.replace(b"l: 3\r\n\r\nv=0", b"Content-Length: 5\r\n\r\nv=0\r\n")
TALK: Script = [(True, INVITE + b"\r\n\r\n" + LONG), (False, TRYING)]


def test_over_a_stream() -> None:
    said = listen(STREAM, TALK)
    assert [each.buffers.get("sip.method") for each in said] == [[b"INVITE"], [b"INVITE"], None]
    assert [each.transaction for each in said] == [0, 0, 0]
    broken = STREAM.open()
    assert [each.facts for each in broken.feed(True, b"nonsense\r\n")] == [{"app-layer-event": "sip.invalid_data"}]
    assert broken.broken


def test_cuts_and_hostile_streams() -> None:
    check_cuts(STREAM, [TALK])
    check_hostile(STREAM, [TALK])


def test_streams_start() -> None:
    check_starts(STREAM, TALK)
    check_starts(STREAM, [(False, TRYING)])
    check_strangers(STREAM, [b"GET / HTTP/1.1\r\n", b"SSH-2.0-x\r\n", b"EHLO a\r\n", b"OPTIONS rtsp://a RTSP/1.0\r\n"])
