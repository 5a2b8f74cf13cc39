"""Numbers of IKE as words, and which algorithms are weak.

IANA, Internet Key Exchange Version 2 (IKEv2) Parameters; IANA, Internet Key Exchange (IKE) Attributes (version 1: RFC 2409 A); RFC 2408 3.14.1 (notifications of
version 1); RFC 8247 (what is weak). Events: those that Suricata 8 has.
"""

from __future__ import annotations

EXCHANGES = {
    1: "base", 2: "identity_protection", 3: "authentication_only", 4: "aggressive", 5: "informational", 6: "transaction", 32: "quick_mode", 33: "new_group_mode",
    34: "ike_sa_init", 35: "ike_auth", 36: "create_child_sa", 37: "informational", 38: "ike_session_resume", 39: "gsa_auth", 40: "gsa_registration", 41: "gsa_rekey",
    43: "ike_intermediate", 44: "ike_followup_ke",
}  # fmt: skip
ENCRYPTION_1 = {1: "DES-CBC", 2: "IDEA-CBC", 3: "Blowfish-CBC", 4: "RC5-CBC", 5: "3DES-CBC", 6: "CAST-CBC", 7: "AES-CBC", 8: "Camellia-CBC"}
HASHES_1 = {1: "MD5", 2: "SHA-1", 3: "Tiger", 4: "SHA-256", 5: "SHA-384", 6: "SHA-512"}
AUTHENTICATION_1 = {
    1: "pre_shared_key", 2: "dss_signature", 3: "rsa_signature", 4: "rsa_encryption", 5: "revised_rsa_encryption", 9: "ecdsa_sha256", 10: "ecdsa_sha384",
    11: "ecdsa_sha512", 64221: "hybrid_init_rsa", 65001: "xauth_init_pre_shared_key", 65005: "xauth_init_rsa",
}  # fmt: skip
ENCRYPTION = {
    1: "DES-IV64", 2: "DES", 3: "3DES", 4: "RC5", 5: "IDEA", 6: "CAST", 7: "Blowfish", 8: "3IDEA", 9: "DES-IV32", 11: "NULL", 12: "AES-CBC", 13: "AES-CTR",
    14: "AES-CCM-8", 15: "AES-CCM-12", 16: "AES-CCM-16", 18: "AES-GCM-8", 19: "AES-GCM-12", 20: "AES-GCM-16", 21: "NULL-AES-GMAC", 23: "Camellia-CBC",
    24: "Camellia-CTR", 25: "Camellia-CCM-8", 26: "Camellia-CCM-12", 27: "Camellia-CCM-16", 28: "ChaCha20-Poly1305",
}  # fmt: skip
PRF = {1: "HMAC-MD5", 2: "HMAC-SHA1", 3: "HMAC-Tiger", 4: "AES128-XCBC", 5: "HMAC-SHA2-256", 6: "HMAC-SHA2-384", 7: "HMAC-SHA2-512", 8: "AES128-CMAC"}
INTEGRITY = {
    0: "none", 1: "HMAC-MD5-96", 2: "HMAC-SHA1-96", 3: "DES-MAC", 4: "KPDK-MD5", 5: "AES-XCBC-96", 6: "HMAC-MD5-128", 7: "HMAC-SHA1-160", 8: "AES-CMAC-96",
    9: "AES-128-GMAC", 10: "AES-192-GMAC", 11: "AES-256-GMAC", 12: "HMAC-SHA2-256-128", 13: "HMAC-SHA2-384-192", 14: "HMAC-SHA2-512-256",
}  # fmt: skip
GROUPS = {
    0: "none", 1: "MODP-768", 2: "MODP-1024", 3: "EC2N-155", 4: "EC2N-185", 5: "MODP-1536", 14: "MODP-2048", 15: "MODP-3072", 16: "MODP-4096", 17: "MODP-6144",
    18: "MODP-8192", 19: "ECP-256", 20: "ECP-384", 21: "ECP-521", 22: "MODP-1024-160", 23: "MODP-2048-224", 24: "MODP-2048-256", 25: "ECP-192", 26: "ECP-224",
    27: "Brainpool-224", 28: "Brainpool-256", 29: "Brainpool-384", 30: "Brainpool-512", 31: "Curve25519", 32: "Curve448", 35: "ML-KEM-512", 36: "ML-KEM-768",
    37: "ML-KEM-1024",
}  # fmt: skip
NOTIFICATIONS_1 = dict(enumerate((
    "invalid_payload_type", "doi_not_supported", "situation_not_supported", "invalid_cookie", "invalid_major_version", "invalid_minor_version",
    "invalid_exchange_type", "invalid_flags", "invalid_message_id", "invalid_protocol_id", "invalid_spi", "invalid_transform_id", "attributes_not_supported",
    "no_proposal_chosen", "bad_proposal_syntax", "payload_malformed", "invalid_key_information", "invalid_id_information", "invalid_cert_encoding",
    "invalid_certificate", "cert_type_unsupported", "invalid_cert_authority", "invalid_hash_information", "authentication_failed", "invalid_signature",
    "address_notification", "notify_sa_lifetime", "certificate_unavailable", "unsupported_exchange_type", "unequal_payload_lengths",
), 1))  # fmt: skip
NOTIFICATIONS = {
    1: "unsupported_critical_payload", 4: "invalid_ike_spi", 5: "invalid_major_version", 7: "invalid_syntax", 9: "invalid_message_id", 11: "invalid_spi",
    14: "no_proposal_chosen", 17: "invalid_ke_payload", 24: "authentication_failed", 34: "single_pair_required", 35: "no_additional_sas",
    36: "internal_address_failure", 37: "failed_cp_required", 38: "ts_unacceptable", 39: "invalid_selectors", 43: "temporary_failure", 44: "child_sa_not_found",
    16384: "initial_contact", 16388: "nat_detection_source_ip", 16389: "nat_detection_destination_ip", 16390: "cookie", 16396: "mobike_supported",
    16404: "multiple_auth_supported", 16406: "redirect_supported", 16407: "redirect", 16418: "childless_ikev2_supported", 16430: "fragmentation_supported",
    16431: "signature_hash_algorithms", 16438: "intermediate_exchange_supported",
}  # fmt: skip

WEAK = {  # identifiers of weak transforms, by type of transform, and the event that they are
    1: (frozenset({1, 2, 3, 4, 5, 6, 7, 8, 9, 11}), "weak_crypto_enc"),
    2: (frozenset({1, 2}), "weak_crypto_prf"),
    3: (frozenset({1, 2, 3, 4, 5, 6, 7}), "weak_crypto_auth"),
    4: (frozenset({1, 2, 5, 22}), "weak_crypto_dh"),
}
NEVER_NONE = frozenset({2, 4})  # types of which nothing may not be proposed
AUTHENTICATED = frozenset({14, 15, 16, 18, 19, 20, 25, 26, 27, 28})  # encryption that needs no integrity of its own: RFC 7296 3.3.3, RFC 5282 8
EVENTS = (
    "malformed_data", "no_encryption", "weak_crypto_enc", "weak_crypto_prf", "weak_crypto_dh", "weak_crypto_auth", "weak_crypto_no_dh", "weak_crypto_no_auth",
    "invalid_proposal", "unknown_proposal", "payload_extra_data", "multiple_server_proposal",
)  # fmt: skip
