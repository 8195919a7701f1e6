"""The tables of sessions, channels and trees."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

import pandas as pd

from analyzer.tables.census import Census
from analyzer.tables.connections import table_of_records
from analyzer.tables.reasons import explain, summary
from parsers.pipeline import Decoded
from parsers.smb2.crypto import Cipher, SigningAlgorithm
from parsers.smb2.dialects import Dialect
from parsers.smb2.session import Channel, SecurityContext, Session, TreeConnect
from parsers.smb2.transform import CompressionAlgorithm
from parsers.smb2.tree import ShareType
from parsers.transport.connections import Connection

__all__ = ["channels_table", "sessions_table", "trees_table"]

_SMB2 = (Dialect.SMB_2_0_2, Dialect.SMB_2_1)


def sessions_table(decoded: Decoded, census: Census) -> pd.DataFrame:
    """The table `sessions`."""
    return table_of_records("sessions", (_session(session, census) for session in decoded.smb2.tracker.sessions))


def channels_table(decoded: Decoded) -> pd.DataFrame:
    """The table `channels`."""
    return table_of_records(
        "channels",
        (
            _channel(session, channel, decoded.connections)
            for session in decoded.smb2.tracker.sessions
            for channel in session.channel_list
        ),
    )


def trees_table(decoded: Decoded) -> pd.DataFrame:
    """The table `trees`."""
    return table_of_records("trees", (_tree(tree) for tree in decoded.smb2.tracker.trees))


def _session(session: Session, census: Census) -> dict[str, Any]:
    counts = census.verdicts(session)
    context = session.security_context or SecurityContext()
    return {
        "session_id": session.session_id,
        "connections": ", ".join(map(str, dict.fromkeys(c.connection.number for c in session.channel_list))),
        "dialect": None if session.dialect is None else Dialect(session.dialect).display,
        "cipher": _name(Cipher, session.cipher),
        "signing_algorithm": _name(SigningAlgorithm, _signing_algorithm(session)),
        "compression": _names(CompressionAlgorithm, session.connection.compression),
        "mechanism": session.mechanism,
        "user": context.user,
        "domain": context.domain,
        "workstation": context.workstation,
        "state": session.state.value,
        "is_guest": session.is_guest,
        "is_anonymous": session.is_anonymous,
        "signing_required": session.signing_required,
        "encrypt_data": session.encrypt_data,
        "creation_time": session.creation_time,
        "idle_time": session.idle_time,
        "expiration_time": session.expiration_time,
        **_ticket(session),
        "user_sid": context.user_sid,
        "groups": None if context.groups is None else " ".join(context.groups),
        "previous_session_id": session.previous_session_id or None,
        "decryption": summary(counts).value,
        "reason": explain(session, counts, census),
        "key_source": session.provenance,
        "encrypted": session.opened + session.closed,
        "decrypted": session.opened,
        "signatures_invalid": census.invalid.get(session.number, 0),
        "ended_by": session.ended_by,
        "ended_time": session.ended_time,
        "reauthentications": session.reauthentications,
        "channels": len(session.channel_list),
        "supports_notification": session.supports_notification,
        "first_frame": session.first_frame or 0,
    }


def _ticket(session: Session) -> dict[str, Any]:
    """What the Kerberos ticket says; nothing for other logons."""
    ticket = session.ticket
    logon = None if ticket is None or ticket.pac is None else ticket.pac.logon_info
    # A service's ticket from AS or TGS has a start time only if it was postdated (RFC 4120 5.3).
    return {
        "service": session.service,
        "ticket_start": None if ticket is None else ticket.starttime or ticket.authtime,
        "ticket_renew_till": None if ticket is None else ticket.renew_till,
        "ticket_flags": None if ticket is None else str(ticket.flags.name or ""),
        "kick_off_time": None if logon is None else logon.kick_off_time,
    }


def _channel(session: Session, channel: Channel, connections: list[Connection]) -> dict[str, Any]:
    number = channel.connection.number
    return {
        "session_id": session.session_id,
        "connection": number,
        "bound": channel.bound,
        "lost": channel.lost or connections[number].closed_time,
        "signing_key_known": channel.signer is not None or channel.signing_key is not None,
    }


def _tree(tree: TreeConnect) -> dict[str, Any]:
    return {
        "tree_id": tree.tree_id,
        "session_id": tree.session.session_id,
        "path": tree.path,
        "share_type": _name(ShareType, tree.share_type),
        "share_flags": tree.share_flags,
        "encrypt_data": tree.encrypt_data,
        "connected": tree.connected,
        "disconnected": tree.disconnected,
        "maximal_access": tree.maximal_access,
    }


def _signing_algorithm(session: Session) -> int | None:
    """What was negotiated or proved; else what the dialect prescribes (MS-SMB2 3.1.4.1)."""
    if session.signing_algorithm is not None or session.dialect is None:
        return session.signing_algorithm
    return SigningAlgorithm.HMAC_SHA256 if session.dialect in _SMB2 else SigningAlgorithm.AES_CMAC


def _name(kind: type[IntEnum], value: int | None) -> str | None:
    """`AES-128-GCM` for `AES_128_GCM`; None stays None."""
    return None if value is None else kind(value).name.replace("_", "-")


def _names(kind: type[IntEnum], values: Iterable[int]) -> str | None:
    return ", ".join(kind(value).name.replace("_", "-") for value in values) or None
