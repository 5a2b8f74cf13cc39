"""Protocols of general-purpose networks, parsed message by message. A new one gets its module, its line here, and its fields in datasets.py."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sensor.applications.application import Application
from sensor.applications.dcerpc import DcerpcOverTcp
from sensor.applications.dcerpc_datagrams import DcerpcOverUdp
from sensor.applications.dhcp import DhcpOverUdp
from sensor.applications.dns import DnsOverTcp, DnsOverUdp, LlmnrOverUdp, MulticastDnsOverUdp
from sensor.applications.ftp import Ftp
from sensor.applications.ftp_data import FtpDataOverTcp
from sensor.applications.http import Http
from sensor.applications.http2 import Http2OverTcp
from sensor.applications.ike import IkeOverUdp
from sensor.applications.imap import Imap
from sensor.applications.krb5 import KerberosOverTcp, KerberosOverUdp
from sensor.applications.ldap import LdapOverTcp
from sensor.applications.mqtt import MqttOverTcp
from sensor.applications.nfs import NfsOverTcp, NfsOverUdp
from sensor.applications.ntp import NtpOverUdp
from sensor.applications.pgsql import Pgsql
from sensor.applications.pop3 import Pop3
from sensor.applications.quic import QuicOverUdp
from sensor.applications.rdp import RdpOverTcp
from sensor.applications.rfb import RfbOverTcp
from sensor.applications.sip import Sip, SipOverTcp
from sensor.applications.smb import SmbOverTcp
from sensor.applications.smtp import Smtp
from sensor.applications.snmp import SnmpOverUdp
from sensor.applications.ssh import Ssh
from sensor.applications.telnet import Telnet
from sensor.applications.tftp import TftpOverUdp
from sensor.applications.tls import Tls
from sensor.applications.websocket import WebSocket
from sensor.decode.packets import Transport

APPLICATIONS: tuple[Application, ...] = (
    Http(),
    Http2OverTcp(),
    Tls(),
    DnsOverUdp(),
    DnsOverTcp(),
    MulticastDnsOverUdp(),
    LlmnrOverUdp(),
    SmbOverTcp(),
    DcerpcOverTcp(),
    DcerpcOverUdp(),
    Ssh(),
    MqttOverTcp(),
    Ftp(),
    FtpDataOverTcp(),
    Smtp(),
    Pop3(),
    Imap(),
    Sip(),
    SipOverTcp(),
    KerberosOverTcp(),
    KerberosOverUdp(),
    LdapOverTcp(),
    RdpOverTcp(),
    RfbOverTcp(),
    Pgsql(),
    QuicOverUdp(),
    IkeOverUdp(),
    SnmpOverUdp(),
    DhcpOverUdp(),
    TftpOverUdp(),
    NtpOverUdp(),
    NfsOverTcp(),
    NfsOverUdp(),
    Telnet(),
    WebSocket(),
)


def served() -> NDArray[np.bool_]:
    """bool[9, 65536]: by Transport, the ports where one of them is expected."""
    table = np.zeros((len(Transport), 1 << 16), np.bool_)
    for application in APPLICATIONS:
        for transport, ports in application.ports.items():
            table[transport, list(ports)] = True
    return table
