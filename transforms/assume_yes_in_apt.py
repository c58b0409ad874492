"""Answer apt-get's question with `-y`.

A build has nobody who could answer. Without `-y`, apt-get stops as soon as it would install a
package that was not named (hadolint: DL3014); where it asks nothing, `-y` changes nothing.
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
    packages,
    transform,
)

_ACTIONS = frozenset({"install", "reinstall", "remove", "purge", "autoremove", "build-dep"})
_ANSWERED = (
    "-y", "--yes", "--assume-yes", "-qq", "-q=2", "--assume-no", "-s", "--simulate", "--dry-run",
    "--just-print", "--print-uris", "--trivial-only", "--force-yes",
)  # fmt: skip


@transform(
    phase=Phase.FLAGS,
    triggers=("apt",),
    answers=["DL3014"],
    stability="stable",
    examples=[
        Example("FROM debian\nRUN apt-get install -y curl\n"),
        Example("FROM debian\nRUN apt-get install -qqy curl\n"),
        Example("FROM debian\nRUN apt-get -y install curl\n"),
        Example("FROM debian\nRUN yes | apt-get install curl\n", note="answered by a pipe"),
        Example("FROM debian\nRUN echo 'apt-get install curl'\n"),
        Example('FROM debian\nRUN ["apt-get", "install", "curl"]\n', refuses="P101"),
        Example("FROM debian\nRUN apt-get install -s curl\n"),
        Example("FROM debian\nRUN echo 'APT::Get::Assume-Yes \"1\";' > /etc/apt/apt.conf.d/y\n"
                "RUN apt-get install curl\n"),
        Example("FROM debian\nRUN apt-get install curl\n",
                "FROM debian\nRUN apt-get install -y curl\n", level=Safety.SAFE),
        Example("FROM debian\nRUN apt-get -q update && sudo apt-get -q install \\\n    curl\n",
                "FROM debian\nRUN apt-get -q update && sudo apt-get -q install -y \\\n    curl\n",
                level=Safety.SAFE),
        Example("FROM debian\nRUN apt-get install curl || true\n", level=Safety.SAFE,
                note="its failure is counted on, perhaps"),
        Example("FROM debian\nONBUILD RUN apt-get install curl\n",
                "FROM debian\nONBUILD RUN apt-get install -y curl\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each apt-get that would ask."""
    if "assume-yes" in snapshot.text.lower():
        return
    for run in snapshot.runs:
        if run.script is None:
            if packages.asks_apt(run.instruction.args):
                yield Refusal("P101", f"not read: {run.opaque}", "write it in shell form, on "
                              "commands joined by &&", run.instruction.span.start)  # fmt: skip
            continue
        always = apt.unconditional(run)
        for command, op in apt.operations(run):
            if op.manager not in packages.APT or op.action not in _ACTIONS:
                continue
            if op.has(*_ANSWERED) or apt.is_piped_into(run, command):
                continue
            edit, claim = edits.add_word(run, command, op.action_word, "-y", Effect.COMMANDS)
            yield Change(
                f"`{op.program.text} {op.action}` would ask, and nobody answers",
                edit,
                claim,
                Safety.SAFE if command.start in always else Safety.SUGGESTED,
            )
