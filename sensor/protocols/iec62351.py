"""The codes of secure authentication (IEC 62351-5), which DNP3 (IEEE 1815-2012, A.45) and IEC 60870-5-104 (IEC TS 60870-5-7) carry in their own objects."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from sensor.events.field import coded


class AuthenticationError(IntEnum):  # 2 and 3 are of older versions
    AUTHENTICATION_FAILED = 1
    UNEXPECTED_REPLY = 2
    NO_REPLY = 3
    AGGRESSIVE_MODE_NOT_SUPPORTED = 4
    MAC_ALGORITHM_NOT_SUPPORTED = 5
    KEY_WRAP_ALGORITHM_NOT_SUPPORTED = 6
    AUTHORIZATION_FAILED = 7
    KEY_CHANGE_METHOD_NOT_PERMITTED = 8
    INVALID_SIGNATURE = 9
    INVALID_CERTIFICATION_DATA = 10
    UNKNOWN_USER = 11
    MAX_SESSION_KEY_STATUS_REQUESTS_EXCEEDED = 12


class MacAlgorithm(IntEnum):
    NONE = 0
    HMAC_SHA_1_4_OCTETS = 1
    HMAC_SHA_1_10_OCTETS = 2
    HMAC_SHA_256_8_OCTETS = 3
    HMAC_SHA_256_16_OCTETS = 4
    HMAC_SHA_1_8_OCTETS = 5
    AES_GMAC = 6


class ChallengeReason(IntEnum):
    CRITICAL = 1


class KeyWrapAlgorithm(IntEnum):
    AES_128 = 1
    AES_256 = 2


class KeyStatus(IntEnum):
    OK = 1
    NOT_INITIALIZED = 2
    COMMUNICATION_FAILED = 3
    AUTHENTICATION_FAILED = 4


class KeyChangeMethod(IntEnum):
    AES_128_SHA_1_HMAC = 3
    AES_256_SHA_256_HMAC = 4
    AES_256_AES_GMAC = 5
    RSA_1024_DSA_SHA_1_HMAC_SHA_1 = 67
    RSA_2048_DSA_SHA_256_HMAC_SHA_256 = 68
    RSA_3072_DSA_SHA_256_HMAC_SHA_256 = 69
    RSA_2048_DSA_SHA_256_AES_GMAC = 70
    RSA_3072_DSA_SHA_256_AES_GMAC = 71


class CertificateType(IntEnum):
    IDENTITY = 1
    ATTRIBUTE = 2


class UserOperation(IntEnum):
    ADD = 1
    DELETE = 2
    CHANGE = 3


class UserRole(IntEnum):
    """IEC 62351-8."""

    VIEWER = 0
    OPERATOR = 1
    ENGINEER = 2
    INSTALLER = 3
    SECURITY_ADMINISTRATOR = 4
    SECURITY_AUDITOR = 5
    ROLE_MANAGER = 6
    SINGLE_USER = 32768


# Which numbers of an object are codes
CODES: dict[str, type[IntEnum]] = {
    "error_code": AuthenticationError, "mac_algorithm": MacAlgorithm, "reason": ChallengeReason, "key_wrap_algorithm": KeyWrapAlgorithm,
    "key_status": KeyStatus, "key_change_method": KeyChangeMethod, "certificate_type": CertificateType, "operation": UserOperation, "user_role": UserRole,
}  # fmt: skip


def named(record: dict[str, Any]) -> dict[str, Any]:
    """An object's numbers as documents show them: codes with their names."""
    return {name: coded(CODES[name], value) if name in CODES else value for name, value in record.items()}
