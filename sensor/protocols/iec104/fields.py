"""The columns of an IEC 60870-5-104 event: one row per APDU, lists where an ASDU carries several information objects."""

from __future__ import annotations

from sensor.events.field import Field
from sensor.protocols.iec104 import codes
from sensor.protocols.iec104.apci import Format, UFunction
from sensor.protocols.iec104.types import TypeId

VALUES = "float normval scalval bitstring siq.spi diq.dpi vti.v bcr.count sco.on dco.on rco.up"


def asdu(names: str) -> str:
    """Wireshark fields of the ASDU."""
    return " ".join(f"iec60870_asdu.{name}" for name in names.split())


FIELDS = (
    Field("apdu_length", "u1", "Bytes behind the length octet", "bytes", wireshark="iec60870_104.apdulen"),
    Field("format", "u1", "Numbered information transfer, supervision, or control", enum=Format, wireshark="iec60870_104.type"),
    Field("u_function", "u1", "What an unnumbered control frame does", enum=UFunction, wireshark="iec60870_104.utype"),
    Field("send_sequence", "u2", "N(S): counts the sender's ASDUs", wireshark="iec60870_104.tx"),
    Field("receive_sequence", "u2", "N(R): the N(S) that the sender expects next; what came before is acknowledged", wireshark="iec60870_104.rx"),
    Field("expected_send_sequence", "u2", "The N(S) that was due, where another came"),
    Field("acknowledged_before", "u2", "The sender's N(R) before, where this one goes back"),
    Field("type_id", "u1", "Type identification of the ASDU", enum=TypeId, wireshark=asdu("typeid")),
    Field("category", "u1", "Who defines the type: the standard, nobody yet, or a vendor", enum=codes.Category),
    Field("sequence_of_elements", "u1", "SQ: 1 where one address counts up through all objects", wireshark=asdu("sq")),
    Field("number_of_objects", "u1", "Information objects or elements that the ASDU announces", wireshark=asdu("numix")),
    Field("cause", "u1", "Cause of transmission", enum=codes.Cause, wireshark=asdu("causetx")),
    Field("negative", "u1", "P/N: 1 where an activation is refused", wireshark=asdu("nega")),
    Field("test", "u1", "T: 1 in ASDUs that are tests and must not act on the process", wireshark=asdu("test")),
    Field("originator", "u1", "Originator address: which controlling station asked, 0 where unused", wireshark=asdu("oa")),
    Field("common_address", "u2", "Common address: the station or part of it; 65535 is all of them", wireshark=asdu("addr")),
    Field("ioa", "u4[]", "Information object addresses", wireshark=asdu("ioa")),
    Field("value", "f8[]", "Values by object: states, measured and counted values, set points, bit strings", wireshark=asdu(VALUES)),
    Field("quality", "u1[]", "Octet that tells each object's quality: 80 invalid, 40 not topical, 20 substituted, 10 blocked", wireshark=asdu("siq diq qds")),
    Field("time", "M8[ns][]", "Time tags of seven octets, read as UTC; null where they hold no time", wireshark=asdu("cp56time")),
    Field("time_end", "M8[ns][]", "End of the range whose log is asked for"),
    Field("time_invalid", "u1[]", "IV of each time tag", wireshark=asdu("cp24time.iv cp56time.iv")),
    Field("summer_time", "u1[]", "SU of each time tag", wireshark=asdu("cp56time.su")),
    Field("time_of_hour", "u4[]", "Time tags of three octets", "ms"),
    Field("elapsed", "u2[]", "Elapsed, duration or operating time", "ms"),
    Field("association", "u2[]", "Association that each security statistic is about"),
    Field("counter_sequence", "u1[]", "Sequence notation of integrated totals", wireshark=asdu("bcr.sq")),
    Field("transient", "u1[]", "T of step positions: 1 while the equipment moves", wireshark=asdu("vti.t")),
    Field("changed", "u2[]", "Bits of packed single points that changed since the last report"),
    Field("command", "u1", "State commanded: single 0 off, 1 on; double 1 off, 2 on; step 1 lower, 2 higher"),
    Field("qualifier_of_command", "u1", "QU: how the output acts", enum=codes.QualifierOfCommand, wireshark=asdu("sco.qu dco.qu rco.qu")),
    Field("select", "u1", "S/E: 1 selects, 0 executes", wireshark=asdu("sco.se dco.se rco.se qos.se")),
    Field("qualifier_of_set_point", "u1", "QL of a set point command", wireshark=asdu("qos.ql")),
    Field("qualifier_of_interrogation", "u1", "QOI: what is interrogated", enum=codes.QualifierOfInterrogation, wireshark=asdu("qoi")),
    Field("counter_request", "u1", "RQT: which counters", enum=codes.CounterRequest, wireshark=asdu("rqt")),
    Field("counter_freeze", "u1", "FRZ: what is done to them", enum=codes.CounterFreeze, wireshark=asdu("frz")),
    Field("kind_of_parameter", "u1", "KPA of a parameter of measured values", enum=codes.KindOfParameter, wireshark=asdu("qpm.kpa")),
    Field("parameter_change", "u1", "LPC: 1 where the parameter was changed locally", wireshark=asdu("qpm.lpc")),
    Field("parameter_operation", "u1", "POP: 1 where the parameter is not in operation", wireshark=asdu("qpm.pop")),
    Field("parameter_activation", "u1", "QPA: which parameters are put into operation", enum=codes.ParameterActivation),
    Field("reset_process", "u1", "QRP: what is reset", enum=codes.ResetProcess, wireshark=asdu("qrp")),
    Field("cause_of_initialization", "u1", "COI: why the station started", enum=codes.CauseOfInitialization, wireshark=asdu("coi_r")),
    Field("parameters_changed", "u1", "BS1 of COI: 1 where local parameters were changed", wireshark=asdu("coi_i")),
    Field("test_pattern", "u2", "Fixed test bit pattern, 0x55AA"),
    Field("test_sequence", "u2", "Test sequence counter"),
    Field("name_of_file", "u2[]", "Names of files"),
    Field("length_of_file", "u4[]", "Lengths of files or sections", "bytes"),
    Field("status_of_file", "u1[]", "SOF of a directory's entries: 20 last, 40 a subdirectory, 80 transfer is active"),
    Field("name_of_section", "u1", "Name of the section"),
    Field("file_refused", "u1", "BS1 of FRQ or SRQ: 1 where the file or section is not ready"),
    Field("select_and_call", "u1", "What is done with a file or section", enum=codes.SelectAndCall),
    Field("last_section_or_segment", "u1", "LSQ: what ends here", enum=codes.LastSectionOrSegment),
    Field("file_acknowledge", "u1", "AFQ: what is acknowledged", enum=codes.FileAcknowledge),
    Field("file_error", "u1", "Why a file service failed", enum=codes.FileError),
    Field("checksum", "u1", "Sum of the bytes of a section or file, modulo 256"),
    Field("length_of_segment", "u1", "Bytes of a file's segment", "bytes"),
    Field("authentication", "object", "What the first segment of an ASDU of secure authentication says, and which segment it is"),
    Field(
        "data", "bytes", "A file's segment, or what follows the common address in types of secure authentication and those that the standard does not define"
    ),
)
