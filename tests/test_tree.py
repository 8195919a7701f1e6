"""Every source file has its test file in the same place below tests/, and every test file there its source."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("parsers", "analyzer", "refserver")

WITHOUT_TEST = {
    "parsers/ntstatus_table.py": "data; what reads it is tested in test_ntstatus.py",
    "analyzer/cli/codes.py": "numbers; test_program.py compares them with the help",
    "refserver/errors.py": "one exception, raised by everything that is tested",
    "refserver/gss/accepted.py": "records without code; the acceptors that make them are tested",
    "refserver/gss/ntlm_capabilities.py": "constants; the acceptor and the initiator that offer them are tested",
    "refserver/server/requests.py": "records without code; the handlers that use them are tested with them",
    "refserver/server/state.py": "records without code; the server that fills them is tested with them",
    "parsers/transport/undecoded.py": "a record without code; the decoders that make it are tested",
    "parsers/capture/packets.py": "records without code; the readers that fill them are tested with them",
}
WITHOUT_SOURCE = {
    "parsers/capture/test_witness.py": "the whole room against tshark and mergecap",
}


def sources() -> set[str]:
    """The modules that have code of their own to test; an `__init__` only gathers names."""
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if path.name != "__init__.py")
    return {path.relative_to(ROOT).as_posix() for path in paths} - WITHOUT_TEST.keys()


def mirrors() -> set[str]:
    """The test files that mirror a module, by their path below tests/."""
    paths = (path for package in PACKAGES for path in (ROOT / "tests" / package).rglob("test_*.py"))
    return {path.relative_to(ROOT / "tests").as_posix() for path in paths} - WITHOUT_SOURCE.keys()


def mirror_of(source: str) -> str:
    """`parsers/smb2/create.py` -> `parsers/smb2/test_create.py`."""
    path = Path(source)
    return path.with_name(f"test_{path.name}").as_posix()


@pytest.mark.parametrize("source", sorted(sources()))
def test_a_source_file_has_a_test_file(source: str) -> None:
    assert (ROOT / "tests" / mirror_of(source)).is_file()


def test_a_test_file_has_a_source_file() -> None:
    assert mirrors() - {mirror_of(source) for source in sources()} == set()


def test_the_exceptions_still_exist() -> None:
    assert [path for path in WITHOUT_TEST if not (ROOT / path).is_file()] == []
    assert [path for path in WITHOUT_SOURCE if not (ROOT / "tests" / path).is_file()] == []
