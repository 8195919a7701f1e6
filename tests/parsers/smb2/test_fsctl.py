"""Control codes and the buffers of IOCTL messages: round trips, refusals, tshark's names and values."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.dialects import Dialect
from parsers.smb2.file_id import FILE_ID_RELATED
from parsers.smb2.fsctl import (
    DfsReferralRequest,
    FsctlCode,
    NetworkResiliencyRequest,
    PipeWaitRequest,
    ValidateNegotiateRequest,
    ValidateNegotiateResponse,
)
from parsers.smb2.header import Command, build_header
from parsers.smb2.ioctl import IoctlRequest, IoctlResponse
from parsers.smb2.negotiate import GlobalCapabilities, SecurityMode
from tests.parsers.smb2.messages import Codec, dissect, fields, find, guid_text

GUID = bytes(range(16))
SAMPLES: list[Codec] = [
    ValidateNegotiateRequest(
        GlobalCapabilities.DFS | GlobalCapabilities(1 << 31),
        GUID,
        SecurityMode.SIGNING_REQUIRED,
        (Dialect.SMB_2_0_2, Dialect(0x0399)),
    ),
    ValidateNegotiateRequest(GlobalCapabilities(0), GUID, SecurityMode(0), ()),
    ValidateNegotiateResponse(GlobalCapabilities.LARGE_MTU, GUID, SecurityMode.SIGNING_ENABLED, Dialect.SMB_3_0_2),
    NetworkResiliencyRequest(300_000),
    PipeWaitRequest(50_000_000, True, "srvsvc"),
    PipeWaitRequest(0, False, "lone \ud800 surrogate \ud800"),
    DfsReferralRequest(4, r"\dom.example\share"),
]
VALIDATE = FsctlCode.VALIDATE_NEGOTIATE_INFO
# Where tshark 4.0 and MS-FSCC 2.3 name different access bits.
OTHER_VALUES = {
    "DELETE_OBJECT_ID",
    "DELETE_REPARSE_POINT",
    "READ_FILE_USN_DATA",
    "SET_ENCRYPTION",
    "SET_OBJECT_ID",
    "SET_OBJECT_ID_EXTENDED",
    "WRITE_USN_CLOSE_RECORD",
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_is_built_is_read_back(sample: Codec) -> None:
    assert type(sample).parse(memoryview(sample.build())) == sample
    assert type(sample).parse(memoryview(sample.build() + b"padding ")) == sample


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_shorter_buffer_is_refused(sample: Codec) -> None:
    whole = sample.build()
    for length in range(len(whole)):
        with pytest.raises(ParseError):
            type(sample).parse(memoryview(whole[:length]))


@given(st.binary(max_size=80))
def test_any_bytes_give_a_structure_or_a_parse_error(data: bytes) -> None:
    for kind in {type(sample) for sample in SAMPLES}:
        try:
            structure = kind.parse(memoryview(data))
        except ParseError:
            continue
        assert kind.parse(memoryview(structure.build())) == structure


def test_an_unknown_code_keeps_its_value() -> None:
    assert (FsctlCode(0x83848003), FsctlCode(0x83848003).name) == (0x83848003, "0x83848003")


@pytest.mark.witness
def test_codes_have_the_values_that_tshark_gives_their_names(tshark: str) -> None:
    listing = subprocess.run([tshark, "-G", "values"], capture_output=True, check=True).stdout.decode("latin-1")
    rows = [row.split("\t") for row in listing.splitlines() if row.startswith("V\tsmb2.ioctl.function\t")]
    theirs: dict[str, set[int]] = {}
    for row in rows:
        theirs.setdefault(row[3].removeprefix("FSCTL_"), set()).add(int(row[2], 0))
    both = [code for code in FsctlCode if code.name in theirs]
    assert len(both) > 40
    assert {code.name for code in both if code not in theirs[code.name]} == OTHER_VALUES


@pytest.mark.witness
def test_negotiate_validation_is_read_as_tshark_reads_it(shared: Path, tshark: str) -> None:
    capture = shared / "captures/samba/ntlm_300_signed.pcapng"
    theirs = fields(tshark, capture, "smb2.capabilities", "smb2.client_guid", "smb2.sec_mode", "smb2.dialect")
    requests = [(m.frame, IoctlRequest.parse(m.data)) for m in find(tshark, capture, Command.IOCTL, responses=False)]
    inputs = [(frame, ioctl.input) for frame, ioctl in requests if ioctl.ctl_code == VALIDATE]
    assert len(inputs) == 2
    for frame, data in inputs:
        ours = ValidateNegotiateRequest.parse(data)
        capabilities, mode = f"0x{ours.capabilities:08x}", f"0x{ours.security_mode:02x}"
        dialects = [f"0x{dialect:04x}" for dialect in ours.dialects]
        assert theirs[frame] == [[capabilities], [guid_text(ours.guid)], [mode], dialects]


@pytest.mark.witness
def test_answers_to_negotiate_validation_are_read_as_tshark_reads_them(shared: Path, tshark: str) -> None:
    capture = shared / "captures/samba/ntlm_300_signed.pcapng"
    theirs = fields(tshark, capture, "smb2.capabilities", "smb2.server_guid", "smb2.sec_mode", "smb2.dialect")
    responses = [(m.frame, IoctlResponse.parse(m.data)) for m in find(tshark, capture, Command.IOCTL, responses=True)]
    outputs = [(frame, ioctl.output) for frame, ioctl in responses if ioctl.ctl_code == VALIDATE]
    assert len(outputs) == 2
    for frame, data in outputs:
        ours = ValidateNegotiateResponse.parse(data)
        capabilities, mode = f"0x{ours.capabilities:08x}", f"0x{ours.security_mode:02x}"
        assert theirs[frame] == [[capabilities], [guid_text(ours.guid)], [mode], [f"0x{ours.dialect:04x}"]]


@pytest.mark.witness
def test_a_referral_request_is_read_as_tshark_reads_it(shared: Path, tshark: str) -> None:
    capture = shared / "captures/samba/ntlm_202_signed.pcapng"
    theirs = fields(tshark, capture, "smb.max_referral_level", "smb.file")
    requests = [(m.frame, IoctlRequest.parse(m.data)) for m in find(tshark, capture, Command.IOCTL, responses=False)]
    inputs = [(frame, ioctl.input) for frame, ioctl in requests if ioctl.ctl_code == FsctlCode.DFS_GET_REFERRALS]
    assert len(inputs) == 1
    for frame, data in inputs:
        ours = DfsReferralRequest.parse(data)
        assert theirs[frame] == [[str(ours.max_referral_level)], [ours.request_file_name]]


@pytest.mark.witness
def test_a_real_wait_for_a_pipe_names_it(shared: Path, tshark: str) -> None:
    capture = shared / "captures/public/zeek/smb/smb2readwrite.pcap"
    requests = [IoctlRequest.parse(m.data) for m in find(tshark, capture, Command.IOCTL, responses=False)]
    waits = [PipeWaitRequest.parse(ioctl.input) for ioctl in requests if ioctl.ctl_code == FsctlCode.PIPE_WAIT]
    assert [(wait.name, wait.timeout_specified) for wait in waits] == [("MsFteWds", False)]


@pytest.mark.witness
def test_what_is_built_is_read_by_tshark(tshark: str, tmp_path: Path) -> None:
    def request(code: FsctlCode, data: bytes) -> tuple[int, bytes]:
        return 0, build_header(Command.IOCTL, 1) + IoctlRequest(code, FILE_ID_RELATED, data, 0, 0).build()

    messages = [
        request(FsctlCode.LMR_REQUEST_RESILIENCY, NetworkResiliencyRequest(300_000).build()),
        request(FsctlCode.PIPE_WAIT, PipeWaitRequest(77, True, "srvsvc").build()),
        request(FsctlCode.DFS_GET_REFERRALS, DfsReferralRequest(4, r"\dom\share").build()),
    ]
    names = ("smb2.ioctl.resiliency.timeout", "smb2.fsctl.wait.timeout", "smb2.fsctl.wait.name", "smb.file")
    assert dissect(tshark, tmp_path, messages, *names) == [
        [["300000"], [], [], []],
        [[], ["77"], ["srvsvc"], []],
        [[], [], [], [r"\dom\share"]],
    ]
