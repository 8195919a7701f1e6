"""IOCTL (MS-SMB2 3.3.5.15)."""

from ipaddress import ip_address

import pytest

from parsers import ntstatus
from parsers.smb2.access import AccessMask
from parsers.smb2.dialects import Dialect
from parsers.smb2.file_id import FILE_ID_RELATED
from parsers.smb2.file_query import BASIC
from parsers.smb2.fsctl import (
    DfsReferralRequest,
    FsctlCode,
    NetworkResiliencyRequest,
    PipeWaitRequest,
    ValidateNegotiateRequest,
    ValidateNegotiateResponse,
)
from parsers.smb2.header import Command
from parsers.smb2.ioctl import IoctlRequest
from parsers.smb2.negotiate import GlobalCapabilities, SecurityMode
from parsers.smb2.network_interface import (
    InterfaceCapabilities,
    NetworkInterface,
    parse_network_interfaces,
    socket_address,
)
from tests.refserver.server.files import ALL, Desk, desk

SPARSE = 0x200


@pytest.fixture
def client() -> Desk:
    return desk()


def numbers(*values: int) -> bytes:
    return b"".join(value.to_bytes(8, "little", signed=value < 0) for value in values)


def ranges(output: bytes) -> list[tuple[int, int]]:
    values = [int.from_bytes(output[place : place + 8], "little") for place in range(0, len(output), 8)]
    return list(zip(values[::2], values[1::2], strict=True))


def validation(client: Desk, **changed: object) -> bytes:
    connection = client.server.connections[client.peer.number]
    fields = {
        "capabilities": connection.client_capabilities,
        "guid": connection.client_guid,
        "security_mode": connection.client_security_mode,
        "dialects": tuple(Dialect(dialect) for dialect in connection.client_dialects),
    }
    return ValidateNegotiateRequest(**(fields | changed)).build()  # type: ignore[arg-type]  # by name


def test_what_was_negotiated_is_confirmed() -> None:
    client = desk(None, 0x0300, 0x0302)
    status, output = client.ioctl(FsctlCode.VALIDATE_NEGOTIATE_INFO, validation(client))
    assert status == 0
    response = ValidateNegotiateResponse.parse(output)
    assert response.dialect == 0x0302
    assert response.guid == client.server.config.server_guid
    assert response.security_mode == SecurityMode.SIGNING_ENABLED


@pytest.mark.parametrize(
    "changed",
    [
        {"guid": bytes(16)},
        {"security_mode": SecurityMode.SIGNING_REQUIRED},
        {"capabilities": GlobalCapabilities(0)},
        {"dialects": (Dialect.SMB_3_0,)},
    ],
)
def test_whoever_finds_negotiate_changed_loses_the_connection(changed: dict[str, object]) -> None:
    client = desk(None, 0x0300, 0x0302)
    body = IoctlRequest(
        FsctlCode.VALIDATE_NEGOTIATE_INFO, FILE_ID_RELATED, validation(client, **changed), 0, 24
    ).build()
    assert client.peer.send(client.peer.request(Command.IOCTL, body)) == []
    assert client.peer.closed


def test_interfaces_are_told_where_there_are_channels() -> None:
    address = ip_address("192.0.2.1")
    interface = NetworkInterface(1, InterfaceCapabilities.RSS_CAPABLE, 10**10, socket_address(address))
    client = desk(network_interfaces=(interface,))
    status, output = client.ioctl(FsctlCode.QUERY_NETWORK_INTERFACE_INFO)
    assert status == 0
    assert parse_network_interfaces(output) == (interface,)
    small = client.ioctl(FsctlCode.QUERY_NETWORK_INTERFACE_INFO, room=8)
    assert small == (ntstatus.STATUS_BUFFER_TOO_SMALL, b"")
    old = desk(None, 0x0210, network_interfaces=(interface,))
    assert old.ioctl(FsctlCode.QUERY_NETWORK_INTERFACE_INFO)[0] == ntstatus.STATUS_NOT_SUPPORTED
    assert desk().ioctl(FsctlCode.QUERY_NETWORK_INTERFACE_INFO)[0] == ntstatus.STATUS_NOT_SUPPORTED


def test_what_is_asked_of_the_server_names_no_file(client: Desk) -> None:
    file = client.open("f")
    for code in (FsctlCode.QUERY_NETWORK_INTERFACE_INFO, FsctlCode.DFS_GET_REFERRALS, FsctlCode.PIPE_WAIT):
        assert client.ioctl(code, b"", file)[0] == ntstatus.STATUS_INVALID_PARAMETER


def test_there_is_no_dfs(client: Desk) -> None:
    referral = DfsReferralRequest(4, "\\server\\data").build()
    assert client.ioctl(FsctlCode.DFS_GET_REFERRALS, referral)[0] == ntstatus.STATUS_FS_DRIVER_REQUIRED


def test_unknown_codes_and_large_buffers_are_refused(client: Desk) -> None:
    file = client.open("f")
    assert client.ioctl(0x00099999, b"", file)[0] == ntstatus.STATUS_INVALID_DEVICE_REQUEST
    assert client.ioctl(FsctlCode.SET_SPARSE)[0] == ntstatus.STATUS_FILE_CLOSED
    small = desk(max_transact_size=65536)
    assert small.ioctl(FsctlCode.SET_SPARSE, b"", small.open("f"), room=65537)[0] == ntstatus.STATUS_INVALID_PARAMETER


def test_a_file_is_made_sparse_and_ordinary_again(client: Desk) -> None:
    file = client.open("f")
    for input_, sparse in ((b"", True), (b"\0", False), (b"\1", True)):
        assert client.ioctl(FsctlCode.SET_SPARSE, input_, file)[0] == 0
        bits = BASIC.parse(client.query(file, 4)[1]).file_attributes
        assert bool(bits & SPARSE) is sparse
    assert client.ioctl(FsctlCode.SET_SPARSE, b"", client.directory("d"))[0] == ntstatus.STATUS_INVALID_PARAMETER
    reader = client.open("f", access=AccessMask.FILE_READ_DATA)
    assert client.ioctl(FsctlCode.SET_SPARSE, b"", reader)[0] == ntstatus.STATUS_ACCESS_DENIED


def test_holes_are_made_and_told(client: Desk) -> None:
    file, query = client.open("f"), FsctlCode.QUERY_ALLOCATED_RANGES
    client.write(file, b"x" * 262144)
    assert ranges(client.ioctl(query, numbers(0, 1 << 30), file)[1]) == [(0, 262144)]
    assert client.ioctl(FsctlCode.SET_SPARSE, b"", file)[0] == 0
    assert client.ioctl(FsctlCode.SET_ZERO_DATA, numbers(65536, 131072), file)[0] == 0
    assert ranges(client.ioctl(query, numbers(0, 1 << 30), file)[1]) == [(0, 65536), (131072, 131072)]
    assert client.read(file, offset=65535, length=3) == b"x\0\0"
    status, output = client.ioctl(query, numbers(0, 1 << 30), file, room=16)
    assert (status, ranges(output)) == (ntstatus.STATUS_BUFFER_OVERFLOW, [(0, 65536)])
    assert client.ioctl(query, numbers(0, 1 << 30), file, room=8)[0] == ntstatus.STATUS_BUFFER_TOO_SMALL
    assert client.ioctl(query, numbers(70000, 100), file) == (0, b"")


@pytest.mark.parametrize("code", [FsctlCode.SET_ZERO_DATA, FsctlCode.QUERY_ALLOCATED_RANGES])
@pytest.mark.parametrize("input_", [b"", bytes(15), numbers(-1, 5), numbers(5, -1)])
def test_ranges_that_are_none_are_refused(client: Desk, code: FsctlCode, input_: bytes) -> None:
    assert client.ioctl(code, input_, client.open("f"))[0] == ntstatus.STATUS_INVALID_PARAMETER


def test_zeros_take_the_right_to_write(client: Desk) -> None:
    client.close(client.open("f"))
    reader = client.open("f", access=AccessMask.FILE_READ_DATA)
    assert client.ioctl(FsctlCode.SET_ZERO_DATA, numbers(0, 5), reader)[0] == ntstatus.STATUS_ACCESS_DENIED
    writer = client.open("f", access=AccessMask.FILE_WRITE_DATA)
    assert client.ioctl(FsctlCode.QUERY_ALLOCATED_RANGES, numbers(0, 5), writer)[0] == ntstatus.STATUS_ACCESS_DENIED
    assert client.ioctl(FsctlCode.SET_ZERO_DATA, numbers(9, 5), writer)[0] == ntstatus.STATUS_INVALID_PARAMETER


def test_object_ids_differ_by_file(client: Desk) -> None:
    first = client.ioctl(FsctlCode.CREATE_OR_GET_OBJECT_ID, b"", client.open("a"))
    second = client.ioctl(FsctlCode.CREATE_OR_GET_OBJECT_ID, b"", client.open("b"))
    assert first[0] == second[0] == 0
    assert len(first[1]) == 64
    assert first[1][:16] != second[1][:16]
    assert first[1][16:32] == second[1][16:32]


def test_nothing_is_compressed(client: Desk) -> None:
    file = client.open("f")
    assert client.ioctl(FsctlCode.GET_COMPRESSION, b"", file) == (0, bytes(2))
    assert client.ioctl(FsctlCode.SET_COMPRESSION, bytes(2), file)[0] == 0
    assert client.ioctl(FsctlCode.SET_COMPRESSION, b"\2\0", file)[0] == ntstatus.STATUS_NOT_SUPPORTED
    assert client.ioctl(FsctlCode.SET_COMPRESSION, b"", file)[0] == ntstatus.STATUS_INVALID_PARAMETER


def test_resiliency_is_asked_for_with_a_time(client: Desk) -> None:
    file, code = client.open("f"), FsctlCode.LMR_REQUEST_RESILIENCY
    assert client.ioctl(code, NetworkResiliencyRequest(1000).build(), file)[0] == 0
    (open_,) = client.server.global_open_table.values()
    assert open_.is_resilient
    assert client.ioctl(code, NetworkResiliencyRequest(300_001).build(), file)[0] == ntstatus.STATUS_INVALID_PARAMETER
    assert client.ioctl(code, b"", file)[0] == ntstatus.STATUS_INVALID_PARAMETER
    old = desk(None, 0x0202)
    status, _ = old.ioctl(code, NetworkResiliencyRequest(1000).build(), old.open("f"))
    assert status == ntstatus.STATUS_INVALID_DEVICE_REQUEST


def test_pipes_wait_for_nobody_and_files_are_no_pipes(client: Desk) -> None:
    pipes = desk(share="ipc$")
    wait = FsctlCode.PIPE_WAIT
    assert pipes.ioctl(wait, PipeWaitRequest(0, timeout_specified=False, name="srvsvc").build())[0] == 0
    missing = pipes.ioctl(wait, PipeWaitRequest(0, timeout_specified=False, name="nothing").build())
    assert missing[0] == ntstatus.STATUS_OBJECT_NAME_NOT_FOUND
    assert (
        client.ioctl(FsctlCode.PIPE_TRANSCEIVE, b"", client.open("f", access=ALL))[0] == ntstatus.STATUS_NOT_SUPPORTED
    )
    pipe = pipes.open("srvsvc")
    assert pipes.ioctl(FsctlCode.SET_SPARSE, b"", pipe)[0] == ntstatus.STATUS_INVALID_DEVICE_REQUEST
