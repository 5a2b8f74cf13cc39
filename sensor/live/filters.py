"""Classic BPF programs for packet sockets: a user's expression, and which of N workers a packet belongs to.

Sources: linux/filter.h and bpf_common.h (instructions, SKF_* places), pcap(3PCAP), pcap-filter(7).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import struct
from typing import Any, TypeAlias

Instruction: TypeAlias = tuple[int, int, int, int]  # code, jump if true, jump if false, k
Program: TypeAlias = list[Instruction]

LD_W, LD_H, TAX, XOR_X, MUL_K, RSH_K, JEQ_K, JA, RET_K, RET_A = 0x20, 0x28, 0x07, 0xAC, 0x24, 0x74, 0x15, 0x05, 0x06, 0x16
ST, LDX_MEM, ADD_X = 0x02, 0x61, 0x0C
PROTOCOL, NETWORK, LINK = 0xFFFFF000, 0xFFF00000, 0xFFE00000  # SKF_AD_OFF + SKF_AD_PROTOCOL, SKF_NET_OFF, SKF_LL_OFF
NOTHING: Program = [(RET_K, 0, 0, 0)]
IPV4, IPV6, ARP, TAGS = 0x0800, 0x86DD, 0x0806, (0x8100, 0x88A8, 0x9100)
NETMASK_UNKNOWN = 0xFFFFFFFF
SPREAD = 0x9E3779B1  # 2**32 divided by the golden ratio, odd

_instruction = struct.Struct("=HBBI")


def compiled(expression: str, interface: str) -> Program:
    """A capture filter in pcap-filter's language. Raises ValueError with what libpcap says of it, or that there is no libpcap.

    libpcap compiles for an open handle, since only then it asks the kernel for tags that the kernel has taken out of the packet (`vlan 5`). Where the
    interface is down, that of the loopback interface does for Ethernet.
    """
    name = ctypes.util.find_library("pcap")
    if name is None:
        raise ValueError(f"filter {expression!r}: compiling one needs libpcap, which is not installed (package libpcap0.8)")
    pcap = ctypes.CDLL(name)
    pcap.pcap_create.restype = pcap.pcap_geterr.restype = ctypes.c_void_p
    pcap.pcap_geterr.argtypes = pcap.pcap_activate.argtypes = pcap.pcap_close.argtypes = [ctypes.c_void_p]
    pcap.pcap_compile.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint32]
    reason = "cannot be compiled: no interface to compile it for is up"
    for device in (interface, "lo"):
        handle = pcap.pcap_create(device.encode(), ctypes.create_string_buffer(256))
        if not handle:
            continue
        try:
            if pcap.pcap_activate(handle) >= 0:
                return _compile(pcap, handle, expression)
        finally:
            pcap.pcap_close(handle)
    raise ValueError(f"filter {expression!r}: {reason}")


class _BpfProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("instructions", ctypes.c_void_p))


def _compile(pcap: Any, handle: int, expression: str) -> Program:
    program = _BpfProgram()
    if pcap.pcap_compile(handle, ctypes.byref(program), expression.encode(), 1, NETMASK_UNKNOWN) < 0:
        said = ctypes.string_at(pcap.pcap_geterr(handle)).decode("utf-8", "replace")
        raise ValueError(f"filter {expression!r}: {said}")
    content = ctypes.string_at(program.instructions, program.length * _instruction.size) if program.length else b""
    pcap.pcap_freecode(ctypes.byref(program))
    return list(_instruction.iter_unpack(content))


def socket_program(program: Program) -> tuple[bytes, Any]:
    """A program as `struct sock_fprog`, and the buffer that it points to, which has to live as long."""
    content = b"".join(_instruction.pack(*each) for each in program)
    held = ctypes.create_string_buffer(content, len(content))
    return struct.pack("@HP", len(program), ctypes.addressof(held)), held


def pair_of_addresses() -> Program:
    """A number that all packets between two hosts share, in both directions; the kernel takes it modulo the workers.

    Not the kernel's own flow hash: that has ports in it, which fragments lack, and a mirror's outer UDP port differs by direction. IP goes by its two
    addresses, other frames by their MACs, and ARP to the first worker, which so sees all who claim an address.
    """
    v4 = {(tagged, IPV4): _addresses(NETWORK + 4 * tagged, 12, 1) for tagged in (0, 1)}
    v6 = {(tagged, IPV6): _addresses(NETWORK + 4 * tagged, 8, 4) for tagged in (0, 1)}
    parts: dict[Any, Program] = {"macs": _pair([LINK + 2], [LINK + 8]), **v4, **v6}
    end: Program = [(MUL_K, 0, 0, SPREAD), (RSH_K, 0, 0, 16), (RET_A, 0, 0, 0)]
    # every test is one instruction, so that where each part begins is known before
    tests = [(0, IPV4), (0, IPV6), (0, ARP), *((0, tag) for tag in TAGS), None, (1, IPV4), (1, IPV6), (1, ARP)]
    head = 1 + 3 + len(TAGS) + 1 + 1 + 3 + 1
    starts, at = {}, head
    for name, part in parts.items():
        starts[name] = at
        at += len(part) + 1  # a jump to the end
    finish, first = at, at + len(end)  # `ret 0` stands behind the end
    inner = 1 + 3 + len(TAGS) + 1
    program: Program = [(LD_W, 0, 0, PROTOCOL)]
    for test in tests:
        here = len(program)
        if test is None:
            program += [(JA, 0, 0, starts["macs"] - here - 1), (LD_H, 0, 0, NETWORK + 2)]
            continue
        goal = inner if test[1] in TAGS else first if test[1] == ARP else starts[test]
        program.append((JEQ_K, goal - here - 1, 0, test[1]))
    program.append((JA, 0, 0, starts["macs"] - len(program) - 1))
    for part in parts.values():
        program += part
        program.append((JA, 0, 0, finish - len(program) - 1))
    return [*program, *end, (RET_K, 0, 0, 0)]


def _addresses(base: int, at: int, words: int) -> Program:
    """Source and destination, each of so many words, one behind the other."""
    source = [base + at + 4 * word for word in range(words)]
    return _pair(source, [place + 4 * words for place in source])


def _pair(one: list[int], other: list[int]) -> Program:
    """The sum of two mixed addresses. (Their difference alone would not do: that of neighbours is the same everywhere.)"""
    return [*_mixed(one), (ST, 0, 0, 0), *_mixed(other), (LDX_MEM, 0, 0, 0), (ADD_X, 0, 0, 0)]


def _mixed(words: list[int]) -> Program:
    program: Program = [(LD_W, 0, 0, words[0]), (MUL_K, 0, 0, SPREAD)]
    for word in words[1:]:
        program += [(TAX, 0, 0, 0), (LD_W, 0, 0, word), (XOR_X, 0, 0, 0), (MUL_K, 0, 0, SPREAD)]
    return [*program, (TAX, 0, 0, 0), (RSH_K, 0, 0, 15), (XOR_X, 0, 0, 0)]
