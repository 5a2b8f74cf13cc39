"""What is wrong with SMTP and its mails: a conversation that has each event, and one like it that has not."""

from __future__ import annotations

import pytest

from sensor.applications.mail import MOST_BOUNDARIES
from sensor.applications.smtp import SMTP_EVENTS, Smtp
from tests.applications.talk import Script, check_cuts, check_hostile, listen

SMTP = Smtp()
HELLO: Script = [(False, b"220 plant.example ESMTP ready\r\n"), (True, b"EHLO eve.example\r\n"), (False, b"250-plant.example\r\n250 PIPELINING\r\n")]
ENVELOPE: Script = [(True, b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"), (False, b"250 ok\r\n250 ok\r\n")]
GO: Script = [(True, b"DATA\r\n"), (False, b"354 go\r\n")]
END: Script = [(False, b"250 ok\r\n"), (True, b"QUIT\r\n"), (False, b"221 bye\r\n")]


def asks(command: bytes, reply: bytes = b"250 ok") -> Script:
    return [*HELLO, (True, command + b"\r\n"), (False, reply + b"\r\n")]


def mail(*lines: bytes, end: bytes = b"\r\n.\r\n") -> Script:
    return [*HELLO, *ENVELOPE, *GO, (True, b"\r\n".join(lines) + end), *END]


def part(*lines: bytes, head: bytes = b"Content-Type: multipart/mixed; boundary=BB", end: bytes = b"--BB--") -> Script:
    return mail(head, b"", b"--BB", *lines, end)


def encoded(coding: bytes, *lines: bytes) -> Script:
    return part(b"Content-Transfer-Encoding: " + coding, b"", *lines)


def chunk(head: bytes, data: bytes) -> Script:
    return [*HELLO, *ENVELOPE, (True, head + b"\r\n" + data), *END]


def bounded(size: int) -> Script:
    boundary = b"B" * size
    return mail(b'Content-Type: multipart/mixed; boundary="' + boundary + b'"', b"", b"--" + boundary, b"", b"hi", b"--" + boundary + b"--")


CASES: list[tuple[str, Script, Script]] = [
    ("invalid_reply", asks(b"NOOP", b"abc"), asks(b"NOOP", b"250")),
    ("invalid_reply", asks(b"NOOP", b"666 x"), asks(b"NOOP", b"555 x")),
    ("invalid_reply", asks(b"NOOP", b"199 x"), asks(b"NOOP", b"211 x")),
    ("unable_to_match_reply_with_request", asks(b"NOOP", b"250 ok\r\n250 ok"), asks(b"NOOP", b"250-ok\r\n250 ok\r\n421 the end")),
    ("max_command_line_len_exceeded", asks(b"NOOP " + b"x" * 4090), asks(b"NOOP " + b"x" * 4089)),
    ("max_reply_line_len_exceeded", asks(b"NOOP", b"250 " + b"x" * 507), asks(b"NOOP", b"250 " + b"x" * 506)),
    (
        "invalid_pipelined_sequence",
        [*HELLO, *ENVELOPE, (True, b"DATA\r\nSubject: a\r\n\r\nhi\r\n.\r\n"), (False, b"354 go\r\n250 ok\r\n")],
        [*HELLO, (True, b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"), (False, b"250 ok\r\n250 ok\r\n354 go\r\n"), (True, b"hi\r\n.\r\n")],
    ),
    ("bdat_chunk_len_exceeded", chunk(b"BDAT 5 LAST", b"hello there\r\n"), chunk(b"BDAT 5 LAST", b"hello")),
    ("bdat_chunk_len_exceeded", chunk(b"BDAT x", b""), chunk(b"BDAT 0", b"")),
    ("no_server_welcome_message", [(True, b"EHLO eve.example\r\n"), (False, b"250 plant.example\r\n")], [*HELLO, *ENVELOPE]),
    ("tls_rejected", asks(b"STARTTLS", b"454 not now"), asks(b"STARTTLS", b"220 go")),
    ("data_command_rejected", [*HELLO, *ENVELOPE, (True, b"DATA\r\n"), (False, b"554 no\r\n")], [*HELLO, *ENVELOPE, *GO]),
    ("duplicate_fields", [*HELLO, *ENVELOPE, *ENVELOPE], [*HELLO, *ENVELOPE, (True, b"RSET\r\n"), (False, b"250 ok\r\n"), *ENVELOPE]),
    (
        "duplicate_fields",
        [*HELLO, (True, b"HELO eve.example\r\n"), (False, b"250 ok\r\n")],
        [*HELLO[:2], (False, b"502 what\r\n"), (True, b"HELO eve.example\r\n"), (False, b"250 ok\r\n")],
    ),
    ("unparsable_content", asks(b"\1\2\3", b"500 what"), asks(b"\xc3\xa9", b"500 what")),
    ("mime_malformed_msg", part(b"", b"hi", end=b""), part(b"", b"hi")),
    ("mime_malformed_msg", part(b"", b"hi", head=b'Content-Type: multipart/mixed; boundary=""'), part(b"Content-Type: multipart/mixed; boundary=CC", b"", b"--CC", b"", b"--CC--")),
    ("mime_invalid_base64", encoded(b"base64", b"aGV!bG8="), encoded(b"base64", b"aGVs", b"bG8=")),
    ("mime_invalid_base64", encoded(b"base64", b"aGVsb"), mail(b"", b"aGVsb")),
    ("mime_invalid_qp", encoded(b"quoted-printable", b"a=ZZ"), encoded(b"quoted-printable", b"a=3D=", b"b")),
    ("mime_long_line", mail(b"Subject: a", b"", b"x" * 999), mail(b"Subject: a", b"", b"x" * 998)),
    ("mime_long_enc_line", encoded(b"base64", b"aGVs" * 20), encoded(b"base64", b"aGVs" * 19)),
    ("mime_long_enc_line", encoded(b"Quoted-Printable", b"x" * 77), encoded(b"7bit", b"x" * 77)),
    ("mime_long_header_name", mail(b"X" * 76 + b": a", b"", b"hi"), mail(b"X" * 75 + b": a", b"", b"hi")),
    ("mime_long_header_value", mail(b"X: a", *[b" " + b"y" * 500] * 4, b"", b"hi"), mail(b"X: a", *[b" " + b"y" * 499] * 4, b"", b"hi")),
    ("mime_long_boundary", bounded(255), bounded(254)),
    (
        "mime_long_filename",
        part(b"Content-Disposition: attachment; filename=" + b"f" * 256, b"", b"hi"),
        part(b"Content-Disposition: attachment; filename=" + b"f" * 255, b"", b"hi"),
    ),
    ("mime_parse_failed", mail(*[b"boundary"] * (MOST_BOUNDARIES + 1)), mail(*[b"boundary"] * MOST_BOUNDARIES)),
]  # fmt: skip


def events(script: Script) -> list[str]:
    facts = [said.facts.get("app-layer-event", ()) for said in listen(SMTP, script)]
    return [name for fact in facts for name in (fact if isinstance(fact, tuple) else (str(fact),))]


@pytest.mark.parametrize(("name", "script", "near"), CASES)
def test_events(name: str, script: Script, near: Script) -> None:
    assert events(script).count(f"smtp.{name}") == 1
    assert f"smtp.{name}" not in events(near)


def test_every_event_has_a_case() -> None:
    assert {f"smtp.{name}" for name, _, _ in CASES} == set(SMTP_EVENTS) - {"smtp.failed_protocol_change"}


@pytest.mark.parametrize("script", [mail(b"Subject: a", b"", b"hi"), part(b"", b"hi"), chunk(b"BDAT 5 LAST", b"hello"), [*HELLO, *ENVELOPE, *GO, (True, b"x")]])
def test_nothing_is_wrong(script: Script) -> None:
    assert not events(script)


def test_who_is_not_heard_is_not_blamed() -> None:
    """Of one side alone, or behind a gap, nothing is said about who did not wait."""
    both = mail(b"Subject: a", b"", b"hi")
    assert not events([(side, data) for side, data in both if side])
    assert not events([(side, data) for side, data in both if not side][:1])
    conversation = SMTP.open()
    said = [each for side, data in HELLO for each in conversation.feed(side, data)]
    said += conversation.gap(False, 100)
    said += [each for side, data in (*ENVELOPE, *ENVELOPE[1:]) for each in conversation.feed(side, data)]
    assert not any("app-layer-event" in each.facts for each in said)


def test_an_event_is_said_once_for_a_mail() -> None:
    assert events([*asks(b"NOOP", b"abc"), (True, b"NOOP\r\n"), (False, b"abc\r\n")]) == ["smtp.invalid_reply"]
    twice = [*asks(b"NOOP", b"abc"), *ENVELOPE, *GO, (True, b"hi\r\n.\r\n"), (False, b"abc\r\n")]
    assert events(twice) == ["smtp.invalid_reply"] * 2


def test_cuts_and_mutations() -> None:
    scripts = [script for _, *each in CASES for script in each]
    check_cuts(SMTP, scripts)
    check_hostile(SMTP, scripts)
