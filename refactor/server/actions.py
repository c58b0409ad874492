"""Answers -> code actions: a quick fix for a change, and all that a level allows at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lsprotocol.types import ChangeAnnotation, CodeAction, CodeActionKind, WorkspaceEdit

from refactor.details import Detail
from refactor.engine import Changed, Remark
from refactor.model import Safety
from refactor.registry import select
from refactor.report.text import flat
from refactor.server.desk import Document
from refactor.server.edits import Client, Rewrite, workspace_edit
from refactor.server.findings import Finding, cut
from refactor.server.runs import Answer
from refactor.server.texts import Text
from refactor.source import Edit, Span, apply, decode

# Only what is safe is a `source.fixAll`: editors make those on save, and ask nobody.
FIX_ALL: Mapping[Safety, tuple[str, str]] = {
    Safety.SAFE: ("source.fixAll.dfr", "Fix all: safe"),
    Safety.SUGGESTED: ("source.dfr.suggested", "Fix all: up to suggested"),
    Safety.RISKY: ("source.dfr.risky", "Fix all: up to risky"),
}
KINDS = (CodeActionKind.QuickFix.value, *(kind for kind, _ in FIX_ALL.values()))


class File(NamedTuple):
    """A file before and after, by its path in the result; `before` is None if it is new."""

    path: str
    before: str | None
    after: str


@dataclass(frozen=True)
class Maker:
    """Makes the actions of a document; `opened` are the documents that are open, by their paths."""

    document: Document
    client: Client
    opened: Mapping[Path, Document]

    def quick_fixes(self, answer: Answer, found: Sequence[Finding]) -> Iterator[CodeAction]:
        """Yield an action for each change that can be made by itself."""
        for diagnostic, remark in found:
            if remark is None or remark.detail is None or not remark.detail.fix:
                continue
            title = select((remark.transform,), ())[0].transform.title.removesuffix(".")
            safe = remark.level == "safe"
            title = title if safe else f"{title} ({remark.level})"
            edit = self._edit(answer, self._fixed(answer, remark.detail), title, [remark])
            if edit is not None:
                yield CodeAction(
                    title, CodeActionKind.QuickFix, [diagnostic], is_preferred=safe, edit=edit
                )

    def fix_all(self, answers: Mapping[Safety, Answer]) -> Iterator[CodeAction]:
        """Yield an action for each level that comes to something else than the one before."""
        before = None
        for level, answer in answers.items():
            result = answer.result
            if isinstance(result, Changed) and (result.after, result.others) != before:
                before = (result.after, result.others)
                yield from self._fix_all(answer, result, level)

    def _fix_all(self, answer: Answer, result: Changed, level: Safety) -> Iterator[CodeAction]:
        files = [File(result.path, self.document.text.text, decode(result.after))]
        for other in result.others:
            before = None if other.before is None else decode(other.before)
            files.append(File(other.path, before, decode(other.after)))
        kind, title = FIX_ALL[level]
        changes = [remark for remark in result.remarks if remark.kind == "change"]
        edit = self._edit(answer, files, title, changes)
        if edit is not None:
            yield CodeAction(title, kind, edit=edit)

    def _fixed(self, answer: Answer, detail: Detail) -> Iterator[File]:
        """Yield the files that a change alone makes."""
        for path in dict.fromkeys(fix.path for fix in detail.fix):
            own = path == answer.result.path
            before = self.document.text.text if own else answer.others[path]
            edits = [Edit(Span(f.start, f.end), f.text) for f in detail.fix if f.path == path]
            yield File(path, before, apply(before or "", edits))

    def _edit(
        self, answer: Answer, files: Iterable[File], title: str, changes: Sequence[Remark]
    ) -> WorkspaceEdit | None:
        """Return the edit of files; None if it is none of what the client has."""
        rewrites = []
        for path, before, after in files:
            if path == answer.result.path:
                rewrites.append(self._rewrite(self.document, after))
                continue
            assert answer.root is not None, "without a folder there are no other files"
            there = answer.root / path
            if there in self.opened:
                if self.opened[there].text.text != (before or ""):
                    return None  # what is open is not what the change was proved on
                rewrites.append(self._rewrite(self.opened[there], after))
            else:
                text = None if before is None else Text(before, self.document.text.encoding)
                rewrites.append(Rewrite(there.as_uri(), None, text, after))
        return workspace_edit(rewrites, self.client, _doubt(title, changes))

    def _rewrite(self, document: Document, after: str) -> Rewrite:
        return Rewrite(document.uri, document.version, document.text, after)


def _doubt(title: str, changes: Iterable[Remark]) -> ChangeAnnotation | None:
    """Return what a reader has to agree to; None if all is safe."""
    doubtful = [remark for remark in changes if remark.level != "safe"]
    if not doubtful:
        return None
    sentences = dict.fromkeys(flat(s) for r in doubtful for s in (r.assumes or (r.reason,)))
    return ChangeAnnotation(title, needs_confirmation=True, description=cut("; ".join(sentences)))
