r"""Lists of NT hashes, one account a line, as the tools for it write them.

    Administrator:500:aad3b435b51404eeaad3b435b51404ee:fc525c9683e8fe067095ba2ddc971889:::     pwdump, secretsdump
    corpus.example\alice:1103:aad3b435b51404eeaad3b435b51404ee:fc525c9683e8fe067095ba2ddc971889:::
    bob:1001:XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX:7CB40A23EE5118BAFE1C12F51327BC26:[U          ]:LCT-6553F100:   pdbedit -w
    CORPUS\carol:7cb40a23ee5118bafe1c12f51327bc26

Lines that begin with # are comments. What secretsdump prints besides, other secrets and its progress, is passed over.
"""

import re
from collections.abc import Iterable

from parsers.errors import UsageError
from parsers.keys.store import KeyStore

__all__ = ["MARKER", "parse"]

_HASH = "[0-9a-fA-F]{32}"
_PWDUMP = re.compile(rf"([^:]+):(?:[0-9]+:)?({_HASH}|[^:]*[*X]{{8}}|):({_HASH}|[^:]*[*X]{{8}}|)(?::.*)?")
_SHORT = re.compile(rf"([^:]+):({_HASH})")
_HISTORY = re.compile(r"_history[0-9]+$")

MARKER = re.compile(rf"[^:\[#][^:]*:(?:[0-9]+:)?(?:(?:{_HASH}|[^:]*[*X]{{8}}|):)?{_HASH}(?::|\s*$)")


def parse(lines: Iterable[str], name: str) -> KeyStore:
    """The NT hashes of a list; an account without one is passed over.

    secretsdump writes former hashes of `alice` as those of `alice_history0` and so on: they are taken as alice's, since
    a capture may be older than the password.

    Args:
        lines: of the list.
        name: of the file, for provenance and errors.

    Raises:
        UsageError: a line is no account and no comment, and the list is not the output of secretsdump; the message
            names the line.
    """
    store = KeyStore()
    wrong: list[int] = []
    tool_output = False
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if entry := _SHORT.fullmatch(text) or _PWDUMP.fullmatch(text):
            account, digits = entry[1], entry[entry.lastindex or 0]
            if re.fullmatch(_HASH, digits):
                store.add_nt_hash(f"{_HISTORY.sub('', account)}:{digits}", f"{name} line {number}")
        elif text.startswith("[*]"):
            tool_output = True
        elif text and not text.startswith("#"):
            wrong.append(number)
    if wrong and not tool_output:
        raise UsageError(
            f"{name} line {wrong[0]}: an account is written user:rid:lmhash:nthash::: or user:nthash, with DOMAIN\\ "
            "before the user where it is known"
        )
    return store
