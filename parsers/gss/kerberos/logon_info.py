"""KERB_VALIDATION_INFO, the heart of a PAC (MS-PAC 2.5): who logged on, in which groups, until when."""

from dataclasses import dataclass
from typing import NamedTuple

from parsers.enums import OpenFlag
from parsers.errors import ParseError
from parsers.gss.kerberos.ndr import NdrReader, NdrWriter
from parsers.layout import U16, U32, U64, Buffer, Bytes8, Bytes16, Layout
from parsers.times import filetime_to_ns, ns_to_filetime

__all__ = ["Group", "LogonInfo", "UserFlags"]


class UserFlags(OpenFlag):
    """KERB_VALIDATION_INFO.UserFlags (MS-PAC 2.5)."""

    GUEST = 0x1
    NOENCRYPTION = 0x2
    EXTRA_SIDS = 0x20
    RESOURCE_GROUPS = 0x200


class _ValidationInfo(NamedTuple):
    """KERB_VALIDATION_INFO up to what its pointers point to; `_pointer` fields are referents, 0 for none."""

    logon_time: U64
    logoff_time: U64
    kick_off_time: U64
    password_last_set: U64
    password_can_change: U64
    password_must_change: U64
    effective_name: Bytes8
    full_name: Bytes8
    logon_script: Bytes8
    profile_path: Bytes8
    home_directory: Bytes8
    home_directory_drive: Bytes8
    logon_count: U16
    bad_password_count: U16
    user_id: U32
    primary_group_id: U32
    group_count: U32
    group_ids_pointer: U32
    user_flags: U32
    user_session_key: Bytes16
    logon_server: Bytes8
    logon_domain_name: Bytes8
    logon_domain_id_pointer: U32
    reserved1: U64
    user_account_control: U32
    sub_auth_status: U32
    last_successful_ilogon: U64
    last_failed_ilogon: U64
    failed_ilogon_count: U32
    reserved3: U32
    sid_count: U32
    extra_sids_pointer: U32
    resource_group_domain_sid_pointer: U32
    resource_group_count: U32
    resource_group_ids_pointer: U32


class _UnicodeString(NamedTuple):
    length: U16
    maximum_length: U16
    pointer: U32


class _Membership(NamedTuple):
    """GROUP_MEMBERSHIP (MS-PAC 2.2.2); KERB_SID_AND_ATTRIBUTES (2.2.1) has a pointer in place of the RID."""

    relative_id: U32
    attributes: U32


_NEVER = 0x7FFF_FFFF_FFFF_FFFF  # as a time (MS-PAC 2.5)

_VALIDATION_INFO = Layout(_ValidationInfo)
_UNICODE_STRING = Layout(_UnicodeString)
_MEMBERSHIP = Layout(_Membership)


@dataclass(frozen=True, slots=True)
class Group:
    """A group of the user, with the attributes of MS-PAC 2.2.1."""

    sid: str
    attributes: int


@dataclass(frozen=True, slots=True)
class LogonInfo:
    """KERB_VALIDATION_INFO (MS-PAC 2.5). Times in nanoseconds, None for "not set" or "never"; relative ids as SIDs.

    A SID is None, and groups are left out, where the SID of their domain is not there.
    `logoff_time` is when the logon hours end, `kick_off_time` when the system should end the logon by force.
    """

    logon_time: int | None
    logoff_time: int | None
    kick_off_time: int | None
    password_last_set: int | None
    password_can_change: int | None
    password_must_change: int | None
    effective_name: str
    full_name: str
    logon_script: str
    profile_path: str
    home_directory: str
    home_directory_drive: str
    logon_count: int
    bad_password_count: int
    user_flags: UserFlags
    logon_server: str
    logon_domain_name: str
    user_account_control: int
    user_sid: str | None
    primary_group_sid: str | None
    groups: tuple[Group, ...]
    extra_sids: tuple[Group, ...]
    resource_groups: tuple[Group, ...]

    @classmethod
    def parse(cls, data: Buffer) -> "LogonInfo":
        """The NDR of the structure. What pointers point to follows in the order of the pointers (C706 14.3.12.3)."""
        reader = NdrReader(data)
        if reader.number("KERB_VALIDATION_INFO") == 0:
            raise ParseError("KERB_VALIDATION_INFO is a null pointer")
        fixed = _VALIDATION_INFO.parse(reader.take(_VALIDATION_INFO.size, "KERB_VALIDATION_INFO"))
        effective_name = _string(reader, fixed.effective_name, "EffectiveName")
        full_name = _string(reader, fixed.full_name, "FullName")
        logon_script = _string(reader, fixed.logon_script, "LogonScript")
        profile_path = _string(reader, fixed.profile_path, "ProfilePath")
        home_directory = _string(reader, fixed.home_directory, "HomeDirectory")
        home_directory_drive = _string(reader, fixed.home_directory_drive, "HomeDirectoryDrive")
        groups = _memberships(reader, fixed.group_ids_pointer, fixed.group_count)
        server = _string(reader, fixed.logon_server, "LogonServer")
        domain = _string(reader, fixed.logon_domain_name, "LogonDomainName")
        domain_sid = _sid(reader, fixed.logon_domain_id_pointer, "LogonDomainId")
        extra = _extra_sids(reader, fixed.extra_sids_pointer, fixed.sid_count)
        resource_sid = _sid(reader, fixed.resource_group_domain_sid_pointer, "ResourceGroupDomainSid")
        resources = _memberships(reader, fixed.resource_group_ids_pointer, fixed.resource_group_count)
        return cls(
            filetime_to_ns(fixed.logon_time),
            filetime_to_ns(fixed.logoff_time),
            filetime_to_ns(fixed.kick_off_time),
            filetime_to_ns(fixed.password_last_set),
            filetime_to_ns(fixed.password_can_change),
            filetime_to_ns(fixed.password_must_change),
            effective_name,
            full_name,
            logon_script,
            profile_path,
            home_directory,
            home_directory_drive,
            fixed.logon_count,
            fixed.bad_password_count,
            UserFlags(fixed.user_flags),
            server,
            domain,
            fixed.user_account_control,
            # A user without a relative id is the first of the extra SIDs (MS-PAC 2.5, UserId).
            extra[0].sid if fixed.user_id == 0 and extra else _relative(domain_sid, fixed.user_id),
            _relative(domain_sid, fixed.primary_group_id),
            _groups(domain_sid, groups),
            tuple(extra),
            _groups(resource_sid, resources),
        )

    def build(self) -> bytes:
        """The NDR of the structure. User, primary group and groups are of one domain, as KDCs write them."""
        writer = NdrWriter()
        names = (
            self.effective_name, self.full_name, self.logon_script, self.profile_path, self.home_directory,
            self.home_directory_drive, self.logon_server, self.logon_domain_name,
        )  # fmt: skip
        domain_sid, user_id = _split(self.user_sid)
        resource_sid = _split(self.resource_groups[0].sid)[0] if self.resource_groups else None
        writer.number(writer.referent())
        descriptors = [_build_string(writer, name) for name in names[:6]]
        groups_pointer = writer.referent(bool(self.groups))
        descriptors += [_build_string(writer, name) for name in names[6:]]
        fixed = _ValidationInfo._make(
            (
                _filetime(self.logon_time),
                _filetime(self.logoff_time),
                _filetime(self.kick_off_time),
                _filetime(self.password_last_set),
                _filetime(self.password_can_change),
                _filetime(self.password_must_change),
                *descriptors[:6],
                self.logon_count,
                self.bad_password_count,
                user_id,
                _split(self.primary_group_sid)[1],
                len(self.groups),
                groups_pointer,
                self.user_flags,
                bytes(16),  # UserSessionKey: zero but for NTLM
                *descriptors[6:],
                writer.referent(domain_sid is not None),
                0,
                self.user_account_control,
                0,
                0,
                0,
                0,
                0,
                len(self.extra_sids),
                writer.referent(bool(self.extra_sids)),
                writer.referent(resource_sid is not None),
                len(self.resource_groups),
                writer.referent(bool(self.resource_groups)),
            )
        )
        writer.put(_VALIDATION_INFO.build(fixed))
        for name in names[:6]:
            writer.unicode_string(name)
        _build_memberships(writer, self.groups)
        for name in names[6:]:
            writer.unicode_string(name)
        if domain_sid is not None:
            writer.sid(domain_sid)
        _build_extra_sids(writer, self.extra_sids)
        if resource_sid is not None:
            writer.sid(resource_sid)
        _build_memberships(writer, self.resource_groups)
        return writer.build()

    @property
    def group_sids(self) -> tuple[str, ...]:
        """The SIDs of all groups, in the order of the PAC."""
        return tuple(group.sid for group in (*self.groups, *self.extra_sids, *self.resource_groups))


def _string(reader: NdrReader, descriptor: bytes, what: str) -> str:
    fixed = _UNICODE_STRING.parse(descriptor)
    return reader.unicode_string(fixed.length, what) if fixed.pointer else ""


def _memberships(reader: NdrReader, pointer: int, count: int) -> list[_Membership]:
    if not pointer:
        return []
    size = _MEMBERSHIP.size
    array = reader.take(reader.count(count, "groups") * size, "groups")
    return [_MEMBERSHIP.parse(array, start) for start in range(0, len(array), size)]


def _extra_sids(reader: NdrReader, pointer: int, count: int) -> list[Group]:
    """KERB_SID_AND_ATTRIBUTES: first all of the pointers, then what they point to."""
    entries = _memberships(reader, pointer, count)
    return [Group(reader.sid("ExtraSids"), entry.attributes) for entry in entries if entry.relative_id]


def _sid(reader: NdrReader, pointer: int, what: str) -> str | None:
    return reader.sid(what) if pointer else None


def _relative(domain_sid: str | None, relative_id: int) -> str | None:
    return None if domain_sid is None else f"{domain_sid}-{relative_id}"


def _groups(domain_sid: str | None, memberships: list[_Membership]) -> tuple[Group, ...]:
    if domain_sid is None:
        return ()
    return tuple(Group(f"{domain_sid}-{entry.relative_id}", entry.attributes) for entry in memberships)


def _filetime(ns: int | None) -> int:
    return _NEVER if ns is None else ns_to_filetime(ns)


def _split(sid: str | None) -> tuple[str | None, int]:
    """The SID of the domain, and the relative id."""
    if sid is None:
        return None, 0
    domain, _, relative_id = sid.rpartition("-")
    return domain, int(relative_id)


def _build_string(writer: NdrWriter, text: str) -> bytes:
    size = len(text.encode("utf-16-le"))
    return _UNICODE_STRING.build(_UnicodeString(size, size, writer.referent()))


def _build_memberships(writer: NdrWriter, groups: tuple[Group, ...]) -> None:
    if groups:
        writer.number(len(groups))
        writer.put(b"".join(_MEMBERSHIP.build(_Membership(_split(group.sid)[1], group.attributes)) for group in groups))


def _build_extra_sids(writer: NdrWriter, groups: tuple[Group, ...]) -> None:
    if not groups:
        return
    writer.number(len(groups))
    writer.put(b"".join(_MEMBERSHIP.build(_Membership(writer.referent(), group.attributes)) for group in groups))
    for group in groups:
        writer.sid(group.sid)
