"""Delete apt's package lists in the RUN that fetched them.

The lists are of no use in an image, and weigh tens of megabytes (hadolint: DL3009). They are
deleted where they were fetched: in a later RUN it would not make the image smaller.

Not where a later command of the stage, or of a stage that starts from it, installs without an
update of its own. Where a later command may do so and cannot be looked into, that it does not is
an assumption. Stages that only hand files over to others are left alone, as nothing becomes
smaller.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from refactor import (
    Change,
    Claim,
    Effect,
    Example,
    Phase,
    Refusal,
    Run,
    Safety,
    Snapshot,
    apt,
    edits,
    joining,
    packages,
    transform,
)


@dataclass(frozen=True)
class Options:
    """`all_stages`: also where the layers end up in no image."""

    all_stages: bool = False


@transform(
    phase=Phase.CLEANUP,
    triggers=("apt",),
    answers=["DL3009"],
    stability="stable",
    options=Options,
    examples=[
        Example("FROM debian\nRUN apt-get update && apt-get install -y curl "
                "&& rm -rf /var/lib/apt/lists/*\n"),
        Example("FROM debian\nRUN apt-get update && apt-get install -y curl && apt-get dist-clean\n"),
        Example("FROM debian\nRUN apt-get install -y curl\n", note="nothing is fetched here"),
        Example("FROM debian\nRUN echo apt-get update\n"),
        Example("FROM debian\nRUN apt-get update && apt-get install -y a\nRUN apt-get install -y b\n",
                refuses="P204", note="the second install needs the lists"),
        Example("FROM debian AS a\nRUN apt-get update && apt-get install -y a\n"
                "FROM a\nRUN apt-get install -y b\n", refuses="P204"),
        Example("FROM debian AS a\nRUN apt-get update && apt-get install -y a\n"
                "FROM debian\nCOPY --from=a /x /x\n", refuses="P205"),
        Example("FROM debian\nRUN --mount=type=cache,target=/var/lib/apt apt-get update "
                "&& apt-get install -y a\n"),
        Example("FROM debian\nRUN apt-get update && apt-get install -y a || exit 1\n",
                refuses="P206"),
        Example("FROM debian\nRUN <<EOF\napt-get update\napt-get install -y a\nEOF\n",
                refuses="P207"),
        Example("FROM debian\nRUN apt-get update && apt-get install -y curl\n", level=Safety.SAFE,
                note="it runs nothing: other images may start from it, and need the lists"),
        Example("FROM debian\nRUN apt-get update && apt-get install -y curl\nCMD [\"a\"]\n",
                "FROM debian\nRUN apt-get update && apt-get install -y curl "
                "&& rm -rf /var/lib/apt/lists/*\nCMD [\"a\"]\n", level=Safety.SAFE),
        Example("FROM debian\nRUN apt-get update && \\\n  apt-get install -y curl\nCMD a\n",
                "FROM debian\nRUN apt-get update && \\\n  apt-get install -y curl && \\\n"
                "  rm -rf /var/lib/apt/lists/*\nCMD a\n", level=Safety.SAFE),
        Example("FROM debian\nRUN set -ex; \\\n\tapt-get update; \\\n\tapt-get install -y curl\n",
                "FROM debian\nRUN set -ex; \\\n\tapt-get update; \\\n\tapt-get install -y curl; \\\n"
                "\trm -rf /var/lib/apt/lists/*\n", level=Safety.SUGGESTED),
        Example("FROM debian\nRUN apt-get update && apt-get install -y a\nRUN ./setup.sh\n",
                level=Safety.SAFE, note="what setup.sh does is not known"),
        Example("FROM debian\nRUN apt-get update && apt-get install -y a\nRUN ./setup.sh\n",
                "FROM debian\nRUN apt-get update && apt-get install -y a "
                "&& rm -rf /var/lib/apt/lists/*\nRUN ./setup.sh\n", level=Safety.SUGGESTED),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: Options | None) -> Iterator[Change | Refusal]:
    """Look at each RUN."""
    everywhere = options is not None and options.all_stages
    wanted = frozenset() if everywhere else apt.output_stages(snapshot)
    for run in snapshot.runs:
        yield from _look(snapshot, run, everywhere or run.stage in wanted)


def _look(snapshot: Snapshot, run: Run, wanted: bool) -> Iterator[Change | Refusal]:
    at = run.instruction.span.start
    found = [op for _, op in apt.operations(run)]
    if run.script is None:
        if packages.asks_apt(run.whole) or re.search(r"\bapt(?:-get)?\s.*update\b", run.whole):
            yield Refusal("P207", f"not read: {run.opaque}", "join commands by &&", at)
    elif not any(map(packages.updates_lists, found)):
        return
    elif not any(map(packages.needs_lists, found)):
        yield Refusal("P215", "it fetches lists for others", "join it to the install", at)
    elif apt.cleaned_at_end(run) or apt.mounts_lists(run):
        return
    elif run.triggered:
        yield Refusal("P208", "ONBUILD: what follows is not known", "clean up by hand", at)
    elif not wanted:
        yield Refusal("P205", "no image has this stage's layers", "all_stages = true", at)
    else:
        yield _judge(snapshot, run)


def _judge(snapshot: Snapshot, run: Run) -> Change | Refusal:
    at = run.instruction.span.start
    after = apt.lists_after(snapshot, run)
    if after.needed:
        return Refusal(
            "P204",
            f"`{after.needed[0]}` needs the lists",
            "give it an `apt-get update` of its own",
            at,
        )
    end = joining.end(run)
    if end is None:
        return Refusal("P206", "the RUN may end early", "write it as a chain of &&", at)
    command = "rm -rf /var/lib/apt/lists/*"
    if all(op.wrapped for _, op in apt.operations(run) if op.manager in packages.APT):
        command = f"sudo {command}"
    if apt.installs_when_run(snapshot):
        return Refusal("P216", "containers of this base install packages", "none needed", at)
    assumes = [hazard.assumption for hazard in after.doubtful]
    if sentence := apt.at_run_time(snapshot):
        assumes.append(sentence)
    if apt.is_library(snapshot):
        assumes.append("an image that starts from this one fetches the lists it needs")
    return Change(
        "apt's package lists stay in the layer",
        edits.append_command(snapshot, run, end, command),
        (Claim(Effect.CACHES, frozenset({f"+ {command}"})),),
        assumes=tuple(dict.fromkeys(assumes)),
    )
