"""Compile the application's Python sources while the image is built.

pip compiles what it installs, COPY compiles nothing. Where a user runs the image who may not write
beside the sources, or `PYTHONDONTWRITEBYTECODE` is set, each start of each container compiles all
that it imports, and keeps none of it. `python -m compileall` does it once, behind the copy. That is
also the one condition under which `PYTHONDONTWRITEBYTECODE` costs nothing; it is never added here.
(It does not keep pip from compiling, nor `compileall`: only imports write no compiled modules.)

It is asked for by name: the image gets larger, and a source that does not compile fails the build.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Claim,
    Effect,
    Example,
    Phase,
    Refusal,
    Safety,
    Snapshot,
    edits,
    sources,
    transform,
)
from refactor.structure import compiled_sources

_FILES = ("app.py=print(1)\n", "requirements.txt=")
_FROM = "FROM python:3.12-slim\nWORKDIR /app\nCOPY requirements.txt .\n"
_FROM += "RUN pip install -r requirements.txt\n"
_END = 'USER 1000\nCMD ["python", "app.py"]\n'
_MADE = "RUN python -m compileall -q .\n"


@transform(
    phase=Phase.ENTRY,
    triggers=("python",),
    default=False,
    highest=Safety.SUGGESTED,
    examples=[
        Example(f'{_FROM}COPY . .\nCMD ["python", "app.py"]\n', files=_FILES,
                note="root keeps what the first start compiles"),
        Example(f"{_FROM}{_END}", files=_FILES, note="no source is copied"),
        Example(f"{_FROM}COPY . .\nENV PYTHONOPTIMIZE=2\n{_END}", files=_FILES),
        Example(f"{_FROM}COPY . .\n{_END}", refuses="P313", note="no build context is known"),
        Example(f"{_FROM}COPY . .\n{_END}", files=("a.py=print 1\n", "requirements.txt="),
                refuses="P312", note="sources of Python 2"),
        Example(f"{_FROM}USER 1000\nCOPY . .\n{_END}", files=_FILES, refuses="P314"),
        Example(f"{_FROM}COPY . .\nRUN rm -rf __pycache__\n{_END}", files=_FILES, refuses="P311"),
        Example(f"{_FROM}RUN uv sync\nCOPY . .\n{_END}", files=_FILES, refuses="P315"),
        Example(f"{_FROM}COPY . .\n{_END}", f"{_FROM}COPY . .\n{_MADE}{_END}", files=_FILES),
        Example(f"{_FROM}# sources\nCOPY --chown=1 . /app/\nENV PYTHONDONTWRITEBYTECODE=1\n",
                f"{_FROM}# sources\nCOPY --chown=1 . /app/\n{_MADE}ENV PYTHONDONTWRITEBYTECODE=1\n",
                files=_FILES),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the last stage."""
    if "compileall" in snapshot.text or not snapshot.graph.stages:
        return
    stage = snapshot.graph.stages[-1]
    at = stage.start.span.start
    found = compiled_sources.plan(snapshot.build, snapshot.graph, snapshot)
    if found is None:
        return
    if not isinstance(found, compiled_sources.Plan):
        yield Refusal(found.code, found.reason, found.unlock, at)
    elif any(word in snapshot.text for word in (".pyc", "__pycache__", "*.py[co]")):
        yield Refusal("P311", "compiled modules are deleted somewhere", "delete none", at)
    else:
        event = snapshot.build.stages[stage.index].events[found.behind]
        copies = sources.events(snapshot)
        copy = next(i for i in stage.instructions if copies.get(i.span.start) is event)
        line = f"RUN {' '.join(compiled_sources.COMMAND)}"
        yield Change(
            "each start compiles the sources anew",
            (edits.append_line(snapshot, copy, line),),
            (Claim(Effect.FILES, compiled_sources.footprint(snapshot.build, found)),),
            Safety.SUGGESTED,
            (found.assumes,),
        )
