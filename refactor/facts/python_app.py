"""What Python files do: a first look finds the places, then LibCST reads what they say."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from refactor.facts.evidence import (
    PATH,
    PROGRAM,
    UNKNOWN,
    File,
    Found,
    Texts,
    evidence,
    of_text,
)
from refactor.facts.python_places import Module, Place, Scope, Source, Value, look
from refactor.facts.python_values import Exhausted, Reader, Values

if TYPE_CHECKING:
    import libcst as cst

MAX_READ = 400 * 1024


class Project:
    """The Python files of a project: each is looked at, then those that matter are read."""

    def __init__(self) -> None:
        self.modules: list[Module] = []
        self.exhausted = False
        self.values = Values(MAX_READ, self.shared)

    def look(self, path: str, text: str) -> Module | None:
        """Take the first look at a file; None if it does not parse."""
        module = look(path, text)
        if module is not None:
            self.modules.append(module)
        return module

    def shared(self, name: str) -> list[Value | None]:
        """Return what any file binds a constant to."""
        return [v for module in self.modules for v in module.source.attributes.get(name, ())]

    def read(self, module: Module, imports: frozenset[str]) -> Iterator[tuple[str, Found]]:
        """Yield what a file does, each with the field that it belongs to."""
        try:
            if not self.exhausted:
                yield from _read(module, self.values, imports)
        except Exhausted:
            self.exhausted = True
        if self.exhausted and module.places:
            yield "too much", Found("", module.source.path, 1)


@dataclass(frozen=True)
class _Called:
    """A call as the rules see it."""

    node: cst.Call
    reader: Reader
    line: int

    def receiver(self) -> Texts:
        """Return what the method is called on."""
        import libcst as cst

        func = self.node.func
        return self.reader.texts(func.value) if isinstance(func, cst.Attribute) else UNKNOWN

    def argument(self, names: tuple[str, ...], element: int | None) -> Texts | None:
        """Return an argument, or an element of it."""
        found = self._argument(names)
        if found is None:
            return None
        return UNKNOWN if found.star else self.reader.element(found.value, element)

    def code(self, names: tuple[str, ...]) -> str:
        """Return an argument as it is written."""
        import libcst as cst

        found = self._argument(names)
        return "" if found is None else cst.Module([]).code_for_node(found.value)

    def _argument(self, names: tuple[str, ...]) -> cst.Arg | None:
        plain = [arg for arg in self.node.args if arg.keyword is None and arg.star != "**"]
        for name in names:
            if name.isdigit():
                before = plain[: int(name) + 1]
                starred = [arg for arg in before if arg.star]
                if starred or len(before) > int(name):
                    return (starred or before)[-1]
            for arg in self.node.args:
                if arg.keyword is not None and arg.keyword.value == name:
                    return arg
        return None


@dataclass(frozen=True)
class _Entered:
    """A mapping, or an assignment, as the rules see it: its keys are the arguments."""

    values: Values
    source: Source
    items: dict[str, ast.expr]
    scope: Scope
    line: int

    def receiver(self) -> Texts:
        """Return what is computed: there is none."""
        return UNKNOWN

    def argument(self, names: tuple[str, ...], element: int | None) -> Texts | None:
        """Return the value of a key."""
        node = self.items.get(names[0])
        if node is None:
            return None
        return self.values.texts(Value(self.source, node, self.scope, element))

    def code(self, names: tuple[str, ...]) -> str:
        """Return the value of a key as it is written."""
        node = self.items.get(names[0])
        return "" if node is None else self.source.code(node)


def _read(module: Module, values: Values, imports: frozenset[str]) -> Iterator[tuple[str, Found]]:
    """Yield what a file does, each with the field that it belongs to."""
    own = frozenset(found.value for found in module.imports)
    file = File(module.source.path, own, imports)
    for place in module.places:
        yield from _place(module, place, values, file)
    for place, mapping in module.entries:
        items = {
            str(key.value): value
            for key, value in zip(mapping.keys, mapping.values, strict=True)
            if isinstance(key, ast.Constant)
        }
        entered = _Entered(values, module.source, items, place.scope, place.node.lineno)
        for rule in place.rules:
            yield from evidence(rule, entered, file)
    for node, scope in module.texts:
        for text in values.texts(Value(module.source, node, scope)):
            yield from of_text(text, Found("", file.path, node.lineno), imports)


def _place(module: Module, place: Place, values: Values, file: File) -> Iterator[tuple[str, Found]]:
    import libcst as cst

    source, node = module.source, place.node
    if place.assigned:
        entered = _Entered(values, source, {"value": node}, place.scope, node.lineno)
        for rule in place.rules:
            yield from evidence(rule, entered, file)
        return
    assert isinstance(node, ast.Call)
    if isinstance(node.func, ast.Name) and place.scope.lookup(node.func.id):
        return  # a function of its own that has the name
    parsed = values.parsed(Value(source, node, place.scope))
    if not isinstance(parsed, cst.Call):
        for kind in sorted({rule.kind for rule in place.rules} & {"programs", "writes"}):
            yield "unknown", Found(PROGRAM if kind == "programs" else PATH, file.path, node.lineno)
        return
    called = _Called(parsed, Reader(values, source, place.scope), node.lineno)
    for rule in place.rules:
        yield from evidence(rule, called, file)
