import pytest

from parsers.errors import ParseError
from parsers.smb2.lease import Lease, LeaseFlags, LeaseState, LeaseV2

KEY = bytes(range(16))
# RqLs of a CREATE response that Windows Server sent (zeek testing/btest/Traces/smb/smb2-multiple-pdus.pcap).
WINDOWS = bytes.fromhex(
    "aa380037c6de80a30ba559d4e8af6dc5 00000000 04000000 0000000000000000 ddcaa13c97574b0189d461e272e0e4d1 0000 0000"
)
LEASES = [
    Lease(KEY, LeaseState.READ_CACHING | LeaseState.HANDLE_CACHING, LeaseFlags.BREAK_IN_PROGRESS),
    LeaseV2(KEY, LeaseState(7), LeaseFlags.PARENT_LEASE_KEY_SET, KEY[::-1], 0xFFFF),
]


@pytest.mark.parametrize(("lease", "size"), [(LEASES[0], 32), (LEASES[1], 52)])
def test_the_length_tells_the_version(lease, size):
    assert len(lease.build()) == size


@pytest.mark.parametrize("lease", LEASES)
def test_a_lease_is_read_back_and_refused_when_cut_short(lease):
    built = lease.build()
    assert type(lease).parse(built) == lease
    for length in range(len(built)):
        with pytest.raises(ParseError):
            type(lease).parse(built[:length])


def test_a_real_lease_is_rebuilt_to_the_byte():
    lease = LeaseV2.parse(WINDOWS)
    assert (lease.lease_state, lease.lease_flags) == (LeaseState.NONE, LeaseFlags.PARENT_LEASE_KEY_SET)
    assert lease.parent_lease_key.hex() == "ddcaa13c97574b0189d461e272e0e4d1"
    assert lease.build() == WINDOWS


def test_unknown_states_survive():
    assert Lease.parse(bytes(16) + b"\xf8\0\0\x80" + bytes(12)).lease_state == 0x800000F8
