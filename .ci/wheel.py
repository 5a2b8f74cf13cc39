"""A wheel holds every file of its packages that the tree holds, data files too: `python .ci/wheel.py WHEEL`."""

import sys
import zipfile
from pathlib import Path

PACKAGES = ("sensor", "detectors", "rules", "dashboards")


def main(wheel: str) -> int:
    held = set(zipfile.ZipFile(wheel).namelist())
    there = {path.as_posix() for package in PACKAGES for path in Path(package).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    missing = sorted(there - held)
    print(f"{len(there & held)} files of {', '.join(PACKAGES)} in the wheel" + "".join(f"\nmissing: {name}" for name in missing))
    return 1 if missing or not there else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
