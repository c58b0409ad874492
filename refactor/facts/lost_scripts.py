"""Copies of installed Python modules without the programs that start them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from refactor.effects import Copy, Stage
from refactor.effects.dropping import is_install
from refactor.effects.roots import configured
from refactor.facts import sources
from refactor.snapshot import Snapshot

_SITE = re.compile(r"(?P<prefix>.+)/lib(?:64)?/python3?[\d.]*(?:/(?:site|dist)-packages)?/?\Z")


_SCRIPTS = frozenset(
    "gunicorn uvicorn celery flask hypercorn daphne granian waitress-serve streamlit fastapi "
    "django-admin alembic uwsgi jupyter".split()
)


class LostScripts(NamedTuple):
    """A copy of modules; `needed` is a program that the image starts and that is not there."""

    origin: str
    folder: str
    needed: str
    at: int


def copies(snapshot: Snapshot) -> Iterator[LostScripts]:
    """Yield the copies of modules whose programs stay behind."""
    events = sources.events(snapshot)
    for stage, model in zip(snapshot.graph.stages, snapshot.build.stages, strict=True):
        taken = [e for e in model.events if isinstance(e, Copy)]
        if any(is_install(e) for e in model.events):
            continue
        for ins in stage.instructions:
            event = events.get(ins.span.start)
            if event is None or not isinstance(event.origin, int) or len(event.sources) != 1:
                continue
            match = _SITE.match(event.sources[0].text)
            builder = snapshot.build.stages[event.origin]
            if not match or not any(is_install(e) for e in builder.events):
                continue
            folder = f"{match['prefix']}/bin"
            if not any(_brings(e, folder) for e in taken if e.origin == event.origin):
                name = builder.name or str(event.origin)
                yield LostScripts(name, folder, _started(model, builder), ins.span.start)


def _brings(event: Copy, folder: str) -> bool:
    return any(
        f"{folder}/".startswith(s.text.rstrip("/") + "/") or s.text.startswith(f"{folder}/")
        for s in event.sources
    )


def _started(stage: Stage, builder: Stage) -> str:
    """Return a program that an image starts by name and that pip has installed in another stage."""
    words = {w for e in builder.events if is_install(e) for w in e.text.split()}
    first = configured(stage).split()[:2]
    first = first[1:] if first[:1] == ["exec"] else first[:1]
    return next((word for word in first if word in _SCRIPTS | words), "")
