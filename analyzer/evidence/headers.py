"""The header fields of a block's messages that several sinks look at, each as one column."""

import numpy as np
import numpy.typing as npt

from parsers import ntstatus
from parsers.smb2.decoder import Batch
from parsers.smb2.header import Flags

__all__ = ["Headers"]

Mask = npt.NDArray[np.bool_]

_NO_TREE = Flags.ASYNC_COMMAND | Flags.RELATED_OPERATIONS


class Headers:
    """Columns of shape (n,), in the order of `batch.messages`.

    Attributes:
        command, message_id, status: as sent; 0 where the message could not be opened.
        request, response: who sent it, of messages that could be read.
        signed, is_async, related: flags.
        interim: whether it is an interim response, STATUS_PENDING.
        has_tree: whether it is a request that may name a tree: neither asynchronous nor related.
    """

    def __init__(self, batch: Batch) -> None:
        messages = batch.messages
        header = messages.header
        flags = header["flags"]
        from_server = (flags & Flags.SERVER_TO_REDIR.value) != 0
        self.command: npt.NDArray[np.uint16] = np.ascontiguousarray(header["command"])
        self.message_id: npt.NDArray[np.uint64] = np.ascontiguousarray(header["message_id"])
        self.status: npt.NDArray[np.uint32] = np.ascontiguousarray(header["status"])
        self.request: Mask = messages.known & ~from_server
        self.response: Mask = messages.known & from_server
        self.signed: Mask = (flags & Flags.SIGNED.value) != 0
        self.is_async: Mask = (flags & Flags.ASYNC_COMMAND.value) != 0
        self.related: Mask = (flags & Flags.RELATED_OPERATIONS.value) != 0
        self.interim: Mask = from_server & (self.status == ntstatus.STATUS_PENDING)
        self.has_tree: Mask = self.request & ((flags & _NO_TREE.value) == 0)
