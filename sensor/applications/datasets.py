"""The events of every application: its fields under the keys that parsers give them in `Said.about`, and what its ends say of themselves.

A key is ECS's where ECS has one, and the field's own name behind the dataset's otherwise.
"""

from __future__ import annotations

from sensor.events.field import Field
from sensor.events.protocol import Dataset, speaks

FILE = (
    Field("file_name", "str", "Name of the file that crosses", ecs="file.name"),
    Field("file_size", "u8", "Size of the file", unit="bytes", ecs="file.size"),
    Field("file_md5", "str", "MD5 of the file", ecs="file.hash.md5"),
    Field("file_sha1", "str", "SHA-1 of the file", ecs="file.hash.sha1"),
    Field("file_sha256", "str", "SHA-256 of the file", ecs="file.hash.sha256"),
)
USER = (Field("user_name", "str", "Account that logs on", ecs="user.name"), Field("user_domain", "str", "Domain of the account", ecs="user.domain"))
CALL = (
    Field("rpc_type", "str", "Type of the PDU", ecs="dcerpc.type"),
    Field("rpc_call_id", "u4", "Number of the call", ecs="dcerpc.call_id"),
    Field("rpc_interface", "str[]", "Interfaces that are bound or called, by name where it is known", ecs="dcerpc.interface"),
    Field("rpc_opnum", "u2", "Operation of the interface", ecs="dcerpc.opnum"),
    Field("rpc_status", "u4", "Status of a fault or refusal", ecs="dcerpc.status"),
    Field("rpc_secondary_address", "str", "Endpoint that the server names", ecs="dcerpc.secondary_address"),
    Field("rpc_problem", "str", "What is wrong with the message", ecs="dcerpc.problem"),
)
DNS = (
    Field("id", "str", "Identifier of the query"),
    Field("type", "str", "Query or answer"),
    Field("op_code", "str", "Kind of query"),
    Field("header_flags", "str[]", "Flags of the header"),
    Field("question_name", "str", "Name that is asked for", ecs="dns.question.name"),
    Field("question_type", "str", "Type of record that is asked for", ecs="dns.question.type"),
    Field("question_class", "str", "Class of record that is asked for", ecs="dns.question.class"),
    Field("response_code", "str", "How the query ended"),
    Field("answers", "object", "Records of the answer"),
    Field("resolved_ip", "str[]", "Addresses of the answer"),
    Field("problem", "str", "What is wrong with the message"),
)  # the first ones under dns, whatever speaks them: mDNS and LLMNR are DNS


def certificate(side: str) -> tuple[Field, ...]:
    """What is said of the certificate of one end."""
    return (
        Field(f"{side}_subject", "str", "Whom the certificate is for", ecs=f"tls.{side}.subject"),
        Field(f"{side}_issuer", "str", "Who issued the certificate", ecs=f"tls.{side}.issuer"),
        Field(f"{side}_serial", "str", "Serial number of the certificate", ecs=f"tls.{side}.x509.serial_number"),
        Field(f"{side}_alternative_names", "str[]", "Other names that the certificate is for", ecs=f"tls.{side}.x509.alternative_names"),
        Field(f"{side}_not_before", "str", "When the certificate begins to hold", ecs=f"tls.{side}.not_before"),
        Field(f"{side}_not_after", "str", "When the certificate ends", ecs=f"tls.{side}.not_after"),
        Field(f"{side}_sha1", "str", "SHA-1 of the certificate", ecs=f"tls.{side}.hash.sha1"),
        Field(f"{side}_sha256", "str", "SHA-256 of the certificate", ecs=f"tls.{side}.hash.sha256"),
        Field(f"{side}_certificate_unreadable", "?", "The certificate could not be taken apart", ecs=f"tls.{side}.certificate_unreadable"),
    )


def under(dataset: str, fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Fields whose keys stand under another dataset's name."""
    return tuple(Field(f.name, f.dtype, f.about, f.unit, f.enum, f.ecs or f"{dataset}.{f.name}", f.wireshark) for f in fields)


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "http",
            "Hypertext Transfer Protocol",
            (
                Field("method", "str", "Method of the request", ecs="http.request.method"),
                Field("url", "str", "Target of the request, as it was sent", ecs="url.original"),
                Field("url_path", "str", "Path of the target", ecs="url.path"),
                Field("url_query", "str", "Query of the target", ecs="url.query"),
                Field("url_domain", "str", "Host that is asked for", ecs="url.domain"),
                Field("url_port", "u2", "Port that is asked for", ecs="url.port"),
                Field("version", "str", "Version of HTTP", ecs="http.version"),
                Field("user_agent", "str", "What the client says it is", ecs="user_agent.original"),
                Field("referrer", "str", "Where the request comes from", ecs="http.request.referrer"),
                Field("request_type", "str", "Media type of the request's body", ecs="http.request.mime_type"),
                Field("request_size", "u8", "Size of the request's body", unit="bytes", ecs="http.request.body.bytes"),
                Field("status", "u2", "Status of the response", ecs="http.response.status_code"),
                Field("response_type", "str", "Media type of the response's body", ecs="http.response.mime_type"),
                Field("response_size", "u8", "Size of the response's body", unit="bytes", ecs="http.response.body.bytes"),
                Field("server", "str", "What the server says it is"),
                *FILE,
            ),
            identity=speaks({"user_agent": "software"}, {"server": "software"}),
        ),
        Dataset(
            "tls",
            "Transport Layer Security",
            (
                Field("version", "str", "Version that is offered or chosen"),
                Field("version_protocol", "str", "SSL or TLS", ecs="tls.version_protocol"),
                Field("server_name", "str", "Server that the client asks for (SNI)", ecs="tls.client.server_name"),
                Field("ja3", "str", "JA3 fingerprint of the client", ecs="tls.client.ja3"),
                Field("ja3s", "str", "JA3S fingerprint of the server", ecs="tls.server.ja3s"),
                Field("ja4", "str", "JA4 fingerprint of the client"),
                Field("alpn", "str[]", "Protocols that the client offers inside (ALPN)"),
                Field("next_protocol", "str", "Protocol that was chosen inside (ALPN)"),
                Field("cipher_suite", "u2", "Cipher suite that the server chose"),
                Field("established", "?", "Whether the server accepted the hello"),
                Field("alert", "u1", "Description of the alert"),
                *certificate("server"),
                *certificate("client"),
            ),
        ),
        Dataset("dns", "Domain Name System", under("dns", DNS)),
        Dataset("mdns", "Multicast DNS", under("dns", DNS)),
        Dataset("llmnr", "Link-Local Multicast Name Resolution", under("dns", DNS)),
        Dataset(
            "ssh",
            "Secure Shell",
            (
                Field("version", "str", "Version of the protocol"),
                Field("software", "str", "Software and its version"),
                Field("hassh", "str", "HASSH fingerprint of the client"),
                Field("hassh_server", "str", "HASSH fingerprint of the server"),
            ),
            identity=speaks({"software": "software"}, {"software": "software"}),
        ),
        Dataset(
            "smb",
            "Server Message Block",
            (
                Field("command", "str", "Command"),
                Field("status", "str", "NT status of the answer"),
                Field("dialects", "str[]", "Dialects that the client offers"),
                Field("dialect", "str", "Dialect that the server chose"),
                Field("share", "str", "Path of the share"),
                Field("share_type", "str", "Kind of share"),
                Field("named_pipe", "str", "Pipe that is spoken through"),
                Field("n_bytes", "u4", "Bytes read or written", unit="bytes"),
                Field("control_code", "str", "Control code of IOCTL"),
                Field("client_os", "str", "System that the client names"),
                Field("server_os", "str", "System that the server names"),
                Field("server_os_version", "str", "Version of the server's system"),
                Field("server_name", "str", "Name of the server"),
                Field("server_dns_name", "str", "Name of the server in DNS"),
                Field("server_domain", "str", "Domain of the server"),
                Field("server_dns_domain", "str", "Domain of the server in DNS"),
                Field("workstation", "str", "Name of the client"),
                Field("problem", "str", "What is wrong with the message"),
                *USER,
                FILE[0],
                *CALL,
            ),
            identity=speaks({"workstation": "name", "client_os": "os"}, {"server_name": "name", "server_os": "os", "server_os_version": "os_version"}),
        ),
        Dataset("dcerpc", "Distributed Computing Environment / Remote Procedure Calls", CALL),
        Dataset(
            "mqtt",
            "Message Queuing Telemetry Transport",
            (
                Field("type", "str", "Type of the control packet"),
                Field("protocol_version", "u1", "Version: 3 (3.1), 4 (3.1.1) or 5"),
                Field("client_id", "str", "Identifier of the client"),
                Field("connect_flags", "str[]", "Flags of the connect"),
                Field("keep_alive", "u2", "Longest silence of the client", unit="s"),
                Field("topic", "str[]", "Topics that are published or subscribed to"),
                Field("will_topic", "str", "Topic of the client's will"),
                Field("reason_code", "u1[]", "Reason codes of an answer"),
                Field("problem", "str", "What is wrong with the message"),
                USER[0],
            ),
        ),
        Dataset(
            "ftp",
            "File Transfer Protocol",
            (
                Field("command", "str", "Command"),
                Field("command_data", "str", "What the command is about; passwords are left out"),
                Field("code", "u2", "Code of the reply"),
                Field("reply", "str", "Text of the reply"),
                Field("mode", "str", "Who opens the data connection"),
                Field("data_port", "u2", "Port of the data connection"),
                Field("data_address", "str", "Address of the data connection"),
            ),
        ),
        Dataset(
            "smtp",
            "Simple Mail Transfer Protocol",
            (
                Field("greeting", "str", "Greeting of the server"),
                Field("helo", "str", "Name that the client gives"),
                Field("mail_from", "str", "Sender of the envelope"),
                Field("rcpt_to", "str[]", "Recipients of the envelope"),
                Field("mail_size", "u8", "Size of the mail", unit="bytes"),
                Field("mail_unreadable", "?", "The mail could not be taken apart"),
                Field("mail_from_address", "str[]", "Sender that the mail names", ecs="email.from.address"),
                Field("mail_to_address", "str[]", "Recipients that the mail names", ecs="email.to.address"),
                Field("mail_cc_address", "str[]", "Recipients of copies", ecs="email.cc.address"),
                Field("mail_subject", "str", "Subject of the mail", ecs="email.subject"),
                Field("mail_message_id", "str", "Identifier of the mail", ecs="email.message_id"),
                Field("mail_x_mailer", "str", "Program that made the mail", ecs="email.x_mailer"),
                *FILE,
            ),
            identity=speaks({"mail_x_mailer": "software"}),
        ),
        Dataset(
            "sip",
            "Session Initiation Protocol",
            (
                Field("method", "str", "Method of the request"),
                Field("uri", "str", "Target of the request"),
                Field("status_code", "u2", "Status of the response"),
                Field("caller", "str", "Who calls", ecs="sip.from"),
                Field("callee", "str", "Who is called", ecs="sip.to"),
                Field("user_agent", "str", "What the sender says it is", ecs="user_agent.original"),
            ),
            identity=speaks({"user_agent": "software"}, {"user_agent": "software"}),
        ),
        Dataset("telnet", "Telnet", (Field("data", "str", "A line that was typed or shown"),)),
    )
}
