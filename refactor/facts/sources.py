"""What the sources of an ADD or COPY are, by content where there is a context, else by name."""

from __future__ import annotations

import re
from enum import StrEnum

from refactor.context import Context
from refactor.effects import Copy
from refactor.effects.licences import is_plain_source
from refactor.snapshot import Snapshot
from refactor.syntax import Instruction
from refactor.words import parse_words

_MAGIC = (
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",
    b"\x04\x22\x4d\x18",
    b"\x1f\x9d",
)
_LAST_STRING = re.compile(r'"([^"\\]*)"\s*\]\Z')
_TAR_MAGIC = b"ustar"
_TAR_MAGIC_AT = 257
_TAR_BLOCK = 512


class Kind(StrEnum):
    """What a source is; `PLAIN_NAME`: nothing in the name says that it is an archive."""

    PLAIN = "plain"
    PLAIN_NAME = "plain name"
    ARCHIVE = "archive"
    UNKNOWN = "unknown"


def of(ins: Instruction, escape: str) -> tuple[str, ...]:
    """Return the sources of an instruction, heredocs left out."""
    words = list(ins.json) if ins.json is not None else parse_words(ins.args, escape)
    return tuple(word.strip("\"'") for word in words[:-1] if not word.startswith("<<"))


def destination(ins: Instruction, escape: str) -> tuple[str, int]:
    """Return the last word of an instruction as written, and where it is in the logical line.

    It is empty if it is written with escapes in a JSON form.
    """
    if ins.json is None:
        last = (parse_words(ins.args, escape) or [""])[-1]
        return last, ins.args_end - len(last)
    match = _LAST_STRING.search(ins.args)
    return (match[1], ins.args_start + match.start(1)) if match else ("", ins.args_start)


def is_remote(source: str) -> bool:
    """Whether a source is fetched from elsewhere."""
    return "://" in source or source.startswith("git@")


def kind(source: str, context: Context | None) -> Kind:
    """Return what a source is."""
    if "$" in source:
        return Kind.UNKNOWN
    pattern = any(c in source for c in "*?[\\")
    if not is_plain_source(source):
        return Kind.UNKNOWN if pattern else Kind.ARCHIVE
    if source.rstrip("/") == ".":
        return Kind.PLAIN
    found = context.kind(source) if context is not None and not pattern else ""
    if context is not None and found == "file":
        return Kind.ARCHIVE if _is_archive(context.head(source, _TAR_BLOCK)) else Kind.PLAIN
    return Kind.PLAIN if found == "dir" else Kind.PLAIN_NAME


def _is_archive(head: bytes) -> bool:
    if head.startswith(_MAGIC):
        return True
    return head[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC) or _has_tar_checksum(head)


def _has_tar_checksum(head: bytes) -> bool:
    """Whether the first block is the header of a tar without magic (the old V7 format)."""
    if len(head) < _TAR_BLOCK:
        return False
    try:
        stored = int(head[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    return stored == sum(head[:148]) + 8 * 32 + sum(head[156:_TAR_BLOCK])


def events(snapshot: Snapshot) -> dict[int, Copy]:
    """Return the events of ADD and COPY by where their instruction starts (a fact)."""
    found: dict[int, Copy] = {}
    for stage, model in zip(snapshot.graph.stages, snapshot.build.stages, strict=True):
        onbuild = dict(model.config)["onbuild"]
        for triggered, sequence in ((False, model.events), (True, onbuild)):
            assert isinstance(sequence, tuple)
            copies = (e for e in sequence if isinstance(e, Copy))
            for outer in stage.instructions:
                ins = outer.trigger or outer
                if ins.keyword in ("ADD", "COPY") and bool(outer.trigger) == triggered:
                    found[ins.span.start] = next(copies)
    return found
