"""The table of states, all of it, and the transitions that the specification names."""

import pytest

from parsers.smb2.state import Event, State, next_state

UNSEEN, IN_PROGRESS, VALID, EXPIRED, REMOVED = State

WHOLE_TABLE = {
    #                       from UNSEEN  IN_PROGRESS  VALID        EXPIRED      REMOVED
    Event.SETUP_CONTINUES: (IN_PROGRESS, IN_PROGRESS, VALID, IN_PROGRESS, IN_PROGRESS),
    Event.SETUP_SUCCEEDS: (VALID, VALID, VALID, VALID, VALID),
    Event.SETUP_FAILS: (REMOVED, REMOVED, REMOVED, REMOVED, REMOVED),
    Event.USED: (UNSEEN, IN_PROGRESS, VALID, EXPIRED, REMOVED),
    Event.EXPIRED: (EXPIRED, EXPIRED, EXPIRED, EXPIRED, REMOVED),
    Event.LOGGED_OFF: (REMOVED, REMOVED, REMOVED, REMOVED, REMOVED),
    Event.DELETED: (REMOVED, REMOVED, REMOVED, REMOVED, REMOVED),
    Event.REPLACED: (REMOVED, REMOVED, REMOVED, REMOVED, REMOVED),
    Event.TRANSPORT_LOST: (REMOVED, REMOVED, REMOVED, REMOVED, REMOVED),
}


def test_the_table_names_every_state_and_every_event():
    assert set(WHOLE_TABLE) == set(Event)
    assert {len(row) for row in WHOLE_TABLE.values()} == {len(State)}


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_every_event_leads_somewhere_from_every_state(state, event):
    assert next_state(state, event) is WHOLE_TABLE[event][list(State).index(state)]


@pytest.mark.parametrize(
    ("state", "event", "following"),
    [
        (UNSEEN, Event.SETUP_CONTINUES, IN_PROGRESS),  # SessionId 0: a new session (3.3.5.5.1)
        (IN_PROGRESS, Event.SETUP_CONTINUES, IN_PROGRESS),  # GSS goes on (3.3.5.5.3)
        (IN_PROGRESS, Event.SETUP_SUCCEEDS, VALID),  # GSS has succeeded (3.3.5.5.3)
        (IN_PROGRESS, Event.SETUP_FAILS, REMOVED),  # a GSS error (3.3.5.5.3)
        (VALID, Event.SETUP_FAILS, REMOVED),  # a failed re-authentication destroys the session (3.3.5.5.3)
        (VALID, Event.EXPIRED, EXPIRED),  # ExpirationTime has passed (3.3.6.3)
        (EXPIRED, Event.SETUP_CONTINUES, IN_PROGRESS),  # re-authentication of an expired session (3.3.5.5.2)
        (EXPIRED, Event.SETUP_FAILS, REMOVED),
        (VALID, Event.SETUP_CONTINUES, VALID),  # re-authentication of a valid one leaves it valid (3.3.5.5.2)
        (VALID, Event.SETUP_SUCCEEDS, VALID),
        *((state, Event.LOGGED_OFF, REMOVED) for state in State),  # 3.3.5.6
        *((state, Event.REPLACED, REMOVED) for state in State),  # PreviousSessionId (3.3.5.5.3)
        *((state, Event.TRANSPORT_LOST, REMOVED) for state in State),  # 3.3.7.1
    ],
)
def test_a_session_lives_as_the_specification_says(state, event, following):
    assert next_state(state, event) is following


@pytest.mark.parametrize("event", [Event.USED, Event.EXPIRED])
def test_what_is_gone_stays_gone_whatever_is_asked_of_it(event):
    assert next_state(REMOVED, event) is REMOVED


def test_an_answer_revives_no_session():
    """LOGOFF, CLOSE and LOCK are processed on an expired session (3.3.5.2.9)."""
    assert next_state(EXPIRED, Event.USED) is EXPIRED
    assert next_state(IN_PROGRESS, Event.USED) is IN_PROGRESS
