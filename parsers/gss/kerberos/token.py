"""How GSS carries Kerberos messages: the frame of RFC 4121 4.1, or none at all (MS-SMB2 3.3.5.5.3 allows that)."""

from dataclasses import dataclass

from parsers.enums import OpenEnum
from parsers.errors import ParseError
from parsers.gss import der
from parsers.gss.kerberos.messages import ApRep, ApReq, KrbError
from parsers.gss.kerberos.names import MessageType
from parsers.gss.spnego import Mechanism
from parsers.layout import Buffer

__all__ = ["Token", "TokenId", "build", "is_kerberos", "parse"]

_FRAME = der.application(0)
_MECHANISMS = (Mechanism.KERBEROS, Mechanism.MS_KERBEROS, Mechanism.KERBEROS_USER_TO_USER, Mechanism.IAKERB)


class TokenId(OpenEnum):
    """TOK_ID (RFC 4121 4.1), with those of user-to-user and of IAKERB; big-endian."""

    AP_REQ = 0x0100
    AP_REP = 0x0200
    KRB_ERROR = 0x0300
    TGT_REQUEST = 0x0400
    TGT_REPLY = 0x0401
    IAKERB_PROXY = 0x0501


_RAW = {
    der.application(MessageType.AP_REQ): TokenId.AP_REQ,
    der.application(MessageType.AP_REP): TokenId.AP_REP,
    der.application(MessageType.KRB_ERROR): TokenId.KRB_ERROR,
}


@dataclass(frozen=True, slots=True)
class Token:
    """A Kerberos message and its frame. `mechanism` is None without one; `content` is everything behind TOK_ID."""

    mechanism: str | None
    token_id: TokenId
    content: bytes

    def message(self) -> ApReq | ApRep | KrbError | None:
        """The message inside; None in the tokens that prepare an exchange (user-to-user, IAKERB).

        Raises:
            ParseError: it is malformed, or another one than TOK_ID says.
        """
        match self.token_id:
            case TokenId.AP_REQ:
                return ApReq.parse(der.parse(self.content))
            case TokenId.AP_REP:
                return ApRep.parse(der.parse(self.content))
            case TokenId.KRB_ERROR:
                return KrbError.parse(der.parse(self.content))
        return None


def is_kerberos(data: Buffer) -> bool:
    """Whether `data` begins a Kerberos token, by its tag and the mechanism of its frame.

    Raises:
        ParseError: a frame that is cut off, or whose mechanism is malformed.
    """
    if len(data) == 0:
        return False
    return data[0] in _RAW or (data[0] == _FRAME and _frame(data)[0] in _MECHANISMS)


def parse(data: Buffer) -> Token:
    """The token that fills `data`.

    Raises:
        ParseError: no frame and no message that may stand without one, or bytes are missing or left over.
    """
    element = der.parse(data)
    if element.tag in _RAW:
        return Token(None, _RAW[element.tag], bytes(data))
    if element.tag != _FRAME:
        raise ParseError(f"no Kerberos token begins with tag 0x{element.tag:02x}")
    mechanism, size = _frame(data)
    inner = element.content[size:]
    if len(inner) < 2:
        raise ParseError("TOK_ID is cut off")
    return Token(mechanism, TokenId(int.from_bytes(inner[:2], "big")), bytes(inner[2:]))


def build(message: ApReq | ApRep | KrbError, mechanism: str = Mechanism.KERBEROS) -> bytes:
    """A message in its frame."""
    content = message.build()
    return der.build(_FRAME, der.build_oid(mechanism), _RAW[content[0]].to_bytes(2, "big"), content)


def _frame(data: Buffer) -> tuple[str, int]:
    """The mechanism of a framed token, and the size of its identifier inside of the frame (RFC 2743 3.1)."""
    content = der.parse(data).content
    size = der.announced_size(content)
    if size is None or size > len(content):
        raise ParseError("the mechanism of an InitialContextToken is cut off")
    identifier = der.parse(content[:size])
    if identifier.tag != der.OBJECT_IDENTIFIER:
        raise ParseError(f"object identifier expected, found tag 0x{identifier.tag:02x}")
    return identifier.oid(), size
