"""The `smbprotocol` package works on `sessionscope serve`: every dialect, signed and encrypted with every cipher."""

import os
import uuid
from collections.abc import Callable

import pytest
import smbclient as files
from smbprotocol.connection import Ciphers, Connection, Dialects
from smbprotocol.session import Session
from spnego.exceptions import SpnegoError

from tests.witness.test_smbclient_against_serve import Service, serve, smbclient

__all__ = ["serve", "smbclient"]  # fixtures

pytestmark = pytest.mark.witness
SERVER = "127.0.0.1"
ROOT = rf"\\{SERVER}\files"
DIALECTS = {
    "2.0.2": Dialects.SMB_2_0_2,
    "2.1": Dialects.SMB_2_1_0,
    "3.0": Dialects.SMB_3_0_0,
    "3.0.2": Dialects.SMB_3_0_2,
    "3.1.1": Dialects.SMB_3_1_1,
}
CIPHERS = {
    "aes-128-ccm": Ciphers.AES_128_CCM,
    "aes-128-gcm": Ciphers.AES_128_GCM,
    "aes-256-ccm": Ciphers.AES_256_CCM,
    "aes-256-gcm": Ciphers.AES_256_GCM,
}
SEALED = [("3.0", "aes-128-ccm"), ("3.0.2", "aes-128-ccm"), *(("3.1.1", cipher) for cipher in CIPHERS)]


def connect(service: Service, dialect: str, cipher: str | None) -> Connection:
    connection = Connection(uuid.uuid4(), SERVER, int(service._port), require_signing=True)
    connection.connect(DIALECTS[dialect], preferred_encryption_algos=[CIPHERS[cipher]] if cipher else None)
    return connection


@pytest.mark.parametrize(("dialect", "cipher"), [*((dialect, None) for dialect in DIALECTS), *SEALED], ids=str)
def test_files_are_put_got_listed_renamed_and_deleted(
    dialect: str, cipher: str | None, serve: Callable[..., Service]
) -> None:
    service = serve("--encrypt" if cipher else "--sign")
    connection = connect(service, dialect, cipher)
    try:
        Session(connection, "alice", "Passw0rd!", require_encryption=cipher is not None, auth_protocol="ntlm").connect()
        options = {"connection_cache": {f"{SERVER}:445": connection}}  # the port that a UNC name stands for
        data = os.urandom(2_000_003)
        with files.open_file(rf"{ROOT}\new.bin", mode="xb", **options) as file:
            file.write(data)
        assert (service.share / "new.bin").read_bytes() == data
        files.mkdir(rf"{ROOT}\folder", **options)
        files.rename(rf"{ROOT}\new.bin", rf"{ROOT}\folder\old.bin", **options)
        assert sorted(files.listdir(ROOT, **options)) == ["folder"]
        assert files.listdir(rf"{ROOT}\folder", **options) == ["old.bin"]
        assert files.stat(rf"{ROOT}\folder\old.bin", **options).st_size == len(data)
        with files.open_file(rf"{ROOT}\folder\old.bin", mode="rb", **options) as file:
            assert file.read() == data
        files.remove(rf"{ROOT}\folder\old.bin", **options)
        files.rmdir(rf"{ROOT}\folder", **options)
        assert list(service.share.iterdir()) == []
        assert connection.dialect == DIALECTS[dialect]
        assert connection.cipher_id == (CIPHERS[cipher] if cipher and dialect == "3.1.1" else connection.cipher_id)
    finally:
        connection.disconnect()
    service.stop()


def test_a_wrong_password_is_refused(serve: Callable[..., Service]) -> None:
    connection = connect(serve(), "3.1.1", None)
    try:
        with pytest.raises(Exception, match=r"(?i)logon") as refused:
            Session(connection, "alice", "wrong", auth_protocol="ntlm").connect()
        assert not isinstance(refused.value, SpnegoError)  # it is the server that refuses
    finally:
        connection.disconnect()
