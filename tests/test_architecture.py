"""Who may import whom, how long files and functions are, and what a start-up must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAX_LINES, MAX_FUNCTION = 400, 60

# A module imports from its own layer and those above it in this list; a package stands for all
# in it. `refactor` itself is the front door: it exports, and nobody inside goes through it.
LAYERS = (
    {"source", "knowledge", "context", "bound_comments"},
    {"syntax", "model", "shell", "project", "sent"},
    {
        "words",
        "patch",
        "patch_reader",
        "second_reader",
        "facts.paths",
        "facts.ports",
        "facts.signals",
    },
    {"facts.archives", "facts.managers", "facts.secret_words"},
    {"facts.images", "facts.metadata", "facts.packages", "facts.stages", "facts.weak"},
    {
        "facts.entry_forms",
        "facts.libraries",
        "facts.python_packages",
        "facts.releases",
        "facts.slim",
        "facts.sudo",
        "facts.users",
        "facts.runtimes",
        "facts.distroless",
    },
    {
        "facts.accounts",
        "facts.environments",
        "facts.left_out",
        "facts.programs",
        "facts.removable",
    },
    {"outside"},
    {"facts.image_names", "facts.invocations"},
    {"facts.evidence"},
    {"facts.python_places", "facts.python_values", "facts.source_values"},
    {"facts.python_app", "facts.source_text"},
    {"facts.applications"},
    {"facts.installs"}.union(
        f"facts.installs.{name}"
        for name in "dotnet elixir globs go java node node_scripts node_settings options php "
        "programs projects python reading requirements ruby rust uv xml".split()
    ),
    {"effects"},
    {"hazards"},
    {"structural"},
    {"verify"},
    {"snapshot"},
    {
        "facts.apt",
        "facts.caches",
        "facts.container_settings",
        "facts.entries",
        "facts.foldable",
        "facts.homes",
        "facts.joining",
        "facts.leftovers",
        "facts.lines",
        "facts.mentions",
        "facts.numbers",
        "facts.passed_arguments",
        "facts.pipes",
        "facts.pragmas",
        "facts.rows",
        "facts.secrets",
        "facts.sharing",
        "facts.sources",
        "facts.workdirs",
    },
    {
        "facts.adjacent",
        "facts.artefacts",
        "facts.build_secrets",
        "facts.development",
        "facts.lost_scripts",
        "facts.non_root",
        "facts.purging",
        "facts.python_secrets",
        "facts.python_split",
        "facts.reordering",
        "facts.secret_files",
        "facts.slim_bases",
    },
    {"facts.mountable_files"},
    {"facts.npm_development"},
    {"edits"},
    {f"{what}_edits" for what in "copy metadata move purge split stage user".split()},
    {"identity"},
    {"compose", "config", "registry"},
    {"details"},
    {"engine", "testing"},
    {"decisions", "inline"},
    {"discover", "batch", "docs", "since", "write"},
    {"interactive", "reviewed", "init"},
    {f"fleet.{name}" for name in "campaign ledger records".split()},
    {"fleet.group_decisions"},
    {"fleet.reviewing"},
    {f"proof.{name}" for name in "images differences results processes limits".split()},
    {"scan"},
    {"report"},
    {"fleet", "proof", "server"},
    {"commands"},
    {"cli", "structure"},
)
# What breaks the rule, inside functions or for types only, and why it may.
EXCEPTIONS = {
    ("syntax", "words"): "ENV and LABEL are read word by word before the parser lets them pass",
    ("model", "snapshot"): "a type: what a transform is given",
}
LONG_FILES = {
    "refactor/shell.py": "one grammar: cut in two, neither half could be read alone",
    "refactor/syntax.py": "one parser, with the values that it returns",
}
ENGINE = next(rank for rank, layer in enumerate(LAYERS) if "engine" in layer)
# What below the engine must not reach: network, other programs, clock, chance, environment.
OUTSIDE = frozenset(
    "socket ssl urllib http ftplib smtplib requests asyncio subprocess multiprocessing threading "
    "concurrent time datetime random secrets uuid os shutil tempfile glob signal".split()
)
HEAVY = (
    "libcst", "rich", "ruamel", "tree_sitter", "tree_sitter_bash", "tree_sitter_hcl", "unidiff",
    "dockerfile_parse", "pathspec", "pydantic", "asyncio", "ssl", "multiprocessing", "dockerfile",
    "pygls", "lsprotocol", "httpx", "distributed", "sqlite3",
)  # fmt: skip  # not difflib: typer imports it


@dataclass(frozen=True)
class Module:
    """A file, and what it imports: `eager` when it is itself imported, `lazy` later or never."""

    name: str
    path: Path
    tree: ast.Module
    eager: frozenset[str]
    lazy: frozenset[str]


def imported(node: ast.AST, late: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield each name imported below a node, and whether it is so in a function or for types."""
    for child in ast.iter_child_nodes(node):
        inside = late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        inside |= isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if isinstance(child, ast.Import):
            yield from ((alias.name, inside) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, "imports are absolute"
            yield from ((f"{child.module}.{alias.name}", inside) for alias in child.names)
        yield from imported(child, inside)


@cache
def modules() -> dict[str, Module]:
    """Return every module of the two packages by its full name."""
    found = {}
    for package in ("refactor", "transforms"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = list(imported(tree))
            eager = frozenset(name for name, late in names if not late)
            found[name.removesuffix(".__init__")] = Module(
                name.removesuffix(".__init__"), path, tree, eager,
                frozenset(name for name, late in names if late),
            )  # fmt: skip
    return found


def own(names: frozenset[str]) -> set[str]:
    """Return the modules of ours that imported names stand for."""
    found = set()
    for name in names:
        if name.partition(".")[0] in ("refactor", "transforms"):
            found.add(name if name in modules() else name.rpartition(".")[0])
    return found


def rank(name: str) -> int:
    """Return the number of a module's layer."""
    short = name.removeprefix("refactor.")
    for number, layer in enumerate(LAYERS):
        if short in layer or short.partition(".")[0] in layer:
            return number
    raise LookupError(f"{name} is in no layer: add it to LAYERS")


def inner() -> list[Module]:
    """Return the modules of `refactor`, without the front door and packages that hold nothing."""
    return [
        module
        for name, module in modules().items()
        if name.startswith("refactor.")
        and any(not isinstance(n, ast.Expr) for n in module.tree.body)
    ]


def test_how_imports_are_read() -> None:
    text = """
import a.b
from c import d as e, f
if TYPE_CHECKING:
    from g import h
def i():
    if j:
        import k
class L:
    from m import n
"""
    assert list(imported(ast.parse(text))) == [
        ("a.b", False),
        ("c.d", False),
        ("c.f", False),
        ("g.h", True),
        ("k", True),
        ("m.n", False),
    ]
    assert own(frozenset({"refactor.model.Change", "refactor.facts.apt", "re"})) == {
        "refactor.model",
        "refactor.facts.apt",
    }


def test_every_layer_is_there() -> None:
    named = {name for layer in LAYERS for name in layer}
    missing = {name for name in named if f"refactor.{name}" not in modules()}
    assert not missing
    assert len(named) == sum(map(len, LAYERS))


@pytest.mark.parametrize("module", inner(), ids=lambda module: module.name)
def test_a_module_imports_only_from_its_layer_and_lower_ones(module: Module) -> None:
    above = {
        (module.name.removeprefix("refactor."), name.removeprefix("refactor."))
        for name in own(module.eager | module.lazy)
        if rank(name) > rank(module.name)
    }
    assert above <= set(EXCEPTIONS)


def test_every_exception_is_still_one_and_late() -> None:
    for (name, upper), reason in EXCEPTIONS.items():
        module = modules()[f"refactor.{name}"]
        assert reason
        assert f"refactor.{upper}" in own(module.lazy) - own(module.eager)
        assert rank(f"refactor.{upper}") > rank(module.name)


def test_no_import_goes_in_a_circle() -> None:
    graph = {name: own(module.eager) - {name} for name, module in modules().items()}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names it
    assert set(order) == set(modules())


def test_refactor_knows_no_transform() -> None:
    for module in modules().values():
        names = {name.partition(".")[0] for name in module.eager | module.lazy}
        assert "transforms" not in names, module.name


def test_nobody_inside_goes_through_the_front_door() -> None:
    for module in inner():
        assert "refactor" not in own(module.eager | module.lazy), module.name


def test_a_transform_imports_the_front_door_and_the_standard_library() -> None:
    doors = set(modules()["refactor"].eager) | set(modules()["refactor.structure"].eager)
    exported = {name.rpartition(".")[2] for name in doors}
    for name, module in modules().items():
        if not name.startswith("transforms."):
            continue
        for wanted in module.eager | module.lazy:
            package, _, rest = wanted.partition(".")
            if package == "refactor":
                rest = rest.removeprefix("structure.")
                assert rest in exported, f"{name}: {wanted}"
            else:
                assert package in sys.stdlib_module_names, f"{name}: {wanted}"


@pytest.mark.parametrize("door", ["refactor", "refactor.structure"])
def test_the_front_door_only_exports(door: str) -> None:
    body = modules()[door].tree.body
    assert all(isinstance(node, ast.ImportFrom) for node in body[1:])
    names = [a for node in body if isinstance(node, ast.ImportFrom) for a in node.names]
    assert all(alias.asname == alias.name for alias in names)
    assert len(names) <= 42


def test_below_the_engine_there_is_no_outside() -> None:
    for module in inner():
        if rank(module.name) < ENGINE:
            found = {name.partition(".")[0] for name in module.eager | module.lazy}
            allowed = {"os"} if module.name == "refactor.context" else set()  # it reads files
            assert found & OUTSIDE == allowed, module.name


def test_what_may_write_is_used_by_the_command_line_alone() -> None:
    users = [m.name for m in inner() if "refactor.write" in own(m.eager | m.lazy)]
    assert users == [
        "refactor.commands.fixing",
        "refactor.commands.options",
        "refactor.commands.proofs",
        "refactor.commands.starting",
    ]


def test_no_file_is_too_long() -> None:
    long = {
        str(module.path.relative_to(ROOT)): module.path.read_text(encoding="utf-8").count("\n")
        for module in modules().values()
    }
    assert {path for path, lines in long.items() if lines > MAX_LINES} == set(LONG_FILES)


def test_no_function_is_too_long() -> None:
    long = [
        f"{module.name}.{node.name}"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (node.end_lineno or 0) - min(n.lineno for n in (node, *node.decorator_list))
        >= MAX_FUNCTION
    ]
    assert long == []


def loaded(statement: str) -> set[str]:
    """Return the packages that are loaded after a statement, in a process of its own."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.partition(".")[0] for name in result.stdout.split()}


def test_the_command_line_loads_nothing_heavy() -> None:
    assert loaded("import refactor.cli") & set(HEAVY) == set()


def test_the_command_line_loads_no_transform() -> None:
    assert "transforms" not in loaded(
        "import refactor.cli; import refactor.registry as r; r.entries()"
    )
