"""Name the user by its number, where that is known.

Kubernetes cannot tell that a name is not root: with `runAsNonRoot` it starts no container whose
image says `USER app` (hadolint: DL3066). The number is that with which the Dockerfile creates the
user, or that of the base image's own user. `USER root` stays: root is 0 everywhere.
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
    numbers,
    transform,
)

_ADD = "FROM debian\nRUN useradd --uid 1001 --create-home app\n"


@transform(
    phase=Phase.USER,
    triggers=("user",),
    answers=["DL3066"],
    examples=[
        Example("FROM debian\nUSER root\nUSER 1000\nUSER $NAME\n"),
        Example("FROM debian\nRUN useradd app\nUSER app\n", refuses="U401"),
        Example(f"{_ADD}RUN usermod -u 1002 app\nUSER app\n", refuses="U402"),
        Example("FROM debian\nRUN id app || useradd -u 1001 app\nUSER app\n", refuses="U401",
                note="it may be there already, with another number"),
        Example(f"{_ADD}USER app\nWORKDIR /data\n", refuses="U403",
                note="the folder would be of group 1001, whatever the user's group is"),
        Example(f"{_ADD}USER \"app\"\n", refuses="U401"),
        Example(f"{_ADD}USER app\nWORKDIR /home/app\nCMD [\"a\"]\n",
                f"{_ADD}USER 1001\nWORKDIR /home/app\nCMD [\"a\"]\n"),
        Example("FROM node:22\nUSER node\nRUN npm ci\nUSER root\nRUN a\nUSER node\n",
                "FROM node:22\nUSER 1000\nRUN npm ci\nUSER root\nRUN a\nUSER 1000\n"),
        Example(f"{_ADD}USER app:app # the user\n", refuses="U401"),
        Example(f"{_ADD}USER app:staff\n", f"{_ADD}USER 1001:staff\n"),
        Example("FROM debian AS a\nRUN useradd -u 1001 app\nUSER app\nFROM a\nRUN b\n",
                "FROM debian AS a\nRUN useradd -u 1001 app\nUSER 1001\nFROM a\nRUN b\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each USER that is a name."""
    for user in numbers.users(snapshot):
        if isinstance(user.becomes, numbers.Kept):
            yield Refusal(*user.becomes, user.instruction.span.start)
            continue
        ins, name = user.instruction, user.name
        claim = frozenset({f"stage {user.stage.label}", f"- USER {name}", f"+ USER {user.becomes}"})
        yield Change(
            f"only inside the image is it known that {name.partition(':')[0]} is not root",
            (edits.replace_logical(ins, ins.args_start, ins.args_end, user.becomes),),
            (Claim(Effect.USER, claim),),
            Safety.SUGGESTED,
        )
