"""Security descriptors of files (MS-FSA 2.1.5.14, 2.1.5.17)."""

from dataclasses import replace

import pytest

from parsers import ntstatus
from parsers.smb2.access import AccessMask
from parsers.smb2.file_id import FileId
from parsers.smb2.info_classes import InfoType, SecurityInformation
from parsers.smb2.security_descriptor import Control, SecurityDescriptor, build_ace, build_acl, build_sid
from refserver.server.security import DEFAULT
from tests.refserver.server.files import ALL, Desk, desk

OWNER, GROUP, DACL = SecurityInformation.OWNER, SecurityInformation.GROUP, SecurityInformation.DACL
BOB = build_sid(5, 21, 1, 2, 3, 1001)


@pytest.fixture
def client() -> Desk:
    return desk()


def security(client: Desk, file: FileId, parts: int) -> SecurityDescriptor:
    status, output = client.query(file, 0, info_type=InfoType.SECURITY, additional=parts)
    assert status == 0, hex(status)
    return SecurityDescriptor.parse(output)


def set_security(client: Desk, file: FileId, parts: int, descriptor: SecurityDescriptor) -> int:
    return client.set(file, 0, descriptor.build(), info_type=InfoType.SECURITY, additional=parts)


def test_a_new_file_lets_everyone_do_everything(client: Desk) -> None:
    assert security(client, client.open("f"), OWNER | GROUP | DACL) == DEFAULT
    assert DEFAULT.dacl == build_acl(build_ace(0, 0, ALL, build_sid(1, 0)))


def test_only_the_parts_that_were_asked_for_come(client: Desk) -> None:
    file = client.open("f")
    assert security(client, file, OWNER) == SecurityDescriptor(owner=DEFAULT.owner)
    assert security(client, file, DACL) == SecurityDescriptor(DEFAULT.control, dacl=DEFAULT.dacl)


def test_only_the_parts_that_were_named_are_set_and_they_stay(client: Desk) -> None:
    file = client.open("f")
    dacl = build_acl(build_ace(0, 0, 0x00120089, BOB))
    new = SecurityDescriptor(Control.DACL_PRESENT | Control.DACL_PROTECTED, BOB, BOB, b"", dacl)
    assert set_security(client, file, OWNER | DACL, new) == 0
    expected = replace(DEFAULT, owner=BOB, dacl=dacl, control=DEFAULT.control | Control.DACL_PROTECTED)
    assert security(client, file, OWNER | GROUP | DACL) == expected


def test_each_part_takes_its_right(client: Desk) -> None:
    client.close(client.open("f"))
    none = client.open("f", access=ALL & ~(AccessMask.READ_CONTROL | AccessMask.WRITE_DAC | AccessMask.WRITE_OWNER))
    status, _ = client.query(none, 0, info_type=InfoType.SECURITY, additional=OWNER)
    assert status == ntstatus.STATUS_ACCESS_DENIED
    for part in (OWNER, GROUP, DACL):
        assert set_security(client, none, part, DEFAULT) == ntstatus.STATUS_ACCESS_DENIED
    whole = client.open("f")
    status, _ = client.query(whole, 0, info_type=InfoType.SECURITY, additional=SecurityInformation.SACL)
    assert status == ntstatus.STATUS_ACCESS_DENIED


def test_what_is_no_descriptor_is_refused(client: Desk) -> None:
    file = client.open("f")
    for buffer in (b"", b"\1" * 19, b"\2" + bytes(19), bytes([1, 0, 4, 0]) + b"\xff" * 16):
        status = client.set(file, 0, buffer, info_type=InfoType.SECURITY, additional=DACL)
        assert status == ntstatus.STATUS_INVALID_PARAMETER
