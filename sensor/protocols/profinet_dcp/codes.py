"""Codes of PROFINET DCP (IEC 61158-6-10, 4.3)."""

from __future__ import annotations

from enum import IntEnum

from sensor.events.vocabulary import Action


class FrameId(IntEnum):  # 4.2.2.1: those of the RT frames under the same EtherType that are DCP's
    HELLO = 0xFEFC
    GET_SET = 0xFEFD
    IDENTIFY_REQUEST = 0xFEFE
    IDENTIFY_RESPONSE = 0xFEFF


class Service(IntEnum):
    MANUFACTURER_1 = 1
    MANUFACTURER_2 = 2
    GET = 3
    SET = 4
    IDENTIFY = 5
    HELLO = 6


class ServiceType(IntEnum):
    REQUEST = 0
    RESPONSE_SUCCESS = 1
    RESPONSE_NOT_SUPPORTED = 5


class Block(IntEnum):
    """Option in the upper octet, suboption in the lower."""

    IP_MAC_ADDRESS = 0x0101
    IP_PARAMETER = 0x0102
    IP_FULL_SUITE = 0x0103
    DEVICE_TYPE_OF_STATION = 0x0201
    DEVICE_NAME_OF_STATION = 0x0202
    DEVICE_ID = 0x0203
    DEVICE_ROLE = 0x0204
    DEVICE_OPTIONS = 0x0205
    DEVICE_ALIAS_NAME = 0x0206
    DEVICE_INSTANCE = 0x0207
    DEVICE_OEM_ID = 0x0208
    DEVICE_STANDARD_GATEWAY = 0x0209
    DEVICE_RSI_PROPERTIES = 0x020A
    DHCP_HOST_NAME = 0x030C
    DHCP_VENDOR_SPECIFIC = 0x032B
    DHCP_SERVER_IDENTIFIER = 0x0336
    DHCP_PARAMETER_REQUEST_LIST = 0x0337
    DHCP_CLASS_IDENTIFIER = 0x033C
    DHCP_CLIENT_IDENTIFIER = 0x033D
    DHCP_FQDN = 0x0351
    DHCP_UUID_CLIENT_IDENTIFIER = 0x0361
    DHCP_CONTROL = 0x03FF
    CONTROL_START_TRANSACTION = 0x0501
    CONTROL_END_TRANSACTION = 0x0502
    CONTROL_SIGNAL = 0x0503
    CONTROL_RESPONSE = 0x0504
    CONTROL_FACTORY_RESET = 0x0505
    CONTROL_RESET_TO_FACTORY = 0x0506
    DEVICE_INITIATIVE = 0x0601
    ALL = 0xFFFF


class BlockError(IntEnum):
    OK = 0
    OPTION_UNSUPPORTED = 1
    SUBOPTION_UNSUPPORTED = 2
    SUBOPTION_NOT_SET = 3
    RESOURCE_ERROR = 4
    SET_NOT_POSSIBLE = 5
    IN_OPERATION = 6


class ResetMode(IntEnum):  # the block qualifier of ResetToFactory, but for its lowest bit
    APPLICATION_DATA = 1
    COMMUNICATION_PARAMETER = 2
    ENGINEERING_PARAMETER = 3
    ALL_STORED_DATA = 4
    DEVICE = 8  # all stored data, to factory values
    RESTORE = 9


class IpInfo(IntEnum):  # the block information of an IP block
    NOT_SET = 0
    SET = 1
    SET_BY_DHCP = 2
    NOT_SET_CONFLICT = 0x80
    SET_CONFLICT = 0x81
    SET_BY_DHCP_CONFLICT = 0x82


class Signal(IntEnum):
    FLASH_ONCE = 0x0100


ROLES = {1: "io_device", 2: "controller", 4: "io_device", 8: "engineering_station"}  # DeviceRoleDetails: device, controller, multidevice, supervisor
ACTIONS = {Service.GET: Action.CONFIGURE_READ, Service.SET: Action.CONFIGURE_WRITE, Service.IDENTIFY: Action.DISCOVER, Service.HELLO: Action.DISCOVER}
RESETS = (Block.CONTROL_FACTORY_RESET, Block.CONTROL_RESET_TO_FACTORY)
SERVICES = {  # by frame id, the services and whether a request or a response
    FrameId.HELLO: ((Service.HELLO,), (True,)),
    FrameId.GET_SET: ((Service.MANUFACTURER_1, Service.MANUFACTURER_2, Service.GET, Service.SET), (True, False)),
    FrameId.IDENTIFY_REQUEST: ((Service.IDENTIFY,), (True,)),
    FrameId.IDENTIFY_RESPONSE: ((Service.IDENTIFY,), (False,)),
}
