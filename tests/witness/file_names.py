"""Every file name that goes over the wire, which is what tshark calls smb2.filename: more than those of CREATE."""

from collections.abc import Iterator

import numpy as np

from parsers import ntstatus
from parsers.capture.packets import PacketBlock
from parsers.smb2.body import decode_utf16
from parsers.smb2.create import CreateRequest
from parsers.smb2.decoder import Batch
from parsers.smb2.directory_entries import parse_directory_entries
from parsers.smb2.file_information import RenameInformation, parse_file_information
from parsers.smb2.fsctl import DfsReferralRequest, FsctlCode
from parsers.smb2.header import Command, Flags
from parsers.smb2.info_classes import FileInformationClass, InfoType
from parsers.smb2.ioctl import IoctlRequest
from parsers.smb2.query_directory import QueryDirectoryRequest, QueryDirectoryResponse
from parsers.smb2.query_info import QueryInfoRequest, QueryInfoResponse
from parsers.smb2.set_info import SetInfoRequest
from parsers.smb2.tree import TreeConnectRequest
from parsers.transport.ip import Segments

_NAME_OFFSETS = {  # of a name in a FILE information, behind its length in four bytes (MS-FSCC 2.4)
    FileInformationClass.FileAllInformation: 96,
    FileInformationClass.FileAlternateNameInformation: 0,
    FileInformationClass.FileNormalizedNameInformation: 0,
}


class FileNames:
    """A sink that gathers the names of a capture in `found`, and those of its shares in `shares`."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.shares: set[str] = set()
        self._classes: dict[tuple[int, int], int] = {}  # information class of requests, by connection and MessageId

    def __call__(self, _block: PacketBlock | None, _segments: Segments | None, batch: Batch) -> None:
        messages, units = batch.messages, batch.units
        whole = messages.known & ~units.incomplete[messages.unit]
        for row in np.flatnonzero(whole).tolist():
            header = messages.header[row]
            message = batch.arena[int(messages.offset[row]) : int(messages.end[row])]
            place = int(units.connection[messages.unit[row]]), int(header["message_id"])
            if not int(header["flags"]) & Flags.SERVER_TO_REDIR:
                self.found.update(self._of_request(int(header["command"]), place, message))
            elif int(header["status"]) == ntstatus.STATUS_SUCCESS:
                self.found.update(self._of_response(int(header["command"]), place, message))

    def _of_request(self, command: int, place: tuple[int, int], message: memoryview) -> Iterator[str]:
        if command == Command.CREATE:
            yield CreateRequest.parse(message).name
        elif command == Command.TREE_CONNECT:
            self.shares.add(TreeConnectRequest.parse(message).path)
        elif command == Command.QUERY_DIRECTORY:
            self._classes[place] = QueryDirectoryRequest.parse(message).file_information_class
        elif command == Command.QUERY_INFO:
            query = QueryInfoRequest.parse(message)
            self._classes[place] = query.file_info_class if query.info_type == InfoType.FILE else 0
        elif command == Command.SET_INFO:
            change = SetInfoRequest.parse(message)
            if (change.info_type, change.file_info_class) == (
                InfoType.FILE,
                FileInformationClass.FileRenameInformation,
            ):
                renamed = parse_file_information(change.file_info_class, change.buffer)
                assert isinstance(renamed, RenameInformation)
                yield renamed.file_name
        elif command == Command.IOCTL:
            control = IoctlRequest.parse(message)
            if control.ctl_code == FsctlCode.DFS_GET_REFERRALS:
                yield DfsReferralRequest.parse(control.input).request_file_name

    def _of_response(self, command: int, place: tuple[int, int], message: memoryview) -> Iterator[str]:
        wanted = self._classes.pop(place, 0)
        if command == Command.QUERY_DIRECTORY:
            for entry in parse_directory_entries(wanted, QueryDirectoryResponse.parse(message).output):
                yield entry.file_name
        elif command == Command.QUERY_INFO and wanted in _NAME_OFFSETS:
            information = QueryInfoResponse.parse(message).output
            at = _NAME_OFFSETS[FileInformationClass(wanted)]
            size = int.from_bytes(information[at : at + 4], "little")
            yield decode_utf16(information[at + 4 : at + 4 + size], "name")
