"""Labels that have a meaning of their own, and the order of what describes an image."""

from __future__ import annotations

from refactor.facts.stages import Stage
from refactor.syntax import Instruction

AUTHORS = "org.opencontainers.image.authors"


def author(maintainer: str) -> str:
    """Return what a MAINTAINER line means: quotes around the whole are no part of a name."""
    if len(maintainer) > 1 and maintainer[0] == maintainer[-1] and maintainer[0] in "\"'":
        inner = maintainer[1:-1]
        return maintainer if maintainer[0] in inner else inner
    return maintainer


# At the end of a stage: what the image is, what it needs, how it is started.
IN_ORDER = ("LABEL", "EXPOSE", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD")
REORDERED = "the metadata at its end in another order"


def closing(stage: Stage) -> tuple[Instruction, ...]:
    """Return the instructions at the end of a stage that do no more than describe the image."""
    at = len(stage.instructions)
    while stage.instructions[at - 1].keyword in IN_ORDER:  # the first one is FROM
        at -= 1
    return stage.instructions[at:]


def is_reordered(before: Stage, after: Stage) -> bool:
    """Whether the metadata at the end of two stages has another order, and that is all."""
    old, new = ([ins.logical.text for ins in stage.instructions] for stage in (before, after))
    at = len(old) - len(closing(before))
    return old[:at] == new[:at] and old != new and sorted(old) == sorted(new)
