"""Witnesses: credentials caches that kinit and kvno of MIT Kerberos 1.20 wrote, of versions 3 and 4; the facts are what
klist -ef shows of them."""

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError, UsageError
from parsers.keys import ccache
from parsers.keys.ccache import MAX_CREDENTIALS, load, parse

unhex = bytes.fromhex
RECORDED = json.loads((Path(__file__).parents[1] / "gss" / "kerberos" / "exchanges.json").read_text())["mit"][
    "exchanges"
]
CACHES = {int(etype): unhex(sample["ccache"]) for etype, sample in RECORDED.items()}
AUTHTIME = 1795174227 * 10**9
HOUR = 3600 * 10**9


@pytest.mark.parametrize("etype", CACHES)
def test_a_cache_is_read_as_klist_reads_it(etype):
    tgt, ticket = parse(CACHES[etype], "a test")
    assert (tgt.server, tgt.server_realm) == ("krbtgt/KRB.TEST", "KRB.TEST")
    assert (ticket.server, ticket.server_realm) == (f"cifs/srv{etype}.krb.test", "KRB.TEST")
    for credential in (tgt, ticket):
        assert (credential.client, credential.client_realm) == ("alice", "KRB.TEST")
        assert credential.etype == etype
        assert len(credential.key) == (32 if etype in (18, 20) else 16)
        assert credential.authtime == credential.starttime == AUTHTIME
        assert credential.endtime == AUTHTIME + 10 * HOUR
        assert credential.renew_till == AUTHTIME + 24 * HOUR
        assert credential.ticket[0] == 0x61  # Ticket, [APPLICATION 1]
        assert credential.provenance == "a test"
    assert tgt.flags & 0x00400000  # initial
    assert not ticket.flags & 0x00400000


def test_the_versions_are_those_of_the_files():
    assert {etype: data[:2].hex() for etype, data in CACHES.items()} == {17: "0504", 18: "0503", 19: "0504", 20: "0504"}


def test_no_prefix_of_a_cache_raises_anything_else():
    data = CACHES[17]
    counts = set()
    for length in range(len(data)):
        try:
            counts.add(len(parse(data[:length], "")))
        except ParseError:
            continue
    assert counts <= {0, 1, 2}


def text(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def principal(*names: bytes) -> bytes:
    return unhex("00000001") + len(names[1:]).to_bytes(4, "big") + b"".join(map(text, names))


def credential(
    server: bytes = principal(b"R", b"cifs", b"x"), lists: bytes = bytes(8), times: bytes = bytes(16)
) -> bytes:
    return (
        principal(b"R", b"bob")
        + server
        + unhex("0012")
        + text(b"key")
        + times
        + b"\x00"
        + bytes(4)
        + lists
        + text(b"t")
        + text(b"")
    )


HEAD = unhex("05040000") + principal(b"R", b"bob")


def test_addresses_and_authorization_data_are_passed_over():
    lists = (
        unhex("00000002 0002")
        + text(b"\x0a\x00\x00\x01")
        + unhex("0018")
        + text(bytes(16))
        + unhex("00000001 0001")
        + text(b"ad")
    )
    (found,) = parse(HEAD + credential(lists=lists), "")
    assert (found.server, found.ticket) == ("cifs/x", b"t")


def test_times_that_are_not_set_are_none():
    (found,) = parse(HEAD + credential(), "")
    assert (found.authtime, found.starttime, found.endtime, found.renew_till) == (None,) * 4
    (found,) = parse(HEAD + credential(times=unhex("00000001 00000000 ffffffff 00000000")), "")
    assert (found.authtime, found.starttime, found.endtime) == (10**9, None, 0xFFFFFFFF * 10**9)


def test_configuration_is_left_out():
    configuration = credential(server=principal(b"X-CACHECONF:", b"krb5_ccache_conf_data", b"pa_type"))
    assert [found.server for found in parse(HEAD + configuration + credential(), "")] == ["cifs/x"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "version of a credentials cache needs 2 bytes"),
        (unhex("0502"), "it begins with 0502, a credentials cache with 0504 or 0503"),
        (unhex("0504 ffff"), "header needs 65535 bytes"),
        (unhex("0503 00000001 ffffffff"), "a principal has 4294967295 components"),
        (unhex("0503 00000001 00000000 ffffffff"), "name needs 4294967295 bytes"),
        (HEAD + credential(lists=unhex("ffffffff 00000000")), "4294967295 times address in one ticket"),
        (HEAD + credential(lists=unhex("00000000 7fffffff")), "2147483647 times authorization data in one ticket"),
    ],
)
def test_hostile_files_are_refused(data, reason):
    with pytest.raises(ParseError, match=reason):
        parse(data, "")


def test_the_number_of_tickets_is_bounded(monkeypatch):
    assert MAX_CREDENTIALS >= 1 << 16
    monkeypatch.setattr(ccache, "MAX_CREDENTIALS", 3)
    assert len(parse(HEAD + credential() * 3, "")) == 3
    with pytest.raises(ParseError, match="more than 3 tickets"):
        parse(HEAD + credential() * 4, "")


def test_no_key_shows_and_none_is_pickled():
    tgt, _ = parse(CACHES[18], "")
    assert "key=" not in repr(tgt)
    assert "ticket=" not in repr(tgt)
    with pytest.raises(TypeError, match="holds secrets"):
        pickle.dumps(tgt)


def test_a_file_is_loaded_with_its_name(tmp_path):
    path = tmp_path / "krb5cc_0"
    path.write_bytes(CACHES[18])
    assert [found.provenance for found in load(path)] == [str(path)] * 2
    with pytest.raises(UsageError, match="missing cannot be read: No such file"):
        load(tmp_path / "missing")
    path.write_bytes(b"\x05\x04")
    with pytest.raises(UsageError, match="krb5cc_0 is no credentials cache that can be read"):
        load(str(path))


@given(st.binary(max_size=100))
def test_any_bytes_are_tickets_or_a_parse_error(data):
    for version in (b"\x05\x03", b"\x05\x04\x00\x00"):
        try:
            parse(version + data, "")
        except ParseError:
            continue


@given(st.sampled_from(list(CACHES.values())), st.data())
def test_any_damage_is_tickets_or_a_parse_error(cache, data):
    damaged = bytearray(cache)
    damaged[data.draw(st.integers(0, len(cache) - 1))] = data.draw(st.integers(0, 255))
    try:
        parse(bytes(damaged), "")
    except ParseError:
        return
