"""Join `apt-get update` to the `apt-get install` that follows it.

In a layer of its own, the update is cached: when the install changes weeks later, it works on
package lists that are out of date, and fails or installs old versions. The two become one RUN;
commands, order and failure stay what they were.
"""

from collections.abc import Iterator
from itertools import pairwise

from refactor import (
    Change,
    Example,
    Phase,
    Refusal,
    Run,
    Safety,
    Snapshot,
    apt,
    edits,
    packages,
    rows,
    transform,
)


@transform(
    phase=Phase.PAIR_MERGE,
    triggers=("update",),
    answers=["DL3009", "DL3059"],
    stability="stable",
    examples=[
        Example("FROM debian\nRUN apt-get update && apt-get install -y curl\n"),
        Example("FROM debian\nRUN apt-get update\nRUN ls\n"),
        Example("FROM debian\nRUN apt-get update\nCOPY a /a\nRUN apt-get install -y curl\n"),
        Example("FROM debian\nRUN apt-get update\nRUN --network=none apt-get install -y curl\n",
                refuses="M101"),
        Example("FROM debian\nRUN apt-get update\nRUN set -e; apt-get install -y a; b\n",
                refuses="M102"),
        Example("FROM debian\nRUN apt-get update # lists\nRUN apt-get install -y a\n",
                note="the comment would swallow the rest"),
        Example("FROM debian\nRUN apt-get update\nRUN apt-get install -y curl\n",
                "FROM debian\nRUN apt-get update \\\n    && apt-get install -y curl\n",
                level=Safety.SAFE),
        Example("FROM debian\nRUN apt-get update\n\n# fetch\nRUN apt-get install -y \\\n"
                "  curl \\\n  git || exit 1\n", refuses="M104"),
        Example("FROM debian\nRUN apt-get update\n\n# fetch\nRUN apt-get install -y \\\n"
                "  curl \\\n  git || true\n",
                "FROM debian\nRUN apt-get update \\\n  # fetch\n  && { apt-get install -y \\\n"
                "  curl \\\n  git || true; }\n", level=Safety.SAFE),
        Example("FROM debian\nRUN apt-get update\n# hadolint ignore=DL3008\n"
                "RUN apt-get install -y curl\n",
                "FROM debian\n# hadolint ignore=DL3008\nRUN apt-get update \\\n"
                "    && apt-get install -y curl\n",
                note="an ignore comment goes with the command that it is about"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each pair of neighbours."""
    for row in rows.neighbours(snapshot):
        taken: Run | None = None
        for left, right in pairwise(row):
            if left is taken or not _only_updates(left) or not _installs_first(right):
                continue
            for found in rows.groups(snapshot, (left, right)):
                if isinstance(found, rows.Group):
                    taken = right
                    yield _change(snapshot, found)
                else:
                    at = right.instruction.span.start
                    _, why = found
                    yield Refusal(why.code, f"not joined: {why.reason}", why.unlock, at)


def _change(snapshot: Snapshot, group: rows.Group) -> Change:
    return Change(
        "an update in a layer of its own is cached and goes out of date",
        edits.join_runs(snapshot, group),
        rows.claims(snapshot, group),
    )


def _only_updates(run: Run) -> bool:
    if run.script is None:
        return False
    commands = list(run.script.commands())
    found = [packages.operation(command) for command in commands]
    rest = [c for c, op in zip(commands, found, strict=True) if not packages.updates_lists(op)]
    return any(map(packages.updates_lists, found)) and all(c.name == "set" for c in rest)


def _installs_first(run: Run) -> bool:
    """Whether the first command, or the first but for settings, installs."""
    for command, op in apt.operations(run)[:1]:
        return op.manager in packages.APT and op.action == "install" and _leads(run, command)
    return run.script is None and packages.asks_apt(run.instruction.args[:200])


def _leads(run: Run, command: packages.Command) -> bool:
    assert run.script is not None
    earlier = [c for c in run.script.commands() if c.start < command.start]
    return all(c.name in ("set", "export") or not c.words for c in earlier)
