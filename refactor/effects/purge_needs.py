"""What a RUN that removes its build-only packages again needs to be true, and what is assumed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from refactor.effects.distributions import installed, may_use_openmp
from refactor.effects.dropping import assumption, is_cleanup, is_update, named_in, packages_of
from refactor.effects.events import Build, Copy, Event, Exec, Stage, Verbatim, flat
from refactor.effects.provenance import runs_others
from refactor.effects.relocation import computed, runs_left_out
from refactor.effects.roots import roots
from refactor.effects.stages import Surroundings
from refactor.facts import libraries, removable
from refactor.facts.environments import compiles_later
from refactor.facts.images import Family, Image
from refactor.facts.installs import Unknown
from refactor.facts.packages import (
    APT,
    Operation,
    argv_operation,
    bare_name,
    command_of,
    unwrap,
)

VIRTUAL = ".build-deps"
FROM_BASE = "the base image's user"
_PLAIN = re.compile(r"[a-z0-9][a-z0-9+.-]*(?:=[\w.+:~*-]+)?\Z")
_OTHER_RELEASE = re.compile(
    r"\bbackports\b|\bsid\b|\bunstable\b|\bexperimental\b|\btesting\b|Default-Release"
    r"|/etc/apt/preferences|apt\.conf|/edge\b"
)
_MARKS = frozenset({"apt-mark", "dpkg", "gdebi", "dselect", "aptitude"})
# Where package managers note what is installed, and why.
_NOTES = ("/var/lib/dpkg/", "/var/lib/apt/", "/etc/apt/", "/lib/apk/", "/usr/lib/", "/usr/bin/")
_REMOVES = frozenset({"remove", "purge", "autoremove", "autopurge", "del"})
_SHELLS = frozenset({"sh", "bash", "ash", "dash", ".", "source"})
_RUNNERS = _SHELLS | {"python", "python3", "php"}
_BUILDS = frozenset(
    "make gmake cmake ninja meson scons configure autogen.sh bootstrap.sh autoreconf gcc g++ cc "
    "c++ clang pip pip2 pip3 uv poetry pipenv pdm conda npm npx yarn pnpm bun gem bundle bundler "
    "rake cargo rustup go docker-php-ext-install docker-php-ext-configure pecl pear phpize cpan "
    "cpanm luarocks R Rscript install.r install2.r stack cabal mix rebar3 node-gyp gradle mvn "
    "gradlew mvnw setup.py".split()
)
# They run what is there, and compile nothing with a compiler.
_INTERPRETERS = frozenset(
    "python python3 php node ruby flask django-admin manage.py artisan composer console rails "
    "docker-php-ext-enable a2enmod a2dismod a2ensite a2dissite ldconfig".split()
)
_ASKS = frozenset({"which", "whereis", "command", "type", "hash", "ln", "update-alternatives"})
_CONFIGURES = frozenset({"--version", "-v", "-V", "version", "config", "lfs"})
_FETCHES = re.compile(r"\b(?:(?:git|hg) clone|svn (?:co|checkout|export))\b|\b(?:git|hg)\+")
_CLONES = (("git", "clone"), ("hg", "clone"), ("svn", "co"), ("svn", "checkout"))
_AT_START = re.compile(
    r"\b(?:pip\d?|npm|yarn|pnpm|gem|bundle|cargo|poetry|pipenv|uv|pecl|cpanm?|luarocks|composer)\s+"
    r"(?:-\S+\s+)*(?:install|ci|add|sync|update|build|require)\b"
)
_SERVES = re.compile(r"(?:.*-)?(?:apache|fpm)(?:-.*)?\Z")
_WORDS = frozenset({"as", "w"})  # no one starts these, and texts are full of them
DOWNLOADED = (
    "what the build downloads calls no compiler, build tool or version control when it runs"
)


class Scene(NamedTuple):
    """A stage of a build, the image that it starts from, and what stands around."""

    build: Build
    number: int
    image: Image
    around: Surroundings

    @property
    def stage(self) -> Stage:
        """The stage as it was."""
        return self.build.stages[self.number]

    @property
    def is_apk(self) -> bool:
        """Whether apk is the image's package manager."""
        return self.image.family is Family.ALPINE


class Purge(NamedTuple):
    """What a RUN, or RUNs that become one, install and remove again: `begin` and `end` of events.

    `added` is what they install by name for it to stay.
    """

    begin: int
    end: int
    gone: tuple[str, ...]
    added: tuple[str, ...] = ()

    @property
    def names(self) -> str:
        """What is removed, as one text."""
        return ", ".join(sorted(set(self.gone)))


def installs(event: Event) -> Operation | None:
    """Return what a command installs with apt or apk, whatever becomes of it."""
    found = argv_operation(event.argv) if isinstance(event, Exec) else None
    wanted = {"apk": "add"} | dict.fromkeys(APT, "install")
    return found if found and wanted.get(found.manager) == found.action else None


def _may_use_openmp(scene: Scene, purge: Purge) -> bool:
    """Whether something that is built may link to the library of a compiler's threads."""
    built = [event for event in _execs(scene, purge) if builds(event)]
    found = [argv_operation(event.argv) for event in built]
    if any(op is None or op.manager != "pip" for op in found):
        return True
    return may_use_openmp(scene.stage, scene.around.sent)


def kept(scene: Scene, purge: Purge) -> tuple[str, ...] | Unknown:
    """Return what must be installed by name: libraries, and certificates that came unasked."""
    found: set[str] = set()
    openmp = _may_use_openmp(scene, purge)
    for name in purge.gone:
        needed = removable.left_behind(name, scene.image, openmp)
        if needed is None:
            return Unknown("S501", f"which libraries are needed at run time for {name} is not "
                           "known", "name the release in the base's tag (…-bookworm), or install "
                           "the libraries by name and remove the rest by hand")  # fmt: skip
        found |= set(needed)
    for op in filter(None, map(installs, _execs(scene, purge))):
        gone = [word.text for word in op.arguments if bare_name(word.text) in purge.gone]
        brings = not op.has("--no-install-recommends")
        if brings and removable.recommended_certificates(gone, scene.image):
            found.add("ca-certificates")
    events = flat(scene.stage.events[: purge.end])
    return tuple(sorted(found - {bare_name(n) for e in events for n in packages_of(e)}))


def _execs(scene: Scene, purge: Purge) -> list[Exec]:
    """Return the commands that run up to the removal, in its RUN."""
    return [e for e in flat(scene.stage.events[purge.begin : purge.end]) if isinstance(e, Exec)]


def builds(event: Event) -> bool:
    """Whether a command may compile, or fetch what does."""
    if not isinstance(event, Exec) or installs(event) or is_cleanup(event):
        return False
    words = [word.text.rpartition("/")[2] for word in unwrap(command_of(event.argv).words)[0]]
    if not words or words[0] not in _RUNNERS:
        return bool(words) and words[0] in _BUILDS
    return bool(_BUILDS & {*words[1:3]})


def programs(scene: Scene, purge: Purge) -> set[str]:
    """Return the programs that are removed, without those that the image has by itself."""
    found = {p for name in purge.gone for p in libraries.programs(name)}
    found |= {"ssh", "ssh-keygen", "scp"} if "git" in found else set()  # what git recommends
    return found - removable.own_programs(scene.image) - _WORDS


def requirements(scene: Scene, purge: Purge) -> Iterator[str | Unknown]:
    """Yield what is assumed; what is not known, or not so, as `Unknown`."""
    yield from _place(scene, purge)
    yield from _use(scene, purge)
    yield from _stays(scene, purge)
    if not scene.is_apk:
        yield from _packages(scene, purge)
    added = kept(scene, purge)
    if isinstance(added, Unknown):
        yield added
        return
    if added != purge.added:
        yield Unknown("S501", f"{added} is what must be installed by name", "")
    yield from _later(scene, purge)
    yield from _running(scene, purge)
    rest = f", besides {', '.join(added)}" if added else ""
    yield f"nothing that is built or copied needs what comes with {purge.names}{rest}"


def _place(scene: Scene, purge: Purge) -> Iterator[Unknown]:
    """Yield what the stage, and what stands around it, has against the removal."""
    around, config = scene.around, dict(scene.stage.config)
    if around.sent is None or not around.sent.complete or around.invocations is None:
        yield Unknown("S516", "what stands in the build context is not known",
                      "run where the build context is")  # fmt: skip
    if isinstance(scene.stage.base, int) or config["onbuild"] or _serves(scene):
        yield Unknown("S514", "another stage, or image, shares its packages", "remove by hand")
    started = config.get("cmd") or config.get("entrypoint")
    if not started and not (scene.image.name == "php" and _SERVES.match(scene.image.tag)):
        yield Unknown("S512", "the image starts nothing of its own: it looks like a toolchain",
                      "add the CMD that it is for")  # fmt: skip
    for event in _execs(scene, purge):
        user = event.setting.user
        name = scene.image.user if user.raw == FROM_BASE else user.text
        if name not in ("root", "0") or user.raw not in ("", FROM_BASE):
            yield Unknown("S541", "the RUN is not run as root", "install as root")
        if any(_covers(value or "") for name, value in event.setting.flags if name == "mount"):
            yield Unknown("S541", "a mount holds what the package manager notes", "take it away")


def _serves(scene: Scene) -> bool:
    """Whether another stage starts from the stage, or copies from it."""
    others = [stage for stage in scene.build.stages if stage is not scene.stage]
    copied = any(isinstance(e, Copy) and e.origin == scene.number for s in others for e in s.events)
    mounted = any(
        f"from={scene.number}" in (value or "").split(",")
        for stage in others for e in flat(stage.events) if isinstance(e, Exec | Verbatim)
        for _, value in e.setting.flags
    )  # fmt: skip
    return copied or mounted or any(stage.base == scene.number for stage in others)


def _covers(mount: str) -> bool:
    """Whether something is mounted over what a package manager notes, or over what it installs."""
    fields = dict(part.partition("=")[::2] for part in mount.split(","))
    target = (fields.get("target") or fields.get("dst") or fields.get("destination") or "") + "/"
    if target.startswith("/var/lib/apt/lists/"):
        return False
    return any(target.startswith(p) or p.startswith(target) for p in _NOTES) and target != "/"


def _use(scene: Scene, purge: Purge) -> Iterator[Unknown]:
    """Yield why the RUN does not install the packages, or not use them."""
    events = _execs(scene, purge)
    here = [n for e in scene.stage.events[purge.begin : purge.end] for n in packages_of(e)]
    names = here if scene.is_apk else [bare_name(n) for n in here]
    for name in purge.gone:
        if (
            name not in names
            or not removable.is_removable(name, scene.image)
            or not _PLAIN.match(name)
        ):
            yield Unknown("S540", f"{name} is not installed here to build alone", "")
    if purge.gone != tuple(dict.fromkeys(name for name in names if name in purge.gone)):
        yield Unknown("S540", "the packages are not removed in the order of their installation", "")
    if any(map(removes, events)):
        yield Unknown("S540", "the RUN removes packages itself", "")
    gone = programs(scene, purge)
    if not any(builds(e) or gone & named_in(e) for e in events):
        yield Unknown("S540", "nothing in the RUN builds with them", "join it with what builds")
    family = scene.image.family
    control = [n for n in purge.gone if libraries.is_version_control(bare_name(n), family)]
    if control and not fetches(events):
        yield Unknown("S540", f"{control[0]} may be there for the application", "")
    rest = {n for n in names if removable.is_removable(n, scene.image)} - set(purge.gone)
    for name in sorted(rest) if not scene.is_apk else ():
        if bool(control) or not libraries.is_version_control(name, family):
            yield Unknown("S540", f"{name} stays, and may need what is removed", "")
    if scene.is_apk and any(VIRTUAL in e.text for e in flat(scene.stage.events)):
        yield Unknown("S540", f"{VIRTUAL} is there already", "remove what it brings by hand")


def removes(event: Exec) -> bool:
    """Whether a command removes packages, or notes what is removed later."""
    op = argv_operation(event.argv)
    if op is None or op.manager not in (*APT, "apk"):
        return False
    return op.action in _REMOVES or (op.has("-t", "--virtual") and op.manager == "apk")


def fetches(events: list[Exec]) -> bool:
    """Whether version control fetches sources, and what it clones is removed again."""
    for number, event in enumerate(events):
        if event.argv[:2] in _CLONES:
            words = [word for word in event.argv[2:] if not word.startswith("-")]
            name = words[-1].rstrip("/").rpartition("/")[2].removesuffix(".git") if words else ""
            deleted = [w for e in events[number:] if e.argv[:1] == ("rm",) for w in e.argv[1:]]
            if not any(_holds(word, words[-1] if words else "", name) for word in deleted):
                return False
    return any(_FETCHES.search(event.text) for event in events)


def _holds(deleted: str, path: str, name: str) -> bool:
    """Whether what is deleted has a clone in it: by its name, or as a folder above it."""
    folder = deleted.removesuffix("*").rstrip("/")
    return bool(name) and (
        folder.rpartition("/")[2] == name or (len(folder) > 1 and path.startswith(f"{folder}/"))
    )


def _stays(scene: Scene, purge: Purge) -> Iterator[Unknown]:
    """Yield where the RUN shows that a program that would be removed is there to stay."""
    gone = programs(scene, purge)
    for event in _execs(scene, purge):
        words = [word.rpartition("/")[2] for word in event.argv]
        asks = words[:1] and words[0] in _ASKS and gone & set(words[1:])
        configures = words[:1] and words[0] in gone and _CONFIGURES & set(words[1:2])
        if asks or configures:
            yield Unknown("S515", f"`{event.text[:80]}`: it may be meant to stay", "")


def _packages(scene: Scene, purge: Purge) -> Iterator[str | Unknown]:
    """Yield what apt may remove besides: what depends on a package, or is marked otherwise."""
    unknown: dict[str, None] = {}
    for number, outer in enumerate(scene.stage.events[: purge.end]):
        for event in flat((outer,)):
            if isinstance(event, Copy):
                continue
            if stop := _odd(event, scene, purge):
                yield stop
            if _is_script(event) and not builds(event):
                yield f"`{event.text[:100]}` installs nothing that needs {purge.names}"
            op = installs(event)
            for word in op.arguments if op else ():
                name = bare_name(word.text)
                if number < purge.begin and _clashes(name, scene, purge):
                    yield Unknown("S542", f"{name} is in an earlier layer, and may need what would "
                                  "be removed", "install it where it is used")  # fmt: skip
                elif name not in purge.gone and removable.needs_tools(name):
                    yield Unknown("S542", f"{name} needs packages that would be removed", "")
                elif name not in purge.gone and removable.may_need_tools(name):
                    unknown[name] = None
    if unknown:
        yield f"{', '.join(sorted(unknown))}: none depends on {purge.names}"


def _clashes(name: str, scene: Scene, purge: Purge) -> bool:
    """Whether a package of an earlier layer is one that is removed, or may need one."""
    family = scene.image.family
    if libraries.is_version_control(name, family):
        return any(libraries.is_version_control(n, family) for n in purge.gone)
    return removable.is_removable(name, scene.image)


def _odd(event: Event, scene: Scene, purge: Purge) -> Unknown | None:
    """Return why it is not known which packages are there, and which were asked for."""
    text, op = event.text, argv_operation(event.argv) if isinstance(event, Exec) else None
    if isinstance(event, Verbatim) and re.search(r"\b(?:apt|apt-get|dpkg)\b", event.content):
        return Unknown("S542", "a script that is not read installs packages", "join it by &&")
    if _OTHER_RELEASE.search(text) or (
        op and op.manager in APT and op.has("-t", "--target-release")
    ):
        return Unknown("S542", f"`{text[:80]}`: packages may be of another release", "")
    first = event.argv[0] if isinstance(event, Exec) and event.argv else ""
    queries = first == "dpkg" and event.text.startswith(("dpkg --print", "dpkg -l", "dpkg -s"))
    if first in _MARKS and not queries:
        return Unknown("S542", f"`{text[:80]}` changes what apt may remove", "")
    if op is None or op.manager not in APT:
        return None
    thorough = op.action in ("autoremove", "autopurge") or op.has("--auto-remove", "--autoremove")
    if op.action in ("build-dep", "satisfy") or (op.action in _REMOVES and not thorough):
        return Unknown("S542", f"`{text[:80]}` leaves packages that apt would remove now", "")
    names = [word.text for word in op.arguments] if installs(event) else []
    odd = [name for name in names if not _PLAIN.match(name) or name.endswith("-")]
    if odd:
        return Unknown("S542", f"`{odd[0]}` is no package's name", "name every package")
    return None


def _is_script(event: Event) -> bool:
    """Whether a command runs a script of its own."""
    if isinstance(event, Verbatim):
        return True
    first = event.argv[0] if isinstance(event, Exec) and event.argv else ""
    return first in _SHELLS or first.endswith(".sh") or first.startswith("./")


def _later(scene: Scene, purge: Purge) -> Iterator[str | Unknown]:
    """Yield what may miss the packages in the rest of the build."""
    gone = programs(scene, purge)
    for event in flat(scene.stage.events[purge.end :]):
        if isinstance(event, Copy) or is_cleanup(event) or is_update(event) or installs(event):
            continue
        named = gone & named_in(event)
        if not named and not builds(event) and not runs_others(event):
            continue
        path = event.argv[0] if isinstance(event, Exec) and event.argv else ""
        first = path.rpartition("/")[2]
        fetches_too = first == "composer" and "git" in gone
        if named or builds(event) or fetches_too or first not in _INTERPRETERS:
            yield Unknown("S515", f"`{event.text[:80]}` may need {purge.names}",
                          "put it in front of the packages that it does not need, or into the "
                          "RUN that installs them")  # fmt: skip
        else:
            yield assumption(event, sorted(set(purge.gone)))


def _running(scene: Scene, purge: Purge) -> Iterator[str | Unknown]:
    """Yield what may miss the packages when the image runs."""
    gone, application = programs(scene, purge), scene.around.application
    for root in roots(scene.stage, scene.around):
        if match := _AT_START.search(root.text):
            yield Unknown("S510", f"{root.where} runs `{match[0]}`", "install in the build")
        if scene.image.name in ("python", "pypy") and "/usr/bin/python" in root.text:
            yield Unknown("S505", f"{root.where} runs the distribution's Python", "")
    names = installed(scene.stage, scene.around.sent) or frozenset()
    if module := compiles_later(names):
        yield Unknown("S505", f"{module} may call a compiler when it runs", "")
    if reason := runs_left_out(scene.stage, scene.around, gone):
        yield Unknown("S505", reason, "keep the package by hand: install it in a RUN of its own")
    for found in application.unknown if gone and application is not None else ():
        if "program" in found.value:
            yield computed(found.path, found.line)
    if gone:
        yield DOWNLOADED
