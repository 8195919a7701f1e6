"""The options of every command, and help that teaches them."""

import ast
import re
import shlex
from collections.abc import Callable

import pytest

from analyzer.cli.arguments import parse
from analyzer.cli.where import Condition
from analyzer.tables.schema import TABLES
from parsers.errors import UsageError

Sessionscope = Callable[..., tuple[int, str, str]]
COMMANDS = (*TABLES, "decrypt", "describe")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_example_of_the_help_is_understood(command: str, sessionscope: Sessionscope) -> None:
    code, out, _ = sessionscope(*([command] if command else []), "--help")
    assert code == 0
    examples = re.findall(r"^  sessionscope (.*)$", out, re.MULTILINE)
    assert examples or command == "describe"
    for example in examples:
        options = parse(shlex.split(example))
        if getattr(options, "where", None):
            Condition(options.where, TABLES[options.command])
        if getattr(options, "columns", None):
            assert set(options.columns.split(",")) <= set(TABLES[options.command].names)


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


def test_no_heavy_module_is_imported_for_arguments() -> None:
    """tests/test_layering.py runs it; this names the culprit."""
    import analyzer.cli.arguments as module

    with open(module.__file__, encoding="utf-8") as file:
        top = [node for node in ast.parse(file.read()).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "module", None) or node.names[0].name for node in top}
    assert names <= {"argparse", "sys", "collections.abc", "typing", "analyzer.tables.schema", "parsers.errors"}
