"""Runs one command and says what it took: `python bench/launch.py LIMIT_S COMMAND...`
prints exit code, seconds, CPU seconds and the most memory held (kB) as JSON.

A process of its own because Linux counts what a parent held when it forked as its child's: this one holds next to nothing.
"""

import json
import os
import subprocess
import sys
import threading
import time


def main(limit_s: float, command: list[str]) -> None:
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    stop = threading.Timer(limit_s, process.kill)
    stop.start()
    _, status, usage = os.wait4(process.pid, 0)
    stop.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    print(json.dumps([process.returncode, time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
