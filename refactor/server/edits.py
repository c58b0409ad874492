"""Texts before and after -> the edits that a client is asked to make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import accumulate
from typing import NamedTuple

from lsprotocol.types import (
    AnnotatedTextEdit,
    ChangeAnnotation,
    CreateFile,
    OptionalVersionedTextDocumentIdentifier,
    Range,
    TextDocumentEdit,
    TextEdit,
    WorkspaceEdit,
)

from refactor.server.texts import Text
from refactor.source import Edit, Span

_ID = "dfr"


class Client(NamedTuple):
    """What a client can do: edit versions of documents, make files, ask for consent."""

    versions: bool = False
    files: bool = False
    consent: bool = False


class Rewrite(NamedTuple):
    """A file before and after; `before` is None if it is new, `version` if it is not open."""

    uri: str
    version: int | None
    before: Text | None
    after: str


def workspace_edit(
    rewrites: Sequence[Rewrite], client: Client, doubt: ChangeAnnotation | None
) -> WorkspaceEdit | None:
    """Return one edit of files; None if the client cannot make it.

    `doubt` is what a reader is asked before it is made.
    """
    if not client.versions:
        if any(rewrite.before is None for rewrite in rewrites):
            return None
        return WorkspaceEdit(
            changes={r.uri: [TextEdit(*edit) for edit in _edits(r)] for r in rewrites}
        )
    annotated = _ID if doubt and client.consent else None
    operations: list[TextDocumentEdit | CreateFile] = []
    for rewrite in rewrites:
        if rewrite.before is None:
            if not client.files:
                return None
            operations.append(CreateFile(rewrite.uri, annotation_id=annotated))
        operations.append(
            TextDocumentEdit(
                OptionalVersionedTextDocumentIdentifier(rewrite.uri, rewrite.version),
                [
                    AnnotatedTextEdit(annotated, *edit) if annotated else TextEdit(*edit)
                    for edit in _edits(rewrite)
                ],
            )
        )
    return WorkspaceEdit(
        document_changes=operations,
        change_annotations={_ID: doubt} if annotated and doubt else None,
    )


def _edits(rewrite: Rewrite) -> Iterator[tuple[Range, str]]:
    before = rewrite.before or Text("")
    for edit in line_edits(before.text, rewrite.after):
        yield before.range(*edit.span), edit.text


def line_edits(before: str, after: str) -> Iterator[Edit]:
    """Yield the lines that differ: what stays keeps its marks, and the cursor its place."""
    old, new = _lines(before), _lines(after)
    starts = [0, *accumulate(map(len, old))]
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            yield Edit(Span(starts[i1], starts[i2]), "".join(new[j1:j2]))


def _lines(text: str) -> list[str]:
    *lines, last = text.split("\n")
    return [*(line + "\n" for line in lines), last]
