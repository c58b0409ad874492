"""Copy what the dependency install reads first, and the sources behind it.

With `COPY . .` in front of the install, every change of a source file throws the installed
dependencies out of the build cache. The files that the install reads (requirements, lock files,
what they include) are found in the build context and copied first; the copy of the sources moves
behind the install. Without the build context, or if the install may read any other file, nothing
changes.
"""

from collections.abc import Iterator

from refactor import Change, Claim, Effect, Example, Phase, Refusal, Safety, Snapshot, transform
from refactor.structure import copy_edits, reordering

_FLASK = "FROM python:3.12-slim\nWORKDIR /app\n"
_FILES = ("requirements.txt=flask\n", "app.py=")
_RUN = "RUN pip install -r requirements.txt\n"


@transform(
    phase=Phase.CACHE_ORDER,
    triggers=("copy", "add"),
    highest=Safety.SUGGESTED,
    examples=[
        Example(f"{_FLASK}COPY . .\n{_RUN}", refuses="C400", note="no build context is known"),
        Example(f"{_FLASK}COPY requirements.txt .\n{_RUN}COPY . .\n", files=_FILES),
        Example(f"{_FLASK}COPY . .\n{_RUN}", files=("app.py=",), refuses="C401",
                note="requirements.txt is not there"),
        Example(f"{_FLASK}COPY . .\n{_RUN}", files=("requirements.txt=-e .\n", "setup.py="),
                refuses="C410", note="the project itself is installed"),
        Example(f"{_FLASK}COPY . .\nRUN make prepare\n{_RUN}", files=_FILES, refuses="C403",
                note="make may read any source, and write requirements.txt"),
        Example(f"{_FLASK}COPY app.py .\nRUN pip install flask\n",
                f"{_FLASK}RUN pip install flask\nCOPY app.py .\n", files=_FILES),
        Example(f"{_FLASK}COPY . .\n{_RUN}", f"{_FLASK}COPY requirements.txt ./\n{_RUN}COPY . .\n",
                files=_FILES),
        Example(f"{_FLASK}# all of it\nCOPY . /app\n\n{_RUN}CMD python app.py\n",
                f"{_FLASK}COPY base.txt requirements.txt /app/\n\n{_RUN}\n# all of it\n"
                "COPY . /app\nCMD python app.py\n",
                files=("requirements.txt=-r base.txt\n", "base.txt=flask\n", "app.py="),
                note="what requirements.txt includes is read too"),
        Example(f"{_FLASK}COPY . .\nRUN pip install -r requirements.txt && python build.py\n",
                f"{_FLASK}COPY requirements.txt ./\nRUN pip install -r requirements.txt\n"
                "COPY . .\nRUN python build.py\n", files=(*_FILES, "build.py=")),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each copy with an install behind it."""
    if snapshot.sent is None or not snapshot.sent.complete:
        for copy in reordering.in_front_of_installs(snapshot):
            yield Refusal("C400", "what stands in the build context is not known",
                          "run where the build context is", copy.span.start)  # fmt: skip
        return
    for found in reordering.plans(snapshot):
        if isinstance(found, reordering.Stopped):
            yield Refusal(found.why.code, found.why.reason, found.why.unlock,
                          found.copy.span.start)  # fmt: skip
            continue
        ahead = reordering.ahead(found, snapshot.dockerfile.escape)
        if ahead is None:
            yield Refusal("C409", "a file that the install reads has a name that needs quoting",
                          "rename it", found.copy.span.start)  # fmt: skip
            continue
        yield _change(snapshot, found, ahead)


def _change(snapshot: Snapshot, plan: reordering.Plan, ahead: list[reordering.Ahead]) -> Change:
    names = sorted(plan.needed.values())
    copies = (f"+ {copy.text}" for copy in ahead)
    where = (f"stage {plan.stage}", f"- {plan.event.text}", f"behind {plan.behind}")
    claim = Claim(Effect.ORDER, frozenset({*where, *copies}))
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return Change(
        f"a change of a source file need not run `{plan.installs[:60]}` again: it reads "
        f"{shown or 'no file of the build context'}",
        copy_edits.move_copy(snapshot, plan, ahead), (claim,), Safety.SUGGESTED,
        tuple(plan.assumes), tuple(names),
    )  # fmt: skip
