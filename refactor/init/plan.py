"""What becomes of a repository's files: an item more at most, and nothing is overwritten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from refactor import config
from refactor.init import pieces
from refactor.init.pieces import CHECK, HOOKS, SCAN, Image
from refactor.init.workflows import SCANS, Place, builds, is_github
from refactor.init.yaml_text import MAX, NotAdded, added, keys, values

HOOK_FILE = ".pre-commit-config.yaml"
WORKFLOWS = (".github/workflows/dockerfiles.yml", ".github/workflows/dockerfiles.yaml")
GITLAB_FILE = ".gitlab-ci.yml"


@dataclass(frozen=True)
class Wanted:
    """What is asked for; `level` is None where there is a configuration already.

    `into` are workflows that get the scan behind their own builds.
    """

    pre_commit: bool = False
    github: bool = False
    gitlab: bool = False
    scan: str = "none"
    level: str | None = None
    images: Sequence[Image] = ()
    into: Sequence[str] = ()


@dataclass(frozen=True)
class Step:
    """What becomes of a file: its new text, or why a `snippet` has to be added by hand.

    `before` is None for a file that is new, `after` for one that is left alone. `left` says of
    places of a file that nothing is written there, and why.
    """

    path: str
    before: str | None
    after: str | None
    snippet: str = ""
    reason: str = ""
    left: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether there is something to write."""
        return self.after is not None and self.before != self.after


@dataclass(frozen=True)
class _Piece:
    """An item for a file: where it goes, and how one sees that it is there."""

    path: tuple[str, ...]
    text: str
    is_there: Callable[[str], bool]
    name: str = ""


def plan(folder: Path, wanted: Wanted) -> list[Step]:
    """Return what becomes of the files of a repository."""
    steps = []
    if wanted.level is not None:
        steps.append(_step(folder, config.FILE, pieces.configuration(wanted.level), []))
    if wanted.pre_commit:
        there = _has(("repos",), *HOOKS)
        hook = _Piece(("repos",), pieces.hook(), there)
        steps.append(_step(folder, HOOK_FILE, "repos:\n", [hook]))
    if wanted.github:
        steps.append(_github(folder, wanted))
    if wanted.gitlab:
        steps.append(_gitlab(folder, wanted))
    return steps + [_into(folder, path, wanted.scan) for path in dict.fromkeys(wanted.into)]


def _into(folder: Path, path: str, scanner: str) -> Step:
    """Return what becomes of a workflow whose images are to be scanned."""
    before = None
    try:
        before = _read(folder, path)
        if before is None:
            raise NotAdded("there is no such file")
        if SCANS.search(before):
            return Step(path, before, before)
        found = builds(path, before)
        places = [at for at in found if isinstance(at, Place)]
        left = tuple(f"line {at.line}: {at.reason}" for at in found if not isinstance(at, Place))
        if not places:
            raise NotAdded(left[0] if left else "no image is built there that could be followed")
        after = before
        for place in reversed(places):
            after = added(after, place.path, _scan(path, scanner, place), place.index)
    except ValueError as error:
        snippet = _scan(path, scanner, Place((), 0, pieces.Name("IMAGE:TAG")))
        return Step(path, before, None, snippet, str(error))
    return Step(path, before, after, left=left)


def _scan(path: str, scanner: str, place: Place) -> str:
    if is_github(path):
        return pieces.github_step(scanner, place.name, place.folder)
    return pieces.gitlab_step(scanner, place.name)


def _github(folder: Path, wanted: Wanted) -> Step:
    path = next((name for name in WORKFLOWS if (folder / name).exists()), WORKFLOWS[0])
    jobs = {CHECK: pieces.github_check()}
    if wanted.images:
        jobs[SCAN] = pieces.github_scan(wanted.scan, wanted.images)
    return _step(folder, path, pieces.workflow(), _jobs(("jobs",), jobs))


def _gitlab(folder: Path, wanted: Wanted) -> Step:
    try:
        stages = values(_read(folder, GITLAB_FILE) or "", ("stages",))
    except NotAdded:
        stages = []
    # Without one, a job is in the stage `test`, which a list of stages need not have.
    stage = stages[0] if stages and "test" not in stages else ""
    jobs = {CHECK: pieces.gitlab_check(stage)}
    if wanted.images:
        jobs[SCAN] = pieces.gitlab_scan(wanted.scan, wanted.images, stage)
    return _step(folder, GITLAB_FILE, "", _jobs((), jobs))


def _jobs(path: tuple[str, ...], jobs: dict[str, str]) -> list[_Piece]:
    does = {CHECK: "dfr fix", SCAN: "docker build"}
    return [
        _Piece(path, text, _has((*path, name), does[name]), name) for name, text in jobs.items()
    ]


def _has(path: tuple[str, ...], *words: str) -> Callable[[str], bool]:
    return lambda text: any(word in value for value in values(text, path) for word in words)


def _step(folder: Path, path: str, head: str, items: list[_Piece]) -> Step:
    """Return what becomes of a file that starts with a text if it is new, and has some items."""
    before = None
    missing = items
    try:
        before = _read(folder, path)
        if before is None:
            return Step(path, None, _joined(head, items))
        if not items:
            return Step(path, before, before)
        after = before
        missing = [item for item in items if not item.is_there(before)]
        for item in missing:
            if item.name in keys(after, item.path):
                raise NotAdded(f"it has another `{item.name}`")
            after = added(after, item.path, item.text)
    except NotAdded as error:
        return Step(path, before, None, "\n".join(item.text for item in missing), str(error))
    return Step(path, before, after)


def _joined(head: str, items: Sequence[_Piece]) -> str:
    """Return the text of a new file."""
    indent = "  " if head and items else ""
    blocks = [
        "".join(indent * bool(row.strip()) + row for row in item.text.splitlines(keepends=True))
        for item in items
    ]
    return head + "\n".join(blocks)


def _read(folder: Path, path: str) -> str | None:
    """Return the text of a file; None if there is none. Raises NotAdded."""
    file = folder / path
    if folder.resolve() not in file.resolve().parents:
        raise NotAdded("a symbolic link leads out of the folder")
    if file.is_symlink():
        raise NotAdded("it is a symbolic link")
    if not file.exists():
        return None
    if not file.is_file():
        raise NotAdded("it is no file")
    try:
        with file.open("rb") as stream:
            return stream.read(4 * MAX).decode()
    except UnicodeDecodeError:
        raise NotAdded("it is not UTF-8") from None
    except OSError as error:
        raise NotAdded(f"it cannot be read: {error.strerror}") from None
