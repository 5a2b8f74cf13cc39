"""The normal part: four minutes of polling, reporting and publishing, as they go on day and night."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from math import sin

from sensor.demo import dnp3, enip, goose, iec104, modbus, s7comm
from sensor.demo.plant import (
    BLOWER_IO,
    BLOWERS,
    DOSING,
    ENGINEERING,
    FEEDER_1,
    FEEDER_2,
    FILTERS,
    FRONT_END,
    HMI,
    PUMPS,
    RESERVOIR,
    ROUTER,
    SWITCH,
    WELLS,
    Host,
)
from sensor.demo.tape import MS, SECOND, Connection, Datagram, Link, Tape

LENGTH_S = 240
BREAKER_OPENS_S = 31  # feeder 2's: a change of state among the repetitions
GOOSE_VLAN = (4, 10)
RESERVOIR_STATION, WELLS_STATION, MASTER_STATION = 3, 10, 1
FEEDERS = {
    FEEDER_1: ("01:0c:cd:01:00:01", 1, "WWFeeder1LD0/LLN0$GO$gcbBreaker"),
    FEEDER_2: ("01:0c:cd:01:00:02", 2, "WWFeeder2LD0/LLN0$GO$gcbBreaker"),
}
BLOWERS_IDENTITY = enip.identity(14, 96, (32, 11), 0xC04D1A57, "1769-L33ER/A LOGIX5333ER")
BLOWER_IO_IDENTITY = enip.identity(12, 190, (4, 2), 0x60A11F2C, "1734-AENT/B EtherNet/IP Adapter")


def wave(t: float, middle: float, swing: float, period_s: float, phase: float = 0.0) -> float:
    """A process value at second t."""
    return middle + swing * sin(6.283185307 * t / period_s + phase) + swing / 40 * sin(t * 2.1 + phase)


def record(tape: Tape) -> None:
    """Everything that the plant itself sends."""
    neighbours(tape)
    bridge(tape)
    pumps(tape)
    filters(tape, FILTERS, 49310, 12)
    filters(tape, DOSING, 49311, 20)
    identify(tape)
    blowers(tape)
    blower_io(tape)
    reservoir(tape)
    wells(tape)
    for feeder in FEEDERS:
        publish(tape, feeder)


def neighbours(tape: Tape) -> None:
    """Hosts ask for each other's MACs, again when what they know has aged."""
    pairs = [(HMI, each) for each in (PUMPS, FILTERS, DOSING, BLOWERS)] + [(FRONT_END, RESERVOIR), (FRONT_END, WELLS), (ENGINEERING, FILTERS)]
    pairs += [(BLOWERS, BLOWER_IO), (HMI, ROUTER)]
    for round_, begin in enumerate((10 * MS, 118 * SECOND)):
        for place, (who, whom) in enumerate(pairs):
            tape.resolve(begin + place * 7 * MS + round_ * MS, who, whom)


def bridge(tape: Tape) -> None:
    frame = goose.lldp(SWITCH.mac, 7, SWITCH.name, "Hirschmann MACH4002, software 09.1.00", SWITCH.address)
    for t in range(5, LENGTH_S, 30):
        tape.record(t * SECOND, Link(SWITCH.mac, goose.NEAREST_BRIDGE, goose.LLDP_ETHERTYPE, frame))


def pumps(tape: Tape) -> None:
    """The HMI polls levels, flows and states of the pumps by Modbus every two seconds, and once an operator changes the level to keep."""
    connection, transaction = Connection(tape, 120 * MS, HMI, PUMPS, 49300, 502), 0
    for t in range(1, LENGTH_S, 2):
        at = t * SECOND + 120 * MS
        level, flow, pressure = wave(t, 3.2, 0.4, 90), wave(t, 182, 12, 60, 1), wave(t, 4.6, 0.2, 45, 2)
        holding = [round(level * 1000), round(flow * 10), round(pressure * 100), 3200, 1450, 1447, 0, 0, 25, 60]
        running = [1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, int(level > 3.5)]
        exact = list(struct.unpack(">4H", struct.pack(">ff", flow, pressure)))
        asked: tuple[tuple[bytes, bytes], ...] = (
            (modbus.read(modbus.READ_HOLDING_REGISTERS, 0, 10), modbus.registers(modbus.READ_HOLDING_REGISTERS, holding)),
            (modbus.read(modbus.READ_COILS, 0, 16), modbus.bits(modbus.READ_COILS, running)),
            (modbus.read(modbus.READ_INPUT_REGISTERS, 100, 4), modbus.registers(modbus.READ_INPUT_REGISTERS, exact)),
        )
        if t == 41:
            asked += ((modbus.write_register(3, 3200), modbus.write_register(3, 3200)),)
        for place, (request, response) in enumerate(asked):
            transaction += 1
            at = connection.ask(
                at + MS, modbus.message(transaction, 1, request), modbus.message(transaction, 1, response), 2 * MS, quick=place < len(asked) - 1
            )


def filters(tape: Tape, controller: Host, port: int, db: int) -> None:
    """The HMI reads turbidity, flow and valve positions from an S7 controller."""
    offset = port % 7 * 110 * MS
    connection = Connection(tape, 300 * MS + offset, HMI, controller, port, 102)
    connection.ask(310 * MS + offset, *s7comm.connect(0, 2, 2), quick=True)
    connection.ask(330 * MS + offset, *s7comm.setup(1))
    for reference, t in enumerate(range(1, LENGTH_S, 2), 2):
        values = struct.pack(">4f", wave(t, 0.42, 0.05, 70, db), wave(t, 64, 3, 50, 1), wave(t, 38, 6, 110, 2), 7.2)
        items = (
            (s7comm.variable(s7comm.DB, db, 0, s7comm.REAL, 4), values),
            (s7comm.variable(s7comm.FLAGS, 0, 10, s7comm.BYTE, 2), bytes((0x13, t // 60 % 2))),
        )
        connection.ask(t * SECOND + 400 * MS + offset, *s7comm.read(reference, items), 8 * MS)


def identify(tape: Tape) -> None:
    """The engineering station asks a controller what it is, as it does when its project is opened."""
    at = 12 * SECOND
    connection = Connection(tape, at, ENGINEERING, FILTERS, 50112, 102)
    connection.ask(at + 2 * MS, *s7comm.connect(0, 2, 1), quick=True)
    connection.ask(at + 20 * MS, *s7comm.setup(0x100), quick=True)
    order = "6ES7 315-2EH14-0AB0"
    modules = [s7comm.module(1, order, b"\x00\x01\x00\x01"), s7comm.module(6, order, b"\x00\x05\x00\x01"), s7comm.module(7, "", b"V\x03\x02\x0a")]
    names = {1: "WATERWORKS", 2: "CPU 315-2 PN/DP", 3: "FILTERS", 4: "Original Siemens Equipment", 5: "S C-C2UR28922012", 7: "CPU 315-2 PN/DP"}
    connection.ask(at + 60 * MS, *s7comm.system_status(0x101, 1, 0x0011, modules), 12 * MS, quick=True)
    connection.ask(at + 110 * MS, *s7comm.system_status(0x102, 2, 0x001C, [s7comm.component(*each) for each in names.items()]), 12 * MS)
    connection.close(at + 900 * MS)


def blowers(tape: Tape) -> None:
    """The HMI reads tags of a Logix controller: several at once, every two seconds. The engineering station lists identities."""
    at, session = 500 * MS, 0x0A020100
    connection = Connection(tape, at, HMI, BLOWERS, 49320, 44818)
    connection.ask(at + 10 * MS, *enip.register(session), quick=True)
    attributes = enip.request(enip.GET_ATTRIBUTES_ALL, enip.instance(enip.IDENTITY)), enip.reply(enip.GET_ATTRIBUTES_ALL, BLOWERS_IDENTITY)
    connection.ask(at + 30 * MS, *enip.both(session, 1, attributes))
    for context, t in enumerate(range(2, LENGTH_S, 2), 2):
        oxygen, speed = struct.pack("<f", wave(t, 2.1, 0.3, 80)), struct.pack("<f", wave(t, 1490, 25, 40))
        tags = [("Blower1_Speed", enip.REAL, speed), ("Oxygen", enip.REAL, oxygen), ("Blower1_Starts", enip.DINT, struct.pack("<i", 412 + t // 100))]
        ask, answer = enip.read_tags(tags)
        connection.ask(t * SECOND + 550 * MS, *enip.both(session, context, (enip.to_slot(0, ask), answer)), 4 * MS)
    for place, (host, identity) in enumerate(((BLOWERS, BLOWERS_IDENTITY), (BLOWER_IO, BLOWER_IO_IDENTITY))):
        ask, answer = enip.list_identity(host, identity, 0x1700 + place)
        tape.record(14 * SECOND + place * 40 * MS, Datagram(ENGINEERING, host, 50120 + place, 44818, ask))
        tape.record(14 * SECOND + place * 40 * MS + 2 * MS, Datagram(host, ENGINEERING, 44818, 50120 + place, answer))


def blower_io(tape: Tape) -> None:
    """The Logix controller opens a class 1 connection to its I/O adapter; both send every second from then on."""
    at, session, ids = 700 * MS, 0x01020300, (0x00A10002, 0x80510001)
    connection = Connection(tape, at, BLOWERS, BLOWER_IO, 50001, 44818)
    connection.ask(at + 10 * MS, *enip.register(session), quick=True)
    opening = enip.forward_open(7, 0xC04D1A57, ids, (14, 8), 1_000_000)
    connection.ask(at + 30 * MS, *enip.both(session, 1, opening))
    for count, t in enumerate(range(1, LENGTH_S), 1):
        output = struct.pack("<IHHI", 1, 0x0003, round(wave(t, 16000, 400, 40)), 0)  # run, and what the blower is to do
        current = struct.pack("<Hhh", 0x0001, round(wave(t, 8200, 300, 40)), round(wave(t, 412, 6, 90)))
        tape.record(t * SECOND + 800 * MS, Datagram(BLOWERS, BLOWER_IO, 2222, 2222, enip.cyclic(ids[0], count, output)))
        tape.record(t * SECOND + 803 * MS, Datagram(BLOWER_IO, BLOWERS, 2222, 2222, enip.cyclic(ids[1], count, current)))


@dataclass
class Telecontrol:
    """An IEC 60870-5-104 connection: what each side has sent, and acknowledges."""

    connection: Connection
    sent: list[int] = field(default_factory=lambda: [0, 0])

    def send(self, at: int, asdu: bytes, *, by_station: bool) -> None:
        own, other = (1, 0) if by_station else (0, 1)
        self.connection.send(at, iec104.information(self.sent[own], self.sent[other], asdu), by_server=by_station)
        self.sent[own] += 1

    def start(self, at: int) -> None:
        self.connection.ask(at, iec104.unnumbered(iec104.STARTDT_ACT), iec104.unnumbered(iec104.STARTDT_CON))


def reservoir(tape: Tape) -> None:
    """The front end interrogates an IEC 104 outstation; from then on it reports by itself what changes."""
    link, station = Telecontrol(Connection(tape, 900 * MS, FRONT_END, RESERVOIR, 51204, 2404)), RESERVOIR_STATION
    link.start(910 * MS)
    for place, cause in enumerate((iec104.ACTIVATION, iec104.ACTIVATION_CON)):
        link.send((960 + 6 * place) * MS, iec104.asdu(iec104.INTERROGATION, cause, station, (0, b"\x14")), by_station=bool(place))
    levels = [(700 + i, iec104.measured(wave(0, 4.1 + i, 0.2, 100, i))) for i in range(4)]
    valves = [(100 + i, bytes((i % 2,))) for i in range(6)]
    link.send(990 * MS, iec104.asdu(iec104.MEASURED_FLOAT, iec104.INTERROGATED, station, *levels), by_station=True)
    link.send(994 * MS, iec104.asdu(iec104.SINGLE_POINT, iec104.INTERROGATED, station, *valves), by_station=True)
    link.send(998 * MS, iec104.asdu(iec104.INTERROGATION, iec104.ACTIVATION_TERM, station, (0, b"\x14")), by_station=True)
    link.connection.send(1050 * MS, iec104.supervisory(link.sent[1]))
    for count, t in enumerate(range(3, LENGTH_S, 3), 1):
        at = t * SECOND + 60 * MS
        point = 700 + count % 4
        value = iec104.measured(wave(t, 4.1 + count % 4, 0.2, 100, count % 4)) + iec104.time(tape.begin_ns + at - 20 * MS)
        link.send(at, iec104.asdu(iec104.MEASURED_FLOAT_TIME, iec104.SPONTANEOUS, station, (point, value)), by_station=True)
        if count % 4 == 0:
            link.connection.send(at + 90 * MS, iec104.supervisory(link.sent[1]))
            link.connection.acknowledge(at + 130 * MS, by_server=True)
        else:
            link.connection.acknowledge(at + 90 * MS)


def wells(tape: Tape) -> None:
    """The front end polls a DNP3 outstation for events every four seconds, and for everything at the beginning and after two minutes."""
    connection = Connection(tape, 1100 * MS, FRONT_END, WELLS, 51220, 20000)
    for count, t in enumerate(range(2, LENGTH_S, 4)):
        at = t * SECOND + 200 * MS
        values = [wave(t, 22.4 + i, 0.6, 75, i) for i in range(4)]
        if count % 30 == 0:
            objects = b"".join(dnp3.every(60, variation) for variation in (2, 3, 4, 1))
            answer = dnp3.binaries([1, 0, 1, 1]) + dnp3.floats(values)
        else:
            objects, answer = b"".join(dnp3.every(60, variation) for variation in (2, 3, 4)), dnp3.events(count % 4, values[count % 4])
        confirm = count % 30 != 0
        request = dnp3.request(count, dnp3.READ, objects)
        ask = dnp3.frame(dnp3.MASTER, WELLS_STATION, MASTER_STATION, request, 2 * count)
        told = dnp3.frame(dnp3.OUTSTATION, MASTER_STATION, WELLS_STATION, dnp3.response(count, answer, confirm=confirm), count)
        answered = connection.ask(at, ask, told, 18 * MS, quick=confirm)
        if confirm:
            connection.send(answered + 5 * MS, dnp3.frame(dnp3.MASTER, WELLS_STATION, MASTER_STATION, dnp3.request(count, dnp3.CONFIRM), 2 * count + 1))
            connection.acknowledge(answered + 45 * MS, by_server=True)


def publish(tape: Tape, feeder: Host) -> None:
    """A feeder's protection device repeats its state every two seconds, and at once, then ever slower, when it changes."""
    destination, appid, block = FEEDERS[feeder]
    state, sequence, changed = 4, 1200, tape.begin_ns - 3600 * SECOND
    times = [(t * SECOND + appid * 130 * MS, False) for t in range(1, LENGTH_S, 2)]
    if feeder is FEEDER_2:
        times += [(BREAKER_OPENS_S * SECOND + delay * MS, delay == 400) for delay in (400, 404, 412, 428, 460, 524)]
    for at, is_change in sorted(times):
        if is_change:
            state, sequence, changed = state + 1, -1, tape.begin_ns + at
        sequence += 1
        closed = state == 4
        current = wave(at / SECOND, 84, 5, 66, appid) if closed else 0.0
        pdu = goose.publish(appid, block, changed, state, sequence, closed=closed, current=current)
        tape.record(at, Link(feeder.mac, destination, goose.ETHERTYPE, pdu, GOOSE_VLAN))
