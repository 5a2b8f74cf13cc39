"""`python -m tests.delivery.killed DIR URL SITE ROUNDS SEED`: a process that appends to a spool and delivers it to a store, killed again and again. What it tells of each append
that returned (DIR/told) outlives it. Prints what the account says in the end as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any

from sensor.delivery.files import DeadLetters
from sensor.delivery.sender import Sender
from sensor.events.record import Record
from sensor.spool import Lane, Quotas, Spool
from sensor.spool.account import imbalance
from tests.delivery.sending import PATIENCE_S, destination, document
from tests.spool.killed import lives

QUOTAS = Quotas(reserve=64 << 10, segment=64 << 10)
NAME = "elasticsearch"
DATASETS = {Lane.ALERT: "alert", Lane.FLOW: "flow", Lane.EVENT: "modbus"}


def sender(spool: Spool, folder: Path, url: str, site: str) -> Sender:
    return Sender(spool, destination(url, site, batch_documents=50), DeadLetters(folder / "dead.ndjson"), first_wait_s=0.01)


def work(folder: Path, url: str, site: str, number: int, random: Random, started: int) -> None:
    """Until it is killed."""
    told = os.open(folder / "told", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    spool = Spool(folder / "spool", QUOTAS, (NAME,))
    Thread(target=sender(spool, folder, url, site).run, args=(Event(),), daemon=True).start()
    os.write(started, b"+")
    while True:
        lane = random.choice(list(DATASETS))
        names = [f"killed-{number + i}" for i in range(random.randrange(1, 20))]
        spool.append(lane, [Record(DATASETS[lane], name, document(name, DATASETS[lane])) for name in names])
        os.write(told, "".join(f"{name}\n" for name in names).encode())
        number += len(names)
        time.sleep(0.005)


def run(folder: Path, url: str, site: str, rounds: int, seed: int) -> dict[str, Any]:
    """So many lives, and a last one in which everything is delivered."""
    random = Random(seed)
    destination(url, site).close()  # imports what each life would have to
    lives(rounds, random, partial(work, folder, url, site), started=0.9, longest_s=0.3)
    with Spool(folder / "spool", QUOTAS, (NAME,)) as spool:
        last, stop = sender(spool, folder, url, site), Event()
        thread = Thread(target=last.run, args=(stop,))
        thread.start()
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and any(each["waiting"] for each in datasets(spool)):
            time.sleep(0.05)
        stop.set()
        thread.join()
        dropped, waiting = sum(sum(each["dropped"].values()) for each in datasets(spool)), sum(each["waiting"] for each in datasets(spool))
        return {"dropped": dropped, "waiting": waiting, "imbalance": imbalance(spool.report())}


def datasets(spool: Spool) -> list[dict[str, Any]]:
    return list(spool.report()["consumers"][NAME]["datasets"].values())


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4]), int(sys.argv[5]))))
