"""What all reports of proofs say: amounts, differences in rows, answers in words."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from refactor.proof.differences import Comparison, FileDifference, Group, How
from refactor.proof.images import Image, Package
from refactor.proof.results import Answer, Build, Proof, Question, Verdict
from refactor.report.text import flat

_MEGA = 1_000_000
_REQUEST = re.compile(r"[A-Z]+ (?:[0-9.]*:[0-9]|/)")  # else it is a command
GOOD = frozenset({Verdict.UNCHANGED, Verdict.EQUIVALENT, Verdict.DECLARED})


class GroupRow(NamedTuple):
    """The files of one group that differ, those that weigh most first; `size` is in bytes."""

    group: Group
    counts: Counter[How]
    size: int
    files: tuple[FileDifference, ...]

    @property
    def paths(self) -> list[str]:
        """The paths of the files."""
        return [file.path for file in self.files]


class PackageRow(NamedTuple):
    """One package that differs; without a version where it is not installed."""

    kind: str
    name: str
    before: str
    after: str

    @property
    def how(self) -> How:
        """Return what became of it."""
        if self.before and self.after:
            return How.CHANGED
        return How.ADDED if self.after else How.GONE

    def version(self, arrow: str = "->") -> str:
        """Return its version, or both."""
        return pair(self.before or self.after, self.after or self.before, arrow)


def megabytes(size: int) -> str:
    """Return a size in MB, as engines count them: a million bytes."""
    return f"{size / _MEGA:,.1f} MB"


def amount(size: int) -> str:
    """Return a size in the unit that suits it."""
    if abs(size) < 1000:
        return f"{size} B"
    # 999,950 B would be 1000.0 kB
    return f"{size / 1000:.1f} kB" if abs(size) < _MEGA - 50 else megabytes(size)


def signed(size: int) -> str:
    """Return what is added or taken away, with its sign."""
    return f"+{amount(size)}" if size > 0 else amount(size)


def percent(before: float, after: float) -> str:
    """Return by how much something grew, or nothing if it was nothing."""
    if not before:
        return ""
    rounded = round(100 * (after - before) / before, 1)
    return f"{rounded:+.1f} %" if rounded else "0.0 %"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def cut(text: str, limit: int) -> str:
    """Return a text on one line, and not all of it if it is long."""
    if len(text) > 2 * limit:  # first: it may be a file's worth
        text = text[: 2 * limit]
    text = flat(text)
    return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."


def sizes(comparison: Comparison, arrow: str = "->") -> str:
    """Return both images' sizes."""
    before, after = comparison.before.size, comparison.after.size
    both = pair(megabytes(before), megabytes(after), arrow)
    part = percent(before, after)
    return f"{both} ({part})" if part and before != after else both


def packed(comparison: Comparison, arrow: str = "->") -> str:
    """Return both images' sizes as they are kept compressed; empty if they are not."""
    before, after = comparison.before, comparison.after
    if before.stored >= before.size or after.stored >= after.size:
        return ""
    return pair(megabytes(before.stored), megabytes(after.stored), arrow)


def layers(comparison: Comparison, arrow: str = "->") -> str:
    """Return how many layers both images have."""
    return pair(str(len(comparison.before.layers)), str(len(comparison.after.layers)), arrow)


def pair(before: str, after: str, arrow: str = "->") -> str:
    """Return two values, or one if they are the same."""
    return before if before == after else f"{before} {arrow} {after}"


def user(image: Image) -> str:
    """Return who a container runs as."""
    return image.settings.user or "root"


def libraries(image: Image) -> int:
    """Return how many libraries are asked for that are not in an image."""
    return sum(defect.kind == "library" for defect in image.defects)


def groups(files: Iterable[FileDifference]) -> list[GroupRow]:
    """Return a row for each group that has files which differ, the heaviest first."""
    sorted_in: defaultdict[Group, list[FileDifference]] = defaultdict(list)
    for file in files:
        sorted_in[file.group].append(file)
    rows = [
        GroupRow(
            group,
            Counter(file.how for file in found),
            sum(file.size for file in found),
            tuple(sorted(found, key=lambda f: (-abs(f.size), f.path))),
        )
        for group, found in sorted_in.items()
    ]
    return sorted(rows, key=lambda row: (-abs(row.size), row.group))


def counts(found: Counter[How]) -> str:
    """Return how many were added, are gone, and changed."""
    return ", ".join(f"{found[how]:,} {how}" for how in How if found[how])


def packages(comparison: Comparison) -> list[PackageRow]:
    """Return the packages that differ; another version of the same package is one row."""
    versions: defaultdict[tuple[str, str], tuple[list[str], list[str]]]
    versions = defaultdict(lambda: ([], []))
    sides: tuple[frozenset[Package], frozenset[Package]]
    sides = (comparison.packages_gone, comparison.packages_added)
    for side, found in enumerate(sides):
        for package in sorted(found):
            versions[package.kind, package.name][side].append(package.version or "?")
    return [
        PackageRow(kind, name, ", ".join(before), ", ".join(after))
        for (kind, name), (before, after) in sorted(versions.items())
    ]


def mark(question: Question) -> str:
    """Return what became of an answer, in a word."""
    if question.before.error:
        return "none"
    return "kept" if question.is_kept else "lost"


def answers(question: Question) -> tuple[str, str]:
    """Return both answers in words. Whether it stops is said only where that was asked."""
    ends = question.before.stops is not None or question.after.stops is not None
    is_request = bool(_REQUEST.match(question.text))
    return (
        _answer(question.before, is_request, ends),
        _answer(question.after, is_request, ends),
    )


def _answer(answer: Answer, is_request: bool, ends: bool) -> str:
    if answer.error:
        return f"no answer: {answer.error}"
    status = "no status" if answer.status is None else str(answer.status)
    parts = [" ".join(filter(None, ("" if is_request else "exit", status, answer.body)))]
    if answer.uid is not None:
        parts.append("as root" if answer.uid == 0 else f"as user {answer.uid}")
    if ends:
        stops = answer.stops
        parts.append("has to be killed" if stops is None else f"stops in {stops:.1f} s")
    return ", ".join(parts)


def kept(questions: Sequence[Question]) -> str:
    """Return how many of the answers that there were are what they were."""
    had = [question for question in questions if not question.before.error]
    return f"{sum(question.is_kept for question in had)} of {len(had)}"


def failed(proof: Proof) -> tuple[str, Build] | None:
    """Return the build that failed, and of which text it was."""
    if proof.before and proof.before.failed:
        return "file as it is", proof.before
    if proof.after and proof.after.failed:
        return "refactored file", proof.after
    return None


def tally(proofs: Sequence[Proof]) -> str:
    """Return how many files came to which verdict."""
    found = Counter(proof.verdict for proof in proofs)
    return ", ".join(f"{found[verdict]:,} {verdict}" for verdict in Verdict if found[verdict])


def totals(proofs: Sequence[Proof]) -> tuple[int, int]:
    """Return the sizes of all images before and after."""
    compared = [proof.comparison for proof in proofs if proof.comparison]
    return sum(c.before.size for c in compared), sum(c.after.size for c in compared)
