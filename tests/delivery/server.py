"""A real Elasticsearch for tests: fetched once with Maven, kept unpacked in a cache, started as a process of its own and stopped again.

The distribution is the one that Elastic publishes for integration tests (org.elasticsearch.distribution.integ-test-zip): the server without a JDK and without x-pack's
modules. It refuses to run as root, so root starts it as `nobody`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get"
GROUP = "org.elasticsearch.distribution.integ-test-zip"
JAVA = {"8.19.0": 17, "9.3.2": 21}  # the oldest that runs it
PATIENCE_S = 180
NOBODY = 65534
ROLES = """tapsight_shipper:
  cluster: [monitor]
  indices:
    - names: ["logs-tapsight.*-*"]
      privileges: [auto_configure, create_doc]
    - names: ["tapsight-assets-*"]
      privileges: [auto_configure, index]
tapsight_reader:
  indices:
    - names: ["logs-tapsight.*-*"]
      privileges: [read]
"""


class Unavailable(Exception):  # noqa: N818  # it is no error: tests skip
    """Why no server can be had here."""


def folder() -> Path:
    """Where unpacked servers are kept: a place that `nobody` can read too, where root runs the tests."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tapsight"
    open_to_all = all(parent.stat().st_mode & 1 for parent in home.parents if parent.exists())
    return home if os.getuid() or open_to_all else Path("/var/cache/tapsight")


@cache
def java(least: int) -> Path:
    """The home of a Java of at least this version."""
    homes = [Path(os.environ[name]) for name in ("ES_JAVA_HOME", "JAVA_HOME") if os.environ.get(name)]
    for home in [*homes, *sorted(Path("/usr/lib/jvm").glob("*"))]:
        release = home / "release"
        found = re.search(r'JAVA_VERSION="(\d+)', release.read_text("utf-8")) if release.is_file() else None
        if found and int(found[1]) >= least and (home / "bin" / "java").is_file():
            return home
    raise Unavailable(f"no Java {least} or newer in /usr/lib/jvm")


@cache
def unpacked(version: str) -> Path:
    """The server's folder, fetched where it is not there yet."""
    home = folder() / f"elasticsearch-{version}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if home.is_dir():
            return home
        archive = Path.home() / ".m2/repository" / GROUP.replace(".", "/") / "elasticsearch" / version / f"elasticsearch-{version}.zip"
        if not archive.is_file():
            if shutil.which("mvn") is None:
                raise Unavailable("no mvn to fetch Elasticsearch with")
            words = ("mvn", "-q", "-B", PLUGIN, "-Dtransitive=false", f"-Dartifact={GROUP}:elasticsearch:{version}:zip")
            done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
            if not archive.is_file():
                raise Unavailable(f"Elasticsearch {version} could not be fetched: {done.stdout[-300:]}")
        with tempfile.TemporaryDirectory(dir=home.parent) as place:
            with zipfile.ZipFile(archive) as content:
                for member in content.infolist():
                    Path(content.extract(member, place)).chmod(0o755 if member.is_dir() or member.external_attr >> 16 & 0o100 else 0o644)
            Path(place, f"elasticsearch-{version}").rename(home)
    return home


def children(pid: int) -> list[int]:
    """The processes that a process has started (proc(5): the fourth field of stat)."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            if int(place.read_text("utf-8", "replace").rpartition(")")[2].split()[1]) == pid:
                found.append(int(place.parent.name))
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """One node on loopback. users: name -> (password, role), which switches security on. tls: a folder with node.crt, node.key and ca.crt."""

    version: str = "9.3.2"
    users: dict[str, tuple[str, str]] = field(default_factory=dict)
    tls: Path | None = None
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    place: Path = Path()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """A configuration and a data folder of its own."""
        home = unpacked(self.version)
        self.place = Path(tempfile.mkdtemp(prefix="tapsight-es-"))
        shutil.copytree(home / "config", self.place / "config")
        (self.place / "tmp").mkdir()
        options = self.place / "config" / "jvm.options"
        kept = [line for line in options.read_text("utf-8").splitlines() if "gc.log" not in line]  # it would be written into the server's own folder
        options.write_text("\n".join(kept) + "\n", "utf-8")
        if self.tls:
            shutil.copytree(self.tls, self.place / "config" / "tls")
        (self.place / "config" / "roles.yml").write_text(ROLES, "utf-8")
        for path in (self.place, *self.place.rglob("*")):
            if os.getuid() == 0:
                os.chown(path, NOBODY, NOBODY)
        for name, (password, role) in self.users.items():
            self.run("elasticsearch-users", "useradd", name, "-p", password, "-r", role)

    def run(self, program: str, *words: str) -> None:
        """One of the server's own tools."""
        home = unpacked(self.version)
        subprocess.run([home / "bin" / program, *words], env=self.environment, check=True, capture_output=True, timeout=120, **self.identity)  # type: ignore[call-overload]

    @property
    def environment(self) -> dict[str, str]:
        options = "-Xms512m -Xmx512m -XX:TieredStopAtLevel=1" if not os.environ.get("TAPSIGHT_ES_OPTS") else os.environ["TAPSIGHT_ES_OPTS"]
        return {
            "PATH": "/usr/bin:/bin", "ES_JAVA_HOME": str(java(JAVA[self.version])), "ES_JAVA_OPTS": options, "ES_PATH_CONF": str(self.place / "config"),
            "ES_TMPDIR": str(self.place / "tmp"), "HOME": str(self.place),
        }  # fmt: skip

    @property
    def identity(self) -> dict[str, object]:
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}

    def start(self) -> Server:
        """Start, and wait until it answers."""
        if not self.place.parts:
            self.prepare()
        settings = {
            "discovery.type": "single-node", "http.host": "127.0.0.1", "http.port": str(self.port), "transport.host": "127.0.0.1", "transport.port": str(free_port()),
            "path.data": str(self.place / "data"), "path.logs": str(self.place / "logs"), "xpack.security.enabled": "true" if self.users else "false",
            "cluster.routing.allocation.disk.threshold_enabled": "false",
        }  # fmt: skip
        if self.users:
            settings["xpack.security.autoconfiguration.enabled"] = "false"
        if self.tls:
            tls = {"enabled": "true", "key": "tls/node.key", "certificate": "tls/node.crt", "certificate_authorities": "tls/ca.crt"}
            settings |= {f"xpack.security.http.ssl.{name}": value for name, value in tls.items()}
        words = [str(unpacked(self.version) / "bin" / "elasticsearch")]
        words += [word for name, value in settings.items() for word in ("-E", f"{name}={value}")]
        with (self.place / "output").open("ab") as output:
            self.process = subprocess.Popen(words, env=self.environment, stdout=output, stderr=output, cwd=self.place, **self.identity)  # type: ignore[call-overload]
        until = time.monotonic() + PATIENCE_S
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise Unavailable(f"Elasticsearch {self.version} did not start: {(self.place / 'output').read_text('utf-8', 'replace')[-600:]}")
            time.sleep(0.3)
        return self

    def answers(self) -> bool:
        """Whether it serves requests; one that refuses us does."""
        import ssl

        context = ssl._create_unverified_context() if self.tls else None
        try:
            with urllib.request.urlopen(f"{self.url}/_cluster/health?wait_for_status=yellow&timeout=1s", timeout=3, context=context) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            with error:
                return error.code in (401, 403)
        except OSError:
            return False

    def stop(self) -> None:
        """Stop the process; the data stay, so that start() begins where it was."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def kill(self) -> None:
        """End it at once, whatever it is doing; start() begins with what it had made durable. The process that was started is a launcher, which ends with it."""
        assert self.process is not None
        for pid in children(self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait(30)
        self.process = None

    def remove(self) -> None:
        """Stop it, and delete its own folder. Without one nothing was prepared: Path() is the working directory."""
        self.stop()
        if self.place.parts:
            shutil.rmtree(self.place, ignore_errors=True)
