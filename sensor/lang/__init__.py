"""The catalogue: every sentence the sensor says, in the user's language. The English text is the key; zh.yaml holds its Simplified Chinese."""

from __future__ import annotations

import os
from functools import cache
from importlib import resources

import yaml

LANGUAGES = ("en", "zh")


def translate(text: str, lang: str) -> str:
    """`text` in this language; as it is where the language is English or the catalogue does not know it."""
    return text if lang == "en" else catalogue(lang).get(text, text)


@cache
def catalogue(lang: str) -> dict[str, str]:
    """English to another language; empty for a language that there is none for."""
    file = resources.files("sensor.lang").joinpath(f"{lang}.yaml")
    if lang not in LANGUAGES or not file.is_file():
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    entries: dict[str, str] = yaml.load(file.read_text("utf-8"), loader)  # noqa: S506  # both are safe loaders; the C one is ten times as fast
    return entries


def default_language(environment: dict[str, str] | None = None) -> str:
    """The language that the locale asks for (POSIX: the first that is set of LC_ALL, LC_MESSAGES, LANG), English where it is none of ours."""
    variables = os.environ if environment is None else environment
    locale = next((variables[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if variables.get(name)), "")
    lang = locale.partition(".")[0].partition("_")[0].lower()
    return lang if lang in LANGUAGES else "en"


# What the command line's pages say, besides what fields and detectors say of themselves.
PAGE: tuple[str, ...] = (
    "Alerts", "Assets", "Conversations", "Ledger", "Protocols", "Severity", "Time", "Title", "What was seen", "Client", "Server", "Protocol", "Count", "Frames",
    "Technique", "Class", "Detector", "Setting", "Default", "Meaning", "Field", "Type", "Unit", "low", "medium", "high", "critical", "enabled", "disabled",
    "No alerts", "What it cannot do",
)  # fmt: skip
