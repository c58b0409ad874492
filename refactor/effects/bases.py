"""A stage that starts from the slim variant of its base, with what it needs of the other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from refactor.effects.distributions import installed
from refactor.effects.dropping import is_cleanup, is_install, named_in, packages_of
from refactor.effects.events import Build, Copy, Event, Exec, Stage, flat
from refactor.effects.provenance import runs_others
from refactor.effects.roots import roots
from refactor.effects.stages import Surroundings
from refactor.facts.environments import VENV, compiles_later, environment_of
from refactor.facts.images import Image
from refactor.facts.installs import Unknown, looks_like_install
from refactor.facts.python_packages import python_package
from refactor.facts.slim import Lost, lost_by_slim, provider, slim

UPDATE = ("apt-get", "update")
INSTALL = ("apt-get", "install", "-y", "--no-install-recommends")
CLEAN = ("rm", "-rf", "/var/lib/apt/lists/*")
# A program of these is installed where it is needed; what needs another one stays as it is.
_TOOLS = frozenset(
    {
        "curl",
        "wget",
        "git",
        "unzip",
        "procps",
        "openssh-client",
        "gnupg",
        "file",
        "xz-utils",
        "bzip2",
    }
)
# apt-key asks for any of gnupg's packages, and needs its agent too.
_INSTEAD = {"gpg": "gnupg"}
# Programs that others start, by the words that ask for them.
_STARTED = (
    (re.compile(r"\bapt-key\b|\badd-apt-repository\b"), "gpg"),
    (re.compile(r"\btar\b.*(?:\s-?[a-zA-Z]*J|\.t?xz\b|--xz)"), "xz"),
    (re.compile(r"\btar\b.*(?:\s-?[a-zA-Z]*j|\.t?bz2?\b|--bzip2)"), "bzip2"),
    (re.compile(r"\bgit\+"), "git"),
)
_FETCHES = frozenset({"curl", "wget", "git"})  # over https, with the certificates of the system
_SPLIT = "install in a stage of its own, or install packages that have wheels"


class Slim(NamedTuple):
    """What must be installed besides in a slim image, and what is assumed."""

    packages: tuple[str, ...]
    assumes: tuple[str, ...]


def slimmed(build: Build, index: int, image: Image, around: Surroundings) -> Slim | Unknown:
    """Return what a stage needs to start from the slim variant of its base, or why it cannot."""
    stage = build.stages[index]
    lost = lost_by_slim(image)
    if lost is None:
        return Unknown("B604", f"{image.reference} has no slim variant that is known", "")
    known = around.sent is not None and around.sent.complete and around.application is not None
    if not known or around.application is None or not around.application.complete:
        return Unknown("B600", "what stands in the build context is not known",
                       "run where the build context is")  # fmt: skip
    have = {name for event in flat(stage.events) for name in packages_of(event)}
    found: dict[str, None] = {}
    assumes: dict[str, None] = {}
    for where, name in _programs(stage, image.name, lost, around):
        package = provider(name, image)
        package = _INSTEAD.get(package, package)
        if package not in _TOOLS:
            return Unknown("B603", f"{where} runs {name}, which slim lacks", "install it by name")
        assert package
        found[package] = None
    if "ca-certificates" in lost.packages and _FETCHES & (found.keys() | have):
        found["ca-certificates"] = None
    if around.application.imports & {"tkinter", "Tkinter", "turtle"}:
        return Unknown("B603", "tkinter needs Tk, which slim lacks", "install tk by name")
    if module := compiles_later(around.application.imports):
        return Unknown("B603", f"{module} may call a compiler when it runs", "keep the full image")
    for text in _assumed(build, stage, around, f"{image.name}:{slim(image)}"):
        if isinstance(text, Unknown):
            return text
        assumes[text] = None
    step = _distributions(build, index, image, around)
    if isinstance(step, Unknown):
        return step
    found |= dict.fromkeys(name for name in step.packages if name in lost.packages)
    assumes |= dict.fromkeys(step.assumes)
    return Slim(tuple(sorted(set(found) - have)), tuple(assumes))


def _programs(
    stage: Stage, stage_image: str, lost: Lost, around: Surroundings
) -> Iterator[tuple[str, str]]:
    """Yield the programs that slim lacks and something runs."""
    own = "python" if stage_image == "python" else ""
    names = {
        name for name in lost.programs if not own or not name.startswith((own, "pip", "pydoc"))
    }
    for event in flat(stage.events):
        asked = {name for pattern, name in _STARTED if pattern.search(event.text)}
        for name in sorted(names & (named_in(event) | asked)):
            yield f"`{event.text[:60]}`", name
    for root in roots(stage, around):
        for name in sorted(names & root.programs):
            yield root.where, name
    assert around.application is not None
    for found in around.application.programs:
        if (name := found.value.rpartition("/")[2]) in names:
            yield f"{found.path}:{found.line}", name


def _assumed(
    build: Build, stage: Stage, around: Surroundings, base: str
) -> Iterator[str | Unknown]:
    """Yield what is assumed of commands, copies and names that are not literals."""
    for event in stage.events:
        if isinstance(event, Copy):
            if event.origin is not None and event.destination.text.rstrip("/") != VENV:
                origin = event.origin
                name = build.stages[origin].name if isinstance(origin, int) else origin
                yield f"what is copied from {name} links to nothing that {base} lacks"
        elif _is_bounded(event):
            continue
        elif looks_like_install(getattr(event, "argv", ())):
            yield Unknown("B602", f"`{event.text[:60]}` may build what it installs", _SPLIT)
            return
        elif runs_others(event):
            if not isinstance(event, Exec) or event.argv[:1] not in (("python",), ("python3",)):
                yield Unknown("B603", f"`{event.text[:80]}` may need what slim lacks",
                              "do it in another stage")  # fmt: skip
                return
            yield f"`{event.text[:100]}` needs nothing that {base} lacks"
    application = around.application
    assert application is not None
    for found in application.unknown:
        if "program" in found.value:
            yield f"{found.path}:{found.line} starts no program that {base} lacks"
    for found in application.libraries:
        yield f"the library {found.value} of {found.path}:{found.line} is in {base}"


def _is_bounded(event: Event) -> bool:
    """Whether all that a command needs is known: it installs, cleans up or makes an environment."""
    makes = isinstance(event, Exec) and bool(environment_of(event.argv))
    return makes or is_install(event) or bool(packages_of(event)) or is_cleanup(event)


def _distributions(build: Build, index: int, image: Image, around: Surroundings) -> Slim | Unknown:
    """Return what the distributions need that are installed here, or copied from another stage."""
    stage = build.stages[index]
    sources = {e.origin for e in stage.events if isinstance(e, Copy) and isinstance(e.origin, int)}
    packages: dict[str, None] = {}
    wheels: dict[str, None] = {}
    for number in (*sorted(sources), index):
        names = installed(build.stages[number], around.sent)
        if names is None:
            return Unknown("B602", "which distributions are installed is not known", _SPLIT)
        for name in sorted(names):
            if "git+" in name and number == index:
                return Unknown("B602", f"{name} is fetched with git and built", _SPLIT)
            known = python_package(name)
            built = known is not None and known.wheels == "none"
            if built and number == index:
                return Unknown("B602", f"{name} is built where it is installed", _SPLIT)
            needs = known.needs(image, built) if known else ()
            if needs is None:
                return Unknown("B602", f"the libraries that {name} needs are not known", _SPLIT)
            packages |= dict.fromkeys(needs)
            if known is None or known.wheels not in ("pure", "none"):
                wheels[name] = None
    text = (f"{_list(wheels)} install from wheels, or link to nothing that slim lacks",)
    return Slim(tuple(packages), text if wheels else ())


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def based(
    before: Build, after: Build, index: int, image: Image, footprint: frozenset[str],
    around: Surroundings, assumes: frozenset[str],
) -> str | None:  # fmt: skip
    """Return why a stage that starts from a slim image is not what it was."""
    old, new = before.stages[index], after.stages[index]
    tag = slim(image)
    assert not isinstance(old.base, int)
    if isinstance(new.base, int) or not tag:
        return "the base is no slim image"
    if new.base.raw or new.base.text != slim_reference(old.base.text, image, tag):
        return f"{new.base.text} is not the slim variant of {old.base.text}"
    if f"+ {new.base.text}" not in footprint or f"- {old.base.text}" not in footprint:
        return "another base than claimed"
    step = slimmed(before, index, image, around)
    if isinstance(step, Unknown):
        return step.reason
    if missing := set(step.assumes) - assumes:
        return f"not assumed: {min(missing)}"
    added = new.events[: 3 if step.packages else 0]
    if new.events[len(added) :] != old.events:
        return "the events differ"
    if step.packages and not _adds(added, step.packages):
        return f"{_list(step.packages)} are not installed"
    if new.layers - old.layers != bool(added) or len(new.runs) - len(old.runs) != bool(added):
        return "the layers differ"
    return None


def _adds(events: tuple[Event, ...], packages: tuple[str, ...]) -> bool:
    """Whether events install packages as root, and leave no lists."""
    wanted = [UPDATE, (*INSTALL, *packages), CLEAN]
    plain = [
        e for e in events
        if isinstance(e, Exec) and e.must and not (e.redirects or e.assignments or e.shell_state)
        and e.setting.user.text in ("", "root", "0") and not e.setting.shell and not e.setting.flags
    ]  # fmt: skip
    return [event.argv for event in plain] == wanted


def slim_reference(reference: str, image: Image, tag: str) -> str:
    """Return a reference with the tag of the slim variant."""
    head = reference.removesuffix(f":{image.tag}")
    return f"{head}:{tag}"
