"""What events of ADS carry, and where it stands behind the AMS header."""

from __future__ import annotations

import numpy as np

from sensor.events.field import Field
from sensor.protocols.ads.codes import AdsState, AmsPort, C, Command, DataType, IndexGroup, SystemService, TransmissionMode
from sensor.protocols.ads.errors import ErrorCode

FIELDS = (
    Field("command", "u2", "What is asked for", enum=Command, wireshark="ams.cmdid"),
    Field("state_flags", "u2", "Bits: 1 response, 2 no answer wanted, 4 ADS command, and more of the router's", wireshark="ams.stateflags"),
    Field("target_net_id", "text", "AMS net id of the receiver", wireshark="ams.targetnetid"),
    Field("target_port", "u2", "AMS port of the receiver: which part of TwinCAT", enum=AmsPort, wireshark="ams.targetport"),
    Field("source_net_id", "text", "AMS net id of the sender", wireshark="ams.sendernetid"),
    Field("source_port", "u2", "AMS port of the sender", enum=AmsPort, wireshark="ams.senderport"),
    Field("error_code", "u4", "What the router says", enum=ErrorCode, wireshark="ams.errorcode"),
    Field("invoke_id", "u4", "Pairs a response with its request", wireshark="ams.invokeid"),
    Field("result", "u4", "What the device says", enum=ErrorCode, wireshark="ams.adsresult"),
    Field("part", "u4", "Which part of a sum command, or sample of a notification, counted from 0"),
    Field("index_group", "u4", "Kind of data or service; in a response, its request's", enum=IndexGroup, wireshark="ams.ads_indexgroup"),
    Field("index_offset", "u4", "Place in the group; in a response, its request's", wireshark="ams.ads_indexoffset"),
    Field("system_service", "u4", "The index group where the system service is asked", enum=SystemService),
    Field("symbol", "text", "Name of the variable, as asked for or as an earlier answer tells"),
    Field("data_type", "u4", "The variable's type, as an earlier answer tells", enum=DataType),
    Field("symbol_handle", "u4", "Number that stands for a name"),
    Field("notification_handle", "u4", "Number of a subscription", wireshark="ams.ads_notificationhandle"),
    Field("path", "text", "File or folder that the system service is asked for"),
    Field("length", "u4", "Bytes that are asked for, told or written", "bytes", wireshark="ams.ads_cblength"),
    Field("read_length", "u4", "Bytes that are asked for by a read and write", "bytes", wireshark="ams.ads_cbreadlength"),
    Field("write_length", "u4", "Bytes written by a read and write", "bytes", wireshark="ams.ads_cbwritelength"),
    Field("ads_state", "u2", "State that the device has or is to take", enum=AdsState, wireshark="ams.ads_state"),
    Field("device_state", "u2", "State as the device defines it", wireshark="ams.ads_devicestate"),
    Field("device_name", "text", "The device's name", wireshark="ams.ads_devicename"),
    Field("major_version", "u1", "The device's version", wireshark="ams.ads_versionversion"),
    Field("minor_version", "u1", "Its revision", wireshark="ams.ads_versionrevision"),
    Field("version_build", "u2", "Its build", wireshark="ams.ads_versionbuild"),
    Field("transmission_mode", "u4", "When values are sent", enum=TransmissionMode, wireshark="ams.ads_transmode"),
    Field("max_delay", "u4", "Values may be held back for so long", "100 ns", wireshark="ams.ads_maxdelay"),
    Field("cycle_time", "u4", "How often the device looks, or sends", "100 ns", wireshark="ams.ads_cycletime"),
    Field("stamps", "u4", "Moments that a notification has samples of", wireshark="ams.ads_noteblocksstamps"),
    Field("time", "M8[ns]", "When the sample was taken"),
    Field("symbols", "object", "Variables that the device describes: name, type, comment, size, index group and offset"),
    Field("data", "bytes", "What is read, written or sent"),
)

PLACE = [("index_group", "<u4"), ("index_offset", "<u4")]
STATES = [("ads_state", "<u2"), ("device_state", "<u2")]
HANDLE = [("notification_handle", "<u4")]
# What follows the AMS header; in a response, what follows its result. `data` stands behind it where DATA says so.
#                                request                                                            response
BODIES: dict[Command, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
    C.READ_DEVICE_INFO:          ([],                                                               [("major_version", "u1"), ("minor_version", "u1"), ("version_build", "<u2"), ("name", "V16")]),
    C.READ:                      ([*PLACE, ("length", "<u4")],                                      [("length", "<u4")]),
    C.WRITE:                     ([*PLACE, ("length", "<u4")],                                      []),
    C.READ_STATE:                ([],                                                               STATES),
    C.WRITE_CONTROL:             ([*STATES, ("length", "<u4")],                                     []),
    C.ADD_DEVICE_NOTIFICATION:   ([*PLACE, ("length", "<u4"), ("transmission_mode", "<u4"), ("max_delay", "<u4"), ("cycle_time", "<u4"), ("reserved", "V16")], HANDLE),
    C.DELETE_DEVICE_NOTIFICATION: (HANDLE,                                                          []),
    C.DEVICE_NOTIFICATION:       ([("length", "<u4"), ("stamps", "<u4")],                           []),
    C.READ_WRITE:                ([*PLACE, ("read_length", "<u4"), ("write_length", "<u4")],        [("length", "<u4")]),
}  # fmt: skip
DATA = {  # by command and whether it is a response: the field that says how many bytes of data follow
    (C.READ, True): "length", (C.WRITE, False): "length", (C.WRITE_CONTROL, False): "length", (C.READ_WRITE, False): "write_length", (C.READ_WRITE, True): "length",
}  # fmt: skip
RESULT = np.dtype([("result", "<u4")])
