"""Every SMB2 message of every shared capture, field by field, frame by frame, against tshark 4.0.17.

tshark reads each capture in the order of the stream. It then shows nothing more of a direction once bytes are missing,
so what is not shown is looked for in a second reading, in the order of the packets, which loses what comes in
disorder. What neither explains stands in a table, with the reason.
"""

import gzip
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from parsers.smb2.header import Command, Flags
from tests.witness import tshark as witness
from tests.witness.decoding import Decoding, captures, run, title
from tests.witness.known_keys import store_of, tshark_keys
from tests.witness.tshark import Message

MAGICS = (b"\xfeSMB", b"\xfdSMB")

NO_SESSION_ID = "a second LOGOFF in a transform header without SessionId, which tshark needs to find the key"
CUT_HEADER = "26 bytes of each header are captured: tshark shows Command and Flags, but there is no MessageId to show"
LOST_ITS_END = "the READ response lost its end; tshark shows nothing of it, we its header"
SHOWN_TWICE = "a segment that was sent twice: tshark shows messages of cut packets again"
NOT_SYNCHRONIZED = "garbage between messages: tshark does not look for a boundary behind it"
NO_SUCH_HEADER = "StructureSize of the header is 319: no message for us, SET_INFO for tshark"
EXPLAINED: dict[str, tuple[set[int], str]] = {
    "faults/cli_impacket_300_enc.pcapng": ({433}, NO_SESSION_ID),
    "faults/cli_impacket_311.pcapng": ({488}, NO_SESSION_ID),
    "faults/dmg_enc_snap96.pcapng": ({4, 6, 8, 9, 10, 11}, CUT_HEADER),
    "faults/srv_kill9_get_signed.pcapng.gz": ({1252}, SHOWN_TWICE),
    "public/suricata/smb2-frames-gap-payload-logging/smb2-peter-minus-p191.pcap": ({190}, LOST_ITS_END),
    "public/suricata/smb2-frames-gap-payload-logging-02/smb2-peter-minus-p191-p192.pcap": ({190}, LOST_ITS_END),
    "public/zeek/smb/smb1-OSS-fuzz-54883.pcap": ({34, 37, 38}, NOT_SYNCHRONIZED),
    "public/zeek/smb/smb2_fscontrol.pcap": ({4}, NO_SUCH_HEADER),
}
# The path of a DFS referral is no file of the share, "[unknown]" no name; what follows a name is about other things.
FILE = re.compile(
    r"(?<!FSCTL_DFS_GET_REFERRALS,) File: (?!\[unknown\])(.*?)(?= SMB2_FIND_| NewName:| File: |Session message|$)"
)
HELD_BACK = "bytes are missing in the capture: read in the order of the stream, tshark shows nothing behind them"
SECOND_READING: dict[str, tuple[int, str]] = {  # frames of which only the second reading shows what is in them
    "faults/ad_krb5_pac_enc_aes128gcm.pcapng": (31, HELD_BACK),
    "faults/ad_ntlm_fallback_spn_unknown.pcapng": (31, HELD_BACK),
    "faults/twoside_delay30_loss2_srv.pcapng.gz": (1, SHOWN_TWICE),
    "faults/twoside_delay30_loss2_srv_shift3217.pcapng.gz": (1, SHOWN_TWICE),
    "public/suricata/smb2-frames-gap-payload-logging/smb2-peter-minus-p191.pcap": (177, HELD_BACK),
    "public/suricata/smb2-frames-gap-payload-logging-02/smb2-peter-minus-p191-p192.pcap": (177, HELD_BACK),
    "public/zeek/dce-rpc/20-fids-no-close.pcap": (270, HELD_BACK),
    "public/zeek/krb/smb2_krb.pcap": (26, HELD_BACK),
}


class Content(NamedTuple):
    """What is compared of a frame: headers in order, names in CREATE requests, and the file that each is about."""

    headers: tuple[Message, ...] = ()
    created: tuple[str, ...] = ()
    files: tuple[str | None, ...] = ()


NOTHING = Content()


def has_smb2(capture: Path) -> bool:
    """Whether a protocol id of SMB2 stands anywhere in the file."""
    data = capture.read_bytes()
    if capture.suffix == ".gz":
        data = gzip.decompress(data)
    return any(magic in data for magic in MAGICS)


def ours(decoding: Decoding) -> dict[int, Content]:
    """Our messages by frame."""
    rows = defaultdict(list)
    for row in decoding.messages[decoding.messages["known"]]:
        rows[int(row["frame"])].append(row)
    contents = {}
    for frame, found in rows.items():
        headers = tuple(_header(row) for row in found)
        files = tuple(decoding.name(int(row["name"])) for row in found)
        created = [name for header, name in zip(headers, files, strict=True) if is_create(header) and name]
        contents[frame] = Content(headers, tuple(created), files)
    return contents


def _header(row: Mapping[str, int]) -> Message:
    flags, place = int(row["flags"]), int(row["async_id"])
    is_async = flags & Flags.ASYNC_COMMAND
    return Message(
        int(row["message_id"]),
        int(row["command"]),
        int(row["status"]) if flags & Flags.SERVER_TO_REDIR else None,
        int(row["session_id"]),
        None if is_async else place >> 32,
        place if is_async else None,
        flags,
    )


def is_create(header: Message) -> bool:
    """Whether it is a CREATE request."""
    return header.command == Command.CREATE and not header.flags & Flags.SERVER_TO_REDIR


def theirs(frames: Mapping[int, witness.Frame]) -> dict[int, Content]:
    """tshark's messages by frame. Of names it gives every one in the frame, so they are taken where CREATEs are."""
    contents = {}
    for number, frame in frames.items():
        creates = any(is_create(header) for header in frame.messages)
        created = tuple(name for name in frame.names if name) if creates else ()
        contents[number] = Content(frame.messages, created, tuple(named_files(frame)))
    return contents


def named_files(frame: witness.Frame) -> Iterable[str | None]:
    """The file of each message by the line that sums up the frame; None where it says nothing."""
    parts = [part for part in frame.info.split(";") if part != "Decrypted SMB3"]
    if len(parts) != len(frame.messages):
        return [None] * len(frame.messages)
    return [None if (found := FILE.search(part)) is None else found[1] for part in parts]


def differing(ours: Mapping[int, Content], theirs: Mapping[int, Content]) -> set[int]:
    """The frames that are not the same. A file that tshark does not name is not compared."""
    return {
        frame
        for frame in ours.keys() | theirs.keys()
        if not agree(ours.get(frame, NOTHING), theirs.get(frame, NOTHING))
    }


def agree(ours: Content, theirs: Content) -> bool:
    """Whether two frames are the same as far as tshark names files."""
    if ours[:2] != theirs[:2]:
        return False
    return all(own == other for own, other in zip(ours.files, theirs.files, strict=True) if other is not None)


@pytest.mark.witness
@pytest.mark.parametrize("capture", [path for path in captures() if has_smb2(path)], ids=title)
def test_every_field_of_every_message_is_what_tshark_shows(shared: Path, tshark: str, capture: Path) -> None:
    password, keys = tshark_keys(shared, capture)
    mine = ours(run(capture, store_of(shared, capture)))
    first = differing(mine, theirs(witness.read(tshark, capture, password=password, keys=keys)))
    still = first
    if first:
        second = witness.read(tshark, capture, password=password, keys=keys, in_order=False)
        still = first & differing(mine, theirs(second))
    assert still == EXPLAINED.get(title(capture), (set(), ""))[0]
    assert len(first - still) == SECOND_READING.get(title(capture), (0, ""))[0]
