"""Protocols of general-purpose networks, parsed message by message. A new one gets its module, and its line here."""

from __future__ import annotations

from sensor.applications.application import Application
from sensor.applications.dcerpc import DcerpcOverTcp
from sensor.applications.dns import DnsOverTcp, DnsOverUdp, LlmnrOverUdp, MulticastDnsOverUdp
from sensor.applications.ftp import Ftp
from sensor.applications.http import Http
from sensor.applications.mqtt import MqttOverTcp
from sensor.applications.sip import Sip
from sensor.applications.smb import SmbOverTcp
from sensor.applications.smtp import Smtp
from sensor.applications.ssh import Ssh
from sensor.applications.telnet import Telnet
from sensor.applications.tls import Tls

APPLICATIONS: tuple[Application, ...] = (
    Http(),
    Tls(),
    DnsOverUdp(),
    DnsOverTcp(),
    MulticastDnsOverUdp(),
    LlmnrOverUdp(),
    SmbOverTcp(),
    DcerpcOverTcp(),
    Ssh(),
    MqttOverTcp(),
    Ftp(),
    Smtp(),
    Sip(),
    Telnet(),
)
