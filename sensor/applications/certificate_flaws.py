"""What is wrong with how a certificate is written: DER (ITU-T X.690 10) and its structure (RFC 5280 4.1), told as Suricata names it.

Kept apart from certificates.py, which reads what there is to read: what reads it there accepts more and says less of what it does not accept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sensor.applications.ber import INTEGER, OCTETS, OID, SEQUENCE, SET, Value, read

BOOLEAN, BITS, UTC_TIME, TIME = 0x01, 0x03, 0x17, 0x18
VERSION, ISSUER_ID, SUBJECT_ID, EXTENSIONS = 0xA0, 0x81, 0x82, 0xA3  # context tags of the certificate's body
VERSIONS = range(3)
MOST_SERIAL = 20  # bytes of a serial number, RFC 5280 4.1.2.2; a leading zero may come before them
_TIMES = {
    UTC_TIME: re.compile(rb"\d{2}" + (form := rb"(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d[0-5]\dZ")),
    TIME: re.compile(rb"\d{4}" + form),
}
FLAWS = (
    "length", "version", "serial", "algorithmidentifier", "x509name", "date", "extensions", "der", "subject", "issuer", "validity",
)  # fmt: skip


def flaws(certificate: bytes) -> tuple[str, ...]:
    """The events of the first thing that is wrong; none where all is as it has to be."""
    try:
        outer = _sequence(read(certificate))
        body, algorithm, signature = _parts(outer, 3)
        _body(_sequence(body))
        _algorithm(algorithm)
    except EOFError:
        return ("length",) if not certificate else ("invalid_certificate",)
    except ValueError as error:
        return tuple(str(each) for each in error.args if each in FLAWS) or ("der",)
    return () if signature.tag == BITS else ("invalid_certificate",)


def _parts(value: Value, least: int) -> list[Value]:
    """The values within it, at least so many."""
    found = list(value.items())
    if len(found) < least:
        raise ValueError("length")
    return found


def _sequence(value: Value) -> Value:
    if value.tag != SEQUENCE:
        raise ValueError("der")
    return value


def _body(body: Value) -> None:
    """4.1.2."""
    parts = _parts(body, 1)
    if parts[0].tag == VERSION:
        _version(parts.pop(0))
    if not parts or parts[0].tag != INTEGER or not 0 < len(parts[0].content) <= MOST_SERIAL + 1:
        raise ValueError("serial")
    if len(parts) < 6:
        raise ValueError("length")
    algorithm, issuer, validity, subject, key, *others = parts[1:]
    _algorithm(algorithm)
    _name(issuer, "issuer")
    _validity(validity)
    _name(subject, "subject")
    _algorithm(_parts(_sequence(key), 2)[0])
    for each in others:
        if each.tag == EXTENSIONS:
            _extensions(each)
        elif each.tag not in (ISSUER_ID, SUBJECT_ID):
            raise ValueError("extensions")


def _version(value: Value) -> None:
    found = list(value.items())
    if len(found) != 1 or found[0].tag != INTEGER or found[0].number not in VERSIONS or len(found[0].content) != 1:
        raise ValueError("version")


def _algorithm(value: Value) -> None:
    """4.1.1.2."""
    if _parts(_sequence(value), 1)[0].tag != OID:
        raise ValueError("algorithmidentifier")


def _name(value: Value, what: str) -> None:
    """4.1.2.4: what is wrong with it is also wrong with what it names."""
    if value.tag != SEQUENCE:
        raise ValueError("der", what)
    for names in value.items():
        attributes = list(names.items()) if names.tag == SET else []
        if not attributes or not all(_is_attribute(each) for each in attributes):
            raise ValueError("x509name", what)


def _is_attribute(value: Value) -> bool:
    found = list(value.items()) if value.tag == SEQUENCE else []
    return len(found) == 2 and found[0].tag == OID and len(found[0].content) > 0


def _validity(value: Value) -> None:
    """4.1.2.5."""
    if value.tag != SEQUENCE:
        raise ValueError("der", "validity")
    times = list(value.items())
    if len(times) != 2:
        raise ValueError("date", "validity")
    if not all(each.tag in _TIMES and _TIMES[each.tag].fullmatch(each.content) for each in times):
        raise ValueError("date")


def _extensions(value: Value) -> None:
    """4.1.2.9."""
    found = list(value.items())
    if len(found) != 1 or found[0].tag != SEQUENCE or not all(_is_extension(list(each.items()) if each.tag == SEQUENCE else ()) for each in found[0].items()):
        raise ValueError("extensions")


def _is_extension(parts: Sequence[Value]) -> bool:
    return [each.tag for each in parts] in ([OID, OCTETS], [OID, BOOLEAN, OCTETS])
