"""Builds the projects in `fixtures/` before and after, and writes docs/projects.md.

    python -m bench.projects          write the page
    python -m bench.projects NAME...  only print the rows of some projects

DFR_ENGINE names the folder of the engine's scripts, as for the tests.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.engine import Engine
from tests.fixture_projects import Project, Version, compare, engine_for, projects

PAGE = Path(__file__).parent.parent / "docs" / "projects.md"
HEAD = """# Projects, before and after

Small projects of our own, in `fixtures/`, in the shapes that containers are first written in. Each
is built and asked as it is and after `dfr fix --select all --level risky`, by
`tests/test_engine_projects.py`: the answers are the same. `user` is who the processes run as.
Sizes are those of the uncompressed image. The images they start from are made for the tests from
Debian's packages, so sizes differ from what a registry's images would give.

<!-- written by `python -m bench.projects` -->

| project | what it is | MB | layers | user |
|---|---|---|---|---|
"""
UNBUILT = """
These are refactored, and not built:

| project | what it is | why |
|---|---|---|
"""


def _change(before: object, after: object) -> str:
    return f"{before} → {after}" if before != after else f"{before}"


def _size(version: Version) -> str:
    return f"{version.image.size / 1e6:.0f}"


def _user(version: Version) -> str:
    complaint = " (does not start)" if version.behaviour.complaint else ""
    return ("root" if version.behaviour.root else "non-root") + complaint


def row(engine: Engine, project: Project) -> str:
    """Return a project's row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        before, after = compare(engine, project, Path(folder))
    layers = _change(before.image.layers, after.image.layers)
    return (
        f"| `{project.name}` | {project.title} | {_change(_size(before), _size(after))} "
        f"| {layers} | {_change(_user(before), _user(after))} |"
    )


def main() -> None:
    """Write the page, or print some rows."""
    names = sys.argv[1:]
    chosen = [project for project in projects() if not names or project.name in names]
    built = [project for project in chosen if not project.unbuilt]
    engine = engine_for(built)
    rows = []
    for project in built:
        rows.append(row(engine, project))
        print(rows[-1], flush=True)
    if not names:
        rest = [f"| `{p.name}` | {p.title} | {p.unbuilt} |" for p in chosen if p.unbuilt]
        text = HEAD + "\n".join(rows) + "\n" + UNBUILT + "\n".join(rest) + "\n"
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
