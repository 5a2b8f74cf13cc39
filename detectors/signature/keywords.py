"""Every keyword, and the function that reads it. A new one is one line in TABLE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from detectors.signature import buffer_keywords as buffers
from detectors.signature import byte_keywords as numbers
from detectors.signature import header_keywords as headers
from detectors.signature import industrial_keywords as industrial
from detectors.signature import measure_keywords as measures
from detectors.signature import meta_keywords as meta
from detectors.signature import network_keywords as network
from detectors.signature import payload_keywords as payload
from detectors.signature import sctp
from detectors.signature import state_keywords as state
from detectors.signature.draft import Draft
from sensor.events.field import Field

REACH = payload.REACH


class Keyword(NamedTuple):
    """One keyword. argument: it takes one; None where it may."""

    read: Callable[[Draft, str], None]
    argument: bool | None = True


def ignored(why: str) -> Callable[[Draft, str], None]:
    """The reader of what is accepted and does nothing here."""

    def read(draft: Draft, _value: str) -> None:
        draft.warn(why)

    return read


META = {
    "msg": Keyword(meta.msg),
    "sid": Keyword(meta.sid),
    "gid": Keyword(meta.gid),
    "rev": Keyword(meta.rev),
    "priority": Keyword(meta.priority),
    "classtype": Keyword(meta.classtype),
    "reference": Keyword(meta.reference),
    "metadata": Keyword(meta.metadata, None),
    "target": Keyword(meta.target),
    "rem": Keyword(meta.rem),
    "category": Keyword(ignored("category is no keyword of Suricata's or Snort's: it has no effect")),
}

PAYLOAD = {
    "content": Keyword(payload.content),
    "nocase": Keyword(payload.nocase, None),
    "offset": Keyword(payload.placed("offset", 0, REACH)),
    "depth": Keyword(payload.placed("depth", 1, REACH)),
    "distance": Keyword(payload.placed("distance", -REACH, REACH)),
    "within": Keyword(payload.placed("within", 1, REACH)),
    "startswith": Keyword(payload.startswith, False),
    "endswith": Keyword(payload.endswith, False),
    "fast_pattern": Keyword(payload.fast_pattern, None),
    "rawbytes": Keyword(payload.rawbytes, False),
    "isdataat": Keyword(payload.isdataat),
    "bsize": Keyword(payload.bsize),
    "bufferlen": Keyword(buffers.bufferlen),
    "urilen": Keyword(payload.urilen),
    "pcre": Keyword(payload.pcre),
    "byte_test": Keyword(numbers.byte_test),
    "byte_jump": Keyword(numbers.byte_jump),
    "byte_extract": Keyword(numbers.byte_extract),
    "byte_math": Keyword(numbers.byte_math),
    "base64_decode": Keyword(numbers.base64_decode, None),
    "base64_data": Keyword(numbers.base64_data, False),
    "dataset": Keyword(payload.dataset),
    "datarep": Keyword(payload.datarep),
    "absent": Keyword(measures.absent, None),
    "entropy": Keyword(measures.entropy),
    **{name: Keyword(measures.hashed(name)) for name in ("md5", "sha256", "sha512")},
    "ber_data": Keyword(measures.ber_data),
    "ber_skip": Keyword(measures.ber_skip),
    "asn1": Keyword(measures.asn1),
    "sd_pattern": Keyword(measures.sd_pattern),
    "uricontent": Keyword(buffers.uricontent),
    "pkt_data": Keyword(buffers.pkt_data, False),
    "raw_data": Keyword(buffers.pkt_data, False),
}

BUFFERS = {
    **{name: Keyword(buffers.sticky(name), False) for name in buffers.STICKY},
    **{alias: Keyword(buffers.sticky(name), False) for alias, name in (buffers.ALIASES | buffers.SNORT3).items()},
    **{alias: Keyword(buffers.modifier(name), None) for alias, name in buffers.MODIFIERS.items()},
    **{name: Keyword(buffers.transform(name), False) for name in buffers.TRANSFORMS},
    "frame": Keyword(buffers.frame),
    "xor": Keyword(buffers.xor),
    "pcrexform": Keyword(buffers.pcrexform),
    "from_base64": Keyword(buffers.from_base64, None),
    "subslice": Keyword(buffers.subslice),
    "gunzip": Keyword(buffers.gunzip("gunzip"), None),
    "zlib_deflate": Keyword(buffers.gunzip("zlib_deflate"), None),
}

STATE = {
    "flow": Keyword(state.flow),
    "flowbits": Keyword(state.flowbits),
    "xbits": Keyword(state.xbits),
    "hostbits": Keyword(state.hostbits),
    "flowint": Keyword(state.flowint),
    "flowvar": Keyword(state.text("flow")),
    "pktvar": Keyword(state.text("pkt")),
    "threshold": Keyword(state.threshold),
    "detection_filter": Keyword(state.detection_filter),
    "noalert": Keyword(state.noalert, False),
    "alert": Keyword(state.alert, False),
    "app-layer-protocol": Keyword(state.app_layer_protocol),
    "config": Keyword(meta.config),
    "service": Keyword(state.service),
}

HEADERS = {
    **{name: Keyword(headers.integer(name, bits, headers.NAMES.get(name))) for name, bits in headers.INTEGERS.items()},
    **{name: Keyword(headers.multiple(name, headers.INTEGERS[name], headers.NAMES.get(name))) for name in headers.MULTIPLE},
    "vlan.id": Keyword(headers.multiple("vlan.id", 12, most=headers.VLAN_LAYERS - 1)),
    **{name: Keyword(headers.word(name, ("valid", "invalid"))) for name in headers.CHECKSUMS},
    **{name: Keyword(headers.event(name)) for name in ("app-layer-event", "decode-event", "stream-event", "engine-event")},
    "tcp.flags": Keyword(headers.letters("flags", "FSRPAUEC", {"1": "C", "2": "E"})),
    "flags": Keyword(headers.letters("flags", "FSRPAUEC", {"1": "C", "2": "E"})),
    "tcp.seq": Keyword(headers.integer("seq", 32)),
    "tcp.ack": Keyword(headers.integer("ack", 32)),
    "tcp.window": Keyword(headers.integer("window", 16)),
    "fragbits": Keyword(headers.letters("fragbits", "MDR", {})),
    "ip_proto": Keyword(headers.ip_proto),
    "ipopts": Keyword(headers.word("ipopts", headers.IP_OPTIONS)),
    "l3_proto": Keyword(headers.word("l3_proto", ("ipv4", "ipv6", "arp"))),
    **{name: Keyword(headers.bare(name), False) for name in ("sameip", *sctp.WORDS)},
    "dsize": Keyword(headers.dsize),
    "stream_size": Keyword(headers.stream_size),
    "flow.pkts": Keyword(headers.of_direction("flow.pkts", 32)),
    "flow.bytes": Keyword(headers.of_direction("flow.bytes", 64)),
    "iprep": Keyword(headers.iprep),
    "geoip": Keyword(headers.geoip),
}

INDUSTRIAL = {
    **{
        name: Keyword(industrial.integers(industrial.CANONICAL.get(name, name), bits, names))
        for name, (bits, names) in (industrial.INTEGERS | {"dnp3.func": industrial.INTEGERS["dnp3_func"]}).items()
    },
    **{name: Keyword(headers.bare(name), False) for name in industrial.WORDS},
    **{name: Keyword(industrial.name_or_number(name)) for name in industrial.NAMES},
    **{name: Keyword(industrial.mqtt_flags(name)) for name in industrial.MQTT_FLAGS},
    "modbus": Keyword(industrial.modbus),
    "modbus.function": Keyword(industrial.MODBUS_PARTS["function"]),
    "modbus.access": Keyword(industrial.MODBUS_PARTS["access"]),
    **{name: Keyword(headers.named_bits("dnp3_ind", 16, industrial.DNP3_INDICATIONS, "*")) for name in ("dnp3_ind", "dnp3.ind")},
    "dnp3_obj": Keyword(industrial.dnp3_obj),
    "dnp3.obj": Keyword(industrial.dnp3_obj),
    "dnp3_checksum": Keyword(industrial.dnp3_checksum),
    "cip_service": Keyword(industrial.cip_service),
    "mqtt.connack.session_present": Keyword(industrial.session_present),
    "action": Keyword(industrial.action),
    "trust": Keyword(industrial.trust),
}

NETWORK = {
    "dce_iface": Keyword(network.dce_iface),
    "dcerpc.iface": Keyword(network.dce_iface),
    "dce_opnum": Keyword(network.dce_opnum),
    "dcerpc.opnum": Keyword(network.dce_opnum),
    "tls.version": Keyword(network.tls_version),
    "tls.subject": Keyword(network.said_of_buffer("tls.cert_subject")),
    "tls.issuerdn": Keyword(network.said_of_buffer("tls.cert_issuer")),
    "tls.fingerprint": Keyword(network.said_of_buffer("tls.cert_fingerprint", nocase=True, exact=True)),
    "tls_cert_notbefore": Keyword(network.certificate_time("tls_cert_notbefore")),
    "tls_cert_notafter": Keyword(network.certificate_time("tls_cert_notafter")),
    "tls_cert_expired": Keyword(headers.bare("tls_cert_expired"), False),
    "tls_cert_valid": Keyword(headers.bare("tls_cert_valid"), False),
    "ssl_version": Keyword(network.ssl_words("ssl_version", ("sslv2", "sslv3", "tls1.0", "tls1.1", "tls1.2", "tls1.3"))),
    "ssl_state": Keyword(network.ssl_words("ssl_state", ("client_hello", "server_hello", "client_keyx", "server_keyx", "unknown"))),
    "ssh.softwareversion": Keyword(network.said_of_buffer("ssh.software")),
    "ssh.protoversion": Keyword(headers.text("ssh.protoversion", r"[0-9][0-9._]*|2_compat", "2.0")),
    "filename": Keyword(network.said_of_buffer("file.name", nocase=True)),
    "fileext": Keyword(network.fileext),
    "filemagic": Keyword(network.said_of_buffer("file.magic", nocase=True)),
    "filemd5": Keyword(network.file_list("filemd5")),
    "filesha1": Keyword(network.file_list("filesha1")),
    "filesha256": Keyword(network.file_list("filesha256")),
    "filestore": Keyword(network.filestore, None),
    "rpc": Keyword(network.rpc),
    "krb5.ticket_encryption": Keyword(network.ticket_encryption),
    "ike.chosen_sa_attribute": Keyword(network.chosen_attribute),
    "rfb.secresult": Keyword(network.security_result),
    "ldap.responses.operation": Keyword(headers.multiple("ldap.responses.operation", 8, headers.LDAP_OPERATIONS)),
    "ldap.responses.result_code": Keyword(headers.multiple("ldap.responses.result_code", 32, headers.LDAP_RESULTS)),
    "ftp.mode": Keyword(headers.word("ftp.mode", ("active", "passive"))),
    "ftp.reply_received": Keyword(headers.reply_received),
    "websocket.flags": Keyword(headers.named_bits("websocket.flags", 8, {"fin": 0x80, "comp": 0x40})),
    "nfs.version": Keyword(network.nfs_number("nfs.version")),
    "nfs_procedure": Keyword(network.nfs_number("nfs_procedure")),
    "tftp.mode": Keyword(headers.word("tftp.mode", ("netascii", "octet", "mail"))),
    "http2.settings": Keyword(network.settings),
    "ftpdata_command": Keyword(headers.word("ftpdata_command", ("retr", "stor"))),
    "ftpbounce": Keyword(headers.bare("ftpbounce"), False),
    "smb.version": Keyword(headers.word("smb.version", ("1", "2"))),
}

PASSIVE = "has no effect in a passive sensor"
IGNORED: dict[str, str] = {
    **{name: f"{name} {PASSIVE}" for name in ("replace", "react", "resp", "bypass", "nfq_set_mark", "rewrite")},
    "tag": "tag has no effect: no packets are kept beyond those of the alert",
    "session": "session has no effect: use tapsight slice for what a flow carried",
    "logto": "logto has no effect: every alert goes to the same outputs",
    "prefilter": "prefilter has no effect: what is looked at first is chosen by measure",
    **{name: f"{name} has no effect: no certificates are kept" for name in ("tls.store", "tls_store")},
    "activates": "activates has no effect: use flowbits",
}

# What Suricata or Snort know and this engine does not.
UNSUPPORTED: dict[str, str] = {
    "lua": "scripts in rules are not run", "luajit": "scripts in rules are not run",
    "so": "compiled rules are not read", "soid": "compiled rules are not read", "regex": "say pcre instead",
    "appids": "Snort's application detector is not here", "file_type": "file types are not recognised", "file_meta": "file types are not recognised",
    "js_data": "scripts are not normalised", "vba_data": "macros are not unpacked", "cvs": "CVS is not decoded", "gtp_info": "GTP messages are not decoded",
    "template2": "a template for Suricata's developers",
    "luaxform": "scripts in rules are not run", "gtp_type": "GTP messages are not decoded", "gtp_version": "GTP messages are not decoded",
    "flow.elephant": "Suricata's measure of large flows is not kept", "ndpi-protocol": "a plugin of Suricata's", "ndpi-risk": "a plugin of Suricata's",
    "http_param": "parameters of a request are not told apart",
}  # fmt: skip

TABLE: dict[str, Keyword] = {
    **META,
    **PAYLOAD,
    **BUFFERS,
    **STATE,
    **HEADERS,
    **INDUSTRIAL,
    **NETWORK,
    **{name: Keyword(ignored(why), None) for name, why in IGNORED.items()},
    "requires": Keyword(meta.requires),
}


def table(fields: Mapping[str, Iterable[Field]]) -> dict[str, Keyword]:
    """All keywords: ours by field, and over them what Suricata and Snort call so, with the names of our codes too."""
    ours: dict[str, Keyword] = {}
    both: dict[str, Keyword] = {}
    for protocol, columns in fields.items():
        for field in columns:
            name = f"{protocol}.{field.name}"
            if field.enum and name in industrial.INTEGERS:
                bits, names = industrial.INTEGERS[name]
                both[name] = Keyword(industrial.integers(name, bits, industrial.members(field.enum) | dict(names or {})), None)
            elif field.enum and name in industrial.NAMED_BY:
                alias = industrial.NAMED_BY[name]
                both[alias] = Keyword(industrial.integers(alias, 8, industrial.members(field.enum)))
            if name not in both and (reader := industrial.reader_of(name, field)) is not None:
                ours[name] = Keyword(reader, False if industrial.is_text(field) else None)
    return ours | TABLE | both
