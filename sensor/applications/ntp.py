"""NTP: clocks, and the control messages that tell and change what a clock does.

RFC 5905 7.3 (header), RFC 9327 2 (mode 6, control); mode 7 is ntpd's own, include/ntp_request.h.
Buffer: ntp.reference_id, its four octets. Facts, integers: ntp.version, ntp.mode of every message; ntp.stratum of modes 1 to 5; ntp.request_code, the operation
of mode 6 or the request code of mode 7 (42: the list that amplifies). Event: ntp.malformed_data, of what is no message.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import ClassVar

from sensor.applications.application import Application, Conversation, Said
from sensor.applications.reading import Transactions, text
from sensor.decode.packets import Transport

EVENTS = ("malformed_data",)
MODES = ("reserved", "symmetric_active", "symmetric_passive", "client", "server", "broadcast", "control", "private")
CONTROL, PRIVATE = 6, 7
LEAST = {CONTROL: 12, PRIVATE: 8}  # bytes of a message; of others 48


class Ntp(Conversation):
    def __init__(self) -> None:
        self._transactions = Transactions()

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        if not _is_message(data):
            said = Said(to_server, about={"ntp.problem": "no message of NTP"}, transaction=self._transactions.begin())
            said.event("ntp.malformed_data")
            yield said
            return
        version, mode = data[0] >> 3 & 7, data[0] & 7
        said = Said(to_server, facts={"ntp.version": version, "ntp.mode": mode})
        said.about = {"ntp.version": version, "ntp.mode": MODES[mode]}
        if mode == CONTROL:
            said.facts["ntp.request_code"] = said.about["ntp.request_code"] = data[1] & 0x1F
            said.transaction = self._answer(bool(data[1] & 0x80), data[2:4])
        elif mode == PRIVATE:
            said.facts["ntp.request_code"] = said.about["ntp.request_code"] = data[3]
            said.transaction = self._answer(bool(data[0] & 0x80), data[2:4])
        else:
            said.facts["ntp.stratum"] = said.about["ntp.stratum"] = data[1]
            said.buffers["ntp.reference_id"] = [data[12:16]]
            if data[12:16] != bytes(4):
                said.about["ntp.reference_id"] = text(data[12:16].rstrip(b"\0")) if data[1] < 2 else str(ipaddress.IPv4Address(data[12:16]))
            if data[0] >> 6 == 3 and mode != 3:
                said.about["ntp.is_unsynchronized"] = True
            is_answer = mode in (2, 4)
            said.transaction = self._answer(is_answer, data[24:32] if is_answer else data[40:48])  # an answer's origin is its question's transmit timestamp
        yield said

    def _answer(self, is_answer: bool, key: bytes) -> int:
        return self._transactions.of(key) if is_answer else self._transactions.begin(key)


def _is_message(data: bytes) -> bool:
    return bool(data) and 1 <= data[0] >> 3 & 7 <= 4 and data[0] & 7 > 0 and len(data) >= LEAST.get(data[0] & 7, 48)


class NtpOverUdp(Application):
    name: ClassVar[str] = "ntp"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.UDP: frozenset({123})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """Only on its port: too little of a message tells it from others."""
        return expected and _is_message(data)

    def open(self) -> Conversation:
        return Ntp()
