"""Transforms -> pages in Markdown, from their docstrings and what their examples do when run."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import NamedTuple

from refactor.knowledge import table
from refactor.model import Change, Example, Notice, Phase, Refusal, Safety, Transform
from refactor.testing import run

PHASES = {
    Phase.REPAIR: ("Repairs", "what is deprecated, misread or without effect"),
    Phase.FLAGS: ("Options of commands", "what a command in a RUN is told"),
    Phase.PAIR_MERGE: ("An update and its install", "what must not be cached apart"),
    Phase.CONTEXT: ("Build context", "what is sent to the engine"),
    Phase.CACHE_ORDER: ("Order of COPY", "what a change of the sources need not build again"),
    Phase.STAGES: ("Stages", "what builds and does not run"),
    Phase.BASE: ("Base images", "what the last stage starts from"),
    Phase.CLEANUP: ("Cleanup", "what stays in a layer and is of no use there"),
    Phase.USER: ("User", "who runs it"),
    Phase.ENTRY: ("Start", "how it is started"),
    Phase.MERGE: ("Layers", "what needs none of its own"),
}
_HADOLINT = "https://github.com/hadolint/hadolint/wiki/"
_BUILDKIT = "https://docs.docker.com/reference/build-checks/"
_INDEX = """They run in this order, one at a time, until none changes anything. The level is that of
the changes that its page shows; a fact that is not known lowers it, and some only tell."""
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MARKUP = re.compile(r"[\\*\[\]|<]|&(?=#?\w+;)|(?<!\w)_|_(?!\w)|^#", re.MULTILINE)
_TAGS = {"<": "&lt;", "&": "&amp;"}


class Shown(NamedTuple):
    """An example, and what the transform did and said when it was run on it."""

    example: Example
    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...]
    notices: tuple[Notice, ...]


@cache
def shown(transform: Transform) -> tuple[Shown, ...]:
    """Run a transform's examples."""
    found = []
    for example in transform.examples:
        outcome = run(transform, example.before, example)
        refusals = (r for _, r in outcome.refusals if r.code == example.refuses)
        notices = (notice for _, notice in outcome.notices)
        changes = (step.change for step in outcome.steps)
        found.append(Shown(example, tuple(changes), tuple(dict.fromkeys(refusals)), tuple(notices)))
    return tuple(found)


def levels(transform: Transform) -> str:
    """Return the levels of the changes in a transform's examples."""
    found = {change.effective_level for seen in shown(transform) for change in seen.changes}
    names = [level.name.lower() for level in sorted(found, reverse=True)]
    return " or ".join(names) or "tells only"


def page(transform: Transform) -> str:
    """Return the page of a transform."""
    return "\n\n".join(_page(transform)) + "\n"


def index(transforms: Iterable[Transform]) -> str:
    """Return the page that lists transforms by phase, with links to their pages beside it."""
    parts = ["# Transforms", _INDEX]
    found = sorted(transforms, key=lambda t: (t.phase, t.id))
    for phase, group in groupby(found, key=lambda t: t.phase):
        title, meaning = PHASES[phase]
        rows = ["| transform | what it does | level |", "|---|---|---|"]
        for transform in group:
            off = "" if transform.default else ", off by default"
            rows.append(
                f"| [`{transform.id}`]({transform.id}.md) | {_prose(transform.title)} "
                f"| {levels(transform)}{off} |"
            )
        parts += [f"## {title}", f"{meaning[0].upper()}{meaning[1:]}.", "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def _page(transform: Transform) -> Iterator[str]:
    title, _, body = transform.doc.strip().partition("\n")
    yield f"# {transform.id}"
    yield _prose(title)
    facts = {
        "Level": levels(transform),
        "By default": "on" if transform.default else "off",
        "Phase": PHASES[transform.phase][0],
        "State": transform.stability,
    }
    yield " · ".join(f"{name}: **{value}**" for name, value in facts.items())
    if body.strip():
        yield _prose(body.strip())
    for heading, part in (
        ("Before and after", _changes(transform)),
        ("What it tells", _notices(transform)),
        ("What it refuses", _refusals(transform)),
        ("What it leaves alone", _left(transform)),
        ("Options", _options(transform)),
        ("Rules that it answers", _answers(transform)),
        (
            "How to switch it off" if transform.default else "How to switch it on",
            _switch(transform),
        ),
    ):
        blocks = list(part)
        if blocks:
            yield f"## {heading}"
            yield from blocks


def _changes(transform: Transform) -> Iterator[str]:
    for seen in shown(transform):
        example = seen.example
        if not seen.changes:
            continue
        yield "\n".join(dict.fromkeys(row for change in seen.changes for row in _reasons(change)))
        yield from _given(seen)
        if example.after is None:
            yield _fenced(example.before, "dockerfile")
        elif _is_small(example.before, example.after):
            yield _fenced(_difference(example.before, example.after), "diff")
        else:
            yield f"Before:\n\n{_fenced(example.before, 'dockerfile')}"
            yield f"After:\n\n{_fenced(example.after, 'dockerfile')}"
        for path, _, text in (other.partition("=") for other in example.others):
            yield f"Writes `{path}`:\n\n{_fenced(text, 'text')}"


def _reasons(change: Change) -> Iterator[str]:
    yield f"- {change.effective_level.name.lower()}: {_prose(change.reason)}"
    yield from (f"    - assumes: {_prose(sentence)}" for sentence in change.assumes)


def _notices(transform: Transform) -> Iterator[str]:
    for seen in shown(transform):
        if seen.notices:
            yield "\n".join(f"- {notice.code}: {_prose(notice.reason)}" for notice in seen.notices)
            yield from _given(seen)
            yield _fenced(seen.example.before, "dockerfile")


def _refusals(transform: Transform) -> Iterator[str]:
    """Yield the refusals by code, and what was refused."""
    said: dict[str, dict[str, list[Shown]]] = {}
    for seen in shown(transform):
        for refusal in seen.refusals:
            said.setdefault(refusal.code, {}).setdefault(_refusal(refusal), []).append(seen)
    for code, reasons in said.items():
        yield f"### {code}"
        for reason, refused in reasons.items():
            yield reason
            for seen in refused:
                yield from _given(seen)
                yield _fenced(seen.example.before, "dockerfile")


def _refusal(refusal: Refusal) -> str:
    unlock = f"; unlock: {_prose(refusal.unlock)}" if refusal.unlock else ""
    return f"> {_prose(refusal.reason)}{unlock}"


def _left(transform: Transform) -> Iterator[str]:
    for seen in shown(transform):
        if not (seen.changes or seen.refusals or seen.notices):
            yield from _given(seen)
            yield _fenced(seen.example.before, "dockerfile")


def _options(transform: Transform) -> Iterator[str]:
    if transform.options is None:
        return
    yield _prose(transform.options.__doc__ or "")
    rows = [f"[tool.dockerfile-refactor.options.{transform.id}]"]
    for field in dataclasses.fields(transform.options):
        value = str(field.default).lower() if field.type is bool else f'"{field.default}"'
        rows.append(f"{field.name} = {value}  # the default")
    yield _fenced("\n".join(rows), "toml")


def _answers(transform: Transform) -> Iterator[str]:
    rows = [
        f"- {row['tool']} [{row['rule']}]({_link(row['rule'])}): {_prose(row['finds'])}"
        for row in table("rules")
        if row["rule"] in transform.answers
    ]
    if rows:
        yield "\n".join(rows)


def _link(rule: str) -> str:
    if _is_hadolint(rule):
        return _HADOLINT + rule
    return f"{_BUILDKIT}{_HUMP.sub('-', rule).lower()}/"


def _is_hadolint(rule: str) -> bool:
    return re.fullmatch(r"DL\d+", rule) is not None


def _switch(transform: Transform) -> Iterator[str]:
    """Yield how it is kept away, or asked for, in a run, in a project and at one place."""
    id, others = transform.id, sorted(transform.excludes)
    rows = ["[tool.dockerfile-refactor]"]
    if transform.default:
        yield f"In a run by `--ignore {id}`, in a project by its configuration:"
        rows.append(f'ignore = ["{id}"]')
    else:
        yield f"`--select {id}` runs it alone. With all the others, in a project's configuration:"
        rows.append(f'select = ["all", "{id}"]')
        if others:
            rows.append("ignore = [{}]".format(", ".join(f'"{other}"' for other in others)))
    yield _fenced("\n".join(rows), "toml")
    yield "A comment above an instruction keeps it away from there:"
    yield _fenced(f"# refactor: skip={id} and the reason", "dockerfile")
    if transform.answers:
        rule = min(transform.answers)
        comment = f"# hadolint ignore={rule}" if _is_hadolint(rule) else f"# check=skip={rule}"
        yield f"The ignore comments for the rules above do so too, such as `{comment}`."


def _given(seen: Shown) -> Iterator[str]:
    """Yield what an example is about, and what stands in its build context."""
    example = seen.example
    if example.note:
        yield f"*{_prose(example.note)}*"
    if example.level is not Safety.RISKY and not seen.changes:
        yield f"At `--level {example.level.name.lower()}`:"
    if example.files:
        files = [file.partition("=") for file in example.files]
        yield f"In the build context: {', '.join(f'`{name}`' for name, _, _ in files)}."
        texts = [f"==> {name} <==\n{text}" for name, _, text in files if text]
        if texts:
            yield _fenced("\n".join(texts), "text")


def _is_small(before: str, after: str) -> bool:
    """Whether a difference reads better than two texts: most lines stay."""
    old, new = before.splitlines(), after.splitlines()
    return len(old) > 5 and len(set(old) & set(new)) * 2 > max(len(old), len(new))


def _difference(before: str, after: str) -> str:
    from difflib import unified_diff

    rows = unified_diff(before.splitlines(), after.splitlines(), n=len(before), lineterm="")
    return "\n".join(list(rows)[3:])


def _fenced(text: str, language: str) -> str:
    ticks = max((len(run) for run in re.findall("`{3,}", text)), default=2) + 1
    return f"{'`' * ticks}{language}\n{text.rstrip(chr(10))}\n{'`' * ticks}"


def _prose(text: str) -> str:
    """Return a text of ours: what stands between backticks is code, and nothing else is markup."""
    parts: Sequence[str] = text.split("`")
    if len(parts) % 2 == 0:
        parts = [text.replace("`", "'")]
    return "`".join(
        part if number % 2 else _MARKUP.sub(_escaped, part) for number, part in enumerate(parts)
    )


def _escaped(match: re.Match[str]) -> str:
    return _TAGS.get(match[0], f"\\{match[0]}")
