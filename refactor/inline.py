"""A compose file with Dockerfiles in it: each is refactored where it stands.

A Dockerfile in a bake file is left alone: HCL fills in what looks like its variables, and nothing
here reads HCL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from refactor.config import Config
from refactor.context import Overlay
from refactor.engine import Changed, Failed, Other, Refused, Remark, Result, Unchanged, run
from refactor.outside import inline_dockerfiles
from refactor.outside.compose_files import services
from refactor.outside.inline_dockerfiles import Block, blocks, replaced
from refactor.outside.yaml_tree import Unclear
from refactor.patch import unified
from refactor.project import Site
from refactor.source import Unreadable, decode, encode

_BAKE = "the Dockerfiles in a bake file are not read: move them to files of their own"


def refactored(path: str, data: bytes, config: Config, site: Site) -> Result:
    """Refactor the Dockerfiles in a file; what cannot be told from the text is refused."""
    if not path.endswith((".yaml", ".yml")):
        return Refused(path, reason=_BAKE)
    try:
        text = decode(data)
        names = [block.service for block in blocks(text)]
        if not names:
            return Refused(path, reason="no service of it holds a Dockerfile")
        state = _State(path, text, config, site)
        for name in names:
            result = state.take(name)
            if result is not None:
                return result
    except (Unreadable, Unclear) as error:
        return Refused(path, reason=str(error))
    return state.result(data)


class _State:
    """The text of a file as its Dockerfiles are done one after the other."""

    def __init__(self, path: str, text: str, config: Config, site: Site) -> None:
        self.path = path
        self.text = self.first = text
        self.config = replace(config, detail=False)
        self.site = site
        self.remarks: list[Remark] = []
        self.pending: dict[str, int] = {}
        self.others: dict[str, Other] = {}

    def take(self, name: str) -> Result | None:
        """Refactor the Dockerfile of a service; return what keeps the whole file as it is."""
        block, first = _of(name, self.text), _of(name, self.first)
        site = self._site(name)
        shown = inline_dockerfiles.place(self.path, name)
        found = run(shown, encode(block.text), self.config, site)
        at = first.line - 1
        if isinstance(found, Refused):
            return Refused(self.path, reason=f"{name}: {found.reason}", line=found.line + at)
        if isinstance(found, Failed):
            return Failed(self.path, reason=f"{name}: {found.reason}")
        self.remarks += [m._replace(line=m.line + at if m.line else 0) for m in found.remarks]
        if isinstance(found, Unchanged | Changed):
            for level, count in found.pending.items():
                self.pending[level] = self.pending.get(level, 0) + count
        if isinstance(found, Changed):
            for other in found.others:
                if other.path == self.site.place:
                    self.text = decode(other.after)
                else:
                    before = self.others.get(other.path, other).before
                    self.others[other.path] = other._replace(before=before)
            self.text = replaced(self.text, _of(name, self.text), decode(found.after))
        return None

    def _site(self, name: str) -> Site:
        """Return where the Dockerfile of a service is built, with all that is written so far."""
        place = inline_dockerfiles.place(self.site.place, name)
        written = {path: other.after for path, other in self.others.items()}
        tree = Overlay(self.site.repository, {**written, self.site.place: encode(self.text)})
        used = services(self.site.place, self.text)
        homes = (use.build.context for use in used if use.build and place in use.build.files)
        return Site(tree, place, next(homes, self.site.home))

    def result(self, data: bytes) -> Result:
        """Return what became of the whole file."""
        remarks = tuple(self.remarks)
        if self.text == self.first and not self.others:
            return Unchanged(self.path, remarks, self.pending)
        return Changed(
            self.path, remarks, data, encode(self.text), "".join(self._patch()), self.pending,
            tuple(self.others.values()),
        )  # fmt: skip

    def _patch(self) -> Iterator[str]:
        yield from unified(self.path, self.first, self.text)
        for other in self.others.values():
            before = None if other.before is None else decode(other.before)
            yield from unified(other.name, before, decode(other.after))


def _of(name: str, text: str) -> Block:
    return next(block for block in blocks(text) if block.service == name)
