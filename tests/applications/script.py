"""Conversations for tests: what is said about a script, in every cut, and about scripts that someone broke."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from hypothesis import strategies as st

from sensor.applications.application import Application, Conversation, Said
from sensor.applications.datasets import DATASETS
from sensor.decode.packets import Transport
from tests.applications.declared import undeclared

Script = Sequence[tuple[bool, bytes]]  # to the server, what is said


def talk(conversation: Conversation, script: Iterable[tuple[bool, bytes]], *, close: bool = True) -> list[Said]:
    """Everything that is said about a script."""
    said = [each for to_server, data in script for each in conversation.feed(to_server, data)]
    return said + list(conversation.close()) if close else said


@st.composite
def cuts(draw: st.DrawFn, script: Script) -> list[tuple[bool, bytes]]:
    """The same script in other pieces."""
    pieces = []
    for to_server, data in script:
        borders = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
        pieces += [(to_server, data[begin:end]) for begin, end in zip([0, *borders], [*borders, len(data)], strict=True) if end > begin]
    return pieces


@st.composite
def broken(draw: st.DrawFn, scripts: Sequence[Script]) -> list[tuple[bool, bytes]]:
    """A script with bytes changed, lost and put in; or any bytes."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.lists(st.tuples(st.booleans(), st.binary(max_size=200)), max_size=6))
    result = []
    for to_server, data in draw(st.sampled_from(scripts)):
        content = bytearray(data)
        for _ in range(draw(st.integers(0, 4))):
            at = draw(st.integers(0, len(content)))
            match draw(st.integers(0, 3)):
                case 0:
                    content[at : at + 1] = bytes([draw(st.one_of(st.integers(0, 255), st.sampled_from([0, 1, 0x7F, 0x80, 0xC0, 0xFF])))])
                case 1:
                    del content[at : at + draw(st.integers(1, 8))]
                case 2:
                    content[at:at] = draw(st.binary(min_size=1, max_size=8))
                case _:
                    del content[at:]
        result.append((to_server, bytes(content)))
    return result


def survives(application: Application, script: Script) -> list[Said]:
    """Feeds what may be anything, with starts() first and a gap now and then; nothing raises, and what is said has the contract's types."""
    for to_server, data in script:
        for expected in (False, True):
            assert application.starts(to_server, data, expected) in (True, False, None)
    conversation = application.open()
    said = []
    for i, (to_server, data) in enumerate(script):
        said += list(conversation.feed(to_server, data))
        if i % 3 == 2:
            said += list(conversation.gap(to_server, 1 + len(data) % 7))
    said += list(conversation.close())
    for each in said:
        well_formed(each)
    assert application.name not in DATASETS or not undeclared(application.name, said)
    assert not conversation.broken or conversation.why
    return said


def events(said: Iterable[Said]) -> list[set[Any]]:
    """The events of each message."""
    return [set(each.facts.get("app-layer-event", ())) for each in said]


def tells(application: Application, name: str, talks: tuple[Script, Script]) -> None:
    """The last message of the first script has the event, and no other of both has."""
    there, near = talks
    *before, last = events(talk(application.open(), there))
    assert f"{application.name}.{name}" in last
    assert not any(f"{application.name}.{name}" in each for each in (*before, *events(talk(application.open(), near))))


def well_formed(said: Said) -> None:
    """The types that the contract promises; buffers have values."""
    for values in said.buffers.values():
        assert values
        assert all(type(value) is bytes for value in values)
    for fact in said.facts.values():
        assert type(fact) in (int, str) or (type(fact) is tuple and all(type(each) in (int, str) for each in fact))
    assert said.transaction >= 0
    assert all(isinstance(key, str) for key in said.about)
    _plain(asdict(said)["about"])


def _plain(value: Any) -> None:
    """What JSON has."""
    if isinstance(value, dict):
        for each in value.values():
            _plain(each)
    elif isinstance(value, list | tuple):
        for each in value:
            _plain(each)
    else:
        assert isinstance(value, str | int | float | bool)


def names(application: Application) -> tuple[str, dict[Transport, frozenset[int]]]:
    return application.name, dict(application.ports)
