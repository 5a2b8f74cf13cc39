"""`tapsight doctor`: whether this machine is fit to listen, and what to do where it is not.

Sources: adjtimex(2), capabilities(7).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import os
import shutil
import socket
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sensor.cli.settings import config_option, lang_option
from sensor.cli.terminal import printable

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from sensor.config import Config, ElasticsearchSettings

OK, WARNING, FAILED = "ok", "warning", "failed"
LITTLE, SCARCE = 256 << 20, 2 << 30  # bytes free: too few to work, too few for long
PATIENCE_S = 5  # with Elasticsearch
MOST_FILES = 10_000  # of the state whose owners are looked at
TIME_ERROR, TIMEX = 5, 208  # adjtimex: not synchronised; size of its structure

# finding -> what is checked, how that is, what was found, what to do
FINDINGS = {
    "config": ("configuration", OK, "{path} is good.", ""),
    "bad config": ("configuration", FAILED, "{problem}", "Mend the configuration; until then the rest is checked as if nothing were configured."),
    "missing": ("configuration", FAILED, "{problem}", "Make it, or take it out of the configuration."),
    "right": ("rights", OK, "Interfaces may be listened on.", ""),
    "no right": ("rights", FAILED, "Listening on an interface needs CAP_NET_RAW, which this user has not.",
                 "Start as root and name a user to become, or give the service AmbientCapabilities=CAP_NET_RAW."),
    "no interface": ("interface", FAILED, "There is no interface {name}.", "Name one of these with -i: {others}."),
    "none": ("interface", FAILED, "No interface is up, but for loopback.", "Connect one to a mirror port or tap, and run: ip link set NAME up"),
    "up": ("interface", OK, "{name} is up and has a link.", ""),
    "no carrier": ("interface", FAILED, "{name} is up, but has no link.", "Look after the cable, and whether the port at its other end is switched on."),
    "down": ("interface", FAILED, "{name} is down.", "Run: ip link set {name} up"),
    "kind": ("interface", FAILED, "{name} is of a kind whose packets are not read (ARPHRD {kind}).", "Listen on the Ethernet interface below it."),
    "promiscuous": ("promiscuous", OK, "{name} can be made to hear what is for others.", ""),
    "not promiscuous": ("promiscuous", FAILED, "{name} cannot be made to hear what is for others: {error}.", "Allow promiscuous mode where the interface is virtual: its host decides."),
    "apart": ("offloads", OK, "{name} leaves packets as they came.", ""),
    "merging": ("offloads", WARNING, "{name} makes one packet of several ({features}): sizes and counts are not those of the wire.", "Run: ethtool -K {name} {switches}"),
    "no offloads": ("offloads", WARNING, "{name} does not say whether it makes one packet of several: {error}.", "Look at: ethtool -k {name}"),
    "filter": ("filters", OK, "Capture filters can be compiled.", ""),
    "no filter": ("filters", WARNING, "Capture filters cannot be compiled: there is no libpcap.", "Install libpcap (package libpcap0.8), or use no filter."),
    "clock": ("clock", OK, "The clock is synchronised, to {error_ms} ms at worst.", ""),
    "no clock": ("clock", WARNING, "The clock is not synchronised: times of packets and alerts are what it says.", "Run a time service, such as chrony, against the plant's time source."),
    "disk": ("disk", OK, "{path} has {free} free.", ""),
    "scarce disk": ("disk", WARNING, "{path} has only {free} free.", "Make room: what cannot be delivered waits there."),
    "no disk": ("disk", FAILED, "{path} has only {free} free.", "Make room: what cannot be delivered waits there."),
    "not writable": ("disk", FAILED, "{path} cannot be written to.", "Make it the folder of the user that the sensor runs as: chown USER {path}"),
    "user": ("user", OK, "{user} is let into what is configured.", ""),
    "no user": ("user", FAILED, "{problem}.", "Name a user without rights, or make one: useradd --system NAME"),
    "shut out": ("user", FAILED, "{problem}.", "Let that user in: the sensor opens it once its rights are given up."),
    "foreign": ("state", FAILED, "{n} files in {path} belong to others than {user}, such as {file}.", "Run: chown -R {user} {path}"),
    "handed over": ("state", WARNING, "{n} files in {path} belong to others than {user}, such as {file}: a start as root gives them to {user}.",
                    "Nothing, unless somebody else uses the folder: then name another (run.state)."),
    "open state": ("state", WARNING, "Everybody may write into {path}.", "Run: chmod o-w {path}"),
    "rules": ("rules", OK, "{n} rules load.", ""),
    "some rules": ("rules", WARNING, "{n} rules load, {failed} failed and {skipped} are skipped.", "See why: {command}"),
    "no rules": ("rules", FAILED, "None of the rules loads: {failed} failed and {skipped} are skipped.", "See why: {command}"),
    "nowhere": ("destinations", WARNING, "Nothing is delivered: the configuration names no destination.",
                "Name one (elasticsearch, syslog, files, webhook or kafka); until then all waits in the spool, and the oldest makes room."),
    "elasticsearch": ("elasticsearch", OK, "Elasticsearch {version} answers at {url}.", ""),
    "no login": ("elasticsearch", FAILED, "Elasticsearch answers at {url}, but refuses the credentials: {error}.", "Give the credentials of a user that may create documents."),
    "no elasticsearch": ("elasticsearch", FAILED, "No Elasticsearch answers at {url}: {error}.", "See whether it runs, and whether a firewall stands between."),
    "templates": ("templates", OK, "The templates are at {url}.", ""),
    "no templates": ("templates", FAILED, "{n} templates are missing at {url}: it takes no documents of theirs.", "Run as an administrator of Elasticsearch: tapsight es install"),
    "templates to come": ("templates", OK, "{n} templates are missing at {url}, and are installed when something is delivered.", ""),
    "other templates": ("templates", WARNING, "{n} templates at {url} are of another version, or say another retention.",
                        "See which: tapsight es check; and where that is not what you want: tapsight es install"),
    "unseen templates": ("templates", WARNING, "Whether the templates are at {url} cannot be seen: {error}.", "Run as an administrator of Elasticsearch: tapsight es check"),
}  # fmt: skip
SWITCHES = {"rx-gro": "gro", "rx-lro": "lro"}  # ethtool's older names; it takes the kernel's as well


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    values: dict[str, Any] = field(default_factory=dict)

    def document(self, lang: str) -> dict[str, str]:
        from sensor.lang import translate

        check, result, found, advice = FINDINGS[self.name]
        said = {name: printable(str(value)) for name, value in self.values.items()}
        return {
            "check": check,
            "result": result,
            "found": translate(found, lang).format(**said),
            "advice": translate(advice, lang).format(**said) if advice else "",
        }


@click.command(
    epilog="""\b
Examples:
  tapsight doctor -i eth1 -i eth2
  tapsight doctor --config /etc/tapsight/tapsight.yaml
  tapsight doctor --es https://elastic.example:9200 --format json"""
)
@click.option(
    "-i",
    "--interface",
    "interfaces",
    multiple=True,
    metavar="NAME",
    help="Interface to listen on; may be given several times. By default those of the configuration, else all that are up.",
)
@click.option("--state", type=click.Path(path_type=Path), metavar="DIR", help="Folder in which the service keeps its state; by default as configured.")
@click.option("--es", metavar="URL", help="Elasticsearch to deliver to; by default as configured.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@config_option
@lang_option
@click.pass_context
def doctor(ctx: click.Context, interfaces: tuple[str, ...], state: Path | None, es: str | None, form: str, config: Path | None, lang: str | None) -> None:
    """Check whether this machine is fit to listen: configuration, interfaces, rights, offloads, clock, disk, user, rules, Elasticsearch. Exit code 1 if something fails."""
    from sensor.config import Config, ConfigError, load
    from sensor.delivery.destinations import wanted as destinations
    from sensor.lang import default_language

    settings, found = Config(), list(configuration(config)) if config else []
    with suppress(ConfigError, OSError):
        settings = load(config) if config else settings
    taps, links = tuple(tap.interface for tap in settings.run.taps), bool(settings.run.feeds)
    names = interfaces or taps
    wanted = [(es, None)] if es else [(url, settings.elasticsearch) for url in settings.elasticsearch.urls]
    found += findings(names, state or Path(settings.run.state), wanted, listens=bool(names) or not links)
    if config:
        found += [*user(settings, config), *owners(state or Path(settings.run.state), settings.run.user), *loading(settings, config)]
    if config and not es and not destinations(settings):
        found.append(Finding("nowhere"))
    lang = lang or settings.lang or default_language()
    documents = [finding.document(lang) for finding in found]
    failed = sum(document["result"] == FAILED for document in documents)
    if form == "json":
        click.echo(json.dumps({"checks": documents, "failed": failed}, ensure_ascii=False, indent=2))
    else:
        for document in documents:
            mark, colour = {OK: ("✓", "green"), WARNING: ("!", "yellow"), FAILED: ("✗", "red")}[document["result"]]
            click.echo(f"{click.style(mark, fg=colour)} {document['found']}")
            if document["advice"]:
                click.echo(f"    {document['advice']}")
    if failed:
        ctx.exit(1)


def configuration(path: Path) -> Iterator[Finding]:
    """What `tapsight config check` says."""
    from sensor.config import ConfigError, check, load

    problems = check(path)
    try:
        load(path)
        name = "missing"
    except (ConfigError, OSError):
        name = "bad config"
    yield from (Finding(name, {"problem": problem}) for problem in problems)
    if not problems:
        yield Finding("config", {"path": path})


def findings(
    interfaces: tuple[str, ...], state: Path, es: Sequence[tuple[str, ElasticsearchSettings | None]] = (), *, listens: bool = True
) -> Iterator[Finding]:
    """Everything that is looked at, in order. es: addresses, with what is configured for them. listens: whether there are interfaces to listen on."""
    from sensor.live import interface as net

    if listens:
        may_listen = right()
        yield Finding("right" if may_listen else "no right")
        names = interfaces or tuple(name for _, name in socket.if_nameindex() if net.hardware(name) != net.LOOPBACK and net.flags(name) & net.IFF_UP)
        if not names:
            yield Finding("none")
        for name in names:
            yield from of_interface(name, may_listen)
        yield Finding("filter" if ctypes.util.find_library("pcap") else "no filter")
    yield clock()
    yield disk(state)
    for url, settings in es:
        yield from elasticsearch(url, settings)


def right() -> bool:
    from sensor.live.listener import packet_socket

    try:
        packet_socket().close()
    except PermissionError:
        return False
    return True


def of_interface(name: str, may_listen: bool) -> Iterator[Finding]:
    from sensor.live import interface as net

    existing = [other for _, other in socket.if_nameindex()]
    if name not in existing:
        yield Finding("no interface", {"name": name, "others": ", ".join(other for other in existing if other != "lo")})
        return
    state = net.state(socket.if_nametoindex(name)).replace("_", " ")
    yield Finding(state if state in FINDINGS else "down", {"name": name})
    kind = net.hardware(name)
    if kind not in net.LINK_TYPES:
        yield Finding("kind", {"name": name, "kind": kind})
    if may_listen:
        yield promiscuous(name)
    try:
        features = net.merging(name)
    except OSError as error:
        yield Finding("no offloads", {"name": name, "error": error.strerror})
        return
    switches = " ".join(f"{SWITCHES.get(feature, feature)} off" for feature in features)
    yield Finding("merging", {"name": name, "features": ", ".join(features), "switches": switches}) if features else Finding("apart", {"name": name})


def promiscuous(name: str) -> Finding:
    """Try it, for a moment."""
    from sensor.live.listener import packet_socket
    from sensor.live.ring import ADD_MEMBERSHIP, MR_PROMISC, SOL_PACKET

    try:
        with packet_socket() as tried:
            tried.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, struct.pack("=iHH8x", socket.if_nametoindex(name), MR_PROMISC, 0))
    except OSError as error:
        return Finding("not promiscuous", {"name": name, "error": error.strerror})
    return Finding("promiscuous", {"name": name})


def clock() -> Finding:
    """What the kernel says of its clock: struct timex has the maximum error (us) as its fourth long."""
    content = ctypes.create_string_buffer(TIMEX)  # modes 0: only ask
    state = ctypes.CDLL(None).adjtimex(content)
    if state in (-1, TIME_ERROR):
        return Finding("no clock")
    return Finding("clock", {"error_ms": struct.unpack_from("@l", content, 3 * struct.calcsize("@l"))[0] // 1000})


def disk(state: Path) -> Finding:
    """The state's folder, or the nearest one above it that is there."""
    from sensor.config import may_be

    there = next(path for path in (state.absolute(), *state.absolute().parents) if may_be(Path.is_dir, path))
    free = shutil.disk_usage(there).free
    values = {"path": there, "free": f"{free / (1 << 30):,.1f} GiB"}
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding("not writable", {"path": there})
    return Finding("no disk" if free < LITTLE else "scarce disk" if free < SCARCE else "disk", values)


def user(settings: Config, config: Path) -> Iterator[Finding]:
    """Whether the user whom a service becomes, or we are, is there and let into what it opens then."""
    from sensor.live.privileges import whom
    from sensor.service.needs import READ, refused

    try:
        entry = whom(settings.run.user, root=True)
    except (PermissionError, LookupError) as error:
        yield Finding("no user", {"problem": error})
        return
    problems = list(refused(settings, entry, [("--config", config, READ)]))
    yield from (Finding("shut out", {"problem": problem}) for problem in problems)
    if not problems:
        yield Finding("user", {"user": name_of(os.geteuid() if entry is None else entry.pw_uid)})


def owners(state: Path, user: str) -> Iterator[Finding]:
    """Whose the folder of the state is. user: whom a service becomes; "": whoever has the folder."""
    import pwd

    from sensor.config import may_be

    if not may_be(Path.is_dir, state):
        return
    try:
        wanted = pwd.getpwnam(user).pw_uid if user else state.stat().st_uid
    except KeyError:
        return
    foreign = [path for path in islice((state, *state.rglob("*")), MOST_FILES) if path.lstat().st_uid != wanted]
    if foreign:
        values = {"n": len(foreign), "path": state, "user": name_of(wanted), "file": foreign[0]}
        yield Finding("handed over" if user and os.geteuid() == 0 else "foreign", values)
    if state.stat().st_mode & stat.S_IWOTH:
        yield Finding("open state", {"path": state})


def name_of(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def loading(settings: Config, config: Path) -> Iterator[Finding]:
    """What becomes of the rules."""
    from sensor.cli.rule_options import Said
    from sensor.cli.rules import read
    from sensor.cli.signatures import chosen

    if not chosen(settings.rules):
        return
    total = read(settings.rules)[0].total
    values = {"n": total.loaded, "failed": total.failed, "skipped": total.skipped, "command": Said().check(config)}
    yield Finding("no rules" if not total.loaded else "some rules" if total.failed or total.skipped else "rules", values)


def elasticsearch(url: str, settings: ElasticsearchSettings | None = None) -> Iterator[Finding]:
    """Ask it who it is, as it is configured, and for our templates. Credentials in the URL are not shown."""
    from elastic_transport import TransportError
    from elasticsearch import ApiError, Elasticsearch

    from sensor.delivery.client import connect, server

    scheme, separator, rest = url.partition("://")
    shown = f"{scheme}{separator}{rest.rpartition('@')[2]}"
    try:
        changes = {"urls": [url], "timeout_s": PATIENCE_S}
        with connect(settings.model_copy(update=changes)) if settings else Elasticsearch(url, request_timeout=PATIENCE_S, max_retries=0) as client:
            yield Finding("elasticsearch", {"version": ".".join(map(str, server(client).version)), "url": shown})
            yield from templates(client, shown, installs=settings is not None and settings.install)
    except ApiError as error:
        name = "no login" if error.status_code in (401, 403) else "no elasticsearch"
        yield Finding(name, {"url": shown, "error": f"{error.status_code} {error.message}"})
    except (TransportError, ValueError, KeyError, TypeError, OSError) as error:
        yield Finding("no elasticsearch", {"url": shown, "error": getattr(error, "message", error)})


def templates(client: Elasticsearch, url: str, *, installs: bool) -> Iterator[Finding]:
    """Whether our templates are there. installs: whether the service would put them."""
    from elastic_transport import TransportError
    from elasticsearch import ApiError

    from sensor.delivery.client import told
    from sensor.delivery.install import check

    try:
        wrong = check(client)[1]
    except (ApiError, TransportError, ValueError, LookupError, TypeError, AttributeError) as error:
        yield Finding("unseen templates", {"url": url, "error": told(error)})
        return
    missing = sum(line.endswith("is missing") for line in wrong)
    if missing:
        yield Finding("templates to come" if installs else "no templates", {"url": url, "n": missing})
    if len(wrong) > missing:
        yield Finding("other templates", {"url": url, "n": len(wrong) - missing})
    if not wrong:
        yield Finding("templates", {"url": url})
