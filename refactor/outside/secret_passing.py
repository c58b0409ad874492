"""What passes a build argument passes a secret: compose files, workflows, scripts and Makefiles.

Each function takes a text and returns another one, read afresh for each step. Lines are taken out
and put in whole; whatever leaves a doubt raises Unclear, and nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from refactor.outside.records import Build
from refactor.outside.secret_options import as_secret
from refactor.outside.yaml_tree import Node, Unclear, insertion, trees, walk
from refactor.source import apply

MAX_BUILDS = 16  # of one file: it is read again for each
ACTION = re.compile(r"docker/build-push-action@")
WORKFLOW = re.compile(r"(?:\A|/)\.github/workflows/[^/]+\Z")
_EXPRESSION = re.compile(r"\$\{\{[^{}\n]*\}\}")
_MAKEFILE = re.compile(r"(?:\A|/)(?:GNU)?[Mm]akefile[\w.-]*\Z|\.mk\Z")

Chain = tuple[Node, ...]


def rewritten(text: str, path: str, name: str, builds: Iterable[Build]) -> str:
    """Return a file's text in which builds pass a secret of an argument's name.

    `builds` are all that pass it there. Raises Unclear if any of them cannot be told apart.
    """
    found = tuple(builds)
    if len(found) > MAX_BUILDS:
        raise Unclear(f"more than {MAX_BUILDS} builds pass it")
    kinds = {build.kind for build in found}
    if kinds == {"compose"}:
        return _composed(text, name, {build.line for build in found})
    if kinds == {"script"}:
        return as_secret(text, [text], name)
    if kinds == {"makefile"} and _MAKEFILE.search(path):
        recipes = [row for row in re.split(r"(?<!\\)\n", text) if row[:1] == "\t"]
        return as_secret(text, recipes, name, make=True)
    if kinds == {"ci"} and path.endswith((".yml", ".yaml")):
        return _of_pipeline(text, path, name, {build.line for build in found})
    raise Unclear("files of this kind are not changed")


def chains(chain: Chain) -> Iterable[Chain]:
    """Yield the ways from a document's root to each node in it."""
    yield chain
    for node in chain[-1].inner:
        yield from chains((*chain, node))


def root(text: str, path: str = "") -> Node:
    """Return the one document of a text; workflows are no templates, whatever is in them."""
    found = trees(text, WORKFLOW.search(path) is not None)
    if len(found) != 1 or found[0].kind != "map":
        raise Unclear("it is not one document")
    return found[0]


def variable(value: str | None, name: str) -> str:
    """Return the variable of the environment that a compose file takes an argument from."""
    if value is None:
        return name
    match = re.fullmatch(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", value)
    if match is None:
        raise Unclear(f"the value of {name} is no variable of its own")
    return match[1] or match[2]


def argument(args: Node, name: str) -> tuple[Node, Node, str | None]:
    """Return where an entry of `args` starts and ends, and its value, None if it has none."""
    for key, value in args.pairs:
        if key.value == name:
            null = value.kind == "text" and not value.style and value.value in ("", "~", "null")
            if value.kind != "text":
                break
            return key, value if value.value else key, None if null else value.value
    for part in args.parts:
        label, sign, given = part.value.partition("=")
        if part.kind == "text" and label == name:
            return part, part, given if sign else None
    raise Unclear(f"{name} does not stand among the arguments itself")


def _composed(text: str, name: str, lines: set[int]) -> str:
    services = root(text).get("services")
    names = [
        key.value
        for key, service in (services.pairs if services else ())
        if (build := service.get("build")) and build.line in lines
    ]
    if len(names) != len(lines):
        raise Unclear("a service is not found")
    for service in names:
        text = _service(text, service, name)
    return text


def _service(text: str, service: str, name: str) -> str:
    top = root(text)
    chain = _down(top, "services", service, "build", "args")
    _own(chain)
    entry, end, value = argument(chain[-1], name)
    source = variable(value, name)
    block = chain[-1]
    if block.flow:
        raise Unclear(f"line {block.line}: the arguments stand in brackets")
    if len(block.pairs or block.parts) == 1:
        key = next(key for key, node in chain[-2].pairs if node is block)
        text = _without(text, key, end)
    else:
        text = _without(text, entry, end)
    chain = _down(root(text), "services", service, "build")
    known = chain[-1].get("secrets")
    if known is None:
        text = apply(text, [insertion(text, chain, {"secrets": (name,)})])
    elif known.kind == "list" and all(part.kind == "text" for part in known.parts):
        if name not in (part.value for part in known.parts):
            _own((*chain, known))
            text = _appended(text, known, name)
    else:
        raise Unclear(f"line {known.line}: the secrets are no plain list")
    return _declared(text, name, source)


def _declared(text: str, name: str, source: str) -> str:
    """Return a compose file that declares a secret, from a variable of the environment."""
    top = root(text)
    known = top.get("secrets")
    if known is None:
        return apply(text, [insertion(text, (top,), {"secrets": {name: {"environment": source}}})])
    here = known.get(name)
    if here is None:
        return apply(text, [insertion(text, (top, known), {name: {"environment": source}})])
    given = {key.value: value.value for key, value in here.pairs}
    if given != {"environment": source}:
        raise Unclear(f"line {here.line}: there is another secret of the name {name}")
    return text


def _down(top: Node, *keys: str) -> Chain:
    chain = [top]
    for key in keys:
        found = chain[-1].get(key)
        if found is None:
            raise Unclear(f"{key} is not found")
        chain.append(found)
    return tuple(chain)


def _own(chain: Chain) -> None:
    """Raise Unclear if a node on the way is used in another place too."""
    aliases = {node.value for node in walk(chain[0]) if node.kind == "alias"}
    if any(node.anchor in aliases for node in chain if node.anchor):
        raise Unclear(f"line {chain[-1].line}: it is used in another place too")


def _without(text: str, first: Node, last: Node) -> str:
    """Return a text without the lines of nodes, which nothing else stands on or is about."""
    start = text.rfind("\n", 0, first.start) + 1
    end = text.find("\n", max(last.end - 1, first.end)) + 1 or len(text)
    lead, gone = text[start : first.start], text[start:end]
    above = text[:start].rstrip("\r\n").rpartition("\n")[2]
    if lead.strip(" -") or lead.count("-") > 1 or "#" in gone or above.lstrip().startswith("#"):
        raise Unclear(f"line {first.line}: a comment, or another key, stands beside it")
    return text[:start] + text[end:]


def _appended(text: str, items: Node, value: str) -> str:
    """Return a text with another item in a block list."""
    last = items.parts[-1]
    start = text.rfind("\n", 0, last.start) + 1
    end = text.find("\n", last.end) + 1
    row = text[start : end or len(text)]
    if items.flow or last.style in ("|", ">") or not re.match(r" *- +\S+ *\r?\n?\Z", row):
        raise Unclear(f"line {items.line}: the secrets are no plain list")
    newline = "\r\n" if row.endswith("\r\n") else "\n"
    lead = text[start : last.start]
    if not end:
        return f"{text}{newline}{lead}{value}"
    return f"{text[:end]}{lead}{value}{newline}{text[end:]}"


def _of_pipeline(text: str, path: str, name: str, lines: set[int]) -> str:
    top = root(text, path)
    steps = [
        chain
        for chain in chains((top,))
        if (given := chain[-1].get("with")) and given.line in lines and is_action(chain[-1])
    ]
    for chain in steps:
        _own(chain)
    done = {chain[-1].get("with").line for chain in steps}  # type: ignore[union-attr]
    if done != lines:
        bodies = [n.value for n in walk(top) if n.kind == "text" and "--build-arg" in n.value]
        text = as_secret(text, bodies, name)  # it moves no line
    for chain in reversed(steps):
        given = chain[-1].get("with")
        assert given is not None
        text = _step(text, given, name)
    return text


def is_action(step: Node) -> bool:
    """Whether a step of a workflow is the action that builds."""
    uses = step.get("uses")
    return uses is not None and ACTION.match(uses.value) is not None


def _step(text: str, given: Node, name: str) -> str:
    """Return a workflow in which the inputs of a step, which stand on their own lines, pass it."""
    newline = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    lines = text.splitlines(keepends=True)
    key, value = next((p for p in given.pairs if p[0].value == "build-args"), (None, None))
    if key is None or value is None or given.flow or value.kind != "text":
        raise Unclear(f"line {given.line}: the arguments are not found")
    first, last = _rows(lines, key, value)
    kept = [n for n in range(first, last) if not _names(lines[n], name)]
    if len(kept) != last - first - 1:
        raise Unclear(f"line {key.line}: {name} is not passed once")
    entry = next(n for n in range(first, last) if n not in kept)
    passed = _passed(lines[entry] if entry >= key.line else value.value, name)
    above = entry - 1 if kept else key.line - 2
    if above >= 0 and lines[above].lstrip().startswith("#"):
        raise Unclear(f"line {above + 1}: a comment is about it")
    margin = " " * key.column
    inner = re.match(r" *", lines[entry])[0] if entry >= key.line else f"{margin}  "  # type: ignore[index]
    secrets = next((p for p in given.pairs if p[0].value == "secrets"), None)
    out = {entry} if kept else {*range(key.line - 1, last)}
    added = [f"{margin}secrets: |{newline}", f"{inner}{passed}{newline}"]
    at = last
    if secrets is not None:
        start, at = _rows(lines, *secrets)
        if start != secrets[0].line or any(_names(row, name) for row in lines[start:at]):
            raise Unclear(f"line {secrets[0].line}: the secrets are no block of lines")
        added = [f"{re.match(r' *', lines[start])[0]}{passed}{newline}"]  # type: ignore[index]
    rows = [row for n, row in enumerate(lines[:at]) if n not in out]
    rest = [row for n, row in enumerate(lines[at:], at) if n not in out]
    if rows and not rows[-1].endswith("\n"):
        rows[-1] += newline
        added[-1] = added[-1].removesuffix(newline)
    return "".join((*rows, *added, *rest))


def _rows(lines: list[str], key: Node, value: Node) -> tuple[int, int]:
    """Return the first and the last line, not included, of a text that is a key's value."""
    if not value.style and "\n" not in value.value and value.line == key.line:
        if "#" in lines[key.line - 1]:
            raise Unclear(f"line {key.line}: a comment stands beside it")
        return key.line - 1, key.line
    if value.style != "|" or not re.search(r":[ ]+\|[-+]?[ ]*\r?\n?\Z", lines[key.line - 1]):
        raise Unclear(f"line {key.line}: it is no block of lines")
    end = key.line
    while end < len(lines) and (
        not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip(" ")) > key.column
    ):
        end += 1
    while end > key.line and not lines[end - 1].strip():
        end -= 1
    return key.line, end


def _names(row: str, name: str) -> bool:
    return re.search(rf"(?<!\w){name}(?!\w)", _EXPRESSION.sub("", row)) is not None


def _passed(row: str, name: str) -> str:
    """Return a line of the action's input if it passes an expression, and nothing else."""
    line = row.strip()
    match = re.fullmatch(rf"([\"']?){name}=({_EXPRESSION.pattern})\1", line)
    if match is None:
        raise Unclear(f"the value of {name} is no expression of its own")
    return f"{name}={match[2]}"
