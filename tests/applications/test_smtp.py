"""SMTP: envelopes, mails, attachments."""

from __future__ import annotations

import hashlib
import time
from email.message import EmailMessage

import pytest

from sensor.applications.application import MOST_BODY, Said
from sensor.applications.mail import MOST_MAIL
from sensor.applications.smtp import Smtp
from tests.applications.talk import Script, check_cuts, check_hostile, check_starts, check_strangers, listen

SMTP = Smtp()


def mail(attachment: bytes = b"MZ\x90\0 firmware", name: str = "fw.exe") -> bytes:
    message = EmailMessage()
    message["Received"] = "from a by b"
    message["Received"] = "from c by d"
    message["From"] = "Eve <eve@x.example>"
    message["To"] = "op@plant.example"
    message["Cc"] = "chief@plant.example"
    message["Subject"] = "Update"
    message["Date"] = "Fri, 21 Apr 2023 05:10:36 +0000"
    message["Message-Id"] = "<1@x.example>"
    message["X-Mailer"] = "Outlook"
    message.set_content("See http://bad.example/a?b=1 now\n.dot\n")
    message.add_attachment(attachment, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes().replace(b"\n", b"\r\n")


def talk(content: bytes) -> Script:
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return [
        (False, b"220-plant.example\r\n220 ESMTP ready\r\n"),
        (True, b"EHLO eve.example\r\n"),
        (False, b"250-plant.example\r\n250 PIPELINING\r\n"),
        (True, b"MAIL FROM:<eve@x.example> SIZE=100\r\nRCPT TO:<op@plant.example>\r\nrcpt to: <chief@plant.example>\r\nDATA\r\n"),
        (False, b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
        (True, stuffed + b".\r\nQUIT\r\n"),
        (False, b"250 ok\r\n221 bye\r\n"),
    ]


def the_mail(content: bytes) -> Said:
    greeting, said = listen(SMTP, talk(content))
    assert greeting.about == {"smtp.greeting": "plant.example"}
    return said


def test_a_mail() -> None:
    said = the_mail(mail())
    expected = {
        "smtp.helo": [b"eve.example"],
        "smtp.mail_from": [b"<eve@x.example>"],
        "smtp.rcpt_to": [b"<op@plant.example>", b"<chief@plant.example>"],
        "email.from": [b"Eve <eve@x.example>"],
        "email.to": [b"op@plant.example"],
        "email.cc": [b"chief@plant.example"],
        "email.subject": [b"Update"],
        "email.date": [b"Fri, 21 Apr 2023 05:10:36 +0000"],
        "email.message_id": [b"<1@x.example>"],
        "email.x_mailer": [b"Outlook"],
        "email.received": [b"from a by b", b"from c by d"],
        "email.url": [b"bad.example/a?b=1"],
        "file.data": [b"MZ\x90\0 firmware"],
        "file.name": [b"fw.exe"],
    }
    assert {name: said.buffers[name] for name in expected} == expected
    assert set(said.buffers) - set(expected) == {"email.body_md5"}
    assert said.facts["filesha256"] == hashlib.sha256(b"MZ\x90\0 firmware").hexdigest()
    assert said.about["email.subject"] == "Update"
    assert said.about["email.from.address"] == ["Eve <eve@x.example>"]
    assert said.about["smtp.rcpt_to"] == ["<op@plant.example>", "<chief@plant.example>"]


def test_dots_and_the_hash_of_the_body() -> None:
    said = the_mail(b"Subject: a\r\n folded\r\n\r\nline\r\n.dot\r\n")
    assert said.buffers["email.subject"] == [b"afolded"]
    assert said.buffers["email.body_md5"] == [hashlib.md5(b"line\r\n.dot").hexdigest().encode()]


def test_chunks() -> None:
    content = b"Subject: x\r\n\r\nQUIT\r\n"
    chunks = b"BDAT 5\r\n" + content[:5] + b"BDAT %d LAST\r\n" % (len(content) - 5) + content[5:]
    said = listen(SMTP, [(True, b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<b>\r\n" + chunks + b"QUIT\r\n")])
    assert [each.buffers.get("email.subject") for each in said] == [[b"x"]]
    assert said[0].buffers["smtp.mail_from"] == [b"<>"]


def test_a_mail_that_is_not_wanted() -> None:
    said = listen(SMTP, [(True, b"HELO a\r\nMAIL FROM:<b>\r\nDATA\r\n"), (False, b"554 no\r\n"), (True, b"MAIL FROM:<c>\r\nQUIT\r\n")])
    assert [each.buffers["smtp.mail_from"] for each in said if each.buffers] == [[b"<b>"], [b"<c>"]]
    assert [each.transaction for each in said if each.buffers] == [0, 1]


def test_a_greeting_alone() -> None:
    (said,) = listen(SMTP, [(True, b"EHLO scanner\r\nQUIT\r\n")])
    assert said.buffers == {"smtp.helo": [b"scanner"]}


def test_nothing_is_wanted_behind_starttls() -> None:
    conversation = SMTP.open()
    said = [*conversation.feed(True, b"EHLO a\r\nSTARTTLS\r\n"), *conversation.feed(False, b"220 go\r\n")]
    assert [each.buffers for each in said if each.to_server] == [{"smtp.helo": [b"a"]}]
    assert (conversation.broken, conversation.why) == (True, "")


def test_long_mails_are_cut() -> None:
    said = the_mail(mail(bytes(MOST_MAIL)))
    assert len(said.buffers["file.data"][0]) == MOST_BODY
    assert "filesha256" not in said.facts
    assert said.about["smtp.mail_size"] > MOST_MAIL


def test_a_mail_that_breaks_off() -> None:
    (said,) = listen(SMTP, [(True, b"EHLO a\r\nMAIL FROM:<b>\r\nDATA\r\nSubject: half")])
    assert said.buffers["email.subject"] == [b"half"]
    assert "email.body_md5" not in said.buffers


def test_nested_mails_cost_little() -> None:
    """Containers within containers, to the limit of what is kept."""
    nested = b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (i, i) for i in range(8000))
    lines = b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n' + b"--x\r\n\r\n" * 50_000
    begin = time.process_time()
    for content in (nested, lines):
        the_mail(content)
    assert time.process_time() - begin < 3


def test_what_makes_no_sense() -> None:
    conversation = SMTP.open()
    list(conversation.feed(True, b"\x03\0\0\x16\n"))
    assert conversation.broken
    assert "no command" in conversation.why


@pytest.mark.parametrize("to_server", [True, False])
def test_gaps(to_server: bool) -> None:
    conversation = SMTP.open()
    list(conversation.feed(True, b"EHLO a\r\nMAIL FROM:<b>\r\n"))
    said = list(conversation.gap(to_server, 5))
    assert len(said) == conversation.broken == to_server


SCRIPTS: list[Script] = [
    talk(mail()),
    talk(b"Subject: long\r\n\r\n" + b"x" * 9000 + b"\r\n..\r\n"),
    [(True, b"EHLO a\r\nMAIL FROM:<b>\r\nBDAT 9\r\nSubject:\nBDAT 2 LAST\r\n\n.RSET\r\nEHLO b")],
    [(True, b"EHLO a\r\nSTARTTLS\r\n"), (False, b"220 go\r\n"), (True, b"\x16\3\1")],
]


def test_cuts() -> None:
    check_cuts(SMTP, SCRIPTS)


def test_hostile() -> None:
    check_hostile(SMTP, SCRIPTS)


def test_starts() -> None:
    check_starts(SMTP, [(True, b"EHLO eve\r\n")])
    check_starts(SMTP, [(False, b"220 plant.example ESMTP\r\n")])
    assert SMTP.starts(False, b"220 plant\r\n", True)
    assert not SMTP.starts(False, b"220 plant FTP\r\n", False)
    check_strangers(SMTP, [b"GET / HTTP/1.1\r\n", b"USER x\r\n", b"SSH-2.0-x\r\n"])
