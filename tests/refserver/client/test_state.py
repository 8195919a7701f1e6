"""The records of the client."""

import pickle

import pytest

from parsers.smb2.file_id import FILE_ID_RELATED
from refserver.client.state import Deviation, related
from tests.refserver.client.peer import KEY, Peer


def test_the_open_of_the_request_before_has_the_file_id_that_says_so() -> None:
    peer = Peer()
    open_ = related(peer.tree)
    assert open_.file_id == FILE_ID_RELATED
    assert open_.tree_connect is peer.tree


def test_a_tree_knows_whether_it_has_pipes() -> None:
    assert Peer(pipe=True).tree.is_pipe
    assert not Peer().tree.is_pipe


def test_a_session_shows_no_keys_and_is_not_pickled() -> None:
    session = Peer().session
    session.session_key = KEY
    assert KEY.hex() not in repr(session)
    assert session.keys is not None
    assert repr(session.keys.signing) not in repr(session)
    with pytest.raises(TypeError, match="secrets"):
        pickle.dumps(session)


def test_a_request_that_is_sent_again_keeps_its_deviations_but_for_the_message_id() -> None:
    peer = Peer()
    with peer.client.deviating(Deviation(message_id=9, tree_id=8)):
        call = peer.client.flush(peer.open)
    call.forget_answer()
    assert call.message_id is None
    assert call.deviation == Deviation(tree_id=8)
