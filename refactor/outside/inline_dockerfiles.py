"""Dockerfiles that stand in compose files, as literal blocks under `dockerfile_inline`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from refactor.context import Context
from refactor.outside.yaml_tree import MAX_TEXT, Node, Unclear, trees
from refactor.source import Unreadable, decode, encode

KEY = "dockerfile_inline"
_HEADER = re.compile(r"\|[+-]?[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)")


@dataclass(frozen=True)
class Block:
    """A Dockerfile in a compose file: `start` and `end` are those of its lines, indented as there.

    `text` is what an engine reads; `line` is that of its first line in the file.
    """

    service: str
    start: int
    end: int
    line: int
    indent: int
    text: str


def place(path: str, service: str) -> str:
    """Return what stands for the path of a Dockerfile that a service holds."""
    return f"{path}#{service}"


def blocks(text: str) -> tuple[Block, ...]:
    """Return the Dockerfiles in a compose file's text.

    Raises Unclear if one cannot be told from what is written, byte for byte.
    """
    found = []
    for root in trees(text):
        services = root.get("services")
        for name, service in services.pairs if services is not None else ():
            build = service.get("build")
            node = build.get(KEY) if build is not None else None
            if node is not None:
                found.append(_block(text, name.value, node))
    return tuple(found)


def held(tree: Context, where: str) -> bytes:
    """Return the Dockerfile that a `place` stands for; nothing if it is the path of a file.

    Of one that cannot be told the whole file is returned, and is read as words.
    """
    path, _, service = where.rpartition("#")
    if not path or tree.kind(where):
        return b""
    data = tree.head(path, MAX_TEXT + 1)
    try:
        found = blocks(decode(data))
    except (Unclear, Unreadable):
        return data
    return next((encode(block.text) for block in found if block.service == service), data)


def _block(text: str, service: str, node: Node) -> Block:
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
    found = Block(service, start, end, node.line + 1, indent, inner.replace("$$", "$"))
    if "\r" in inner.replace("\r\n", "") or _indented(found, found.text) != text[start:end]:
        raise Unclear(f"{where} has blanks that do not belong to it")
    if inner.replace("\r\n", "\n").rstrip("\n") != node.value.rstrip("\n"):
        raise Unclear(f"{where} is not what is read of it")
    return found


def _indented(block: Block, inner: str) -> str:
    lines = inner.replace("$", "$$").splitlines(keepends=True)
    return "".join(" " * block.indent + line if line.strip() else line for line in lines)


def replaced(text: str, block: Block, inner: str) -> str:
    """Return a compose file's text with another Dockerfile in a block.

    Raises Unclear if it would be read as something else.
    """
    after = text[: block.start] + _indented(block, inner) + text[block.end :]
    wanted = {found.service: found.text for found in blocks(text)} | {block.service: inner}
    if {found.service: found.text for found in blocks(after)} != wanted:
        raise Unclear(f"the Dockerfile of {block.service} would be read as something else")
    return after
