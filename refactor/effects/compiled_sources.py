"""A stage that compiles the Python sources that it has copied: all else is what it was.

Python takes a compiled module if the time and the size of its source are those that it notes
(PEP 3147, and the import system's reference); COPY keeps both. What is compiled stands beside the
sources in `__pycache__`, and nothing but Python looks there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

from refactor.effects.dropping import is_cleanup, is_install, is_update, packages_of
from refactor.effects.events import Build, Copy, Event, Exec, Stage, flat
from refactor.effects.placed import Placed
from refactor.effects.provenance import footprint as written
from refactor.effects.stages import Surroundings
from refactor.facts.environments import environment_of, interpreter
from refactor.facts.installs import Unknown
from refactor.facts.stages import Graph
from refactor.model import Claim, Effect

COMMAND = ("python", "-m", "compileall", "-q", ".")
ASSUMED = (
    "every source in {} is written for the Python of the image: one that is not fails the build"
)
MAX_SOURCES = 2000
_NO_SOURCES = frozenset(
    "mkdir chown chmod useradd adduser groupadd addgroup usermod groupmod".split()
)
_ROOT = ("", "root", "0")
# Python compiles for itself otherwise, or elsewhere.
_SETTINGS = frozenset({"PYTHONOPTIMIZE", "PYTHONPYCACHEPREFIX"})


class Plan(NamedTuple):
    """The stage that compiles, by number, behind which of its events, and what is assumed."""

    stage: int
    behind: int
    assumes: str


def plan(build: Build, graph: Graph, around: Surroundings) -> Plan | Unknown | None:
    """Return where the last stage compiles; None if each start does not compile anew there."""
    index = len(build.stages) - 1
    stage = build.stages[index]
    config = dict(stage.config)
    pairs = config["env"]
    assert isinstance(pairs, tuple)
    env = {name for name, value in pairs if value.text}
    user = str(getattr(config["user"], "text", ""))
    starts_anew = user not in _ROOT or "PYTHONDONTWRITEBYTECODE" in env
    image = graph.stages[index].image
    if interpreter(image) != "python" or not starts_anew or env & _SETTINGS or config["shell"]:
        return None
    copies = [n for n, e in enumerate(stage.events) if isinstance(e, Copy) and e.origin is None]
    if not copies:
        return None
    if around.sent is None or not around.sent.complete:
        return Unknown("P313", "what stands in the build context is not known",
                       "run where the build context is")  # fmt: skip
    placed = Placed(around.sent)
    behind, folder = -1, ""
    for number in copies:
        event = stage.events[number]
        assert isinstance(event, Copy)
        files = placed.puts(event)
        if files is None:
            return Unknown("P313", f"what `{event.text[:80]}` copies is not known", "name it")
        placed.take(files)
        here = event.workdir[0].text if len(event.workdir) == 1 else ""
        if here not in ("", "/") and any(_is_source(path, here) for path in files):
            behind, folder = number, here
    return _judged(stage, index, behind, folder, placed) if behind >= 0 else None


def _is_source(path: str, folder: str) -> bool:
    return path.startswith(f"{folder.rstrip('/')}/") and path.endswith(".py")


def _judged(stage: Stage, index: int, behind: int, folder: str, placed: Placed) -> Plan | Unknown:
    """Return the plan, or why the sources of a folder are not compiled."""
    from refactor.facts.python_places import look

    event = stage.events[behind]
    assert isinstance(event, Copy)
    if event.user.text not in _ROOT or event.volumes:
        return Unknown("P314", "the user of the copy may not write beside the sources",
                       "copy them in front of USER and VOLUME")  # fmt: skip
    for earlier in flat(stage.events[:behind]):
        if _may_bring(earlier, folder):
            return Unknown("P315", f"`{earlier.text[:80]}` may put other sources into {folder}",
                           "install them elsewhere")  # fmt: skip
    paths = [path for path in placed.below(folder) if path.endswith(".py")]
    if len(paths) > MAX_SOURCES:
        return Unknown("P312", f"there are more than {MAX_SOURCES} sources", "")
    for path in sorted(paths):
        text = placed.text(path)
        if text is None or look(path, text) is None:
            return Unknown("P312", f"{path} does not parse, and would fail the build",
                           "leave it out with `.dockerignore`")  # fmt: skip
    return Plan(index, behind, ASSUMED.format(folder))


def _may_bring(event: Event, folder: str) -> bool:
    """Whether an event may put sources into a folder that are not of the build context."""
    if isinstance(event, Copy):
        return event.origin is not None and _meets(event.destination.text, folder)
    if is_install(event) or is_update(event) or is_cleanup(event) or packages_of(event):
        return False
    if isinstance(event, Exec) and _NO_SOURCES.intersection(event.argv[:1]):
        return False
    if isinstance(event, Exec) and (made := environment_of(event.argv)):
        return _meets(made, folder)
    return any(_meets(region, folder) for region in written(event)[1])


def _meets(path: str, folder: str) -> bool:
    path, folder = path.rstrip("/") + "/", f"{folder}/"
    return path.startswith(folder) or folder.startswith(path)


def footprint(build: Build, found: Plan) -> frozenset[str]:
    """Return what a change claims that does what is planned, and nothing else."""
    stage = build.stages[found.stage]
    label = f"stage {stage.name or found.stage}"
    return frozenset({label, f"+ {' '.join(COMMAND)}", f"behind {stage.events[found.behind].text}"})


def compiled_again(
    before: Build, after: Build, claims: Counter[Claim], around: Surroundings,
    assumes: frozenset[str], graph: Graph,
) -> Build | str:  # fmt: skip
    """Return a build whose last stage compiles its sources, if that is claimed, or why not.

    The claim is used up.
    """
    found = plan(before, graph, around)
    claim = Claim(Effect.FILES, footprint(before, found)) if isinstance(found, Plan) else None
    if claim is None or not isinstance(found, Plan) or claims[claim] <= 0:
        return before
    claims[claim] -= 1
    if found.assumes not in assumes:
        return f"not assumed: {found.assumes}"
    old, at = before.stages[found.stage], found.behind + 1
    new = after.stages[found.stage].events[at : at + 1]
    copy = old.events[found.behind]
    if not new or not isinstance(new[0], Exec) or not isinstance(copy, Copy):
        return "the sources are not compiled where they are copied"
    made = new[0]
    plain = Exec(COMMAND, (), (), replace(made.setting, flags=()), (), True)
    where = made.setting
    if made != plain or (where.user, where.workdir, where.shell) != (copy.user, copy.workdir, ()):
        return "the sources are not compiled as they stand"
    runs = sorted([*(end + (end >= at) for end in old.runs), at + 1])
    stage = replace(
        old,
        events=(*old.events[:at], made, *old.events[at:]),
        runs=tuple(runs),
        layers=old.layers + 1,
    )
    return before._replace(stages=(*before.stages[: found.stage], stage))
