"""Who is in the plant: a small waterworks on one network, and who does not belong there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Host:
    """A device on the network: MAC (xx:xx:…), IPv4 address, and how its TCP/IP shows itself."""

    name: str
    mac: str
    address: str
    ttl: int = 64
    window: int = 8192


ROUTER = Host("router", "00:1b:d4:11:20:01", "192.168.10.1", 255, 4128)  # Cisco
SWITCH = Host("sw-process-1", "00:80:63:4a:10:02", "192.168.10.2", 64, 5840)  # Hirschmann
HMI = Host("hmi", "f8:b1:56:c2:20:14", "192.168.10.20", 128, 64240)  # Dell
FRONT_END = Host("telecontrol", "18:66:da:3b:40:19", "192.168.10.25", 128, 64240)  # Dell
ENGINEERING = Host("engineering", "3c:d9:2b:70:55:1e", "192.168.10.30", 128, 64240)  # HP
PUMPS = Host("pumps", "00:80:f4:0e:31:28", "192.168.10.40", 64, 4380)  # Schneider, Modbus
FILTERS = Host("filters", "00:1b:1b:6c:09:29", "192.168.10.41", 30, 8192)  # Siemens, S7
DOSING = Host("dosing", "28:63:36:9d:41:2a", "192.168.10.42", 30, 8192)  # Siemens, S7
BLOWERS = Host("blowers", "00:00:bc:5e:77:2b", "192.168.10.43", 64, 2000)  # Rockwell, EtherNet/IP
BLOWER_IO = Host("blower-io", "00:1d:9c:a4:02:2c", "192.168.10.44", 64, 2000)  # Rockwell, EtherNet/IP adapter
RESERVOIR = Host("reservoir", "00:02:a3:18:60:32", "192.168.10.50", 64, 8760)  # ABB, IEC 60870-5-104
WELLS = Host("wells", "00:30:a7:0b:5c:33", "192.168.10.51", 64, 5840)  # SEL, DNP3
FEEDER_1 = Host("feeder-1", "00:21:c1:2e:71:3c", "192.168.10.60", 64, 5840)  # ABB, GOOSE
FEEDER_2 = Host("feeder-2", "00:21:c1:2e:71:3d", "192.168.10.61", 64, 5840)
PLANT = (ROUTER, SWITCH, HMI, FRONT_END, ENGINEERING, PUMPS, FILTERS, DOSING, BLOWERS, BLOWER_IO, RESERVOIR, WELLS, FEEDER_1, FEEDER_2)

LAPTOP = Host("laptop", "54:e1:ad:66:06:66", "192.168.10.66", 64, 64240)  # the intruder's
STRANGER = Host("stranger", ROUTER.mac, "192.88.99.77", 49, 64240)  # an internet address, behind the router; of a block that IANA took back (RFC 7526)

SERVICES = {  # TCP ports that answer
    PUMPS: (80, 502), FILTERS: (102,), DOSING: (80, 102), BLOWERS: (80, 44818), BLOWER_IO: (44818,), RESERVOIR: (2404,), WELLS: (20000,),
    SWITCH: (22, 443), ROUTER: (22,),
}  # fmt: skip
