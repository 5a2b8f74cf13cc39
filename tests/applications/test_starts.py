"""No protocol takes another's conversations for its own, nor those of plants."""

from __future__ import annotations

import pytest

from sensor.applications import dcerpc, dcerpc_datagrams, dhcp, dns, ike, imap, krb5, ldap, mqtt, nfs, ntp, pgsql, pop3, quic, rdp, rfb, smb, snmp, tftp
from sensor.applications.application import Application
from sensor.decode.packets import Transport
from tests.applications import (
    test_dcerpc,
    test_dcerpc_datagrams,
    test_dhcp,
    test_dns,
    test_ike,
    test_imap,
    test_krb5,
    test_ldap,
    test_mqtt,
    test_nfs,
    test_ntp,
    test_pgsql,
    test_pop3,
    test_quic,
    test_rdp,
    test_rfb,
    test_smb,
    test_snmp,
    test_tftp,
)
from tests.applications.script import Script

APPLICATIONS: list[tuple[Application, list[Script]]] = [
    (dns.DnsOverUdp(), test_dns.SCRIPTS),
    (dns.DnsOverTcp(), test_dns.STREAMS),
    (dns.MulticastDnsOverUdp(), test_dns.SCRIPTS),
    (dns.LlmnrOverUdp(), test_dns.SCRIPTS),
    (mqtt.MqttOverTcp(), test_mqtt.SCRIPTS),
    (smb.SmbOverTcp(), test_smb.SCRIPTS),
    (dcerpc.DcerpcOverTcp(), test_dcerpc.SCRIPTS),
    (dcerpc_datagrams.DcerpcOverUdp(), test_dcerpc_datagrams.SCRIPTS),
    (snmp.SnmpOverUdp(), test_snmp.SCRIPTS),
    (tftp.TftpOverUdp(), test_tftp.SCRIPTS),
    (ntp.NtpOverUdp(), test_ntp.SCRIPTS),
    (dhcp.DhcpOverUdp(), test_dhcp.SCRIPTS),
    (rdp.RdpOverTcp(), test_rdp.SCRIPTS),
    (krb5.KerberosOverUdp(), test_krb5.SCRIPTS),
    (krb5.KerberosOverTcp(), test_krb5.STREAMS),
    (ldap.LdapOverTcp(), test_ldap.SCRIPTS),
    (rfb.RfbOverTcp(), test_rfb.SCRIPTS),
    (nfs.NfsOverTcp(), test_nfs.SCRIPTS),
    (nfs.NfsOverUdp(), [test_nfs.SECOND]),
    (quic.QuicOverUdp(), test_quic.SCRIPTS),
    (ike.IkeOverUdp(), test_ike.SCRIPTS),
    (pop3.Pop3(), [test_pop3.TALK]),
    (imap.Imap(), [test_imap.TALK]),
    (pgsql.Pgsql(), [test_pgsql.TALK]),
]
FAMILY = {"mdns": "dns", "llmnr": "dns"}  # one form, told apart by their ports
PLANT = {
    "modbus": "000100000006010300000002",
    "s7comm, X.224": "0300001611e00000000100c0010ac1020100c2020102",
    "s7comm": "0300001902f08032010000000000080000f0000001000101e0",
    "iec104": "680407000000",
    "dnp3": "056405c00100000004 21".replace(" ", ""),
    "enip": "6500040000000000000000000000000000000000000000000100 0000".replace(" ", ""),
    "opc ua": "48454c4630000000000000000000010000000100000000000000000010000000",
    "bacnet": "810b000c0120ffff00ff1008",
    "fins": "46494e530000000c000000000000000000000000",
    "umas": "00000000000401 5a0002".replace(" ", ""),
    "hart-ip": "0100000000010 00d0100007530".replace(" ", ""),
    "profinet": "0400280010000000000000a0de976cd111827100640101",
    "http": "474554202f20485454502f312e310d0a0d0a",
    "tls": "16030100a5010000a10303",
    "ssh": "5353482d322e302d4f70656e5353485f392e360d0a",
    "zeros": "00" * 64,
    "ones": "ff" * 64,
}


@pytest.mark.parametrize(("application", "_scripts"), APPLICATIONS)
def test_only_its_own(application: Application, _scripts: list[Script]) -> None:
    """On any port but its own."""
    for other, scripts in APPLICATIONS:
        same_transport = set(other.ports) & set(application.ports)
        if same_transport and FAMILY.get(other.name, other.name) != FAMILY.get(application.name, application.name):
            for script in scripts:
                for to_server, data in script:
                    assert not application.starts(to_server, data, False), (other.name, data)


@pytest.mark.parametrize("name", PLANT)
@pytest.mark.parametrize(("application", "_scripts"), APPLICATIONS)
def test_nothing_of_plants(application: Application, _scripts: list[Script], name: str) -> None:
    """Not on its own port either; NTP alone has nothing to be told by but its port."""
    data = bytes.fromhex(PLANT[name])
    for to_server in (False, True):
        assert not application.starts(to_server, data, False)
        assert not application.starts(to_server, data, True) or application.name == "ntp"


@pytest.mark.parametrize(("application", "scripts"), APPLICATIONS)
def test_its_own(application: Application, scripts: list[Script]) -> None:
    if application.name not in FAMILY:
        assert any(application.starts(*script[0], True) for script in scripts)
    assert application.ports
    assert all(type(transport) is Transport and ports for transport, ports in application.ports.items())
    assert type(application.open()) is type(application.open())
