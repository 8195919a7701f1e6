"""Credits: which MessageIds a client may use, what a request pays, how many it gets (MS-SMB2 3.3.1.1, 3.3.1.2).

The window never holds more than `max_credits`, and never reaches further than twice that beyond its first MessageId,
so that a client which leaves one out comes to a halt (Windows, note 207).
"""

from struct import Struct

from parsers import ntstatus
from parsers.smb2.header import HEADER_SIZE, Command, HeaderFixed
from refserver.errors import StatusError
from refserver.server.requests import Request
from refserver.server.state import Connection

__all__ = ["check_charge", "grant", "take"]

_UNIT = 65536  # bytes for each credit (3.1.5.2)
_U32 = Struct("<I").unpack_from

# Where the lengths of what is sent and of what is expected stand, counted from the body (2.2.19 to 2.2.39).
_SENT = {
    Command.WRITE: (4,),
    Command.IOCTL: (28, 40),
    Command.QUERY_INFO: (12,),
    Command.SET_INFO: (4,),
}
_EXPECTED = {
    Command.READ: (4,),
    Command.IOCTL: (32, 44),
    Command.QUERY_DIRECTORY: (28,),
    Command.CHANGE_NOTIFY: (4,),
    Command.QUERY_INFO: (4,),
}


def take(connection: Connection, header: HeaderFixed) -> bool:
    """Use up the MessageIds of a request (3.3.5.2.3); False if it was not granted all of them."""
    charge = max(header.credit_charge, 1) if connection.supports_multi_credit else 1
    return connection.command_sequence_window.take(header.message_id, charge)


def check_charge(connection: Connection, header: HeaderFixed, message: memoryview) -> None:
    """Raise INVALID_PARAMETER unless CreditCharge covers what the request moves (3.3.5.2.5)."""
    if not connection.supports_multi_credit:
        return
    payload = max(_total(message, _SENT, header.command), _total(message, _EXPECTED, header.command))
    if max(header.credit_charge, 1) < (max(payload, 1) - 1) // _UNIT + 1:
        raise StatusError(ntstatus.STATUS_INVALID_PARAMETER)


def _total(message: memoryview, places: dict[Command, tuple[int, ...]], command: int) -> int:
    """The sum of the lengths; a body too short for them is for its parser to refuse."""
    at = [HEADER_SIZE + offset for offset in places.get(Command(command), ())]
    return sum(_U32(message, offset)[0] for offset in at if offset + 4 <= len(message))


def grant(connection: Connection, request: Request, status: int, max_credits: int) -> int:
    """Widen the window for the response to `request`; how many credits it carries (3.3.1.2).

    Nobody gets more than one before a logon has succeeded, as in Windows Server 2012 and later. One is always
    granted if the client would have none.
    """
    window = connection.command_sequence_window
    asked = max(request.header.credits, 1)
    if request.header.command == Command.NEGOTIATE or (request.header.command == Command.SESSION_SETUP and status):
        asked = 1
    room = min(max_credits - len(window), window.lowest + 2 * max_credits - window.next)
    granted = max(min(asked, room), 0 if len(window) else 1)
    window.grant(granted)
    return granted
