"""What a report says of the run that it is about."""

from __future__ import annotations

from dataclasses import dataclass

from refactor.scan.findings import Scan

NAME = "dockerfile-refactor"


@dataclass(frozen=True)
class About:
    """`level` is empty where each file's configuration says it.

    `written` is whether the files were changed on disk; else they would be. `scans` are what a
    scanner found, if one was asked for. `strict` is whether a file that is refused fails the run.
    """

    version: str
    level: str = ""
    written: bool = False
    scans: tuple[Scan, ...] = ()
    strict: bool = False
