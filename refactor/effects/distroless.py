"""A stage that starts from an image without a shell: what runs in it is what ran before.

It only copies, and starts a program of its language, which the other image has at another place. A
virtual environment that it copies finds that place by a link, which its builder sets at its end.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

from refactor.effects.artefact_needs import NO_SHELL
from refactor.effects.events import Build, Copy, Event, Exec, Stage
from refactor.effects.relinked import Environment, Scene, contents, taken, usable
from refactor.effects.stages import Surroundings, origins
from refactor.effects.users import FROM_BASE
from refactor.facts.distroless import Distroless, distroless, runs_language
from refactor.facts.environments import compiles_later
from refactor.facts.installs import Unknown
from refactor.facts.runtimes import STANDARD_PATH
from refactor.facts.slim import slim
from refactor.facts.stages import Graph
from refactor.facts.users import shipped
from refactor.model import Claim, Effect
from refactor.words import Value

KIND = "kind distroless"
MAX_SOURCES = 3000
_OWNER = re.compile(r"(?:root|nobody|\d+)(?::(?:root|\d+))?\Z")
_SYSTEM = re.compile(r"/(?:usr|s?bin|lib\w*|etc/(?:passwd|group))(?:/|\Z)")
_PLATFORM = re.compile(r"--platform=(?:linux/(?:amd64|arm64(?:/v8)?)|\$.*)\Z")
_SOURCE = re.compile(r".+\.(?:py|[cm]?[jt]s|java|kt|scala|groovy|properties)\Z")
_MODULES = "/node_modules/.bin"
_STARTS = ("entrypoint", "cmd", "healthcheck")
_BY_HAND = "do it by hand"


class Plan(NamedTuple):
    """What must be written to start from an image without a shell, and what is assumed.

    `resets` its ENTRYPOINT, or CMD `drops` so many words that it stands for; `renames` the program
    in these instructions. `link` is the command that the `builder` ends with, empty if there is none.
    """

    image: Distroless
    resets: bool
    drops: int
    renames: tuple[str, ...]
    builder: str
    link: tuple[str, ...]
    assumes: tuple[str, ...]


def without_shell(scene: Scene) -> Plan | Unknown | None:
    """Return how a stage starts from an image without a shell, or why not; None if none fits."""
    image, around = scene.image, scene.around
    if not runs_language(image) or not _is_run(scene):
        return None
    there = distroless(image)
    if there is None or not _PLATFORM.match(scene.stage.platform or "--platform=$"):
        full = distroless(image._replace(tag=slim(image) or "")) is not None
        return Unknown("B620", f"no distroless image is known to run what {image.reference} runs",
                       "select use-slim-base too" if full else "")  # fmt: skip
    if around.sent is None or not around.sent.complete or around.application is None:
        return Unknown("B600", "what stands in the build context is not known",
                       "run where the build context is")  # fmt: skip
    venv = _environment(scene, there)
    stop = _steps(scene) or _user(scene) or (venv if isinstance(venv, Unknown) else None)
    if stop is not None or isinstance(venv, Unknown):
        return stop
    start = _start(scene, there, venv)
    if isinstance(start, Unknown):
        return start
    assumes = _assumed(scene, there, venv)
    if isinstance(assumes, Unknown):
        return assumes
    stop = _outside(scene, start, venv) or _application(scene, there) or _named(scene, there)
    if stop is not None:
        return stop
    if venv is not None:
        link = ("ln", "-sf", there.entrypoint[0], f"{venv.programs}/{venv.name}")
        start = start._replace(builder=scene.name(venv.builder), link=link)
    return start._replace(assumes=assumes)


def _is_run(scene: Scene) -> bool:
    """Whether an image is made of a stage, and nothing else starts from it or copies from it."""
    last = scene.index == len(scene.build.stages) - 1
    copied = any(scene.index in origins(stage) for stage in scene.build.stages)
    return (last or scene.stage.name in scene.asked) and not (
        copied or isinstance(scene.stage.base, int) or scene.graph.children(scene.index)
    )


def _steps(scene: Scene) -> Unknown | None:
    """Return which instruction needs a shell, or puts files among those of the image."""
    for event in scene.stage.events:
        text = f"`{event.text[:80]}`"
        if not isinstance(event, Copy):
            return Unknown("B621", f"{text} needs what distroless images lack",
                           "do it in another stage, and copy what it makes")  # fmt: skip
        owner = dict(event.flags).get("chown") or "root"
        if not _OWNER.match(owner):
            return Unknown("B621", f"{text}: there is no {owner}", "write its number")
        path = posixpath.normpath(event.destination.text)
        loose = path == "/" and any("." not in source.text[1:] for source in event.sources)
        known = path.startswith("/") and not event.destination.raw and "$" not in path
        if not known or loose or _SYSTEM.match(path) or isinstance(event.origin, str):
            return Unknown("B621", f"{text} may put files among those of the image",
                           "copy to a folder of the application's own")  # fmt: skip
    if dict(scene.stage.config)["onbuild"]:
        return Unknown("B621", "ONBUILD may need a shell", _BY_HAND)
    return None


def _user(scene: Scene) -> Unknown | None:
    """Return why the user of the stage is not there, or has no home any more."""
    value = dict(scene.stage.config)["user"]
    assert isinstance(value, Value)
    own = shipped(scene.image)
    number = value.text.partition(":")[0]
    if value.raw == FROM_BASE or (not value.raw and _OWNER.match(value.text)):
        if own is None or number != own.uid:
            return None
    return Unknown("B621", f"there is no user {value.text}", "write a number: USER 65532:65532")


def _environment(scene: Scene, there: Distroless) -> Environment | Unknown | None:
    """Return the virtual environment that the stage copies, and has first in PATH."""
    found = taken(scene, there.names)
    if isinstance(found, Unknown):
        return found
    value = dict(_env(scene.stage)).get("PATH")
    words = re.sub(r"\$\{PATH\}|\$PATH", "", value.text).split(":") if value else []
    folders = [w for w in words if w and w not in STANDARD_PATH and not w.endswith(_MODULES)]
    wanted = [venv.programs for venv in found]
    if folders != wanted or len(found) > 1 or not words[:1] == wanted[:1]:
        which = min({*folders} ^ {*wanted}, default="PATH")
        return Unknown(
            "B622",
            f"whether what stands in {which} finds its interpreter is not known",
            "make the environment with `python -m venv`, and have it first in PATH",
        )
    return (usable(scene, found[0]) or found[0]) if found else None


def _env(stage: Stage) -> tuple[tuple[str, Value], ...]:
    found = dict(stage.config)["env"]
    assert isinstance(found, tuple)
    return found


def _words(stage: Stage, key: str) -> tuple[str, ...] | None:
    """Return the words of an instruction that starts a program; None if a shell reads them."""
    value = dict(stage.config).get(key)
    if not isinstance(value, tuple):
        return ()
    words: str | tuple[str, ...] = value[1]
    if isinstance(words, str):
        return () if words.strip().upper() == "NONE" and key == "healthcheck" else None
    return words


def _start(scene: Scene, there: Distroless, venv: Environment | None) -> Plan | Unknown:
    """Return how the same program is started."""
    entry, command, health = (_words(scene.stage, key) for key in _STARTS)
    if entry is None or command is None or health is None:
        return Unknown("B621", "what is started, or checks its health, is run by a shell",
                       "write it as a JSON list")  # fmt: skip
    words = (*entry, *command)
    for program in (_program(words, venv), *([_program(health, venv)] if health else [])):
        if program not in _programs(there, venv):
            return Unknown("B621", f"{program or 'nothing'} is started, and not known to be there",
                           "start the language's own program")  # fmt: skip
    if not entry and len(words) < 2 and words[0] in there.names:
        return Unknown("B621", "nothing is given to the interpreter", _BY_HAND)
    named = (("entrypoint", entry), ("healthcheck", health)) if there.program else ()
    implied = there.entrypoint
    drops = 0
    if (
        not entry
        and venv is None
        and words[1 : len(implied)] == implied[1:]
        and words[len(implied) :]
    ):
        drops = len(implied)
    renames = tuple(key for key, value in named if value)
    return Plan(there, not entry and not drops, drops, renames, "", (), ())


def _programs(there: Distroless, venv: Environment | None) -> frozenset[str]:
    return there.names | (there.scripts if venv else frozenset())


def _program(words: tuple[str, ...], venv: Environment | None) -> str:
    """Return the name of the program that words start, without the folder of an environment."""
    return words[0].removeprefix(f"{venv.programs}/" if venv else "") if words else ""


def _outside(scene: Scene, start: Plan, venv: Environment | None) -> Unknown | None:
    """Return what is run in containers of the image elsewhere, and would not be there."""
    there, invocations = start.image, scene.around.invocations
    for call in invocations.commands if invocations else ():
        own = not (start.resets or start.drops)
        if call.kind == "docs" or (call.role == "command" and own):
            continue  # what a reader may try is no use of the image
        lost = there.program or (call.role == "command" and start.drops)
        if lost or _program(call.argv, venv) not in _programs(there, venv):
            return Unknown("B621", f"{call.path}:{call.line} runs `{call.text[:60]}`, which would "
                           "not be there", "run what the image runs")  # fmt: skip
    return None


def _application(scene: Scene, there: Distroless) -> Unknown | None:
    """Return what the sources run or load that is not known to be there."""
    application = scene.around.application
    assert application is not None
    own = frozenset() if there.program else there.names
    found = [f for f in application.programs if f.value not in own]
    found += [f for f in application.unknown if "program" in f.value]
    for item in (*found, *application.libraries):
        return Unknown("B621", f"{item.path}:{item.line}: {item.value[:80]}: it is not known to be "
                       "there", "keep the image that has it")  # fmt: skip
    if module := compiles_later(application.imports):
        return Unknown("B621", f"{module} may call a compiler when it runs", "keep the image")
    return None if application.complete else Unknown(
        "B600", "not all sources could be read", "leave out what is not needed by .dockerignore")  # fmt: skip


def _named(scene: Scene, there: Distroless) -> Unknown | None:
    """Return what names a variable or a path that only the other image has."""
    words = [re.escape(w) if w.startswith("/") else rf"\b{re.escape(w)}\b" for w in there.gone]
    gone = re.compile("|".join(words))
    sent, invocations = scene.around.sent, scene.around.invocations
    assert sent is not None
    texts = [(f"ENV {k}", v.text) for k, v in _env(scene.stage) if k != "PATH"]
    for key in _STARTS:
        texts.append((key.upper(), " ".join(_words(scene.stage, key) or ())))
    calls = invocations.commands if invocations else ()
    texts += [(f"{c.path}:{c.line}", c.text) for c in calls if c.kind != "docs"]
    paths = sorted(p for p, kind in sent.files.items() if kind == "file" and _SOURCE.match(p))
    if len(paths) > MAX_SOURCES:
        return Unknown("B600", "there are too many sources", "leave some out by .dockerignore")
    texts += [(path, sent.text(path) or "") for path in paths]
    for where, text in texts:
        if match := gone.search(text):
            return Unknown("B621", f"{where} names {match[0]}, which would not be there", _BY_HAND)
    return None


def _assumed(
    scene: Scene, there: Distroless, venv: Environment | None
) -> tuple[str, ...] | Unknown:
    """Return what is assumed."""
    registry = there.reference.partition("/")[0]
    inside = contents(scene, venv, there.reference) if venv else ()
    if isinstance(inside, Unknown):
        return inside
    found = {scene.name(e.origin) for e in scene.stage.events if _brings_more(e, venv)}
    copied = (
        f"what is copied from {name} links to no library, and starts no program, that "
        f"{there.reference} lacks"
        for name in sorted(found)
    )
    place = f"{registry} can be reached where the image is built, and has it for the platform"
    return (there.assumes, *inside, *copied, NO_SHELL, place)


def _brings_more(event: Event, venv: Environment | None) -> bool:
    """Whether a copy takes more from another stage than an environment."""
    if not isinstance(event, Copy) or not isinstance(event.origin, int):
        return False
    return venv is None or event.destination.text.rstrip("/") != venv.folder


def footprint(scene: Scene, plan: Plan) -> frozenset[str]:
    """Return what a change claims that does all of a plan, and nothing else."""
    base = scene.stage.base
    assert isinstance(base, Value)
    parts = {
        KIND,
        f"stage {scene.name(scene.index)}",
        f"- {base.text}",
        f"+ {plan.image.reference}",
    }
    return frozenset(parts | ({f"{plan.builder}: {' '.join(plan.link)}"} if plan.link else set()))


def distroless_based(
    before: Build, after: Build, claims: Counter[Claim], around: Surroundings,
    assumes: frozenset[str], graph: Graph,
) -> Build | str:  # fmt: skip
    """Return a build with what is claimed to start without a shell as it is afterwards, or why not.

    The claims are used up.
    """
    stages = list(before.stages)
    for claim in [c for c in +claims if c.effect is Effect.BASE and KIND in c.footprint]:
        claims[claim] -= 1
        labels = [f"stage {stage.name or i}" for i, stage in enumerate(before.stages)]
        index = next((i for i, label in enumerate(labels) if label in claim.footprint), -1)
        if index < 0:
            return "no such stage"
        scene = Scene(before, index, graph, around)
        plan = without_shell(scene)
        if not isinstance(plan, Plan):
            return f"{labels[index]}: {plan.reason if plan else 'it is not run'}"
        if footprint(scene, plan) != claim.footprint:
            return f"{labels[index]}: what is claimed is not what is done"
        if missing := set(plan.assumes) - assumes:
            return f"not assumed: {min(missing)}"
        if reason := _differs(scene.stage, after.stages[index], plan):
            return f"{labels[index]}: {reason}"
        stages[index] = after.stages[index]
        for i, stage in enumerate(before.stages):
            if plan.link and scene.name(i) == plan.builder:
                stages[i] = _linked(stage, after.stages[i], plan.link)
                if stages[i] is stage:
                    return f"stage {plan.builder} does not end with `{' '.join(plan.link)}`"
    return before._replace(stages=tuple(stages))


def _differs(old: Stage, new: Stage, plan: Plan) -> str | None:
    """Return in what a stage differs, other than in where the program stands that it starts."""
    if new.base != Value(plan.image.reference):
        return f"it does not start from {plan.image.reference}"
    before, after = _steps_of(old), _steps_of(new)
    same = (old.name, old.platform, old.runs, old.layers, before)
    if same != (new.name, new.platform, new.runs, new.layers, after):
        return "it differs in more than its base"
    one, other = _config(old), _config(new)
    if one != other:
        return f"{min(k for k in one.keys() | other.keys() if one.get(k) != other.get(k))} differs"
    return _starts_other(old, new, plan)


def _steps_of(stage: Stage) -> list[Event]:
    """Return the events; where they go is absolute, so the directory does not matter."""
    return [replace(e, workdir=()) if isinstance(e, Copy) else e for e in stage.events]


def _config(stage: Stage) -> dict[str, Any]:
    """Return what is configured, without what starts the program; both images start in /."""
    config: dict[str, Any] = dict(stage.config)
    for key in ("from", "entrypoint", "cmd", "cmd stage", "healthcheck"):
        config.pop(key, None)
    if len(config["workdir"]) == 1 and config["workdir"][0].raw:
        config["workdir"] = (Value("/"),)
    return config


def _starts_other(old: Stage, new: Stage, plan: Plan) -> str | None:
    """Return what is started otherwise."""
    there, venv = plan.image, bool(plan.link)
    entry, command, health = (_words(old, key) for key in _STARTS)
    new_entry, new_command, new_health = (_words(new, key) for key in _STARTS)
    if new_entry is None or new_command is None or new_health is None:
        return "what it starts is run by a shell"
    assert entry is not None
    assert command is not None
    assert health is not None
    own = "entrypoint" in dict(new.config)
    started = (*(new_entry if own else there.entrypoint), *new_command)
    if _same_program(started, there, venv, there.program) != _same_program(
        (*entry, *command), there, venv, ""
    ):
        return f"it starts `{' '.join(started)[:100]}`"
    if bool(entry) != bool(new_entry) or (entry and new_command != command):
        return "other words are the arguments"
    flags = [dict(s.config).get("healthcheck") for s in (old, new)]
    kinds = [(v[0], v[2:]) if isinstance(v, tuple) else None for v in flags]
    health, new_health = (
        _same_program(health, there, venv, ""),
        _same_program(new_health, there, venv, there.program),
    )
    return "HEALTHCHECK differs" if kinds[0] != kinds[1] or health != new_health else None


def _same_program(
    words: tuple[str, ...], there: Distroless, venv: bool, only: str
) -> tuple[str, ...]:
    """Return words with one name for the language's program; `only` it may be called by this."""
    names = {there.entrypoint[0]} | ({only} if only else there.names if not venv else set())
    return ("", *words[1:]) if words and words[0] in names else words


def _linked(before: Stage, after: Stage, link: tuple[str, ...]) -> Stage:
    """Return a stage as it is afterwards, if all that is new is a RUN that sets a link."""
    if not after.events or after.runs[-1:] != (len(after.events),):
        return before
    rest = replace(after, events=after.events[:-1], runs=after.runs[:-1], layers=after.layers - 1)
    last = after.events[-1]
    plain = isinstance(last, Exec) and last.must and not (
        last.redirects or last.assignments or last.shell_state or last.setting.flags
    )  # fmt: skip
    return after if plain and rest == before and last.argv == link else before
