"""Bytes -> a result; the one place that catches exceptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NamedTuple

from refactor.compose import Decide, Outcome, Unstable, everything, refactor
from refactor.config import Config
from refactor.context import TreeError
from refactor.facts.homes import home, named_contexts
from refactor.facts.pragmas import own_names
from refactor.facts.secret_words import mask
from refactor.identity import Identity
from refactor.knowledge import table
from refactor.model import Safety, Transform
from refactor.outside.inline_dockerfiles import block_of
from refactor.outside.yaml_tree import Unclear
from refactor.patch import beside, unified
from refactor.project import Site, is_base, is_holder
from refactor.registry import Unusable, entries, near, ordered, select
from refactor.second_reader import disagreement
from refactor.snapshot import Snapshot
from refactor.source import Span, Unreadable, decode, encode
from refactor.syntax import KEYWORDS, Dockerfile, ParseError, parse

if TYPE_CHECKING:
    from refactor.details import Detail


WARNING = "warning"


class Remark(NamedTuple):
    """What is said about a place: a change, a refusal, a notice, or a change that was dropped.

    With decisions also `left`: a change that was not made, with its identity (`again` if another
    one was made there), and `unverified`: what a person wrote, and was not made. `line` is that of
    the file as it was read; 0 is the file as a whole. `part` is what holds the Dockerfile in a file
    that is none itself. A notice whose `level` is `WARNING` is of the request, not of the file, and
    is said without being asked for.
    """

    kind: str
    transform: str
    line: int
    reason: str
    level: str = ""
    code: str = ""
    unlock: str = ""
    assumes: tuple[str, ...] = ()
    detail: Detail | None = None
    identity: Identity | None = None
    again: bool = False
    part: str = ""


@dataclass(frozen=True)
class Result:
    """What became of one file. Plain data, so that it can cross processes."""

    path: str
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class Unchanged(Result):
    """Nothing to do at this level."""

    pending: Mapping[str, int] = field(default_factory=dict)


class Other(NamedTuple):
    """Another file of the repository that changed; `before` is None if it is new.

    `name` is what reports call it.
    """

    path: str
    before: bytes | None
    after: bytes
    name: str = ""


@dataclass(frozen=True)
class Changed(Result):
    """`before` and `after` are the file's bytes; `patch` is the difference, other files included.

    `others` are the other files that changed, by their paths in the repository.
    """

    before: bytes = b""
    after: bytes = b""
    patch: str = ""
    pending: Mapping[str, int] = field(default_factory=dict)
    others: tuple[Other, ...] = ()


@dataclass(frozen=True)
class Refused(Result):
    """The input is no Dockerfile that can be worked on; `line` is 0 where there is none."""

    reason: str = ""
    line: int = 0


@dataclass(frozen=True)
class Failed(Result):
    """The tool failed on this file, which is left as it was."""

    reason: str = ""


class Task(NamedTuple):
    """A Dockerfile that is ready to be refactored; `root` is the folder of its repository."""

    name: str
    data: bytes
    config: Config
    site: Site
    root: Path


def run(
    path: str,
    data: bytes,
    config: Config,
    site: Site | None = None,
    decide: Decide | None = None,
    extra: Sequence[Transform] = (),
) -> Result:
    """Refactor one file's bytes; whatever goes wrong becomes a result.

    `path` is the file's name in reports and patches. `extra` are transforms of the caller's, which
    run behind the others.
    """
    return told(path, data, config, site, decide, extra)[0]


def told(
    path: str, data: bytes, config: Config, site: Site | None = None,
    decide: Decide | None = None, extra: Sequence[Transform] = (),
) -> tuple[Result, Outcome | None]:  # fmt: skip
    """Do the same as `run`, and return also how the result came about, where it did."""
    if is_holder(path, data):
        reason = "Dockerfiles in it are refactored by fix alone, all at once"
        return Refused(path, reason=reason), None
    try:
        dockerfile = parse(decode(data))
        if problem := unsound(dockerfile):
            return Refused(path, reason=mask(problem[0]), line=problem[1]), None
        return _refactored(path, data, dockerfile, config, site, decide, extra)
    except (Unreadable, Unclear) as error:
        return Refused(path, reason=mask(str(error))), None
    except ParseError as error:
        return Refused(path, reason=mask(str(error)), line=error.line), None
    except (Unstable, Unusable) as error:
        return Failed(path, reason=mask(str(error))), None
    except TreeError:
        raise
    except Exception as error:  # the last resort: one bad file must not end a run over thousands
        where = _where(error)
        reason = f"{type(error).__name__}: {error} ({where}); please report it"
        return Failed(path, reason=mask(reason)), None


def _where(error: Exception) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    if trace is None:
        return "unknown place"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def unsound(dockerfile: Dockerfile) -> tuple[str, int] | None:
    """Return why no engine would build the text, with the line; or why its reading is in doubt."""
    if not dockerfile.instructions:
        return "no instructions", 0
    started = False
    for ins in dockerfile.instructions:
        keyword = (ins.trigger or ins).keyword
        if keyword not in KEYWORDS:
            return f"unknown instruction {keyword[:40]}", dockerfile.line(ins.span.start)
        started = started or keyword == "FROM"
        if not started and keyword != "ARG":
            return f"{keyword} before the first FROM", dockerfile.line(ins.span.start)
    if not started:
        return "no FROM", 0
    if difference := disagreement(dockerfile):
        return f"two readers disagree: {difference}", 0
    return None


def outcome(
    path: str, dockerfile: Dockerfile, config: Config, site: Site | None = None,
    decide: Decide | None = None, extra: Sequence[Transform] = (),
) -> tuple[Snapshot, Outcome]:  # fmt: skip
    """Refactor a Dockerfile that is sound; return its first state, and what came about.

    Raises Unreadable if a build of it replaces one of its stages, Unstable and Unusable.
    """
    contexts = named_contexts(site.repository, site.place) if site else {}
    named = {name: f"named context {name}" for name in contexts}
    aliases = {**named, **config.images, **named}  # the first that fits counts
    snapshot = Snapshot(
        PurePath(path), dockerfile.text, dockerfile, site and site.repository, aliases,
        config.engine, is_base(path, config.references), (site and site.home) or "",
        site.place if site else "Dockerfile", today=config.today,
    )  # fmt: skip
    for stage in snapshot.graph.stages:
        if build := contexts.get(stage.name):
            where = f"{build.path}, line {build.line}"
            raise Unreadable(f"{where} builds it with another {stage.name} than its stage")
    if site and site.home is None:
        snapshot = replace(snapshot, home=home(snapshot), _facts={}, _surroundings={})
    transforms = [*_chosen(config, dockerfile.text.lower()), *extra]
    options = _options(transforms, config)
    if decide is None and config.detail:
        decide = everything
    return snapshot, refactor(snapshot, transforms, config.level, decide, options)


def _refactored(
    path: str, data: bytes, dockerfile: Dockerfile, config: Config, site: Site | None,
    decide: Decide | None, extra: Sequence[Transform],
) -> tuple[Result, Outcome]:  # fmt: skip
    snapshot, found = outcome(path, dockerfile, config, site, decide, extra)
    remarks = tuple(_remarks(found, snapshot, path, config.detail))
    pending = {level.name.lower(): count for level, count in sorted(found.pending.items())}
    after = found.snapshot
    if after is snapshot:
        return Unchanged(path, remarks, pending), found
    if problem := unsound(after.dockerfile):
        reason = f"the result is unsound: {problem[0]}; please report it"
        return Failed(path, remarks, reason=reason), found
    others = _others(snapshot, after, path)
    changed = Changed(
        path, remarks, data, encode(after.text),
        diff(found, snapshot, path) + _other_diffs(others), pending, others,
    )  # fmt: skip
    return changed, found


def _others(before: Snapshot, after: Snapshot, shown: str) -> tuple[Other, ...]:
    found = []
    for path, text in sorted(after.files.items()):
        old = before.read(path)
        name = beside(shown, before.place, path)
        found.append(Other(path, None if old is None else encode(old), encode(text), name))
    return tuple(found)


def _other_diffs(others: tuple[Other, ...]) -> str:
    lines: list[str] = []
    for other in others:
        before = None if other.before is None else decode(other.before)
        lines += unified(other.name, before, decode(other.after))
    return "".join(lines)


def _chosen(config: Config, lowered: str) -> list[Transform]:
    """Return the transforms whose words occur, and whose changes may be of the level asked for."""
    wanted = _selected(tuple(config.select), tuple(config.ignore))
    reach = (entry for entry in wanted if entry.highest >= config.level)
    return ordered(entry for entry in reach if entry.concerns(lowered))


@lru_cache(maxsize=64)
def _selected(chosen: tuple[str, ...], ignored: tuple[str, ...]) -> tuple:  # type: ignore[type-arg]
    return select(chosen, ignored)


def _options(transforms: Sequence[Transform], config: Config) -> dict[str, object]:
    found: dict[str, object] = {}
    for transform in transforms:
        values = config.options.get(transform.id, {})
        if transform.options is None:
            if values:
                raise Unusable(f"{transform.id} takes no options")
            continue
        try:
            found[transform.id] = transform.options(**values)
        except (TypeError, ValueError) as error:
            known = getattr(transform.options, "__dataclass_fields__", {})
            raise Unusable(
                f"options of {transform.id}: {error}; there are: {', '.join(known)}"
            ) from None
    return found


def diff(outcome: Outcome, before: Snapshot, path: str) -> str:
    """Return the whole difference as a patch whose hunks name the transforms."""
    marks: list[tuple[Span, str]] = [
        (mark.span, outcome.steps[mark.step].transform.id) for mark in outcome.marks
    ]
    return "".join(unified(path, before.text, outcome.snapshot.text, marks))


def _remarks(outcome: Outcome, first: Snapshot, path: str, detailed: bool) -> list[Remark]:
    details: Sequence[Detail | None] = [None] * len(outcome.steps)
    if detailed and outcome.steps:
        from refactor.details import details as told

        details = told(outcome, first, path)

    block = block_of(first.repository, first.place)

    def line(step: int, offset: int) -> int:
        found = first.dockerfile.line(outcome.home(step, offset))
        return block.outer(found) if block else found

    found = [
        Remark(
            "change", step.transform.id,
            line(index, min((e.span.start for e in step.change.edits), default=0)),
            step.change.reason, step.change.effective_level.name.lower(),
            assumes=tuple(map(mask, step.change.assumes)), detail=detail,
        )
        for index, (step, detail) in enumerate(zip(outcome.steps, details, strict=True))
    ]  # fmt: skip
    found += [
        Remark("notice", "skip", line(0, offset), reason, level=WARNING)
        for offset, reason in _misnamed(first)
    ]
    last = len(outcome.steps)
    found += [
        Remark("refusal", t.id, line(last, r.offset), r.reason, code=r.code, unlock=r.unlock)
        for t, r in outcome.refusals
    ]
    found += [
        Remark("notice", t.id, line(last, n.offset), n.reason, code=n.code)
        for t, n in outcome.notices
    ]
    for drop in outcome.drops:
        at = line(last, drop.change.edits[0].span.start) if drop.change.by_hand else 0
        kind = "unverified" if drop.change.by_hand else "dropped"
        found.append(Remark(kind, drop.transform.id, at, mask(drop.reason)))
    for p in outcome.left:
        at = line(last, min((e.span.start for e in p.change.edits), default=0))
        level = p.change.effective_level.name.lower()
        found.append(
            Remark(
                "left",
                p.transform.id,
                at,
                p.change.reason,
                level,
                identity=p.identity,
                again=p.again,
            )
        )
    return found


def _misnamed(snapshot: Snapshot) -> Iterator[tuple[int, str]]:
    """Yield where an ignore comment of ours keeps nothing away, as no transform has the name."""
    for offset, name in own_names(snapshot):
        known = {entry.id for entry in entries()} | {row["rule"] for row in table("rules")}
        if name not in known:
            told = f"{near(name, known)}`dfr list` names all"
            yield offset, f"no transform is called {name!r}, so nothing is skipped; {told}"


LEVELS = {level.name.lower(): level for level in Safety}
