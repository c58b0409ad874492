"""Run from the slim variant of a base image.

The full variants of python, ruby and the like bring compilers, headers, version control and image
tools: some 800 MB that an application seldom needs when it runs. The last stage starts from the
slim variant of the same tag instead; a library that an installed distribution links to, and a tool
such as curl that a health check runs, are installed by name. A stage that still builds keeps its
base.

Nothing changes if a program or a library that slim lacks may be needed and is not known.
"""

from collections.abc import Iterator

from refactor import Change, Claim, Effect, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import slim_bases

_FILES = ("requirements.txt=flask\n", "app.py=import flask\n")
_REST = (
    "COPY requirements.txt .\nRUN pip install -r requirements.txt\nCOPY . .\nCMD python app.py\n"
)


@transform(
    phase=Phase.BASE,
    triggers=("python", "pypy", "node", "ruby", "perl", "rust"),
    highest=Safety.SUGGESTED,
    examples=[
        Example(f"FROM python:3.12-slim\n{_REST}", files=_FILES),
        Example(f"FROM python:3.12\n{_REST}", refuses="B600", note="no build context is known"),
        Example(f"FROM python:3.12\n{_REST}", files=("requirements.txt=uwsgi\n", "app.py="),
                refuses="B602", note="uwsgi is compiled where it is installed"),
        Example(f"FROM python:3.12\nRUN make\n{_REST}", files=_FILES, refuses="B603"),
        Example("ARG V=3.12\nFROM python:$V\nCMD python\n", files=_FILES, refuses="B605"),
        Example(f"FROM python:3.12\n{_REST}", f"FROM python:3.12-slim\n{_REST}", files=_FILES),
        Example(f"FROM python:3.12-bookworm\nHEALTHCHECK CMD curl -f localhost\n{_REST}",
                "FROM python:3.12-slim-bookworm\nRUN apt-get update \\\n"
                "    && apt-get install -y --no-install-recommends curl \\\n"
                "    && rm -rf /var/lib/apt/lists/*\n"
                f"HEALTHCHECK CMD curl -f localhost\n{_REST}", files=_FILES),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the stages that images are made of."""
    for stage, found in slim_bases.candidates(snapshot):
        at = stage.start.span.start
        if isinstance(found, slim_bases.Unknown):
            yield Refusal(found.code, found.reason, found.unlock, at)
            continue
        old, new = stage.base.text, slim_bases.reference(stage)
        extra = f"; {', '.join(found.packages)} are installed by name" if found.packages else ""
        claim = Claim(Effect.BASE, frozenset({f"stage {stage.label}", f"- {old}", f"+ {new}"}))
        yield Change(
            f"{new} has all that is needed to run{extra}",
            slim_bases.edits(snapshot, stage, found.packages),
            (claim,),
            Safety.SUGGESTED,
            found.assumes,
        )
