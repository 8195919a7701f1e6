"""CHANGE_NOTIFY: round trips, refusals, and what tshark reads in real and in built ones."""

from pathlib import Path

import pytest
from hypothesis import given

from parsers.errors import ParseError
from parsers.smb2.change_notify import (
    Change,
    ChangeNotifyFlags,
    ChangeNotifyRequest,
    ChangeNotifyResponse,
    CompletionFilter,
    FileAction,
)
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command, Flags, build_header
from tests.parsers.smb2.messages import (
    DAMAGE,
    HEADER,
    Codec,
    check_damage,
    check_round_trip,
    check_structure_size,
    check_truncation,
    dissect,
    fields,
    find,
    read_messages,
    wire_file_id,
)

CHANGES = (
    Change(FileAction.RENAMED_OLD_NAME, r"folder\old"),
    Change(FileAction.RENAMED_NEW_NAME, "new"),
    Change(FileAction(99), "\udfff"),
)
FULL: list[Codec] = [
    ChangeNotifyRequest(ChangeNotifyFlags.WATCH_TREE, 65536, FileId(1, 2), CompletionFilter(0xFFF)),
    ChangeNotifyRequest(ChangeNotifyFlags(0x8000), 0, FileId(1, 2), CompletionFilter(1 << 31)),
    ChangeNotifyResponse(CHANGES),
    ChangeNotifyResponse(CHANGES[:1]),
]
EMPTY: list[Codec] = [ChangeNotifyResponse(())]


@pytest.mark.parametrize("sample", FULL + EMPTY)
def test_what_is_built_is_read_back(sample: Codec) -> None:
    check_round_trip(sample)


@pytest.mark.parametrize("sample", FULL)
def test_every_shorter_message_is_refused(sample: Codec) -> None:
    check_truncation(sample)


@pytest.mark.parametrize("sample", FULL + EMPTY)
def test_another_structure_size_is_refused(sample: Codec) -> None:
    check_structure_size(sample)


@given(DAMAGE)
def test_damage_gives_a_message_or_a_parse_error(damage: list[tuple[int, int]]) -> None:
    for sample in FULL:
        check_damage(type(sample).parse, HEADER + sample.build(), damage)


def test_a_change_that_reaches_into_the_next_one_is_refused() -> None:
    body = bytearray(ChangeNotifyResponse(CHANGES).build())
    body[16:20] = (22).to_bytes(4, "little")
    with pytest.raises(ParseError, match="FileName"):
        ChangeNotifyResponse.parse(memoryview(HEADER + body))


@pytest.mark.witness
@pytest.mark.parametrize("place", ["public/zeek/smb/smb2readwrite.pcap", "public/suricata/smb-length-5786/input.pcap"])
def test_requests_are_read_as_tshark_reads_them(place: str, shared: Path, tshark: str) -> None:
    capture = shared / "captures" / place
    theirs = fields(tshark, capture, "smb2.notify.flags", "smb.nt.notify.completion_filter", "smb2.fid")
    messages = read_messages(tshark, capture)
    requests = [m for m in messages if m.header.command == Command.CHANGE_NOTIFY and not m.header.is_response]
    assert len(requests) > 1
    for message in requests:
        ours = ChangeNotifyRequest.parse(message.data)
        flags, completion_filter, file_ids = theirs[message.frame]
        assert f"0x{ours.flags:04x}" in flags
        assert f"0x{ours.completion_filter:08x}" in completion_filter
        assert wire_file_id(*ours.file_id) in file_ids


@pytest.mark.witness
def test_real_requests_of_their_own_are_read_whole(shared: Path, tshark: str) -> None:
    capture = shared / "captures/public/zeek/smb/smb2readwrite.pcap"
    names = ("smb2.notify.flags", "smb2.output_buffer_len", "smb.nt.notify.completion_filter", "smb2.fid")
    theirs = fields(tshark, capture, *names)
    requests = find(tshark, capture, Command.CHANGE_NOTIFY, responses=False)
    assert requests
    for message in requests:
        ours = ChangeNotifyRequest.parse(message.data)
        expected = [f"0x{ours.flags:04x}", str(ours.output_buffer_length), f"0x{ours.completion_filter:08x}"]
        assert theirs[message.frame] == [*([value] for value in expected), [wire_file_id(*ours.file_id)]]


@pytest.mark.witness
def test_what_is_built_is_read_by_tshark(tshark: str, tmp_path: Path) -> None:
    request = ChangeNotifyRequest(ChangeNotifyFlags.WATCH_TREE, 77, FileId(1, 2), CompletionFilter.FILE_NAME)
    response = ChangeNotifyResponse(CHANGES[:2])
    messages = [
        (0, build_header(Command.CHANGE_NOTIFY, 1) + request.build()),
        (1, build_header(Command.CHANGE_NOTIFY, 1, flags=Flags.SERVER_TO_REDIR) + response.build()),
    ]
    names = ("smb2.notify.watch_tree", "smb2.output_buffer_len", "smb2.notify.action", "smb2.filename")
    assert dissect(tshark, tmp_path, messages, *names) == [
        [["1"], ["77"], [], []],
        [[], [], ["0x00000004", "0x00000005"], [r"folder\old", "new"]],
    ]
