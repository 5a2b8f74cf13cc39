"""The catalogue: every sentence the sensor says, in the user's language. The English text is the key; zh.yaml holds its Simplified Chinese."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from functools import cache
from importlib import resources

import yaml

LANGUAGES = ("en", "zh")


def translate(text: str, lang: str) -> str:
    """`text` in this language; as it is where the catalogue does not know it."""
    return catalogue(lang).get(text, text)


def worded(name: str, lang: str) -> str:
    """A name of ours (of a role, an action, an attribute) as this language's readers know it."""
    text = translate(name, lang)
    return text if text != name else translate(name.replace("_", " "), lang)


def counted(text: str, count: int, lang: str) -> str:
    """So many of something. text: "{count} flow|{count} flows", for one and for several; languages that make no difference have one text for both."""
    one, _, several = translate(text, lang).partition("|")
    return (one if count == 1 or not several else several).format(count=f"{count:,}")


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


def near(word: str, known: Iterable[str]) -> str:
    """The names that somebody may have meant."""
    names = list(known)
    close = difflib.get_close_matches(word, names, 3, 0.5) or sorted(name for name in names if word and (word in name or name in word))[:3]
    return f"; did you mean {', '.join(close)}?" if close else f"; there are {', '.join(sorted(names))}"


# What the command line's pages say, besides what fields and detectors say of themselves.
PAGE: tuple[str, ...] = (
    "Alerts", "Assets", "Conversations", "Ledger", "Protocols", "Severity", "Count", "Frames", "What was seen", "Client", "Server",
    "Protocol", "Address", "MAC", "Role", "Vendor and model", "Serves → uses", "What it said of itself", "Flows", "Packets", "Bytes", "Transport", "Action",
    "Refused", "Other traffic, by server port or EtherType", "Acts on controllers", "none", "{count} more: --all shows them", "frame", "frames", "id", "packets", "Time", "Usually",
    "{count}, {folded} of them told with others", "Also rule {rule} of {ruleset}: {title}.", "{name} (not decoded)", "{count} byte|{count} bytes",
    "{count} packet|{count} packets", "{count} flow|{count} flows", "{count} problem|{count} problems", "{count} day|{count} days", "{count} h", "{count} min", "{count} s",
    "{count} ms", "as above",
    "applications", "conversations broken", "conversations evicted", "conversations failed", "sensor", "engine", "sources", "spool", "delivery",
    "not read", "marked", "payload bytes", "anomalies", "forgotten", "does not balance", "a mistake of this program; please report it", "low", "medium", "high", "critical", "all",
    "unrecognised", "cut short", "bad checksum", "link types", "ip protocols", "ethertypes", "events", "events foreign", "bytes decoded", "bytes skipped", "bytes gap",
    "bytes foreign", "bytes trailing", "bytes failed", "bytes padding", "retransmitted", "padding",
    "bytes retransmitted", "bytes unfinished", "bytes unrecognised", "requests paired", "requests unanswered", "responses unasked", "requests dropped",
    "messages incomplete", "field", "protocol", "dtype", "unit", "description", "ecs", "wireshark", "keyword", "title", "tcp", "udp", "fields", "limits", "alert",
    "severity", "techniques", "gbt_20986", "needs", "key", "default", "meaning", "controller", "io_device", "outstation", "ied", "engineering_station", "gateway", "hmi",
    "external", "publishes",
    "consumer", "dataset", "produced", "delivered", "duplicate", "dead_letter", "passed_over", "dropped", "waiting", "lane", "segment", "segments", "appended", "records", "lost",
    "problem", "damaged", "unreadable", "not in the index", "not valid", "reserve", "in use by process", "damaged segments kept", "segments missing",
    "segments damaged", "segments unreadable", "torn octets", "index lost", "index not saved", "quota", "disk full", "disk error", "too large", "missing",
    "no longer kept",
    "time", "addresses", "transport", "payload", "outcome", "interface", "no event", "nothing that is decoded ends in this frame", "anomaly", "VLAN",
    # what devices say of themselves
    "name", "model", "product", "firmware", "serial", "hardware", "vendor", "device_type", "product_code", "description", "chassis", "copyright", "server_id", "role", "ip",
    "alias", "software", "os", "os_version", "model_name", "vendor_url", "user_application_name", "module_name", "module_type", "plant_identification", "location",
    "memory_card_serial_number", "oem_copyright", "profinet_vendor_id", "profinet_device_id",
    # status
    "Service", "running since {started}, {time}; listening to {sources}", "Taps", "Folders and streams",
    "{packets} packets, {per_second} packets/s, {bytes}/s over the last {seconds} s",
    "lag {lag} ms; a batch takes {median} ms, {p99} ms at worst; memory {memory}", "Engine", "Detection", "alerts: {alerts}", "rules at work: {rules}",
    "failed: {rules}", "skipped: {rules}", "Delivery", "produced = delivered + duplicate + dead letter + passed over + dropped + waiting", "in the spool",
    "Not understood", "tap", "state", "packets/s", "bytes/s", "dropped/s", "ring fill", "lag ms", "site", "version", "profile", "shed", "up", "no carrier",
    "down", "gone", "tap {name}: {state}", "tap {name}: the kernel dropped {n} packets as the ring was full", "tap {name}: its ring is {fill} full",
    "tap {name}: offloads made {n} packets of several (tapsight doctor says what to do)", "{name}: {problem}", "the engine is {lag} ms late",
    "{n} events and values were not looked at as the engine was late", "new rules could not be read, the old ones are at work: {problem}",
    "rules that are not at work: {failed} failed, {skipped} skipped; tapsight rules check says why",
    "records that were dropped before they were delivered: {n}", "records that were refused for good (dead letters): {n}", "spool: {problem}",
    "does not balance: {problem}",
    "a mistake of this program, please report it: {what} failed; times: {n}",
)  # fmt: skip
