"""Run a command without sudo where root runs it already.

In a build, RUN is root's unless USER or the base image says otherwise: sudo then only needs to be
installed, and gives the command another PATH, HOME and environment than the build's (hadolint:
DL3004). `sudo -u` and other options that do more are left alone, and so is sudo where it is needed.
The package sudo stays: scripts of the image may use it.
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
    caches,
    edits,
    packages,
    sudo,
    transform,
)


@transform(
    phase=Phase.FLAGS,
    triggers=("sudo",),
    answers=["DL3004"],
    examples=[
        Example("FROM debian\nRUN apt-get install -y sudo && echo sudo make\n"),
        Example("FROM debian\nRUN sudo -u app make\n", refuses="S102"),
        Example("FROM debian\nRUN sudo -i make\n", refuses="S102"),
        Example("FROM corp/base\nUSER root\nRUN sudo -H pip install a\n", refuses="S102",
                note="HOME may be another one"),
        Example("FROM debian\nRUN sudo echo $A > /a\n", refuses="S102",
                note="the shell's own `echo` is another one"),
        Example("FROM debian\nUSER app\nRUN sudo make\n", refuses="S101"),
        Example("FROM ocaml/opam\nRUN sudo make\n", refuses="S101", note="it may start as another user"),
        Example("FROM jenkins/jenkins\nRUN sudo make\n", refuses="S101"),
        Example("FROM debian\nRUN make() { true; } && sudo make\n", refuses="S103"),
        Example("FROM debian\nRUN sudo \\\n  # all\n  make\n", refuses="S104"),
        Example("FROM debian\nRUN <<EOF\nsudo make\nEOF\n", refuses="S105"),
        Example("FROM debian\nRUN sudo make\n", level=Safety.SAFE),
        Example("FROM debian\nRUN apt-get update && sudo -E apt-get install -y curl | \\\n  tee /log\n",
                "FROM debian\nRUN apt-get update && apt-get install -y curl | \\\n  tee /log\n"),
        Example("FROM corp/base\nUSER root\nRUN curl -s https://e.com/a.sh | sudo bash -\n",
                "FROM corp/base\nUSER root\nRUN curl -s https://e.com/a.sh | bash -\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each command behind sudo."""
    for run in snapshot.runs:
        if run.script is None and re.search(r"\bsudo\s", run.whole):
            yield Refusal("S105", f"not read: {run.opaque}", "write it in plain POSIX shell",
                          run.instruction.span.start)  # fmt: skip
        for command in run.script.commands() if run.script and not run.triggered else ():
            if command.name == "sudo" and caches.commands(snapshot, run):
                yield _judge(snapshot, run, command)


def _judge(snapshot: Snapshot, run: Run, command: packages.Command) -> Change | Refusal:
    at = run.instruction.span.start
    plain = sudo.command(command.argv)
    image = snapshot.graph.stages[run.stage].image
    user = caches.commands(snapshot, run)[0].setting.user
    if not sudo.is_root(user, image):
        return Refusal("S101", "root may not be the user in force", "put USER root before it", at)
    if not plain or command.words[len(command.words) - len(plain)].literal is None:
        return Refusal("S102", "sudo does more here than run a program as root",
                       "write it without sudo by hand", at)  # fmt: skip
    if f"{plain[0]}()" in run.whole.replace(" ", ""):
        return Refusal("S103", f"`{plain[0]}` is a function here", "rename the function", at)
    edit = edits.delete_words(run, command, len(command.words) - len(plain))
    if not edit:
        return Refusal("S104", "sudo stands on a line of its own", "write it on one line", at)
    becomes = " ".join((*(word.text for word in command.assignments), *plain))
    claim = edits.changed_command(command, becomes, Effect.COMMANDS)
    return Change(f"root runs `{plain[0]}` already", edit, (claim,),
                  assumes=(sudo.assumption(plain),))  # fmt: skip
