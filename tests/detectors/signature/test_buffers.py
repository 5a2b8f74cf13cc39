"""Fields and messages as buffers, and keywords about the fields of every protocol: DNP3, EtherNet/IP, IEC 104, S7comm, GOOSE."""

from __future__ import annotations

import struct

import pytest

from detectors.signature.load import loads
from detectors.signature.plan import Plan
from tests.detectors.signature.harness import FIELDS, KNOWN, A, fired, talk
from tests.protocols.dnp3.make import request, response, segment
from tests.protocols.enip import pdus as enip
from tests.protocols.s7comm import build as s7
from tests.protocols.test_iec104 import i as information
from tests.protocols.test_iec104 import u as unnumbered
from tests.protocols.test_lldp import SWITCH, frames

DNP3 = (A, ("10.0.0.2", 20_000))
ENIP = (A, ("10.0.0.2", 44_818))
IEC104 = (A, ("10.0.0.2", 2404))
S7 = (A, ("10.0.0.2", 102))

READ, RESTART = request(1, "3c0206")[0], request(13)[0]
DEVICE_RESTART = response(iin="8000")[0]
CLASS = enip.unconnected(enip.request(0x0E, bytes.fromhex("20012401300 7".replace(" ", ""))))


def multiple(*tags: str) -> bytes:
    services = [enip.request(0x4C, enip.symbol(tag), b"\1\0") for tag in tags]
    at, offsets = 2 + 2 * len(services), []
    for each in services:
        offsets.append(at)
        at += len(each)
    body = struct.pack(f"<{len(services) + 1}H", len(services), *offsets) + b"".join(services)
    return enip.unconnected(enip.request(0x0A, bytes.fromhex("20022401"), body))


COMMAND = bytes.fromhex("2d01060001001000000001")  # C_SC_NA_1, activation, address 16
S7_SETUP = [s7.connection(0xE0, 0, 1, bytes.fromhex("c1020100c2020102")), s7.connection(0xD0, 1, 2)]
STOP = s7.job(1, b"\x29\0\0\0\0\0\x09P_PROGRAM")


@pytest.mark.parametrize(
    ("text", "said", "ends", "expected"),
    [
        ("dnp3_func:read;", [(0, READ), (0, RESTART)], DNP3, [4]),
        ("dnp3_func:13;", [(0, READ), (0, RESTART)], DNP3, [5]),
        ("dnp3.function:cold_restart;", [(0, READ), (0, RESTART)], DNP3, [5]),
        ("dnp3_cmd_fc:1;", [(0, READ), (0, RESTART)], DNP3, [4]),
        ("dnp3_ind:device_restart;", [(0, READ), (1, DEVICE_RESTART), (1, response(sequence=1)[0])], DNP3, [5]),
        ("dnp3_ind:need_time,device_restart;", [(1, DEVICE_RESTART), (1, response(sequence=1)[0])], DNP3, [4]),
        ("dnp3_ind:+need_time,device_restart;", [(1, DEVICE_RESTART), (1, response(sequence=1, iin="9000")[0])], DNP3, [5]),
        ("dnp3_ind:=device_restart;", [(1, DEVICE_RESTART), (1, response(sequence=1, iin="9000")[0])], DNP3, [4]),
        ("dnp3_ind:!need_time;", [(1, DEVICE_RESTART), (1, response(sequence=1, iin="9000")[0])], DNP3, [4]),
        ("dnp3.iin;", [(0, READ), (1, DEVICE_RESTART)], DNP3, [5]),  # a field by itself: it is there
        ("enip.class_id;", [(0, enip.encapsulation(0x65, b"\1\0\0\0")), (0, CLASS)], ENIP, [5]),
        ("dnp3.ind:!0;", [(1, DEVICE_RESTART), (1, response(sequence=1)[0])], DNP3, [4]),
        ("dnp3.ind:&0x8000;", [(1, DEVICE_RESTART), (1, response(sequence=1)[0])], DNP3, [4]),
        ("dnp3_obj:60,2;", [(0, READ), (0, request(1, "3c0306")[0])], DNP3, [4]),
        ("dnp3_obj:60,3;", [(0, request(1, "3c02063c0306")[0])], DNP3, [4]),  # any of its objects
        ("dnp3_cmd_ot:60;", [(0, READ), (0, RESTART)], DNP3, [4]),
        ("dnp3_checksum:correct;", [(0, READ)], DNP3, [4]),
        ("dnp3_checksum:incorrect;", [(0, READ[:-1] + b"\0"), (0, RESTART)], DNP3, [4]),
        ("app-layer-event:dnp3.bad_transport_crc;", [(0, READ[:-1] + b"\0"), (0, RESTART)], DNP3, [4]),
        ('dnp3.data; content:"|C0 01 3C 02 06|"; startswith; endswith;', [(0, READ), (0, RESTART)], DNP3, [4]),
        ('dnp3_data; content:"|0D|"; offset:1; depth:1;', [(0, READ), (0, RESTART)], DNP3, [5]),
        # a message in two segments, without what lies between them
        (
            'dnp3.data; content:"|01 3C 02 06 3C 03 06|";',
            [(0, segment(b"\xc0\x01\x3c\x02", True, 0x40)[0]), (0, segment(b"\x06\x3c\x03\x06", True, 0x81)[0])],
            DNP3,
            [5],
        ),
        ("dnp3.destination:10; dnp3.source:<5;", [(0, READ), (1, DEVICE_RESTART)], DNP3, [4]),
        ("cip_service:14;", [(0, CLASS)], ENIP, [4]),
        ("cip_service:14,1;", [(0, CLASS)], ENIP, [4]),
        ("cip_service:14,1,7;", [(0, CLASS)], ENIP, [4]),
        ("cip_service:14,2;", [(0, CLASS)], ENIP, []),
        ("cip_service:76;", [(0, multiple("Pump", "Valve"))], ENIP, [4]),  # within a Multiple Service Packet
        ("enip_command:111;", [(0, CLASS), (0, enip.encapsulation(0x65, b"\1\0\0\0"))], ENIP, [4]),
        ("enip_command:register_session;", [(0, CLASS), (0, enip.encapsulation(0x65, b"\1\0\0\0"))], ENIP, [5]),
        ("enip.cip_class:1; enip.cip_attribute:7;", [(0, CLASS)], ENIP, [4]),
        ("enip.cip_instance:1;", [(0, CLASS)], ENIP, [4]),
        ("cip_class:1; cip_instance:1; cip_attribute:7; cip_req;", [(0, CLASS)], ENIP, [4]),
        ("cip_rsp;", [(0, CLASS), (1, enip.unconnected(enip.reply(0x0E, b"\1")))], ENIP, [5]),
        ("enip_req;", [(0, CLASS), (1, enip.unconnected(enip.reply(0x0E, b"\1")))], ENIP, [4]),
        ("enip_rsp;", [(0, CLASS), (1, enip.unconnected(enip.reply(0x0E, b"\1")))], ENIP, [5]),
        ("cip_status:5;", [(0, CLASS), (1, enip.unconnected(enip.reply(0x0E, b"", status=5)))], ENIP, [5]),
        ('enip.tag; content:"Valve"; startswith; endswith;', [(0, multiple("Pump", "Valve"))], ENIP, [4]),  # the second of two values
        ('enip.tag; content:"PumpValve";', [(0, multiple("Pump", "Valve"))], ENIP, []),
        ('enip.tag; content:"Pump"; content:"Valve";', [(0, multiple("Pump", "Valve"))], ENIP, []),  # both in one value
        ('enip.tag; to_lowercase; content:"valve"; bsize:5;', [(0, multiple("Pump", "Valve"))], ENIP, [4]),
        ('enip.tag; content:!"Pump";', [(0, multiple("Pump")), (0, multiple("Pump", "Valve"))], ENIP, [5]),
        ("iec104.type_id:C_SC_NA_1;", [(0, unnumbered(1)[0]), (0, information(COMMAND)[0])], IEC104, [5]),
        ("iec104_asdu_func:c_sc_na_1;", [(0, unnumbered(1)[0]), (0, information(COMMAND)[0])], IEC104, [5]),
        ("iec104_asdu_func:45;", [(0, unnumbered(1)[0]), (0, information(COMMAND)[0])], IEC104, [5]),
        ("iec104_asdu_func_code:45;", [(0, unnumbered(1)[0]), (0, information(COMMAND)[0])], IEC104, [5]),
        ("iec104_apci_type:u;", [(0, unnumbered(1)[0]), (0, information(COMMAND)[0])], IEC104, [4]),
        ("iec104.ioa:16; iec104.common_address:1;", [(0, information(COMMAND)[0])], IEC104, [4]),
        ("action:operate;", [(0, unnumbered(1)[0]), (0, information(COMMAND)[0])], IEC104, [5]),
        ("s7comm.function:stop;", [(0, S7_SETUP[0]), (1, S7_SETUP[1]), (0, STOP)], S7, [6]),
        ('s7comm.pi_service; content:"P_PROGRAM"; bsize:9;', [(0, S7_SETUP[0]), (1, S7_SETUP[1]), (0, STOP)], S7, [6]),
        ('s7comm.called_tsap; content:"|01 02|";', [(0, S7_SETUP[0]), (1, S7_SETUP[1])], S7, [4]),
        ("app-layer-protocol:s7comm; action:stop;", [(0, S7_SETUP[0]), (1, S7_SETUP[1]), (0, STOP)], S7, [6]),
        ("service:dnp3; dnp3_func:read;", [(0, READ), (0, RESTART)], DNP3, [4]),
        ("app-layer-protocol:dnp3;", [(0, READ), (0, RESTART)], DNP3, [4, 5]),
    ],
)
def test_fields(text: str, said: list[tuple[int, bytes]], ends: tuple[tuple[str, int], tuple[str, int]], expected: list[int]) -> None:
    rule = f"alert tcp any any -> any any ({text} sid:1;)"
    assert [frame for _, frame in fired(rule, talk(*said, ends=ends))] == expected
    assert [frame for _, frame in fired(rule, talk(*said, ends=ends), 1)] == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ('lldp.system_name; content:"switch-1"; bsize:8;', [1]),
        ('lldp.capabilities; content:"bridge"; startswith; endswith;', [1]),  # of several texts any
        ('lldp.capabilities; content:"router";', []),
        ('lldp.system_name; pcre:"/^SWITCH/i"; lldp.chassis_id; content:"00-0E-8C"; startswith;', [1]),
        ("lldp.time_to_live;", [1]),
    ],
)
def test_texts_that_a_parser_made_are_buffers(options: str, expected: list[int]) -> None:
    assert [frame for _, frame in fired(f"alert ether any any -> any any ({options} sid:1;)", frames(SWITCH))] == expected


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ('mms.data; content:"x";', "the buffer mms.data is not filled yet"),
        ("app-layer-protocol:mysql;", "the protocol mysql is not decoded yet"),
        ("modbus: function 3; ttl:5;", "ttl is about packets, the rest of the rule about modbus"),
        ("iec104_apci_type:no_such;", "no_such is no name that is known here"),
        ('tcp.hdr; content:"x"; dnp3.data; content:"y";', "tcp.hdr is about packets, the rest of the rule about dnp3"),
    ],
)
def test_what_cannot_be_is_said(options: str, reason: str) -> None:
    rules = loads(f"alert tcp any any -> any any ({options} sid:1;)", {}, FIELDS)
    assert not rules.problems
    ((_, said),) = Plan.of(rules.rules, KNOWN).unable
    assert reason in said
