"""`sessionscope completion`: what a shell completes, written from the parser, so that it cannot be out of date."""

import argparse
import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

__all__ = ["EPILOG", "Node", "add", "nodes", "script"]

EPILOG = """\
examples:
  sessionscope completion bash > ~/.local/share/bash-completion/completions/sessionscope
  sessionscope completion zsh > ~/.zfunc/_sessionscope
  sessionscope completion fish > ~/.config/fish/completions/sessionscope.fish

zsh looks in ~/.zfunc where ~/.zshrc has `fpath+=~/.zfunc` before compinit.
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
    """One function with a case of each command, and one of each option that has values."""
    cases = "\n".join(
        f'    "{" ".join(node.words)}") commands="{" ".join(node.commands or node.values)}" '
        f'options="{" ".join(node.options)}" ;;'
        for node in found
    )
    valued = "\n".join(
        f'    "{" ".join((*node.words, option))}") values="{" ".join(values)}" ;;'
        for node in found
        for option, values in node.options.items()
        if values
    )
    free = " ".join(sorted({option for node in found for option, values in node.options.items() if values is not None}))
    depth = max(len(node.words) for node in found)
    return f"""\
# bash completion of {program}; made by `{program} completion bash`
_{program}() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
  local path="" commands="" options="" values="" word index
  for ((index = 1; index < COMP_CWORD && index <= {depth}; index++)); do
    word="${{COMP_WORDS[index]}}"
    [[ "$word" == -* ]] && break
    case " $(_{program}_commands "$path") " in *" $word "*) path="${{path:+$path }}$word" ;; *) break ;; esac
  done
  case "$path $previous" in
{_indented(_spaced(valued))}
  esac
  if [[ -n "$values" ]]; then
    COMPREPLY=($(compgen -W "$values" -- "$current"))
    return
  fi
  if [[ " {free} " == *" $previous "* && "$current" != -* ]]; then
    COMPREPLY=($(compgen -f -- "$current"))
    return
  fi
  case "$path" in
{_indented(cases)}
  esac
  if [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  elif [[ -n "$commands" ]]; then
    COMPREPLY=($(compgen -W "$commands" -- "$current"))
  else
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}}
_{program}_commands() {{
  case "$1" in
{_indented(chr(10).join(f'    "{" ".join(node.words)}") echo "{" ".join(node.commands)}" ;;' for node in found if node.commands))}
  esac
}}
complete -o filenames -F _{program} {program}
"""


def _spaced(cases: str) -> str:
    """An option of the program itself has an empty path before it."""
    return cases.replace('    "--', '    " --')


def _indented(cases: str) -> str:
    return cases or "    *) ;;"


def _zsh(program: str, found: list[Node]) -> str:
    """A function of each command, with `_arguments`."""
    functions = []
    for node in found:
        lines = [f"  {_zsh_option(option, values, node.helps[option])} \\" for option, values in node.options.items()]
        name = "_".join((f"_{program}", *node.words)).replace("-", "_")
        if node.commands:
            texts = {child.words[-1]: child.help for child in found if child.words[:-1] == node.words and child.words}
            described = "\n".join(f"    {_quoted(f'{word}:{_plain(texts[word])}')}" for word in node.commands)
            calls = "\n".join(f"        {word}) {name}_{word.replace('-', '_')} ;;" for word in node.commands)
            functions.append(
                f"{name}() {{\n  local line state\n  local -a commands\n  commands=(\n{described}\n  )\n  _arguments -C \\\n"
                + "\n".join(f"  {line}" for line in lines)
                + "\n    '1: :->command' \\\n    '*:: :->rest'\n  case $state in\n"
                "    command) _describe command commands ;;\n"
                f"    rest)\n      case $line[1] in\n{calls}\n      esac ;;\n  esac\n}}"
            )
            continue
        rest = f"'1: :({' '.join(node.values)})'" if node.values else "'*:file:_files'"
        functions.append(
            f"{name}() {{\n  _arguments \\\n" + "\n".join(f"  {line}" for line in lines) + f"\n    {rest}\n}}"
        )
    return (
        f"#compdef {program}\n# zsh completion of {program}; made by `{program} completion zsh`\n"
        + "\n\n".join(functions)
        + f'\n\nif [[ "${{funcstack[1]}}" == _{program} ]]; then _{program} "$@"; else compdef _{program} {program}; fi\n'
    )


def _zsh_option(option: str, values: tuple[str, ...] | None, text: str) -> str:
    described = f"{option}[{_plain(text)}]"
    if values is None:
        return _quoted(described)
    return _quoted(f"*{described}:value:" + (f"({' '.join(values)})" if values else "_files"))


def _fish(program: str, found: list[Node]) -> str:
    """One line of each command and option, with the condition under which it is offered."""
    lines = [f"# fish completion of {program}; made by `{program} completion fish`"]
    for node in found:
        condition = " ; and ".join(f"__fish_seen_subcommand_from {word}" for word in node.words)
        further = f"not __fish_seen_subcommand_from {' '.join(node.commands)}" if node.commands else ""
        shown = _quoted(" ; and ".join(part for part in (condition, further) if part) or "true")
        texts = {child.words[-1]: child.help for child in found if child.words and child.words[:-1] == node.words}
        lines += [
            f"complete -c {program} -f -n {shown} -a {word} -d {_quoted(_plain(texts[word]))}" for word in node.commands
        ]
        if node.values:
            lines.append(f"complete -c {program} -f -n {shown} -a {_quoted(' '.join(node.values))}")
        for option, values in node.options.items():
            name = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            takes = "" if values is None else f" -x -a {_quoted(' '.join(values))}" if values else " -r"
            lines.append(
                f"complete -c {program} -n {shown} {name}{takes} -d {_quoted(_plain(node.helps[option]))}"
            )
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """A help text without what shells read as more than text."""
    return "".join(" " if character in "[]:\\\n" else character for character in text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
