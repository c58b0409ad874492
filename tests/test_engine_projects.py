"""Our own projects, each built before and after on a real engine, answer the same."""

import os
from pathlib import Path

import pytest

from refactor.proof.results import Proof, Verdict
from refactor.report import proof_text
from tests.engine import Engine
from tests.fixture_projects import (
    Project,
    engine_for,
    lay,
    projects,
    prove_project,
    rebuilt,
    refactored,
    refactoring,
    row,
    user,
)

PROJECTS = {project.name: project for project in projects()}
BUILT = {name: project for name, project in PROJECTS.items() if not project.unbuilt}
PAGE = Path(__file__).parent.parent / "docs" / "projects.md"


@pytest.fixture(scope="module")
def engine() -> Engine:
    """A running engine that has the images of all projects."""
    return engine_for(list(BUILT.values()))


@pytest.mark.parametrize("name", PROJECTS)
def test_a_second_refactoring_finds_nothing(name: str, tmp_path: Path) -> None:
    before = lay(PROJECTS[name], tmp_path / "before")
    after = lay(PROJECTS[name], tmp_path / "after", refactored(before))
    assert refactored(after) == {}


@pytest.mark.parametrize("name", [name for name, one in PROJECTS.items() if one.made or one.told])
def test_the_changes_are_made_that_it_is_there_for(name: str) -> None:
    project = PROJECTS[name]
    remarks = refactoring(project.folder).remarks
    assert set(project.made) <= {one.transform for one in remarks if one.kind == "change"}
    assert set(project.told) == {one.code for one in remarks if one.kind == "notice"}


@pytest.mark.parametrize("name", BUILT)
def test_it_does_the_same(engine: Engine, name: str, tmp_path: Path) -> None:
    project = BUILT[name]
    secrets = project.secrets
    held: dict[str, list[str]] = {}

    def scan(_: str, when: str, archive: Path) -> None:
        data = archive.read_bytes()
        held[when] = [name for name, value in secrets.items() if value.encode() in data]

    proof = prove_project(engine, project, tmp_path, scan if secrets else None)
    print(*proof_text.lines(proof, False), sep="")
    if table := os.environ.get("DFR_PROOFS"):  # CI shows it
        with open(table, "a", encoding="utf-8") as stream:
            stream.write(f"{row(project, proof)}\n")
    assert proof.verdict in (Verdict.EQUIVALENT, Verdict.DECLARED), proof.reason
    for ask, question in zip(project.asks, proof.questions, strict=True):
        if project.broken:
            assert project.broken in question.before.error
            assert not question.after.error or "starts" not in project.expect
        else:
            assert ask.answer in question.after.text
            assert question.after.text == question.before.text
    assert not secrets or held == {"before": list(secrets), "after": []}
    _reached(project, proof)
    if "kept steps" in project.expect:
        again = rebuilt(engine, project, tmp_path)
        assert not again.failed
        assert again.cached
        assert again.ran
        assert not [step for step in again.ran if any(part in step for part in project.keeps)]


def _reached(project: Project, proof: Proof) -> None:
    """Check what the project's project.toml expects of the refactoring."""
    assert proof.comparison is not None
    before, after = proof.comparison.before, proof.comparison.after
    assert after.size <= before.size * project.max_size_ratio
    if "smaller" in project.expect:
        assert after.size < before.size
    if "fewer layers" in project.expect:
        assert len(after.layers) < len(before.layers)
    if "non-root" in project.expect:
        assert user(after, proof.questions, True).startswith("non-root")
    if "stops" in project.expect:
        stopped = [(q.before.stops, q.after.stops) for q in proof.questions if q.after.uid]
        assert stopped
        assert all(was is None and now is not None for was, now in stopped), stopped


def test_the_page_names_every_project() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in PROJECTS if f"`{name}`" not in text] == []
