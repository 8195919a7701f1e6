"""What QUERY_INFO says of a file (MS-FSA 2.1.5.12)."""

import pytest

from parsers import ntstatus
from parsers.smb2 import file_query
from parsers.smb2.create import CreateOptions
from parsers.smb2.info_classes import FileInformationClass
from parsers.times import ns_to_filetime
from refserver.server.file_information import ea_size
from refserver.store.store import Attributes
from tests.refserver.server.files import ALL, Desk, desk
from tests.refserver.server.peer import START

CREATED = ns_to_filetime(START)


@pytest.fixture
def client() -> Desk:
    client = desk()
    client.directory("Dir")
    file = client.open("Dir\\File.txt")
    client.write(file, b"12345")
    client.close(file)
    return client


def ask(client: Desk, name: str, file_info_class: int, **how: int) -> bytes:
    status, output = client.query(client.open(name, **how), file_info_class)
    assert status == 0, hex(status)
    return output


FILE = "dir\\file.TXT"


def test_basic_standard_and_network_open_agree_with_all(client: Desk) -> None:
    basic = file_query.BASIC.parse(ask(client, FILE, FileInformationClass.FileBasicInformation))
    standard = file_query.STANDARD.parse(ask(client, FILE, FileInformationClass.FileStandardInformation))
    network = file_query.NETWORK_OPEN.parse(ask(client, FILE, FileInformationClass.FileNetworkOpenInformation))
    output = ask(client, FILE, FileInformationClass.FileAllInformation)
    everything = file_query.ALL.parse(output)
    assert basic[:5] == everything[:5] == (CREATED, CREATED, CREATED, CREATED, 0x20)
    assert standard[:5] == everything[6:11] == (4096, 5, 1, 0, 0)
    assert network == (CREATED, CREATED, CREATED, CREATED, 4096, 5, 0x20, 0)
    assert everything.access_flags == ALL
    assert file_query.parse_name(output[file_query.ALL.size :]) == "\\Dir\\File.txt"


def test_a_directory_says_that_it_is_one(client: Desk) -> None:
    standard = file_query.STANDARD.parse(ask(client, "dir", FileInformationClass.FileStandardInformation))
    assert standard == (0, 0, 1, 0, 1, 0)
    assert file_query.ATTRIBUTE_TAG.parse(ask(client, "dir", 35)) == (0x10, 0)


def test_a_file_that_will_go_has_no_links(client: Desk) -> None:
    file = client.open(FILE)
    assert client.set(file, FileInformationClass.FileDispositionInformation, b"\1") == 0
    standard = file_query.STANDARD.parse(client.query(file, FileInformationClass.FileStandardInformation)[1])
    assert (standard.number_of_links, standard.delete_pending) == (0, 1)


def test_names_are_those_on_disk(client: Desk) -> None:
    assert file_query.parse_name(ask(client, FILE, FileInformationClass.FileNameInformation)) == "\\Dir\\File.txt"
    normalized = ask(client, FILE, FileInformationClass.FileNormalizedNameInformation)
    assert file_query.parse_name(normalized) == "Dir\\File.txt"
    assert file_query.parse_name(ask(client, FILE, FileInformationClass.FileAlternateNameInformation)) == "FILE.TXT"
    root = client.directory()
    alternate = client.query(root, FileInformationClass.FileAlternateNameInformation)
    assert alternate[0] == ntstatus.STATUS_OBJECT_NAME_NOT_FOUND


def test_identifiers_tell_files_apart_and_stay(client: Desk) -> None:
    internal = [ask(client, name, FileInformationClass.FileInternalInformation) for name in (FILE, FILE, "dir")]
    assert internal[0] == internal[1] != internal[2]
    identifier = file_query.FILE_ID.parse(ask(client, FILE, FileInformationClass.FileIdInformation))
    assert identifier.file_id[:8] == internal[0]


def test_streams_are_listed_of_the_file_and_of_a_stream(client: Desk) -> None:
    client.write(client.open(FILE + ":more"), b"x" * 5000)
    expected = [("::$DATA", 5, 4096), (":more:$DATA", 5000, 8192)]
    for name in (FILE, FILE + ":more"):
        output = ask(client, name, FileInformationClass.FileStreamInformation)
        assert file_query.parse_streams(output) == expected
    client.open("dir:s")
    output = ask(client, "dir", FileInformationClass.FileStreamInformation)
    assert file_query.parse_streams(output) == [(":s:$DATA", 0, 0)]


def test_the_mode_is_what_create_asked_for(client: Desk) -> None:
    options = CreateOptions.WRITE_THROUGH | CreateOptions.NON_DIRECTORY_FILE
    mode = ask(client, FILE, FileInformationClass.FileModeInformation, options=options)
    assert int.from_bytes(mode, "little") == CreateOptions.WRITE_THROUGH


def test_a_file_is_not_compressed_and_not_aligned(client: Desk) -> None:
    compression = file_query.COMPRESSION.parse(ask(client, FILE, FileInformationClass.FileCompressionInformation))
    assert compression == (4096, 0, 0, 0, 0, 0, 0)
    assert ask(client, FILE, FileInformationClass.FileAlignmentInformation) == bytes(4)


def test_the_size_of_extended_attributes_is_that_of_their_list() -> None:
    known = Attributes(0, 0, 0, 0, 0)
    assert ea_size(known) == 0
    known.ea = {b"ABC": b"12345", b"D": b""}
    assert ea_size(known) == 4 + (5 + 3 + 5) + (5 + 1)


def test_a_pipe_tells_of_its_state() -> None:
    client = desk(share="ipc$")
    pipe = client.open("srvsvc")
    local = file_query.PIPE_LOCAL.parse(client.query(pipe, FileInformationClass.FilePipeLocalInformation)[1])
    assert (local.named_pipe_type, local.named_pipe_state, local.read_data_available) == (1, 3, 0)
    assert client.query(pipe, FileInformationClass.FileStandardInformation)[0] == 0
    disk = desk()
    status, _ = disk.query(disk.open("f"), FileInformationClass.FilePipeLocalInformation)
    assert status == ntstatus.STATUS_INVALID_PARAMETER
