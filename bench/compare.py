"""Speed, start-up and memory beside native peers, in one run.

    python -m bench.compare CORPUS

CORPUS holds `dev/manifest.tsv` with a column `stored`. 600 of its files are copied as
`N.Dockerfile`; then this tool (verification on, every transform, level risky), hadolint and
`tally lint --fix` take turns over them (tally, which is slowest, once), and the medians of
whole-process times are compared.
With `--check`, the exit code is 1 if a bound is missed.
"""

from __future__ import annotations

import argparse
import compileall
import csv
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FILES = 600
BATCH = 30
ROUNDS = 3
EVERY = "dfr fix --check (every transform, verified)"
DEFAULTS = "dfr fix --check (defaults)"
HADOLINT, TALLY = "hadolint (reports only)", "tally lint --fix"
OFFLINE = ("--slow-checks", "off")  # tally would ask registries, and wait
# How many times as long the others take. They run with their defaults; with every transform we do
# more with each that is added.
BOUNDS = {
    (DEFAULTS, HADOLINT): 4.0,
    (DEFAULTS, TALLY): 15.0,
    (EVERY, HADOLINT): 2.8,
    (EVERY, TALLY): 8.0,
}
MAX_START_UPS = 4.0  # of the smallest program that typer makes
MAX_MEGABYTES = 200.0
TEN_LINES = """FROM python:3.12-slim
WORKDIR /app
ENV PYTHONUNBUFFERED 1
RUN apt-get update
RUN apt-get install curl
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY . .
EXPOSE 8000
CMD ["python", "app.py"]
"""
LEAST = """import typer

app = typer.Typer()


@app.command()
def least() -> None:
    pass


app()
"""
_FROM = re.compile(rb"(?mi)^\s*FROM\s")


@dataclass(frozen=True)
class Measure:
    """One finished process: seconds by the clock, seconds of CPU, largest process in MB."""

    wall: float
    cpu: float
    megabytes: float


def measure(command: Sequence[str], folder: Path) -> Measure:
    """Run a command to its end, whatever its exit code, and throw its output away."""
    start = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    return Measure(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def corpus_files(corpus: Path) -> list[Path]:
    """Return the corpus's Dockerfiles, templates left out."""
    with (corpus / "dev" / "manifest.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [corpus / "dev" / row["stored"] for row in rows if row["kind"] == "files"]


def prepare(corpus: Path, folder: Path) -> None:
    """Copy files that every tool reads: tally stops at the first one that it does not."""
    files = [path for path in corpus_files(corpus) if _FROM.search(path.read_bytes())]
    random.Random(1).shuffle(files)
    for number, path in enumerate(files[:FILES]):
        target = folder / f"{number}.Dockerfile"
        shutil.copyfile(path, target)
        target.chmod(0o644)
    spare, copied = iter(files[FILES:]), names(folder)
    for at in range(0, len(copied), BATCH):
        while (bad := _stops_tally(folder, copied[at : at + BATCH])) is not None:
            shutil.copyfile(next(spare), bad)


def _stops_tally(folder: Path, files: Sequence[str]) -> Path | None:
    result = subprocess.run(
        [tool("tally"), "lint", *OFFLINE, *files], cwd=folder, capture_output=True, text=True
    )
    match = re.search(r"failed to lint (\S+\.Dockerfile)", result.stderr)
    return folder / match[1] if match else None


def names(folder: Path) -> list[str]:
    """Return the files of a folder, by number."""
    return sorted((path.name for path in folder.glob("*.Dockerfile")), key=lambda n: int(n[:-11]))


def tool(name: str) -> str:
    """Return the path of a command that is installed beside this Python."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        sys.exit(f"bench: {name} is not installed; pip install '.[dev]'")
    return found


def compare(folder: Path) -> list[str]:
    """Let the tools take turns, print the medians and ratios, and return the bounds missed."""
    files = names(folder)
    ours = ["fix", "--check", "--quiet", "--select", "all", "--level", "risky"]
    commands = {
        EVERY: [tool("dfr"), *ours, *files],
        DEFAULTS: [tool("dfr"), "fix", "--check", "--quiet", *files],
        HADOLINT: [tool("hadolint"), "--no-fail", *files],
        TALLY: [tool("tally"), "lint", "--fix", *OFFLINE, *files],
    }
    times: dict[str, list[Measure]] = {name: [] for name in commands}
    for turn in range(ROUNDS):
        for name, command in commands.items():
            if name == TALLY and turn:  # it takes minutes, and its bound is far from what it takes
                continue
            with tempfile.TemporaryDirectory() as scratch:  # tally writes: each gets fresh files
                shutil.copytree(folder, scratch, dirs_exist_ok=True)
                times[name].append(measure(command, Path(scratch)))
    medians = {n: statistics.median(m.wall for m in found) for n, found in times.items()}
    print(f"{len(files)} files, median of {ROUNDS} rounds, {os.cpu_count()} cores")
    first = next(iter(medians))
    for name, found in times.items():
        cpu = statistics.median(m.cpu for m in found)
        print(
            f"  {name:<46} {medians[name]:7.2f} s  {cpu:7.2f} s CPU"
            f"  {medians[name] / medians[first]:6.1f} x"
        )
    return [
        f"{run}: less than {bound} times as fast as {name}"
        for (run, name), bound in BOUNDS.items()
        if medians[name] < bound * medians[run]
    ]


def start_up(folder: Path) -> list[str]:
    """Print what one file of ten lines costs, and return the bound if it is missed."""
    (folder / "Dockerfile").write_text(TEN_LINES, encoding="utf-8")
    for package in ("refactor", "transforms"):  # as pip leaves a package that is installed for use
        compileall.compile_dir(str(Path(__file__).parent.parent / package), quiet=2)
    (folder / "least.py").write_text(LEAST, encoding="utf-8")
    commands = {
        "dfr": [tool("dfr"), "fix", "--check", "--quiet", "Dockerfile"],
        "least": [sys.executable, "least.py"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(9):  # in turn, and the least of each: what else a machine does only adds to it
        for name, command in commands.items():
            times[name].append(measure(command, folder).cpu)
    dfr, least = (min(times[name]) for name in commands)
    print(f"start-up: one file of 10 lines, {dfr:.3f} s of CPU, {dfr / least:.1f} x typer's least")
    return ["start-up takes too long"] if dfr > MAX_START_UPS * least else []


def memory(corpus: Path) -> list[str]:
    """Print what one process needs for the whole corpus, and return the bound if it is missed."""
    files = [str(path) for path in corpus_files(corpus)]
    ours = ["fix", "--check", "--quiet", "--select", "all", "--level", "risky", "--jobs", "1"]
    found = measure([tool("dfr"), *ours, *files], Path.cwd())
    print(
        f"whole corpus: {len(files)} files in one process, {found.megabytes:.0f} MB, "
        f"{found.cpu:.1f} s of CPU, {1000 * found.cpu / len(files):.2f} ms a file"
    )
    return ["too much memory"] if found.megabytes > MAX_MEGABYTES else []


def main() -> None:
    """Measure all and print it."""
    parser = argparse.ArgumentParser(description="Compare with native peers in one run.")
    parser.add_argument("corpus", type=Path, help="a folder that holds dev/manifest.tsv")
    parser.add_argument("--check", action="store_true", help="fail if a bound is missed")
    arguments = parser.parse_args()
    corpus: Path = arguments.corpus.resolve()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "files").mkdir()
        prepare(corpus, folder / "files")
        missed = compare(folder / "files") + start_up(folder) + memory(corpus)
    if arguments.check and missed:
        sys.exit("bench: " + "; ".join(missed))


if __name__ == "__main__":
    main()
