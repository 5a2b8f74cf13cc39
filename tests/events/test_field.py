from __future__ import annotations

from enum import IntEnum

from sensor.events.field import label, proper, spoken


class Code(IntEnum):
    ROCKWELL_AUTOMATION = 1
    ABB_ROBOTICS = 2
    B_AND_R = 3
    WAGO = 4


def test_how_names_of_codes_are_shown() -> None:
    assert [proper(code) for code in Code] == ["Rockwell Automation", "ABB Robotics", "B & R", "WAGO"]
    assert (label(Code.ABB_ROBOTICS), spoken(Code.ABB_ROBOTICS)) == ("abb_robotics", "abb robotics")
