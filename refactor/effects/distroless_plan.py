"""How a stage starts from an image without a shell, and what it must not need then.

Only a stage that copies, and starts a program of its language, can: what is run, loaded and named
elsewhere, in the sources and in what is copied, decides.
"""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from refactor.effects.artefact_needs import NO_SHELL
from refactor.effects.bases import Slim, slimmed
from refactor.effects.events import Copy, Event, Stage
from refactor.effects.relinked import Environment, Scene, contents, taken, usable
from refactor.effects.stages import origins
from refactor.effects.users import FROM_BASE
from refactor.facts.distroless import Distroless, distroless, runs_language
from refactor.facts.environments import compiles_later
from refactor.facts.installs import Unknown
from refactor.facts.runtimes import STANDARD_PATH
from refactor.facts.users import shipped
from refactor.words import Value

MAX_SOURCES = 3000
_OWNER = re.compile(r"(?:root|nobody|\d+)(?::(?:root|\d+))?\Z")
_SYSTEM = re.compile(
    r"/usr\Z|(?:/usr)?/(?:s?bin|lib\w*|local|share)(?:/|\Z)|/etc/(?:passwd|group)\Z|/nodejs(?:/|\Z)"
)
_PLATFORM = re.compile(r"--platform=(?:linux/(?:amd64|arm64(?:/v8)?)|\$.*)\Z")
_SOURCE = re.compile(r".+\.(?:py|[cm]?[jt]s|java|kt|scala|groovy|properties)\Z")
_MODULES = "/node_modules/.bin"
STARTS = ("entrypoint", "cmd", "healthcheck")
_BY_HAND = "do it by hand"


class Plan(NamedTuple):
    """What must be written to start from an image without a shell, and what is assumed.

    It `resets` ENTRYPOINT, or CMD `drops` so many words that it stands for; it `renames` the
    program in these instructions. `link` is what the `builder` ends with, empty if it needs none.
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
    around = scene.around
    if not runs_language(scene.image) or not _is_run(scene):
        return None
    there = distroless(scene.slim)
    if there is None or not _PLATFORM.match(scene.stage.platform or "--platform=$"):
        return Unknown("B620", f"no distroless image is known for {scene.image.reference}",
                       "start from a version that has one, in its slim variant")  # fmt: skip
    named = dict(scene.stage.config)["from"]
    if isinstance(named, Value) and named.raw:
        return Unknown("B605", f"{scene.image.reference} is named by a build argument",
                       "edit its default value")  # fmt: skip
    if around.sent is None or not around.sent.complete or around.application is None:
        return Unknown("B600", "what stands in the build context is not known",
                       "run where the build context is")  # fmt: skip
    slimmer = Slim((), ())
    if scene.slim != scene.image:
        found = slimmed(scene.build, scene.number, scene.image, around)
        if isinstance(found, Unknown):
            return found
        slimmer = found
    if slimmer.packages:
        return Unknown("B621", f"{slimmer.packages[0]} is needed, which distroless images lack",
                       "keep the image that has it")  # fmt: skip
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
    return start._replace(assumes=tuple(dict.fromkeys((*slimmer.assumes, *assumes))))


def _is_run(scene: Scene) -> bool:
    """Whether an image is made of a stage, and nothing else starts from it or copies from it."""
    last = scene.number == len(scene.build.stages) - 1
    copied = any(scene.number in origins(stage) for stage in scene.build.stages)
    return (last or scene.stage.name in scene.asked) and not (
        copied or isinstance(scene.stage.base, int) or scene.graph.children(scene.number)
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
        if isinstance(event.origin, str):
            return Unknown("B621", f"{text} brings what {event.origin} has, which may need more",
                           "copy it in a stage of its own")  # fmt: skip
        if not known or loose or _SYSTEM.match(path):
            return Unknown("B621", f"{text} may put files among those of the image",
                           "copy to a folder of the application's own")  # fmt: skip
    if dict(scene.stage.config)["onbuild"]:
        return Unknown("B621", "ONBUILD may need a shell", _BY_HAND)
    for ins in scene.graph.stages[scene.number].instructions[1:]:
        words = ins.json or tuple(ins.args.split()) or ("",)
        if ins.keyword in ("WORKDIR", "COPY", "ADD") and not words[-1].startswith("/"):
            return Unknown("B621", f"`{ins.keyword} {ins.args[:60]}` depends on where the image "
                           "starts", "begin with an absolute WORKDIR")  # fmt: skip
        if ins.keyword == "WORKDIR":
            break
    return None


def _user(scene: Scene) -> Unknown | None:
    """Return why the user of the stage is not there, or has no home any more."""
    value = dict(scene.stage.config)["user"]
    assert isinstance(value, Value)
    own = shipped(scene.image)
    number = value.text.partition(":")[0]
    known = value.raw == FROM_BASE or (not value.raw and _OWNER.match(value.text))
    if known and (own is None or number != own.uid):
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
    if folders != wanted or len(found) > 1 or (found and words[:1] != wanted[:1]):
        which = min({*folders} ^ {*wanted}, default="PATH")
        return Unknown("B622", f"whether what stands in {which} finds its interpreter is not known",
                       "have nothing in PATH but an environment that `python -m venv` made, which "
                       "the stage copies")  # fmt: skip
    return (usable(scene, found[0]) or found[0]) if found else None


def _env(stage: Stage) -> tuple[tuple[str, Value], ...]:
    found = dict(stage.config)["env"]
    assert isinstance(found, tuple)
    return found


def words_of(stage: Stage, key: str) -> tuple[str, ...] | None:
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
    entry, command, health = (words_of(scene.stage, key) for key in STARTS)
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
    implied = there.entrypoint if not entry and venv is None else ()
    drops = len(words) > len(implied) and words[1 : len(implied)] == implied[1:]
    renames = tuple(key for key, value in named if value)
    count = len(implied) if drops else 0
    return Plan(there, not entry and not count, count, renames, "", (), ())


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
    found = [
        f"{f.path}:{f.line} runs {f.value}" for f in application.programs if f.value not in own
    ]
    found += [f"{f.path}:{f.line} loads {f.value}" for f in application.libraries]
    found += [f"{f.path}:{f.line}: {f.value}" for f in application.unknown if "program" in f.value]
    for reason in found:
        return Unknown("B621", reason[:160], "keep the image that has what it needs")
    if module := compiles_later(application.imports):
        return Unknown("B621", f"{module} may call a compiler when it runs", "keep the image")
    if not application.complete:
        return Unknown("B600", "not all sources could be read", "leave some out by .dockerignore")
    return None


def _named(scene: Scene, there: Distroless) -> Unknown | None:
    """Return what names a variable or a path that only the other image has."""
    words = [re.escape(w) if w.startswith("/") else rf"\b{re.escape(w)}\b" for w in there.gone]
    gone = re.compile("|".join(words))
    sent, invocations = scene.around.sent, scene.around.invocations
    assert sent is not None
    texts = [(f"ENV {k}", v.text) for k, v in _env(scene.stage) if k != "PATH"]
    for key in STARTS:
        texts.append((key.upper(), " ".join(words_of(scene.stage, key) or ())))
    calls = invocations.commands if invocations else ()
    texts += [(f"{c.path}:{c.line}", c.text) for c in calls if c.kind != "docs"]
    paths = sorted(p for p, kind in sent.files.items() if kind == "file" and _SOURCE.match(p))
    if len(paths) > MAX_SOURCES:
        return Unknown("B600", "there are too many sources", "leave some out by .dockerignore")
    texts += [(path, sent.text(path) or "") for path in paths]
    for where, text in texts:
        if match := gone.search(text):
            return Unknown("B621", f"{where} names {match[0]}: what it needs would not be there",
                           _BY_HAND)  # fmt: skip
    return None


def _assumed(
    scene: Scene, there: Distroless, venv: Environment | None
) -> tuple[str, ...] | Unknown:
    """Return what is assumed."""
    registry = there.reference.partition("/")[0]
    inside = contents(scene, venv, there.reference) if venv else ()
    if isinstance(inside, Unknown):
        return inside
    found = {scene.name(n) for e in scene.stage.events for n in _brings_more(e, venv)}
    copied = (
        f"what is copied from {name} needs no library, no later one, and no program, that "
        f"{there.reference} lacks"
        for name in sorted(found)
    )
    place = f"{registry} can be reached where the image is built, and has it for the platform"
    return (there.assumes, *inside, *copied, NO_SHELL, place)


def _brings_more(event: Event, venv: Environment | None) -> list[int]:
    """Return the stage that a copy takes more from than an environment."""
    if not isinstance(event, Copy) or not isinstance(event.origin, int):
        return []
    return [event.origin] * (venv is None or event.destination.text.rstrip("/") != venv.folder)
