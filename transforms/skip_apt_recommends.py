"""Install no recommended packages, but keep those that are needed in practice.

`--no-install-recommends` makes images much smaller (hadolint: DL3015), and breaks builds where a
recommended package did the work: curl without ca-certificates cannot speak TLS, gcc without
libc6-dev finds no stdio.h. So the packages that are needed in practice are added by name. A
package that relies on its recommendations in a way that no short list mends is refused, and of
one that is not in the table the change assumes that it does not.
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

_FLAG = "--no-install-recommends"
_DECIDED = ("--no-install-recommends", "--install-recommends", "--no-recommends")


@transform(
    phase=Phase.FLAGS,
    triggers=("apt",),
    answers=["DL3015"],
    stability="stable",
    examples=[
        Example("FROM debian\nRUN apt-get install -y --no-install-recommends curl\n"),
        Example("FROM debian\nRUN apt-get install -y --install-recommends curl\n"),
        Example("FROM debian\nRUN apt-get install -y -o APT::Install-Recommends=0 curl\n"),
        Example("FROM debian\nRUN apt-get install -y $PACKAGES\n", refuses="P202"),
        Example("FROM debian\nRUN apt-get install -y ubuntu-desktop\n", level=Safety.SAFE),
        Example("FROM debian\nRUN apt-get install -y unzip\n", level=Safety.SAFE),
        Example("FROM debian\nRUN apt-get install -y unzip\n",
                "FROM debian\nRUN apt-get install -y --no-install-recommends unzip\n"),
        Example("FROM debian\nRUN apt-get install -y curl && true\n",
                "FROM debian\nRUN apt-get install -y --no-install-recommends curl ca-certificates "
                "&& true\n"),
        Example("FROM ubuntu:16.04\nRUN apt-get install -y gpg\n", refuses="P207",
                note="gpg-agent is called otherwise there"),
        Example("FROM debian\nRUN apt-get install -y gettext && curl x\n", refuses="P208",
                note="curl comes only with a recommended package"),
        Example("FROM debian\nRUN apt-get install -y gcc && a && apt-get purge -y gcc\n",
                refuses="P206"),
        Example("FROM debian\nRUN apt-get install -y --no-install-recommends ca-certificates\n"
                "RUN apt-get install -y curl\n",
                "FROM debian\nRUN apt-get install -y --no-install-recommends ca-certificates\n"
                "RUN apt-get install -y --no-install-recommends curl\n"),
        Example("FROM debian\nRUN apt-get install -y \\\n    # for x\n    curl\n",
                "FROM debian\nRUN apt-get install -y --no-install-recommends ca-certificates \\\n"
                "    # for x\n    curl\n"),
        Example("FROM debian\nRUN apt-get install curl -y\n",
                "FROM debian\nRUN apt-get install --no-install-recommends curl ca-certificates -y\n"),
        Example("FROM debian\nRUN apt-get install -y \\\n    unzip \\\n    curl\n",
                "FROM debian\nRUN apt-get install -y --no-install-recommends \\\n    unzip \\\n"
                "    curl \\\n    ca-certificates\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each `apt-get install` that does not say."""
    if "install-recommends" in snapshot.text.lower().replace("--no-install-recommends", ""):
        return  # somebody has decided, in a configuration file or on a command line
    given: dict[int, set[str]] = {}  # what the changes so far keep by name, by stage
    for run in snapshot.runs:
        for command, op in apt.operations(run):
            if op.manager in packages.APT and op.action == "install" and not op.has(*_DECIDED):
                names = given.setdefault(run.stage, set())
                yield _judge(snapshot, run, command, op, names)


def _judge(
    snapshot: Snapshot, run: Run, command: packages.Command, op: packages.Operation,
    given: set[str],
) -> Change | Refusal:  # fmt: skip
    at = run.instruction.span.start
    names = [word.literal for word in op.arguments]
    known = [n for n in names if n is not None and "/" not in n and not n.endswith("-")]
    if len(known) != len(names) or not names:
        return Refusal("P202", "a package is not known by name", "name every package", at)
    needs = packages.recommended(known)
    if needs.refused:
        listed = ", ".join(needs.refused)
        return Refusal(
            "P203",
            f"relies on recommended packages: {listed}",
            "add the flag and test the image",
            at,
        )
    stage = snapshot.fact(apt.stage_packages)[run.stage]
    if stage.removals:
        return Refusal(
            "P206", "packages are removed again: what is kept by name would stay",
            "add the flag, and what it needs to both lists", at,
        )  # fmt: skip
    image = snapshot.graph.stages[run.stage].image
    needed = [name for name in needs.keep if name not in known]
    if not packages.has_names(image, needed):
        return Refusal("P207", "this release has other names for what is needed", "add the flag, "
                       "and what is needed", at)  # fmt: skip
    here = run.place(command)
    missing = apt.only_recommended(snapshot, run, here)
    if missing and apt.is_minimal(image):
        return Refusal("P208", f"`{missing[0]}` is used, and installed nowhere by name",
                       f"install what brings `{missing[0]}` by name", at)  # fmt: skip
    keep = [name for name in needed if name not in given and not stage.has(name, here)]
    if command.start in apt.unconditional(run):
        given.update(keep)
    assumes = (
        *(
            f"`{name}`, and what it depends on, need none of the packages that they recommend"
            for name in needs.unknown
        ),
        *(f"the base image brings `{name}`" for name in missing),
        *packages.release_assumption(image, keep),
    )
    return _change(run, command, op, keep, assumes)


def _change(
    run: Run, command: packages.Command, op: packages.Operation, keep: list[str],
    assumes: tuple[str, ...],
) -> Change:  # fmt: skip
    first = apt.has_comments(run, command)  # behind the last, they would stand under its comment
    behind, last = ([_FLAG, *keep], []) if first else ([_FLAG], keep)
    after = packages.with_words(command, {op.flag_place: behind, op.arguments[-1]: last})
    return Change(
        f"recommended packages are not needed{_besides(keep)}",
        (
            edits.insert_word(run, op.flag_place, " ".join(behind)),
            *edits.append_words(run, op.arguments[-1], last),
        ),
        (edits.changed_command(command, after, Effect.PACKAGES),),
        Safety.SUGGESTED,
        assumes,
    )


def _besides(keep: list[str]) -> str:
    return f", besides {', '.join(keep)}" if keep else ""
