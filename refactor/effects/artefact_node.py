"""Node: a stage that installs and builds becomes two, on one and the same image.

The builder has the compilers and the dependencies for development; the new stage takes the
folder of the application over as it is at the end, and does again what was done outside of it.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from refactor.effects.artefact_installs import UNLOCK
from refactor.effects.artefact_needs import Needs, Subject, obstacle
from refactor.effects.artefact_node_sources import Package, package, sources, spawned
from refactor.effects.artefact_same import (
    Walk,
    answer,
    compiles,
    shown,
    unclear,
    user_of,
)
from refactor.effects.artefact_walk import Step, below, steps
from refactor.effects.dropping import packages_of
from refactor.effects.events import Event, Exec
from refactor.effects.order import directory
from refactor.effects.placed import Placed
from refactor.facts import left_out, libraries
from refactor.facts.installs import Unknown
from refactor.facts.packages import bare_name, command_of, unwrap

IMAGES = frozenset({"node"})
_MANAGERS = frozenset({"npm", "yarn", "pnpm"})
_INSTALLS = frozenset("install ci i add clean-install install-test it isntall".split())
_NEUTRAL = frozenset(
    "config cache set get version ls list view ping help audit fund doctor".split()
)
_VALUES = frozenset(
    "--prefix -C --cwd --dir --registry --loglevel -w --workspace --filter -F --cache --userconfig "
    "--network-timeout --fetch-timeout --maxsockets --network-concurrency --store-dir".split()
)
_FOLDER = ("--prefix", "-C", "--cwd", "--dir")
# What node-gyp needs, beside a compiler.
_GYP = frozenset({"python", "python2", "python3", "python-is-python3", "py3-setuptools",
                  "python3-setuptools", "python3-minimal", "python3-distutils"})  # fmt: skip
_BUILD_TOOLS = frozenset(
    "typescript @angular/cli @nestjs/cli @vue/cli webpack webpack-cli vite rollup esbuild gulp "
    "gulp-cli grunt grunt-cli node-gyp rimraf turbo lerna eslint prettier jest mocha bower "
    "react-scripts @babel/cli".split()
)
_LIBRARIES = ("libgcc", "libstdc++")  # node itself needs them
_TOOLS = frozenset({"npx", "tsc", "vite", "next", "ng", "nest"})
_NOTHING = Unknown(
    "S525", "no tool for builds is installed, and the dependencies for development stay",
    "install them with npm, in one step, in the directory that the build ends in",
)  # fmt: skip
# They keep what they download in the home folder.
_AT_HOME = frozenset("puppeteer playwright @playwright/test playwright-chromium cypress "
                     "@puppeteer/browsers electron".split())  # fmt: skip


class Call(NamedTuple):
    """A call of a package manager: its action, the words behind it, its options and folder."""

    manager: str
    action: str
    words: tuple[str, ...]
    options: tuple[str, ...]
    folder: str

    @property
    def is_install(self) -> bool:
        """Whether it installs the dependencies of a project."""
        bare = not self.action and self.manager != "npm"
        return (self.action in _INSTALLS or bare) and not self.is_global

    @property
    def is_global(self) -> bool:
        """Whether it is about programs for all users."""
        options = {"-g", "--global", "--location=global"} & set(self.options)
        return bool(options) or self.action == "global"


def call(event: Event) -> Call | None:
    """Return what a command asks of a package manager of Node."""
    if not isinstance(event, Exec):
        return None
    words = [word.text for word in unwrap(command_of(event.argv).words)[0]]
    if not words or words[0].rpartition("/")[2] not in _MANAGERS:
        return None
    manager = words.pop(0).rpartition("/")[2]
    folder, options, rest = directory(event), [], []
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            rest.append(word)
            continue
        name, equals, value = word.partition("=")
        if name in _VALUES and not equals and words:
            value = words.pop(0)
        if name in _FOLDER and value:
            folder = posixpath.normpath(posixpath.join(folder, value)) if folder else ""
        options.append(word)
    action = rest.pop(0) if rest else ""
    return Call(manager, action, tuple(rest), tuple(options), folder)


@dataclass
class NodeWalk(Walk):
    """Follows the steps of a stage that builds with Node."""

    installs: list[tuple[Call, Step | None, Exec]] = field(default_factory=list)

    def managed(self, event: Exec) -> str | Unknown | None:
        """Take a call of a package manager of Node, or of a tool that it installed."""
        asked = call(event)
        name = event.argv[0] if event.argv else ""
        if asked is None:
            if name == "corepack":
                return "setup"
            own = name in _TOOLS or name.startswith(("./node_modules/", "node_modules/"))
            where = directory(event)
            if not own or event.redirects or not where or not below(where, self.app):
                return None
            return self.built(event)
        if asked.is_global:
            names = {re.sub(r"(?<=.)@.*", "", word) for word in asked.words} - {"add"}
            return "neutral" if names and names <= _BUILD_TOOLS else "setup"
        if asked.action in _NEUTRAL:
            return "neutral"
        if not asked.folder or not below(asked.folder, self.app):
            return unclear(event)
        if not asked.is_install:
            return self.built(event)
        self.owners.add(user_of(event))
        self.installs.append((asked, self.current, event))
        return "app"


def folder(taken: list[Step]) -> str:
    """Return the folder of the application: where dependencies are installed; empty if none."""
    found = {
        asked.folder
        for step in taken
        for event in step.events
        if (asked := call(event)) is not None and asked.is_install
    }
    top = min(found, key=len, default="")
    return top if top.count("/") and top != "/" and all(below(f, top) for f in found) else ""


def is_heavy(subject: Subject) -> bool:
    """Whether a stage installs what only builds, or builds with what it installs."""
    for event in subject.stage.events:
        family = subject.image.family
        asked = call(event)
        if any(left_out.is_left_out(bare_name(n), family) for n in packages_of(event)):
            return True
        acts = asked is not None and asked.action in ("run", "run-script", "build", "exec")
        if acts or (isinstance(event, Exec) and event.argv[:1] in (("tsc",), ("npx",))):
            return True
    return False


def node_needs(subject: Subject) -> Needs | Unknown:
    """Return what a new stage on the same image needs."""
    from refactor.effects.artefact_node_prune import prune

    if stop := obstacle(subject):
        return stop
    sent = subject.around.sent
    assert sent is not None
    taken = steps(subject.stage, subject.place.instructions[1:])
    app = folder(taken)
    if not app:
        return Unknown("S502", "the application has no folder of its own that dependencies are "
                       "installed in", "set one with WORKDIR")  # fmt: skip
    walk = NodeWalk(subject.image, Placed(sent), app, compiles(taken), tools=_GYP, there=_LIBRARIES)
    for step in taken:
        if stop := walk.take(step):
            return stop
    project = package(walk.placed, app)
    if project is None:
        return Unknown("S502", f"{app}/package.json is not read", UNLOCK)
    if kept := (project.dependencies | project.development) & _AT_HOME:
        return Unknown("S502", f"{min(kept)} keeps what it downloads outside {app}", UNLOCK)
    linker = walk.placed.text(posixpath.join(app, ".yarnrc.yml"))
    if project.outside or (linker is not None and "nodeLinker: node-modules" not in linker):
        return Unknown("S502", f"not all dependencies stand in {app}", UNLOCK)
    found = answer(subject, walk)
    if isinstance(found, Unknown):
        return found
    pruned = prune(subject, walk, project)
    if not pruned.command and not walk.dropped:
        return pruned.why or _NOTHING
    if stop := _spawns(walk, project):
        return stop
    found.closing = pruned.command
    found.assumes = (*walk.assumes, *pruned.assumes)
    parts = [shown(walk.dropped), "the dependencies for development" if pruned.command else ""]
    found.spares = " and ".join(part for part in parts if part)
    return found


def _spawns(walk: NodeWalk, project: Package) -> Unknown | None:
    """Return what in the sources runs a program that is left out."""
    gone = {program for name in walk.dropped for program in libraries.programs(name)}
    gone |= set(walk.dropped) | ({"python", "python3"} if set(walk.dropped) & _GYP else set())
    if "git" in gone and any("git" in name for name in project.dependencies):
        return Unknown("S505", "a dependency runs git, which is left out", UNLOCK)
    scripts = sources(walk.placed, walk.app) if gone else []
    if isinstance(scripts, Unknown):
        return scripts
    for script in scripts:
        words, literal = spawned(script)
        if named := gone & words:
            return Unknown("S505", f"{script.path} runs {min(named)}, which is left out", UNLOCK)
        if not literal:
            walk.assumes[f"{script.path} starts no compiler or build tool"] = None
    return None
