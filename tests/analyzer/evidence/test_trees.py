"""Which trees a session uses, known or not."""

from pathlib import Path

from refserver.client.script import settled, wait
from refserver.client.state import Deviation
from tests.analyzer.captures import analyzed
from tests.analyzer.rules.plays import played


def test_uses_are_the_pairs_of_the_exchanges(shared: Path) -> None:
    analysis = analyzed(shared, "samba/ntlm_311_mixed_sessions.pcapng")
    frame = analysis.exchanges
    command = frame["command"].astype("object")
    mine = frame[~command.isin(["NEGOTIATE", "SESSION_SETUP", "LOGOFF", "TREE_CONNECT", "ECHO", "CANCEL"])]
    pairs = set(zip(mine["session_id"].tolist(), mine["tree_id"].tolist(), strict=True))
    sessions = analysis.evidence.decoded.smb2.tracker.sessions
    uses = {(sessions[use.session].session_id, use.tree_id) for use in analysis.evidence.trees.values()}
    assert uses == pairs
    assert len(uses) > 5


def test_a_tree_that_is_used_late_is_known_to_be(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        yield wait(seconds=30)
        yield client.read(file, 0, 10)
        with client.deviating(Deviation(tree_id=0x777)):
            call = client.read(file, 0, 10)
        yield settled(call)

    uses = played(tmp_path, work).evidence.trees
    own = next(use for use in uses.values() if use.tree_id != 0x777)
    assert own.last - own.time > 30_000_000_000
    assert {use.tree_id for use in uses.values()} == {own.tree_id, 0x777}
