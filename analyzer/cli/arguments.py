"""What can be said on the command line, with its help."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from analyzer.cli import compare, compare_with_tshark, completion, generate, latency, live, report, serve
from analyzer.cli.capture_options import add_captures, positive
from analyzer.tables.schema import TABLES
from parsers.errors import UsageError

__all__ = ["FORMATS", "KEY_FORMATS", "KEY_TABLES", "parse"]

FORMATS = ("text", "json", "csv", "parquet")
KEY_TABLES = ("keys", "key_entries")
KEY_FORMATS = ("toml", "wireshark", "nss")

_DESCRIPTION = "Decrypt SMB2 and SMB3 sessions in packet captures and show what was said, as tables."
_EPILOG = """\
examples:
  sessionscope sessions trace.pcapng
  sessionscope sessions trace.pcapng --password 'CORPUS\\alice:Passw0rd!'
  sessionscope exchanges trace.pcapng --keys keys.toml --where "latency > '100ms'" --limit 20
  sessionscope messages *.pcapng --keys keys.toml --format parquet -o messages.parquet
  sessionscope events trace.pcapng --keys keys.toml
  sessionscope report trace.pcapng --keys keys.toml -o report.html
  sessionscope latency trace.pcapng --by command,server
  sessionscope decrypt trace.pcapng --keys keys.toml -o plain.pcapng
  sessionscope extract trace.pcapng --keys keys.toml -o files
  sessionscope keys check trace.pcapng --keys keys.toml
  sessionscope compare client.pcapng server.pcapng
  sessionscope describe exchanges

A capture is a pcap or pcapng file, plain or compressed with gzip, zstd, lz4 or xz; a folder of them; or - for
standard input. Several are read as one, in the order of time.

exit codes:
  0  done
  1  diagnose: the worst finding is a warning
  2  a mistake in the arguments, an unreadable file, or a password for a user who is not there:
     one sentence on standard error, and nothing is written
  3  done, but --strict was given and a capture is damaged or something stayed undecoded
  4  diagnose: there are findings of severity error or security
"""
_TABLE_EPILOG = """\
A row is {row}.
`sessionscope describe {table}` explains every column.

examples:
  sessionscope {table} trace.pcapng --keys keys.toml
  sessionscope {table} trace.pcapng --where "{where}" --columns {columns}
  sessionscope {table} trace.pcapng --format parquet -o {table}.parquet
"""
_TABLES = {  # what each is good for, and a condition on it
    "sessions": ("who was logged on, whether it could be decrypted, and if not why", "decryption != 'decrypted'"),
    "exchanges": (
        "requests with their answers: status, latency, file",
        "status == 'STATUS_ACCESS_DENIED' and latency > '10ms'",
    ),
    "messages": ("every SMB2 message", "command in ['CREATE', 'CLOSE'] and session_id == 0x281cac000069"),
    "connections": ("TCP connections, and how each ended", "closed_by == 'server RST'"),
    "channels": ("which connections carry which session", "not signing_key_known"),
    "trees": ("shares that were connected to", "path.str.contains('IPC')"),
    "opens": ("files that were opened, and the bytes read and written", "bytes_written > 1000000"),
    "events": ("what happened to connections and sessions, in order of time", "kind == 'session_expired'"),
    "kdc": ("requests to Kerberos KDCs: tickets, errors, lifetimes", "outcome == 'failed'"),
    "undecoded": ("what could not be decoded, and why", "length > 0"),
    "accounting": ("where every captured byte went", "gap > 0"),
}
_DIAGNOSE_EPILOG = """\
The worst comes first. docs/findings.md explains every rule; a policy file is TOML, with the timers that differ from
their defaults:

  [timers]
  SessTimeout = 300
  autodisconnect = "never"

exit codes: 0 nothing of severity warning or above, 1 warnings, 4 errors or findings of security, 2 a mistake.

examples:
  sessionscope diagnose trace.pcapng --keys keys.toml
  sessionscope diagnose trace.pcapng --where "severity != 'info'"
  sessionscope diagnose trace.pcapng --policy policy.toml --format json -o findings.json
"""
_DECRYPT_EPILOG = """\
examples:
  sessionscope decrypt trace.pcapng --keys keys.toml -o plain.pcapng
  sessionscope decrypt trace.pcapng --password 'CORPUS\\alice:Passw0rd!' -o plain.pcapng
"""
_EXTRACT_EPILOG = """\
Each file lies below the name of its share. files.csv beside them says of each who moved it and when, whether it is
complete or which ranges are missing, and its SHA-256 and MD5. What one open read and what it wrote are files of their
own; several of one name are numbered, complete ones first.

examples:
  sessionscope extract trace.pcapng --keys keys.toml -o files
  sessionscope extract trace.pcapng --password 'CORPUS\\alice:Passw0rd!' -o files
  sessionscope extract *.pcapng --pipes -o files
"""
_KEYS_EPILOG = """\
examples:
  sessionscope keys check trace.pcapng --keys keys.toml
  sessionscope keys export trace.pcapng --keys keys.toml -o found.toml
"""
_CHECK_EPILOG = """\
Two tables: which key opened each session, where it stands and what proves it, or why none does; and which sessions each
given key opens, or why none. JSON, CSV and Parquet hold one table: the first, or the one that --table names. So does
text with --where, --columns or --limit.
A key for a user or session that is not in the capture is listed as such; it is no mistake here.
`sessionscope describe keys` and `sessionscope describe key_entries` explain every column.

examples:
  sessionscope keys check trace.pcapng --keys keys.toml
  sessionscope keys check trace.pcapng --keys smbsrv.keytab --keys samba.log --password 'CORPUS\\alice:Passw0rd!'
  sessionscope keys check trace.pcapng --keys keys.toml --where "entry.isna()"
  sessionscope keys check trace.pcapng --keys keys.toml --table key_entries --where "not used" --format json
"""
_EXPORT_EPILOG = """\
Only keys that are proved are written, as they are: whoever has the file can decrypt the sessions. Nobody but you can
read it (mode 0600). Wireshark takes the keys with --format wireshark as smb2_seskey_list in its configuration folder,
which on Linux is ~/.config/wireshark.

examples:
  sessionscope keys export trace.pcapng --keys keys.toml -o found.toml
  sessionscope keys export trace.pcapng --keytab smbsrv.keytab --format wireshark -o smb2_seskey_list
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One sentence, like every other mistake."""
        raise UsageError(f"{message} ({self.prog} --help shows how)")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from importlib.metadata import version

        sys.stdout.write(f"sessionscope {version('sessionscope')}\n")
        parser.exit()


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of one command; `command` is its name.

    Raises:
        UsageError: they make no sense.
    """
    parser = _parser("sessionscope", _DESCRIPTION, _EPILOG)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for name, (text, where) in _TABLES.items():
        table = TABLES[name]
        epilog = _TABLE_EPILOG.format(table=name, row=table.row, where=where, columns=",".join(table.headline[:3]))
        parser_ = _command(commands, name, text, epilog)
        _add_table(parser_)
        if name == "sessions":
            parser_.add_argument(
                "--timeline", action="store_true", help="tell what happened to each session, line by line"
            )
    _add_diagnose(_command(commands, "diagnose", "say what is wrong, who did it, and what to change", _DIAGNOSE_EPILOG))
    report.add(_command(commands, "report", "write everything as one HTML file for people", report.EPILOG))
    latency.add(
        _command(commands, "latency", "say how long answers took, and what of it was the network", latency.EPILOG)
    )
    _add_decrypt(
        _command(commands, "decrypt", "write a capture in which everything that has a key is plain", _DECRYPT_EPILOG)
    )
    _add_extract(_command(commands, "extract", "write the files that were read and written", _EXTRACT_EPILOG))
    _add_keys(_command(commands, "keys", "say which keys open which session, or write those that do", _KEYS_EPILOG))
    compare.add(
        _command(
            commands, "compare", "two captures: both sides of the same traffic, or before and after", compare.EPILOG
        )
    )
    compare_with_tshark.add(
        _command(commands, "compare-with-tshark", "ask tshark for a second opinion", compare_with_tshark.EPILOG)
    )
    live.add(_command(commands, "live", "watch an interface: sessions and findings as they happen", live.EPILOG))
    serve.add(_command(commands, "serve", "be an SMB server, for tests and demonstrations", serve.EPILOG))
    generate.add(
        _command(commands, "generate", "make a trace of something that happens, with keys and truth", generate.EPILOG)
    )
    completion.add(_command(commands, "completion", "print what makes a shell complete", completion.EPILOG), parser)
    describe = _command(commands, "describe", "explain the columns of a table", "")
    describe.add_argument(
        "table", metavar="TABLE", nargs="?", help=f"one of {', '.join(TABLES)}; without it: all of them"
    )
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        # A mistyped --password must not show what follows it.
        names = [word.partition("=")[0] for word in unknown if word.startswith("-")] or ["too many words"]
        raise UsageError(f"unrecognized arguments: {', '.join(names)} (sessionscope --help shows how)")
    return options


def _parser(program: str, description: str, epilog: str) -> _Parser:
    return _Parser(
        program, description=description, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )  # fmt: skip


def _command(commands: Any, name: str, text: str, epilog: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return parser


def _add_table(parser: argparse.ArgumentParser) -> None:
    add_captures(parser)
    parser.add_argument("--format", choices=FORMATS, default="text", help="how to write the table (default: text)")
    parser.add_argument(
        "--where", metavar="EXPRESSION", help="rows to show, as a condition on columns: \"status == 'STATUS_PENDING'\""
    )
    parser.add_argument("--columns", metavar="A,B,...", help="columns to show, in this order")
    parser.add_argument("--limit", metavar="N", type=positive, help="rows to show at most")
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="where to write (default: standard output)")


def _add_diagnose(parser: argparse.ArgumentParser) -> None:
    _add_table(parser)
    parser.add_argument("--policy", metavar="FILE", help="timers that differ from their defaults (docs/findings.md)")


def _add_decrypt(parser: argparse.ArgumentParser) -> None:
    add_captures(parser)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the pcapng file to write")


def _add_extract(parser: argparse.ArgumentParser) -> None:
    add_captures(parser)
    parser.add_argument("-o", "--output", metavar="FOLDER", required=True, help="a new or empty folder to write to")
    parser.add_argument(
        "--pipes", action="store_true", help="write what went through named pipes as well; else it is only listed"
    )


def _add_keys(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Parser)
    check = _command(actions, "check", "say which key opened each session and how that was proved", _CHECK_EPILOG)
    _add_table(check)
    check.add_argument("--table", choices=KEY_TABLES, help="the one table to write")
    check.set_defaults(command="keys check")
    export = _command(actions, "export", "write the keys of all sessions that were opened", _EXPORT_EPILOG)
    add_captures(export)
    export.add_argument(
        "--format", choices=KEY_FORMATS, default="toml", help="a key file of this program, or what Wireshark reads"
    )
    export.add_argument("-o", "--output", metavar="FILE", required=True, help="the file to write; secrets, mode 0600")
    export.set_defaults(command="keys export")
