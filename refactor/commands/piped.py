"""`dfr fix -`: standard input refactored to standard output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from refactor import config as configuration
from refactor.batch import Wishes
from refactor.commands import options
from refactor.engine import Changed, Failed, Refused, run
from refactor.report import text
from refactor.source import encode

if TYPE_CHECKING:
    from refactor.commands.fixing import Mode


def fix(wishes: Wishes, mode: Mode) -> int:
    """Refactor standard input, without a build context; return the exit code."""
    found = configuration.read(wishes.config) if wishes.config else configuration.load(Path("-"))
    data = sys.stdin.buffer.read()
    result = run("Dockerfile", data, wishes.apply(found))
    for line in text.remarks(result, mode.verbose):
        if not mode.quiet or isinstance(result, Failed):
            sys.stderr.write(line)
    after = result.after if isinstance(result, Changed) else data
    if mode.diff and isinstance(result, Changed):
        options.put(None, encode(result.patch))
    elif not mode.diff and not mode.check:
        options.put(None, after)
    if isinstance(result, Failed):
        return options.ERROR
    if mode.strict and isinstance(result, Refused):
        return options.REFUSED
    return options.PENDING if mode.check and isinstance(result, Changed) else options.DONE
