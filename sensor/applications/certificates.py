"""X.509 certificates (RFC 5280) as rules and events see them."""

from __future__ import annotations

import hashlib
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sensor.applications.application import Said
from sensor.applications.certificate_flaws import flaws
from sensor.applications.files import text

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, Name

MOST_NAMES = 256  # alternative names that are kept

# What Suricata calls the attributes of a name; others by their number.
_ATTRIBUTES = {
    "2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "street", "2.5.4.10": "O",
    "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.42": "GN", "2.5.4.46": "dnQualifier", "1.2.840.113549.1.9.1": "emailAddress",
    "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID",
}  # fmt: skip


def name_of(name: Name) -> str:
    """C=..., O=..., CN=... in the order of the certificate."""
    return ", ".join(" + ".join(f"{_ATTRIBUTES.get(each.oid.dotted_string, each.oid.dotted_string)}={_value(each.value)}" for each in rdn) for rdn in name.rdns)


def _value(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()


def serial_of(number: int) -> str:
    """The bytes that the certificate has: 0A:1B."""
    return number.to_bytes((number.bit_length() + 8) // 8, signed=True).hex(":").upper()


def alternatives_of(certificate: Certificate) -> list[str]:
    """Host names, addresses, mail addresses and URIs (RFC 5280 4.2.1.6)."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return []
    return [str(each.value) for each in names if isinstance(each, (x509.DNSName, x509.IPAddress, x509.RFC822Name, x509.UniformResourceIdentifier))][:MOST_NAMES]


def say_certificates(said: Said, chain: list[bytes]) -> None:
    """The chain as it is sent; names, times and fingerprint of the first, whose key is used. One that cannot be read has only bytes and a fingerprint.

    tls_cert_notbefore and tls_cert_notafter are seconds since 1970 (UTC): whether it is expired depends on when it was seen.
    """
    if not chain:
        return
    first = chain[0]
    side = "tls.client" if said.to_server else "tls.server"
    said.buffers["tls.certs"] = chain
    said.buffers["tls.cert_fingerprint"] = [hashlib.sha1(first, usedforsecurity=False).digest().hex(":").encode()]
    said.facts["tls.cert_chain_len"] = len(chain)
    said.event(*(f"tls.{'' if flaw == 'invalid_certificate' else 'certificate_invalid_'}{flaw}" for flaw in flaws(first)))
    said.about[f"{side}.hash.sha1"] = hashlib.sha1(first, usedforsecurity=False).hexdigest().upper()
    said.about[f"{side}.hash.sha256"] = hashlib.sha256(first).hexdigest().upper()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a library thinks of a certificate that is not ours to mend
            _say_contents(said, side, first)
    except Exception:  # noqa: BLE001 the bytes are hostile, and a library may find anything in them
        said.about[f"{side}.certificate_unreadable"] = True


def _say_contents(said: Said, side: str, der: bytes) -> None:
    from cryptography.x509 import load_der_x509_certificate

    certificate = load_der_x509_certificate(der)
    subject, issuer, serial = name_of(certificate.subject), name_of(certificate.issuer), serial_of(certificate.serial_number)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    names = alternatives_of(certificate)
    said.buffers |= {"tls.cert_subject": [subject.encode()], "tls.cert_issuer": [issuer.encode()], "tls.cert_serial": [serial.encode()]}
    if names:
        said.buffers["tls.subjectaltname"] = [name.encode() for name in names]
    said.facts |= {"tls_cert_notbefore": _seconds(begin), "tls_cert_notafter": _seconds(end)}
    about: dict[str, Any] = {"subject": subject, "issuer": issuer, "not_before": begin.isoformat(), "not_after": end.isoformat()}
    said.about |= {f"{side}.{key}": text(value.encode("utf-8", "replace")) for key, value in about.items()}
    said.about[f"{side}.x509.serial_number"] = serial.replace(":", "")
    if names:
        said.about[f"{side}.x509.alternative_names"] = names


def _seconds(when: datetime) -> int:
    return int((when - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
