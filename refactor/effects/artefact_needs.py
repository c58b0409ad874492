"""What a new stage must have to run what the old one built and ran."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from refactor.effects.artefact_data import grouped, outside
from refactor.effects.artefact_installs import UNLOCK, Kept, installs
from refactor.effects.artefact_roots import Needed, Search, Start, missing, starts
from refactor.effects.artefact_walk import Reader, Step, World, below, steps, walk
from refactor.effects.events import Stage
from refactor.facts.images import Family, Image, image
from refactor.facts.installs import Unknown
from refactor.facts.runtimes import STANDARD_PATH, Base, base, release, runtime
from refactor.facts.stages import Stage as Place
from refactor.words import Value

if TYPE_CHECKING:
    from refactor.effects.stages import Surroundings

NO_SHELL = "nothing outside the repository runs a shell in the container"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
# Alpine has no time zones; Go looks in its own folder then (package time, LoadLocation).
_ZONES = "/usr/local/go/lib/time/zoneinfo.zip"
# Programs of the full images that are packages of the same name.
_AGAIN = frozenset({"curl", "wget", "git"})
_OPEN = "/go"  # every user may write there (golang's Dockerfile)
_ROOT = ("", "root", "0", "0:0", "root:root")
_BUILDS = re.compile(
    r"\b(?:go|cargo|dotnet) (?:run|build|test|watch|install)\b|(?<![\w-])(?:mvnw?|gradlew?) \S+"
)


class Subject(NamedTuple):
    """A stage to split: its model, its place in the file, and what stands around it."""

    stage: Stage
    place: Place
    around: Surroundings

    @property
    def image(self) -> Image:
        """The image that it starts from."""
        return self.place.image


@dataclass
class Needs:
    """A new stage: its base, and what it sets, runs and copies from the builder, in this order.

    `closing` is a command that the builder has more. `owner` is that of what is copied.
    `spares` says what the image has no more; `programs` are those that were built.
    """

    base: str
    workdir: str
    variables: dict[str, str] = field(default_factory=dict)
    kept: tuple[Kept, ...] = ()
    paths: tuple[str, ...] = ()
    owner: str = ""
    closing: tuple[str, ...] = ()
    assumes: tuple[str, ...] = ()
    spares: str = ""
    programs: tuple[str, ...] = ()


class Files(NamedTuple):
    """What a language's sources say: the data that stays, programs that run, and assumptions.

    `paths` and `packages` are needed besides; `linked`: so are the libraries of headers that the
    stage installs.
    """

    data: Iterable[str]
    programs: tuple[tuple[str, str], ...] = ()
    assumes: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    linked: bool = False


class Language(NamedTuple):
    """How a language is built and run. `bases` names the kinds of base that may run it, in order.

    `tools` is what is left out; `keeps_all`: every program that is built stays; `certificates`:
    it may ask for those of the public authorities; `starts`: what is started is what was built.
    """

    name: str
    images: frozenset[str]
    reader: Callable[[Image, list[Step]], Reader]
    files: Callable[[World, Needed, Subject], Files | Unknown]
    bases: Callable[[World, Needed, Image], tuple[str, ...] | Unknown]
    variables: Callable[[Subject, str], Mapping[str, str] | Unknown]
    tools: str
    keeps_all: bool = True
    certificates: bool = True
    starts: bool = True


def obstacle(subject: Subject) -> Unknown | None:
    """Return why a stage cannot be split, whatever it builds."""
    config = dict(subject.stage.config)
    sent, invocations = subject.around.sent, subject.around.invocations
    if sent is None or invocations is None or not sent.complete:
        return Unknown("S516", "what stands in the build context is not known",
                       "run where the build context is")  # fmt: skip
    if config["onbuild"] or not subject.image.known:
        return Unknown("S512", "what the base image does is not known", UNLOCK)
    if subject.place.base.text != subject.image.reference:
        return Unknown("S520", "the base is named by an alias of another registry", UNLOCK)
    if not config.get("cmd") and not config.get("entrypoint"):
        return Unknown("S512", "the image starts nothing of its own: it looks like a toolchain",
                       "add the CMD that it is for")  # fmt: skip
    return None


def builds_again(argv: tuple[str, ...]) -> str:
    """Return the words of a command that builds when the image starts."""
    match = _BUILDS.search(" ".join(argv))
    return match[0] if match else ""


def workdir(subject: Subject, builder: Base) -> str:
    """Return the directory that a stage ends in; empty if it is not known."""
    found: tuple[Value, ...] = dict(subject.stage.config)["workdir"]  # type: ignore[assignment]
    if len(found) == 1 and not found[0].raw and found[0].text.startswith("/"):
        return posixpath.normpath(found[0].text)
    unset = len(found) == 1 and not found[0].text
    return builder.workdir if unset else ""  # a base without WORKDIR


def environment(stage: Stage) -> dict[str, str]:
    """Return the variables that a stage's ENV set; `$` stands for what the build fills in."""
    pairs = dict(stage.config)["env"]
    assert isinstance(pairs, tuple)
    return {name: value.text for name, value in pairs}


def needs(subject: Subject, language: Language) -> Needs | Unknown:
    """Return what a new stage needs; or why that is not known."""
    builder = base(subject.image)
    stop = obstacle(subject)
    if stop is not None or builder is None:
        return stop or Unknown("S512", "what the base image sets is not known", UNLOCK)
    sent = subject.around.sent
    assert sent is not None
    taken = steps(subject.stage, subject.place.instructions[1:])
    # A build argument may choose another tag: then nothing follows from it.
    tagged = subject.image._replace(tag="") if subject.place.base.raw else subject.image
    world = walk(taken, sent, language.reader(tagged, taken))
    if isinstance(world, Unknown):
        return world
    for start in starts(subject.stage, subject.around):
        if again := builds_again(start.argv):
            return Unknown("S510", f"{start.where} runs `{again}`, which builds", UNLOCK)
    if not world.programs and not world.outputs and not world.sources:
        return Unknown("S502", "no command that builds a program is seen", UNLOCK)
    directory = workdir(subject, builder)
    if not directory:
        return Unknown("S502", "the directory that the image starts in is not known",
                       "set it with WORKDIR")  # fmt: skip
    world.folders |= _entered(subject.stage) - {directory}
    env = environment(subject.stage)
    search = Search(world, directory, env.get("PATH", ""), builder)
    for start in starts(subject.stage, subject.around):
        if stop := search.take(start):
            return stop
    search.arguments([text for name, text in env.items() if name != "PATH"])
    built = any(world.is_built(path) for path in search.needed.paths)
    if language.starts and not built:
        return Unknown("S510", "what is built is not what is started", UNLOCK)
    files = language.files(world, search.needed, subject)
    if isinstance(files, Unknown):
        return files
    for name, where in files.programs:
        if stop := search.take(Start(where, (name or "$",), "S517")):
            return stop
    return _based(subject, language, world, search.needed, files, directory)


def _based(
    subject: Subject, language: Language, world: World, needed: Needed, files: Files,
    directory: str,
) -> Needs | Unknown:  # fmt: skip
    """Choose the first base that has all that is needed."""
    kinds = language.bases(world, needed, subject.image)
    if isinstance(kinds, Unknown):
        return kinds
    stop = Unknown("S511", "no base for what is built follows from the tag of the builder's",
                   "name the release in it (…-bookworm, …-alpine3.22)")  # fmt: skip
    for kind in kinds:
        reference = runtime(subject.image, kind)
        found = image(reference, {})
        settings = base(found) if reference else None
        if settings is None or (subject.place.base.raw and kind != "static"):
            continue
        answer = _on(subject, language, world, needed, files, directory, found, settings)
        if isinstance(answer, Needs):
            more = language.variables(subject, reference)
            if isinstance(more, Unknown):
                return more
            answer.variables |= more
            return answer
        stop = answer
    return stop


def _on(
    subject: Subject, language: Language, world: World, needed: Needed, files: Files,
    directory: str, found: Image, settings: Base,
) -> Needs | Unknown:  # fmt: skip
    """Return what a new stage on a base needs."""
    builder = base(subject.image)
    again = needed.programs & _AGAIN & (builder.programs if builder else frozenset())
    if again - settings.programs and found.family is Family.DEBIAN:
        files = files._replace(packages=(*files.packages, *sorted(again - settings.programs)))
    runs = installs(subject.image, world, found, files.packages, files.linked)
    if isinstance(runs, Unknown):
        return runs
    names = {word for kept in runs for argv in kept.commands for word in argv}
    stop = missing(needed, settings, names) or _users(subject, world, found, settings, directory)
    if stop is not None:
        return stop
    data = grouped(world, {*files.data, *outside(world)} - set(needed.paths))
    if isinstance(data, Unknown):
        return data
    tools = {path for path, links in world.programs.items() if links == "tool"}
    own = {path for path in world.programs if language.keeps_all} - tools
    paths = {*needed.paths, *own, *data, *world.kept, *empty(world), *files.paths}
    wanted = language.certificates and not settings.certificates
    if wanted and CERTIFICATES not in paths and "ca-certificates" not in names:
        paths.add(CERTIFICATES)
    if language.name == "go" and found.family is Family.ALPINE and "tzdata" not in names:
        paths.add(_ZONES)
    paths = {p for p in paths if not any(p != q and below(p, q) for q in paths)}
    answer = Needs(found.reference, directory, spares=language.tools)
    answer.programs = tuple(p for p in sorted(paths) if world.is_built(p))
    extra = [f for f in sorted(needed.folders) if f not in (*settings.folders, *STANDARD_PATH)]
    there = environment(subject.stage).get("PATH", "").split(":")
    if extra := [folder for folder in extra if folder not in there]:
        answer.variables["PATH"] = ":".join((*extra, "$PATH"))
    users = [Kept(step) for step in world.users]
    answer.kept = tuple(sorted([*runs, *users], key=lambda kept: kept.place))
    answer.paths = tuple(sorted(paths))
    only = [f"{path} is of use for the build alone" for path in sorted(tools)]
    answer.assumes = (*files.assumes, *world.assumes, *only, *_bare(settings, found))
    return answer


def _bare(settings: Base, found: Image) -> tuple[str, ...]:
    """Return what is assumed of a base without a shell, from another registry."""
    if settings.shell:
        return ()
    registry = found.reference.partition("/")[0]
    return (NO_SHELL, f"{registry} can be reached where the image is built")


def _entered(stage: Stage) -> set[str]:
    """Return the folders that WORKDIR makes."""
    made: tuple[tuple[Value, Value], ...] = dict(stage.config)["directories"]  # type: ignore[assignment]
    return {posixpath.normpath(p.text) for p, _ in made if p.text.startswith("/") and not p.raw}


def empty(world: World) -> set[str]:
    """Return the folders that were made and hold nothing that copies or builds put there."""
    full = {*world.placed.files, *world.programs, *world.sources, *world.outputs, *world.kept}
    return {f for f in world.folders - {"/"} if not any(below(path, f) for path in full)}


def _users(
    subject: Subject, world: World, found: Image, settings: Base, directory: str
) -> Unknown | None:
    """Return why the user that the image runs as would not be there."""
    user = getattr(dict(subject.stage.config)["user"], "text", "")
    name = user.partition(":")[0]
    if world.users and not settings.shell:
        return Unknown("S519", "a user is created, and the base has nothing to create it with",
                       "name the release in the base's tag, or use a numeric USER")  # fmt: skip
    for step in world.users:
        words = [e.argv[0] for e in step.events if hasattr(e, "argv") and e.argv]
        odd = set(words) - {"adduser", "addgroup", "groupadd", "useradd", "mkdir", "usermod"}
        if odd:
            return Unknown("S519", f"a user is created beside `{min(odd)}`", "give it its own RUN")
        lacks = found.family is Family.DEBIAN and release(found) not in ("bookworm", "bullseye")
        if lacks and {"adduser", "addgroup"} & set(words):
            return Unknown("S519", "trixie has no adduser", "create the user with useradd")
    if user not in _ROOT and world.owned:
        return Unknown("S521", "files are given to another user, and the image does not run as "
                       "root", "split by hand: a copy keeps no owner of its folder")  # fmt: skip
    if user not in _ROOT and directory == _OPEN:
        return Unknown("S519", f"{user} may write to {_OPEN}, where the base has none", UNLOCK)
    group = user.partition(":")[2]
    debian = found.family is Family.DEBIAN is subject.image.family
    there = name == "nobody" or (debian and name == "www-data")
    there = there and (not group or debian)
    numeric = user.replace(":", "").isdecimal()
    return (
        None
        if user in _ROOT or numeric or there or world.users
        else Unknown("S519", f"the user {name} comes with the base", UNLOCK)
    )
