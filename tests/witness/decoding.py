"""Captures as the project decodes them: what the witnesses are compared with."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from parsers.capture.open import Source, open_captures
from parsers.keys.store import KeyStore, SessionKey
from parsers.pipeline import Decoded, decode
from parsers.smb2.header import Command
from parsers.smb2.messages import DECRYPTIONS, SIGNATURES
from parsers.smb2.rows import MESSAGE, message_rows


class Decoding(NamedTuple):
    """A whole capture: `messages` are rows of `MESSAGE` in order of the frames that complete them."""

    decoded: Decoded
    messages: npt.NDArray[Any]

    def name(self, number: int) -> str | None:
        """A file name of the capture; None for the number of none."""
        return None if number < 0 else self.decoded.smb2.exchanges.names.names[number]


def run(sources: Source | Iterable[Source], keys: KeyStore | None = None, window: int = 16 << 20) -> Decoding:
    """Decode captures as one."""
    parts: list[npt.NDArray[Any]] = [np.empty(0, MESSAGE)]
    captures = open_captures(sources, window=window)
    decoded = decode(captures, keys or KeyStore(), [lambda _block, _segments, batch: parts.append(message_rows(batch))])
    messages = np.concatenate(parts)
    return Decoding(decoded, messages[np.argsort(messages["frame"], kind="stable")])
