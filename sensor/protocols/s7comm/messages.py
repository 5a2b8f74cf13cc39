"""Function group CPU functions beside the status lists: what a controller reports on its own, and who wants to know."""

from __future__ import annotations

from typing import Any

from sensor.events.table import Table
from sensor.protocols.s7comm import times
from sensor.protocols.s7comm.codes import Cpu, SyntaxId
from sensor.protocols.s7comm.content import Content, Kind

EVENTS = {0: "mode_transition", 1: "system_diagnostics", 2: "user_defined", 7: "alarms"}  # bits of a subscription
EVENT_CLASSES = {1: "organization_block", 2: "synchronous_error", 3: "asynchronous_error", 4: "mode_transition", 5: "run_time", 6: "communication"}
EVENT_CLASSES |= {7: "fail_safe_or_fault_tolerant", 8: "module_diagnostics", 9: "predefined_user", 0xA: "user", 0xB: "user", 0xF: "other_module"}
INDICATIONS = (Cpu.ALARM_8_INDICATION, Cpu.NOTIFY_INDICATION, Cpu.SCAN_INDICATION, Cpu.ALARM_SQ_INDICATION, Cpu.ALARM_S_INDICATION, Cpu.NOTIFY_8_INDICATION)
STAMPED = (*INDICATIONS, Cpu.ALARM_ACKNOWLEDGE_INDICATION, Cpu.ALARM_LOCK_INDICATION, Cpu.ALARM_UNLOCK_INDICATION)
ON_ALARMS = (Cpu.ALARM_ACKNOWLEDGE, Cpu.ALARM_8_LOCK, Cpu.ALARM_8_UNLOCK)


def decode(table: Table, row: int, content: Content) -> None:
    """One data unit with content."""
    said = content.said
    if content.subfunction == Cpu.DIAGNOSTIC_MESSAGE and len(said) >= 20:
        table.object("message", row, diagnostic(said))
    elif content.subfunction == Cpu.MESSAGE_SERVICE and content.kind == Kind.REQUEST and len(said) >= 2:
        wanted = [name for bit, name in EVENTS.items() if said[0] >> bit & 1]
        table.object("message", row, {"events": wanted, "user_name": said[2:10].decode("latin-1").rstrip(" \0")})
    elif content.subfunction in STAMPED and len(said) >= 10:
        table.object("message", row, {"time": times.text(said[:8]), "alarms": _alarms(said[8:])})
    elif content.subfunction in ON_ALARMS and content.kind == Kind.REQUEST and len(said) >= 2:
        table.object("message", row, {"alarms": _alarms(said)})
    else:
        content.left = 0


def diagnostic(said: bytes) -> dict[str, Any]:
    """An entry of the diagnostic buffer: event, priority class, OB, data id, two pieces of information, time."""
    event = int.from_bytes(said[:2])
    return {
        "event": f"{event:#06x}",
        "event_class": EVENT_CLASSES.get(event >> 12, "reserved"),
        "is_entering": bool(event & 0x100),
        "priority_class": said[2],
        "ob_number": said[3],
        "data_id": said[4:6].hex(),
        "information_1": said[6:8].hex(),
        "information_2": said[8:12].hex(),
        "time": times.text(said[12:20]),
    }


def _alarms(said: bytes) -> list[dict[str, Any]]:
    """A function byte, a count, and per alarm 0x12, a length, a syntax, a number of values, the event id, and states."""
    alarms: list[dict[str, Any]] = []
    at = 2
    while at + 8 <= len(said) and said[at] == 0x12 and len(alarms) < said[1]:
        length, syntax = said[at + 1], said[at + 2]
        alarm: dict[str, Any] = {"event_id": f"{int.from_bytes(said[at + 4 : at + 8]):#010x}"}
        states = said[at + 8 : at + 2 + length]
        if syntax == SyntaxId.ALARM_ACKNOWLEDGE and len(states) >= 2:
            alarm |= {"acknowledged_going": states[0], "acknowledged_coming": states[1]}
        elif len(states) >= 4:
            alarm |= {"event_state": states[0], "state": states[1], "acknowledged_going": states[2], "acknowledged_coming": states[3]}
        alarms.append(alarm)
        if said[at + 3]:  # associated values follow: what is behind them cannot be found without their types
            alarm["values"] = said[at + 2 + length :].hex()
            break
        at += max(2, 2 + length)
    return alarms
