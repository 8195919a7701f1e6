"""Encryption and compression that break a rule, and those that do not."""

from pathlib import Path

import pytest

from parsers import ntstatus
from parsers.smb2.compression import compress_unchained
from parsers.smb2.crypto import encrypt
from parsers.smb2.header import Command, build_header
from parsers.smb2.transform import CompressionAlgorithm
from refserver.client.script import settled, wait
from refserver.client.state import Deviation
from tests.analyzer.captures import analyzed
from tests.analyzer.rules.plays import PREFIX, cause, found, framed, generated, played

RULES = [*(f"ENC-0{n}" for n in range(1, 9)), "damaged_message", "COMP-01", "COMP-02", "COMP-03"]
ECHO_BODY = b"\x04\x00\x00\x00"
LZ77 = CompressionAlgorithm.LZ77


def encrypting(config) -> None:
    config.encrypt_data = True


def sealed(client, session, plain: bytes) -> bytes:
    """Encrypted with the session's key under a fresh nonce, with the transport's prefix."""
    session.nonces += 1
    return framed(
        encrypt(
            cipher=session.cipher, key=session.keys.client_to_server, nonce=session.nonces.to_bytes(12, "little"),
            session_id=session.session_id, plaintext=plain,
        )
    )  # fmt: skip


def echo(client, session, **fields: int) -> bytes:
    """A plain ECHO request with the next MessageId."""
    client.next_message_id += 1
    return build_header(Command.ECHO, client.next_message_id - 1, session_id=session.session_id, **fields) + ECHO_BODY


def sending(make, **client):
    """A script that logs on, sends the bytes that `make` gives, and waits."""

    def work(stage, server, link):
        smb, tree = yield from stage.log_on(link)
        link.endpoint.send(make(smb, tree.session))
        yield wait(seconds=1)

    return work


@pytest.mark.parametrize("cipher", ["aes-128-ccm", "aes-256-gcm", "none"])
def test_ordinary_work_breaks_no_rule(tmp_path: Path, cipher: str) -> None:
    analysis = generated(tmp_path, "normal", cipher=cipher)
    assert [rule for rule in RULES if found(analysis, rule)] == []


@pytest.mark.parametrize(
    "name",
    [
        "samba/ntlm_311_share_enc.pcapng", "samba/ntlm_300_enc.pcapng", "samba/krb5_311_enc_aes-256-ccm.pcapng",
        "faults/cli_smbprotocol_311_enc_aes-128-ccm.pcapng", "faults/net_mtu_blackhole_enc.pcapng",
        "faults/dmg_enc_snap96.pcapng", "faults/ad_krb5_pac_enc_aes128gcm.pcapng",
    ],
)  # fmt: skip
def test_real_traffic_breaks_no_rule(shared: Path, name: str) -> None:
    assert [rule for rule in RULES if found(analyzed(shared, name), rule)] == []


def test_impacket_signs_what_it_encrypts_and_forgets_the_session(shared: Path) -> None:
    analysis = analyzed(shared, "faults/cli_impacket_311.pcapng")
    assert {rule: found(analysis, rule) for rule in RULES if found(analysis, rule)} == {
        "ENC-08": ["info"], "ENC-01": ["info"],
    }  # fmt: skip


@pytest.mark.parametrize(("at", "words"), [(42, "Flags 0x"), (36, "OriginalMessageSize")])
def test_a_wrong_transform_header(tmp_path: Path, at: int, words: str) -> None:
    def make(client, session) -> bytes:
        message = bytearray(sealed(client, session, echo(client, session)))
        message[PREFIX + at] ^= 0x10
        return bytes(message)

    analysis = played(tmp_path, sending(make), change=encrypting)
    assert found(analysis, "ENC-01") == ["error"]
    assert words in cause(analysis, "ENC-01")


def test_a_replayed_message(tmp_path: Path) -> None:
    analysis = generated(tmp_path, "replayed_message")
    assert found(analysis, "ENC-02") == ["security"]
    assert "recorded and replayed" in cause(analysis, "ENC-02")


def test_two_messages_with_one_nonce(tmp_path: Path) -> None:
    def make(client, session) -> bytes:
        session.nonces -= 1
        return sealed(client, session, echo(client, session))

    analysis = played(tmp_path, sending(make), change=encrypting)
    assert found(analysis, "ENC-02") == ["security"]
    assert "one nonce" in cause(analysis, "ENC-02")


def test_the_key_of_another_session(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        with client.deviating(Deviation(session_id=0x4242)):
            call = client.create(tree, "report.txt")
        yield settled(call)

    analysis = played(tmp_path, work, change=encrypting)
    assert found(analysis, "ENC-03") == ["error"]
    assert "0x4242" in cause(analysis, "ENC-03")


def test_an_encrypted_message_in_an_encrypted_one(tmp_path: Path) -> None:
    def make(client, session) -> bytes:
        inner = sealed(client, session, echo(client, session))[PREFIX:]
        return sealed(client, session, inner)

    assert found(played(tmp_path, sending(make), change=encrypting), "ENC-04") == ["error"]


@pytest.mark.parametrize(
    ("status", "severity"),
    [(0, "security"), (ntstatus.STATUS_INVALID_PARAMETER, "warning"), (ntstatus.STATUS_USER_SESSION_DELETED, "info")],
)
def test_a_plain_answer_to_an_encrypted_request(tmp_path: Path, status: int, severity: str) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        plain = build_header(
            Command.ECHO, client.next_message_id, status=status, flags=1, session_id=tree.session.session_id
        )
        server.rewrite = lambda _message: framed(plain + ECHO_BODY)
        yield settled(client.echo(tree.session))

    assert found(played(tmp_path, work, change=encrypting), "ENC-05") == [severity]


def test_a_plain_request_in_an_encrypted_session(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        with client.deviating(Deviation(encrypted=False)):
            call = client.create(tree, "report.txt")
        yield settled(call)

    analysis = played(tmp_path, work, change=encrypting)
    assert found(analysis, "ENC-06") == ["warning"]
    assert "STATUS_ACCESS_DENIED" in cause(analysis, "ENC-06")


def test_an_encrypted_negotiate(tmp_path: Path) -> None:
    def make(client, session) -> bytes:
        client.next_message_id += 1
        header = build_header(Command.NEGOTIATE, client.next_message_id - 1, session_id=session.session_id)
        return sealed(client, session, header + bytes(36))

    assert found(played(tmp_path, sending(make), change=encrypting), "ENC-07") == ["error"]


def test_a_signature_inside_of_an_encrypted_message(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        with client.deviating(Deviation(signed=True)):
            call = client.create(tree, "report.txt")
        yield settled(call)

    assert found(played(tmp_path, work, change=encrypting), "ENC-08") == ["info"]


@pytest.mark.parametrize("which", ["request", "response"])
def test_a_message_that_was_changed_on_its_way(tmp_path: Path, which: str) -> None:
    assert found(generated(tmp_path, "tampered_message", which=which), "damaged_message") == ["security"]


def test_nothing_is_damaged_that_was_not_touched(tmp_path: Path) -> None:
    assert found(generated(tmp_path, "tampered_message", which="none"), "damaged_message") == []


def test_compression_that_was_not_negotiated(tmp_path: Path) -> None:
    def make(client, session) -> bytes:
        return framed(compress_unchained(echo(client, session), LZ77))

    analysis = played(tmp_path, sending(make))
    assert found(analysis, "COMP-01") == ["error"]
    assert "not negotiated" in cause(analysis, "COMP-01")


def test_compressed_bytes_that_give_something_else(tmp_path: Path) -> None:
    def make(client, session) -> bytes:
        return framed(compress_unchained(bytes(100), LZ77))

    analysis = played(tmp_path, sending(make), compression_algorithms=(LZ77,))
    assert found(analysis, "COMP-01") == ["error"]
    assert "cannot be decompressed" in cause(analysis, "COMP-01")


def test_compressed_bytes_that_would_become_too_many(tmp_path: Path) -> None:
    def make(client, session) -> bytes:
        message = bytearray(compress_unchained(echo(client, session), LZ77))
        message[4:8] = (1 << 30).to_bytes(4, "little")
        return framed(bytes(message))

    analysis = played(tmp_path, sending(make), compression_algorithms=(LZ77,))
    assert found(analysis, "COMP-02") == ["security"]
    assert found(analysis, "COMP-01") == []


def test_compression_that_gains_nothing(tmp_path: Path) -> None:
    def make(client, session) -> bytes:
        return framed(compress_unchained(echo(client, session), LZ77))

    analysis = played(tmp_path, sending(make), compression_algorithms=(LZ77,))
    assert found(analysis, "COMP-03") == ["info"]
    assert found(analysis, "COMP-01") == []
