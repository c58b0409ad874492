"""A virtual environment that one stage makes, and another takes over with its own interpreter.

`python -m venv` links to the interpreter that runs it, by its name; the other names link to that
one, and scripts name it. When the link is not what pyvenv.cfg calls its home, the interpreter finds
its own library where it was built for (CPython's getpath.py), and the environment's beside.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

from refactor.effects.containers import lineage
from refactor.effects.distributions import installed
from refactor.effects.dropping import is_cleanup, is_update, packages_of
from refactor.effects.events import Build, Copy, Event, Exec, Stage, flat
from refactor.effects.order import directory, environment
from refactor.effects.provenance import runs_others
from refactor.effects.stages import Surroundings, origins
from refactor.effects.users import FROM_BASE, ROOT
from refactor.facts.distroless import builds_for
from refactor.facts.images import Image
from refactor.facts.installs import Unknown
from refactor.facts.packages import argv_operation
from refactor.facts.python_packages import python_package
from refactor.facts.releases import codename
from refactor.facts.slim import slim
from refactor.facts.stages import Graph
from refactor.words import Value

_FOLDER = re.compile(r"/[\w@+=.,/-]{1,90}\Z", re.ASCII)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?\Z")
# They install as pip does, and what they install is not read.
_OTHERS = re.compile(r"\b(?:poetry|uv|pdm|pipenv|hatch|conda|mamba|pipx|virtualenv|easy_install)\b")
_BY_HAND = "do it by hand"
MAX_LISTED = 8


class Scene(NamedTuple):
    """A build, the stage that is looked at, and what is known around it."""

    build: Build
    number: int
    graph: Graph
    around: Surroundings

    @property
    def stage(self) -> Stage:
        """The stage itself."""
        return self.build.stages[self.number]

    @property
    def image(self) -> Image:
        """The image that the stage starts from."""
        return self.graph.stages[self.number].image

    @property
    def slim(self) -> Image:
        """The slim variant of that image, or the image itself."""
        return self.image._replace(tag=slim(self.image) or self.image.tag)

    @property
    def asked(self) -> frozenset[str]:
        """The stages that are asked for by name from outside."""
        invocations = self.around.invocations
        return invocations.targets if invocations else frozenset()

    def name(self, index: int) -> str:
        """Return how a stage is called."""
        return self.build.stages[index].name or str(index)


class Environment(NamedTuple):
    """A virtual environment: the stage that makes it, its folder, and the name of its link."""

    builder: int
    folder: str
    name: str

    @property
    def programs(self) -> str:
        """The folder of its programs."""
        return f"{self.folder}/bin"


def taken(scene: Scene, names: frozenset[str]) -> list[Environment] | Unknown:
    """Return the environments that a stage copies, to where they were made."""
    found: dict[Environment, None] = {}
    for event in scene.stage.events:
        if not isinstance(event, Copy) or not isinstance(event.origin, int):
            continue
        sources = [posixpath.normpath(posixpath.join("/", s.text)) for s in event.sources]
        for venv in _made(scene, event.origin, names):
            if not any(_is_below(venv.folder, path) for path in sources):
                continue
            if sources != [posixpath.normpath(event.destination.text)]:
                return Unknown("B622", f"{venv.folder} is copied to another place", _BY_HAND)
            found[venv] = None
    return list(found)


def _made(scene: Scene, origin: int, names: frozenset[str]) -> Iterator[Environment]:
    """Yield the environments that a stage makes with one of these programs, in a plain way."""
    for stage in lineage(scene.build, origin):
        env = environment(stage)
        for event in stage.events:
            if not isinstance(event, Exec) or not _makes(event):
                continue
            program, text = event.argv[0], event.argv[3].rstrip("/")
            variable = _VARIABLE.match(text)
            text = env.get(variable[1], "$") if variable else text
            folder = posixpath.normpath(posixpath.join(directory(event) or "$", text))
            plain = event.must and not (event.redirects or event.assignments)
            if plain and program in names and _FOLDER.match(folder):
                yield Environment(origin, folder, program)


def _makes(event: Event) -> bool:
    return isinstance(event, Exec) and event.argv[1:3] == ("-m", "venv") and len(event.argv) == 4


def _is_below(path: str, parent: str) -> bool:
    return path == parent or path.startswith(parent.rstrip("/") + "/")


def usable(scene: Scene, venv: Environment) -> Unknown | None:
    """Return why the builder of an environment cannot end with another link."""
    builder, name = scene.build.stages[venv.builder], scene.name(venv.builder)
    config = dict(builder.config)
    shell, user = config["shell"], config["user"]
    assert isinstance(shell, tuple)
    assert isinstance(user, Value)
    root = user.raw == FROM_BASE or (user.text in ROOT and not user.raw)
    if not root or (shell and shell[0].rpartition("/")[2] not in ("sh", "bash")):
        return Unknown("B622", f"{name} may not be able to set a link", _BY_HAND)
    if not builds_for(scene.graph.stages[venv.builder].image, scene.slim):
        return Unknown("B622", f"{name} is not known to have the same Python, and a Debian that is "
                       "no later", "start both from the same image")  # fmt: skip
    start = dict(list(lineage(scene.build, venv.builder))[-1].config)["from"]
    if isinstance(start, Value) and start.raw:
        return Unknown("B605", f"what {name} starts from is named by a build argument",
                       "edit its default value")  # fmt: skip
    if builder.platform != scene.stage.platform or config["onbuild"]:
        return Unknown("B622", f"{name} is built for another platform, or has ONBUILD", _BY_HAND)
    others = [s for i, s in enumerate(scene.build.stages) if i != scene.number]
    if builder.name in scene.asked or any(_uses(stage, venv.builder) for stage in others):
        return Unknown("B622", f"{name} is used for something else too", _BY_HAND)
    return None


def _uses(stage: Stage, index: int) -> bool:
    """Whether a stage starts from another, copies from it, or mounts it."""
    flags = [
        value or ""
        for event in flat(stage.events)
        if not isinstance(event, Copy) and (setting := getattr(event, "setting", None))
        for name, value in setting.flags
        if name == "mount"
    ]
    mounted = any(f"from={index}" in value.split(",") for value in flags)
    return stage.base == index or index in origins(stage) or mounted


def contents(scene: Scene, venv: Environment, reference: str) -> tuple[str, ...] | Unknown:
    """Return what is assumed of what is installed in an environment, for it to run elsewhere."""
    assumes: dict[str, None] = {}
    inside: set[str] = set()
    for stage in lineage(scene.build, venv.builder):
        names = installed(stage, scene.around.sent)
        if names is None:
            return Unknown("B622", "which distributions are installed is not known",
                           "name them in a requirements.txt")  # fmt: skip
        inside |= names
        for name in sorted(names):
            known = python_package(name)
            if known and (known.wheels == "none" or known.wanted != () or known.programs):
                return Unknown("B622", f"{name} needs more than {reference} is known to have",
                               "keep the image")  # fmt: skip
        for event in stage.events:
            if isinstance(event, Copy) or _is_plain(event):
                continue
            if not isinstance(event, Exec) or _OTHERS.search(event.text):
                return Unknown("B622", f"what `{event.text[:80]}` installs is not known",
                               "install with pip, from a requirements.txt")  # fmt: skip
            assumes[f"`{event.text[:100]}` installs nothing into {venv.folder}"] = None
    listed = ", ".join(sorted(inside)[:MAX_LISTED]) + ", ..." * (len(inside) > MAX_LISTED)
    if inside:
        text = f"is installed from wheels, or links to nothing that {reference} lacks"
        assumes[f"all of {listed}, and what they need, {text}, and starts no program"] = None
    image = scene.graph.stages[venv.builder].image
    if inside and not codename(image):
        assumes[f"{image.reference} is of Debian 13, or an older one"] = None
    return tuple(assumes)


def _is_plain(event: Event) -> bool:
    """Whether a command installs nothing but what pip's own options tell, or system packages."""
    if _makes(event) or packages_of(event) or is_cleanup(event) or is_update(event):
        return True
    found = argv_operation(event.argv) if isinstance(event, Exec) else None
    if found is not None and found.manager == "pip":
        return not found.has("--no-binary")
    return found is None and not runs_others(event)
