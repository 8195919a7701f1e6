"""Accounts and how they are looked up."""

from parsers.gss.ntlm.crypto import nt_owf_v1
from refserver.server.config import ServerConfig, UserAccount


def test_a_password_is_kept_as_its_hash_too() -> None:
    assert UserAccount("alice", "secret").nt_hash == nt_owf_v1(password="secret")  # of a test's account
    assert "secret" not in repr(UserAccount("alice", "secret"))


def test_an_account_of_the_named_domain_comes_before_the_servers_own() -> None:
    config = ServerConfig(domain="CORP", name="FILES")
    own, corporate, other = UserAccount("alice", "1"), UserAccount("Alice", "2", domain="corp"), UserAccount("bob", "3")
    for account in (own, corporate, other):
        config.add_user(account)
    assert list(config.accounts("CORP", "alice")) == [corporate, own]
    assert list(config.accounts("", "ALICE")) == [own, corporate]
    assert list(config.accounts("elsewhere", "bob")) == [other]
    assert list(config.accounts("", "carol")) == []
