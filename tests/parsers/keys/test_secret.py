"""Secrets stay in the process; each class that is one has its own tests beside it."""

import copy
import pickle

import pytest

from parsers.keys.ccache import CcacheCredential
from parsers.keys.keytab import KeytabEntry
from parsers.keys.secret import Secret
from parsers.keys.store import Credential, DirectionKeys, KeyStore, SessionKey

KINDS = [CcacheCredential, Credential, DirectionKeys, KeyStore, KeytabEntry, SessionKey]


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_holds_keys_is_a_secret(kind: type) -> None:
    assert issubclass(kind, Secret)


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_does_not_leave(leave: object) -> None:
    with pytest.raises(TypeError, match="KeyStore holds secrets and is not pickled"):
        leave(KeyStore())
