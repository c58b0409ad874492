"""A document's text -> what the engine says of it; the disk has all else that it depends on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from refactor.batch import Wishes, forget, task
from refactor.compose import Decide, Proposal
from refactor.config import Config, ConfigError
from refactor.engine import Failed, Refused, Result, Task, run
from refactor.inline import refactored
from refactor.model import Change
from refactor.project import bases, is_holder
from refactor.source import Unreadable, decode, encode

_NAME = "Dockerfile"
_MOST = 256 * 1024  # bytes: no hand writes ten times as much as the longest Dockerfile known
_AGE = 10.0  # seconds: what the client does not watch is seen that much later

log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """A result, whose paths are those in the folder `root`, if the document is in one.

    `others` are the texts of the other files that fixes are offsets into; None if there is none.
    """

    result: Result
    root: Path | None = None
    others: Mapping[str, str | None] = {}


class Stale(Exception):
    """Nobody waits for a run any more."""


class Disk:
    """What was read of the disk is kept, but not for long."""

    def __init__(self) -> None:
        self._since = monotonic()

    def forget(self) -> None:
        """Have everything read again."""
        self._since = float("-inf")

    def settle(self) -> None:
        """Drop what is too old: between two runs, so that each reads one state of things."""
        now = monotonic()
        if now - self._since > _AGE:
            self._since = now
            forget()


def answer(path: Path | None, text: str, wishes: Wishes, stale: Callable[[], bool]) -> Answer:
    """Run the engine on a text; without a path it has neither context nor configuration."""
    try:
        data = encode(text)
        if len(data) > _MOST:
            reason = "too long to be looked at while it is typed: use `dfr fix`"
            return Answer(Refused(_NAME, reason=reason))
        now = date.today().isoformat()
        wishes = replace(wishes, references=frozenset(bases(data)), today=now)
        decide = _unless(stale) if wishes.detail else None
        if path is None:
            return Answer(run(_NAME, data, wishes.apply(Config()), decide=decide))
        return _answer(path, data, wishes, decide)
    except UnicodeEncodeError:
        return Answer(Refused(_NAME, reason="it has characters that UTF-8 cannot hold"))
    except ConfigError as error:
        return Answer(Failed(_NAME, reason=str(error)))
    except Exception as error:  # the last resort: the next document is served all the same
        log.exception("%s could not be looked at", path)
        return Answer(Failed(_NAME, reason=f"{type(error).__name__}: {error}; please report it"))


def _answer(path: Path, data: bytes, wishes: Wishes, decide: Decide | None) -> Answer:
    ready = task(path, wishes, data)
    if not isinstance(ready, Task):
        return Answer(ready)
    place = ready.site.place
    if is_holder(place, data):

        def made(part: Task) -> Result:
            return run(part.name, part.data, part.config, part.site, decide)

        result = refactored(ready._replace(name=place), made)
    else:
        result = run(place, data, ready.config, ready.site, decide)
    fixes = (fix for m in result.remarks if m.detail for fix in m.detail.fix)
    named = {fix.path for fix in fixes} - {place}
    return Answer(result, ready.root, {name: _read(ready.root / name) for name in named})


def _read(path: Path) -> str | None:
    try:
        return decode(path.read_bytes())
    except (OSError, Unreadable):
        return None


def _unless(stale: Callable[[], bool]) -> Decide:
    """Make all changes, as long as somebody waits for them."""

    def decide(proposal: Proposal) -> Change:
        if stale():
            raise Stale
        return proposal.change

    return decide
