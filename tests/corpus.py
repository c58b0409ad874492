"""The corpus of real Dockerfiles, where there is one; in CI its absence is a failure."""

import csv
import gc
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")
R = TypeVar("R")


def folder() -> Path:
    """Return the corpus's folder, or skip; fail in CI."""
    found = os.environ.get("DFR_CORPUS")
    if found and (Path(found) / "dev" / "manifest.tsv").is_file():
        return Path(found)
    if os.environ.get("CI"):
        pytest.fail("DFR_CORPUS names no corpus, and in CI there must be one")
    pytest.skip("DFR_CORPUS names no corpus")


def files(root: Path, kinds: tuple[str, ...] = ("files",)) -> list[Path]:
    """Return the Dockerfiles of the manifest."""
    with (root / "dev" / "manifest.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [root / "dev" / row["stored"] for row in rows if row["kind"] in kinds]


def contexts(root: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each Dockerfile of a complete build context, with the context's folder."""
    with (root / "dev" / "contexts.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            base = root / "dev" / "contexts" / row["id"]
            for name in row["dockerfiles"].replace(",", " ").replace(";", " ").split():
                if (base / name).is_file():
                    yield base / name, base / row["build_context"]


def each(look: Callable[[T], R], tasks: Sequence[T], chunk: int = 100) -> list[R]:
    """Return what a function of a module says of each task, in order, on all cores."""
    rarely = (20_000, 50, 1000)  # as the command itself has it: trees are tuples without cycles
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(os.cpu_count(), gc.set_threshold, rarely) as pool:
        return pool.map(look, tasks, chunksize=chunk)
