"""`python -m tests.service.confined UNIT PROGRAM ...`: a program with the system calls that a systemd unit leaves it, and no others.

The filter is libseccomp's, the sets of calls are those of this machine's systemd. Sources: systemd.exec(5), SystemCallFilter; seccomp_rule_add(3).
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path

ALLOW, ERRNO = 0x7FFF0000, 0x00050000  # SCMP_ACT_*


def calls(unit: Path) -> set[str]:
    """The system calls that the unit's lines allow, of which the first one allows some."""
    allowed: set[str] = set()
    for line in unit.read_text("utf-8").splitlines():
        name, _, words = line.partition("=")
        if name == "SystemCallFilter":
            some = {call for word in words.removeprefix("~").split() for call in members(word)}
            allowed = allowed - some if words.startswith("~") else allowed | some
    return allowed | members("@default")


def members(word: str) -> set[str]:
    """A call, or those of a set and of the sets in it."""
    if not word.startswith("@"):
        return {word}
    said = subprocess.run(["systemd-analyze", "syscall-filter", word], check=True, capture_output=True, text=True).stdout
    lines = [line.strip() for line in said.splitlines()[1:]]
    return {call for line in lines if line and not line.startswith("#") for call in members(line)}


def confine(allowed: set[str]) -> None:
    """From here on every other call fails with EPERM, in this process and in all that it becomes or begins."""
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    seccomp.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint]
    seccomp.seccomp_load.argtypes = [ctypes.c_void_p]
    context = seccomp.seccomp_init(ERRNO | errno.EPERM)
    for name in sorted(allowed):
        if (number := seccomp.seccomp_syscall_resolve_name(name.encode())) >= 0:  # below: none of this architecture
            assert seccomp.seccomp_rule_add(context, ALLOW, number, 0) == 0, name
    if code := seccomp.seccomp_load(context):
        raise OSError(-code, os.strerror(-code))


if __name__ == "__main__":
    confine(calls(Path(sys.argv[1])))
    os.execvp(sys.argv[2], sys.argv[2:])
