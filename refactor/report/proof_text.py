"""Proofs as text for a terminal or a log, short unless all is asked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from refactor.proof.differences import Comparison, How
from refactor.proof.images import Defect, Image
from refactor.proof.results import Match, Proof, Question, Rebuild, Verdict
from refactor.report import proof_words as words
from refactor.report.proof_words import cut

_RED, _GREEN, _YELLOW, _BOLD = "31", "32", "33", "1"
_VERDICTS = {
    Verdict.UNCHANGED: "2",
    Verdict.EQUIVALENT: _GREEN,
    Verdict.DECLARED: _GREEN,
    Verdict.BROKEN: _RED,
    Verdict.BASELINE: _YELLOW,
    Verdict.REFUSED: _YELLOW,
}
# What a runner takes for a command wherever it stands in a line (`##[add-mask]`, `##vso[`).
_COMMAND = re.compile(r"##(?=\w*\[)")
_ROWS, _NAMES, _PATHS, _LOG = 8, 6, 3, 12
_WIDTH, _WIDE = 100, 2000


def lines(proof: Proof, colour: bool, verbose: bool = False) -> Iterator[str]:
    """Yield what a proof found out, the verdict first."""
    writer = _Writer(colour, verbose)
    head = f"{writer.paint(proof.verdict, _VERDICTS[proof.verdict])}: {writer.cut(proof.path)}"
    if proof.comparison:
        head += f": {_figures(proof.comparison)}"
    yield writer.row(0, head)
    if proof.reason:
        yield writer.row(1, writer.cut(proof.reason))
    yield from _failure(writer, proof)
    if proof.cause:
        cause = proof.cause
        where = f"{cause.transform} (line {cause.line}): {cause.reason}"
        yield writer.row(1, f"{writer.paint('cause', _BOLD)}: {writer.cut(where)}")
    yield from writer.section("undeclared", proof.undeclared, _RED)
    yield from _questions(writer, proof.questions)
    if proof.comparison:
        yield from _differences(writer, proof.comparison)
    if proof.rebuild:
        yield from _rebuild(writer, proof.rebuild)
    yield from _matches(writer, proof.matches)


def comparison_lines(comparison: Comparison, colour: bool, verbose: bool = False) -> Iterator[str]:
    """Yield how one image differs from another."""
    writer = _Writer(colour, verbose)
    head = "nothing differs but layers" if comparison.is_empty else "differs"
    code = _GREEN if comparison.is_empty else _YELLOW
    yield writer.row(0, f"{writer.paint(head, code)}: {_figures(comparison)}")
    yield from _differences(writer, comparison)


def summary(proofs: Sequence[Proof], colour: bool = False) -> Iterator[str]:
    """Yield one line a file, and how many files came to which verdict."""
    writer = _Writer(colour, False)
    paths = [cut(proof.path, 60) for proof in proofs]
    broad = max(map(len, paths), default=0)
    long = max((len(proof.verdict) for proof in proofs), default=0)
    for proof, path in zip(proofs, paths, strict=True):
        verdict = writer.paint(f"{proof.verdict:<{long}}", _VERDICTS[proof.verdict])
        rest = [_figures(proof.comparison)] if proof.comparison else []
        if proof.questions:
            rest.append(f"answers kept: {words.kept(proof.questions)}")
        yield writer.row(0, f"{verdict}  {path:<{broad}}  {', '.join(rest)}".rstrip())
    before, after = words.totals(proofs)
    total = f"{words.counted(len(proofs), 'file')}: {words.tally(proofs)}"
    if before:
        both = f"{words.megabytes(before)} -> {words.megabytes(after)}"
        total += f"; together {both} ({words.percent(before, after)})"
    yield writer.row(0, total if proofs else "0 files")


class _Writer:
    """Writes rows, and leaves out what is too much for a short report."""

    def __init__(self, colour: bool, verbose: bool) -> None:
        self.colour = colour
        self.verbose = verbose

    def paint(self, text: str, code: str) -> str:
        """Return a text of ours in a colour."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def cut(self, text: str) -> str:
        """Return what a repository wrote: it neither begins a line nor speaks to the runner."""
        return _COMMAND.sub(r"#\\x23", cut(text, _WIDE if self.verbose else _WIDTH))

    def row(self, depth: int, text: str) -> str:
        """Return a line of the report, whose parts are harmless already."""
        return f"{'  ' * depth}{text}\n"

    def some(self, items: Sequence[str], limit: int) -> Sequence[str]:
        """Return as many as are shown."""
        return items if self.verbose or len(items) == limit + 1 else items[:limit]

    def few(self, items: Sequence[str], limit: int) -> str:
        """Return some in one line, and how many more there are."""
        shown = self.some(items, limit)
        more = len(items) - len(shown)
        text = ", ".join(map(self.cut, shown))
        return f"{text} and {more:,} more" if more else text

    def section(self, title: str, items: Iterable[str], code: str = _BOLD) -> Iterator[str]:
        """Yield a title and a row for each item, or nothing if there is none."""
        everything = tuple(items)
        if not everything:
            return
        yield self.row(1, self.paint(title, code))
        shown = self.some(everything, _ROWS)
        yield from (self.row(2, self.cut(item)) for item in shown)
        if len(shown) < len(everything):
            yield self.row(2, f"and {len(everything) - len(shown):,} more (--verbose)")


def _figures(comparison: Comparison) -> str:
    packed = words.packed(comparison)
    compressed = f", compressed {packed}" if packed else ""
    return f"{words.sizes(comparison)}{compressed}, layers {words.layers(comparison)}"


def _failure(writer: _Writer, proof: Proof) -> Iterator[str]:
    """Yield the step that failed and the end of the log, each line behind a bar."""
    if not (found := words.failed(proof)):
        return
    which, build = found
    title = writer.paint(f"the build of the {which} fails at", _BOLD)
    yield writer.row(1, f"{title} {writer.cut(build.failed)}")
    log = build.log if writer.verbose else build.log[-_LOG:]
    # without the bar, a line could be a command to the runner (`::error::`)
    yield from (writer.row(2, f"| {writer.cut(text)}".rstrip()) for text in log)


def _differences(writer: _Writer, comparison: Comparison) -> Iterator[str]:
    if writer.verbose:
        yield from _layers(writer, "layers before", comparison.before)
        yield from _layers(writer, "layers after", comparison.after)
    yield from _files(writer, comparison)
    named = (
        f"{setting.name}: {_value(setting.before)} -> {_value(setting.after)}"
        for setting in comparison.settings
    )
    yield from writer.section("settings", named)
    yield from _packages(writer, comparison)
    yield from writer.section("new defects", _defects(comparison.defects_added), _RED)
    yield from writer.section("defects gone", _defects(comparison.defects_gone))
    for how, paths, code in (
        (How.ADDED, comparison.privileged_added, _RED),
        (How.GONE, comparison.privileged_gone, _BOLD),
    ):
        yield from writer.section(f"run as their owner or group, {how}", sorted(paths), code)


def _layers(writer: _Writer, title: str, image: Image) -> Iterator[str]:
    yield from writer.section(
        title,
        (
            f"{words.amount(layer.files):>9}  {' '.join(layer.step.split())}"
            + (f"  ({words.amount(layer.wasted)} wasted)" if layer.wasted else "")
            for layer in image.layers
        ),
    )


def _files(writer: _Writer, comparison: Comparison) -> Iterator[str]:
    rows = words.groups(comparison.files)
    if rows or (comparison.noise and writer.verbose):
        yield writer.row(1, writer.paint("files", _BOLD))
    broad = max((len(words.counts(row.counts)) for row in rows), default=0)
    for row in rows:
        start = f"{row.group:<14}  {words.counts(row.counts):<{broad}}  {words.signed(row.size):>9}"
        if not writer.verbose:
            yield writer.row(2, f"{start}  {writer.few(row.paths, _PATHS)}")
            continue
        yield writer.row(2, start)
        for file in row.files:
            what = f" ({', '.join(file.what)})" if file.what else ""
            text = f"{file.how:<7}  {words.signed(file.size):>9}  {file.path}{what}"
            yield writer.row(3, writer.cut(text))
    if comparison.noise and writer.verbose:
        left_out = words.counted(comparison.noise, "path")
        yield writer.row(2, f"two builds of the same text differ in {left_out}, left out here")


def _packages(writer: _Writer, comparison: Comparison) -> Iterator[str]:
    yield from writer.section("not read, so not compared", comparison.unread)
    rows = words.packages(comparison)
    if not rows:
        return
    yield writer.row(1, writer.paint("packages", _BOLD))
    for how in How:
        names = [f"{row.name} {row.version()} ({row.kind})" for row in rows if row.how is how]
        if names:
            yield writer.row(2, f"{len(names):,} {how}: {writer.few(names, _NAMES)}")


def _value(value: str | None) -> str:
    return "not set" if value is None else value or '""'


def _defects(defects: Iterable[Defect]) -> Iterator[str]:
    return (f"{defect.kind}: {defect.path}: {defect.what}" for defect in sorted(defects))


def _questions(writer: _Writer, questions: Sequence[Question]) -> Iterator[str]:
    """Yield the questions, those that are answered otherwise first, and each answer."""
    if not questions:
        return
    title = writer.paint("asked", _BOLD)
    yield writer.row(1, f"{title}, answers kept: {words.kept(questions)}")
    ordered = sorted(questions, key=lambda question: question.is_kept)
    number = max(_ROWS, sum(not question.is_kept for question in questions))
    shown = ordered if writer.verbose else ordered[:number]
    for question in shown:
        mark = words.mark(question)
        mark = writer.paint(mark, _RED) if mark == "lost" else mark
        before, after = map(writer.cut, words.answers(question))
        text = f"{writer.cut(question.text)}: {words.pair(before, after)}"
        yield writer.row(2, f"{mark}  {text}")
    if len(shown) < len(questions):
        yield writer.row(2, f"and {len(questions) - len(shown):,} more (--verbose)")


def _rebuild(writer: _Writer, rebuild: Rebuild) -> Iterator[str]:
    title = f"{writer.paint('rebuild', _BOLD)} after an edit of {writer.cut(rebuild.edited)}"
    before, after = rebuild.before, rebuild.after
    part = f" ({words.percent(before.seconds, after.seconds)})" if before.seconds else ""
    yield writer.row(1, f"{title}: {before.seconds:.1f} s -> {after.seconds:.1f} s{part}")
    for name, build in (("before", before), ("after", after)):
        ran = writer.few(build.ran, _PATHS) if build.ran else "nothing"
        yield writer.row(2, f"ran again {name}: {ran}")


def _matches(writer: _Writer, matches: Sequence[Match]) -> Iterator[str]:
    found = [match for match in matches if match.found]
    if not found:
        return
    yield writer.row(1, writer.paint("declared", _BOLD))
    for match in found:
        name = writer.cut(match.transform)
        if writer.verbose:
            yield writer.row(2, f"{name}: {writer.cut(match.reason)}")
            yield from (writer.row(3, writer.cut(sentence)) for sentence in match.found)
        else:
            yield writer.row(2, f"{name}: {writer.few(match.found, _PATHS)}")
