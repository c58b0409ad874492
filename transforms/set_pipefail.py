"""Let a pipe fail if one of its commands does.

A shell looks only at the last command of a pipe: `curl ... | tar x` succeeds where curl failed and
tar got nothing (hadolint: DL4006). SHELL with `-o pipefail` makes the build fail there. Debian's sh
cannot do it: bash takes its place there, and busybox's ash on Alpine.

SHELL holds for all that follows, also in the stages that start from this one. So it is not written
where a reader may stop early (`head`, `grep -q`: what writes to it then fails), where a command in
front of a pipe may fail harmlessly (`grep`, `xargs`), where a pipe is a condition, where a script is
not understood or means something else to bash, and where the image may lack bash. A CMD, ENTRYPOINT
or HEALTHCHECK that needs its shell keeps it: `SHELL ["/bin/sh", "-c"]` stands in front of it then.
(`set -o pipefail` in the RUN alone is no way out, as dash has none.) Where an image keeps the other
shell, the change is risky: what others build on that image gets this shell too.
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
    pipes,
    transform,
)

_BASH = 'SHELL ["/bin/bash", "-o", "pipefail", "-c"]\n'
_DEFAULT = 'SHELL ["/bin/sh", "-c"]\n'
_RUN = "RUN curl -fsSL https://e.com/a.tgz | tar xz\n"


@transform(
    phase=Phase.ENTRY,
    triggers=("|",),
    answers=["DL4006"],
    examples=[
        Example(f"FROM debian\n{_BASH}{_RUN}"),
        Example("FROM debian\nRUN a || b\nRUN echo 'a | b'\n"),
        Example(f"FROM corp/base\n{_RUN}", refuses="P101"),
        Example("FROM debian:12\nRUN curl a | tar x\nRUN <<EOF\nb\nEOF\n", refuses="P102"),
        Example("FROM debian\nRUN find / -name a | head -1 > /b\n", refuses="P103",
                note="find ends with SIGPIPE where head has enough"),
        Example("FROM debian\nRUN ls | grep -q a\n", refuses="P103"),
        Example("FROM debian\nRUN grep a /b | sort > /c\n", refuses="P104",
                note="grep fails where it finds nothing"),
        Example("FROM debian\nRUN find / -name a | xargs -r dpkg-query -S | sort > /c\n", refuses="P104"),
        Example("FROM debian\nRUN if curl a | tar x; then b; fi\n", refuses="P104"),
        Example(f"FROM debian AS a\n{_RUN}FROM a\nCMD a $B\n", refuses="P105"),
        Example(f"FROM debian\n{_RUN}CMD a $B\nRUN b\n", refuses="P105"),
        Example(f"FROM debian\n{_RUN}CMD a b\n", refuses="P105", note="see use-exec-form"),
        Example(f"FROM debian\n{_RUN}COPY a /\n# starts it\nCMD a $B\n",
                f"FROM debian\n{_BASH}{_RUN}COPY a /\n{_DEFAULT}# starts it\nCMD a $B\n"),
        Example(f"FROM debian\n{_RUN}SHELL [\"/bin/sh\", \"-c\"]\nCMD a $B\n",
                f"FROM debian\n{_BASH}{_RUN}SHELL [\"/bin/sh\", \"-c\"]\nCMD a $B\n"),
        Example(f"FROM debian\n{_RUN}RUN echo 'a\\n' > /b\n", refuses="P106",
                note="dash prints a line end, bash two characters"),
        Example(f"FROM debian\nRUN a\n# The tool\n{_RUN}RUN b\n", f"FROM debian\nRUN a\n{_BASH}# The tool\n{_RUN}RUN b\n"),
        Example(f"FROM alpine\n{_RUN}",
                f'FROM alpine\nSHELL ["/bin/ash", "-o", "pipefail", "-c"]\n{_RUN}'),
        Example(f"FROM debian AS a\n{_RUN}FROM a\nRUN b | c\n",
                f"FROM debian AS a\n{_BASH}{_RUN}FROM a\nRUN b | c\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at the first pipe of each stage."""
    for plan in pipes.plans(snapshot):
        at = plan.run.instruction
        if isinstance(plan, pipes.Kept):
            yield Refusal(*plan.why, at.span.start)
            continue
        edit = [edits.insert_line(snapshot, at, _shell(plan.shell))]
        reason = "a pipe hides the failure of all but its last command"
        if plan.back is not None:
            edit.append(edits.insert_line(snapshot, plan.back, _shell(pipes.DEFAULT_SHELL)))
            reason += f"; {plan.back.keyword} keeps its shell"
        claim = frozenset({f"stage {plan.stage.label}", f"shell {' '.join(plan.shell)}"})
        yield Change(
            reason,
            tuple(edit),
            (Claim(Effect.COMMANDS, claim),),
            Safety.RISKY if plan.is_kept else Safety.SUGGESTED,
            plan.assumes,
        )


def _shell(command: tuple[str, ...]) -> str:
    words = ", ".join(f'"{word}"' for word in command)
    return f"SHELL [{words}]"
