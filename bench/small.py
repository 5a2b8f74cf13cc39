"""Small captures and a few rules each, for what bench/made.py does not make: fragments, tunnels, broken packets, ICMP, addresses, counts, bits, applications, and stream events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN

from tests.detectors.signature.conversations import CASES
from tests.detectors.signature.conversations import frames as written
from tests.make import ACK, FIN, RST, SYN, tcp, udp

A, B = "10.0.0.1", "10.0.0.2"
START_NS, SECOND = 1_700_000_000_000_000_000, 1_000_000_000
Frames = list[bytes] | list[tuple[int, bytes]]
FRAGMENT: Any = fragment  # which has no types
FRAGMENT6: Any = fragment6
Said = Iterable[tuple[int, bytes]]  # who speaks (0: the client), and what


def small() -> Iterator[tuple[str, str, Frames]]:
    """Name, rules and frames of each case; at most 15 rules, as Suricata tells of no more a packet."""
    for name, header, options, frames in (*packets(), *memory(), *streams(), *applications(), *events()):
        lines = (
            f"{header} ({each} sid:{sid};)" if not each.startswith(("alert", "pass", "drop")) else f"{each[:-1]} sid:{sid};)"
            for sid, each in enumerate(options, 1)
        )
        yield name, "\n".join(lines), frames


def ether(packet: Any) -> bytes:
    return bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet)


def patched(frame: bytes, at: int, new: bytes) -> bytes:
    return frame[:at] + new + frame[at + len(new) :]


HEADERS = ["ttl:61;", "id:77;", "ip_proto:17;", 'msg:"who";', "fragbits:M;", "fragoffset:>0;", "fragoffset:0;", "dsize:0;", "dsize:>0;", 'content:"hello";', "flow:to_server; ttl:61;",
           "flow:stateless;", "flow:only_frag; ttl:61;", "l3_proto:ipv4;", 'ipv4.hdr; content:"|3d|"; offset:8; depth:1;']  # fmt: skip


def packets() -> Iterator[tuple[str, str, list[str], Frames]]:
    """What is a packet, and what of it is there."""
    any_ip = "alert ip any any -> any any"
    pieces = [ether(each) for each in FRAGMENT(IP(src=A, dst=B, id=77, ttl=61) / UDP(sport=4000, dport=5000) / (b"hello" * 40), fragsize=80)]
    yield "fragments", any_ip, HEADERS, pieces
    yield "fragments, last one first", any_ip, HEADERS, pieces[::-1]
    yield "fragments that complete nothing", any_ip, HEADERS, pieces[:2]
    six = FRAGMENT6(IPv6(src="2001:db8::1", dst="2001:db8::2", hlim=61) / IPv6ExtHdrFragment(id=5) / UDP(sport=4000, dport=5000) / (b"hello" * 400), 600)
    yield (
        "fragments of IPv6",
        any_ip,
        ["ttl:61;", "ip_proto:17;", "ip_proto:44;", 'msg:"who";', "l3_proto:ipv6;", 'content:"hello";'],
        [ether(each) for each in six],
    )
    base, segment = IP(src=A, dst=B, ttl=61, id=77), TCP(sport=4000, dport=5000, flags="S", seq=100)
    datagram = ether(base / UDP(sport=4000, dport=5000) / b"hello world")
    broken = [
        datagram[:-4],
        *(
            ether(IP(src=A, dst=B, ttl=61, id=77, proto=protocol) / content)
            for protocol, content in ((6, b"\x0f\xa0\x13\x88"), (17, b"\0\1\0"), (1, b"\x08"), (200, b"zz"), (50, b"esp"))
        ),
        *(patched(ether(base / segment), 46, each) for each in (b"\x40", b"\x80")),
        *(patched(datagram, 38, each) for each in (b"\0\4", b"\0\x40", b"\0\x0a")),
        *(patched(datagram, at, new) for at, new in ((14, b"\x65"), (14, b"\x44"), (16, b"\0\x10"), (16, b"\0\x1a"), (24, b"\0\0"))),
    ]
    yield "broken packets", any_ip, HEADERS, broken
    yield (
        "broken packets by transport",
        "alert tcp any any -> any any",
        ["ttl:61;", "flags:S;", "alert udp any any -> any any (ttl:61;)", "alert icmp any any -> any any (ttl:61;)"],
        broken,
    )
    inner = IP(src="192.168.1.1", dst="192.168.1.2", ttl=33, id=8) / UDP(sport=4000, dport=5000) / b"hello world"
    tunnels = [
        base / GRE(proto=0x800) / inner,
        base / inner,
        base / UDP(sport=3333, dport=4789) / VXLAN(vni=5) / Ether() / inner,
        base / UDP(sport=2152, dport=2152) / b"\x30\xff\0\4\0\0\0\3abcd",
    ]
    yield (
        "tunnels",
        any_ip,
        ["ttl:61;", "ttl:33;", 'content:"hello";', "ip_proto:47;", "ip_proto:4;", "dsize:0;", "dsize:11;", "flow:to_server; ttl:61;"],
        [ether(each) for each in tunnels],
    )
    lost = IP(src=A, dst=B) / UDP(sport=4000, dport=5000) / b"hello"
    errors = [lost, IP(src=B, dst=A) / ICMP(type=3, code=3) / lost, IP(src="10.0.0.9", dst=A) / ICMP(type=11) / lost, lost, IP(src=A, dst=B) / ICMP(type=8, id=1) / b"hello",
              IP(src=B, dst=A) / ICMP(type=0, id=1) / b"hello", IP(src=A, dst=B) / ICMP(type=13)]  # fmt: skip
    options = [
        'msg:"who";',
        "flow:stateless;",
        "flow:to_client;",
        "flow:to_server;",
        "flow:established;",
        "itype:3;",
        "icode:0;",
        'alert icmp any any -> any any (msg:"who";)',
    ]
    yield "ICMP", any_ip, options, [ether(each) for each in errors]
    lost6 = IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=4000, dport=5000) / b"hello"
    echo = [IPv6(src="2001:db8::1", dst="2001:db8::2") / ICMPv6EchoRequest(id=4), IPv6(src="2001:db8::2", dst="2001:db8::1") / ICMPv6EchoReply(id=4)]
    yield "ICMPv6", any_ip, options, [ether(each) for each in (lost6, IPv6(src="2001:db8::2", dst="2001:db8::1") / ICMPv6DestUnreach(code=4) / lost6, *echo)]
    headers = ["!2001:db8::/32 any -> any any", "!10.0.0.0/8 any -> any any", "[10.0.0.0/8,!2001:db8::/32] any -> any any", "[2001:db8::/32,!10.0.0.0/8] any -> any any",
               "![10.0.0.0/8,2001:db8::/32] any -> any any", "$EXTERNAL_NET any -> $HOME_NET any", "$HOME_NET any -> !$HOME_NET any", "any any <> 8.8.8.8 any",
               "any [1,3:5] -> any [!3,!4:6]"]  # fmt: skip
    ends: list[Any] = [IPv6(src=a, dst=b) for a in ("2001:db8::1", "2001:db9::1") for b in ("2001:db8::2", "fe80::1")]
    ends += [IP(src=a, dst=b) for a in (A, "192.168.1.1", "8.8.8.8") for b in (B, "9.9.9.9")]
    yield "addresses", "", [f'alert udp {each} (content:"hi";)' for each in headers], [ether(each / UDP(sport=1, dport=2) / b"hi") for each in ends]


def at(seconds: float, frame: bytes) -> tuple[int, bytes]:
    return START_NS + int(seconds * SECOND), frame


def memory() -> Iterator[tuple[str, str, list[str], Frames]]:
    """What rules count, and what they remember."""
    header, server = "alert udp any any -> any any", "10.0.1.9"
    frames: list[tuple[int, bytes]] = []
    for turn in range(12):
        frames += [
            at(turn * 7, udp((A, 1000), (server, 53), b"hit 1")),
            at(turn * 7 + 0.1, udp((A, 1002), ("10.0.1.10", 5001), b"hit 2")),
            at(turn * 7 + 0.2, udp((server, 5000), (B, 1001), b"hit")),
        ]
        frames += [at(turn * 7 + 0.3, udp((B, 1001), (server, 5000), b"hit 3"))] if turn % 2 else []
    tracks = ("by_src", "by_dst", "by_both", "by_rule", "by_flow")
    for kind in ("limit", "threshold", "both"):
        yield f"threshold: {kind}", header, [f'content:"hit"; threshold:type {kind},track {track},count 3,seconds 30;' for track in tracks], frames
    backoff = 'content:"hit"; threshold:type backoff,track by_flow,count 1,multiplier 2;'
    yield (
        "detection_filter",
        header,
        [*(f'content:"hit"; detection_filter:track {track},count 3,seconds 30;' for track in ("by_src", "by_dst", "by_flow")), backoff],
        frames,
    )
    words = (
        (A, b"set"),
        (A, b"ask"),
        (B, b"ask"),
        (A, b"unset"),
        (A, b"ask"),
        (A, b"tog"),
        (A, b"ask"),
        (A, b"tog"),
        (A, b"ask"),
        (None, b"ask"),
        (A, b"set"),
        (None, b"ask"),
    )
    frames = [at(2 * i, udp((who, 1000), (server, 5000), word) if who else udp((server, 5000), (A, 1000), word)) for i, (who, word) in enumerate(words)]
    sets, asks = 'content:"set"; startswith;', 'content:"ask";'
    yield "flowbits", header, [f"{sets} flowbits:set,a;", f"{asks} flowbits:isset,a;", f"{asks} flowbits:isnotset,a;", 'content:"tog"; flowbits:toggle,a;', "flowbits:isset,a;", "flowbits:set,c;",
                               f"{sets} flowint:n,+,1; noalert;"], frames  # fmt: skip
    yield "xbits", header, [f"{sets} xbits:set,x,track ip_pair,expire 6;", f"{asks} xbits:isset,x,track ip_pair;", f"{asks} xbits:set,y,track ip_src,expire 6;", "xbits:isset,y,track ip_src;",
                            "xbits:set,k,track ip_src;"], frames  # fmt: skip
    yield (
        "hostbits",
        header,
        [f"{sets} hostbits:set,h;", f"{asks} hostbits:isset,h;", f"{asks} hostbits:isnotset,h;", 'content:"tog"; hostbits:toggle,h;', "hostbits:isset,h;"],
        frames,
    )
    rest = [f"{sets} flowbits:set,z; noalert;", f"{asks} flowbits:isset,z;", 'msg:"who";', "ttl:64;"]
    for passing in ('content:"tog";', "flowbits:isset,z;", 'msg:"who";', "ttl:64; alert;", "dsize:3;"):
        yield f"pass: {passing}", header, [f"pass udp any any -> any any ({passing})", *rest], frames


def connection(said: Said, end: str = "", port: int = 4444, *, acks: bool = True) -> list[bytes]:
    """A TCP connection, each segment acknowledged at once; end: who closes first, or r for a reset."""
    ends, at_ = ((A, 40_000), (B, port)), [101, 501]
    frames = [tcp(*ends, 100, flags=SYN), tcp(*ends[::-1], 500, flags=SYN | ACK, acknowledgment=101), tcp(*ends, 101, acknowledgment=501)]
    for side, content in said:
        mine = ends if side == 0 else ends[::-1]
        frames.append(tcp(*mine, at_[side], content, ACK, at_[1 - side]))
        at_[side] += len(content)
        frames += [tcp(*mine[::-1], at_[1 - side], b"", ACK, at_[side])] * acks
    if end == "r":
        frames.append(tcp(*ends[::-1], at_[1], b"", RST | ACK, at_[0]))
    elif end:
        first = "cs".index(end)
        mine = ends if first == 0 else ends[::-1]
        frames += [
            tcp(*mine, at_[first], b"", FIN | ACK, at_[1 - first]),
            tcp(*mine[::-1], at_[1 - first], b"", FIN | ACK, at_[first] + 1),
            tcp(*mine, at_[first] + 1, b"", ACK, at_[1 - first] + 1),
        ]
    return frames


def streams() -> Iterator[tuple[str, str, list[str], Frames]]:
    header, said = "alert tcp any any -> any any", ((0, b"hello"), (1, b"world"), (0, b"again"))
    options = ['content:"hello";', 'content:!"hello";', 'content:!"zz";', 'content:"world"; startswith;', "flags:A+;", "flow:established;", "flow:not_established;", 'content:"o"; flow:only_stream;',
               'content:"o"; flow:no_stream;', 'flow:to_client; content:"world";', "dsize:5;", 'content:"hello"; bsize:5;', 'drop tcp any any -> any any (content:"hello"; startswith;)']  # fmt: skip
    for end in ("", "c", "s", "r"):
        yield f"a connection that ends so: {end or 'not'}", header, options, connection(said, end)
    yield "a connection without acknowledgments", header, options, connection(said, acks=False)
    bytes_ = [
        "byte_test:1,=,0x68,0;", "byte_test:2,>,100,0,little;", "byte_jump:1,0,post_offset -103; isdataat:1,relative;", 'byte_extract:1,0,v; byte_test:1,!=,v,1; content:"h";',
        'byte_math:bytes 1,offset 0,oper +,rvalue 1,result r; byte_test:1,<,r,1; content:"h";', "isdataat:!6;", 'content:"he"; isdataat:3,relative;', 'content:"he"; isdataat:!4,relative;',
        'pcre:"/^h.l+o$/";', 'content:"l"; within:4; content:"o"; distance:0;',
    ]  # fmt: skip
    yield "numbers in bytes", "alert udp any any -> any any", bytes_, [udp((A, 1), (B, 2), each) for each in (b"hello", b"help me", b"x")]


def applications() -> Iterator[tuple[str, str, list[str], Frames]]:
    get = b"GET /a/b.exe?x=1 HTTP/1.1\r\nHost: PLC.Example.com:8080\r\nUser-Agent: Moz\r\nCookie: a=b\r\n\r\n"
    post = b"POST /up HTTP/1.1\r\nHost: PLC\r\nContent-Length: 9\r\n\r\nsecret=42"
    found = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 11\r\nSet-Cookie: c=d\r\n\r\nhello world"
    lost = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    http = [
        'http.host; content:"plc.example.com"; bsize:15;', 'http.host.raw; content:"PLC.Example.com:8080";', 'http.uri; content:"/a/b.exe";', 'http.cookie; content:"c=d";',
        'http.stat_code; content:"404";', 'http.request_body; content:"secret";', 'file.data; content:"secret";', 'content:"secret"; http_server_body;', "filestore;", 'fileext:"exe";', "filesize:11;",
        'filemagic:"ASCII";', 'msg:"spoken";', 'http.header_names; content:"|0d 0a|Host|0d 0a|";', 'alert tcp any any -> any any (content:"b.exe"; http_uri; content:"hello";)',
    ]  # fmt: skip
    for end in ("", "c"):
        yield f"HTTP, closed: {end or 'no'}", "alert http any any -> any any", http, connection([(0, get), (1, found), (0, post), (1, lost)], end, 80)
    ftp = [
        (1, b"220 ready\r\n"),
        (0, b"USER admin\r\n"),
        (1, b"331 Password\r\n"),
        (0, b"RETR fw.bin\r\n"),
        (1, b"150 here\r\n226 done\r\n"),
        (0, b"QUIT\r\n"),
        (1, b"221 bye\r\n"),
    ]
    lines = [
        'ftp.command; content:"RETR";',
        'ftp.command_data; content:"fw";',
        'ftp.reply; content:"done";',
        'content:"RETR";',
        'content:"RETR"; startswith;',
        'msg:"spoken";',
    ]
    for end in ("", "c"):
        yield f"FTP, closed: {end or 'no'}", "alert ftp any any -> any any", lines, connection(ftp, end, 21)
    ssh = [(0, b"SSH-2.0-OpenSSH_8.9p1\r\n"), (1, b"SSH-2.0-Cisco-1.25\r\n")]
    yield (
        "SSH",
        "alert ssh any any -> any any",
        ['msg:"spoken";', 'ssh.software; content:"Cisco";', 'ssh.proto; content:"2.0";', "flow:to_server;"],
        connection(ssh, "c", 22),
    )
    query = bytes.fromhex("1234 0100 0001 0000 0000 0000 05706c616e74 046c616265 6c00 0001 0001".replace("046c616265 6c00", "056c6162656c00"))
    answer = bytes.fromhex("1234 8180 0001 0001 0000 0000") + query[12:] + bytes.fromhex("c00c 0001 0001 0000 0001 0004 0a000001")
    client, server = (A, 4000), (B, 53)
    dns = ['msg:"spoken";', 'dns.query; content:"plant.label";', "dns.opcode:0;", "flow:to_server;", "flow:to_client;", 'content:"label";']
    yield "DNS", "alert dns any any -> any any", dns, [udp(client, server, query), udp(server, client, answer), udp(client, server, query)]
    yield "DNS, answers alone", "alert dns any any -> any any", dns, [udp(server, client, answer)] * 2


def events() -> Iterator[tuple[str, str, list[str], Frames]]:
    """Stream events, each with the segment that shows it, and with one that does not."""
    for event, before, *segments in CASES:
        for segment in segments:
            yield f"stream event {event}: {segment}", "alert tcp any any -> any any", [f"stream-event:{event};"], written(*before, segment)
