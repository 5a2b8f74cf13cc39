"""Every keyword of the table: what it takes, what it makes of it, and what it does not take. A keyword without both is a defect."""

from __future__ import annotations

import pytest

from detectors.signature.buffer_keywords import ALIASES, MODIFIERS, SNORT3, STICKY, TRANSFORMS
from detectors.signature.header_keywords import CHECKSUMS
from detectors.signature.industrial_keywords import MODBUS_FUNCTIONS
from detectors.signature.keywords import IGNORED, TABLE, UNSUPPORTED, table
from detectors.signature.rule import Bit, Buffer, BufferSize, Condition, Content, FlowInt, Number, Threshold
from sensor.events.vocabulary import Action
from tests.detectors.signature.make import FIELDS, buffers, checks, condition, problem, rule

OURS = {f"{protocol}.{field.name}": field for protocol, columns in FIELDS.items() for field in columns}


def eq(value: int) -> Number:
    return Number("=", value)


# keyword: (argument, what the condition's keyword and value are), (arguments that are wrong)
CONDITIONS: dict[str, tuple[tuple[str, str, object], tuple[str, ...]]] = {
    "ttl": (("<=0x10", "ttl", Number("<=", 16)), ("256", "5-6", "x")),
    "tos": (("!8", "tos", Number("!=", 8)), ("-1",)),
    "id": (("1", "id", eq(1)), ("65536",)),
    "fragoffset": ((">0", "fragoffset", Number(">", 0)), ("",)),
    "seq": (("0", "seq", eq(0)), ("4294967296",)),
    "ack": (("7", "ack", eq(7)), ("seven",)),
    "tcp.seq": (("0", "seq", eq(0)), ("4294967296",)),
    "tcp.ack": (("7", "ack", eq(7)), ("seven",)),
    "tcp.window": (("7", "window", eq(7)), ("seven",)),
    "window": (("!55", "window", Number("!=", 55)), ("65536",)),
    "tcp.mss": (("536-1460", "tcp.mss", Number("<>", 536, 1460)), ("5-5",)),
    "tcp.wscale": (("7", "tcp.wscale", eq(7)), ("x",)),
    "itype": (("3<>11", "itype", Number("<>", 3, 11)), ("300",)),
    "icode": (("<5", "icode", Number("<", 5)), ("<0",)),
    "icmp_id": (('"0"', "icmp_id", eq(0)), ("65536",)),
    "icmp_seq": (("5", "icmp_seq", eq(5)), ("x",)),
    "icmpv6.mtu": (("<1280", "icmpv6.mtu", Number("<", 1280)), ("x",)),
    "dsize": (("10<>20", "dsize", Number("<>", 10, 20)), ("20<>10", "70000", ">65535")),
    "ip_proto": (("!tcp", "ip_proto", Number("!=", 6)), ("tpc", "256")),
    "ipopts": (("lsrr", "ipopts", "lsrr"), ("none",)),
    "l3_proto": (("IPv6", "l3_proto", "ipv6"), ("ipx",)),
    "sameip": (("", "sameip", ""), ("1",)),
    "flags": (("S,12", "flags", "S,EC"), ("", "X", "+")),
    "tcp.flags": (("+SA", "flags", "+SA"), ("Q",)),
    "fragbits": (("!D", "fragbits", "!D"), ("X",)),
    "stream_size": (("server, <, 100", "stream_size", "server,<,100"), ("server,<", "all,<,5", "server,~,5")),
    "iprep": (("src,Bad,>,30", "iprep", "src,Bad,>,30"), ("src", "left,Bad,>,1", "src,Bad,>,200")),
    "geoip": (("src,RU,us", "geoip", "src,RU,US"), ("Russia", "src")),
    "app-layer-event": (("modbus.invalid_length", "app-layer-event", "modbus.invalid_length"), ("a b", "")),
    "decode-event": (("ipv4.trunc_pkt", "decode-event", "ipv4.trunc_pkt"), ("-",)),
    "stream-event": (("3whs_ack_in_wrong_dir", "stream-event", "3whs_ack_in_wrong_dir"), ("a,b",)),
    "engine-event": (("a", "engine-event", "a"), (".",)),
    "app-layer-protocol": (("modbus", "app-layer-protocol", "modbus"), ("", "a b", "http,now")),
    "service": (("http,ssl", "app-layer-protocol", ("http", "tls")), ("a b",)),
    "flow.age": ((">60", "flow.age", Number(">", 60)), ("x",)),
    "flow.pkts": (("either, >60", "flow.pkts_either", Number(">", 60)), ("x,>1", ">1")),
    "flow.bytes": (("toserver,<2kb", "flow.bytes_toserver", Number("<", 2048)), ("toserver", "toserver,x")),
    "nfs_procedure": (("lookup", "nfs.procedure_name", "lookup"), ("look", "3-1")),
    "nfs.version": (("3-4", "nfs.version", Number("<>", 2, 5)), ("four",)),
    "igmp.type": (("0x16", "igmp.type", eq(0x16)), ("256",)),
    "ftp.mode": (("passive", "ftp.mode", "passive"), ("open",)),
    "ftp.dynamic_port": ((">1023", "ftp.dynamic_port", Number(">", 1023)), ("x",)),
    "ftp.reply_received": (("on", "ftp.reply_received", "yes"), ("no", "maybe")),
    "websocket.opcode": (("ping", "websocket.opcode", eq(9)), ("pang",)),
    "websocket.mask": ((">0", "websocket.mask", Number(">", 0)), ("x",)),
    "websocket.flags": (("fin,!comp", "websocket.flags", Number("&=", 0xC0, 0x80)), ("final", "fin,rsv")),
    "http2.size_update": (("4096", "http2.size_update", eq(4096)), ("x",)),
    "ldap.responses.count": ((">2", "ldap.responses.count", Number(">", 2)), ("x",)),
    "flow.pkts_toclient": ((">60", "flow.pkts_toclient", Number(">", 60)), ("x",)),
    "flow.pkts_toserver": ((">60", "flow.pkts_toserver", Number(">", 60)), ("x",)),
    "flow.bytes_toclient": ((">1MB", "flow.bytes_toclient", Number(">", 1 << 20)), ("x",)),
    "flow.bytes_toserver": ((">1kb", "flow.bytes_toserver", Number(">", 1024)), ("1tb",)),
    "vlan.id": (("100", "vlan.id", eq(100)), ("x",)),
    "vlan.layers": (("2", "vlan.layers", eq(2)), ("x",)),
    "filesize": ((">10MB", "filesize", Number(">", 10 << 20)), ("big",)),
    "dns.opcode": (("4", "dns.opcode", eq(4)), ("x",)),
    "dns.rrtype": (("txt", "dns.rrtype", eq(16)), ("nope",)),
    "dns.rcode": (("nxdomain", "dns.rcode", eq(3)), ("nope",)),
    "snmp.version": (("2", "snmp.version", eq(2)), ("x",)),
    "snmp.pdu_type": (("set_request", "snmp.pdu_type", eq(3)), ("put",)),
    "dce.opnum.number": (("2", "dce.opnum.number", eq(2)), ("x",)),
    "tls.cert_chain_len": ((">2", "tls.cert_chain_len", Number(">", 2)), ("x",)),
    "dce_iface": (("367ABB81-9844-35F1-AD32-98F038001003,>1,any_frag", "dce_iface", "367abb81-9844-35f1-ad32-98f038001003,>,1"), ("367", "367abb81-9844-35f1-ad32-98f038001003,all")),
    "dcerpc.iface": (("uuid 367abb81-9844-35f1-ad32-98f038001003", "dce_iface", "367abb81-9844-35f1-ad32-98f038001003"), ("",)),
    "dce_opnum": (("15,17-20", "dce_opnum", (eq(15), Number("<>", 16, 21))), ("x", "5-1")),
    "dcerpc.opnum": (("15", "dce_opnum", eq(15)), ("x",)),
    "tls.version": (("1.2", "tls.version", "1.2"), ("4",)),
    "tls_cert_notbefore": (("<2026-01-01", "tls_cert_notbefore", Number("<=", 1_767_225_600)), ("yesterday", "<2026-01-01<>2026-02-01", "2026-02-01<>2026-01-01")),
    "tls_cert_notafter": (("2026-01-01 12<>2026-01-01T12:00:30", "tls_cert_notafter", Number("<>", 1_767_268_799, 1_767_268_831)), ("x", "2026-13", "")),
    "tls_cert_expired": (("", "tls_cert_expired", ""), ("1",)),
    "tls_cert_valid": (("", "tls_cert_valid", ""), ("1",)),
    "ssl_version": (("tls1.0,tls1.1", "ssl_version", ("tls1.0", "tls1.1")), ("tls9", "tls1.0,!tls1.1")),
    "ssl_state": (("client_hello", "ssl_state", "client_hello"), ("bye",)),
    "ssh.protoversion": (("2.0", "ssh.protoversion", "2.0"), ("two",)),
    "smb.version": (("1", "smb.version", "1"), ("4",)),
    "http2.frametype": (("GOAWAY", "http2.frametype", eq(7)), ("goodbye",)),
    "http2.errorcode": (("INADEQUATE_SECURITY", "http2.errorcode", eq(12)), ("bad",)),
    "http2.priority": (("32-64", "http2.priority", Number("<>", 32, 64)), ("x",)),
    "http2.window": (("<100000", "http2.window", Number("<", 100_000)), ("x",)),
    "http2.settings": (("SETTINGS_HEADER_TABLE_SIZE>4096", "http2.settings", Number("<>", (1 << 32) + 4096, 2 << 32)), ("SETTINGS_X=1", "ENABLE_PUSH", "ENABLE_PUSH=!1")),
    "ftpdata_command": (("STOR", "ftpdata_command", "stor"), ("list",)),
    "krb5_msg_type": (("AS_REP", "krb5_msg_type", eq(11)), ("as", "x y")),
    "ike.exchtype": ((">=34", "ike.exchtype", Number(">=", 34)), ("256", "x")),
    "ike.key_exchange_payload_length": ((">132", "ike.key_exchange_payload_length", Number(">", 132)), ("x",)),
    "ike.nonce_payload_length": (("<16", "ike.nonce_payload_length", Number("<", 16)), ("x",)),
    "ike.chosen_sa_attribute": (("alg_hash = 02", "ike.chosen_sa_attribute", "alg_hash=2"), ("alg_hash", "alg_hash=x", "hash=2")),
    "krb5_err_code": (("6", "krb5_err_code", eq(6)), ("x",)),
    "krb5.ticket_encryption": (("rc4-hmac , -128,2 257", "krb5.ticket_encryption", (eq(23), eq(-128), eq(2), eq(257))), ("rc5", "", "!rc4-hmac")),
    "rfb.secresult": (("unknown", "rfb.secresult", Number(">", 2)), ("0", "")),
    "rfb.sectype": ((">=3", "rfb.sectype", Number(">=", 3)), ("vnc",)),
    "ldap.request.operation": (("bind_request", "ldap.request.operation", eq(0)), ("bind", "0,1")),
    "ldap.responses.operation": (("search_result_done,any", "ldap.responses.operation", eq(5)), ("1,some", "x")),
    "ldap.responses.result_code": (("invalid_credentials", "ldap.responses.result_code", eq(49)), ("0,", "wrong")),
    "dhcp.leasetime": ((">5", "dhcp.leasetime", Number(">", 5)), ("x",)),
    "dhcp.renewal_time": (("5", "dhcp.renewal_time", eq(5)), ("x",)),
    "dhcp.rebinding_time": (("5", "dhcp.rebinding_time", eq(5)), ("x",)),
    "dhcp.message_type": (("offer", "dhcp.message_type", eq(2)), ("bye",)),
    "ntp.version": (("4", "ntp.version", eq(4)), ("x",)),
    "sctp.vtag": ((">5", "sctp.vtag", Number(">", 5)), ("x",)),
    "sctp.chunk_type": (("1", "sctp.chunk_type", eq(1)), ("256",)),
    "sctp.chunk_cnt": (("2-5", "sctp.chunk_cnt", Number("<>", 2, 5)), ("x",)),
    **{f"sctp.has_{name}": (("", f"sctp.has_{name}", ""), ("1",)) for name in ("init", "data", "abort")},
    "snmp.trap_type": (("linkdown", "snmp.trap_type", Number("=", 2)), ("sideways",)),
    "imap.email.direction": (("to_client", "imap.email.direction", Number("=", 1)), ("sideways",)),
    "ntp.mode": (("!server", "ntp.mode", Number("!=", 4)), ("x",)),
    "ntp.stratum": (("<16", "ntp.stratum", Number("<", 16)), ("x",)),
    "ntp.request_code": (("42", "ntp.request_code", eq(42)), ("x",)),
    "tftp.opcode": (("write", "tftp.opcode", eq(2)), ("x",)),
    "tftp.mode": (("Octet", "tftp.mode", "octet"), ("binary",)),
    "rpc": (("100000,*,3", "rpc", "100000,*,3"), ("portmap", "1,2,3,4")),
    "ftpbounce": (("", "ftpbounce", ""), ("1",)),
    "filestore": (("request,file", "filestore", ""), ()),
    "modbus_func": (("write_multiple_coils", "modbus_func", eq(15)), ("write", "256")),
    "modbus_unit": (("1", "modbus_unit", eq(1)), ("x",)),
    "modbus.function": (("!reserved", "modbus.function", "reserved"), ("most",)),
    "modbus.subfunction": (("4", "modbus.subfunction", eq(4)), ("x",)),
    "modbus.exception_code": (("2", "modbus.exception_code", eq(2)), ("x",)),
    "modbus.unit": (("10<>500", "modbus.unit", None), ("x",)),
    "modbus.access": (("write holding", "modbus.access", "write holding"), ("write input", "erase")),
    "dnp3_func": (("cold_restart", "dnp3_func", eq(13)), ("restart",)),
    "dnp3.func": (("129", "dnp3_func", eq(129)), ("x",)),
    "dnp3_cmd_fc": (("21", "dnp3_func", eq(21)), ("x",)),
    "dnp3_cmd_ot": (("50", "dnp3_cmd_ot", eq(50)), ("x",)),
    "dnp3_resp_ot": (("50", "dnp3_cmd_ot", eq(50)), ("x",)),
    "dnp3_ind": (("device_restart,need_time", "dnp3_ind", Number("&", 0x9000)), ("device_reset", "")),
    "dnp3.ind": (("!0", "dnp3_ind", Number("!=", 0)), ("x-y",)),
    "dnp3_obj": (("12, 1", "dnp3_obj", "12,1"), ("12", "256,1")),
    "dnp3.obj": (("12,1", "dnp3_obj", "12,1"), ("a,b",)),
    "dnp3_checksum": (("incorrect", "dnp3_checksum", "incorrect"), ("bad",)),
    "cip_service": (("16,246,6", "cip_service", "16,246,6"), ("128", "1,2,3,4", "reset")),
    "cip_attribute": (("1", "cip_attribute", eq(1)), ("x",)),
    "cip_class": (("1", "cip_class", eq(1)), ("x",)),
    "cip_instance": (("1", "cip_instance", eq(1)), ("x",)),
    "cip_status": (("1", "cip_status", eq(1)), ("x",)),
    "cip_conn_path_class": (("1", "cip_conn_path_class", eq(1)), ("x",)),
    "enip_command": (("list_identity", "enip_command", eq(99)), ("list",)),
    "enip.command": (("99", "enip.command", eq(99)), ("list",)),
    "enip.status": (("invalid_cmd", "enip.status", eq(1)), ("bad",)),
    "enip.cip_class": (("1,any", "enip.cip_class", eq(1)), ("count", "x")),
    "mqtt.type": (("CONNECT", "mqtt.type", eq(1)), ("CALL",)),
    "mqtt.qos": (("2", "mqtt.qos", eq(2)), ("x",)),
    "mqtt.reason_code": (("134", "mqtt.reason_code", eq(134)), ("x",)),
    "mqtt.connack.return_code": (("134", "mqtt.reason_code", eq(134)), ("x",)),
    "mqtt.protocol_version": (("5", "mqtt.protocol_version", eq(5)), ("x",)),
    "mqtt.flags": (("dup, !retain", "mqtt.flags", "dup,!retain"), ("qos",)),
    "mqtt.connect.flags": (("username,!password", "mqtt.connect.flags", "username,!password"), ("x",)),
    "mqtt.connack.session_present": (("yes", "mqtt.connack.session_present", eq(1)), ("maybe",)),
    "iec104_asdu_func": (("C_SC_NA_1", "iec104_asdu_func", Number("=", 45)), ("no_such",)),
    "iec104_apci_type": (("u", "iec104_apci_type", "u"), ("-",)),
    "iec104_asdu_func_code": (("45", "iec104_asdu_func_code", eq(45)), ("x",)),
    "s7commplus_func": (("explore", "s7commplus_func", "explore"), ("?",)),
    "s7commplus_opcode": (("request", "s7commplus_opcode", "request"), ("?",)),
    "opcua_msg_type": (("hello", "opcua_msg_type", "hello"), ("?",)),
    "opcua_msg_service": (("read", "opcua_msg_service", "read"), ("?",)),
    "opcua_node_id": (("5", "opcua_node_id", eq(5)), ("?",)),
    "opcua_node_namespace_index": (("5", "opcua_node_namespace_index", eq(5)), ("?",)),
    "mms_func": (("write", "mms_func", "write"), ("?",)),
    "action": (("download,stop", "action", (eq(Action.DOWNLOAD), eq(Action.STOP))), ("explode",)),
    "trust": (("complete", "trust", eq(0)), ("fully",)),
    **{f"enip.{name}": (("5", f"enip.{name}", eq(5)), ("x",)) for name in (
        "protocol_version", "cip_attribute", "cip_instance", "cip_extendedstatus", "cip_status", "cip_service", "revision", "identity_status", "state", "serial",
        "product_code", "device_type", "vendor_id", "capabilities")},
    **{name: (("", name, ""), ("1",)) for name in ("cip_req", "cip_rsp", "enip_req", "enip_rsp")},
    **{name: (("invalid", name, "invalid"), ("wrong",)) for name in CHECKSUMS},
}  # fmt: skip
CONDITIONS["modbus.unit"] = (("10<>50", "modbus.unit", Number("<>", 10, 50)), ("x",))

# Keywords that other tests are about, file by file.
ELSEWHERE = {
    "test_payload_keywords": "content nocase offset depth distance within startswith endswith fast_pattern rawbytes isdataat bsize urilen pcre dataset datarep",
    "test_byte_keywords": "byte_test byte_jump byte_extract byte_math base64_decode base64_data",
    "test_reader": "msg sid gid rev priority classtype reference metadata target rem category requires config",
    "test_measures": "absent entropy md5 sha256 sha512 ber_data ber_skip asn1 sd_pattern flowvar pktvar",
    "test_frames": "frame",
    "test_message_keywords": "filemd5 filesha1 filesha256",
    "this": "uricontent pkt_data raw_data bufferlen flow flowbits xbits hostbits flowint threshold detection_filter noalert alert modbus xor pcrexform from_base64 "
    "subslice gunzip zlib_deflate ssh.softwareversion tls.subject tls.issuerdn tls.fingerprint filename fileext filemagic",
}


def option(keyword: str, argument: str) -> str:
    return f"{keyword}:{argument};" if argument else f"{keyword};"


@pytest.mark.parametrize("keyword", CONDITIONS)
def test_conditions(keyword: str) -> None:
    (argument, name, value), wrong = CONDITIONS[keyword]
    found = condition(option(keyword, argument))
    assert (found.keyword, found.value) == (name, value)
    assert found.negated == (argument.startswith("!") and isinstance(value, str) and not value.startswith("!"))
    for each in wrong:
        refused = problem(option(keyword, each))
        assert (refused.state, refused.keyword) == ("failed", keyword), each


def test_every_keyword_is_tested() -> None:
    buffers_ = {*STICKY, *ALIASES, *MODIFIERS, *SNORT3, *TRANSFORMS}
    elsewhere = {name for names in ELSEWHERE.values() for name in names.split()}
    assert set(TABLE) - buffers_ - elsewhere - set(IGNORED) - set(CONDITIONS) == set()
    assert elsewhere - set(TABLE) == set()


def test_no_keyword_is_two_things() -> None:
    assert not set(UNSUPPORTED) & set(TABLE)
    assert not set(STICKY) & set(ALIASES)
    for name, field in OURS.items():
        if name in TABLE:
            assert TABLE[name].argument == (field.kind != "span"), f"{name}: a number for us and a buffer for Suricata, or the reverse"


@pytest.mark.parametrize("name", STICKY)
def test_sticky_buffers(name: str) -> None:
    assert buffers(f'{name}; content:"a"; nocase;') == (Buffer(name, (Content(b"a", nocase=True),)),)
    assert "no argument" in problem(f"{name}:1;").reason
    found = problem(f"{name};")
    assert (found.keyword, found.reason) == (name, f"nothing looks into {name}")


@pytest.mark.parametrize(("alias", "name"), [*ALIASES.items(), *SNORT3.items()])
def test_other_words_for_buffers(alias: str, name: str) -> None:
    assert buffers(f'{alias}; content:"a";') == (Buffer(name, (Content(b"a"),)),)
    assert problem(f"{alias}:5;").keyword == alias


@pytest.mark.parametrize(("word", "name"), MODIFIERS.items())
def test_modifiers_look_back(word: str, name: str) -> None:
    assert buffers(f'content:"a"; {word}; content:"b";') == (Buffer(name, (Content(b"a"),)), Buffer("", (Content(b"b"),)))
    assert problem(f"{word};").keyword == word
    assert "no argument" in problem(f'content:"a"; {word}:x;').reason


@pytest.mark.parametrize(("word", "name"), MODIFIERS.items())
def test_modifiers_are_sticky_in_snort_3(word: str, name: str) -> None:
    assert buffers(f'{word}; content:"a",nocase; content:"b";', "alert http") == (Buffer(name, (Content(b"a", nocase=True), Content(b"b"))),)


def test_snort_3_names_fields_of_a_header() -> None:
    assert buffers('http_header:field host; content:"a";', "alert http") == (Buffer("http.host", (Content(b"a"),)),)
    assert problem('http_header:field x; content:"a";', "alert http").keyword == "http_header"
    assert problem('http_uri:x; content:"a";', "alert http").keyword == "http_uri"


def test_buffers_apply_until_the_next() -> None:
    options = 'content:"1"; http.uri; content:"2"; http.method; content:"3"; http.uri; content:"4"; distance:0; pkt_data; content:"5"; raw_data; content:"6";'
    assert [(each.name, [check.pattern for check in each.checks]) for each in buffers(options)] == [  # type: ignore[union-attr]
        ("", [b"1", b"5", b"6"]),
        ("http.uri", [b"2", b"4"]),
        ("http.method", [b"3"]),
    ]
    assert problem("pkt_data:1;").keyword == "pkt_data"
    assert problem("raw_data:1;").keyword == "raw_data"


def test_buffers_of_which_there_are_several_stay_apart() -> None:
    assert [each.name for each in buffers('dns.query; content:"a"; dns.query; content:"b";')] == ["dns.query", "dns.query"]


def test_file_data_makes_later_contents_apply_and_mixing_is_legal() -> None:
    options = 'content:"GET"; http_method; file_data; content:"a"; content:"b"; distance:0; content:"u"; http_uri;'
    assert [(each.name, len(each.checks)) for each in buffers(options)] == [("http.method", 1), ("file.data", 2), ("http.uri", 1)]
    assert "already" in problem('http.uri; content:"a"; http_header;').reason


def test_relative_checks_follow_a_content_that_was_moved() -> None:
    options = 'content:"a"; http_uri; isdataat:!1,relative; byte_test:1,>,0,0,relative; content:"b"; isdataat:5;'
    assert [(each.name, len(each.checks)) for each in buffers(options)] == [("http.uri", 3), ("", 2)]


def test_a_file_rule_begins_in_the_file() -> None:
    assert buffers('content:"a";', "alert file")[0].name == "file.data"


def test_uricontent() -> None:
    assert buffers('uricontent:"/x"; nocase;') == (Buffer("http.uri", (Content(b"/x", nocase=True),)),)
    assert problem("uricontent:x;").keyword == "uricontent"


def test_bufferlen() -> None:
    assert checks("http_uri; bufferlen:5<=>9;", "http.uri", "alert http") == (BufferSize(Number("<>", 5, 9)),)
    assert problem("http_uri; bufferlen:5,relative;", "alert http").keyword == "bufferlen"


TRANSFORMED = {
    **{name: ("", "", ("", "x")[name == ""] or "x") for name in TRANSFORMS if name not in ("gunzip", "zlib_deflate", "subslice", "from_base64")},
    "xor": ("0A 0b", "0a0b", "0g"),
    "pcrexform": ('"a(.*)"', "a(.*)", '"a"'),
    "from_base64": ("bytes 5,offset 1", "5,1,rfc4648", "all"),
    "subslice": ("1,4", "1,4", "a"),
    "gunzip": ("max-size 2kb", "2048", "2kb"),
    "zlib_deflate": ("", "1024", "2kb"),
}


@pytest.mark.parametrize("name", TRANSFORMED)
def test_transforms(name: str) -> None:
    argument, said, wrong = TRANSFORMED[name]
    found = buffers(f'http.host; to_lowercase; {option(name, argument)} content:"a";')
    assert found == (Buffer("http.host", (Content(b"a"),), (("to_lowercase", ""), (name, said))),)
    assert problem(f'http.host; {option(name, wrong)} content:"a";').keyword == name
    assert "right before" in problem(f'content:"a"; {option(name, argument)}').reason


def test_the_same_buffer_with_and_without_a_transform_are_two() -> None:
    assert [each.transforms for each in buffers('http.host; content:"a"; http.host; to_md5; content:"b";')] == [(), (("to_md5", ""),)]


@pytest.mark.parametrize("keyword", IGNORED)
def test_what_has_no_effect_is_said(keyword: str) -> None:
    found = rule(option(keyword, "1"))
    assert [text for text in found.warnings if keyword in text]


@pytest.mark.parametrize("keyword", UNSUPPORTED)
def test_what_is_not_supported_is_said(keyword: str) -> None:
    assert "not supported" in problem(option(keyword, "1")).reason


def test_an_unknown_keyword_has_a_suggestion() -> None:
    found = problem('contnt:"x";')
    assert (found.keyword, found.reason) == ("contnt", "no such keyword")
    assert "content" in found.suggestion


# Flows and state


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("established,from_client", {"established", "to_server"}),
        ("to_client, only_stream", {"to_client", "only_stream"}),
        ("from_server,no_stream,no_frag", {"to_client", "no_stream", "no_frag"}),
        ("stateless", {"stateless"}),
        ("not_established,only_frag", {"not_established", "only_frag"}),
    ],
)
def test_flow(value: str, words: set[str]) -> None:
    assert rule(f"flow:{value};").flow == words


@pytest.mark.parametrize("value", ["to_servr", "", "to_server,to_client", "established,stateless", "only_stream,no_stream"])
def test_wrong_flow(value: str) -> None:
    assert problem(f"flow:{value};").keyword == "flow"


def test_a_hook_says_the_direction() -> None:
    assert rule("ttl:1;", "alert dns:request_complete any any -> any any").flow == {"to_server"}
    assert rule("ttl:1;", "alert tls:server_hello any any -> any any").flow == {"to_client"}
    assert problem("ttl:1;", "alert dns:lunch any any -> any any").keyword == "header"


@pytest.mark.parametrize(
    ("option", "bit"),
    [
        ("flowbits:set,a.b", Bit("set", ("a.b",))),
        ("flowbits: isset , a|b", Bit("isset", ("a", "b"))),
        ("flowbits:isnotset,a", Bit("isnotset", ("a",))),
        ("flowbits:unset,a", Bit("unset", ("a",))),
        ("flowbits:toggle,a", Bit("toggle", ("a",))),
        ("xbits:set,a,track ip_src", Bit("set", ("a",), "src", 30)),
        ("xbits:isset,a,track ip_pair,expire 60", Bit("isset", ("a",), "pair", 60)),
        ("hostbits:set,a", Bit("set", ("a",), "src", 300)),
        ("hostbits:isset,a,src", Bit("isset", ("a",), "src", 300)),
    ],
)
def test_bits(option: str, bit: Bit) -> None:
    assert rule(f"{option};").bits == (bit,)


def test_several_bits_of_snort() -> None:
    assert rule("flowbits:set,a&b,group;").bits == (Bit("set", ("a",)), Bit("set", ("b",)))
    assert rule("flowbits:noalert;").noalert
    assert rule("xbits:noalert;").noalert
    assert rule("hostbits:noalert;").noalert
    assert rule("noalert;").noalert
    assert rule("alert;", "pass tcp any any -> any any").alert_too
    assert problem("noalert:1;").keyword == "noalert"
    assert problem("alert:1;").keyword == "alert"


@pytest.mark.parametrize(
    "option",
    [
        "flowbits:set",
        "flowbits:set,a|b",
        "flowbits:reset",
        "flowbits:isset,a b",
        "xbits:set,a",
        "xbits:set,a,track tcp",
        "xbits:set,a,track ip_src,expire 0",
        "hostbits:set",
        "hostbits:set,a,both",
    ],
)
def test_wrong_bits(option: str) -> None:
    assert problem(f"{option};").keyword == option.partition(":")[0]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("a,+,1", FlowInt("a", "+", 1)),
        ("a, =, 0x10", FlowInt("a", "=", 16)),
        ("a,>=,b", FlowInt("a", ">=", "b")),
        ("a,notset", FlowInt("a", "isnotset")),
        ("a,isset", FlowInt("a", "isset")),
    ],
)
def test_flowint(value: str, found: FlowInt) -> None:
    assert rule(f"flowint:{value};").flowints == (found,)


@pytest.mark.parametrize("value", ["a", "a,+", "a,isset,1", "a,~,1", "a b,+,1"])
def test_wrong_flowint(value: str) -> None:
    assert problem(f"flowint:{value};").keyword == "flowint"


@pytest.mark.parametrize(
    ("option", "found"),
    [
        ("threshold:type limit, track by_src, seconds 60, count 1", Threshold("limit", "by_src", 1, 60)),
        ("threshold: count 5 ,seconds 10,track by_dst, type threshold", Threshold("threshold", "by_dst", 5, 10)),
        ("threshold:type both,track by_both,count 1,seconds 1", Threshold("both", "by_both", 1, 1)),
        ("threshold:type both,track by_rule,count 1,seconds 1,unique_on dst_port", Threshold("both", "by_rule", 1, 1, unique_on="dst_port")),
        ("threshold:type backoff,track by_flow,count 1,multiplier 2", Threshold("backoff", "by_flow", 1, 0, 2)),
        ("detection_filter:track by_src, count 30, seconds 60", Threshold("detection_filter", "by_src", 30, 60)),
    ],
)
def test_thresholds(option: str, found: Threshold) -> None:
    assert rule(f"{option};").thresholds == (found,)


@pytest.mark.parametrize(
    "option",
    [
        "threshold:type limit,track by_src,count 1",
        "threshold:type limit,track by_src,count 0,seconds 1",
        "threshold:type limits,track by_src,count 1,seconds 1",
        "threshold:type limit,track src,count 1,seconds 1",
        "threshold:type limit,type limit,track by_src,count 1,seconds 1",
        "threshold:type backoff,track by_src,count 1",
        "threshold:type limit,track by_src,count 1,seconds 1; threshold:type limit,track by_src,count 1,seconds 1",
        "detection_filter:track by_src,count 1",
        "detection_filter:type limit,track by_src,count 1,seconds 1",
    ],
)
def test_wrong_thresholds(option: str) -> None:
    assert problem(f"{option};").keyword == option.partition(":")[0]


def test_words_about_app_layers() -> None:
    assert condition("app-layer-protocol:!http;") == Condition("app-layer-protocol", "http", negated=True)
    assert condition("app-layer-protocol:http,either;") == Condition("app-layer-protocol", "http,either")


# Plants


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("function 3", [Condition("modbus.function", eq(3))]),
        ("function 8, subfunction 4", [Condition("modbus.function", eq(8)), Condition("modbus.subfunction", eq(4))]),
        ("function !reserved", [Condition("modbus.function", "reserved", negated=True)]),
        ("access read", [Condition("modbus.access", "read")]),
        (
            "unit 10<>500, access write holding, address 500, value >200",
            [
                Condition("modbus.unit", Number("<>", 10, 500)),
                Condition("modbus.access", "write holding"),
                Condition("modbus.accessed", eq(500)),
                Condition("modbus.written", Number(">", 200)),
            ],
        ),
        ("access read discretes, address <100", [Condition("modbus.access", "read discretes"), Condition("modbus.accessed", Number("<", 100))]),
    ],
)
def test_modbus(value: str, found: list[Condition]) -> None:
    assert rule(f"modbus: {value};").conditions == tuple(found)


def test_misuse_of_modbus_is_accepted_with_a_warning() -> None:
    assert "refusals" in rule("modbus: function 129;").warnings[0]
    assert "without access" in rule("modbus: address 1000<>1999;").warnings[0]


@pytest.mark.parametrize(
    "value",
    ["", "func 3", "function 256", "function most", "access erase", "access write input", "access read, value 5", "access read coils, address 1, value 5", "subfunction 4",
     "access write coils, value 5", "function 3, access read", "function 3, function 4", "access write coils, address 5-6"],
)  # fmt: skip
def test_wrong_modbus(value: str) -> None:
    assert problem(f"modbus: {value};").keyword == "modbus"


@pytest.mark.parametrize(
    ("option", "found"),
    [
        ("s7comm.function:plc_stop", Condition("s7comm.function", eq(0x29))),
        ("s7comm.function:!PLC_STOP", Condition("s7comm.function", Number("!=", 0x29))),
        ("s7comm.function:0x28,plc_stop", Condition("s7comm.function", (eq(0x28), eq(0x29)))),
        ("iec104.type_id:C_SC_NA_1", Condition("iec104.type_id", eq(45))),
        ("iec104.value:>0.5", Condition("iec104.value", Number(">", 0.5))),  # type: ignore[arg-type]
        ("iec104.value:-1.5<>2", Condition("iec104.value", Number("<>", -1.5, 2))),  # type: ignore[arg-type]
        ("iec104.value:5<>9", Condition("iec104.value", Number("<>", 5, 9))),
        ("enip.integers:<-5", Condition("enip.integers", Number("<", -5))),
        ("modbus.value:>1000", Condition("modbus.value", Number(">", 1000))),
        ("s7comm.block_type:ob", Condition("s7comm.block_type", eq(8))),
        ("s7comm.function:stop", Condition("s7comm.function", eq(0x29))),
        ("enip.vendor_id:rockwell_automation", Condition("enip.vendor_id", eq(1))),
        ("enip.command:send_rr_data", Condition("enip.command", eq(0x6F))),
        ("goose.st_num", Condition("goose.st_num", "")),  # by itself: it is there
        ("enip.command", Condition("enip.command", "")),
        ("goose.st_num:1-5", Condition("goose.st_num", Number("<>", 1, 5))),
    ],
)
def test_our_fields(option: str, found: Condition) -> None:
    assert condition(f"{option};") == found


def test_our_bytes_and_texts_are_sticky_buffers() -> None:
    for name in ("s7comm.file_name", "modbus.server_id"):
        assert buffers(f'{name}; content:"a";') == (Buffer(name, (Content(b"a"),)),)


@pytest.mark.parametrize("option", ["s7comm.function:stp", "s7comm.password:x", "iec104.value:2<>1.5", "iec104.value:--1", "modbus.values:1"])
def test_wrong_fields(option: str) -> None:
    assert problem(f"{option};").keyword == option.partition(":")[0]


@pytest.mark.parametrize(
    ("keyword", "least", "most"),
    [("modbus.value", 0, 0xFFFF), ("modbus.unit_id", 0, 0xFF), ("goose.st_num", 0, 0xFFFFFFFF), ("modbus.registers", 0, 0xFFFF)],
)
def test_what_a_field_has_no_room_for_can_never_match(keyword: str, least: int, most: int) -> None:
    assert condition(f"{keyword}:{most};")
    assert condition(f"{keyword}:<{most};")
    for asked in (f">{most}", f"{most + 1}", f">{most + 1}", f"{least}<>{most + 2}", f"<{least}"):
        assert problem(f"{keyword}:{asked};").keyword == keyword


def test_every_field_but_objects_is_a_keyword() -> None:
    known = table(FIELDS)
    assert {name for name in OURS if name not in known} == {name for name, field in OURS.items() if field.dtype == "object"}


def test_rules_can_be_about_our_protocols() -> None:
    assert rule("ttl:1;", "alert iec104 any any -> any any").header.protocol == "iec104"
    assert "did you mean" in problem("ttl:1;", "alert modbuss any any -> any any").suggestion


def test_functions_have_names() -> None:
    assert condition("modbus_func:read_coils;").value == eq(MODBUS_FUNCTIONS["read_coils"])


# What looks for its own argument in a buffer


@pytest.mark.parametrize(
    ("option", "found"),
    [
        ('tls.subject:"CN=x"', Buffer("tls.cert_subject", (Content(b"CN=x"),))),
        ('tls.issuerdn:!"CN=x"', Buffer("tls.cert_issuer", (Content(b"CN=x", negated=True),))),
        ("ssh.softwareversion:OpenSSH", Buffer("ssh.software", (Content(b"OpenSSH"),))),
        ('tls.fingerprint:"4a:b0"', Buffer("tls.cert_fingerprint", (Content(b"4a:b0", nocase=True), BufferSize(eq(5))))),
        ('filename:"a.exe"', Buffer("file.name", (Content(b"a.exe", nocase=True),))),
        ('fileext:"exe"', Buffer("file.name", (Content(b".exe", nocase=True, endswith=True),))),
        ('filemagic:"PE32"', Buffer("file.magic", (Content(b"PE32", nocase=True),))),
    ],
)
def test_arguments_that_are_contents(option: str, found: Buffer) -> None:
    assert buffers(f"{option};") == (found,)
    name = option.partition(":")[0]
    assert problem(f'{name}:"";').keyword == name
    assert problem(f'{name}:"x;').keyword == name


def test_each_header_of_several_may_be_another() -> None:
    assert len(buffers('sip.user_agent; content:"a"; sip.user_agent; content:"b";')) == 2
    assert len(buffers('sip.method; content:"a"; sip.method; content:"b";')) == 1
