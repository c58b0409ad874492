"""YAML with the place of each node in the text, so that settings are written without a dump.

The parser is asked for positions only: a change inserts whole lines, and every line that was there
stays as it is, with its comments, anchors, quotes, indentation and line end. What cannot be told
from the text alone is not read at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from refactor.outside.yaml_items import MAX_DEPTH, MAX_ITEMS, is_template
from refactor.source import Edit, Span, apply

MAX_TEXT = 256 * 1024
_TAB = re.compile(r"^ *\t", re.M)
_MARKS = re.compile(r"^(?:%|\.\.\.(?:\s|$))", re.M)
_PLAIN = re.compile(r"[A-Za-z/][\w./:-]*[\w/]|[A-Za-z]")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})

Value = bool | str | tuple[str, ...] | Mapping[str, Any]


class Unclear(ValueError):
    """A text that is no YAML, or in which a setting cannot be written without a doubt."""


@dataclass(frozen=True, eq=False)
class Node:
    """A node of a document: `start` and `end` are offsets in the text, `column` counts from 0.

    `kind` is `map`, `list`, `text` or `alias`. `value` is a text, or the name of an alias; `style`
    is how a text is quoted, `flow` whether a map or list stands in brackets. The keys and values
    of a map are its `pairs`.
    """

    kind: str
    start: int
    end: int
    line: int
    column: int
    value: str = ""
    style: str = ""
    tag: str = ""
    anchor: str = ""
    flow: bool = False
    parts: tuple[Node, ...] = ()
    pairs: tuple[tuple[Node, Node], ...] = ()

    @property
    def inner(self) -> tuple[Node, ...]:
        """What is in it, in the order of the text."""
        return self.parts or tuple(node for pair in self.pairs for node in pair)

    def get(self, key: str) -> Node | None:
        """Return the value of a key of a map; what a merge brings is not among them."""
        return next((value for name, value in self.pairs if name.value == key), None)


def trees(text: str, plain: bool = False) -> tuple[Node, ...]:
    """Return the documents of a text; `plain` is whether it is known to be no template.

    Raises Unclear if it is no YAML, a template of YAML, or YAML that readers take differently.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if len(text) > MAX_TEXT:
        raise Unclear(f"it has more than {MAX_TEXT} characters")
    if not plain and is_template(text):
        raise Unclear("it is a template")
    if _TAB.search(text) or _MARKS.search(text):
        raise Unclear("it is indented with tabs, or has directives or ends of documents")
    if any(row.count("[") + row.count("{") > MAX_DEPTH for row in text.split("\n")):
        raise Unclear("it is too deep")
    try:
        return tuple(_Reader(YAML(typ="safe", pure=True).parse(text)).documents())
    except (YAMLError, RecursionError, AttributeError, TypeError, IndexError) as error:
        raise Unclear(f"it is not read as YAML: {type(error).__name__}") from error


class _Reader:
    """Makes nodes of the parser's events."""

    def __init__(self, events: Iterable[Any]) -> None:
        self.events = iter(events)
        self.count = 0

    def documents(self) -> Iterator[Node]:
        """Yield the root of each document."""
        for event in self.events:
            if type(event).__name__ == "DocumentStartEvent":
                yield self.node(next(self.events), 0)

    def node(self, event: Any, depth: int) -> Node:
        """Return the node that starts with an event."""
        self.count += 1
        if self.count > MAX_ITEMS or depth > MAX_DEPTH:
            raise Unclear("there is too much of it")
        name, start, end = type(event).__name__, event.start_mark, event.end_mark
        place = (start.index, end.index, start.line + 1, start.column)
        anchor = event.anchor or ""
        if name == "AliasEvent":
            return Node("alias", *place, value=anchor)
        tag = str(event.tag or "")
        if name == "ScalarEvent":
            return Node("text", *place, event.value, event.style or "", tag, anchor)
        parts = []
        while not type(following := next(self.events)).__name__.endswith("EndEvent"):
            parts.append(self.node(following, depth + 1))
        flow = bool(event.flow_style)
        last = following.end_mark.index if flow else parts[-1].end if parts else place[1]
        place = (place[0], last, *place[2:])
        if name == "SequenceStartEvent":
            return Node("list", *place, tag=tag, anchor=anchor, flow=flow, parts=tuple(parts))
        pairs = tuple(zip(parts[::2], parts[1::2], strict=True))
        keys = [key.value for key, _ in pairs]
        if len(set(keys)) < len(keys) or any(key.kind != "text" for key, _ in pairs):
            raise Unclear(f"line {start.line + 1}: a key is given twice, or is no text")
        return Node("map", *place, tag=tag, anchor=anchor, flow=flow, pairs=pairs)


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all in it."""
    yield node
    for part in node.inner:
        yield from walk(part)


def insertion(text: str, chain: tuple[Node, ...], fields: Mapping[str, Value]) -> Edit:
    """Return the edit that writes fields at the end of a block map, which the chain leads to.

    The chain starts with the document. Raises Unclear if the map is shared with another place, is
    written in brackets, or what is written would not be read as these fields alone.
    """
    root, target = chain[0], chain[-1]
    if target.kind != "map" or target.flow or not target.pairs:
        raise Unclear(f"line {target.line}: what the settings belong to is no block of keys")
    aliases = {node.value for node in walk(root) if node.kind == "alias"}
    if any(node.anchor in aliases for node in chain if node.anchor):
        raise Unclear(f"line {target.line}: the settings are used in another place too")
    missing = {key for key in fields if target.get(key) is None}
    if missing != set(fields):
        raise Unclear(f"line {target.line}: {', '.join(sorted(set(fields) - missing))} is there")
    at = _behind(text, target)
    newline = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    steps = _steps(root)
    lines = [line for key, value in fields.items() for line in _lines(key, value, *steps)]
    written = "".join(f"{' ' * target.column}{line}{newline}" for line in lines)
    if at and text[at - 1] != "\n":
        written = newline + written.removesuffix(newline)
    return Edit(Span(at, at), written)


def _behind(text: str, node: Node) -> int:
    """Return the start of the line behind a node, and behind the comments that belong to it."""
    last = node
    while last.inner and not last.flow:
        last = last.inner[-1]
    at = last.end
    if last.style in ("|", ">"):
        at = len(text[:at].rstrip())
    at = text.find("\n", at) + 1 or len(text)
    while match := re.compile(r"( *)#[^\n]*(?:\n|\Z)").match(text, at):
        if len(match[1]) < node.column or at == match.end():
            break
        at = match.end()
    return at


def _steps(root: Node) -> tuple[int, int]:
    """Return by how much maps, and lists, are indented in a document."""
    maps, lists = 0, -1
    for node in walk(root):
        for key, value in node.pairs if not node.flow else ():
            if value.kind == "map" and value.pairs and not value.flow and not maps:
                maps = value.column - key.column
            elif value.kind == "list" and value.parts and not value.flow and lists < 0:
                lists = value.column - key.column
    return maps or 2, lists if lists >= 0 else 2


def _lines(key: str, value: Value, maps: int, lists: int) -> Iterator[str]:
    if isinstance(value, tuple):
        yield f"{key}:"
        yield from (f"{' ' * lists}- {_scalar(item)}" for item in value)
    elif isinstance(value, Mapping):
        yield f"{key}:"
        for name, inner in value.items():
            yield from (f"{' ' * maps}{line}" for line in _lines(name, inner, maps, lists))
    else:
        yield f"{key}: {_scalar(value)}"


def _scalar(value: bool | str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
    return value if plain else f'"{value}"'


def said(value: Value | Node) -> str:
    """Return a value as one line, whether it is to be written or stands in a text."""
    if isinstance(value, Node):
        if value.kind == "map":
            return f"{{{', '.join(f'{k.value}: {said(v)}' for k, v in value.pairs)}}}"
        if value.kind == "list":
            return f"[{', '.join(map(said, value.parts))}]"
        text = f'"{value.value}"' if value.style and value.value.lower() in _WORDS else value.value
        known = value.kind == "text" and not (value.tag or value.anchor)
        return text if known else f"{value.kind} {value.tag} {value.anchor} {text}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {said(inner)}' for key, inner in value.items())}}}"
    return f'"{value}"' if value.lower() in _WORDS else value


def added(before: str, after: str) -> tuple[str, ...]:
    """Return the fields that a text has more than another one, each as `steps.key: value`.

    Raises Unclear if anything else differs: a line that was there, or what is read of it.
    """
    lines = iter(after.splitlines())
    if not all(line in lines for line in before.splitlines()):
        raise Unclear("a line that was there has changed")
    old, new = trees(before), trees(after)
    if len(old) != len(new):
        raise Unclear("there is another document")
    several = len(old) > 1
    found: list[str] = []
    for number, (b, a) in enumerate(zip(old, new, strict=True)):
        found += _added(b, a, f"{number}." if several else "")
    return tuple(found)


def _added(before: Node, after: Node, at: str) -> Iterator[str]:
    own = [(n.kind, n.value, n.style, n.tag, n.anchor, n.flow) for n in (before, after)]
    if own[0] != own[1] or len(before.parts) != len(after.parts):
        raise Unclear(f"{at.rstrip('.')} is not what it was")
    for number, (b, a) in enumerate(zip(before.parts, after.parts, strict=True)):
        yield from _added(b, a, f"{at}{number}.")
    rest = list(before.pairs)
    for key, value in after.pairs:
        if rest and rest[0][0].value == key.value:
            pair = rest.pop(0)
            yield from _added(pair[0], key, at)
            yield from _added(pair[1], value, f"{at}{key.value}.")
        else:
            yield f"{at}{key.value}: {said(value)}"
    if rest:
        raise Unclear(f"{at}{rest[0][0].value} is gone")


def written(text: str, chain: tuple[Node, ...], at: str, fields: Mapping[str, Value]) -> Edit:
    """Return an insertion that was read again: nothing but the fields is new.

    `at` is the path to the map, as `added` says it. Raises Unclear if it would not be so.
    """
    edit = insertion(text, chain, fields)
    wanted = {f"{at}{key}: {said(value)}" for key, value in fields.items()}
    if set(added(text, apply(text, [edit]))) != wanted:
        raise Unclear("what is written would be read as something else")
    return edit
