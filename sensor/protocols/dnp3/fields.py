"""The fields of DNP3 events."""

from sensor.events.field import Field
from sensor.protocols.dnp3.codes import ControlStatus, FileMode, FileStatus, FileType, Function, Indication, Operation, PrefixCode, RangeCode, TripClose
from sensor.protocols.dnp3.link import Broadcast, Direction, PrimaryFunction, SecondaryFunction
from sensor.protocols.dnp3.objects import Group

FIELDS = (
    # the frame
    Field("length", "u1", "Bytes of the frame behind the length, without checksums", wireshark="dnp3.len"),
    Field("direction", "u1", "Whether the master sent it or an outstation", enum=Direction, wireshark="dnp3.ctl.dir"),
    Field("primary", "u1", "1 for a frame that begins a link service, 0 for one that completes it", wireshark="dnp3.ctl.prm"),
    Field("frame_count_bit", "u1", "Alternates between confirmed frames", wireshark="dnp3.ctl.fcb"),
    Field("frame_count_valid", "u1", "Whether the receiver is to look at the frame count bit", wireshark="dnp3.ctl.fcv"),
    Field("data_flow_control", "u1", "1 when the sender has no room for user data", wireshark="dnp3.ctl.dfc"),
    Field("primary_function", "u1", "Link service that is begun", enum=PrimaryFunction, wireshark="dnp3.ctl.prifunc"),
    Field("secondary_function", "u1", "Answer of the link layer", enum=SecondaryFunction, wireshark="dnp3.ctl.secfunc"),
    Field("destination", "u2", "Link address of the receiver", wireshark="dnp3.dst"),
    Field("source", "u2", "Link address of the sender", wireshark="dnp3.src"),
    Field("broadcast", "u2", "Sent to all outstations, and whether they confirm", enum=Broadcast),
    # the transport segment
    Field("transport_final", "u1", "Last segment of its fragment", wireshark="dnp3.tr.fin"),
    Field("transport_first", "u1", "First segment of its fragment", wireshark="dnp3.tr.fir"),
    Field("transport_sequence", "u1", "Counts segments", wireshark="dnp3.tr.seq"),
    # the application fragment, in the frame that completes it
    Field("first", "u1", "First fragment of its message", wireshark="dnp3.al.fir"),
    Field("final", "u1", "Last fragment of its message", wireshark="dnp3.al.fin"),
    Field("confirm", "u1", "The receiver shall confirm", wireshark="dnp3.al.con"),
    Field("unsolicited", "u1", "An unsolicited response, or its confirmation", wireshark="dnp3.al.uns"),
    Field("sequence", "u1", "Counts fragments; a response has its request's", wireshark="dnp3.al.seq"),
    Field("function", "u1", "What is asked for, or how it is answered", enum=Function, wireshark="dnp3.al.func"),
    Field("iin", "u2", "Internal indications, IIN1 in the high byte", wireshark="dnp3.al.iin"),
    Field("indications", "u1[]", "Internal indications that are set", enum=Indication),
    # object headers
    Field("object", "u2[]", "Object of each header: group * 256 + variation", wireshark="dnp3.al.obj"),
    Field("object_group", "u1[]", "Group of each header", enum=Group),
    Field("object_variation", "u1[]", "Variation of each header; 0 asks for any"),
    Field("prefix_code", "u1[]", "What stands before each item, by header", enum=PrefixCode, wireshark="dnp3.al.objq.prefix"),
    Field("range_code", "u1[]", "How each header names its items", enum=RangeCode, wireshark="dnp3.al.objq.range"),
    Field("object_count", "u4[]", "Items that each header names; 0 for all of them"),
    Field("first_index", "u4[]", "Index of the first item of each header; 0 where its range names none"),
    Field("unread", "bytes", "Objects that could not be read: of an unknown size, or behind a reserved qualifier"),
    # controls
    Field("control_index", "u4[]", "Index of each output that is controlled"),
    Field("control_status", "u1[]", "Status of each control: in a response, what came of it", enum=ControlStatus, wireshark="dnp3.al.ctrlstatus"),
    Field("operation", "u1[]", "Operation of each control block", enum=Operation, wireshark="dnp3.ctl.op"),
    Field("queue_clear", "u1[]", "Queue (bit 0, obsolete) and clear (bit 1) of each control block", wireshark="dnp3.ctl.clr"),
    Field("trip_close", "u1[]", "Trip or close of each control block", enum=TripClose, wireshark="dnp3.ctl.trip"),
    Field("control_count", "u1[]", "Times that each control block's operation is done", wireshark="dnp3.al.count"),
    Field("on_time", "u4[]", "How long each pulse is on", unit="ms", wireshark="dnp3.al.on_time"),
    Field("off_time", "u4[]", "How long each pulse is off", unit="ms", wireshark="dnp3.al.off_time"),
    Field("set_point", "f8[]", "Value of each analog output"),
    Field("select_frame", "u8", "Frame of the select that this operate carries out"),
    # time
    Field("time", "M8[ns]", "Time that is written or told, UTC; of several the last"),
    Field("time_delay", "u4", "Delay that the outstation tells", unit="ms", wireshark="dnp3.al.time_delay"),
    # files
    Field("file_name", "text", "Name of the file or directory", wireshark="dnp3.al.file_name"),
    Field("file_mode", "u2", "What the file is opened for", enum=FileMode, wireshark="dnp3.al.file.mode"),
    Field("file_type", "u2", "File or directory", enum=FileType),
    Field("file_size", "u4", "Bytes of the file", wireshark="dnp3.al.file.size"),
    Field("file_permissions", "u2", "Read 4, write 2, execute 1 for world, group and owner, octal digits", wireshark="dnp3.al.file.perms"),
    Field("file_request_id", "u2", "Pairs file requests and statuses", wireshark="dnp3.al.file.reqID"),
    Field("file_maximum_block", "u2", "Bytes of a block at most", wireshark="dnp3.al.file.maxblock"),
    Field("file_authentication_key", "u4", "Key that the outstation gave for one operation", wireshark="dnp3.al.file.auth"),
    Field("file_handle", "u4", "Handle of the open file", wireshark="dnp3.al.file.handle"),
    Field("file_block", "u4", "Number of the block", wireshark="dnp3.al.file.blocknum"),
    Field("file_last_block", "u1", "1 for the last block", wireshark="dnp3.al.file.lastblock"),
    Field("file_status", "u1", "What came of the file operation", enum=FileStatus, wireshark="dnp3.al.file.status"),
    Field("file_data", "bytes", "Content of the block", wireshark="dnp3.al.file.data"),
    Field("file_time", "M8[ns]", "When the file was made, UTC"),
    Field("user_name", "text", "User who asks for a file authentication key; the password is sent with it in clear text"),
    # what is rare
    Field("attributes", "object", "What the device says of itself, by name (group 0)"),
    Field("application", "text", "Application that is initialized, started or stopped; of several the first"),
    Field("operation_status", "u1[]", "Status of each object of a configuration that was to be activated"),
    Field("data_sets", "object", "Data sets, their descriptors and prototypes, and private objects (groups 83, 85 to 88), one after the other"),
    Field("authentication", "object", "Secure authentication objects (group 120), one after the other"),
)
