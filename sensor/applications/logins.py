"""Logins that cross the network so that anyone can read them. The password itself leaves this module for nowhere: events say that there was one, and whose default it is."""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from importlib import resources
from typing import Any

import yaml

from sensor.events.field import Field

ANONYMOUS = frozenset((b"anonymous", b"ftp"))  # RFC 1635: whose password is no secret


class Login(IntEnum):
    """What was sent in clear text."""

    PASSWORD = 1
    DEFAULT_PASSWORD = 2  # that a vendor's manual names


def fields(dataset: str) -> tuple[Field, ...]:
    """What events of a dataset say of logins."""
    return (
        Field("login", "u1", "A login that anyone can read: with a password, or with the one that a vendor's manual names as default", enum=Login, ecs=f"{dataset}.login"),
        Field("default_of", "str[]", "Vendors whose manuals name this login as their default", ecs=f"{dataset}.default_of"),
    )  # fmt: skip


@cache
def defaults() -> dict[tuple[bytes, bytes], list[str]]:
    """Vendors by user and password."""
    found: dict[tuple[bytes, bytes], list[str]] = {}
    for line in yaml.safe_load((resources.files(__package__) / "default_logins.yaml").read_text("utf-8")):
        for user, password in line["logins"]:
            found.setdefault((user.encode(), password.encode()), []).append(line["vendor"])
    return found


def about(dataset: str, user: bytes, password: bytes) -> dict[str, Any]:
    """What an event of this dataset says of a login; nothing of an anonymous one."""
    if user.lower() in ANONYMOUS:
        return {}
    if vendors := defaults().get((user, password)):
        return {f"{dataset}.login": Login.DEFAULT_PASSWORD, f"{dataset}.default_of": vendors}
    return {f"{dataset}.login": Login.PASSWORD} if password else {}
