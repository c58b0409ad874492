"""A stage that builds a program becomes two: one builds it, one runs it on a base without tools.

The builder is the old stage, event by event. The new stage starts from a base that follows from
the builder's, installs and copies what the program needs, and is started as before.
"""

from __future__ import annotations

from typing import Any

from refactor.effects.artefact_languages import IMAGES, needed_for
from refactor.effects.artefact_needs import Needs, Subject, environment, workdir
from refactor.effects.events import Copy, Event, Exec, Stage
from refactor.effects.stages import Cut
from refactor.facts.images import Image, image
from refactor.facts.installs import Unknown
from refactor.facts.runtimes import STANDARD_PATH, base, is_for_builds
from refactor.words import Value

_ROOT, _ROOTS = "root", frozenset({"", "root", "0"})
# What the builder need not have: it is of use to start an image, not to make it.
_STARTS = frozenset({"cmd", "cmd stage", "entrypoint", "healthcheck", "labels", "maintainer",
                     "ports", "stopsignal", "env", "args", "user", "workdir", "directories",
                     "shell", "volumes"})  # fmt: skip
_SAME = ("entrypoint", "cmd", "healthcheck", "labels", "maintainer", "ports", "stopsignal",
         "volumes", "user", "shell", "onbuild")  # fmt: skip


def artefact_split(cut: Cut) -> str | None:
    """Return why a split does not run what the old stage ran."""
    language = cut.claimed("language")
    if language not in IMAGES:
        return "no such language"
    subject = Subject(cut.old, cut.graph.stages[cut.index], cut.around)
    found = needed_for(subject, language)
    if isinstance(found, Unknown):
        return found.reason
    if found.base != cut.claimed("base"):
        return f"the base would be {found.base}"
    if missing := set(found.assumes) - cut.assumes:
        return f"not assumed: {min(missing)}"
    return (
        _builder(cut.old, cut.builder, found)
        or _base(cut, found)
        or _events(cut, found)
        or _configuration(cut, found, language)
    )


def _builder(old: Stage, builder: Stage, found: Needs) -> str | None:
    if (builder.base, builder.platform) != (old.base, old.platform):
        return "the builder starts from something else"
    closing = [e for e in builder.events[len(old.events) :] if isinstance(e, Exec)]
    if builder.events[: len(old.events)] != old.events:
        return "the builder does not do what the stage did"
    if [e.argv for e in closing] != [found.closing] * bool(found.closing):
        return "the builder does more than the stage did"
    alike = all(_like(event, old.events[-1]) for event in closing)
    if len(builder.events) != len(old.events) + len(closing) or not alike:
        return "the builder does more than the stage did"
    if builder.runs[: len(old.runs)] != old.runs:
        return "a RUN of the builder ends elsewhere"
    before, after = dict(old.config), dict(builder.config)
    differs = [k for k in before.keys() | after.keys() if before.get(k) != after.get(k)]
    odd = set(differs) - _STARTS
    return f"{min(odd)} of the builder differs" if odd else None


def _like(event: Exec, before: Event) -> bool:
    """Whether a command runs where, and as whom, one before it does."""
    last = before if isinstance(before, Copy) else getattr(before, "setting", None)
    own = event.setting
    plain = not event.assignments and not event.redirects and not own.flags and event.must
    return plain and last is not None and (last.workdir, last.user) == (own.workdir, own.user)


def _base(cut: Cut, found: Needs) -> str | None:
    wanted, there = found.base, cut.new.base
    if wanted == cut.image.reference and there == cut.old.base:
        return None if cut.new.platform == cut.old.platform else "the platform differs"
    if not isinstance(there, Value) or (there.text, there.raw) != (wanted, ""):
        return f"the new stage does not start from {wanted}"
    return None if cut.new.platform == cut.old.platform else "the platform differs"


def _events(cut: Cut, found: Needs) -> str | None:
    """Compare what the new stage does with what it has to."""
    wanted: list[tuple[Any, ...]] = []
    for kept in found.kept:
        if kept.commands or kept.step is None:
            wanted += [(argv, (), (), _ROOT) for argv in kept.commands]
        else:
            wanted += [_plain(event) for event in kept.step.events]
    copies = [e for e in cut.new.events if isinstance(e, Copy) and e.origin == cut.index]
    rest = [_plain(e) for e in cut.new.events if not isinstance(e, Copy) or e.origin != cut.index]
    if rest != wanted:
        odd = next((a for a, b in zip(rest, wanted, strict=False) if a != b), None)
        return f"the new stage does something else: {odd or 'more, or less'}"
    paths = [_copied(copy, cut.index, found.owner) for copy in copies]
    if sorted(paths) != sorted(found.paths):
        lost = sorted(set(found.paths) - set(paths)) or ["something else"]
        return f"{lost[0]} is not what is copied"
    claimed = {part[9:] for part in cut.footprint if part.startswith("artefact ")}
    return None if claimed == set(found.paths) else "other paths are claimed"


def _plain(event: Event) -> tuple[Any, ...]:
    """Return what an event is apart from the variables that it finds."""
    if isinstance(event, Exec):
        user = event.setting.user.text
        return (event.argv, event.assignments, event.redirects, _ROOT if user in _ROOTS else user)
    if isinstance(event, Copy):
        return (event.keyword, event.sources, event.destination, event.origin, event.flags,
                event.inline)  # fmt: skip
    return (event.text,)


def _copied(copy: Copy, builder: int, owner: str) -> str:
    """Return the path that a copy takes over; empty if it does anything else."""
    flags = (("chown", owner),) if owner else ()
    plain = copy.keyword == "COPY" and copy.origin == builder and copy.flags == flags
    if not plain or len(copy.sources) != 1 or copy.inline or copy.sources[0].raw:
        return ""
    source, target = copy.sources[0].text, copy.destination.text
    same = source == target and not copy.destination.raw and source.startswith("/")
    return source if same and not source.endswith("/") else ""


def _configuration(cut: Cut, found: Needs, language: str) -> str | None:
    """Compare what an image is started with."""
    old, new = dict(cut.old.config), dict(cut.new.config)
    for key in _SAME:
        if old.get(key) != new.get(key):
            return f"{key} differs"
    there = base(image(found.base, {}))
    builder = base(cut.image)
    if there is None or builder is None:
        return "what the base sets is not known"
    if not old["user"] and builder.user != there.user:
        return "the base runs as another user"
    after = Subject(cut.new, cut.graph.stages[cut.index], cut.around)
    if (workdir(after, there) or there.workdir) != found.workdir:
        return "the working directory differs"
    return _variables(cut, found, language)


def _variables(cut: Cut, found: Needs, language: str) -> str | None:
    old, new = _values(cut.old), _values(cut.new)
    for name, value in old.items():
        gone = name not in new and is_for_builds(name, language)
        if name != "PATH" and new.get(name) != value and not gone:
            return f"the variable {name} differs"
    for name in new.keys() - old.keys() - {"PATH"}:
        if new[name] != Value(found.variables.get(name, "\0")):
            return f"the variable {name} is new"
    lost = {k for k in found.variables if k not in new and k != "PATH"}
    if lost:
        return f"the variable {min(lost)} is not set"
    return _path(cut, found)


def _values(stage: Stage) -> dict[str, Value]:
    found = dict(stage.config)["env"]
    assert isinstance(found, tuple)
    return dict(found)


def _path(cut: Cut, found: Needs) -> str | None:
    """Compare the folders in which programs are found."""
    there = image(found.base, {})
    before, after = _folders(cut.old, cut.image), _folders(cut.new, there)
    settings = base(there)
    own = settings.folders if settings else ()
    if not set(after) <= {*before, *STANDARD_PATH, *own}:
        return "PATH has other folders"
    wanted = found.variables.get("PATH", "").split(":")
    set_there = environment(cut.old).get("PATH", "$PATH").split(":")
    lost = {f for f in (*wanted, *set_there) if f not in after} - {"", "$PATH", "${PATH}"}
    return f"PATH lacks {min(lost)}" if lost else None


def _folders(stage: Stage, name: Image) -> list[str]:
    settings = base(name)
    known = [*(settings.folders if settings else ()), *STANDARD_PATH]
    parts = environment(stage).get("PATH", "$PATH").replace("${PATH}", "$PATH").split(":")
    return [f for part in parts for f in (known if part == "$PATH" else [part])]
