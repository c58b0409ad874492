"""Sources that are compiled behind their copy: where, and what is no such thing."""

import pytest

from refactor.source import apply
from refactor.verify import verify
from tests.snapshots import run, snapshot

ID = "compile-python-sources"
FILES = {"app.py": "print(1)\n", "tests/test_a.py": "def test_a(): pass\n"}
TEXT = "FROM python:3.12-slim\nWORKDIR /app\nCOPY . .\nRUN a\nUSER 1000\nCMD python app.py\n"
MADE = "RUN python -m compileall -q .\n"
RIGHT = TEXT.replace("RUN a", f"{MADE}RUN a")


@pytest.mark.parametrize(
    ("text", "files", "codes"),
    [
        (TEXT.replace("python:3.12-slim", "debian"), FILES, []),
        (TEXT.replace("USER 1000\n", ""), FILES, []),
        (TEXT.replace("/app", "/"), FILES, []),
        (TEXT.replace("COPY", 'SHELL ["/bin/bash", "-c"]\nCOPY'), FILES, []),
        (f"{TEXT}FROM scratch\n", FILES, []),
        (TEXT, {"a.js": ""}, []),
        (TEXT, {**FILES, "tests/bad.py": "print 1\n"}, ["P312"]),
        (TEXT.replace("COPY . .", "COPY missing .\nCOPY . ."), FILES, ["P313"]),
        (TEXT.replace("COPY", "VOLUME /app\nCOPY"), FILES, ["P314"]),
        (TEXT.replace("COPY", "RUN uv sync\nCOPY"), FILES, ["P315"]),
        (TEXT.replace("COPY", "RUN python -m venv /app/.venv\nCOPY"), FILES, ["P315"]),
        (
            "FROM a AS a\n" + TEXT.replace("COPY", "COPY --from=a /v /app/.venv\nCOPY"),
            FILES,
            ["P315"],
        ),
    ],
)
def test_it_is_left_alone(text: str, files: dict[str, str], codes: list[str]) -> None:
    outcome = run(snapshot(text, files), ID)
    assert outcome.snapshot.text == text
    assert [refusal.code for _, refusal in outcome.refusals] == codes


@pytest.mark.parametrize(
    "wrong",
    [
        RIGHT.replace("-q .", "-q /"),
        RIGHT.replace("-q .", "-q -f ."),
        RIGHT.replace("python -m", "python2 -m"),
        RIGHT.replace("-q .", "-q . || true"),
        RIGHT.replace(MADE, f"{MADE}{MADE}"),
        RIGHT.replace(MADE, f"USER 1000\n{MADE}"),
        RIGHT.replace(MADE, f"WORKDIR /x\n{MADE}"),
        RIGHT.replace("COPY . .\n" + MADE, MADE + "COPY . .\n"),
        RIGHT.replace(f"{MADE}RUN a", f"RUN a\n{MADE}".rstrip()),
        RIGHT.replace(".\nRUN a", ". && a"),
        TEXT,
    ],
)  # fmt: skip
def test_a_wrong_version_is_rejected(wrong: str) -> None:
    outcome = run(snapshot(TEXT, FILES), ID)
    assert outcome.snapshot.text == RIGHT
    change, before = outcome.steps[0].change, outcome.steps[0].before
    assert apply(before.text, change.edits) == RIGHT

    def reason(text: str, assumes: tuple[str, ...]) -> str | None:
        after = before.with_text(text).evidence
        return verify(before.evidence, after, change.claims, assumes)

    assert reason(RIGHT, change.assumes) is None
    assert reason(RIGHT, ()) is not None
    assert reason(wrong, change.assumes) is not None


def test_what_stands_in_front_may_bring_no_sources() -> None:
    made = "RUN python -m venv /opt/venv && mkdir /app/data && useradd a\nRUN pip install six\n"
    outcome = run(snapshot(TEXT.replace("COPY", f"{made}COPY"), FILES), ID)
    assert MADE in outcome.snapshot.text
