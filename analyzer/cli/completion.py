"""`sessionscope completion`: what a shell completes, written from the parser, so that it cannot be out of date."""

import argparse
import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

__all__ = ["EPILOG", "Node", "add", "nodes", "script"]

EPILOG = """\
examples:
  source <(sessionscope completion bash)     (in ~/.bashrc)
  source <(sessionscope completion zsh)      (in ~/.zshrc)
  sessionscope completion fish | source      (in ~/.config/fish/config.fish)
"""
_SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True, slots=True)
class Node:
    """The program, a command of it, or an action of a command.

    Attributes:
        words: that lead to it; none for the program.
        help: one line about it.
        commands: what may follow.
        options: their spellings, `--output` for instance, each with its values: None where it takes none, () where a
            file or other text follows, else the values.
        helps: a line about each option.
        values: that may stand as its argument; () where a file may.
    """

    words: tuple[str, ...]
    help: str
    commands: tuple[str, ...]
    options: dict[str, tuple[str, ...] | None]
    helps: dict[str, str]
    values: tuple[str, ...]


def add(parser: argparse.ArgumentParser, root: argparse.ArgumentParser) -> None:
    """Declare the options.

    Args:
        parser: of this command.
        root: of the program, of which the script tells.
    """
    parser.add_argument("shell", choices=_SHELLS, help="for which shell")
    parser.set_defaults(run=partial(_run, root))


def _run(root: argparse.ArgumentParser, options: Namespace) -> bool:
    sys.stdout.write(script(root, options.shell))
    return False


def script(root: argparse.ArgumentParser, shell: str) -> str:
    """The completion script of a program.

    Args:
        root: its parser.
        shell: "bash", "zsh" or "fish".
    """
    found = list(nodes(root))
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](root.prog, found)


def nodes(parser: argparse.ArgumentParser, words: tuple[str, ...] = (), text: str = "") -> Iterator[Node]:
    """A parser and all below it."""
    options: dict[str, tuple[str, ...] | None] = {}
    helps: dict[str, str] = {}
    values: tuple[str, ...] = ()
    below: dict[str, argparse.ArgumentParser] = {}
    texts: dict[str, str] = {}
    for action in parser._actions:  # noqa: SLF001 - argparse offers no other way to them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            below = dict(action.choices)
            texts = {str(choice.dest): str(choice.help) for choice in action._choices_actions}  # noqa: SLF001
        elif action.option_strings:
            takes = None if action.nargs == 0 else tuple(map(str, action.choices or ()))
            for spelling in action.option_strings:
                options[spelling] = takes
                helps[spelling] = str(action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
        elif action.choices:
            values = tuple(map(str, action.choices))
    yield Node(words, text, tuple(below), options, helps, values)
    for name, child in below.items():
        yield from nodes(child, (*words, name), texts.get(name, ""))


def _bash(program: str, found: list[Node]) -> str:
    """Functions that answer by the words before the cursor; `place` is the command that they lead to."""
    commands = _cases((" ".join(node.words), " ".join(node.commands)) for node in found)
    arguments = _cases((" ".join(node.words), " ".join(node.values)) for node in found)
    options = _cases((" ".join(node.words), " ".join(node.options)) for node in found)
    values = _cases(
        (f"{' '.join(node.words)} {option}", " ".join(values or ()))
        for node in found
        for option, values in node.options.items()
    )
    free = _cases(
        (f"{' '.join(node.words)} {option}", "file")
        for node in found
        for option, values in node.options.items()
        if values == ()
    )
    return f"""\
# completion of {program}; made by `{program} completion`
_{program}_commands() {{
  case "$1" in
{commands}  esac
}}
_{program}_arguments() {{
  case "$1" in
{arguments}  esac
}}
_{program}_options() {{
  case "$1" in
{options}  esac
}}
_{program}_values() {{
  case "$1" in
{values}  esac
}}
_{program}_free() {{
  case "$1" in
{free}  esac
}}
_{program}() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
  local place="" index=1 words
  while (( index < COMP_CWORD )); do
    case " $(_{program}_commands "$place") " in
      *" ${{COMP_WORDS[index]}} "*) place="${{place:+$place }}${{COMP_WORDS[index]}}" ;;
      *) break ;;
    esac
    index=$(( index + 1 ))
  done
  words="$(_{program}_values "$place $previous")"
  if [ -z "$words" ] && [ -z "$(_{program}_free "$place $previous")" ]; then
    case "$current" in
      -*) words="$(_{program}_options "$place")" ;;
      *) words="$(_{program}_commands "$place")$(_{program}_arguments "$place")" ;;
    esac
  fi
  if [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}}
complete -o filenames -F _{program} {program}
"""


def _cases(answers: Iterable[tuple[str, str]]) -> str:
    """Lines of a `case`: what is asked, and the words to say."""
    return "".join(f'    "{asked}") echo "{words}" ;;\n' for asked, words in answers if words)


def _zsh(program: str, found: list[Node]) -> str:
    """The functions of bash, which zsh understands."""
    return f"autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n{_bash(program, found)}"


def _fish(program: str, found: list[Node]) -> str:
    """One line of each command and option, with the condition under which it is offered."""
    lines = [f"# completion of {program}; made by `{program} completion`"]
    for node in found:
        further = f"not __fish_seen_subcommand_from {' '.join(node.commands)}" if node.commands else ""
        conditions = [f"__fish_seen_subcommand_from {word}" for word in node.words]
        shown = f"complete -c {program} -n {_quoted('; and '.join(filter(None, [*conditions, further])) or 'true')}"
        helps = {child.words[-1]: child.help for child in found if child.words and child.words[:-1] == node.words}
        lines += [f"{shown} -f -a {word} -d {_quoted(helps[word])}" for word in node.commands]
        lines += [f"{shown} -f -a {_quoted(' '.join(node.values))}"] if node.values else []
        for option, values in node.options.items():
            name = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            takes = "" if values is None else f" -x -a {_quoted(' '.join(values))}" if values else " -r"
            lines.append(f"{shown} {name}{takes} -d {_quoted(node.helps[option])}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", " ") + "'"
