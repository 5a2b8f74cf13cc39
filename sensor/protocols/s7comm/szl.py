"""System status lists (SZL): what a controller says of itself and of the state it is in.

Source: Siemens, System Software for S7-300/400, System and Standard Functions, Reference Manual, chapter "System status list". A list's number is the low byte
of its id; the next four bits choose an extract, the upper four the kind of module.
"""

from __future__ import annotations

import struct
from typing import Any

from sensor.events.table import Table
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.s7comm import times
from sensor.protocols.s7comm.codes import State
from sensor.protocols.s7comm.content import Content, Kind

MOST_RECORDS = 1024  # of one answer; more are counted as a mismatch
IDENTIFICATION, COMPONENTS, MODES, PROTECTION = 0x11, 0x1C, 0x24, 0x32
HEADER_ONLY = 0xF  # the extract that says how many records there are, without them

# Records by list number, or by list number and index where its records differ. B H I: unsigned of 1, 2, 4 bytes; 20s: text; 20x: bytes as they are;
# T: DATE_AND_TIME; A: an IPv4 address; M: a MAC address.
RECORDS: dict[int | tuple[int, int], str] = {
    0x00: "szl_id:H",
    0x11: "index:H order_number:20s module_type:H version:H release:H",
    0x12: "characteristic:H",
    0x13: "index:H type:H size:I mode:H granularity:H volatile_size:I volatile_used:I volatile_largest_free:I non_volatile_size:I non_volatile_used:I "
    "non_volatile_largest_free:I",
    0x14: "index:H code:H quantity:H retentive:H",
    0x15: "index:H most_blocks:H longest_kib:H load_memory_kib:I",
    0x16: "index:H most:H active:H",
    0x17: "sdb_number:H state:H",
    0x18: "rack:H slots:H",
    0x19: "led:H is_on:B blinks:B",
    0x21: "event:H priority_class:B ob_number:B",
    0x22: "start_information:20x processing:H reaction:H discarded:I",
    0x23: "priority_class:B state:B error_state:H most_nested_blocks:B most_starts:B starts_waiting:B starts_processed:B local_data_size:H "
    "programming_error_mask:I access_error_mask:I",
    0x24: "event:H information:B state:B reserved:4x start_1:B start_2:B start_3:B start_4:B time:T",
    0x25: "partition:B assignment:B ob_number:B reserved:B",
    (0x31, 1): "index:H longest_pdu:H most_connections:H mpi_rate:I bus_rate:I",
    (0x32, 1): "index:H reserved_pg:H reserved_os:H used_pg:H used_os:H configured:H established:H free:H used_free:H load_percent:H",
    (0x32, 2): "index:H test_jobs:H",
    (0x32, 4): "index:H key_switch_level:H assigned_level:H level:H mode_switch:H startup_switch:H fault_tolerant:H versions_valid:H hardware_version_1:H "
    "hardware_version_2:H program_version_1:H program_version_2:H",
    (0x32, 5): "index:H extended:H automatic_sending:H user_messages:H status_messages:H",
    (0x32, 8): "index:H synchronization_cycle:H correction:H meter_0:H meter_1:H meter_2:H meter_3:H meter_4:H meter_5:H meter_6:H meter_7:H time:T",
    (0x32, 0x0A): "index:H backplane_rate:I",
    (0x32, 0x0B): "index:H running:B reserved:B overflow:B reserved:B meter_0:I meter_1:I meter_2:I meter_3:I meter_4:I meter_5:I meter_6:I meter_7:I",
    (0x32, 0x0C): "index:H running:B reserved:B overflow:B reserved:B meter_8:I meter_9:I meter_10:I meter_11:I meter_12:I meter_13:I meter_14:I meter_15:I",
    0x37: "logical_address:H ip:A netmask:A gateway:A mac:M source:B reserved:B configured:T",
    0x71: "redundancy:H state_1:B state_2:B redundancy_information:H self_test:H state_cpu_0:H state_cpu_1:H state_cpu_2:H is_valid:B reserved:B",
    0x74: "led:H is_on:B blinks:B",
    0x75: "address_1_rack_0:H address_2_rack_0:H address_1_rack_1:H address_2_rack_1:H reserved:4x logical_address:H status:H",
    0x81: "event:H priority_class:B ob_number:B information:8x time:T",
    0x82: "event:H priority_class:B ob_number:B",
    0x90: "master_system:B rack:B slot:B interface:B logical_address:H reserved:4x properties:B reserved:3x",
    0x91: "address_1:H address_2:H logical_address:H expected_type:H actual_type:H reserved:H io_status:H area:H",
    0x92: "status:16x",
    0x94: "index:H status:256x",
    0x95: "master_system:B rack:B slot:B interface:B logical_address:H reserved:4x properties:B dp_address:B reserved:2x isochronous_ob:B reserved:B baud_rate:I "
    "cycle_us:I reserved:16x",
    0x96: "logical_address:H system:H profile:I station:H slot:H subslot:H offset:H expected_type:14x type_differs:H reserved:H io_status:H area:H reserved:10x",
    0xA0: "event:H priority_class:B ob_number:B data_id:2x information_1:2x information_2:4x time:T",
    0xB1: "faults:B properties:B operating_faults:B interrupts:B",
    0xB4: "status_1:B status_2:B status_3:B master_address:B manufacturer:H",
}
SIZES = {"B": 1, "H": 2, "I": 4, "T": 8, "A": 4, "M": 6}
LEDS = {
    1: "sf",
    2: "intf",
    3: "extf",
    4: "run",
    5: "stop",
    6: "force",
    7: "crst",
    8: "baf",
    9: "usr",
    10: "usr1",
    11: "busf1",
    12: "busf2",
    13: "redf",
    14: "mstr",
}
LEDS |= {14: "mstr", 15: "rack0", 16: "rack1", 17: "rack2", 18: "ifm1f", 19: "ifm2f", 20: "busf3", 21: "maint", 22: "dc24v"}
MEMORIES = {1: "work", 2: "load_integrated", 3: "load_plugged_in", 4: "load_most_plugged_in", 5: "backup", 6: "reserved_for_cfb"}
SWITCH = {1: "run", 2: "run_p", 3: "stop", 4: "mres"}
# List 0x1C: what the text of each index is
NAMES = {1: "system_name", 2: "module_name", 3: "plant_identification", 4: "copyright", 5: "serial_number", 7: "module_type", 8: "memory_card_serial_number"}
NAMES |= {10: "oem_copyright", 11: "location"}
MANUFACTURER = 9
VENDORS = {0x002A: "Siemens"}  # manufacturer ids of PROFIBUS & PROFINET International's I&M functions
# The state's lower four bits in list 0x24: where it goes; upper: where it comes from
STATES = {1: State.STOP, 2: State.STOP, 3: State.STOP, 4: State.STOP, 5: State.WARM_RESTART, 6: State.COLD_RESTART, 7: State.HOT_RESTART, 8: State.RUN}
STATES |= {9: State.RUN_REDUNDANT, 10: State.HOLD, 11: State.LINK_UP, 12: State.UPDATE, 13: State.DEFECTIVE}


def decode(table: Table, row: int, content: Content) -> None:
    """A request: id and index. An answer: those, the length and number of records, and the records."""
    said = content.said
    if len(said) < 4:
        table.flag(row, Anomaly.TRUNCATED)
        return
    szl_id, index = struct.unpack_from(">HH", said)
    table.set("szl_id", row, szl_id)
    table.set("szl_index", row, index)
    number = szl_id & 0xFF
    if number in (IDENTIFICATION, COMPONENTS):
        table.action[row] = Action.DISCOVER
    if content.kind != Kind.RESPONSE or len(said) < 8:
        return
    length, count = struct.unpack_from(">HH", said, 4)
    held = (len(said) - 8) // length if length else 0
    if (count != held or count > MOST_RECORDS) and szl_id >> 8 & 0xF != HEADER_ONLY:
        table.flag(row, Anomaly.LENGTH_MISMATCH)
    parts = [said[8 + place * length : 8 + (place + 1) * length] for place in range(min(count, held, MOST_RECORDS))]
    records = [record(number, part) for part in parts]
    if not records:
        return
    table.object("szl_records", row, records)
    if number == IDENTIFICATION:
        _put(table, row, identification(records))
    elif number == COMPONENTS:
        _put(table, row, components(parts))
    elif number == MODES and (state := STATES.get(parts[-1][3] & 0xF if length > 3 else 0)) is not None:
        table.set("operating_state", row, state)
    elif number == PROTECTION and isinstance(level := records[0].get("level"), int):
        table.set("protection_level", row, min(level, 255))


def _put(table: Table, row: int, said: dict[str, str]) -> None:
    if said:
        table.object("identification", row, said)


def record(number: int, content: bytes) -> dict[str, Any]:
    """One record by the names of its list; what is behind them as bytes, all of it where the list is not known."""
    if number == COMPONENTS:
        return component(content)
    layout = RECORDS.get((number, _part(content))) or RECORDS.get(number)
    said: dict[str, Any] = {}
    at = 0
    for name, code in (part.split(":") for part in (layout or "").split()):
        size = int(code[:-1]) if code[-1] in "sx" else SIZES[code]
        if at + size > len(content):
            break
        if name != "reserved":
            said[name] = value(code[-1], content[at : at + size])
        at += size
    if content[at:].strip(b"\0"):
        said["bytes"] = content[at:].hex()
    if "led" in said:
        said["led"] = LEDS.get(said["led"] & 0xFF, said["led"])
    if number == 0x13 and "index" in said:
        said["memory"] = MEMORIES.get(said["index"], str(said["index"]))
    if "mode_switch" in said:
        said["mode_switch"] = SWITCH.get(said["mode_switch"], "undefined")
    return said


def _part(content: bytes) -> int:
    """Which part of its list a record is: the low byte of its index. The high byte says of a redundant pair which of both tells."""
    return int.from_bytes(content[1:2])


def value(code: str, content: bytes) -> int | str:
    """One number, text, time or address."""
    match code:
        case "s":
            return content.decode("latin-1").strip(" \0")
        case "x":
            return content.hex()
        case "T":
            return times.text(content)
        case "A":
            return ".".join(map(str, content))
        case "M":
            return content.hex("-").upper()
    return int.from_bytes(content)


def component(content: bytes) -> dict[str, Any]:
    """List 0x1C: an index and 32 bytes."""
    index, part = int.from_bytes(content[:2]), _part(content)
    if part == MANUFACTURER and len(content) >= 8:
        return {
            "index": index,
            "manufacturer": int.from_bytes(content[2:4]),
            "profile": int.from_bytes(content[4:6]),
            "profile_type": int.from_bytes(content[6:8]),
        }
    text = content[2:26] if part in (1, 2, 5, 7) else content[2:34]
    return {"index": index, NAMES.get(part, "text"): text.split(b"\0")[0].decode("latin-1").strip()}


def identification(records: list[dict[str, Any]]) -> dict[str, str]:
    """List 0x11: the module (index 1), its hardware (6) and its firmware (7, a "V" and three numbers)."""
    said: dict[str, str] = {}
    for each in records:  # each as far as the device fills it: not all do to the end
        version, release = each.get("version", 0), each.get("release")
        if each.get("order_number") and each["index"] in (1, 6):
            said["order_number"] = each["order_number"]
        if each.get("index") == 7 and version >> 8 == ord("V") and release is not None:
            said["firmware_version"] = f"V{version & 0xFF}.{release >> 8}.{release & 0xFF}"
        elif each.get("index") == 6 and "version" in each:
            said["hardware_version"] = str(version)
    return said


def components(parts: list[bytes]) -> dict[str, str]:
    """List 0x1C: names and serial numbers; of a redundant pair, the first's."""
    said: dict[str, str] = {}
    for part in parts:
        each = component(part)
        if _part(part) == MANUFACTURER:
            said.setdefault("vendor", VENDORS.get(each.get("manufacturer", 0), f"{each.get('manufacturer', 0):#06x}"))
        for name, text in each.items():
            if name in NAMES.values() and text:
                said.setdefault(name, text)
    return said
