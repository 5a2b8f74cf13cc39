"""What the kernel says of a network interface, and what it can be told.

Sources: netdevice(7), linux/if.h, linux/if_arp.h, linux/ethtool.h, tcpdump.org/linktypes.html.
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from collections.abc import Iterable

SIOCGIFFLAGS, SIOCGIFMTU, SIOCGIFHWADDR, SIOCETHTOOL = 0x8913, 0x8921, 0x8927, 0x8946
IFF_UP, IFF_RUNNING, IFF_PROMISC = 1, 1 << 6, 1 << 8
LOOPBACK = 772  # ARPHRD_*
LINK_TYPES = {1: 1, LOOPBACK: 1, 65534: 101, 519: 101, 512: 101, 768: 101, 769: 101}  # ARPHRD_* -> LINKTYPE_*; tunnels without a link header: raw IP
GSSET_INFO, GSTRINGS, GFEATURES, SFEATURES = 0x37, 0x1B, 0x3A, 0x3B  # ETHTOOL_*
FEATURE_NAMES, NAME_SIZE = 4, 32  # ETH_SS_FEATURES, ETH_GSTRING_LEN


def ask(interface: str, request: int, argument: bytes = b"") -> bytes:
    """One of netdevice's requests: what stands behind the name in its answer. Raises OSError where there is no such interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        content = struct.pack("16s24s", interface.encode()[:15], argument)
        return fcntl.ioctl(any_socket, request, content)[16:]


def flags(interface: str) -> int:
    return int(struct.unpack_from("=H", ask(interface, SIOCGIFFLAGS))[0])


def mtu(interface: str) -> int:
    return int(struct.unpack_from("=i", ask(interface, SIOCGIFMTU))[0])


def hardware(interface: str) -> int:
    """Its kind: one of ARPHRD_*."""
    return int(struct.unpack_from("=H", ask(interface, SIOCGIFHWADDR))[0])


def state(index: int) -> str:
    """up, no_carrier, down, or gone where there is no interface of this number any more."""
    try:
        now = flags(socket.if_indextoname(index))
    except OSError:
        return "gone"
    return "down" if not now & IFF_UP else "up" if now & IFF_RUNNING else "no_carrier"


def features(interface: str) -> dict[str, bool]:
    """Offloads by the kernel's names (rx-gro, rx-lro, rx-gro-hw ...), and whether each is on. Raises OSError."""
    names = _feature_names(interface)
    blocks = -(-len(names) // 32)
    answer = _ethtool(interface, struct.pack("=II", GFEATURES, blocks) + bytes(16 * blocks))  # available, requested, active, never changed
    active = [word for _, _, word, _ in struct.iter_unpack("=4I", answer[8:])]
    return {name: bool(active[place // 32] >> place % 32 & 1) for place, name in enumerate(names) if name}


def set_features(interface: str, wanted: dict[str, bool]) -> None:
    """Switch offloads. Raises OSError (this needs CAP_NET_ADMIN), ValueError for a name that there is not."""
    names = _feature_names(interface)
    words = [[0, 0] for _ in range(-(-len(names) // 32))]  # valid, requested
    for name, on in wanted.items():
        place = names.index(name)
        words[place // 32][0] |= 1 << place % 32
        words[place // 32][1] |= on << place % 32
    _ethtool(interface, struct.pack("=II", SFEATURES, len(words)) + b"".join(struct.pack("=II", *word) for word in words))


def _feature_names(interface: str) -> list[str]:
    answer = _ethtool(interface, struct.pack("=IIQI", GSSET_INFO, 0, 1 << FEATURE_NAMES, 0))
    (count,) = struct.unpack_from("=I", answer, 16)
    answer = _ethtool(interface, struct.pack("=III", GSTRINGS, FEATURE_NAMES, count) + bytes(NAME_SIZE * count))
    return [text.rstrip(b"\0").decode("ascii", "replace") for (text,) in struct.iter_unpack(f"{NAME_SIZE}s", answer[12:])]


def _ethtool(interface: str, command: bytes) -> bytes:
    content = array.array("B", command)
    ask(interface, SIOCETHTOOL, struct.pack("@P", content.buffer_info()[0]))
    return content.tobytes()


def merging(interface: str) -> list[str]:
    """Offloads that are on and make one packet of several."""
    on = features(interface)
    return [name for name in MERGING if on.get(name)]


MERGING: Iterable[str] = ("rx-gro", "rx-lro", "rx-gro-hw", "rx-gro-list", "rx-udp-gro-forwarding")
