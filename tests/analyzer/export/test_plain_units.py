"""What becomes of the units of a batch: bytes and extents, on real traffic."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyzer.export.plain_units import ENCRYPTED, PlainUnit, opened_units, plain_units
from parsers.capture.open import open_captures
from parsers.keys.store import KeyStore
from parsers.pipeline import decode
from parsers.smb2.decoder import Batch

TRANSFORM_HEADER, PREFIX = 52, 4


def units_of(path: Path, keys: KeyStore) -> tuple[list[PlainUnit], int, int]:
    """All units with their bytes, and how many were encrypted and opened."""
    found: list[PlainUnit] = []
    encrypted = opened = 0

    def sink(_: Any, __: Any, batch: Batch) -> None:
        nonlocal encrypted, opened
        found.extend(unit._replace(data=bytes(unit.data)) for unit in plain_units(batch))
        encrypted += int((batch.units.protocol == ENCRYPTED).sum())
        opened += len(opened_units(batch)[0])

    decode(open_captures(path), keys, [sink])
    return found, encrypted, opened


@pytest.mark.parametrize("name", ["ntlm_300_enc.pcapng", "torture_read_enc.pcapng", "torture_compound_enc_8k.pcapng"])
def test_with_its_key_every_unit_is_plain(shared: Path, samba_keys: KeyStore, name: str) -> None:
    path = shared / "captures/samba" / name
    plain, encrypted, opened = units_of(path, samba_keys)
    closed, _, unopened = units_of(path, KeyStore())
    assert (opened, unopened) == (encrypted, 0)
    assert len(plain) == len(closed)
    for mine, wire in zip(plain, closed, strict=True):
        was_encrypted = wire.data[:4] == b"\xfdSMB"
        assert mine.data[:4] == b"\xfeSMB"
        assert len(mine.data) == mine.size == wire.size - TRANSFORM_HEADER * was_encrypted
        assert was_encrypted or mine.data == wire.data
        assert mine[:6] == wire[:6]  # where and when it was on the wire
        assert mine.end == mine.position + PREFIX + wire.size


def test_all_messages_of_a_compound_are_in_its_unit(shared: Path, samba_keys: KeyStore) -> None:
    units, _, _ = units_of(shared / "captures/samba/torture_compound_enc_8k.pcapng", samba_keys)
    lengths = []
    for unit in units:
        at, steps = 0, 1
        while step := int.from_bytes(unit.data[at + 20 : at + 24], "little"):  # NextCommand, MS-SMB2 2.2.1.2
            at, steps = at + step, steps + 1
            assert unit.data[at : at + 4] == b"\xfeSMB"
        lengths.append(steps)
    assert max(lengths) >= 3


def test_only_the_units_of_the_connections_asked_for(shared: Path, samba_keys: KeyStore) -> None:
    chosen: list[PlainUnit] = []
    everything: list[PlainUnit] = []

    def sink(_: Any, __: Any, batch: Batch) -> None:
        chosen.extend(plain_units(batch, {0, 2}))
        everything.extend(plain_units(batch))

    decode(open_captures(shared / "captures/samba/ntlm_311_mixed_sessions.pcapng"), samba_keys, [sink])
    assert chosen == [unit for unit in everything if unit.connection in {0, 2}]
    assert 0 < len(chosen) < len(everything)


def test_a_unit_that_was_cut_off_says_how_long_it_was(
    shared: Path,
    samba_keys: KeyStore,
    read_packets: Callable[[Path], list[Any]],
    write_packets: Callable[..., Path],
) -> None:
    packets = read_packets(shared / "captures/samba/ntlm_311_enc_aes-128-gcm.pcapng")
    longest = max(range(len(packets)), key=lambda row: packets[row].length)
    whole = units_of(write_packets(packets), samba_keys)[0]
    cut = units_of(write_packets(packets[: longest + 1]), samba_keys)[0][-1]
    (same,) = [unit for unit in whole if (unit.sender, unit.position) == (cut.sender, cut.position)]
    assert cut.data[:4] == b"\xfdSMB"
    assert len(cut.data) < cut.size == same.size + TRANSFORM_HEADER
    assert cut.end == cut.position + PREFIX + len(cut.data) < same.end
