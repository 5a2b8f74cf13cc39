"""geoip: databases of countries, made here as MaxMind DB File Format 2.0 says."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from detectors.signature.detector import Signatures
from detectors.signature.engine import Engine
from detectors.signature.load import loads
from detectors.signature.plan import Plan
from sensor.analysis import Analysis
from sensor.cli.main import cli
from tests.detectors.signature.harness import FIELDS, KNOWN
from tests.detectors.signature.test_headers import UDP6, six
from tests.make import batches, udp

NETWORKS = {"10.0.0.0/24": "US", "10.1.0.0/16": "CN", "::/120": "DE"}
US, CN, NONE = ("10.0.0.1", 5), ("10.1.2.3", 5), ("10.9.9.9", 5)


def value(of: object) -> bytes:
    """The data section's types: 2 text, 5, 6 and 9 numbers, 7 map, 11 array."""
    match of:
        case str():
            return bytes((2 << 5 | len(of),)) + of.encode()
        case np.uint64():
            return b"\x08\x02" + int(of).to_bytes(8)
        case np.uint32():
            return bytes((6 << 5 | 4,)) + int(of).to_bytes(4)
        case int():
            return bytes((5 << 5 | 2,)) + of.to_bytes(2)
        case dict():
            return bytes((7 << 5 | len(of),)) + b"".join(value(key) + value(item) for key, item in of.items())
        case list():
            return bytes((len(of), 4)) + b"".join(map(value, of))
    raise TypeError(of)


def database(networks: dict[str, str], kind: str = "GeoLite2-Country") -> bytes:
    """A binary tree of IPv6 prefixes, IPv4 as ::a.b.c.d, with records of 32 bits, and the data behind it."""
    nodes: list[list[int | str]] = [[-1, -1]]
    for text, code in networks.items():
        network = ipaddress.ip_network(text)
        length = network.prefixlen + (96 if network.version == 4 else 0)
        bits, at = f"{int(network.network_address):0128b}"[:length], 0
        for bit in map(int, bits[:-1]):
            if nodes[at][bit] == -1:
                nodes.append([-1, -1])
                nodes[at][bit] = len(nodes) - 1
            at = int(nodes[at][bit])
        nodes[at][int(bits[-1])] = code
    data, places = b"", dict[str, int]()
    for code in networks.values():
        places[code] = len(data)
        data += value({"country": {"iso_code": code}})
    n = len(nodes)
    records = [places[each] + n + 16 if isinstance(each, str) else n if each == -1 else each for node in nodes for each in node]
    metadata = {
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": np.uint64(1), "database_type": kind, "description": {}, "ip_version": 6,
        "languages": [], "node_count": np.uint32(n), "record_size": 32,
    }  # fmt: skip
    return b"".join(each.to_bytes(4) for each in records) + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + value(metadata)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("geoip") / "countries.mmdb"
    place.write_bytes(database(NETWORKS))
    return place


def plan(file: Path | str, asked: str) -> Plan:
    return Plan.of(loads(f"alert ip any any -> any any (geoip:{asked}; sid:1;)", {}, FIELDS).rules, KNOWN, geoip=str(file))


FRAMES = [udp(US, CN, b"1"), udp(CN, NONE, b"2"), udp(US, ("10.0.0.2", 5), b"3"), udp(NONE, NONE, b"4"), six(UDP6)]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("src,US", [1, 3]),
        ("dst,cn", [1]),
        ("CN", [1, 2]),
        ("any,CN,US", [1, 2, 3]),
        ("both,US", [3]),
        ("src,!US", [2, 5]),  # of no known country is none of the others
        ("both,!CN,US", [5]),
        ("any,!US", [1, 2, 5]),
        ("src,DE", [5]),
        ("FR", []),
    ],
)
def test_countries(file: Path, asked: str, expected: list[int]) -> None:
    made = plan(file, asked)
    assert not made.unable
    for rows in (1, 100):
        engine, found = Signatures(Engine(made)), list[int]()
        Analysis(signatures=engine).run(batches(FRAMES, rows), each=lambda _, engine=engine, found=found: found.extend(match.frame for match in engine.fired))
        assert found == expected


def test_why_there_are_none(tmp_path: Path) -> None:
    broken, other = tmp_path / "broken.mmdb", tmp_path / "asn.mmdb"
    broken.write_bytes(b"no database" * 50)
    other.write_bytes(database(NETWORKS, "GeoLite2-ASN"))
    for file, reason in ((broken, "broken.mmdb"), (other, "says no countries"), (tmp_path / "none.mmdb", "No such file"), ("", "--geoip FILE")):
        ((_, why),) = plan(file, "src,US").unable
        assert why.startswith("geoip: ")
        assert reason in why


def test_a_damaged_database_is_counted(tmp_path: Path) -> None:
    damaged = bytearray(database(NETWORKS))
    damaged[:8] = b"\xff" * 8
    file = tmp_path / "damaged.mmdb"
    file.write_bytes(damaged)
    engine = Signatures(Engine(plan(file, "src,US")))
    Analysis(signatures=engine).run(batches([udp(US, CN, b"1"), udp(US, CN, b"2")]))
    assert engine.report()["countries_unreadable"] == 2  # addresses


def test_the_command_line(file: Path, tmp_path: Path) -> None:
    rules = tmp_path / "own.rules"
    rules.write_text("alert ip any any -> any any (geoip:src,US; sid:1;)")
    run = CliRunner().invoke
    assert "1 skipped" in run(cli, ["rules", "check", str(rules)]).output
    assert "1 loaded" in run(cli, ["rules", "check", str(rules), "--geoip", str(file)]).output
