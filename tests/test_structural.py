"""Wrong versions of structural changes, as people and tools write them: none is let through."""

from dataclasses import dataclass, field

import pytest

from refactor.compose import Step
from refactor.verify import verify
from tests.snapshots import run, snapshot

PROJECT = {
    "requirements.txt": "-r base.txt\npsycopg2\n",
    "base.txt": "flask\n",
    "app.py": "import flask\n",
    "compose.yaml": "services:\n  web:\n    build: .\n  jobs:\n    build: .\n"
    "    command: celery -A app worker\n",
}
SLIM = "FROM python:3.12-slim-bookworm\n"
NAIVE = (
    f"{SLIM}WORKDIR /app\nENV A=b\nRUN apt-get update \\\n"
    " && apt-get install -y --no-install-recommends gcc libpq-dev curl \\\n"
    " && rm -rf /var/lib/apt/lists/*\nCOPY . .\nRUN pip install -r requirements.txt\nEXPOSE 80\n"
    'HEALTHCHECK CMD curl -f localhost\nCMD ["gunicorn", "app:app"]\n'
)
MANIFESTS = "COPY base.txt requirements.txt ./\n"
VENV = 'COPY --from=builder /opt/venv /opt/venv\nENV PATH="/opt/venv/bin:$PATH"\n'


@dataclass(frozen=True)
class Plant:
    """A transform, a text that it changes, and what is written wrongly in the result."""

    id: str
    before: str
    wrong: tuple[tuple[str, str], ...]
    files: dict[str, str] = field(default_factory=lambda: PROJECT)


def only_step(plant: Plant) -> Step:
    """Return the one change that a transform makes."""
    outcome = run(snapshot(plant.before, plant.files), plant.id)
    assert not outcome.drops, outcome.drops[0].reason
    assert len(outcome.steps) == 1, [r for _, r in outcome.refusals]
    return outcome.steps[0]


def result(plant: Plant) -> tuple[Step, str]:
    """Return the change and the text after it."""
    from refactor.source import apply

    step = only_step(plant)
    return step, apply(step.before.text, step.change.edits)


REORDERED = (
    f"{SLIM}WORKDIR /app\nCOPY . .\nRUN pip install -r requirements.txt\nCMD python app.py\n"
)
SPLIT = NAIVE.replace("COPY . .\n", MANIFESTS).replace("EXPOSE", "COPY . .\nEXPOSE")
PLANTS = [
    Plant(
        "copy-manifests-first", REORDERED,
        (
            ("COPY base.txt requirements.txt ./", "COPY requirements.txt ./"),
            ("COPY base.txt requirements.txt ./", "COPY base.txt app.py ./"),
            ("COPY base.txt requirements.txt ./", "COPY base.txt requirements.txt ./sub/"),
            ("COPY base.txt requirements.txt ./", "COPY --chown=1 base.txt requirements.txt ./"),
            (MANIFESTS, ""),
            ("COPY . .\n", ""),
            ("COPY . .\n", "COPY . /srv\n"),
            ("COPY . .\n", "COPY --chown=1 . .\n"),
            ("COPY . .\nCMD", "COPY app.py .\nCMD"),
            ("RUN pip install -r requirements.txt\nCOPY . .",
             "COPY . .\nRUN pip install -r base.txt"),
            ("RUN pip install -r requirements.txt", "RUN pip install -r requirements.txt -t ."),
            ("COPY . .\nCMD python app.py", "CMD python app.py"),
        ),
    ),
    Plant(
        "split-python-stages", SPLIT,
        (
            # what the textbook copies: the console scripts are left behind
            ("COPY --from=builder /opt/venv /opt/venv",
             "COPY --from=builder /opt/venv/lib /opt/venv/lib"),
            ("COPY --from=builder /opt/venv /opt/venv",
             "COPY --from=builder /usr/local/lib/python3.12/site-packages "
             "/usr/local/lib/python3.12/site-packages"),
            ("COPY --from=builder /opt/venv /opt/venv\n", ""),
            ("COPY --from=builder /opt/venv /opt/venv", "COPY --from=builder /opt/venv /venv"),
            ("COPY --from=builder /opt/venv /opt/venv", "COPY --from=builder /opt /opt/venv"),
            ("COPY --from=builder /opt/venv", "COPY --chown=1 --from=builder /opt/venv"),
            (VENV, VENV.partition("\n")[0] + "\n"),
            ('ENV PATH="/opt/venv/bin:$PATH"\nCOPY . .',
             'ENV PATH="$PATH:/opt/venv/bin"\nCOPY . .'),
            ('ENV PATH="/opt/venv/bin:$PATH"\nCOPY . .', 'ENV PATH="/opt/venv/bin"\nCOPY . .'),
            # an interpreter of another path, or another version of it
            ("\nFROM python:3.12-slim-bookworm\n", "\nFROM python:3.13-slim-bookworm\n"),
            ("\nFROM python:3.12-slim-bookworm\n", "\nFROM debian:bookworm-slim\n"),
            ("\nFROM python:3.12-slim-bookworm\n", "\nFROM python:3.12-alpine\n"),
            ("FROM python:3.12-slim-bookworm AS builder", "FROM python:3.12-alpine AS builder"),
            ("RUN python -m venv /opt/venv\n", ""),
            ("RUN python -m venv /opt/venv\n", "RUN python -m venv /opt/env\n"),
            ("RUN python -m venv /opt/venv\n", "RUN virtualenv /opt/venv\n"),
            # a library that is needed, a tool that the health check runs
            ("libpq5 ", ""),
            ("libpq5 ", "libpq4 "),
            ("libpq5 curl", "libpq5"),
            ("libpq5 curl", "libpq5 curl gcc"),
            ("HEALTHCHECK CMD curl -f localhost\n", ""),
            ("EXPOSE 80\n", ""),
            ("COPY . .\nEXPOSE", "EXPOSE"),
            ("\nWORKDIR /app\nENV A=b\nRUN apt-get update \\\n && apt-get install -y "
             "--no-install-recommends libpq5", "\nWORKDIR /app\nRUN apt-get update \\\n && apt-get "
             "install -y --no-install-recommends libpq5"),
            ('CMD ["gunicorn", "app:app"]', 'CMD ["flask", "run"]'),
            ('CMD ["gunicorn", "app:app"]\n', ""),
            ("COPY base.txt requirements.txt ./\nRUN python",
             "COPY requirements.txt ./\nRUN python"),
            ("RUN pip install -r requirements.txt\n", ""),
            ("RUN pip install -r requirements.txt\n", "RUN pip install -r base.txt\n"),
            ("\nFROM python:3.12-slim-bookworm\n", "\nFROM python:3.12-slim-bookworm AS run\n"),
        ),
    ),
    Plant(
        "use-slim-base", SPLIT.replace("slim-", "").replace("gcc libpq-dev curl", "git")
        .replace("-r requirements.txt", "-r base.txt"),
        (
            ("FROM python:3.12-slim-bookworm", "FROM python:3.13-slim-bookworm"),
            ("FROM python:3.12-slim-bookworm", "FROM python:3.12-slim"),
            ("FROM python:3.12-slim-bookworm", "FROM python:3.12-alpine"),
            ("--no-install-recommends curl", "--no-install-recommends wget"),
            ("--no-install-recommends curl", "--no-install-recommends curl gcc"),
            ("install -y --no-install-recommends git", "install -y --no-install-recommends"),
            ("CMD [", "CMD x ["),
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("plant", "old", "new"),
    [
        pytest.param(plant, old, new, id=f"{plant.id} {number}")
        for plant in PLANTS
        for number, (old, new) in enumerate(plant.wrong)
    ],
)  # fmt: skip
def test_a_planted_wrong_version_is_rejected(plant: Plant, old: str, new: str) -> None:
    step, text = result(plant)
    assert old in text, text
    wrong = text.replace(old, new) if old.startswith("\nFROM") else _last(text, old, new)
    after = step.before.with_text(wrong)
    assert verify(step.before.evidence, after.evidence, step.change.claims, step.change.assumes), (
        f"let through:\n{wrong}"
    )


def _last(text: str, old: str, new: str) -> str:
    """Replace the last occurrence."""
    head, _, tail = text.rpartition(old)
    return f"{head}{new}{tail}"


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.id)
def test_the_right_version_is_let_through(plant: Plant) -> None:
    step, text = result(plant)
    after = step.before.with_text(text)
    evidence = (step.before.evidence, after.evidence)
    assert verify(*evidence, step.change.claims, step.change.assumes) is None
    for assumption in step.change.assumes:  # each one is needed
        rest = [other for other in step.change.assumes if other != assumption]
        assert verify(*evidence, step.change.claims, rest), assumption
    assert verify(*evidence, (), step.change.assumes), "nothing is claimed"


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("run.sh", "#!/bin/sh\nexec gcc x.c\n", "S505"),
        ("run.sh", "#!/usr/local/bin/python\n", "S503"),
        ("start.sh", "exec bash -lc 'gunicorn app'\n", "S503"),
        ("start.sh", "su - app -c gunicorn\n", "S503"),
        ("x.py", "import subprocess\nsubprocess.run(['gcc', 'x.c'])\n", "S505"),
        ("x.py", "import torch\n", "S505"),
        ("compose.yaml", "services: {a: {build: ., command: /usr/local/bin/celery}}\n", "S503"),
        ("compose.yaml", "services:\n  a:\n    build: .\n    command: gcc x.c\n", "S505"),
    ],
)  # fmt: skip
def test_what_stands_around_a_file_forbids_a_split(name: str, text: str, code: str) -> None:
    outcome = run(snapshot(SPLIT, {**PROJECT, name: text}), "split-python-stages")
    assert [r.code for _, r in outcome.refusals] == [code]
    assert not outcome.steps
    assert not outcome.drops


def test_an_ignored_file_that_the_install_reads_is_named() -> None:
    files = {**PROJECT, ".dockerignore": "base.txt\n"}
    outcome = run(snapshot(REORDERED, files), "copy-manifests-first")
    assert [(r.code, "base.txt" in r.reason) for _, r in outcome.refusals] == [("C401", True)]


GEMS = {"Gemfile": "gem 'pg'\n", "Gemfile.lock": "", ".bundle/config": "---\n"}
NPM = {"package.json": "{}", "package.docs.json": "{}", "app.js": ""}
# Found wrong by reviewers of real diffs: the last column is the code, if there is one.
REVIEWED = [
    ("use-slim-base", "FROM ruby:3.3\nCOPY . /a\nRUN bundle install\nCMD ruby a\n", GEMS, "B602"),
    ("use-slim-base", "FROM python:3.12\nRUN pip install git+https://x.example/y\nCMD python\n",
     PROJECT, "B602"),
    ("use-slim-base", "FROM python:3.12-bookworm\nRUN apt-get install -y libpq-dev\nCMD python\n",
     PROJECT, "B606"),
    ("use-slim-base", "FROM python:3.12-bookworm\nCOPY . /a\nCMD python /a/app.py\n",
     {**PROJECT, "app.py": "import tkinter\n"}, "B603"),
    ("split-python-stages", "FROM python:3.12-bookworm\nWORKDIR /a\nRUN apt-get update && apt-get "
     "install -y curl gcc\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\nCOPY . .\n"
     "USER root\nCMD python app.py\n", {**PROJECT, "app.py": "import tkinter\n"}, "S530"),
    ("copy-manifests-first", "FROM ruby:3.3\nWORKDIR /a\nCOPY . .\nRUN bundle config set with x\n"
     "RUN bundle install\n", GEMS, "C402"),
    ("copy-manifests-first", "FROM node:22\nWORKDIR /a\nCOPY package*.json ./\nRUN npm install\n",
     NPM, ""),
    ("run-as-user", 'FROM python:3.12-slim\nRUN git clone https://x.example/y\nCOPY . /a\n'
     'CMD ["python", "/a/app.py"]\n', PROJECT, "U308"),
    ("run-as-user", 'FROM python:3.12-slim\nCOPY . /a\nENTRYPOINT ["/opt/apache/beam/boot"]\n',
     PROJECT, "U303"),
    ("run-as-user", 'FROM python:3.12-slim\nCOPY . /a\nCMD ["python", "/a/app.py"]\n',
     {**PROJECT, "skaffold.yaml": "apiVersion: skaffold/v4\nkind: Config\nbuild:\n  artifacts:\n"
      "  - image: a\n    sync:\n      infer: ['*.py']\n"}, "U313"),
]  # fmt: skip


@pytest.mark.parametrize(("id", "text", "files", "code"), REVIEWED)
def test_what_reviewers_found_wrong_is_refused(
    id: str, text: str, files: dict[str, str], code: str
) -> None:
    outcome = run(snapshot(text, files), id)
    assert not outcome.steps
    assert not outcome.drops
    assert [r.code for _, r in outcome.refusals][:1] == ([code] if code else [])


def test_a_copy_behind_an_environment_assumes_that_it_brings_none() -> None:
    made = "ENV V=/app/venv\nRUN python -m venv $V\nENV PATH=$V/bin:$PATH\n"
    text = REORDERED.replace("COPY . .\n", f"COPY . .\n{made}")
    [step] = run(snapshot(text, PROJECT), "copy-manifests-first").steps
    assert step.change.assumes == (
        "the build context has no venv, which `COPY . /app/` would put over /app/venv",
    )
    found = run(snapshot(text, {**PROJECT, "venv/bin/python": ""}), "copy-manifests-first")
    assert [refusal.code for _, refusal in found.refusals] == ["C402"]


def test_a_slim_base_gets_what_apt_key_starts() -> None:
    text = (
        "FROM python:3.12-bookworm\nRUN curl -s https://x.example/k | apt-key add -\nCMD python\n"
    )
    outcome = run(snapshot(text, PROJECT), "use-slim-base")
    assert not outcome.steps or "gnupg" in outcome.snapshot.text


def test_the_configuration_of_a_module_that_is_started_is_read() -> None:
    text = (
        "FROM python:3.12-slim\nWORKDIR /a\nCOPY . .\nCMD python3 -O -m gunicorn a:b -c conf.py\n"
    )
    files = {**PROJECT, "conf.py": "pidfile = 'gunicorn.pid'\n"}
    outcome = run(snapshot(text, files), "run-as-user")
    assert "chown 10001:10001 /a" in outcome.snapshot.text
