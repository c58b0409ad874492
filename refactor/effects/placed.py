"""Where copies put the files of the build context: image paths, and what stands there.

COPY takes what a folder holds, not the folder; a single file goes into a destination that ends in
a slash, or that is known to be a folder, and becomes it otherwise (BuildKit's reference, COPY).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from refactor.effects.events import Copy
from refactor.effects.licences import is_plain_source
from refactor.sent import Sent

MAX_PLACED = 20_000
_GLOB = re.compile(r"[*?\[\\]")


class Placed:
    """The files of an image that came from the build context, by their absolute paths."""

    def __init__(self, sent: Sent) -> None:
        self.sent = sent
        self.files: dict[str, str] = {}
        self.folders: set[str] = {"/"}

    def copy(self) -> Placed:
        """Return a copy that changes on its own."""
        other = Placed(self.sent)
        other.files, other.folders = dict(self.files), set(self.folders)
        return other

    def take(self, copied: dict[str, str]) -> None:
        """Add what a copy puts there."""
        self.files.update(copied)
        for folder in {path.rpartition("/")[0] or "/" for path in copied}:
            self.folder(folder)

    def folder(self, path: str) -> None:
        """Note that a folder is there, and those above it."""
        while path not in self.folders and path.startswith("/"):
            self.folders.add(path)
            path = posixpath.dirname(path)

    def drop(self, region: str) -> None:
        """Forget what is at a path and below: something else may have written it."""
        prefix = region.rstrip("/") + "/"
        for path in [p for p in self.files if p == region or p.startswith(prefix)]:
            del self.files[path]

    def kind(self, path: str) -> str:
        """Return `file`, `dir`, `link`, or an empty string if no copy put anything there."""
        path = posixpath.normpath(path)
        source = self.files.get(path)
        if source is not None:
            return self.sent.files.get(source, "")
        return "dir" if path in self.folders else ""

    def text(self, path: str) -> str | None:
        """Return the text of a file; None if it is not there, too large or no text."""
        source = self.files.get(posixpath.normpath(path))
        return None if source is None else self.sent.text(source)

    def below(self, folder: str) -> Iterator[str]:
        """Yield the files in a folder, at any depth."""
        prefix = posixpath.normpath(folder).rstrip("/") + "/"
        return (path for path in self.files if path.startswith(prefix))

    def puts(self, event: Copy) -> dict[str, str] | None:
        """Return the files that a copy puts in the image; None if that cannot be told."""
        target = event.destination
        plain = not event.inline and event.origin is None and not target.raw
        if not plain or not target.text.startswith("/") or any(s.raw for s in event.sources):
            return None
        if any(name in ("parents", "exclude", "unpack", "link") for name, _ in event.flags):
            return None
        several = len(event.sources) > 1 or any(_GLOB.search(s.text) for s in event.sources)
        folder = several or target.text.endswith("/")
        there = {*self.folders, *(step.text for step in event.workdir[:1])}  # WORKDIR makes it
        folder = folder or posixpath.normpath(target.text) in there
        key = (event.keyword, event.sources, target.text, folder)
        if key not in self.sent.memo:
            self.sent.memo[key] = self._puts(event, folder)
        found: dict[str, str] | None = self.sent.memo[key]
        return found

    def _puts(self, event: Copy, folder: bool) -> dict[str, str] | None:
        found: dict[str, str] = {}
        for source in event.sources:
            matched = matches(self.sent, source.text)
            if not matched or (event.keyword == "ADD" and not all(map(is_plain_source, matched))):
                return None
            for path in matched:
                _place(self.sent, path, event.destination.text, folder, found)
        return found if len(found) <= MAX_PLACED else None


def _place(sent: Sent, path: str, target: str, folder: bool, found: dict[str, str]) -> None:
    target = posixpath.normpath(target)
    if sent.kind(path) == "dir" and path not in sent.files:
        start = len(path) + 1 if path else 0
        lead = target.rstrip("/")
        found.update((f"{lead}/{file[start:]}", file) for file in sent.below(path))
    elif folder:
        found[posixpath.join(target, posixpath.basename(path))] = path
    else:
        found[target] = path


def matches(sent: Sent, source: str) -> list[str]:
    """Return the paths that a source names; none if it is no plain name or simple pattern."""
    path = posixpath.normpath("/" + source).lstrip("/")
    if not _GLOB.search(source):
        return [path] if sent.kind(path) else []
    if any(c in source for c in "[\\"):
        return []
    pattern = re.compile(re.escape(path).replace(r"\*", "[^/]*").replace(r"\?", "[^/]"))
    names = (*sent.files, *(folder for folder in sent.folders if folder))
    return sorted(name for name in names if pattern.fullmatch(name))
