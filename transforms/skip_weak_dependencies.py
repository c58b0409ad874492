"""Install no weak dependencies with dnf and zypper.

Like apt's recommended packages, they are installed though nothing requires them. dnf leaves them
out with `--setopt=install_weak_deps=False`, microdnf with `=0`, zypper with `--no-recommends`. A
package that is known to rely on them is refused; of the others the change assumes that they do
not, and names them.
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
    weak,
)


@transform(
    phase=Phase.FLAGS,
    triggers=("dnf", "zypper"),
    examples=[
        Example("FROM fedora\nRUN dnf install -y --setopt=install_weak_deps=False git\n"),
        Example("FROM fedora\nRUN dnf --setopt install_weak_deps=0 install -y git\n"),
        Example("FROM fedora\nRUN echo install_weak_deps=False >> /etc/dnf/dnf.conf && dnf install -y git\n"),
        Example("FROM opensuse/leap\nRUN zypper install -y --no-recommends git\n"),
        Example("FROM fedora\nRUN dnf update -y && dnf remove -y git\n"),
        Example("FROM fedora\nRUN dnf install -y nodejs\n", refuses="P203", note="npm is only recommended"),
        Example("FROM fedora\nRUN dnf install -y $PACKAGES\n", refuses="P202"),
        Example("FROM fedora\nRUN dnf install -y @development-tools\n", refuses="P202"),
        Example("FROM opensuse/leap\nRUN zypper in -y -t pattern devel_basis\n", refuses="P202",
                note="a pattern is made of recommendations"),
        Example("FROM centos:7\nRUN yum install -y git\n", note="yum has none"),
        Example("FROM fedora\nRUN dnf install -y git\n", level=Safety.SAFE),
        Example("FROM fedora\nRUN dnf install -y git\n",
                "FROM fedora\nRUN dnf install -y --setopt=install_weak_deps=False git\n"),
        Example("FROM opensuse/leap\nRUN zypper in -y git\n",
                "FROM opensuse/leap\nRUN zypper in -y --no-recommends git\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: None) -> Iterator[Change | Refusal]:
    """Look at each install that does not say."""
    lowered = snapshot.text.lower()
    for run in snapshot.runs:
        for command, op in apt.operations(run):
            if op.action not in ("install", "in") or not weak.option(op):
                continue
            decided = any("weak_deps" in option or "recommends" in option for option in op.options)
            if not decided and "dnf.conf" not in lowered and "solver.onlyrequires" not in lowered:
                yield _judge(run, command, op)


def _judge(run: Run, command: packages.Command, op: packages.Operation) -> Change | Refusal:
    at = run.instruction.span.start
    names = [word.literal for word in op.arguments]
    known = [
        name
        for name in names
        if name and name[0] not in "@/" and "pattern" not in name and "://" not in name
    ]
    if len(known) != len(names) or not names or op.has("-t", "--type"):
        return Refusal("P202", "a package is not known by name", "name every package", at)
    if relying := weak.relying(known):
        return Refusal("P203", f"relies on weak dependencies: {', '.join(relying)}",
                       "add the flag and test the image", at)  # fmt: skip
    edit, claim = edits.add_word(run, command, op.flag_place, weak.option(op), Effect.PACKAGES)
    return Change(
        "weak dependencies are not needed",
        edit,
        claim,
        Safety.SUGGESTED,
        tuple(
            f"`{name}`, and what it requires, need none of their weak dependencies"
            for name in known
        ),
    )
