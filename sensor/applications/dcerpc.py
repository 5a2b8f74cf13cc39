"""DCE/RPC, connection-oriented: over TCP, and in the named pipes of SMB.

C706 (DCE 1.1: Remote Procedure Call) 12.6 and [MS-RPCE] 2.2.2; Suricata 8 user guide, "DCERPC Keywords".

Facts of a request and of its answer:
dce_iface        "uuid,version": the interface that the call's presentation context is bound to, as dce_iface's condition writes it (lower case, hyphens), and
                 its major version, decimal; only once the server has accepted it
dce_opnum        an integer, and the same as dce.opnum.number
dce.byte_order   "little" or "big": what the sender's data representation says (byte_test's and its kin's `dce`)
Buffer: dce.stub_data, what all fragments of a request or an answer carry, without headers and authentication trailers, at most MOST_HELD bytes. It is said with
the last fragment.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Literal

from sensor.applications.application import MOST_HELD, Application, Conversation, Said
from sensor.applications.reading import Cursor, Framed, Transactions, keep
from sensor.decode.packets import Transport

HEADER = 16
FIRST, LAST, OBJECT = 1, 2, 0x80  # pfc_flags, C706 12.6.3.1
MOST_CONTEXTS = 32  # of one association


class Pdu(IntEnum):
    """C706 12.6.3 and [MS-RPCE] 2.2.2."""

    REQUEST = 0
    PING = 1
    RESPONSE = 2
    FAULT = 3
    WORKING = 4
    NOCALL = 5
    REJECT = 6
    ACK = 7
    CL_CANCEL = 8
    FACK = 9
    CANCEL_ACK = 10
    BIND = 11
    BIND_ACK = 12
    BIND_NAK = 13
    ALTER_CONTEXT = 14
    ALTER_CONTEXT_RESP = 15
    AUTH3 = 16
    SHUTDOWN = 17
    CO_CANCEL = 18
    ORPHANED = 19


KINDS = frozenset(Pdu)
FROM_SERVER = frozenset({Pdu.RESPONSE, Pdu.FAULT, Pdu.BIND_ACK, Pdu.BIND_NAK, Pdu.ALTER_CONTEXT_RESP, Pdu.SHUTDOWN})
ABSTRACT = {  # [MS-*] and C706: interfaces by what people call them
    "e1af8308-5d1f-11c9-91a4-08002b14a0fa": "epmapper", "4b324fc8-1670-01d3-1278-5a47bf6ee188": "srvsvc", "6bffd098-a112-3610-9833-46c3f87e345a": "wkssvc",
    "367abb81-9844-35f1-ad32-98f038001003": "svcctl", "12345778-1234-abcd-ef00-0123456789ac": "samr", "12345778-1234-abcd-ef00-0123456789ab": "lsarpc",
    "12345678-1234-abcd-ef00-01234567cffb": "netlogon", "338cd001-2244-31f1-aaaa-900038001003": "winreg", "1ff70682-0a51-30e8-076d-740be8cee98b": "atsvc",
    "86d35949-83c9-4044-b424-db363231fd0c": "schedulerservice", "12345678-1234-abcd-ef00-0123456789ab": "spoolss", "e3514235-4b06-11d1-ab04-00c04fc2dcd2": "drsuapi",
    "000001a0-0000-0000-c000-000000000046": "remotesyscreate", "4d9f4ab8-7d1c-11cf-861e-0020af6e7c57": "remoteactivation", "99fcfec4-5260-101b-bbcb-00aa0021347a": "oxidresolver",
    "8a885d04-1ceb-11c9-9fe8-08002b104860": "ndr",
}  # fmt: skip


def byte_order(data: bytes | bytearray) -> Literal["little", "big"]:
    """C706 14.2.5: of the data representation, which both kinds of header have at byte 4."""
    return "little" if data[4] & 0xF0 == 0x10 else "big"


def size_of(held: bytes | bytearray) -> int | None:
    """The size of the fragment that these bytes begin; None: more are needed. Raises ValueError."""
    if held[0] != 5 or (len(held) > 1 and held[1] > 1):
        raise ValueError("no fragment of version 5")
    if len(held) < 10:
        return None
    size = int.from_bytes(held[8:10], byte_order(held))
    if held[2] not in KINDS or size < HEADER:
        raise ValueError(f"a fragment of type {held[2]} and {size} bytes")
    return size


@dataclass(slots=True)
class Call:
    """A request that waits for its answer."""

    interface: str
    opnum: int
    transaction: int


@dataclass(slots=True)
class Stub:
    """What the fragments of one direction's call carried so far."""

    call: int
    data: bytearray = field(default_factory=bytearray)


class Dcerpc(Framed):
    """One association. transactions: those of the conversation that carries it."""

    def __init__(self, transactions: Transactions | None = None) -> None:
        super().__init__()
        self._transactions = transactions or Transactions()
        self._offered: dict[int, str] = {}  # context -> uuid,version, in the order of the offer
        self._accepted: dict[int, str] = {}
        self._calls: dict[int, Call] = {}
        self._stubs: dict[bool, Stub] = {}

    @property
    def n_held(self) -> int:
        return super().n_held + sum(len(stub.data) for stub in self._stubs.values())

    def size(self, held: bytearray) -> int | None:
        return size_of(held)

    def message(self, to_server: bool, data: bytes) -> Iterator[Said]:
        order: Literal["little", "big"] = byte_order(data)
        kind, flags = Pdu(data[2]), data[3]
        call = int.from_bytes(data[12:16], order)
        said = Said(to_server, facts={"dce.byte_order": order}, about={"dcerpc.type": kind.name.lower(), "dcerpc.call_id": call})
        n_auth = int.from_bytes(data[10:12], order)
        trailer = n_auth + 8 if n_auth else 0  # C706 13.2.6.1
        cursor = Cursor(data, HEADER, int.from_bytes(data[8:10], order) - trailer)
        try:
            match kind:
                case Pdu.BIND | Pdu.ALTER_CONTEXT:
                    self._offer(cursor, order, said)
                    said.transaction = self._transactions.begin((id(self), "bind", call))
                case Pdu.BIND_ACK | Pdu.ALTER_CONTEXT_RESP:
                    said.transaction = self._transactions.of((id(self), "bind", call))
                    self._accept(cursor, order, said)
                case Pdu.BIND_NAK:
                    said.transaction = self._transactions.of((id(self), "bind", call))
                    said.about["dcerpc.status"] = int.from_bytes(cursor.take(2), order)
                case Pdu.REQUEST:
                    yield from self._request(cursor, order, said, call, flags)
                    return
                case Pdu.RESPONSE | Pdu.FAULT:
                    yield from self._response(cursor, order, said, call, flags)
                    return
                case _:
                    said.transaction = self._transactions.begin()
        except EOFError as error:
            said.about["dcerpc.problem"] = str(error)
        yield said

    def _offer(self, cursor: Cursor, order: Literal["little", "big"], said: Said) -> None:
        """C706 12.6.4.3: p_context_elem."""
        cursor.skip(8)  # max_xmit_frag, max_recv_frag, assoc_group_id
        count = cursor.big(1)
        cursor.skip(3)
        self._offered.clear()
        interfaces: list[str] = []
        said.about["dcerpc.interface"] = interfaces
        for _ in range(min(count, MOST_CONTEXTS)):
            context = int.from_bytes(cursor.take(2), order)
            n_transfer = cursor.big(1)
            cursor.skip(1)
            abstract = cursor.take(16)
            name = uuid.UUID(bytes_le=abstract) if order == "little" else uuid.UUID(bytes=abstract)
            version = int.from_bytes(cursor.take(4), order) & 0xFFFF
            self._offered[context] = f"{name},{version}"
            interfaces.append(ABSTRACT.get(str(name), str(name)))
            cursor.skip(20 * n_transfer)

    def _accept(self, cursor: Cursor, order: Literal["little", "big"], said: Said) -> None:
        """C706 12.6.4.4: p_result_list, in the order of what was offered."""
        cursor.skip(8)
        n_address = int.from_bytes(cursor.take(2), order)
        if address := cursor.take(n_address).rstrip(b"\0"):
            said.about["dcerpc.secondary_address"] = address.decode("utf-8", "backslashreplace")
        cursor.skip(-(cursor.at) % 4)  # aligned to the PDU, which the header begins
        count = cursor.big(1)
        cursor.skip(3)
        for (context, interface), _ in zip(self._offered.items(), range(count), strict=False):
            result = int.from_bytes(cursor.take(2), order)
            cursor.skip(22)
            if result == 0 and (context in self._accepted or len(self._accepted) < MOST_CONTEXTS):
                self._accepted[context] = interface

    def _request(self, cursor: Cursor, order: Literal["little", "big"], said: Said, call: int, flags: int) -> Iterator[Said]:
        """C706 12.6.4.9."""
        cursor.skip(4)
        context, opnum = int.from_bytes(cursor.take(2), order), int.from_bytes(cursor.take(2), order)
        if flags & OBJECT:
            cursor.skip(16)
        if (open_call := self._calls.get(call)) is None or flags & FIRST:
            open_call = Call(self._accepted.get(context, ""), opnum, self._transactions.begin())
            keep(self._calls, call, open_call)
        yield from self._stub(cursor, said, call, flags, open_call)

    def _response(self, cursor: Cursor, order: Literal["little", "big"], said: Said, call: int, flags: int) -> Iterator[Said]:
        """C706 12.6.4.10 and 12.6.4.7: a fault has its status where the stub data begins."""
        cursor.skip(8)
        is_fault = said.about["dcerpc.type"] == "fault"
        if is_fault:
            said.about["dcerpc.status"] = int.from_bytes(cursor.take(4), order)
            cursor.skip(min(4, cursor.left))
        open_call = self._calls.get(call) or Call("", -1, self._transactions.begin())
        if flags & LAST or is_fault:
            self._calls.pop(call, None)
        yield from self._stub(cursor, said, call, flags | LAST if is_fault else flags, open_call)

    def _stub(self, cursor: Cursor, said: Said, call: int, flags: int, open_call: Call) -> Iterator[Said]:
        """Says the whole call with its last fragment."""
        stub = self._stubs.get(said.to_server)
        if stub is None or stub.call != call or flags & FIRST:
            stub = self._stubs[said.to_server] = Stub(call)
        stub.data += cursor.rest()[: MOST_HELD - len(stub.data)]
        if not flags & LAST:
            return
        del self._stubs[said.to_server]
        if stub.data:
            said.buffers["dce.stub_data"] = [bytes(stub.data)]
        if open_call.interface:
            said.facts["dce_iface"] = open_call.interface
            name = open_call.interface.partition(",")[0]
            said.about["dcerpc.interface"] = [ABSTRACT.get(name, name)]
        if open_call.opnum >= 0:
            said.facts["dce_opnum"] = said.facts["dce.opnum.number"] = open_call.opnum
            said.about["dcerpc.opnum"] = open_call.opnum
        said.transaction = open_call.transaction
        yield said


class DcerpcOverTcp(Application):
    name: ClassVar[str] = "dcerpc"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.TCP: frozenset({135})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A bind or its answer wherever it is; on its port any fragment that its side can say."""
        if not data:
            return None
        try:
            size = size_of(data)
        except ValueError:
            return False
        if len(data) > 2 and (data[2] in FROM_SERVER) == to_server:
            return False
        if len(data) > 2 and not expected and data[2] not in (Pdu.BIND, Pdu.BIND_ACK):
            return False
        if size is None or len(data) < HEADER:
            return None
        if data[4] not in (0x00, 0x10) or data[5] > 3 or data[6:8] != b"\0\0" or not data[3] & (FIRST if not expected else 0xFF):
            return False
        # a bind has at least one context of one transfer syntax: 16 + 12 + 44 bytes (C706 12.6.4.3)
        return size >= {Pdu.BIND: 72, Pdu.ALTER_CONTEXT: 72, Pdu.BIND_ACK: 28, Pdu.REQUEST: 24, Pdu.RESPONSE: 24}.get(Pdu(data[2]), HEADER)

    def open(self) -> Conversation:
        return Dcerpc()
