"""Captures as the project decodes them: what the witnesses are compared with."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from parsers.capture.open import Source, open_captures
from parsers.capture.packets import PacketBlock
from parsers.keys.store import KeyStore
from parsers.pipeline import Account, Decoded, Sink, decode
from parsers.smb2.decoder import Batch
from parsers.smb2.header import Command, Flags
from parsers.smb2.messages import DECRYPTIONS, SIGNATURES
from parsers.smb2.rows import MESSAGE, message_rows
from parsers.transport.ip import Segments
from parsers.verdicts import Decryption, Signature
from tests.records import records

SHARED = Path(__file__).resolve().parents[3] / "shared"
SUFFIXES = (".pcap", ".pcapng", ".cap", ".pcap.gz", ".pcapng.gz")
NO_KEYS = KeyStore()

DECRYPTED, PLAINTEXT = DECRYPTIONS.index(Decryption.DECRYPTED), DECRYPTIONS.index(Decryption.PLAINTEXT)
UNSIGNED, VALID = SIGNATURES.index(Signature.UNSIGNED), SIGNATURES.index(Signature.VALID)
NOT_COVERED = SIGNATURES.index(Signature.NOT_COVERED)


class Decoding(NamedTuple):
    """A whole capture: `messages` are rows of `MESSAGE` in order of the frames that complete them."""

    decoded: Decoded
    messages: npt.NDArray[Any]

    @property
    def whole(self) -> npt.NDArray[Any]:
        """The messages of which nothing is missing and nothing is secret."""
        return self.messages[self.messages["known"] & ~self.messages["incomplete"]]

    def name(self, number: int) -> str | None:
        """A file name of the capture; None for the number of none."""
        return None if number < 0 else self.decoded.smb2.exchanges.names.names[number]


def run(sources: Source | Iterable[Source], keys: KeyStore = NO_KEYS, *sinks: Sink, window: int = 16 << 20) -> Decoding:
    """Decode captures as one."""
    parts: list[npt.NDArray[Any]] = [np.empty(0, MESSAGE)]

    def keep(_block: PacketBlock | None, _segments: Segments | None, batch: Batch) -> None:
        parts.append(records(message_rows(batch), MESSAGE))

    decoded = decode(open_captures(sources, window=window), keys, [keep, *sinks])
    messages = np.concatenate(parts)
    return Decoding(decoded, messages[np.argsort(messages["frame"], kind="stable")])


def captures(folder: str = "") -> list[Path]:
    """The shared captures below a folder; none where they are not beside this checkout."""
    below = SHARED / "captures" / folder
    return sorted(path for path in below.rglob("*") if path.name.endswith(SUFFIXES))


def title(capture: Path) -> str:
    """Its name below the shared captures: what tests and tables call it."""
    return capture.relative_to(SHARED / "captures").as_posix()


def count(commands: Iterable[int], responses: Iterable[bool]) -> dict[str, int]:
    """Messages by command and direction."""
    return dict(Counter(_kind(command, is_response) for command, is_response in zip(commands, responses, strict=True)))


def _kind(command: int, is_response: bool) -> str:
    name = Command(command).name if command in Command.__members__.values() else str(command)
    return f"{name}_{'rsp' if is_response else 'req'}"


def is_response(messages: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which of them the server sent, by their own word."""
    answers: npt.NDArray[np.bool_] = (messages["flags"] & Flags.SERVER_TO_REDIR.value) != 0
    return answers


def conserved(account: Account) -> bool:
    """Whether every captured byte was accounted for exactly once."""
    parts = account.decoded, account.undecoded, account.retransmitted
    return account.captured == sum(parts) and min(*parts, account.gap, account.snapped) >= 0
