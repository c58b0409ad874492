"""A git tree is read as a checked-out folder is, and nothing outside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from refactor.batch import Wishes, one
from refactor.compose import everything
from refactor.config import Config
from refactor.context import DiskContext
from refactor.discover import discover, discover_in
from refactor.engine import Changed, Result
from refactor.fleet.clones import Room, newest
from refactor.fleet.git import TooMuch
from refactor.fleet.planning import Passed, ready, worked
from refactor.fleet.records import Repository
from refactor.fleet.trees import GitTree
from refactor.model import Safety
from tests import corpus
from tests.fleet_repositories import git, of_corpus, repository


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(str(tmp_path / "cache"), 60, 100_000_000, 0)


def tree(place: Path, room: Room, most: int = 0) -> GitTree:
    found = Repository(str(place)[1:], str(place))
    return GitTree(found, newest(found, room).folder, "HEAD", room, most)


def checkout(place: Path, folder: Path) -> Path:
    git("clone", "-q", str(place), str(folder), folder=place)
    return folder


def walk(context: DiskContext | GitTree, folder: str = "") -> Iterator[tuple[str, str, bytes]]:
    for name in context.names(folder):
        path = f"{folder}/{name}" if folder else name
        kind = context.kind(path)
        yield path, kind, context.head(path, 100)
        if kind == "dir" and name != ".git":
            yield from walk(context, path)


FILES = {
    "Dockerfile": b"FROM debian\n",
    "100755 run.sh": b"#!/bin/sh\n",
    "app/deep/er/main.py": b"print()\n" * 50,
    "app.txt": b"sorts before app/",
    "120000 link": b"/etc/passwd",
    "120000 app/up": b"..",
    "bad\udcff.txt": b"\xff\0",
    "a\nb": b"new line",
    'q"u\\o': b"",
}


def test_a_tree_is_the_folder_that_git_checks_out(tmp_path: Path, room: Room) -> None:
    place = repository(tmp_path / "a.git", FILES)
    found = tree(place, room)
    disk = DiskContext(checkout(place, tmp_path / "a"))
    assert list(walk(found)) == list(walk(disk))
    for path in ("link/x", "app/up/Dockerfile", "../a.git/HEAD", "app/../Dockerfile", "none/x",
                 "Dockerfile/x", "./app//deep/", "", ".git"):  # fmt: skip
        assert found.kind(path) == disk.kind(path), path
        assert found.head(path, 9) == disk.head(path, 9)
    assert found.names("none") == disk.names("none") == ()
    assert found.is_program("run.sh")
    assert not found.is_program("app.txt")
    assert found.date == "1700000000 +0000"


def test_what_a_clone_lacks_is_fetched_with_others_like_it(tmp_path: Path, room: Room) -> None:
    place = repository(tmp_path / "a.git", {f"{n}.py": b"%d\n" % n for n in range(9)})
    found = tree(place, room)
    objects = git("cat-file", "--batch-all-objects", "--batch-check", folder=found.clone)
    assert b"blob" not in objects
    assert found.head("3.py", 9) == b"3\n"
    packs = list(found.clone.glob("objects/pack/*.pack"))
    assert found.head("8.py", 9) == b"8\n"
    assert list(found.clone.glob("objects/pack/*.pack")) == packs


def test_usual_files_come_in_one_go(tmp_path: Path, room: Room) -> None:
    place = repository(tmp_path / "a.git", {**FILES, "package.json": b"{}", "x.png": b"1"})
    found = tree(place, room)
    found.fetch_usual()
    packs = list(found.clone.glob("objects/pack/*.pack"))
    assert len(packs) == 2
    assert found.head("package.json", 9) == b"{}"
    assert found.head("app/deep/er/main.py", 5) == b"print"
    assert list(found.clone.glob("objects/pack/*.pack")) == packs
    assert found.head("x.png", 5) == b"1"


def test_a_large_file_is_read_at_its_beginning_only(tmp_path: Path, room: Room) -> None:
    place = repository(tmp_path / "a.git", {"big": b"x" * 3_000_000, "small": b"y"})
    found = tree(place, room)
    assert found.head("big", 5) == b"xxxxx"
    assert found.head("small", 5) == b"y"
    assert found.head("big", 2_000_000) == b"x" * 2_000_000


def test_too_many_files_are_too_many(tmp_path: Path, room: Room) -> None:
    place = repository(tmp_path / "a.git", {f"d{n % 7}/{n}": b"" for n in range(100)})
    with pytest.raises(TooMuch, match="more than 50 files"):
        discover_in(tree(place, room, most=50))
    assert discover_in(tree(place, room, most=200))[0] == []


DISCOVERED = {
    ".gitignore": b"/out/\n*.dockerfile\n!keep.dockerfile\n",
    "Dockerfile": b"FROM debian\n",
    "app/.gitignore": b"Dockerfile.local\n",
    "app/Dockerfile.local": b"FROM debian\n",
    "app/Dockerfile": b"FROM debian\n",
    "out/Dockerfile": b"FROM debian\n",
    "x.dockerfile": b"FROM debian\n",
    "keep.dockerfile": b"FROM debian\n",
    "vendor/Dockerfile": b"FROM debian\n",
    "testdata/Dockerfile": b"FROM debian\n",
    "Dockerfile.j2": b"FROM {{ x }}\n",
    "tmpl/Dockerfile": b"FROM {{ x }}\n",
    "gen/Dockerfile": b"# DO NOT EDIT\nFROM debian\n",
    "120000 ln/Dockerfile": b"../Dockerfile",
    "120000 abs/Dockerfile": b"/etc/passwd",
    "compose.yaml": b"services:\n  a:\n    build: {context: app, dockerfile: web.image}\n"
    b"  b:\n    build: {dockerfile: ../../etc/passwd}\n"
    b"  c:\n    build: {dockerfile: /etc/passwd}\n",
    "app/web.image": b"FROM debian\n",
    "deploy/docker-bake.hcl": b'target "a" {\n context = ".."\n dockerfile = "app/bake.image"\n}\n',
    "app/bake.image": b"FROM debian\n",
}


def test_the_same_files_are_found_as_on_the_disk(tmp_path: Path, room: Room) -> None:
    place = repository(tmp_path / "a.git", DISCOVERED)
    folder = checkout(place, tmp_path / "a")
    found, passed_over = discover_in(tree(place, room))
    expected = discover([folder])
    assert found == [path.relative_to(folder).as_posix() for path in expected.files]
    assert +passed_over == +expected.passed_over
    assert "app/web.image" in found
    assert "app/bake.image" in found
    assert passed_over["symbolic link"] == 2


CONFIGURED = {
    "Dockerfile": b"FROM python:3.12\nRUN pip install x\n",
    "a/Dockerfile": b"FROM python:3.12\nRUN pip install x\n",
    "a/b/Dockerfile": b"FROM python:3.12\nRUN pip install x\n",
    "pyproject.toml": b'[tool.dockerfile-refactor]\nlevel = "risky"\n'
    b'[[tool.dockerfile-refactor.overrides]]\npaths = ["a/*"]\nignore = ["skip-pip-cache"]\n',
    "a/b/.dockerfile-refactor.toml": b'select = ["skip-pip-cache"]\n',
}


def test_the_same_configuration_holds_as_on_the_disk(tmp_path: Path, room: Room) -> None:
    place = repository(tmp_path / "a.git", CONFIGURED)
    folder = checkout(place, tmp_path / "a")
    work, _ = ready(tree(place, room), Config(level=Safety.SUGGESTED))
    assert not isinstance(work, Passed)
    for item in work:
        result, _ = worked(item, tree(place, room), everything)
        expected = one(folder / item.path, Wishes(level=Safety.SUGGESTED))
        assert type(result) is type(expected)
    levels = {
        item.path: (item.config.level, item.config.ignore, item.config.select) for item in work
    }
    assert levels == {
        "Dockerfile": (Safety.SUGGESTED, (), ()),
        "a/Dockerfile": (Safety.SUGGESTED, ("skip-pip-cache",), ()),
        "a/b/Dockerfile": (Safety.SUGGESTED, (), ("skip-pip-cache",)),
    }


def plain(result: Result, folder: str) -> tuple[object, ...]:
    """Return what is to be the same, whatever the file is called in reports."""
    remarks = [(r.kind, r.transform, r.line, r.reason, r.level, r.code, r.assumes)
               for r in result.remarks]  # fmt: skip
    if not isinstance(result, Changed):
        return type(result).__name__, getattr(result, "reason", ""), remarks
    others = [(o.path, o.before, o.after) for o in result.others]
    return "Changed", result.after, others, remarks


def test_the_engine_does_to_a_tree_what_it_does_to_a_folder(
    tmp_path: Path, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    level, count = Safety.RISKY, 0
    made = [files for _, files in of_corpus(corpus.folder(), 80) if len(files) > 2]
    for number, files in enumerate(made):
        place = repository(tmp_path / f"{number}.git", files)
        folder = checkout(place, tmp_path / str(number))
        monkeypatch.chdir(folder)
        found = tree(place, room)
        found.fetch_usual()
        work, _ = ready(found, Config(level=level, select=("all",)))
        if isinstance(work, Passed):
            continue
        paths = [folder / item.path for item in work]
        assert paths == discover([folder]).files
        for item, path in zip(work, paths, strict=True):
            item = item._replace(config=replace(item.config, references=frozenset()))
            result, _ = worked(item, found, everything)
            expected = one(path, Wishes(level=level, select=("all",)))
            assert plain(result, "") == plain(expected, str(folder)), (number, item.path)
            count += 1
        found.close()
    assert count > 35
