"""IKE, which negotiates the keys of IPsec, in versions 1 and 2, over UDP: who wants what, and what was chosen, before it is encrypted.

RFC 7296 (version 2); RFC 2408, RFC 2409 (version 1); RFC 3948 2.2 (port 4500). Suricata 8 user guide, "IKE Keywords".

Buffers: ike.init_spi in what a client says, ike.resp_spi in what a server says, both in hexadecimal; ike.vendor, each in hexadecimal; ike.key_exchange_payload,
ike.nonce_payload. Facts: ike.exchtype, ike.version, ike.key_exchange_payload_length and ike.nonce_payload_length integers; ike.chosen_sa_attribute: name=number for
each attribute of what the responder chose. Events: see ike_names.EVENTS; those about algorithms are of version 2 only.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from sensor.applications import ike_names as names
from sensor.applications.application import Application, Conversation, Said
from sensor.applications.ike_payloads import ENCRYPTED, ENCRYPTED_FRAGMENT, HEADER, Header, Proposal, Transform, is_message, payloads, proposals
from sensor.applications.reading import Cursor, Transactions, text
from sensor.decode.packets import Transport
from sensor.events.vocabulary import Action

MARKER = bytes(4)  # stands before a message on port 4500, where ESP has its SPI
MOST_OTHERS = 64  # datagrams of ESP and the like, after which no message is waited for any more
MOST_SHOWN = 32  # of each list, that an event tells
PAYLOADS = {  # by major version and type: RFC 2408 3.1, RFC 7296 3.2
    1: {1: "sa", 4: "key_exchange", 5: "identification", 10: "nonce", 11: "notify", 13: "vendor"},
    2: {33: "sa", 34: "key_exchange", 40: "nonce", 41: "notify", 43: "vendor"},
}
ATTRIBUTES = {  # of version 1, by type: RFC 2409 A
    1: "alg_enc", 2: "alg_hash", 3: "alg_auth", 4: "alg_dh", 5: "sa_group_type", 11: "sa_life_type", 12: "sa_life_duration", 13: "alg_prf", 14: "sa_key_length",
    15: "sa_field_size",
}  # fmt: skip
TRANSFORMS = {1: "alg_enc", 2: "alg_prf", 3: "alg_auth", 4: "alg_dh"}  # of version 2, by type: RFC 7296 3.3.2
KNOWN_TRANSFORMS = range(1, 13)  # with the additional key exchanges of RFC 9370 2.2.1
KEY_LENGTH = 14  # attribute of both versions
AH = 2  # protocol: RFC 7296 3.3.1
WORDS: Mapping[int, tuple[tuple[str, str, Mapping[int, str]], ...]] = {  # attributes that an event tells, by major version: its field, and their names
    1: (
        ("alg_enc", "encryption", names.ENCRYPTION_1), ("alg_hash", "integrity", names.HASHES_1), ("alg_dh", "dh_group", names.GROUPS),
        ("alg_auth", "authentication", names.AUTHENTICATION_1),
    ),
    2: (
        ("alg_enc", "encryption", names.ENCRYPTION), ("alg_auth", "integrity", names.INTEGRITY), ("alg_dh", "dh_group", names.GROUPS), ("alg_prf", "prf", names.PRF),
    ),
}  # fmt: skip
ACTIONS = {2: Action.CONNECT, 4: Action.CONNECT, 32: Action.CONNECT, 34: Action.CONNECT, 35: Action.AUTHENTICATE, 36: Action.CONNECT}
ERRORS = {1: range(1, 8192), 2: range(1, 16384)}  # notifications that say no: RFC 2408 3.14.1, RFC 7296 3.10.1


class Ike(Conversation):
    """A datagram, a message."""

    def __init__(self) -> None:
        self._transactions = Transactions()
        self._n_others = 0

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        if not is_message(data) and data.startswith(MARKER):
            data = data[len(MARKER) :]
        if self.broken or len(data) < HEADER.size or data[17] >> 4 not in PAYLOADS or data.startswith(bytes(8)):
            self._n_others += 1
            if self._n_others >= MOST_OTHERS:
                self.broken, self.why = True, "what follows is not IKE"
            return
        yield self._message(Said(to_server), data)

    def _message(self, said: Said, data: bytes) -> Said:
        header = Header(*HEADER.unpack_from(data))
        said.buffers = {"ike.init_spi": [header.initiator.hex().encode()]} if said.to_server else {"ike.resp_spi": [header.responder.hex().encode()]}
        said.facts = {"ike.version": header.major, "ike.exchtype": header.exchange}
        said.action = ACTIONS.get(header.exchange, Action.OTHER)
        answers = header.is_response if header.major == 2 else not said.to_server
        key = (header.exchange, header.message_id)
        said.transaction = self._transactions.of(key) if answers else self._transactions.begin(key)
        said.about = {
            "ike.version": f"{header.major}.{header.version & 15}",
            "ike.exchange_type": names.EXCHANGES.get(header.exchange, str(header.exchange)),
            "ike.initiator_spi": header.initiator.hex(),
            "ike.message_id": header.message_id,
            "ike.is_encrypted": header.is_encrypted or header.next_payload in (ENCRYPTED, ENCRYPTED_FRAGMENT),
        }
        if header.responder != bytes(8):
            said.about["ike.responder_spi"] = header.responder.hex()
        found: dict[str, None] = {}
        try:
            self._payloads(said, header, Cursor(data, HEADER.size), found)
        except (EOFError, ValueError) as error:
            found["malformed_data"] = None
            said.about["ike.problem"] = str(error)
        if found:
            said.facts["app-layer-event"] = tuple(f"ike.{name}" for name in found)
        return said

    def _payloads(self, said: Said, header: Header, cursor: Cursor, found: dict[str, None]) -> None:
        """found: the events."""
        if header.length != len(cursor.data):
            raise ValueError(f"a message of {header.length} bytes in {len(cursor.data)}")
        if header.is_encrypted:
            return
        for kind, content in payloads(header.next_payload, cursor):
            match PAYLOADS[header.major].get(kind):
                case "sa":
                    _say_proposals(said, header, list(proposals(header.major, content)), found)
                case "key_exchange":
                    if header.major == 2:
                        content.skip(4)  # the group
                    _say_bytes(said, "ike.key_exchange_payload", content.rest())
                case "nonce":
                    _say_bytes(said, "ike.nonce_payload", content.rest())
                case "vendor":
                    _append(said.buffers, "ike.vendor", content.rest().hex().encode())
                case "notify":
                    _say_notification(said, header.major, content)
                case "identification":
                    said.about["ike.identification"] = _identification(content)
        if "ike.vendor" in said.buffers:
            said.about["ike.vendor_id"] = [each.decode() for each in said.buffers["ike.vendor"][:MOST_SHOWN]]
        if cursor.left:
            found["payload_extra_data"] = None


def _append(table: dict[str, Any], key: str, value: Any) -> None:
    table.setdefault(key, []).append(value)


def _say_bytes(said: Said, name: str, content: bytes) -> None:
    if content:
        said.buffers[name] = [content]
        said.facts[f"{name}_length"] = len(content)


def _say_notification(said: Said, major: int, cursor: Cursor) -> None:
    """RFC 7296 3.10, RFC 2408 3.14."""
    cursor.skip(6 if major == 1 else 2)
    kind = cursor.big(2)
    known = names.NOTIFICATIONS_1 if major == 1 else names.NOTIFICATIONS
    if len(said.about.get("ike.notification", ())) < MOST_SHOWN:
        _append(said.about, "ike.notification", known.get(kind, str(kind)))
    said.failed |= kind in ERRORS[major]


def _identification(cursor: Cursor) -> str:
    """RFC 2407 4.6.2."""
    kind = cursor.big(1)
    cursor.skip(3)
    content = cursor.rest()
    if (kind, len(content)) in ((1, 4), (5, 16)):
        return str(ipaddress.ip_address(content))
    return text(content) if kind in (2, 3) else content.hex()


def _say_proposals(said: Said, header: Header, offered: list[Proposal], found: dict[str, None]) -> None:
    """What is offered, or chosen, and what Suricata finds wrong with it."""
    transforms = [transform for proposal in offered for transform in proposal.transforms]
    old = header.major == 1
    named = [each for transform in transforms for each in _named(old, transform)]
    if header.is_response if not old else header.responder != bytes(8):
        first = transforms[:1] if old else transforms
        chosen: dict[str, int] = {}
        for transform in first:
            for name, number in _named(old, transform):
                chosen.setdefault(name, number)
        said.facts["ike.chosen_sa_attribute"] = tuple(f"{name}={number}" for name, number in chosen.items())
        if len(transforms if old else offered) > 1:
            found["multiple_server_proposal"] = None
    for name, field, words in WORDS[header.major]:
        if shown := dict.fromkeys(words.get(number, str(number)) for what, number in named if what == name):
            said.about[f"ike.{field}"] = list(shown)[:MOST_SHOWN]
    lengths = dict.fromkeys(transform.attributes[KEY_LENGTH] for transform in transforms if KEY_LENGTH in transform.attributes)
    if lengths:
        said.about["ike.key_length"] = list(lengths)[:MOST_SHOWN]
    for proposal in offered if not old else ():
        found |= dict.fromkeys(_weaknesses(proposal))


def _named(old: bool, transform: Transform) -> list[tuple[str, int]]:
    """What a transform says, under the names that ike.chosen_sa_attribute has."""
    said = transform.attributes.items() if old else ((transform.kind, transform.identifier),)
    return [(name, number) for kind, number in said if (name := (ATTRIBUTES if old else TRANSFORMS).get(kind))]


def _weaknesses(proposal: Proposal) -> Iterator[str]:
    """The events of one proposal."""
    of_kind: dict[int, set[int]] = {}
    for transform in proposal.transforms:
        of_kind.setdefault(transform.kind, set()).add(transform.identifier)
    for kind, identifiers in of_kind.items():
        weak, event = names.WEAK.get(kind, (frozenset(), ""))
        if identifiers & weak:
            yield event
        if kind in names.NEVER_NONE and 0 in identifiers:
            yield "invalid_proposal"
        if kind not in KNOWN_TRANSFORMS:
            yield "unknown_proposal"
    if 4 not in of_kind:
        yield "weak_crypto_no_dh"
    if proposal.protocol == AH:
        yield "no_encryption"
    if not of_kind.get(3, set()) - {0} and not of_kind.get(1, set()) & names.AUTHENTICATED:
        yield "weak_crypto_no_auth"


class IkeOverUdp(Application):
    name: ClassVar[str] = "ike"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.UDP: frozenset({500, 4500})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A header that is that of the whole datagram: no other protocol looks so, so it may be on any port."""
        return is_message(data) or (data.startswith(MARKER) and is_message(data[len(MARKER) :]))

    def open(self) -> Conversation:
        return Ike()
