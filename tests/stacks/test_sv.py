"""libiec61850 (by pyiec61850) publishes Sampled Values on the loopback interface: what it was given must come out of its frames."""

from __future__ import annotations

import pytest

from sensor.events.point import Quality
from tests.stacks.said import Said, ns, understood
from tests.stacks.wire import INTERFACE, hear, tap

library = pytest.importorskip("pyiec61850.pyiec61850", reason="pyiec61850-ng is not installed")

ETHERTYPE, MULTICAST = b"\x88\xba", bytes.fromhex("010ccd040033")
APPID, ID, DATA_SET = 0x4001, "MU-bay-1", "MU1LD0/LLN0$PhsMeas"
RATE, FRAMES = 4000, 5
VALUES = [1000, -500, -500, 0, 63_500, -31_750, -31_750, 0]
TEST = 0x800  # of a quality
WHEN_NS = 1_709_251_198_123_000_000


@pytest.fixture(scope="module")
def said() -> Said:
    """Frames of two ASDUs each, around the end of a second."""
    with tap() as heard:
        where = library.CommParameters()
        where.appId, where.vlanId, where.vlanPriority = APPID, 5, 4
        library.CommParameters_setDstAddress(where, *MULTICAST)
        publisher = library.SVPublisher_create(where, INTERFACE)
        assert publisher
        asdus = [library.SVPublisher_addASDU(publisher, ID, DATA_SET, 7) for _ in range(2)]
        places = []
        for asdu in asdus:
            places.append([(library.SVPublisher_ASDU_addINT32(asdu), library.SVPublisher_ASDU_addQuality(asdu)) for _ in VALUES])
            library.SVPublisher_ASDU_setSmpCntWrap(asdu, RATE)
            library.SVPublisher_ASDU_enableRefrTm(asdu)
        library.SVPublisher_setupComplete(publisher)
        for frame in range(FRAMES):
            for number, (asdu, place) in enumerate(zip(asdus, places, strict=True)):
                library.SVPublisher_ASDU_setSmpCnt(asdu, (RATE - 4 + 2 * frame + number) % RATE)
                library.SVPublisher_ASDU_setSmpSynch(asdu, 2)
                library.SVPublisher_ASDU_setRefrTmNs(asdu, WHEN_NS)
                for (value, quality), number_of in zip(place, VALUES, strict=True):
                    library.SVPublisher_ASDU_setINT32(asdu, value, number_of + frame)
                    library.SVPublisher_ASDU_setQuality(asdu, quality, TEST if number else 0)
            library.SVPublisher_publish(publisher)
        frames = hear(heard, FRAMES, ETHERTYPE, MULTICAST)
        library.SVPublisher_destroy(publisher)
    return understood(frames, "sv")


def test_asdus(said: Said) -> None:
    events = said.events("sv")
    assert [event["smp_cnt"] for event in events] == [3996, 3997, 3998, 3999, 0, 1, 2, 3, 4, 5]
    for event in events:
        assert (event["appid"], event["sv_id"], event["dat_set"], event["conf_rev"], event["smp_synch"]) == (APPID, ID, DATA_SET, 7, "global_clock")
        assert (event["no_asdu"], event["anomaly"]) == (2, [])
        assert abs(ns(event["refr_tm"]) - WHEN_NS) < 1000
    assert said.documents["sv"][0]["destination"]["mac"] == "01-0C-CD-04-00-33"


def test_values(said: Said) -> None:
    points = said.points["sv"]
    assert [point.value for point in points] == [value + frame for frame in range(FRAMES) for _ in range(2) for value in VALUES]
    assert [point.address for point in points] == list(range(8)) * 2 * FRAMES
    assert [point.quality for point in points] == ([0] * 8 + [Quality.TEST] * 8) * FRAMES
