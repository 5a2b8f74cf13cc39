"""Keywords about the protocols of offices and the internet that are no buffers: DCERPC, TLS, files, RPC."""

from __future__ import annotations

import re

from detectors.signature.arguments import negation, number, one_of, parts, unquoted, whole
from detectors.signature.draft import Draft, Key
from detectors.signature.header_keywords import Reader
from detectors.signature.payload_keywords import pattern
from detectors.signature.rule import BufferSize, Condition, Content, Number
from detectors.signature.syntax import shortened

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_VERSION = re.compile(r"([<>=!])\s*(\d{1,5})")
TLS_VERSIONS = ("1.0", "1.1", "1.2", "1.3", "ssl2", "ssl3", "sslv2", "sslv3", "tls1.0", "tls1.1", "tls1.2", "tls1.3")


def dce_iface(draft: Draft, value: str) -> None:
    """dce_iface:uuid[,operator version][,any_frag]. The condition's text is uuid[,operator,version]."""
    uuid, *rest = parts(unquoted(value.lower()).removeprefix("uuid").strip())
    if not _UUID.fullmatch(uuid):
        raise ValueError(f"{shortened(uuid) or 'nothing'} is no UUID")
    said = uuid
    for each in rest:
        found = _VERSION.fullmatch(re.sub(r"^version\s*", "", each))
        if found:
            said += f",{found[1]},{found[2]}"
        elif each != "any_frag":
            raise ValueError(f"{shortened(each) or 'nothing'} is no argument of dce_iface")
    draft.condition(Condition("dce_iface", said))


def dce_opnum(draft: Draft, value: str) -> None:
    """dce_opnum:15,17-20: any of them, ranges with both ends."""
    found = []
    for part in parts(unquoted(value)):
        low, dash, high = part.partition("-")
        if dash:
            begin, end = whole(low, "opnum", 0, 65_535), whole(high, "opnum", 0, 65_535)
            if end < begin:
                raise ValueError(f"{shortened(part)} is no range")
            found.append(Number("<>", begin - 1, end + 1))
        else:
            found.append(number(part, 16))
    draft.condition(Condition("dce_opnum", tuple(found) if len(found) > 1 else found[0]))


def said_of_buffer(name: str, *, exact: bool = False) -> Reader:
    """The reader of a keyword that looks for its own argument in a buffer (tls.subject, filename ...)."""

    def read(draft: Draft, value: str) -> None:
        negated, text = negation(value)
        data = pattern(unquoted(text))
        key = Key(name)
        draft.sections.setdefault(key, []).append(Content(data, negated, nocase=exact))
        if exact and not negated:
            draft.sections[key].append(BufferSize(Number("=", len(data))))

    return read


def tls_version(draft: Draft, value: str) -> None:
    negated, text = negation(value)
    version = unquoted(text).strip().lower()
    if not re.fullmatch(r"0x[0-9a-f]{4}", version):
        version = one_of(version, TLS_VERSIONS, "version of TLS").removeprefix("tls").replace("sslv", "ssl")
    draft.condition(Condition("tls.version", version, negated))


def ssl_words(keyword: str, known: tuple[str, ...]) -> Reader:
    """The reader of ssl_version and ssl_state: any of the words; ! before all of them for none."""

    def read(draft: Draft, value: str) -> None:
        words = [negation(each) for each in re.split(r"[,|]", value.replace(" ", ""))]
        if len({negated for negated, _ in words}) > 1:
            raise ValueError("words with and without ! do not go together")
        found = tuple(one_of(each, known, keyword) for _, each in words)
        draft.condition(Condition(keyword, found if len(found) > 1 else found[0], words[0][0]))

    return read


def file_list(kind: str) -> Reader:
    """The reader of filemd5, filesha1 and filesha256: a file of hashes."""

    def read(draft: Draft, value: str) -> None:
        negated, text = negation(value)
        name = unquoted(text).strip()
        if not name:
            raise ValueError("no file is named")
        draft.condition(Condition(kind, name, negated))

    return read


def fileext(draft: Draft, value: str) -> None:
    negated, text = negation(value)
    extension = unquoted(text).strip().removeprefix(".")
    if not extension:
        raise ValueError("no extension is named")
    draft.sections.setdefault(Key("file.name"), []).append(Content(pattern("." + extension), negated, nocase=True, endswith=True))


def rpc(draft: Draft, value: str) -> None:
    """rpc:program[,version|*][,procedure|*]."""
    found = parts(value)
    if len(found) > 3:
        raise ValueError("rpc has a program, a version and a procedure")
    said = [str(whole(found[0], "program")), *("*" if each == "*" else str(whole(each, "version and procedure")) for each in found[1:])]
    draft.condition(Condition("rpc", ",".join(said)))
