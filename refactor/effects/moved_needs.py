"""What would miss installs that move into a virtual environment of their stage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from refactor.effects.dropping import is_cleanup, is_install, is_update, packages_of
from refactor.effects.environments import run_of
from refactor.effects.events import Block, Build, Copy, Event, Exec, Stage, Verbatim, flat
from refactor.effects.placed import Placed
from refactor.effects.provenance import footprint
from refactor.effects.relocation import names_moved
from refactor.effects.roots import roots
from refactor.effects.stages import Surroundings
from refactor.facts.environments import (
    PREFIX,
    VENV,
    Taken,
    elsewhere,
    interpreter,
    is_own_library,
    minor_version,
    old_places,
)
from refactor.facts.installs import Unknown
from refactor.facts.packages import argv_operation
from refactor.facts.stages import Graph
from refactor.facts.stages import Stage as Written
from refactor.words import Value

# What comes along that was left behind.
LEFT = "no console script of what is installed has the name of another program that runs"
_SETTINGS = re.compile(
    r"(?:\A|[\s,])((?:PYTHON(?:HOME|USERBASE)|VIRTUAL_ENV|PIP_(?:USER|PREFIX|TARGET|ROOT|PYTHON|"
    r"NO_BUILD_ISOLATION|CONFIG_FILE)))(?=[=\s]|\Z)"
)
_INSTALLING = re.compile(r"pip|poetry|pdm|conda|mamba|easy_install|setup\.py|\buv\b")
_OTHERS = frozenset({"poetry", "pdm", "pipenv", "uv", "conda", "mamba", "pipx", "easy_install"})
_INSTALLERS = frozenset({"setup.py", "venv", "ensurepip", "virtualenv", "pip"})
# They have an interpreter inside, which PATH does not find the environment for.
_EMBEDDING = frozenset({"uwsgi", "httpd", "apache2ctl", "apachectl", "apache2-foreground", "unitd"})
_BASICS = frozenset({"pip", "setuptools", "wheel"})


@dataclass(frozen=True)
class Scene:
    """Two stages, one of which takes what pip has installed in the other; `copies` are the ways."""

    build: Build
    graph: Graph
    around: Surroundings
    builder_index: int
    taker_index: int
    copies: dict[int, Taken]

    @property
    def builder(self) -> Stage:
        """The stage that installs."""
        return self.build.stages[self.builder_index]

    @property
    def taker(self) -> Stage:
        """The stage that takes it over."""
        return self.build.stages[self.taker_index]

    @property
    def written(self) -> tuple[Written, Written]:
        """Both, as they are written."""
        return self.graph.stages[self.builder_index], self.graph.stages[self.taker_index]

    @cached_property
    def place(self) -> str:
        """Where the builder installs: the interpreter's own prefix, another one, or .local."""
        return next(t.source for t in self.copies.values() if not t.programs)

    @property
    def is_own(self) -> bool:
        """Whether the builder installs into the interpreter's own place."""
        return self.place == PREFIX or self.place.startswith(f"{PREFIX}/")

    @property
    def was(self) -> str:
        """The folder where the programs are taken to, if the interpreter has another one."""
        into = next(t.destination for t in self.copies.values() if not t.programs)
        return "" if self.is_own or into == PREFIX else f"{into}/bin"

    def install(self, event: Event) -> tuple[str, ...] | None:
        """Return an install as it is in an environment; None if it is none that moves."""
        if not isinstance(event, Exec) or not event.must:
            return None
        if is_install(event):
            return event.argv
        found = elsewhere(event.argv)
        return found.argv if found and found.place == self.place and not self.is_own else None

    def path_set(self) -> int | None:
        """Return the first event behind the ENV that puts the taken programs into PATH."""
        at = 0
        for ins in self.written[1].instructions:
            if self.was and ins.keyword == "ENV" and f"{self.was}:" in ins.args:
                return at
            if ins.keyword == "RUN":
                at = next((end for end in self.taker.runs if end > at), at)
            at += ins.keyword in ("COPY", "ADD")
        return None


def obstacle(scene: Scene) -> Unknown | None:
    """Return why installs stay where they are."""
    for found in _stops(scene):
        return found
    return None


def _stops(scene: Scene) -> Iterator[Unknown]:
    known = scene.around.sent is not None and scene.around.sent.complete
    if not known or scene.around.application is None:
        yield Unknown("S516", "what stands in the build context is not known",
                      "run where the build context is")  # fmt: skip
    yield from _interpreters(scene)
    yield from _others(scene)
    yield from _settings(scene)
    yield from _copied(scene)
    yield from _built(scene)
    yield from _run(scene)
    yield from _named(scene)


def _interpreters(scene: Scene) -> Iterator[Unknown]:
    """Look at the bases: one interpreter, of one version, at one place."""
    builder, taker = scene.written
    own = "let both stages start from the same image"
    if interpreter(builder.image) != "python" or interpreter(taker.image) != "python":
        yield Unknown("S541", "the interpreter of one of the stages is not known", own)
    if (scene.builder.base, scene.builder.platform) == (scene.taker.base, scene.taker.platform):
        versions = {minor_version(builder.image.tag)} - {""}
    else:
        versions = {minor_version(stage.image.tag) for stage in (builder, taker)}
        same = (
            builder.image.family is taker.image.family and len(versions) == 1 and "" not in versions
        )
        inherits = isinstance(scene.builder.base, int) or isinstance(scene.taker.base, int)
        if not same or inherits or scene.builder.platform != scene.taker.platform:
            yield Unknown("S541", "the two stages may not have the same interpreter", own)
    named = {t.version for t in scene.copies.values()} - {""}
    if len(named | versions) > 1:
        yield Unknown("S541", f"Python {min(named)} is copied, and the image has another one", own)


def _others(scene: Scene) -> Iterator[Unknown]:
    """Look at the other stages."""
    builder, taker = scene.written
    by_hand = "do it by hand"
    if scene.graph.children(builder.index) or scene.graph.children(taker.index):
        yield Unknown("S514", "another stage starts from one of the two", by_hand)
    if any(ins.trigger for stage in scene.graph.stages for ins in stage.instructions):
        yield Unknown("S514", "ONBUILD runs in images that start from this one", by_hand)
    base = scene.builder.base
    while isinstance(base, int):
        events = tuple(flat(scene.build.stages[base].events))
        if any(_INSTALLING.search(e.text) or isinstance(e, Verbatim) for e in events):
            yield Unknown("S543", "the stage that both start from may install, too", by_hand)
        base = scene.build.stages[base].base
    for index, stage in enumerate(scene.build.stages):
        for number, event in enumerate(stage.events):
            taken = index == scene.taker_index and number in scene.copies
            if not taken and _takes_from(event, scene):
                yield Unknown("S514", f"`{event.text[:80]}` may need what would move", by_hand)
    calls = scene.around.invocations
    for mount in calls.mounts if calls is not None else ():
        if any(_meets(mount.target, t.destination) for t in scene.copies.values()):
            yield Unknown("S503", f"{mount.path}:{mount.line} mounts {mount.target}", by_hand)


def _takes_from(event: Event, scene: Scene) -> bool:
    """Whether a command or copy takes from the builder what moves, or from the taker."""
    pair = (scene.builder_index, scene.taker_index)
    if isinstance(event, Copy):
        place = PREFIX if scene.is_own else scene.place
        taken = any(_meets(_region(source), place) for source in event.sources)
        return event.origin == pair[1] or (event.origin == pair[0] and taken)
    parts = (e for e in flat((event,)) if not isinstance(e, Copy | Block))
    flags = {value or "" for e in parts for _, value in e.setting.flags}
    return any(f"from={index}" in flag.split(",") for flag in flags for index in pair)


def _region(source: Value) -> str:
    """Return the path that a source of another stage may be; a folder that holds it, if unknown."""
    known = "" if source.raw else source.text
    fixed = re.split(r"[*?\[\\]", known)[0]
    return "/" + (fixed if fixed == known else fixed.rpartition("/")[0]).strip("/")


def _meets(path: str, place: str) -> bool:
    """Whether a path is a place, is in it, or holds it."""
    path, place = path.rstrip("/") + "/", f"{place}/"
    return path.startswith(place) or place.startswith(path)


def _is_moved(scene: Scene, path: str) -> bool:
    """Whether a path meets what is taken over."""
    return any(_meets(path, t.source) for t in scene.copies.values())


def _settings(scene: Scene) -> Iterator[Unknown]:
    """Look at the variables that say where Python or pip look and install."""
    for stage in scene.graph.stages:  # what they start from is among them
        for ins in stage.instructions:
            if ins.keyword in ("ENV", "ARG") and (found := _SETTINGS.search(ins.args)):
                yield Unknown("S503", f"{found[1]} is set", "leave it out")
    events = (*scene.builder.events, *scene.taker.events)
    if any(VENV in event.text for event in events):
        yield Unknown("S503", f"{VENV} is there already", "install into it")


def _copied(scene: Scene) -> Iterator[Unknown]:
    """Look at the copies that become one."""
    copies = [scene.taker.events[number] for number in scene.copies]
    flags = {event.flags for event in copies if isinstance(event, Copy)}
    users = {event.user for event in copies if isinstance(event, Copy)}
    if (
        len(flags) > 1
        or len(users) > 1
        or any(n not in ("chown", "link") for f in flags for n, _ in f)
    ):
        yield Unknown("S502", "the copies have options of their own", "give them the same owner")
    ways = {(t.source, t.destination) for t in scene.copies.values() if not t.programs}
    if len(ways) > 1 or (not scene.is_own and len(scene.copies) > 1):
        yield Unknown("S502", "modules are taken from several places", "install into one")
    for number, event in enumerate(scene.taker.events):
        if number not in scene.copies and isinstance(event, Copy):
            target = event.destination.text.rstrip("/")
            if is_own_library(target) or target in (PREFIX, f"{PREFIX}/lib"):
                yield Unknown("S542", f"`{event.text[:80]}` puts modules there, too",
                              "install them with the others")  # fmt: skip


def _built(scene: Scene) -> Iterator[Unknown]:
    """Look at each command of the builder: nothing but pip writes what is taken."""
    started = False
    for event in scene.builder.events:
        started = started or scene.install(event) is not None
        for part in flat((event,)):
            stop = _writes(scene, part, started)
            if stop is not None:
                yield stop
    first = next(
        (n for n, e in enumerate(scene.builder.events) if scene.install(e) is not None), None
    )
    if first is None:
        yield Unknown("S502", "no install is found that is taken over", "give it its own RUN")
        return
    if not isinstance(scene.builder.events[run_of(scene.builder, first)[0]], Exec):
        yield Unknown("S502", "the install is mixed with other commands", "give it its own RUN")
    late = [ins for ins in scene.written[0].instructions if ins.keyword == "ENV"]
    seen = [
        ins for ins in scene.written[0].instructions if ins.keyword == "RUN" and "pip" in ins.args
    ]
    if any(_sets_path(ins.args) and ins.span.start > seen[0].span.start for ins in late if seen):
        yield Unknown("S503", "PATH changes behind the install", "set it in front")


def _sets_path(args: str) -> bool:
    return bool(re.search(r"(?:\A|\s)PATH[=\s]", args))


def _writes(scene: Scene, event: Event, started: bool) -> Unknown | None:
    """Return why a command of the builder may not install, or may write where pip installs."""
    text = event.text[:80]
    found = argv_operation(event.argv) if isinstance(event, Exec) else None
    if found and (found.manager, found.action) == ("pip", "install"):
        return _installs(scene, event, text)
    if found and found.manager in _OTHERS:
        return Unknown("S543", f"`{text}` installs with something else than pip", "")
    if is_cleanup(event) or is_update(event) or packages_of(event):
        return None
    if isinstance(event, Exec) and event.argv[:1] in (("python",), ("python3",)):
        fresh = started and scene.place != PREFIX and not _INSTALLERS & set(event.argv)
        return None if fresh else Unknown("S543", f"`{text}` may install by itself", "use pip")
    sent = scene.around.sent
    puts = Placed(sent).puts(event) if isinstance(event, Copy) and sent is not None else None
    writes = footprint(event)[1] if puts is None else puts
    if any(_is_moved(scene, region) for region in writes):
        return Unknown("S542", f"`{text}` may write into what is taken over",
                       "let another stage do it")  # fmt: skip
    return None


def _installs(scene: Scene, event: Event, text: str) -> Unknown | None:
    assert isinstance(event, Exec)
    found = argv_operation(event.argv)
    root = event.setting.user.text in ("", "root", "0") and not event.redirects
    if scene.install(event) is None or not root or found is None:
        return Unknown("S504", f"`{text}` installs somewhere else, or not always",
                       "install without --editable and --target, as root")  # fmt: skip
    if found.has("--no-build-isolation") or any(_SETTINGS.search(a) for a in event.assignments):
        return Unknown("S504", f"`{text}` relies on what the interpreter has",
                       "install in isolation")  # fmt: skip
    names = {re.split(r"[=<>!~\[]", word.text)[0] for word in found.arguments}
    if is_install(event) and not scene.is_own and not names <= _BASICS:
        return Unknown("S543", f"`{text}` is not taken over now", "install it where the rest is")
    return None


def _run(scene: Scene) -> Iterator[Unknown]:
    """Look at the stage that takes it over: it installs nothing."""
    for event in flat(scene.taker.events):
        found = argv_operation(event.argv) if isinstance(event, Exec) else None
        manager = found.manager if found else ""
        if manager in _OTHERS or re.search(r"\bpip[\d.]*\s|ensurepip|setup\.py", event.text):
            yield Unknown("S543", f"`{event.text[:80]}` installs in the stage that runs, too",
                          "install all in one stage")  # fmt: skip
    first, own = min(scene.copies), scene.path_set()
    seen = -1
    for ins in scene.written[1].instructions:
        seen += ins.keyword in ("COPY", "ADD")
        sets = ins.keyword == "ENV" and _sets_path(ins.args)
        mine = own is not None and f"{scene.was}:" in ins.args
        behind = own is not None or seen >= _copies_before(scene, first)
        if sets and not mine and behind:
            yield Unknown("S503", "PATH changes behind the copy", "set it in front")


def _copies_before(scene: Scene, number: int) -> int:
    return sum(isinstance(event, Copy) for event in scene.taker.events[:number])


def _is_own_script(scene: Scene, path: str) -> bool:
    """Whether a file is a script that names the interpreter of the image by its path."""
    sent = scene.around.sent
    first = (sent.text(path) or "").partition("\n")[0] if sent is not None else ""
    return first.startswith("#!") and bool(old_places(first))


def _named(scene: Scene) -> Iterator[Unknown]:
    """Look for names of the place that is left, and of what only the old PATH finds."""
    rest = tuple(e for n, e in enumerate(scene.taker.events) if n not in scene.copies)
    taker = replace(scene.taker, events=rest)
    by_path = "find it by PATH or by import"
    for stage in (scene.builder, taker):
        if reason := names_moved(stage, scene.around, 0):
            yield Unknown("S503", reason, by_path)
    started: set[str] = set()
    for root in roots(taker, scene.around):
        started |= root.programs
        if found := _EMBEDDING & root.programs:
            yield Unknown("S503", f"{root.where} runs {min(found)}, which looks elsewhere",
                          "tell it of the environment by hand")  # fmt: skip
    files = scene.around.sent.files if scene.around.sent is not None else {}
    for path in files:
        if path.rpartition("/")[2] in started and _is_own_script(scene, path):
            yield Unknown("S503", f"{path} starts with the interpreter's own path", by_path)
    if scene.is_own:
        return
    folders = {re.escape(p) for t in scene.copies.values() for p in (t.source, t.destination)}
    folders -= {re.escape(PREFIX)}
    named = re.compile(rf"(?:{'|'.join(sorted(folders))})(?![\w.-])|\.local/(?:bin|lib)\b")
    installs = {id(e) for e in scene.builder.events if scene.install(e) is not None}
    texts = [e.text for s in (scene.builder, taker) for e in s.events if id(e) not in installs]
    texts += [root.text for root in roots(taker, scene.around)]
    for stage in (scene.builder, taker):
        pairs = dict(stage.config)["env"]
        assert isinstance(pairs, tuple)
        texts += [value.text for name, value in pairs if name != "PATH"]
    if text := next((text for text in texts if named.search(text)), ""):
        yield Unknown("S503", f"`{text[:80]}` names a place that is left", by_path)
