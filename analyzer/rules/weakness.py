"""What is weaker than it could be: dialects, guests, NTLMv1, sessions that nobody signs or encrypts."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from analyzer.rules.case import Case
from analyzer.rules.rule import Found, Party, Rule, Severity
from analyzer.tables.text import printable
from parsers import ntstatus
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command
from parsers.smb2.negotiate import NegotiateRequest, SecurityMode

__all__ = ["RULES"]

_OLD = (Dialect.SMB_2_0_2, Dialect.SMB_2_1)
_NTLM_V1 = ("NTLMv1", "NTLMv1-ESS", "LM")
_USED = ("valid", "expired", "removed")


def _weak_dialect(case: Case) -> Iterator[Found]:
    """One finding for each server and dialect."""
    frame = case.connections
    old = frame[frame["dialect"].isin([dialect.display for dialect in _OLD])]
    for (server, dialect), rows in old.groupby(["server", "dialect"], observed=True, sort=False):
        first = rows.iloc[0]
        yield Found(
            int(first["start"].value),
            f"{server} and {first['client_ip']} speak SMB {dialect}, which cannot encrypt and whose NEGOTIATE is not "
            f"protected against being weakened on the way.",
            f"{len(rows)} connections with this dialect",
            (int(first["first_frame"]),),
            connection=int(first["connection"]),
        )


def _guest_session(case: Case) -> Iterator[Found]:
    for row in _sessions(case, "is_guest"):
        yield _of_session(
            case,
            row,
            f"{_user(row)} was let in as a guest: nobody checked who it is, and nothing is signed or encrypted.",
            "SESSION_SETUP response with SMB2_SESSION_FLAG_IS_GUEST",
        )


def _anonymous_session(case: Case) -> Iterator[Found]:
    frame = case.sessions
    named = frame["mechanism"].astype("object") == "anonymous"
    for row in frame[(frame["is_anonymous"].fillna(value=False) | named) & frame["state"].isin(_USED)].itertuples():
        yield _of_session(
            case,
            row,
            "A session without a user (null session) was set up: nothing in it is signed or encrypted.",
            "NTLM logon without a name, or SMB2_SESSION_FLAG_IS_NULL",
        )


def _ntlm_v1(case: Case) -> Iterator[Found]:
    sessions = case.evidence.decoded.smb2.tracker.sessions
    let_in = [session.number for session in sessions if session.setup_status == ntstatus.STATUS_SUCCESS]
    frame = case.sessions.iloc[let_in]
    for row in frame[frame["mechanism"].isin(_NTLM_V1)].itertuples():
        yield _of_session(
            case,
            row,
            f"{_user(row)} logged on with {row.mechanism}: whoever has the capture can find the password's hash.",
            "the NT response of the AUTHENTICATE message has 24 bytes (MS-NLMP 2.2.2.6)",
        )


def _unsigned_session(case: Case) -> Iterator[Found]:
    frame = case.sessions
    open_ = frame["signing_required"].eq(other=False) & frame["encrypt_data"].eq(other=False)
    ordinary = frame["is_guest"].eq(other=False) & frame["mechanism"].astype("object").ne("anonymous")
    plain = frame["encrypted"].eq(0) & ~_on_encrypted_share(case, frame)
    for row in frame[open_ & ordinary & plain].itertuples():
        yield _of_session(
            case,
            row,
            f"Neither side demands signatures in the session of {_user(row)}: who is on the path can change what is "
            f"read and written.",
            "SigningRequired is false: neither NEGOTIATE nor SESSION_SETUP asked for it",
        )


def _unencrypted_session(case: Case) -> Iterator[Found]:
    frame = case.sessions
    modern = frame["dialect"].isin(["3.0", "3.0.2", "3.1.1"]) & frame["cipher"].notna()
    plain = frame["encrypt_data"].eq(other=False) & frame["encrypted"].eq(0) & frame["state"].isin(_USED)
    authentic = frame["is_guest"].eq(other=False)
    for row in frame[modern & plain & authentic].itertuples():
        yield _of_session(
            case,
            row,
            f"The session of {_user(row)} could be encrypted ({row.cipher}) and is not: who is on the path "
            f"can read it.",
            "a cipher was negotiated, and no message is encrypted",
        )


def _smb1_offered(case: Case) -> Iterator[Found]:
    for connection in case.evidence.decoded.smb2.tracker.connections.values():
        if connection.multi_protocol:
            row = case.connections.iloc[connection.number]
            yield Found(
                int(row["start"].value),
                f"{row['client']} begins with an SMB1 NEGOTIATE: SMB1 is still switched on there.",
                "an SMB1 NEGOTIATE that offers SMB2 dialects (MS-SMB2 3.2.4.2.2.1)",
                (int(row["first_frame"]),),
                connection=connection.number,
            )


def _signing_disabled(case: Case) -> Iterator[Found]:
    """A client that does not even allow signatures."""
    for exchange in case.evidence.logons:
        body = None if exchange.request is None else exchange.request.body
        if exchange.command == Command.NEGOTIATE and isinstance(body, NegotiateRequest):
            weak = not body.security_mode & (SecurityMode.SIGNING_ENABLED | SecurityMode.SIGNING_REQUIRED)
            if weak and exchange.status == ntstatus.STATUS_SUCCESS:
                yield Found(
                    exchange.first.time,
                    f"{case.connections.iloc[exchange.connection]['client']} says that it cannot sign.",
                    f"SecurityMode {int(body.security_mode)} in NEGOTIATE; 1 or 2 is demanded (MS-SMB2 2.2.3)",
                    exchange.frames,
                    connection=exchange.connection,
                )


def _on_encrypted_share(case: Case, frame: pd.DataFrame) -> "pd.Series[bool]":
    trees = case.trees
    ids = trees.loc[trees["encrypt_data"].fillna(value=False), "session_id"]
    return frame["session_id"].isin(ids)


def _sessions(case: Case, flag: str) -> Iterator[Any]:
    frame = case.sessions
    yield from frame[frame[flag].fillna(value=False)].itertuples()


def _user(row: Any) -> str:
    if pd.isna(row.user) or not row.user:
        return "a user whose name is not visible"
    return printable(f"{row.domain}\\{row.user}" if pd.notna(row.domain) and row.domain else str(row.user))


def _of_session(case: Case, row: Any, cause: str, evidence: str) -> Found:
    number = str(row.connections).split(",")[0] if pd.notna(row.connections) else ""
    time = row.creation_time if pd.notna(row.creation_time) else row.idle_time
    return Found(
        case.begin if pd.isna(time) else int(time.value),
        cause,
        evidence,
        (int(row.first_frame),),
        int(row.session_id),
        int(number) if number else None,
    )


RULES = (
    Rule(
        "weak_dialect",
        "an old dialect",
        Severity.SECURITY,
        Party.ADMINISTRATOR,
        "MS-SMB2 1.7",
        "SMB 2.0.2 and 2.1 have no encryption and no pre-authentication integrity, and sign with HMAC-SHA256 alone.",
        "Demand SMB 3: Set-SmbServerConfiguration -Smb2DialectMin SMB300 (Windows 11 and Server 2025); smb.conf: "
        "server min protocol = SMB3_00; mount.cifs vers=3.1.1.",
        _weak_dialect,
    ),
    Rule(
        "guest_session",
        "somebody became a guest",
        Severity.SECURITY,
        Party.ADMINISTRATOR,
        "MS-SMB2 3.2.5.3.1, 2.2.6",
        "The server could not authenticate the user and let him in as a guest. Guests have no keys: anybody on the "
        "path can change everything.",
        "smb.conf: map to guest = never; Windows: disable the guest account, AllowInsecureGuestAuth = 0 on clients "
        r"(HKLM\SYSTEM\CurrentControlSet\Services\LanmanWorkstation\Parameters).",
        _guest_session,
    ),
    Rule(
        "anonymous_session",
        "a session without a user",
        Severity.INFO,
        Party.ADMINISTRATOR,
        "MS-SMB2 3.3.5.5.3",
        "A null session gives whoever asks what anonymous users may see.",
        "RestrictNullSessAccess and RestrictAnonymous on Windows servers; smb.conf: restrict anonymous = 2.",
        _anonymous_session,
    ),
    Rule(
        "ntlmv1",
        "a logon with NTLMv1",
        Severity.SECURITY,
        Party.ADMINISTRATOR,
        "MS-NLMP 3.3.1",
        "The response is DES under the password's hash: it can be broken from a capture.",
        r"LmCompatibilityLevel 5 (HKLM\SYSTEM\CurrentControlSet\Control\Lsa); smb.conf: ntlm auth = ntlmv2-only.",
        _ntlm_v1,
    ),
    Rule(
        "unsigned_session",
        "a session that nobody signs",
        Severity.INFO,
        Party.ADMINISTRATOR,
        "MS-SMB2 3.3.5.5.3",
        "Signing was not required by either side, so messages may be changed on the way.",
        "Set-SmbServerConfiguration -RequireSecuritySignature $true; smb.conf: server signing = mandatory.",
        _unsigned_session,
    ),
    Rule(
        "unencrypted_session",
        "a session that could be encrypted",
        Severity.INFO,
        Party.ADMINISTRATOR,
        "MS-SMB2 3.3.4.1.4",
        "Client and server agreed on a cipher, and nothing is encrypted because neither session nor share asks for it.",
        "Set-SmbServerConfiguration -EncryptData $true, or Set-SmbShare -EncryptData $true; smb.conf: server smb "
        "encrypt = desired.",
        _unencrypted_session,
    ),
    Rule(
        "smb1_offered",
        "a client that still offers SMB1",
        Severity.INFO,
        Party.CLIENT,
        "MS-SMB2 3.2.4.2.2.1",
        "The first message is an SMB1 NEGOTIATE, so the client would speak SMB1 with a server that asks for it.",
        "Remove SMB1: Disable-WindowsOptionalFeature -FeatureName SMB1Protocol; smb.conf: client min protocol = "
        "SMB2_02.",
        _smb1_offered,
    ),
    Rule(
        "signing_disabled",
        "a client that does not allow signatures",
        Severity.INFO,
        Party.CLIENT,
        "MS-SMB2 2.2.3",
        "SecurityMode of NEGOTIATE has neither SIGNING_ENABLED nor SIGNING_REQUIRED.",
        "Update the client, or its configuration.",
        _signing_disabled,
    ),
)
