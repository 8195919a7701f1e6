"""A second opinion: the messages that tshark shows, through pyshark, beside those of an analysis.

pyshark drives tshark with an event loop of its own. It runs in a thread here, so that it also works where a loop is
running already, as in Jupyter.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from analyzer.compare.comparison import WITH_TSHARK, Comparison
from analyzer.compare.schema import COUNTS, DIFFERENCES, typed
from parsers import ntstatus
from parsers.errors import UsageError
from parsers.smb2.header import Command

if TYPE_CHECKING:
    from analyzer.analysis import Analysis

__all__ = ["compare_with_tshark"]

_UNKNOWN_END = "(retcode: 255)"
"""What asyncio reports of a process whose end it has missed; tshark's own codes are smaller."""

_MISSING = (
    "a second opinion needs pyshark and tshark: run \"pip install 'sessionscope[live]'\", "
    "and install Wireshark's tshark (on Debian: apt-get install tshark)"
)
_CONFIGURATION = "WIRESHARK_CONFIG_DIR"
_WITHOUT = ("-J", "frame smb2", "-o", "tcp.reassemble_out_of_order:TRUE")  # other layers cost time and say nothing


class _Message(NamedTuple):
    """What both programs say of a message; `status` is None in requests."""

    command: str
    is_response: bool
    status: str | None


_Frames = dict[int, Counter[_Message]]


def compare_with_tshark(analysis: "Analysis") -> Comparison:
    """Read the capture with tshark, too, and list what differs.

    tshark gets the keys of the sessions that were opened, in a configuration of its own that is deleted afterwards;
    nobody's preferences change the answer. It shows nothing of a direction behind bytes that the capture lost.

    Tables: `counts` (messages by command, direction and status) and `differences` (messages that one alone shows).

    Raises:
        UsageError: pyshark or tshark is not installed, tshark fails, or there is not one capture file but several.
    """
    path = _file(analysis)
    ours = _ours(analysis.messages)
    with TemporaryDirectory(prefix="sessionscope-") as folder:
        with suppress(UsageError):  # no session was opened: what is plain can be compared all the same
            analysis.export_keys(Path(folder, "smb2_seskey_list"), "wireshark")
        with _environment(folder), ThreadPoolExecutor(1) as thread:
            version, theirs = thread.submit(_theirs, path).result()
    frames = {COUNTS: _counts(ours, theirs), DIFFERENCES: _differences(ours, theirs)}
    tables = {table.name: typed(frame, table) for table, frame in frames.items()}
    sentences = tuple(_sentences(ours, theirs, tables["differences"]))
    return Comparison(WITH_TSHARK, path, f"tshark {version}", sentences, tables)


def _file(analysis: "Analysis") -> str:
    if len(analysis.files) != 1 or not os.path.isfile(analysis.files[0].name):
        raise UsageError("tshark reads one file: name one capture, or join several with mergecap")
    return analysis.files[0].name


@contextmanager
def _environment(folder: str) -> Iterator[None]:
    """Let tshark have the configuration of a folder."""
    before = os.environ.get(_CONFIGURATION)
    os.environ[_CONFIGURATION] = folder
    try:
        yield
    finally:
        del os.environ[_CONFIGURATION]
        if before is not None:
            os.environ[_CONFIGURATION] = before


def _ours(messages: pd.DataFrame) -> _Frames:
    """The messages that could be read, by frame."""
    known = messages[messages["command"].notna()]
    frames: _Frames = {}
    columns = [known["frame"].tolist(), known["command"].tolist(), known["is_response"].tolist()]
    statuses = known["status"].astype(object).where(known["status"].notna(), None).tolist()
    for frame, command, is_response, status in zip(*columns, statuses, strict=True):
        message = _Message(str(command), is_response, status if is_response else None)
        frames.setdefault(frame, Counter())[message] += 1
    return frames


def _theirs(path: str) -> tuple[str, _Frames]:
    """The version of tshark, and its messages by frame; runs in a thread that has no event loop yet."""
    try:
        import pyshark  # noqa: PLC0415 - an extra that few have
        from pyshark.capture.capture import TSharkCrashException  # noqa: PLC0415
        from pyshark.tshark.tshark import TSharkNotFoundException, get_tshark_version  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(_MISSING) from error
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        version = str(get_tshark_version())
        capture = pyshark.FileCapture(
            path, display_filter="smb2", use_ek=True, keep_packets=False, eventloop=loop,
            custom_parameters=list(_WITHOUT),
        )  # fmt: skip
        try:
            # The layer's own methods fail where a frame has several messages, of which tshark makes a list.
            frames = {
                int(packet.number): Counter(_messages(packet.smb2._fields_dict))  # noqa: SLF001
                for packet in capture
            }
        finally:
            try:
                capture.close()
            except TSharkCrashException as error:
                if _UNKNOWN_END not in str(error):
                    raise
            finally:
                capture._running_processes.clear()  # noqa: SLF001 - else its destructor closes it on a closed loop
    except TSharkNotFoundException as error:
        raise UsageError(_MISSING) from error
    except TSharkCrashException as error:
        raise UsageError(f"tshark cannot read {path}: {error}") from error
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return version, {frame: messages for frame, messages in frames.items() if messages}


def _messages(headers: Any) -> Iterator[_Message]:
    """The messages below one layer: several stand in a list, and what was encrypted or compressed in its header."""
    if isinstance(headers, list):
        for header in headers:
            yield from _messages(header)
    elif isinstance(headers, dict):
        if "smb2_smb2_cmd" in headers:
            yield _message(headers)
        yield from _messages(headers.get("smb2"))


def _message(header: Mapping[str, Any]) -> _Message:
    is_response = header.get("smb2_smb2_flags_response") in {True, "1", "true"}
    command = Command(int(_first(header["smb2_smb2_cmd"]))).name
    status = _first(header.get("smb2_smb2_nt_status"))
    return _Message(command, is_response, ntstatus.name(int(status, 0)) if is_response and status else None)


def _first(value: Any) -> Any:
    """Of a field that a context in the body has, too, the one of the header."""
    return value[0] if isinstance(value, list) else value


def _counts(ours: _Frames, theirs: _Frames) -> pd.DataFrame:
    totals = [sum(frames.values(), Counter[_Message]()) for frames in (ours, theirs)]
    kinds = sorted({*totals[0], *totals[1]}, key=lambda kind: (kind.command, kind.is_response, kind.status or ""))
    rows = [(*kind, totals[0][kind], totals[1][kind]) for kind in kinds]
    frame = pd.DataFrame(rows, columns=["command", "is_response", "status", "sessionscope", "tshark"])
    frame["difference"] = frame["sessionscope"] - frame["tshark"]
    return frame


def _differences(ours: _Frames, theirs: _Frames) -> pd.DataFrame:
    rows = [
        (frame, who, *message, count)
        for frame in sorted({*ours, *theirs})
        for who, some, others in (("sessionscope", ours, theirs), ("tshark", theirs, ours))
        for message, count in _only(some, others, frame).items()
    ]
    return pd.DataFrame(rows, columns=list(DIFFERENCES.names))


def _only(
    some: Mapping[int, Counter[_Message]], others: Mapping[int, Counter[_Message]], frame: int
) -> Counter[_Message]:
    return some.get(frame, Counter()) - others.get(frame, Counter())


def _sentences(ours: _Frames, theirs: _Frames, differences: pd.DataFrame) -> Iterator[str]:
    mine, yours = (sum(sum(messages.values()) for messages in frames.values()) for frames in (ours, theirs))
    yield (
        f"sessionscope shows {mine:,} readable SMB2 messages in {len(ours):,} frames, "
        f"tshark {yours:,} in {len(theirs):,}."
    )
    if len(differences) == 0:
        yield "In every frame both show the same commands and statuses."
        return
    for who, other in (("sessionscope", "tshark"), ("tshark", "sessionscope")):
        rows = differences[differences["shown_by"] == who]
        if len(rows):
            first = ", ".join(map(str, rows["frame"].drop_duplicates().head(5)))
            count = int(rows["count"].sum())
            noun = "message is" if count == 1 else "messages are"
            yield f"{count:,} {noun} shown by {who} and not by {other}, first in frames {first}."
