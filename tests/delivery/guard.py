"""A guard in front of a broker of Kafka: TLS, and logins by SASL, which the broker that the client library brings has not; whom it lets in it passes on.

Sources: the Kafka protocol guide (sizes, headers, ApiVersions, SaslHandshake, SaslAuthenticate), RFC 4616 (PLAIN), RFC 5802 (SCRAM).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import ssl
import struct
import threading
from collections.abc import Generator
from contextlib import suppress
from typing import Any, Self

API_VERSIONS, HANDSHAKE, AUTHENTICATE = 18, 17, 36
FAILED = 58  # SASL_AUTHENTICATION_FAILED
ROUNDS = 4096


class Guard:
    """broker: host:port. context: of TLS, where that is spoken. user, password, mechanism: of the only one who may log in, where somebody has to.

    let_in: requests that were passed on, but for those that ask for versions. names: in certificates that clients showed.
    """

    def __init__(self, broker: str, context: ssl.SSLContext | None = None, user: str = "", password: str = "", mechanism: str = "") -> None:
        host, _, port = broker.partition(":")
        self.broker, self.context, self.user, self.password, self.mechanism = (host, int(port)), context, user, password, mechanism
        self.let_in, self.names = 0, set[str]()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listening.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listening.accept()
                threading.Thread(target=self._meet, args=(client,), daemon=True).start()

    def _meet(self, client: socket.socket) -> None:
        """One connection, to its end."""
        with suppress(OSError, EOFError), client:
            if self.context is None:
                self._serve(client)
                return
            with self.context.wrap_socket(client, server_side=True) as inside:
                certificate: Any = inside.getpeercert() or {}
                self.names |= {value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"}
                self._serve(inside)

    def _serve(self, client: socket.socket) -> None:
        login, is_in = self.login(), not self.user
        next(login)
        with socket.create_connection(self.broker) as behind:
            while True:
                request = received(client)
                key, version, _, name = struct.unpack_from(">hhih", request)
                if key == HANDSHAKE:
                    answer = request[4:8] + struct.pack(">hi", 0, 1) + text(self.mechanism)
                elif key == AUTHENTICATE:
                    try:
                        answer = request[4:8] + struct.pack(">hh", 0, -1) + block(login.send(request[14 + name :])) + bytes(8 * version)
                    except StopIteration as over:
                        is_in, answer = True, request[4:8] + struct.pack(">hh", 0, -1) + block(over.value) + bytes(8 * version)
                    except PermissionError:
                        answer = request[4:8] + struct.pack(">h", FAILED) + text("not you") + block(b"") + bytes(8 * version)
                elif is_in or key == API_VERSIONS:
                    self.let_in += key != API_VERSIONS
                    behind.sendall(block(request))
                    answer = self.ours(key, received(behind))
                else:
                    return
                client.sendall(block(answer))

    def ours(self, key: int, answer: bytes) -> bytes:
        """With our port where the broker tells its own, and with what only we can."""
        if key == API_VERSIONS:
            (count,) = struct.unpack_from(">i", answer, 6)
            own = struct.pack(">6h", HANDSHAKE, 0, 1, AUTHENTICATE, 0, 1) if self.user else b""
            end = 10 + 6 * count
            return answer[:6] + struct.pack(">i", count + len(own) // 6) + answer[10:end] + own + answer[end:]
        host = self.broker[0].encode()
        return answer.replace(host + struct.pack(">i", self.broker[1]), host + struct.pack(">i", self.port))

    def login(self) -> Generator[bytes, bytes, bytes]:
        """Takes what the client says, gives what it is told. Raises PermissionError where it is not let in."""
        said = yield b""
        if self.mechanism == "PLAIN":
            if said != f"\0{self.user}\0{self.password}".encode():
                raise PermissionError
            return b""
        how = "sha" + self.mechanism.removeprefix("SCRAM-SHA-")
        _, _, bare = said.split(b",", 2)
        asked = dict(part.split(b"=", 1) for part in bare.split(b","))
        salt, nonce = secrets.token_bytes(16), asked[b"r"] + secrets.token_hex(8).encode()
        told = b"r=%s,s=%s,i=%d" % (nonce, base64.b64encode(salt), ROUNDS)
        said = yield told
        without, _, proof = said.rpartition(b",p=")
        salted = hashlib.pbkdf2_hmac(how, self.password.encode(), salt, ROUNDS)
        client, server = (hmac.digest(salted, name, how) for name in (b"Client Key", b"Server Key"))
        everything = b",".join((bare, told, without))
        signature = hmac.digest(hashlib.new(how, client).digest(), everything, how)
        expected = bytes(a ^ b for a, b in zip(client, signature, strict=True))
        if asked[b"n"] != self.user.encode() or base64.b64decode(proof) != expected:
            raise PermissionError
        return b"v=" + base64.b64encode(hmac.digest(server, everything, how))


def block(content: bytes) -> bytes:
    """Behind its size, as messages and byte strings are."""
    return struct.pack(">i", len(content)) + content


def text(content: str) -> bytes:
    return struct.pack(">h", len(content)) + content.encode()


def received(opened: socket.socket) -> bytes:
    """What comes next, without its size. Raises EOFError."""
    (size,) = struct.unpack(">i", exactly(opened, 4))
    return exactly(opened, size)


def exactly(opened: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        if not (part := opened.recv(size - len(content))):
            raise EOFError
        content += part
    return content
