"""Dockerfiles in other files: under `dockerfile_inline` of compose, `dockerfile-inline` of bake.

Each is read with its place, so that another one can be written there; every other character of the
file stays as it is. What fills something in as the file is read, or is written in a way that would
not come back as it stands, is not read at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

from refactor.context import Context
from refactor.outside import bake_files
from refactor.outside.bake_files import Value
from refactor.outside.yaml_tree import MAX_TEXT, Node, Unclear, trees
from refactor.source import Unreadable, decode, encode

KEY = "dockerfile_inline"
BAKE_KEY = "dockerfile-inline"
_HEADER = re.compile(r"\|[+-]?[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)")
_FILLED = re.compile(r"\$\{|%\{")
_ESCAPED = re.compile(r"(?<!\$)\$\$\{|(?<!%)%%\{")
_MARKED = re.compile(r"\$\$\{|%%\{")
# In a quoted text of HCL, and, with others, of JSON.
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MEANT = {written: meant for meant, written in _ESCAPES.items()}


@dataclass(frozen=True)
class Block:
    """A Dockerfile in another file: `start` and `end` are those of what stands for it there.

    `name` is that of the service or target, `text` what an engine reads, and `line` that of its
    first line in the file. `spelled` gives how a text would be written there.
    """

    name: str
    start: int
    end: int
    line: int
    text: str
    spelled: Callable[[str], str]
    on_one_line: bool = False

    def outer(self, line: int) -> int:
        """Return the line of the file that a line of the Dockerfile stands on; 0 stays 0."""
        return self.line + line - 1 if line and not self.on_one_line else line and self.line

    def at(self, offset: int) -> int:
        """Return the offset in the file of the start of a line of the Dockerfile, or of its end."""
        return self.start + len(self.spelled(self.text[:offset]))


def place(path: str, name: str) -> str:
    """Return what stands for the path of a Dockerfile that a service or target holds."""
    return f"{path}#{name}"


def holder(where: str) -> tuple[str, str]:
    """Return the file that a `place` is in and the name there; of a path, itself and nothing."""
    path, _, name = where.rpartition("#")
    return (path, name) if path.endswith((".yaml", ".yml", ".hcl", ".json")) else (where, "")


@lru_cache(maxsize=64)
def blocks(path: str, text: str) -> tuple[Block, ...]:
    """Return the Dockerfiles in a file's text.

    Raises Unclear if one cannot be told from what is written, byte for byte.
    """
    found = tuple(_in_compose(text) if path.endswith((".yaml", ".yml")) else _in_bake(path, text))
    names = [block.name for block in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise Unclear(f"{twice[0]} holds two Dockerfiles")
    return found


def held(tree: Context, where: str) -> bytes:
    """Return the Dockerfile that a `place` stands for; nothing if it is the path of a file.

    Of one that cannot be told the whole file is returned, and is read as words.
    """
    path, name = holder(where)
    if not name or tree.kind(where):
        return b""
    data = tree.head(path, MAX_TEXT + 1)
    try:
        found = blocks(path, decode(data))
    except (Unclear, Unreadable):
        return data
    return next((encode(block.text) for block in found if block.name == name), data)


def block_of(tree: Context | None, where: str) -> Block | None:
    """Return the Dockerfile that a `place` stands for, where it stands; None if it is a path."""
    path, name = holder(where)
    if not name or tree is None or tree.kind(where):
        return None
    found = blocks(path, decode(tree.head(path, MAX_TEXT + 1)))
    return next((block for block in found if block.name == name), None)


def replaced(path: str, text: str, name: str, inner: str) -> str:
    """Return a file's text with another Dockerfile in the place of the one of a name.

    Raises Unclear if it would be read as something else.
    """
    found = {block.name: block for block in blocks(path, text)}
    if name not in found:
        raise Unclear(f"{name} holds no Dockerfile any more")
    block = found[name]
    after = text[: block.start] + block.spelled(inner) + text[block.end :]
    wanted = {other.name: other.text for other in found.values()} | {name: inner}
    if {other.name: other.text for other in blocks(path, after)} != wanted:
        raise Unclear(f"the Dockerfile of {name} would be read as something else")
    return after


def written(place: str, text: str, files: Mapping[str, str], first: str = "") -> dict[str, str]:
    """Return the texts of all files of a state, by their paths: a held Dockerfile's in its file.

    `first` is the text of that file where `files` have none. Raises Unclear as `replaced` does.
    """
    path, name = holder(place)
    return {**files, path: replaced(path, files.get(path, first), name, text) if name else text}


def _in_compose(text: str) -> Iterator[Block]:
    for root in trees(text):
        services = root.get("services")
        for name, service in services.pairs if services is not None else ():
            build = service.get("build")
            node = build.get(KEY) if build is not None else None
            if node is not None:
                yield _literal(text, name.value, node)


def _literal(text: str, service: str, node: Node) -> Block:
    where = f"line {node.line}: the Dockerfile of {service}"
    header = _HEADER.match(text, node.start)
    if node.style != "|" or header is None:
        raise Unclear(f"{where} is not written as a literal block")
    start = header.end()
    end = len(text[: node.end].rstrip())
    end = text.find("\n", end) + 1 or len(text)
    lines = text[start:end].splitlines(keepends=True)
    indent = len(lines[0]) - len(lines[0].lstrip(" ")) if lines else 0
    inner = "".join(line[indent:] if line.strip() else line.lstrip(" ") for line in lines)
    if "$" in inner.replace("$$", ""):
        raise Unclear(f"{where} has variables that compose fills in; write $$ for a dollar sign")
    spelled = partial(_doubled, " " * indent)
    found = Block(service, start, end, node.line + 1, inner.replace("$$", "$"), spelled)
    if "\r" in inner.replace("\r\n", "") or spelled(found.text) != text[start:end]:
        raise Unclear(f"{where} has blanks that do not belong to it")
    if inner.replace("\r\n", "\n").rstrip("\n") != node.value.rstrip("\n"):
        raise Unclear(f"{where} is not what is read of it")
    return found


def _doubled(indent: str, text: str) -> str:
    return _indented(indent, text.replace("$", "$$"))


def _indented(indent: str, text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(indent + line if line.strip() else line for line in lines)


def _in_bake(path: str, text: str) -> Iterator[Block]:
    found = bake_files.read(path, text)
    if not found.sound:
        kind = "JSON" if path.endswith(".json") else "HCL"
        raise Unclear(f"it is not read as {kind}, or there is too much of it")
    for target in found.targets:
        value = target.fields.get(BAKE_KEY)
        if value is not None and value.written != "null":
            where = f"line {value.line}: the Dockerfile of {target.name}"
            yield _of_bake(value, target.name, where, path.endswith(".json"))


def _of_bake(value: Value, name: str, where: str, is_json: bool) -> Block:
    if value.kind not in ("text", "heredoc"):
        raise Unclear(f"{where} is no text that stands there: bake works it out")
    if value.filled or _FILLED.search(_MARKED.sub("", value.written)):
        raise Unclear(f"{where} has variables that bake fills in; write $${{ for ${{ if it has not")
    indent = _indent(value.written, where) if value.indented else ""
    spell = partial(_indented, indent)
    raw = value.written
    if value.kind == "text":
        spell = partial(_quoted, is_json)
        raw = _unquoted(raw, is_json)
    elif indent:
        raw = "".join(
            line.removeprefix(indent) if line.strip() else line
            for line in raw.splitlines(keepends=True)
        )
    inner = _ESCAPED.sub(lambda match: match[0][1:], raw)
    spelled = partial(_for_bake, spell)
    if spelled(inner) != value.written:
        raise Unclear(f"{where} has escapes or blanks that would not come back as they stand")
    return Block(
        name, value.start, value.end, value.line, inner, spelled, on_one_line=value.kind == "text"
    )


def _for_bake(spell: Callable[[str], str], text: str) -> str:
    return spell(_FILLED.sub(lambda match: match[0][0] + match[0], text))


def _indent(written: str, where: str) -> str:
    """Return what bake takes off the lines of an indented heredoc."""
    lines = [line for line in written.split("\n") if line.strip()]
    blanks = [line[: len(line) - len(line.lstrip())] for line in lines]
    shortest = min(blanks, key=len, default="")
    if any(not blank.startswith(shortest) for blank in blanks):
        raise Unclear(f"{where} is indented with blanks that differ from line to line")
    if shortest.strip(" \t"):
        raise Unclear(f"{where} is indented with other blanks than spaces and tabs")
    return shortest


def _quoted(is_json: bool, text: str) -> str:
    if is_json:
        import json

        return json.dumps(text, ensure_ascii=False)[1:-1]
    return "".join(_ESCAPES.get(char, char) for char in text)


def _unquoted(written: str, is_json: bool) -> str:
    if is_json:
        import json

        return str(json.loads(f'"{written}"'))
    return re.sub(r"\\.", lambda match: _MEANT.get(match[0], match[0]), written)
