"""RSA keys of TLS servers: both forms of PEM; locked, foreign and broken ones are explained."""

import subprocess

import pytest

from parsers.errors import UsageError
from parsers.keys.rsa import parse
from parsers.keys.store import RsaKey
from tests.parsers.keys.rsa_keys import KEY, elliptic_key, private_key


@pytest.mark.parametrize("old", [False, True])
def test_both_forms_give_the_same_key(old: bool) -> None:
    (found,) = parse(b"a comment before\n" + private_key(old=old).encode(), "server.pem")
    assert isinstance(found, RsaKey)
    assert found.key.private_numbers() == KEY.private_numbers()
    assert (found.bits, found.provenance) == (2048, "server.pem")
    assert str(KEY.private_numbers().d) not in repr(found)


def test_the_fingerprint_is_that_of_openssl() -> None:
    (found,) = parse(private_key().encode(), "server.pem")
    public = subprocess.run(
        ["openssl", "pkey", "-pubout", "-outform", "DER"], input=private_key().encode(), capture_output=True, check=True
    ).stdout
    digest = subprocess.run(["openssl", "dgst", "-sha256"], input=public, capture_output=True, check=True).stdout
    assert isinstance(found, RsaKey)
    assert found.fingerprint in digest.decode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (private_key(b"secret"), "server.pem is locked with a passphrase"),
        (elliptic_key(), "server.pem is no RSA key"),
        (private_key()[:200], "server.pem looks like a private key in PEM, but cannot be read"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "but cannot be read"),
        ("", "but cannot be read"),
    ],
)
def test_what_cannot_be_used_is_explained(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text.encode(), "server.pem")
