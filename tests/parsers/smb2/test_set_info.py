"""SET_INFO: round trips, refusals, and what tshark reads in real ones."""

from pathlib import Path

import pytest
from hypothesis import given

from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command
from parsers.smb2.info_classes import FileInformationClass, InfoType, SecurityInformation
from parsers.smb2.set_info import SetInfoRequest, SetInfoResponse
from tests.parsers.smb2.messages import (
    DAMAGE,
    HEADER,
    Codec,
    check_damage,
    check_round_trip,
    check_structure_size,
    check_truncation,
    fields,
    find,
    wire_file_id,
)

# tshark has a field of its own for AdditionalInformation that is about security.
ADDITIONAL = ("smb2.getsetinfo_additional", "smb2.getsetinfo_additionals")
FULL: list[Codec] = [
    SetInfoRequest(InfoType.FILE, FileInformationClass.FileBasicInformation, 0, FileId(1, 2), bytes(40)),
    SetInfoRequest(InfoType.SECURITY, 0, SecurityInformation.DACL, FileId(1, 2), b"descriptor"),
    SetInfoRequest(InfoType(9), 77, 1, FileId(1, 2), b"buffer"),
    SetInfoResponse(),
]
EMPTY: list[Codec] = [SetInfoRequest(InfoType.QUOTA, 0, 0, FileId(1, 2), b"")]


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


@pytest.mark.witness
@pytest.mark.parametrize(
    "place",
    ["samba/torture_oplock.pcapng", "samba/torture_session.pcapng", "public/suricata/smb-length-5786/input.pcap"],
)
def test_requests_are_read_as_tshark_reads_them(place: str, shared: Path, tshark: str) -> None:
    capture = shared / "captures" / place
    levels = ("smb2.file_info.infolevel", "smb2.fs_info.infolevel", "smb2.sec_info.infolevel")
    names = ("smb2.class", "smb2.setinfo_size", *ADDITIONAL, "smb2.fid")
    theirs = fields(tshark, capture, *levels, *names)
    requests = find(tshark, capture, Command.SET_INFO, responses=False)
    assert requests
    for message in requests:
        ours = SetInfoRequest.parse(message.data)
        *found, kind, size, additional, of_security, file_id = theirs[message.frame]
        assert [value for level in found for value in level] == [f"0x{ours.file_info_class:02x}"]
        assert [kind, size] == [[f"0x{ours.info_type:02x}"], [str(len(ours.buffer))]]
        assert additional + of_security == [f"0x{ours.additional_information:08x}"]
        assert file_id == [wire_file_id(*ours.file_id)]
        assert ours.build() == message.data[len(HEADER) :]


@pytest.mark.witness
def test_real_responses_say_nothing(shared: Path, tshark: str) -> None:
    capture = shared / "captures/samba/torture_oplock.pcapng"
    responses = find(tshark, capture, Command.SET_INFO, responses=True)
    assert len(responses) > 2
    assert {SetInfoResponse.parse(message.data) for message in responses} == {SetInfoResponse()}
