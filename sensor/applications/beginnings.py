"""How both sides of a conversation begin, and what it is where one does not begin as it has to. Names of events: Suricata's."""

from __future__ import annotations

from collections.abc import Iterable

from sensor.applications.application import Application, Conversation

MISMATCH, ONE_DIRECTION = "applayer_mismatch_protocol_both_directions", "applayer_detect_protocol_only_one_direction"
WRONG_DIRECTION, NO_TLS = "applayer_wrong_direction_first_data", "applayer_no_tls_after_starttls"
EVENTS = (MISMATCH, ONE_DIRECTION, WRONG_DIRECTION, NO_TLS)


def of_answer(application: Application, others: Iterable[Application], to_server: bool, data: bytes) -> str | None:
    """The event that what the side that did not speak first begins with is, given what the other one speaks: empty where it speaks the same, None if that
    cannot be told yet."""
    verdict = application.starts(to_server, data, True)
    if verdict:
        return ""
    verdicts = [verdict, *(other.starts(to_server, data, False) for other in others if other.name != application.name)]
    if True in verdicts:
        return MISMATCH
    return None if None in verdicts else ONE_DIRECTION * application.knows_answers


def turned_round(applications: Iterable[Application], to_server: bool, data: bytes) -> str:
    """The application whose client a server seems to be that speaks first; empty if none is."""
    return "" if to_server else next((each.name for each in applications if each.starts(True, data, False)), "")


def stays_plain(parser: Conversation, to_server: bool) -> bool:
    """Whether a client that has agreed with its server on TLS goes on without, where what it says begins nothing that was agreed on."""
    return to_server and parser.broken and parser.then == "tls"
