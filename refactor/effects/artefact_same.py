"""A stage that installs and builds on an image that also runs the result: one image, two stages.

Every RUN and copy is about the application's folder, which the new stage takes over as it is, or
about the system, and then it is done again; packages that only build are left out.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field

from refactor.effects.artefact_installs import (
    UNLOCK,
    Kept,
    left_behind,
    library_install,
    slimmer,
)
from refactor.effects.artefact_needs import Needs, Subject, workdir
from refactor.effects.artefact_walk import Step, below
from refactor.effects.dropping import is_cleanup, is_update, packages_of
from refactor.effects.events import Copy, Event, Exec
from refactor.effects.order import directory
from refactor.effects.placed import Placed
from refactor.effects.roots import roots
from refactor.facts import left_out, libraries
from refactor.facts.images import Image
from refactor.facts.installs import Unknown
from refactor.facts.packages import bare_name, command_of, unwrap
from refactor.facts.runtimes import base

_USERS = frozenset({"adduser", "addgroup", "groupadd", "useradd", "usermod", "groupmod"})
_SPARE_PLACES = ("/tmp", "/root/.npm", "/root/.cache", "/var/cache", "/usr/local/share/.cache",
                 "/root/.yarn", "/var/lib/apt/lists", "/var/tmp", "/root/.node-gyp",
                 "/root/.bundle/cache", "/usr/local/bundle/cache")  # fmt: skip
_LOOKS = frozenset("ls pwd echo cat which node -v env date true test [ : whoami id uname".split())
_STATE = frozenset({"cd", "export", "set", "unset", ""})
_MAKES = frozenset({"mkdir", "chown", "chmod", "chgrp", "touch", "ln"})
NO_OPENMP = "no native add-on is compiled with OpenMP, which would need libgomp1"
OWNERS = "the builder keeps the owners of what is copied between stages, as BuildKit does"


@dataclass
class Walk:
    """Follows the steps of a stage, and decides what becomes of each."""

    image: Image
    placed: Placed
    app: str
    compiles: bool
    kept: list[Kept] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    libraries: dict[str, None] = field(default_factory=dict)
    extras: set[str] = field(default_factory=set)
    owners: set[str] = field(default_factory=set)
    chowned: str = ""
    assumes: dict[str, None] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    tools: frozenset[str] = frozenset()
    there: tuple[str, ...] = ()
    builds: bool = False
    current: Step | None = None

    def take(self, step: Step) -> Unknown | None:
        """Decide on a step."""
        self.current = step
        if isinstance(step.events[0] if step.events else None, Copy):
            return self.copy(step)
        kinds = [self.kind(event) for event in step.events]
        if stop := next((kind for kind in kinds if isinstance(kind, Unknown)), None):
            early = stop.code == "S502" and not self.dropped and not self.owners
            if not early or "app" in kinds:
                return stop
            self.kept.append(Kept(step))
            return None
        if not set(kinds) & {"setup", "package"}:
            return None
        spare = [n for event in step.events for n in packages_of(event) if self.is_spare(n)]
        fetches = any(is_update(event) for event in step.events) or "package" not in kinds
        if "app" not in kinds and not spare and fetches:
            self.kept.append(Kept(step))
            return None
        return self.slim(step, kinds)

    def slim(self, step: Step, kinds: list[str | Unknown]) -> Unknown | None:
        """Keep those commands of a RUN that are not for the build."""
        commands: list[tuple[str, ...]] = list(slimmer(step, self.is_spare))
        for event, kind in zip(step.events, kinds, strict=True):
            if kind != "setup":
                continue
            plain = isinstance(event, Exec) and not event.assignments and not event.redirects
            if not plain or not isinstance(event, Exec) or event.shell_state:
                return Unknown("S502", f"`{event.text[:80]}` is mixed with the build",
                               "give it its own RUN")  # fmt: skip
            commands.append(event.argv)
        self.kept.append(Kept(step, tuple(commands)))
        return None

    def is_spare(self, package: str) -> bool:
        """Whether a package is for the build alone."""
        name = bare_name(package)
        return left_out.is_left_out(name, self.image.family) or (
            self.compiles and name in self.tools
        )

    def copy(self, step: Step) -> Unknown | None:
        """Take a copy: into the application's folder, or beside it."""
        event = step.events[0]
        assert isinstance(event, Copy)
        target = posixpath.normpath(event.destination.text)
        known = not event.destination.raw and target.startswith("/")
        if not known or (target != self.app and below(self.app, target) and event.origin is None):
            return Unknown("S502", f"where `{event.text[:80]}` goes is not known",
                           "write an absolute destination")  # fmt: skip
        if not below(target, self.app):
            self.kept.append(Kept(step))
            return None
        owner = next((value for name, value in event.flags if name == "chown"), None)
        self.owners.add(owner or "root")
        files = self.placed.puts(event) if event.origin is None else {}
        if files is None:
            return Unknown("S502", f"what `{event.text[:80]}` puts into the image is not known",
                           "name sources that are in the build context")  # fmt: skip
        self.placed.take(files)
        return None

    def kind(self, event: Event) -> str | Unknown:
        """Return what an event is about: `app`, `setup`, `package` or `neutral`."""
        if not isinstance(event, Exec) or not event.must:
            return unclear(event)
        if names := packages_of(event):
            return self.packages(names)
        if is_update(event) or is_cleanup(event):
            return "neutral"
        own = self.managed(event)
        return self.command(event) if own is None else own

    def packages(self, names: list[str]) -> str | Unknown:
        """Take an install of packages of the system."""
        spare = [name for name in names if self.is_spare(name)]
        for name in spare:
            behind = () if bare_name(name) in self.tools else left_behind(name, self.image)
            if behind is None:
                return Unknown("S501", f"which libraries are needed at run time for {name} is not "
                               "known", "name the release in the base's tag")  # fmt: skip
            libs = [lib for lib in behind if lib not in (*names, *self.there)]
            if "libgomp1" in libs:
                self.assumes[NO_OPENMP] = None
            self.libraries |= dict.fromkeys(lib for lib in libs if lib != "libgomp1")
        self.dropped += spare
        return "neutral" if len(spare) == len(names) else "package"

    def managed(self, event: Exec) -> str | Unknown | None:
        """Take a command of the language's own; None if it is none."""
        return None

    def built(self, event: Exec) -> str:
        """Note a command that builds in the application's folder."""
        self.owners.add(user_of(event))
        self.builds = True
        self.assumes[f"`{event.text[:120]}` writes nothing outside {self.app}"] = None
        return "app"

    def command(self, event: Exec) -> str | Unknown:
        """Take a command of the system."""
        argv = tuple(word.text for word in unwrap(command_of(event.argv).words)[0])
        name = argv[0].rpartition("/")[2] if argv else ""
        if name in _STATE or (name in _LOOKS and not event.redirects):
            return "neutral"
        if name in _USERS:
            return "setup"
        where = directory(event)
        names = [word for word in argv[1:] if not word.startswith("-")]
        if name in ("chown", "chmod", "chgrp"):
            owner, names = (names[0] if names else ""), names[1:]
        paths = [posixpath.normpath(posixpath.join(where, n)) for n in names]
        if not where or any(c in n for n in names for c in "*?[{$~`\"'\\") or event.redirects:
            return unclear(event)
        if name == "chown" and "-R" in argv and paths == [self.app]:
            self.chowned = owner
            return "setup"
        return self.files(event, name, paths)

    def files(self, event: Exec, name: str, paths: list[str]) -> str | Unknown:
        """Take a command that changes the files that it names."""
        inside = [below(path, self.app) for path in paths]
        if not paths:
            return unclear(event)
        moved = [path for path in paths if any(below(path, extra) for extra in self.extras)]
        if name in _MAKES and moved:
            return "app" if moved == paths and name != "chown" else unclear(event)
        if name in _MAKES:
            if all(inside) and self.app not in paths and self.owners:
                self.owners.add(user_of(event))
                return "app" if name != "chown" else unclear(event)
            apart = [path for path, own in zip(paths, inside, strict=True) if not own]
            return "setup" if {*apart, self.app} >= set(paths) else unclear(event)
        if name == "rm":
            spare = all(any(below(p, place) for place in _SPARE_PLACES) for p in paths)
            return "app" if all(inside) and self.app not in paths else "neutral" if spare \
                else unclear(event)  # fmt: skip
        if name in ("cp", "mv") and len(paths) == 2:
            if inside[0] and not inside[1] and not paths[1].startswith(("/usr", "/etc", "/bin")):
                self.extras.add(paths[1])
            return "app" if any(inside) and (inside[1] or self.extras) else unclear(event)
        return unclear(event)


def user_of(event: Exec) -> str:
    name = event.setting.user.text.partition(":")[0]
    return "root" if name in ("", "0") else name


def unclear(event: Event) -> Unknown:
    return Unknown(
        "S502", f"what `{event.text[:80]}` leaves in the image is not known",
        "split by hand, or put it in front of the build",
    )  # fmt: skip


def answer(subject: Subject, walk: Walk) -> Needs | Unknown:
    """Return what a new stage on the same image needs, as far as the walk tells."""
    settings = base(subject.image)
    directory = workdir(subject, settings) if settings else ""
    if not directory:
        return Unknown("S502", "the directory that the image starts in is not known",
                       "set it with WORKDIR")  # fmt: skip
    behind = library_install(walk.libraries, subject.image)
    if isinstance(behind, Unknown):
        return behind
    found = Needs(subject.image.reference, directory)
    found.kept = (*behind, *walk.kept)
    found.paths = tuple(sorted({walk.app, *walk.extras, *walk.paths}))
    found.programs = found.paths
    stop = owner(walk, found) or lost(subject, walk)
    return stop or found


def owner(walk: Walk, answer: Needs) -> Unknown | None:
    """Note whose the application is."""
    if walk.chowned:
        answer.owner = walk.chowned
    elif len(walk.owners) == 1 and walk.owners != {"root"}:
        answer.owner = next(iter(walk.owners))
    elif len(walk.owners) > 1:
        walk.assumes[OWNERS] = None
    if "$" in answer.owner:
        return Unknown("S521", "whose the application is depends on a variable", UNLOCK)
    return None


def lost(subject: Subject, walk: Walk) -> Unknown | None:
    """Return what runs a program that is left out."""
    gone = {program for name in walk.dropped for program in libraries.programs(name)}
    gone |= set(walk.dropped)
    if gone & walk.tools:
        gone |= {"python", "python3", "python2"}
    for root in roots(subject.stage, subject.around):
        if named := gone & root.programs:
            return Unknown("S505", f"{root.where} runs {min(named)}, which is left out", UNLOCK)
    return None


def compiles(taken: list[Step]) -> bool:
    """Whether a stage installs a compiler."""
    names = [bare_name(n) for step in taken for e in step.events for n in packages_of(e)]
    return any({"gcc", "g++", "cc", "make"} & {*libraries.programs(name)} for name in names)


def shown(names: list[str]) -> str:
    """Return names as a short text."""
    found = sorted(set(names))
    return ", ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")
