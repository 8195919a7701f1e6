"""Witnesses: keytabs that ktutil, kadmin and klist of MIT Kerberos 1.20 wrote and read, and Samba's."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError, UsageError
from parsers.keys.keytab import MAX_ENTRIES, KeytabEntry, build, load, parse

unhex = bytes.fromhex

# Made with ktutil: svc/a.krb.test with kvno 5 and 70000, other with kvno 3 and 256; kadmin then deleted kvno 3.
KTUTIL = unhex(
    "05020000003e000200084b52422e544553540003737663000a612e6b72622e74657374000000016b002f7e05001100101a22ebcbe51a5b"
    "106351607ecf063b95000000050000004e000200084b52422e544553540003737663000a612e6b72622e74657374000000016b002f7e70"
    "00120020d580e82d0d326c96621e820f9df94ad1b34b2d1470a8e9648d57b8e6a02722eb00011170ffffffcc0000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000034000100084b52422e5445"
    "535400056f74686572000000016b002f7e0000170010fc525c9683e8fe067095ba2ddc97188900000100"
)
# Version 0x0501 as a little-endian machine writes it; klist shows it as svc/a.krb.test, kvno 5, etype 17.
VERSION_1 = unhex(
    "050136000000030008004b52422e5445535403007376630a00612e6b72622e74657374532f006b0511001000000102030405060708090a0b0c"
    "0d0e0f"
)
WRITTEN = 1795174270 * 10**9


def facts(entries: list[KeytabEntry]) -> list[tuple[str, str, int, int, str]]:
    return [(entry.principal, entry.realm, entry.kvno, entry.etype, entry.key.hex()) for entry in entries]


def test_a_keytab_of_ktutil_is_read_as_klist_reads_it():
    entries = parse(KTUTIL, "a test")
    assert facts(entries) == [
        ("svc/a.krb.test", "KRB.TEST", 5, 17, "1a22ebcbe51a5b106351607ecf063b95"),
        (
            "svc/a.krb.test",
            "KRB.TEST",
            70000,
            18,
            "d580e82d0d326c96621e820f9df94ad1b34b2d1470a8e9648d57b8e6a02722eb",
        ),
        ("other", "KRB.TEST", 256, 23, "fc525c9683e8fe067095ba2ddc971889"),
    ]
    assert {entry.timestamp for entry in entries} == {WRITTEN}
    assert {entry.provenance for entry in entries} == {"a test"}


def big_endian_version_1() -> bytes:
    """The same key as a big-endian machine writes it: every number the other way round."""
    record = b"".join(
        (
            unhex("0003 0008") + b"KRB.TEST",
            unhex("0003") + b"svc",
            unhex("000a") + b"a.krb.test",
            (1795174227).to_bytes(4, "big") + b"\x05",
            unhex("0011 0010") + bytes(range(16)),
        )
    )
    return b"\x05\x01" + len(record).to_bytes(4, "big") + record


@pytest.mark.parametrize("data", [VERSION_1, big_endian_version_1()])
def test_version_1_is_read_in_both_byte_orders(data):
    (entry,) = parse(data, "")
    assert facts([entry]) == [("svc/a.krb.test", "KRB.TEST", 5, 17, bytes(range(16)).hex())]
    assert entry.timestamp == 1795174227 * 10**9


def record(data: bytes) -> bytes:
    return b"\x05\x02" + len(data).to_bytes(4, "big", signed=True) + data


FIRST = KTUTIL[6 : 6 + 0x3E]  # its kvno stands before the key, and behind it in 32 bits


@pytest.mark.parametrize(
    ("data", "kvno"),
    [
        (FIRST[:-4], 5),
        (FIRST[:-4] + bytes(4), 5),
        (FIRST[:-4] + b"\x00\x00\x00", 5),
        (FIRST[:-4] + unhex("00000105"), 0x105),
        (FIRST[:-4] + unhex("00000105 00000000"), 0x105),
    ],
)
def test_the_number_of_32_bits_counts_where_it_is_there_and_not_zero(data, kvno):
    (entry,) = parse(record(data), "")
    assert entry.kvno == kvno


def test_an_empty_keytab_has_no_keys():
    assert parse(b"\x05\x02", "") == []
    assert parse(b"\x05\x02" + bytes(4) + b"reserved space", "") == []


def test_no_prefix_of_a_keytab_raises_anything_else():
    boundaries = set()
    for length in range(len(KTUTIL)):
        try:
            boundaries.add(len(parse(KTUTIL[:length], "")))
        except ParseError:
            continue
    assert boundaries == {0, 1, 2}  # cut between two records it is a shorter keytab


@pytest.mark.parametrize("length", range(len(FIRST) - 5))
def test_no_prefix_of_a_record_is_taken_for_one(length):
    with pytest.raises(ParseError):
        parse(record(FIRST[:length]) if length else b"\x05\x02\x00\x00\x00\x01", "")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "keytab version needs 2 bytes"),
        (b"\x05\x04", "it begins with 0504, a keytab with 0502 or 0501"),
        (unhex("0502 7fffffff"), "keytab record needs 2147483647 bytes"),
        (unhex("0502 80000000"), "keytab record needs 2147483648 bytes"),
        (record(unhex("ffff")), "a principal has 65535 components"),
        (record(unhex("0001 ffff")), "name needs 65535 bytes"),
        (unhex("0501 02000000 0000"), "a principal has -1 components"),
    ],
)
def test_hostile_files_are_refused(data, reason):
    with pytest.raises(ParseError, match=reason):
        parse(data, "")


def test_the_number_of_keys_is_bounded():
    smallest = record(unhex("0000 0000 00000000 00000000 00 0000 0000"))[2:]
    assert len(parse(b"\x05\x02" + smallest * 100, "")) == 100
    with pytest.raises(ParseError, match=f"more than {MAX_ENTRIES} keys"):
        parse(b"\x05\x02" + smallest * (MAX_ENTRIES + 1), "")


def test_no_key_shows_and_none_is_pickled():
    entry = parse(KTUTIL, "a test")[0]
    assert "1a22" not in repr(entry)
    assert "\\x1a" not in repr(entry)
    with pytest.raises(TypeError, match="holds secrets"):
        pickle.dumps(entry)


def test_a_file_is_loaded_with_its_name(tmp_path):
    path = tmp_path / "my.keytab"
    path.write_bytes(KTUTIL)
    assert facts(load(path)) == facts(parse(KTUTIL, ""))
    assert {entry.provenance for entry in load(str(path))} == {str(path)}


def test_a_mistake_names_the_file(tmp_path):
    path = tmp_path / "my.keytab"
    with pytest.raises(UsageError, match=r"the keytab .*my\.keytab cannot be read: No such file"):
        load(path)
    path.write_bytes(b"[libdefaults]")
    with pytest.raises(UsageError, match=r"my\.keytab is no keytab that can be read: it begins with 5b6c"):
        load(path)


@given(st.binary(max_size=100))
def test_any_bytes_are_keys_or_a_parse_error(data):
    for version in (b"\x05\x01", b"\x05\x02"):
        try:
            parse(version + data, "")
        except ParseError:
            continue


@given(st.integers(2, len(KTUTIL) - 1), st.integers(0, 255))
def test_any_damage_is_keys_or_a_parse_error(place, value):
    try:
        parse(KTUTIL[:place] + bytes((value,)) + KTUTIL[place + 1 :], "")
    except ParseError:
        return


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        (
            "samba/krb/smbsrv.keytab",
            [
                ("cifs/smbsrv.example.test@EXAMPLE.TEST", 1, 18),
                ("cifs/smbsrv.example.test@EXAMPLE.TEST", 1, 17),
                ("host/smbsrv.example.test@EXAMPLE.TEST", 1, 18),
                ("host/smbsrv.example.test@EXAMPLE.TEST", 1, 17),
                ("cifs/rc4srv.example.test@EXAMPLE.TEST", 1, 23),
            ],
        ),
        ("public/zeek/krb/smb2_krb.keytab", [("host/phxlabbal821.ds.susq.com@DS.SUSQ.COM", 2, 18)]),
    ],
)
def test_klist_lists_the_same(name, listed, shared):
    entries = load(shared / "captures" / name)
    assert [(f"{entry.principal}@{entry.realm}", entry.kvno, entry.etype) for entry in entries] == listed


def test_the_keytab_of_a_domain_has_all_of_its_accounts(shared):
    entries = load(shared / "captures" / "faults" / "krb" / "ad.keytab")
    accounts = {"DC1$", "Administrator", "carol", "erin", "frank", "krbtgt", "dave"}
    assert {entry.principal for entry in entries} == accounts
    assert len(entries) == 19


def test_what_is_built_is_read_again_and_is_what_ktutil_writes():
    entries = parse(KTUTIL, "a test")
    built = build(entries)
    assert parse(built, "a test") == entries
    # ktutil left a hole where kadmin had deleted an entry; all records are the same, byte for byte.
    size = int.from_bytes(built[2:6], "big") + 4
    assert built[2 : 2 + size] == KTUTIL[2 : 2 + size]
