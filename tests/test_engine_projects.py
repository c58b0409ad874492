"""Our own projects, each built before and after on a real engine, answer the same."""

from pathlib import Path

import pytest

from tests.engine import Engine
from tests.fixture_projects import (
    Project,
    Version,
    compare,
    engine_for,
    lay,
    projects,
    rebuild_steps,
    refactored,
)

PROJECTS = {project.name: project for project in projects()}
BUILT = {name: project for name, project in PROJECTS.items() if not project.unbuilt}
PAGE = Path(__file__).parent.parent / "docs" / "projects.md"
NAIVE = "FROM debian:bookworm-slim\nWORKDIR /a\nCOPY . .\nRUN wc needs.txt\nCMD cat app.py\n"
ORDERED = NAIVE.replace("COPY . .\nRUN wc needs.txt\n", "COPY needs.txt .\nRUN wc *\nCOPY . .\n")


@pytest.fixture(scope="module")
def engine() -> Engine:
    """A running engine that has the images of all projects."""
    return engine_for(list(BUILT.values()))


@pytest.mark.parametrize("name", PROJECTS)
def test_a_second_refactoring_finds_nothing(name: str, tmp_path: Path) -> None:
    before = lay(PROJECTS[name], tmp_path / "before")
    after = lay(PROJECTS[name], tmp_path / "after", refactored(before))
    assert refactored(after) == {}


@pytest.mark.parametrize("name", BUILT)
def test_it_answers_the_same(engine: Engine, name: str, tmp_path: Path) -> None:
    project = BUILT[name]
    before, after = compare(engine, project, tmp_path)
    for version in (before, after):
        print(version.folder.name, version.image, "root" if version.behaviour.root else "non-root")
    if project.broken:
        assert project.broken in before.behaviour.complaint
        assert not after.behaviour.complaint or "starts" not in project.expect
    else:
        assert after.behaviour.answers == before.behaviour.answers
    _reached(project, before, after)
    if "kept steps" in project.expect:
        again = rebuild_steps(engine, after.folder, project.edit)
        assert not [step for step in again if any(part in step for part in project.keeps)]


def _reached(project: Project, before: Version, after: Version) -> None:
    """Check what the project's project.toml expects of the refactoring."""
    assert after.image.size <= before.image.size * project.max_size_ratio
    if "smaller" in project.expect:
        assert after.image.size < before.image.size
    if "fewer layers" in project.expect:
        assert after.image.layers < before.image.layers
    if "non-root" in project.expect:
        assert not after.behaviour.root


@pytest.mark.parametrize(
    ("text", "installs"), [(NAIVE, True), (ORDERED, False)], ids=["naive", "ordered"]
)
def test_a_rebuild_tells_which_steps_ran_again(
    engine: Engine, tmp_path: Path, text: str, installs: bool
) -> None:
    for name, content in (("Dockerfile", text), ("needs.txt", "x\n"), ("app.py", "1\n")):
        (tmp_path / name).write_text(content)
    again = rebuild_steps(engine, tmp_path, "app.py")
    assert "COPY . ." in again
    assert any(step.startswith("RUN") for step in again) is installs


def test_the_page_names_every_project() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in PROJECTS if f"`{name}`" not in text] == []
