"""Members of workspaces: the folders that patterns name."""

from __future__ import annotations

import posixpath
import re

from refactor.facts.installs.reading import WORKSPACE, Look, refuse, strings

_SIMPLE = re.compile(r"[\w@.+/*-]+\Z")
MAX_MEMBERS = 300
MAX_STARS = 6


def folders_of(look: Look, patterns: object, manifest: str, base: str = "") -> list[str]:
    """Return the folders that patterns name and that hold a manifest, sorted."""
    base = base or look.cwd
    found: set[str] = set()
    for text in strings(patterns):
        if text.startswith("!"):
            continue  # what it leaves out is looked at all the same
        if not _SIMPLE.match(text) or text.startswith("/") or text.count("*") > MAX_STARS:
            refuse(WORKSPACE, f"the pattern `{text}` of the workspace is not read", "write it out")
        found |= _matching(look, posixpath.normpath(posixpath.join(base, text)), manifest)
    found.discard(base)
    if len(found) > MAX_MEMBERS:
        refuse(WORKSPACE, "the workspace has too many members", "none")
    return sorted(found)


def _matching(look: Look, pattern: str, manifest: str) -> set[str]:
    if "*" not in pattern:
        look.kind(f"{pattern}/{manifest}")
        if look.tree.kind(f"{pattern}/{manifest}") == "file":
            return {pattern}
        refuse(WORKSPACE, f"{pattern} of the workspace is not among the copied files", "copy it")
    fixed = pattern.partition("*")[0].rpartition("/")[0] or "/"
    look.kind(f"{fixed}/-")
    expression = re.compile(
        "".join(
            {"**": ".*", "*": "[^/]*"}.get(part, re.escape(part))
            for part in re.split(r"(\*\*|\*)", pattern)
        )
    )
    loose = re.compile(expression.pattern.replace("/.*/", "/(?:.*/)?"))
    found = set()
    for path in look.tree.below(fixed):
        if look.tree.kind(path) == "link":
            refuse(WORKSPACE, f"{path} is a link in a workspace", "copy what it points to")
        folder, _, name = path.rpartition("/")
        if name == manifest and loose.fullmatch(folder) and "/node_modules/" not in path:
            found.add(folder)
    return found
