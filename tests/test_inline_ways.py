"""Dockerfiles in compose and bake files, in every way of working that Dockerfiles have."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from refactor.batch import Wishes, task
from refactor.cli import app
from refactor.config import Config
from refactor.context import MemoryContext
from refactor.engine import Task
from refactor.fleet.clones import Room
from refactor.fleet.planning import Settings, of_tree
from refactor.fleet.records import Plan
from refactor.inline import parts
from refactor.interactive import Review
from refactor.model import Safety
from refactor.report.formats import FORMATS

COMPOSE = """\
services:
  web:
    build:
      dockerfile_inline: |
        FROM debian:12 as x
        MAINTAINER me $$x
        ENV A 1
    ports: ['1:1']  # p
  db:
    build:
      dockerfile_inline: |
        FROM debian:12
        MAINTAINER me
"""
BAKE = """\
target "a" {
  dockerfile-inline = <<-EOT
    FROM debian:12 as y
    MAINTAINER me $${x}
  EOT
}
target "b" { dockerfile-inline = "FROM debian:12\\nMAINTAINER me\\n" }
"""
IDS = "match-as-case,replace-maintainer,use-key-value-form"
SELECT = ("--select", IDS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a compose and a bake file, and nothing else."""
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "docker-bake.hcl").write_text(BAKE)
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    return tmp_path


def git(*words: str) -> str:
    """Run git in the current folder."""
    own = ("-c", "user.name=a", "-c", "user.email=a@example.invalid", "-c", "commit.gpgsign=false")
    ended = subprocess.run(["git", *own, *words], capture_output=True, text=True, check=True)
    return ended.stdout


def dfr(*words: str, code: int = 0) -> str:
    """Run the program, and return what it wrote."""
    found = CliRunner().invoke(app, list(words))
    assert found.exit_code == code, found.output
    return found.output


def texts() -> list[str]:
    """Return the two files as they are now."""
    return [Path(name).read_text() for name in ("compose.yaml", "docker-bake.hcl")]


def fixed() -> list[str]:
    """Return what `dfr fix` makes of the two files; they stay as they are."""
    before = texts()
    dfr("fix", *SELECT, ".")
    after = texts()
    for name, text in zip(("compose.yaml", "docker-bake.hcl"), before, strict=True):
        Path(name).write_text(text)
    assert after != before
    return after


def test_a_series_makes_what_fix_makes(folder: Path) -> None:
    wanted = fixed()
    said = dfr("fix", *SELECT, "--one-patch-per-change", "series", ".")
    assert "7 patches" in said
    git("am", *sorted(str(path) for path in (folder / "series").iterdir()))
    assert texts() == wanted
    assert git("log", "--format=%s", "-2").splitlines() == [
        "docker-bake.hcl#b: replace-maintainer: MAINTAINER is deprecated: the OCI label says the"
        " same",
        "docker-bake.hcl#a: replace-maintainer: MAINTAINER is deprecated: the OCI label says the"
        " same",
    ]


def test_a_series_leaves_out_what_is_refused(folder: Path) -> None:
    (folder / "compose.yaml").write_text(COMPOSE.replace("$$x", "$x"))
    said = dfr("fix", *SELECT, "--one-patch-per-change", "series", ".", code=2)
    assert "compose.yaml: left out: line 4: the Dockerfile of web has variables" in said


def test_a_reviewed_patch_is_applied(folder: Path) -> None:
    wanted = fixed()
    patch = dfr("fix", *SELECT, "--diff", "-q", ".")
    (folder / "all.patch").write_text(patch)
    dfr("apply", "all.patch")
    assert texts() == wanted


def test_what_a_reviewer_deletes_or_writes_counts(folder: Path) -> None:
    patch = dfr("fix", *SELECT, "--diff", "-q", ".")
    rows = [row for row in patch.splitlines() if not row.endswith(("ENV A 1", "ENV A=1"))]
    (folder / "some.patch").write_text("\n".join(rows) + "\n")
    dfr("apply", "some.patch", "--decisions", "d.json")
    assert "        ENV A 1\n" in texts()[0]
    assert texts()[0].count("authors") == 2
    after = texts()
    git("checkout", "-q", ".")
    dfr("fix", *SELECT, "--decisions", "d.json", ".")
    assert texts() == after
    git("checkout", "-q", ".")
    (folder / "hand.patch").write_text(patch.replace('authors="me"', 'authors="you"'))
    said = dfr("apply", "hand.patch", code=1)
    assert "compose.yaml#db:13: not applied: written by hand" in said
    (folder / "torn.patch").write_text(patch.replace("+        FROM", "+      FROM"))
    git("checkout", "-q", ".")
    said = dfr("apply", "torn.patch", code=1)
    assert "compose.yaml: not applied: " in said
    assert texts()[0] == COMPOSE


def test_what_is_written_beside_them_is_not_applied_by_halves(folder: Path) -> None:
    patch = dfr("fix", *SELECT, "--diff", "-q", ".")
    text = patch.replace("     ports: ['1:1']  # p", "-    ports: ['1:1']  # p\n+    ports: []")
    (folder / "more.patch").write_text(text)
    said = dfr("apply", "more.patch", code=1)
    assert "compose.yaml: not all of it is applied" in said
    assert texts()[0] != COMPOSE
    assert "ports: ['1:1']  # p" in texts()[0]


def test_what_is_decided_is_made_and_a_baseline_keeps_quiet(folder: Path) -> None:
    dfr("fix", *SELECT, "--baseline", "b.json", "--update-baseline", ".")
    found = json.loads((folder / "b.json").read_text())["files"]
    assert {name: len(one["decisions"]) for name, one in found.items()} == {
        "compose.yaml#web": 3, "compose.yaml#db": 1, "docker-bake.hcl#a": 2, "docker-bake.hcl#b": 1,
    }  # fmt: skip
    dfr("fix", *SELECT, "--baseline", "b.json", "--check", ".")
    (folder / "compose.yaml").write_text(COMPOSE.replace("12\n", "12 as new\n"))
    dfr("fix", *SELECT, "--baseline", "b.json", "--check", ".", code=1)
    dfr("fix", *SELECT, "--baseline", "b.json", "--update-baseline", "docker-bake.hcl")
    assert json.loads((folder / "b.json").read_text())["files"] == found


def test_since_looks_at_the_file(folder: Path) -> None:
    assert "2 not changed since HEAD" in dfr("fix", *SELECT, "--since", "HEAD", "--check", ".")
    (folder / "docker-bake.hcl").write_text(f"{BAKE}# new\n")
    said = dfr("fix", *SELECT, "--since", "HEAD", "--check", ".", code=1)
    assert "1 file would be changed" in said


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_tells_of_them(name: str, folder: Path) -> None:
    said = dfr("fix", *SELECT, "--check", "--format", name, ".", code=1)
    assert "replace-maintainer" in said


def test_sarif_has_the_places_of_the_file(folder: Path) -> None:
    dfr("fix", *SELECT, "--check", "--format", "sarif", "-o", "r.sarif", ".", code=1)
    results = json.loads((folder / "r.sarif").read_text())["runs"][0]["results"]
    assert len(results) == 7
    before = dict(zip(("compose.yaml", "docker-bake.hcl"), texts(), strict=True))
    lines = []
    for result in results:
        place = result["locations"][0]["physicalLocation"]
        lines.append((place["artifactLocation"]["uri"], place["region"]["startLine"]))
        (fix,) = result["fixes"]
        (change,) = fix["artifactChanges"]
        name = change["artifactLocation"]["uri"]
        after = before[name]
        for one in change["replacements"]:
            region, rows = one["deletedRegion"], after.splitlines(keepends=True)
            start = sum(map(len, rows[: region["startLine"] - 1])) + region["startColumn"] - 1
            end = sum(map(len, rows[: region["endLine"] - 1])) + region["endColumn"] - 1
            after = after[:start] + one["insertedContent"]["text"] + after[end:]
        site = task(Path(name), Wishes())
        assert isinstance(site, Task)
        texts_after = [part.data for part in parts(site._replace(data=after.encode()))]
        texts_before = [part.data for part in parts(site._replace(data=before[name].encode()))]
        assert sum(a != b for a, b in zip(texts_before, texts_after, strict=True)) == 1
    assert lines == [
        ("compose.yaml", 5), ("compose.yaml", 6), ("compose.yaml", 7), ("compose.yaml", 13),
        ("docker-bake.hcl", 3), ("docker-bake.hcl", 4), ("docker-bake.hcl", 7),
    ]  # fmt: skip


def test_each_change_is_asked_for(folder: Path) -> None:
    wishes = Wishes(Safety.SAFE, tuple(IDS.split(",")))
    whole = task(Path("compose.yaml"), wishes)
    assert isinstance(whole, Task)
    review = Review(parts(whole))
    places = []
    while question := review.question():
        places.append((question.path, question.line))
        review.answer(question, accept=question.path.endswith("web"))
    assert places == [
        ("compose.yaml#web", 5), ("compose.yaml#web", 6), ("compose.yaml#web", 7),
        ("compose.yaml#db", 13),
    ]  # fmt: skip
    assert set(review.decisions()) == {"compose.yaml#web", "compose.yaml#db"}


def test_a_fleet_counts_what_it_does_not_plan() -> None:
    files = {"compose.yaml": COMPOSE.encode(), "Dockerfile": b"FROM debian:12 as x\n"}
    plan = Plan("r", "failed")
    found = of_tree(MemoryContext(files), plan, Settings(Config(), Room("", 1, 1, 1)))
    assert [file.path for file in found.files] == ["Dockerfile"]
    assert found.passed_over == (("compose or bake file with Dockerfiles in it", 1),)
    alone = of_tree(
        MemoryContext({"compose.yaml": COMPOSE.encode()}),
        plan,
        Settings(Config(), Room("", 1, 1, 1)),
    )
    assert (alone.state, alone.reason) == ("skipped", "no Dockerfile")
    assert alone.passed_over == (("compose or bake file with Dockerfiles in it", 1),)
