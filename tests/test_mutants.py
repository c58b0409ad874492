"""The strength of the verifier: it must reject nearly all wrong versions of accepted changes."""

from __future__ import annotations

import difflib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePath

import pytest

from refactor.compose import Step, refactor
from refactor.engine import unsound
from refactor.model import Change, Safety
from refactor.registry import entries, ordered, select
from refactor.snapshot import Snapshot
from refactor.source import Unreadable, apply, decode
from refactor.syntax import ParseError, parse
from tests import corpus
from tests.mutants import REASONS, Accepted, equivalence, mutants

WANTED = int(os.environ.get("DFR_MUTANTS", "20400"))
PARTS = 4  # of the corpus, each judged by a process
LEAST, MOST = 8, 24  # mutants of one change
OVERALL, PER_KIND = 0.99, 0.97
COUNTED = 100  # a kind with fewer mutants has no share of its own


def steps(paths: list[Path]) -> Iterator[Step]:
    """Yield every change that is made to the files."""
    transforms = ordered(select(("all",), ()))
    for path in paths:
        try:
            dockerfile = parse(decode(path.read_bytes()))
        except (ParseError, Unreadable):
            continue
        if unsound(dockerfile) is None:
            snapshot = Snapshot(PurePath(path), dockerfile.text, dockerfile)
            yield from refactor(snapshot, transforms, Safety.RISKY).steps


def sampled(found: Iterator[Step], wanted: int) -> Iterator[tuple[Step, int]]:
    """Yield steps of each transform alike, and how many mutants to make of each."""
    groups: dict[str, list[Step]] = defaultdict(list)
    for step in found:
        groups[step.transform.id].append(step)
    left = wanted
    for number, group in enumerate(sorted(groups.values(), key=len)):
        quota = left // (len(groups) - number)
        each = min(MOST, max(LEAST, quota // len(group)))
        taken = min(len(group), max(1, quota // each))
        left -= taken * each
        for index in range(taken):
            yield group[index * len(group) // taken], each


def accepted(step: Step) -> Accepted:
    """Return the state after a step's change alone."""
    after = step.before.with_text(apply(step.before.text, step.change.edits))
    return Accepted(step.transform.id, step.change, step.before, after)


@dataclass
class Tally:
    """What became of the mutants, by kind."""

    made: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    equivalent: Counter[str] = field(default_factory=Counter)
    rules: Counter[tuple[str, bool]] = field(default_factory=Counter)
    listed: list[str] = field(default_factory=list)

    def take(self, change: Accepted, kind: str, mutant: Snapshot) -> None:
        """Let the verifier judge one mutant, and the rules."""
        reason = change.verdict(mutant)
        rule = equivalence(change, mutant.text)
        if rule is not None:
            self.equivalent[kind] += 1
            self.rules[rule, reason is None] += 1
        elif reason is not None:
            self.rejected[kind] += 1
        else:
            self.missed[kind] += 1
            self.listed.append(_listed(change, kind, mutant))

    def __add__(self, other: Tally) -> Tally:
        """Return both together."""
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def kinds(self) -> list[str]:
        """The kinds of mutation that there were."""
        return sorted(self.rejected | self.missed | self.equivalent)

    def share(self, kind: str) -> float:
        """Return how many of a kind that are not equivalent were rejected."""
        counted = self.rejected[kind] + self.missed[kind]
        return self.rejected[kind] / counted if counted else 1.0

    def overall(self) -> float:
        """Return how many of all that are not equivalent were rejected."""
        counted = self.rejected.total() + self.missed.total()
        return self.rejected.total() / counted if counted else 0.0

    def table(self) -> Iterator[str]:
        """Yield the lines of the report."""
        names = ("mutants", "equivalent", "rejected", "missed", "share")
        yield f"{'kind':34}" + "".join(f"{name:>11}" for name in names)
        for kind in self.kinds:
            parts = [c[kind] for c in (self.equivalent, self.rejected, self.missed)]
            yield _row(kind, parts, self.share(kind))
        totals = [c.total() for c in (self.equivalent, self.rejected, self.missed)]
        yield _row("all", totals, self.overall())
        for rule in dict.fromkeys(rule for rule, _ in self.rules):
            passed, stopped = self.rules[rule, True], self.rules[rule, False]
            yield f"equivalent: {rule}: {passed} accepted, {stopped} rejected. {REASONS[rule]}"
        yield from self.listed[:30]


def _row(kind: str, parts: list[int], share: float) -> str:
    equivalent, rejected, missed = parts
    return f"{kind:34}{sum(parts):11}{equivalent:11}{rejected:11}{missed:11}{share:11.2%}"


def _listed(change: Accepted, kind: str, mutant: Snapshot) -> str:
    old, new = (s.text.split("\n") for s in (change.after, mutant))
    lines = [line for line in difflib.unified_diff(old, new, lineterm="", n=0) if line[:2] != "@@"]
    shown = "\n    ".join(line[:200] for line in lines[2:14])
    return f"missed: {kind}, of {change.transform} in {change.before.path}\n    {shown}"


def judged(task: tuple[list[Path], int]) -> Tally:
    """Make mutants of the changes to some files, and judge them."""
    paths, wanted = task
    tally = Tally()
    for number, (step, count) in enumerate(sampled(steps(paths), wanted)):
        change = accepted(step)
        assert change.verdict(change.after) is None, f"{change.transform}: {change.before.path}"
        for mutant in mutants(change, count, tally.made, seed=str(number)):
            tally.take(change, mutant.kind, mutant.snapshot)
    return tally


def test_mutants_of_accepted_changes_are_rejected() -> None:
    """The share of the mutants that the verifier rejects; the others are listed."""
    paths = corpus.files(corpus.folder())
    tasks = [(paths[part::PARTS], WANTED // PARTS) for part in range(PARTS)]
    tally = sum(corpus.each(judged, tasks, chunk=1), start=Tally())
    print("", *tally.table(), sep="\n")
    weak = [k for k in tally.kinds if tally.made[k] >= COUNTED and tally.share(k) < PER_KIND]
    made, overall = tally.made.total(), tally.overall()
    assert made >= WANTED * 0.9
    assert overall >= OVERALL
    assert not weak, f"too few are rejected of {', '.join(weak)}"


CLEAN = "rm -rf /var/lib/apt/lists/*"
WEED = "dnf clean all"
UPDATE, INSTALL = "apt-get update", "apt-get install -y curl"
# Of each transform: a text, and wrong outcomes of the change that is made to it.
WRONG: dict[str, dict[str, list[str]]] = {
    "assume-yes": {
        "RUN apt-get install curl && apt-get update": [
            "RUN apt-get install curl && apt-get update -y",
            "RUN apt-get install -qq curl && apt-get update",
            "RUN apt-get install -y && apt-get update",
            "RUN apt-get install -y curl && apt-get upgrade",
            "RUN yes | apt-get install curl && apt-get update",
            "RUN apt-get install -y curl -y && apt-get update",
        ],
    },
    "clean-apt-lists": {
        f"RUN {UPDATE} && {INSTALL}": [
            f"RUN {UPDATE} && {CLEAN} && {INSTALL}",
            f"RUN {CLEAN} && {UPDATE} && {INSTALL}",
            f"RUN {INSTALL} && {CLEAN}",
            f"RUN {UPDATE} && {INSTALL}\nRUN {CLEAN}",
            f"RUN {UPDATE} && {INSTALL}; {CLEAN}",
            f"RUN {UPDATE} && {INSTALL} || {CLEAN}",
            f"RUN {UPDATE} && {INSTALL} & {CLEAN}",
            f"RUN {UPDATE} && {INSTALL} && rm -rf '/var/lib/apt/lists/*'",
            f"RUN {UPDATE} && {INSTALL} && rm -rf /var/lib/apt/*",
            f"RUN {UPDATE} && {INSTALL} && {CLEAN} > /dev/null",
            f"RUN {UPDATE} && {INSTALL} && {CLEAN} && {CLEAN}",
            f"RUN {UPDATE} && {INSTALL} && ( {CLEAN} || true )",
        ],
        f"WORKDIR /a\nRUN {UPDATE} && {INSTALL}\nRUN make": [
            f"WORKDIR /a\nRUN {UPDATE} && {INSTALL}\nRUN make && {CLEAN}",
            f"WORKDIR /a\nRUN {CLEAN} && {UPDATE} && {INSTALL}\nRUN make",
            f"WORKDIR /b\nRUN {UPDATE} && {INSTALL} && {CLEAN}\nRUN make",
        ],
    },
    "drop-redundant-platform": {
        "FROM --platform=$TARGETPLATFORM debian AS a\nFROM --platform=$BUILDPLATFORM a": [
            "FROM debian AS a\nFROM a",
            "FROM --platform=$BUILDPLATFORM debian AS a\nFROM --platform=$BUILDPLATFORM a",
            "FROM debian:$TARGETPLATFORM AS a\nFROM --platform=$BUILDPLATFORM a",
            "FROM AS a\nFROM --platform=$BUILDPLATFORM a",
        ],
    },
    "end-destination-with-slash": {
        "WORKDIR /c\nCOPY a b /c\nCOPY a b /d": [
            "WORKDIR /c\nCOPY a b /c/\nCOPY a b /d/",
            "WORKDIR /c\nCOPY a b / c\nCOPY a b /d",
            "WORKDIR /c\nCOPY a/ b /c\nCOPY a b /d",
            "WORKDIR /c/\nCOPY a b /c\nCOPY a b /d",
            "WORKDIR /c\nCOPY a b /c/\nCOPY a /d",
        ],
    },
    "lower-stage-names": {
        "FROM debian AS Build\nFROM Build AS b\nCOPY --from=Build /a /a": [
            "FROM debian AS build\nFROM debian AS b\nCOPY --from=build /a /a",
            "FROM debian AS build\nFROM build AS b\nCOPY --from=b /a /a",
            "FROM debian AS built\nFROM built AS b\nCOPY --from=built /a /a",
            "FROM debian AS build\nFROM build AS b\nCOPY --from=build /A /a",
            "FROM debian AS build\nFROM build AS b\nCOPY /a /a",
        ],
        "FROM debian AS Build\nFROM debian\nRUN --mount=from=Build,target=/B a": [
            "FROM debian AS build\nFROM debian\nRUN --mount=from=built,target=/B a",
            "FROM debian AS build\nFROM debian\nRUN --mount=from=build,target=/b a",
            "FROM debian AS build\nFROM debian\nRUN --mount=target=/B a",
            "FROM debian AS built\nFROM debian\nRUN --mount=from=Build,target=/B a",
        ],
    },
    "match-as-case": {
        "FROM debian as a\nFROM a as b": [
            "FROM debian AS c\nFROM a AS b",
            "FROM debian AS a\nFROM debian AS b",
            "FROM ubuntu AS a\nFROM a AS b",
            "FROM --platform=linux/arm64 debian AS a\nFROM a AS b",
        ],
    },
    "merge-apt-update": {
        f"RUN {UPDATE}\nRUN {INSTALL}": [
            f"RUN {UPDATE}\nRUN {INSTALL}",
            f"RUN {UPDATE}; {INSTALL}",
            f"RUN {UPDATE} || {INSTALL}",
            f"RUN {INSTALL} && {UPDATE}",
            f"RUN {UPDATE} && apt-get install -y git",
            f"RUN {UPDATE} && {INSTALL} && {CLEAN}",
        ],
        f"RUN {UPDATE}\n# why\nRUN {INSTALL} || true": [
            f"RUN {UPDATE} \\\n    && {{ {INSTALL} || true; }}",
            f"RUN {UPDATE} \\\n    # why\n    && {INSTALL} || true",
        ],
    },
    "merge-runs": {
        "RUN a\nRUN b || c": ["RUN a && b || c", "RUN a || { b || c; }", "RUN a\nRUN b || c"],
        "RUN a\nRUN b; c": ["RUN a && b; c", "RUN { a && b; }; c", "RUN b; c && a"],
        "RUN set -e; a; b\nRUN c": ["RUN a; b; c", "RUN set -e; a; b & c"],
        "RUN set -e; a; b\nRUN set -e; c; d": [
            "RUN set -e; a; b && c; d",
            "RUN { set -e; a; b; } && { set -e; c; d; }",
        ],
        "RUN ( cd /x && a )\nRUN b": ["RUN cd /x && a && b", "RUN { cd /x && a; } && b"],
        "RUN ( export X=1 && a )\nRUN b": ["RUN export X=1 && a && b"],
        "RUN ( umask 077; a )\nRUN b": ["RUN { umask 077; a; } && b"],
        "RUN a\nRUN b\nCOPY x /x\nRUN c": [
            "RUN a\nCOPY x /x\nRUN b && c",
            "RUN a && b && c\nCOPY x /x",
            "RUN a && b\nRUN c\nCOPY x /x",
        ],
        "RUN a\nRUN b\nCOPY x /x\nRUN nginx\nRUN c": [
            "RUN a\nRUN b\nCOPY x /x\nRUN nginx && c",
        ],
        "RUN a\n# why\nRUN b": ["RUN a \\\n    && b", "RUN a \\\n    # how\n    && b"],
    },
    "name-stop-signal": {
        "STOPSIGNAL 15\nONBUILD STOPSIGNAL quit": [
            "STOPSIGNAL SIGKILL\nONBUILD STOPSIGNAL SIGQUIT",
            "STOPSIGNAL SIGTERM\nONBUILD STOPSIGNAL SIGTERM",
            "STOPSIGNAL SIGTERM\nSTOPSIGNAL SIGQUIT",
            "STOPSIGNAL SIG15\nONBUILD STOPSIGNAL SIGQUIT",
            "ONBUILD STOPSIGNAL SIGQUIT",
        ],
    },
    "remove-empty-continuations": {
        "RUN a \\\n\n # why\n\n && b \\\n\n c": [
            "RUN a \\\n && b \\\n c",
            "RUN a \\\n # why\n\n && b",
            "RUN a\n # why\nRUN b \\\n c",
            "RUN a \\\n # why\n && bc",
            "RUN a \\\n && b \\\n # why not\n c",
        ],
    },
    "remove-overridden-instructions": {
        "CMD a\nRUN b\nENTRYPOINT c\nCMD d\n# e\nENTRYPOINT f": [
            "RUN b\nENTRYPOINT c\nCMD d\n# e",
            "CMD a\nRUN b\n# e\nENTRYPOINT f",
            "RUN b\nCMD d\nENTRYPOINT f",
            "RUN b\nCMD a\n# e\nENTRYPOINT f",
            "CMD d\n# e\nENTRYPOINT f",
        ],
        "HEALTHCHECK --retries=2 CMD a\nHEALTHCHECK --retries=3 CMD b": [
            "HEALTHCHECK --retries=2 CMD a",
            "HEALTHCHECK --retries=2 CMD b",
            "HEALTHCHECK NONE",
            "CMD b",
        ],
        "FROM a AS b\nCMD c\nCMD d\nFROM b\nENTRYPOINT e": [
            "FROM a AS b\nCMD c\nFROM b\nENTRYPOINT e",
            "FROM a AS b\nCMD d\nFROM b\nENTRYPOINT e\nCMD d",
            "FROM a AS b\nFROM b\nENTRYPOINT e",
        ],
    },
    "repair-exposed-ports": {
        "EXPOSE 8080:80/UDP 53": [
            "EXPOSE 8080/udp 53",
            "EXPOSE 80 53",
            "EXPOSE 80/udp",
            "EXPOSE 80/udp 53/udp",
            "EXPOSE 80/udp 8080/udp 53",
            "EXPOSE 80-8080/udp 53",
        ],
    },
    "replace-maintainer": {
        "LABEL a=b\nMAINTAINER Jane": [
            'LABEL a=b\nLABEL org.opencontainers.image.authors="John"',
            'LABEL a=b\nLABEL maintainer="Jane"',
            'LABEL org.opencontainers.image.authors="Jane"',
            'LABEL a=c\nLABEL org.opencontainers.image.authors="Jane"',
            'LABEL a=b\nLABEL org.opencontainers.image.authors="$Jane"',
            "LABEL a=b",
        ],
    },
    "separate-definition-comments": {
        "# a\nARG B=1\nRUN c": [
            "\nARG B=1\nRUN c",
            "# a\n\nARG B\nRUN c",
            "# a\n\nRUN c",
            "# a\n\n# ARG B=1\nRUN c",
        ],
    },
    "skip-apt-recommends": {
        f"RUN {INSTALL} && true": [
            "RUN apt-get install -y --no-install-recommends curl && true",
            "RUN apt-get install -y --no-install-recommends curl fontconfig && true",
            "RUN apt-get install -y --no-install-recommends git ca-certificates && true",
            "RUN apt-get install -y curl ca-certificates && true",
            "RUN apt-get install -y --no-install-suggests curl ca-certificates && true",
            f"RUN {INSTALL} && true --no-install-recommends ca-certificates",
        ],
    },
    "skip-pip-cache": {
        "RUN pip install flask && npm install x": [
            "RUN pip install flask && npm install --no-cache-dir x",
            "RUN pip install --no-cache flask && npm install x",
            "RUN pip install --no-cache-dir && npm install x",
            "RUN pip install --no-cache-dir flask --no-deps && npm install x",
            "RUN pip install --no-cache-dir flask; npm install x",
        ],
    },
    "unify-instruction-case": {
        "Copy a /a\nENV A=1": ["ADD a /a\nENV A=1", "ENV A=1", "COPY a /a\nARG A=1"],
    },
    "use-absolute-destination": {
        "COPY a ./\nCOPY a b\nWORKDIR /c\nCOPY d e": [
            "COPY a /a/\nCOPY a /b\nWORKDIR /c\nCOPY d e",
            "COPY a /\nCOPY a /b/\nWORKDIR /c\nCOPY d e",
            "COPY a /\nCOPY a /b\nWORKDIR /c\nCOPY d /e",
            "COPY a /\nCOPY /a /b\nWORKDIR /c\nCOPY d e",
            "COPY a /\nCOPY a b c\nWORKDIR /c\nCOPY d e",
            "WORKDIR /c\nCOPY a /\nCOPY a b\nCOPY d e",
        ],
        "FROM golang\nCOPY a b": ["FROM golang\nCOPY a /b", "FROM golang\nCOPY a /go/b/"],
    },
    "use-absolute-workdir": {
        "USER a\nWORKDIR b\nRUN c\nWORKDIR ../d/": [
            "USER a\nWORKDIR /b\nRUN c\nWORKDIR /b/d",
            "USER a\nWORKDIR /b\nRUN c\nWORKDIR /d/",
            "WORKDIR /b\nUSER a\nRUN c\nWORKDIR /d",
            "USER a\nWORKDIR /d\nRUN c",
            "USER a\nRUN c\nWORKDIR /d",
            "USER a\nWORKDIR /\nWORKDIR /b\nRUN c\nWORKDIR /d",
        ],
        "FROM golang\nWORKDIR src": [
            "FROM golang\nWORKDIR /src",
            "FROM golang\nWORKDIR /go/src/",
            "FROM golang\nENV PWD=/go/src",
        ],
    },
    "use-apt-get": {
        "RUN apt update && apt upgrade -y": [
            "RUN apt update && apt-get upgrade -y",
            "RUN apt-get update && apt-get upgrade -y",
            "RUN aptitude update && apt upgrade -y",
            "RUN apt-get update && apt upgrade",
        ],
    },
    "use-copy-for-local-files": {
        "ADD a.txt /a\nADD https://example.com/b /b": [
            "COPY a.txt /a\nCOPY https://example.com/b /b",
            "ADD a.txt /a\nCOPY https://example.com/b /b",
            "COPY a.txt /b\nADD https://example.com/b /b",
            "COPY --chown=1:1 a.txt /a\nADD https://example.com/b /b",
            "COPY --from=debian a.txt /a\nADD https://example.com/b /b",
        ],
        "ADD a.txt /a\nADD b.tar.gz /b": ["COPY a.txt /a\nCOPY b.tar.gz /b"],
    },
    "use-key-value-form": {
        "ENV A b c": ['ENV A="b  c"', "ENV A=b", 'ENV B="b c"', 'ARG A="b c"'],
        "ENV B 1\nENV A $B": ["ENV B=1\nENV A='$B'", "ENV A=$B\nENV B=1", "ENV B=1 A=$B"],
    },
    "clean-package-caches": {
        "RUN dnf install -y a\nCMD b": [
            f"RUN dnf install -y a && {WEED}\nCMD c",
            f"RUN {WEED} && dnf install -y a\nCMD b",
            f"RUN dnf install -y a\nRUN {WEED}\nCMD b",
            f"RUN dnf install -y a; {WEED}\nCMD b",
            f"RUN dnf install -y a || {{ {WEED}; }}\nCMD b",
            "RUN dnf install -y a && dnf clean all && rm -rf /var/cache\nCMD b",
            "RUN dnf install -y a && dnf clean all && rm -rf '/var/cache/dnf'/../\nCMD b",
            "RUN dnf install -y a && yum clean all && rm -rf /var/cache/dnf\nCMD b",
        ],
        "RUN a\nRUN npm ci": [
            "RUN a && npm cache clean --force\nRUN npm ci",
            "RUN a\nRUN npm ci && npm cache clean",
            "RUN a\nRUN npm cache clean --force",
            "RUN a\nRUN npm ci && npm cache clean --force > /dev/null",
        ],
    },
    "drop-late-cleanup": {
        f"RUN {UPDATE} && {INSTALL} && {CLEAN}\nRUN mkdir /a\nRUN apt-get clean\nCMD b": [
            f"RUN {UPDATE} && {INSTALL}\nRUN mkdir /a\nCMD b",
            f"RUN {UPDATE} && {INSTALL} && {CLEAN}\nCMD b",
            f"RUN {UPDATE} && {INSTALL} && {CLEAN}\nRUN apt-get clean\nCMD b",
            f"RUN {UPDATE} && {INSTALL} && {CLEAN} && mkdir /a\nCMD b",
        ],
    },
    "compile-uv-bytecode": {
        "RUN uv sync --frozen && uv pip list": [
            "RUN uv sync --frozen && uv pip list --compile-bytecode",
            "RUN uv --compile-bytecode sync --frozen && uv pip list",
            "RUN uv sync --compile-bytecode && uv pip list",
            "RUN uv sync --compile-bytecode --no-dev --frozen && uv pip list",
            "RUN uv sync --no-compile-bytecode --frozen && uv pip list",
        ],
    },
    "limit-debian-frontend": {
        "RUN a\nENV DEBIAN_FRONTEND=noninteractive\nRUN b\nCMD c": [
            "RUN a\nRUN b\nCMD c",
            "RUN a\nARG DEBIAN_FRONTEND=dialog\nRUN b\nCMD c",
            "RUN a\nARG DEBIAN_FRONTEND\nRUN b\nCMD c",
            "RUN a\nRUN b\nARG DEBIAN_FRONTEND=noninteractive\nCMD c",
            "RUN a\nARG DEBIAN_FRONTEND=noninteractive\nARG X=1\nRUN b\nCMD c",
            "RUN a\nARG DEBIAN_PRIORITY=noninteractive\nRUN b\nCMD c",
        ],
    },
    "mount-package-caches": {
        f"RUN {UPDATE} && {INSTALL} && {CLEAN}": [
            f"RUN --mount=type=cache,target=/var/lib/apt {UPDATE} && {INSTALL}",
            f"RUN --mount=type=tmpfs,target=/var/lib/apt/lists {UPDATE} && {INSTALL}",
            f"RUN {UPDATE} && {INSTALL}",
            f"RUN --mount=type=cache,target=/var/lib/apt/lists,sharing=locked {INSTALL}",
            "RUN --mount=type=cache,target=/usr,sharing=locked "
            f"--mount=type=cache,target=/var/lib/apt/lists,sharing=locked {UPDATE} && {INSTALL}",
        ],
    },
    "unbuffer-python": {
        "FROM python\nENV A=1\nRUN b\nCMD python c.py": [
            "FROM python\nENV A=1\nENV PYTHONUNBUFFERED=1\nRUN b\nCMD python c.py",
            "FROM python\nENV A=1\nRUN b\nENV PYTHONUNBUFFERED=0\nCMD python c.py",
            "FROM python\nENV A=1\nRUN b\nENV PYTHONUNBUFFERED=$B\nCMD python c.py",
            "FROM python\nENV A=1\nRUN b\nENV A=2 PYTHONUNBUFFERED=1\nCMD python c.py",
            "FROM python\nENV A=1\nRUN b\nENV PYTHONDONTWRITEBYTECODE=1\nCMD python c.py",
            "FROM python\nENV A=1\nRUN b\nARG PYTHONUNBUFFERED=1\nCMD python c.py",
            "FROM python\nENV A=1\nRUN b\nCMD python c.py",
        ],
    },
    "remove-unpacked-archives": {
        "RUN curl -fO https://e.com/a.tgz && tar xf a.tgz && b": [
            "RUN curl -fO https://e.com/a.tgz && rm -f a.tgz && tar xf a.tgz && b",
            "RUN curl -fO https://e.com/a.tgz && tar xf a.tgz && rm -f a.tgz && b",
            "RUN curl -fO https://e.com/a.tgz && tar xf a.tgz && b && rm -f b.tgz",
            "RUN curl -fO https://e.com/a.tgz && tar xf a.tgz && b && rm -rf a.tgz",
            "RUN curl -fO https://e.com/a.tgz && tar xf a.tgz && b; rm -f a.tgz",
            "RUN curl -fO https://e.com/a.tgz && tar xf a.tgz && cd b && rm -f a.tgz",
        ],
    },
    "shorten-wget-progress": {
        "RUN wget https://e.com/a && wgetx b": [
            "RUN wget --progress=bar https://e.com/a && wgetx b",
            "RUN wget https://e.com/a && wgetx --progress=dot:giga b",
            "RUN wget --progress=dot:giga -c https://e.com/a && wgetx b",
        ],
    },
    "skip-apk-cache": {
        "RUN apk update && apk add a && rm -rf /var/cache/apk/*\nRUN b": [
            "RUN apk add a && rm -rf /var/cache/apk/*\nRUN b",
            "RUN apk update && apk --no-cache add a\nRUN b",
            "RUN apk update && apk add --no-cache a && rm -rf /var/cache/*\nRUN b",
            "RUN apk update --no-cache && apk add a && rm -rf /var/cache/apk/*\nRUN b",
            "RUN apk update && apk add --no-cache --no-scripts a && rm -rf /var/cache/apk/*\nRUN b",
        ],
        "RUN apk add --update a\nRUN apk add b": [
            "RUN apk add --no-cache a\nRUN apk add b",
            "RUN apk add a\nRUN apk add --no-cache b",
        ],
    },
    "skip-gem-documentation": {
        "RUN gem install a && npm install b": [
            "RUN gem install a && npm install --no-document b",
            "RUN gem install --no-document a -f && npm install b",
        ],
    },
    "skip-login-log": {
        "RUN useradd -u 1234567 a && userdel b": [
            "RUN useradd -l -u 1234567 a && userdel -l b",
            "RUN useradd -m -u 1234567 a && userdel b",
            "RUN useradd -l a && userdel b",
        ],
    },
    "skip-weak-dependencies": {
        "RUN dnf install -y a && dnf install -y nodejs": [
            "RUN dnf install -y a && dnf install -y --setopt=install_weak_deps=False nodejs",
            "RUN dnf install -y --setopt=tsflags=nodocs a && dnf install -y nodejs",
            "RUN dnf install -y --setopt=install_weak_deps=False a b && dnf install -y nodejs",
        ],
    },
}


@pytest.mark.parametrize(
    ("name", "before", "wrong"),
    [(n, b, w) for n, cases in WRONG.items() for b, outcomes in cases.items() for w in outcomes],
)
def test_a_wrong_outcome_is_rejected(name: str, before: str, wrong: str) -> None:
    """What a transform claims does not cover what it might have done wrong."""
    transform = next(e.transform for e in entries() if e.id == name)
    start = "" if before.startswith("FROM") else "FROM debian\n"
    dockerfile = parse(f"{start}{before}\n")
    snapshot = Snapshot(PurePath("Dockerfile"), dockerfile.text, dockerfile)
    outcome = refactor(snapshot, [transform], Safety.RISKY)
    together = [step.change for step in outcome.steps if step.before is snapshot]
    after = snapshot.with_text(apply(snapshot.text, [e for c in together for e in c.edits]))
    whole = Change(
        "", (), tuple(claim for c in together for claim in c.claims),
        assumes=tuple(sentence for c in together for sentence in c.assumes),
    )  # fmt: skip
    change = Accepted(name, whole, snapshot, after)
    mutant = snapshot.with_text(f"{start}{wrong}\n")
    assert together
    assert change.verdict(after) is None
    assert after.text != mutant.text
    assert change.verdict(mutant) is not None
