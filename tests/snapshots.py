"""Dockerfiles with the texts of their build contexts, as the tests of transforms write them."""

from collections.abc import Mapping
from pathlib import PurePath

from refactor.compose import Outcome, refactor
from refactor.context import MemoryContext
from refactor.model import Safety
from refactor.registry import ordered, select
from refactor.snapshot import Snapshot
from refactor.syntax import parse


def snapshot(text: str, files: Mapping[str, str] | None, place: str = "Dockerfile") -> Snapshot:
    """Return a Dockerfile at a place of a build context; without files there is no context."""
    context = None
    if files is not None:
        context = MemoryContext({name: data.encode() for name, data in files.items()})
    return Snapshot(PurePath(place), text, parse(text), context, place=place)


def run(before: Snapshot, *names: str) -> Outcome:
    """Run transforms at the riskiest level."""
    return refactor(before, ordered(select(names, ())), Safety.RISKY)
