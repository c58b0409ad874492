"""Where Python files do what matters: a first look, with `ast`, at names and at calls."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from refactor.facts.evidence import Found, Rule, rules

_TEXTS = re.compile(r"sqlite[+\w]*://|/root(?:/|\Z)")
_UNPARENTHESIZED = re.compile(
    r"^([ \t]*except[ \t]+)([\w.]+(?:[ \t]*,[ \t]*[\w.]+)+)(?=[ \t]*:)", re.MULTILINE
)


@dataclass(eq=False)
class Scope:
    """The names that a module, class or function binds; None is a value that is computed."""

    outer: Scope | None = None
    names: dict[str, list[Value | None]] = field(default_factory=dict)

    def lookup(self, name: str) -> list[Value | None]:
        """Return what a name is bound to in the innermost scope that binds it."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return []


@dataclass(eq=False)
class Value:
    """An expression where it stands; with `element`, one of a sequence that it gives."""

    source: Source
    node: ast.expr
    scope: Scope
    element: int | None = None


@dataclass(eq=False)
class Source:
    """A file: what its names stand for, by import, as an attribute, or as a key."""

    path: str
    lines: list[bytes]
    modules: dict[str, str] = field(default_factory=dict)
    whole_modules: set[str] = field(default_factory=set)
    attributes: dict[str, list[Value | None]] = field(default_factory=dict)

    def code(self, node: ast.expr) -> str:
        """Return an expression as it is written."""
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        lines = self.lines[first : last + 1]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"\n".join(lines).decode("utf-8", "replace")


@dataclass(eq=False)
class Place:
    """A call, or an assignment or entry that a rule names."""

    rules: tuple[Rule, ...]
    node: ast.expr
    scope: Scope
    assigned: bool = False


@dataclass(eq=False)
class Module:
    """What the first look at a file finds."""

    source: Source
    imports: list[Found] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    entries: list[tuple[Place, ast.Dict]] = field(default_factory=list)
    texts: list[tuple[ast.expr, Scope]] = field(default_factory=list)


def look(path: str, text: str) -> Module | None:
    """Take the first look at a file; None if it does not parse."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    tree = _parsed(text)
    if tree is None:  # Python 3.14 needs no parentheses here, and what runs this may be older
        text = _UNPARENTHESIZED.sub(r"\1(\2)", text)
        tree = _parsed(text)
    if tree is None:
        return None
    module = Module(Source(path, text.encode("utf-8", "replace").split(b"\n")))
    _Looker(module).walk(tree)
    return module


def _parsed(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class _Looker:
    """Walks a tree, without recursion, and keeps what may matter."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.source = module.source
        self.top = Scope()
        self.classes: set[Scope] = set()
        self.rules = rules("python")

    def walk(self, tree: ast.Module) -> None:
        """Look at every node, in the order of the text."""
        todo: list[tuple[ast.AST, Scope]] = [(tree, self.top)]
        while todo:
            node, scope = todo.pop()
            look = _LOOKS.get(type(node))
            inner = (look(self, node, scope) if look else None) or scope
            found: list[tuple[ast.AST, Scope]] = []
            for name in node._fields:
                value = getattr(node, name, None)
                if isinstance(value, list):
                    found += ((item, inner) for item in value if isinstance(item, ast.AST))
                elif isinstance(value, ast.AST) and type(value) not in _LEAVES:
                    found.append((value, inner))
            todo += reversed(found)

    def klass(self, node: ast.ClassDef, scope: Scope) -> Scope:
        """Open the scope of a class."""
        self.bind_name(node.name, None, scope)
        inner = Scope(scope)
        self.classes.add(inner)
        return inner

    def assigned(self, node: ast.Assign, scope: Scope) -> None:
        """Keep what an assignment binds."""
        for target in node.targets:
            self.bind(target, node.value, scope)

    def annotated(self, node: ast.AnnAssign | ast.NamedExpr, scope: Scope) -> None:
        """Keep what an assignment of one target binds."""
        if node.value is not None:
            self.bind(node.target, node.value, scope)

    def grown(self, node: ast.AugAssign, scope: Scope) -> None:
        """Forget what a text is that changes; a list that grows starts as it did."""
        if not isinstance(node.value, ast.List):
            self.bind(node.target, None, scope)

    def loop(self, node: ast.For | ast.AsyncFor | ast.comprehension, scope: Scope) -> None:
        """Keep what a loop binds, if it goes over a few expressions."""
        values = [*node.iter.elts[:16]] if isinstance(node.iter, ast.List | ast.Tuple) else [None]
        for value in values:
            self.bind(node.target, value, scope)

    def opened(self, node: ast.withitem, scope: Scope) -> None:
        """Keep what `with` binds."""
        if node.optional_vars is not None:
            self.bind(node.optional_vars, node.context_expr, scope)

    def caught(self, node: ast.ExceptHandler, scope: Scope) -> None:
        """Keep the name of an exception."""
        if node.name:
            self.bind_name(node.name, None, scope)

    def changed(self, node: ast.Global, scope: Scope) -> None:
        """Keep that a function may change names of the module."""
        for name in node.names:
            self.bind_name(name, None, self.top)

    def imported(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        """Keep what an import names."""
        path, line = self.source.path, node.lineno
        base = "" if isinstance(node, ast.Import) else "." * node.level + (node.module or "")
        for alias in node.names:
            full = f"{base}.{alias.name}" if base else alias.name
            self.module.imports.append(Found(full, path, line))
            if isinstance(node, ast.Import):
                self.source.whole_modules.add(full)
            if base or alias.asname:
                self.source.modules[alias.asname or alias.name] = full
            else:
                top = alias.name.partition(".")[0]
                self.source.modules[top] = top

    def function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope
    ) -> Scope:
        """Open the scope of a function, whose arguments are computed."""
        if not isinstance(node, ast.Lambda):
            self.bind_name(node.name, None, scope)
        inner = Scope(scope.outer if scope in self.classes else scope)
        names = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        for name in (*names, node.args.vararg, node.args.kwarg):
            if name is not None:
                self.bind_name(name.arg, None, inner)
        return inner

    def bind(
        self, target: ast.expr, value: ast.expr | None, scope: Scope, element: int | None = None
    ) -> None:
        """Bind a target to an expression, or an element of it."""
        if isinstance(target, ast.Tuple | ast.List):
            for index, inner in enumerate(target.elts):
                self.bind(inner, value if element is None else None, scope, index)
            return
        bound = None if value is None else Value(self.source, value, scope, element)
        if isinstance(target, ast.Name):
            self.bind_name(target.id, bound, scope)
        elif isinstance(target, ast.Attribute):
            self.bind_member(target.attr, bound)
        elif isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
            self.bind_member(str(target.slice.value), bound)

    def bind_name(self, name: str, value: Value | None, scope: Scope) -> None:
        """Bind a name; one of a class or a constant is looked up as an attribute too."""
        scope.names.setdefault(name, []).append(value)
        if scope in self.classes or (scope is self.top and name.isupper()):
            self.bind_member(name, value)
        elif scope is self.top:
            self.setting(name, value)

    def bind_member(self, name: str, value: Value | None) -> None:
        """Bind an attribute or a key."""
        self.source.attributes.setdefault(name, []).append(value)
        self.setting(name, value)

    def setting(self, name: str, value: Value | None) -> None:
        """Keep an assignment that a rule names."""
        found = [rule for rule in self.rules.get(name, ()) if rule.call == f"={name}"]
        if found and value is not None:
            self.module.places.append(Place(tuple(found), value.node, value.scope, assigned=True))

    def call(self, node: ast.Call, scope: Scope) -> None:
        """Keep a call that a rule may be about."""
        for keyword in node.keywords:
            if keyword.arg is not None and keyword.arg.isupper():
                self.bind_member(keyword.arg, Value(self.source, keyword.value, scope))
        if found := tuple(rule for rule in self.named(node.func) if _may_fit(rule, node)):
            self.module.places.append(Place(found, node, scope))

    def named(self, func: ast.expr) -> list[Rule]:
        """Return the rules of what is called: a function of a module, or else a method."""
        parts: list[str] = []
        inner = func
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        root = inner.id if isinstance(inner, ast.Name) else "?"
        full = ".".join([self.source.modules.get(root, root), *reversed(parts)])
        module, _, name = full.rpartition(".")
        if module == "sh" and root in self.source.modules and name != "Command":
            return [Rule(full, "programs", f"={name}", ())]
        group = self.rules.get(name, ())
        exact = [rule for rule in group if rule.call == full]
        if exact or not parts or module in self.source.whole_modules:
            return exact
        return [rule for rule in group if rule.call.startswith(".")]

    def mapping(self, node: ast.Dict, scope: Scope) -> None:
        """Keep the entries of a mapping that a rule names."""
        for key, value in zip(node.keys, node.values, strict=True):
            name = key.value if isinstance(key, ast.Constant) else None
            if isinstance(name, str) and (found := self.rules.get(f"{{{name}}}")):
                self.module.entries.append((Place(found, value, scope), node))

    def sum(self, node: ast.BinOp, scope: Scope) -> None:
        """Keep a sum that starts like such a text."""
        start: ast.expr = node
        for _ in range(8):
            if isinstance(start, ast.BinOp):
                start = start.left
        text = start.value if isinstance(start, ast.Constant) else None
        if isinstance(node.op, ast.Add) and isinstance(text, str) and _TEXTS.match(text):
            self.module.texts.append((node, scope))

    def text(self, node: ast.Constant | ast.JoinedStr, scope: Scope) -> None:
        """Keep a text that may name a database or root's home."""
        first = node.values[:1] if isinstance(node, ast.JoinedStr) else [node]
        start = first[0].value if first and isinstance(first[0], ast.Constant) else None
        if isinstance(start, str) and _TEXTS.match(start):
            self.module.texts.append((node, scope))


_LOOKS: dict[type, Callable[[_Looker, Any, Scope], Scope | None]] = {
    ast.Import: _Looker.imported,
    ast.ImportFrom: _Looker.imported,
    ast.FunctionDef: _Looker.function,
    ast.AsyncFunctionDef: _Looker.function,
    ast.Lambda: _Looker.function,
    ast.ClassDef: _Looker.klass,
    ast.Call: _Looker.call,
    ast.Dict: _Looker.mapping,
    ast.Constant: _Looker.text,
    ast.JoinedStr: _Looker.text,
    ast.BinOp: _Looker.sum,
    ast.Assign: _Looker.assigned,
    ast.AnnAssign: _Looker.annotated,
    ast.NamedExpr: _Looker.annotated,
    ast.AugAssign: _Looker.grown,
    ast.For: _Looker.loop,
    ast.AsyncFor: _Looker.loop,
    ast.comprehension: _Looker.loop,
    ast.withitem: _Looker.opened,
    ast.ExceptHandler: _Looker.caught,
    ast.Global: _Looker.changed,
}
_LEAVES = frozenset({ast.Load, ast.Store, ast.Del, ast.Name})


def _may_fit(rule: Rule, node: ast.Call) -> bool:
    """Whether a call has the arguments that a rule asks for: most that do not are plain `open`s."""
    for condition in rule.when:
        name, mark, position = condition.partition("=")
        if mark and position[:1].isdigit():
            named = any(keyword.arg in (name, None) for keyword in node.keywords)
            starred = any(isinstance(arg, ast.Starred) for arg in node.args)
            if not (named or starred or len(node.args) > int(position.strip("!"))):
                return False
    return True
