"""Rule sets kept for the next start: the same rules come back, and what cannot be trusted or read does not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from detectors.signature import cache
from detectors.signature.cache import Parts, decoded, encoded
from detectors.signature.load import load
from detectors.signature.plan import Plan
from rules import pack_files
from sensor.cli.signatures import kept
from tests.detectors.signature.harness import FIELDS, KNOWN

RULES = r"""
alert tcp any any -> any [80,!8080:8090] (msg:"caf\xe9 |22|"; flow:established,to_server; content:"|00 ff|abc"; nocase; pcre:"/^a[b-d]+$/Ri"; flowbits:set,a; sid:1;)
alert udp $HOME_NET any <> !10.0.0.0/8 any (content:"needle"; offset:2; byte_test:2,>,7,0,relative; threshold:type limit,track by_src,count 1,seconds 9; sid:2;)
alert modbus any any -> any any (modbus.value:>1000; flowint:n,+,1; sid:3;)
alert http any any -> any any (http.host; dataset:isset,bad,type string,load bad.lst; sid:4;)
alert tcp any any -> any any (pcre:"/(unclosed/"; sid:5;)
"""
CONFIG = (
    "suppress gen_id 1, sig_id 2, track by_src, ip 10.0.0.1\nrate_filter gen_id 1, sig_id 1, track by_src, count 2, seconds 10, new_action drop, timeout 3\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Rules with all that lies beside them."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "local.rules").write_text(RULES, encoding="utf-8")
    (folder / "threshold.config").write_text(CONFIG, encoding="utf-8")
    (folder / "bad.lst").write_text("YQ==\n", encoding="utf-8")
    return folder


def planned(*paths: Path) -> Plan:
    rules = load(paths, {}, FIELDS)
    return Plan.of(rules.rules, KNOWN, rules.filters)


def same(one: Plan, other: Plan) -> bool:
    return (
        [(each.rule, each.suppressed, each.rates, each.pattern, each.keys) for each in one.ready]
        == [(each.rule, each.suppressed, each.rates, each.pattern, each.keys) for each in other.ready]
        and one.unable == other.unable
        and one.searched == other.searched
        and one.sizes.tolist() == other.sizes.tolist()
        and list(one.unsearched) == list(other.unsearched)
        and one.lists == other.lists
        and (one.has_pass, one.every, one.stream_sizes) == (other.has_pass, other.every, other.stream_sizes)
    )


def test_a_plan_comes_back_as_it_was(folder: Path, tmp_path: Path) -> None:
    plan = planned(folder, *pack_files())
    assert len(plan.ready) > 400
    assert [reason.partition(":")[0] for _, reason in plan.unable] == ["pcre"]
    cache.write(tmp_path / "cache", "k", plan, {"failed": 2, "skipped": 1})
    found = cache.read(tmp_path / "cache", "k")
    assert found is not None
    assert found[1] == {"failed": 2, "skipped": 1}
    assert same(found[0], plan)
    hits: list[int] = []
    found[0].database.scan(b"..needle..", match_event_handler=lambda number, *_: hits.append(number))
    assert [found[0].ready[rank].rule.sid for number in hits for rank in found[0].searched[number]] == [2]


def test_the_command_line_keeps_and_uses_it(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "cache"
    first, missing = kept([str(folder)], {}, [], str(place))
    assert len(list(place.glob("*.rules"))) == 1
    with monkeypatch.context() as patch:
        patch.setattr("sensor.cli.signatures.read", None)  # nothing is read again
        second, again = kept([str(folder)], {}, [], str(place))
    assert same(first, second)
    assert missing == again == {"failed": 1, "skipped": 0}
    (folder / "threshold.config").write_text("", encoding="utf-8")  # what has changed is made anew
    assert not kept([str(folder)], {}, [], str(place))[0].ready[0].rates
    kept([str(folder)], {"HOME_NET": "[10.0.0.0/8]"}, [], str(place))
    assert len(list(place.glob("*.rules"))) == 3
    kept([str(folder)], {}, [], "none")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "writable", "linked", "not json", "other values", "no database"])
def test_what_cannot_be_used_is_said_and_made_anew(damage: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "cache"
    first, _ = kept([str(folder)], {}, [], str(place))
    (file,) = place.glob("*.rules")
    content = file.read_bytes()
    body = {
        "not json": (9).to_bytes(8) + b'{"ready":',
        "other values": content[32:].replace(b'["Content"', b'["Path"', 1),
        "no database": content[32:-200],
    }
    if damage in body:
        import hashlib

        file.write_bytes(hashlib.sha256(body[damage]).digest() + body[damage])
    elif damage == "writable":
        file.chmod(0o666)
    elif damage == "linked":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    else:
        file.write_bytes({"cut": content[:-1], "flipped": content[:99] + bytes([content[99] ^ 1]) + content[100:], "empty": b""}[damage])
    second, _ = kept([str(folder)], {}, [], str(place))
    assert "not used" in capsys.readouterr().err
    assert same(first, second)
    kept([str(folder)], {}, [], str(place))  # and there is a good one now
    assert capsys.readouterr().err == ""


def test_a_place_that_cannot_be_written_is_said(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    plan, _ = kept([str(folder)], {}, [], str(tmp_path / "file"))
    assert plan.ready
    assert "not kept" in capsys.readouterr().err


def test_lists_are_read_anew(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "cache"
    _, before = kept([str(folder)], {}, [], str(place))
    (folder / "bad.lst").write_text("Yg==\n", encoding="utf-8")
    assert list(kept([str(folder)], {}, [], str(place))[0].lists.entries["bad"]) == [b"b"]
    (folder / "bad.lst").unlink()
    plan, missing = kept([str(folder)], {}, [], str(place))
    assert missing == before | {"skipped": before["skipped"] + 1}
    assert 4 in [rule.sid for rule, _ in plan.unable]


def test_a_file_that_cannot_be_read_is_told_by_whoever_reads_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Path.open

    def refused(self: Path, *words: Any, **more: Any) -> Any:
        if self.name == "local.rules":
            raise PermissionError(13, "Permission denied", str(self))
        return whole(self, *words, **more)

    monkeypatch.setattr(Path, "open", refused)
    assert kept([str(folder)], {}, [], str(tmp_path / "cache"))[1] == {"failed": 1, "skipped": 0}
    assert capsys.readouterr().err == ""


def test_few_are_kept(folder: Path, tmp_path: Path) -> None:
    plan = planned(folder)
    for i in range(12):
        cache.write(tmp_path / "cache", str(i), plan, {"failed": 0, "skipped": 0})
        os.utime(tmp_path / "cache" / f"{i}.rules", (i, i))
    assert {file.stem for file in (tmp_path / "cache").iterdir()} == {str(i) for i in range(4, 12)}


def test_values_of_rules_are_json() -> None:
    for plan in [planned(*pack_files())]:
        parts, found = Parts(), list[Any]()
        texts = [json.dumps(encoded(ready.rule, parts)) for ready in plan.ready]
        for each in json.loads(json.dumps(parts.encoded)):
            found.append(decoded(each, found))
        for text, ready in zip(texts, plan.ready, strict=True):
            assert decoded(json.loads(text), found) == ready.rule
