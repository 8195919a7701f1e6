"""What tshark shows of the SMB2 messages of a capture, field by field."""

import subprocess
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from parsers.smb2.header import Command, Flags

SMB2, TRANSFORM, COMPRESSED = 0xFE534D42, 0xFD534D42, 0xFC534D42
FIELDS = (
    "frame.number", "smb2.protocol_id", "smb2.msg_id", "smb2.cmd", "smb2.nt_status", "smb2.sesid", "smb2.tid",
    "smb2.aid", "smb2.flags", "smb2.filename", "_ws.col.Info",
)  # fmt: skip
BETWEEN_VALUES = "\x1e"


class Message(NamedTuple):
    """The header of one message; None is a field that this header has not, or that is cut off."""

    message_id: int | None
    command: int | None
    status: int | None
    session_id: int | None
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
    program: str, capture: Path, *, password: str | None = None, keys: Iterable[str] = (), in_order: bool = True
) -> dict[int, Frame]:
    """The frames of a capture in which tshark finds SMB2, by number.

    Args:
        program: tshark.
        capture: the file.
        password: of every NTLM logon.
        keys: lines of Wireshark's smb2_seskey_list.
        in_order: whether segments are put in order first; then what follows a lost one is never shown. Otherwise
            what comes out of order is not.
    """
    command = [program, "-r", str(capture), "-Y", "smb2", "-T", "fields", "-E", f"aggregator={BETWEEN_VALUES}"]
    command += ["-o", f"tcp.reassemble_out_of_order:{in_order}", "-o", "gui.column.format:Info,%i"]
    command += ["-o", f"ntlmssp.nt_password:{password}"] if password is not None else []
    command += [part for key in keys for part in ("-o", f"uat:smb2_seskey_list:{key}")]
    command += [part for field in FIELDS for part in ("-e", field)]
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
    sessions = zip(with_session, values["smb2.sesid"], strict=False)  # a cut header has none
    session_ids = (value for protocol, value in sessions if protocol == SMB2)
    statuses, trees, async_ids = _header_statuses(values), iter(values["smb2.tid"]), iter(values["smb2.aid"])
    headers = zip_longest(values["smb2.msg_id"], values["smb2.cmd"], _header_flags(values), session_ids)
    for message_id, command, flags, session_id in headers:
        is_async = flags & Flags.ASYNC_COMMAND
        yield Message(
            _number(message_id),
            _number(command),
            _number(next(statuses)) if flags & Flags.SERVER_TO_REDIR else None,
            _number(session_id),
            None if is_async else _number(next(trees, None)),
            _number(next(async_ids, None)) if is_async else None,
            flags,
        )


def _header_flags(values: dict[str, tuple[str, ...]]) -> Iterator[int]:
    """The Flags of each header: tshark gives the Flags of the body of an IOCTL response, 0, the same name."""
    flags = iter([int(value, 16) for value in values["smb2.flags"]])
    ahead = next(flags, None)
    for command in values["smb2.cmd"]:
        if ahead is None:
            return
        yield ahead
        is_response = ahead & Flags.SERVER_TO_REDIR
        ahead = next(flags, None)
        if is_response and int(command) == Command.IOCTL and ahead == 0:
            ahead = next(flags, None)


def _header_statuses(values: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """The Status of each response: the AAPL context of a CREATE response (its "resolve id") has one of that name."""
    flags = list(_header_flags(values))
    responses = [
        command for command, flag in zip(values["smb2.cmd"], flags, strict=True) if flag & Flags.SERVER_TO_REDIR
    ]
    creates = [int(command) == Command.CREATE for command in responses]
    extra = len(values["smb2.nt_status"]) - len(responses)
    assert extra in (0, sum(creates))
    statuses = iter(values["smb2.nt_status"])
    for is_create in creates:
        yield next(statuses)
        if extra and is_create:
            next(statuses)


def _number(text: str | None) -> int | None:
    return None if text is None else int(text, 0)
