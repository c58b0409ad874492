"""What Python expressions give, as far as the text of the project tells.

LibCST reads the expressions, and only those that matter: it reads whole files too slowly.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from refactor.facts.evidence import (
    HOLE,
    NOWHERE,
    UNKNOWN,
    VARIABLE,
    Text,
    Texts,
    added,
    joined,
    literal,
    parent,
    several,
)
from refactor.facts.python_places import Scope, Source, Value

if TYPE_CHECKING:
    import libcst as cst

MAX_EXPRESSION = 4_000
OVERHEAD = 100  # bytes that could be read in the time that LibCST takes to start
MAX_NESTING = 50
MAX_BINDINGS = 16
MAX_DEPTH = 30


class Exhausted(Exception):
    """More was to be read than the budget allows."""


_JOINS = frozenset(
    "os.path.join posixpath.join pathlib.Path pathlib.PurePath pathlib.PosixPath "
    "flask.safe_join werkzeug.utils.safe_join django.utils._os.safe_join".split()
)
_SAME = frozenset(
    "os.path.abspath os.path.realpath os.path.normpath os.path.expanduser "
    "os.fspath str int shlex.split shutil.which os.path.normcase anyio.Path".split()
)
_SAME_METHODS = frozenset(
    "resolve absolute expanduser as_posix strip rstrip lstrip lower encode split __str__".split()
)
_SIBLINGS = frozenset({"with_suffix", "with_name", "with_stem"})
_VARIABLES = frozenset(
    "os.environ.get os.getenv os.environ.setdefault decouple.config os.environ.pop".split()
)
_CONSTANTS = {
    "sys.executable": (Text("python"),),
    "os.getcwd": (Text("."),),
    "pathlib.Path.cwd": (Text("."),),
    "os.curdir": (Text("."),),
    "pathlib.Path.home": (Text("~"),),
    "os.devnull": NOWHERE,
    "os.sep": (Text("/"),),
    "io.BytesIO": NOWHERE,
    "io.StringIO": NOWHERE,
    "sys.stdout": NOWHERE,
    "sys.stderr": NOWHERE,
    "None": NOWHERE,
}
_VARIABLE = re.compile(r"\$(?:\w+|\{\w+\})")
_FORMATTED = re.compile(r"%(?:\(\w+\))?[-+ #0]*[\d*.]*[a-zA-Z]|(?<!\{)\{[^{}]*\}")


class Values:
    """Reads expressions of a project's files."""

    def __init__(self, budget: int, shared: Callable[[str], list[Value | None]]) -> None:
        self.left = budget
        self.shared = shared
        self.depth = 0
        self.memo: dict[tuple[ast.expr, int | None], Texts] = {}
        self.trees: dict[str, cst.BaseExpression | None] = {}

    def parsed(self, value: Value) -> cst.BaseExpression | None:
        """Return an expression as LibCST reads it; None if it is too long, or not understood."""
        import libcst as cst

        code = value.source.code(value.node)
        if len(code) > MAX_EXPRESSION or _nesting(value.node) > MAX_NESTING:
            return None
        self.left -= OVERHEAD if code in self.trees else OVERHEAD + len(code)
        if self.left < 0:
            raise Exhausted
        if code not in self.trees:
            try:
                self.trees[code] = cst.parse_expression(f"({code})")
            except (cst.ParserSyntaxError, RecursionError):
                self.trees[code] = None
        return self.trees[code]

    def texts(self, value: Value) -> Texts:
        """Return what an expression may give."""
        key = (value.node, value.element)
        if key not in self.memo:
            self.memo[key] = UNKNOWN  # for what is defined by itself
            node = self.parsed(value) if self.depth < MAX_DEPTH else None
            if node is not None:
                self.depth += 1
                reader = Reader(self, value.source, value.scope)
                self.memo[key] = reader.element(node, value.element)
                self.depth -= 1
        return self.memo[key]

    def bound(self, values: list[Value | None], element: int | None = None) -> Texts:
        """Return what a name that is bound to values may give."""
        found: list[Texts] = []
        for value in values[:MAX_BINDINGS]:
            if value is None:
                found.append(UNKNOWN)
            elif element is None or value.element is not None:
                found.append(self.texts(value))
            else:
                found.append(self.texts(Value(value.source, value.node, value.scope, element)))
        return several([*found, UNKNOWN] if len(values) > MAX_BINDINGS or not values else found)


def _nesting(node: ast.AST) -> int:
    """Return how deep an expression is, without recursion."""
    level, depth = [node], 0
    while level and depth <= MAX_NESTING:
        level = [child for parent in level for child in ast.iter_child_nodes(parent)]
        depth += 1
    return depth


@dataclass(frozen=True)
class Reader:
    """Reads an expression, in the scope that it stands in."""

    values: Values
    source: Source
    scope: Scope

    def full_name(self, node: cst.BaseExpression) -> str:
        """Return a dotted name with imports resolved; empty if it is none."""
        import libcst as cst

        parts: list[str] = []
        while isinstance(node, cst.Attribute):
            parts.append(node.attr.value)
            node = node.value
        if not isinstance(node, cst.Name):
            return ""
        parts.append(self.source.modules.get(node.value, node.value))
        return ".".join(reversed(parts))

    def element(self, node: cst.BaseExpression, index: int | None) -> Texts:
        """Return what an element of a sequence may be; of what is no sequence, it itself."""
        import libcst as cst

        if index is None:
            return self.texts(node)
        if isinstance(node, cst.List | cst.Tuple):
            elements = node.elements[: index + 1]
            if any(isinstance(element, cst.StarredElement) for element in elements):
                return UNKNOWN
            return self.texts(elements[index].value) if len(elements) > index else NOWHERE
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Add):
            return self.element(node.left, index)
        if isinstance(node, cst.Name):
            return self.values.bound(self.scope.lookup(node.value), index)
        if isinstance(node, cst.Attribute) and (own := self.source.attributes.get(node.attr.value)):
            return self.values.bound(own, index)
        if isinstance(node, cst.IfExp):
            return several((self.element(node.body, index), self.element(node.orelse, index)))
        return self.texts(node)

    def texts(self, node: cst.BaseExpression) -> Texts:
        """Return what an expression may give."""
        reader = _READERS.get(type(node).__name__)
        return reader(self, node) if reader else UNKNOWN

    def string(self, node: cst.SimpleString) -> Texts:
        """Read a string, or bytes."""
        value = node.evaluated_value
        text = value if isinstance(value, str) else value.decode("utf-8", "replace")
        return (literal(text),)

    def strings(self, node: cst.ConcatenatedString) -> Texts:
        """Read strings that stand side by side."""
        return added(self.texts(node.left), self.texts(node.right))

    def formatted(self, node: cst.FormattedString) -> Texts:
        """Read an f-string."""
        import libcst as cst

        found: Texts = (Text(""),)
        for part in node.parts:
            if isinstance(part, cst.FormattedStringText):
                more: Texts = (literal(part.value.replace("{{", "{").replace("}}", "}")),)
            else:
                assert isinstance(part, cst.FormattedStringExpression)
                more = self.texts(part.expression)
            found = (more if found == (Text(""),) else added(found, more)) or UNKNOWN
        return found

    def integer(self, node: cst.Integer) -> Texts:
        """Read a number."""
        return (Text(str(node.evaluated_value)),)

    def name(self, node: cst.Name) -> Texts:
        """Read a name: of this file, or one in capitals that is imported."""
        if node.value == "__file__":
            return (Text(self.source.path, in_source=True),)
        if bound := self.scope.lookup(node.value):
            return self.values.bound(bound)
        full = self.source.modules.get(node.value, node.value)
        if full in _CONSTANTS:
            return _CONSTANTS[full]
        return self.capital(full.rpartition(".")[2])

    def capital(self, name: str) -> Texts:
        """Read a constant of the project."""
        return self.values.bound(self.values.shared(name)) if name.isupper() else UNKNOWN

    def attribute(self, node: cst.Attribute) -> Texts:
        """Read an attribute: of a path, a module, an object or a class."""
        full, name = self.full_name(node), node.attr.value
        if full in _CONSTANTS:
            return _CONSTANTS[full]
        if name in ("parent", "name"):
            receiver = self.texts(node.value)
            if name == "parent":
                return parent(receiver)
            return NOWHERE if receiver == NOWHERE else UNKNOWN
        if name == "root_path" and name not in self.source.attributes:  # of a Flask application
            return parent((Text(self.source.path, in_source=True),))
        return self.member(name)

    def member(self, name: str) -> Texts:
        """Read an attribute or a key by its name alone."""
        own = self.source.attributes.get(name)
        return self.values.bound(own) if own else self.capital(name)

    def call(self, node: cst.Call) -> Texts:
        """Read what a function or method gives."""
        import libcst as cst

        full = self.full_name(node.func)
        plain = [arg.value for arg in node.args if not arg.star and arg.keyword is None]
        if full in _CONSTANTS:
            return _CONSTANTS[full]
        if full.startswith("tempfile."):
            return NOWHERE
        if full in _JOINS:
            return self.together((Text("."),), plain) if plain else (Text("."),)
        if full in _SAME:
            return self.texts(plain[0]) if plain else UNKNOWN
        if full == "os.path.expandvars":
            return _filled(self.texts(plain[0]), _VARIABLE) if plain else UNKNOWN
        if full == "os.path.dirname":
            return parent(self.texts(plain[0])) if plain else UNKNOWN
        if full in _VARIABLES or re.match(r"(?:\w+\.)?env(?:iron\.Env)?(?:\.\w+)?\Z", full):
            return self.default(node, plain)
        if isinstance(node.func, cst.Attribute):
            return self.method(node.func, node, plain)
        return UNKNOWN

    def default(self, node: cst.Call, plain: list[cst.BaseExpression]) -> Texts:
        """Read the default of a variable of the environment."""
        named = [
            a.value for a in node.args if a.keyword is not None and a.keyword.value == "default"
        ]
        found = (plain[1:2] or named)[:1]
        return self.texts(found[0]) if found else VARIABLE

    def method(self, func: cst.Attribute, node: cst.Call, plain: list[cst.BaseExpression]) -> Texts:
        """Read what a method of a path or a text gives."""
        import libcst as cst

        name = func.attr.value
        if name == "get" and plain and isinstance(plain[0], cst.SimpleString):
            found = self.member(str(plain[0].evaluated_value))
            return found if found != UNKNOWN or len(plain) < 2 else self.texts(plain[1])
        if name in _SAME_METHODS:
            return self.texts(func.value)
        if name == "joinpath":
            return self.together(self.texts(func.value), plain)
        if name in _SIBLINGS:
            return joined(parent(self.texts(func.value)), UNKNOWN)
        if name == "format":
            return _filled(self.texts(func.value))
        return NOWHERE if self.texts(func.value) == NOWHERE else UNKNOWN

    def together(self, start: Texts, parts: list[cst.BaseExpression]) -> Texts:
        """Join paths; parts that are unpacked are left out of `parts`, so a path is no longer."""
        for part in parts:
            more = self.texts(part)
            start = more if start == (Text("."),) else joined(start, more)
        return start

    def subscript(self, node: cst.Subscript) -> Texts:
        """Read an element by a constant key or index."""
        import libcst as cst

        index = node.slice[0].slice
        if self.full_name(node.value) == "os.environ":
            return VARIABLE
        if not isinstance(index, cst.Index):
            return UNKNOWN
        key = index.value
        if isinstance(key, cst.SimpleString):
            return self.member(str(key.evaluated_value))
        if not isinstance(key, cst.Integer):
            return UNKNOWN
        if isinstance(node.value, cst.Attribute) and node.value.attr.value == "parents":
            found = self.texts(node.value.value)
            for _ in range(min(int(key.value, 0), 20) + 1):
                found = parent(found)
            return found
        return NOWHERE if self.texts(node.value) == NOWHERE else UNKNOWN

    def operation(self, node: cst.BinaryOperation) -> Texts:
        """Read `a / b` of paths, `a + b`, and a text that `%` fills."""
        import libcst as cst

        if isinstance(node.operator, cst.Divide):
            left, right = self.texts(node.left), self.texts(node.right)
            return right if left == (Text("."),) else joined(left, right)
        if isinstance(node.operator, cst.Add):
            return added(self.texts(node.left), self.texts(node.right))
        return _filled(self.texts(node.left)) if isinstance(node.operator, cst.Modulo) else UNKNOWN

    def choice(self, node: cst.BooleanOperation) -> Texts:
        """Read `a or b`."""
        import libcst as cst

        left, right = self.texts(node.left), self.texts(node.right)
        return several((left, right)) if isinstance(node.operator, cst.Or) else right

    def either(self, node: cst.IfExp) -> Texts:
        """Read `a if c else b`."""
        return several((self.texts(node.body), self.texts(node.orelse)))

    def inner(self, node: cst.NamedExpr) -> Texts:
        """Read the value of `name := value`."""
        return self.texts(node.value)

    def awaited(self, node: cst.Await) -> Texts:
        """Read what is waited for."""
        return self.texts(node.expression)


def _filled(texts: Texts, holes: re.Pattern[str] = _FORMATTED) -> Texts:
    return several((Text(holes.sub(HOLE, text.text), text.in_source),) for text in texts)


_READERS: dict[str, Callable[..., Texts]] = {
    "SimpleString": Reader.string,
    "ConcatenatedString": Reader.strings,
    "FormattedString": Reader.formatted,
    "Integer": Reader.integer,
    "Name": Reader.name,
    "Attribute": Reader.attribute,
    "Call": Reader.call,
    "Subscript": Reader.subscript,
    "BinaryOperation": Reader.operation,
    "BooleanOperation": Reader.choice,
    "IfExp": Reader.either,
    "NamedExpr": Reader.inner,
    "Await": Reader.awaited,
}
