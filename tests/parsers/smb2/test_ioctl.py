"""IOCTL: round trips, refusals, and what tshark reads in real ones."""

from pathlib import Path

import pytest
from hypothesis import given

from parsers.errors import ParseError
from parsers.smb2.file_id import FILE_ID_RELATED, FileId
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import Command
from parsers.smb2.ioctl import IoctlFlags, IoctlRequest, IoctlResponse
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

FULL: list[Codec] = [
    IoctlRequest(FsctlCode.PIPE_TRANSCEIVE, FileId(1, 2), b"input", 0, 4096),
    IoctlRequest(FsctlCode(0x83848003), FILE_ID_RELATED, b"input", 1, 2, IoctlFlags(0), b"output"),
    IoctlResponse(FsctlCode.PIPE_TRANSCEIVE, FileId(1, 2), b"output"),
    IoctlResponse(FsctlCode.PIPE_PEEK, FileId(1, 2), b"output", b"input"),
]
EMPTY: list[Codec] = [
    IoctlRequest(FsctlCode.SRV_REQUEST_RESUME_KEY, FileId(1, 2), b"", 0, 32),
    IoctlResponse(FsctlCode.LMR_REQUEST_RESILIENCY, FileId(1, 2), b""),
]


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


def test_the_output_begins_at_a_multiple_of_eight_behind_the_input() -> None:
    body = IoctlResponse(FsctlCode.PIPE_PEEK, FileId(1, 2), b"output", b"input").build()
    assert [int.from_bytes(body[at : at + 4], "little") for at in (24, 28, 32, 36)] == [112, 5, 120, 6]
    assert body[120 - 64 :] == b"output"


@pytest.mark.parametrize(("field", "name"), [(24, "Input"), (36, "Output")])
def test_a_buffer_that_begins_inside_the_header_is_refused(field: int, name: str) -> None:
    body = bytearray(IoctlRequest(FsctlCode.PIPE_PEEK, FileId(1, 2), b"in", 0, 0, IoctlFlags(0), b"out").build())
    body[field : field + 4] = (63).to_bytes(4, "little")
    with pytest.raises(ParseError, match=f"{name} at 63"):
        IoctlRequest.parse(memoryview(HEADER + body))


@pytest.mark.witness
@pytest.mark.parametrize(
    "place",
    ["samba/ntlm_202_signed.pcapng", "samba/torture_replay.pcapng", "public/suricata/smb-length-5786/input.pcap"],
)
def test_requests_are_read_as_tshark_reads_them(place: str, shared: Path, tshark: str) -> None:
    capture = shared / "captures" / place
    names = ("smb2.ioctl.function", "smb2.fid", "smb2.max_ioctl_in_size", "smb2.max_ioctl_out_size")
    theirs = fields(tshark, capture, *names, "smb2.ioctl.is_fsctl", "smb2.olb.length")
    requests = find(tshark, capture, Command.IOCTL, responses=False)
    assert requests
    for message in requests:
        ours = IoctlRequest.parse(message.data)
        *others, lengths = theirs[message.frame]
        # tshark lists the buffers in the order of their offsets, and some clients give an empty one offset 0.
        assert sorted(lengths, key=int) == sorted([str(len(ours.input)), str(len(ours.output))], key=int)
        assert others == [
            [f"0x{ours.ctl_code:08x}"],
            [wire_file_id(*ours.file_id)],
            [str(ours.max_input_response)],
            [str(ours.max_output_response)],
            [str(int(IoctlFlags.IS_FSCTL in ours.flags))],
        ]


@pytest.mark.witness
def test_responses_are_read_as_tshark_reads_them(shared: Path, tshark: str) -> None:
    capture = shared / "captures/public/suricata/smb-length-5786/input.pcap"
    theirs = fields(tshark, capture, "smb2.ioctl.function", "smb2.fid", "smb2.olb.length")
    responses = find(tshark, capture, Command.IOCTL, responses=True)
    assert len(responses) > 20
    for message in responses:
        ours = IoctlResponse.parse(message.data)
        code, file_id = f"0x{ours.ctl_code:08x}", wire_file_id(*ours.file_id)
        assert theirs[message.frame] == [[code], [file_id], [str(len(ours.input)), str(len(ours.output))]]
        assert ours.build() == message.data[len(HEADER) :]
