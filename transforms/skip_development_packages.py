"""Install no packages that are only for the development.

Poetry, PDM and uv install the project's groups for its development, too, unless they are told not
to: test runners, linters and type checkers then stand in the image. Poetry is told `--only main`,
PDM `--prod`, uv `--no-dev`.

It is asked for by name. Nothing changes unless each of those packages is known to be a tool of
development, and nothing that is sent, that is built or that starts the image names one: what is
unknown may be needed to run. Where `requirements-dev.txt`, an extra `[dev]` or `pipenv --dev` is
installed by name, that is left to a person.
"""

import re
from collections.abc import Iterator

from refactor import (
    Change,
    Effect,
    Example,
    Phase,
    Refusal,
    Run,
    Safety,
    Snapshot,
    apt,
    edits,
    packages,
    transform,
)
from refactor.structure import development

_OPTIONS = {"poetry": "--only main", "pdm": "--prod", "uv": "--no-dev"}
_DECIDED = (
    "--only", "--with", "--without", "--no-dev", "--dev", "--only-dev", "--only-root", "--group",
    "--only-group", "--no-default-groups", "--all-groups", "--no-group", "--prod", "--production",
    "-G", "--dev-only", "-d",
)  # fmt: skip
_DEVELOPMENT = re.compile(r"(?:\A|[/._-])(?:dev\w*|ci|tests?|lint)(?:[/._-]|\Z)", re.IGNORECASE)
_DEV_FILE = re.compile(r"(?:dev|test)[\w-]*\.txt|requirements[/_-](?:dev|test)")
_EXTRA = re.compile(r"[\[,](?:dev\w*|tests?|testing|lint)[\],]")
_POETRY = "[tool.poetry.group.dev.dependencies]\npytest = '*'\nruff = '*'\n"
_APP = "FROM python:3.12\nCOPY . .\n"
_START = 'CMD ["python", "app.py"]\n'


@transform(
    phase=Phase.FLAGS,
    triggers=("poetry", "pdm", "uv", "pip"),
    highest=Safety.RISKY,
    default=False,
    examples=[
        Example(f"{_APP}RUN poetry install --without dev\n", files=(f"pyproject.toml={_POETRY}",)),
        Example(f"{_APP}RUN uv sync --no-dev\n", files=("pyproject.toml=",)),
        Example(f"{_APP}RUN uv sync\n", files=("pyproject.toml=",), note="there are none"),
        Example("FROM python:3.12 AS test\nRUN poetry install\nFROM debian\n",
                files=(f"pyproject.toml={_POETRY}",), note="a stage for tests"),
        Example(f"{_APP}RUN poetry install\n", refuses="S601", note="no build context is known"),
        Example(f"{_APP}RUN poetry install\n", refuses="S601",
                files=("pyproject.toml=", "b/pyproject.toml=")),
        Example(f"{_APP}RUN uv sync\n", refuses="S602",
                files=("pyproject.toml=[dependency-groups]\ndev = ['ruff', 'watchfiles>=1']\n",)),
        Example(f"{_APP}RUN uv sync\n", refuses="S602",
                files=("pyproject.toml=[dependency-groups]\ndev = [{include-group = 'x'}]\n",)),
        Example(f"{_APP}RUN poetry install\n", refuses="S603",
                files=(f"pyproject.toml={_POETRY}", "tests/test_a.py=import pytest\n")),
        Example(f"{_APP}RUN poetry install\nRUN ruff check .\n", refuses="S604",
                files=(f"pyproject.toml={_POETRY}", "app.py=")),
        Example(f"{_APP}RUN poetry install\n", refuses="S604",
                files=(f"pyproject.toml={_POETRY}", "run.sh=exec python -m pytest\n")),
        Example("FROM python:3.12 AS a\nRUN poetry install\nFROM a AS b\nFROM a\n", refuses="S605",
                files=(f"pyproject.toml={_POETRY}",)),
        Example(f"{_APP}RUN pip install -r requirements-dev.txt\n", refuses="S606",
                files=("requirements-dev.txt=-r requirements.txt\npytest\n",)),
        Example(f"{_APP}RUN pip install -e '.[web,dev]'\n", refuses="S606"),
        Example(f"{_APP}RUN pipenv sync --dev\n", refuses="S606"),
        Example(f"{_APP}RUN poetry install --no-root\n{_START}",
                f"{_APP}RUN poetry install --only main --no-root\n{_START}",
                files=(f"pyproject.toml={_POETRY}", "app.py=import flask\n")),
        Example(f"{_APP}RUN uv sync --frozen\n{_START}", f"{_APP}RUN uv sync --no-dev --frozen\n{_START}",
                files=("pyproject.toml=[dependency-groups]\ndev = ['pytest>=8', 'types-six']\n",
                       "app.py=import flask\n")),
        Example(f"{_APP}RUN pdm sync\n{_START}", f"{_APP}RUN pdm sync --prod\n{_START}",
                files=("pyproject.toml=[tool.pdm.dev-dependencies]\nx = ['mypy']\n", "app.py=")),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each install of a project."""
    if _DEVELOPMENT.search(snapshot.place):
        return
    for run in snapshot.runs:
        stage = snapshot.graph.stages[run.stage]
        if run.triggered or _DEVELOPMENT.search(stage.name):
            continue
        for command, op in apt.operations(run):
            at = run.instruction.span.start
            if _is_asked_for(op):
                yield Refusal("S606", "what is installed for the development may hold more than that",
                              "install what is for production by itself", at)  # fmt: skip
            installs = op.manager in _OPTIONS and op.action in ("install", "sync")
            if installs and not op.has(*_DECIDED):
                yield from _judge(snapshot, run, command, op)


def _is_asked_for(op: packages.Operation) -> bool:
    """Whether an install names what is for the development: a file, an extra, an option."""
    if op.manager == "pip":
        return any(_DEV_FILE.search(w.text) or _EXTRA.search(w.text) for w in op.arguments)
    return op.manager == "pipenv" and op.has("--dev", "-d") and op.action in ("install", "sync")


def _judge(
    snapshot: Snapshot, run: Run, command: packages.Command, op: packages.Operation
) -> Iterator[Change | Refusal]:
    at = run.instruction.span.start
    children = snapshot.graph.children(run.stage)
    found = development.packages(snapshot, op.manager)
    if len(children) > 1 or any(_DEVELOPMENT.search(child.name) for child in children):
        yield Refusal("S605", "other stages start from this one, and may be for tests",
                      "add the option by hand", at)  # fmt: skip
    elif isinstance(found, development.Needed):
        yield Refusal(*found, at)
    elif found:
        option = _OPTIONS[op.manager]
        becomes = packages.with_words(command, {op.action_word: option.split()})
        yield Change(
            f"packages for the development are installed: {', '.join(sorted(found))}",
            (edits.insert_word(run, op.action_word, option),),
            (edits.changed_command(command, becomes, Effect.PACKAGES),),
            Safety.RISKY,
        )
