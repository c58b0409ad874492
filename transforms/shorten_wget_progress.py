"""Let wget log a line a megabyte instead of one for every fifty kilobytes.

Without a terminal GNU wget draws its progress as dots, thousands of lines for a large file, all of
them in the build log (hadolint: DL3047). The file is the same. busybox's wget knows no such
option: the change is made only where wget is GNU's, by the distribution or as it was installed.
"""

import re
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

_FLAG = "--progress=dot:giga"
_QUIET = re.compile(
    r"--(?:quiet|no-verbose|progress|output-file|append-output|show-progress|version|help|config)\b"
    r"|-[a-zA-Z]*[qoah]|-nv\Z|-V\Z"
)
_GNU = frozenset({"debian", "ubuntu", "rhel", "suse", "arch"})
_NOT_GNU = ("alpine", "busybox")


@transform(
    phase=Phase.FLAGS,
    triggers=("wget",),
    answers=["DL3047"],
    examples=[
        Example("FROM debian\nRUN wget -q https://e.com/a\n"),
        Example("FROM debian\nRUN wget -nv https://e.com/a && wget -qO- https://e.com/b | sh\n"),
        Example("FROM debian\nRUN wget --progress=bar https://e.com/a\n"),
        Example("FROM debian\nRUN apt-get install -y wget && echo wget https://e.com/a\n"),
        Example("FROM alpine\nRUN wget https://e.com/a\n", refuses="W101"),
        Example("FROM corp/tool:1-alpine\nRUN wget https://e.com/a\n", refuses="W101"),
        Example("FROM fedora:41\nRUN wget https://e.com/a\n", refuses="W101"),
        Example("FROM busybox\nRUN wget https://e.com/a\n", refuses="W101"),
        Example("FROM debian\nRUN wget https://e.com/a 2>&1 | grep ok\n", refuses="W102"),
        Example("FROM debian\nRUN <<EOF\nwget https://e.com/a\nEOF\n", refuses="W103"),
        Example("FROM corp/base\nRUN wget https://e.com/a\n", level=Safety.SAFE),
        Example("FROM corp/base\nRUN wget https://e.com/a\n",
                f"FROM corp/base\nRUN wget {_FLAG} https://e.com/a\n", level=Safety.SUGGESTED),
        Example("FROM alpine\nRUN apk add --no-cache wget\nRUN wget https://e.com/a\n",
                f"FROM alpine\nRUN apk add --no-cache wget\nRUN wget {_FLAG} https://e.com/a\n",
                level=Safety.SAFE),
        Example("FROM debian\nRUN sudo wget -O /a \\\n  https://e.com/a\n",
                f"FROM debian\nRUN sudo wget {_FLAG} -O /a \\\n  https://e.com/a\n", level=Safety.SAFE),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each wget that would draw dots."""
    installed: set[int] = set()
    for run in snapshot.runs:
        if run.script is None and re.search(r"\bwget\s", run.whole):
            yield Refusal("W103", f"not read: {run.opaque}", "write it in shell form",
                          run.instruction.span.start)  # fmt: skip
        for command in run.script.commands() if run.script else ():
            op = packages.operation(command)
            if op is not None and any(word.literal == "wget" for word in op.arguments):
                if command.start in apt.unconditional(run):
                    installed.add(run.stage)
                continue
            words, _ = packages.unwrap(command.words)
            if words and words[0].literal == "wget" and len(words) > 1:
                options_given = [word.text for word in words[1:] if word.text.startswith("-")]
                if not any(map(_QUIET.match, options_given)):
                    yield _judge(snapshot, run, command, words[0], _known(snapshot, run, installed))


def _known(snapshot: Snapshot, run: Run, installed: set[int]) -> bool | None:
    """Whether wget is GNU's; None if that is not known."""
    stage = snapshot.graph.stages[run.stage]
    ancestors = {run.stage}
    while stage.parent is not None:
        stage = snapshot.graph.stages[stage.parent]
        ancestors.add(stage.index)
    if "wget2" in snapshot.text or stage.image.name == "fedora":
        return False  # wget2, of which some releases know no `dot`
    if ancestors & installed or stage.image.family in _GNU:
        return True
    busybox = any(word in stage.image.reference for word in _NOT_GNU)
    return None if stage.image.family == "unknown" and not busybox else False


def _judge(
    snapshot: Snapshot, run: Run, command: packages.Command, program: packages.Word,
    gnu: bool | None,
) -> Change | Refusal:  # fmt: skip
    at = run.instruction.span.start
    if gnu is False:
        return Refusal(
            "W101", "busybox's wget and wget2 have no such option", "install GNU wget", at
        )
    if any("2>" in redirect.text or "&>" in redirect.text for redirect in command.redirects):
        return Refusal("W102", "something reads what wget logs", "none needed", at)
    edit, claim = edits.add_word(run, command, program, _FLAG, Effect.COMMANDS)
    assumes = () if gnu else ("`wget` is GNU wget",)
    return Change("wget's progress fills the build log", edit, claim, assumes=assumes)
