"""The other part: somebody plugs in a laptop, finds out what there is, and takes the plant's controllers over one by one."""

from __future__ import annotations

from sensor.demo import dnp3, enip, goose, iec104, modbus, s7comm
from sensor.demo.day import FEEDERS, GOOSE_VLAN, RESERVOIR_STATION, WELLS_STATION, Telecontrol
from sensor.demo.plant import BLOWERS, DOSING, FEEDER_2, HMI, LAPTOP, PLANT, PUMPS, RESERVOIR, SERVICES, STRANGER, WELLS, Host
from sensor.demo.tape import ARP_REPLY, ARP_REQUEST, EVERYBODY, MS, NOBODY, SECOND, Arp, Connection, Link, Tape

INDUSTRIAL = (102, 502, 2404, 20000, 44818)
COMMON = (21, 22, 23, 25, 53, 80, 102, 110, 111, 123, 135, 139, 143, 161, 443, 445, 502, 993, 1089, 1433, 1883, 2222, 2404, 3306, 3389, 4840, 5432, 5900, 8080, 9600,
          20000, 44818)  # fmt: skip
SUPPORTED = (1, 2, 3, 4, 5, 6, 15, 16, 23, 43)  # functions of the pump controller
ARGUMENTS = {  # of functions that take others than an address and a quantity, so that each request is a proper one
    7: b"", 8: bytes(4), 11: b"", 12: b"", 15: b"\xff\xff\x00\x01\x01\x00", 16: b"\xff\xff\x00\x01\x02\x00\x00", 17: b"",
    20: b"\x07\x06\x00\x01\x00\x00\x00\x01", 21: b"\x09\x06\x00\x01\x00\x00\x00\x01\x00\x00", 22: b"\xff\xff\x00\x00\x00\x00",
    23: b"\xff\xff\x00\x01\xff\xff\x00\x01\x02\x00\x00", 24: b"\xff\xff", 43: b"\x0d\x00\x00",
}  # fmt: skip
BLOCK = "0800001"  # OB1
PASSWORD = "ww_2019"  # noqa: S105 - it is meant to be read
FIRST_PORT = 40000


def record(tape: Tape) -> None:
    """Everything that the intruder sends, and what it is answered."""
    ask_around(tape, 70 * SECOND)
    try_controllers(tape, 84 * SECOND)
    try_ports(tape, 93 * SECOND)
    explore_pumps(tape, 100 * SECOND)
    reprogram_dosing(tape, 135 * SECOND)
    halt_blowers(tape, 155 * SECOND)
    open_valve(tape, 165 * SECOND)
    restart_wells(tape, 175 * SECOND)
    replay_feeder(tape, 185 * SECOND)
    stand_between(tape, 198 * SECOND)
    from_outside(tape, 215 * SECOND)


def ask_around(tape: Tape, at: int) -> None:
    """Who is there? One ARP request for each of the first 80 addresses."""
    present = {host.address: host for host in PLANT}
    tape.say("The laptop asks for every address of the network")
    for number in range(1, 81):
        address, when = f"192.168.10.{number}", at + number * 21 * MS
        if address == LAPTOP.address:
            continue
        tape.record(when, Arp(ARP_REQUEST, LAPTOP.mac, LAPTOP.address, NOBODY, address))
        if address in present:
            tape.record(when + 400_000, Arp(ARP_REPLY, present[address].mac, address, LAPTOP.mac, LAPTOP.address))


def probe(tape: Tape, at: int, host: Host, source_port: int, port: int) -> None:
    """A connection that is dropped as soon as it is there."""
    if port in SERVICES.get(host, ()):
        Connection(tape, at, LAPTOP, host, source_port, port).reset(at + 700_000)
    else:
        tape.refused(at, LAPTOP, host, source_port, port)


def try_controllers(tape: Tape, at: int) -> None:
    """Who speaks an industrial protocol?"""
    tape.say("The laptop tries the ports of industrial protocols everywhere")
    for place, host in enumerate(PLANT):
        for number, port in enumerate(INDUSTRIAL):
            probe(tape, at + (place * len(INDUSTRIAL) + number) * 90 * MS, host, FIRST_PORT + place * 10 + number, port)


def try_ports(tape: Tape, at: int) -> None:
    tape.say("The laptop tries many ports of one controller")
    for number, port in enumerate(COMMON):
        probe(tape, at + number * 55 * MS, DOSING, FIRST_PORT + 500 + number, port)


def explore_pumps(tape: Tape, at: int) -> None:
    """Modbus: who are you, what can you do, what have you got, and a set point that no pump survives for long."""
    connection, transaction, unit = Connection(tape, at, LAPTOP, PUMPS, 41000, 502), 0, 1

    def ask(request: bytes, response: bytes) -> None:
        nonlocal at, transaction
        transaction += 1
        at += 110 * MS
        connection.ask(at, modbus.message(transaction, unit, request), modbus.message(transaction, unit, response), 2 * MS, quick=transaction % 8 > 0)

    tape.say("The laptop asks the pump controller who it is")
    ask(*modbus.identification(("Schneider Electric", "TM221CE40R", "V1.10")))
    tape.say("The laptop tries which Modbus functions the pump controller has")
    for function in range(1, 61):
        code = modbus.ILLEGAL_DATA_ADDRESS if function in SUPPORTED else modbus.ILLEGAL_FUNCTION
        ask(bytes((function,)) + ARGUMENTS.get(function, b"\xff\xff\x00\x01"), modbus.exception(function, code))
    tape.say("The laptop reads the whole memory of the pump controller")
    for address in range(0, 1100, 10):
        values = [0] * 10 if address else [3210, 1840, 462, 3200, 1450, 1447, 0, 0, 25, 60]
        ask(modbus.read(modbus.READ_HOLDING_REGISTERS, address, 10), modbus.registers(modbus.READ_HOLDING_REGISTERS, values))
    tape.say("The laptop changes the level to keep, and the speed of both pumps")
    for _ in range(3):
        ask(modbus.write_register(3, 9900), modbus.write_register(3, 9900))
        ask(*modbus.write_registers(4, (2950, 2950)))
    connection.close(at + 2 * SECOND)


def reprogram_dosing(tape: Tape, at: int) -> None:
    """S7: the password that the vendor's tools send for everyone to read, another program, and stop."""
    connection = Connection(tape, at, LAPTOP, DOSING, 41010, 102)
    connection.ask(at + 5 * MS, *s7comm.connect(0, 2), quick=True)
    connection.ask(at + 30 * MS, *s7comm.setup(0x200), quick=True)
    order = "6ES7 212-1BE40-0XB0"
    connection.ask(at + 90 * MS, *s7comm.system_status(0x201, 1, 0x0011, [s7comm.module(1, order, b"\x00\x01\x04\x02")]), 12 * MS, quick=True)
    tape.say("The laptop sends the password of the dosing controller")
    connection.ask(at + 2000 * MS, *s7comm.password(0x202, PASSWORD), 12 * MS)
    tape.say("The laptop loads another program into the dosing controller")
    code = b"\x68\x1d\x65\x00" * 12 + b"\x65\x00"
    content = s7comm.program(1, code)
    connection.ask(at + 3000 * MS, *s7comm.request_download(0x203, BLOCK, len(content), len(code)), 20 * MS)
    for place, (ask, answer) in enumerate((s7comm.download_block(0x9001, BLOCK, content), s7comm.download_ended(0x9002, BLOCK))):
        connection.send(at + (3200 + place * 100) * MS, ask, by_server=True)  # the controller fetches it
        connection.send(at + (3210 + place * 100) * MS, answer)
    connection.acknowledge(at + 3350 * MS, by_server=True)
    connection.ask(at + 3500 * MS, *s7comm.insert(0x204, BLOCK), 30 * MS)
    tape.say("The laptop stops the dosing controller")
    connection.ask(at + 5000 * MS, *s7comm.stop(0x205), 40 * MS)
    connection.close(at + 7000 * MS)


def halt_blowers(tape: Tape, at: int) -> None:
    """CIP: program mode, then a reset."""
    session = 0x0A020777
    connection = Connection(tape, at, LAPTOP, BLOWERS, 41020, 44818)
    connection.ask(at + 5 * MS, *enip.register(session), quick=True)
    tape.say("The laptop puts the blower controller into program mode")
    connection.ask(at + 200 * MS, *enip.both(session, 1, enip.change_mode(0x11, 1)))
    tape.say("The laptop resets the blower controller")
    reset = enip.request(enip.RESET, enip.instance(enip.IDENTITY), b"\x00"), enip.reply(enip.RESET)
    connection.ask(at + 1500 * MS, *enip.both(session, 2, reset))
    connection.close(at + 2500 * MS)


def open_valve(tape: Tape, at: int) -> None:
    """IEC 104: a single command, selected and executed."""
    link = Telecontrol(Connection(tape, at, LAPTOP, RESERVOIR, 41030, 2404))
    link.start(at + 10 * MS)
    tape.say("The laptop opens a valve of the reservoir")
    for place, qualifier in enumerate((iec104.SELECT | 1, 1)):
        for step, cause in enumerate((iec104.ACTIVATION, iec104.ACTIVATION_CON)):
            command = iec104.asdu(iec104.SINGLE_COMMAND, cause, RESERVOIR_STATION, (6001, bytes((qualifier,))))
            link.send(at + (100 + place * 300 + step * 8) * MS, command, by_station=bool(step))
    link.send(at + 900 * MS, iec104.asdu(iec104.SINGLE_COMMAND, iec104.ACTIVATION_TERM, RESERVOIR_STATION, (6001, b"\x01")), by_station=True)
    link.connection.send(at + 950 * MS, iec104.supervisory(link.sent[1]))
    link.connection.close(at + 1500 * MS)


def restart_wells(tape: Tape, at: int) -> None:
    """DNP3: a cold restart, in the name of the master."""
    connection = Connection(tape, at, LAPTOP, WELLS, 41040, 20000)
    tape.say("The laptop restarts the outstation at the wells")
    ask = dnp3.frame(dnp3.MASTER, WELLS_STATION, 1, dnp3.request(0, dnp3.COLD_RESTART), 0)
    answer = dnp3.frame(dnp3.OUTSTATION, 1, WELLS_STATION, dnp3.response(0, dnp3.delay(20_000)), 0)
    connection.ask(at + 20 * MS, ask, answer, 15 * MS)
    connection.close(at + 1000 * MS)


def replay_feeder(tape: Tape, at: int) -> None:
    """GOOSE: frames of feeder 2 as they were before its breaker opened, sent again; first under the laptop's own address, then under the feeder's."""
    destination, appid, block = FEEDERS[FEEDER_2]
    tape.say("The laptop publishes old frames of feeder 2: its breaker is said to be closed")
    for number in range(8):
        pdu = goose.publish(appid, block, tape.begin_ns - 3600 * SECOND, 4, 1210 + number, closed=True, current=84.0)
        mac = LAPTOP.mac if number < 5 else FEEDER_2.mac
        tape.record(at + number * 200 * MS, Link(mac, destination, goose.ETHERTYPE, pdu, GOOSE_VLAN))


def stand_between(tape: Tape, at: int) -> None:
    """ARP: the laptop tells the HMI that it is the pump controller, and the pump controller that it is the HMI."""
    tape.say("The laptop takes the addresses of HMI and pump controller")
    for number in range(6):
        for place, (victim, claimed) in enumerate(((HMI, PUMPS), (PUMPS, HMI))):
            tape.record(at + number * 2 * SECOND + place * 3 * MS, Arp(ARP_REPLY, LAPTOP.mac, claimed.address, victim.mac, victim.address))
    for victim, claimed in ((HMI, PUMPS), (PUMPS, HMI)):  # and what was, is again
        tape.record(at + 13 * SECOND, Arp(ARP_REQUEST, victim.mac, victim.address, EVERYBODY if victim is HMI else NOBODY, claimed.address))
        tape.record(at + 13 * SECOND + MS, Arp(ARP_REPLY, claimed.mac, claimed.address, victim.mac, victim.address))


def from_outside(tape: Tape, at: int) -> None:
    """Modbus from the internet: a port was forwarded to the pump controller."""
    tape.say("An address of the internet reads the pump controller")
    connection = Connection(tape, at, STRANGER, PUMPS, 33890, 502)
    for number in range(5):
        request, response = modbus.read(modbus.READ_HOLDING_REGISTERS, 0, 4), modbus.registers(modbus.READ_HOLDING_REGISTERS, [3105, 1821, 455, 9900])
        connection.ask(at + (60 + number * 800) * MS, modbus.message(number, 1, request), modbus.message(number, 1, response))
    connection.close(at + 5 * SECOND)
