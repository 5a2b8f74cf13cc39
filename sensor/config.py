"""The configuration: one YAML file, checked to its last key; what is wrong is told with file, line and key.

The detectors' part is derived from the detectors themselves: a kind of alert is a key, and so is every setting.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model, field_validator, model_validator
from pydantic_core import PydanticCustomError

from detectors import DETECTORS
from detectors.signature.variables import listed, mistaken
from detectors.state import settings
from sensor.lang import near

LARGEST = 1 << 18  # bytes of a configuration file
DEEPEST = 16  # nested collections


def split(text: str) -> SplitResult:
    """A URL's parts. Raises ValueError, also for a port that there cannot be."""
    parts = urlsplit(text)
    if parts.port == 0:
        raise ValueError("port 0")
    return parts


def http(url: str) -> str:
    """Raises ValueError for what is no address of a web server; without a scheme it is http."""
    try:
        parts = split(url if "://" in url else f"http://{url}")
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or any(each.isspace() for each in url):
        raise ValueError("http://HOST:PORT or https://HOST:PORT was expected")
    return url


def tcp(url: str) -> str:
    """Raises ValueError for what is no address of a capture over TCP."""
    try:
        parts = split(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "tcp" or not parts.hostname or not parts.port:
        raise ValueError("tcp://HOST:PORT was expected")
    return url


def loopback(address: str) -> str:
    """Raises ValueError for what is no address and port of this machine alone."""
    host, _, port = address.rpartition(":")
    try:
        is_good = ipaddress.ip_address(host.strip("[]")).is_loopback and port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16
    except ValueError:
        is_good = False
    if address and not is_good:
        raise ValueError("ADDRESS:PORT on loopback was expected, such as 127.0.0.1:9464 or [::1]:9464")
    return address


def broker(address: str) -> str:
    """Raises ValueError for what is no address of a broker."""
    try:
        parts = split(f"//{address}")
    except ValueError:
        parts = urlsplit("")
    if not parts.hostname or not parts.port or parts.path or any(each.isspace() or each in ",@" for each in address):
        raise ValueError("HOST:PORT was expected")
    return address


def topic(name: str) -> str:
    """Raises ValueError for what is no name of a topic in Kafka once it has a dataset in it."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", name.replace("{dataset}", "dataset")):
        raise ValueError("letters, digits, dot, hyphen, underscore and {dataset} make a topic's name")
    return name


Http = Annotated[str, AfterValidator(http)]
OptionalHttp = Annotated[str, AfterValidator(lambda url: url and http(url))]
Tcp = Annotated[str, AfterValidator(tcp)]
Broker = Annotated[str, AfterValidator(broker)]
Topic = Annotated[str, AfterValidator(topic)]
Loopback = Annotated[str, AfterValidator(loopback)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class AlertSettings(Strict):
    quiet_s: int = Field(default=600, ge=1, description="Seconds of silence after which the same attack is a new alert")


class RuleSettings(Strict):
    packs: bool = Field(True, description="Whether the rules that ship with Tapsight run where no others are named")
    paths: list[str] = Field(default_factory=list, description="Files and folders of rules in Suricata's or Snort's language; packs: the rules that ship")
    home_net: list[str] = Field(default_factory=list, description="HOME_NET, as address/length; empty: private addresses")
    variables: dict[str, str] = Field(default_factory=dict, description="Other variables of rules, by name without the dollar")
    threshold_config: str = Field("", description="threshold.config; empty: the one beside the rules")
    geoip: str = Field("", description="Database of countries in MaxMind's format (.mmdb), for rules with geoip; empty: none")
    compat: Literal["", "suricata"] = Field("", description="suricata: rules are evaluated as Suricata does by default; empty: as suits plants")
    checksums: Literal["auto", "all", "none"] = Field(
        "auto",
        description="As Suricata: whether packets with a wrong checksum are kept out of streams; auto: behind the first 1,000 only if few of these were wrong",
    )
    midstream: bool = Field(False, description="As Suricata: whether TCP connections are picked up whose beginning was not seen")
    cache: str = Field("", description="Folder where rules made ready are kept for the next start; empty: in the user's cache folder, none: nowhere")

    @property
    def known(self) -> dict[str, str]:
        """Variables by name, HOME_NET among them."""
        return ({"HOME_NET": listed(self.home_net)} if self.home_net else {}) | {
            k: v for k, v in self.variables.items() if k != "HOME_NET" or not self.home_net
        }

    @model_validator(mode="after")
    def _are_expressions(self) -> Self:
        """A variable that cannot be read would switch off every rule that names it."""
        for name, reason in mistaken(self.known):
            place = ("home_net",) if name == "HOME_NET" and self.home_net else ("variables", name)
            raise PydanticCustomError("expression", "{reason}", {"reason": reason, "place": place})
        return self


class ElasticsearchSettings(Strict):
    urls: list[Http] = Field(default_factory=list, description="Addresses of Elasticsearch; empty: nothing is sent there")
    cloud_id: str = Field("", description="Cloud ID, instead of addresses")
    api_key: str = Field("", description="API key, as base64; or in the environment: TAPSIGHT_ES_API_KEY")
    user: str = Field("", description="User name, where there is no API key")
    password: str = Field("", description="Password of the user; or in the environment: TAPSIGHT_ES_PASSWORD")
    ca: str = Field("", description="File with the certificates of the authorities that are trusted; empty: the system's")
    fingerprint: str = Field("", description="SHA-256 of a certificate that is trusted instead of authorities")
    proxy: OptionalHttp = Field("", description="HTTP proxy on the way")
    compat: Literal[8, 9] = Field(9, description="Version of the language that is spoken: 8 for clusters of version 8")
    timeout_s: int = Field(60, ge=1, le=3600, description="Seconds to wait for an answer")
    batch_bytes: int = Field(3_000_000, ge=10_000, le=50_000_000, description="Bytes sent at once")
    batch_documents: int = Field(2_000, ge=1, le=100_000, description="Documents sent at once")
    gzip: bool = Field(True, description="Whether what is sent is compressed")
    assets_index: bool = Field(True, description="Whether an index holds the current state of each asset; needs the right to index into it")
    install: bool = Field(False, description="Whether missing templates are installed while running; needs the rights to")


class SyslogSettings(Strict):
    host: str = Field("", description="Receiver of alerts by syslog; empty: none")
    port: int = Field(6514, ge=1, le=65535, description="Port of the syslog receiver")
    transport: Literal["tls", "tcp", "udp"] = Field("tls", description="How syslog is transported")
    ca: str = Field("", description="File with the certificates of the authorities that are trusted; empty: the system's")
    timeout_s: int = Field(20, ge=1, le=3600, description="Seconds to wait for an answer")


class FileSettings(Strict):
    path: str = Field("", description="File that documents are written to; empty: none")
    most_bytes: int = Field(256 << 20, ge=1 << 16, description="Bytes after which a new file is begun")
    keep: int = Field(8, ge=1, le=10_000, description="Full files that are kept")


class WebhookSettings(Strict):
    url: OptionalHttp = Field("", description="Address that each alert is posted to; empty: none")
    token: str = Field("", description="Bearer token for it; or in the environment: TAPSIGHT_WEBHOOK_TOKEN")
    ca: str = Field("", description="File with the certificates of the authorities that are trusted; empty: the system's")
    timeout_s: int = Field(20, ge=1, le=3600, description="Seconds to wait for an answer")


class KafkaSettings(Strict):
    brokers: list[Broker] = Field(default_factory=list, description="Brokers of a Kafka cluster, as HOST:PORT; empty: nothing is sent there")
    topic: Topic = Field("tapsight.{dataset}", description="Topic of a document; {dataset} stands for its dataset")
    transport: Literal["tls", "plain"] = Field("tls", description="Whether connections are encrypted")
    user: str = Field("", description="User name; empty: no login")
    password: str = Field("", description="Password of the user; or in the environment: TAPSIGHT_KAFKA_PASSWORD")
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field("SCRAM-SHA-512", description="How the user logs in (SASL)")
    ca: str = Field("", description="File with the certificates of the authorities that are trusted; empty: the system's")
    certificate: str = Field("", description="File with our own certificate, where brokers ask for one; empty: none")
    key: str = Field("", description="File with the certificate's private key")
    key_password: str = Field("", description="Password of the private key; or in the environment: TAPSIGHT_KAFKA_KEY_PASSWORD")
    timeout_s: int = Field(20, ge=1, le=3600, description="Seconds to wait until a document is acknowledged")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key go together")
        if self.transport == "plain" and (self.ca or self.certificate):
            raise ValueError("ca and certificate are of no use without transport: tls")
        return self


Place = tuple[str | int, ...]  # keys and places in lists that lead to a value


def detector_models() -> Any:
    """A model with a part for each kind of alert; the settings of a detector stand with its name."""
    parts: dict[str, Any] = {}
    for make in DETECTORS:
        detector = make()
        own: dict[str, Any] = {}
        for each in settings(detector):
            default = getattr(detector, each.name)
            own[each.name] = (Annotated[type(default), Field(ge=each.metadata["least"], description=each.metadata["about"])], default)
        names = {kind.name for kind in detector.kinds} | ({detector.name} if own else set())
        for name in sorted(names):
            enabled: dict[str, Any] = {"enabled": (bool, Field(True, description="Whether it raises alerts"))}
            body = (enabled if name in {kind.name for kind in detector.kinds} else {}) | (own if name == detector.name else {})
            model = create_model(name, __base__=Strict, **body)
            parts[name] = (model, Field(default_factory=model))
    return create_model("Detectors", __base__=Strict, **parts)


Detectors: Any = detector_models()


class TapSettings(Strict):
    interface: str = Field(min_length=1, max_length=15, description="Network interface")
    name: str = Field("", max_length=64, description="Name of the tap in every document; empty: the interface's")
    zone: str = Field("", max_length=64, description="Zone of the plant that it watches")
    filter: str = Field("", max_length=1024, description="Capture filter in tcpdump's language")


class FeedSettings(Strict):
    path: str = Field(description="Folder or named pipe")
    zone: str = Field("", max_length=64, description="Zone of the plant that it is from")


class StreamSettings(Strict):
    url: Tcp = Field(description="Capture over TCP, as tcp://host:port")
    zone: str = Field("", max_length=64, description="Zone of the plant that it is from")


Feed = Annotated[FeedSettings, BeforeValidator(lambda named: {"path": named} if isinstance(named, str) else named, str | FeedSettings)]
FromTcp = Annotated[StreamSettings, BeforeValidator(lambda named: {"url": named} if isinstance(named, str) else named, str | StreamSettings)]


class RunSettings(Strict):
    profile: Literal["alerts", "acts", "full"] = Field("acts", description="What is delivered: alerts; acts: all but repeated reads; full: every event")
    taps: list[TapSettings] = Field(default_factory=list, description="Interfaces to listen to: interface, name, zone, filter")
    folders: list[Feed] = Field(default_factory=list, description="Folders that another capturer rotates files into: path, or path and zone")
    streams: list[FromTcp] = Field(default_factory=list, description="Captures over TCP: tcp://host:port, or url and zone")
    pipes: list[Feed] = Field(default_factory=list, description="Named pipes that another capturer writes captures into: path, or path and zone")
    workers: int = Field(1, ge=1, le=64, description="Processes that share the packets of the interfaces; one more then puts together what they find")
    batch_ms: int = Field(100, ge=10, le=10_000, description="How long packets are gathered at most before they are looked at")
    state: str = Field("/var/lib/tapsight", description="Folder for the spool and what is remembered across restarts")
    listen: Loopback = Field("127.0.0.1:9464", description="Where status and metrics are told, on loopback; empty: nowhere")
    user: str = Field("", max_length=32, description="User to become once the interfaces are open; empty: stay who we are")
    drain_s: int = Field(10, ge=0, le=3600, description="How long a stop waits for what is not yet delivered")

    @property
    def feeds(self) -> list[str]:
        """Sources besides taps, as they are called."""
        return [*(each.path for each in self.folders), *(each.url for each in self.streams), *(each.path for each in self.pipes)]


class Config(Strict):
    """Everything that can be set."""

    sensor: str = Field("tapsight", min_length=1, max_length=64, description="Name of this sensor in every document; part of every alert's id")
    site: str = Field("", max_length=64, description="Plant or station that it watches")
    lang: Literal["", "en", "zh"] = Field("", description="Language of titles and sentences; empty: as the locale says")
    networks: list[str] = Field(default_factory=list, description="Networks of the plant whose addresses are public, as address/length")
    flows: int = Field(1_000_000, ge=1 << 18, le=1 << 26, description="Conversations remembered at once")
    deduplicate: bool = Field(True, description="Whether a packet that a mirror delivers twice is decoded once")
    run: RunSettings = Field(default=RunSettings(), description="The service")
    alerts: AlertSettings = Field(default=AlertSettings(), description="How alerts are put together")
    rules: RuleSettings = Field(default=RuleSettings(), description="Signatures")
    elasticsearch: ElasticsearchSettings = Field(default=ElasticsearchSettings(), description="Elasticsearch")
    syslog: SyslogSettings = Field(default=SyslogSettings(), description="Syslog")
    files: FileSettings = Field(default=FileSettings(), description="Files")
    webhook: WebhookSettings = Field(default=WebhookSettings(), description="Webhook")
    kafka: KafkaSettings = Field(default=KafkaSettings(), description="Kafka")
    detectors: Detectors = Field(default_factory=Detectors, description="Each kind of alert: whether it is wanted, and from when on")

    @field_validator("networks")
    @classmethod
    def _are_networks(cls, networks: list[str]) -> list[str]:
        for network in networks:
            ipaddress.ip_network(network)
        return networks

    def detector_settings(self) -> dict[str, dict[str, Any]]:
        """Settings by detector, as Watch takes them."""
        chosen = {name: {key: value for key, value in part.items() if key != "enabled"} for name, part in self.detectors.model_dump(by_alias=True).items()}
        chosen.setdefault("internet-address", {})["networks"] = tuple(self.networks)
        return {name: values for name, values in chosen.items() if values}

    def disabled(self) -> frozenset[str]:
        """Kinds of alerts that are not wanted."""
        return frozenset(name for name, part in self.detectors.model_dump(by_alias=True).items() if not part.get("enabled", True))


@dataclass
class ConfigError(ValueError):
    """A configuration that cannot be used: each problem as `file:line: key: what is wrong`."""

    problems: list[str]

    def __str__(self) -> str:
        return "\n".join(self.problems)


def load(path: str | Path) -> Config:
    """Read a configuration. Raises ConfigError with all that is wrong in it, OSError where it cannot be read."""
    return read(path)[0]


def read(path: str | Path) -> tuple[Config, dict[Place, int]]:
    """The same with the line of each key."""
    with Path(path).open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ConfigError([f"{path}: longer than {LARGEST} bytes"])
    try:
        node = compose(content)
        values, lines = ({}, {}) if node is None else construct(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ConfigError([f"{path}:{mark.line + 1 if mark else 1}: {error.problem}"]) from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError([f"{path}: {' '.join(str(error).split())}"]) from error
    try:
        return Config.model_validate(values if values is not None else {}), lines
    except ValidationError as error:
        places = [(*each["loc"], *each.get("ctx", {}).get("place", ())) for each in error.errors()]
        problems = [(line_of(place, lines), ".".join(map(str, place)) or "(file)", expected(each)) for place, each in zip(places, error.errors(), strict=True)]
        raise ConfigError([f"{path}:{line}: {key}: {message}" for line, key, message in sorted(problems)]) from error


def expected(error: Any) -> str:
    """What a value should have been, and what it is; for a key that there is not, the nearest one."""
    if error["type"] == "extra_forbidden":
        *parents, wrong = map(str, error["loc"])
        prefix = "".join(f"{parent}." for parent in parents)
        keys = {key.removeprefix(prefix).partition(".")[0] for key, _, _ in described() if key.startswith(prefix)}
        return "no such setting" + near(wrong, keys)
    message: str = error["msg"].removeprefix("Value error, ")
    if error["type"] == "expression":
        return message
    shown = f"{error['input']!r:.80}"
    return f"{message.removeprefix('Input should be ')} was expected, here is {shown}" if message.startswith("Input should be ") else f"{message}: {shown}"


def check(path: str | Path) -> list[str]:
    """What is wrong with a configuration, and which of the files and folders that it names are not there; empty where all is well."""
    try:
        config, lines = read(path)
    except ConfigError as error:
        return error.problems
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    missing = sorted((line_of(place, lines), ".".join(map(str, place)), wrong) for place, wrong in absent(config))
    return [f"{path}:{line}: {key}: {wrong}" for line, key, wrong in missing]


def absent(config: Config) -> Iterator[tuple[Place, str]]:
    """Files and folders that are not there, or are the one instead of the other: which setting names them, and what is wrong."""
    folders: list[tuple[Place, str]] = [(("run", "folders", i), each.path) for i, each in enumerate(config.run.folders)]
    folders += [(("files", "path"), str(Path(config.files.path).parent))] if config.files.path else []
    files: list[tuple[Place, str]] = [((part, "ca"), getattr(config, part).ca) for part in ("elasticsearch", "syslog", "webhook", "kafka")]
    files += [(("kafka", name), getattr(config.kafka, name)) for name in ("certificate", "key")]
    files += [(("rules", name), getattr(config.rules, name)) for name in ("threshold_config", "geoip")]
    for place, name in folders:
        if not may_be(Path.is_dir, name):
            yield place, f"no such folder: {name!r}"
    for place, name in files:
        if name and not may_be(Path.is_file, name):
            yield place, f"no such file: {name!r}"
    for i, name in enumerate(config.rules.paths):
        if name != "packs" and not may_be(Path.exists, name):
            yield ("rules", "paths", i), f"no such file or folder: {name!r}"
    for i, each in enumerate(config.run.pipes):
        if not may_be(Path.is_fifo, each.path):
            yield ("run", "pipes", i), f"no such pipe: {each.path!r}"
    if may_be(Path.exists, config.run.state) and not may_be(Path.is_dir, config.run.state):
        yield ("run", "state"), f"is no folder: {config.run.state!r}"


def may_be(test: Callable[[Path], bool], path: str | Path) -> bool:
    """Whether a path is so (Path.is_dir and the like), as far as we may look."""
    try:
        return test(Path(path))
    except OSError:
        return False


def compose(content: bytes) -> yaml.Node | None:
    """The node tree of a YAML document. Raises yaml.MarkedYAMLError; aliases (a few lines of them can stand for gigabytes) and deep nesting are refused."""
    depth = 0
    for event in yaml.parse(content, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not used in a configuration", problem_mark=event.start_mark)  # type: ignore[arg-type]  # the stubs' two names for one class
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {DEEPEST}", problem_mark=event.start_mark)  # type: ignore[arg-type]  # the stubs' two names for one class
    node: yaml.Node | None = yaml.compose(content, yaml.SafeLoader)
    return node


def construct(root: yaml.Node) -> tuple[Any, dict[Place, int]]:
    """The values of a node tree, and the line of each key. Raises yaml.MarkedYAMLError for a key that stands twice or is no text."""
    loader = yaml.SafeLoader("")
    lines: dict[Place, int] = {}

    def value(node: yaml.Node, place: Place) -> Any:
        lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            result: dict[str, Any] = {}
            for key_node, each in node.value:
                key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
                if key is None:
                    raise yaml.MarkedYAMLError(problem="a key must be text", problem_mark=key_node.start_mark)
                if key in result:
                    raise yaml.MarkedYAMLError(problem=f"{key!r} stands here twice", problem_mark=key_node.start_mark)
                lines[*place, key] = key_node.start_mark.line + 1
                result[key] = value(each, (*place, key))
            return result
        if isinstance(node, yaml.SequenceNode):
            return [value(each, (*place, index)) for index, each in enumerate(node.value)]
        try:
            return loader.construct_object(node, deep=True)
        except (ValueError, TypeError) as error:
            raise yaml.MarkedYAMLError(problem=str(error), problem_mark=node.start_mark) from error

    return value(root, ()), lines


def line_of(place: Place, lines: dict[Place, int]) -> int:
    """The line of a key, or of the nearest thing around it that is there."""
    while place not in lines and place:
        place = place[:-1]
    return lines.get(place, 1)


@cache
def described() -> list[tuple[str, Any, str]]:
    """Every key with its default and what it means, in order."""
    return list(_described(Config, ""))


def _described(model: Any, prefix: str) -> list[tuple[str, Any, str]]:
    found: list[tuple[str, Any, str]] = []
    for name, info in model.model_fields.items():
        default = info.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            found += _described(type(default), f"{prefix}{name}.")
        else:
            found.append((prefix + name, default, info.description or ""))
    return found


def example() -> str:
    """A configuration file with every key at its default, each explained."""
    lines: list[str] = []
    before: tuple[str, ...] = ()
    for key, default, about in described():
        *parents, name = key.split(".")
        for depth, parent in enumerate(parents):
            if tuple(parents[: depth + 1]) != before[: depth + 1]:
                lines.append("  " * depth + f"{parent}:")
        before = tuple(parents)
        text = yaml.safe_dump(default, default_flow_style=True).removesuffix("...\n").strip()
        lines.append("  " * len(parents) + f"{name}: {text}" + (f"  # {about}" if name != "enabled" else ""))
    return "\n".join(lines) + "\n"
