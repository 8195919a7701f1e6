"""What an exchange of a logon says of who wanted in."""

from analyzer.rules.logon_facts import account, found_at, is_kerberos, mechanism_of, refused_logons, who_asked
from tests.analyzer.rules.test_stillness import case_of


def test_a_refused_logon_says_who_wanted_in_and_why_not() -> None:
    case = case_of("auth_hours")
    (refused,) = refused_logons(case)
    who, server = who_asked(case, refused)
    assert who.startswith("CORPUS\\fxhours (10.77.0.2:")
    assert server == "10.77.0.1:445"
    assert account(case, refused) == ("10.77.0.2", "CORPUS\\fxhours")
    assert (mechanism_of(case, refused), is_kerberos(case, refused)) == ("NTLMv2", False)
    found = found_at(case, refused, "why")
    assert "STATUS_INVALID_LOGON_HOURS" in found.evidence
    assert (found.frames, found.session_id) == ((11, 10), 0xA926CC7D)


def test_a_ticket_that_is_refused_has_no_session() -> None:
    case = case_of("ad_krb5_spn_wrong_account")
    (refused,) = refused_logons(case)
    assert is_kerberos(case, refused)
    assert found_at(case, refused, "why").session_id is None
