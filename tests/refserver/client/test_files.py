"""Whole files and directories against the reference server."""

from typing import Any

import pytest

from parsers.ntstatus import STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_PATH_NOT_FOUND
from parsers.smb2.crypto import Cipher, SigningAlgorithm
from parsers.smb2.transform import CompressionAlgorithm
from refserver.client import files
from refserver.client.config import ALL_DIALECTS, ClientConfig
from refserver.client.script import Steps, run
from refserver.client.state import TreeConnect
from tests.refserver.client.pair import Pair, log_on

CONTENT = bytes(range(256)) * 9000 + b"and a rest"

WAYS: list[dict[str, Any]] = [
    *({"dialects": (dialect,)} for dialect in ALL_DIALECTS),
    *({"dialects": (dialect,), "require_signing": True} for dialect in ALL_DIALECTS),
    *({"dialects": (dialect,), "encrypt": True} for dialect in ALL_DIALECTS[2:]),
    *(
        {"signing_algorithms": (algorithm,), "require_signing": True}
        for algorithm in SigningAlgorithm.__members__.values()
    ),
    *({"ciphers": (cipher,), "encrypt": True} for cipher in Cipher.__members__.values()),
]


def copy_here_and_there(pair: Pair, config: ClientConfig, *, compressed: bool = False) -> None:
    client = pair.connect(config)

    def work() -> Steps[bytes]:
        _, tree = yield client.run(log_on(client))
        yield client.run(files.put(client, tree, "file", CONTENT))
        return (yield client.run(files.get(client, tree, "file", compressed=compressed)))

    assert pair.run(work()) == CONTENT
    assert client.faults == []
    assert client.outstanding == {}


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_what_is_put_is_got(pair: Pair, way: dict[str, Any]) -> None:
    copy_here_and_there(pair, ClientConfig(**way))


@pytest.mark.parametrize("chained", [False, True], ids=["unchained", "chained"])
@pytest.mark.parametrize(
    "algorithm",
    [
        CompressionAlgorithm.LZNT1,
        CompressionAlgorithm.LZ77,
        CompressionAlgorithm.LZ77_HUFFMAN,
        CompressionAlgorithm.LZ4,
    ],
)
def test_what_is_put_compressed_is_got_compressed(pair: Pair, algorithm: CompressionAlgorithm, chained: bool) -> None:
    config = ClientConfig(compression_algorithms=(algorithm,), chained_compression=chained)
    copy_here_and_there(pair, config, compressed=True)
    for moved in (pair.sent, pair.heard):
        assert sum(len(data) for _, data in moved) < len(CONTENT) // 2
        assert any(data[4:8] == b"\xfcSMB" for _, data in moved)


def test_a_client_with_few_credits_takes_smaller_pieces(pair: Pair) -> None:
    copy_here_and_there(pair, ClientConfig(credits=4))
    assert max(len(data) for _, data in pair.sent) < 2 * 65536 + 1000


@pytest.fixture
def tree(pair: Pair) -> TreeConnect:
    return pair.run(log_on(pair.connect()))[1]


def test_an_empty_file_is_a_file(pair: Pair, tree: TreeConnect) -> None:
    client = pair.clients[1]
    pair.run(files.put(client, tree, "empty", b""))
    assert pair.run(files.get(client, tree, "empty")) == b""


def test_what_is_put_again_replaces_the_file(pair: Pair, tree: TreeConnect) -> None:
    client = pair.clients[1]
    pair.run(files.put(client, tree, "a", b"a long content"))
    pair.run(files.put(client, tree, "a", b"short"))
    assert pair.run(files.get(client, tree, "a")) == b"short"


def test_directories_are_made_filled_listed_and_emptied(pair: Pair, tree: TreeConnect) -> None:
    client = pair.clients[1]
    pair.run(files.make_directory(client, tree, "folder"))
    assert pair.settle(run(files.make_directory(client, tree, "folder"), pair.timers)) == STATUS_OBJECT_NAME_COLLISION
    pair.run(files.put(client, tree, "folder\\file", b"x"))
    names = [entry.file_name for entry in pair.run(files.list_directory(client, tree, "folder"))]
    assert names == [".", "..", "file"]
    assert pair.run(files.list_directory(client, tree, "folder", "*.none")) == []
    pair.run(files.delete(client, tree, "folder\\file"))
    pair.run(files.delete(client, tree, "folder"))
    gone = run(files.list_directory(client, tree, "folder"), pair.timers)
    assert pair.settle(gone) in (STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_PATH_NOT_FOUND)


def test_a_renamed_file_keeps_its_content_and_replaces_another_only_if_told(pair: Pair, tree: TreeConnect) -> None:
    client = pair.clients[1]
    pair.run(files.put(client, tree, "a", b"of a"))
    pair.run(files.put(client, tree, "b", b"of b"))
    kept = run(files.rename(client, tree, "a", "b"), pair.timers)
    assert pair.settle(kept) == STATUS_OBJECT_NAME_COLLISION
    pair.run(files.rename(client, tree, "a", "b", replace=True))
    assert pair.run(files.get(client, tree, "b")) == b"of a"
    assert tree.session.open_table == {}
