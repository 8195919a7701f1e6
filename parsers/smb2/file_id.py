"""SMB2_FILEID (MS-SMB2 2.2.14.1): how messages name an open."""

from typing import NamedTuple

__all__ = ["FILE_ID_RELATED", "FileId"]


class FileId(NamedTuple):
    """The two halves of the identifier; `persistent` survives a reconnect of a durable open, `volatile` does not."""

    persistent: int
    volatile: int

    def __str__(self) -> str:
        return f"{self.persistent:016x}:{self.volatile:016x}"


# In a related compound request, the file that an earlier request of the compound opened (MS-SMB2 3.2.4.1.4); in an
# IOCTL without a file, no file (2.2.32).
FILE_ID_RELATED = FileId(0xFFFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF)
