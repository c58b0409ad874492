"""Answer a package manager's question with `-y`.

A build has nobody who could answer. Without the option the manager stops as soon as it would ask
(hadolint: DL3014, DL3030, DL3034, DL3038); where it asks nothing, the option changes nothing.
pacman calls it `--noconfirm`.
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


@transform(
    phase=Phase.FLAGS,
    triggers=("apt", "yum", "dnf", "zypper", "pacman", "conda", "mamba"),
    answers=["DL3014", "DL3030", "DL3034", "DL3038"],
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
        Example("FROM fedora\nRUN dnf install --assumeno git\nRUN dnf check-update\n"),
        Example("FROM opensuse/leap\nRUN zypper -n install git\n"),
        Example("FROM continuumio/miniconda3\nRUN conda env create -f e.yml\n"),
        Example("FROM fedora\nRUN echo assumeyes=1 >> /etc/dnf/dnf.conf\nRUN dnf install git\n"),
        Example("FROM mcr.microsoft.com/windows/servercore\nRUN conda install x\n", refuses="P101"),
        Example("FROM archlinux\nRUN pacman -Syu git\n",
                "FROM archlinux\nRUN pacman -Syu --noconfirm git\n", level=Safety.SAFE),
        Example("FROM centos:7\nRUN yum -q install git && sudo yum update\n",
                "FROM centos:7\nRUN yum -q install -y git && sudo yum update -y\n", level=Safety.SAFE),
        Example("FROM debian\nONBUILD RUN apt-get install curl\n",
                "FROM debian\nONBUILD RUN apt-get install -y curl\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each command that would ask."""
    if re.search(r"assume-?yes|always_yes", snapshot.text.lower().replace("--assume", "")):
        return  # somebody has answered for all of them, in a configuration file or a variable
    for run in snapshot.runs:
        if run.script is None:
            if packages.asks_to_install(run.instruction.args):
                yield Refusal("P101", f"not read: {run.opaque}", "write it in shell form, on "
                              "commands joined by &&", run.instruction.span.start)  # fmt: skip
            continue
        always = apt.unconditional(run)
        for command, op in apt.operations(run):
            answered = op.has(op.row.yes, *op.row.answered) or apt.is_piped_into(run, command)
            if op.action in op.row.asks and not answered:
                yield _judge(run, command, op, command.start in always)


def _judge(run: Run, command: packages.Command, op: packages.Operation, always: bool) -> Change:
    edit, claim = edits.add_word(run, command, op.action_word, op.row.yes, Effect.COMMANDS)
    name = f"{op.program.text} {op.action}"
    assumes = () if always else (f"nothing counts on `{name}` to stop where it would ask",)
    return Change(f"`{name}` would ask, and nobody answers", edit, claim, assumes=assumes)
