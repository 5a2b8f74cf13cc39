"""Who is on the network, and how we know: addresses, MACs, names and identities, each with the frames that said so.

An asset is an address that has sent something. A MAC is an asset's own when ARP said so or when it stands for no other address; a MAC with several addresses
(a router) joins nothing. A MAC that speaks only layer 2 protocols is an asset of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

import numpy as np

from sensor.assets.asset import Asset, Attributes, Behaviour, Evidence, Where
from sensor.columns import Array, Ints, Mask, firsts, heads, pages
from sensor.decode.packets import Transport
from sensor.events.address import MAC_HIGH, MAPPED
from sensor.events.origins import FRAME, Origins
from sensor.events.protocol import Carried, Dataset, Protocol
from sensor.events.seen import Seen
from sensor.events.table import Table
from sensor.events.vocabulary import Action
from sensor.keyed import NEVER, Keyed
from sensor.ports import NOT_DECODED
from sensor.streams.flows import UNDECIDED, UNKNOWN

MOST = 65_536  # assets, and twice as many pairs of an address and a MAC; those longest silent leave first and are counted
MOST_SAID = 50_000  # values kept of what devices say of themselves; the device that spoke first leaves first and is counted
MOST_ATTRIBUTES = 256  # of one asset
MOST_DATASETS = 63  # the bits of a number but for the lowest
AT_ONCE = 8_192
ENGINEERING = (
    Action.DOWNLOAD, Action.UPLOAD, Action.MODIFY_PROGRAM, Action.START, Action.STOP, Action.RESTART, Action.MODE_CHANGE, Action.FIRMWARE_UPDATE, Action.FORCE,
)  # fmt: skip
IS_ENGINEERING = np.isin(np.arange(256), ENGINEERING)
ADDRESS: dict[str, type[np.generic]] = {"high": np.uint64, "low": np.uint64}
BITS = ("serves", "uses", "serves_others", "uses_others")
NOTHING: dict[str, np.generic] = {"first": NEVER, "first_ns": np.int64(0), "packets": np.int64(0), "bytes": np.int64(0), "engineered": np.int64(0)}
NOTHING |= dict.fromkeys(BITS, np.uint64(0))
OTHERS = tuple(sorted(set(NOT_DECODED.values())))  # protocols that are known by their port alone

JOINED = (
    *((name, np.bitwise_or) for name in BITS), ("first", np.minimum), ("last_ns", np.maximum), ("packets", np.add), ("bytes", np.add), ("engineered", np.add),
)  # fmt: skip


class Assets:
    """Learns from batches. Bounded; `evicted` counts assets that left, `unsaid` values that devices said of themselves and that left.

    networks: of the plant, although their addresses are public.
    known: by address; first: place of the source and frame; serves and uses: a bit per dataset, serves_others and
    uses_others: one per protocol of OTHERS. cards: which address was seen with which MAC.
    """

    def __init__(self, datasets: tuple[Dataset, ...], most: int = MOST, networks: tuple[str, ...] = ()) -> None:
        protocols = [dataset for dataset in datasets if isinstance(dataset, Protocol)]
        inside = {protocol.name: [each.name for each in protocol.carries] for protocol in protocols if protocol.carries}
        self.names = [*dict.fromkeys(dataset.name for dataset in datasets), *chain(*inside.values())]
        if len(self.names) > MOST_DATASETS:
            raise ValueError(f"{len(self.names)} datasets, but bits for {MOST_DATASETS}")
        self.datasets, self.at_once = {dataset.name: dataset for dataset in datasets}, min(AT_ONCE, most // 2)
        self.carried = {name: self.names.index(found[0]) + 1 for name, found in inside.items()}  # by protocol, the number of the first that it carries
        behaving: list[Protocol | Carried] = [*protocols, *(each for protocol in protocols for each in protocol.carries)]
        self.behaviour = Behaviour(
            {each.name: each.server for each in behaving if each.server},
            {each.name: each.client for each in behaving if each.client},
            frozenset(protocol.name for protocol in protocols if protocol.is_published),
            networks,
        )
        self.known = Keyed(most, ADDRESS, NOTHING)
        self.cards = Keyed(2 * most, ADDRESS | {"mac": np.uint64}, {"by_arp": np.bool_(False)})
        self.said: dict[tuple[int, int], Attributes] = {}  # by address
        self.values = self.unsaid = 0
        self.origins = Origins(lambda: (self.known.c["first"],))
        self.waiting = np.zeros(0, np.int32)  # flows of which only one side was seen so far
        self.met = np.zeros(0, np.bool_)  # by flow: whether it has said who its ends are
        self.spoken = np.zeros(0, np.uint8)  # by flow * 2 + (sent to the server): the protocol that the sender was last found to speak, counted from 1

    @property
    def evicted(self) -> int:
        return self.known.evicted

    def learn(self, seen: Seen) -> None:
        """One batch: flows that were answered, flows that are over, ARP, and what devices say."""
        self.origins.add(seen)
        if len(self.met) < len(seen.flows["key"]):
            self.met, self.spoken = pages(len(seen.flows["key"]), np.bool_), pages(len(seen.flows["key"]) * 2, np.uint8)
        self._arp(seen)
        waiting = np.concatenate((self.waiting, seen.started))
        packets = seen.flows["packets"]
        answered = (packets[waiting * 2] > 0) & (packets[waiting * 2 + 1] > 0)
        self._ends({name: seen.flows[name][waiting[answered]] for name in NAMES}, waiting[answered])
        self.met[waiting[answered]] = True
        self.waiting = waiting[~answered & seen.flows["live"][waiting]][-MOST:]
        for number, (name, dataset) in enumerate(self.datasets.items(), 1):
            if (table := seen.datasets.get(name)) is not None:
                self._speak(seen, table, ~table.foreign, number)
                for inner in dict.fromkeys(() if table.inner is None else table.inner[table.inner > 0].tolist()):
                    self._speak(seen, table, table.inner == inner, self.carried[name] + inner - 1)
                self._identify(seen, table, dataset)
                self._engineering(seen, table)
        self._over(seen)

    def _arp(self, seen: Seen) -> None:
        """What ARP says is sure."""
        arp = seen.arp
        some = np.flatnonzero(arp.sender_ip)
        if not some.size:
            return
        high, low = np.zeros(len(some), np.uint64), arp.sender_ip[some] | np.uint64(MAPPED)
        for part in self._parts(len(some)):
            ts_ns = arp.ts_ns[some[part]]
            self._meet(high[part], low[part], self.origins.here(arp.frame[some[part]]), ts_ns)
            rows = self.cards.meet(ts_ns, high[part], low[part], arp.sender_mac[some[part]])
            self.cards.c["by_arp"][rows] = True

    def _parts(self, n: int) -> Iterator[slice]:
        return (slice(begin, begin + self.at_once) for begin in range(0, n, self.at_once))

    def _meet(self, high: Array, low: Array, first: Ints, ts_ns: Ints) -> Array:
        """The rows of these addresses (at most `at_once`), each of which was there at this packet."""
        row, c = self.known.meet(ts_ns, high, low), self.known.c
        earlier = np.flatnonzero(first < c["first"][row])
        if earlier.size:
            earlier = earlier[np.lexsort((first[earlier], row[earlier]))]
            earlier = earlier[heads(row[earlier])]
            c["first"][row[earlier]], c["first_ns"][row[earlier]] = first[earlier], ts_ns[earlier]
        return row

    def _ends(self, flows: Mapping[str, Array], number: Array) -> None:
        """Who the ends of flows are: those that sent something. number: their rows of the flow table."""
        if not number.size:
            return
        first = self.origins.place(number) << FRAME | flows["first_frame"]
        for end in "ab":
            sends = np.flatnonzero(flows[f"packets_{end}"]) if f"packets_{end}" in flows else np.arange(len(number))
            for part in self._parts(len(sends)):
                some = sends[part]
                high, low, mac, ts_ns = (flows[name][some] for name in (f"{end}_high", f"{end}_low", f"{end}_mac", "first_ns"))
                self._meet(high, low, first[some], ts_ns)
                has = np.flatnonzero((mac > 0) & (high != MAC_HIGH))
                self.cards.meet(ts_ns[has], high[has], low[has], mac[has])

    def _over(self, seen: Seen) -> None:
        """Flows that are over: those that were not answered make an asset of their sender alone; all add to the counts."""
        over, c = seen.over, self.known.c
        number = over["flow"]
        if not number.size:
            return
        alone = ~self.met[number]
        self._ends({name: over[name][alone] for name in (*NAMES, "packets_a", "packets_b")}, number[alone])
        bit = _others(over)
        for end in "ab":
            row = self.known.find(over[f"{end}_high"], over[f"{end}_low"])
            says = np.flatnonzero((bit > 0) & (over[f"payload_{end}"] > 0) & (row >= 0))
            serves = over["server_is_b"][says] == (end == "b")
            for name, which in (("serves_others", says[serves]), ("uses_others", says[~serves])):
                np.bitwise_or.at(c[name], row[which], bit[which])
            sends = (over[f"packets_{end}"] > 0) & (row >= 0)
            row = row[sends]
            np.add.at(c["packets"], row, over[f"packets_{end}"][sends])
            np.add.at(c["bytes"], row, over[f"bytes_{end}"][sends])
            np.maximum.at(c["last_ns"], row, over["last_ns"][sends])
        self.met[number[~alone]] = False
        self.spoken[number * 2] = self.spoken[number * 2 + 1] = 0

    def _speak(self, seen: Seen, table: Table, chosen: Mask, number: int) -> None:
        """Who serves and who uses a protocol: whoever sent an event of it, once per flow and direction."""
        new = np.flatnonzero(table.is_new & chosen)
        stream = table.flow[new].astype(np.int64) << 1 | table.to_server[new]
        told = np.flatnonzero(self.spoken[stream] != number)
        if told.size:
            _, first = firsts(stream[told])
            rows = new[told[first]]
            for part in self._parts(len(rows)):
                serves = ~table.to_server[rows[part]]
                row = self._senders(seen, table, rows[part], serves)
                for name, which in (("serves", row[serves]), ("uses", row[~serves])):
                    np.bitwise_or.at(self.known.c[name], which, np.uint64(1 << number))
            self.spoken[stream[told]] = number

    def _senders(self, seen: Seen, table: Table, rows: Ints, is_server: Mask) -> Array:
        """The servers or the clients of these events (at most `at_once`): rows of `known`."""
        return self._meet(*_address(seen, table, rows, is_server), self.origins.here(table.frame[rows]), table.ts_ns[rows])

    def _identify(self, seen: Seen, table: Table, dataset: Dataset) -> None:
        """What devices say of themselves."""
        if dataset.identity is None:
            return
        new = table.is_new
        found = [each for each in (dataset.said(table) if table.identities is None else table.identities) if new[each.row]]
        for part in self._parts(len(found)):
            some = found[part]
            rows, is_server = np.array([each.row for each in some], np.int64), np.array([each.is_server for each in some], np.bool_)
            self._senders(seen, table, rows, is_server)
            high, low = _address(seen, table, rows, is_server)
            places = zip(high.tolist(), low.tolist(), table.frame[rows].tolist(), table.ts_ns[rows].tolist(), some, strict=True)
            for own_high, own_low, frame, ts_ns, each in places:
                where = Where(self.origins.before[self.origins.current], frame, ts_ns, seen.source.heard_at(-1))
                self._say((own_high, own_low), each.attributes, table.dataset, where)

    def _say(self, address: tuple[int, int], attributes: Mapping[str, str], said_by: str, where: Where) -> None:
        mine = self.said.setdefault(address, {})
        for name, value in attributes.items():
            entry = mine.get((name, value))
            if entry is not None:
                entry.add(said_by, where)
            elif len(mine) < MOST_ATTRIBUTES:
                mine[name, value] = Evidence(value, said_by, where, where)
                self.values += 1
            else:
                self.unsaid += 1
        while self.values > MOST_SAID:
            gone = len(self.said.pop(next(iter(self.said))))
            self.values -= gone
            self.unsaid += gone

    def _engineering(self, seen: Seen, table: Table) -> None:
        """Who programs, starts and stops controllers."""
        rows = np.flatnonzero(IS_ENGINEERING[table.action] & table.to_server & table.is_new)
        for part in self._parts(len(rows)):
            row = self._senders(seen, table, rows[part], np.zeros(len(rows[part]), np.bool_))
            np.add.at(self.known.c["engineered"], row, np.int64(1))

    def __len__(self) -> int:
        """How many there are, a MAC and the address that has it being one."""
        owner, mac, _ = self._cards()
        return len(self.known) - len(self._joined(owner, mac)[0])

    def __iter__(self) -> Iterator[Asset]:
        """Everyone, in the order of addresses; one at a time, for there may be many."""
        rows = self.known.rows()
        rows = rows[np.lexsort((self.known.c["low"][rows], self.known.c["high"][rows]))]
        owner, mac, alone = self._cards()
        part, whole = self._joined(owner, mac)
        c = self._whole(part, whole)
        parts: dict[int, list[int]] = {}
        for each, row in zip(part.tolist(), whole.tolist(), strict=True):
            parts.setdefault(row, []).append(each)
        rows = rows[~np.isin(rows, part)]
        names = {bits: _names(bits, self.names) for bits in {*c["serves"][rows].tolist(), *c["uses"][rows].tolist()}}
        others = {bits: _names(bits, OTHERS) for bits in {*c["serves_others"][rows].tolist(), *c["uses_others"][rows].tolist()}}
        published = self.behaviour.published
        engineers = mac[c["engineered"][owner] > 0]
        is_engineers = (c["engineered"] > 0) | (c["high"] == MAC_HIGH) & np.isin(c["low"], engineers)
        sources, before = self.origins.sources, self.origins.before
        for begin in range(0, len(rows), self.at_once):
            some = rows[begin : begin + self.at_once]
            columns = (c[name][some] for name in (*BITS, "high", "low", "first", "first_ns", "last_ns", "packets", "bytes", "engineered"))
            own = (np.searchsorted(owner, some, side) for side in ("left", "right"))
            for row, a, b, is_engineer, serve, use, serve_others, use_others, high, low, first, first_ns, last_ns, packets, size, engineered in zip(
                *(column.tolist() for column in (some, *own, is_engineers[some], *columns)), strict=True
            ):
                macs, single = mac[a:b].tolist(), mac[a:b][alone[a:b]].tolist()
                if high == MAC_HIGH:
                    macs = single = [low]
                attributes: Attributes = {}
                for each in parts.get(row, ()):
                    attributes |= self.said.get((int(c["high"][each]), int(c["low"][each])), {})
                attributes |= self.said.get((high, low), {})
                where = Where(before[first >> FRAME], first & (1 << FRAME) - 1, first_ns, sources[first >> FRAME].heard_at(-1))
                yield Asset(
                    high, low, where, last_ns, packets, size, macs, single, names[serve], names[use] - published, names[use] & published,
                    others[serve_others], others[use_others], self.behaviour, engineered, is_engineer, attributes,
                )  # fmt: skip

    def _cards(self) -> tuple[Array, Array, Mask]:
        """Row of `known` and MAC, sorted, of each MAC that is an address's own; and whether that MAC was seen with no other address."""
        c, rows = self.cards.c, self.cards.rows()
        mac = c["mac"][rows]
        _, which, counts = np.unique(mac, return_inverse=True, return_counts=True)
        alone = counts[which] == 1
        owner = self.known.find(c["high"][rows], c["low"][rows])
        own = np.flatnonzero((owner >= 0) & (alone | c["by_arp"][rows]))
        own = own[np.lexsort((mac[own], owner[own]))]
        return owner[own], mac[own], alone[own]

    def _joined(self, owner: Array, mac: Array) -> tuple[Array, Array]:
        """Rows of MACs that are the own of just one address (one that several claim, by spoofing, is nobody's), and that address's row."""
        c, rows = self.known.c, self.known.rows()
        layer_2 = rows[c["high"][rows] == MAC_HIGH]
        order = np.argsort(mac, kind="stable")
        begin, end = (np.searchsorted(mac[order], c["low"][layer_2], side) for side in ("left", "right"))
        one = end - begin == 1
        return layer_2[one], owner[order[begin[one]]]

    def _whole(self, part: Array, whole: Array) -> dict[str, Array]:
        """The columns of `known`; what a MAC said and sent is that of the address that has it, too."""
        c = self.known.c
        result = c | {name: c[name].copy() for name, _ in JOINED} | {"first_ns": c["first_ns"].copy()}
        for name, add in JOINED:
            add.at(result[name], whole, c[name][part])
        begins = c["first"][part] == result["first"][whole]
        result["first_ns"][whole[begins]] = c["first_ns"][part[begins]]
        return result


def _names(bits: int, known: Iterable[str]) -> frozenset[str]:
    return frozenset(name for number, name in enumerate(known, 1) if bits >> number & 1)


def _others(over: Mapping[str, Array]) -> Array:
    """The bit in OTHERS of each flow of which nothing but its server's port or EtherType is known; 0: that is nobody's."""
    port = np.where(over["server_is_b"], over["b_port"], over["a_port"])
    number = np.where(over["transport"] == Transport.ETHERNET, over["ethertype"], port)
    where = over["transport"].astype(np.int64) << 16 | number
    place = np.minimum(np.searchsorted(PLACES, where), len(PLACES) - 1)
    is_other = (PLACES[place] == where) & np.isin(over["protocol"], (UNDECIDED, UNKNOWN))
    return np.where(is_other, BIT_OF[place], np.uint64(0))


PLACES = np.array(sorted(transport << 16 | number for transport, number in NOT_DECODED))
BIT_OF = np.array([1 << OTHERS.index(NOT_DECODED[Transport(place >> 16), place & 0xFFFF]) + 1 for place in PLACES.tolist()], np.uint64)
NAMES = ("a_high", "a_low", "b_high", "b_low", "a_mac", "b_mac", "first_frame", "first_ns")


def _address(seen: Seen, table: Table, rows: Ints, is_server: Mask) -> tuple[Array, Array]:
    """Both halves of the addresses of the servers or the clients of these events."""
    flow, flows = table.flow[rows], seen.flows
    is_b = flows["server_is_b"][flow] == is_server
    high, low = (np.where(is_b, flows[f"b_{half}"][flow], flows[f"a_{half}"][flow]) for half in ("high", "low"))
    return high, low
