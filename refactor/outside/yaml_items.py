"""YAML as read by anybody's tool: mappings, lists and texts with their lines; nothing is converted.

The nodes are taken before values are made of them, so that `yes`, `22:22` and unknown tags stay
as they are written, and anchors that refer to anchors cost no more than the text that they are in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

MAX_ITEMS = 50_000
MAX_DEPTH = 60
# Bounded, for a text of opening braces alone would else be read to its end from each of them.
_DIRECTIVE = re.compile(r"^[ \t]*(?:\{\{.{0,300}?\}\}|\{%.{0,300}?%\})[ \t]*$", re.M)
_COMMENT = re.compile(r"\{\{-?\s*/\*.{0,4000}?\*/\s*-?\}\}|\{#.{0,4000}?#\}", re.S)
_EXPRESSION = re.compile(r"\$?\{\{(.{0,300}?)\}\}|\{%.{0,300}?%\}")
_SIMPLE = re.compile(r"-?\s*[\w.$]*?(\w+)\s*-?\Z")
NOTHING = frozenset({"", "false", "no", "off", "~", "null"})  # of what is asked for or not
_NULL = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, eq=False)
class Item:
    """A node of a document; of a key that is given twice, as in templates, all values are kept."""

    line: int
    text: str = ""
    parts: list[Item] = field(default_factory=list)
    fields: dict[str, list[Item]] = field(default_factory=dict)
    kind: str = "text"

    def get(self, *keys: str) -> Item:
        """Return what is found going down a path of keys; an empty item if there is nothing."""
        item = self
        for key in keys:
            item = item.fields[key][0] if key in item.fields else Item(self.line, kind="null")
        return item

    def all(self, key: str) -> list[Item]:
        """Return every value of a key."""
        return self.fields.get(key, [])

    def texts(self) -> list[str]:
        """Return the texts of a list, or the one text."""
        if self.kind == "text":
            return [self.text]
        return [part.text for part in self.parts if part.kind == "text"]

    def __bool__(self) -> bool:
        return self.kind != "null"


def documents(text: str) -> list[Item]:
    """Return the documents of a text.

    Raises ValueError if it cannot be read.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if any(abs(depth) > MAX_DEPTH for depth in _depths(text)):
        raise ValueError("not read as YAML: too deep")
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False  # on standard error; the later one counts
    try:
        reader = _Nodes()
        return [reader.item(node) for node in yaml.compose_all(text)]
    except (YAMLError, RecursionError, AttributeError, TypeError, KeyError, IndexError) as error:
        raise ValueError(f"not read as YAML: {type(error).__name__}") from error


def _depths(text: str) -> Iterator[int]:
    """Yield how many brackets each line opens: from a thousand on, reading takes seconds."""
    for row in text.split("\n"):
        yield row.count("[") + row.count("{") - row.count("]") - row.count("}")


class _Nodes:
    """Makes items of nodes, each once, however often an alias names it."""

    def __init__(self) -> None:
        self.made: dict[int, Item] = {}
        self.nodes: list[Any] = []
        self.count = 0

    def item(self, node: Any) -> Item:
        """Return the item of a node."""
        if id(node) in self.made:
            return self.made[id(node)]
        self.nodes.append(node)  # an id is a node's own only while it lives
        line = node.start_mark.line + 1
        if isinstance(node.value, str):
            null = node.value in _NULL and not node.style
            block = node.style in ("|", ">")
            made = Item(line + block, node.value, kind="null" if null else "text")
            self.made[id(node)] = made
            return made
        pairs = node.value and isinstance(node.value[0], tuple)
        made = Item(line, kind="map" if pairs or node.tag.endswith(":map") else "list")
        self.made[id(node)] = made
        if made.kind == "map":
            self._fill(made, node.value)
        else:
            self._spend(len(node.value))
            made.parts.extend(self.item(part) for part in node.value)
        return made

    def _fill(self, made: Item, pairs: list[tuple[Any, Any]]) -> None:
        merged: list[Item] = []
        self._spend(len(pairs))
        for key, value in pairs:
            item = self.item(value)
            if key.value == "<<":
                merged += item.parts if item.kind == "list" else [item]
            elif isinstance(key.value, str):
                made.fields.setdefault(key.value, []).append(item)
        for item in merged:
            self._spend(len(item.fields))
            for name, values in list(item.fields.items()):
                made.fields.setdefault(name, values)

    def _spend(self, count: int) -> None:
        self.count += count
        if self.count > MAX_ITEMS:
            raise ValueError("too much YAML")


def walk(item: Item) -> Iterator[Item]:
    """Yield an item and all in it, each once."""
    seen: set[int] = set()
    todo = [item]
    while todo:
        item = todo.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        inner = [*item.parts, *(value for values in item.fields.values() for value in values)]
        todo.extend(reversed(inner))


def is_template(text: str) -> bool:
    """Whether a text is made into YAML by a template engine."""
    return bool(re.search(r"(?<!\$)\{\{|\{%", text))


def filled(text: str) -> str:
    """Return a template with variables for its expressions, and the same lines.

    `{{ .Values.image.tag }}` becomes `$tag`, and what is more than a name `$TEMPLATE`.
    """
    text = _COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text)
    text = _DIRECTIVE.sub("", text)
    return _EXPRESSION.sub(_variable, text)


def _variable(match: re.Match[str]) -> str:
    simple = _SIMPLE.match(match[1] or "")
    return f"${simple[1]}" if simple else "$TEMPLATE"


def json(text: str) -> Item:
    """Return what JSON holds, read as the YAML that it is; an empty item if it cannot be read."""
    try:
        return next(iter(documents(text.replace("\t", "  "))), Item(1, kind="null"))
    except ValueError:
        return Item(1, kind="null")
