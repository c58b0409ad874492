"""The repository around a Dockerfile: trees of files, what is sent, which context is meant."""

from pathlib import Path, PurePath

import pytest

from refactor.batch import Wishes, one, repository
from refactor.compose import refactor
from refactor.config import Config
from refactor.context import MAX_NAMES, DiskContext, MemoryContext, Overlay, Subtree
from refactor.engine import Changed, run
from refactor.facts.homes import home
from refactor.model import Change, Claim, Effect, FileEdits, Phase, Safety, transform
from refactor.patch import beside
from refactor.project import Site
from refactor.sent import sent
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span
from refactor.syntax import parse
from refactor.write import Unwritable, write


def memory(*files: str) -> MemoryContext:
    """A tree of `name=text`."""
    named = (file.partition("=") for file in files)
    return MemoryContext({name: text.encode() for name, _, text in named})


def test_a_disk_tree_lists_and_reads(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_text("text")
    (tmp_path / "link").symlink_to("/etc")
    tree = DiskContext(tmp_path)
    assert tree.names("") == ("a", "link")
    assert tree.names("a") == ("b.txt",)
    assert tree.names("link") == tree.names("none") == tree.names("..") == ()
    assert [tree.kind(p) for p in ("", "a", "a/b.txt", "link", "link/passwd", "x", "../x")] == [
        "dir", "dir", "file", "link", "", "", "",
    ]  # fmt: skip
    assert tree.head("a/b.txt", 2) == b"te"
    assert tree.head("link/passwd", 9) == b""


def test_a_tree_in_memory_is_the_same() -> None:
    tree = memory("a/b.txt=text", "c/d/=")
    assert tree.names("") == ("a", "c")
    assert tree.names("c") == ("d",)
    assert [tree.kind(p) for p in ("", "a", "a/b.txt", "c/d", "x")] == [
        "dir", "dir", "file", "dir", "",
    ]  # fmt: skip


def test_a_subtree_cannot_be_left() -> None:
    tree = Subtree(memory("app/a=1", "secret=2"), "app")
    assert tree.names("") == ("a",)
    assert tree.kind("../secret") == ""
    assert tree.head("../secret", 9) == b""


def test_an_overlay_shows_what_is_new() -> None:
    tree = Overlay(memory("a=1", "d/b=2"), {"d/c": b"3", "a": b"4"})
    assert tree.names("d") == ("b", "c")
    assert tree.head("a", 9) == b"4"
    assert tree.head("d/b", 9) == b"2"


@pytest.mark.parametrize(
    ("rules", "there"),
    [
        ("", "a.py d/a.py d/b.txt"),
        ("*.py\n", "d/a.py d/b.txt"),
        ("**/*.py\n", "d/b.txt"),
        ("d\n!d/a.py\n", "a.py d/a.py"),
        ("# *\n/d/\n", "a.py"),
        ("*\n!d/b.txt\n", "d/b.txt"),
        ("d\r\n", "a.py"),
    ],
)
def test_what_is_sent(rules: str, there: str) -> None:
    found = sent(memory("a.py=", "d/a.py=", "d/b.txt=", f".dockerignore={rules}"), "Dockerfile")
    assert found.complete
    assert " ".join(sorted(set(found.files) - {".dockerignore"})) == there


def test_the_ignore_file_of_the_own_name_goes_first() -> None:
    tree = memory("a=", "b=", ".dockerignore=a\n", "x.Dockerfile.dockerignore=b\n")
    assert sent(tree, "x.Dockerfile").kind("a") == "file"
    assert sent(tree, "x.Dockerfile").kind("b") == ""
    assert sent(tree, "Dockerfile").kind("a") == ""


def test_broken_rules_and_too_many_files_are_no_knowledge() -> None:
    assert not sent(memory("a=", ".dockerignore=[a\n"), "").complete
    assert not sent(MemoryContext({f"f{n}": b"" for n in range(MAX_NAMES + 2)}), "").complete


def test_folders_of_tools_are_not_looked_into() -> None:
    found = sent(memory("node_modules/a/b=", ".git/HEAD=", "c="), "")
    assert found.files == {"node_modules": "dir", ".git": "dir", "c": "file"}


COMPOSE = "services:\n  web:\n    build:\n      context: .\n      dockerfile: docker/Dockerfile\n"


@pytest.mark.parametrize(
    ("place", "text", "files", "wanted"),
    [
        ("Dockerfile", "FROM a\nCOPY b /\n", ("b=",), ""),
        ("d/Dockerfile", "FROM a\nCOPY b /\n", ("b=", "d/b="), "d"),
        ("d/Dockerfile", "FROM a\nCOPY b /\n", ("b=",), ""),
        ("d/Dockerfile", "FROM a\nCOPY d/b $x *.py /\n", ("d/b=",), ""),
        ("d/Dockerfile", "FROM a\nCOPY nothing /\n", (), "d"),
        ("docker/Dockerfile", "FROM a\nCOPY . /\n", (f"compose.yaml={COMPOSE}",), ""),
        ("docker/Dockerfile", "FROM a\nCOPY . /\n", ("compose.yaml=services: [",), "docker"),
        ("e/d/Dockerfile", "FROM a\nCOPY . /\n", ("compose.yml=services: {a: {build: ./e/d}}",),
         "e/d"),
    ],
)  # fmt: skip
def test_which_folder_is_the_context(
    place: str, text: str, files: tuple[str, ...], wanted: str
) -> None:
    snapshot = Snapshot(
        PurePath(place), text, parse(text), memory(f"{place}={text}", *files), place=place
    )
    assert home(snapshot) == wanted


def test_the_repository_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "r" / "d").mkdir(parents=True)
    file = tmp_path / "r" / "d" / "Dockerfile"
    file.write_text("FROM a\n")
    assert repository(file) == (file.parent, "Dockerfile")
    assert repository(file, (tmp_path / "r",)) == (tmp_path / "r", "d/Dockerfile")
    (tmp_path / ".git").mkdir()
    assert repository(file, (tmp_path / "r",)) == (tmp_path, "r/d/Dockerfile")


def test_a_context_that_is_named_must_be_in_the_repository(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "Dockerfile").write_text("FROM a\n")
    result = one(tmp_path / "d" / "Dockerfile", Wishes(context=tmp_path))
    assert "is not below" in getattr(result, "reason", "")


@pytest.mark.parametrize(
    ("shown", "place", "other", "wanted"),
    [
        ("x/app/Dockerfile", "app/Dockerfile", "app/.dockerignore", "x/app/.dockerignore"),
        ("Dockerfile", "app/Dockerfile", "app/.dockerignore", ".dockerignore"),
        ("Dockerfile", "app/Dockerfile", "compose.yaml", "../compose.yaml"),
    ],
)
def test_names_of_other_files(shown: str, place: str, other: str, wanted: str) -> None:
    assert beside(shown, place, other) == wanted


@transform(phase=Phase.CONTEXT, triggers=("from",))
def mark(snapshot: Snapshot, options: None):  # type: ignore[no-untyped-def]
    """Write another file, once."""
    if snapshot.read("app/.dockerignore") is None:
        edits = (FileEdits("app/.dockerignore", (Edit(Span(0, 0), ".DS_Store\n"),)),)
        claim = Claim(Effect.FILES, frozenset({"context", "+ .dockerignore", "- .DS_Store"}))
        yield Change("a note", (), (claim,), Safety.SAFE, files=edits)


def test_a_change_of_another_file_alone_comes_to_rest() -> None:
    text = "FROM a\n"
    snapshot = Snapshot(PurePath("Dockerfile"), text, parse(text), memory("app/a="), home="app")
    outcome = refactor(snapshot, [mark])
    assert [step.change.reason for step in outcome.steps] == ["a note"]
    assert outcome.snapshot.files == {"app/.dockerignore": ".DS_Store\n"}
    assert outcome.snapshot.read("app/.dockerignore") == ".DS_Store\n"
    assert outcome.snapshot.sent is not None


@transform(phase=Phase.CONTEXT, triggers=("from",))
def scrawl(snapshot: Snapshot, options: None):  # type: ignore[no-untyped-def]
    """Write a file that nothing is known of."""
    edits = (FileEdits("note", (Edit(Span(0, 0), "seen\n"),)),)
    yield Change("a note", (), (), Safety.SAFE, files=edits)


def test_a_file_of_which_nothing_is_claimed_is_not_written() -> None:
    text = "FROM a\n"
    snapshot = Snapshot(PurePath("Dockerfile"), text, parse(text), memory("app/a="), home="app")
    outcome = refactor(snapshot, [scrawl])
    assert not outcome.snapshot.files
    assert [drop.reason for drop in outcome.drops] == ["nothing is claimed in note"]


def test_other_files_are_written_with_the_dockerfile_or_not_at_all(tmp_path: Path) -> None:
    file, other = tmp_path / "Dockerfile", tmp_path / ".dockerignore"
    file.write_text("FROM a\n")
    write(file, b"FROM a\n", b"FROM b\n", [(other, None, b".git\n")])
    assert (file.read_text(), other.read_text()) == ("FROM b\n", ".git\n")
    write(
        file, b"FROM b\n", b"FROM c\n", [(other, None, b".git\n")]
    )  # a second one asks for it too
    with pytest.raises(Unwritable, match="changed on disk"):
        write(file, b"FROM a\n", b"FROM d\n", [(other, b".git\n", b".git\n.env\n")])
    assert (file.read_text(), other.read_text()) == ("FROM c\n", ".git\n")
    with pytest.raises(Unwritable, match="changed on disk"):
        write(file, b"FROM c\n", b"FROM d\n", [(other, None, b"x\n")])
    assert (file.read_text(), other.read_text()) == ("FROM c\n", ".git\n")


def test_a_link_is_no_other_file(tmp_path: Path) -> None:
    file, other = tmp_path / "Dockerfile", tmp_path / ".dockerignore"
    file.write_text("FROM a\n")
    other.symlink_to("elsewhere")
    with pytest.raises(Unwritable, match="symbolic link"):
        write(file, b"FROM a\n", b"FROM b\n", [(other, None, b".git\n")])
    assert file.read_text() == "FROM a\n"


def test_a_neighbour_that_has_no_stage_yet_is_no_obstacle() -> None:
    tree = MemoryContext({
        "Dockerfile": b"FROM python:3.12\nCOPY . /a\nCMD python /a/x.py\n", "x.py": b"print(1)\n",
        ".git/HEAD": b"ref", "new.Dockerfile": b"# soon\nARG A\n",
    })  # fmt: skip
    config = Config(level=Safety.RISKY)
    result = run("Dockerfile", tree.head("Dockerfile", 999), config, Site(tree, "Dockerfile"))
    assert isinstance(result, Changed)
    assert [other.path for other in result.others] == [".dockerignore"]


def test_a_split_copies_nothing_on_that_need_not_be_in_the_context() -> None:
    """A repository is there with its `.git`: it neither goes into the image nor is in the way."""
    root = Path(__file__).parent.parent / "fixtures" / "go-static"
    files = {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}
    tree = MemoryContext({**files, ".git/HEAD": b"ref: refs/heads/main\n"})
    config = Config(level=Safety.RISKY)
    result = run("Dockerfile", files["Dockerfile"], config, Site(tree, "Dockerfile"))
    assert isinstance(result, Changed)
    assert b"COPY --from=builder" in result.after
    assert b".git" not in result.after
    assert [(other.path, other.after.splitlines()[-1]) for other in result.others] == [
        (".dockerignore", b".git")
    ]
    assert "dropped" not in {remark.kind for remark in result.remarks}
