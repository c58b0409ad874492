"""What commits hold, over repositories of the corpus: all that was accepted, and nothing else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from refactor.compose import everything
from refactor.config import Config
from refactor.decisions import Decided, Decision
from refactor.engine import Changed
from refactor.fleet.applying import Applied, Job, applied
from refactor.fleet.campaign import Commits
from refactor.fleet.clones import Room, newest
from refactor.fleet.planning import Job as PlanJob
from refactor.fleet.planning import Passed, Settings, planned, ready, worked
from refactor.fleet.records import Plan, Repository
from refactor.fleet.trees import GitTree
from refactor.model import Safety
from tests import corpus
from tests.fleet_repositories import git, of_corpus, repository

CONFIG = Config(level=Safety.RISKY, select=("all",))


def decisions(plan: Plan, chance: random.Random, share: float) -> dict[str, Decided]:
    """Accept a share of the changes of a plan."""
    return {
        file.path: Decided(
            file.before,
            tuple(Decision(chance.random() < share, c.transform, c.site, c.key)
                  for c in file.changes),
        )
        for file in plan.files
    }  # fmt: skip


class Case:
    """A repository with its plan."""

    def __init__(self, folder: Path, name: str, files: dict[str, bytes]) -> None:
        self.place = repository(folder / f"{name}.git", files)
        self.repository = Repository(name, str(self.place))
        self.settings = Settings(CONFIG, Room(str(folder / "cache"), 60, 0, 0))
        self.plan = planned(PlanJob(self.repository, self.settings))
        self.clone = newest(self.repository, self.settings.room).folder

    def applied(self, decided: dict[str, Decided], each: str) -> Applied:
        job = Job(self.repository, self.plan, decided, self.settings, Commits(each), "dfr/x")
        return applied(job)

    def holds(self, commit: str, path: str) -> bytes:
        return git("cat-file", "blob", f"{commit}:{path}", folder=self.clone)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    folder = tmp_path_factory.mktemp("cases")
    chosen = [(name, files) for name, files in of_corpus(corpus.folder(), 40) if files]
    made = [Case(folder, name, files) for name, files in chosen]
    return [case for case in made if any(file.changes for file in case.plan.files)]


def test_all_that_is_accepted_is_what_fix_makes(cases: list[Case]) -> None:
    compared = 0
    for case in cases:
        result = case.applied(decisions(case.plan, random.Random(1), 1), "transform")
        assert result.branch.state == "made", result.branch
        tree = GitTree(case.repository, case.clone, case.plan.base, case.settings.room)
        work, _ = ready(tree, CONFIG)
        assert not isinstance(work, Passed)
        for number, item in enumerate(work):
            expected, _ = worked(item, tree, everything)
            if isinstance(expected, Changed) and not number:  # others may see what this one wrote
                assert case.holds(result.branch.head, item.path) == expected.after
                for other in expected.others:
                    assert other.path in result.branch.files
                compared += 1
        tree.close()
    assert compared > 15


def test_many_commits_end_where_one_does(cases: list[Case]) -> None:
    chance = random.Random(5)
    several = 0
    for case in cases:
        decided = decisions(case.plan, chance, 0.6)
        each, one = case.applied(decided, "transform"), case.applied(decided, "one")
        assert (each.branch.state, each.patch) == (one.branch.state, one.patch)
        if each.branch.state != "made":
            continue
        trees = [git("rev-parse", f"{found.branch.head}^{{tree}}", folder=case.clone)
                 for found in (each, one)]  # fmt: skip
        assert trees[0] == trees[1]
        assert len(one.branch.commits) == 1
        again = case.applied(decided, "transform")
        assert again.branch.commits == each.branch.commits
        several += len(each.branch.commits) > 1
        for commit in each.branch.commits:
            said = git("show", "-s", "--format=%s", commit.id, folder=case.clone).decode()
            assert said.startswith(commit.transforms[0])
    assert several > 8


def test_the_patch_is_the_difference(cases: list[Case], tmp_path: Path) -> None:
    case = next(case for case in cases if len(case.plan.files) == 1)
    result = case.applied(decisions(case.plan, random.Random(1), 1), "transform")
    folder = tmp_path / "work"
    git("clone", "-q", str(case.place), str(folder), folder=case.place)
    git("apply", "--index", input=result.patch.encode("utf-8", "surrogateescape"), folder=folder)
    tree = git("write-tree", folder=folder).decode()
    expected = git("rev-parse", f"{result.branch.head}^{{tree}}", folder=case.clone).decode()
    assert tree == expected


def test_what_is_not_as_it_was_planned_is_not_touched(cases: list[Case]) -> None:
    case = cases[0]
    files = tuple(file._replace(before="0" * 64) for file in case.plan.files)
    other = case.plan._replace(files=files)
    job = Job(case.repository, other, decisions(case.plan, random.Random(1), 1), case.settings,
              Commits(), "dfr/x")  # fmt: skip
    found = applied(job).branch
    assert (found.state, found.head) == ("failed", "")
    assert "is not what was planned for: plan again" in found.reason


def test_what_is_not_proposed_any_more_is_counted(cases: list[Case]) -> None:
    case = cases[0]
    path = case.plan.files[0].path
    gone = Decision(True, "skip-pip-cache", "no site", "no key")
    found = case.applied({path: Decided("", (gone,))}, "transform").branch
    assert (found.state, found.reason) == (
        "nothing", "accepted, and not proposed any more: 1",
    )  # fmt: skip
