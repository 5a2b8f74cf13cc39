"""Conversations and rules made at random, from the grammar of the rule language, for bench/agree.py. The same seed makes the same."""

from __future__ import annotations

from random import Random

from tests.make import ACK, FIN, PSH, RST, SYN, tcp, udp

WORDS = (b"ab", b"abc", b"bc", b"ca", b"a", b"b", b"c", b"\0\1", b"\2", b"abcab", b"AB")
PORTS = (1234, 4444, 9000)
SERVER = "10.0.0.250"
CONVERSATIONS, RULES = 10, 12  # Suricata tells of 15 rules a packet at most
Frames = list[bytes]


def case(seed: int) -> tuple[str, Frames]:
    """Rules, and the frames of some conversations one after the other or at once."""
    r = Random(seed)
    talks = [conversation(r, 40_000 + i) for i in range(CONVERSATIONS)]
    frames: Frames = []
    while talks:
        talk = talks[0] if seed % 2 else r.choice(talks)
        frames.append(talk.pop(0))
        talks = [each for each in talks if each]
    return "\n".join(rule(r, sid) for sid in range(1, RULES + 1)), frames


def text(r: Random) -> bytes:
    return b"".join(r.choice(WORDS) for _ in range(r.randint(1, 6)))


def conversation(r: Random, port: int) -> Frames:
    ends = (f"10.0.0.{port % 100 + 1}", port), (f"10.0.1.{port % 100 + 1}", r.choice(PORTS))  # addresses of their own: in which order flows end is not known
    if r.random() < 0.35:
        return [udp(*(ends if r.random() < 0.7 else ends[::-1]), text(r), i) for i in range(r.randint(1, 5))]
    shake, at, frames = r.random() < 0.85, [101, 501], []
    acked = r.random() < 0.8
    if shake:
        frames = [tcp(*ends, 100, flags=SYN), tcp(*ends[::-1], 500, flags=SYN | ACK, acknowledgment=101), tcp(*ends, 101, acknowledgment=501)]
    for _ in range(r.randint(1, 6)):
        side, content = int(r.random() < 0.3), text(r)
        mine, other = (ends, ends[::-1]) if side == 0 else (ends[::-1], ends)
        cut = r.randint(1, len(content)) if r.random() < 0.3 else len(content)
        parts = [(at[side], content[:cut]), (at[side] + cut, content[cut:])] if cut < len(content) else [(at[side], content)]
        if len(parts) > 1 and r.random() < 0.3:
            parts.reverse()  # out of order
        if r.random() < 0.15:
            parts.append(parts[0])  # sent again
        frames += [tcp(*mine, number, part, ACK | PSH, at[1 - side]) for number, part in parts]
        at[side] += len(content)
        if acked and r.random() < 0.8:
            frames.append(tcp(*other, at[1 - side], b"", ACK, at[side]))
    if r.random() < 0.4:
        frames += [tcp(*ends, at[0], b"", FIN | ACK, at[1]), tcp(*ends[::-1], at[1], b"", FIN | ACK, at[0] + 1), tcp(*ends, at[0] + 1, b"", ACK, at[1] + 1)]
    elif r.random() < 0.2:
        frames.append(tcp(*ends, at[0], b"", RST | ACK, at[1]))
    return frames


def quoted(pattern: bytes) -> str:
    return "".join(chr(byte) if 32 < byte < 127 else f"|{byte:02x}|" for byte in pattern)


def rule(r: Random, sid: int) -> str:
    protocol = r.choices(("tcp", "udp", "ip", "tcp-pkt", "tcp-stream"), (60, 20, 8, 8, 8))[0]
    port = r.choices(("any", *map(str, PORTS)), (6, 2, 1, 1))[0]
    header = f"alert {protocol} any any -> any {port}" if r.random() < 0.8 else f"alert {protocol} any any <> any {port}"
    options = [*flow(r, protocol), *(check(r, i) for i in range(r.randint(1, 3))), *extra(r, protocol)]
    return f"{header} ({' '.join(options)} sid:{sid};)"


def flow(r: Random, protocol: str) -> list[str]:
    if r.random() < 0.5 or protocol == "ip":
        return []
    words = [r.choice(("established", "established", "to_server", "to_client", "not_established", "stateless"))]
    if words == ["established"] and r.random() < 0.6:
        words.append(r.choice(("to_server", "to_client", "from_client")))
    if protocol == "tcp" and r.random() < 0.2:
        words.append(r.choice(("no_stream", "only_stream")))
    return [f"flow:{','.join(words)};"]


def check(r: Random, place: int) -> str:
    kind = r.choices(("content", "byte_test", "byte_jump", "isdataat", "pcre", "byte_extract"), (60, 8, 5, 8, 10, 3))[0]
    relative = place > 0 and r.random() < 0.5
    n = r.randint(0, 4)
    if kind == "content":
        return content(r, place)
    if kind == "byte_test":
        return f"byte_test:{r.choice((1, 2, 4))},{r.choice(('=', '>', '<', '&', '!=', '>='))},{r.choice((1, 97, 98, 24930, 3))},{n}{',relative' * relative};"
    if kind == "byte_jump":
        return f"byte_jump:1,{n}{',relative' * relative},post_offset -{r.choice((96, 97, 98))};"
    if kind == "isdataat":
        return f"isdataat:{r.choice(('', '!'))}{r.randint(1, 12)}{',relative' * relative};"
    if kind == "byte_extract":
        return f"byte_extract:1,{n},v; byte_test:1,=,v,{n + 1};"
    pattern = r.choice(("ab+c", "^ab", "c$", "[ab]c", "(?:ab)+", "b.a", "^.{3}b"))
    return f'pcre:"/{pattern}/{"R" * relative}{r.choice(("", "i", "s"))}";'


def content(r: Random, place: int) -> str:
    pattern = r.choice(WORDS)
    negated = r.random() < 0.15
    kind = r.choices(("", "offset", "depth", "both", "startswith", "endswith", "distance", "within", "distance within"), (30, 6, 10, 6, 6, 4, 10, 8, 8))[0]
    if negated and kind == "endswith":
        kind = ""  # version 8 reads it otherwise than 7
    if place == 0 and ("distance" in kind or "within" in kind):
        kind = ""
    n, m = r.randint(0, 4), len(pattern) + r.randint(0, 4)
    words = {
        "": "", "offset": f"offset:{n}; ", "depth": f"depth:{m}; ", "both": f"offset:{n}; depth:{m}; ", "startswith": "startswith; ", "endswith": "endswith; ",
        "distance": f"distance:{n - 2}; ", "within": f"within:{m}; ", "distance within": f"distance:{n}; within:{m}; ",
    }[kind]  # fmt: skip
    return f'content:{"!" * negated}"{quoted(pattern)}"; {words}{"nocase;" if r.random() < 0.15 else ""}'.rstrip()


def extra(r: Random, protocol: str) -> list[str]:
    if r.random() < 0.75:
        return []
    choice = [
        f"dsize:{r.choice(('>', '<', ''))}{r.randint(1, 10)};",
        "threshold:type limit,track by_src,count 1,seconds 60;",
        "threshold:type threshold,track by_src,count 2,seconds 60;",
        "threshold:type both,track by_src,count 2,seconds 60;",
        "detection_filter:track by_src,count 2,seconds 60;",
        "flowbits:set,one;",
        "flowbits:isset,one;",
        "flowbits:isnotset,one;",
        "ttl:64;",
    ]
    if protocol.startswith("tcp"):
        choice += ["flags:PA;", "flags:A+;", "flags:!S;", "window:8192;"]
    return [r.choice(choice)]
