"""The strength of the verifier on structural changes, over contexts and our own projects."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest

from refactor.compose import Step, refactor
from refactor.context import DiskContext
from refactor.engine import unsound
from refactor.facts.homes import home
from refactor.model import Effect, Safety
from refactor.registry import ordered, select
from refactor.snapshot import Snapshot
from refactor.source import Unreadable, apply, decode
from refactor.syntax import ParseError, parse
from tests import corpus
from tests.mutants import Accepted, mutants
from tests.test_mutants import Tally

FIXTURES = Path(__file__).parent.parent / "fixtures"
STRUCTURAL = frozenset({Effect.ORDER, Effect.STAGES, Effect.BASE, Effect.USER})
EACH = int(os.environ.get("DFR_STRUCTURAL_MUTANTS", "25"))  # of one change
PARTS = 4
OVERALL = 0.99


def steps(path: Path, folder: Path) -> Iterator[Step]:
    """Yield the structural changes that are made to a file."""
    try:
        dockerfile = parse(decode(path.read_bytes()))
    except (ParseError, Unreadable):
        return
    if unsound(dockerfile) is not None:
        return
    place = path.relative_to(folder).as_posix() if folder in path.parents else "Dockerfile"
    snapshot = Snapshot(
        PurePath(place), dockerfile.text, dockerfile, DiskContext(folder), place=place
    )
    if folder.parent == FIXTURES:
        snapshot = Snapshot(
            PurePath(place), dockerfile.text, dockerfile, DiskContext(folder),
            place=place, home=home(snapshot),
        )  # fmt: skip
    for step in refactor(snapshot, ordered(select(("all",), ())), Safety.RISKY).steps:
        if any(claim.effect in STRUCTURAL for claim in step.change.claims):
            yield step


def judged(files: list[tuple[Path, Path]]) -> Tally:
    """Make mutants of the changes to some files, and judge them."""
    tally = Tally()
    made: Counter[str] = Counter()
    for path, folder in files:
        for number, step in enumerate(steps(path, folder)):
            after = step.before.with_text(apply(step.before.text, step.change.edits))
            change = Accepted(step.transform.id, step.change, step.before, after)
            assert change.verdict(after) is None, (path, step.transform.id)
            for mutant in mutants(change, EACH, made, f"{path.parent.name}:{number}"):
                tally.take(change, f"{mutant.kind} ({step.transform.id})", mutant.snapshot)
    return tally


def test_wrong_versions_of_structural_changes_are_rejected() -> None:
    files = [(path, path.parent) for path in sorted(FIXTURES.glob("*/Dockerfile"))]
    files += list(corpus.contexts(corpus.folder()))
    parts = [files[part::PARTS] for part in range(PARTS)]
    tally = sum(corpus.each(judged, parts, chunk=1), Tally())
    print(*tally.table(), sep="\n")
    assert tally.rejected.total() > 1000
    assert tally.overall() >= OVERALL


def test_the_share_of_our_own_projects() -> None:
    files = [(path, path.parent) for path in sorted(FIXTURES.glob("flask-*/Dockerfile"))]
    tally = judged(files)
    print(*tally.table(), sep="\n")
    if not tally.rejected:
        pytest.fail("no structural change to mutate")
    assert tally.overall() >= OVERALL
