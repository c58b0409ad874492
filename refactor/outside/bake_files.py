"""Bake files, in HCL or JSON: their targets, with the place of each value in the text.

The grammar is tree-sitter's. JSON is read with it too, for its values are written as HCL's are; and
in both, bake fills in what stands in `${}` and `%{}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from refactor.source import encode

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

BAKE = re.compile(r"docker-bake[\w.-]*\.(?:hcl|json)\Z")
MAX_TEXT = 256 * 1024
MAX_DEPTH = 60
MAX_TARGETS = 500
_MERGED = frozenset({"args", "contexts", "labels"})
_JSON = "x = "  # makes an attribute of a value


@dataclass(frozen=True)
class Value:
    """A value: `text`, `heredoc`, `list`, `map`, or `other` where bake works it out.

    `start` and `end` are offsets; of a text without its quotes, of a heredoc those of its lines.
    `written` is what stands there; `filled` is whether bake fills something in.
    """

    kind: str
    start: int
    end: int
    line: int
    written: str = ""
    filled: bool = False
    indented: bool = False
    parts: tuple[Value, ...] = ()
    fields: Mapping[str, Value] = field(default_factory=dict)

    def texts(self) -> tuple[str, ...]:
        """Return the texts of a list, or the one text; `${}` for what bake works out."""
        if self.kind == "list":
            return tuple(text for part in self.parts for text in part.texts())
        return (self.written,) if self.kind in ("text", "heredoc") else ("${}",)


@dataclass(frozen=True)
class Target:
    """A target of a bake file; of a key that is given twice the later value counts.

    `open` is whether it inherits from a target that is not known.
    """

    name: str
    line: int
    fields: Mapping[str, Value]
    open: bool = False

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the texts of a value; none if there is no such key, or it is null."""
        found = self.fields.get(key)
        return () if found is None or found.written == "null" else found.texts()

    def names(self, key: str) -> tuple[str, ...]:
        """Return the names that a map's values have."""
        found = self.fields.get(key)
        return tuple(found.fields) if found else ()


@dataclass(frozen=True)
class Bake:
    """What is read of a bake file; `sound` is whether all of it could be."""

    targets: tuple[Target, ...]
    sound: bool


def is_bake(path: str) -> bool:
    """Whether a file is called as bake files are."""
    return bool(BAKE.match(path.rpartition("/")[2]))


@lru_cache(maxsize=64)
def read(path: str, text: str) -> Bake:
    """Return the targets of a bake file's text."""
    if len(text) > MAX_TEXT or _depth(text) > MAX_DEPTH:
        return Bake((), sound=False)
    is_json = path.endswith(".json")
    reader = _Reader(text, len(_JSON) if is_json else 0)
    sound = not reader.root.has_error
    if is_json:
        found = list(reader.in_json())
        sound = sound and _is_json(text)
    else:
        found = list(reader.in_hcl())
    return Bake(tuple(found[:MAX_TARGETS]), sound and len(found) <= MAX_TARGETS)


def _depth(text: str) -> int:
    depth = deepest = 0
    for match in re.finditer(r"[\[{(]|[\])}]", text):
        depth += 1 if match[0] in "[{(" else -1
        deepest = max(deepest, depth)
    return deepest


def _is_json(text: str) -> bool:
    """Whether a text is JSON in which no key is given twice."""

    def once(pairs: list[tuple[str, object]]) -> None:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("a key is given twice")

    try:
        json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return False
    return True


def whole(targets: Sequence[Target]) -> tuple[Target, ...]:
    """Return targets with what they inherit from each other.

    The value of a later parent counts, and that of the target itself before all; of the maps that
    are merged, each key. Source: `Target.Merge` of docker/buildx.
    """
    known = {target.name: target for target in targets}
    made: dict[str, Target] = {}

    def made_of(target: Target) -> Target:
        made[target.name] = replace(target, open=True)  # what a circle comes back to
        parents = [
            made.get(name) or made_of(known[name]) if name in known else None
            for name in target.texts("inherits")
        ]
        fields: Mapping[str, Value] = {}
        for parent in (*filter(None, parents), target):
            fields = _merged(fields, parent.fields)
        unknown = any(parent is None or parent.open for parent in parents)
        made[target.name] = replace(target, fields=fields, open=unknown)
        return made[target.name]

    return tuple(made.get(target.name) or made_of(target) for target in targets)


def _merged(first: Mapping[str, Value], then: Mapping[str, Value]) -> dict[str, Value]:
    found = dict(first)
    for key, value in then.items():
        old = found.get(key)
        if old and key in _MERGED and "map" == old.kind == value.kind:
            found[key] = replace(value, fields={**old.fields, **value.fields})
        elif old is None or value.written != "null":
            found[key] = value
    return found


def context(targets: Sequence[Target], name: str) -> str:
    """Return the build context of what a target of a name builds, and those that inherit from it.

    It is empty if they have several, or it is not told in these targets.
    """
    family, above = {name}, {name}
    for _ in targets:
        family |= {t.name for t in targets if family & set(t.texts("inherits"))}
        above |= {p for t in targets if t.name in above for p in t.texts("inherits")}
    found = {text for t in targets if t.name in family | above for text in t.texts("context")}
    known = above <= {target.name for target in targets}
    return (found or {"."}).pop() if known and len(found) < 2 else ""


class _Reader:
    """Makes values of a text's syntax tree; of JSON `shift` characters stand in front."""

    def __init__(self, text: str, shift: int) -> None:
        self.text = text
        self.shift = shift
        self.data = encode((_JSON if shift else "") + text)
        self.tree = _parser().parse(self.data)
        self.root = self.tree.root_node

    def in_hcl(self) -> Iterator[Target]:
        """Yield the blocks of targets."""
        for block in _children(self.root, "body", "block"):
            kind, *labels = [c for c in block.named_children if c.type != "body"]
            names = [self._label(c) for c in labels if c.type in ("identifier", "string_lit")]
            if self._of(kind) == "target" and len(names) == 1:
                fields = {
                    self._of(attribute.named_children[0]): self._value(attribute.named_children[-1])
                    for attribute in _children(block, "body", "attribute")
                    if attribute.named_children
                }
                yield Target(names[0], self._line(block), fields)

    def in_json(self) -> Iterator[Target]:
        """Yield the members of `target`."""
        for attribute in _children(self.root, "body", "attribute"):
            whole = self._value(attribute.named_children[-1])
            targets = whole.fields.get("target")
            for name, value in targets.fields.items() if targets else ():
                yield Target(name, value.line, value.fields)

    def _value(self, node: Node) -> Value:
        while len(node.named_children) == 1 and node.type in (
            "expression", "literal_value", "collection_value", "template_expr",
        ):  # fmt: skip
            node = node.named_children[0]
        place = (self._at(node.start_byte), self._at(node.end_byte), self._line(node))
        if node.type in ("string_lit", "quoted_template"):
            start, end = place[0] + 1, place[1] - 1
            filled = any(c.type not in _PLAIN for c in node.children)
            return Value("text", start, end, place[2], self.text[start:end], filled)
        if node.type == "heredoc_template":
            return self._heredoc(node)
        if node.type == "tuple":
            parts = tuple(self._value(c) for c in node.named_children if c.type == "expression")
            return Value("list", *place, parts=parts)
        if node.type == "object":
            return Value("map", *place, fields=self._fields(node))
        return Value("other", *place, written=self._of(node))

    def _fields(self, node: Node) -> Mapping[str, Value]:
        found = {}
        for element in _children(node, "object_elem"):
            pair = [c for c in element.named_children if c.type == "expression"]
            if len(pair) == 2:
                key = self._value(pair[0])
                found[key.written] = self._value(pair[1])
        return found

    def _heredoc(self, node: Node) -> Value:
        """Return a heredoc; where its lines end is looked up as bake does it."""
        intro = next(c for c in node.children if c.type == "heredoc_identifier")
        marker = self._of(intro)
        start = self.text.find("\n", self._at(intro.end_byte)) + 1
        end = start
        for row in self.text[start:].split("\n"):
            if row.strip() == marker:
                break
            end += len(row) + 1
        clear = not self.text[self._at(intro.end_byte) : start].strip("\r\n")
        ours = self._at(node.end_byte) == end + len(self.text[end:].partition("\n")[0].rstrip())
        filled = any(c.type not in _PLAIN for c in node.children) or not (clear and ours)
        indented = "-" in self._of(node.children[0])
        line = self._line(node) + 1
        return Value("heredoc", start, end, line, self.text[start:end], filled, indented)

    def _label(self, node: Node) -> str:
        return self._of(node).strip('"')

    def _of(self, node: Node) -> str:
        return self.text[self._at(node.start_byte) : self._at(node.end_byte)]

    def _line(self, node: Node) -> int:
        return int(node.start_point[0]) + 1

    def _at(self, offset: int) -> int:
        """Return the offset in the text of one in its bytes."""
        if self._is_ascii:
            return offset - self.shift
        return len(self.data[:offset].decode("utf-8", "surrogateescape")) - self.shift

    @cached_property
    def _is_ascii(self) -> bool:
        return self.data.isascii()


_PLAIN = frozenset(
    "template_literal quoted_template_start quoted_template_end heredoc_start heredoc_identifier "
    "<<- <<".split()
)


def _children(node: Node, *path: str) -> Iterator[Node]:
    """Yield what is reached going down a path of types."""
    for child in node.children:
        if child.type == path[0]:
            if len(path) == 1:
                yield child
            else:
                yield from _children(child, *path[1:])


@lru_cache(maxsize=1)
def _parser() -> Parser:
    import tree_sitter_hcl
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_hcl.language()))
