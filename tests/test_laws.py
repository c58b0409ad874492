"""The laws of the main job over the corpus, at every level, with everything on."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dockerfile as buildkit
import pytest

from refactor.compose import Outcome
from refactor.config import Config
from refactor.context import DiskContext, Overlay
from refactor.engine import Changed, Failed, Refused, Result, run, told
from refactor.model import Safety
from refactor.patch import unified
from refactor.project import Site
from refactor.source import apply, decode
from refactor.syntax import Instruction, parse
from tests import corpus

if TYPE_CHECKING:
    from tests.corpus_runs import Record


@dataclass(frozen=True)
class Task:
    """One file at one level; `context` is the folder of its build context, or None."""

    path: Path
    context: Path | None
    level: Safety
    select: tuple[str, ...] = ("all",)


@dataclass(frozen=True)
class Seen:
    """What became of a file, and the laws that it broke."""

    task: Task
    kind: str
    broken: tuple[str, ...]
    before: bytes
    after: bytes
    changes: tuple[tuple[str, str], ...]


def look(task: Task) -> Seen:
    """Run one task and check the laws that concern one file."""
    return looked(task)[0]


def looked(task: Task) -> tuple[Seen, Outcome | None]:
    """Do the same as `look`, and return also how the result came about, where it did."""
    data = task.path.read_bytes()
    config = Config(select=task.select, level=task.level)
    site = Site(DiskContext(task.context), _place(task), "") if task.context else None
    result, outcome = told("Dockerfile", data, config, site)
    broken = [*_broken(data, result, config, site)]
    if outcome and task.level is Safety.RISKY:  # the changes of the others are among these
        broken += _lost(outcome)
    after = result.after if isinstance(result, Changed) else data
    changes = tuple((r.transform, r.level) for r in result.remarks if r.kind == "change")
    kind = type(result).__name__
    return Seen(task, kind, tuple(broken), data, after, changes), outcome


def _place(task: Task) -> str:
    """Return where the Dockerfile is in its context; one that is outside has no name there."""
    assert task.context
    inside = task.context in task.path.parents
    return task.path.relative_to(task.context).as_posix() if inside else "../Dockerfile"


def _beside(site: Site, result: Changed) -> Site:
    """Return the site with the other files that changed."""
    files = {other.path: other.after for other in result.others}
    return site._replace(repository=Overlay(site.repository, files))


def _broken(data: bytes, result: Result, config: Config, site: Site | None) -> Iterator[str]:
    if isinstance(result, Failed):
        yield f"failed: {result.reason}"
    for remark in result.remarks:
        if remark.kind == "dropped":
            yield f"{remark.transform} does not verify: {remark.reason}"
    if isinstance(result, Refused) and accepted(data) and not _explained(result):
        yield f"refused, though BuildKit takes it: {result.reason}"
    if not isinstance(result, Changed):
        return
    if accepted(data) and not accepted(result.after):
        yield "BuildKit took the file before, and not after"
    before, after = parse(decode(data)), parse(decode(result.after))
    if Counter(before.comments) != Counter(after.comments):
        yield "a comment is lost"
    again = run("Dockerfile", result.after, config, site and _beside(site, result))
    if isinstance(again, Changed | Failed | Refused):
        yield f"a second run is no rest: {type(again).__name__}"


def _lost(outcome: Outcome) -> Iterator[str]:
    """Yield the instructions that no edit of a step touches and that differ after it."""
    for number, step in enumerate(outcome.steps):
        text, edits = step.before.text, step.change.edits
        after = parse(apply(text, edits))
        kept = iter([after.text[i.span.start : i.span.end] for i in after.instructions])
        for ins in step.before.dockerfile.instructions:
            if not any(_touches(ins, e.span.start, e.span.end) for e in edits):
                raw = text[ins.span.start : ins.span.end]
                if raw not in kept:  # an iterator: order counts
                    yield f"{step.transform.id}, step {number}, changes {raw!r}"


def _touches(ins: Instruction, start: int, end: int) -> bool:
    return start <= ins.span.end and ins.span.start <= end


def _explained(result: Refused) -> bool:
    """BuildKit's parser takes these, its builder does not."""
    builder = ("unknown instruction", "before the first FROM", "no FROM", "no instructions")
    return any(reason in result.reason for reason in (*builder, "two readers disagree"))


def accepted(data: bytes) -> bool:
    """Whether BuildKit's own parser takes a text."""
    try:
        return bool(buildkit.parse_string(data.decode("utf-8")))
    except (buildkit.GoParseError, UnicodeDecodeError):
        return False


@pytest.fixture(scope="module")
def seen(at_risky: list[Record]) -> list[Seen]:
    """Run everything once, on all cores."""
    root = corpus.folder()
    levels = (Safety.SUGGESTED, Safety.SAFE)
    tasks = [Task(path, None, level) for level in levels for path in corpus.files(root)]
    whole = list(corpus.contexts(root))
    tasks += [Task(path, context, level) for level in Safety for path, context in whole]
    return [*(one.seen for one in at_risky), *corpus.each(look, tasks)]


def test_no_law_is_broken(seen: list[Seen]) -> None:
    broken = [f"{s.task.path} at {s.task.level.name}: {law}" for s in seen for law in s.broken]
    assert not broken, "\n".join(broken[:20])


def test_cache_mounts_break_no_law() -> None:
    """They exclude transforms that are on by default, so `all` is without them."""
    chosen = ("mount-package-caches",)
    tasks = [Task(p, None, Safety.RISKY, chosen) for p in corpus.files(corpus.folder())]
    found = corpus.each(look, tasks)
    broken = [f"{one.task.path}: {law}" for one in found for law in one.broken]
    assert not broken, "\n".join(broken[:20])
    assert sum(one.kind == "Changed" for one in found) > 500


def test_what_was_done(seen: list[Seen]) -> None:
    for level in Safety:
        kinds = Counter(s.kind for s in seen if s.task.level is level)
        names = Counter(c for s in seen if s.task.level is level for c in s.changes)
        print(f"{level.name.lower()}: {dict(kinds)}")
        for (name, how), count in sorted(names.items()):
            print(f"  {count:6} {name} ({how})")
        assert kinds["Changed"] > 500
        assert kinds["Refused"] < 0.003 * kinds.total() + 15


def test_patches_apply_byte_for_byte(seen: list[Seen], tmp_path: Path) -> None:
    changed = [s for s in seen if s.kind == "Changed" and s.task.level is Safety.RISKY]
    patches: list[str] = []
    for number, one in enumerate(changed):
        name = f"{number}/Dockerfile"
        (tmp_path / str(number)).mkdir()
        (tmp_path / name).write_bytes(one.before)
        patches += unified(name, decode(one.before), decode(one.after))
    patch = tmp_path / "all.patch"
    patch.write_bytes("".join(patches).encode("utf-8", "surrogateescape"))
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "apply", "--whitespace=nowarn", patch], cwd=tmp_path, check=True)
    for number, one in enumerate(changed):
        assert (tmp_path / f"{number}/Dockerfile").read_bytes() == one.after, one.task.path
