"""Many files -> results, in order, on several processes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from refactor import config as configuration
from refactor.config import Config, ConfigError
from refactor.context import DiskContext, Overlay, clean
from refactor.engine import Changed, Failed, Refused, Result, Task, run
from refactor.model import Safety
from refactor.project import Site, is_holder, referenced
from refactor.registry import Unusable, select

if TYPE_CHECKING:
    from refactor.decisions import Decisions, Recall

MIN_FOR_PROCESSES = 24


@dataclass(frozen=True)
class Wishes:
    """What the command line says; None and empty leave it to each file's configuration.

    `decisions` are the only changes that are made; of those in `baseline` none is.
    """

    level: Safety | None = None
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    config: Path | None = None
    references: frozenset[str] = frozenset()
    roots: tuple[Path, ...] = ()
    context: Path | None = None
    today: str = ""
    detail: bool = False
    decisions: Decisions | None = None
    baseline: Decisions | None = None

    def recall(self, name: str) -> Recall | None:
        """Return what was decided on a file; None where all changes are to be made."""
        if self.decisions is None and not self.baseline:
            return None
        from refactor.decisions import Decided, Recall

        if self.decisions is not None:
            return Recall(self.decisions.get(name, Decided()))
        if self.baseline and name in self.baseline:
            return Recall(self.baseline[name], rest=True)
        return None

    def apply(self, found: Config) -> Config:
        """Return a configuration with the command line's say on top."""
        return replace(
            found,
            level=found.level if self.level is None else self.level,
            select=self.select or found.select,
            ignore=(*found.ignore, *self.ignore),
            references=self.references,
            today=self.today,
            detail=self.detail,
        )


def shown(path: Path) -> str:
    """Return the name of a file in reports and patches: relative, with forward slashes."""
    try:
        relative = os.path.relpath(path)
    except ValueError:
        relative = str(path)
    if relative.startswith(".."):
        relative = os.path.abspath(path).lstrip(os.sep)
    return relative.replace(os.sep, "/")


def task(path: Path, wishes: Wishes, data: bytes | None = None) -> Task | Result:
    """Read a file and what is configured for it; what cannot be is a result.

    `data` stands for what is in the file: an editor has it before the disk does.
    """
    name = shown(path)
    try:
        if data is None and not path.is_file():  # first: a link in a circle cannot be resolved
            return Refused(name, reason=_no_file(path))
        found = configuration.read(wishes.config) if wishes.config else configuration.load(path)
        settings = wishes.apply(found.for_path(path))
        if settings.options:
            select((), tuple(settings.options))  # a name that is not known is an error
        if data is None:
            data = path.read_bytes()
    except ConfigError:
        raise
    except Unusable as error:
        return Failed(name, reason=str(error))
    except OSError as error:
        return Failed(name, reason=error.strerror or str(error))
    root, place = repository(path, wishes.roots)
    home = None
    if wishes.context is not None:
        home = os.path.relpath(wishes.context.absolute(), root).replace(os.sep, "/")
        if home.startswith(".."):
            return Failed(name, reason=f"the build context {wishes.context} is not below {root}")
    return Task(name, data, settings, Site(_tree(root), place, home and clean(home)), root)


def one(path: Path, wishes: Wishes, written: Mapping[str, bytes] | None = None) -> Result:
    """Refactor one file, without writing it.

    `written` are files of its repository that other results of the run write.
    """
    written = written or {}
    place = repository(path, wishes.roots)[1] if written else ""
    found = task(path, wishes, written.get(place))
    if isinstance(found, Result):
        return found
    site = found.site
    if written:
        site = site._replace(repository=Overlay(site.repository, written))
    found = found._replace(site=site)
    if is_holder(found.name, found.data):
        from refactor.inline import refactored

        return refactored(found, lambda part: _made(part, wishes))
    return _made(found, wishes)


def _made(found: Task, wishes: Wishes) -> Result:
    """Refactor a Dockerfile, as it was decided."""
    recall = wishes.recall(found.name)
    result = run(found.name, found.data, found.config, found.site, recall)
    return recall.judged(result, found.data) if recall else result


@lru_cache(maxsize=16)
def _tree(root: Path) -> DiskContext:
    """Return a repository's tree: what is read of it serves all Dockerfiles in it."""
    return DiskContext(root)


def forget() -> None:
    """Forget what was read of repositories and of their configuration: it may have changed."""
    configuration.forget()
    _tree.cache_clear()  # all that is worked out from a tree is kept by the tree


def repository(path: Path, roots: tuple[Path, ...] = ()) -> tuple[Path, str]:
    """Return the folder of the repository that a file is in, and the file's path there.

    It is the nearest folder with a `.git`; else the one of `roots` that the file is in, or its own.
    """
    path = Path(os.path.abspath(path))
    found = next((up for up in path.parents if os.path.exists(f"{up}/.git")), None)
    if found is None:
        given = {Path(os.path.abspath(root)) for root in roots}
        found = next((folder for folder in path.parents if folder in given), path.parent)
    return found, path.relative_to(found).as_posix()


def others(
    path: Path, result: Changed, roots: tuple[Path, ...]
) -> list[tuple[Path, bytes | None, bytes]]:
    """Return where the other files of a change are, and what becomes of them."""
    if not result.others:
        return []
    root, _ = repository(path, roots)
    return [(root / other.path, other.before, other.after) for other in result.others]


def _no_file(path: Path) -> str:
    if path.is_symlink():
        return "a symbolic link that leads nowhere"
    return "a folder" if path.is_dir() else "not a regular file"


def many(files: Sequence[Path], wishes: Wishes, jobs: int) -> Iterator[Result]:
    """Yield the results of files, in their order."""
    references = wishes.references | referenced(filter(os.path.isfile, files))
    wishes = replace(wishes, references=references)
    yield from _in_turn(files, wishes, _each(files, wishes, jobs))


def _in_turn(files: Sequence[Path], wishes: Wishes, results: Iterator[Result]) -> Iterator[Result]:
    """Yield results; what writes a file that an earlier one writes otherwise is done again on it.

    So several Dockerfiles can get settings in one compose file.
    """
    everywhere: dict[Path, dict[str, bytes]] = {}
    for file, result in zip(files, results, strict=True):
        if isinstance(result, Changed):
            root, place = repository(file, wishes.roots)
            written = everywhere.setdefault(root, {})
            after = {other.path: other.after for other in result.others}
            if place in written or any(written.get(p, data) != data for p, data in after.items()):
                result = one(file, wishes, written)
        if isinstance(result, Changed):
            written |= {other.path: other.after for other in result.others}
            if is_holder(result.path, result.after):
                written[place] = result.after
        yield result


def _each(files: Sequence[Path], wishes: Wishes, jobs: int) -> Iterator[Result]:
    """Yield the results of files, each for itself."""
    if jobs <= 1 or len(files) < MIN_FOR_PROCESSES:
        for file in files:
            yield one(file, wishes)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    method = "fork" if os.name == "posix" else "spawn"
    size = max(1, min(16, len(files) // (jobs * 4)))
    with ProcessPoolExecutor(jobs, mp_context=get_context(method)) as pool:
        try:
            yield from pool.map(_one, ((file, wishes) for file in files), chunksize=size)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # it waits: else Python stumbles at its exit
            raise


def _one(file: tuple[Path, Wishes]) -> Result:
    return one(*file)
