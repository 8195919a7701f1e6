"""Secrets stay in the process; each class that is one has its own tests beside it."""

import copy
import pickle

import pytest

from parsers.gss.kerberos.asn1 import EncryptionKey
from parsers.gss.kerberos.opening import OpenedTicket
from parsers.gss.ntlm.crypto import Responses
from parsers.gss.ntlm.exchange import Proven
from parsers.keys.ccache import CcacheCredential
from parsers.keys.keytab import KeytabEntry
from parsers.keys.store import Credential, DirectionKeys, KeyStore, SessionKey
from parsers.secret import Secret
from parsers.smb2.crypto import Decryptor, SessionKeys, Signer
from parsers.smb2.session import Candidate, Channel, Proof, Session

KINDS = [
    CcacheCredential, Credential, DirectionKeys, KeyStore, KeytabEntry, SessionKey, Proven, Responses, EncryptionKey,
    OpenedTicket, Decryptor, SessionKeys, Signer, Candidate, Channel, Proof, Session,
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_holds_keys_is_a_secret(kind: type) -> None:
    assert issubclass(kind, Secret)


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_does_not_leave(leave: object) -> None:
    for secret in (KeyStore(), Proven(bytes(16), "here", "a test")):
        with pytest.raises(TypeError, match="holds secrets and is not pickled"):
            leave(secret)
