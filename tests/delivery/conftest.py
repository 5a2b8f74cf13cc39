"""Servers that several tests share: each is started when a test first asks for it, once a session."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sensor.config import ElasticsearchSettings
from sensor.delivery.client import connect
from sensor.delivery.install import install
from tests.delivery.faulty import Proxy
from tests.delivery.server import Server, Unavailable


def started(server: Server) -> Iterator[Server]:
    try:
        server.start()
    except Unavailable as why:
        server.remove()
        pytest.skip(f"no Elasticsearch here: {why}")
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def plain() -> Iterator[Server]:
    """The newest, without security, with our templates. TAPSIGHT_ES_PORT in the environment: the one that already runs there."""
    running = os.environ.get("TAPSIGHT_ES_PORT")
    for server in [Server(port=int(running))] if running else started(Server()):
        client = connect(ElasticsearchSettings(urls=[server.url]))
        install(client)
        client.close()
        yield server


@pytest.fixture(scope="session")
def older() -> Iterator[Server]:
    """Of version 8."""
    yield from started(Server("8.19.0"))


USERS = {"admin": ("admin-secret", "superuser"), "shipper": ("shipper-secret", "tapsight_shipper"), "reader": ("reader-secret", "tapsight_reader")}


@pytest.fixture(scope="session")
def guarded(authority: Path) -> Iterator[Server]:
    """With users, roles and TLS by an authority of our own, with our templates."""
    for server in started(Server(users=USERS, tls=authority)):
        client = connect(ElasticsearchSettings(urls=[server.url], user="admin", password=USERS["admin"][0], ca=str(authority / "ca.crt")))
        install(client)
        client.close()
        yield server


@pytest.fixture
def proxy(plain: Server) -> Iterator[Proxy]:
    """In front of the plain one."""
    between = Proxy(plain.port)
    yield between
    between.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate authority's and a server's certificate and key."""
    place = tmp_path_factory.mktemp("tls")
    write_certificates(place)
    return place


def write_certificates(place: Path) -> None:
    """ca.crt, node.crt and node.key; the server is 127.0.0.1."""
    now = dt.datetime.now(dt.UTC)
    ca_key, node_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name, node_name = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("Plant CA", "node"))

    def builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(ca_name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        return made.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=2))

    own = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    authority = builder(ca_name, ca_key).add_extension(x509.BasicConstraints(True, None), True).add_extension(usage, True).add_extension(own, False)
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    by = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
    node = builder(node_name, node_key).add_extension(names, False).add_extension(by, False)
    (place / "ca.crt").write_bytes(authority.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    (place / "node.crt").write_bytes(node.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (place / "node.key").write_bytes(node_key.private_bytes(*form))
    for path in place.iterdir():
        path.chmod(0o644)
