"""Sort the packages of an install, one on each line.

A sorted list shows what is there twice, and one line a package makes small diffs. Only names that
stand side by side change places: options and their values stay, and a list with a comment or a
variable in it is left alone. Off by default: which order reads best is a matter of taste.
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
    caches,
    edits,
    packages,
    transform,
)


@transform(
    phase=Phase.FLAGS,
    triggers=("install", "add"),
    default=False,
    examples=[
        Example("FROM debian\nRUN apt-get install -y curl\n"),
        Example("FROM debian\nRUN apt-get install -y \\\n    curl \\\n    git\n"),
        Example("FROM debian\nRUN apt-get install -y git $MORE curl\n", refuses="S201"),
        Example("FROM debian\nRUN apt-get install -y git ./a.deb curl-\n", refuses="S201",
                note="`curl-` removes a package"),
        Example("FROM debian\nRUN apt-get install git -y curl\n", refuses="S202"),
        Example("FROM debian\nRUN apt-get install -y \\\n    git \\\n    # to fetch\n    curl\n",
                refuses="S203"),
        Example("FROM alpine\nRUN apk add --virtual .deps --repository https://e.com/z git curl\n",
                "FROM alpine\nRUN apk add --virtual .deps --repository https://e.com/z \\\n    curl \\\n    git\n"),
        Example("FROM debian\nRUN apt-get update && apt-get install -y git curl && \\\n  make\n",
                "FROM debian\nRUN apt-get update && apt-get install -y \\\n  curl \\\n  git && \\\n  make\n",
                level=Safety.SAFE),
        Example("FROM debian\nRUN apt-get install -y curl \\\n    git\n",
                "FROM debian\nRUN apt-get install -y \\\n    curl \\\n    git\n",
                level=Safety.SAFE, note="as the guide of Docker writes it"),
        Example("FROM debian\nRUN apt-get update \\\n    && apt-get install -y git curl \\\n    && make\n",
                "FROM debian\nRUN apt-get update \\\n    && apt-get install -y \\\n        curl \\\n"
                "        git \\\n    && make\n"),
        Example("FROM debian\nRUN apt-get install -y \\\n    # to fetch\n    curl git\n",
                "FROM debian\nRUN apt-get install -y \\\n    # to fetch\n    curl \\\n    git\n"),
        Example("FROM fedora\nRUN dnf install -y \\\n      git \\\n      curl bzip2\n",
                "FROM fedora\nRUN dnf install -y \\\n      bzip2 \\\n      curl \\\n      git\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each install of several packages."""
    for run in snapshot.runs:
        if not caches.is_followed(snapshot, run):
            continue
        for command, op in apt.operations(run):
            if packages.installs_names(op) and len(op.arguments) > 1:
                found = _judge(snapshot, run, command, op)
                if found is not None:
                    yield found


def _judge(
    snapshot: Snapshot, run: Run, command: packages.Command, op: packages.Operation
) -> Change | Refusal | None:
    at = run.instruction.span.start
    names = [word.text for word in op.arguments]
    if not all(map(packages.is_plain_name, names)):
        return Refusal("S201", "something other than plain names", "sort it by hand", at)
    first = command.words.index(op.arguments[0])
    if command.words[first : first + len(names)] != op.arguments:
        return Refusal("S202", "an option stands among the names", "write options in front", at)
    edit = edits.sort_words(snapshot, run, command.words[first - 1 : first + len(names)])
    if edit is None:
        return Refusal("S203", "a comment stands among the names", "sort it by hand", at)
    if not edit:
        return None
    becomes = packages.with_sorted(command, op.arguments)
    claim = edits.changed_command(command, becomes, Effect.COMMANDS)
    claims = (claim,) if names != sorted(names) else ()
    return Change("packages are easier to find in order, one a line", edit, claims)
