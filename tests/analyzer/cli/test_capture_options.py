"""The options of every command that reads captures."""

import argparse

import pytest

from analyzer.cli.capture_options import add_captures, add_keys, positive


def test_keys_may_be_given_in_every_way_and_often() -> None:
    parser = argparse.ArgumentParser()
    add_keys(parser)
    options = parser.parse_args(
        ["--keys", "a", "--keys", "b", "--keytab", "c", "--password", "u:p", "--nt-hash", "u:0"]
    )
    assert vars(options) == {"keys": ["a", "b"], "keytab": ["c"], "password": ["u:p"], "nt_hash": ["u:0"]}
    assert vars(parser.parse_args([])) == {"keys": [], "keytab": [], "password": [], "nt_hash": []}


def test_captures_come_with_keys_and_strictness() -> None:
    parser = argparse.ArgumentParser()
    add_captures(parser)
    options = parser.parse_args(["a.pcap", "-", "--keys", "k", "--strict"])
    assert (options.captures, options.keys, options.strict) == (["a.pcap", "-"], ["k"], True)


def test_a_limit_is_a_positive_number() -> None:
    assert positive("12") == 12
    for text in ("0", "-1", "1.5", "many", ""):
        with pytest.raises(argparse.ArgumentTypeError, match="no positive number"):
            positive(text)
