"""Witnesses: the published traces A1, A2 and B (tests/data/smb_vectors.json), MS-NLMP 4.2, and logons of captures
whose session keys the server logged."""

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from parsers.errors import ParseError
from parsers.gss.ntlm import crypto
from parsers.gss.ntlm.exchange import NtlmExchange, Proven, Unproven
from parsers.gss.ntlm.messages import Authenticate, AvId, AvPair, Challenge, Negotiate, NegotiateFlags, build_av_pairs
from parsers.gss.spnego import mechanism_tokens
from parsers.verdicts import Decryption

unhex = bytes.fromhex
VECTORS = json.loads((Path(__file__).parents[3] / "data" / "smb_vectors.json").read_text())
TRACES = [name for name, vector in VECTORS.items() if "ntlm" in vector]


@dataclass(frozen=True)
class Credential:
    user: str
    domain: str | None = None
    password: str | None = None
    nt_hash: bytes | None = None
    provenance: str = "a test"


def security_buffer(data: bytes) -> bytes:
    fields = 68 if data[16] & 1 else 76
    offset, length = (int.from_bytes(data[at : at + 2], "little") for at in (fields, fields + 2))
    return data[offset : offset + length]


def trace_tokens(name: str) -> list[bytes]:
    return list(mechanism_tokens(security_buffer(unhex(message)) for message in VECTORS[name]["ss"][:3]))


def trace(name: str) -> NtlmExchange:
    exchange = NtlmExchange.from_tokens(trace_tokens(name))
    assert exchange is not None
    return exchange


ADMINISTRATOR = Credential("Administrator", "sut311", "Password01!")


@pytest.mark.parametrize("name", TRACES)
def test_the_published_session_keys_are_found_and_proved_twice(name):
    found = trace(name).session_key([Credential("someone", None, "else"), ADMINISTRATOR])
    assert isinstance(found, Proven)
    assert found.key == unhex(VECTORS[name]["ntlm"]["exported_session_key"])
    assert found.proof == "NTProofStr and MIC"
    assert found.provenance == r"NTLM logon of SUT311\administrator with a test"


def test_an_nt_hash_does_what_the_password_does():
    credential = Credential("administrator", "SUT311", nt_hash=unhex(VECTORS["A1"]["ntlm"]["nt_hash"]))
    found = trace("A1").session_key([credential])
    assert isinstance(found, Proven)
    assert found.key == unhex(VECTORS["A1"]["ntlm"]["exported_session_key"])


def test_who_logged_on_is_known_without_any_secret():
    exchange = trace("A1")
    assert (exchange.user, exchange.domain, exchange.account) == ("administrator", "SUT311", r"SUT311\administrator")
    assert exchange.version == "NTLMv2"
    assert not exchange.is_anonymous
    assert exchange.server_name(AvId.NB_COMPUTER_NAME) == "SUT311"
    assert exchange.server_name(AvId.DNS_TREE_NAME) is None


@pytest.mark.parametrize(
    "credential",
    [
        replace(ADMINISTRATOR, domain=None),
        replace(ADMINISTRATOR, domain=""),
        replace(ADMINISTRATOR, domain="sut311.example.test"),
        replace(ADMINISTRATOR, user="ADMINISTRATOR", domain="SUT311"),
    ],
)
def test_a_credential_fits_however_its_domain_was_written(credential):
    assert isinstance(trace("A1").session_key([credential]), Proven)


def test_the_credential_of_the_same_domain_is_tried_first():
    both = [replace(ADMINISTRATOR, domain="OTHER", provenance="the other"), ADMINISTRATOR]
    found = trace("A1").session_key(both)
    assert isinstance(found, Proven)
    assert found.provenance.endswith("a test")


@pytest.mark.parametrize(
    ("credentials", "verdict", "reason"),
    [
        ([], Decryption.NO_KEY, r"no credential for SUT311\administrator"),
        (
            [Credential("bob", "SUT311", "x"), Credential("bob", "SUT311", "y"), Credential("eve", None, "z")],
            Decryption.NO_KEY,
            r"no credential for SUT311\administrator; those given are for SUT311\bob, eve",
        ),
        (
            [Credential(f"user{number}", None, "x") for number in range(1203)],
            Decryption.NO_KEY,
            r"no credential for SUT311\administrator; those given are for user0, user1, user2 and others",
        ),
        (
            [replace(ADMINISTRATOR, password="")],
            Decryption.WRONG_KEY,
            r"wrong password for SUT311\administrator: the client used another one",
        ),
        (
            [replace(ADMINISTRATOR, domain="OTHER", password="x")],
            Decryption.NO_KEY,
            r"no credential for SUT311\administrator; that of OTHER\Administrator does not fit",
        ),
    ],
)
def test_why_there_is_no_key_is_said_in_words(credentials, verdict, reason):
    assert trace("A1").session_key(credentials) == Unproven(verdict, reason)


def test_without_the_challenge_nothing_can_be_proved():
    exchange = NtlmExchange.from_tokens(trace_tokens("A1")[2:])
    assert exchange is not None
    assert exchange.user == "administrator"
    assert exchange.session_key([ADMINISTRATOR]) == Unproven(
        Decryption.NO_HANDSHAKE, r"the challenge to SUT311\administrator is not in the capture"
    )


def test_without_the_first_message_the_proof_is_the_response_alone():
    exchange = NtlmExchange.from_tokens(trace_tokens("A1")[1:])
    assert exchange is not None
    found = exchange.session_key([ADMINISTRATOR])
    assert isinstance(found, Proven)
    assert found.proof == "NTProofStr"


def test_a_changed_message_breaks_the_mic():
    negotiate, challenge, authenticate = trace_tokens("A1")
    damaged = negotiate[:-1] + b"\x00"
    found = NtlmExchange(authenticate, challenge, damaged).session_key([ADMINISTRATOR])
    assert isinstance(found, Unproven)
    assert found.verdict is Decryption.DAMAGED
    assert found.reason.startswith(r"the password of SUT311\administrator is right, but the MIC does not fit")


def test_an_encrypted_session_key_of_a_wrong_size_is_damage():
    _, challenge, authenticate = trace_tokens("A1")
    short = replace(Authenticate.parse(authenticate), encrypted_random_session_key=b"short", mic=None)
    found = NtlmExchange(short.build(), challenge).session_key([ADMINISTRATOR])
    assert found == Unproven(
        Decryption.DAMAGED, r"the encrypted session key of SUT311\administrator has 5 bytes, not 16"
    )


def test_a_later_message_replaces_an_earlier_one():
    tokens = [*trace_tokens("A2"), b"other mechanism", *trace_tokens("A1")]
    exchange = NtlmExchange.from_tokens(tokens)
    assert exchange is not None
    found = exchange.session_key([ADMINISTRATOR])
    assert isinstance(found, Proven)
    assert found.key == unhex(VECTORS["A1"]["ntlm"]["exported_session_key"])


def test_no_authenticate_message_is_no_exchange():
    assert NtlmExchange.from_tokens(trace_tokens("A1")[:2]) is None
    assert NtlmExchange.from_tokens([]) is None


def test_a_malformed_message_is_refused():
    with pytest.raises(ParseError):
        NtlmExchange.from_tokens([b"NTLMSSP\x00"])
    with pytest.raises(ParseError):
        NtlmExchange(trace_tokens("A1")[2][:100])


# What follows logs on by our own client functions, with the names and challenges of MS-NLMP 4.2.
NT_HASH = crypto.nt_owf_v1(password="Password")
LM_HASH = crypto.lm_owf_v1(password="Password")
SERVER_CHALLENGE, RANDOM_KEY = unhex("0123456789abcdef"), b"\x55" * 16
USER = Credential("user", None, "Password")
SIGNED = NegotiateFlags.UNICODE | NegotiateFlags.NTLM | NegotiateFlags.SIGN | NegotiateFlags.KEY_EXCH


def logon_v1(flags: NegotiateFlags) -> NtlmExchange:
    client_challenge = b"\xaa" * 8 if flags & NegotiateFlags.EXTENDED_SESSIONSECURITY else None
    response = crypto.response_v1(
        nt_hash=NT_HASH, lm_hash=LM_HASH, server_challenge=SERVER_CHALLENGE, client_challenge=client_challenge
    )
    key = crypto.key_exchange_key_v1(
        flags=flags,
        session_base_key=response.session_base_key,
        server_challenge=SERVER_CHALLENGE,
        lm_response=response.lm_response,
        lm_hash=LM_HASH,
    )
    assert key is not None
    encrypted = crypto.encrypt_session_key(key_exchange_key=key, random_session_key=RANDOM_KEY)
    authenticate = Authenticate(
        flags, response.lm_response, response.nt_response, "Domain", "User", "COMPUTER", encrypted
    )
    return NtlmExchange(authenticate.build(), Challenge(flags, SERVER_CHALLENGE).build(), Negotiate(flags).build())


@pytest.mark.parametrize(
    ("extra", "version"),
    [
        (NegotiateFlags(0), "NTLMv1"),
        (NegotiateFlags.LM_KEY, "NTLMv1"),
        (NegotiateFlags.REQUEST_NON_NT_SESSION_KEY, "NTLMv1"),
        (NegotiateFlags.EXTENDED_SESSIONSECURITY, "NTLMv1-ESS"),
    ],
)
def test_ntlm_v1_logons_give_their_key(extra, version):
    exchange = logon_v1(SIGNED | extra)
    assert exchange.version == version
    found = exchange.session_key([USER])
    assert isinstance(found, Proven)
    assert found.key == RANDOM_KEY
    assert found.proof == "NT response"
    assert exchange.session_key([replace(USER, password="password")]) == Unproven(
        Decryption.WRONG_KEY, r"wrong password for Domain\User: the client used another one"
    )


def test_a_key_from_the_lm_hash_asks_for_the_password():
    found = logon_v1(SIGNED | NegotiateFlags.LM_KEY).session_key([Credential("User", None, None, NT_HASH)])
    assert found == Unproven(
        Decryption.NO_KEY, r"the session key of Domain\User comes from the LM hash: give the password"
    )


def logon_v2(user: str, domain: str, owf_domain: str, flags: NegotiateFlags = SIGNED) -> NtlmExchange:
    owf = crypto.nt_owf_v2(nt_hash=NT_HASH, user=user, domain=owf_domain)
    pairs = build_av_pairs([AvPair(AvId.NB_DOMAIN_NAME, "Domain".encode("utf-16-le"))])
    temp = unhex("0101000000000000") + bytes(8) + b"\xaa" * 8 + bytes(4) + pairs + bytes(4)
    response = crypto.response_v2(owf=owf, server_challenge=SERVER_CHALLENGE, temp=temp, client_challenge=b"\xaa" * 8)
    encrypted = crypto.encrypt_session_key(key_exchange_key=response.session_base_key, random_session_key=RANDOM_KEY)
    authenticate = Authenticate(flags, response.lm_response, response.nt_response, domain, user, "WS", encrypted)
    return NtlmExchange(authenticate.build(), Challenge(flags, SERVER_CHALLENGE).build())


@pytest.mark.parametrize("owf_domain", ["Domain", "DOMAIN", ""])
def test_the_domain_counts_as_sent_in_upper_case_or_empty(owf_domain):
    found = logon_v2("User", "Domain", owf_domain).session_key([USER])
    assert isinstance(found, Proven)
    assert found.key == RANDOM_KEY


@pytest.mark.parametrize("domain", [None, "corp.example", "CORP"])
def test_a_user_principal_name_finds_the_credential_of_its_user(domain):
    exchange = logon_v2("user@corp.example", "", "")
    assert exchange.account == "user@corp.example"
    assert isinstance(exchange.session_key([replace(USER, domain=domain)]), Proven)


def test_the_encrypted_key_counts_without_sign_and_seal():
    # As macOS does: KEY_EXCH alone, an encrypted key, and a MIC made with it.
    flags = NegotiateFlags.UNICODE | NegotiateFlags.NTLM | NegotiateFlags.KEY_EXCH
    found = logon_v2("User", "Domain", "Domain", flags).session_key([USER])
    assert isinstance(found, Proven)
    assert found.key == RANDOM_KEY


@pytest.mark.parametrize("lm_response", [b"", b"\x00"])
def test_anonymous_logons_have_no_key(lm_response):
    message = Authenticate(SIGNED | NegotiateFlags.ANONYMOUS, lm_response, b"", "", "", "WS", bytes(16))
    exchange = NtlmExchange(message.build())
    assert exchange.is_anonymous
    assert exchange.version == "anonymous"
    assert exchange.session_key([Credential("", None, "")]) == Unproven(
        Decryption.NO_KEY, "anonymous logon: there is no session key"
    )


def test_an_lm_response_alone_is_not_supported():
    exchange = NtlmExchange(Authenticate(SIGNED, bytes(24), b"", "Domain", "User", "WS").build())
    assert exchange.version == "LM"
    found = exchange.session_key([USER])
    assert isinstance(found, Unproven)
    assert found.verdict is Decryption.UNSUPPORTED


def test_no_key_shows():
    found = trace("A1").session_key([ADMINISTRATOR])
    assert isinstance(found, Proven)
    assert repr(found.key) not in repr(found)
    assert found.key.hex() not in repr(found)


MORE_PROCESSING_REQUIRED = unhex("160000c0")


def captured_logons(path: Path) -> list[tuple[int, list[bytes]]]:
    """SessionId and mechanism tokens of each NTLM logon whose SESSION_SETUP messages fill one segment each."""
    import dpkt

    logons = []
    pending: dict[tuple[bytes, int], list[bytes]] = {}
    with path.open("rb") as file:
        for _, frame in (dpkt.pcapng.Reader if path.suffix == ".pcapng" else dpkt.pcap.Reader)(file):
            ip = dpkt.ethernet.Ethernet(frame).data
            tcp = getattr(ip, "data", None)
            if not isinstance(tcp, dpkt.tcp.TCP) or len(tcp.data) < 76 or tcp.data[4:8] != b"\xfeSMB":
                continue
            message = tcp.data[4:]
            if message[12] != 1:
                continue
            client = (ip.dst, tcp.dport) if message[16] & 1 else (ip.src, tcp.sport)
            pending.setdefault(client, []).append(security_buffer(message))
            if message[16] & 1 and message[8:12] != MORE_PROCESSING_REQUIRED:
                tokens = list(mechanism_tokens(filter(None, pending.pop(client))))
                logons.append((int.from_bytes(message[40:48], "little"), tokens))
    return logons


@pytest.mark.parametrize(
    ("capture", "logons"),
    [("ntlm_311_mixed_sessions", 7), ("torture_session", 10), ("torture_oplock", 78), ("ntlm_300_enc", 1)],
)
def test_the_keys_that_samba_logged_come_from_the_passwords(shared, capture, logons):
    path = shared / "captures" / "samba" / f"{capture}.pcapng"
    logged = json.loads(path.with_suffix(".json").read_text())["debug_encryption_session_keys"]
    credentials = [Credential("alice", "CORPUS", "Passw0rd!"), Credential("bob", "CORPUS", "B0bPass#")]
    found = set()
    for session_id, tokens in captured_logons(path):
        exchange = NtlmExchange.from_tokens(tokens)
        assert exchange is not None
        key = exchange.session_key(credentials)
        if isinstance(key, Proven):
            found.add((session_id, key.key.hex()))
    assert len(found & {(int(entry["session_id"], 16), entry["session_key"]) for entry in logged}) == logons


def test_known_answers_of_public_captures(shared):
    with (shared / "captures" / "public" / "keys" / "ntlm_known_password_sessions.tsv").open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["smb2_session_id"]]
    known = {(row["capture"], int(row["smb2_session_id"], 16)): row for row in rows}
    checked = 0
    for capture in sorted({row["capture"] for row in rows}):
        path = shared / "captures" / capture
        if not path.exists():
            continue
        for session_id, tokens in captured_logons(path):
            exchange = NtlmExchange.from_tokens(tokens)
            row = known.get((capture, session_id))
            if exchange is None or row is None:
                continue
            assert exchange.user == row["user"].replace("NULL", "")
            found = exchange.session_key([Credential(exchange.user, None, "")])
            assert isinstance(found, Proven), (row, found)
            # The table decrypts wherever an encrypted key was sent; without KEY_EXCH it is not used.
            key_exchange = exchange.authenticate.flags & NegotiateFlags.KEY_EXCH
            assert found.key.hex() == row["exported_session_key" if key_exchange else "session_base_key"]
            checked += 1
    assert checked >= 8
