"""Industrial protocols that are known by their port or EtherType alone, as nothing of them is decoded.

Sources: IANA, Service Name and Transport Protocol Port Number Registry, whose names these are; where a protocol is not registered there (fox, c37.118, codesys,
fins, ge-srtp, melsec, pcom, tristation), its vendor's or standard's own port. EtherTypes: IEEE Registration Authority.
"""

from __future__ import annotations

from sensor.decode.packets import Transport

TCP, UDP, ETHERNET = Transport.TCP, Transport.UDP, Transport.ETHERNET
BOTH = (TCP, UDP)
USED: tuple[tuple[str, tuple[Transport, ...], tuple[int, ...]], ...] = (
    ("ads-s", (TCP,), (8016,)),
    ("bacnet", BOTH, (47808,)),
    ("c37.118", BOTH, (4712, 4713)),
    ("codesys", (TCP,), (1200, 2455, 11740, 11741, 11742, 11743)),
    ("codesys", (UDP,), (1740, 1741, 1742, 1743)),
    ("dlms-cosem", BOTH, (4059,)),
    ("dnp-sec", BOTH, (19999,)),
    ("efcp", BOTH, (3671,)),  # KNXnet/IP
    ("ethercat", BOTH, (34980,)),
    ("ethercat", (ETHERNET,), (0x88A4,)),
    ("ethernet-ip-s", (UDP,), (2221,)),
    ("ff-annunc", BOTH, (1089,)),
    ("ff-fms", BOTH, (1090,)),
    ("ff-sm", BOTH, (1091,)),
    ("ff-lr-port", BOTH, (3622,)),
    ("fins", BOTH, (9600,)),
    ("fox", (TCP,), (1911, 4911)),
    ("ge-srtp", (TCP,), (18245,)),
    ("hart-ip", BOTH, (5094,)),
    ("lontalk-norm", BOTH, (1628,)),
    ("lontalk-urgnt", BOTH, (1629,)),
    ("melsec", BOTH, (5006, 5007)),
    ("opcua-tcp", (TCP,), (4840,)),
    ("opcua-udp", (UDP,), (4840,)),
    ("pcom", (TCP,), (20256,)),
    ("powerlink", (ETHERNET,), (0x88AB,)),
    ("profinet-rt", BOTH, (34962,)),
    ("profinet-rtm", BOTH, (34963,)),
    ("sercos", (ETHERNET,), (0x88CD,)),
    ("tristation", (UDP,), (1502,)),
)
NOT_DECODED = {(transport, number): name for name, transports, numbers in USED for transport in transports for number in numbers}
