"""The life of a session as an observer sees it, as a table (MS-SMB2 3.3.1.8, 3.3.5.5, 3.3.5.6, 3.3.6.3).

The server's own states are InProgress, Valid and Expired. `UNSEEN` is added because captures begin in the middle,
`REMOVED` because a session that has ended is still worth showing. An event that the table does not foresee leads to
the state that the event itself proves: an observer records, it does not enforce.
"""

from enum import StrEnum

__all__ = ["Event", "State", "next_state"]


class State(StrEnum):
    """State of a session."""

    UNSEEN = "unseen"
    IN_PROGRESS = "in_progress"
    VALID = "valid"
    EXPIRED = "expired"
    REMOVED = "removed"


class Event(StrEnum):
    """What a message says about a session."""

    SETUP_CONTINUES = "setup_continues"  # STATUS_MORE_PROCESSING_REQUIRED
    SETUP_SUCCEEDS = "setup_succeeds"
    SETUP_FAILS = "setup_fails"
    USED = "used"  # a request was answered as only a valid session's is
    EXPIRED = "expired"  # STATUS_NETWORK_SESSION_EXPIRED
    LOGGED_OFF = "logged_off"
    DELETED = "deleted"  # STATUS_USER_SESSION_DELETED
    REPLACED = "replaced"  # PreviousSessionId of a new session
    TRANSPORT_LOST = "transport_lost"  # the last channel is gone


_TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.UNSEEN, Event.SETUP_CONTINUES): State.IN_PROGRESS,
    (State.UNSEEN, Event.USED): State.UNSEEN,
    # Re-authentication of a valid session leaves it valid while it runs; an expired one is in progress (3.3.5.5.2).
    (State.VALID, Event.SETUP_CONTINUES): State.VALID,
    (State.EXPIRED, Event.SETUP_CONTINUES): State.IN_PROGRESS,
    (State.IN_PROGRESS, Event.SETUP_CONTINUES): State.IN_PROGRESS,
    # LOGOFF, CLOSE and LOCK are processed on an expired session (3.3.5.2.9): an answer does not revive it.
    (State.EXPIRED, Event.USED): State.EXPIRED,
    (State.IN_PROGRESS, Event.USED): State.IN_PROGRESS,
    (State.VALID, Event.USED): State.VALID,
    # What is gone stays gone, whatever is asked of it.
    (State.REMOVED, Event.USED): State.REMOVED,
    (State.REMOVED, Event.EXPIRED): State.REMOVED,
}

_PROVEN: dict[Event, State] = {
    Event.SETUP_CONTINUES: State.IN_PROGRESS,
    Event.SETUP_SUCCEEDS: State.VALID,
    Event.SETUP_FAILS: State.REMOVED,  # a failed re-authentication destroys the session too (3.3.5.5.3)
    Event.USED: State.VALID,
    Event.EXPIRED: State.EXPIRED,
    Event.LOGGED_OFF: State.REMOVED,
    Event.DELETED: State.REMOVED,
    Event.REPLACED: State.REMOVED,
    Event.TRANSPORT_LOST: State.REMOVED,
}


def next_state(state: State, event: Event) -> State:
    """The state after `event`; defined for every pair."""
    return _TRANSITIONS.get((state, event), _PROVEN[event])
