"""Recorded exchanges of MIT Kerberos and of Samba, and the keys they agreed on. exchanges.json names its sources."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

DATA = json.loads((Path(__file__).parent / "exchanges.json").read_text())
KDC_MESSAGES = [bytes.fromhex(message) for message in DATA["kdc"]["messages"]]
MIT_KEYTAB = bytes.fromhex(DATA["mit"]["keytab"])
MIT_CACHES = {int(etype): bytes.fromhex(sample["ccache"]) for etype, sample in DATA["mit"]["exchanges"].items()}


@dataclass(frozen=True)
class Key:
    """What the exchange wants to know of a keytab's entry."""

    principal: str
    realm: str
    kvno: int
    etype: int
    key: bytes
    provenance: str = "a test"


class Sample(NamedTuple):
    """GSS tokens of both sides, empty where the server sent none, and the key of the context."""

    ap_req: bytes
    ap_rep: bytes
    session_key: bytes

    @property
    def tokens(self) -> list[bytes]:
        return [token for token in (self.ap_req, self.ap_rep) if token]


def _mit(leg: dict[str, str]) -> Sample:
    return Sample(*(bytes.fromhex(leg[name]) for name in ("ap_req", "ap_rep", "key")))


def _samba(name: str) -> tuple[Sample, Key]:
    recorded = DATA[name]
    ap_req, ap_rep, key, session_key = (
        bytes.fromhex(recorded[field]) for field in ("ap_req", "ap_rep", "key", "session_key")
    )
    entry = Key(recorded["principal"], recorded["realm"], recorded["kvno"], recorded["etype"], key)
    return Sample(ap_req, ap_rep, session_key), entry


MIT_MUTUAL = {int(etype): _mit(sample["legs"][0]) for etype, sample in DATA["mit"]["exchanges"].items()}
MIT_ONE_SIDED = {int(etype): _mit(sample["legs"][1]) for etype, sample in DATA["mit"]["exchanges"].items()}
AD, AD_KEY = _samba("ad")
RC4, RC4_KEY = _samba("rc4")
ALL_TOKENS = [token for sample in (*MIT_MUTUAL.values(), *MIT_ONE_SIDED.values(), AD, RC4) for token in sample.tokens]
