"""Run from an image without a shell.

A distroless image has the language's runtime, certificates and time zones, and nothing else: no
shell, no package manager, no tools for whoever gets in. A last stage that only copies, and starts a
program, can run from one, if it starts from Debian's variants of Python 3.13 or Node.js 22, 24 or
26, or from Temurin's Java runtime 17, 21 or 25. The program is started with the same words: where
the image's own ENTRYPOINT stands for the first of them, CMD leaves them out. A virtual environment
is told by its builder where the interpreter stands there.

The image is named without a tag: its name tells the version of the language and of Debian, and
`nonroot` would be another user, who also owns what WORKDIR makes.

Nothing changes where a shell or another program may be needed: by the file itself, the sources, or
how the image is used elsewhere. Nobody can look into such a container with `docker exec` either.
"""

import re
from collections.abc import Iterator

from refactor import (
    Change,
    Claim,
    Edit,
    Effect,
    Example,
    Instruction,
    Phase,
    Refusal,
    Safety,
    Snapshot,
    Span,
    edits,
    stages,
    transform,
)
from refactor.structure import distroless

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"')
_NODE = "FROM node:22-slim AS build\nWORKDIR /app\nCOPY . .\nRUN npm ci\n"
_TAKE = "WORKDIR /app\nCOPY --from=build /app /app\n"
_SERVER = ("server.js=",)
_VENV = (
    "FROM python:3.13-slim AS builder\nRUN python -m venv /opt/venv\n"
    'ENV PATH="/opt/venv/bin:$PATH"\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\n'
)
_APP = (
    'WORKDIR /app\nCOPY --from=builder /opt/venv /opt/venv\nENV PATH="/opt/venv/bin:$PATH"\n'
    "COPY app.py .\n"
)
_FLASK = ("requirements.txt=flask\n", "app.py=import flask\n")


@transform(
    phase=Phase.BASE,
    triggers=("python", "node", "temurin"),
    highest=Safety.RISKY,
    default=False,
    examples=[
        Example(f'{_NODE}FROM debian:12-slim\n{_TAKE}CMD ["./server"]\n', files=_SERVER),
        Example(f'{_NODE}FROM node:22-slim\n{_TAKE}CMD ["node", "server.js"]\n', refuses="B600",
                note="no build context is known"),
        Example(f'{_NODE}FROM node:20-slim\n{_TAKE}CMD ["node", "server.js"]\n', files=_SERVER,
                refuses="B620"),
        Example(f'{_NODE}FROM node:22-slim\n{_TAKE}CMD ["npm", "start"]\n', files=_SERVER,
                refuses="B621"),
        Example(f'{_VENV.replace("3.13", "3.12")}FROM python:3.13-slim\n{_APP}'
                'CMD ["python", "app.py"]\n', files=_FLASK, refuses="B622"),
        Example(f'{_NODE}FROM node:22-slim\n{_TAKE}CMD ["node", "server.js"]\n',
                f'{_NODE}FROM gcr.io/distroless/nodejs22-debian13\n{_TAKE}CMD ["server.js"]\n',
                files=_SERVER),
        Example(f'{_NODE}FROM node:22-slim\n{_TAKE}ENTRYPOINT ["node", "server.js"]\n',
                f'{_NODE}FROM gcr.io/distroless/nodejs22-debian13\n{_TAKE}'
                'ENTRYPOINT ["/nodejs/bin/node", "server.js"]\n', files=_SERVER),
        Example('FROM eclipse-temurin:21-jre\nCOPY app.conf /app/\nENTRYPOINT ["java", "-version"]\n',
                'FROM gcr.io/distroless/java21-debian13\nCOPY app.conf /app/\n'
                'ENTRYPOINT ["java", "-version"]\n', files=("app.conf=",)),
        Example(f'{_VENV}FROM python:3.13-slim\n{_APP}CMD ["python", "app.py"]\n',
                f'{_VENV}RUN ln -sf /usr/bin/python3.13 /opt/venv/bin/python\n'
                f'FROM gcr.io/distroless/python3-debian13\n{_APP}ENTRYPOINT []\n'
                'CMD ["python", "app.py"]\n', files=_FLASK,
                note="ENTRYPOINT is cleared, or CMD would be arguments of the image's own"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the stages that images are made of."""
    for stage in snapshot.graph.stages:
        scene = distroless.Scene(snapshot.build, stage.index, snapshot.graph, snapshot)
        plan = distroless.without_shell(scene)
        if isinstance(plan, distroless.Plan) and plan.drops and _last(stage)["CMD"].comments:
            yield Refusal("B621", "a comment stands among the words of CMD", "move it above",
                          stage.start.span.start)  # fmt: skip
        elif isinstance(plan, distroless.Plan):
            yield Change(
                f"{plan.image.reference} has what it needs, and no shell or package manager",
                tuple(_edits(snapshot, stage, plan)),
                (Claim(Effect.BASE, distroless.footprint(scene, plan)),),
                Safety.RISKY,
                plan.assumes,
            )
        elif plan is not None:
            yield Refusal(plan.code, plan.reason, plan.unlock, stage.start.span.start)


def _edits(snapshot: Snapshot, stage: stages.Stage, plan: distroless.Plan) -> Iterator[Edit]:
    """Write the image, where the program stands in it, and the link of an environment."""
    start = stage.start
    first = start.args_start, start.args_start + len(stage.start_word)
    yield edits.replace_logical(start, *first, plan.image.reference)
    newline = snapshot.dockerfile.newline(start.span.start)
    last = _last(stage)
    for key in plan.renames:
        yield _words(last[key.upper()], 1, f'"{plan.image.program}"')
    if plan.drops:
        yield _words(last["CMD"], plan.drops)
    if plan.resets:
        at = last["CMD"].span.start
        yield Edit(Span(at, at), f"ENTRYPOINT []{newline}")
    for other in snapshot.graph.stages:
        if plan.link and other.label == plan.builder:
            at = other.instructions[-1].span.end
            yield Edit(Span(at, at), f"RUN {' '.join(plan.link)}{newline}")


def _last(stage: stages.Stage) -> dict[str, Instruction]:
    """Return the last instruction of each keyword: of those that say how to start, it counts."""
    return {ins.keyword: ins for ins in stage.instructions}


def _words(ins: Instruction, count: int, text: str = "") -> Edit:
    """Replace the first words of a JSON list; without a text, also what stands behind them."""
    found = list(_WORD.finditer(ins.args))
    end = found[count - 1].end() if text else found[count].start()
    at = ins.args_start
    return edits.replace_logical(ins, at + found[0].start(), at + end, text)
