"""What would miss a program that is left out, or a path that a virtual environment moves."""

from __future__ import annotations

from refactor.effects.events import Copy, Stage
from refactor.effects.placed import Placed
from refactor.effects.roots import Root, roots
from refactor.effects.stages import Surroundings
from refactor.facts.environments import VENV, compiles_later, old_places, resets_path


def computed(path: str, line: int) -> str:
    """Return what is assumed of a program that is started by a name that is not a literal."""
    return f"{path}:{line} starts no compiler or build tool"


def runs_left_out(
    stage: Stage, around: Surroundings, programs: set[str], assumes: frozenset[str] | None = None
) -> str | None:
    """Return what runs a program that is left out when an image of a stage runs.

    Without `assumes`, what would have to be assumed is not looked for.
    """
    # The interpreter of the image itself comes first in PATH: headers of another one do not count.
    programs = {name for name in programs if not name.startswith(("python", "pydoc", "2to3"))}
    for root in roots(stage, around):
        if named := programs & root.programs:
            return f"{root.where} runs {min(named)}, which is left out"
    application = around.application
    if application is None:
        return "the application is not known"
    for found in application.programs:
        if found.value.rpartition("/")[2] in programs:
            return f"{found.path}:{found.line} runs {found.value}, which is left out"
    if not application.complete:
        return "not all of the application's sources could be read"
    if module := compiles_later(application.imports):
        return f"{module} may call a compiler when it runs"
    for found in application.unknown if assumes is not None else ():
        if "program" in found.value and computed(found.path, found.line) not in (assumes or ()):
            return f"not assumed: {computed(found.path, found.line)}"
    return None


def names_moved(stage: Stage, around: Surroundings, start: int) -> str | None:
    """Return what names a place that installs leave, or does not find the new one by PATH.

    `start` is the event from which on things stand elsewhere.
    """
    texts = [Root(f"`{e.text[:60]}`", e.text, frozenset()) for e in stage.events[start:]]
    pairs = dict(stage.config)["env"]
    assert isinstance(pairs, tuple)
    texts += [Root(f"ENV {k}", v.text, frozenset()) for k, v in pairs if k != "PATH"]
    copies = [event for event in stage.events if isinstance(event, Copy)]
    put = {event.destination.text for event in copies}
    if around.sent is not None:
        placed = Placed(around.sent)
        put |= {path for event in copies for path in placed.puts(event) or ()}
    for root in (*texts, *roots(stage, around)):
        for path in old_places(root.text):
            if path not in put:
                return f"{root.where} names {path}, which moves to {VENV}"
        if words := resets_path(root.text):
            return f"{root.where} starts with a PATH of its own: {words}"
    application = around.application
    for found in application.programs if application is not None else ():
        if any(path not in put for path in old_places(found.value)):
            return f"{found.path}:{found.line} runs {found.value}, which is not in {VENV}"
    return None
