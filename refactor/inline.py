"""A file with Dockerfiles in it, of compose or bake: each is refactored where it stands.

Each is a Dockerfile of its own, with a name of its own, `compose.yaml#web`: decisions are kept by
it. What becomes of the file is one result.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from refactor.context import Context, Overlay
from refactor.engine import Changed, Failed, Other, Refused, Remark, Result, Task, Unchanged
from refactor.outside import bake_files
from refactor.outside.compose_files import services
from refactor.outside.inline_dockerfiles import Block, blocks, place, replaced
from refactor.outside.records import dockerfiles, has_variable
from refactor.outside.yaml_tree import Unclear
from refactor.patch import unified
from refactor.source import Unreadable, decode, encode

Made = Callable[[Task], Result]


def parts(whole: Task) -> list[Task]:
    """Return the Dockerfiles in a file, each as a task of its own.

    Raises Unclear or Unreadable if one cannot be told.
    """
    state = _State(whole, decode(whole.data))
    return [state.part(name) for name in state.names()]


def refactored(whole: Task, made: Made) -> Result:
    """Refactor the Dockerfiles in a file, each as `made` does it, on what those before it wrote.

    What cannot be told from the text is refused.
    """
    try:
        state = _State(whole, decode(whole.data))
        for name in state.names():
            result = state.take(name, made)
            if result is not None:
                return result
        return state.result()
    except (Unreadable, Unclear) as error:
        return Refused(whole.name, reason=str(error))


@dataclass
class _State:
    """The text of a file as its Dockerfiles are done one after the other."""

    whole: Task
    text: str
    remarks: list[Remark] = field(default_factory=list)
    pending: dict[str, int] = field(default_factory=dict)
    others: dict[str, Other] = field(default_factory=dict)

    def names(self) -> list[str]:
        """Return the names of the Dockerfiles."""
        names = [block.name for block in blocks(self.whole.site.place, self.text)]
        if not names:
            raise Unclear("no service or target of it holds a Dockerfile")
        return names

    def part(self, name: str) -> Task:
        """Return a Dockerfile as a task, in a repository with all that is written so far."""
        site = self.whole.site
        written = {path: other.after for path, other in self.others.items()}
        tree = Overlay(site.repository, {**written, site.place: encode(self.text)})
        home = _home(tree, site.place, self.text, name) if site.home is None else site.home
        return self.whole._replace(
            name=place(self.whole.name, name), data=encode(self._block(name, self.text).text),
            site=site._replace(repository=tree, place=place(site.place, name), home=home),
        )  # fmt: skip

    def take(self, name: str, made: Made) -> Result | None:
        """Refactor the Dockerfile of a name; return what keeps the whole file as it is."""
        found = made(self.part(name))
        path = self.whole.name
        if isinstance(found, Refused):
            line = self._block(name, decode(self.whole.data)).outer(found.line)
            return Refused(path, reason=f"{name}: {found.reason}", line=line)
        if isinstance(found, Failed):
            return Failed(path, reason=f"{name}: {found.reason}")
        self.remarks += self._first(found.remarks, name)
        if isinstance(found, Unchanged | Changed):
            for level, count in found.pending.items():
                self.pending[level] = self.pending.get(level, 0) + count
        if isinstance(found, Changed):
            own = self.whole.site.place
            for other in found.others:
                if other.path == own:
                    self.text = decode(other.after)
                else:
                    before = self.others.get(other.path, other).before
                    self.others[other.path] = other._replace(before=before)
            self.text = replaced(own, self.text, name, decode(found.after))
        return None

    def _first(self, remarks: tuple[Remark, ...], name: str) -> Iterator[Remark]:
        """Yield remarks with the places of the file as it was read.

        A fix outside the Dockerfile is left out where others have moved what it is a fix of.
        """
        first = decode(self.whole.data)
        old, now = self._block(name, first), self._block(name, self.text)
        lines, offset = old.line - now.line, old.start - now.start
        for remark in remarks:
            detail = remark.detail
            if detail and (self.others or self.text != first):
                inside = all(
                    fix.path == self.whole.name and now.start <= fix.start <= fix.end <= now.end
                    for fix in detail.fix
                )
                fixes = detail.fix if inside else ()
                detail = detail._replace(
                    lines=(detail.lines[0] + lines, detail.lines[1] + lines),
                    fix=tuple(
                        fix._replace(start=fix.start + offset, end=fix.end + offset)
                        for fix in fixes
                    ),
                )
            line = remark.line and remark.line + lines
            yield remark._replace(line=line, detail=detail, part=name)

    def _block(self, name: str, text: str) -> Block:
        found = blocks(self.whole.site.place, text)
        return next(block for block in found if block.name == name)

    def result(self) -> Result:
        """Return what became of the whole file."""
        path, first, remarks = self.whole.name, decode(self.whole.data), tuple(self.remarks)
        if self.text == first and not self.others:
            return Unchanged(path, remarks, self.pending)
        patch = [*unified(path, first, self.text)]
        for other in self.others.values():
            before = None if other.before is None else decode(other.before)
            patch += unified(other.name, before, decode(other.after))
        return Changed(
            path, remarks, self.whole.data, encode(self.text), "".join(patch), self.pending,
            tuple(self.others.values()),
        )  # fmt: skip


def _home(tree: Context, path: str, text: str, name: str) -> str | None:
    """Return the build context of a Dockerfile in a file; None if compose says nothing of it."""
    folder = posixpath.dirname(path)
    if path.endswith((".yaml", ".yml")):
        own = place(path, name)
        builds = [use.build for use in services(path, text) if use.build]
        return next((build.context for build in builds if own in build.files), None)
    beside = [posixpath.join(folder, found) for found in tree.names(folder)]
    targets = [
        target
        for found in beside
        if bake_files.is_bake(found) or found == path
        for target in bake_files.read(found, _text(tree, found)).targets
    ]
    context = bake_files.context(targets, name)
    found = dockerfiles((folder,), context) if context and not has_variable(context) else ()
    if not found or "*" in found[0]:
        raise Unclear(f"{name}: which folder its build context is cannot be told")
    return posixpath.dirname(found[0])


def _text(tree: Context, path: str) -> str:
    try:
        return decode(tree.head(path, bake_files.MAX_TEXT + 1))
    except Unreadable:
        return ""
