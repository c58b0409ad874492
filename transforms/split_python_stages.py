"""Install Python packages in a stage of their own, and run from one without the build tools.

Compilers, headers and version control are there to install, and are not needed to run. The
installs go into a virtual environment in a builder; the image that runs takes it over with the
same interpreter at the same path, and console scripts are found by PATH. Packages that only build
are left out of it; where one brings the headers of a library, the library itself is installed.
Everything that the image starts with stays as it was.

Nothing changes if what runs may need what is left out: the sources in the build context, scripts,
and how the image is started elsewhere are looked through for that.
"""

from collections.abc import Iterator

from refactor import Change, Claim, Effect, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import python_split, split_edits

_FILES = ("requirements.txt=psycopg2\n", "app.py=import psycopg2\n")
_APT = "RUN apt-get update && apt-get install -y --no-install-recommends gcc libpq-dev\n"
_FROM = "FROM python:3.12-slim-bookworm\nWORKDIR /app\n"
_PIP = "COPY requirements.txt .\nRUN pip install -r requirements.txt\nCOPY . .\n"


@transform(
    phase=Phase.STAGES,
    triggers=("pip",),
    highest=Safety.SUGGESTED,
    examples=[
        Example("FROM python:3.12-slim\nRUN pip install flask\n", files=("app.py=",),
                note="nothing in it only builds"),
        Example("FROM python:3.12\nRUN pip install flask\nRUN make\n", files=("app.py=",),
                refuses="S530", note="the base would stay the full one"),
        Example(f"{_FROM}{_APT}{_PIP}", refuses="S516", note="no build context is known"),
        Example(f"{_FROM}{_APT}RUN pip install -e .\n", files=("setup.py=",), refuses="S504"),
        Example(f"{_FROM}{_APT}{_PIP}", files=("requirements.txt=", "run.sh=exec gcc x.c\n"),
                refuses="S505", note="a script that is there to be run compiles"),
        Example(f"{_FROM}{_APT}{_PIP}ENTRYPOINT /usr/local/bin/gunicorn app\n", files=_FILES,
                refuses="S503", note="the script that is named would move"),
        Example(f"{_FROM}{_APT}{_PIP}RUN make\n", files=_FILES, refuses="S515"),
        Example(f'{_FROM}{_APT}{_PIP}CMD ["python", "app.py"]\n',
                'FROM python:3.12-slim-bookworm AS builder\nWORKDIR /app\n'
                f'{_APT}COPY requirements.txt .\nRUN python -m venv /opt/venv\n'
                'ENV PATH="/opt/venv/bin:$PATH"\nRUN pip install -r requirements.txt\n\n'
                f'{_FROM}RUN apt-get update && apt-get install -y --no-install-recommends libpq5\n'
                'COPY --from=builder /opt/venv /opt/venv\nENV PATH="/opt/venv/bin:$PATH"\n'
                'COPY . .\nCMD ["python", "app.py"]\n', files=_FILES),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each stage that starts from a Python image."""
    for found in python_split.splits(snapshot):
        if isinstance(found, python_split.Obstacle):
            yield Refusal(found.code, found.reason, found.unlock, found.at.span.start)
            continue
        written = split_edits.split_environment(snapshot, found)
        if written is None:
            yield Refusal("S502", "a comment stands among the packages that would be left out",
                          "move it above the RUN", found.first.span.start)  # fmt: skip
            continue
        names = sorted(set(found.dropped))
        full = found.stage.image.full  # it has what builds, whatever is left out
        if full and (reason := split_edits.idle(snapshot, written)):
            yield Refusal("S530", f"nothing would be left out: {reason}", "see use-slim-base",
                          found.first.span.start)  # fmt: skip
            continue
        what = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        claimed = frozenset(
            {f"builder {found.builder}", "kind environment", *(f"- {name}" for name in names)}
        )
        yield Change(
            f"the image runs without {what or 'what its base has to build with'}",
            written,
            (Claim(Effect.STAGES, claimed),),
            Safety.SUGGESTED,
            tuple(found.assumes),
        )
