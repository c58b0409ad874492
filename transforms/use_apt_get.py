"""Use apt-get instead of apt.

`apt` is made for people at a terminal, and says so: its options and output may change between
versions (hadolint: DL3027). apt-get does the same for the actions below; `apt upgrade`, which
also installs new packages, gets the option that says so; `apt list` has no twin and stays.

apt deletes what it downloaded, apt-get leaves that to the configuration of the official images:
for other bases the change is suggested, not safe.
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

_DELETES = "the base image's apt configuration deletes what was downloaded"


@transform(
    phase=Phase.FLAGS,
    triggers=("apt",),
    answers=["DL3027"],
    stability="stable",
    examples=[
        Example("FROM debian\nRUN apt-get install -y curl\n"),
        Example("FROM debian\nRUN echo apt install curl\n"),
        Example("FROM debian\nRUN apt list --installed\n", refuses="P102"),
        Example("FROM debian\nRUN apt update && apt upgrade -y\n",
                "FROM debian\nRUN apt-get update && apt-get upgrade --with-new-pkgs -y\n",
                level=Safety.SAFE),
        Example("FROM debian\nRUN apt install -y curl && sudo apt -q clean\n",
                "FROM debian\nRUN apt-get install -y curl && sudo apt-get -q clean\n",
                level=Safety.SAFE),
        Example("FROM corp/base\nRUN apt install -y curl\n", level=Safety.SAFE),
        Example("FROM corp/base\nRUN apt install -y curl\n",
                "FROM corp/base\nRUN apt-get install -y curl\n", level=Safety.SUGGESTED),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each apt."""
    for run in snapshot.runs:
        image = snapshot.graph.stages[run.stage].image
        for command, op in apt.operations(run):
            if op.manager != "apt" or op.program.text != "apt":
                continue
            if op.action not in packages.SAME_IN_APT_GET | {"upgrade"}:
                at = run.instruction.span.start
                yield Refusal("P102", f"`apt {op.action}` has no twin", "none needed", at)
                continue
            if op.action == "upgrade":
                yield _upgrade(run, command, op, image.docker_clean and image.is_debian_like)
                continue
            becomes = packages.with_program(command, op.program, "apt-get")
            keeps = op.action in ("install", "reinstall", "build-dep", "source", "download")
            yield Change(
                f"`apt {op.action}` is made for people at a terminal",
                (edits.replace_word(run, op.program, "apt-get"),),
                (edits.changed_command(command, becomes, Effect.COMMANDS),),
                assumes=()
                if (image.docker_clean and image.is_debian_like) or not keeps
                else (_DELETES,),
            )


def _upgrade(run: Run, command: packages.Command, op: packages.Operation, deletes: bool) -> Change:
    new = "--with-new-pkgs"
    words = packages.with_program(command, op.program, "apt-get").split(" ")
    at = len(words) - len(command.words) + command.words.index(op.action_word) + 1
    becomes = " ".join([*words[:at], new, *words[at:]])
    return Change(
        "`apt upgrade` is made for people at a terminal",
        (
            edits.replace_word(run, op.program, "apt-get"),
            edits.insert_word(run, op.action_word, new),
        ),
        (edits.changed_command(command, becomes, Effect.COMMANDS),),
        assumes=() if deletes else (_DELETES,),
    )
