"""The options of every command, and help that teaches them."""

import ast
import re
import shlex
import sys
from argparse import Namespace
from collections.abc import Callable
from types import ModuleType

import pytest

from analyzer.cli import arguments, compare, compare_with_tshark, completion, generate, live, serve
from analyzer.cli.arguments import KEY_TABLES, parse
from analyzer.cli.where import Condition
from analyzer.tables.schema import TABLES, Table
from parsers.errors import UsageError

Sessionscope = Callable[..., tuple[int, str, str]]
COMMAND_OF = {"findings": "diagnose"}  # of tables that a command of another name shows
SHOWN = [COMMAND_OF.get(name, name) for name in TABLES if name not in KEY_TABLES]
COMMANDS = (
    *SHOWN,
    "decrypt",
    "extract",
    "keys",
    "keys check",
    "keys export",
    "serve",
    "generate",
    "describe",
    "compare",
    "compare-with-tshark",
    "live",
)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_example_of_the_help_is_understood(command: str, sessionscope: Sessionscope) -> None:
    code, out, _ = sessionscope(*command.split(), "--help")
    assert code == 0
    examples = re.findall(r"^  sessionscope (.*)$", out, re.MULTILINE)
    assert examples or command == "describe"
    for example in examples:
        options = parse(shlex.split(example))
        if getattr(options, "where", None):
            Condition(options.where, table_of(options))
        if getattr(options, "columns", None):
            assert set(options.columns.split(",")) <= set(table_of(options).names)


def table_of(options: Namespace) -> Table:
    """The table of which a command shows rows."""
    if options.command == "keys check":
        return TABLES[options.table or KEY_TABLES[0]]
    return TABLES["findings" if options.command == "diagnose" else options.command]


def test_every_table_has_a_command() -> None:
    for table in TABLES:
        words = ["keys", "check", "--table", table] if table in KEY_TABLES else [COMMAND_OF.get(table, table)]
        assert table_of(parse([*words, "a.pcap"])) is TABLES[table]


def test_keys_need_an_action() -> None:
    with pytest.raises(UsageError, match="required: ACTION"):
        parse(["keys"])
    options = parse(["keys", "export", "a.pcap", "--format", "wireshark", "-o", "b"])
    assert (options.command, options.format, options.output) == ("keys export", "wireshark", "b")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--pass", r"CORPUS\alice:Passw0rd!"], "--pass"),
        (["--nthash=alice:fc525c9683e8fe067095ba2ddc971889", "--strict"], "--nthash"),
        (["--pass=alice:Passw0rd!", "--hash", "alice:fc525c9683e8fe067095ba2ddc971889"], "--pass, --hash"),
    ],
)
def test_what_follows_a_mistyped_option_is_not_shown(words: list[str], names: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(["sessions", "a.pcap", *words])
    assert str(raised.value) == f"unrecognized arguments: {names} (sessionscope --help shows how)"


def test_keys_may_be_given_many_times() -> None:
    options = parse(["sessions", "a.pcap", "b.pcap", "--password", "a:1", "--password", "b:2", "--nt-hash", "c:3"])
    assert (options.captures, options.password, options.nt_hash) == (["a.pcap", "b.pcap"], ["a:1", "b:2"], ["c:3"])
    assert (options.format, options.output, options.limit, options.strict) == ("text", "-", None, False)


def test_options_are_not_guessed_from_their_beginning() -> None:
    with pytest.raises(UsageError, match="unrecognized arguments"):
        parse(["sessions", "a.pcap", "--pass", "a:1"])


@pytest.mark.parametrize("limit", ["-1", "0", "many", "1.5", "²"])
def test_a_limit_is_a_positive_number(limit: str) -> None:
    with pytest.raises(UsageError, match="no positive number"):
        parse(["sessions", "a.pcap", f"--limit={limit}"])


@pytest.mark.parametrize("module", [arguments, compare, compare_with_tshark, completion, generate, live, serve])
def test_no_heavy_module_is_imported_for_arguments(module: ModuleType) -> None:
    """tests/test_layering.py runs it; this names the culprit."""
    with open(str(module.__file__), encoding="utf-8") as file:
        top = [node for node in ast.parse(file.read()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "module", None) or node.names[0].name for node in top} - sys.stdlib_module_names
    assert {name for name in names if name.partition(".")[0] not in sys.stdlib_module_names} <= {
        "analyzer.cli", "analyzer.cli.capture_options", "analyzer.tables.schema", "parsers.errors",
    }  # fmt: skip
