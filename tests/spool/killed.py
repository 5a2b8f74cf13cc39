"""`python -m tests.spool.killed DIR ROUNDS SEED`: a writer that also delivers, killed again and again; its ledger outlives it. Prints what was found as JSON.

The ledger is a file that the writer adds a line to as soon as an append has returned, and before it acknowledges a chunk: what a process has written stays when it is killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from threading import Thread

from sensor.events.record import Record
from sensor.spool import Lane, Quotas, Spool
from sensor.spool.account import imbalance

QUOTAS = Quotas(alert=4 << 20, asset=4 << 20, flow=4 << 20, event=512 << 10, reserve=64 << 10, segment=64 << 10)
DATASETS = ("modbus", "s7comm")


def write(directory: Path, number: int, random: Random, started: int) -> None:
    """Until it is killed."""
    fd = os.open(directory.with_suffix(".ledger"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    spool = Spool(directory, QUOTAS, ("es",))
    Thread(target=deliver, args=(spool, fd), daemon=True).start()
    os.write(started, b"+")
    while True:
        lane = random.choice(list(Lane))
        records = [Record(random.choice(DATASETS), f"{number}-{i}", random.randbytes(random.randrange(400))) for i in range(random.randrange(1, 40))]
        spool.append(lane, records)
        os.write(fd, "".join(f"+ {record.id}\n" for record in records).encode())
        number += 1


def deliver(spool: Spool, fd: int) -> None:
    while True:
        for lane in Lane:
            while (chunk := spool.read("es", lane, 8000)) is not None:
                os.write(fd, "".join(f"- {record.id}\n" for record in chunk.records).encode())
                spool.acknowledge("es", lane, chunk.position)
        time.sleep(0.001)


def lives(rounds: int, random: Random, work: Callable[[int, Random, int], None], *, started: float, longest_s: float) -> None:
    """A process in each round, killed at any instant. work: with the number of its first record, chance, and where it tells that it has begun, runs until then.

    started: the share of rounds in which it is let begin; in others it is killed perhaps while it starts. Exits where one ends by itself.
    """
    for round_ in range(rounds):
        ready, told = os.pipe()
        child = os.fork()
        if not child:
            try:
                work(round_ * 1_000_000, Random(random.random()), told)
            finally:
                os._exit(1)
        os.close(told)
        if random.random() < started:
            os.read(ready, 1)
        os.close(ready)
        time.sleep(random.uniform(0.0, longest_s))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(f"round {round_}: the process ended by itself")


def main(directory: Path, rounds: int, random: Random) -> None:
    lives(rounds, random, partial(write, directory), started=0.8, longest_s=0.02)
    lines = directory.with_suffix(".ledger").read_text("ascii").splitlines()
    returned, got = {line[2:] for line in lines if line[0] == "+"}, {line[2:] for line in lines if line[0] == "-"}
    with Spool(directory, QUOTAS, ("es",)) as spool:
        for lane in Lane:
            while (chunk := spool.read("es", lane, 100_000)) is not None:
                got.update(record.id for record in chunk.records)
                spool.acknowledge("es", lane, chunk.position)
        report = spool.report()
    datasets = report["consumers"]["es"]["datasets"].values()
    dropped = sum(sum(each["dropped"].values()) for each in datasets)
    found = {"returned": len(returned), "received": len(got), "missing": len(returned - got), "dropped": dropped}
    found |= {"reasons": sorted({reason for each in datasets for reason in each["dropped"]})}
    found |= {name: sum(each[name] for each in datasets) for name in ("produced", "delivered", "waiting")}
    print(json.dumps(found | {"imbalance": imbalance(report), "happened": report["happened"], "quarantined": report["quarantined"]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Random(int(sys.argv[3])))
