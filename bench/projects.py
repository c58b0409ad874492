"""Builds the projects in `fixtures/` before and after, and writes docs/projects.md.

    python -m bench.projects          write the page
    python -m bench.projects NAME...  only print the rows of some projects

DFR_ENGINE names the folder of the engine's scripts, as for the tests.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.fixture_projects import engine_for, projects, prove_project, row

PAGE = Path(__file__).parent.parent / "docs" / "projects.md"
HEAD = """# Projects, before and after

Small projects of our own, in `fixtures/`, in the shapes that containers are first written in. Each
is built, compared and asked as it is and refactored with `--select all --level risky`, as
`dfr prove` does it, by `tests/test_engine_projects.py`. `user` is who the processes run as.
A secret is an argument of the build before, or a file that is copied, and mounted after: it is in
the first image, and in no byte of the second. The services of `compose-services` are started and
asked with the settings that their compose file has before and after, by
`tests/test_engine_compose.py`; its Kubernetes manifest is only read.
Sizes are those of the uncompressed image. The images they start from are made for the tests from
Debian's packages, so sizes differ from what a registry's images would give.

<!-- written by `python -m bench.projects` -->

| project | what it is | MB | layers | user | verdict |
|---|---|---|---|---|---|
"""
UNBUILT = """
These are refactored, and not built:

| project | what it is | why |
|---|---|---|
"""


def main() -> None:
    """Write the page, or print some rows."""
    names = sys.argv[1:]
    chosen = [project for project in projects() if not names or project.name in names]
    built = [project for project in chosen if not project.unbuilt]
    engine = engine_for(built)
    rows = []
    for project in built:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(project, prove_project(engine, project, Path(folder))))
        print(rows[-1], flush=True)
    if not names:
        rest = [f"| `{p.name}` | {p.title} | {p.unbuilt} |" for p in chosen if p.unbuilt]
        text = HEAD + "\n".join(rows) + "\n" + UNBUILT + "\n".join(rest) + "\n"
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
