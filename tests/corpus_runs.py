"""One run over the corpus at level risky, with everything on, and what several tests ask of it."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

from refactor.model import Safety
from tests import corpus
from tests.test_laws import Seen, Task, looked
from tests.test_shell_rewrites import Pair, rewrites


@dataclass(frozen=True)
class Record:
    """What became of a file; what its steps did to RUNs, or why that is not known."""

    seen: Seen
    rewrites: tuple[Pair, ...] | str


def look(path: Path) -> Record:
    """Run one file; not every exception can be sent to another process."""
    seen, outcome = looked(Task(path, None, Safety.RISKY))
    try:
        found = [*rewrites(outcome.steps, path.as_posix())] if outcome else []
    except Exception:
        return Record(seen, f"{path}: {traceback.format_exc()}")
    return Record(seen, tuple(found))


def at_risky() -> list[Record]:
    """Run all files, on all cores."""
    return corpus.each(look, corpus.files(corpus.folder()))
