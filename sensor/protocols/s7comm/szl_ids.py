"""Ids of system status lists by name: which list, and which extract of it.

Source: Siemens, System Software for S7-300/400, System and Standard Functions, Reference Manual, chapter "System status list". The low byte is the list, the
next four bits the extract, the upper four the kind of module that tells.
"""

from __future__ import annotations

from enum import IntEnum

LISTS = {
    0x00: "list_of_ids", 0x11: "module_identification", 0x12: "cpu_characteristics", 0x13: "memory_areas", 0x14: "system_areas", 0x15: "block_types",
    0x16: "priority_classes", 0x17: "permitted_sdbs", 0x18: "largest_io_configuration", 0x19: "module_leds", 0x1C: "component_identification",
    0x21: "interrupt_and_error_assignment", 0x22: "interrupt_status", 0x23: "priority_class_status", 0x24: "modes", 0x25: "process_image_partitions",
    0x31: "communication_capability", 0x32: "communication_status", 0x33: "diagnostic_stations", 0x37: "ethernet_details", 0x71: "h_cpu_group",
    0x74: "leds", 0x75: "switched_dp_slaves", 0x81: "start_information", 0x82: "start_events", 0x90: "dp_master_systems", 0x91: "module_status",
    0x92: "rack_and_station_status", 0x94: "station_status", 0x95: "extended_dp_master_systems", 0x96: "module_status_information", 0xA0: "diagnostic_buffer",
    0xB1: "module_diagnostics_0", 0xB2: "module_diagnostics_1_by_slot", 0xB3: "module_diagnostics_1_by_address", 0xB4: "dp_slave_diagnostics",
}  # fmt: skip
STARTS = {
    1: "synchronous_errors", 2: "synchronous_errors_of_class", 3: "of_class", 5: "synchronous_errors_waiting", 6: "synchronous_errors_of_class_waiting",
    7: "of_class_waiting", 8: "waiting", 9: "synchronous_errors_processed", 0xA: "synchronous_errors_of_class_processed", 0xB: "of_class_processed",
    0xC: "processed",
}  # fmt: skip
EXTRACTS: dict[int, dict[int, str]] = {
    0x00: {1: "with_extracts", 2: "of_list", 3: "indexes"},
    0x1C: {2: "of_h_system", 3: "one_of_h_system"},
    0x22: {2: "of_ob"},
    0x24: {1: "last_transition", 2: "processed_transition", 4: "current", 5: "of_transition"},
    0x81: STARTS,
    0x82: STARTS,
    0x91: {1: "wrong_type", 2: "faulty", 3: "not_available", 5: "submodules_of_host", 9: "of_dp_system", 0xA: "of_all_dp_systems", 0xC: "by_address",
           0xD: "of_rack_or_station", 0xE: "configured"},
    0x92: {1: "actual", 2: "actual_now", 3: "battery", 4: "all_batteries", 5: "supply_24v", 6: "diagnostic"},
    0x94: {1: "activated", 2: "actual", 6: "faulty", 7: "maintenance"},
    0x96: {6: "of_module", 0xC: "by_address"},
    0xA0: {1: "most_recent", 4: "starts", 5: "communication", 6: "object_management", 7: "test_and_installation", 8: "operating_states", 9: "asynchronous_errors",
           0xA: "synchronous_errors", 0xB: "stops_and_transitions", 0xC: "fault_tolerance", 0xD: "diagnostic_entries", 0xE: "user_entries"},
}  # fmt: skip
USUAL = {0: "", 1: "by_index", 0xF: "header"}
EXTERNAL = 4  # interfaces outside the CPU: in lists of racks, stations and modules


def _names() -> dict[str, int]:
    names = {}
    for kind, lists in ((0, LISTS), (EXTERNAL, {number: f"external_{LISTS[number]}" for number in (0x91, 0x92)})):
        for number, name in lists.items():
            for extract in range(16):
                words = EXTRACTS.get(number, {}).get(extract) or USUAL.get(extract, f"extract_{extract:x}")
                names["_".join(filter(None, (name, words))).upper()] = kind << 12 | extract << 8 | number
    return names


SzlId = IntEnum("SzlId", _names())  # type: ignore[misc]  # the names are the tables'
