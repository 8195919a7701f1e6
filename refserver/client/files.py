"""What people do with files, as scripts of several requests: copy them here and there, list, rename, delete."""

from typing import TYPE_CHECKING, Any

from parsers.ntstatus import STATUS_NO_MORE_FILES, STATUS_NO_SUCH_FILE
from parsers.smb2.access import AccessMask
from parsers.smb2.create import CreateDisposition, CreateOptions
from parsers.smb2.directory_entries import DirectoryEntry
from parsers.smb2.file_information import DispositionInformation, RenameInformation
from parsers.smb2.info_classes import FileInformationClass
from refserver.client.calls import all_of
from refserver.client.commands import READ_WRITE_DELETE
from refserver.client.script import Steps, settled
from refserver.client.state import Open, TreeConnect
from refserver.errors import StatusError

if TYPE_CHECKING:
    from refserver.client.client import Client

__all__ = ["delete", "get", "list_directory", "make_directory", "put", "rename"]

_BLOCK = 1 << 20  # bytes in one READ or WRITE, where the server allows so many
_LIST_ACCESS = AccessMask.FILE_LIST_DIRECTORY | AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE


def get(client: "Client", tree_connect: TreeConnect, name: str, *, compressed: bool = False) -> Steps[bytes]:
    """The content of a file; all reads are under way at once, as far as there are credits."""
    file: Open = yield client.create(tree_connect, name)
    assert file.response is not None
    size, block = file.response.end_of_file, _block(client, client.max_read_size)
    reads = [
        client.read(file, offset, min(block, size - offset), compressed=compressed) for offset in range(0, size, block)
    ]
    parts: tuple[bytes, ...] = yield all_of(*reads)
    yield client.close_file(file)
    return b"".join(parts)


def put(client: "Client", tree_connect: TreeConnect, name: str, data: bytes) -> Steps[None]:
    """Write a file, replacing one that is there."""
    file: Open = yield client.create(
        tree_connect,
        name,
        access=READ_WRITE_DELETE,
        disposition=CreateDisposition.OVERWRITE_IF,
        options=CreateOptions.NON_DIRECTORY_FILE,
    )
    block = _block(client, client.max_write_size)
    yield all_of(*(client.write(file, start, data[start : start + block]) for start in range(0, len(data), block)))
    yield client.close_file(file)


def list_directory(
    client: "Client", tree_connect: TreeConnect, name: str = "", pattern: str = "*"
) -> Steps[list[DirectoryEntry]]:
    """The entries of a directory, "." and ".." included."""
    directory: Open = yield client.create(tree_connect, name, access=_LIST_ACCESS, options=CreateOptions.DIRECTORY_FILE)
    entries: list[DirectoryEntry] = []
    while True:
        call = yield settled(client.query_directory(directory, pattern))
        if not call.succeeded:
            break
        entries += call.result
    yield client.close_file(directory)
    if call.status not in (STATUS_NO_MORE_FILES, STATUS_NO_SUCH_FILE):
        raise StatusError(call.status)
    return entries


def make_directory(client: "Client", tree_connect: TreeConnect, name: str) -> Steps[None]:
    """Make a directory, which must not be there."""
    directory: Open = yield client.create(
        tree_connect,
        name,
        access=_LIST_ACCESS,
        disposition=CreateDisposition.CREATE,
        options=CreateOptions.DIRECTORY_FILE,
    )
    yield client.close_file(directory)


def rename(
    client: "Client", tree_connect: TreeConnect, name: str, new_name: str, *, replace: bool = False
) -> Steps[None]:
    """Give a file or directory another name, both from the root of the share."""
    yield from _change(
        client,
        tree_connect,
        name,
        FileInformationClass.FileRenameInformation,
        RenameInformation(replace, 0, new_name).build(),
    )


def delete(client: "Client", tree_connect: TreeConnect, name: str) -> Steps[None]:
    """Delete a file or an empty directory."""
    yield from _change(
        client,
        tree_connect,
        name,
        FileInformationClass.FileDispositionInformation,
        DispositionInformation(delete_pending=True).build(),
    )


def _change(
    client: "Client", tree_connect: TreeConnect, name: str, information_class: FileInformationClass, buffer: bytes
) -> Steps[None]:
    """SET_INFO on what is opened for that alone, and closed also where it failed."""
    access = AccessMask.DELETE | AccessMask.FILE_READ_ATTRIBUTES | AccessMask.SYNCHRONIZE
    open_: Open = yield client.create(tree_connect, name, access=access)
    changed: Any = yield settled(client.set_info(open_, information_class, buffer))
    yield client.close_file(open_)
    if not changed.succeeded:
        raise StatusError(changed.status)


def _block(client: "Client", limit: int) -> int:
    """Bytes for one request: what the server takes, and no more credits than the client may hold."""
    return max(min(_BLOCK, limit, 65536 * (client.config.credits // 2)), 1)
