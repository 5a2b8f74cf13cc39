"""The registry's own reader says the same."""

from __future__ import annotations

import pytest
from netaddr import EUI

from sensor.assets.vendors import vendor_of


@pytest.mark.parametrize("mac", [0x0080634A1002, 0x001B1B000001, 0x00000C123456, 0xF8B156C22014, 0x54E1AD660666])
def test_a_prefix_has_its_organisation(mac: int) -> None:
    assert vendor_of(mac) == str(EUI(mac).oui.registration()["org"]).strip(" ,.") != ""


@pytest.mark.parametrize("mac", [0x020000000001, 0x01005E000001, 0xFFFFFFFFFFFF, 0xFC_FF_FC_00_00_00])
def test_local_group_and_unknown_ones_have_none(mac: int) -> None:
    assert vendor_of(mac) == ""
