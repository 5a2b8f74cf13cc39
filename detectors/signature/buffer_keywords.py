"""Keywords that choose the bytes that contents look into: sticky buffers, their older modifiers, transforms.

Names are Suricata's dotted ones; older and Snort's names are other words for them. Suricata 8 user guide, "HTTP Keywords" and those of each protocol,
"Transformations"; Snort 3 Rule Writing Guide, "Payload Detection Rule Options".
"""

from __future__ import annotations

import re
from collections.abc import Callable

from detectors.signature.arguments import number, one_of, parts, unquoted, whole
from detectors.signature.draft import Draft, Key
from detectors.signature.framing import PREFIX
from detectors.signature.framings import FRAMINGS
from detectors.signature.payload_keywords import bsize, content
from detectors.signature.rule import PAYLOAD, Condition
from detectors.signature.syntax import shortened

STICKY: tuple[str, ...] = (
    # HTTP
    "http.method", "http.uri", "http.uri.raw", "http.header", "http.header.raw", "http.header_names", "http.user_agent", "http.host", "http.host.raw",
    "http.cookie", "http.referer", "http.server", "http.location", "http.content_type", "http.content_len", "http.connection", "http.accept", "http.accept_enc",
    "http.accept_lang", "http.protocol", "http.start", "http.stat_code", "http.stat_msg", "http.request_line", "http.request_body", "http.request_header",
    "http.response_line", "http.response_body", "http.response_header", "http2.header", "http2.header_name",
    # DNS, mDNS
    "dns.query", "dns.query.name", "dns.answer.name", "dns.queries.rrname", "dns.answers.rrname", "dns.authorities.rrname", "dns.additionals.rrname",
    "dns.response.rrname", "mdns.queries.rrname", "mdns.answers.rrname", "mdns.authorities.rrname", "mdns.additionals.rrname",
    "mdns.response.rrname", "llmnr.queries.rrname", "llmnr.answers.rrname", "llmnr.authorities.rrname", "llmnr.additionals.rrname", "llmnr.response.rrname",
    # TLS, QUIC, JA3, JA4
    "tls.sni", "tls.cert_subject", "tls.cert_issuer", "tls.certs", "tls.cert_serial", "tls.cert_fingerprint", "tls.subjectaltname", "tls.alpn",
    "tls.random", "tls.random_time", "tls.random_bytes", "ja3.hash", "ja3.string", "ja3s.hash", "ja3s.string", "ja4.hash", "quic.sni", "quic.ua", "quic.version",
    "quic.cyu.hash", "quic.cyu.string",
    # SSH
    "ssh.software", "ssh.proto", "ssh.hassh", "ssh.hassh.string", "ssh.hassh.server", "ssh.hassh.server.string",
    # files, mail
    "file.data", "file.name", "file.magic", "smtp.helo", "smtp.mail_from", "smtp.rcpt_to", "email.from", "email.to", "email.cc", "email.subject", "email.date",
    "email.message_id", "email.x_mailer", "email.url", "email.received", "email.body_md5",
    # DCERPC, SMB, FTP, SNMP, SIP, RFB, Kerberos, IKE, LDAP, TFTP ...
    "dce.stub_data", "smb.named_pipe", "smb.share", "smb.ntlmssp_user", "smb.ntlmssp_domain", "ftp.command", "ftp.command_data", "ftp.reply",
    "ftp.completion_code", "snmp.usm", "snmp.community", "snmp.trap_oid", "snmp.trap_address", "sip.method", "sip.uri", "sip.request_line", "sip.stat_code", "sip.stat_msg", "sip.response_line",
    "sip.protocol", "sip.from", "sip.to", "sip.via", "sip.user_agent", "sip.content_type", "sip.content_length", "rfb.name", "krb5.cname", "krb5.sname",
    "ike.init_spi", "ike.resp_spi", "ike.vendor", "ike.key_exchange_payload", "ike.nonce_payload", "ldap.request.dn", "ldap.responses.dn", "ldap.responses.message",
    "ldap.request.attribute_type", "ldap.responses.attribute_type", "sdp.origin", "sdp.session_name", "sdp.session_info", "sdp.uri", "sdp.email",
    "sdp.phone_number", "sdp.connection_data", "sdp.bandwidth", "sdp.time", "sdp.repeat_time", "sdp.timezone", "sdp.encryption_key", "sdp.attribute",
    "sdp.media.media", "sdp.media.session_info", "sdp.media.connection_data", "sdp.media.encryption_key",
    "websocket.payload", "tftp.filename", "ntp.reference_id", "telnet.data", "rdp.cookie", "nfs.filename",
    "pgsql.query", "imap.request", "imap.response", "imap.email.body", "imap.email.header", "imap.email.header.name", "imap.email.header.value",
    # MQTT, EtherNet/IP, DNP3, Modbus and Snort 3's names for plants
    "mqtt.connect.clientid", "mqtt.connect.password", "mqtt.connect.protocol_string", "mqtt.connect.username", "mqtt.connect.willmessage",
    "mqtt.connect.willtopic", "mqtt.publish.message", "mqtt.publish.topic", "mqtt.subscribe.topic", "mqtt.unsubscribe.topic", "enip.product_name",
    "enip.service_name", "dnp3.data", "modbus.data", "s7commplus.content", "mms.data",
    # headers
    "ipv4.hdr", "ipv6.hdr", "tcp.hdr", "udp.hdr", "icmpv4.hdr", "icmpv6.hdr", "igmp.hdr", "sctp.hdr", "sctp.chunk_data", "icmpv6.mtu_data", "ether.hdr", "ip.src", "ip.dst",
)  # fmt: skip

# Other words for a sticky buffer.
ALIASES: dict[str, str] = {
    **{f"sdp.media_description.{name}": f"sdp.media.{name}" for name in ("media", "session_info", "connection_data", "encryption_key")}, "sdp.media.media_info": "sdp.media.session_info",
    "file_data": "file.data", "filename_data": "file.name", "dns_query": "dns.query", "tls_sni": "tls.sni", "tls_cert_subject": "tls.cert_subject",
    "tls_cert_issuer": "tls.cert_issuer", "tls_cert_serial": "tls.cert_serial", "tls_cert_fingerprint": "tls.cert_fingerprint", "ja3_hash": "ja3.hash",
    "ja3_string": "ja3.string", "ssh_software": "ssh.software", "ssh_proto": "ssh.proto", "dce_stub_data": "dce.stub_data", "dcerpc.stub_data": "dce.stub_data",
    "dnp3_data": "dnp3.data", "modbus_data": "modbus.data", "s7commplus_content": "s7commplus.content", "mms_data": "mms.data", "krb5_cname": "krb5.cname",
    "krb5_sname": "krb5.sname", "smb_named_pipe": "smb.named_pipe", "smb_share": "smb.share", "sip_method": "sip.method", "sip_uri": "sip.uri",
    "http_header_names": "http.header_names", "http_accept": "http.accept", "http_accept_enc": "http.accept_enc", "http_accept_lang": "http.accept_lang",
    "http_referer": "http.referer", "http_connection": "http.connection", "http_content_len": "http.content_len", "http_content_type": "http.content_type",
    "http_protocol": "http.protocol", "http_start": "http.start", "http_request_line": "http.request_line", "http_response_line": "http.response_line",
}  # fmt: skip

# Words behind a content that move it into a buffer. In Snort 3 they are sticky.
MODIFIERS: dict[str, str] = {
    "http_uri": "http.uri", "http_raw_uri": "http.uri.raw", "http_method": "http.method", "http_header": "http.header", "http_raw_header": "http.header.raw",
    "http_client_body": "http.request_body", "http_server_body": "file.data", "http_cookie": "http.cookie", "http_raw_cookie": "http.cookie",
    "http_stat_code": "http.stat_code", "http_stat_msg": "http.stat_msg", "http_user_agent": "http.user_agent", "http_host": "http.host",
    "http_raw_host": "http.host.raw",
}  # fmt: skip

# Snort 3's sticky buffers that have no twin above, and the fields that http_header may name.
SNORT3 = {
    "http_raw_body": "http.response_body",
    "http_raw_request": "http.request_line",
    "http_raw_status": "http.response_line",
    "http_version": "http.protocol",
}
SNORT3_FIELDS = {
    "host": "http.host", "user-agent": "http.user_agent", "cookie": "http.cookie", "referer": "http.referer", "content-type": "http.content_type",
    "server": "http.server", "location": "http.location", "content-length": "http.content_len", "connection": "http.connection", "accept": "http.accept",
}  # fmt: skip


def sticky(name: str) -> Callable[[Draft, str], None]:
    """The reader of a sticky buffer."""

    def read(draft: Draft, _value: str) -> None:
        draft.stick(name)

    return read


WRITTEN = {"http1": "http", "ssl": "tls", "cip": "enip", "netbios-ssn": "smb"}  # applications by another name
OVER = {
    "ip": ("tcp", "udp"),
    "ip4": ("tcp", "udp"),
    "ipv4": ("tcp", "udp"),
    "ip6": ("tcp", "udp"),
    "ipv6": ("tcp", "udp"),
    "tcp": ("tcp",),
    "tcp-stream": ("tcp",),
    "udp": ("udp",),
}


def frame(draft: Draft, value: str) -> None:
    """frame:tls.pdu, or frame:pdu where the header says tls; frame:smb1.hdr there, whose name has a dot."""
    text, header = unquoted(value).strip().lower(), draft.statement.protocol.partition(":")[0]
    first, dot, rest = text.partition(".")
    named, said = WRITTEN.get(first, first), WRITTEN.get(header, header)
    application, name = (named, rest) if dot and named in FRAMINGS else (said, text)
    if application not in FRAMINGS:
        raise ValueError(f"no frames of {application} are kept; there are those of {', '.join(FRAMINGS)}")
    framing = FRAMINGS[application]
    if name == "stream" and "tcp" in framing.over:  # all that is said
        draft.settle()
        draft.key = Key(PAYLOAD)
        draft.flow.add("only_stream")
        if said != application:
            draft.condition(Condition("app-layer-protocol", application))
        return
    if name not in framing.names:
        raise ValueError(f"{application} has no frame {shortened(name) or 'without a name'}; there are {', '.join(framing.names)}")
    if said != application and not set(OVER.get(header, ())) & set(framing.over):
        raise ValueError(f"the header says {header}, and a frame of {application} is asked for")
    draft.stick(f"{PREFIX}{application}.{name}")


def modifier(name: str) -> Callable[[Draft, str], None]:
    """The reader of a word that moves the content before it; in Snort 3's rules it is sticky."""

    def read(draft: Draft, value: str) -> None:
        if not draft.is_snort3:
            if value:
                raise ValueError("takes no argument")
            draft.move(name)
            return
        buffer = name
        for part in parts(value) if value else []:
            word, _, argument = part.partition(" ")
            if word.lower() == "field" and name == "http.header":
                buffer = SNORT3_FIELDS.get(argument.strip().lower(), "")
                if not buffer:
                    raise ValueError(f"{shortened(argument)} is no field that has a buffer; there are {', '.join(SNORT3_FIELDS)}")
            elif word.lower() not in ("request", "with_header", "with_body", "with_trailer", "scheme", "host", "port", "path", "query", "fragment"):
                raise ValueError(f"{shortened(part)} is no argument of it")
            else:
                draft.warn(f"{word.lower()} of {name} is not told apart from the whole buffer")
        draft.stick(buffer)

    return read


def pkt_data(draft: Draft, _value: str) -> None:
    draft.settle()
    draft.key, draft.is_raw = Key(PAYLOAD), True


def uricontent(draft: Draft, value: str) -> None:
    content(draft, value)
    draft.move("http.uri")


def bufferlen(draft: Draft, value: str) -> None:
    """Snort 3's bsize: bufferlen:5<>10[,relative]."""
    text, _, word = value.partition(",")
    if word.strip():
        raise ValueError("bufferlen relative to the last match is not supported")
    bsize(draft, text.replace("<=>", "<>"))


TRANSFORMS = (
    "dotprefix", "to_lowercase", "to_uppercase", "url_decode", "strip_whitespace", "compress_whitespace", "strip_pseudo_headers", "header_lowercase", "to_md5",
    "to_sha1", "to_sha256", "domain", "tld", "gunzip", "zlib_deflate", "subslice", "from_base64",
)  # fmt: skip


def transform(name: str) -> Callable[[Draft, str], None]:
    """The reader of a transform that needs no argument of its own."""

    def read(draft: Draft, value: str) -> None:
        draft.transform(name, value.replace(" ", ""))

    return read


def xor(draft: Draft, value: str) -> None:
    key = unquoted(value).replace(" ", "")
    if not re.fullmatch(r"(?:[0-9a-fA-F]{2}){1,255}", key):
        raise ValueError("the key is hexadecimal, two digits a byte")
    draft.transform("xor", key.lower())


def pcrexform(draft: Draft, value: str) -> None:
    expression = unquoted(value)
    if "(" not in expression:
        raise ValueError("the expression captures nothing")
    draft.transform("pcrexform", expression)


def from_base64(draft: Draft, value: str) -> None:
    """from_base64[:bytes N][, offset N][, mode name]. The argument becomes bytes,offset,mode."""
    size, offset, mode = 0, 0, "rfc4648"
    for part in parts(value) if value else []:
        name, _, argument = part.partition(" ")
        match one_of(name, ("bytes", "offset", "mode"), "argument of from_base64"):
            case "bytes":
                size = whole(argument, "bytes", 1, 65_535)
            case "offset":
                offset = whole(argument, "offset", 0, 65_535)
            case _:
                mode = one_of(argument, ("rfc4648", "rfc2045", "strict"), "mode")
    draft.transform("from_base64", f"{size},{offset},{mode}")


def subslice(draft: Draft, value: str) -> None:
    """subslice:offset[,bytes][,truncate]. The argument becomes offset,bytes."""
    found = parts(value)
    if len(found) > 3 or (len(found) == 3 and found[2].lower() != "truncate"):
        raise ValueError("subslice has the arguments offset, bytes and truncate")
    offset = whole(found[0], "offset", -65_535, 65_535)
    draft.transform("subslice", f"{offset},{whole(found[1], 'bytes', -65_535, 65_535) if len(found) > 1 else ''}")


def gunzip(name: str) -> Callable[[Draft, str], None]:
    """The reader of gunzip and zlib_deflate: the most they may make, as argument."""

    def read(draft: Draft, value: str) -> None:
        words = value.split()
        if value and (len(words) != 2 or words[0].lower() != "max-size"):
            raise ValueError("its argument is max-size N")
        draft.transform(name, str(number(words[1], 32).value if value else 1024))

    return read
