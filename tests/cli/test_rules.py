"""`tapsight rules`: what becomes of rule files."""

from __future__ import annotations

import json
import re
import shlex
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner

from rules import pack_files, packs
from sensor.cli.main import cli
from sensor.cli.signatures import places
from tests.detectors.signature.harness import talk

GOOD = 'alert tcp any any -> $HOME_NET any (msg:"good \x1b[31m[red]"; content:"a"; rawbytes; sid:1;)\n'
BAD = 'alert tcp any any -> any any (contnt:"\x1b[31m"; sid:2;)\n# alert tcp any any -> any any (sid:3;)\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.rules"
    path.write_text(GOOD + BAD)
    return path


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["rules", *words])
    return result.exit_code, result.output


def test_check_says_what_is_not_loaded(file: Path) -> None:
    code, text = run("check", str(file))
    assert code == 1
    assert f"{file}:2: sid 2 failed: contnt: no such keyword; did you mean content" in text
    assert f"{file}:3: sid 3 disabled: commented out" in text
    assert "accepted: rawbytes has no effect" in text
    assert f"{file}: 1 loaded, 1 disabled, 1 failed" in text
    assert "\x1b" not in text


def test_check_of_good_rules(file: Path) -> None:
    file.write_text(GOOD)
    assert run("check", str(file))[0] == 0


def test_check_for_programs(file: Path) -> None:
    code, text = run("check", str(file), "--format", "json")
    found = json.loads(text)
    assert code == 1
    assert found["total"] == {"loaded": 1, "disabled": 1, "skipped": 0, "failed": 1}
    assert [each["keyword"] for each in found["problems"]] == ["contnt", ""]


def test_check_says_which_rule_of_one_sid_is_kept_and_why(tmp_path: Path) -> None:
    rule = 'alert tcp any any -> any any (msg:"{}"; content:"a"; sid:{}; rev:{};)\n'
    one, two = tmp_path / "one.rules", tmp_path / "two.rules"
    one.write_text(rule.format("a", 1, 1) + rule.format("b", 2, 5) + rule.format("c", 3, 1))
    two.write_text(rule.format("x", 1, 2) + rule.format("b", 2, 5) + rule.format("z", 3, 1))
    code, text = run("check", str(one), str(two))
    assert code == 1
    assert text.splitlines()[:3] == [
        f"{one}:1: sid 1 skipped: sid: another rule with this sid is {two}:1, which is kept: its rev (2) is higher than this one's (1)",
        f"{two}:2: sid 2 skipped: sid: the same rule as {one}:2, which is kept",
        f"{two}:3: sid 3 failed: sid: another rule with this sid is {one}:3, which is kept: it has the same rev (1) and comes first",
    ]


def test_packs_are_the_rules_that_ship(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file.write_text(GOOD)
    code, text = run("check", "packs", str(file))
    assert code == 0, text
    assert text.splitlines()[-1] == f"all files: {sum(len(pack.rules) for pack in packs()) + 1} loaded"
    assert places(["packs", "a.rules"]) == [*map(str, pack_files()), "a.rules"]
    (tmp_path / "packs").mkdir()
    assert places(["packs"]) == ["packs"]


def test_list(file: Path) -> None:
    code, text = run("list", str(file))
    assert (code, text) == (0, "1:1:0  alert tcp  good \\x1b[31m[red]\n")
    assert json.loads(run("list", str(file), "--format", "json")[1])[0]["id"] == "1:1"


def test_variables(file: Path) -> None:
    file.write_text("alert tcp any $X_PORTS -> $PLANT any (sid:1;)\n")
    assert run("check", str(file))[0] == 1
    assert run("check", str(file), "--var", "X_PORTS=[1,2]", "--var", "$PLANT=$HOME_NET", "--home-net", "10.0.0.0/8,192.0.2.0/24")[0] == 0


@pytest.mark.parametrize(
    "words", [("--var", "X"), ("--var", "X="), ("--var", "1=2"), ("--var", "X=!any"), ("--home-net", "plant"), ("--home-net", "$HOME_NET")]
)
def test_wrong_variables(file: Path, words: tuple[str, str]) -> None:
    assert run("check", str(file), *words)[0] == 2


def test_what_a_run_says_of_missing_rules_names_the_command_that_says_why(file: Path, demo_capture: Path, tmp_path: Path) -> None:
    config = tmp_path / "it's.yaml"
    config.write_text("rules: {variables: {PLANT: 10.0.0.1}}\n")
    file.write_text(
        'alert tcp any $X_PORTS -> $PLANT any (content:"a"; sid:1;)\nalert tcp any any -> any any (flow:to_server; content:"b"; dsize:<1; sid:2;)\n'
    )
    words = ["--rules", str(file), "--var", "X_PORTS=[1, 2]", "--home-net", "10.0.0.0/8", "--config", str(config)]
    done = CliRunner().invoke(cli, ["analyze", str(demo_capture), "--quiet", *words])
    assert done.exit_code == 0
    (told,) = [line for line in done.stderr.splitlines() if " rules at work, " in line]
    assert told.startswith("tapsight: 1 rules at work, 1 not: tapsight rules check ")
    code, text = run(*shlex.split(told.partition(" not: tapsight rules ")[2].removesuffix(" says why")))
    assert code == 1
    assert f"{file}:2: sid 2 failed: dsize: " in text
    assert "sid 1" not in text


def test_check_of_what_a_configuration_names(file: Path, tmp_path: Path) -> None:
    config, thresholds = tmp_path / "tapsight.yaml", tmp_path / "limits"
    config.write_text(f"rules: {{paths: ['{file}'], home_net: [10.0.0.0/8]}}\n")
    thresholds.write_text("suppress gen_id 1\n")
    assert f"{file}:2: sid 2 failed: contnt" in run("check", "--config", str(config))[1]
    assert run("list", "--config", str(config))[1].startswith("1:1:0  alert tcp")
    assert f"{thresholds}:1: failed: threshold.config: " in run("check", str(file), "--threshold-config", str(thresholds))[1]
    assert run("check")[0] == run("list")[0] == 2
    config.write_text("rules: {packs: false}\n")
    assert run("check", "--config", str(config))[0] == 2


def test_lines_that_are_left_out_of_lists_are_told(file: Path, demo_capture: Path) -> None:
    file.write_text('alert ip any any -> any any (msg:"rep"; iprep:any,CnC,>,30; sid:1;)\n')
    (file.parent / "iprep").mkdir()
    (file.parent / "iprep" / "categories.txt").write_text("1,CnC,x\n")
    (file.parent / "iprep" / "a.list").write_text("10.0.0.1,1,80\n10.0.0.2,1\n")
    said = f"{file.parent}/iprep/a.list:2: left out: 10.0.0.2,1 has fewer than 3 parts"
    code, text = run("check", str(file))
    assert (code, text.splitlines()[0]) == (0, said)
    for _ in range(2):  # the second time the rules come ready
        done = CliRunner().invoke(cli, ["analyze", str(demo_capture), "--quiet", "--rules", str(file), "--rule-cache", str(file.parent / "cache")])
        assert (done.exit_code, done.stderr) == (0, f"tapsight: {said}\n")


def test_an_analysis_with_none_of_the_named_rules_at_work_is_refused(file: Path, tmp_path: Path, demo_capture: Path) -> None:
    (tmp_path / "empty").mkdir()
    file.write_text("alert tcp any any -> any any (contnt:1; sid:2;)\n")
    for place in (tmp_path / "empty", file):
        done = CliRunner().invoke(cli, ["analyze", str(demo_capture), "--quiet", "--rules", str(place)])
        assert done.exit_code == 2
        assert f"none of these rules is at work: tapsight rules check {place} says why" in done.stderr


def test_hints_about_what_snort_reads_otherwise(file: Path) -> None:
    file.write_text('alert tcp any any -> any any (content:"a"; byte_jump:2,4; isdataat:0,relative; sid:1;)\n')
    assert f"{file}:1: accepted: isdataat:0,relative always holds, as Suricata reads it" in run("check", str(file))[1]
    file.write_text('alert tcp any any -> any any (content:"a"; isdataat:!1,relative; isdataat:0; sid:1;)\n')
    assert "isdataat" not in run("check", str(file))[1]


def test_explain_names_what_an_expression_captures(file: Path) -> None:
    file.write_text('alert tcp any any -> any any (pcre:"/a(b)c/i"; sid:1;)\nalert tcp any any -> any any (pcre:"/a(?P<flow_x>b)/"; sid:2;)\n')
    assert "captures" not in run("explain", "1", "--rules", str(file))[1]
    assert "captures the flow text x\n" in run("explain", "2", "--rules", str(file))[1]


def test_a_missing_file(tmp_path: Path) -> None:
    code, text = run("check", str(tmp_path / "no.rules"))
    assert code == 1
    assert "No such file" in text


def test_explain_and_profile(file: Path, tmp_path: Path) -> None:
    file.write_text(
        'alert tcp any any -> any 502 (msg:"write"; flow:to_server; content:"|06|"; offset:7; depth:1; modbus.unit_id:1; sid:7;)\n'
        'alert tcp any any -> any any (msg:"needle"; content:"needle"; fast_pattern; pcre:"/le$/"; sid:8;)\n'
    )
    capture = tmp_path / "a.pcap"
    write = b"\0\1\0\0\0\6\1\6\0\x10\x12\x34"
    capture.write_bytes(pcap(talk((0, write), (1, write)) + talk((0, b"needle" + b"." * 40), (0, b"needle"), ends=(("10.0.0.3", 1_025), ("10.0.0.4", 80)))))
    code, text = run("explain", "7", str(capture), "--rules", str(file))
    assert code == 0, text
    assert "flow: to_server" in text
    assert "content '\\x06': offset 7, depth 1" in text
    assert [int(line.split()[0]) for line in text.splitlines()[-6:]][:2] == [2, 1]
    assert [line.split() for line in text.splitlines()[-2:]] == [["1", "confirmed"], ["1", "alerts"]]  # columns decided
    code, text = run("explain", "8", str(capture), "--rules", str(file))
    assert code == 0, text
    assert text.splitlines()[-1].split() == ["1", "alerts"]
    assert int(text.splitlines()[-4].split()[0]) == 2  # by the search
    code, text = run("profile", str(capture), "--rules", str(file))
    assert code == 0, text
    assert {line.split()[-2] + line.split()[2] for line in text.splitlines()[1:]} == {"1:71", "1:81"}
    assert run("explain", "99", "--rules", str(file))[0] == 1
    assert "no rule has the sid 99" in run("explain", "99", "--rules", str(file))[1]


def test_what_can_be_read_of_captures_is_counted(file: Path, tmp_path: Path) -> None:
    """As `analyze` does: what is wrong is told, and the exit code is 1."""
    file.write_text('alert tcp any any -> any 502 (msg:"write"; content:"|06|"; sid:7;)\n')
    content = pcap(talk((0, b"\0\1\0\0\0\6\1\6\0\x10\x12\x34")))
    cut = tmp_path / "a.pcap"
    cut.write_bytes(content[:-3])
    (tmp_path / "b.pcap").write_bytes(content)
    for words, counts in ((("explain", "7", str(tmp_path)), ["1", "alerts"]), (("profile", str(tmp_path)), ["1", "1:7", "write"])):
        done = CliRunner().invoke(cli, ["rules", *words, "--rules", str(file)])
        assert done.exit_code == 1
        assert done.stderr.startswith(f"tapsight: {cut}: ")
        assert done.stdout.split()[-len(counts) :] == counts


def test_explain_shows_what_variables_stand_for(file: Path) -> None:
    file.write_text("alert tcp $MODBUS_CLIENT any -> !$PLANT $X_PORTS (sid:1;)\n")
    code, text = run("explain", "1", "--rules", str(file), "--var", "PLANT=[10.1.0.0/16,$HOME_NET]", "--var", "X_PORTS=502", "--home-net", "10.0.0.0/8")
    assert code == 0, text
    assert text.splitlines()[1:5] == ["  $MODBUS_CLIENT is $HOME_NET", "  $PLANT is [10.1.0.0/16,$HOME_NET]", "  $X_PORTS is 502", "  $HOME_NET is 10.0.0.0/8"]


def test_explain_is_in_words(file: Path) -> None:
    file.write_text(
        'alert tcp any any -> any any (content:"a"; byte_test:4,!&,0x80,2,relative,little; byte_jump:2,0,multiplier 2,align,from_beginning,post_offset 3; '
        "byte_extract:1,5,length; byte_math:bytes 2,offset 1,oper +,rvalue length,result sum; isdataat:!sum,relative; "
        "byte_test:3,>,5,0,string,dec; sid:1;)\n"
    )
    code, text = run("explain", "1", "--rules", str(file))
    assert code == 0, text
    assert [line.strip() for line in text.splitlines() if line.startswith("  ")] == [
        "content 'a'",
        "byte_test: the 4 bytes at 2 behind the last match, little endian not & 128",
        "byte_jump: by the 2 bytes at 0, times 2, from the beginning, to a multiple of 4, and by 3",
        "byte_extract: length is the 1 byte at 5",
        "byte_math: sum is the 2 bytes at 1 + length",
        "not isdataat: position sum, relative",
        "byte_test: the 3 bytes at 0 of dec digits > 5",
    ]


def test_explain_says_why_a_rule_is_not_at_work(file: Path) -> None:
    file.write_text("alert tcp any any -> any any (geoip:any,CN; sid:9;)\n")
    code, text = run("explain", "9", "--rules", str(file))
    assert code == 1
    assert f"{file}:1: sid 9 skipped: geoip: no database of countries is named" in text


def test_explain_a_rule_that_ships() -> None:
    code, text = run("explain", "9000001")
    assert code == 0, text
    assert "looks at s7comm" in text


def pcap(frames: list[bytes]) -> bytes:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)
    return head + b"".join(struct.pack("<IIII", i, 0, len(frame), len(frame)) + frame for i, frame in enumerate(frames, 1))


def test_a_rule_is_drafted_from_an_alert(tmp_path: Path) -> None:
    """What a rule found, a rule made of it finds."""
    stop = bytes.fromhex("0300002102f080320100000000001000002900000000000009505f50524f4752414d")
    capture, rules_file = tmp_path / "stop.pcap", tmp_path / "made.rules"
    frames = talk((0, stop), ends=(("10.0.0.1", 40_000), ("10.0.0.2", 102)))
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)
    capture.write_bytes(header + b"".join(struct.pack("<IIII", 1, i, len(frame), len(frame)) + frame for i, frame in enumerate(frames)))
    exported = CliRunner().invoke(cli, ["export", str(capture), "alert", "--format", "ndjson"])
    [stopped] = [each for each in map(json.loads, exported.output.splitlines()) if each["title"] == "Controller stopped"]
    code, text = run("new-from", stopped["id"][:12], str(capture), "--sid", "1000007")
    assert code == 0, text
    comment, rule = text.strip().splitlines()
    assert "; fires once in " in comment
    assert rule.startswith("alert s7comm 10.0.0.1 any -> 10.0.0.2 102 (")
    assert "action:stop; " in rule
    assert "s7comm.function:41; " in rule
    rules_file.write_text(rule + "\n")
    assert run("check", str(rules_file))[0] == 0
    assert run("new-from", "ffffffffffffffffffff", str(capture))[0] == 2


def test_a_rule_is_drafted_from_what_a_rule_found(file: Path, tmp_path: Path) -> None:
    file.write_text('alert modbus any any -> $PLC any (msg:"mine"; modbus.function:6; sid:7;)\n')
    (tmp_path / "a.pcap").write_bytes(pcap(talk((0, b"\0\1\0\0\0\6\1\6\0\x10\x12\x34"), ends=(("10.0.0.1", 40_000), ("10.0.0.2", 502)))))
    words = ["--rules", str(file), "--var", "PLC=10.0.0.2"]
    done = CliRunner().invoke(cli, ["analyze", str(tmp_path), "--quiet", "--ndjson", "-", "--only", "alert", *words])
    assert done.exit_code == 0, done.stderr
    first = next(each["event"]["id"] for each in map(json.loads, done.stdout.splitlines()) if each["rule"]["name"] == "mine")
    code, text = run("new-from", first, str(tmp_path), *words)
    assert code == 0, text
    assert f"# from alert {first}; fires once in {tmp_path}" in text
    assert "modbus.function_code:6" in text
    assert run("new-from", first, str(tmp_path))[0] == 2


def test_a_rule_is_drafted_from_what_both_sides_asked_for(demo_capture: Path) -> None:
    """The client begins to load a program into an S7 controller, which then asks for its parts."""
    exported = CliRunner().invoke(cli, ["export", str(demo_capture), "alert", "--format", "ndjson"])
    loaded = next(each for each in map(json.loads, exported.output.splitlines()) if each["title"] == "Program downloaded")
    code, text = run("new-from", loaded["id"], str(demo_capture))
    assert code == 0, text
    assert f"; fires {loaded['count']} times in " in text
    assert re.search(r"alert s7comm \S+ any <> \S+ 102 \(msg:\"Program downloaded\"; action:download; ", text)


def test_who_talks_is_drafted_as_a_rule_on_the_ends(demo_capture: Path, file: Path) -> None:
    exported = CliRunner().invoke(cli, ["export", str(demo_capture), "alert", "--format", "ndjson"])
    found = next(each for each in map(json.loads, exported.output.splitlines()) if each["detector"] == "internet-address")
    code, text = run("new-from", found["id"], str(demo_capture))
    assert code == 0, text
    comment, rule = text.strip().splitlines()
    assert "; fires once in " in comment
    ends = re.escape(f"{found['client_ip']} any <> {found['server_ip']} 502")
    assert re.fullmatch(rf'alert {found["protocol"]} {ends} \(msg:"[^"]*"; threshold:[^;]*; classtype:misc-attack; sid:1000001; rev:1;\)', rule)
    file.write_text(rule)
    assert run("check", str(file)) == (0, f"{file}: 1 loaded\n")


def test_a_draft_holds_for_every_command_of_the_alert(demo_capture: Path, tmp_path: Path) -> None:
    exported = CliRunner().invoke(cli, ["export", str(demo_capture), "alert", "--format", "ndjson"])
    alerts = {(each["title"], each["protocol"]): each for each in map(json.loads, exported.output.splitlines())}
    written = alerts["Write from a host that scanned", "modbus"]
    code, text = run("new-from", written["id"], str(demo_capture))
    assert code == 0, text
    assert f"; fires {written['count']} times in " in text
    code, text = run("new-from", alerts["Controller scan", None]["id"], str(demo_capture))
    assert code == 1
    assert "is about no command that a rule could ask for" in text
