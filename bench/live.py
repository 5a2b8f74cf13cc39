"""`python -m bench.live`: the highest rate at which a ring loses nothing, alone, with the pipeline and with the whole service behind it, and what that costs. Needs root.

Two ends of a virtual cable (veth) in a network namespace of its own: one process replays the mixed capture at one end, another listens at the other.
With several workers, ring and pipeline are as many processes, and the service is one more, which
writes. What the kernel does to receive a packet, the copy into the ring included, happens on a virtual cable in the sender's process: its time has that in it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import report
from bench.amplify import WORK, amplify
from sensor.capture import read_capture
from sensor.columns import Batch
from sensor.live import Live

NAMESPACE = f"tapsight-bench-{os.getpid()}"
WHAT = ("none", "ring", "pipeline", "service")  # at the other end of the cable
IDLE_S = 2.0
SERVICE_IDLE_S = 30.0  # one batch of a service that is far behind takes seconds


@dataclass
class Trial:
    """One replay: how many packets a second were sent, what became of them, and the CPU time (user and system) of both processes in ns a packet."""

    what: str
    rate: float
    sent: int
    received: int
    dropped: int
    sender_ns: float
    receiver_ns: float
    shed: int = 0
    writer_ns: float = 0.0  # of the receivers' time that of the process which puts together what workers find

    @property
    def is_whole(self) -> bool:
        """Whether nothing was lost, and nothing left out for want of time."""
        return self.sent == self.received and not self.shed


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.live", description=__doc__)
    parser.add_argument("--packets", type=int, default=1_000_000, metavar="N", help="of each replay (default 1 million)")
    parser.add_argument("--capture", type=Path, help="instead of the mixed one")
    parser.add_argument("--rates", default="0,800000,600000,500000,400000,300000,200000,150000,100000", help="packets a second to try (0: as fast as it goes)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that share the packets (default 1)")
    parser.add_argument("--what", default=",".join(WHAT), help="at the other end of the cable (default: all)")
    parser.add_argument("--profile", default="acts", help="of the service (default acts)")
    parser.add_argument("--tries", type=int, default=2, help="at each rate, until one loses nothing")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS.md")
    for hidden in ("--send", "--receive"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--offline", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.offline:
        offline(options.capture)
    elif options.send:
        send(options.capture, options.packets, float(options.send))
    elif options.receive:
        (serve(options.workers, options.profile) if options.receive == "service" else receive(options.receive, options.workers))
    else:
        busy = report.busy()
        how = ["--workers", str(options.workers), "--profile", options.profile]
        rates = [float(rate) for rate in options.rates.split(",")]
        offline_ns, trials = compare(options.capture, options.packets, rates, options.tries, options.what.split(","), how)
        text = section(offline_ns, trials, options.workers, busy)
        print(text)
        if options.write:
            report.keep(text)


def compare(capture: Path | None, packets: int, rates: list[float], tries: int, whats: list[str], how: list[str]) -> tuple[float, list[Trial]]:
    """What the same packets cost from a file, ns of CPU each; and the trials."""
    path = capture or amplify(WORK / "live.pcap", packets)  # so many, for a conversation that is repeated is nothing but retransmissions
    offline = subprocess.run([sys.executable, "-m", "bench.live", "--capture", str(path), "--offline"], check=True, capture_output=True, text=True)
    print(f"the pipeline reading the same packets from a file: {float(offline.stdout):,.0f} ns of CPU a packet", flush=True)
    trials: list[Trial] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # so that the namespace goes, too
    try:
        for command in (
            f"netns add {NAMESPACE}", f"-n {NAMESPACE} link add from numtxqueues 1 mtu 65000 type veth peer name to mtu 65000",
            f"-n {NAMESPACE} link set from up", f"-n {NAMESPACE} link set to up",
        ):  # fmt: skip
            subprocess.run(["ip", *command.split()], check=True)
        for what in whats:
            for rate in rates:
                for _ in range(tries):
                    trials.append(one(path, packets, what, rate, how))
                    show(trials[-1])
                    if trials[-1].is_whole:
                        break
                if what == "none" or trials[-1].is_whole:
                    break
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.run(["ip", "netns", "del", NAMESPACE], check=False)
    return float(offline.stdout), trials


def section(offline_ns: float, trials: list[Trial], workers: int, busy: str) -> str:
    """The page's part: of each receiver the highest rate at which it lost and shed nothing, else its last trial."""
    said = " ".join((__doc__ or "").split("\n\n")[1].split())
    lines = [f"## Live, {workers} worker{'s' * (workers > 1)}", "", f"By `python -m bench.live --workers {workers}`. {said}", "", busy, ""]
    lines += [
        "| receiver | packets/s sent | packets | lost | shed | sender, ns of CPU a packet | receiver | its writer |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for what in WHAT:
        mine = [trial for trial in trials if trial.what == what]
        for trial in [trial for trial in mine if trial.is_whole][:1] or mine[-1:]:
            cost = f"{trial.sender_ns:,.0f} | {trial.receiver_ns:,.0f} | {trial.writer_ns:,.0f}"
            lines.append(f"| {what} | {trial.rate:,.0f} | {trial.sent:,} | {trial.sent - trial.received:,} | {trial.shed:,} | {cost} |")
    lines += ["", f"The pipeline reading the same packets from a file takes {offline_ns:,.0f} ns of CPU a packet."]
    return "\n".join(lines) + "\n"


def show(trial: Trial) -> None:
    print(
        f"{trial.what:8} {trial.rate:10,.0f} packets/s  {trial.received:,} of {trial.sent:,} received, {trial.dropped:,} dropped by the kernel;"
        f" sender {trial.sender_ns:,.0f} ns, receiver {trial.receiver_ns:,.0f} ns a packet"
        f"{f' ({trial.writer_ns:,.0f} the writer)' if trial.writer_ns else ''}{f'; {trial.shed:,} things shed' if trial.shed else ''}",
        flush=True,
    )


def one(path: Path, packets: int, what: str, rate: float, how: list[str]) -> Trial:
    run = ["ip", "netns", "exec", NAMESPACE, sys.executable, "-m", "bench.live", "--capture", str(path), "--packets", str(packets), *how]
    receivers = [
        subprocess.Popen([*run, "--receive", what], stdout=subprocess.PIPE, text=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
        for _ in range({"none": 0, "service": 1}.get(what, int(how[1])))
    ]
    try:
        for receiver in receivers:
            assert receiver.stdout
            receiver.stdout.readline()  # it listens
        sender = json.loads(subprocess.run([*run, "--send", str(rate)], check=True, capture_output=True, text=True).stdout)
        said: list[dict[str, Any]] = [json.loads(receiver.communicate()[0]) for receiver in receivers]
    finally:
        for receiver in receivers:
            receiver.kill()  # nothing, where it has ended
    received, dropped, shed = (sum(each.get(name, 0) for each in said) for name in ("packets", "dropped", "shed"))
    used, writer = (sum(each.get(name, 0.0) for each in said) * 1e9 / max(received, 1) for name in ("cpu_s", "writer_s"))
    received = received if receivers else packets
    return Trial(what, packets / sender["s"], packets, received, dropped, sender["cpu_s"] / packets * 1e9, used, shed, writer)


def send(path: Path, packets: int, rate: float) -> None:
    from bench.replay import Replay

    with Replay("from", list(read_capture(str(path)))) as replay:
        before = cpu_s()
        seconds = replay.send(packets, rate)
        print(json.dumps({"s": seconds, "cpu_s": cpu_s() - before}))


def receive(what: str, workers: int) -> None:
    from sensor.live import Share, Tap, open_live
    from sensor.pipeline import Pipeline

    live = open_live([Tap("to", filter="not ip6 multicast")], Share(workers, os.getppid()))
    print("listens", flush=True)
    before = cpu_s()
    batches = until_idle(live)
    packets = sum(seen.packets for seen in Pipeline().run(batches)) if what == "pipeline" else sum(map(len, batches))
    print(json.dumps({"packets": packets, "cpu_s": cpu_s() - before, "dropped": live.report()["taps"]["to"]["dropped"]}))
    live.close()


def serve(workers: int, profile: str) -> None:
    """The service as it is configured by default, without a destination: what it finds stays in the spool."""
    from sensor.cli.signatures import made
    from sensor.config import Config
    from sensor.service.assemble import assemble

    with tempfile.TemporaryDirectory() as state:
        tap = {"interface": "to", "filter": "not ip6 multicast"}
        config = Config.model_validate(
            {"lang": "en", "run": {"taps": [tap], "workers": workers, "profile": profile, "state": state, "listen": "", "drain_s": 0}}
        )
        service = assemble(config, lambda: made(config.rules), as_root=True)

        def stop() -> None:
            until, before = time.monotonic() + 60, 0
            while time.monotonic() < until:
                time.sleep(0.1)
                if service.health.packets != before:
                    until, before = time.monotonic() + SERVICE_IDLE_S, service.health.packets
            os.kill(os.getpid(), signal.SIGTERM)

        print("listens", flush=True)
        before = cpu_s()
        threading.Thread(target=stop, daemon=True).start()
        service.run()
        own, others = cpu_s() - before, cpu_s(resource.RUSAGE_CHILDREN)
        shed = sum(service.report()["engine"]["shed"].values())
        print(
            json.dumps(
                {
                    "packets": service.health.packets,
                    "cpu_s": own + others,
                    "writer_s": own if workers > 1 else 0.0,
                    "dropped": service.sources.report()["dropped"],
                    "shed": shed,
                }
            )
        )


def until_idle(live: Live) -> Iterator[Batch]:
    """Batches until none has come for a while; the first one is waited for longer."""
    until = time.monotonic() + 60
    while True:
        batch = live.read(0.1)
        if batch is not None:
            yield batch
            until = time.monotonic() + IDLE_S
        elif time.monotonic() > until:
            return


def offline(path: Path) -> None:
    from sensor.pipeline import Pipeline

    before = cpu_s()
    packets = sum(seen.packets for seen in Pipeline().run(read_capture(str(path))))
    print((cpu_s() - before) / packets * 1e9)


def cpu_s(whose: int = resource.RUSAGE_SELF) -> float:
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
