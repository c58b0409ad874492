"""Files of the build context that hold a secret, and which copy takes them into a stage."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

from refactor.effects.placed import Placed
from refactor.facts import secret_words, sources
from refactor.facts.secrets import secrets
from refactor.sent import Sent
from refactor.snapshot import Snapshot

MAX_FILES = 20  # that are told of, for one Dockerfile
_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")
_NPM = re.compile(r"(?:.*:)?_(?:authToken|auth|password)\Z")


class Held(NamedTuple):
    """A file of the context that holds a secret; `target` is where a copy puts it."""

    what: str
    path: str
    target: str
    offset: int

    @property
    def id(self) -> str:
        """A name for the secret that the file can be."""
        return re.sub(r"\W", "", posixpath.basename(self.path)) or "secret"


def held(snapshot: Snapshot) -> Iterator[Held]:
    """Yield the files that copies take, each once; `secrets` has those that a copy names."""
    sent = snapshot.sent
    if sent is None:
        return
    placed = Placed(sent)
    named = (s.name for s in secrets(snapshot) if s.keyword in ("COPY", "ADD") and s.name)
    told = set(map(posixpath.normpath, named))
    for offset, event in sorted(sources.events(snapshot).items()):
        copied = placed.puts(event) or {}
        for target, path in sorted(copied.items()):
            what = "" if path in told else _what(sent, path)
            if what and len(told) < MAX_FILES:
                told.add(path)
                yield Held(what, path, target, offset)


def all_held(snapshot: Snapshot) -> Iterator[tuple[str, str, int]]:
    """Yield each file that a copy takes and that holds a secret: its path, what, and the copy."""
    sent = snapshot.sent
    if sent is None:
        return
    placed, told = Placed(sent), set()
    for offset, event in sorted(sources.events(snapshot).items()):
        for path in sorted((placed.puts(event) or {}).values()):
            what = "" if path in told else _what(sent, path)
            if what and sent.kind(path) == "file":
                told.add(path)
                yield path, what, offset


def _what(sent: Sent, path: str) -> str:
    """Return what secret a file holds, empty if there is none in it."""
    settings, found = secret_words.of_settings(path), secret_words.of_file(path)
    if not settings and not found:
        return ""
    text = sent.text(path)
    if text is None or "\0" in text[:1024]:
        return found  # a store of keys is no text
    if _KEY.search(text) or next(secret_words.values(text), None):
        return settings or found
    for name, value in secret_words.inside(path, text):
        secret = not name or secret_words.of_name(name) or _NPM.match(name)
        told = "$" not in value and not secret_words.is_reference(value)
        if secret and told and not secret_words.is_placeholder(value):
            return settings or found
    return ""
