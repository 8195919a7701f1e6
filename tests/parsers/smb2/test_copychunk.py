"""Server-side copy: round trips, refusals, and what tshark reads in what we build."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.copychunk import CopyChunk, CopyChunkCopy, CopyChunkResponse, ResumeKeyResponse
from parsers.smb2.file_id import FileId
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import Command, Flags, build_header
from parsers.smb2.ioctl import IoctlRequest, IoctlResponse
from tests.parsers.smb2.messages import Codec, dissect, read_messages

KEY = bytes(range(24))
SAMPLES: list[Codec] = [
    CopyChunkCopy(KEY, (CopyChunk(0, 1 << 40, 65536), CopyChunk(65536, 0, 1))),
    CopyChunkCopy(KEY, ()),
    CopyChunkResponse(2, 0, 65537),
    ResumeKeyResponse(KEY, b"context"),
]


@pytest.mark.parametrize("sample", [*SAMPLES, ResumeKeyResponse(KEY)])
def test_what_is_built_is_read_back(sample: Codec) -> None:
    assert type(sample).parse(memoryview(sample.build())) == sample


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_shorter_buffer_is_refused(sample: Codec) -> None:
    whole = sample.build()
    for length in range(len(whole)):
        with pytest.raises(ParseError):
            type(sample).parse(memoryview(whole[:length]))


def test_more_chunks_than_the_buffer_holds_are_refused() -> None:
    data = CopyChunkCopy(KEY, ()).build()
    with pytest.raises(ParseError, match="Chunks"):
        CopyChunkCopy.parse(data[:24] + b"\xff\xff\xff\xff" + data[28:])


@given(st.binary(max_size=120))
def test_any_bytes_give_a_structure_or_a_parse_error(data: bytes) -> None:
    for kind in {type(sample) for sample in SAMPLES}:
        try:
            structure = kind.parse(memoryview(data))
        except ParseError:
            continue
        assert kind.parse(memoryview(structure.build())) == structure


@pytest.mark.witness
def test_what_is_built_is_read_by_tshark(tshark: str, tmp_path: Path) -> None:
    chunks = (CopyChunk(11, 22, 33), CopyChunk(44, 55, 66))
    request = IoctlRequest(FsctlCode.SRV_COPYCHUNK, FileId(1, 2), CopyChunkCopy(KEY, chunks).build(), 0, 12)
    response = IoctlResponse(FsctlCode.SRV_COPYCHUNK, FileId(1, 2), CopyChunkResponse(2, 7, 99).build())
    messages = [
        (0, build_header(Command.IOCTL, 1) + request.build()),
        (1, build_header(Command.IOCTL, 1, flags=Flags.SERVER_TO_REDIR) + response.build()),
    ]
    sent = ("resume_key", "count", "src_offset", "dst_offset", "xfer_len")
    answered = ("chunks_written", "bytes_written", "total_written")
    names = [f"smb2.fsctl.cchunk.{name}" for name in sent + answered]
    assert dissect(tshark, tmp_path, messages, *names) == [
        [[KEY.hex()], ["2"], ["11", "44"], ["22", "55"], ["33", "66"], [], [], []],
        [[], [], [], [], [], ["2"], ["7"], ["99"]],
    ]


@pytest.mark.witness
def test_a_real_resume_key_is_found(shared: Path, tshark: str) -> None:
    capture = shared / "captures/public/suricata/smb2-delete/input.pcap"
    ioctls = [message for message in read_messages(tshark, capture) if message.header.command == Command.IOCTL]
    responses = [IoctlResponse.parse(message.data) for message in ioctls if message.header.is_response]
    outputs = [ioctl.output for ioctl in responses if ioctl.ctl_code == FsctlCode.SRV_REQUEST_RESUME_KEY]
    assert len(outputs) == 1
    assert ResumeKeyResponse.parse(outputs[0]) == ResumeKeyResponse(outputs[0][:24])
    assert ResumeKeyResponse.parse(outputs[0]).build() == outputs[0]
