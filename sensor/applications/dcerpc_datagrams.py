"""DCE/RPC, connectionless: over UDP, as PROFINET's connections begin (IEC 61158-6-10, 4.10.3) and old services of Windows speak.

C706 12.5 (header), 9.5 (activities). Facts and buffer as in dcerpc.py; every request says its interface itself, and nothing has to be accepted before.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

from sensor.applications.application import MOST_HELD, Application, Conversation, Said
from sensor.applications.dcerpc import ABSTRACT, Call, Pdu, byte_order
from sensor.applications.reading import Transactions, keep
from sensor.decode.packets import Transport

HEADER = 80
LAST, FRAGMENT = 2, 4  # flags1, C706 12.5.2.3
KINDS = frozenset(Pdu(number) for number in range(11))
CARRIERS = frozenset({Pdu.REQUEST, Pdu.RESPONSE, Pdu.FAULT, Pdu.REJECT})
PROFINET = {  # IEC 61158-6-10, 4.10.3.2
    "dea00001-6c97-11d1-8271-00a02442df7d": "profinet_device", "dea00002-6c97-11d1-8271-00a02442df7d": "profinet_controller",
    "dea00003-6c97-11d1-8271-00a02442df7d": "profinet_supervisor", "dea00004-6c97-11d1-8271-00a02442df7d": "profinet_parameter_server",
}  # fmt: skip
NAMES = ABSTRACT | PROFINET


class DcerpcDatagrams(Conversation):
    """The calls between two ports. A call is known by its activity and sequence number."""

    def __init__(self) -> None:
        self._transactions = Transactions()
        self._calls: dict[tuple[bytes, int], Call] = {}
        self._parts: dict[bool, tuple[tuple[bytes, int], bytearray]] = {}

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        """A fragment that is lost is missing in what the call carries; nothing waits for it."""
        if not is_message(data):
            return
        order: Literal["little", "big"] = byte_order(data)
        kind, flags = Pdu(data[1]), data[2]
        if kind not in CARRIERS:
            return
        key = (data[40:56], int.from_bytes(data[64:68], order))
        stub = data[HEADER : HEADER + int.from_bytes(data[74:76], order)]
        if flags & FRAGMENT:
            held = self._parts.get(to_server)
            if held is None or held[0] != key:
                held = self._parts[to_server] = (key, bytearray())
            held[1].extend(stub[: MOST_HELD - len(held[1])])
            if not flags & LAST:
                return
            stub = bytes(self._parts.pop(to_server)[1])
        yield self._said(to_server, kind, data, order, key, stub)

    def _said(self, to_server: bool, kind: Pdu, data: bytes, order: Literal["little", "big"], key: tuple[bytes, int], stub: bytes) -> Said:
        name = str(uuid.UUID(bytes_le=data[24:40]) if order == "little" else uuid.UUID(bytes=data[24:40]))
        opnum, version = int.from_bytes(data[68:70], order), int.from_bytes(data[60:64], order) & 0xFFFF
        if kind == Pdu.REQUEST or key not in self._calls:
            keep(self._calls, key, Call(f"{name},{version}", opnum, self._transactions.begin()))
        call = self._calls[key] if kind == Pdu.REQUEST else self._calls.pop(key)
        said = Said(to_server, transaction=call.transaction)
        said.facts = {"dce_iface": call.interface, "dce_opnum": call.opnum, "dce.opnum.number": call.opnum, "dce.byte_order": order}
        name = call.interface.partition(",")[0]
        said.about = {"dcerpc.type": kind.name.lower(), "dcerpc.interface": [NAMES.get(name, name)], "dcerpc.opnum": call.opnum}
        if kind in (Pdu.FAULT, Pdu.REJECT) and len(stub) >= 4:
            said.about["dcerpc.status"] = int.from_bytes(stub[:4], order)
        elif stub:
            said.buffers["dce.stub_data"] = [stub]
        return said


def is_message(data: bytes) -> bool:
    """Whether the header is one, and the body as long as it says."""
    if len(data) < HEADER or data[0] != 4 or data[1] not in KINDS or data[4] not in (0x00, 0x10) or data[5] > 3 or data[6]:
        return False
    return HEADER + int.from_bytes(data[74:76], byte_order(data)) <= len(data)


class DcerpcOverUdp(Application):
    name: ClassVar[str] = "dcerpc"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.UDP: frozenset({135, 34964})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """PROFINET answers from other ports than it is asked at: a header with a call in it is enough wherever it is."""
        if not is_message(data):
            return False
        exact = HEADER + int.from_bytes(data[74:76], byte_order(data)) == len(data)
        return expected or (exact and data[1] in CARRIERS and data[24:40] != bytes(16) and data[40:56] != bytes(16) and data[78] == 0)

    def open(self) -> Conversation:
        return DcerpcDatagrams()
