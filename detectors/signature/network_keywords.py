"""Keywords about the protocols of offices and the internet that are no buffers: DCERPC, TLS, files, RPC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from detectors.signature.arguments import negation, number, one_of, parts, unquoted, whole
from detectors.signature.draft import Draft, Key
from detectors.signature.header_keywords import Reader
from detectors.signature.payload_keywords import pattern
from detectors.signature.rule import BufferSize, Condition, Content, Dataset, Number
from detectors.signature.syntax import shortened
from detectors.signature.variables import suggestion
from sensor.applications.ike import ATTRIBUTES, TRANSFORMS
from sensor.applications.nfs_codes import OPERATIONS, V2, V3, V4

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_VERSION = re.compile(r"([<>=!])\s*(\d{1,5})")
ENCRYPTION_TYPES = {  # RFC 3961 8, RFC 3962, RFC 4757, RFC 6803, RFC 8009
    "des_cbc_crc": 1, "des_cbc_md4": 2, "des_cbc_md5": 3, "des3_cbc_md5": 5, "des3_cbc_sha1": 7, "dsawithsha1_cmsoid": 9, "md5withrsaencryption_cmsoid": 10,
    "sha1withrsaencryption_cmsoid": 11, "rc2cbc_envoid": 12, "rsaencryption_envoid": 13, "rsaes_oaep_env_oid": 14, "des_ede3_cbc_env_oid": 15,
    "des3_cbc_sha1_kd": 16, "aes128_cts_hmac_sha1_96": 17, "aes256_cts_hmac_sha1_96": 18, "aes128_cts_hmac_sha256_128": 19, "aes256_cts_hmac_sha384_192": 20,
    "rc4_hmac": 23, "rc4_hmac_exp": 24, "camellia128_cts_cmac": 25, "camellia256_cts_cmac": 26, "subkey_keymaterial": 65, "rc4_md4": -128, "rc4_plain2": -129,
    "rc4_lm": -130, "rc4_sha": -131, "des_plain": -132, "rc4_hmac_old": -133, "rc4_plain_old": -134, "rc4_hmac_old_exp": -135, "rc4_plain_old_exp": -136,
    "rc4_plain": -140, "rc4_plain_exp": -141,
}  # fmt: skip
STRONG = (17, 18, 19, 20, 25, 26)  # those with AES and Camellia
SECURITY_RESULTS = {"ok": Number("=", 0), "fail": Number("=", 1), "toomany": Number("=", 2), "unknown": Number(">", 2)}
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


def said_of_buffer(name: str, *, nocase: bool = False, exact: bool = False) -> Reader:
    """The reader of a keyword that looks for its own argument in a buffer (tls.subject, filename ...). exact: the buffer is nothing else."""

    def read(draft: Draft, value: str) -> None:
        negated, text = negation(value)
        data = pattern(unquoted(text))
        key = Key(name)
        draft.sections.setdefault(key, []).append(Content(data, negated, nocase=nocase))
        if exact and not negated:
            draft.sections[key].append(BufferSize(Number("=", len(data))))

    return read


def tls_version(draft: Draft, value: str) -> None:
    negated, text = negation(value)
    version = unquoted(text).strip().lower()
    if not re.fullmatch(r"0x[0-9a-f]{4}", version):
        version = one_of(version, TLS_VERSIONS, "version of TLS").removeprefix("tls").replace("sslv", "ssl")
    draft.condition(Condition("tls.version", version, negated))


_TIMES = ("%Y-%m", "%Y-%m-%d", "%Y-%m-%d %H", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
_SPAN = re.compile(r"([<>]?)([^<>]+)(?:(<>)([^<>]+))?")


def certificate_time(keyword: str) -> Reader:
    """The reader of tls_cert_notbefore and tls_cert_notafter: a time, < or > and a time, or two with <> between; all with the times themselves, in UTC."""

    def read(draft: Draft, value: str) -> None:
        found = _SPAN.fullmatch(unquoted(value).strip())
        if not found or (found[1] and found[3]):
            raise ValueError(f"{shortened(value) or 'nothing'} is no time of a certificate; say >2026-01-01 or 2025-01-01<>2026-01-01")
        first = _seconds(draft, found[2].strip())
        if found[3]:
            last = _seconds(draft, found[4].strip())
            if last <= first:
                raise ValueError("the second time is not after the first")
            draft.condition(Condition(keyword, Number("<>", first - 1, last + 1)))
        else:
            draft.condition(Condition(keyword, Number({"<": "<=", ">": ">="}.get(found[1], "="), first)))

    return read


def _seconds(draft: Draft, text: str) -> int:
    """Seconds since 1970, also where digits alone say them."""
    if re.fullmatch(r"\d{1,12}", text):
        if len(text) == 4:
            draft.warn("certificate times: digits alone are seconds since 1970, as in Suricata, and no year")
        return int(text)
    for form in _TIMES:
        try:
            return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp())
        except ValueError:
            continue
    raise ValueError(f"{shortened(text) or 'nothing'} is no time; say 2026-01-31 or 2026-01-31T12:00:00")


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
        draft.sections.setdefault(Key(kind.replace("file", "file.", 1)), []).append(Dataset("isnotset" if negated else "isset", f"{kind} {name}", kind, name))

    return read


def fileext(draft: Draft, value: str) -> None:
    negated, text = negation(value)
    extension = unquoted(text).strip().removeprefix(".")
    if not extension:
        raise ValueError("no extension is named")
    draft.sections.setdefault(Key("file.name"), []).append(Content(pattern("." + extension), negated, nocase=True, endswith=True))


def filestore(draft: Draft, _value: str) -> None:
    """filestore[:direction[,scope]]: that there is a file."""
    draft.warn("filestore: no files are kept; the rule is about messages with a file")
    draft.condition(Condition("filestore", ""))


def rpc(draft: Draft, value: str) -> None:
    """rpc:program[,version|*][,procedure|*]."""
    found = parts(value)
    if len(found) > 3:
        raise ValueError("rpc has a program, a version and a procedure")
    said = [str(whole(found[0], "program")), *("*" if each == "*" else str(whole(each, "version and procedure")) for each in found[1:])]
    draft.condition(Condition("rpc", ",".join(said)))


def ticket_encryption(draft: Draft, value: str) -> None:
    """krb5.ticket_encryption:[!]weak, or any of some types by name or number, with blanks or commas between them."""
    negated, word = negation(value.strip())
    if word.strip().lower() == "weak":
        draft.condition(Condition("krb5.ticket_encryption", tuple(Number("=", each) for each in STRONG), not negated))
        return
    found = []
    for each in re.split(r"[,\s]+", value.strip()):
        name = each.lower().replace("-", "_")
        if name not in ENCRYPTION_TYPES and not re.fullmatch(r"-?\d{1,10}", each):
            raise ValueError(f"{shortened(each) or 'nothing'} is no encryption type{suggestion(name, ENCRYPTION_TYPES)}")
        found.append(Number("=", ENCRYPTION_TYPES[name] if name in ENCRYPTION_TYPES else int(each)))
    draft.condition(Condition("krb5.ticket_encryption", tuple(found) if len(found) > 1 else found[0]))


def chosen_attribute(draft: Draft, value: str) -> None:
    """ike.chosen_sa_attribute:name=number."""
    name, equals, text = value.partition("=")
    known = (*dict.fromkeys((*ATTRIBUTES.values(), *TRANSFORMS.values())),)
    if not equals:
        raise ValueError(f"{shortened(value) or 'nothing'} has not the form of alg_hash=2")
    draft.condition(Condition("ike.chosen_sa_attribute", f"{one_of(name, known, 'attribute')}={whole(text, 'value')}"))


def security_result(draft: Draft, value: str) -> None:
    """rfb.secresult:ok|fail|toomany|unknown (RFC 6143 7.1.3)."""
    draft.condition(Condition("rfb.secresult", SECURITY_RESULTS[one_of(value, tuple(SECURITY_RESULTS), "security result")]))


_INCLUSIVE = re.compile(r"(\d{1,9})\s*(?:-|<>)\s*(\d{1,9})")
NFS_PROCEDURES = frozenset({*V2, *V3, *V4, *OPERATIONS.values()})


def nfs_number(keyword: str) -> Reader:
    """The reader of nfs_procedure and nfs.version: a number, a range with both ends, or a procedure's name, which each version has another number for."""

    def read(draft: Draft, value: str) -> None:
        negated, name = negation(unquoted(value).strip().lower())
        if keyword == "nfs_procedure" and name in NFS_PROCEDURES:
            draft.condition(Condition("nfs.procedure_name", name, negated))
        elif found := _INCLUSIVE.fullmatch(name):
            low, high = int(found[1]), int(found[2])
            if negated or high < low:
                raise ValueError(f"{shortened(value)} is no range")
            draft.condition(Condition(keyword, Number("<>", low - 1, high + 1)))
        else:
            draft.condition(Condition(keyword, number(value, 32)))

    return read


_SETTINGS = (
    "header_table_size",
    "enable_push",
    "max_concurrent_streams",
    "initial_window_size",
    "max_frame_size",
    "max_header_list_size",
)  # RFC 9113 6.5.2, from 1
_SETTING = re.compile(r"(?:settings_)?([a-z_]+)\s*(.*)")


def settings(draft: Draft, value: str) -> None:
    """http2.settings:NAME with a comparison behind it. The condition is about 2^32 times the identifier, and the value."""
    found = _SETTING.fullmatch(unquoted(value).strip().lower())
    name = one_of(found[1] if found else value, _SETTINGS, "setting of HTTP/2")
    base = (_SETTINGS.index(name) + 1) << 32
    asked = number(found[2] if found else "", 32)
    low, high = {
        "=": (asked.value - 1, asked.value + 1), "<": (-1, asked.value), "<=": (-1, asked.value + 1), ">": (asked.value, 1 << 32),
        ">=": (asked.value - 1, 1 << 32), "<>": (asked.value, asked.high),
    }.get(asked.operator, (0, 0))  # fmt: skip
    if not high:
        raise ValueError(f"{asked.operator} does not compare a setting")
    draft.condition(Condition("http2.settings", Number("<>", base + low, base + high)))
