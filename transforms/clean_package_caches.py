"""Empty a package manager's cache in the RUN that filled it.

What a manager downloaded stays in the layer and is of no use in an image (hadolint: DL3032,
DL3036, DL3040, DL3060). It is deleted where it was fetched: in a later RUN it would not make the
image smaller. The managers of distributions fetch again what they need. Of those of languages
the change assumes that nothing works from the cache later; Go's and Cargo's, from which programs
are built and run, are emptied only where nothing behind the RUN names the program.

Stages that only hand files over to others are left alone, as nothing becomes smaller (option
`all_stages`). apt has a transform of its own, as others need its lists.
"""

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
    caches,
    edits,
    joining,
    packages,
    transform,
)


@dataclass(frozen=True)
class Options:
    """`all_stages`: also where the layers end up in no image."""

    all_stages: bool = False


_SYSTEM = frozenset({"yum", "dnf", "dnf5", "microdnf", "tdnf", "zypper", "pacman"})
_ASSUMES = {
    "conda": "no environment links into conda's package cache",
    "mamba": "no environment links into mamba's package cache",
    "micromamba": "no environment links into micromamba's package cache",
    "npm": "nothing later installs offline from npm's cache",
    "yarn": "yarn is version 1, and nothing later installs offline from its cache",
    "composer": "nothing later installs offline from composer's cache",
    "bundle": "the gems are installed where the base image's GEM_HOME is",
    "cargo": "nothing later builds with Cargo",
    "go": "nothing later builds with Go",
}
# These caches stand where the official image puts them, and are sources that programs are built of.
_OWN_IMAGE = {"bundle": "ruby", "cargo": "rust", "go": "golang"}
_BERRY = ("corepack", "yarn set version", "--immutable", ".yarnrc.yml", ".yarn", ".pnp", "berry")
_BERRY_FILES = (".yarnrc.yml", ".yarn", ".pnp.cjs")


@transform(
    phase=Phase.CLEANUP,
    triggers=("yum", "dnf", "zypper", "pacman", "conda", "mamba", "npm", "yarn", "composer", "bundle", "cargo", "go "),
    answers=["DL3032", "DL3036", "DL3040", "DL3060"],
    options=Options,
    examples=[
        Example("FROM fedora\nRUN dnf install -y git && dnf clean all\nCMD a\n"),
        Example("FROM fedora\nRUN dnf install -y git && rm -rf /var/cache/dnf\nCMD a\n"),
        Example("FROM fedora\nRUN --mount=type=cache,target=/var/cache/dnf dnf install -y git\n"),
        Example("FROM fedora AS a\nRUN dnf install -y git\nFROM fedora\nCOPY --from=a /x /x\n",
                refuses="P205"),
        Example("FROM fedora\nRUN dnf install -y git || exit 1\n", refuses="P206"),
        Example("FROM fedora\nRUN <<EOF\ndnf install -y git\nEOF\n", refuses="P207"),
        Example("FROM fedora\nRUN dnf install -y --installroot /mnt git\n", refuses="P209"),
        Example("FROM fedora\nONBUILD RUN dnf install -y git\n", refuses="P208"),
        Example("FROM node:22\nRUN sudo -u node npm ci\n", refuses="P213"),
        Example("FROM node:22\nRUN corepack enable\nRUN yarn install\n", refuses="P210"),
        Example("FROM golang:1.23\nRUN go mod download\nCOPY . .\nRUN go build ./...\nCMD [\"go\", \"run\", \".\"]\n",
                refuses="P211", note="the module cache is needed until the end"),
        Example("FROM rust\nRUN cargo fetch\nCMD cargo run --offline\n", refuses="P211"),
        Example("FROM fedora\nRUN dnf install -y git\nCMD a\n",
                "FROM fedora\nRUN dnf install -y git && dnf clean all\nCMD a\n",
                level=Safety.SAFE),
        Example("FROM fedora\nRUN sudo microdnf install -y git && \\\n  make\nCMD a\n",
                "FROM fedora\nRUN sudo microdnf install -y git && \\\n  make && \\\n"
                "  sudo microdnf clean all\nCMD a\n", level=Safety.SAFE),
        Example("FROM opensuse/leap\nRUN set -e; zypper in -y git; make\n",
                "FROM opensuse/leap\nRUN set -e; zypper in -y git; make; zypper clean --all\n"),
        Example("FROM node:22\nRUN npm ci\n", level=Safety.SAFE),
        Example("FROM node:22\nRUN npm ci\n", "FROM node:22\nRUN npm ci && npm cache clean --force\n",
                level=Safety.SUGGESTED),
        Example("FROM golang:1.23\nRUN go install example.com/a@v1\nCMD [\"a\"]\n",
                "FROM golang:1.23\nRUN go install example.com/a@v1 && go clean -cache -modcache\n"
                "CMD [\"a\"]\n"),
    ],
)  # fmt: skip
def propose(snapshot: Snapshot, options: Options | None) -> Iterator[Change | Refusal]:
    """Look at each RUN that fills a cache."""
    options = options or Options()
    wanted = apt.output_stages(snapshot)
    for run in snapshot.runs:
        at = run.instruction.span.start
        if run.script is None:
            if packages.asks_to_install(run.whole, *_SYSTEM, *_ASSUMES):
                yield Refusal("P207", f"not read: {run.opaque}", "join commands by &&", at)
            continue
        for manager, op, place in caches.fills(run).values():
            if not manager.cleanup or caches.is_mounted(run, manager):
                continue
            if caches.cleaned_later(run, manager, place):
                continue
            if run.triggered:
                yield Refusal("P208", "ONBUILD: what follows is not known", "clean up by hand", at)
            elif run.stage not in wanted and not options.all_stages:
                yield Refusal("P205", "no image has this stage's layers", "all_stages = true", at)
            else:
                yield _judge(snapshot, run, op)
                break  # one at a time: the next is appended behind it


def _judge(snapshot: Snapshot, run: Run, op: packages.Operation) -> Change | Refusal:
    at = run.instruction.span.start
    end = joining.end(run)
    if end is None:
        return Refusal("P206", "the RUN may end early", "write it as a chain of &&", at)
    if op.has("--installroot", "--root", "-R", "-r") and op.manager in _SYSTEM:
        return Refusal("P209", "packages are installed below another root", "clean up there", at)
    if op.manager in _ASSUMES and (refusal := _of_language(snapshot, run, op)):
        return refusal
    lead = "sudo " if op.wrapped and op.manager in _SYSTEM else ""
    commands = [lead + command for command in op.row.cleanup]
    return Change(
        f"{op.manager}'s cache stays in the layer",
        edits.append_command(snapshot, run, end, *commands),
        tuple(Claim(Effect.CACHES, frozenset({f"+ {command}"})) for command in commands),
        Safety.SAFE if op.manager in _SYSTEM else Safety.SUGGESTED,
        (_ASSUMES[op.manager],) if op.manager in _ASSUMES else (),
    )


def _of_language(snapshot: Snapshot, run: Run, op: packages.Operation) -> Refusal | None:
    at = run.instruction.span.start
    lowered = snapshot.text.lower()
    if op.manager == "yarn":
        files = snapshot.context and any(map(snapshot.context.kind, _BERRY_FILES))
        if files or any(word in lowered for word in _BERRY):
            return Refusal("P210", "yarn 2 and later: the cache may be the application's packages",
                           "none needed", at)  # fmt: skip
    if op.wrapped:
        return Refusal("P213", f"another user's cache: `{op.program.text}` runs behind sudo or the like",
                       "clean up by hand", at)  # fmt: skip
    if "--offline" in lowered or "prefer-offline" in lowered:
        return Refusal("P211", "something installs from the cache", "none needed", at)
    if op.manager in _OWN_IMAGE:
        image = snapshot.graph.stages[run.stage].image
        if image.name != _OWN_IMAGE[op.manager]:
            return Refusal("P212", "where the cache is is not known", "clean up by hand", at)
        late = op.manager != "bundle" and caches.named_later(snapshot, run, op.manager)
        if late or op.action not in ("install", "build"):
            return Refusal("P211", f"`{op.manager}` may need its cache later", "none needed", at)
    return None
