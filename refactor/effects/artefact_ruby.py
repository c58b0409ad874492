"""Ruby: a stage that installs gems becomes two, on one and the same image.

The official images install gems into /usr/local/bundle; the new stage takes that and the folder
of the application over, and installs the libraries that native gems link to.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from refactor.effects.artefact_data import texts
from refactor.effects.artefact_installs import UNLOCK
from refactor.effects.artefact_needs import Needs, Subject, obstacle
from refactor.effects.artefact_node import call
from refactor.effects.artefact_same import Walk, answer, compiles, shown, unclear, user_of
from refactor.effects.artefact_walk import Step, below, steps
from refactor.effects.dropping import packages_of
from refactor.effects.events import Exec
from refactor.effects.order import directory
from refactor.effects.placed import Placed
from refactor.facts import left_out, libraries
from refactor.facts.installs import Unknown
from refactor.facts.packages import bare_name

IMAGES = frozenset({"ruby"})
GEMS = "/usr/local/bundle"
_RUNS = re.compile(
    r"\bsystem\(|\bexec\(|\bspawn\(|`[^`\n]+`|%x[\[{(]|\bOpen3\.|\bIO\.popen|\bKernel\.\w+\("
)
_CODE = (".rb", ".rake", ".ru", "Rakefile")
_WORD = re.compile(r"[\w.+-]+")
_TESTS = re.compile(r"/(?:spec|test|features|vendor/bundle)/")


@dataclass
class RubyWalk(Walk):
    """Follows the steps of a stage that installs gems."""

    bundled: bool = False

    def managed(self, event: Exec) -> str | Unknown | None:
        """Take a call of Bundler, of RubyGems, or of what they installed."""
        words = event.argv
        name = words[0].rpartition("/")[2] if words else ""
        action = words[1] if len(words) > 1 else "install"
        where = directory(event)
        asked = call(event)
        if asked is not None and not asked.is_global:
            inside = asked.folder and below(asked.folder, self.app)
            return self.built(event) if inside else unclear(event)
        if name == "gem":
            return "app" if action in ("install", "update") else "neutral"
        if name in ("bundle", "bundler"):
            if action in ("config", "version", "-v", "--version", "clean", "env"):
                return "app"
            if not where:
                return unclear(event)
            if action in ("install", "package", "lock", "check", "binstubs", "add"):
                self.bundled = True
                self.owners.add(user_of(event))
                return "app"
            return self.built(event) if action == "exec" and below(where, self.app) else None
        own = name in ("rake", "rails") or words[0].startswith(("bin/", "./bin/"))
        return self.built(event) if own and where and below(where, self.app) else None


def folder(taken: list[Step]) -> str:
    """Return the folder of the application: where Bundler finds its Gemfile; empty if none."""
    found: set[str] = set()
    for step in taken:
        for event in step.events:
            if not isinstance(event, Exec) or event.argv[:1] not in (("bundle",), ("bundler",)):
                continue
            words = event.argv[1:]
            if not words or words[0] == "install" or words[0].startswith("-"):
                named = [w.partition("=")[2] for w in words if w.startswith("--gemfile=")]
                where = directory(event)
                found.add(posixpath.dirname(posixpath.join(where, named[0])) if named else where)
    only = next(iter(found)) if len(found) == 1 else ""
    return only if only not in ("", "/") else ""


def is_heavy(subject: Subject) -> bool:
    """Whether a stage installs what only builds, and gems."""
    family = subject.image.family
    names = [bare_name(n) for event in subject.stage.events for n in packages_of(event)]
    gems = any(event.text.startswith(("bundle", "bundler")) for event in subject.stage.events)
    return gems and any(left_out.is_left_out(name, family) for name in names)


def ruby_needs(subject: Subject) -> Needs | Unknown:
    """Return what a new stage on the same image needs."""
    if stop := obstacle(subject):
        return stop
    sent = subject.around.sent
    assert sent is not None
    taken = steps(subject.stage, subject.place.instructions[1:])
    app = folder(taken)
    if not app:
        return Unknown("S502", "the application has no folder of its own that gems are installed "
                       "from", "set one with WORKDIR")  # fmt: skip
    home = {step.env.get(name, GEMS) for step in taken for name in ("GEM_HOME", "BUNDLE_PATH")}
    if any(not below(path, app) and path != GEMS for path in home):
        return Unknown("S502", "gems are installed in a place of their own", UNLOCK)
    walk = RubyWalk(subject.image, Placed(sent), app, compiles(taken), paths=(GEMS,))
    for step in taken:
        if stop := walk.take(step):
            return stop
    if not walk.dropped or not walk.bundled:
        return Unknown("S525", "nothing would be left out", UNLOCK)
    found = answer(subject, walk)
    if isinstance(found, Unknown):
        return found
    if stop := _spawns(walk):
        return stop
    found.assumes = tuple(walk.assumes)
    found.spares = shown(walk.dropped)
    return found


def _spawns(walk: RubyWalk) -> Unknown | None:
    """Return what in the sources runs a program that is left out."""
    gone = {program for name in walk.dropped for program in libraries.programs(name)}
    gone |= set(walk.dropped)
    code = (p for p in sorted(walk.placed.below(walk.app)) if p.endswith(_CODE))
    read = texts(walk.placed, (path for path in code if not _TESTS.search(path)))
    if isinstance(read, Unknown):
        return read
    for path, text in read.items():
        for line in text.split("\n"):
            if _RUNS.search(line) and (named := gone & set(_WORD.findall(line))):
                return Unknown("S505", f"{path} runs {min(named)}, which is left out", UNLOCK)
    return None
