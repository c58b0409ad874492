"""Tell pip not to keep what it downloaded.

What pip puts into its cache stays in the layer and is of no use in an image (hadolint: DL3042).
Where a cache mount keeps it out of the layer, or the cache is off or elsewhere already, nothing
changes.
"""

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

_OFF = ("--no-cache-dir", "--cache-dir", "--no-cache")


@transform(
    phase=Phase.FLAGS,
    triggers=("pip",),
    answers=["DL3042"],
    stability="stable",
    examples=[
        Example("FROM python:3.12\nRUN pip install --no-cache-dir flask\n"),
        Example("FROM python:3.12\nENV PIP_NO_CACHE_DIR=1\nRUN pip install flask\n"),
        Example("FROM python:3.12\nRUN PIP_NO_CACHE_DIR=1 pip install flask\n"),
        Example("FROM python:3.12\nRUN --mount=type=cache,target=/root/.cache/pip pip install x\n"),
        Example("FROM python:3.12\nRUN pip download flask && pipx install black\n"),
        Example("FROM python:3.12\nRUN printf 'pip install x'\n"),
        Example("FROM ubuntu:14.04\nRUN pip install flask\n", refuses="P301",
                note="its pip is 1.5 and does not know the option"),
        Example('FROM python:3.12\nRUN ["pip", "install", "flask"]\n', refuses="P302"),
        Example("FROM python:3.12\nRUN pip install flask\n",
                "FROM python:3.12\nRUN pip install --no-cache-dir flask\n", level=Safety.SAFE),
        Example("FROM python:3.12\nRUN python -m pip install -r r.txt && pip3 install \\\n  x\n",
                "FROM python:3.12\nRUN python -m pip install --no-cache-dir -r r.txt "
                "&& pip3 install --no-cache-dir \\\n  x\n", level=Safety.SAFE),
        Example("FROM corp/py\nRUN pip install flask\n", level=Safety.SAFE),
        Example("FROM node:6\nRUN pip install flask\n", level=Safety.SAFE,
                note="Debian jessie below, whose pip is 1.5, and the tag does not say so"),
        Example("FROM corp/py\nRUN pip install flask\n",
                "FROM corp/py\nRUN pip install --no-cache-dir flask\n", level=Safety.SUGGESTED),
        Example("FROM python:3.12\nONBUILD RUN pip install -r r.txt\n",
                "FROM python:3.12\nONBUILD RUN pip install --no-cache-dir -r r.txt\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each `pip install`."""
    lowered = snapshot.text.lower()
    if "pip_no_cache_dir" in lowered or "no-cache-dir = " in lowered:
        return
    for run in snapshot.runs:
        if run.script is None:
            if "pip install" in run.whole or (run.instruction.json or ("",))[0] == "pip":
                yield Refusal("P302", f"not read: {run.opaque}", "write it in shell form",
                              run.instruction.span.start)  # fmt: skip
            continue
        for command, op in apt.operations(run):
            installs = op.manager == "pip" and op.action == "install"
            if installs and not op.has(*_OFF) and not _has_cache_mount(run):
                yield _judge(snapshot, run, command, op)


def _judge(
    snapshot: Snapshot, run: Run, command: packages.Command, op: packages.Operation
) -> Change | Refusal:
    image = snapshot.graph.stages[run.stage].image
    if image.name in _SYSTEMS and image.tag.startswith(_OLD):
        return Refusal("P301", f"pip of {image.reference} is older than the option", "a newer base",
                       run.instruction.span.start)  # fmt: skip
    edit, claim = edits.add_word(run, command, op.action_word, "--no-cache-dir", Effect.CACHES)
    return Change(
        "pip's cache stays in the layer",
        edit,
        claim,
        assumes=() if image.name in _SYSTEMS | _OWN_PIP else ("pip is 6.0 or newer",),
    )


# Images whose tag tells which pip their packages bring, and those that bring their own.
_SYSTEMS = frozenset({"debian", "ubuntu", "buildpack-deps", "alpine", "fedora"})
_OWN_PIP = frozenset({"python", "pypy"})
_OLD = (
    "trusty", "precise", "14.04", "12.04", "wheezy", "jessie", "squeeze", "6", "7", "8",
)  # fmt: skip


def _has_cache_mount(run: Run) -> bool:
    """Whether something is mounted where pip may keep its cache."""
    return any(f.name == "mount" and "type=cache" in (f.value or "") for f in run.instruction.flags)
