"""Giving up every right once the interfaces are open.

Sources: capabilities(7), capset(2), prctl(2), linux/capability.h.
"""

from __future__ import annotations

import ctypes
import os
import pwd
from collections.abc import Iterable
from pathlib import Path

CAP_NET_ADMIN, CAP_NET_RAW = 12, 13
VERSION_3 = 0x20080522
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4


def capabilities(task: str = "self") -> int:
    """The effective capabilities of a process or thread (its folder below /proc), as bits."""
    status = Path("/proc", task, "status").read_text("utf-8")
    return int(status.partition("CapEff:")[2].split(maxsplit=1)[0], 16)


def whom(user: str = "", *, root: bool = False) -> pwd.struct_passwd | None:
    """The user to become; None where we stay who we are. Raises as `drop_privileges`."""
    if os.geteuid() != 0:
        return None
    if not user and not root:
        raise PermissionError("refuses to run as root: name a user to become (run.user in the configuration), or say that root is meant (--root)")
    if not user:
        return None
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise LookupError(f"run.user: there is no user {user}") from None
    if entry.pw_uid == 0:
        raise PermissionError(f"run.user: {user} is root: name a user without rights")
    return entry


def shut(entry: pwd.struct_passwd | None, places: Iterable[tuple[str, Path, int]]) -> list[tuple[str, Path]]:
    """Of these places (a name, a path, how it is used: as os.access takes it) those that this user could not use; None: who we are. To be called as root for a user."""
    places = list(places)  # found as who we are
    if entry is None:
        return [(name, path) for name, path, mode in places if not os.access(path, mode, effective_ids=True)]
    groups, group, user = os.getgroups(), os.getegid(), os.geteuid()
    os.setgroups([])
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        return [(name, path) for name, path, mode in places if not os.access(path, mode, effective_ids=True)]
    finally:
        os.seteuid(user)
        os.setegid(group)
        os.setgroups(groups)


def drop_privileges(user: str = "", *, root: bool = False) -> None:
    """Become `user` where we are root, and lose all capabilities and the way to new ones. To be called before threads are started.

    Raises PermissionError where we are root and are neither given a user nor told that root is meant, or where something keeps a capability; LookupError for
    a user that there is not.
    """
    if entry := whom(user, root=root):
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)  # since Linux 4.3; what follows empties the set as well
    header, nothing = (ctypes.c_uint32 * 2)(VERSION_3, 0), (ctypes.c_uint32 * 6)()
    for call in (libc.capset(header, nothing), libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)):
        if call:
            code = ctypes.get_errno()
            raise PermissionError(code, f"rights cannot be given up: {os.strerror(code)}")
    left = [task for task in Path("/proc/self/task").iterdir() if capabilities(f"self/task/{task.name}")]
    if left:  # capset is about one thread; a change of user is about all
        raise PermissionError(f"{len(left)} threads keep capabilities: start with OPENBLAS_NUM_THREADS=1, or name a user to become")
