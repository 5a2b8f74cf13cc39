"""Protocol: what a protocol module says of itself; everything else is derived from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints, Mask
from sensor.events.field import Field
from sensor.events.point import Points
from sensor.events.table import Fragments, Pdus, Table
from sensor.mistakes import contained


@dataclass(frozen=True)
class Identity:
    """What a device says of itself in one event: the table's row, whether the server (or the client) is meant, and attributes by name: vendor, model, product,
    firmware, hardware, serial, name, plant, location, description, order_number, ..."""

    row: int
    attributes: dict[str, str]
    is_server: bool = True


def says(field: str, names: dict[str, str]) -> Callable[[Table], Iterator[Identity]]:
    """An identity function for protocols that keep what a device says of itself in one object field: its keys, by `names` where assets call them otherwise."""

    def identity(table: Table) -> Iterator[Identity]:
        column = table.columns.get(field)
        if isinstance(column, dict):
            for row, said in column.items():
                attributes = {names.get(key, key): str(value) for key, value in said.items() if value not in ("", None)}
                if attributes:
                    yield Identity(row, attributes, is_server=not table.to_server[row])

    return identity


def no_state() -> None:
    """The state of a protocol that needs none."""


HEAD = 64  # bytes of a flow that `begins` is asked about
MOST_PDU = 1 << 17  # bytes of one PDU of a stream that are waited for


def role_unknown(header: Array) -> NDArray[np.int8]:
    """For protocols whose header does not tell who sent it."""
    return np.zeros(len(header), np.int8)


def speaks(client: dict[str, str] | None = None, server: dict[str, str] | None = None) -> Callable[[Table], Iterator[Identity]]:
    """An identity function for protocols whose text fields say something of the end that sends them: attributes by field, of either end."""
    said_by = (server or {}, client or {})

    def identity(table: Table) -> Iterator[Identity]:
        for is_client, fields in enumerate(said_by):
            for name, attribute in fields.items():
                column = table.columns.get(name)
                for row, value in column.items() if isinstance(column, dict) else ():
                    if value and bool(table.to_server[row]) == bool(is_client):
                        yield Identity(row, {attribute: str(value)}, is_server=not is_client)

    return identity


@dataclass(frozen=True)
class Dataset:
    """Events of one kind, as tables, documents, the store and assets know them.

    points: every value that a table's events carry, derived when somebody asks. identity: what devices say of themselves. needs: what it cannot do, or needs to
    see, in one sentence.
    """

    name: str
    title: str
    fields: tuple[Field, ...]
    points: Callable[[Table], Points] | None = field(default=None, kw_only=True)
    identity: Callable[[Table], Iterator[Identity]] | None = field(default=None, kw_only=True)
    needs: str = field(default="", kw_only=True)

    def said(self, table: Table) -> list[Identity]:
        """What devices say of themselves in these events."""
        return contained(f"{self.name}: identity", list, lambda tell: list(tell(table)), self.identity) if self.identity is not None else []

    def __post_init__(self) -> None:
        if len(self.fields) > 64:
            raise ValueError(f"{self.name}: {len(self.fields)} fields, but a table has bits for 64")


@dataclass(frozen=True)
class Carried:
    """A protocol that another one's framing carries, which is named and not read. server, client: as of a Protocol."""

    name: str
    server: str = "controller"
    client: str = "hmi"


@dataclass(frozen=True)
class Protocol(Dataset):
    """One protocol.

    header: the record that every PDU begins with; no PDU is shorter.
    size: bytes of each PDU from its header (int64), 0 where these bytes are no such PDU: the protocol is recognised by structure, its ports are a hint.
    role: +1 where the header was surely sent to a server, -1 where surely to a client, 0 where it does not tell (int8).
    others: which headers are other protocols' under the same EtherType, for those that share theirs: such frames are none of its own, and no garbage either.
    server, client: what serving it, or using it, makes of a host in the plant (a role of assets); empty: tells nothing.
    carries: what its framing may carry besides, in the order in which `Table.inner` counts.
    is_published: it is sent to whoever listens, so that nobody serves or uses it.
    begins: whether a flow that begins with these bytes (its first HEAD, or as many as there are) may be one of it, where others have the same header or a
    shorter one.
    is_datagram: a datagram or frame is one PDU to its end (then a size above 0 only says that it is one).
    decode: the PDUs' events; its second argument is what `state` made, kept from batch to batch and bounded by the protocol itself. Protocols
        that name the same function share what it made: give yours a class of its own. What it had to forget it counts in `evicted`.
    fragments: for protocols whose messages may span PDUs; `pdus.message_at` and `message_end` then say where each message lies.
    """

    header: np.dtype[Any]
    size: Callable[[Array], Ints]
    decode: Callable[[Pdus, Any], Table]
    begins: Callable[[bytes], bool] | None = None
    tcp_ports: tuple[int, ...] = ()
    udp_ports: tuple[int, ...] = ()
    ethertypes: tuple[int, ...] = ()
    is_datagram: bool = False
    role: Callable[[Array], NDArray[np.int8]] = role_unknown
    state: Callable[[], Any] = no_state
    fragments: Callable[[Pdus], Fragments] | None = None
    others: Callable[[Array], Mask] | None = None
    server: str = "controller"
    client: str = "hmi"
    is_published: bool = False
    carries: tuple[Carried, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.is_datagram and self.tcp_ports:
            raise ValueError(f"{self.name}: TCP has no datagrams whose end could be a PDU's")


FIRST_CARRIED = 224  # from here on numbers of what flows spoke are those of what is only carried


def carried(protocols: Iterable[Dataset]) -> dict[int, tuple[Protocol, Carried]]:
    """What these protocols carry, and which does, by number."""
    found = [(protocol, each) for protocol in protocols if isinstance(protocol, Protocol) for each in protocol.carries]
    return dict(enumerate(found, FIRST_CARRIED))


def spoken(protocols: Sequence[Dataset]) -> dict[int, str]:
    """What flows may have spoken, by number: a place in this list, counted from 1, or what is carried."""
    return {number: each.name for number, each in enumerate(protocols, 1)} | {number: each.name for number, (_, each) in carried(protocols).items()}
