"""Proofs as the body of a pull request, in GitHub's Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from refactor.proof.differences import Comparison, How
from refactor.proof.results import Proof, Question, Rebuild, Verdict
from refactor.report import proof_words as words
from refactor.report.markdown import block, code, html_code, prose, table

# GitHub takes 65,536 characters; what does not fit is left out from the end, and it says so.
LIMIT = 60_000
_MARKS = {
    Verdict.UNCHANGED: "➖",
    Verdict.EQUIVALENT: "✅",
    Verdict.DECLARED: "✅",
    Verdict.BROKEN: "❌",
    Verdict.BASELINE: "⚠️",
    Verdict.REFUSED: "⚠️",
}
_ANSWERS = {"kept": "✅ kept", "lost": "❌ lost", "none": "➖ none"}
_ROWS, _NAMES, _PATHS, _LOG = 20, 12, 3, 30
_NONE = "–"
_HEADER = (
    "File", "Result", "Size", "Layers", "User", "Unresolved libraries", "Answers kept", "Rebuild",
)  # fmt: skip


def body(proofs: Sequence[Proof]) -> str:
    """Return a pull request's body: one table, and the details of each file below it."""
    title = f"**{words.counted(len(proofs), 'Dockerfile')}**: {words.tally(proofs) or 'none'}.\n\n"
    rows = [_overview_row(proof) for proof in proofs]
    shown = _fitting(proofs, [sum(map(len, row)) + 3 * len(row) + 2 for row in rows], LIMIT // 2)
    table_of = "".join(table(_HEADER, [rows[number] for number in shown], "  rr rrr"))
    parts = [title, table_of if shown else ""]
    if left := len(rows) - len(shown):
        parts.append(f"and {words.counted(left, 'more file')}.\n\n")
    details = ["".join(_details(proof)) for proof in proofs]
    fitting = _fitting(proofs, [*map(len, details)], LIMIT - sum(map(len, parts)))
    parts += [details[number] for number in fitting]
    if left := len(details) - len(fitting):
        parts.append(f"The details of {words.counted(left, 'more file')} are too long for here.\n")
    return "".join(parts)


def _fitting(proofs: Sequence[Proof], lengths: Sequence[int], room: int) -> list[int]:
    """Return the numbers of what there is room for; what is wrong comes first to it."""
    found = []
    for number in sorted(range(len(proofs)), key=lambda n: proofs[n].verdict in words.GOOD):
        if lengths[number] <= room:
            room -= lengths[number]
            found.append(number)
    return sorted(found)


def _overview_row(proof: Proof) -> list[str]:
    found = proof.comparison
    row = [code(proof.path), f"{_MARKS[proof.verdict]} {proof.verdict}"]
    if found:
        images = (found.before, found.after)
        users = [code(words.user(image)) for image in images]
        missing = [str(words.libraries(image)) for image in images]
        row += [words.sizes(found, "→"), words.layers(found, "→")]
        row += [words.pair(before, after, "→") for before, after in (users, missing)]
    else:
        row += [_NONE] * 4
    row.append(words.kept(proof.questions) if proof.questions else _NONE)
    row.append(_seconds(proof.rebuild) if proof.rebuild else _NONE)
    return row


def _details(proof: Proof) -> Iterator[str]:
    """Yield one file's part, if there is something to say; what is wrong is open."""
    if proof.verdict is Verdict.UNCHANGED:
        return
    opened = "" if proof.verdict in words.GOOD else " open"
    title = f"{_MARKS[proof.verdict]} {html_code(proof.path)}: {proof.verdict}"
    yield f"<details{opened}>\n<summary>{title}</summary>\n\n"
    if proof.reason:
        yield f"{prose(proof.reason)}\n\n"
    yield from _failure(proof)
    yield from _section("Not declared by any change", map(prose, proof.undeclared))
    yield from _questions(proof.questions)
    if proof.comparison:
        yield from _comparison(proof.comparison)
    if proof.rebuild:
        yield from _rebuild(proof.rebuild)
    yield from _section(
        "What the changes declare, and was found",
        (
            f"{code(match.transform)}: {prose(sentence)}"
            for match in proof.matches
            for sentence in match.found
        ),
    )
    yield "</details>\n\n"


def _failure(proof: Proof) -> Iterator[str]:
    if found := words.failed(proof):
        which, build = found
        yield f"The build of the {which} fails at {code(build.failed)}\n\n"
        if build.log:
            yield block(words.cut(row, 500) for row in build.log[-_LOG:]) + "\n"
    if proof.cause:
        cause = proof.cause
        yield f"**Cause:** {code(cause.transform)}, line {cause.line}: {prose(cause.reason)}\n\n"


def _section(title: str, items: Iterable[str]) -> Iterator[str]:
    """Yield a list below a title, or nothing if it is empty."""
    everything = tuple(items)
    if not everything:
        return
    yield f"**{title}**\n\n"
    yield from (f"- {item}\n" for item in everything[:_ROWS])
    if len(everything) > _ROWS:
        yield f"- and {len(everything) - _ROWS:,} more\n"
    yield "\n"


def _questions(questions: Sequence[Question]) -> Iterator[str]:
    if not questions:
        return
    ordered = sorted(questions, key=lambda question: question.is_kept)
    rows = []
    for question in ordered[:_ROWS]:
        before, after = words.answers(question)
        rows.append(
            (_ANSWERS[words.mark(question)], code(question.text), code(before), code(after))
        )
    yield from table(("", "Asked", "Before", "After"), rows)
    if len(ordered) > _ROWS:
        yield f"and {len(ordered) - _ROWS:,} more.\n\n"


def _comparison(comparison: Comparison) -> Iterator[str]:
    rows = words.groups(comparison.files)
    if rows:
        cells = (
            (row.group, words.counts(row.counts), words.signed(row.size), _few(row.paths))
            for row in rows
        )
        yield from table(("Files", "What became of them", "Size", "The largest"), cells, "  r")
    if comparison.settings:
        yield from table(
            ("Setting", "Before", "After"),
            (
                (code(s.name), _value(s.before), _value(s.after))
                for s in comparison.settings[:_ROWS]
            ),
        )
        if len(comparison.settings) > _ROWS:
            yield f"and {len(comparison.settings) - _ROWS:,} more settings.\n\n"
    yield from _section("Packages", _packages(comparison))
    yield from _section("Not read, so not compared", map(code, comparison.unread))
    for title, defects in (
        ("New defects", comparison.defects_added),
        ("Defects that are gone", comparison.defects_gone),
    ):
        found = (f"{code(d.kind)} {code(d.path)}: {code(d.what)}" for d in sorted(defects))
        yield from _section(title, found)
    for how, paths in (
        (How.ADDED, comparison.privileged_added),
        (How.GONE, comparison.privileged_gone),
    ):
        title = f"Run as their owner or group (setuid, setgid), {how}"
        yield from _section(title, map(code, sorted(paths)))


def _packages(comparison: Comparison) -> Iterator[str]:
    rows = words.packages(comparison)
    for how in How:
        names = [f"{row.name} {row.version('→')}" for row in rows if row.how is how]
        if names:
            yield f"{len(names):,} {how}: {_few(names, _NAMES)}"


def _rebuild(rebuild: Rebuild) -> Iterator[str]:
    yield f"**Rebuild** after an edit of {code(rebuild.edited)}: {_seconds(rebuild)}\n\n"
    for name, build in (("before", rebuild.before), ("after", rebuild.after)):
        yield f"- ran again {name}: {_few(build.ran) if build.ran else 'nothing'}\n"
    yield "\n"


def _seconds(rebuild: Rebuild) -> str:
    return f"{rebuild.before.seconds:.1f} s → {rebuild.after.seconds:.1f} s"


def _value(value: str | None) -> str:
    return "*not set*" if value is None else code(value)


def _few(items: Sequence[str], limit: int = _PATHS) -> str:
    shown = ", ".join(map(code, items[:limit]))
    return f"{shown} and {len(items) - limit:,} more" if len(items) > limit else shown
