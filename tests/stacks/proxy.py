"""A recording proxy between a client and a server, and its recording as the frames that a tap would have seen."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.make import ACK, CLIENT, FIN, PSH, SERVER, SYN, tcp, udp

SEGMENT = 1460  # bytes that an Ethernet segment has room for
WAIT_S = 10.0


@dataclass(frozen=True)
class Chunk:
    """What one end sent at once. content: None where the connection begins, empty where this end has no more to say."""

    ts_ns: int
    connection: int
    from_client: bool
    content: bytes | None


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody had a moment ago."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Until something accepts connections there. Raises TimeoutError after WAIT_S."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")


class Recording:
    """What both ends said, in the order in which the proxy heard it."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.lock = threading.Lock()

    def add(self, connection: int, from_client: bool, content: bytes | None) -> None:
        """Called before the bytes go on, so that an answer always stands behind its question; and no two chunks of one time."""
        with self.lock:
            last = self.chunks[-1].ts_ns if self.chunks else 0
            self.chunks.append(Chunk(max(time.time_ns(), last + 10_000), connection, from_client, content))

    def tcp_frames(self, port: int) -> Iterator[tuple[int, bytes]]:
        """Time in ns and Ethernet frame of every segment: handshake, data with sequence and acknowledgment numbers, end. `port`: what the server's shall be."""
        sent: dict[tuple[int, bool], int] = {}
        for chunk in self.chunks:
            us, them = (chunk.connection, chunk.from_client), (chunk.connection, not chunk.from_client)
            ends = (CLIENT, 49152 + chunk.connection), (SERVER, port)
            source, destination = ends if chunk.from_client else ends[::-1]
            if chunk.content is None:
                first, second = 1000 + chunk.connection, 0xFFFFFF00 + chunk.connection  # the server's sequence numbers wrap around
                yield chunk.ts_ns, tcp(source, destination, first, b"", SYN)
                yield chunk.ts_ns + 1_000, tcp(destination, source, second, b"", SYN | ACK, first + 1)
                yield chunk.ts_ns + 2_000, tcp(source, destination, first + 1, b"", ACK, second + 1)
                sent[us], sent[them] = first + 1, second + 1
                continue
            for at in range(0, len(chunk.content), SEGMENT):
                part = chunk.content[at : at + SEGMENT]
                yield chunk.ts_ns + at // SEGMENT, tcp(source, destination, sent[us], part, PSH | ACK, sent[them])
                sent[us] += len(part)
            if not chunk.content:
                yield chunk.ts_ns, tcp(source, destination, sent[us], b"", FIN | ACK, sent[them])
                sent[us] += 1

    def udp_frames(self, port: int) -> Iterator[tuple[int, bytes]]:
        """Time in ns and Ethernet frame of every datagram."""
        for number, chunk in enumerate(self.chunks):
            ends = (CLIENT, 49152 + chunk.connection), (SERVER, port)
            source, destination = ends if chunk.from_client else ends[::-1]
            yield chunk.ts_ns, udp(source, destination, chunk.content or b"", number)


class TcpProxy:
    """Listens on `port`, forwards every connection to `server_port`, and records. A context: leaving it ends all its threads.

    delay_s: how long answers take, for clients that do not expect them at once. address: where to listen, for clients that know one port only.
    """

    def __init__(self, server_port: int, delay_s: float = 0, *, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self.server_port, self.delay_s = server_port, delay_s
        self.recording = Recording()
        self.listener = socket.create_server(address)
        self.port = int(self.listener.getsockname()[1])
        self.sockets: list[socket.socket] = []
        self.threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self.threads[0].start()
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        for each in (self.listener, *self.sockets):
            wake(each)
        for thread in self.threads:
            thread.join(WAIT_S)

    def _accept(self) -> None:
        for connection in range(1000):
            try:
                client = self.listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self.server_port), WAIT_S)
            except OSError:
                return
            self.recording.add(connection, True, None)
            self.sockets += [client, server]
            for source, destination, from_client in ((client, server, True), (server, client, False)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                thread = threading.Thread(target=self._forward, args=(connection, source, destination, from_client), daemon=True)
                self.threads.append(thread)
                thread.start()

    def _forward(self, connection: int, source: socket.socket, destination: socket.socket, from_client: bool) -> None:
        source.settimeout(None)
        while True:
            try:
                content = source.recv(1 << 16)
            except OSError:
                content = b""
            self.recording.add(connection, from_client, content)
            if self.delay_s and not from_client:
                time.sleep(self.delay_s)
            try:
                if not content:
                    destination.shutdown(socket.SHUT_WR)
                    return
                destination.sendall(content)
            except OSError:
                return


def wake(each: socket.socket) -> None:
    """Close a socket, and wake the thread that waits on it."""
    with contextlib.suppress(OSError):  # not connected any more
        each.shutdown(socket.SHUT_RDWR)
    each.close()


class UdpProxy:
    """The same for datagrams between one client and a server."""

    def __init__(self, server_port: int) -> None:
        self.server = ("127.0.0.1", server_port)
        self.client: tuple[str, int] | None = None
        self.recording = Recording()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.1)
        self.port = int(self.socket.getsockname()[1])
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._forward, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.stop.set()
        self.thread.join(WAIT_S)
        self.socket.close()

    def _forward(self) -> None:
        while not self.stop.is_set():
            try:
                content, sender = self.socket.recvfrom(1 << 16)
            except OSError:
                continue
            from_client = sender != self.server
            self.client = sender if from_client else self.client
            self.recording.add(0, from_client, content)
            if self.client:
                self.socket.sendto(content, self.server if from_client else self.client)
