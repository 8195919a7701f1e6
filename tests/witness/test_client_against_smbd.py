"""The client against Samba's smbd: dialects, signatures, ciphers, logons, channels, leases, durable opens, misdeeds."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from parsers.gss.kerberos.names import etype_name
from parsers.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_CANCELLED,
    STATUS_CONNECTION_DISCONNECTED,
    STATUS_LOCK_NOT_GRANTED,
    STATUS_LOGON_FAILURE,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_REQUEST_NOT_ACCEPTED,
    STATUS_SUCCESS,
    STATUS_USER_SESSION_DELETED,
)
from parsers.smb2.access import AccessMask
from parsers.smb2.change_notify import Change, FileAction
from parsers.smb2.create import CreateDisposition, CreateOptions, OplockLevel
from parsers.smb2.crypto import Cipher, SigningAlgorithm
from parsers.smb2.dialects import Dialect
from parsers.smb2.durable import DurableFlags, DurableRequest, DurableRequestV2
from parsers.smb2.info_classes import FileInformationClass
from parsers.smb2.lease import LeaseFlags, LeaseState, LeaseV2
from parsers.smb2.lock import LockElement, LockFlags
from parsers.smb2.session_setup import SessionSetupFlags
from parsers.times import NANOSECONDS
from refserver.client import files
from refserver.client.calls import all_of
from refserver.client.client import Client
from refserver.client.commands import READ_WRITE_DELETE
from refserver.client.config import ALL_DIALECTS, ClientConfig
from refserver.client.script import Steps, settled, wait
from refserver.client.state import Deviation, Session, TreeConnect, related
from refserver.gss.kerberos_initiator import KerberosCredential
from refserver.gss.ntlm_initiator import NtlmCredential
from refserver.gss.tickets import mint
from tests.witness.smbd import PASSWORD, USER, WORKGROUP, Smbd, running_smbd
from tests.witness.sockets import Network

pytestmark = pytest.mark.witness

ALICE = NtlmCredential(USER, WORKGROUP, PASSWORD, workstation="DESK")
CONTENT = bytes(range(256)) * 12_000 + b"and a rest"
ALL = LeaseState.READ_CACHING | LeaseState.HANDLE_CACHING | LeaseState.WRITE_CACHING
DIRECTORY_ACCESS = AccessMask.FILE_LIST_DIRECTORY | AccessMask.SYNCHRONIZE
EXCLUSIVE = LockElement(0, 10, LockFlags.EXCLUSIVE_LOCK)


@pytest.fixture(scope="module")
def smbd() -> Iterator[Smbd]:
    with running_smbd() as server:
        yield server


@pytest.fixture
def network(smbd: Smbd) -> Iterator[Network]:
    with Network(smbd.port) as network:
        yield network


def log_on(client: Client, share: str = "share", **options: Any) -> Steps[tuple[Session, TreeConnect]]:
    """Everything up to a share."""
    yield client.negotiate()
    session = yield client.session_setup(ALICE, **options)
    return session, (yield client.tree_connect(session, share))


def everyday_work(client: Client, share: str = "share") -> Steps[list[str]]:
    """Put, get, rename, list, delete; the names while the file was there."""
    session, tree = yield client.run(log_on(client, share))
    yield client.run(files.put(client, tree, "here.bin", CONTENT))
    assert (yield client.run(files.get(client, tree, "here.bin"))) == CONTENT
    yield client.run(files.rename(client, tree, "here.bin", "there.bin"))
    entries = yield client.run(files.list_directory(client, tree))
    yield client.run(files.delete(client, tree, "there.bin"))
    gone = yield settled(client.create(tree, "there.bin"))
    assert gone.status == STATUS_OBJECT_NAME_NOT_FOUND
    yield client.tree_disconnect(tree)
    yield client.logoff(session)
    assert client.faults == []
    return [entry.file_name for entry in entries]


@pytest.mark.parametrize(
    "options", [{}, {"require_signing": True}, {"encrypt": True}], ids=["plain", "signed", "sealed"]
)
@pytest.mark.parametrize("dialect", ALL_DIALECTS, ids=lambda dialect: dialect.display)
def test_files_are_put_got_renamed_listed_and_deleted_in_every_dialect(
    network: Network, dialect: Dialect, options: dict[str, Any]
) -> None:
    client = network.connect(ClientConfig(dialects=(dialect,), **options))
    assert "there.bin" in network.run(everyday_work(client))
    assert client.dialect == dialect


@pytest.mark.parametrize("algorithm", SigningAlgorithm.__members__.values())
def test_every_signing_algorithm_is_understood(network: Network, algorithm: SigningAlgorithm) -> None:
    client = network.connect(ClientConfig(signing_algorithms=(algorithm,), require_signing=True))
    network.run(everyday_work(client))
    assert client.signing_algorithm == algorithm


@pytest.mark.parametrize("cipher", Cipher.__members__.values())
def test_every_cipher_is_understood(network: Network, cipher: Cipher) -> None:
    client = network.connect(ClientConfig(ciphers=(cipher,)))
    network.run(everyday_work(client, "sealed"))
    assert client.cipher_id == cipher


@pytest.mark.parametrize(
    ("dialects", "chosen"), [(ALL_DIALECTS, Dialect.SMB_3_1_1), (ALL_DIALECTS[:1], Dialect.SMB_2_0_2)]
)
def test_a_negotiation_may_begin_in_smb1(network: Network, dialects: tuple[Dialect, ...], chosen: Dialect) -> None:
    client = network.connect(ClientConfig(dialects=dialects))
    network.finish(client.negotiate(multi_protocol=True))
    network.finish(client.session_setup(ALICE))
    assert client.dialect == chosen


@pytest.mark.parametrize("dialects", [ALL_DIALECTS[:2], ALL_DIALECTS[:3], ALL_DIALECTS[:4]])
def test_the_negotiation_is_validated(network: Network, dialects: tuple[Dialect, ...]) -> None:
    client = network.connect(ClientConfig(dialects=dialects))
    _, tree = network.run(log_on(client))
    network.finish(client.validate_negotiate(tree))
    assert not client.closed


# ----------------------------------------------------------------------------------------------- logons


def test_a_wrong_password_is_refused_and_a_right_one_taken_afterwards(network: Network) -> None:
    client = network.connect()
    network.finish(client.negotiate())
    refused = client.session_setup(replace(ALICE, password="wrong"))
    network.until(lambda: refused.done)
    assert refused.status == STATUS_LOGON_FAILURE
    assert network.finish(client.session_setup(ALICE)).keys is not None


def test_whom_the_server_does_not_know_is_a_guest_without_keys(network: Network) -> None:
    client = network.connect()
    network.finish(client.negotiate())
    session = network.finish(client.session_setup(NtlmCredential("stranger", "X", "?")))
    assert session.is_guest
    assert session.keys is None
    tree = network.finish(client.tree_connect(session, "share"))
    network.run(files.put(client, tree, "of a guest", b"hello"))


def test_nobody_may_see_ipc(network: Network) -> None:
    client = network.connect()
    network.finish(client.negotiate())
    session = network.finish(client.session_setup(NtlmCredential()))
    assert session.keys is None
    assert network.finish(client.tree_connect(session, "IPC$")).is_pipe


@pytest.mark.parametrize("mutual", [True, False], ids=["mutual", "one-sided"])
@pytest.mark.parametrize("place", range(3), ids=["aes128", "aes256", "rc4"])
def test_a_minted_ticket_logs_on_and_its_keys_encrypt(smbd: Smbd, network: Network, place: int, mutual: bool) -> None:
    key, numbers = smbd.keytab[place], random.Random(5)
    client = network.connect(ClientConfig(ciphers=(Cipher.AES_256_GCM,)))
    credential = KerberosCredential(
        lambda now: mint(key, client=USER, authtime=now, endtime=now + 3600 * NANOSECONDS, random=numbers.randbytes),
        mutual=mutual,
    )
    network.finish(client.negotiate())
    session = network.finish(client.session_setup(credential))
    assert len(session.session_key or b"") == len(key.key), etype_name(key.etype)
    tree = network.finish(client.tree_connect(session, "sealed"))
    network.run(files.put(client, tree, "by ticket", CONTENT))
    network.finish(client.reauthenticate(session))
    assert network.run(files.get(client, tree, "by ticket")) == CONTENT


def test_an_expired_ticket_is_renewed_and_what_failed_is_repeated(smbd: Smbd, network: Network) -> None:
    tickets: list[int] = []
    numbers = random.Random(5)

    def ticket(now: int) -> Any:
        tickets.append(now)
        return mint(smbd.keytab[1], client=USER, authtime=now, endtime=now + 3 * NANOSECONDS, random=numbers.randbytes)

    def work(client: Client) -> Steps[None]:
        yield client.negotiate()
        session = yield client.session_setup(KerberosCredential(ticket))
        tree = yield client.tree_connect(session, "share")
        file = yield client.create(tree, "long", access=READ_WRITE_DELETE, disposition=CreateDisposition.OVERWRITE_IF)
        yield client.write(file, 0, b"before")
        yield wait(seconds=4)
        again = client.read(file, 0, 6), client.read(file, 3, 3)
        assert (yield all_of(*again)) == (b"before", b"ore")
        assert session.session_id == file.tree_connect.session.session_id

    client = network.connect(ClientConfig(require_signing=True))
    network.run(work(client))
    assert len(tickets) == 2
    assert client.faults == []


@pytest.mark.parametrize(
    "options", [{}, {"require_signing": True}, {"encrypt": True}], ids=["plain", "signed", "sealed"]
)
def test_a_session_is_authenticated_again_and_keeps_keys_and_opens(network: Network, options: dict[str, Any]) -> None:
    def work(client: Client) -> Steps[bytes]:
        session, tree = yield client.run(log_on(client))
        file = yield client.create(tree, "kept", access=READ_WRITE_DELETE, disposition=CreateDisposition.OVERWRITE_IF)
        yield client.write(file, 0, b"kept")
        keys = session.keys
        yield client.reauthenticate(session)
        assert session.keys is keys
        return (yield client.read(file, 0, 4))

    assert network.run(work(network.connect(ClientConfig(**options)))) == b"kept"


@pytest.mark.parametrize("dialect", ALL_DIALECTS[2:], ids=lambda dialect: dialect.display)
def test_a_second_channel_works_on_when_the_first_one_is_lost(network: Network, dialect: Dialect) -> None:
    config = ClientConfig(dialects=(dialect,), require_signing=True)
    first, second = network.connect(config), network.connect(config)

    def work() -> Steps[bytes]:
        session, tree = yield first.run(log_on(first))
        yield second.negotiate()
        yield second.bind(session)
        file = yield second.create(tree, "both", access=READ_WRITE_DELETE, disposition=CreateDisposition.OVERWRITE_IF)
        yield first.write(file, 0, b"from the first")
        network.drop(first)
        return (yield second.read(file, 0, 100))

    assert network.run(work()) == b"from the first"
    assert second.faults == []


# ----------------------------------------------------------------------------------------------- what is taken back


def test_a_lease_is_broken_and_acknowledged_when_another_client_opens_the_file(network: Network) -> None:
    first = network.connect(ClientConfig(client_guid=b"the first client"))
    second = network.connect(ClientConfig(client_guid=b"the other client"))
    lease = LeaseV2(b"key of the lease", ALL, LeaseFlags(0), bytes(16), 0)

    def work() -> Steps[None]:
        _, tree = yield first.run(log_on(first))
        _, other_tree = yield second.run(log_on(second))
        file = yield first.create(
            tree,
            "leased",
            access=READ_WRITE_DELETE,
            disposition=CreateDisposition.OPEN_IF,
            oplock=OplockLevel.LEASE,
            contexts=(lease,),
        )
        assert file.lease_state == ALL
        opening = second.create(other_tree, "leased", access=READ_WRITE_DELETE)
        broken = yield first.next_break()
        assert broken.open is file
        assert file.lease_state == LeaseState.READ_CACHING | LeaseState.HANDLE_CACHING
        yield opening
        assert broken.acknowledged

    network.run(work())


def test_an_oplock_break_that_is_withheld_keeps_the_other_client_waiting(network: Network) -> None:
    first = network.connect(ClientConfig(client_guid=b"the first client", acknowledge_breaks=False))
    second = network.connect(ClientConfig(client_guid=b"the other client"))

    def work() -> Steps[None]:
        _, tree = yield first.run(log_on(first))
        _, other_tree = yield second.run(log_on(second))
        file = yield first.create(
            tree,
            "locked",
            access=READ_WRITE_DELETE,
            disposition=CreateDisposition.OPEN_IF,
            oplock=OplockLevel.BATCH,
        )
        assert file.oplock_level == OplockLevel.BATCH
        opening = second.create(other_tree, "locked", access=READ_WRITE_DELETE)
        broken = yield first.next_break()
        yield wait(seconds=0.5)
        assert not opening.done
        yield first.acknowledge(broken)
        yield opening

    network.run(work())


@pytest.mark.parametrize("version", [1, 2])
def test_a_durable_open_is_given_back_on_a_new_connection(network: Network, version: int) -> None:
    if version == 1:
        oplock, contexts = OplockLevel.BATCH, (DurableRequest(),)
    else:
        lease = LeaseV2(b"of durable opens", ALL, LeaseFlags(0), bytes(16), 0)
        oplock, contexts = OplockLevel.LEASE, (DurableRequestV2(0, DurableFlags(0), b"a GUID of create"), lease)
    first, second = network.connect(), network.connect()

    def work() -> Steps[bytes]:
        session, tree = yield first.run(log_on(first))
        file = yield first.create(
            tree,
            f"durable{version}",
            access=READ_WRITE_DELETE,
            disposition=CreateDisposition.OVERWRITE_IF,
            oplock=oplock,
            contexts=contexts,
        )
        assert file.durable
        yield first.write(file, 0, b"durable")
        network.drop(first)
        yield wait(seconds=0.5)  # the server has to notice
        _, new_tree = yield second.run(log_on(second, previous_session_id=session.session_id))
        same = yield second.reconnect(new_tree, file)
        assert same.file_id.persistent == file.file_id.persistent
        return (yield second.read(same, 0, 100))

    assert network.run(work()) == b"durable"


def test_changes_are_reported_and_the_wait_for_them_cancelled(network: Network) -> None:
    client = network.connect()

    def work() -> Steps[tuple[Change, ...]]:
        _, tree = yield client.run(log_on(client))
        yield settled(client.run(files.delete(client, tree, "news")))
        directory = yield client.create(tree, "", access=DIRECTORY_ACCESS, options=CreateOptions.DIRECTORY_FILE)
        watch = client.change_notify(directory)
        yield client.run(files.put(client, tree, "news", b"x"))
        changes = yield watch
        watch = client.change_notify(directory)
        yield wait(seconds=0.3)
        client.cancel(watch)
        assert (yield settled(watch)).status == STATUS_CANCELLED
        return changes

    assert network.run(work()) == (Change(FileAction.ADDED, "news"),)


def test_a_lock_waits_until_the_range_is_unlocked(network: Network) -> None:
    client = network.connect()

    def work() -> Steps[None]:
        _, tree = yield client.run(log_on(client))
        yield client.run(files.put(client, tree, "ranges", b"0123456789"))
        first = yield client.create(tree, "ranges", access=READ_WRITE_DELETE)
        second = yield client.create(tree, "ranges", access=READ_WRITE_DELETE)
        yield client.lock(first, (EXCLUSIVE,))
        at_once = replace(EXCLUSIVE, flags=EXCLUSIVE.flags | LockFlags.FAIL_IMMEDIATELY)
        assert (yield settled(client.lock(second, (at_once,)))).status == STATUS_LOCK_NOT_GRANTED
        waiting = client.lock(second, (EXCLUSIVE,))
        yield wait(seconds=0.3)
        assert not waiting.done
        yield client.lock(first, (replace(EXCLUSIVE, flags=LockFlags.UNLOCK),))
        yield waiting

    network.run(work())


@pytest.mark.parametrize(
    "options", [{}, {"require_signing": True}, {"encrypt": True}], ids=["plain", "signed", "sealed"]
)
def test_compounds_are_taken_related_and_unrelated(network: Network, options: dict[str, Any]) -> None:
    client = network.connect(ClientConfig(**options))

    def work() -> Steps[bytes]:
        session, tree = yield client.run(log_on(client))
        yield client.run(files.put(client, tree, "together", b"all at once"))
        with client.compound(related=True):
            calls = (
                client.create(tree, "together"),
                client.query_info(related(tree), FileInformationClass.FileStandardInformation),
                client.read(related(tree), 0, 100),
                client.close_file(related(tree)),
            )
        _, information, content, _ = yield all_of(*calls)
        assert int.from_bytes(information[8:16], "little") == len(content)
        with client.compound():
            missing, alive = client.create(tree, "nowhere"), client.echo(session)
        yield alive
        assert missing.status == STATUS_OBJECT_NAME_NOT_FOUND
        return content

    assert network.run(work()) == b"all at once"
    assert client.faults == []


# ----------------------------------------------------------------------------------------------- against the rules


def test_an_unsigned_request_on_a_signed_session_is_denied(network: Network) -> None:
    client = network.connect(ClientConfig(require_signing=True))
    _, tree = network.run(log_on(client))
    with client.deviating(Deviation(signed=False)):
        call = client.create(tree, "")
    network.until(lambda: call.done)
    assert call.status == STATUS_ACCESS_DENIED


def test_a_tampered_encrypted_message_ends_the_connection(network: Network) -> None:
    client = network.connect(ClientConfig(encrypt=True))
    _, tree = network.run(log_on(client))
    with client.deviating(Deviation(tamper=-1)):
        call = client.create(tree, "")
    network.until(lambda: call.done)
    assert call.status == STATUS_CONNECTION_DISCONNECTED
    assert client.closed


def test_a_replayed_request_ends_the_connection(network: Network) -> None:
    client = network.connect(ClientConfig(require_signing=True))
    session, _ = network.run(log_on(client))
    call = client.echo(session)
    network.finish(call)
    client.send_again(call)
    network.until(lambda: client.closed)


@pytest.mark.parametrize(
    ("deviation", "options", "status", "afterwards"),
    [
        (Deviation(session_id=0x1234), {}, STATUS_USER_SESSION_DELETED, STATUS_SUCCESS),
        (
            Deviation(),
            {"change": lambda fields: replace(fields, flags=SessionSetupFlags.BINDING)},
            STATUS_REQUEST_NOT_ACCEPTED,
            STATUS_USER_SESSION_DELETED,
        ),
        (
            Deviation(),
            {"credential": replace(ALICE, password="wrong")},
            STATUS_LOGON_FAILURE,
            STATUS_USER_SESSION_DELETED,
        ),
    ],
    ids=["another SessionId", "Flags of a binding", "wrong password"],
)
def test_a_wrong_reauthentication_fails(
    network: Network, deviation: Deviation, options: dict[str, Any], status: int, afterwards: int
) -> None:
    client = network.connect(ClientConfig(require_signing=True))
    session, tree = network.run(log_on(client))
    with client.deviating(deviation):
        again = client.reauthenticate(session, **options)
    network.until(lambda: again.done)
    assert again.status == status
    after = client.create(tree, "")
    network.until(lambda: after.done)
    assert after.status == afterwards
    assert session.ended


def test_keys_of_the_new_authentication_do_not_fit_the_session(network: Network) -> None:
    client = network.connect(ClientConfig(require_signing=True))
    session, tree = network.run(log_on(client))
    network.finish(client.reauthenticate(session, new_keys=True))
    call = client.create(tree, "")
    network.until(lambda: call.done)
    assert not call.succeeded
