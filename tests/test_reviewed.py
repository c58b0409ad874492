"""Reviewed patches: what a person left in one is made, no more, and what cannot be is said."""

import random
import re
import subprocess
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from refactor import batch, cli
from refactor.batch import Wishes, task
from refactor.compose import Proposal, everything
from refactor.context import MemoryContext
from refactor.decisions import read as read_decisions
from refactor.engine import Changed, Task, run, told
from refactor.model import Change, Safety
from refactor.patch import unified
from refactor.patch_reader import PatchError, patched, read
from refactor.project import Site
from refactor.reviewed import Target, applied, matched
from refactor.source import decode
from tests import corpus

TEXT = """\
FROM debian:bookworm as base
MAINTAINER Jane Doe
ENV A 1

# one

# two

# three

RUN apt-get update
RUN apt-get install -y curl
ADD a /a
CMD ["a"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a Dockerfile."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Dockerfile").write_text(TEXT)
    (tmp_path / "a").write_text("")
    return tmp_path


def invoke(*words: str, stdin: str | None = None) -> tuple[int, str, str]:
    """Run a command and return its exit code and what it prints."""
    result = CliRunner().invoke(cli.app, words, input=stdin)
    return result.exit_code, result.stdout, result.stderr


def diff() -> str:
    """Return the patch of everything."""
    code, out, _ = invoke("fix", "--diff", "--level", "risky", ".")
    assert code == 0
    return out


def reviewed(patch: str, *words: str) -> tuple[int, str, str]:
    """Apply a patch; return the exit code, what the Dockerfile says, and what is said."""
    code, _, said = invoke("apply", *words, "-", stdin=patch)
    return code, Path("Dockerfile").read_text(), said


def hunks(patch: str) -> tuple[str, list[str]]:
    """Return a patch's head and its hunks."""
    head, *rest = re.split(r"(?m)^(?=@@ )", patch)
    return head, rest


def test_an_unedited_patch_does_what_fix_does(folder: Path) -> None:
    patch = diff()
    code, after, said = reviewed(patch)
    assert code == 0
    assert "not applied" not in said
    Path("Dockerfile").write_text(TEXT)
    invoke("fix", "--level", "risky", ".")
    assert after == Path("Dockerfile").read_text() != TEXT


def test_a_deleted_hunk_is_not_made(folder: Path) -> None:
    head, parts = hunks(diff())
    assert len(parts) == 2
    code, after, _ = reviewed(head + parts[1])
    assert code == 0
    assert after.startswith(TEXT[: TEXT.index("# one")])
    assert "rm -rf /var/lib/apt/lists" in after


def test_a_change_within_a_hunk_is_undone_by_its_lines(folder: Path) -> None:
    patch = diff()
    assert "-MAINTAINER Jane Doe\n" in patch
    patch = re.sub(r"(?m)^-MAINTAINER.*\n|^\+LABEL.*\n", "", patch)
    code, after, said = reviewed(patch, "--decisions", "d.json")
    assert code == 0
    assert "MAINTAINER Jane Doe\nENV A=1\n" in after
    assert "by-hand" not in said
    decided = read_decisions(folder / "d.json")["Dockerfile"].decisions
    assert [d.transform for d in decided if not d.accept] == ["replace-maintainer"]
    Path("Dockerfile").write_text(TEXT)
    invoke("fix", "--level", "risky", "--decisions", "d.json", ".")
    assert Path("Dockerfile").read_text() == after


def test_a_deleted_minus_line_keeps_the_line(folder: Path) -> None:
    patch = re.sub(r"(?m)^-ENV A 1\n|^\+ENV A=1\n", "", diff())
    code, after, _ = reviewed(patch)
    assert code == 0
    assert "ENV A 1\n" in after


def test_what_is_written_by_hand_is_made_if_it_verifies(folder: Path) -> None:
    patch = diff().replace("+ENV A=1\n", "+# what A is for\n+ENV  A=1\n")
    code, after, said = reviewed(patch)
    assert code == 0
    assert "# what A is for\nENV  A=1\n" in after
    assert "by-hand (risky): edited by hand" in said


def test_what_is_written_by_hand_and_does_more_is_not_made(folder: Path) -> None:
    patch = diff().replace("+ENV A=1\n", "+ENV A=2\n")
    patch = patch.replace("-recommends curl", "-recommends wget")
    code, after, said = reviewed(patch)
    assert code == 1
    assert "A=2" not in after
    assert "wget" not in after
    assert "AS base" in after, "the rest is made"
    assert "Dockerfile:3: not applied: written by hand, and stage base: 'apt-get update'" in said
    assert re.search(r"Dockerfile:1\d: not applied: .*wget ca-certificates' where", said)


def test_a_deleted_line_is_never_written(folder: Path) -> None:
    patch = re.sub(r"(?m)^\+USER.*\n", "", diff())
    code, after, said = reviewed(patch, "--decisions", "d.json")
    assert code == 1
    assert "USER" not in after
    assert "useradd" not in after
    assert "run-as-user: not made: a line of it is deleted or edited" in said
    decided = read_decisions(folder / "d.json")["Dockerfile"].decisions
    assert "run-as-user" not in [d.transform for d in decided if d.accept]
    assert "replace-maintainer" in [d.transform for d in decided if d.accept]


def test_a_line_of_another_file_that_was_deleted_is_not_written(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".env").write_text("")
    Path("Dockerfile").write_text(TEXT.replace("ADD a /a", "COPY . /a"))
    patch = diff()
    assert "+.git\n+**/.env\n" in patch
    code, _, said = reviewed(patch.replace("+**/.env\n", ""))
    assert code == 1
    assert not Path(".dockerignore").exists()
    assert ".dockerignore: not applied: no change writes just that" in said


def test_many_edits_that_do_not_verify_are_all_named_and_the_others_made(folder: Path) -> None:
    lines = "".join(f"RUN step{n}\n\n# {n}\n\n\n\n\n\n\n" for n in range(14))
    text = f"FROM debian:bookworm as base\n{lines}# the end\n"
    Path("Dockerfile").write_text(text)
    after = text.replace(" as ", " AS ").replace("RUN step", "RUN other")
    after = after.replace("the end", "the very end")
    patch = "".join(unified("Dockerfile", text, after))
    code, made, said = reviewed(patch)
    assert code == 1
    assert made == text.replace(" as ", " AS ").replace("the end", "the very end")
    assert said.count("not applied: written by hand") == 14


def test_an_unedited_patch_of_a_long_file_takes_no_time(folder: Path) -> None:
    Path("Dockerfile").write_text("FROM debian\n" + "RUN a\n" * 150 + 'CMD ["a"]\n')
    start = time.perf_counter()
    assert reviewed(diff(), "--check")[0] == 0
    assert time.perf_counter() - start < 60


def test_check_writes_nothing(folder: Path) -> None:
    code, after, said = reviewed(diff(), "--check")
    assert code == 0
    assert after == TEXT
    assert "1 file would be changed" in said


def test_other_files_are_taken_or_left(folder: Path) -> None:
    (folder / ".git").mkdir()
    Path("Dockerfile").write_text(TEXT.replace("ADD a /a", "COPY . /a"))
    patch = diff()
    whole, _, ignore = patch.partition("--- /dev/null")
    assert ".dockerignore" in ignore
    assert reviewed(whole)[0] == 0
    assert not Path(".dockerignore").exists()
    Path("Dockerfile").write_text(TEXT.replace("ADD a /a", "COPY . /a"))
    code, after, said = reviewed("--- /dev/null" + ignore)
    assert code == 0, said
    assert Path(".dockerignore").read_text().endswith(".git\n")
    assert after == TEXT.replace("ADD a /a", "COPY . /a")


def test_another_file_that_was_edited_by_hand_is_not_made(folder: Path) -> None:
    (folder / ".git").mkdir()
    Path("Dockerfile").write_text(TEXT.replace("ADD a /a", "COPY . /a"))
    code, _, said = reviewed(diff().replace("+.git\n", "+.git\n+a\n"))
    assert code == 1
    assert ".dockerignore: not applied: no change writes just that" in said


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ("", "nothing is left in the patch"),
        ("--- a/Dockerfile\n+++ b/Dockerfile\n@@ -1 +1 @@\n-a\n+b\n" * 2, "Dockerfile: twice in"),
        (
            f"--- a/x\n+++ b/x\n@@ -{'9' * 5000} +1 @@\n-a\n+b\n",
            "line 3 of the patch is no heading",
        ),
        ('--- a/x\n+++ "b/x\\000y"\n@@ -1 +1 @@\n-a\n+b\n', "a zero byte"),
        ("--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", "a/x: deleted: only texts can be"),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n\\ No newline at end of file\n", "x: No such file"),
        ("some\nwords\n", "nothing is left in the patch"),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", "x: No such file or directory; run this where"),
        ("--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-a\n+b\n", "../x: leads out of this folder"),
        ("--- a//x\n+++ b//x\n@@ -1 +1 @@\n-a\n+b\n", "/x: leads out of this folder"),
        ("--- a/Dockerfile\n+++ b/Dockerfile\n@@ -1 +1 @@\n-FROM x\n+FROM y\n", "do not say"),
        ("--- a/Dockerfile\n+++ b/Dockerfile\n@@ -90 +90 @@\n-a\n+b\n", "there is no line 90"),
        ("--- a/Dockerfile\n+++ b/Dockerfile\n@@ -2 +2 @@\n-M\n+b\n@@ -1 +1 @@\n-M\n+b\n", "line"),
    ],
)
def test_what_is_no_patch_of_these_files_is_an_error(folder: Path, patch: str, said: str) -> None:
    code, after, err = reviewed(patch)
    assert code == 2
    assert said in err
    assert after == TEXT


# The reader


BODY = "a\nb\nc\nd\n"


@pytest.mark.parametrize(
    ("hunk", "wanted"),
    [
        ("@@ -1,4 +1,4 @@\n a\n-b\n+B\n c\n d\n", "a\nB\nc\nd\n"),
        ("@@ -1,4 +1,5 @@ some names\n a\n-b\n+B\n+BB\n c\n d\n", "a\nB\nBB\nc\nd\n"),
        ("@@ -1,4 +1,9 @@\n a\n-b\n+B\n c\n d\n", "a\nB\nc\nd\n"),
        ("@@ -1,4 +1,4 @@\n a\n+B\n c\n d\n", "a\nB\nb\nc\nd\n"),
        ("@@ -1,4 +1,4 @@\n-b\n+B\n", "a\nB\nc\nd\n"),
        ("@@ -1,4 +1,4 @@\n", BODY),
        ("@@ -2,0 +3 @@\n+x\n", "a\nb\nx\nc\nd\n"),
        ("@@ -4 +4 @@\n-d\n+d\n\\ No newline at end of file\n", "a\nb\nc\nd"),
        ("@@ -1,2 +1 @@\n-a\n b\n@@ -4 +3,2 @@\n d\n+e\n", "b\nc\nd\ne\n"),
    ],
)
def test_hunks_that_people_edited(hunk: str, wanted: str) -> None:
    parts = read(f"--- a/f\n+++ b/f\n{hunk}")
    assert patched(BODY, parts[0]) == wanted if parts else wanted == BODY


def test_what_stands_around_a_patch_does_not_matter() -> None:
    patch = (
        "From 0000 Mon\nSubject: [PATCH] x\n\nwords\n---\n f | 2 +-\n\n"
        "diff --git a/f b/f\nindex 1..2 100644\n--- a/f\n+++ b/f\n"
        "@@ -1,4 +1,4 @@\n a\n--- x\n+++ y\n c\n d\n-- \n2.39\n\n"
    )
    (part,) = read(patch)
    assert patched("a\n-- x\nc\nd\n", part) == "a\n++ y\nc\nd\n"


@pytest.mark.parametrize("change", ["\ufeff{}", "{}\r\n\r\n"])
def test_what_editors_add_to_a_patch_is_no_obstacle(folder: Path, change: str) -> None:
    code, _, said = reviewed(change.format(diff()))
    assert code == 0, said


def test_headings_with_other_line_ends_are_read(folder: Path) -> None:
    patch = re.sub(r"(?m)^((?:---|\+\+\+|@@).*)$", "\\1\r", diff())
    code, after, said = reviewed(patch)
    assert code == 0, said
    assert "\r" not in after


def test_a_line_end_that_an_editor_cut_off_is_no_obstacle() -> None:
    (part,) = read("--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n\n-c\n+C\n")
    assert patched("a  \r\n \r\nc\r\n", part) == "a  \r\n \r\nC\n"


@pytest.mark.parametrize("name", ['"b/\\303\\244 \\"x"', "b/plain name"])
def test_names_are_unquoted(name: str) -> None:
    (part,) = read(f"--- a/f\n+++ {name}\n@@ -1 +1 @@\n-a\n+b\n")
    assert part.path == ('ä "x' if name.startswith('"') else "plain name")


def test_a_hunk_behind_the_end_is_an_error() -> None:
    (part,) = read("--- a/f\n+++ b/f\n@@ -7,2 +7 @@\n-x\n y\n")
    with pytest.raises(PatchError, match="there is no line 8"):
        patched(BODY, part)


# A series


def git(folder: Path, *words: str) -> str:
    """Run git, as nobody in particular."""
    given = ("-c", "user.name=A B", "-c", "user.email=a@example.org", "-c", "am.keepcr=false")
    command = ["git", *given, *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_series_is_taken_by_git_am_and_leads_to_the_same(folder: Path, newline: str) -> None:
    root = folder / "repository"
    (root / "sub").mkdir(parents=True)
    text = TEXT.replace("ADD a /a", "COPY . /a")
    for path in (root / "Dockerfile", root / "sub" / "Dockerfile"):
        path.write_text(text, newline=newline)
    git(root, "init", "-q")
    batch.forget()
    git(root, "add", "-A")
    git(root, "commit", "-qm", "start")
    series = folder / "series"
    words = ("--level", "risky", "--one-patch-per-change", str(series), str(root))
    code, _, said = invoke("fix", *words)
    assert code == 0, said
    assert ("git am --keep-cr" in said) == (newline == "\r\n")
    patches = sorted(map(str, series.iterdir()))
    flag = ["--keep-cr"] if newline == "\r\n" else []
    git(root, "am", "-q", *flag, *patches)
    subjects = git(root, "log", "--format=%s").splitlines()
    assert len(subjects) == len(patches) + 1
    assert "sub/Dockerfile: replace-maintainer: MAINTAINER is deprecated" in "\n".join(subjects)
    assert "Assumes: no program in the image reads `.git`" in git(root, "log", "--format=%b")
    assert git(root, "status", "--short") == ""
    batch.forget()
    code, _, said = invoke("fix", "--check", "--level", "risky", str(root))
    assert code == 0, said


def test_a_series_is_written_to_a_new_folder_alone(folder: Path) -> None:
    code, _, said = invoke("fix", "--one-patch-per-change", ".", ".")
    assert code == 2
    assert "not empty" in said


# Over the corpus


def test_half_of_the_changes_of_three_hundred_files() -> None:
    """A patch without some changes leads to what the run without them leads to."""
    rng = random.Random(11)
    done = exact = 0
    for path in rng.sample(corpus.files(corpus.folder()), 700):
        found = task(path, Wishes(level=Safety.RISKY))
        if done == 300 or not isinstance(found, Task):
            continue
        found = found._replace(site=Site(MemoryContext({"Dockerfile": found.data})))
        full, made = told(found.name, found.data, found.config, found.site, everything)
        if not isinstance(full, Changed) or made is None:
            continue
        sites = [step.identity.site for step in made.steps if step.identity]
        half = run(
            found.name, found.data, found.config, found.site,
            Without(frozenset(rng.sample(sites, len(sites) // 2))),
        )  # fmt: skip
        if not isinstance(half, Changed):
            continue
        done += 1
        part = next(part for part in read(half.patch) if part.path == found.name)
        target = Target(patched(decode(found.data), part))
        assert target.text == decode(half.after), path
        match = matched(found, target)
        exact += not match.distance
        result = applied(found, target, match)
        assert isinstance(result, Changed), path
        by_hand = [r for r in result.remarks if r.transform == "by-hand"]
        assert result.after == half.after or "dropped" in {r.kind for r in by_hand}, path
        assert bool(match.distance) == bool(by_hand), path
    assert done == 300
    assert exact >= 295


class Without:
    """Declines the changes of some sites."""

    def __init__(self, sites: frozenset[str]) -> None:
        self.sites = sites

    def __call__(self, proposal: Proposal) -> Change | None:
        return None if proposal.identity.site in self.sites else proposal.change
