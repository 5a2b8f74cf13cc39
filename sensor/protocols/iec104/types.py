"""The type identifications: number, information elements and action of each in one line, from which decoder, fields and points are derived.

IEC 60870-5-101, 7.2.1.1 and 7.3; IEC 60870-5-104, section 8, for 58 to 64, 107 and 127; IEC TS 60870-5-7 for 41 and 81 to 95.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np

from sensor.events.vocabulary import Action
from sensor.protocols.iec104 import elements as e
from sensor.protocols.iec104.codes import Category, Cause
from sensor.protocols.iec104.elements import Element

A = Action


class TypeId(IntEnum):
    """A type identification; `elements` are those of one information object, `action` what its ASDUs do."""

    elements: tuple[Element, ...]
    action: Action

    def __new__(cls, number: int, action: Action, *elements: Element) -> TypeId:  # noqa: PYI034 - an enum has no subclasses
        member = int.__new__(cls, number)
        member._value_ = number
        member.action, member.elements = action, elements
        return member

    M_SP_NA_1 = 1, A.REPORT, e.SIQ
    M_SP_TA_1 = 2, A.REPORT, e.SIQ, e.CP24
    M_DP_NA_1 = 3, A.REPORT, e.DIQ
    M_DP_TA_1 = 4, A.REPORT, e.DIQ, e.CP24
    M_ST_NA_1 = 5, A.REPORT, e.VTI, e.QDS
    M_ST_TA_1 = 6, A.REPORT, e.VTI, e.QDS, e.CP24
    M_BO_NA_1 = 7, A.REPORT, e.BSI, e.QDS
    M_BO_TA_1 = 8, A.REPORT, e.BSI, e.QDS, e.CP24
    M_ME_NA_1 = 9, A.REPORT, e.NVA, e.QDS
    M_ME_TA_1 = 10, A.REPORT, e.NVA, e.QDS, e.CP24
    M_ME_NB_1 = 11, A.REPORT, e.SVA, e.QDS
    M_ME_TB_1 = 12, A.REPORT, e.SVA, e.QDS, e.CP24
    M_ME_NC_1 = 13, A.REPORT, e.R32, e.QDS
    M_ME_TC_1 = 14, A.REPORT, e.R32, e.QDS, e.CP24
    M_IT_NA_1 = 15, A.REPORT, e.BCR
    M_IT_TA_1 = 16, A.REPORT, e.BCR, e.CP24
    M_EP_TA_1 = 17, A.REPORT, e.SEP, e.CP16, e.CP24
    M_EP_TB_1 = 18, A.REPORT, e.SPE, e.QDP, e.CP16, e.CP24
    M_EP_TC_1 = 19, A.REPORT, e.OCI, e.QDP, e.CP16, e.CP24
    M_PS_NA_1 = 20, A.REPORT, e.SCD, e.QDS
    M_ME_ND_1 = 21, A.REPORT, e.NVA
    M_SP_TB_1 = 30, A.REPORT, e.SIQ, e.CP56
    M_DP_TB_1 = 31, A.REPORT, e.DIQ, e.CP56
    M_ST_TB_1 = 32, A.REPORT, e.VTI, e.QDS, e.CP56
    M_BO_TB_1 = 33, A.REPORT, e.BSI, e.QDS, e.CP56
    M_ME_TD_1 = 34, A.REPORT, e.NVA, e.QDS, e.CP56
    M_ME_TE_1 = 35, A.REPORT, e.SVA, e.QDS, e.CP56
    M_ME_TF_1 = 36, A.REPORT, e.R32, e.QDS, e.CP56
    M_IT_TB_1 = 37, A.REPORT, e.BCR, e.CP56
    M_EP_TD_1 = 38, A.REPORT, e.SEP, e.CP16, e.CP56
    M_EP_TE_1 = 39, A.REPORT, e.SPE, e.QDP, e.CP16, e.CP56
    M_EP_TF_1 = 40, A.REPORT, e.OCI, e.QDP, e.CP16, e.CP56
    S_IT_TC_1 = 41, A.REPORT, e.AID, e.BCR, e.CP56
    C_SC_NA_1 = 45, A.OPERATE, e.SCO
    C_DC_NA_1 = 46, A.OPERATE, e.DCO
    C_RC_NA_1 = 47, A.OPERATE, e.RCO
    C_SE_NA_1 = 48, A.OPERATE, e.NVA, e.QOS
    C_SE_NB_1 = 49, A.OPERATE, e.SVA, e.QOS
    C_SE_NC_1 = 50, A.OPERATE, e.R32, e.QOS
    C_BO_NA_1 = 51, A.OPERATE, e.BSI
    C_SC_TA_1 = 58, A.OPERATE, e.SCO, e.CP56
    C_DC_TA_1 = 59, A.OPERATE, e.DCO, e.CP56
    C_RC_TA_1 = 60, A.OPERATE, e.RCO, e.CP56
    C_SE_TA_1 = 61, A.OPERATE, e.NVA, e.QOS, e.CP56
    C_SE_TB_1 = 62, A.OPERATE, e.SVA, e.QOS, e.CP56
    C_SE_TC_1 = 63, A.OPERATE, e.R32, e.QOS, e.CP56
    C_BO_TA_1 = 64, A.OPERATE, e.BSI, e.CP56
    M_EI_NA_1 = 70, A.REPORT, e.COI
    S_CH_NA_1 = 81, A.AUTHENTICATE
    S_RP_NA_1 = 82, A.AUTHENTICATE
    S_AR_NA_1 = 83, A.AUTHENTICATE
    S_KR_NA_1 = 84, A.AUTHENTICATE
    S_KS_NA_1 = 85, A.AUTHENTICATE
    S_KC_NA_1 = 86, A.AUTHENTICATE
    S_ER_NA_1 = 87, A.AUTHENTICATE
    S_US_NA_1 = 90, A.AUTHENTICATE
    S_UQ_NA_1 = 91, A.AUTHENTICATE
    S_UR_NA_1 = 92, A.AUTHENTICATE
    S_UK_NA_1 = 93, A.AUTHENTICATE
    S_UA_NA_1 = 94, A.AUTHENTICATE
    S_UC_NA_1 = 95, A.AUTHENTICATE
    C_IC_NA_1 = 100, A.READ, e.QOI
    C_CI_NA_1 = 101, A.READ, e.QCC
    C_RD_NA_1 = 102, A.READ
    C_CS_NA_1 = 103, A.TIME_SET, e.CP56
    C_TS_NA_1 = 104, A.DIAGNOSTICS, e.FBP
    C_RP_NA_1 = 105, A.RESTART, e.QRP
    C_CD_NA_1 = 106, A.TIME_SET, e.CP16
    C_TS_TA_1 = 107, A.DIAGNOSTICS, e.TSC, e.CP56
    P_ME_NA_1 = 110, A.CONFIGURE_WRITE, e.NVA, e.QPM
    P_ME_NB_1 = 111, A.CONFIGURE_WRITE, e.SVA, e.QPM
    P_ME_NC_1 = 112, A.CONFIGURE_WRITE, e.R32, e.QPM
    P_AC_NA_1 = 113, A.CONFIGURE_WRITE, e.QPA
    F_FR_NA_1 = 120, A.FILE_ACCESS, e.NOF, e.LOF, e.FRQ
    F_SR_NA_1 = 121, A.FILE_ACCESS, e.NOF, e.NOS, e.LOF, e.SRQ
    F_SC_NA_1 = 122, A.FILE_ACCESS, e.NOF, e.NOS, e.SCQ
    F_LS_NA_1 = 123, A.FILE_ACCESS, e.NOF, e.NOS, e.LSQ, e.CHS
    F_AF_NA_1 = 124, A.FILE_ACCESS, e.NOF, e.NOS, e.AFQ
    F_SG_NA_1 = 125, A.FILE_ACCESS, e.NOF, e.NOS, e.LOS
    F_DR_TA_1 = 126, A.FILE_ACCESS, e.NOF, e.LOF, e.SOF, e.CP56
    F_SC_NB_1 = 127, A.FILE_ACCESS, e.NOF, e.CP56, e.CP56_END


T = TypeId
COMMANDS = tuple(t for t in T if t.action == A.OPERATE)  # where their qualifier says so (S/E), they only select (7.2.6.26, 7.2.6.39)
MONITORED = (*(t for t in T if t.name.startswith("M_") and t != T.M_EI_NA_1), T.S_IT_TC_1)
SECURITY = tuple(t for t in T if t.name.startswith("S_") and t != T.S_IT_TC_1)  # without information objects, and cut into segments: authentication.py
SEQUENCED = (1, 3, 5, 7, 9, 11, 13, 15, 20, 21, 126)  # 7.3: types whose objects may stand as a sequence of elements (SQ = 1)
SEQUENCE_ONLY = (T.F_DR_TA_1,)
SINGLE = tuple(t for t in T if t not in MONITORED and t not in SECURITY and t not in SEQUENCE_ONLY)  # one object, SQ = 0

BY_NUMBER = {int(t): t for t in T}
LAYOUT = {t: np.dtype([octets for element in t.elements for octets in element.layout]) for t in T}


def by_type(dtype: Any, values: dict[TypeId, Any], other: Any = 0) -> Any:
    """A table of 256 entries by type number."""
    table = np.full(256, other, dtype)
    for t, value in values.items():
        table[t] = value
    return table


def marked(numbers: Iterable[int]) -> Any:
    return np.isin(np.arange(256), list(numbers))


SIZE = by_type(np.int64, {t: LAYOUT[t].itemsize for t in T})
ACTION = by_type(np.uint8, {t: t.action for t in T}, A.OTHER)
CATEGORY = by_type(np.uint8, dict.fromkeys(T, Category.STANDARD), Category.RESERVED)
CATEGORY[128:] = Category.PRIVATE
IS_OPAQUE = by_type(np.bool_, {t: t in SECURITY for t in T}, True)  # no elements are known for it
IS_MONITORED, IS_COMMAND = marked(MONITORED), marked(COMMANDS)
VALUED = {t: next(element for element in t.elements if element.raw is not None) for t in T if any(element.raw is not None for element in t.elements)}
RAW = by_type(np.uint8, {t: element.raw for t, element in VALUED.items()})
HAS_VALUE = by_type(np.bool_, dict.fromkeys(VALUED, True))
QUALITY = np.zeros((256, 256), np.uint16)  # by type and the octet that carries its quality
for _type in T:
    for _element in _type.elements:
        if _element.quality is not None:
            QUALITY[_type] = _element.quality

# 7.2.2: by type and the octet of SQ and number, whether they contradict each other
_number, _sequenced = np.arange(256) & 0x7F, np.arange(256) >= 0x80
IRREGULAR = np.tile(_number == 0, (256, 1))
IRREGULAR |= marked(SINGLE)[:, None] & (_sequenced | (_number != 1))
IRREGULAR |= (IS_MONITORED & ~marked(SEQUENCED))[:, None] & _sequenced

# 7.2.3 and 7.3: the causes with which a type may come; unknown type, cause and addresses (44 to 47) answer whatever came from the control direction
REFUSALS = range(Cause.UNKNOWN_TYPE_IDENTIFICATION, Cause.UNKNOWN_INFORMATION_OBJECT_ADDRESS + 1)
IS_REFUSAL = np.isin(np.arange(64), REFUSALS)
_ALLOWED: dict[tuple[TypeId, ...], tuple[int, ...]] = {
    MONITORED: (1, 2, 3, 5, 11, 12, *range(20, 42)),
    (T.M_EI_NA_1,): (4,),
    (*COMMANDS, T.C_IC_NA_1, T.C_CI_NA_1, T.C_TS_NA_1, T.C_RP_NA_1, T.C_TS_TA_1): (*range(6, 11), *REFUSALS),
    (T.C_CS_NA_1, T.C_CD_NA_1): (3, *range(6, 11), *REFUSALS),
    (T.C_RD_NA_1,): (5, *REFUSALS),
    (T.P_ME_NA_1, T.P_ME_NB_1, T.P_ME_NC_1): (6, 7, *range(20, 37), *REFUSALS),
    (T.P_AC_NA_1,): (*range(6, 10), *REFUSALS),
    tuple(t for t in T if t.action == A.FILE_ACCESS): (3, 5, 13, *REFUSALS),
    (*SECURITY, T.S_IT_TC_1): (3, 14, 15, 16, 37, *REFUSALS),
}
CAUSE_ALLOWED = np.zeros((256, 64), np.bool_)
CAUSE_ALLOWED[:, 48:] = True  # special use
CAUSE_ALLOWED[CATEGORY != Category.STANDARD, :] = True
CAUSE_ALLOWED[:, [0, *range(17, 20), 42, 43]] = False
for _types, _causes in _ALLOWED.items():
    CAUSE_ALLOWED[np.ix_(_types, _causes)] = True


class Sense(IntFlag):
    """What type and cause say together."""

    ASKS = 1  # the controlling station wants something done, and will get a confirmation
    CONFIRMS = 2
    READS = 4  # the same for a value
    ANSWERS = 8
    MONITORS = 16  # comes from the controlled station by itself
    NOT_ALLOWED = 32


_CONTROLLED = marked(t for t in T if t.name[0] in "CP" and t != T.C_RD_NA_1)[:, None]
_READ = marked((T.C_RD_NA_1,))[:, None]
_CAUSE = np.arange(64)[None, :]
_REPORTS = marked((*MONITORED, T.M_EI_NA_1))[:, None]
SENSE = np.zeros((256, 64), np.uint8)  # by type and cause
for _sense, _holds in (
    (Sense.ASKS, _CONTROLLED & np.isin(_CAUSE, (Cause.ACTIVATION, Cause.DEACTIVATION))),
    (Sense.CONFIRMS, _CONTROLLED & np.isin(_CAUSE, (Cause.ACTIVATION_CONFIRMATION, Cause.DEACTIVATION_CONFIRMATION, *REFUSALS))),
    (Sense.READS, _READ & (_CAUSE == Cause.REQUEST)),
    (Sense.ANSWERS, IS_MONITORED[:, None] & (_CAUSE == Cause.REQUEST) | _READ & np.isin(_CAUSE, REFUSALS)),
    (Sense.MONITORS, _REPORTS & (_CAUSE >= 0)),
    (Sense.NOT_ALLOWED, ~CAUSE_ALLOWED),
):
    SENSE[_holds] |= np.uint8(_sense)
