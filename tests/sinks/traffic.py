"""A little traffic with something of everything: what documents and stores are tested with."""

from __future__ import annotations

import struct
from typing import Any

from sensor.analysis import Analysis
from tests.make import ACK, CLIENT, FIN, PSH, SERVER, SYN, batches, tcp, udp


def modbus(transaction: int, body: bytes, unit: int = 1) -> bytes:
    return struct.pack("!HHHB", transaction, 0, len(body) + 1, unit) + body


class Talk:
    """A TCP connection, segment by segment."""

    def __init__(self, client: str = CLIENT, server: str = SERVER, port: int = 502, source: int = 40_000) -> None:
        self.ends = (client, source), (server, port)
        self.next = [1000, 5000]
        self.frames = [tcp(*self.ends, 999, flags=SYN), tcp(*self.ends[::-1], 4999, flags=SYN | ACK), tcp(*self.ends, 1000)]

    def say(self, side: int, payload: bytes) -> None:
        sender, receiver = self.ends[side], self.ends[1 - side]
        self.frames.append(tcp(sender, receiver, self.next[side], payload, PSH | ACK))
        self.next[side] += len(payload)

    def exchange(self, request: bytes, response: bytes) -> None:
        self.say(0, request)
        self.say(1, response)

    def end(self) -> list[bytes]:
        for side in (0, 1):
            self.frames.append(tcp(self.ends[side], self.ends[1 - side], self.next[side], flags=FIN | ACK))
        return self.frames


def read(transaction: int, values: list[int], address: int = 10) -> tuple[bytes, bytes]:
    """A read of holding registers and its answer."""
    registers = struct.pack(f"!{len(values)}H", *values)
    request = modbus(transaction, struct.pack("!BHH", 3, address, len(values)))
    return request, modbus(transaction, bytes((3, len(registers))) + registers)


HOSTILE = b'"\\\x00\x1b[31m\xff\xfe%s</script>[/][red]\r\n=cmd()'


def frames() -> list[bytes]:
    """Reads that repeat and change, a write, an exception, an identification full of hostile text, an unknown function, exceptions from the client, garbage, and a datagram."""
    talk = Talk()
    for i, values in enumerate(([1, 2, 3], [1, 2, 3], [1, 9, 3], [1, 9, 3])):
        talk.exchange(*read(i, values))
    write = modbus(10, struct.pack("!BHH", 6, 4, 777))
    talk.exchange(write, write)
    talk.exchange(modbus(11, struct.pack("!BHH", 3, 9999, 1)), modbus(11, b"\x83\x02"))
    identification = bytes((43, 14, 1, 1, 0, 0, 2)) + b"".join(bytes((i, len(HOSTILE))) + HOSTILE for i in (0, 1))
    talk.exchange(modbus(12, bytes((43, 14, 1, 0))), modbus(12, identification))
    talk.exchange(modbus(13, bytes((17,))), modbus(13, bytes((17, len(HOSTILE))) + HOSTILE))
    talk.exchange(modbus(14, bytes((99,)) + HOSTILE), modbus(14, b"\xe3\x01"))
    for i in range(10):  # a client that answers: worth an alert
        talk.say(0, modbus(20 + i, b"\x83\x02"))
    talk.say(0, b"\xff" * 40)
    return [*talk.end(), udp((CLIENT, 5000), (SERVER, 6000), b"what")]


def analysis(*sinks: Any, rows: int = 1 << 30, name: str = "plant.pcap", content: list[bytes] | None = None) -> Analysis:
    """The traffic through an analysis with these sinks."""
    done = Analysis(None, sinks)
    done.run(batches(frames() if content is None else content, rows, name))
    return done
