"""Files that pass a build argument pass a secret of its name: all else in them is as it was.

Nothing here knows how the edits were made. What a file says is taken apart, the argument is put
in its new place, and that must be what the file says afterwards. Lines that do not speak of it, and
comments, are the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from refactor.outside.records import Build
from refactor.outside.secret_options import passed, recipe
from refactor.outside.secret_passing import argument, is_action, root, variable
from refactor.outside.shell_lines import MAX_DEPTH, commands
from refactor.outside.yaml_tree import Node, Unclear

if TYPE_CHECKING:
    from refactor.effects.stages import Surroundings

_DECLARED = re.compile(r" +environment: \"?\w+\"?")
_FRAME = re.compile(r"\s*(?:(?:args|build-args|secrets):(?: [|][-+]?)?)?\s*")


def footprint(path: str, name: str) -> frozenset[str]:
    """Return what a change claims that passes an argument of a file as a secret."""
    return frozenset({f"file {path}", f"{name} is passed as a secret"})


def claimed(words: frozenset[str]) -> tuple[str, str] | None:
    """Return the file and the argument's name of such a claim."""
    match = re.fullmatch(
        r"file (.+)\n(\w+) is passed as a secret",
        "\n".join(sorted(words, key=lambda word: not word.startswith("file "))),
    )
    return (match[1], match[2]) if match else None


def still_passed(after: Surroundings, name: str) -> str:
    """Return where a build passes an argument, which it is no longer; empty if none does."""
    found = after.invocations.passed if after.invocations else ()
    return next((f"{said.path}, line {said.line}" for said in found if said.value == name), "")


def difference(
    around: tuple[Surroundings, Surroundings], path: str, names: frozenset[str]
) -> str | None:
    """Return what differs in a file besides how it passes arguments; None if that is all."""
    before, after = around
    old, new = before.read(path), after.read(path)
    known = before.invocations
    if old is None or new is None or known is None:
        return f"{path} was not there, or is gone"
    passing = [said for said in known.passed if said.path == path and said.value in names]
    ours = [build for build in known.builds if build.path == path]
    if any(said.line not in {build.line for build in ours} for said in passing):
        return f"{path} may pass it to another Dockerfile"
    if strange := _strange(old, new, names):
        return f"{path}: another line differs: {strange[:40]}"
    try:
        return None if _same(old, new, path, names, ours) else f"{path} says something else"
    except Unclear as error:
        return f"{path}: {error}"


def _strange(old: str, new: str, names: frozenset[str]) -> str:
    """Return the start of a line that has changed and does not speak of the arguments."""
    word = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(names))})(?!\w)")
    rows = old.splitlines(), new.splitlines()
    told = [[row for row in text if "#" in row] for text in rows]
    if told[0] != told[1]:
        return "a comment"
    gone, come = Counter(rows[0]) - Counter(rows[1]), Counter(rows[1]) - Counter(rows[0])
    for row in (*gone, *come):
        framed = _FRAME.fullmatch(row) or (row in come and _DECLARED.fullmatch(row))
        if not (word.search(row) or framed):
            return row.strip().partition("=")[0]
    return ""


def _same(old: str, new: str, path: str, names: frozenset[str], ours: Iterable[Build]) -> bool:
    if not path.endswith((".yml", ".yaml")):
        return _commands(old, names, recipe) == _commands(new, frozenset(), recipe)
    lines = {build.line for build in ours}
    before, after = root(old, path), root(new, path)
    composed = before.get("services") is not None and before.get("jobs") is None
    wanted = _data(before, names, lines if not composed else set())
    found = _data(after, frozenset(), set())
    if composed:
        for name in sorted(names):
            _expect(before, wanted, name, lines)
    return bool(_settled(wanted) == _settled(found))


def _commands(text: str, names: frozenset[str], shell: Any = str) -> list[list[str]]:
    """Return the commands of a text, with secrets for arguments."""
    found = []
    for line in commands(shell(text), depth=MAX_DEPTH):
        words = [word.value for word in line.words]
        for name in sorted(names):
            for given in passed(line.words, name):
                secret = f"id={name},env={given.variable or name}"
                several = ["--secret", secret] if given.several else [f"--secret={secret}"]
                words[given.at : given.at + 1 + given.several] = several
        found.append(words)
    return found


def _data(node: Node, names: frozenset[str], lines: set[int]) -> Any:
    """Return what a node says; steps on some lines, and commands, pass secrets."""
    if node.kind == "map":
        given = {key.value: _data(value, names, lines) for key, value in node.pairs}
        inputs = node.get("with")
        if inputs is not None and inputs.line in lines and is_action(node):
            for name in sorted(names):
                _moved(given["with"], name)
        said: Any = given
    elif node.kind == "list":
        said = [_data(part, names, lines) for part in node.parts]
    elif node.kind == "text" and re.search(r"--(?:build-arg|secret)\b", node.value):
        said = _commands(node.value, names)
    else:
        said = (node.kind, node.value if node.style else node.value.strip(), bool(node.style))
    return ("anchor", node.anchor, node.tag, said) if node.anchor or node.tag else said


def _moved(inputs: dict[str, Any], name: str) -> None:
    """Move a line of an action's arguments to its secrets."""
    given = inputs.get("build-args")
    rows = given[1].split("\n") if isinstance(given, tuple) else []
    wanted = [row.strip().strip("\"'") for row in rows if row.strip(" \"'").startswith(f"{name}=")]
    if len(wanted) != 1:
        return
    inputs["build-args"] = ("text", "\n".join(r for r in rows if wanted[0] not in r), True)
    known = inputs.get("secrets", ("text", "", True))
    inputs["secrets"] = ("text", "\n".join((known[1].rstrip("\n"), wanted[0])), True)


def _expect(before: Node, wanted: Any, name: str, lines: set[int]) -> None:
    """Move an argument of compose services, on some lines, to the secrets in their data."""
    services = before.get("services")
    assert services is not None
    for key, service in services.pairs:
        build = service.get("build")
        args = build.get("args") if build is not None and build.line in lines else None
        if args is None:
            continue
        try:
            _, _, value = argument(args, name)
        except Unclear:
            continue
        source = variable(value, name)
        data = _inside(wanted, "services", key.value, "build")
        given = _inside(data, "args")
        if isinstance(given, dict):
            del given[name]
        else:
            given[:] = [v for v in given if v[1].partition("=")[0] != name]
        data.setdefault("secrets", [])
        if ("text", name, False) not in _inside(data, "secrets"):
            _inside(data, "secrets").append(("text", name, False))
        wanted.setdefault("secrets", {})
        declared = {"environment": ("text", source, False)}
        if _settled(_inside(wanted, "secrets").setdefault(name, declared)) != _settled(declared):
            raise Unclear(f"there is another secret {name}")


def _inside(data: Any, *keys: str) -> Any:
    """Return what is found going down keys, whatever anchors stand on the way."""
    for key in keys:
        data = data[key]
        if isinstance(data, tuple) and data[0] == "anchor":
            data = data[3]
    return data


def _settled(data: Any) -> Any:
    """Return data without what is empty in a map, and without the blank ends of texts."""
    if isinstance(data, dict):
        inner = {key: _settled(value) for key, value in data.items()}
        return {
            key: value
            for key, value in inner.items()
            if key not in ("args", "build-args") or value not in ([], {}, "")
        }
    if isinstance(data, list):
        return [_settled(value) for value in data]
    if isinstance(data, tuple) and data[0] == "text":
        return data[1].strip("\n")
    if isinstance(data, tuple):
        return tuple(map(_settled, data))
    return data
