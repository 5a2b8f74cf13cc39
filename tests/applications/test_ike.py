from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.applications.application import Said
from sensor.applications.ike import MARKER, MOST_OTHERS, MOST_SHOWN, Ike, IkeOverUdp
from sensor.applications.ike_names import EVENTS
from sensor.events.vocabulary import Action
from tests.applications.script import Script, broken, survives, talk

INITIATOR, RESPONDER = bytes.fromhex("18fe9b731f9f8034"), bytes.fromhex("a00b8ef0902bb8ec")
DPD, XAUTH = bytes.fromhex("afcad71368a1f1c96b8696fc77570100"), bytes.fromhex("09002689dfd6b712")
Payload = tuple[int, bytes]


def structure(follows: int, content: bytes) -> bytes:
    """RFC 7296 3.2, RFC 2408 3.2."""
    return struct.pack(">BBH", follows, 0, 4 + len(content)) + content


def message(version: int, exchange: int, flags: int, payloads: Sequence[Payload], responder: bytes = bytes(8), number: int = 0, extra: bytes = b"") -> bytes:
    following = [kind for kind, _ in payloads[1:]] + [0]
    body = b"".join(structure(follows, content) for follows, (_, content) in zip(following, payloads, strict=True)) + extra
    return INITIATOR + responder + struct.pack(">BBBBII", payloads[0][0] if payloads else 0, version, exchange, flags, number, 28 + len(body)) + body


def short(kind: int, value: int) -> bytes:
    return struct.pack(">HH", 0x8000 | kind, value)


def long(kind: int, value: bytes) -> bytes:
    return struct.pack(">HH", kind, len(value)) + value


def linked(contents: Sequence[bytes], follows: int) -> bytes:
    return b"".join(structure(follows if i + 1 < len(contents) else 0, content) for i, content in enumerate(contents))


def sa_1(*transforms: Sequence[bytes]) -> bytes:
    """RFC 2408 3.4 to 3.6: one proposal of ISAKMP's."""
    each = [bytes([i, 1, 0, 0]) + b"".join(attributes) for i, attributes in enumerate(transforms, 1)]
    return struct.pack(">II", 1, 1) + structure(0, bytes([1, 1, 0, len(each)]) + linked(each, 3))


def proposal(protocol: int, *transforms: tuple[int, int] | tuple[int, int, int], spi: bytes = b"") -> bytes:
    """RFC 7296 3.3.1, 3.3.2: type, identifier and, for some, a key length."""
    each = [struct.pack(">BBH", kind, 0, number) + b"".join(short(14, length) for length in more) for kind, number, *more in transforms]
    return bytes([1, protocol, len(spi), len(each)]) + spi + linked(each, 3)


def sa_2(*proposals: bytes) -> bytes:
    return linked(proposals, 2)


AES = (short(1, 7), short(14, 256), short(2, 4), short(4, 14), short(3, 1), short(11, 1), long(12, (86_400).to_bytes(4)))
DES = (short(1, 5), short(2, 1), short(4, 2), short(3, 65_001))
MAIN: Script = [
    (True, message(0x10, 2, 0, [(1, sa_1(AES, DES)), (13, DPD), (13, XAUTH)])),
    (False, message(0x10, 2, 0, [(1, sa_1(AES)), (13, DPD)], RESPONDER)),
    (True, message(0x10, 2, 0, [(4, b"K" * 256), (10, b"N" * 20)], RESPONDER)),
    (False, message(0x10, 2, 0, [(4, b"L" * 256), (10, b"M" * 32)], RESPONDER)),
    (True, message(0x10, 2, 1, [(5, bytes(40))], RESPONDER)),
    (True, message(0x10, 32, 1, [(8, bytes(40))], RESPONDER, 77)),
]
AGGRESSIVE: Script = [
    (True, message(0x10, 4, 0, [(1, sa_1(DES)), (4, b"K" * 128), (10, b"N" * 16), (5, b"\2\x11\1\xf4vpn.plant.example")])),
    (False, message(0x10, 4, 0, [(1, sa_1(DES, AES)), (4, b"K" * 128), (10, b"N" * 16), (5, b"\1\x11\1\xf4\x0a\0\0\2")], RESPONDER, extra=b"zz")),
    (False, message(0x10, 5, 0, [(11, struct.pack(">IBBH", 1, 1, 0, 24))], RESPONDER, 9)),
]
GOOD = proposal(1, (1, 20, 256), (2, 5), (4, 19))
OFFERED = sa_2(proposal(1, (1, 3), (1, 12, 128), (2, 2), (3, 2), (4, 2)), GOOD)
INIT = message(0x20, 34, 8, [(33, OFFERED), (34, b"\0\2\0\0" + b"K" * 128), (40, b"N" * 32), (41, b"\0\0\x40\4" + bytes(20)), (43, DPD)])
SECOND: Script = [
    (True, INIT),
    (False, message(0x20, 34, 0x20, [(33, sa_2(GOOD)), (34, b"\0\x13\0\0" + b"L" * 64), (40, b"M" * 32), (41, b"\0\0\x40\5" + bytes(20))], RESPONDER)),
    (True, message(0x20, 35, 8, [(46, bytes(60))], RESPONDER, 1)),
    (False, message(0x20, 35, 0x20, [(46, bytes(60))], RESPONDER, 1)),
    (False, message(0x20, 37, 0, [(53, bytes(30))], RESPONDER, 0)),
]
REFUSED: Script = [(True, INIT), (False, message(0x20, 34, 0x20, [(41, b"\0\0\0\x0e")], RESPONDER))]
BEHIND_NAT: Script = [(to_server, MARKER + data) for to_server, data in SECOND]
SCRIPTS = [MAIN, AGGRESSIVE, SECOND, REFUSED, BEHIND_NAT]


def events(said: Said) -> list[str]:
    fact = said.facts.get("app-layer-event", ())
    assert isinstance(fact, tuple)
    return sorted(str(each).removeprefix("ike.") for each in fact)


def answered(*proposals: bytes) -> Said:
    return talk(Ike(), [(False, message(0x20, 34, 0x20, [(33, sa_2(*proposals))], RESPONDER))])[0]


def test_main_mode() -> None:
    offer, choice, client, server, hidden, quick = talk(Ike(), MAIN)
    assert offer.buffers == {"ike.init_spi": [INITIATOR.hex().encode()], "ike.vendor": [DPD.hex().encode(), XAUTH.hex().encode()]}
    assert offer.facts == {"ike.version": 1, "ike.exchtype": 2}
    assert offer.about == {
        "ike.version": "1.0", "ike.exchange_type": "identity_protection", "ike.initiator_spi": INITIATOR.hex(), "ike.message_id": 0, "ike.is_encrypted": False,
        "ike.encryption": ["AES-CBC", "3DES-CBC"], "ike.integrity": ["SHA-256", "MD5"], "ike.dh_group": ["MODP-2048", "MODP-1024"],
        "ike.authentication": ["pre_shared_key", "xauth_init_pre_shared_key"], "ike.key_length": [256], "ike.vendor_id": [DPD.hex(), XAUTH.hex()],
    }  # fmt: skip
    assert choice.buffers["ike.resp_spi"] == [RESPONDER.hex().encode()]
    assert choice.facts["ike.chosen_sa_attribute"] == (
        "alg_enc=7", "sa_key_length=256", "alg_hash=4", "alg_dh=14", "alg_auth=1", "sa_life_type=1", "sa_life_duration=86400",
    )  # fmt: skip
    assert client.buffers["ike.key_exchange_payload"] == [b"K" * 256]
    assert (client.facts["ike.key_exchange_payload_length"], client.facts["ike.nonce_payload_length"]) == (256, 20)
    assert server.buffers["ike.nonce_payload"] == [b"M" * 32]
    assert hidden.about["ike.is_encrypted"]
    assert (quick.about["ike.exchange_type"], quick.about["ike.message_id"]) == ("quick_mode", 77)
    assert [each.transaction for each in (offer, choice, client, server, hidden, quick)] == [0, 0, 1, 1, 2, 3]


def test_aggressive_mode() -> None:
    """Both sides say who they are; a responder that chooses two transforms, and says more than its payloads."""
    offer, choice, refusal = talk(Ike(), AGGRESSIVE)
    assert (offer.about["ike.identification"], choice.about["ike.identification"]) == ("vpn.plant.example", "10.0.0.2")
    assert "alg_enc=5" in str(choice.facts["ike.chosen_sa_attribute"])
    assert events(choice) == ["multiple_server_proposal", "payload_extra_data"]
    assert refusal.failed
    assert refusal.about["ike.notification"] == ["authentication_failed"]


def test_version_2() -> None:
    offer, choice, request, reply, other = talk(Ike(), SECOND)
    assert offer.facts["ike.exchtype"] == 34
    assert offer.about["ike.encryption"] == ["3DES", "AES-CBC", "AES-GCM-16"]
    assert (offer.about["ike.key_length"], offer.about["ike.prf"]) == ([128, 256], ["HMAC-SHA1", "HMAC-SHA2-256"])
    assert offer.about["ike.notification"] == ["nat_detection_source_ip"]
    assert events(offer) == ["weak_crypto_auth", "weak_crypto_dh", "weak_crypto_enc", "weak_crypto_prf"]
    assert offer.buffers["ike.key_exchange_payload"] == [b"K" * 128]
    assert choice.facts["ike.chosen_sa_attribute"] == ("alg_enc=20", "alg_prf=5", "alg_dh=19")
    assert (choice.facts["ike.key_exchange_payload_length"], events(choice)) == (64, [])
    assert [each.about["ike.is_encrypted"] for each in (choice, request, reply, other)] == [False, True, True, True]
    assert [each.transaction for each in (offer, choice, request, reply, other)] == [0, 0, 1, 1, 2]
    assert request.action == Action.AUTHENTICATE


def test_a_refusal() -> None:
    _, refusal = talk(Ike(), REFUSED)
    assert refusal.failed
    assert refusal.about["ike.notification"] == ["no_proposal_chosen"]


@pytest.mark.parametrize(
    ("proposals", "expected"),
    [
        ((GOOD,), []),
        ((proposal(1, (1, 12, 128), (2, 5), (3, 12), (4, 14), (6, 36)),), []),  # an additional key exchange: RFC 9370
        ((proposal(1, (1, 2), (2, 5), (3, 12), (4, 14)),), ["weak_crypto_enc"]),
        ((proposal(1, (1, 20, 256), (2, 1), (4, 14)),), ["weak_crypto_prf"]),
        ((proposal(1, (1, 12), (2, 5), (3, 1), (4, 22)),), ["weak_crypto_auth", "weak_crypto_dh"]),
        ((proposal(1, (1, 12), (2, 5), (3, 0), (4, 14)),), ["weak_crypto_no_auth"]),
        ((proposal(1, (1, 20, 128), (2, 5)),), ["weak_crypto_no_dh"]),
        ((proposal(1, (1, 20, 128), (2, 0), (4, 0)),), ["invalid_proposal"]),
        ((proposal(1, (1, 20, 128), (2, 5), (4, 14), (77, 1)),), ["unknown_proposal"]),
        ((proposal(2, (3, 12), (4, 14), spi=b"abcd"),), ["no_encryption"]),
        ((GOOD, GOOD), ["multiple_server_proposal"]),
    ],
)
def test_events(proposals: tuple[bytes, ...], expected: list[str]) -> None:
    assert events(answered(*proposals)) == expected
    assert set(expected) <= set(EVENTS)


@pytest.mark.parametrize(
    "data", [INIT[:60], INIT + b"\0", MAIN[0][1][:70], message(0x20, 34, 8, [(33, OFFERED[:-1])]), message(0x10, 2, 0, [(1, sa_1(AES)[:-2])])]
)
def test_what_does_not_fit_is_said(data: bytes) -> None:
    (said,) = talk(Ike(), [(True, data)])
    assert "malformed_data" in events(said)
    assert said.about["ike.problem"]
    assert said.buffers["ike.init_spi"]


def test_esp_is_not_waited_for() -> None:
    conversation = Ike()
    assert len(talk(conversation, [*BEHIND_NAT, (True, b"\xff"), *[(True, b"\1\2\3\4" + bytes(80))] * MOST_OTHERS, BEHIND_NAT[0]])) == len(SECOND)
    assert conversation.broken
    assert conversation.why


def test_lists_are_bounded() -> None:
    """What an event tells; rules see every vendor."""
    (said,) = talk(Ike(), [(True, message(0x20, 34, 8, [(43, bytes([i])) for i in range(200)] + [(41, bytes(4))] * 200))])
    assert (len(said.buffers["ike.vendor"]), len(said.about["ike.vendor_id"]), len(said.about["ike.notification"])) == (200, MOST_SHOWN, MOST_SHOWN)


def test_starts() -> None:
    application = IkeOverUdp()
    for script in SCRIPTS:
        for to_server, data in script:
            assert application.starts(to_server, data, False) is True
            assert application.starts(to_server, data[:-1], True) is False
            assert application.starts(to_server, data + b"\0", True) is False
    for data in (b"", bytes(64), b"\xff", MARKER, INIT[:17] + b"\x30" + INIT[18:], bytes(8) + INIT[8:], INIT[:18] + b"\2" + INIT[19:]):
        assert application.starts(True, data, True) is False


@given(st.binary(max_size=300))
def test_random_bytes_are_not_taken(data: bytes) -> None:
    assert IkeOverUdp().starts(True, data, True) is False


@settings(max_examples=150)
@given(broken(SCRIPTS))
def test_nothing_raises(script: list[tuple[bool, bytes]]) -> None:
    survives(IkeOverUdp(), script)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_beginning_is_survived(script: Script) -> None:
    for to_server, data in script:
        for size in range(0, len(data), 3):
            survives(IkeOverUdp(), [(to_server, data[:size])])
