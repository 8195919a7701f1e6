"""Witnesses: logons to domain controllers of Samba and Windows; what the directory says of the user, and tshark."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.gss.kerberos.logon_info import Group, LogonInfo, UserFlags
from parsers.gss.kerberos.opening import OpenedTicket, open_ticket
from parsers.gss.kerberos.pac import BufferType, Pac
from parsers.keys import keytab
from parsers.times import ns_to_filetime
from tests.parsers.gss.kerberos.captured import exchanges
from tests.parsers.gss.kerberos.parts import AD_PAC, buffer_of

DOMAIN = "S-1-5-21-2065874780-428014534-2331666465"
CAROL = buffer_of(AD_PAC, BufferType.LOGON_INFO)
ENABLED = 7  # mandatory, enabled by default, enabled


def test_what_the_directory_says_of_the_user_is_in_it():
    info = LogonInfo.parse(CAROL)
    assert (info.effective_name, info.logon_domain_name, info.logon_server) == ("carol", "ADEX", "DC1")
    assert info.user_sid == f"{DOMAIN}-1103"
    assert info.primary_group_sid == f"{DOMAIN}-513"
    assert {group.sid for group in info.groups} == {f"{DOMAIN}-{rid}" for rid in (513, 1107, 1108, 1109, 1110, 1111)}
    assert {group.attributes for group in info.groups} == {ENABLED}
    assert [group.sid for group in info.extra_sids] == ["S-1-18-1"]
    assert info.resource_groups == ()
    assert info.group_sids == (*(group.sid for group in info.groups), "S-1-18-1")
    assert info.user_flags & UserFlags.EXTRA_SIDS
    assert (info.logoff_time, info.kick_off_time) == (None, None)
    assert info.password_last_set is not None
    assert info.password_must_change is not None
    assert info.password_must_change - info.password_last_set == 42 * 86400 * 10**9  # Samba's default age


def test_no_prefix_of_it_is_taken_for_it():
    for length in range(len(CAROL)):
        with pytest.raises(ParseError):
            LogonInfo.parse(CAROL[:length])


# ----------------------------------------------------------------------------------------------- made by hand

NS = 1_700_000_000 * 10**9


def le(value: int, size: int) -> bytes:
    return value.to_bytes(size, "little")


def ndr_sid(*sub_authorities: int) -> bytes:
    count = len(sub_authorities)
    return le(count, 4) + bytes((1, count)) + (5).to_bytes(6, "big") + b"".join(le(each, 4) for each in sub_authorities)


def memberships(*pairs: tuple[int, int]) -> bytes:
    return le(len(pairs), 4) + b"".join(le(rid, 4) + le(attributes, 4) for rid, attributes in pairs)


def validation_info(
    *, user_id: int, domain: bool, extra: tuple[int, ...] = (), resources: tuple[int, ...] = (), group_count: int = 1
) -> bytes:
    """KERB_VALIDATION_INFO in the order of MS-PAC 2.5; names are empty but for the user's."""
    times = b"".join(le(value, 8) for value in (ns_to_filetime(NS), ns_to_filetime(NS + 10**9), 2**63 - 1, 0, 0, 0))
    name = le(6, 2) + le(6, 2) + le(0x20004, 4)
    fixed = times + name + bytes(8) * 5 + le(3, 2) + le(1, 2) + le(user_id, 4) + le(513, 4)
    fixed += le(group_count, 4) + le(0x20008, 4) + le(0x220, 4) + bytes(16) + bytes(16)
    fixed += le(0x2000C if domain else 0, 4) + bytes(8) + le(0x10, 4) + bytes(4 + 8 + 8 + 4 + 4)
    fixed += le(len(extra), 4) + le(0x20010 if extra else 0, 4)
    fixed += le(0x20014 if resources else 0, 4) + le(len(resources), 4) + le(0x20018 if resources else 0, 4)
    body = le(0x20000, 4) + fixed
    body += le(3, 4) + le(0, 4) + le(3, 4) + "bob".encode("utf-16-le") + bytes(2)
    body += memberships((513, ENABLED))
    body += ndr_sid(21, 1, 2, 3) if domain else b""
    if extra:
        body += memberships(*((0x20020 + 4 * place, ENABLED) for place in range(len(extra))))
        body += b"".join(ndr_sid(32, rid) for rid in extra)
    if resources:
        body += ndr_sid(21, 9, 9, 9) + memberships(*((rid, 0x20000007) for rid in resources))
    return bytes.fromhex("01100800cccccccc") + le(len(body), 4) + bytes(4) + body


def test_groups_of_another_domain_are_in_its_name():
    info = LogonInfo.parse(validation_info(user_id=1000, domain=True, extra=(544, 545), resources=(1200, 1201)))
    assert info.effective_name == "bob"
    assert (info.logon_time, info.logoff_time, info.kick_off_time) == (NS, NS + 10**9, None)
    assert info.user_sid == "S-1-5-21-1-2-3-1000"
    assert info.groups == (Group("S-1-5-21-1-2-3-513", ENABLED),)
    assert info.extra_sids == (Group("S-1-5-32-544", ENABLED), Group("S-1-5-32-545", ENABLED))
    assert info.resource_groups == (Group("S-1-5-21-9-9-9-1200", 0x20000007), Group("S-1-5-21-9-9-9-1201", 0x20000007))
    assert len(info.group_sids) == 5
    assert (info.logon_count, info.bad_password_count) == (3, 1)


def test_a_user_without_relative_id_is_the_first_extra_sid():
    assert LogonInfo.parse(validation_info(user_id=0, domain=True, extra=(544,))).user_sid == "S-1-5-32-544"
    assert LogonInfo.parse(validation_info(user_id=0, domain=True)).user_sid == "S-1-5-21-1-2-3-0"


def test_without_the_domains_sid_there_are_no_sids_in_it():
    info = LogonInfo.parse(validation_info(user_id=1000, domain=False))
    assert (info.user_sid, info.primary_group_sid, info.groups) == (None, None, ())


def test_counts_that_contradict_the_arrays_are_refused():
    with pytest.raises(ParseError, match="groups: 4000000000 announced, 1 in the array"):
        LogonInfo.parse(validation_info(user_id=1, domain=True, group_count=4_000_000_000))


def test_a_null_pointer_is_refused():
    with pytest.raises(ParseError, match="null pointer"):
        LogonInfo.parse(bytes.fromhex("01100800cccccccc0400000000000000") + bytes(4))


@given(st.data())
def test_any_damage_is_logon_information_or_a_parse_error(data):
    damaged = bytearray(CAROL)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        LogonInfo.parse(damaged)
    except ParseError:
        return


# ----------------------------------------------------------------------------------------------- tshark

FIELDS = (
    "acct_name", "full_name", "domain", "server", "rid", "group_rid", "num_rids", "num_sid", "user_flags",
    "user_account_control", "logon_count16", "logon_time", "pwd_last_set_time", "pwd_can_change_time",
    "pwd_must_change_time",
)  # fmt: skip


def shown(tshark: str, capture: Path, keys: Path, frame: int) -> dict[str, list[str]]:
    command = [tshark, "-r", str(capture), "-K", str(keys), "-o", "kerberos.decrypt:TRUE", "-T", "fields"]
    command += ["-Y", f"frame.number == {frame}", "-E", "aggregator=;"]
    command += [part for field in FIELDS for part in ("-e", f"netlogon.{field}")]
    line = subprocess.run(command, capture_output=True, check=True, text=True).stdout.rstrip("\n")
    return dict(zip(FIELDS, (cell.split(";") for cell in line.split("\t")), strict=True))


def filetime(text: str) -> int:
    """`Mar 29, 2017 06:51:22.240823900 UTC` in nanoseconds."""
    seconds, _, fraction = text.removesuffix(" UTC").partition(".")
    moment = datetime.strptime(seconds, "%b %d, %Y %H:%M:%S").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 10**9 + int(fraction)


@pytest.mark.witness
@pytest.mark.parametrize(
    ("capture", "keys", "frame"),
    [
        ("public/zeek/krb/smb2_krb.pcap", "public/zeek/krb/smb2_krb.keytab", 12),
        ("faults/ad_krb5_pac_enc_aes128gcm.pcapng", "faults/krb/ad.keytab", 48),
    ],
)
def test_tshark_shows_the_same(capture, keys, frame, shared, tshark):
    folder = shared / "captures"
    _, exchange = next(exchanges(folder / capture))
    ticket = open_ticket(exchange.ap_req, keytab.load(folder / keys))
    assert isinstance(ticket, OpenedTicket)
    assert isinstance(ticket.pac, Pac)
    info = ticket.pac.logon_info
    assert info is not None
    theirs = shown(tshark, folder / capture, folder / keys, frame)
    assert theirs["acct_name"][0] == info.effective_name
    assert theirs["full_name"][0] == info.full_name
    assert theirs["domain"][0] == info.logon_domain_name
    assert theirs["server"][0] == info.logon_server
    assert info.user_sid is not None
    assert theirs["rid"][0] == info.user_sid.rpartition("-")[2]
    primary, *groups = theirs["group_rid"]
    assert info.primary_group_sid is not None
    assert primary == info.primary_group_sid.rpartition("-")[2]
    assert groups == [group.sid.rpartition("-")[2] for group in info.groups]
    assert int(theirs["num_sid"][0]) == len(info.extra_sids)
    assert int(theirs["user_flags"][0], 16) == info.user_flags
    assert int(theirs["user_account_control"][0], 16) == info.user_account_control
    assert int(theirs["logon_count16"][0]) == info.logon_count
    for name, time in (
        ("logon_time", info.logon_time),
        ("pwd_last_set_time", info.password_last_set),
        ("pwd_can_change_time", info.password_can_change),
        ("pwd_must_change_time", info.password_must_change),
    ):
        assert filetime(theirs[name][0]) == time


def test_what_is_built_is_what_a_domain_controller_of_samba_writes():
    info = LogonInfo.parse(CAROL)
    built = info.build()
    assert LogonInfo.parse(built) == info
    # Samba leaves room for a terminator behind two of the names: in MaximumLength, and in the maximum of the array.
    different = [place for place, (ours, theirs) in enumerate(zip(built, CAROL, strict=True)) if ours != theirs]
    assert different == [158, 166, 372, 392]
    assert [CAROL[place] - built[place] for place in different] == [2, 2, 1, 1]


def test_a_user_without_domain_groups_or_times_is_built_and_read_again():
    info = LogonInfo.parse(CAROL)
    bare = replace(
        info,
        user_sid=None,
        primary_group_sid=None,
        groups=(),
        extra_sids=(),
        resource_groups=(),
        logon_time=None,
        full_name="",
    )
    assert LogonInfo.parse(bare.build()) == bare
    resources = (Group(f"{DOMAIN}-2000", ENABLED), Group(f"{DOMAIN}-2001", ENABLED))
    rich = replace(info, resource_groups=resources)
    assert LogonInfo.parse(rich.build()) == rich
