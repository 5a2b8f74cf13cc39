"""The events' fields, of explicit messages (enip) and of implicit I/O (cip_io)."""

from __future__ import annotations

from enum import IntEnum

from sensor.events.field import Field
from sensor.protocols.enip.codes import Command, DataType, EncapsulationStatus, ExtendedStatus, GeneralStatus, ObjectClass, ResetType
from sensor.protocols.enip.identity_codes import DeviceType, Vendor
from sensor.protocols.enip.operations import Operation
from sensor.protocols.enip.pccc_codes import FileType, PcccCommand, PcccExtendedStatus, PcccFunction, PcccStatus


class DeviceState(IntEnum):  # CIP Volume 1, 5-2.2.1.8
    NONEXISTENT = 0
    SELF_TESTING = 1
    STANDBY = 2
    OPERATIONAL = 3
    MAJOR_RECOVERABLE_FAULT = 4
    MAJOR_UNRECOVERABLE_FAULT = 5
    DEFAULT = 255  # of Get_Attributes_All where the attribute is not implemented


FIELDS = (
    Field("command", "u2", "What the encapsulation carries or asks for", enum=Command, wireshark="enip.command"),
    Field("session_handle", "u4", "Session, as the target numbers it", wireshark="enip.session"),
    Field("encapsulation_status", "u4", "How the encapsulation layer answered", enum=EncapsulationStatus, wireshark="enip.status"),
    Field("sender_context", "bytes", "Pairs an unconnected response with its request", wireshark="enip.context"),
    Field("item_types", "u2[]", "Items of the common packet format", wireshark="enip.cpf.typeid"),
    Field("protocol_version", "u2", "Version of the encapsulation protocol", wireshark="enip.rs.version enip.encapver"),
    Field("option_flags", "u2", "Session options asked for; none is defined", wireshark="enip.rs.flags"),
    Field("capability_flags", "u2", "Bit 5: CIP over TCP, bit 8: class 0 and 1 I/O over UDP", wireshark="enip.lsr.capaflags"),
    Field("service_name", "text", "Name of an encapsulation service that the target offers", wireshark="enip.lsr.servicename"),
    Field("socket_address", "str", "Address in a socket address item or identity", wireshark="enip.sinaddr"),
    Field("vendor_id", "u2", "Vendor of the device", enum=Vendor, wireshark="enip.lir.vendor cip.id.vendor_id"),
    Field("device_type", "u2", "Device profile", enum=DeviceType, wireshark="enip.lir.devtype cip.id.device_type"),
    Field("product_code", "u2", "Product, as its vendor numbers it", wireshark="enip.lir.prodcode cip.id.product_code"),
    Field("major_revision", "u1", "Firmware revision, major", wireshark="cip.id.major_rev"),
    Field("minor_revision", "u1", "Firmware revision, minor", wireshark="cip.id.minor_rev"),
    Field("device_status", "u2", "Status word of the identity: owned, configured, faults", wireshark="enip.lir.status cip.id.status"),
    Field("serial_number", "u4", "Serial number of the device", wireshark="enip.lir.serial cip.id.serial_number"),
    Field("product_name", "text", "Product name", wireshark="enip.lir.name cip.id.product_name"),
    Field("device_state", "u1", "State of the device", enum=DeviceState, wireshark="enip.lir.state cip.id.state"),
    Field("connection_id", "u4", "Connection that the message travels on", wireshark="enip.cpf.cai.connid"),
    Field("sequence_count", "u2", "Counts messages of the connection; pairs responses with requests", wireshark="cip.seq"),
    Field("service", "u1", "CIP service without the reply bit", wireshark="cip.sc"),
    Field("operation", "u2", "What the service means to this object, where that is known", enum=Operation),
    Field("general_status", "u1", "How the object answered", enum=GeneralStatus, wireshark="cip.genstat"),
    Field("extended_status", "u2", "First word of additional status", enum=ExtendedStatus, wireshark="cip.addstat cip.cm.ext_status"),
    Field("connection_class_id", "u4", "Class that the connection leads to which the message travels on", enum=ObjectClass, wireshark="cip.class"),
    Field("connection_instance_id", "u4", "Instance of that class", wireshark="cip.instance"),
    Field("parent_class_id", "u4", "Class that the path names before the object's own", enum=ObjectClass, wireshark="cip.class"),
    Field("parent_instance_id", "u4", "Instance of that class", wireshark="cip.instance"),
    Field("class_id", "u4", "Class of the object; in a response, its request's", enum=ObjectClass, wireshark="cip.class"),
    Field("instance_id", "u4", "Instance of the class; 0 is the class itself", wireshark="cip.instance"),
    Field("attribute_id", "u4", "Attribute of the instance", wireshark="cip.attribute"),
    Field("member_id", "u4", "Member or first array index", wireshark="cip.member"),
    Field("connection_point", "u4", "Connection point in the path", wireshark="cip.connpoint"),
    Field("tag", "text", "Tag or data table address, as people write it: Program:Main.Level[3].Value, N7:0"),
    Field("attributes", "u2[]", "Attributes of a list", wireshark="cip.attribute"),
    Field("data_type", "u2", "Type of the values", enum=DataType),
    Field("template_handle", "u2", "Which structure, where the type is one"),
    Field("element_count", "u4", "Elements, words or bytes asked for or written"),
    Field("data_offset", "u4", "Where in the tag, template or memory the data begins", unit="byte"),
    Field("integers", "i8[]", "Values of Boolean, integer and bit string types"),
    Field("reals", "f8[]", "Values of real types"),
    Field("string", "text", "Value of a string type; a date and time or a path as text"),
    Field("or_mask", "bytes", "Bits that a read-modify-write sets"),
    Field("and_mask", "bytes", "Bits that a read-modify-write keeps"),
    Field("data", "bytes", "Service data that no field above says"),
    Field("reset_type", "u1", "Kind of reset", enum=ResetType, wireshark="cip.reset.type"),
    Field("connection_serial_number", "u2", "Names the connection, with the originator", wireshark="cip.cm.conn_serial_num"),
    Field("originator_vendor_id", "u2", "Vendor of the device that opened the connection", enum=Vendor, wireshark="cip.cm.vendor"),
    Field("originator_serial_number", "u4", "Serial number of that device", wireshark="cip.cm.orig_serial_num"),
    Field("ot_connection_id", "u4", "Connection id from originator to target", wireshark="cip.cm.ot_connid"),
    Field("to_connection_id", "u4", "Connection id from target to originator", wireshark="cip.cm.to_connid"),
    Field("ot_rpi", "u4", "Packet interval from originator to target, requested or actual", unit="us", wireshark="cip.cm.otrpi cip.cm.otapi"),
    Field("to_rpi", "u4", "The same from target to originator", unit="us", wireshark="cip.cm.torpi cip.cm.toapi"),
    Field("transport_class", "u1", "0 and 1 carry I/O, 2 and 3 messages", wireshark="cip.cm.fwo.transport"),
    Field("connection_path", "bytes", "Where a connection or an unconnected message goes"),
    Field("connection", "object", "Parameters of a connection that is opened: priorities, types, sizes, trigger, points"),
    Field("description", "object", "Symbols or template members that the controller describes, or the mode that a PCCC command asks for"),
    Field("pccc_command", "u1", "PCCC command", enum=PcccCommand),
    Field("pccc_function", "u2", "PCCC command and function", enum=PcccFunction),
    Field("pccc_status", "u1", "How the processor answered", enum=PcccStatus, wireshark="cip.pccc.gs.status"),
    Field("pccc_extended_status", "u1", "More of that", enum=PcccExtendedStatus, wireshark="cip.pccc.es.status"),
    Field("pccc_transaction", "u2", "Pairs a PCCC reply with its command", wireshark="cip.pccc.tns.code"),
    Field("file_type", "u1", "Kind of data table file", enum=FileType, wireshark="cip.pccc.file.type"),
)


class Direction(IntEnum):
    """Of I/O data, as far as the connection's opening was seen."""

    UNKNOWN = 0
    ORIGINATOR_TO_TARGET = 1
    TARGET_TO_ORIGINATOR = 2


IO_FIELDS = (
    Field("connection_id", "u4", "Connection of the data", wireshark="enip.cpf.sai.connid"),
    Field("sequence_number", "u4", "Encapsulation's sequence number", wireshark="enip.cpf.sai.seq"),
    Field("sequence_count", "u2", "Transport's sequence count; absent in class 0"),
    Field("header_32bit", "u4", "Real time format header: bit 0 is run, else idle", wireshark="cip.32bitheader"),
    Field("is_run", "u1", "1 while the originator is in run mode", wireshark="cip.32bitheader.run_idle"),
    Field("direction", "u1", "Who produces the data", enum=Direction),
    Field("connection_point", "u4", "Assembly that the data fills"),
    Field("transport_class", "u1", "0 or 1"),
    Field("connection_serial_number", "u2", "Names the connection, with the originator"),
    Field("originator_vendor_id", "u2", "Vendor of the device that opened the connection", enum=Vendor),
    Field("originator_serial_number", "u4", "Serial number of that device"),
    Field("rpi", "u4", "Requested packet interval", unit="us"),
    Field("data", "bytes", "The data, without count and header"),
)
