"""What QUERY_INFO, SET_INFO and QUERY_DIRECTORY ask for: types and information classes, under their own names."""

from parsers.enums import OpenEnum, OpenFlag

__all__ = ["FileInformationClass", "FsInformationClass", "InfoType", "SecurityInformation", "info_class"]


class InfoType(OpenEnum):
    """MS-SMB2 2.2.37 and 2.2.39, InfoType."""

    FILE = 0x01
    FILESYSTEM = 0x02
    SECURITY = 0x03
    QUOTA = 0x04


class FileInformationClass(OpenEnum):
    """MS-FSCC 2.4; those that it leaves to the local system are named as Windows names them."""

    FileDirectoryInformation = 1
    FileFullDirectoryInformation = 2
    FileBothDirectoryInformation = 3
    FileBasicInformation = 4
    FileStandardInformation = 5
    FileInternalInformation = 6
    FileEaInformation = 7
    FileAccessInformation = 8
    FileNameInformation = 9
    FileRenameInformation = 10
    FileLinkInformation = 11
    FileNamesInformation = 12
    FileDispositionInformation = 13
    FilePositionInformation = 14
    FileFullEaInformation = 15
    FileModeInformation = 16
    FileAlignmentInformation = 17
    FileAllInformation = 18
    FileAllocationInformation = 19
    FileEndOfFileInformation = 20
    FileAlternateNameInformation = 21
    FileStreamInformation = 22
    FilePipeInformation = 23
    FilePipeLocalInformation = 24
    FilePipeRemoteInformation = 25
    FileMailslotQueryInformation = 26
    FileMailslotSetInformation = 27
    FileCompressionInformation = 28
    FileObjectIdInformation = 29
    FileCompletionInformation = 30
    FileMoveClusterInformation = 31
    FileQuotaInformation = 32
    FileReparsePointInformation = 33
    FileNetworkOpenInformation = 34
    FileAttributeTagInformation = 35
    FileTrackingInformation = 36
    FileIdBothDirectoryInformation = 37
    FileIdFullDirectoryInformation = 38
    FileValidDataLengthInformation = 39
    FileShortNameInformation = 40
    FileSfioReserveInformation = 44
    FileSfioVolumeInformation = 45
    FileHardLinkInformation = 46
    FileNormalizedNameInformation = 48
    FileIdGlobalTxDirectoryInformation = 50
    FileStandardLinkInformation = 54
    FileIdInformation = 59
    FileIdExtdDirectoryInformation = 60
    FileIdExtdBothDirectoryInformation = 63
    FileDispositionInformationEx = 64
    FileRenameInformationEx = 65
    FileStatInformation = 68
    FileStatLxInformation = 70
    FileCaseSensitiveInformation = 71
    FileLinkInformationEx = 72
    FileId64ExtdDirectoryInformation = 78
    FileId64ExtdBothDirectoryInformation = 79
    FileIdAllExtdDirectoryInformation = 80
    FileIdAllExtdBothDirectoryInformation = 81
    # Reserved in MS-SMB2 2.2.37 for the POSIX extensions, which use it.
    FilePosixInformation = 100


class FsInformationClass(OpenEnum):
    """MS-FSCC 2.5."""

    FileFsVolumeInformation = 1
    FileFsLabelInformation = 2
    FileFsSizeInformation = 3
    FileFsDeviceInformation = 4
    FileFsAttributeInformation = 5
    FileFsControlInformation = 6
    FileFsFullSizeInformation = 7
    FileFsObjectIdInformation = 8
    FileFsDriverPathInformation = 9
    FileFsVolumeFlagsInformation = 10
    FileFsSectorSizeInformation = 11
    # POSIX extensions.
    FileFsPosixInformation = 100


class SecurityInformation(OpenFlag):
    """MS-SMB2 2.2.37 and 2.2.39, AdditionalInformation where InfoType is `SECURITY`."""

    OWNER = 0x00000001
    GROUP = 0x00000002
    DACL = 0x00000004
    SACL = 0x00000008
    LABEL = 0x00000010
    ATTRIBUTE = 0x00000020
    SCOPE = 0x00000040
    BACKUP = 0x00010000


def info_class(info_type: int, value: int) -> FileInformationClass | FsInformationClass | int:
    """FileInfoClass under the enumeration that InfoType selects; security and quota have no classes."""
    match info_type:
        case InfoType.FILE:
            return FileInformationClass(value)
        case InfoType.FILESYSTEM:
            return FsInformationClass(value)
        case _:
            return value
