"""Conversations for tests of applications: fed in any pieces, mutated, or random."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.applications.application import Application, Said
from tests.applications.declared import undeclared

Script = Sequence[tuple[bool, bytes]]  # who speaks, and what


def listen(application: Application, script: Iterable[tuple[bool, bytes]]) -> list[Said]:
    """All that a conversation says when it is fed with these pieces, and closed."""
    conversation = application.open()
    said: list[Said] = []
    for to_server, data in script:
        said += conversation.feed(to_server, data)
    said += conversation.close()
    assert not undeclared(application.name, said)
    return said


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    borders = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in pairwise(borders) if begin < end]


def cut_script(script: Script, cuts: Sequence[int]) -> list[tuple[bool, bytes]]:
    return [(to_server, piece) for to_server, data in script for piece in pieces(data, cuts)]


def check_cuts(application: Application, scripts: Sequence[Script]) -> None:
    """The same is said for every cut of the same bytes; byte by byte too."""
    whole = [listen(application, script) for script in scripts]
    for script, expected in zip(scripts, whole, strict=True):
        if sum(len(data) for _, data in script) < 20_000:
            assert listen(application, [(to_server, bytes((byte,))) for to_server, data in script for byte in data]) == expected

    @settings(max_examples=60, deadline=None)
    @given(st.sampled_from(range(len(scripts))), st.lists(st.integers(0, 1 << 18), max_size=12))
    def check(index: int, cuts: list[int]) -> None:
        assert listen(application, cut_script(scripts[index], cuts)) == whole[index]

    check()


def check_hostile(application: Application, scripts: Sequence[Script]) -> None:
    """Never raises, says the same for every cut, holds little; whatever it is fed: random bytes, and real ones with changes, gaps and the wrong direction."""
    real = [data for script in scripts for _, data in script]
    change = st.tuples(st.integers(0, 1 << 18), st.binary(max_size=6), st.integers(0, 6))
    mutated = st.builds(_mutated, st.sampled_from(real), st.lists(change, max_size=5))
    talk = st.lists(st.tuples(st.booleans(), st.one_of(st.binary(max_size=80), st.sampled_from(real), mutated)), max_size=6)

    @settings(max_examples=300, deadline=None)
    @given(talk, st.lists(st.integers(0, 1 << 18), max_size=5), st.integers(0, 8), st.integers(1, 5000))
    def check(script: list[tuple[bool, bytes]], cuts: list[int], gap_at: int, gap: int) -> None:
        assert listen(application, script) == listen(application, cut_script(script, cuts))
        conversation = application.open()
        for number, (to_server, data) in enumerate(script):
            if number == gap_at:
                list(conversation.gap(to_server, gap))
            list(conversation.feed(to_server, data))
        list(conversation.close())
        for to_server, data in script:
            for expected in (True, False):
                assert application.starts(to_server, data, expected) in (True, False, None)

    check()


def _mutated(data: bytes, changes: list[tuple[int, bytes, int]]) -> bytes:
    for place, new, n_gone in changes:
        at = place % (len(data) + 1)
        data = data[:at] + new + data[at + n_gone :]
    return data


def check_starts(application: Application, script: Script) -> None:
    """Every prefix of a true beginning is waited for until it is sure, and then it stays."""
    to_server, data = script[0]
    answers = [application.starts(to_server, data[:size], False) for size in range(1, len(data) + 1)]
    assert True in answers
    sure = answers.index(True)
    assert set(answers[:sure]) <= {None}
    assert set(answers[sure:]) == {True}


# Begins of industrial protocols, and of others that are looked for.
STRANGERS = [
    bytes.fromhex("000100000006010300000001"),  # Modbus
    bytes.fromhex("0300001611e00000000100c0010ac1020100c2020102"),  # S7comm
    bytes.fromhex("680407000000"),  # IEC 60870-5-104
    bytes.fromhex("056405c0010000040ee9"),  # DNP3
    bytes.fromhex("65000400000000000000000000000000000000000000000001000000"),  # EtherNet/IP
    b"HELF\x20\0\0\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0",  # OPC UA
    b"FINS\0\0\0\x0c\0\0\0\0\0\0\0\0\0\0\0\0",
    b"fox a 1 -1 fox hello\n{\nfox.version=s:1.0\n};;\n",
    bytes.fromhex("101a00044d5154540402003c000e") + b"tapsight-probe",  # MQTT
    bytes.fromhex("000000a4ff534d4272000000001853c8"),  # SMB
    b"\0" * 40,
    b"\xff" * 40,
]


def check_strangers(application: Application, others: Iterable[bytes] = (), *, waits: bool = False) -> None:
    """waits: what a server says on an expected port may be waited for."""
    for data in (*STRANGERS, *others):
        for to_server in (True, False):
            for expected in (True, False):
                answer = application.starts(to_server, data, expected)
                assert answer is False or (waits and answer is None and expected and not to_server), data
