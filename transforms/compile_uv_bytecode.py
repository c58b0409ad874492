"""Compile the modules that uv installs while the image is built.

pip compiles what it installs, uv does not: each container then compiles what it imports, and a user
who may not write there does so at each start. `--compile-bytecode` does it once, in the stage that
installs. The image gets larger and starts faster. That is also what `PYTHONDONTWRITEBYTECODE`
wants: without compiled modules in the image it makes each start slower, so it is never added.

It is asked for by name. Only where uv is used already.
"""

from collections.abc import Iterator

from refactor import (
    Change,
    Effect,
    Example,
    Phase,
    Refusal,
    Safety,
    Snapshot,
    apt,
    edits,
    transform,
)


@transform(
    phase=Phase.FLAGS,
    triggers=("uv",),
    default=False,
    examples=[
        Example("FROM python:3.12\nRUN pip install flask\n", note="pip compiles by itself"),
        Example("FROM python:3.12\nENV UV_COMPILE_BYTECODE=1\nRUN uv sync --frozen\n"),
        Example("FROM python:3.12\nRUN uv sync --frozen --compile\n"),
        Example("FROM python:3.12\nRUN uv pip install --no-compile-bytecode flask\n"),
        Example("FROM python:3.12\nRUN uv pip compile requirements.in && uv lock\n"),
        Example("FROM python:3.12\nRUN find . -name '*.pyc' -delete && uv sync\n", refuses="P311"),
        Example("FROM python:3.12\nRUN uv sync --frozen\n", level=Safety.SAFE),
        Example("FROM python:3.12\nRUN uv sync --frozen --no-dev\n",
                "FROM python:3.12\nRUN uv sync --compile-bytecode --frozen --no-dev\n",
                level=Safety.SUGGESTED),
        Example("FROM python:3.12\nRUN uv pip install --system --require-hashes -r requirements.txt\n",
                "FROM python:3.12\nRUN uv pip install --compile-bytecode --system --require-hashes "
                "-r requirements.txt\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each command of uv that installs."""
    lowered = snapshot.text.lower()
    if "uv_compile_bytecode" in lowered:
        return
    deletes = any(word in lowered for word in (".pyc", "__pycache__", "*.py[co]"))
    for run in snapshot.runs:
        for command, op in apt.operations(run):
            place = op.action_word
            if op.manager == "uv" and op.action == "pip" and op.arguments:
                place = op.arguments[0]
            if op.manager != "uv" or place.literal not in ("sync", "install"):
                continue
            if op.has("--compile", "--compile-bytecode", "--no-compile-bytecode", "--dry-run"):
                continue
            if deletes:
                yield Refusal("P311", "compiled modules are deleted somewhere", "delete none",
                              run.instruction.span.start)  # fmt: skip
                continue
            edit, claim = edits.add_word(run, command, place, "--compile-bytecode", Effect.FILES)
            yield Change(
                "each start compiles what uv has installed",
                edit,
                claim,
                Safety.SUGGESTED,
            )
