"""What tshark shows of the SMB2 messages of a capture, field by field."""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from parsers.smb2.header import Flags

SMB2, TRANSFORM, COMPRESSED = 0xFE534D42, 0xFD534D42, 0xFC534D42
FIELDS = (
    "frame.number", "smb2.protocol_id", "smb2.msg_id", "smb2.cmd", "smb2.nt_status", "smb2.sesid", "smb2.tid",
    "smb2.aid", "smb2.flags", "smb2.filename", "_ws.col.Info",
)  # fmt: skip
BETWEEN_VALUES = "\x1e"


class Message(NamedTuple):
    """The header of one message; None is a field that this form of the header has not."""

    message_id: int
    command: int
    status: int | None
    session_id: int
    tree_id: int | None
    async_id: int | None
    flags: int


class Frame(NamedTuple):
    """The SMB2 part of one frame: its messages in order, the file names, and the line that sums them up."""

    messages: tuple[Message, ...]
    closed: int  # transform and compression headers behind which tshark shows nothing
    names: tuple[str, ...]
    info: str


def read(
    program: str, capture: Path, *, password: str | None = None, keys: Iterable[str] = (), packets: int = 0
) -> dict[int, Frame]:
    """The frames of a capture in which tshark finds SMB2, by number.

    Args:
        program: tshark.
        capture: the file.
        password: of every NTLM logon.
        keys: lines of Wireshark's smb2_seskey_list.
        packets: how many to read; 0 for all.
    """
    command = [program, "-r", str(capture), "-Y", "smb2", "-T", "fields", "-E", f"aggregator={BETWEEN_VALUES}"]
    command += ["-o", "tcp.reassemble_out_of_order:TRUE", "-o", "gui.column.format:Info,%i"]
    command += ["-o", f"ntlmssp.nt_password:{password}"] if password is not None else []
    command += [part for key in keys for part in ("-o", f"uat:smb2_seskey_list:{key}")]
    command += [part for field in FIELDS for part in ("-e", field)]
    command += ["-c", str(packets)] if packets else []
    shown = subprocess.run(command, capture_output=True, check=True, encoding="utf-8", errors="surrogateescape")
    return dict(_frame(line) for line in shown.stdout.split("\n") if line)


def _frame(line: str) -> tuple[int, Frame]:
    columns = dict(zip(FIELDS, line.split("\t"), strict=True))
    values = {name: tuple(text.split(BETWEEN_VALUES)) if text else () for name, text in columns.items()}
    protocols = [int(value, 16) for value in values["smb2.protocol_id"]]
    messages = tuple(_messages(values, protocols))
    following = [*protocols[1:], 0]
    closed = sum(own != SMB2 and after != SMB2 for own, after in zip(protocols, following, strict=True))
    return int(columns["frame.number"]), Frame(messages, closed, values["smb2.filename"], columns["_ws.col.Info"])


def _messages(values: dict[str, tuple[str, ...]], protocols: list[int]) -> Iterator[Message]:
    """Give every value to the header that it belongs to: requests have no status, asynchronous ones no tree."""
    with_session = [protocol for protocol in protocols if protocol != COMPRESSED]
    sessions = zip(with_session, values["smb2.sesid"], strict=True)
    session_ids = [int(value, 16) for protocol, value in sessions if protocol == SMB2]
    statuses, trees, async_ids = (iter(values[name]) for name in ("smb2.nt_status", "smb2.tid", "smb2.aid"))
    headers = zip(values["smb2.msg_id"], values["smb2.cmd"], session_ids, values["smb2.flags"], strict=True)
    for message_id, command, session_id, text in headers:
        flags = int(text, 16)
        is_async = flags & Flags.ASYNC_COMMAND
        yield Message(
            int(message_id),
            int(command),
            int(next(statuses), 16) if flags & Flags.SERVER_TO_REDIR else None,
            session_id,
            None if is_async else int(next(trees), 16),
            int(next(async_ids), 16) if is_async else None,
            flags,
        )
