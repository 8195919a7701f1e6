"""What requests look like on the wire: by the rules, and against them."""

import pytest

from parsers.smb2.compression import decompress
from parsers.smb2.crypto import Cipher, Signer, SigningAlgorithm
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Flags, parse_header
from parsers.smb2.read_write import WriteRequest
from parsers.smb2.transform import CompressionAlgorithm, parse_transform_header
from refserver.client.config import ClientConfig
from refserver.client.state import Deviation
from tests.refserver.client.peer import SESSION_ID, TREE_ID, Peer

COMPRESSING = ClientConfig(compression_algorithms=(CompressionAlgorithm.LZ77,))


@pytest.mark.parametrize("algorithm", SigningAlgorithm.__members__.values())
def test_requests_of_a_session_that_requires_it_are_signed(algorithm: SigningAlgorithm) -> None:
    peer = Peer(algorithm=algorithm, signing_required=True)
    peer.client.flush(peer.open)
    (message,) = peer.messages()
    assert parse_header(message).flags == Flags.SIGNED
    assert peer.signer.verify(message)


def test_requests_are_not_signed_where_nobody_asks_for_it() -> None:
    peer = Peer()
    peer.client.flush(peer.open)
    (header,) = peer.headers()
    assert (header.flags, header.signature) == (0, bytes(16))
    assert (header.session_id, header.tree_id) == (SESSION_ID, TREE_ID)


def test_a_tree_connect_of_3_1_1_is_always_signed() -> None:
    peer = Peer()
    peer.client.tree_connect(peer.session, "other")
    (message,) = peer.messages()
    assert peer.signer.verify(message)
    older = Peer(dialect=Dialect.SMB_3_0_2, algorithm=SigningAlgorithm.AES_CMAC)
    older.client.tree_connect(older.session, "other")
    assert older.headers()[0].flags == 0


@pytest.mark.parametrize("cipher", Cipher.__members__.values())
def test_requests_of_an_encrypted_session_are_encrypted_each_with_a_nonce_of_its_own(cipher: Cipher) -> None:
    peer = Peer(cipher=cipher, encrypt_data=True, signing_required=True)
    for _ in range(3):
        peer.client.flush(peer.open)
    assert [header.signature for header in peer.headers()] == [bytes(16)] * 3
    nonces = {parse_transform_header(unit).nonce for unit in peer.units if unit is not None}
    assert len(nonces) == 3


def test_an_encrypted_share_encrypts_its_requests_only() -> None:
    peer = Peer()
    peer.tree.encrypt_data = True
    peer.client.flush(peer.open)
    peer.client.echo(peer.session)
    peer.take()
    assert [unit[:1] for unit in peer.units if unit] == [b"\xfd", b"\xfe"]


def test_a_client_may_encrypt_of_its_own_will() -> None:
    peer = Peer(ClientConfig(encrypt=True))
    peer.client.flush(peer.open)
    peer.take()
    assert peer.units[0] is not None
    assert peer.units[0][:4] == b"\xfdSMB"


def test_the_parts_of_a_related_compound_point_to_the_first() -> None:
    peer = Peer(signing_required=True)
    with peer.client.compound(related=True):
        peer.client.flush(peer.open)
        peer.client.close_file(peer.open)
    first, second = peer.messages()
    assert parse_header(first).next_command == len(first) == 88
    header = parse_header(second)
    assert header.flags == Flags.SIGNED | Flags.RELATED_OPERATIONS
    assert (header.session_id, header.tree_id) == (0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF)
    assert peer.signer.verify(first)
    assert peer.signer.verify(second)


@pytest.mark.parametrize("chained", [False, True])
def test_a_large_message_is_compressed_where_that_makes_it_smaller(chained: bool) -> None:
    peer = Peer(COMPRESSING)
    peer.client.compression_ids = (CompressionAlgorithm.LZ77,)
    peer.client.supports_chained_compression = chained
    peer.client.write(peer.open, 0, b"again and " * 1000)
    peer.client.write(peer.open, 0, b"small")
    peer.client.write(peer.open, 0, peer.client.random(5000))
    large, small, noise = peer.take()
    assert large is not None
    assert large[:4] == b"\xfcSMB"
    plain = decompress(memoryview(large), limit=1 << 20)
    assert WriteRequest.parse(memoryview(plain)).data == b"again and " * 1000
    assert small is not None
    assert noise is not None
    assert small[:4] == noise[:4] == b"\xfeSMB"


def test_compression_comes_before_encryption() -> None:
    peer = Peer(COMPRESSING, encrypt_data=True)
    peer.client.compression_ids = (CompressionAlgorithm.LZ77,)
    peer.client.write(peer.open, 0, bytes(9000))
    (inside,) = peer.take()
    assert inside is not None
    assert inside[:4] == b"\xfcSMB"
    assert peer.units[0] is not None
    assert peer.units[0][:4] == b"\xfdSMB"


def test_the_channel_sequence_stands_in_requests_from_3_0_on() -> None:
    peer = Peer()
    peer.session.channel_sequence = 0x1_0002
    peer.client.flush(peer.open)
    assert peer.headers()[0].status == 2
    older = Peer(dialect=Dialect.SMB_2_1)
    older.session.channel_sequence = 2
    older.client.flush(older.open)
    assert older.headers()[0].status == 0


# ----------------------------------------------------------------------------------------------- deviations


def under(peer: Peer, deviation: Deviation) -> bytes:
    """The message of a FLUSH that deviates."""
    with peer.client.deviating(deviation):
        peer.client.flush(peer.open)
    (message,) = peer.messages()
    return message


@pytest.mark.parametrize(
    ("deviation", "field", "value"),
    [
        (Deviation(message_id=77), "message_id", 77),
        (Deviation(session_id=0x1234), "session_id", 0x1234),
        (Deviation(tree_id=9), "tree_id", 9),
        (Deviation(credit_charge=8), "credit_charge", 8),
        (Deviation(credits_=0), "credits", 0),
        (Deviation(flags=Flags.REPLAY_OPERATION), "flags", Flags.REPLAY_OPERATION),
    ],
)
def test_fields_of_the_header_may_deviate(deviation: Deviation, field: str, value: int) -> None:
    assert getattr(parse_header(under(Peer(), deviation)), field) == value


def test_a_signature_may_be_left_out_or_be_there_or_be_of_another_key() -> None:
    peer = Peer(signing_required=True)
    assert parse_header(under(peer, Deviation(signed=False))).flags == 0
    other = Signer(algorithm=SigningAlgorithm.AES_GMAC, key=bytes(16))
    message = under(peer, Deviation(signer=other))
    assert other.verify(message)
    assert not peer.signer.verify(message)
    unsigned = Peer()
    assert unsigned.signer.verify(under(unsigned, Deviation(signed=True)))


def test_encryption_may_be_left_out_or_be_there() -> None:
    sealed, plain = Peer(encrypt_data=True), Peer()
    under(sealed, Deviation(encrypted=False))
    under(plain, Deviation(encrypted=True))
    assert sealed.units[0] is not None
    assert plain.units[0] is not None
    assert (sealed.units[0][:1], plain.units[0][:1]) == (b"\xfe", b"\xfd")


@pytest.mark.parametrize("place", [70, -1])
def test_one_byte_may_be_changed_after_signing(place: int) -> None:
    peer = Peer(signing_required=True)
    right = under(peer, Deviation(message_id=9))
    wrong = under(peer, Deviation(message_id=9, credits_=parse_header(right).credits, tamper=place))
    changed = [at for at, (a, b) in enumerate(zip(right, wrong, strict=True)) if a != b]
    assert changed == [place % len(right)]
    assert not peer.signer.verify(wrong)


def test_a_small_message_may_be_compressed_all_the_same() -> None:
    peer = Peer(COMPRESSING)
    peer.client.compression_ids = (CompressionAlgorithm.LZ77,)
    with peer.client.deviating(Deviation(compressed=True)):
        peer.client.flush(peer.open)
    (unit,) = peer.take()
    assert unit is not None
    assert unit[:4] == b"\xfcSMB"


def test_the_rules_hold_again_afterwards() -> None:
    peer = Peer()
    under(peer, Deviation(tree_id=9))
    peer.client.flush(peer.open)
    assert peer.headers()[0].tree_id == TREE_ID
