"""What follows from a client's settings."""

from parsers.smb2.dialects import Dialect
from parsers.smb2.negotiate import GlobalCapabilities, SecurityMode
from refserver.client.config import ClientConfig


def test_the_security_mode_says_whether_signing_is_required() -> None:
    assert ClientConfig().security_mode == SecurityMode.SIGNING_ENABLED
    assert ClientConfig(require_signing=True).security_mode == SecurityMode.SIGNING_REQUIRED


def test_capabilities_are_told_from_3_0_on() -> None:
    assert ClientConfig(dialects=(Dialect.SMB_2_0_2, Dialect.SMB_2_1)).capabilities == GlobalCapabilities(0)
    assert ClientConfig(dialects=(Dialect.SMB_2_1, Dialect.SMB_3_0)).capabilities & GlobalCapabilities.ENCRYPTION


def test_after_an_interim_response_a_request_may_take_four_times_as_long() -> None:
    assert ClientConfig().extended_timeout == 240 * 10**9
    assert ClientConfig(session_timeout=5, extended_session_timeout=7).extended_timeout == 7
