"""The applications of which there are frames."""

from __future__ import annotations

from collections.abc import Mapping

from detectors.signature.framing import Framing
from detectors.signature.framing_records import (
    Dce,
    Dns,
    EnipPdu,
    HttpTwo,
    LdapPdu,
    MqttPacket,
    MulticastDns,
    Rpc,
    SipMessage,
    SmbRecord,
    SshRecord,
    TlsRecord,
    Websocket,
)
from detectors.signature.framing_texts import HttpMessage, ImapText, SmtpText, TelnetText

FRAMINGS: Mapping[str, type[Framing]] = {
    "dcerpc": Dce, "dns": Dns, "enip": EnipPdu, "http": HttpMessage, "http2": HttpTwo, "imap": ImapText, "ldap": LdapPdu, "llmnr": MulticastDns, "mdns": MulticastDns,
    "mqtt": MqttPacket, "nfs": Rpc, "sip": SipMessage, "smb": SmbRecord, "smtp": SmtpText, "ssh": SshRecord, "telnet": TelnetText, "tls": TlsRecord,
    "websocket": Websocket,
}  # fmt: skip
