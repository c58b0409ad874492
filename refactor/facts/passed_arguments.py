"""The files that pass a build argument, with a secret of its name in its place."""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from refactor.effects.passed_secrets import still_passed
from refactor.model import FileEdits
from refactor.outside.records import Found
from refactor.outside.secret_passing import rewritten, root
from refactor.outside.survey import survey
from refactor.outside.yaml_tree import Unclear
from refactor.snapshot import Snapshot
from refactor.source import Unreadable, line_edits

_EXTENDS = re.compile(
    r"(?m)^[ \t]*extends:(?:[ \t]*\{|[^\n]*\n[ \t]+(?:service:[^\n]*\n[ \t]+)?file:)"
)


class Passing(NamedTuple):
    """The edits of all files that pass an argument, where they do, and what is assumed of them."""

    files: tuple[FileEdits, ...]
    places: tuple[Found, ...]
    assumes: tuple[str, ...]


def as_secret(snapshot: Snapshot, name: str) -> Passing:
    """Return what makes a secret of an argument wherever builds pass it.

    Raises Unclear, with the place, if one of them cannot be changed: then none is.
    """
    known = snapshot.invocations
    places = tuple(said for said in known.passed if said.value == name) if known else ()
    texts: dict[str, str] = {}
    edits: list[FileEdits] = []
    assumes: list[str] = []
    for path in dict.fromkeys(said.path for said in places):
        lines = sorted(said.line for said in places if said.path == path)
        try:
            old, new = _rewritten(snapshot, path, name, set(lines))
            assumes.append(_assumed(snapshot, path, name, new))
        except (Unclear, Unreadable) as error:
            raise Unclear(f"{path}, line {lines[0]}: {error}") from error
        texts[path] = new
        edits.append(FileEdits(path, line_edits(old, new)))
    after = snapshot.with_text(snapshot.text, texts) if texts else snapshot
    if place := still_passed(after, name):
        raise Unclear(f"{place}: it would still be an argument")
    return Passing(tuple(edits), places, tuple(filter(None, dict.fromkeys(assumes))))


def _rewritten(snapshot: Snapshot, path: str, name: str, lines: set[int]) -> tuple[str, str]:
    known = snapshot.invocations
    ours = [b for b in known.builds if b.path == path and name in b.arguments] if known else []
    if lines - {build.line for build in ours}:
        raise Unclear("it may be for another Dockerfile")
    text = snapshot.read(path)
    if text is None or snapshot.repository is None:
        raise Unclear("it is not found")
    composed = {use.path for use in survey(snapshot.repository).uses if use.group}
    if path in composed and any(_EXTENDS.search(snapshot.read(p) or "") for p in composed):
        raise Unclear("services of compose files extend others, which take no secrets along")
    return text, rewritten(text, path, name, ours)


def _assumed(snapshot: Snapshot, path: str, name: str, text: str) -> str:
    """Return what has to hold where a file is used, for the secret to have the value.

    Compose fills in `$NAME` from `.env`, but some of its releases take secrets only from their own
    environment (docker/compose issues 13235 and 13255).
    """
    if not path.endswith((".yml", ".yaml")):
        return f"the value of {name} is in the environment of the commands in {path}"
    declared = root(text, path).get("secrets")
    found = declared.get(name) if declared is not None else None
    source = found.get("environment") if found is not None else None
    if source is None:
        by_command = "--secret" in text and f"id={name}" in text
        said = f"the value of {name} is in the environment of the commands in {path}"
        return said if by_command else ""
    values = snapshot.read(posixpath.join(posixpath.dirname(path), ".env"))
    if values and re.search(
        rf"(?m)^[ \t]*(?:export[ \t]+)?{re.escape(source.value)}[ \t]*=", values
    ):
        raise Unclear(f"{source.value} is in .env, where not all releases of compose find secrets")
    return f"compose is 2.7 or later, no stack of a swarm, and its environment has {source.value}"
