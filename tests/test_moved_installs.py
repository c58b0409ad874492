"""A virtual environment in place of what stages take from an interpreter's folders, or why not."""

import pytest

from refactor.compose import Step
from refactor.source import apply
from refactor.verify import verify
from tests.snapshots import run, snapshot

ID = "use-virtual-environment"
FILES = {"requirements.txt": "flask\n", "app.py": "import flask\n"}
SITE = "/usr/local/lib/python3.12/site-packages"
BUILD = "FROM python:3.12 AS build\nWORKDIR /app\nCOPY requirements.txt .\n"
PIP = "RUN pip install -r requirements.txt\n"
RUN = "FROM python:3.12-slim\nWORKDIR /app\n"
COPY = f"COPY --from=build {SITE} {SITE}\n"
BIN = "COPY --from=build /usr/local/bin /usr/local/bin\n"
END = 'COPY app.py .\nCMD ["python", "app.py"]\n'
MADE = 'RUN python -m venv /opt/venv\nENV PATH="/opt/venv/bin:$PATH"\n'
TAKEN = 'COPY --from=build /opt/venv /opt/venv\nENV PATH="/opt/venv/bin:$PATH"\n'
USER = "RUN pip install --user -r requirements.txt\n"
LOCAL = "COPY --from=build /root/.local /root/.local\n"
TAIL = RUN + COPY + END
WHOLE = "COPY --from=build /usr/local /usr/local\n"

REFUSED = {
    "another version is copied": (BUILD + PIP + RUN + COPY.replace("3.12", "3.11") + END, "S541"),
    "another family": (BUILD + PIP + RUN.replace("slim", "alpine") + COPY + END, "S541"),
    "no version is named": (BUILD.replace("3.12", "3") + PIP + TAIL, "S541"),
    "another image": (BUILD + PIP + RUN.replace("python:3.12-slim", "debian") + COPY + END, "S541"),
    "another platform": (BUILD + PIP + RUN.replace("FROM", "FROM --platform=linux/arm64") + COPY
                         + END, "S541"),
    "both inherit installs": (
        "FROM python:3.12 AS base\nRUN pip install six\n"
        f"FROM base AS build\n{PIP}FROM base\n{COPY}",
        "S543"),
    "what both inherit is of another tool": (
        "FROM python:3.12 AS base\nRUN uv sync\n"
        f"FROM base AS build\n{PIP}FROM base\n{COPY}",
        "S543"),
    "both inherit a setting": (
        "FROM python:3.12 AS base\nENV PIP_USER=1\n"
        f"FROM base AS build\n{PIP}FROM base\n{COPY}",
        "S503"),
    "a third stage copies a script": (
        f"{BUILD}{PIP}{TAIL}FROM debian\nCOPY --from=build /usr/local/bin/black /b\n",
        "S514"),
    "a script is copied by another name": (
        f"{BUILD}{PIP}{RUN}{COPY}COPY --from=build /usr/local/bin/black /usr/bin/black\n{END}",
        "S514"),
    "a pattern may name what moves": (
        f"{BUILD}{PIP}{TAIL}FROM debian\nCOPY --from=build /usr/lo*/bin /b\n", "S514"),
    "a path without a slash in front": (
        f"{BUILD}{PIP}{TAIL}FROM debian\nCOPY --from=build usr/local/bin /b\n", "S514"),
    "a third stage mounts the builder": (
        f"{BUILD}{PIP}{TAIL}FROM debian\n"
        "RUN --mount=type=bind,from=build,target=/b cp /b/usr/local/bin/black /\n", "S514"),
    "a third stage copies from the one that runs": (
        f"{BUILD}{PIP}{TAIL}".replace("slim\n", "slim AS run\n")
        + "FROM debian\nCOPY --from=run /app /app\n", "S514"),
    "ONBUILD": (f"{BUILD}{PIP}{RUN}{COPY}ONBUILD RUN x\n{END}", "S514"),
    "PYTHONHOME": (f"{BUILD}{PIP}{RUN}ENV PYTHONHOME=/usr/local\n{COPY}{END}", "S503"),
    "a target for pip": (f"{BUILD}ARG PIP_TARGET\n{PIP}{TAIL}", "S503"),
    "PYTHONPATH names the old place": (
        f"{BUILD}{PIP}{RUN}ENV PYTHONPATH={SITE}\n{COPY}{END}", "S503"),
    "PATH changes behind the copy": (f"{BUILD}{PIP}{RUN}{COPY}ENV PATH=/app:$PATH\n{END}", "S503"),
    "PATH changes behind the install": (f"{BUILD}{PIP}ENV PATH=/app:$PATH\n{TAIL}", "S503"),
    "the environment is there": (f"{BUILD}RUN mkdir /opt/venv\n{PIP}{TAIL}", "S503"),
    "other owners": (f"{BUILD}{PIP}{RUN}{COPY}{BIN}{END}".replace("--from=build /usr/local/bin",
                     "--from=build --chown=1 /usr/local/bin"), "S502"),
    "own modules, too": (f"{BUILD}{PIP}{RUN}{COPY}COPY app.py {SITE}/app.py\n{END}", "S542"),
    "own modules in the builder": (f"{BUILD}{PIP}COPY app.py {SITE}/app.py\n{TAIL}", "S542"),
    "a tool among the scripts": (
        f"{BUILD}RUN curl -o /usr/local/bin/tini x\n{PIP}{RUN}{COPY}{BIN}{END}", "S542"),
    "a script that is not read": (f"{BUILD}{PIP}RUN ./setup.sh\n{TAIL}", "S542"),
    "a loop": (f"{BUILD}RUN for a in b; do pip install $a; done\n{PIP}{TAIL}", "S504"),
    "poetry": (f"{BUILD}{PIP}RUN poetry install\n{TAIL}", "S543"),
    "uv": (f"{BUILD}{PIP}RUN uv pip install --system six\n{TAIL}", "S543"),
    "setup.py": (f"{BUILD}{PIP}RUN python setup.py install\n{TAIL}", "S543"),
    "data beside the modules": (
        f"{BUILD}{PIP}RUN python fetch.py\n{RUN}{WHOLE}{END}", "S543"),
    "not as root": (f"{BUILD}USER app\n{PIP}{TAIL}", "S504"),
    "what the interpreter has": (
        BUILD + PIP.replace("install", "install --no-build-isolation") + TAIL, "S504"),
    "a place that a variable names": (
        f"{BUILD}RUN PYTHONUSERBASE=/u {USER[4:]}{RUN}{LOCAL}{END}", "S504"),
    "not taken over now": (f"{BUILD}RUN pip install poetry\n{USER}{RUN}{LOCAL}{END}", "S543"),
    "another prefix": (
        BUILD + PIP.replace("install", "install --prefix=/a") + RUN
        + "COPY --from=build /b /usr/local\n" + END, "S504"),
    "modules from two places": (f"{BUILD}{USER}{PIP}{RUN}{LOCAL}{COPY}{END}", "S502"),
    "pip in the stage that runs": (f"{BUILD}{PIP}{RUN}{COPY}RUN pip install six\n{END}", "S543"),
    "the interpreter by its path": (
        f'{BUILD}{PIP}{RUN}{COPY}CMD ["/usr/local/bin/python", "app.py"]\n', "S503"),
    "a program by its path": (
        f"{BUILD}{PIP}{RUN}{COPY}{BIN}CMD /usr/local/bin/gunicorn a\n", "S503"),
    "a PATH of its own": (f"{BUILD}{PIP}{RUN}{COPY}CMD su - app -c gunicorn\n", "S503"),
    "an interpreter inside": (f"{BUILD}{PIP}{RUN}{COPY}{BIN}CMD uwsgi --ini a.ini\n", "S503"),
    "a command in root's .local": (
        f"{BUILD}{USER}{RUN}{LOCAL}CMD /root/.local/bin/flask run\n", "S503"),
    "a command on root's .local": (
        f"{BUILD}{USER}{RUN}{LOCAL}RUN chmod 700 /root/.local\n{END}", "S503"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code"), REFUSED.values(), ids=REFUSED)
def test_it_is_left_alone(text: str, code: str) -> None:
    outcome = run(snapshot(text, FILES), ID)
    assert not outcome.drops
    assert outcome.snapshot.text == text
    assert [refusal.code for _, refusal in outcome.refusals] == [code]


AROUND = {
    "a script": {"run.sh": "exec /usr/local/bin/gunicorn app\n"},
    "a compose file": {"compose.yaml": "services:\n  a:\n    build: .\n    command: "
                       "/usr/local/bin/celery\n"},
    "a mount": {"compose.yaml": f"services:\n  a:\n    build: .\n    volumes: ['./a:{SITE}/a']\n"},
    "a program that the sources start": {"app.py": "import subprocess\n"
                                         "subprocess.run(['/usr/local/bin/celery'])\n"},
    "a script of Python with the path of its interpreter": {"app.py": "#!/usr/local/bin/python\n"},
}  # fmt: skip


@pytest.mark.parametrize("files", AROUND.values(), ids=AROUND)
def test_what_stands_around_forbids_it(files: dict[str, str]) -> None:
    outcome = run(snapshot(f"{BUILD}{PIP}{RUN}{COPY}{BIN}{END}", {**FILES, **files}), ID)
    assert not outcome.steps
    assert [refusal.code for _, refusal in outcome.refusals] == ["S503"]


TAKEN_OVER = {
    "modules": (BUILD + PIP + TAIL, BUILD + MADE + PIP + RUN + TAKEN + END),
    "the whole library": (
        BUILD + PIP + RUN + COPY.replace("/site-packages", "/") + END,
        BUILD + MADE + PIP + RUN + TAKEN + END),
    "the whole prefix": (BUILD + PIP + RUN + WHOLE + END, BUILD + MADE + PIP + RUN + TAKEN + END),
    "scripts by name": (
        f"{BUILD}{PIP}{RUN}{COPY}COPY --from=build /usr/local/bin/flask /usr/local/bin/black "
        f"/usr/local/bin/\n{END}",
        BUILD + MADE + PIP + RUN + TAKEN + END),
    "in front of the RUN, with what it installs besides": (
        f"{BUILD}RUN apt-get update && apt-get install -y gcc && {PIP[4:]}{TAIL}",
        f"{BUILD}{MADE}RUN apt-get update && apt-get install -y gcc && {PIP[4:]}{RUN}{TAKEN}{END}"),
    "pip first, with what pip compiles behind": (
        f"{BUILD}RUN pip install -U pip\n{PIP}RUN python -m compileall /app\n{TAIL}",
        f"{BUILD}{MADE}RUN pip install -U pip\n{PIP}RUN python -m compileall /app\n"
        f"{RUN}{TAKEN}{END}"),
    "commands behind find it": (
        f"{BUILD}{PIP}{RUN}{COPY}{BIN}RUN python -m flask check\nCOPY app.py .\nUSER 1000\n",
        f"{BUILD}{MADE}{PIP}{RUN}{TAKEN}RUN python -m flask check\nCOPY app.py .\nUSER 1000\n"),
    "for the user, by python -m": (
        BUILD + USER + RUN + LOCAL + END, BUILD + MADE + PIP + RUN + TAKEN + END),
    "for the user, with PATH in front": (
        f"{BUILD}RUN pip install --upgrade --user pip && {USER[4:]}{RUN}"
        f'ENV A=b PATH="/root/.local/bin:${{PATH}}"\nRUN echo\n{LOCAL}{END}',
        f"{BUILD}{MADE}RUN pip install --upgrade pip && {PIP[4:]}{RUN}"
        'ENV A=b PATH="/opt/venv/bin:${PATH}"\nRUN echo\nCOPY --from=build /opt/venv /opt/venv\n'
        f"{END}"),
    "a prefix, in two words and lines": (
        f"{BUILD}RUN pip install \\\n    --prefix /out \\\n    -r requirements.txt\n{RUN}"
        f"COPY --link --from=build [\"/out\", \"/usr/local\"]\n{END}",
        f"{BUILD}{MADE}RUN pip install \\\n    -r requirements.txt\n{RUN}"
        + TAKEN.replace("COPY", "COPY --link") + END),
    "PATH and PYTHONPATH in front": (
        f"{BUILD}{PIP}{RUN}ENV PATH=/app/bin:$PATH PYTHONPATH=/app\n{COPY}{END}",
        f"{BUILD}{MADE}{PIP}{RUN}ENV PATH=/app/bin:$PATH PYTHONPATH=/app\n{TAKEN}{END}"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), TAKEN_OVER.values(), ids=TAKEN_OVER)
def test_it_is_taken_over(text: str, wanted: str) -> None:
    outcome = run(snapshot(text, FILES), ID)
    assert not outcome.drops, outcome.drops[0].reason
    assert [refusal.reason for _, refusal in outcome.refusals] == []
    assert outcome.snapshot.text == wanted


WRONG = {
    "made behind the install": (MADE + PIP, PIP + MADE),
    "not made": (MADE, 'ENV PATH="/opt/venv/bin:$PATH"\n'),
    "not in the builder's PATH": (MADE, "RUN python -m venv /opt/venv\n"),
    "not in the image's PATH": (TAKEN, "COPY --from=build /opt/venv /opt/venv\n"),
    "at another place": (TAKEN, TAKEN.replace("venv /opt/venv", "venv /venv")),
    "in PATH too late": (TAKEN + "RUN a\n", TAKEN.replace("\nENV", "\nRUN a\nENV")),
    "behind the rest of PATH": (TAKEN, TAKEN.replace("/opt/venv/bin:$PATH", "$PATH:/opt/venv/bin")),
    "with another owner": ("COPY --from=build", "COPY --chown=1 --from=build"),
    "with the system's packages": ("-m venv", "-m venv --system-site-packages"),
    "by another interpreter": ("RUN python -m", "RUN python3.11 -m"),
    "with fewer requirements": ("-r requirements.txt", "-r other.txt"),
    "the scripts as well": (TAKEN, TAKEN + BIN),
    "from another image": ("slim", "slim-bookworm"),
}


@pytest.mark.parametrize(("old", "new"), WRONG.values(), ids=WRONG)
def test_a_wrong_version_is_rejected(old: str, new: str) -> None:
    step = _step()
    text = apply(step.before.text, step.change.edits)
    assert old in text
    start, _, end = text.rpartition(old)
    assert _reason(step, start + new + end) is not None


def test_what_is_assumed_is_printed() -> None:
    step = _step()
    text = apply(step.before.text, step.change.edits)
    assert _reason(step, text) is None
    before, after = step.before.evidence, step.before.with_text(text).evidence
    assert verify(before, after, step.change.claims, step.change.assumes[:1]) is not None
    assert verify(before, after, (), step.change.assumes) is not None


def _step() -> Step:
    outcome = run(snapshot(f"{BUILD}{PIP}{RUN}{COPY}RUN a\n{END}", FILES), ID)
    return outcome.steps[0]


def _reason(step: Step, text: str) -> str | None:
    after = step.before.with_text(text).evidence
    return verify(step.before.evidence, after, step.change.claims, step.change.assumes)
