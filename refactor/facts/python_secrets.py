"""Secrets that stand in the settings of a Python application, and what reading them takes."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from refactor.context import clean
from refactor.effects import Copy, Event, Exec, flat
from refactor.effects.declared_values import EXAMPLE
from refactor.effects.declared_values import footprint as footprint
from refactor.effects.placed import Placed
from refactor.facts import secret_words, sources
from refactor.facts.caches import own_events
from refactor.facts.packages import command_of, unwrap
from refactor.knowledge import table
from refactor.model import FileEdits, Refusal
from refactor.sent import Sent
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span, Unreadable

if TYPE_CHECKING:
    import libcst as cst

MAX_TEXT = 200 * 1024  # characters of a file that is read
_SETTINGS = re.compile(r"(?:\A|/)(?:settings|config|configuration)(?:\.py|/\w+\.py)\Z")
_ASIDE = re.compile(
    r"(?:\A|/)(?:tests?|docs?|examples?)/|(?:\A|/)(?:test_\w*|local|dev\w*|\w*test)\.py\Z"
)
_LINE = re.compile(r"(?m)^(\w+)[ \t]*(?::[ \t]*str[ \t]*)?=[ \t]*[rRuU]?[\"']")
_NO_FILES = re.compile(r"\btype=(?:cache|secret|ssh|tmpfs)\b")  # mounts without the build context
_PIP = re.compile(r"-m (?:pip|venv|ensurepip|compileall)\b")


class Literal(NamedTuple):
    """A secret in a file of the repository, and the edits by which it is read instead."""

    what: str
    name: str
    path: str
    line: int
    files: tuple[FileEdits, ...]
    example: str


def literals(snapshot: Snapshot) -> Iterator[Literal | Refusal]:
    """Yield each secret of the settings that a copy takes, or why it is left."""
    sent = snapshot.sent
    if sent is None or not sent.complete:
        return
    for path, at in sorted(_settings(snapshot, sent).items()):
        text = sent.text(path)
        if text is None or len(text) > MAX_TEXT or not _is_plain(snapshot, path, text):
            continue
        names = {m[1] for m in _LINE.finditer(text) if secret_words.of_name(m[1])}
        for name in sorted(names):
            found = _literal(snapshot, path, text, name, at)
            if found is not None:
                yield found


def _is_plain(snapshot: Snapshot, path: str, text: str) -> bool:
    """Whether a file reads the same in both ways: no byte order mark, nothing but UTF-8."""
    try:
        return snapshot.read(posixpath.join(clean(snapshot.home), path)) == text
    except Unreadable:
        return False


def _settings(snapshot: Snapshot, sent: Sent) -> dict[str, int]:
    """Return the modules of settings that copies take, with where the first may do so."""
    placed = Placed(sent)
    found: dict[str, int] = {}
    unknown: int | None = None  # the first copy of which it is not known what it takes
    for offset, event in sorted(sources.events(snapshot).items()):
        paths = placed.puts(event)
        if paths is None and event.origin is None and unknown is None:
            unknown = offset
        for path in (paths or {}).values():
            if path.endswith(".py") and _SETTINGS.search(path) and not _ASIDE.search(path):
                found.setdefault(path, offset if unknown is None else unknown)
    return found


def _literal(
    snapshot: Snapshot, path: str, text: str, name: str, at: int
) -> Literal | Refusal | None:
    found = _place(text, name)
    if found is None:
        return None
    value, line, start, end, imported = found
    if secret_words.is_placeholder(value) or secret_words.is_reference(value):
        return None
    where = f"{path}, line {line}"
    if imported is None:
        return Refusal("X732", f"{name} in {where}, or `os`, is bound more than once",
                       "bind it once", at)  # fmt: skip
    if program := _importer(snapshot, at):
        told = secret_words.mask(program[:80])
        return Refusal("X731", f"`{told}` may read {name} in {where} while the image is built",
                       "give the RUN a value for the build", at)  # fmt: skip
    newline = "\r\n" if "\r\n" in text else "\n"
    edits = [Edit(Span(start, end), f'os.environ["{name}"]')]
    if imported >= 0:
        edits.insert(0, Edit(Span(imported, imported), f"import os{newline}"))
    home = clean(snapshot.home)
    files = [FileEdits(posixpath.join(home, path), tuple(edits))]
    example = posixpath.join(home, EXAMPLE)
    known = snapshot.read(example)
    if known is not None and re.search(rf"(?m)^(?:export )?{name}[ \t]*=", known):
        example = ""
    else:
        lead = "\n" if known and not known.endswith("\n") else ""
        here = len(known or "")
        files.append(FileEdits(example, (Edit(Span(here, here), f"{lead}{name}=\n"),)))
    what = secret_words.of_name(name)
    return Literal(what, name, posixpath.join(home, path), line, tuple(files), example)


def _importer(snapshot: Snapshot, at: int) -> str:
    """Return a command of a RUN that may import settings copied at a place, empty if none does."""
    rows = {row["command"]: set(row["reads"].split()) for row in table("commands")}
    for event in _events(snapshot, at):
        if not isinstance(event, Exec):
            return event.text
        words, _ = unwrap(command_of(event.argv).words)
        reads = rows.get(words[0].text) if words else set()
        plain = reads is not None and "any" not in reads
        if not plain and not _PIP.search(event.text):
            return event.text
    return ""


def _events(snapshot: Snapshot, at: int) -> Iterator[Event]:
    """Yield what runs behind a place, where the build context is mounted, or in a trigger."""
    for run in snapshot.runs:
        if run.triggered:
            continue
        mounts = [flag.value or "" for flag in run.instruction.flags if flag.name == "mount"]
        if run.instruction.span.start > at or not all(map(_NO_FILES.search, mounts)):
            yield from flat(own_events(snapshot, run))
    for stage in snapshot.build.stages:
        triggered = dict(stage.config)["onbuild"]
        assert isinstance(triggered, tuple)
        yield from (event for event in flat(triggered) if not isinstance(event, Copy))


def _place(text: str, name: str) -> tuple[str, int, int, int, int | None] | None:
    """Return a value, its line, start and end, and where `import os` goes.

    That is -1 if it is there, None if it would not do. None if the name is no plain text.
    """
    import libcst as cst
    from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper, PositionProvider

    try:
        wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
        spans = wrapper.resolve(ByteSpanPositionProvider)
        lines = wrapper.resolve(PositionProvider)
        tree = ast.parse(text)
    except (cst.ParserSyntaxError, SyntaxError, ValueError, RecursionError):
        return None
    data = text.encode()

    def offset(count: int) -> int:
        return len(data[:count].decode())

    first: int | None = None
    for statement in wrapper.module.body:
        if not isinstance(statement, cst.SimpleStatementLine):
            continue
        small = statement.body[0]
        start = offset(spans[statement].start)
        if first is None and isinstance(small, cst.Import | cst.ImportFrom) and not _future(small):
            first = start
        if len(statement.body) == 1 and (value := _assigned(small, name)) is not None:
            content = value.evaluated_value
            if not isinstance(content, str):
                return None
            span = spans[value]
            there = start if first is None else first
            imported = _import(tree, name, lines[statement].start.line, there)
            return (content, lines[statement].start.line, offset(span.start),
                    offset(span.start + span.length), imported)  # fmt: skip
    return None


def _future(statement: object) -> bool:
    import libcst as cst

    module = statement.module if isinstance(statement, cst.ImportFrom) else None
    return isinstance(module, cst.Name) and module.value == "__future__"


def _assigned(statement: object, name: str) -> cst.SimpleString | None:
    """Return the plain string that a statement binds a name to."""
    import libcst as cst

    if isinstance(statement, cst.Assign) and len(statement.targets) == 1:
        target: object = statement.targets[0].target
    elif isinstance(statement, cst.AnnAssign):
        target = statement.target
    else:
        return None
    if not isinstance(target, cst.Name) or target.value != name:
        return None
    return statement.value if isinstance(statement.value, cst.SimpleString) else None


def _import(tree: ast.Module, name: str, line: int, there: int) -> int | None:
    """Return where `import os` has to be written: -1 if it is there, None if it would not do."""
    stores = [
        n for n in ast.walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)
    ]
    aliases = [
        a for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names
    ]
    plain = [
        n for n in tree.body
        if isinstance(n, ast.Import) and [(a.name, a.asname) for a in n.names] == [("os", None)]
    ]  # fmt: skip
    bound = sum((a.asname or a.name) == "os" for a in aliases)
    if sum(n.id == name for n in stores) != 1 or any(n.id == "os" for n in stores):
        return None
    if bound != len(plain) or any(a.name == "*" for a in aliases):
        return None
    if any(n.lineno < line for n in plain):
        return -1
    return there if not plain else None
