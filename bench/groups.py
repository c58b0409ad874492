"""How many groups the changes of many files make.

    python -m bench.groups CORPUS [--files N] [--show N] [--seed N]

CORPUS holds `dev/manifest.tsv`. All transforms are run on its Dockerfiles at each level, and the
changes of that level are grouped as a campaign groups them. For each transform: the changes, the
exact and the shape groups, and how many of the largest hold 90 % of the changes. `--show` prints
so many groups of more than one change, chosen by chance, with differences to compare by eye.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench.compare import corpus_files
from refactor.compose import Step, Unstable
from refactor.config import Config
from refactor.details import difference
from refactor.engine import outcome, unsound
from refactor.fleet.groups import Group, hashes
from refactor.model import Safety
from refactor.source import Unreadable, decode
from refactor.syntax import ParseError, parse

SHARE = 0.9
SHOWN = 4


class Member(NamedTuple):
    """A change of a file, with its groups and what it does."""

    file: Path
    transform: str
    level: Safety
    group: Group
    told: str


def members(files: Iterable[Path]) -> Iterator[Member]:
    """Yield the changes of files at all levels."""
    for file in files:
        try:
            dockerfile = parse(decode(file.read_bytes()))
            if unsound(dockerfile):
                continue
            config = Config(level=Safety.RISKY, select=("all",))
            _, found = outcome("Dockerfile", dockerfile, config)
        except (ParseError, Unreadable, Unstable, RecursionError):
            continue
        for step in found.steps:
            level = step.change.effective_level
            yield Member(file, step.transform.id, level, hashes(step), _told(step))


def _told(step: Step) -> str:
    lines = [f"  {step.change.reason}", *(f"  assumes: {a}" for a in step.change.assumes)]
    lines += ["  " + row.rstrip("\n") for row in difference(step.change, step.before, "Dockerfile")]
    return "\n".join(lines)


def largest(groups: Counter[str]) -> int:
    """Return how many of the largest groups hold SHARE of all."""
    wanted, held = SHARE * groups.total(), 0
    for number, (_, count) in enumerate(groups.most_common(), 1):
        held += count
        if held >= wanted:
            return number
    return len(groups)


def table(found: list[Member]) -> Iterator[str]:
    """Yield the figures for each transform and level, and for all."""
    rows: defaultdict[tuple[str, str], list[Group]] = defaultdict(list)
    for member in found:
        level = member.level.name.lower()
        for key in ((member.transform, level), ("all", level), ("all", "any")):
            rows[key].append(member.group)
    yield f"{'transform':34} {'level':10} changes   exact (90 %)    shape (90 %)"
    for (transform, level), groups in sorted(rows.items(), key=lambda row: (row[0][0], row[0][1])):
        exact = Counter(group.exact for group in groups)
        shape = Counter(group.shape for group in groups)
        yield (
            f"{transform:34} {level:10} {len(groups):7,} {len(exact):7,} ({largest(exact):5,}) "
            f"{len(shape):7,} ({largest(shape):5,})"
        )


def samples(found: list[Member], count: int) -> Iterator[str]:
    """Yield groups with some of what is in them."""
    for kind in ("exact", "shape"):
        groups: defaultdict[str, list[Member]] = defaultdict(list)
        for member in found:
            groups[getattr(member.group, kind)].append(member)
        many = [group for group in groups.values() if len({m.told for m in group}) > 1]
        for group in random.sample(many, min(count // 2, len(many))):
            distinct = list({m.told: m for m in group}.values())
            yield f"\n=== {kind}: {group[0].transform}, {len(group)} changes"
            for member in random.sample(distinct, min(SHOWN, len(distinct))):
                yield f"--- {member.file.name}\n{member.told}"


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--files", type=int, default=0)
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random.seed(options.seed)
    files = corpus_files(options.corpus)
    if options.files:
        files = random.sample(files, min(options.files, len(files)))
    found = list(members(files))
    print("\n".join(table(found)))
    print("\n".join(samples(found, options.show)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
