"""NTLM computations (MS-NLMP 3.3, 3.4.5): one-way functions, responses, session keys, MIC. Pure functions."""

from dataclasses import dataclass, field

from parsers.gss.ntlm.legacy import des, hmac_md5, md4, md5, rc4
from parsers.gss.ntlm.messages import MIC_OFFSET, NegotiateFlags
from parsers.secret import Secret

__all__ = [
    "Responses",
    "encrypt_session_key",
    "exported_session_key",
    "key_exchange_key_v1",
    "lm_owf_v1",
    "lm_response_v2",
    "mic",
    "nt_owf_v1",
    "nt_owf_v2",
    "nt_proof_str",
    "response_v1",
    "response_v2",
    "session_base_key_v1",
    "session_base_key_v2",
]


@dataclass(frozen=True, slots=True)
class Responses(Secret):
    """What a client computes from a challenge (MS-NLMP 3.3). The responses travel, the key does not."""

    nt_response: bytes
    lm_response: bytes
    session_base_key: bytes = field(repr=False)


def nt_owf_v1(*, password: str) -> bytes:
    """NTOWFv1: the "NT hash", MD4(UNICODE(Passwd)) (MS-NLMP 3.3.1)."""
    return md4(_unicode(password))


def lm_owf_v1(*, password: str) -> bytes:
    """LMOWFv1: DES(UpperCase(Passwd)[0..6], "KGS!@#$%") || DES(UpperCase(Passwd)[7..13], ...) (MS-NLMP 3.3.1)."""
    padded = password.upper().encode("cp437", "replace")[:14].ljust(14, b"\x00")
    return des(padded[:7], b"KGS!@#$%") + des(padded[7:], b"KGS!@#$%")


def nt_owf_v2(*, nt_hash: bytes, user: str, domain: str) -> bytes:
    """NTOWFv2 (LMOWFv2 is the same): HMAC_MD5(NTOWFv1, UNICODE(Uppercase(User) || UserDom)) (MS-NLMP 3.3.2).

    Args:
        nt_hash: NTOWFv1.
        user: as the client sent it.
        domain: as the client sent it; its case counts.
    """
    return hmac_md5(nt_hash, _unicode(_uppercase(user) + domain))


def response_v1(
    *, nt_hash: bytes, server_challenge: bytes, client_challenge: bytes | None = None, lm_hash: bytes | None = None
) -> Responses:
    """ComputeResponse for NTLMv1 (MS-NLMP 3.3.1).

    Args:
        nt_hash: NTOWFv1.
        server_challenge: 8 bytes.
        client_challenge: 8 bytes, for extended session security: it is sent in the LM response, and the NT response
            is DESL(NTOWF, MD5(ServerChallenge || ClientChallenge)[0..7]).
        lm_hash: LMOWFv1, for an LM response; without it the NT response stands there too (NoLMResponseNTLMv1).
    """
    session_base_key = session_base_key_v1(nt_hash=nt_hash)
    if client_challenge is not None:
        nt_response = _desl(nt_hash, md5(server_challenge + client_challenge)[:8])
        return Responses(nt_response, client_challenge + bytes(16), session_base_key)
    nt_response = _desl(nt_hash, server_challenge)
    lm_response = nt_response if lm_hash is None else _desl(lm_hash, server_challenge)
    return Responses(nt_response, lm_response, session_base_key)


def session_base_key_v1(*, nt_hash: bytes) -> bytes:
    """SessionBaseKey of NTLMv1: MD4(NTOWF) (MS-NLMP 3.3.1)."""
    return md4(nt_hash)


def response_v2(*, owf: bytes, server_challenge: bytes, temp: bytes, client_challenge: bytes) -> Responses:
    """ComputeResponse for NTLMv2 (MS-NLMP 3.3.2).

    Args:
        owf: NTOWFv2.
        server_challenge: 8 bytes.
        temp: the NTLMv2_CLIENT_CHALLENGE as it travels behind NTProofStr.
        client_challenge: the 8 bytes which are inside of `temp` too.
    """
    proof = nt_proof_str(owf=owf, server_challenge=server_challenge, temp=temp)
    lm_response = lm_response_v2(owf=owf, server_challenge=server_challenge, client_challenge=client_challenge)
    return Responses(proof + temp, lm_response, session_base_key_v2(owf=owf, proof=proof))


def nt_proof_str(*, owf: bytes, server_challenge: bytes, temp: bytes) -> bytes:
    """NTProofStr: HMAC_MD5(NTOWFv2, ServerChallenge || temp) (MS-NLMP 3.3.2)."""
    return hmac_md5(owf, server_challenge + temp)


def lm_response_v2(*, owf: bytes, server_challenge: bytes, client_challenge: bytes) -> bytes:
    """LMv2: HMAC_MD5(LMOWFv2, ServerChallenge || ClientChallenge) || ClientChallenge (MS-NLMP 3.3.2)."""
    return hmac_md5(owf, server_challenge + client_challenge) + client_challenge


def session_base_key_v2(*, owf: bytes, proof: bytes) -> bytes:
    """SessionBaseKey of NTLMv2, which is its KeyExchangeKey too: HMAC_MD5(NTOWFv2, NTProofStr) (MS-NLMP 3.3.2)."""
    return hmac_md5(owf, proof)


def key_exchange_key_v1(
    *,
    flags: NegotiateFlags,
    session_base_key: bytes,
    server_challenge: bytes,
    lm_response: bytes,
    lm_hash: bytes | None = None,
) -> bytes | None:
    """KXKEY for NTLMv1 (MS-NLMP 3.4.5.1).

    Extended session security: HMAC_MD5(SessionBaseKey, ServerChallenge || LmChallengeResponse[0..7]);
    LM_KEY: DES(LMOWF[0..6], LmChallengeResponse[0..7]) || DES(LMOWF[7] || BDBDBDBDBDBDh, LmChallengeResponse[0..7]);
    REQUEST_NON_NT_SESSION_KEY: LMOWF[0..7] || Z(8); else SessionBaseKey.

    Args:
        flags: negotiated ones.
        session_base_key: of NTLMv1.
        server_challenge: 8 bytes.
        lm_response: LmChallengeResponse as sent.
        lm_hash: LMOWFv1, which needs the password.

    Returns:
        16 bytes, or None where the flags ask for `lm_hash` and it is not known.
    """
    if flags & NegotiateFlags.EXTENDED_SESSIONSECURITY:
        return hmac_md5(session_base_key, server_challenge + lm_response[:8])
    if not flags & (NegotiateFlags.LM_KEY | NegotiateFlags.REQUEST_NON_NT_SESSION_KEY):
        return session_base_key
    if lm_hash is None:
        return None
    if flags & NegotiateFlags.LM_KEY:
        block = lm_response[:8].ljust(8, b"\x00")
        return des(lm_hash[:7], block) + des(lm_hash[7:8] + b"\xbd" * 6, block)
    return lm_hash[:8] + bytes(8)


def exported_session_key(
    *, flags: NegotiateFlags, key_exchange_key: bytes, encrypted_random_session_key: bytes
) -> bytes:
    """ExportedSessionKey: RC4(KeyExchangeKey, EncryptedRandomSessionKey), or KeyExchangeKey (MS-NLMP 3.1.5.1.2).

    The first if KEY_EXCH was negotiated and the encrypted key is there. The specification asks for SIGN or SEAL as
    well; macOS sends the key, and makes its MIC with it, without either.
    """
    if flags & NegotiateFlags.KEY_EXCH and encrypted_random_session_key:
        return rc4(key_exchange_key, encrypted_random_session_key)
    return key_exchange_key


def encrypt_session_key(*, key_exchange_key: bytes, random_session_key: bytes) -> bytes:
    """EncryptedRandomSessionKey, the other direction of `exported_session_key` (MS-NLMP 3.1.5.1.2)."""
    return rc4(key_exchange_key, random_session_key)


def mic(*, key: bytes, negotiate: bytes, challenge: bytes, authenticate: bytes) -> bytes:
    """HMAC_MD5(ExportedSessionKey, the three messages), the MIC's own 16 bytes as zeros (MS-NLMP 3.1.5.1.2)."""
    unsigned = authenticate[:MIC_OFFSET] + bytes(16) + authenticate[MIC_OFFSET + 16 :]
    return hmac_md5(key, negotiate + challenge + unsigned)


def _desl(key: bytes, block: bytes) -> bytes:
    """DESL: DES with each third of the key, the last padded with zeros (MS-NLMP 6)."""
    padded = key.ljust(21, b"\x00")
    return des(padded[:7], block) + des(padded[7:14], block) + des(padded[14:], block)


def _uppercase(name: str) -> str:
    """One character for one, and none outside of the basic plane, as Windows does: a sharp s stays what it is."""
    return "".join(upper if len(upper := char.upper()) == 1 and char <= "\uffff" else char for char in name)


def _unicode(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")
