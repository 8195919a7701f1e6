"""Whatever a server sends, the client goes on or closes the connection: nothing is raised, and every call ends."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.ntstatus import STATUS_CONNECTION_DISCONNECTED
from parsers.smb2.create import CreateOptions
from refserver.client import files
from refserver.client.config import ClientConfig
from refserver.client.script import Steps, run
from tests.refserver.client.pair import Pair, log_on
from tests.refserver.client.peer import Peer

pytestmark = pytest.mark.fuzz

DIALOGUES = max(settings().max_examples // 10, 50)  # each is some thirty messages
CONFIGS = (ClientConfig(), ClientConfig(require_signing=True), ClientConfig(encrypt=True))


def work(pair: Pair, config: ClientConfig) -> Steps[None]:
    """Something of everything."""
    client = pair.connect(config)
    session, tree = yield client.run(log_on(client))
    yield client.run(files.put(client, tree, "a", b"content"))
    yield client.run(files.get(client, tree, "a"))
    yield client.run(files.list_directory(client, tree))
    directory = yield client.create(tree, "", options=CreateOptions.DIRECTORY_FILE)
    client.cancel(client.change_notify(directory))
    yield client.echo(session)
    yield client.logoff(session)


@settings(max_examples=DIALOGUES)
@given(data=st.data())
def test_a_damaged_dialogue_ends(data: st.DataObject) -> None:
    """One message of the server is damaged on its way; with the rest unheard, the timers end what is under way."""
    pair = Pair()
    config = data.draw(
        st.sampled_from([ClientConfig(), ClientConfig(require_signing=True), ClientConfig(encrypt=True)])
    )
    number = data.draw(st.integers(0, 20))
    deliver = pair.to_client

    def damaged(connection: int, message: bytes | None) -> None:
        if message is not None and len(pair.heard) == number:
            changed = bytearray(message)
            for _ in range(data.draw(st.integers(1, 4))):
                changed[data.draw(st.integers(4, len(message) - 1))] = data.draw(st.integers(0, 255))
            message = bytes(changed)
        deliver(connection, message)

    pair.to_client = damaged  # type: ignore[method-assign]
    script = run(work(pair, config), pair.timers)
    pair.settle(script)
    assert script.done


@given(junk=st.binary(max_size=300), framed=st.booleans())
def test_junk_is_taken_or_ends_the_connection(junk: bytes, framed: bool) -> None:
    peer = Peer()
    call = peer.client.flush(peer.open)
    data = len(junk).to_bytes(4, "big") + junk if framed else junk
    peer.client.received(data, peer.timers.now)
    if peer.client.closed:
        assert call.status == STATUS_CONNECTION_DISCONNECTED
        assert peer.client.faults
