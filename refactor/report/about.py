"""What a report says of the run that it is about."""

from __future__ import annotations

from dataclasses import dataclass

NAME = "dockerfile-refactor"


@dataclass(frozen=True)
class About:
    """`level` is empty where each file's configuration says it.

    `written` is whether the files were changed on disk; else they would be.
    """

    version: str
    level: str = ""
    written: bool = False
