"""Tables of facts as data files: one header line, tab-separated, each row with its source."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def table(name: str) -> tuple[dict[str, str], ...]:
    """Return the rows of `NAME.tsv`."""
    text = (Path(__file__).parent / f"{name}.tsv").read_text(encoding="utf-8")
    header, *lines = text.rstrip("\n").split("\n")
    keys = header.split("\t")
    return tuple(dict(zip(keys, line.split("\t"), strict=True)) for line in lines)
