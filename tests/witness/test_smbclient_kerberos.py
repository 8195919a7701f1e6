"""Samba's smbclient logs on to `sessionscope serve` with Kerberos: every encryption type, signed and encrypted.

The tickets are minted with the service's key and put into a credentials cache as MIT Kerberos writes them, so that no
KDC is needed; but one test has a real KDC, whose tickets and keytab nobody here has made.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analyzer import analyze
from parsers.gss.kerberos import crypto
from parsers.keys import ccache, keytab
from parsers.keys.keytab import KeytabEntry
from parsers.times import NANOSECONDS
from refserver.gss.tickets import ClientTicket, mint
from tests.witness.kdc import Kdc, running_kdc
from tests.witness.test_smbclient_against_serve import ENCRYPTED, PROTOCOLS, Service, serve, smbclient

__all__ = ["serve", "smbclient"]  # fixtures

pytestmark = pytest.mark.witness
HOST, REALM = "files.corp.example", "CORP.EXAMPLE"
HOUR = 3600 * NANOSECONDS
ETYPES = (17, 18, 19, 20, 23)
PRINCIPAL, HOST_SERVICE = 1, 3  # name types


def counted(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def principal(kind: int, *components: str) -> bytes:
    names = b"".join(counted(name.encode()) for name in (REALM, *components))
    return kind.to_bytes(4, "big") + len(components).to_bytes(4, "big") + names


def credential(ticket: ClientTicket, authtime: int, *server: str) -> bytes:
    """One entry of a cache: the ticket as one for that server."""
    key, times = ticket.session_key, (authtime, authtime, ticket.endtime, 0)
    return (
        principal(PRINCIPAL, ticket.client)
        + principal(HOST_SERVICE, *server)
        + key.keytype.to_bytes(2, "big")
        + counted(key.keyvalue)
        + b"".join((time // NANOSECONDS).to_bytes(4, "big") for time in times)
        + bytes(1)  # no user-to-user
        + (0x40A00000).to_bytes(4, "big")  # forwardable, renewable, pre-authenticated
        + bytes(8)  # neither addresses nor authorization data
        + counted(ticket.ticket.build())
        + bytes(4)  # no second ticket
    )


def credentials_cache(ticket: ClientTicket, authtime: int) -> bytes:
    """A cache of one ticket, version 4."""
    header = b"\x05\x04\x00\x00" + principal(PRINCIPAL, ticket.client)
    return header + credential(ticket, authtime, "cifs", HOST)


def kerberos_client(service: Service, folder: Path, smbclient: str, commands: str, realm: str = REALM) -> str:
    """What smbclient says to the commands, with the cache in `folder`."""
    command = [smbclient, "-s", "/dev/null", "-p", service._port, f"//{HOST}/files", "-I", "127.0.0.1"]
    command += ["--use-kerberos=required", f"--use-krb5-ccache={folder / 'cache'}", "-U", f"alice@{realm}"]
    environment = os.environ | {"KRB5_CONFIG": str(folder / "krb5.conf"), "KRB5CCNAME": f"FILE:{folder / 'cache'}"}
    run = subprocess.run(
        [*command, "-c", commands],
        capture_output=True,
        check=False,  # it also fails where a single command does, which is for the test to look at
        text=True,
        cwd=folder,
        env=environment,
        timeout=60,
    )
    return run.stdout + run.stderr


@pytest.mark.parametrize("protection", ["sign", "encrypt"])
@pytest.mark.parametrize("etype", ETYPES)
def test_a_ticket_of_every_encryption_type_opens_the_share(
    etype: int, protection: str, serve: Callable[..., Service], smbclient: str, tmp_path: Path
) -> None:
    now = time.time_ns()
    service_key = KeytabEntry(f"cifs/{HOST}", REALM, 2, etype, os.urandom(crypto.key_size(etype)), now, "the test")
    ticket = mint(service_key, client="alice", authtime=now, endtime=now + HOUR, random=os.urandom)
    (tmp_path / "keytab").write_bytes(keytab.build([service_key]))
    (tmp_path / "cache").touch(0o600)  # what others may read is not taken
    (tmp_path / "cache").write_bytes(credentials_cache(ticket, now))
    assert [cached.server for cached in ccache.load(tmp_path / "cache")] == [f"cifs/{HOST}"]
    (tmp_path / "krb5.conf").write_text(
        f"[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = false\nallow_weak_crypto = true\nallow_rc4 = true\n"
        f"[domain_realm]\n.corp.example = {REALM}\n"
    )
    (tmp_path / "data.bin").write_bytes(b"some data" * 1000)
    service = serve("--keytab", str(tmp_path / "keytab"), f"--{protection}")
    said = kerberos_client(service, tmp_path, smbclient, "put data.bin; get data.bin back.bin; del data.bin")
    assert "NT_STATUS" not in said
    assert (tmp_path / "back.bin").read_bytes() == b"some data" * 1000
    service.stop()
    for analysis in (
        analyze(service.trace, keys=tmp_path / "out.keys.toml"),
        analyze(service.trace, keytabs=[tmp_path / "keytab"]),
    ):
        sessions = analysis.sessions
        assert [name.rpartition("-")[2] for name in sessions.mechanism] == ["Kerberos"]
        assert (int(sessions.encrypted.sum()) > 0) is (protection == "encrypt")
        assert int(sessions.decrypted.sum()) == int(sessions.encrypted.sum())
    assert list(sessions.user) == ["alice"]  # which the keytab shows


@pytest.fixture(scope="module")
def kdc() -> Iterator[Kdc]:
    with running_kdc(HOST) as kdc:
        yield kdc


@pytest.mark.parametrize(("dialect", "cipher"), [*((dialect, None) for dialect in PROTOCOLS), *ENCRYPTED], ids=str)
def test_a_ticket_of_a_real_kdc_opens_the_share(
    dialect: str, cipher: str | None, kdc: Kdc, serve: Callable[..., Service], smbclient: str, tmp_path: Path
) -> None:
    data = os.urandom(1_000_000)
    (tmp_path / "data.bin").write_bytes(data)
    (tmp_path / "cache").touch(0o600)
    (tmp_path / "cache").write_bytes(kdc.kinit("alice", "Passw0rd!").read_bytes())
    (tmp_path / "krb5.conf").write_text(Path(kdc.environment["KRB5_CONFIG"]).read_text())
    limits = ("--min-dialect", dialect, "--max-dialect", dialect)
    service = serve(
        "--keytab", str(kdc.keytab), *limits, *(("--encrypt", "--cipher", cipher) if cipher else ("--sign",))
    )
    commands = "put data.bin; rename data.bin new.bin; ls; get new.bin back.bin; del new.bin"
    said = kerberos_client(service, tmp_path, smbclient, commands, realm=kdc.realm)
    assert "NT_STATUS" not in said
    assert "new.bin" in said
    assert (tmp_path / "back.bin").read_bytes() == data
    assert list(service.share.iterdir()) == []
    service.stop()
    sessions = analyze(service.trace, keytabs=[kdc.keytab]).sessions
    assert list(sessions.user) == ["alice"]
    assert list(sessions.dialect) == [dialect]
    assert (int(sessions.encrypted.sum()) > 0) is (cipher is not None)
    assert int(sessions.decrypted.sum()) == int(sessions.encrypted.sum())
