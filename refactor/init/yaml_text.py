"""One more item of a list or mapping of a YAML file, as an edit of its text.

Comments, indentation, quotes and anchors stay: all other characters are those of the file. That
nothing else changes its meaning either is not believed but seen: the parser's events of the new
text are those of the old one and, in one place, those of the item.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

MAX = 256 * 1024
_COMMENT = re.compile(r"( *)#[^\n]*(?:\n|\Z)")
_NO_COMMENTS = re.compile(r"(?m)^[ \t]*#.*$")


class NotAdded(ValueError):
    """The item has to be added by hand; the message says why."""


class _Place(NamedTuple):
    """A list or mapping: its first and last event, and the column of its items."""

    start: int
    end: int
    column: int


def added(text: str, path: tuple[str, ...], item: str, behind: int | None = None) -> str:
    """Return a text with an item in the collection at a path of keys.

    The item is a text that starts in column 0: `- value` for a list, `key: value` for a mapping. It
    comes last, or `behind` that item of a list. Raises NotAdded.
    """
    events = _events(text)
    place = _find(events, path)
    if events[place.start].flow_style or place.end - place.start == 1:
        raise NotAdded(f"{_name(path)} has no line for each item")
    nodes = [] if behind is None else _items(events, place)[behind + 1 :]
    end = nodes[0] if nodes else place.end
    if nodes:
        after = _between(text, events[end].start_mark.index, _indented(item, place.column))
    else:
        after = _inserted(text, _end(text, events, place), _indented(item, place.column))
    one = _events(item)[3:-3]
    wanted = [*events[:end], *one, *events[end:]]
    if [_shape(event) for event in _events(after)] != [_shape(event) for event in wanted]:
        raise NotAdded("it is written in a way that does not let one add an item")
    return after


def keys(text: str, path: tuple[str, ...] = ()) -> list[str]:
    """Return the keys of the mapping at a path; none if there is no such mapping."""
    return _read(text, path, deep=False)


def values(text: str, path: tuple[str, ...] = ()) -> list[str]:
    """Return all keys and plain values below a path; none if there is no such collection."""
    return _read(text, path, deep=True)


def _read(text: str, path: tuple[str, ...], deep: bool) -> list[str]:
    try:
        events = _events(text)
        place = _find(events, path)
    except NotAdded:
        return []
    places = range(place.start, place.end) if deep else _items(events, place)[::2]
    return [events[at].value for at in places if hasattr(events[at], "value")]


def _events(text: str) -> list[Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if len(text) > MAX:
        raise NotAdded("it is too long")
    try:
        return list(YAML(typ="safe", pure=True).parse(text))
    except (YAMLError, ValueError, RecursionError) as error:
        raise NotAdded(f"it cannot be read as YAML ({type(error).__name__})") from None


def _ink(text: str) -> list[tuple[int, int]]:
    """Return where each token that is written starts and ends; the start of a block is not."""
    from ruamel.yaml import YAML

    marks = ((t.start_mark.index, t.end_mark.index) for t in YAML(pure=True).scan(text))
    return [(start, end) for start, end in marks if start < end]


def _shape(event: Any) -> tuple[Any, ...]:
    """Return what an event says, wherever it stands."""
    names = ("anchor", "tag", "implicit", "value", "style", "flow_style", "explicit", "version")
    return (type(event).__name__, *(str(getattr(event, name, None)) for name in names))


def _is_start(event: Any) -> bool:
    return type(event).__name__ in ("MappingStartEvent", "SequenceStartEvent")


def _is_end(event: Any) -> bool:
    return type(event).__name__ in ("MappingEndEvent", "SequenceEndEvent")


def _after(events: list[Any], at: int) -> int:
    """Return the place of the event behind a node."""
    depth = 0
    while True:
        depth += _is_start(events[at]) - _is_end(events[at])
        at += 1
        if depth == 0:
            return at


def _items(events: list[Any], place: _Place) -> list[int]:
    """Return where the nodes of a collection start: of a mapping, keys and values in turn."""
    found, at = [], place.start + 1
    while at < place.end:
        found.append(at)
        at = _after(events, at)
    return found


def _find(events: list[Any], path: tuple[str, ...]) -> _Place:
    documents = [at for at, e in enumerate(events) if type(e).__name__ == "DocumentStartEvent"]
    if len(documents) != 1:
        raise NotAdded("it holds several documents" if documents else "it is empty")
    place = _collection(events, documents[0] + 1, ())
    for depth, key in enumerate(path, 1):
        items = _items(events, place)
        at = next((v for k, v in zip(items[::2], items[1::2], strict=False)
                   if getattr(events[k], "value", None) == key), None)  # fmt: skip
        if at is None:
            raise NotAdded(f"it has no `{key}`")
        place = _collection(events, at, path[:depth])
    return place


def _collection(events: list[Any], at: int, path: tuple[str, ...]) -> _Place:
    if not _is_start(events[at]):
        raise NotAdded(f"{_name(path)} is no list or mapping")
    return _Place(at, _after(events, at) - 1, events[at].start_mark.column)


def _name(path: tuple[str, ...]) -> str:
    return f"`{path[-1]}`" if path else "it"


def _end(text: str, events: list[Any], place: _Place) -> int:
    """Return the start of the line where the next item of a collection would be written."""
    end = events[place.end].start_mark.index  # of a block: where the next token happens to be
    last = max(end_of_ink for start, end_of_ink in _ink(text) if start < end)
    at = last if text[last - 1] == "\n" else text.find("\n", last) + 1 or len(text)
    if not _NO_COMMENTS.sub("", text[at:]).strip():
        return max(at, text.find("\n", len(text.rstrip())) + 1 or len(text))
    # In column 0, what comes next is not told from the comments of the last item.
    while place.column and (comment := _COMMENT.match(text, at)):
        if len(comment[1]) < place.column:
            break
        at = comment.end()
    return at


def _inserted(text: str, at: int, item: str) -> str:
    """Return a text with an item at the start of a line, behind an empty one if it has a name."""
    newline = "\r\n" if "\r\n" in text else "\n"
    before = text[:at] + ("" if text[:at].endswith("\n") else newline)
    gap = not item.lstrip().startswith("- ") and not re.search(r"\n[ \t\r]*\n\Z", before)
    return before + newline * gap + item.replace("\n", newline) + text[at:]


def _between(text: str, following: int, item: str) -> str:
    """Return a text with an item in front of the one that starts somewhere, as far apart."""
    ink = [end for start, end in _ink(text) if start < following]
    last = ink[-2]  # the last one is the dash of the item that follows
    at = len(text[:last].rstrip())
    at = text.find("\n", at) + 1
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = newline if re.match(r"[ \t]*\r?\n", text[at:]) else ""
    return text[:at] + gap + item.replace("\n", newline) + text[at:]


def _indented(item: str, column: int) -> str:
    return re.sub(r"(?m)^(?=.)", " " * column, item)
