"""`python -m tests.fuzz --packets N --seed S [DIR]`: mutate the captures of a directory until so many packets were analysed, or something fails."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from sensor.mistakes import MISTAKES
from tests.fuzz.pool import captures, crafted, load
from tests.fuzz.run import Failure, Fuzzer

FILES = 2_000  # mutated files for each million packets
MOST_FILE = 200_000  # bytes of a file that is mutated as a file


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, metavar="DIR", help="captures (default: those beside the repository, else the demo's)")
    parser.add_argument("--packets", type=int, default=1_000_000, metavar="N", help="mutated packets (default a million; ten million for a release)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the first session; each has its own, one more than the last")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()), metavar="DIR", help="where packets that failed are written")
    parser.add_argument("--rules", action="store_true", help="with all rules at work")
    options = parser.parse_args()
    MISTAKES.is_strict = True
    with tempfile.TemporaryDirectory() as directory:
        paths = captures(options.directory) or [crafted(Path(directory) / "demo.pcapng")]
        pool, begin = load(paths), time.monotonic()
        contents = [path.read_bytes() for path in paths if path.stat().st_size <= MOST_FILE]
        fuzzer = Fuzzer(pool, options.seed, options.out, with_rules=options.rules)
        try:
            fuzzer.read(contents, FILES * options.packets // 2_000_000)
            fuzzer.run(options.packets)
        except Failure as failure:
            print(failure)
            return 1
    took, memory = time.monotonic() - begin, max(fuzzer.memory) >> 20
    print(f"{fuzzer.packets:,} packets ({fuzzer.compared:,} at several cuts), {fuzzer.files:,} files, {took:,.0f} s, {memory:,} MB: nothing failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
