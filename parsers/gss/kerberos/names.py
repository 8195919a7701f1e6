"""The numbers of Kerberos and their names: RFC 4120 7.5, its successors, and MS-KILE 2.2 for what Windows added."""

from parsers.enums import OpenEnum, OpenFlag

__all__ = [
    "AdType",
    "ApOptions",
    "ChecksumType",
    "ErrorCode",
    "Etype",
    "GssFlags",
    "KeyUsage",
    "MessageType",
    "NameType",
    "PaType",
    "TicketFlags",
    "etype_name",
]


class MessageType(OpenEnum):
    """RFC 4120 5.10. The number is that of the APPLICATION tag as well."""

    AS_REQ = 10
    AS_REP = 11
    TGS_REQ = 12
    TGS_REP = 13
    AP_REQ = 14
    AP_REP = 15
    TGT_REQ = 16
    TGT_REP = 17
    KRB_SAFE = 20
    KRB_PRIV = 21
    KRB_CRED = 22
    KRB_ERROR = 30


class Etype(OpenEnum):
    """Encryption types (RFC 3961 8 and the IANA registry); those from 17 to 20 and 23 are supported."""

    DES_CBC_CRC = 1
    DES_CBC_MD4 = 2
    DES_CBC_MD5 = 3
    DES3_CBC_SHA1 = 16
    AES128_CTS_HMAC_SHA1_96 = 17
    AES256_CTS_HMAC_SHA1_96 = 18
    AES128_CTS_HMAC_SHA256_128 = 19
    AES256_CTS_HMAC_SHA384_192 = 20
    RC4_HMAC = 23
    RC4_HMAC_EXP = 24
    CAMELLIA128_CTS_CMAC = 25
    CAMELLIA256_CTS_CMAC = 26


def etype_name(etype: int) -> str:
    """`aes256-cts-hmac-sha1-96`, `rc4-hmac`, ...; an unknown one as "etype 99"."""
    if etype not in Etype.__members__.values():
        return f"etype {etype}"
    return Etype(etype).name.lower().replace("_", "-")


class ChecksumType(OpenEnum):
    """Checksum types (RFC 3961 8 and the IANA registry; MS-PAC 2.8 for the negative one)."""

    HMAC_SHA1_96_AES128 = 15
    HMAC_SHA1_96_AES256 = 16
    HMAC_SHA256_128_AES128 = 19
    HMAC_SHA384_192_AES256 = 20
    GSS = 0x8003
    HMAC_MD5 = -138


class KeyUsage(OpenEnum):
    """RFC 4120 7.5.1, those that are used here."""

    AS_REQ_TIMESTAMP = 1
    TICKET = 2
    AS_REP = 3
    TGS_REQ_CHECKSUM = 6
    TGS_REQ_AUTHENTICATOR = 7
    TGS_REP_SESSION_KEY = 8
    TGS_REP_SUBKEY = 9
    AP_REQ_AUTHENTICATOR = 11
    AP_REP = 12
    PAC_SIGNATURE = 17


class NameType(OpenEnum):
    """RFC 4120 6.2, MS-KILE 2.2 for the negative ones."""

    UNKNOWN = 0
    PRINCIPAL = 1
    SRV_INST = 2
    SRV_HST = 3
    SRV_XHST = 4
    UID = 5
    X500_PRINCIPAL = 6
    SMTP_NAME = 7
    ENTERPRISE = 10
    WELLKNOWN = 11
    SRV_HST_DOMAIN = 12
    MS_PRINCIPAL = -128
    MS_PRINCIPAL_AND_ID = -129
    ENT_PRINCIPAL_AND_ID = -130


class ApOptions(OpenFlag):
    """RFC 4120 5.5.1; bit 0 is the most significant one."""

    USE_SESSION_KEY = 1 << 30
    MUTUAL_REQUIRED = 1 << 29


class TicketFlags(OpenFlag):
    """RFC 4120 5.3; bit 0 is the most significant one."""

    FORWARDABLE = 1 << 30
    FORWARDED = 1 << 29
    PROXIABLE = 1 << 28
    PROXY = 1 << 27
    MAY_POSTDATE = 1 << 26
    POSTDATED = 1 << 25
    INVALID = 1 << 24
    RENEWABLE = 1 << 23
    INITIAL = 1 << 22
    PRE_AUTHENT = 1 << 21
    HW_AUTHENT = 1 << 20
    TRANSITED_POLICY_CHECKED = 1 << 19
    OK_AS_DELEGATE = 1 << 18
    ENC_PA_REP = 1 << 16
    ANONYMOUS = 1 << 15


class GssFlags(OpenFlag):
    """RFC 4121 4.1.1.1, and RFC 4757 7.1 for the three of DCE style."""

    DELEG = 0x1
    MUTUAL = 0x2
    REPLAY = 0x4
    SEQUENCE = 0x8
    CONF = 0x10
    INTEG = 0x20
    DCE_STYLE = 0x1000
    IDENTIFY = 0x2000
    EXTENDED_ERROR = 0x4000


class AdType(OpenEnum):
    """Types of authorization data (RFC 4120 7.5.4, MS-KILE 2.2)."""

    IF_RELEVANT = 1
    KDC_ISSUED = 4
    AND_OR = 5
    MANDATORY_FOR_KDC = 8
    WIN2K_PAC = 128
    ETYPE_NEGOTIATION = 129
    TOKEN_RESTRICTIONS = 141
    LOCAL = 142
    AP_OPTIONS = 143
    TARGET_PRINCIPAL = 144


class PaType(OpenEnum):
    """Types of pre-authentication data (RFC 4120 7.5.2, the IANA registry, MS-KILE 2.2)."""

    TGS_REQ = 1
    ENC_TIMESTAMP = 2
    PW_SALT = 3
    ETYPE_INFO = 11
    PK_AS_REQ_OLD = 14
    PK_AS_REP_OLD = 15
    PK_AS_REQ = 16
    PK_AS_REP = 17
    ETYPE_INFO2 = 19
    SVR_REFERRAL_INFO = 20
    PAC_REQUEST = 128
    FOR_USER = 129
    FOR_X509_USER = 130
    FX_COOKIE = 133
    FX_FAST = 136
    FX_ERROR = 137
    ENCRYPTED_CHALLENGE = 138
    PKINIT_KX = 147
    REQ_ENC_PA_REP = 149
    AS_FRESHNESS = 150
    SUPPORTED_ETYPES = 165
    PAC_OPTIONS = 167


class ErrorCode(OpenEnum):
    """RFC 4120 7.5.9, RFC 4556 3.1.3 and RFC 6113 for those above 61; the names are the specifications'."""

    KDC_ERR_NONE = 0
    KDC_ERR_NAME_EXP = 1
    KDC_ERR_SERVICE_EXP = 2
    KDC_ERR_BAD_PVNO = 3
    KDC_ERR_C_OLD_MAST_KVNO = 4
    KDC_ERR_S_OLD_MAST_KVNO = 5
    KDC_ERR_C_PRINCIPAL_UNKNOWN = 6
    KDC_ERR_S_PRINCIPAL_UNKNOWN = 7
    KDC_ERR_PRINCIPAL_NOT_UNIQUE = 8
    KDC_ERR_NULL_KEY = 9
    KDC_ERR_CANNOT_POSTDATE = 10
    KDC_ERR_NEVER_VALID = 11
    KDC_ERR_POLICY = 12
    KDC_ERR_BADOPTION = 13
    KDC_ERR_ETYPE_NOSUPP = 14
    KDC_ERR_SUMTYPE_NOSUPP = 15
    KDC_ERR_PADATA_TYPE_NOSUPP = 16
    KDC_ERR_TRTYPE_NOSUPP = 17
    KDC_ERR_CLIENT_REVOKED = 18
    KDC_ERR_SERVICE_REVOKED = 19
    KDC_ERR_TGT_REVOKED = 20
    KDC_ERR_CLIENT_NOTYET = 21
    KDC_ERR_SERVICE_NOTYET = 22
    KDC_ERR_KEY_EXPIRED = 23
    KDC_ERR_PREAUTH_FAILED = 24
    KDC_ERR_PREAUTH_REQUIRED = 25
    KDC_ERR_SERVER_NOMATCH = 26
    KDC_ERR_MUST_USE_USER2USER = 27
    KDC_ERR_PATH_NOT_ACCEPTED = 28
    KDC_ERR_SVC_UNAVAILABLE = 29
    KRB_AP_ERR_BAD_INTEGRITY = 31
    KRB_AP_ERR_TKT_EXPIRED = 32
    KRB_AP_ERR_TKT_NYV = 33
    KRB_AP_ERR_REPEAT = 34
    KRB_AP_ERR_NOT_US = 35
    KRB_AP_ERR_BADMATCH = 36
    KRB_AP_ERR_SKEW = 37
    KRB_AP_ERR_BADADDR = 38
    KRB_AP_ERR_BADVERSION = 39
    KRB_AP_ERR_MSG_TYPE = 40
    KRB_AP_ERR_MODIFIED = 41
    KRB_AP_ERR_BADORDER = 42
    KRB_AP_ERR_BADKEYVER = 44
    KRB_AP_ERR_NOKEY = 45
    KRB_AP_ERR_MUT_FAIL = 46
    KRB_AP_ERR_BADDIRECTION = 47
    KRB_AP_ERR_METHOD = 48
    KRB_AP_ERR_BADSEQ = 49
    KRB_AP_ERR_INAPP_CKSUM = 50
    KRB_AP_PATH_NOT_ACCEPTED = 51
    KRB_ERR_RESPONSE_TOO_BIG = 52
    KRB_ERR_GENERIC = 60
    KRB_ERR_FIELD_TOOLONG = 61
    KDC_ERR_CLIENT_NOT_TRUSTED = 62
    KDC_ERR_KDC_NOT_TRUSTED = 63
    KDC_ERR_INVALID_SIG = 64
    KDC_ERR_DH_KEY_PARAMETERS_NOT_ACCEPTED = 65
    KDC_ERR_CERTIFICATE_MISMATCH = 66
    KRB_AP_ERR_NO_TGT = 67
    KDC_ERR_WRONG_REALM = 68
    KRB_AP_ERR_USER_TO_USER_REQUIRED = 69
    KDC_ERR_CANT_VERIFY_CERTIFICATE = 70
    KDC_ERR_INVALID_CERTIFICATE = 71
    KDC_ERR_REVOKED_CERTIFICATE = 72
    KDC_ERR_REVOCATION_STATUS_UNKNOWN = 73
    KDC_ERR_REVOCATION_STATUS_UNAVAILABLE = 74
    KDC_ERR_CLIENT_NAME_MISMATCH = 75
    KDC_ERR_KDC_NAME_MISMATCH = 76
    KDC_ERR_INCONSISTENT_KEY_PURPOSE = 77
    KDC_ERR_DIGEST_IN_CERT_NOT_ACCEPTED = 78
    KDC_ERR_PA_CHECKSUM_MUST_BE_INCLUDED = 79
    KDC_ERR_DIGEST_IN_SIGNED_DATA_NOT_ACCEPTED = 80
    KDC_ERR_PUBLIC_KEY_ENCRYPTION_NOT_SUPPORTED = 81
    KRB_AP_ERR_IAKERB_KDC_NOT_FOUND = 85
    KRB_AP_ERR_IAKERB_KDC_NO_RESPONSE = 86
    KDC_ERR_PREAUTH_EXPIRED = 90
    KDC_ERR_MORE_PREAUTH_DATA_REQUIRED = 91
    KDC_ERR_PREAUTH_BAD_AUTHENTICATION_SET = 92
    KDC_ERR_UNKNOWN_CRITICAL_FAST_OPTIONS = 93
