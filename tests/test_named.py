"""What is carried on S7comm's port: flows, conversations and assets call it by its name, whatever the cut into batches."""

from __future__ import annotations

import pytest

from sensor.assets.assets import Assets
from sensor.datasets import EVENTS, SPOKEN
from sensor.pipeline import Pipeline
from sensor.sinks.findings import protocol_names
from sensor.summary import Summary
from tests.make import CLIENT, SERVER, batches, tcp
from tests.protocols.s7comm.build import answer, connection, data, job

MMS, PLUS = [data(b"\x0d\x02\0\0"), data(b"\x0e\x02\0\0")], [data(b"\x72\x01\0\0")] * 2
S7 = [job(1, b"\xf0\0\0\x01\0\x01\x01\xe0"), answer(1, b"\xf0\0\0\x01\0\x01\0\xf0")]
OPENS = [connection(0xE0, 0, 1), connection(0xD0, 1, 2)]


def frames(port: int, said: list[bytes]) -> list[bytes]:
    """A conversation, client and server in turn."""
    sent, result = [1, 1], []
    for place, content in enumerate([*OPENS, *said]):
        ends = ((CLIENT, port), (SERVER, 102))
        result.append(tcp(*(ends[::-1] if place % 2 else ends), sent[place % 2], content, identification=len(result)))
        sent[place % 2] += len(content)
    return result


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("rows", [1, 3, 64])
@pytest.mark.parametrize(
    ("said", "name"),
    [(MMS, "mms"), (PLUS, "s7comm_plus"), (S7, "s7comm"), ([*MMS, *S7], "s7comm"), ([*S7, *MMS], "s7comm"), ([*PLUS, *MMS], "s7comm_plus"), ([], "s7comm")],
)
def test_a_flow_is_called_what_it_carries(said: list[bytes], name: str, rows: int, jobs: int) -> None:
    summary, assets, over = Summary(SPOKEN), Assets(EVENTS), []
    for seen in Pipeline(inspect=True).run(batches(frames(40_000, said), rows), jobs):
        summary.add(seen)
        assets.learn(seen)
        over += protocol_names(seen.over["protocol"], SPOKEN)
    assert over == [name]
    assert [(client, server, protocol) for client, server, _, protocol, _ in summary.met_conversations()] == [(CLIENT, SERVER, name)]
    heard = {"mms": MMS, "s7comm_plus": PLUS, "s7comm": S7}
    told = {each for each, content in heard.items() if content[0] in said}
    assert {asset.address: (set(asset.uses), set(asset.serves)) for asset in assets if told} == ({CLIENT: (told, set()), SERVER: (set(), told)} if told else {})


def test_a_flow_behind_another_of_the_same_number_is_not_taken_for_it() -> None:
    pipeline = Pipeline()
    found = []
    for number in range(12):
        conversation = frames(40_000 + number, (MMS, S7)[number % 2])
        at = 1_700_000_000_000_000_000 + number * 10**13
        for seen in pipeline.run(batches([(at + i * 1000, frame) for i, frame in enumerate(conversation)], 64)):
            found += protocol_names(seen.over["protocol"], SPOKEN)
    assert found == ["mms", "s7comm"] * 6
