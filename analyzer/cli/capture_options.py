"""The options that say what is read and what opens it: the same for every command that reads captures."""

import argparse

__all__ = ["add_captures", "add_keys", "positive"]


def add_captures(parser: argparse.ArgumentParser) -> None:
    """Captures, keys, and --strict."""
    parser.add_argument("captures", metavar="CAPTURE", nargs="+", help="a capture, a folder of captures, or -")
    add_keys(parser)
    parser.add_argument("--strict", action="store_true", help="exit with 3 if something is damaged or undecoded")


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Every way to give keys: --keys, --keytab, --password, --nt-hash."""
    parser.add_argument(
        "--keys",
        metavar="FILE",
        action="append",
        default=[],
        help="a file with keys: key file, keytab, credentials cache, Wireshark table, Samba log, hash list, ... "
        "(docs/keys.md); may be repeated",
    )
    parser.add_argument("--keytab", metavar="FILE", action="append", default=[], help="a service's keytab")
    parser.add_argument(
        "--password", metavar="DOMAIN\\USER:PASSWORD", action="append", default=[],
        help="a user's password; other users of this machine can see it, so prefer a key file",
    )  # fmt: skip
    parser.add_argument(
        "--nt-hash", metavar="DOMAIN\\USER:HASH", action="append", default=[], help="a user's NT hash, 32 hex digits"
    )


def positive(text: str) -> int:
    """The number that an option names.

    Raises:
        ArgumentTypeError: it is none above 0.
    """
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return int(text)
