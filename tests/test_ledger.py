from __future__ import annotations

from tests import make


def test_ethertypes_are_hexadecimal() -> None:
    """As standards and Wireshark write them."""
    frames = [make.ethernet(bytes(46), 0x9999), make.ethernet(bytes(47), 0x9999), make.ethernet(bytes(48), 0x88CA)]
    assert make.run(frames).pipeline.report()["not_read"]["ethertypes"] == {"0x88CA": 1, "0x9999": 2}
