"""Requests that may wait as long as they like, and are timed by nobody (MS-SMB2 3.2.6.1, note 103)."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import Command

if TYPE_CHECKING:
    from analyzer.rules.case import Case

__all__ = ["exempt"]

_ON_PIPES = ["READ", "WRITE"]
_PIPE_CODES = [FsctlCode.PIPE_PEEK, FsctlCode.PIPE_TRANSCEIVE, FsctlCode.PIPE_WAIT]
_FAIL_IMMEDIATELY = 0x10  # SMB2_LOCKFLAG_FAIL_IMMEDIATELY (MS-SMB2 2.2.26.1)


def exempt(case: "Case", rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which of some rows of the table `exchanges` may wait.

    CHANGE_NOTIFY; READ, WRITE and the control codes of named pipes; LOCK that waits for its range.
    """
    command = rows["command"].astype("object")
    trees = case.trees
    pipes = trees.loc[trees["share_type"] == "PIPE", "tree_id"].dropna().tolist()
    found = (command == "CHANGE_NOTIFY") | (rows["tree_id"].isin(pipes) & command.isin(_ON_PIPES))
    operations = case.evidence.operations
    controls, locks = operations.codes(Command.IOCTL), operations.codes(Command.LOCK)
    waits = (controls[np.isin(controls["code"], _PIPE_CODES)], locks[locks["code"] & _FAIL_IMMEDIATELY == 0])
    keys = {(int(row["connection"]), int(row["message_id"])) for some in waits for row in some}
    asked = zip(rows["connection"].tolist(), rows["message_id"].tolist(), strict=True)
    patient = np.fromiter((key in keys for key in asked), np.bool_, len(rows))
    return found.to_numpy(np.bool_) | patient
