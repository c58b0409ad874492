"""Options that several commands take, in the same words."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from refactor.batch import Wishes
from refactor.config import level
from refactor.discover import Found
from refactor.project import referenced
from refactor.registry import entries
from refactor.registry import select as choose
from refactor.report import text

DONE, PENDING, ERROR, REFUSED = 0, 1, 2, 3


def transforms(incomplete: str) -> list[str]:
    """Complete the last of some ids of transforms."""
    done, comma, last = incomplete.rpartition(",")
    return [f"{done}{comma}{entry.id}" for entry in entries() if entry.id.startswith(last)]


def levels(incomplete: str) -> list[str]:
    """Complete a level."""
    return [name for name in ("safe", "suggested", "risky") if name.startswith(incomplete)]


Level = Annotated[
    str | None,
    typer.Option(
        "--level", metavar="safe|suggested|risky", help="How far changes may go.",
        autocompletion=levels,
    ),
]  # fmt: skip
Select = Annotated[
    str,
    typer.Option(
        "--select", help="Only these transforms: ids with commas, or `all`.",
        autocompletion=transforms,
    ),
]  # fmt: skip
Ignore = Annotated[
    str, typer.Option("--ignore", help="Not these transforms.", autocompletion=transforms)
]
ContextFolder = Annotated[
    Path | None,
    typer.Option("--context", help="The build context's folder; else it is found out."),
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="This configuration instead of each file's own.")
]

Since = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="REF", help="Only files changed since HEAD left this branch or commit."
    ),
]


def wishes(
    paths: list[Path] | None, level_name: str | None, select: str, ignore: str,
    context: Path | None, config: Path | None,
) -> Wishes:  # fmt: skip
    """Return what the command line says; raise ConfigError and Unusable if that is no use."""
    if context is not None and not context.is_dir():
        fail(f"--context {context}: no such folder")
    found = Wishes(
        level(level_name, "--level") if level_name else None, _ids(select), _ids(ignore), config,
        roots=tuple(p for p in paths or [Path()] if os.path.isdir(p)), context=context,
        today=date.today().isoformat(),
    )  # fmt: skip
    choose(found.select, found.ignore)
    return found


def since(found: Found, wishes: Wishes, ref: str | None) -> Wishes:
    """Leave only what changed since REF; the others still tell which images are started from."""
    if ref is None:
        return wishes
    from refactor.since import SinceError, changed

    wishes = replace(wishes, references=referenced(filter(os.path.isfile, found.files)))
    try:
        kept = changed(found.files, ref)
    except SinceError as error:
        fail(str(error))
    found.passed_over[f"not changed since {ref}"] += len(found.files) - len(kept)
    found.files = kept
    return wishes


def _ids(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


def version() -> str:
    """Return this program's version."""
    from importlib.metadata import version as installed

    return installed("dockerfile-refactor")


def colour() -> bool:
    """Whether standard output takes colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def put(path: Path | None, data: bytes) -> None:
    """Write a report to a file, or to standard output: all of it, also where that is unbuffered."""
    if path is not None and path != Path("-"):
        from refactor.write import Unwritable
        from refactor.write import put as write

        try:
            write(path, data)
        except Unwritable as error:
            fail(f"{path}: not written: {error}")
        return
    sys.stdout.flush()
    rest = memoryview(data)
    while rest:
        rest = rest[sys.stdout.buffer.write(rest) :]
    sys.stdout.buffer.flush()


def say(words: str) -> None:
    """Write to standard error, behind what standard output holds."""
    sys.stdout.flush()
    sys.stderr.write(text.harmless(words))


def fail(message: str) -> NoReturn:
    """Say what is wrong, and end with the exit code of an error."""
    typer.echo(f"dfr: {text.harmless(message)}", err=True)
    raise typer.Exit(ERROR)
