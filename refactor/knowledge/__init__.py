"""Tables of facts as data files: one header line, tab-separated, each row with its source."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate
from functools import cache, lru_cache
from pathlib import Path


@cache
def table(name: str) -> tuple[dict[str, str], ...]:
    """Return the rows of `NAME.tsv`."""
    text = (Path(__file__).parent / f"{name}.tsv").read_text(encoding="utf-8")
    header, *lines = text.rstrip("\n").split("\n")
    keys = header.split("\t")
    return tuple(dict(zip(keys, line.split("\t"), strict=True)) for line in lines)


def fits(name: str, pattern: str) -> bool:
    """Whether a name is the one in a cell, or fits its wildcards, which are those of the shell."""
    return _fitting(pattern)(name)


@lru_cache(maxsize=4096)
def _fitting(pattern: str) -> Callable[[str], bool]:
    if not any(char in pattern for char in "*?["):
        return pattern.__eq__
    match = re.compile(translate(pattern)).match
    return lambda name: match(name) is not None
