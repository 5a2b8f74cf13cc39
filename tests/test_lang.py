"""The catalogue says everything in every language, and nothing that nobody says any more."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from detectors import DETECTORS
from detectors.signature.detector import TO_CLIENT, TO_SERVER
from detectors.state import settings
from rules import packs
from sensor.cli.doctor import FINDINGS
from sensor.cli.reference import COMMON
from sensor.config import described
from sensor.datasets import EVENTS
from sensor.decode.packets import Outcome
from sensor.events.alert import OUTCOMES, Severity
from sensor.events.vocabulary import Action, Anomaly, Kind
from sensor.lang import LANGUAGES, PAGE, catalogue, counted, default_language, translate, worded

ROOT = Path(__file__).parents[1]
SAYS = ("translate", "say", "counted", "_table", "_line")
OTHERS = [lang for lang in LANGUAGES if lang != "en"]


def sayable() -> Iterator[str]:
    """Every string that the sensor may say in the user's language."""
    yield from PAGE
    yield from OUTCOMES
    yield from (action.name.lower() for action in Action)
    for names in (Anomaly, Kind, Outcome):
        yield from (str(each.name).lower().replace("_", " ") for each in names)  # as the ledger shows them
    yield from (severity.name.lower() for severity in Severity)
    yield from (about for _, _, about in described())
    yield from (text for _, _, found, advice in FINDINGS.values() for text in (found, advice) if text)
    for make in DETECTORS:
        detector = make()
        yield detector.limits
        yield from (text for kind in detector.kinds for text in (kind.title, kind.sentence))
        yield from (each.metadata["about"] for each in settings(detector))
    yield from (TO_SERVER, TO_CLIENT)
    yield from (text for pack in packs() for about in pack.rules.values() for text in (about.title, about.threat))
    for protocol in EVENTS:
        yield from filter(None, (protocol.needs, *(field.about for field in protocol.fields)))
    yield from (field.about for field in COMMON)


def said_by_pages() -> set[str]:
    """The texts that the command line's modules hand to those who translate them."""
    found: set[str] = set()
    for path in (ROOT / "sensor" / "cli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and (node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")) in SAYS:
                values = [item for each in node.args for item in (each.elts if isinstance(each, ast.Tuple) else [each])]
                found |= {each.value for each in values if isinstance(each, ast.Constant) and isinstance(each.value, str)}
    return found


def written() -> set[str]:
    """Every string constant in the product's modules: also what a protocol says that is not in the list yet."""
    paths = [path for package in ("sensor", "detectors") for path in (ROOT / package).rglob("*.py")]
    nodes = (node for path in paths for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.mark.parametrize("lang", OTHERS)
def test_nothing_is_missing(lang: str) -> None:
    missing = sorted(set(sayable()) - set(catalogue(lang)))
    assert not missing, f"sensor/lang/{lang}.yaml lacks {len(missing)} entries:\n" + "\n".join(json.dumps(text, ensure_ascii=False) + ": " for text in missing)


@pytest.mark.parametrize("lang", OTHERS)
def test_nothing_is_stale(lang: str) -> None:
    stale = sorted(set(catalogue(lang)) - set(sayable()) - written())
    assert not stale, f"sensor/lang/{lang}.yaml has {len(stale)} entries that nobody says:\n" + "\n".join(stale)


def test_pages_say_what_the_catalogue_knows() -> None:
    unknown = sorted(said_by_pages() - set(sayable()))
    assert not unknown, "sensor/lang/__init__.py: PAGE lacks\n" + "\n".join(unknown)


@pytest.mark.parametrize("lang", OTHERS)
def test_translations_keep_their_parameters(lang: str) -> None:
    for text, translation in catalogue(lang).items():
        assert set(re.findall(r"\{\w*\}", text)) == set(re.findall(r"\{\w*\}", translation)), text
        assert translation, text


def test_the_locale_chooses() -> None:
    assert default_language({"LANG": "zh_CN.UTF-8"}) == "zh"
    assert default_language({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}) == "en"
    assert default_language({"LC_MESSAGES": "zh", "LANG": "en_GB.UTF-8"}) == "zh"
    assert default_language({"LANG": "fr_FR.UTF-8"}) == default_language({}) == "en"


def test_what_nobody_translated_stays_english() -> None:
    assert translate("no such text", "zh") == "no such text"
    assert translate("Controller stopped", "zh") == "控制器被停止"
    assert translate("Controller stopped", "en") == "Controller stopped"
    assert catalogue("../zh") == {}


def test_one_and_several() -> None:
    assert [counted("{count} flow|{count} flows", n, "en") for n in (0, 1, 2, 1234)] == ["0 flows", "1 flow", "2 flows", "1,234 flows"]
    assert [counted("{count} flow|{count} flows", n, "zh") for n in (1, 2)] == ["1 条流", "2 条流"]
    assert [counted("{count} s", n, "en") for n in (1, 2)] == ["1 s", "2 s"]


def test_names_are_words() -> None:
    assert [worded(name, "en") for name in ("io_device", "engineering_station", "file_access", "own_name")] == [
        "I/O device",
        "engineering station",
        "file access",
        "own name",
    ]
    assert [worded(name, "zh") for name in ("io_device", "bad_value", "own_name")] == ["I/O 设备", "非法值", "own name"]
