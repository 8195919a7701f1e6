"""The arrows between the rooms: what each module may import, read from its syntax tree, not by running it.

A module obeys the rule with the longest prefix of its name. It may import its own room, the project's rooms named in
the rule, the standard library, and the packages named in the rule; what is not named is forbidden, so no other
package (and no licence that does not fit) comes in unnoticed. A new room needs a new line here.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]


class Rule(NamedTuple):
    """What the modules below `prefix` may import besides the standard library and each other."""

    prefix: str
    rooms: tuple[str, ...]
    packages: tuple[str, ...]


BASE = (
    "parsers.errors",
    "parsers.secret",
    "parsers.enums",
    "parsers.times",
    "parsers.verdicts",
    "parsers.layout",
    "parsers.reader",
    "parsers.growing",
    "parsers.ntstatus_table",
    "parsers.ntstatus",
)
WITH_NUMPY = ("parsers.layout", "parsers.growing")
CAPTURE = (*BASE, "parsers.capture")
TRANSPORT = (*CAPTURE, "parsers.transport")
SMB2 = KDC = (*TRANSPORT, "parsers.gss", "parsers.keys")

RULES = (
    *(Rule(module, BASE[:place], ("numpy",) if module in WITH_NUMPY else ()) for place, module in enumerate(BASE)),
    Rule("parsers.capture", BASE, ("numpy", "dpkt")),
    Rule("parsers.capture.compressed", CAPTURE, ("zstandard", "lz4")),
    Rule("parsers.transport", CAPTURE, ("numpy", "dpkt")),
    Rule("parsers.gss", TRANSPORT, ("cryptography",)),
    Rule("parsers.keys", TRANSPORT, ("cryptography",)),
    Rule("parsers.smb2", SMB2, ("numpy",)),
    Rule("parsers.smb2.crypto", (*SMB2, "parsers.smb2"), ("cryptography",)),
    Rule("parsers.smb2.compression", (*SMB2, "parsers.smb2"), ("lz4",)),
    Rule("parsers.kdc", KDC, ("numpy",)),
    Rule("parsers.recognise", (*SMB2, "parsers.smb2", "parsers.kdc"), ("numpy",)),
    Rule("parsers.pipeline", (*SMB2, "parsers.smb2", "parsers.kdc", "parsers.recognise"), ("numpy",)),
    Rule("analyzer.tables", ("parsers",), ("numpy", "pandas", "pyarrow")),
    Rule("analyzer.export", ("parsers", "analyzer.tables"), ("numpy", "pandas", "pyarrow")),
    Rule("analyzer.policy", ("parsers",), ()),
    Rule("analyzer.evidence", ("parsers",), ("numpy", "pandas")),
    Rule("analyzer.events", ("parsers", "analyzer.tables", "analyzer.evidence"), ("numpy", "pandas", "pyarrow")),
    Rule(
        "analyzer.rules",
        ("parsers", "analyzer.policy", "analyzer.tables", "analyzer.evidence", "analyzer.events"),
        ("numpy", "pandas"),
    ),
    Rule("analyzer.latency", ("parsers",), ("numpy", "pandas")),
    Rule(
        "analyzer.plots",
        ("parsers", "analyzer.tables", "analyzer.latency", "analyzer.evidence", "analyzer.events", "analyzer.analysis"),
        ("numpy", "pandas", "matplotlib"),
    ),
    Rule(
        "analyzer.report",
        ("parsers", "analyzer.tables", "analyzer.latency", "analyzer.export", "analyzer.analysis"),
        ("numpy", "pandas", "jinja2", "markupsafe"),
    ),
    Rule(
        "analyzer.compare",
        ("parsers", "analyzer.tables", "analyzer.export", "analyzer.analysis"),
        ("numpy", "pandas"),
    ),
    Rule("analyzer.compare.with_tshark", ("parsers", "analyzer.compare", "analyzer.analysis"), ("pandas", "pyshark")),
    Rule("analyzer.live", ("parsers", "analyzer.policy", "analyzer.tables", "analyzer.analysis"), ("pandas",)),
    Rule("analyzer.diagnosis", ("parsers", "analyzer"), ("pandas",)),
    Rule("analyzer.analysis", ("parsers", "analyzer"), ("numpy", "pandas")),
    Rule("analyzer.cli", ("parsers", "analyzer", "refserver"), ("pandas",)),
    Rule("refserver", ("parsers",), ("numpy", "cryptography", "dpkt")),
)
FACES = {
    "parsers": (),
    "analyzer": ("analyzer", "parsers"),
    "refserver": ("refserver",),
}  # the `__init__` of each package


def module_name(path: Path) -> str:
    """`parsers/smb2/create.py` -> `parsers.smb2.create`; a package is named by its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for package in FACES for path in sorted((ROOT / package).rglob("*.py"))}


def inside(module: str, rooms: tuple[str, ...]) -> bool:
    """Whether `module` is one of `rooms` or lies below one."""
    return any(module == room or module.startswith(room + ".") for room in rooms)


def rule_of(module: str) -> Rule | None:
    """The rule with the longest prefix; the face of a package has its own table."""
    if module in FACES:
        return Rule(module, FACES[module], ())
    rules = [rule for rule in RULES if inside(module, (rule.prefix,))]
    return max(rules, key=lambda rule: len(rule.prefix), default=None)


def statements(tree: ast.AST, *, for_types: bool) -> Iterator[ast.AST]:
    """Every node, wherever it stands; without `for_types`, what only a type checker reads is left out."""
    for node in ast.iter_child_nodes(tree):
        if not for_types and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from statements(node, for_types=for_types)


def imports(path: Path, *, for_types: bool = True) -> Iterator[str]:
    """Every module that the file imports, wherever the statement stands; a submodule by its own name."""
    for node in statements(ast.parse(path.read_text()), for_types=for_types):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            yield from submodules or {str(node.module)}


def forbidden(module: str) -> list[str]:
    """What `module` imports against its rule."""
    rule = rule_of(module)
    assert rule is not None, f"no rule covers {module}: add its room to RULES, or move it"
    wrong = []
    for name in imports(MODULES[module]):
        package = name.partition(".")[0]
        if package in FACES:
            allowed = inside(name, (rule.prefix, *rule.rooms))
            allowed = allowed and (inside(module, ("analyzer.cli",)) or not inside(name, ("analyzer.cli",)))
        else:
            allowed = package in sys.stdlib_module_names or package in rule.packages
        if not allowed:
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_room_may(module: str) -> None:
    assert forbidden(module) == []


def test_no_module_imports_itself_through_others() -> None:
    waiting = {module: set(imports(path, for_types=False)) & MODULES.keys() for module, path in MODULES.items()}
    while free := [module for module, needs in waiting.items() if not needs & waiting.keys()]:
        for module in free:
            del waiting[module]
    assert waiting == {}


def test_a_module_in_a_room_without_a_rule_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODULES, "parsers.attic", MODULES["parsers.errors"])
    with pytest.raises(AssertionError, match="no rule covers"):
        forbidden("parsers.attic")


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("parsers.smb2.planted", "import pandas"),
        ("parsers.smb2.planted", "from cryptography.hazmat.primitives import hashes"),
        ("parsers.keys.planted", "from parsers.smb2 import crypto"),
        ("parsers.capture.planted", "def late():\n    import zstandard"),
        ("parsers.layout", "from parsers import reader"),
        ("analyzer.tables.planted", "import analyzer.cli"),
        ("analyzer.cli.planted", "import scapy"),
    ],
)
def test_a_forbidden_import_is_found(
    module: str, statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(statement + "\n")
    monkeypatch.setitem(MODULES, module, planted)
    assert len(forbidden(module)) == 1


def test_the_command_line_starts_without_the_heavy_packages() -> None:
    program = (
        "import sys, analyzer.cli; print(*sorted({'pandas', 'numpy', 'matplotlib', 'pyarrow'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
