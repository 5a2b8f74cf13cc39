"""What events of Modbus carry, and where it stands behind the function code (Application Protocol Specification, section 6)."""

from __future__ import annotations

import numpy as np

from sensor.events.field import Field
from sensor.protocols.modbus.codes import READ_BITS, READ_REGISTERS, Category, Diagnostic, ExceptionCode, F, Function, IdentificationObject, MeiType, Umas

COUNTS = " ".join(
    f"modbus.diagnostic.{name}"
    for name in (
        "return_diag_register", "bus_message_count", "bus_comm_error_count", "bus_exception_error_count", "slave_message_count", "no_slave_response_count",
        "slave_nak_count", "slave_busy_count", "bus_char_overrun_count",
    )
)  # fmt: skip

FIELDS = (
    Field("transaction_id", "u2", "Pairs a response with its request", wireshark="mbtcp.trans_id"),
    Field("unit_id", "u1", "Device behind the server", wireshark="mbtcp.unit_id"),
    Field("function_code", "u1", "What is asked for", enum=Function, wireshark="modbus.func_code"),
    Field("category", "u1", "Who defines the function: the specification, a user or a company", enum=Category),
    Field("exception_code", "u1", "Why the server refused", enum=ExceptionCode, wireshark="modbus.exception_code"),
    Field("address", "u2", "First coil or register, from 0; in a response, its request's", wireshark="modbus.reference_num"),
    Field("quantity", "u2", "Coils or registers; in a response, its request's", wireshark="modbus.bit_cnt modbus.word_cnt"),
    Field("value", "u2", "The one value written", wireshark="modbus.regval_uint16"),
    Field("bits", "u1[]", "Coils or inputs, 0 or 1", wireshark="modbus.bitval"),
    Field("registers", "u2[]", "Registers", wireshark="modbus.regval_uint16"),
    Field("byte_count", "u1", "Bytes of data that follow", wireshark="modbus.byte_cnt"),
    Field("and_mask", "u2", "Bits of the register that are kept", wireshark="modbus.and_mask"),
    Field("or_mask", "u2", "Bits of the register that are set", wireshark="modbus.or_mask"),
    Field("write_address", "u2", "First register written by a read and write", wireshark="modbus.write_reference_num"),
    Field("write_quantity", "u2", "Registers written by a read and write", wireshark="modbus.write_word_cnt"),
    Field("sub_function", "u2", "Which diagnostic", enum=Diagnostic, wireshark="modbus.diagnostic_code"),
    Field("diagnostic_value", "u2", "What a diagnostic counts, tells or sets", wireshark=COUNTS),
    Field("exception_status", "u1", "The eight exception status outputs"),
    Field("status", "u2", "0xFFFF while the device still works on a program command", wireshark="modbus.ev_status"),
    Field("event_count", "u2", "Messages completed without exception", wireshark="modbus.ev_count"),
    Field("message_count", "u2", "Messages processed since restart", wireshark="modbus.ev_msg_count"),
    Field("events", "u1[]", "Event bytes of the communication log, newest first", wireshark="modbus.event"),
    Field("fifo_count", "u2", "Registers in the queue", wireshark="modbus.word_cnt"),
    Field("mei_type", "u1", "What the encapsulated interface carries", enum=MeiType, wireshark="modbus.mei"),
    Field("read_device_id", "u1", "Kind of identification asked for: 1 basic, 2 regular, 3 extended, 4 one object", wireshark="modbus.read_device_id"),
    Field("object_id", "u1", "First identification object asked for", enum=IdentificationObject, wireshark="modbus.object_id"),
    Field("conformity_level", "u1", "What identification the device can give", wireshark="modbus.conformity_level"),
    Field("more_follows", "u1", "0xFF when more objects wait", wireshark="modbus.more_follows"),
    Field("next_object_id", "u1", "Where to go on when more follows", wireshark="modbus.next_object_id"),
    Field("objects", "object", "Identification objects, by name", wireshark="modbus.object_str_value"),
    Field("server_id", "text", "What the device reports of itself: identifier, run indicator and more, as it defines them"),
    Field("umas_function", "u1", "What a Modicon controller is asked for by function 90, or how it answers", enum=Umas),
    Field("file_records", "object", "File records: file number, record number, length and, where carried, registers"),
    Field("data", "bytes", "What follows the function code and no field above says"),
)

LOG = [("byte_count", "u1"), ("status", ">u2"), ("event_count", ">u2"), ("message_count", ">u2")]  # 6.10

# Section 6: what follows the function code. A name that FIELDS declares is that field; what lies behind is a list where LISTS says so.
#      functions            from the client                                                            from the server
BODIES: tuple[tuple[tuple[Function, ...], list[tuple[str, str]], list[tuple[str, str]]], ...] = (
    (READ_BITS,                                     [("address", ">u2"), ("quantity", ">u2")],                      [("byte_count", "u1")]),
    (READ_REGISTERS,                                [("address", ">u2"), ("quantity", ">u2")],                      [("byte_count", "u1")]),
    ((F.WRITE_SINGLE_COIL, F.WRITE_SINGLE_REGISTER), [("address", ">u2"), ("value", ">u2")],                        [("address", ">u2"), ("value", ">u2")]),
    ((F.WRITE_MULTIPLE_COILS,),                     [("address", ">u2"), ("quantity", ">u2"), ("byte_count", "u1")], [("address", ">u2"), ("quantity", ">u2")]),
    ((F.WRITE_MULTIPLE_REGISTERS,),                 [("address", ">u2"), ("quantity", ">u2"), ("byte_count", "u1")], [("address", ">u2"), ("quantity", ">u2")]),
    ((F.MASK_WRITE_REGISTER,),                      [("address", ">u2"), ("and_mask", ">u2"), ("or_mask", ">u2")],  [("address", ">u2"), ("and_mask", ">u2"), ("or_mask", ">u2")]),
    ((F.READ_WRITE_MULTIPLE_REGISTERS,),            [("address", ">u2"), ("quantity", ">u2"), ("write_address", ">u2"), ("write_quantity", ">u2"), ("byte_count", "u1")], [("byte_count", "u1")]),
    ((F.READ_EXCEPTION_STATUS,),                    [],                                                             [("exception_status", "u1")]),
    ((F.DIAGNOSTICS,),                              [("sub_function", ">u2")],                                      [("sub_function", ">u2")]),
    ((F.GET_COMM_EVENT_COUNTER,),                   [],                                                             [("status", ">u2"), ("event_count", ">u2")]),
    ((F.GET_COMM_EVENT_LOG,),                       [],                                                             LOG),
    ((F.REPORT_SERVER_ID,),                         [],                                                             [("byte_count", "u1")]),
    ((F.READ_FILE_RECORD, F.WRITE_FILE_RECORD),     [("byte_count", "u1")],                                         [("byte_count", "u1")]),
    ((F.READ_FIFO_QUEUE,),                          [("address", ">u2")],                                           [("length", ">u2"), ("fifo_count", ">u2")]),
    ((F.ENCAPSULATED_INTERFACE_TRANSPORT,),         [("mei_type", "u1")],                                           [("mei_type", "u1")]),
)  # fmt: skip
EXCEPTION = np.dtype([("exception_code", "u1")])  # 7, with the function code's top bit set
REGISTER = np.dtype(">u2")

BODY = np.full(256, 255, np.uint8)  # by function code, its row in BODIES
for _row, (_functions, _, _) in enumerate(BODIES):
    BODY[list(_functions)] = _row
