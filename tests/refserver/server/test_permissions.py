"""Access lists (MS-DTYP 2.5.3.2)."""

import pytest

from parsers import ntstatus
from parsers.smb2.security_descriptor import Control, SecurityDescriptor, build_ace, build_acl, build_sid
from refserver.server import permissions
from refserver.server.state import Session
from tests.refserver.server.opens import Opener, opener

EVERYONE, USERS, STRANGER = build_sid(1, 0), build_sid(5, 32, 545), build_sid(5, 21, 1, 2, 3, 1000)
ADMINISTRATORS = build_sid(5, 32, 544)
ALLOW, DENY = 0, 1


@pytest.fixture
def client() -> Opener:
    return opener()


def session_of(client: Opener) -> Session:
    (session,) = client.server.global_session_table.values()
    return session


def descriptor(*aces: bytes, owner: bytes = STRANGER) -> bytes:
    control = Control.SELF_RELATIVE | Control.DACL_PRESENT
    return SecurityDescriptor(control, owner=owner, dacl=build_acl(*aces)).build()


@pytest.mark.parametrize(
    ("aces", "rights"),
    [
        ((), 0),
        ((build_ace(ALLOW, 0, 0x3, EVERYONE),), 0x3),
        ((build_ace(ALLOW, 0, 0x3, STRANGER),), 0),
        ((build_ace(ALLOW, 0, 0x3, EVERYONE), build_ace(DENY, 0, 0x1, USERS)), 0x3),
        ((build_ace(DENY, 0, 0x1, USERS), build_ace(ALLOW, 0, 0x3, EVERYONE)), 0x2),
        ((build_ace(ALLOW, 0x08, 0x3, EVERYONE),), 0),
        ((build_ace(ALLOW, 0, 0x80000000, EVERYONE),), 0x120089),
        ((build_ace(17, 0, 0x3, EVERYONE),), 0),
        ((build_ace(ALLOW, 0, 0x1, EVERYONE)[:-2],), 0),
    ],
)
def test_the_first_entry_for_a_right_decides(client: Opener, aces: tuple[bytes, ...], rights: int) -> None:
    assert permissions.granted(session_of(client), descriptor(*aces)) == rights


def test_owners_may_change_the_list(client: Opener) -> None:
    assert permissions.granted(session_of(client), descriptor(owner=ADMINISTRATORS)) == 0x60000


def test_no_list_grants_all(client: Opener) -> None:
    empty = SecurityDescriptor(owner=STRANGER).build()
    assert permissions.granted(session_of(client), empty) == permissions.ALL
    null = SecurityDescriptor(Control.SELF_RELATIVE | Control.DACL_PRESENT, owner=STRANGER).build()
    assert permissions.granted(session_of(client), null) == permissions.ALL


def test_a_guest_is_no_user(client: Opener) -> None:
    session = session_of(client)
    session.is_guest = True
    security = descriptor(build_ace(ALLOW, 0, 0x1, EVERYONE), build_ace(ALLOW, 0, 0x2, USERS))
    assert permissions.granted(session, security) == 0x1


def test_a_list_is_obeyed_by_create(client: Opener) -> None:
    file = client.open()
    node = client.record(file).node
    known = node.attributes()
    known.security = descriptor(build_ace(ALLOW, 0, 0x1, EVERYONE))
    node.set_attributes(known)
    assert client.ask(access=0x2).status == ntstatus.STATUS_ACCESS_DENIED
    assert client.ask(access=0x1).status == 0
    assert client.record(client.open(access=0x02000000)).granted_access == 0x1 | 0x10000 | 0x80
