"""What a file is by its first bytes, in the words of file(1), for file.magic and filemagic. The kinds that cross plants' networks; of others nothing is said.

Sources: PE/COFF specification 3 (Microsoft); System V ABI, 4 (ELF); APPNOTE 4.3.7 (ZIP); RFC 1952 2.3.1 (gzip); ISO 32000-1 7.5.2 (PDF); [MS-CFB] 2.2.
"""

from __future__ import annotations

from struct import unpack_from

MACHINES = {0x014C: "Intel 80386", 0x8664: "x86-64", 0x01C0: "ARM", 0x01C4: "ARMv7 Thumb", 0xAA64: "Aarch64"}
SUBSYSTEMS = {1: "native", 2: "GUI", 3: "console"}
ELF_TYPES = {1: "relocatable", 2: "executable", 3: "shared object", 4: "core file"}
ELF_MACHINES = {2: "SPARC", 3: "Intel 80386", 8: "MIPS", 20: "PowerPC or cisco 4500", 40: "ARM", 42: "Renesas SH", 62: "x86-64", 183: "ARM aarch64"}
STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b\x08", "gzip compressed data"),
    (b"BZh", "bzip2 compressed data"),
    (b"\xfd7zXZ\0", "XZ compressed data"),
    (b"\x28\xb5\x2f\xfd", "Zstandard compressed data"),
    (b"7z\xbc\xaf\x27\x1c", "7-zip archive data"),
    (b"Rar!\x1a\x07\0", "RAR archive data"),
    (b"Rar!\x1a\x07\1\0", "RAR archive data, v5"),
    (b"MSCF\0\0\0\0", "Microsoft Cabinet archive data"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Composite Document File V2 Document"),
    (b"{\\rtf", "Rich Text Format data"),
    (b"\x89PNG\r\n\x1a\n", "PNG image data"),
    (b"\xff\xd8\xff", "JPEG image data"),
    (b"GIF87a", "GIF image data, version 87a"),
    (b"GIF89a", "GIF image data, version 89a"),
    (b"CWS", "Macromedia Flash data (compressed)"),
    (b"FWS", "Macromedia Flash data"),
    (b"L\0\0\0\1\x14\2\0\0\0\0\0\xc0\0\0\0\0\0\0F", "MS Windows shortcut"),
    (b"\xd4\xc3\xb2\xa1", "pcap capture file, microsecond ts (little-endian)"),
    (b"\x27\x05\x19\x56", "u-boot legacy uImage"),
    (b"hsqs", "Squashfs filesystem, little endian"),
    (b"-----BEGIN CERTIFICATE-----", "PEM certificate"),
    (b"SQLite format 3\0", "SQLite 3.x database"),
    (b"<?xml", "XML document text"),
)
TEXT = bytes((*range(7, 14), 27, *range(32, 127)))
WITHIN_ZIP = (
    (b"word/", "Microsoft Word 2007+"),
    (b"xl/", "Microsoft Excel 2007+"),
    (b"ppt/", "Microsoft PowerPoint 2007+"),
    (b"META-INF/", "Java archive data (JAR)"),
)


def magic(data: bytes) -> bytes:
    """The description; empty where the kind is none of these."""
    if data.startswith(b"MZ"):
        return _windows(data).encode()
    if data.startswith(b"\x7fELF") and len(data) >= 20:
        return _elf(data).encode()
    if data.startswith(b"%PDF-"):
        return b"PDF document, version " + data[5:8]
    if data.startswith(b"PK\3\4"):
        return next((text for name, text in WITHIN_ZIP if name in data[30:4096]), "Zip archive data").encode()
    if data.startswith(b"\xca\xfe\xba\xbe") and len(data) >= 8:
        return b"compiled Java class data, version %d.%d" % (unpack_from(">H", data, 6)[0], unpack_from(">H", data, 4)[0])
    if data.startswith(b"#!"):
        interpreter = data[2:64].split(b"\n")[0].strip()
        return b"a " + interpreter + b" script text executable"
    if data[:512].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return b"HTML document text"
    return (next((text for start, text in STARTS if data.startswith(start)), "") or _text(data)).encode()


def _text(data: bytes) -> str:
    """What holds nothing but ASCII text (file(1), "text files"), and how its lines end."""
    if not data or data.translate(None, TEXT):
        return ""
    return "ASCII text" + (", with CRLF line terminators" if b"\r\n" in data else "" if b"\n" in data else ", with no line terminators")


def _windows(data: bytes) -> str:
    """PE/COFF 3: the signature is where the word at 0x3C says; the optional header follows the 20 bytes of the COFF header."""
    at = unpack_from("<I", data, 0x3C)[0] if len(data) >= 0x40 else 0
    if not at or data[at : at + 4] != b"PE\0\0" or len(data) < at + 94:
        return "MS-DOS executable"
    machine, flags = unpack_from("<H", data, at + 4)[0], unpack_from("<H", data, at + 22)[0]
    form = {0x10B: "PE32", 0x20B: "PE32+"}.get(unpack_from("<H", data, at + 24)[0], "PE")
    subsystem = SUBSYSTEMS.get(unpack_from("<H", data, at + 92)[0], "unknown")
    return f"{form} executable {'(DLL) ' if flags & 0x2000 else ''}({subsystem}) {MACHINES.get(machine, 'unknown processor')}, for MS Windows"


def _elf(data: bytes) -> str:
    """System V ABI 4: class and data are the fifth and sixth octet."""
    order = "<" if data[5] == 1 else ">"
    kind, machine = unpack_from(f"{order}HH", data, 16)
    bits, end = {1: 32, 2: 64}.get(data[4], 0), "LSB" if order == "<" else "MSB"
    return f"ELF {bits}-bit {end} {ELF_TYPES.get(kind, 'unknown')}, {ELF_MACHINES.get(machine, 'unknown machine')}"
