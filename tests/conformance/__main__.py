"""`python -m tests.conformance DIR`: our fields against Wireshark's, frame by frame."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from sensor.protocols import PROTOCOLS
from tests.conformance import wireshark
from tests.conformance.run import ENOUGH, document, run, text


def main() -> int:
    """0: agreement is high enough. 1: it is not. 2: cannot be run so."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__, epilog="See docs/conformance.md.")
    parser.add_argument("place", type=Path, metavar="DIR", help="a directory of captures, or one capture")
    parser.add_argument("--protocol", action="append", choices=[protocol.name for protocol in PROTOCOLS], help="only this one (may be repeated)")
    parser.add_argument("--json", action="store_true", help="one JSON document, with every difference")
    parser.add_argument("--examples", type=int, default=3, metavar="N", help="differences shown per field (default 3)")
    parser.add_argument("--ours", action="store_true", help="also show examples of values that tshark does not have")
    options = parser.parse_args()
    if wireshark.tshark() is None:
        print("tshark is not installed (Debian: apt-get install tshark)", file=sys.stderr)
        return 2
    if not options.place.exists():
        print(f"{options.place}: no such directory or file", file=sys.stderr)
        return 2
    report = run(options.place, tuple(protocol for protocol in PROTOCOLS if not options.protocol or protocol.name in options.protocol))
    print(json.dumps(document(report), indent=1) if options.json else text(report, options.examples, also_ours=options.ours))
    return 0 if report.share >= ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
