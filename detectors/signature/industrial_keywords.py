"""Keywords about industrial protocols: Suricata's and Snort's own, and one for every field of every protocol of ours.

The values of those that are neither a Number nor a word by itself:
modbus.access         read|write[ discretes|coils|input|holding]
modbus.accessed       with it: a Number for the addresses that are read or written, which begin with 1 (our field modbus.address begins with 0)
modbus.written        with it: a Number for the value that is written to one address
modbus.function       a Number or assigned unassigned public user reserved all; modbus.subfunction only of function 8
cip_service           service[,class[,attribute]], decimal
dnp3_obj              group,variation, decimal
dnp3_ind              a Number about the indications, IIN1 in the high byte
a field's own keyword "" where it says all by being there: the event has the field
mqtt.flags ...        name,!name: each as it says
Suricata 8 user guide, "Modbus Keyword", "DNP3 Keywords", "ENIP/CIP Keywords", "MQTT Keywords".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum

from detectors.signature.arguments import negation, number, numbers, one_of, parts, several, unquoted, whole
from detectors.signature.buffer_keywords import sticky
from detectors.signature.draft import Draft
from detectors.signature.header_keywords import Reader
from detectors.signature.rule import Condition, Number, Several
from detectors.signature.syntax import shortened
from sensor.events.field import Field
from sensor.events.vocabulary import Action, Trust

# IEEE 1815 table 4-1, by Suricata's and Snort's names.
DNP3_FUNCTIONS = {
    name: code
    for code, name in [
        *enumerate(
            (
                "confirm", "read", "write", "select", "operate", "direct_operate", "direct_operate_nr", "immed_freeze", "immed_freeze_nr", "freeze_clear",
                "freeze_clear_nr", "freeze_at_time", "freeze_at_time_nr", "cold_restart", "warm_restart", "initialize_data", "initialize_appl", "start_appl",
                "stop_appl", "save_config", "enable_unsolicited", "disable_unsolicited", "assign_class", "delay_measure", "record_current_time", "open_file",
                "close_file", "delete_file", "get_file_info", "authenticate_file", "abort_file", "activate_config", "authenticate_req", "authenticate_err",
            )
        ),
        (129, "response"),
        (130, "unsolicited_response"),
        (131, "authenticate_resp"),
    ]
}  # fmt: skip
# IEEE 1815 4.2.2.6, IIN1 in the high byte.
DNP3_INDICATIONS = {
    name: 1 << bit
    for name, bit in zip(
        (
            "all_stations", "class_1_events", "class_2_events", "class_3_events", "need_time", "local_control", "device_trouble", "device_restart",
            "no_func_code_support", "object_unknown", "parameter_error", "event_buffer_overflow", "already_executing", "config_corrupt", "reserved_2", "reserved_1",
        ),
        (*range(8, 16), *range(8)),
        strict=True,
    )
}  # fmt: skip
# Modbus application protocol V1.1b3, 5.1, by Snort's names.
MODBUS_FUNCTIONS = {
    "read_coils": 1, "read_discrete_inputs": 2, "read_holding_registers": 3, "read_input_registers": 4, "write_single_coil": 5, "write_single_register": 6,
    "read_exception_status": 7, "diagnostics": 8, "get_comm_event_counter": 11, "get_comm_event_log": 12, "write_multiple_coils": 15,
    "write_multiple_registers": 16, "report_slave_id": 17, "read_file_record": 20, "write_file_record": 21, "mask_write_register": 22,
    "read_write_multiple_registers": 23, "read_fifo_queue": 24, "encapsulated_interface_transport": 43,
}  # fmt: skip
ENIP_COMMANDS = {
    "nop": 0, "list_services": 4, "list_identity": 99, "list_interfaces": 100, "register_session": 101, "unregister_session": 102, "send_rr_data": 111,
    "send_unit_data": 112, "indicate_status": 114, "cancel": 115,
}  # fmt: skip
ENIP_STATUS = {
    "success": 0,
    "invalid_cmd": 1,
    "no_resources": 2,
    "invalid_data": 3,
    "invalid_session": 100,
    "invalid_length": 101,
    "unsupported_prot_rev": 105,
    "encap_header_error": 106,
}
MQTT_TYPES = {
    name: code
    for code, name in enumerate(
        (
            "unassigned", "connect", "connack", "publish", "puback", "pubrec", "pubrel", "pubcomp", "subscribe", "suback", "unsubscribe", "unsuback", "pingreq",
            "pingresp", "disconnect", "auth",
        )
    )
}  # fmt: skip

# keyword -> bits and names of what is an integer in Suricata and Snort.
INTEGERS: dict[str, tuple[int, Mapping[str, int] | None]] = {
    "modbus_func": (8, MODBUS_FUNCTIONS), "modbus_unit": (8, None), "modbus.exception_code": (8, None), "modbus.unit": (8, None), "modbus.subfunction": (16, None),
    "dnp3_func": (8, DNP3_FUNCTIONS), "dnp3_cmd_fc": (8, DNP3_FUNCTIONS), "dnp3_cmd_ot": (8, None), "dnp3_resp_ot": (8, None),
    "enip_command": (16, ENIP_COMMANDS), "enip.command": (16, ENIP_COMMANDS), "enip.status": (32, ENIP_STATUS), "enip.protocol_version": (16, None),
    "enip.cip_attribute": (32, None), "enip.cip_instance": (32, None), "enip.cip_class": (32, None), "enip.cip_extendedstatus": (16, None),
    "enip.cip_status": (8, None), "enip.cip_service": (8, None), "enip.revision": (16, None), "enip.identity_status": (16, None), "enip.state": (8, None),
    "enip.serial": (32, None), "enip.product_code": (16, None), "enip.device_type": (16, None), "enip.vendor_id": (16, None), "enip.capabilities": (16, None),
    "cip_attribute": (16, None), "cip_class": (16, None), "cip_instance": (32, None), "cip_status": (8, None), "cip_conn_path_class": (16, None),
    "mqtt.protocol_version": (8, None), "mqtt.type": (8, MQTT_TYPES), "mqtt.qos": (8, None), "mqtt.reason_code": (8, None), "mqtt.connack.return_code": (8, None),
    "opcua_node_id": (32, None), "opcua_node_namespace_index": (16, None), "iec104_asdu_func_code": (8, None),
}  # fmt: skip
CANONICAL = {
    "dnp3_cmd_fc": "dnp3_func", "dnp3.func": "dnp3_func", "dnp3.obj": "dnp3_obj", "dnp3.ind": "dnp3_ind", "dnp3_resp_ot": "dnp3_cmd_ot",
    "mqtt.connack.return_code": "mqtt.reason_code",
}  # fmt: skip
MULTIPLE = ("enip.cip_attribute", "enip.cip_instance", "enip.cip_class", "mqtt.reason_code")
INDEX = re.compile(r"any\b|all1?\b|all_or_absent\b|or_absent\b|oob_or|nb\s*[<>=!&0-9]")
COUNT = re.compile(r"count\s*[<>=!&0-9]")
WORDS = ("cip_req", "cip_rsp", "enip_req", "enip_rsp")  # Snort 3: say all by being there
NAMES = (
    "s7commplus_func",
    "s7commplus_opcode",
    "opcua_msg_type",
    "opcua_msg_service",
    "iec104_apci_type",
    "iec104_asdu_func",
    "mms_func",
)  # Snort 3: a name or number
NAMED_BY = {"iec104.type_id": "iec104_asdu_func"}  # Snort 3's keyword for a field of ours, with its codes' names
MQTT_FLAGS = {"mqtt.flags": ("dup", "retain"), "mqtt.connect.flags": ("username", "password", "will", "will_retain", "clean_session")}

_FUNCTION_KINDS = ("assigned", "unassigned", "public", "user", "reserved", "all")
_TABLES = ("discretes", "coils", "input", "holding")


def modbus(draft: Draft, value: str) -> None:
    """modbus: function F[, subfunction S] | [unit U,] access read|write[ table][, address A][, value V]."""
    said: set[str] = set()
    for part in parts(unquoted(value)):
        name, _, argument = part.partition(" ")
        name = one_of(name, ("unit", "function", "subfunction", "access", "address", "value"), "part of modbus")
        if name in said:
            raise ValueError(f"{name} is said twice")
        said.add(name)
        MODBUS_PARTS[name](draft, argument.strip())
    if "subfunction" in said and "function" not in said:
        raise ValueError("a subfunction has a function before it")
    if "access" in said and "function" in said:
        raise ValueError("function and access are two ways to say what is done")
    if said & {"address", "value"} and "access" not in said:
        draft.warn("modbus: address and value without access mean reading as well as writing")
    if "value" in said and "address" not in said:
        raise ValueError("a value has an address")


def _modbus_function(draft: Draft, text: str) -> None:
    negated, word = negation(text)
    if word.lower() in _FUNCTION_KINDS:
        draft.condition(Condition("modbus.function", word.lower(), negated))
        return
    condition = number(text, 8, MODBUS_FUNCTIONS)
    if condition.operator == "=" and condition.value > 127:
        draft.warn("modbus: functions above 127 are a server's refusals, no request has one")
    draft.condition(Condition("modbus.function", condition))


def _modbus_access(draft: Draft, text: str) -> None:
    words = text.lower().split()
    if not 1 <= len(words) <= 2:
        raise ValueError("access is read or write, and one of the tables")
    kind = one_of(words[0], ("read", "write"), "access")
    table = one_of(words[1], _TABLES, "table") if len(words) == 2 else ""
    if kind == "write" and table in ("discretes", "input"):
        raise ValueError(f"{table} cannot be written")
    draft.condition(Condition("modbus.access", f"{kind} {table}".strip()))


def _modbus_value(draft: Draft, text: str) -> None:
    accesses = [str(each.value) for each in draft.conditions if each.keyword == "modbus.access"]
    if accesses and accesses[-1].startswith("read"):
        raise ValueError("only what is written has a value here")
    draft.condition(Condition("modbus.written", number(text, 16)))


MODBUS_PARTS: dict[str, Reader] = {
    "unit": lambda draft, text: draft.condition(Condition("modbus.unit", number(text, 16))),
    "function": _modbus_function,
    "subfunction": lambda draft, text: draft.condition(Condition("modbus.subfunction", number(text, 16))),
    "access": _modbus_access,
    "address": lambda draft, text: draft.condition(Condition("modbus.accessed", number(text, 32))),
    "value": _modbus_value,
}


def integers(keyword: str, bits: int, names: Mapping[str, int] | None) -> Reader:
    """The reader of an integer; of one that is none of Suricata's multi-integers several may be named, of which any does."""

    def read(draft: Draft, value: str) -> None:
        if not value:
            draft.condition(Condition(keyword, ""))
            return
        draft.condition(Condition(keyword, several(value, bits, names) if keyword in MULTIPLE else chosen(value, bits, names)))

    return read


def chosen(text: str, bits: int, names: Mapping[str, int] | None) -> Number | Several | tuple[Number, ...]:
    """One condition, several of which any does, or a multi-integer's with an index that is no number, which would be another value."""
    first, comma, index = text.partition(",")
    is_index = INDEX.match(index.strip().lower()) and not (names and index.strip().lower() in names)
    if (comma and is_index) or (not comma and COUNT.match(first.strip().lower())):
        return several(text, bits, names)
    return numbers(text, bits, names)


def dnp3_obj(draft: Draft, value: str) -> None:
    found = parts(value)
    if len(found) != 2:
        raise ValueError("an object has a group and a variation")
    draft.condition(Condition("dnp3_obj", ",".join(str(whole(each, "group and variation", 0, 255)) for each in found)))


def cip_service(draft: Draft, value: str) -> None:
    """cip_service:service[,class[,attribute]]."""
    found = parts(value)
    if len(found) > 3:
        raise ValueError("cip_service has a service, a class and an attribute")
    most = (127, 65_535, 65_535)
    draft.condition(Condition("cip_service", ",".join(str(whole(each, "cip_service", 0, high)) for each, high in zip(found, most, strict=False))))


def mqtt_flags(keyword: str) -> Reader:
    """The reader of mqtt.flags and mqtt.connect.flags."""
    known = MQTT_FLAGS[keyword]

    def read(draft: Draft, value: str) -> None:
        found = [negation(each) for each in parts(value)]
        draft.condition(Condition(keyword, ",".join(("!" if negated else "") + one_of(each, known, "flag") for negated, each in found)))

    return read


def session_present(draft: Draft, value: str) -> None:
    word = one_of(value, ("yes", "true", "no", "false"), "truth")
    draft.condition(Condition("mqtt.connack.session_present", Number("=", int(word in ("yes", "true")))))


def name_or_number(keyword: str) -> Reader:
    """The reader of Snort 3's keywords that take a code or its name, which comes as text, blanks as underscores."""

    def read(draft: Draft, value: str) -> None:
        text = unquoted(value).strip().lower().replace(" ", "_")
        if not re.fullmatch(r"[a-z0-9_]{1,64}", text):
            raise ValueError(f"{shortened(text) or 'nothing'} is neither a name nor a number")
        draft.condition(Condition(keyword, text))

    return read


def dnp3_checksum(draft: Draft, value: str) -> None:
    draft.condition(Condition("dnp3_checksum", one_of(value, ("correct", "incorrect"), "checksum")))


def members(enum: type[IntEnum]) -> dict[str, int]:
    """The names of a code table, in lower case."""
    return {name.lower(): int(code) for name, code in enum.__members__.items()}


def action(draft: Draft, value: str) -> None:
    """action:download: what is done, whatever the protocol."""
    draft.condition(Condition("action", numbers(value, 8, members(Action))))


def trust(draft: Draft, value: str) -> None:
    """trust:complete: how far the event can be believed."""
    draft.condition(Condition("trust", numbers(value, 8, members(Trust))))


def reader_of(name: str, field: Field) -> Reader | None:
    """The reader of a field's own keyword: numbers are conditions, or ask by being there whether the field is, bytes and texts sticky buffers. Objects have none: they have no one form."""
    if is_text(field):
        return sticky(name)
    return of_field(name, field) if field.kind in ("number", "list") else None


def is_text(field: Field) -> bool:
    """Whether it holds bytes or texts, those of packets or those that a parser made."""
    return field.kind == "span" or field.dtype in ("str", "str[]")


def of_field(name: str, field: Field) -> Reader:
    """The reader of a number's field: an integer keyword of as many bits, with the names of its code table. Real numbers are compared with real numbers."""
    names = members(field.enum) if field.enum else None
    kind = field.item.kind
    bits = {"u": 8 * field.item.itemsize, "i": 8 * field.item.itemsize - 1, "b": 1}.get(kind, 64)

    def read(draft: Draft, value: str) -> None:
        if not value:
            draft.condition(Condition(name, ""))
            return
        asked = _signed(value) if kind in "fi" and re.search(r"[-.]\s*\d", value) else chosen(value, bits, names)
        if kind == "i" and isinstance(asked, Number) and not -(1 << bits) <= asked.value < 1 << bits:
            raise ValueError(f"{asked.value} is no number of {bits + 1} bits with a sign")
        if kind == "f" and "&" in value:
            raise ValueError("a real number has no bits to mask")
        draft.condition(Condition(name, asked))

    return read


_REAL = r"[-+]?\d{1,20}(?:\.\d{1,20})?(?:[eE][-+]?\d{1,2})?"
_SIGNED = re.compile(rf"(!=|!|<=|>=|=|<|>|)\s*({_REAL})")
_BETWEEN = re.compile(rf"(!?)\s*({_REAL})\s*<>\s*({_REAL})")


def _signed(text: str) -> Number:
    """A condition on numbers below zero and between whole ones: >-5, 0.5<>1.5."""
    text = text.strip()
    if found := _SIGNED.fullmatch(text):
        return Number({"": "=", "!": "!="}.get(found[1], found[1]), _real(found[2]))
    if found := _BETWEEN.fullmatch(text):
        low, high = _real(found[2]), _real(found[3])
        if high <= low:
            raise ValueError(f"{shortened(text)} holds no number")
        return Number(found[1] + "<>", low, high)
    return number(text, 64)


def _real(text: str) -> int:
    """A float stands where Number says int: every comparison is the same."""
    return float(text) if re.search("[.eE]", text) else int(text)  # type: ignore[return-value]
