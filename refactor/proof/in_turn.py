"""The Dockerfiles in one file, proved one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from refactor.engine import Changed, Failed, Refused, Result, Task, Unchanged
from refactor.inline import refactored
from refactor.proof.proving import Proven, without
from refactor.proof.results import PROVED


def prove_in_turn(whole: Task, prove: Callable[[Task], Proven]) -> Iterator[Proven]:
    """Prove the Dockerfiles in a file, each on what those before it were proved to become.

    The last that is proved has the result for the whole file: only what is proved is in it.
    """
    found: list[Proven] = []

    def made(part: Task) -> Result:
        found.append(prove(part))
        result = found[-1].result
        is_bad = isinstance(result, Changed) and found[-1].proof.verdict not in PROVED
        return Unchanged(part.name) if is_bad else result

    result = refactored(whole, made)
    if isinstance(result, Refused | Failed):
        yield from (Proven(one.proof, result) for one in found if one.proof.verdict in PROVED)
        yield Proven(without(result), result)
        return
    last = max((at for at, one in enumerate(found) if one.proof.verdict in PROVED), default=-1)
    for at, one in enumerate(found):
        yield Proven(one.proof, result if at == last else Unchanged(whole.name), one.cause)
