"""A value in a Python file becomes one of the environment: the trees are equal but for that.

Nothing here knows how the edit was made. Both texts are read by `ast`, the one value and an
`import os` in front of it are put back, and what is left must be the same, comments included.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Mapping

EXAMPLE = ".env.example"  # where a project says which variables it reads


def footprint(path: str, name: str, example: str) -> frozenset[str]:
    """Return what a change claims that reads a name of a file from the environment."""
    words = {f"file {path}", f"{name} is read from the environment"}
    return frozenset(words | ({f"+ {name} in {example}"} if example else set()))


def claimed(words: frozenset[str]) -> tuple[str, str, str] | None:
    """Return the file, the name, and the file of examples that such a claim speaks of."""
    text = "\n".join(sorted(words, key=lambda word: (word[:1] == "+", word[:5] != "file ")))
    match = re.fullmatch(
        r"file (.+)\n(\w+) is read from the environment(?:\n\+ (\w+) in (.+))?", text
    )
    if match is None or (match[3] and match[3] != match[2]):
        return None
    return match[1], match[2], match[4] or ""


def difference(
    before: Mapping[str, str | None], after: Mapping[str, str], path: str, name: str, example: str
) -> str | None:
    """Return what differs in files besides a value that is claimed; None if that is all."""
    if set(after) != {path} | ({example} if example else set()):
        return "other files are written"
    old, new = before[path], after[path]
    if old is None:
        return f"{path} was not there"
    if example:
        lines = before[example] or ""
        lead = lines if not lines or lines.endswith("\n") else f"{lines}\n"
        if after[example].replace("\r\n", "\n") != f"{lead}{name}=\n".replace("\r\n", "\n"):
            return f"{example} says something else"
    try:
        same = _tree(old, name, False) == _tree(new, name, True)
        comments = _comments(old) == _comments(new)
    except (SyntaxError, ValueError, RecursionError, tokenize.TokenError, _Other) as error:
        return f"{path}: {error or 'it is not read'}"
    return None if same and comments else f"{path} says something else"


class _Other(Exception):
    """The file is not what the claim says."""


def _tree(text: str, name: str, taken: bool) -> str:
    """Return a module's tree without a value; `taken`: it is now taken from the environment."""
    module = ast.parse(text)
    bound = [n for n in ast.walk(module) if isinstance(n, ast.Name) and n.id == name]
    if sum(isinstance(n.ctx, ast.Store | ast.Del) for n in bound) != 1:
        raise _Other(f"{name} is not bound once")
    place = next((i for i, s in enumerate(module.body) if _binds(s, name)), None)
    if place is None:
        raise _Other(f"{name} is bound in an inner scope")
    statement = module.body[place]
    assert isinstance(statement, ast.Assign | ast.AnnAssign)
    value = statement.value
    assert value is not None
    wanted = ast.dump(ast.parse(f"os.environ[{name!r}]", mode="eval").body)
    literal = isinstance(value, ast.Constant) and isinstance(value.value, str)
    if (taken and ast.dump(value) != wanted) or (not taken and not literal):
        raise _Other(f"{name} has another value")
    statement.value = ast.Constant(None)
    imports = [
        s for s in module.body[:place] if ast.dump(s) == ast.dump(ast.parse("import os").body[0])
    ]
    if taken and (not imports or _rebinds_os(module)):
        raise _Other("os is not the module")
    module.body = [s for s in module.body if s not in imports[:1]]
    return ast.dump(module)


def _binds(statement: ast.stmt, name: str) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = [statement.target]
    return len(targets) == 1 and isinstance(targets[0], ast.Name) and targets[0].id == name


def _rebinds_os(module: ast.Module) -> bool:
    """Whether the name `os` may be something else than the module."""
    for node in ast.walk(module):
        if isinstance(node, ast.Name) and node.id == "os" and not isinstance(node.ctx, ast.Load):
            return True
        if isinstance(node, ast.alias) and (node.asname or node.name) == "os" and node.name != "os":
            return True
        if isinstance(node, ast.ImportFrom) and any(a.name in ("os", "*") for a in node.names):
            return True
        if getattr(node, "name", "") == "os" and not isinstance(node, ast.alias):
            return True  # a function, a class, or what an `except` catches
    return False


def _comments(text: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]
