"""What is not a PDU -> ECS documents as lines of JSON: flows, anomalies, alerts and the ledger."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rules import incident_classes, tactics, techniques
from sensor.columns import Array, Heard, Source
from sensor.events.address import End, conversation
from sensor.events.alert import ACCEPTED, REFUSED, Alert
from sensor.events.clock import time_text
from sensor.events.field import label
from sensor.events.protocol import Dataset, spoken
from sensor.events.seen import AnomalyEvent, Seen
from sensor.events.vocabulary import Action
from sensor.sinks import ecs
from sensor.sinks.ecs import quote
from sensor.streams import flows as streams

ENDS = {end.value: label(end) for end in streams.End}
CONNECT = label(Action.CONNECT)


def base(dataset: str, identifier: str, ts_ns: int, sensor: str, site: str, heard: Heard | None = None) -> dict[str, Any]:
    """What every document has; the caller adds event.category and event.type, and what else is the sensor's own. heard: where, of what was heard."""
    event = {"id": identifier, "kind": "event", "module": "tapsight", "dataset": f"tapsight.{dataset}"}
    observer, own = ecs.observer(sensor, heard or Heard("")), ({"site": site} if site else {}) | ({"source": heard.name} if heard else {})
    return {"@timestamp": time_text(ts_ns), "ecs": {"version": ecs.VERSION}, "event": event, "observer": observer, "tapsight": own}


def histories(history: Array, server_is_b: Array) -> list[str]:
    """TCP histories as Zeek writes them: letters in the order of their first appearance, upper case from the client, lower case from the server."""
    texts: dict[tuple[int, bool], str] = {}
    result = []
    for key in zip(history.tolist(), server_is_b.tolist(), strict=True):
        text = texts.get(key)
        if text is None:
            digits = [int(digit, 16) - 1 for digit in f"{key[0]:x}"] if key[0] else []
            letters = ((streams.LETTERS[digit % 6], (digit < 6) == key[1]) for digit in digits)
            text = texts[key] = "".join(letter if by_client else letter.lower() for letter, by_client in letters)
        result.append(text)
    return result


def protocol_names(numbers: Array, protocols: Sequence[Dataset]) -> list[str]:
    """The protocol of each flow, empty where none was recognised. numbers: places in the list, counted from 1."""
    known = spoken(protocols)
    return [known.get(number, "") for number in numbers.tolist()]


def flow_lines(over: dict[str, Array], origins: list[Source], protocols: Sequence[Dataset], sensor: str, site: str = "") -> list[str]:
    """One document per flow that is over. Its first frame is no other flow's, so that makes its id."""
    if not len(over["flow"]):
        return []
    client_is_a = over["server_is_b"]
    counts = [
        np.where(client_is_a == first, over[f"{name}_a"], over[f"{name}_b"]).tolist() for name in ("packets", "bytes", "payload") for first in (True, False)
    ]
    names = ("interface", "first_frame", "last_ns", "first_ns")
    columns = zip(
        *(over[name].tolist() for name in names), ecs.times(over["first_ns"]), ecs.times(over["last_ns"]), over["end"].tolist(),
        histories(over["history"], client_is_a), protocol_names(over["protocol"], protocols), origins,
        ecs.ends(over, np.arange(len(client_is_a)), np.ones(len(client_is_a), np.bool_)), *counts, strict=True,
    )  # fmt: skip
    lines = []
    for interface, frame, last_ns, first_ns, start, end, reason, history, protocol, source, ends, p0, p1, b0, b1, y0, y1 in columns:
        text = ends.replace('"source":{', f'"source":{{"packets":{p0},"bytes":{b0},', 1).replace(
            '"destination":{', f'"destination":{{"packets":{p1},"bytes":{b1},', 1
        )
        lines.append(
            f'{{"@timestamp":"{start}","ecs":{{"version":"{ecs.VERSION}"}},"event":{{"id":"{source.id}-flow-{frame}","kind":"event","module":"tapsight",'
            f'"dataset":"tapsight.flow","category":["network"],"type":["connection","end"],"action":"{CONNECT}","outcome":"{"success" if p0 and p1 else "unknown"}",'
            f'"reason":"{ENDS[reason]}","start":"{start}","end":"{end}","duration":{last_ns - first_ns}}},{text},"packets":{p0 + p1},"bytes":{b0 + b1}'
            + (f',"protocol":"{protocol}"' if protocol else "")
            + f'}},{ecs.observed(sensor, site, source.heard_at(interface))},"frame":{frame},"trust":"{"complete" if p0 and p1 else "one_sided"}",'
            f'"flow":{{"history":"{history}","payload":{{"source":{y0},"destination":{y1}}}}}}}}}'
        )
    return lines


def anomaly_ids(seen: Seen) -> list[str]:
    """An id for each anomaly of a batch, from what was seen: a frame may carry several, of one kind too."""
    count: Counter[str] = Counter()
    result = []
    for anomaly in seen.anomalies:
        ends = "" if anomaly.flow < 0 else repr(conversation(seen.flows, anomaly.flow))
        content = "\0".join((anomaly.protocol, str(anomaly.size), anomaly.detail, str(anomaly.from_b), ends))
        digest = hashlib.blake2b(content.encode("utf-8", "replace"), digest_size=6).hexdigest()
        identifier = f"{seen.source.id}-anomaly-{anomaly.frame}-{label(anomaly.kind)}-{digest}"
        count[identifier] += 1
        result.append(identifier if count[identifier] == 1 else f"{identifier}-{count[identifier]}")
    return result


def anomaly_lines(seen: Seen, sensor: str, site: str = "") -> list[str]:
    """One document per packet or stream that breaks a rule."""
    return [_anomaly(seen, anomaly, identifier, sensor, site) for anomaly, identifier in zip(seen.anomalies, anomaly_ids(seen), strict=True)]


def _anomaly(seen: Seen, anomaly: AnomalyEvent, identifier: str, sensor: str, site: str) -> str:
    interface = int(seen.flows["interface"][anomaly.flow]) if anomaly.flow >= 0 else -1
    document = base("anomaly", identifier, anomaly.ts_ns, sensor, site, seen.source.heard_at(interface))
    document["event"] |= {"category": ["network"], "type": ["info"], "action": label(Action.ERROR), "outcome": "unknown", "reason": label(anomaly.kind)}
    own = {"kind": label(anomaly.kind), "size": anomaly.size} | ({"detail": anomaly.detail} if anomaly.detail else {})
    document["tapsight"] |= {"frame": anomaly.frame, "anomaly": own}
    text = quote(document)[:-1]
    if anomaly.flow >= 0:
        to_server = bool(seen.flows["server_is_b"][anomaly.flow]) != anomaly.from_b
        text += (
            ","
            + ecs.ends(seen.flows, np.array([anomaly.flow]), np.array([to_server]))[0]
            + (f',"protocol":{quote(anomaly.protocol)}' if anomaly.protocol else "")
            + "}"
        )
    return text + "}"


def alert_document(alert: Alert, source: Source | None, lang: str, site: str = "") -> dict[str, Any]:
    """An alert. source: that its frames count in, where it is still known."""
    heard = source.heard_at(alert.interface) if source else Heard(alert.source)
    document, severity = base("alert", alert.id, alert.first_ns, alert.sensor, site, heard), int(alert.severity)
    outcome = {ACCEPTED: "success", REFUSED: "failure"}.get(alert.outcome, "unknown")
    document["message"] = alert.sentence(lang)
    document["event"] |= {
        "kind": "alert", "category": ["network", "intrusion_detection"], "type": ["info"], "action": label(alert.action or Action.OTHER), "outcome": outcome,
        "severity": severity, "risk_score": float(severity), "start": time_text(alert.first_ns), "end": time_text(alert.last_ns),
        "duration": alert.last_ns - alert.first_ns,
    }  # fmt: skip
    document["rule"] = {"id": alert.detector, "name": alert.title(lang), "category": alert.kind.gbt, "ruleset": "tapsight"} | dict(alert.kind.rule)
    if alert.kind.techniques:
        document["threat"] = threat(alert.kind.techniques, lang)
    for names, end in ((("source", "client"), alert.client), (("destination", "server"), alert.server)):
        if end is not None:
            document |= dict.fromkeys(names, ecs.end_body(end))
    addresses = [end.address for end in (alert.client, alert.server) if end is not None and "ip" in ecs.end_body(end)]
    document |= {"related": {"ip": addresses}} if addresses else {}
    network = {"protocol": alert.protocol} if alert.protocol else {}
    document |= {"network": network | network_type(alert.client or alert.server)}
    incident = incident_classes().get(alert.kind.gbt)
    own = {
        "count": alert.count, "accepted": alert.accepted, "refused": alert.refused, "frames": list(alert.frames), "key": alert.key,
        "parameters": {name: str(value) for name, value in alert.parameters.items()},
        "class": {"standard": "GB/T 20986-2023", "code": alert.kind.gbt} | ({"name": incident.zh if lang == "zh" else incident.name} if incident else {}),
    }  # fmt: skip
    document["tapsight"] |= {"frame": alert.frames[0], "trust": "complete", "alert": own}
    return document


def network_type(end: End | None) -> dict[str, str]:
    """network.type of an address; nothing for a MAC."""
    if end is None or "ip" not in ecs.end_body(end):
        return {}
    return {"type": "ipv6" if ":" in end.address else "ipv4"}


def threat(identifiers: Iterable[str], lang: str) -> dict[str, Any]:
    """threat.* for techniques of ATT&CK for ICS; a sub-technique stands under its technique."""
    known, names = techniques(), tactics()
    found = [known[identifier] for identifier in identifiers if identifier in known]
    whole = {each.id.partition(".")[0]: (each.zh if lang == "zh" else each.name).partition("：" if lang == "zh" else ": ")[0] for each in found}
    technique: dict[str, Any] = {"id": list(whole), "name": list(whole.values())}
    if sub := [each for each in found if "." in each.id]:
        technique["subtechnique"] = {"id": [each.id for each in sub], "name": [each.zh if lang == "zh" else each.name for each in sub]}
    above = list(dict.fromkeys(tactic for each in found for tactic in each.tactics))
    return {"framework": ecs.FRAMEWORK, "tactic": {"id": above, "name": [names[each] for each in above]}, "technique": technique}


def ledger_id(sources: Sequence[Source]) -> str:
    """What a run over these sources is known by."""
    return hashlib.blake2b("\0".join(source.id for source in sources).encode(), digest_size=8).hexdigest()


def ledger_line(report: dict[str, Any], sources: Sequence[Source], ts_ns: int, sensor: str, site: str = "") -> str:
    """The whole ledger of a run."""
    document = base("ledger", f"ledger-{ledger_id(sources)}", ts_ns, sensor, site)
    document["event"] |= {"kind": "metric", "category": ["network"], "type": ["info"], "action": label(Action.REPORT), "outcome": "success"}
    problems = [{"source": source.name, "offset": problem.offset, "message": problem.message} for source in sources for problem in source.problems]
    own = {"sources": [source.name for source in sources], "problems": problems}
    document["tapsight"] |= {"ledger": report} | own
    return quote(document)
