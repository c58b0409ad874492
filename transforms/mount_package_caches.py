"""Keep a package manager's cache in a cache mount, in place of deleting it.

The cache is in no layer, and the next build on the same machine finds it. An alternative to the
transforms that delete caches, to be asked for by name. The commands of that RUN that would empty
the mounted cache go. For BuildKit only; an engine that starts afresh, as many CI jobs do, gains
nothing.

apt's package lists are mounted, not its archives: the official images delete those after each
command, and to change that would change the image. Go's and Cargo's caches are left alone, as
programs are built from them later, without the mount. Poetry keeps virtual environments beside its
cache: only what it downloads is mounted. uv copies from a mounted cache, where it would link, and
says so; `UV_LINK_MODE=copy` silences it.
"""

import re
from collections.abc import Iterator

from refactor import (
    Change,
    Claim,
    Edit,
    Effect,
    Example,
    Phase,
    Refusal,
    Run,
    Safety,
    Snapshot,
    apt,
    caches,
    edits,
    managers,
    packages,
    transform,
)

_ELSEWHERE = (
    "cache_dir", "npm_config_cache", "--cache ", "home=", "xdg_cache_home", "uv_no_cache",
    "uv_config_file", "pdm config", "poetry config cache",
)  # fmt: skip
# What reads a cache where the mount is not: a link into it, or an install without a network.
_READ_LATER = re.compile(r"symlink|--offline|uv_offline|/\.cache")
_NO_READING = re.compile(r"\brm -rf? [^&;\n]*|--mount=\S+")
_PYTHON = ("uv", "poetry", "pdm", "pipenv")
_LISTS = "--mount=type=cache,target=/var/lib/apt/lists,sharing=locked"
_INSTALL = "apt-get update && apt-get install -y a"


@transform(
    phase=Phase.FLAGS,
    triggers=("apt", "yum", "dnf", "zypper", "pip", "npm", "uv", "poetry", "pdm"),
    default=False,
    excludes=["clean-apt-lists", "clean-package-caches", "skip-pip-cache"],
    examples=[
        Example("FROM python:3.12\nRUN --mount=type=cache,target=/root/.cache/pip pip install a\n"),
        Example("FROM golang\nRUN go mod download\n", note="later builds read it, without the mount"),
        Example("FROM debian\nRUN apt-get update\nRUN apt-get install -y a\n",
                note="what one RUN fetches another needs"),
        Example(f"FROM debian\nRUN {_INSTALL}\nRUN apt-get install -y b\n", refuses="P204"),
        Example("FROM python:3.12\nENV PIP_CACHE_DIR=/x\nRUN pip install a\n", refuses="X101"),
        Example("FROM python:3.12\nUSER app\nRUN pip install a\n", refuses="X102"),
        Example("FROM corp/python\nRUN pip install a\n", refuses="X102"),
        Example("FROM python:3.12\nRUN pip install --no-cache-dir a\n", refuses="X103"),
        Example("FROM debian\nRUN (apt-get update && apt-get install -y a && apt-get clean)\n", refuses="X104"),
        Example("FROM python:3.12\nENV UV_LINK_MODE=symlink\nRUN uv sync\n", refuses="X105",
                note="the image would link into the cache"),
        Example("FROM python:3.12\nRUN uv sync\nRUN uv sync --offline\n", refuses="X105"),
        Example("FROM python:3.12\nRUN poetry install\n"
                "FROM python:3.12\nCOPY --from=0 /root/.cache/pypoetry /root/.cache/pypoetry\n",
                refuses="X105"),
        Example("FROM python:3.12\nRUN uv --no-cache sync\n", refuses="X103"),
        Example("FROM python:3.12\nENV UV_COMPILE_BYTECODE=1\nRUN uv sync --frozen --no-dev\n",
                "FROM python:3.12\nENV UV_COMPILE_BYTECODE=1\n"
                "RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen --no-dev\n"),
        Example("FROM python:3.12\nRUN uv pip install --require-hashes -r requirements.txt\n",
                "FROM python:3.12\nRUN --mount=type=cache,target=/root/.cache/uv "
                "uv pip install --require-hashes -r requirements.txt\n"),
        Example("FROM python:3.12\nRUN poetry install --only main\n",
                "FROM python:3.12\nRUN --mount=type=cache,target=/root/.cache/pypoetry/artifacts "
                "poetry install --only main\n"),
        Example("FROM python:3.12\nRUN pdm sync --prod\n",
                "FROM python:3.12\nRUN --mount=type=cache,target=/root/.cache/pdm pdm sync --prod\n"),
        Example("FROM python:3.12\nRUN pipenv sync --system\n",
                "FROM python:3.12\nRUN --mount=type=cache,target=/root/.cache/pipenv "
                "pipenv sync --system\n"),
        Example("FROM python:3.12\nRUN pip install a && pip install b\n",
                "FROM python:3.12\nRUN --mount=type=cache,target=/root/.cache/pip "
                "pip install a && pip install b\n"),
        Example(f"FROM debian\nRUN {_INSTALL} \\\n    && apt-get clean \\\n    && rm -rf /var/lib/apt/lists/*\n",
                f"FROM debian\nRUN {_LISTS} \\\n    {_INSTALL}\n", level=Safety.SUGGESTED),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each RUN that fills a cache."""
    if snapshot.engine != "buildkit":
        return
    for run in snapshot.runs:
        for op in {op.manager: op for _, op in apt.operations(run)}.values():
            if run.triggered or not op.row.mount or caches.is_mounted(run, op.row):
                continue
            if not caches.commands(snapshot, run):
                continue  # control flow that the model takes as it stands
            is_apt = op.manager in packages.APT
            if (is_apt and _installs(run)) or (not is_apt and op.action in op.row.fills):
                yield _judge(snapshot, run, op)
                break  # one at a time: the flags of two would stand at one place


def _installs(run: Run) -> bool:
    found = [op for _, op in apt.operations(run)]
    updates = any(packages.updates_lists(op) for op in found)
    return updates and not apt.mounts_lists(run) and any(map(packages.needs_lists, found))


def _judge(snapshot: Snapshot, run: Run, op: packages.Operation) -> Change | Refusal:
    at = run.instruction.span.start
    lowered = snapshot.text.lower()
    if any(word in lowered for word in _ELSEWHERE):
        return Refusal("X101", "the cache may be elsewhere", "mount it by hand", at)
    if snapshot.graph.stages[run.stage].image.user != "root" or caches.user(snapshot, run):
        return Refusal("X102", "it may not run as root, whose cache is mounted", "mount it by hand, "
                       "with uid=", at)  # fmt: skip
    if op.row.no_cache and op.has(op.row.no_cache, *op.row.cache_off):
        return Refusal("X103", f"{op.manager} is told to keep no cache", "drop the option", at)
    assumes: list[str] = []
    if op.manager in _PYTHON:
        if _READ_LATER.search(_NO_READING.sub("", lowered)):
            return Refusal("X105", "something may read the cache where it is not mounted",
                           "mount it by hand", at)  # fmt: skip
        assumes = [
            f"no file in the project tells {op.manager} where its cache is, or to link into it"
        ]
    if op.manager in packages.APT:
        after = apt.lists_after(snapshot, run)
        if after.needed:
            return Refusal("P204", f"`{after.needed[0]}` needs the lists", "give it an `apt-get "
                           "update` of its own", at)  # fmt: skip
        assumes += [hazard.assumption for hazard in after.doubtful]
    deleted = _without_cleanup(snapshot, run, op.row)
    if deleted is None:
        return Refusal("X104", "the RUN empties the cache", "delete the cleanup", at)
    cleanup, texts = deleted
    value = managers.mount_value(op.row)
    where = f"in the RUN that starts with {caches.own_events(snapshot, run)[0].text}"
    stage = f"stage {snapshot.graph.stages[run.stage].label}"
    return Change(
        f"{op.manager}'s cache stays in the layer, and each build fetches it anew",
        (edits.add_flag(snapshot, run, f"--mount={value}"), *cleanup),
        (
            Claim(Effect.CACHES, frozenset({stage, f"mount {value}", where})),
            *(Claim(Effect.CACHES, frozenset({f"- {text}"})) for text in texts),
        ),
        Safety.SUGGESTED,
        tuple(dict.fromkeys(assumes)),
    )


def _without_cleanup(
    snapshot: Snapshot, run: Run, manager: managers.Manager
) -> tuple[tuple[Edit, ...], list[str]] | None:
    """Return the edits that delete a RUN's cleanup, and its commands; None if they cannot be."""
    assert run.script is not None
    found = [c for c in run.script.commands() if caches.cleans(c.argv, manager)]
    texts = [" ".join(command.argv) for command in found]
    commands = {event.text for event in caches.own_events(snapshot, run)}
    deleted = edits.delete_commands(run, found)
    if not all(packages.only_cleans(command.argv) for command in found):
        return None  # it deletes more than the cache
    if (found and not deleted) or not commands.issuperset(texts):
        return None
    return deleted, texts
