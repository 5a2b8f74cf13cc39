"""TCP conversations written down segment by segment."""

from __future__ import annotations

import re
import struct

from tests.make import checksum, ethernet, ip, ipv4

FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}
ENDS = ("10.0.0.1", 40_000), ("10.0.0.2", 4_444)
LINE = re.compile(
    r"(?P<side>[<>]) (?P<flags>[A-Z]+) (?P<number>\d+)(?: (?P<ack>\d+))?(?: \+(?P<size>\d+))?(?: w(?P<window>\d+))?(?: t(?P<stamp>\d+):(?P<reply>\d+))?"
    r"(?: s(?P<scale>\d+))?(?P<cookie> cookie)?(?: u(?P<urgent>\d+))?"
)


def frame(line: str, port: int = ENDS[0][1], identification: int = 1) -> bytes:
    """Who speaks (>: the client), flags, sequence number, acknowledgment, +size, window, time stamps, scale, a cookie of fast open, urgent pointer."""
    found = LINE.fullmatch(line)
    assert found, line
    side, flags = found["side"] == "<", sum(FLAGS[letter] for letter in found["flags"])
    options = struct.pack("!BBBBII", 1, 1, 8, 10, int(found["stamp"]), int(found["reply"])) if found["stamp"] else b""
    options += b"\1\3\3" + bytes([int(found["scale"])]) if found["scale"] else b""
    options += b"\x22\x0a" + bytes(10) if found["cookie"] else b""
    ends = ((ENDS[0][0], port), ENDS[1])
    source, destination = ends[::-1] if side else ends
    number, acknowledged, size, window, urgent = (
        int(found[name] or default) for name, default in (("number", 0), ("ack", 0), ("size", 0), ("window", 8192), ("urgent", 0))
    )
    header = struct.pack("!HHIIBBHHH", source[1], destination[1], number, acknowledged, (5 << 4) + 4 * len(options), flags, window, 0, urgent) + options
    content = bytes(65 + (number + i) % 26 for i in range(size))
    pseudo = ip(source[0]) + ip(destination[0]) + struct.pack("!BBH", 0, 6, len(header + content))
    total = checksum(pseudo + header + content)
    return ethernet(ipv4(source[0], destination[0], 6, header[:16] + total.to_bytes(2) + header[18:] + content, identification))


def frames(*lines: str) -> list[bytes]:
    """Of one conversation; none is another's copy."""
    return [frame(line, identification=i) for i, line in enumerate(lines)]


HELLO = ("> S 100", "< SA 500 101")
BOTH = ("> S 100", "< S 500")
SHAKE = (*HELLO, "> A 101 501")
TALK = (*SHAKE, "> A 101 501 +10", "< A 501 111 +20", "> A 111 521")
CLOSE_WAIT = (*TALK, "> FA 111 521")
LAST_ACK = (*CLOSE_WAIT, "< FA 521 112")
FIN_WAIT_1 = (*TALK, "< FA 521 111")
FIN_WAIT_2 = (*FIN_WAIT_1, "> A 111 522")
TIME_WAIT = (*FIN_WAIT_2, "> FA 111 522")
CLOSING = (*FIN_WAIT_1, "> F 111")
STAMPED = ("> S 100 t1000:0", "< SA 500 101 t5000:1000", "> A 101 501 t1001:5000")
DEPTH = 1 << 20
# Event, what comes before, the segment that shows it, and one that does not.
CASES = [
    ("3whs_ack_in_wrong_dir", HELLO, "< A 501 101", "> A 101 501"),
    ("3whs_ack_data_inject", HELLO, "< A 501 101 +5", "> A 101 501 +5"),
    ("3whs_async_wrong_seq", HELLO[:1], "> A 105 900", "> A 101 900"),
    ("3whs_synack_resend_with_diff_seq", HELLO, "< SA 600 101", "< SA 500 101"),
    ("reassembly_segment_before_base_seq", SHAKE, "> A 90 501 +5", "> A 101 501 +5"),
    ("3whs_right_seq_wrong_ack_evasion", HELLO, "> A 101 505", "> A 101 501"),
    ("3whs_syn_flood", [f"> S 100 t{1000 + i}:0" for i in range(11)], "> S 100 t2000:0", "> S 100 t1010:0"),
    ("3whs_syn_resend_diff_seq_on_syn_recv", HELLO, "> S 105", "> S 100"),
    ("3whs_syn_toclient_on_syn_recv", HELLO, "< S 500", "> S 100"),
    ("3whs_synack_flood", (*HELLO, *(f"< SA {600 + i} 101" for i in range(5))), "< SA 700 101", "< SA 602 101"),
    ("3whs_synack_in_wrong_direction", HELLO[:1], "> SA 100 1", "< SA 500 101"),
    ("3whs_synack_resend_with_different_ack", HELLO, "< SA 500 105", "< SA 500 101"),
    ("3whs_synack_tfo_data_ignored", ["> S 100 +5 cookie"], "< SA 500 101", "< SA 500 106"),
    ("3whs_synack_toserver_on_syn_recv", HELLO, "> SA 100 501", "> A 101 501"),
    ("3whs_synack_with_wrong_ack", HELLO[:1], "< SA 500 105", "< SA 500 101"),
    ("3whs_synack_with_wrong_ack", ["> S 100 +5"], "< SA 500 106", "< SA 500 101"),
    ("3whs_wrong_seq_wrong_ack", HELLO, "> A 105 505", "> A 105 501"),
    ("4whs_synack_with_wrong_ack", BOTH, "> SA 100 505", "> SA 100 501"),
    ("4whs_synack_with_wrong_syn", BOTH, "> SA 105 501", "> SA 100 501"),
    ("4whs_wrong_seq", (*BOTH, "> SA 100 501"), "< A 505 101", "< A 501 101"),
    ("4whs_invalid_ack", (*BOTH, "> SA 100 501"), "< A 501 50000", "< A 501 101"),
    ("closewait_ack_out_of_window", CLOSE_WAIT, "< A 60000 112", "< A 521 112"),
    ("closewait_fin_out_of_window", CLOSE_WAIT, "< FA 60000 112", "< FA 521 112"),
    ("closewait_invalid_ack", CLOSE_WAIT, "< A 521 60000", "< A 521 112"),
    ("closewait_pkt_before_last_ack", CLOSE_WAIT, "> A 101 521 +10", "< A 521 112 +5"),
    ("closing_ack_wrong_seq", CLOSING, "> A 300 522", "> A 111 522"),
    ("closing_invalid_ack", CLOSING, "> A 111 60000", "> A 111 522"),
    ("est_invalid_ack", TALK, "> A 111 60000", "> A 111 521"),
    ("est_packet_out_of_window", TALK, "> A 60000 521 +5", "> A 111 521 +5"),
    ("est_pkt_before_last_ack", TALK, "> A 101 521 +5", "> A 111 521 +5"),
    ("est_pkt_before_last_ack", TALK, "> A 105 521", "> A 110 521"),
    ("est_syn_resend", TALK, "> S 100", "> S 105"),
    ("est_syn_resend_diff_seq", TALK, "> S 105", "> S 100"),
    ("est_syn_toclient", TALK, "< S 500", "> S 100"),
    ("est_synack_resend", TALK, "< SA 500 111", "< SA 505 111"),
    ("est_synack_resend_with_diff_seq", TALK, "< SA 505 111", "< SA 500 111"),
    ("est_synack_resend_with_different_ack", TALK, "< SA 500 105", "< SA 500 111"),
    ("est_synack_toserver", TALK, "> SA 100 521", "< SA 500 111"),
    ("fin1_ack_wrong_seq", FIN_WAIT_1, "> A 60000 522", "> A 111 522"),
    ("fin1_fin_wrong_seq", FIN_WAIT_1, "> FA 60000 522", "> FA 111 522"),
    ("fin1_invalid_ack", FIN_WAIT_1, "> A 111 60000", "> A 111 522"),
    ("fin2_ack_wrong_seq", FIN_WAIT_2, "> A 60000 522", "> A 111 522 +5"),
    ("fin2_fin_wrong_seq", FIN_WAIT_2, "> FA 60000 522", "> FA 111 522"),
    ("fin2_invalid_ack", FIN_WAIT_2, "> A 111 60000", "> A 111 522 +5"),
    ("fin_but_no_session", (), "> FA 111 521", "> A 111 521"),
    ("fin_invalid_ack", TALK, "> FA 111 60000", "> FA 111 521"),
    ("fin_out_of_window", TALK, "> FA 60000 521", "> FA 111 521"),
    ("fin_syn", TALK, "> FSA 111 521", "> FA 111 521"),
    ("lastack_ack_wrong_seq", LAST_ACK, "> A 200 522", "> A 112 522"),
    ("lastack_invalid_ack", LAST_ACK, "> A 112 60000", "> A 112 522"),
    ("pkt_bad_window_update", TALK, "< A 600 200 w100", "< A 521 111 w100"),
    ("pkt_broken_ack", TALK, "> P 111 7", "> PA 111 521"),
    ("pkt_invalid_ack", TALK, "> A 111 60000", "> A 111 521"),
    ("pkt_invalid_timestamp", STAMPED, "> A 101 501 +5 t900:5000", "> A 101 501 +5 t1001:5000"),
    ("pkt_invalid_timestamp", STAMPED[:1], "< SA 500 101 t5000:999", "< SA 500 101 t5000:1000"),
    ("pkt_retransmission", CLOSE_WAIT, "< A 501 112 +20", "< A 521 112 +5"),
    ("pkt_spurious_retransmission", TALK, "> A 101 521 +10", "> A 111 521 +10"),
    ("reassembly_depth_reached", ["> A 100 500 +5"], f"> A {100 + DEPTH - 5} 500 +10", f"> A {100 + DEPTH - 5} 500 +5"),
    ("rst_but_no_session", (), "> R 111", "> A 111 521"),
    ("rst_invalid_ack", TALK, "> RA 111 60000", "> RA 111 521"),
    ("rst_with_data", TALK, "> RA 111 521 +4", "> RA 111 521"),
    ("shutdown_syn_resend", CLOSE_WAIT, "< SA 500 101", "< A 521 112"),
    ("suspected_rst_inject", (*HELLO[:1], "< RA 0 101"), "< A 501 101", "< RA 0 101"),
    ("timewait_ack_wrong_seq", TIME_WAIT, "< A 600 112", "< A 522 112"),
    ("timewait_invalid_ack", TIME_WAIT, "< A 522 60000", "< A 522 112"),
]  # fmt: skip
