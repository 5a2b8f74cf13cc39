"""Many rules that are like real ones and that mostly do not match: each is one of those at hand with other contents, numbers and ports.

`python -m bench.rules N FILE`: the rules at hand and as many others as make N.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from detectors.signature.load import load
from rules import pack_files
from sensor.protocols import PROTOCOLS

PUBLIC = Path(__file__).parents[2] / "shared" / "rules"
FIRST_SID = 50_000_000
FEW = 0.03  # of the variations: of rules that search for nothing of six bytes or more
_CONTENT = re.compile(r'((?:content|uricontent):\s*!?)"((?:[^"\\]|\\.)*)"')
_HEADER = re.compile(r"^(\w+ +\S+ +\S+ +)(\S+)( +(?:->|<>) +\S+ +)(\S+)( *\()")
_OPTIONS = re.compile(r"(content|uricontent|pcre|sid|msg|reference|metadata|rev|depth|offset|distance|within|flow|threshold|detection_filter|priority)\b")
_LONG = re.compile(r'content:\s*"(?:\|(?:[0-9a-fA-F]{2} ?){6,}|[^"|]{6,})')
_SID = re.compile(r"\bsid:\s*\d+")
_PCRE_BYTE = re.compile(r"\\x[0-9a-fA-F]{2}|(?<![\\\w])[a-zA-Z](?=[a-zA-Z])")
_LETTERS = "etaoinshrdlucmfwypvbgkqjxz"


def at_hand() -> list[str]:
    """The public rules and those that ship, as text."""
    paths = [*([PUBLIC] if PUBLIC.is_dir() else []), *pack_files()]
    return [" ".join(rule.text.split()) for rule in load(paths, {}, {protocol.name: protocol.fields for protocol in PROTOCOLS}).rules]


def many(n: int, seed: int = 1) -> Iterator[str]:
    """N rules: those at hand, then variations. Of what has no long content there are as few among these as in general sets, and none that says just the same again."""
    given, chance = at_hand(), random.Random(seed)
    yield from given[:n]
    long, short = ([each for each in given if bool(_LONG.search(each)) == is_long] for is_long in (True, False))
    i = len(given)
    while i < n:
        base = chance.choice(short if chance.random() < FEW else long)
        text = varied(base, FIRST_SID + i, chance)
        if _SID.sub("", text) != _SID.sub("", base):
            yield text
            i += 1


def varied(text: str, sid: int, chance: random.Random) -> str:
    """A rule of the same shape about something else."""
    text = _SID.sub(f"sid:{sid}", text)
    text = _CONTENT.sub(lambda found: f'{found[1]}"{_content(found[2], chance)}"', text)
    text = _HEADER.sub(lambda found: f"{found[1]}{_port(found[2], chance)}{found[3]}{_port(found[4], chance)}{found[5]}", text)
    return ";".join(_option(each, chance) for each in re.split(r";(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", text))


def _content(content: str, chance: random.Random) -> str:
    """Other bytes of the same kind: hexadecimal ones are any, but 00 and FF stay as common as they are; letters are letters."""
    parts = content.split("|")
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = " ".join(each if each in ("00", "ff", "FF") else f"{chance.randrange(1, 255):02x}" for each in part.split())
        else:
            parts[i] = re.sub(r"(?<!\\)[a-zA-Z]", lambda _: chance.choice(_LETTERS), part)
    return "|".join(parts)


def _port(port: str, chance: random.Random) -> str:
    """One port in two is another one; any, variables and lists stay."""
    return str(chance.randrange(1, 65_536)) if port.isdecimal() and chance.random() < 0.5 else port


def _option(option: str, chance: random.Random) -> str:
    """Numbers of other keywords are others; letters and bytes of expressions, too."""
    name = option.strip().partition(":")[0]
    if name == "pcre":
        begin, expression, end = re.match(r"([^/]*/)(.*)(/.*)", option, re.DOTALL).groups()  # type: ignore[union-attr]  # it was read before
        other = _PCRE_BYTE.sub(lambda found: f"\\x{chance.randrange(1, 255):02x}" if found[0].startswith("\\") else chance.choice(_LETTERS), expression)
        return f"{begin}{other}{end}"
    if _OPTIONS.match(name) or "(" in name:
        return option
    return re.sub(r"(?<=[:>=<, ])\d{2,3}(?=\s*$)", lambda _: str(chance.randrange(10, 250)), option)


def write(path: Path, n: int) -> Path:
    path.write_text("\n".join(many(n)) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    write(Path(sys.argv[2]), int(sys.argv[1]))
