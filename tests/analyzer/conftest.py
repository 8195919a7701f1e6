"""What the analyzer's tests share: the sample capture, analyzed once, and copies of it that were tampered with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer import Analysis, analyze

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PASSWORDS = (r"CORPUS\alice:Passw0rd!", r"CORPUS\bob:B0bPass#")


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of samples."""
    return SAMPLES


@pytest.fixture(scope="session")
def sample() -> Path:
    """Ten connections of Samba: encrypted, signed, refused and anonymous sessions (samples/README.md)."""
    return SAMPLES / "ntlm_311_mixed_sessions.pcapng"


@pytest.fixture(scope="session")
def sample_keys() -> Path:
    """Keys for most of it."""
    return SAMPLES / "ntlm_311_mixed_sessions.keys.toml"


@pytest.fixture(scope="session")
def mixed(sample: Path) -> Analysis:
    """The sample, with the passwords of its users."""
    return analyze(sample, passwords=PASSWORDS)


@pytest.fixture
def tampered(sample: Path, tmp_path: Path) -> Callable[[bytes, int, bytes], Path]:
    """Make a copy of the sample in which some bytes after the first occurrence of a mark are others."""

    def tamper(mark: bytes, distance: int, new: bytes) -> Path:
        data = bytearray(sample.read_bytes())
        at = data.index(mark) + distance
        data[at : at + len(new)] = new
        path = tmp_path / "tampered.pcapng"
        path.write_bytes(data)
        return path

    return tamper


@pytest.fixture
def hostile(sample: Path, tmp_path: Path) -> Path:
    """The sample with a file name that wants to be obeyed: by a terminal, a page and a spreadsheet."""
    honest, evil = "mixed_alice.txt", "=\x1b[2J<b>\u202egpj\n."
    evil += "x" * (len(honest) - len(evil))
    path = tmp_path / "hostile.pcapng"
    path.write_bytes(sample.read_bytes().replace(honest.encode("utf-16-le"), evil.encode("utf-16-le")))
    return path
