"""Frames of protocols whose messages say how long they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import ClassVar

from detectors.signature.framing import Framing, Part, headed
from sensor.applications import onc_rpc
from sensor.applications.dcerpc import HEADER as DCERPC_HEADER
from sensor.applications.dcerpc import Dcerpc
from sensor.applications.dns import DnsStream
from sensor.applications.http2 import HEADER as HTTP2_HEADER
from sensor.applications.http2 import PREFACE, Http2
from sensor.applications.ldap import Ldap
from sensor.applications.mqtt import Mqtt, remaining
from sensor.applications.reading import Cursor, Framed, keep
from sensor.applications.sip import SipStream
from sensor.applications.smb import Smb
from sensor.applications.ssh import LONGEST_LINE, LONGEST_PACKET, NEWKEYS
from sensor.applications.websocket import WebSocketConversation
from sensor.applications.websocket import header as websocket_header


class Sized(Framing):
    """Messages that say how long they are: that their parser knows."""

    parser: ClassVar[type[Framed]]

    def __init__(self) -> None:
        self._size = self.parser().size

    def size(self, to_server: bool, held: bytearray) -> int | None:
        return self._size(held)


class Dce(Sized):
    parser = Dcerpc

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        return headed(data, DCERPC_HEADER)


class Dns(Sized):
    """Over TCP without the length before it."""

    names, over, parser = ("pdu",), ("tcp", "udp"), DnsStream

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        return [("pdu", 2, len(data))] if len(data) > 2 else []

    def datagram(self, to_server: bool, data: bytes) -> Iterable[Part]:
        return [("pdu", 0, len(data))]


class MulticastDns(Framing):
    names, over = ("pdu",), ("udp",)

    def datagram(self, to_server: bool, data: bytes) -> Iterable[Part]:
        return [("pdu", 0, len(data))]


class HttpTwo(Sized):
    parser = Http2

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        return [] if data[:3] == PREFACE[:3] else headed(data, HTTP2_HEADER)


class LdapPdu(Sized):
    names, parser = ("pdu",), Ldap

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        return [("pdu", 0, len(data))]


class MqttPacket(Sized):
    names, parser = ("header", "data", "pdu"), Mqtt

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        length = remaining(data)
        return headed(data, length[1], self.names) if length else []


class Websocket(Sized):
    names, parser = ("header", "data", "pdu"), WebSocketConversation

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        found = websocket_header(data)
        return headed(data, found[1], self.names) if found else []


SMB_HEADERS = {b"\xffSMB": ("smb1", 32), b"\xfeSMB": ("smb2", 64), b"\xfdSMB": ("smb3", 52)}  # MS-CIFS 2.2.3.1; MS-SMB2 2.2.1, 2.2.41


class SmbRecord(Sized):
    """Session packets (RFC 1001 5.3), and in them messages; of version 2 those that are chained, each with its header (MS-SMB2 3.2.4.1.4)."""

    names = tuple(f"{protocol}.{part}" for protocol in ("nbss", "smb1", "smb2", "smb3") for part in ("hdr", "data", "pdu"))
    parser = Smb

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        yield from headed(data, 4, ("nbss.hdr", "nbss.data", "nbss.pdu"))
        protocol, header = SMB_HEADERS.get(data[4:8], ("", 0))
        at = 4
        while protocol and len(data) >= at + header and data[at : at + 4] == data[4:8]:
            following = int.from_bytes(data[at + 20 : at + 24], "little") if protocol == "smb2" else 0
            end = at + following if following >= header and at + following < len(data) else len(data)
            yield f"{protocol}.hdr", at, at + header
            yield f"{protocol}.data", at + header, end
            yield f"{protocol}.pdu", at, end
            at = end


class Rpc(Framing):
    """Records of NFS (RFC 5531 9, 11): of a call the credentials, of a reply what comes before and behind its first words; arguments and results. Those of datagrams'
    replies are not told: of which version they are the call says."""

    names = ("rpc.pdu", "rpc.hdr", "rpc.data", "rpc.creds", "nfs.pdu", "nfs.status", "nfs4.pdu", "nfs4.hdr", "nfs4.ops", "nfs4.status")
    over = ("tcp", "udp")

    def __init__(self) -> None:
        self._versions: dict[int, int] = {}  # by call

    def size(self, to_server: bool, held: bytearray) -> int | None:
        return onc_rpc.record_size(held)

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        return self._parts(to_server, data, 4)

    def datagram(self, to_server: bool, data: bytes) -> Iterable[Part]:
        return self._parts(to_server, data, 0)

    def _parts(self, to_server: bool, data: bytes, at: int) -> Iterator[Part]:
        yield "rpc.pdu", 0, len(data)
        if not to_server and len(data) > at + 8:
            yield "rpc.hdr", 0, at + 8
            yield "rpc.data", at + 8, len(data)
        cursor = Cursor(data, at)
        try:
            xid = cursor.big(4)
            cursor.skip(20 if to_server else 8)
            begin = cursor.at
            cursor.skip(4)
            cursor.skip(cursor.big(4))
            if to_server:
                yield "rpc.creds", begin, cursor.at
                cursor.skip(4)
                cursor.skip(cursor.big(4))
                version = int.from_bytes(data[at + 16 : at + 20])
                keep(self._versions, xid, version)
            else:
                cursor.skip(4)
                version = self._versions.pop(xid, 0)
        except EOFError:
            return
        begin, protocol = cursor.at, "nfs4" if version == 4 else "nfs"
        if version and begin < len(data):
            yield f"{protocol}.pdu", begin, len(data)
            if not to_server:
                yield f"{protocol}.status", begin, min(begin + 4, len(data))
            if version == 4 and begin + 8 < len(data):
                yield "nfs4.hdr", begin, begin + 8
                yield "nfs4.ops", begin + 8, len(data)


class TlsRecord(Framing):
    """RFC 8446 5.1, encrypted ones too."""

    names = ("hdr", "data", "pdu", "alert", "heartbeat")
    kinds: ClassVar = {21: "alert", 24: "heartbeat"}

    def size(self, to_server: bool, held: bytearray) -> int | None:
        if not 20 <= held[0] <= 24 or (len(held) > 1 and held[1] != 3):
            raise ValueError("bytes that are no record")
        return 5 + int.from_bytes(held[3:5]) if len(held) >= 5 else None

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        yield from headed(data, 5)
        if data[0] in self.kinds and len(data) > 5:
            yield self.kinds[data[0]], 5, len(data)


class SshRecord(Framing):
    """Packets of RFC 4253 6 behind the line that says who speaks (4.2), up to the first that says new keys; the code of the message is part of the header here."""

    names = ("record.hdr", "record.data", "record.pdu")

    def __init__(self) -> None:
        self._records: set[bool] = set()  # sides that have said who they are
        self._secret: set[bool] = set()

    def size(self, to_server: bool, held: bytearray) -> int | None:
        if to_server in self._secret:
            raise ValueError("what follows is encrypted")
        if to_server not in self._records:
            newline = held.find(b"\n", 0, LONGEST_LINE)
            if newline < 0 and len(held) >= LONGEST_LINE:
                raise ValueError("a line without an end")
            return newline + 1 if newline >= 0 else None
        if len(held) < 4:
            return None
        size = int.from_bytes(held[:4])
        if not 2 <= size <= LONGEST_PACKET:
            raise ValueError(f"a packet of {size} bytes")
        return 4 + size

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        if to_server in self._records:
            if data[5:6] == bytes((NEWKEYS,)):
                self._secret.add(to_server)
            return headed(data, 6, self.names)
        if data.startswith(b"SSH-"):
            self._records.add(to_server)
        return []


class EnipPdu(Framing):
    """An encapsulation's header and data, and its items (CIP volume 2, 2-6), of which the one of a message of CIP has that (CIP volume 2, table 2-6.3)."""

    names, over = ("hdr", "data", "pdu", "cip", "enip.item"), ("tcp", "udp")
    HEADER, WITH_ITEMS, INTERFACE = 24, (0x6F, 0x70), 6
    MESSAGE: ClassVar = {0xB2: 0, 0xB1: 2}  # items with data: unconnected, and connected behind a sequence number

    def datagram(self, to_server: bool, data: bytes) -> Iterable[Part]:
        yield from headed(data, self.HEADER)
        command = int.from_bytes(data[:2], "little")
        at = self.HEADER + (self.INTERFACE if command in self.WITH_ITEMS else 0)
        count = int.from_bytes(data[at : at + 2], "little") if command in self.WITH_ITEMS else 0
        at += 2
        for _ in range(count):
            if at + 4 > len(data):
                return
            kind, size = int.from_bytes(data[at : at + 2], "little"), int.from_bytes(data[at + 2 : at + 4], "little")
            yield "enip.item", at, min(at + 4 + size, len(data))
            if kind in self.MESSAGE and at + 4 + self.MESSAGE[kind] < len(data):
                yield "cip", at + 4 + self.MESSAGE[kind], min(at + 4 + size, len(data))
            at += 4 + size


class SipMessage(Sized):
    """RFC 3261 7."""

    names = ("pdu", *(f"{side}.{part}" for side in ("request", "response") for part in ("line", "headers", "body")))
    over, parser = ("tcp", "udp"), SipStream

    def parts(self, to_server: bool, data: bytes) -> Iterable[Part]:
        if not data.strip(b"\r\n"):
            return
        yield "pdu", 0, len(data)
        line, side = data.find(b"\n") + 1, "response" if data.startswith(b"SIP/") else "request"
        if not line:
            return
        yield f"{side}.line", 0, line
        empty = re.compile(rb"\n\r?\n").search(data, line - 1)
        end = empty.start() + 1 if empty else len(data)
        yield f"{side}.headers", line, end
        if empty and empty.end() < len(data):
            yield f"{side}.body", empty.end(), len(data)
