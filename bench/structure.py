"""What the structural transforms do with complete build contexts: eligible, changed, refused.

    python -m bench.structure CORPUS [--check] [--list QUESTION] [--diff ID]

Who is eligible is read off the text by patterns that know nothing of the transforms. One
organisation's near-equal samples count three at most.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from refactor.config import Config
from refactor.context import DiskContext
from refactor.engine import Changed, Result, run
from refactor.model import Safety
from refactor.project import Site
from refactor.registry import entries

CAPPED = ("TechEmpower/", "GoogleCloudPlatform/python-docs-samples")
CAP = 3
SPLITS = "split-"
LEAST = {"split": 0.7, "reorder": 0.8, "user": 0.8}
REORDER = "copy-manifests-first"
USER = "run-as-user"

_INSTALL = re.compile(
    r"\b(?:pip3?\s+install|pipenv\s+(?:install|sync)|poetry\s+install|uv\s+(?:sync|pip\s+install)|pdm\s+"
    r"(?:install|sync)|npm\s+(?:ci|i|install)|yarn(?:\s+install|\s*(?:$|&|;|--))|pnpm\s+(?:i|install)|"
    r"go\s+mod\s+download|bundle\s+install|composer\s+install|dotnet\s+restore|mix\s+deps\.get|"
    r"mvn\s\S*\s*dependency)", re.MULTILINE,
)  # fmt: skip
_WHOLE = re.compile(r"^(?:COPY|ADD)\s+(?:--\S+\s+)*\"?\./?\"?\s", re.IGNORECASE)
_TOOLS = re.compile(
    r"(?:apt(?:-get)?|apk|yum|dnf|microdnf)\b[^|;]*?\b(?:install|add)\b[^|;]*?\s"
    r"(?:gcc|g\+\+|gcc-c\+\+|build-essential|build-base|make|cmake|musl-dev|[\w.+-]+-dev(?:el)?|cargo|"
    r"default-jdk|openjdk-\d+-jdk|maven|golang)(?=[\s=&;]|$)"
)
_COMPILERS = re.compile(
    r"^FROM\s+(?:--\S+\s+)*(?:docker\.io/(?:library/)?)?(?:golang|rust|maven|gradle|"
    r"mcr\.microsoft\.com/dotnet/sdk|mcr\.microsoft\.com/dotnet/core/sdk)[:\s@]", re.IGNORECASE,
)  # fmt: skip
# Official images that run as root and are no service: what starts from another one is not known.
_OFFICIAL = re.compile(
    r"(?:docker\.io/)?(?:library/)?(?:python|pypy|node|golang|ruby|php|rust|openjdk|eclipse-temurin|debian|"
    r"ubuntu|alpine|amazoncorretto|mcr\.microsoft\.com/dotnet/[\w/-]+|gcr\.io/distroless/[\w.-]+|"
    r"maven|gradle|elixir|perl|scratch)(?:[:@].*)?\Z"
)
_NEEDS_ROOT = re.compile(
    r"^(?:CMD|ENTRYPOINT)\b.*\b(?:nginx|apache2\w*|httpd|sshd|crond?|supervisord|dockerd|systemd|init)\b"
    r"|^EXPOSE\s(?:.*\s)?(?:\d{1,2}|[1-9]\d\d|10[01]\d|102[0-3])(?:/|\s|$)"
    r"|^FROM\s.*(?:-apache|windowsservercore|nanoserver|ltsc)|^USER\s+(?:root|0)\b",
    re.MULTILINE | re.IGNORECASE,
)
_SOURCES = frozenset({".py", ".js", ".ts", ".go", ".rb", ".java"})
_LISTENS_LOW = re.compile(r"(?i)(?:listen\w*\s*\(|port\s*=\s*)[\"':]*80\b")
_ROOT_USERS = frozenset({"", "root", "0", "0:0", "root:root"})


@dataclass
class Tally:
    """What became of the eligible Dockerfiles, for one question."""

    eligible: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    codes: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def contexts(root: Path) -> Iterator[tuple[str, str, Path, str, str]]:
    """Yield the repository, id, folder, build context and Dockerfile of each sample."""
    seen: Counter[str] = Counter()
    with (root / "dev" / "contexts.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            home = row["build_context"].removeprefix(".").lstrip("/")
            for name in row["dockerfiles"].split(","):
                group = next((c for c in CAPPED if row["repo"].startswith(c)), "")
                seen[group] += 1
                folder = root / "dev" / "contexts" / row["id"]
                if (not group or seen[group] <= CAP) and (folder / name).is_file():
                    yield row["repo"], row["id"], folder, home, name


def instructions(text: str) -> list[str]:
    """Return the instructions as lines, comments left out."""
    text = re.sub(r"(?m)^[ \t]*#.*\n", "", text)
    return [line.strip() for line in re.sub(r"\\\r?\n", " ", text).split("\n") if line.strip()]


def asks(text: str, folder: Path | None = None) -> set[str]:
    """Return which questions a Dockerfile raises: split, reorder, user."""
    lines = instructions(text)
    starts = [i for i, line in enumerate(lines) if line.upper().startswith("FROM ")]
    found: set[str] = set()
    if len(starts) == 1 and (_TOOLS.search("\n".join(lines)) or _COMPILERS.match(lines[starts[0]])):
        found.add("split")
    whole = before = False  # an install in front of the sources is what is asked for
    for line in lines:
        if line.upper().startswith("FROM "):
            whole = before = False
        whole = whole or bool(_WHOLE.match(line))
        if line.upper().startswith("RUN") and _INSTALL.search(line):
            before = before or not whole
            if whole and not before:
                found.add("reorder")
    chain, base = _final(lines, starts)
    users = [line.split()[1] for line in chain if re.match(r"(?i)USER\s+\S", line)]
    root = not users or users[-1] in _ROOT_USERS
    root = root and any(re.match(r"(?i)(?:CMD|ENTRYPOINT)\b", line) for line in chain)
    sources = () if folder is None else (p for p in folder.rglob("*") if p.suffix in _SOURCES)
    low = any(_LISTENS_LOW.search(p.read_text(errors="replace")) for p in sources if p.is_file())
    above = () if folder is None else (folder, folder.parent)
    files = (p for place in above for p in place.glob("skaffold*.yaml"))
    synced = any(re.search(r"^\s+sync:", p.read_text(), re.MULTILINE) for p in files)  # as its user
    if (
        root
        and not low
        and not synced
        and _OFFICIAL.match(base)
        and not _NEEDS_ROOT.search("\n".join(chain))
    ):
        found.add("user")
    return found


def _final(lines: list[str], starts: list[int]) -> tuple[list[str], str]:
    """Return the instructions of the last stage and of those it starts from, and their base."""
    stages = [lines[a:b] for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]
    names = {}
    for number, stage in enumerate(stages):
        words = [word for word in stage[0].split()[1:] if not word.startswith("--")]
        names[number] = (words[0], words[2].lower() if len(words) > 2 else "")
    at, chain = len(stages) - 1, list(stages[-1]) if stages else []
    while True:
        base = names[at][0] if stages else ""
        parent = next((n for n in range(at) if names[n][1] == base.lower()), None)
        if parent is None:
            return chain, base
        at, chain = parent, [*stages[parent], *chain]


def answer(question: str) -> tuple[str, ...]:
    """Return the transforms that answer a question."""
    ids = [entry.id for entry in entries()]
    if question == "split":
        return tuple(i for i in ids if i.startswith(SPLITS) or i == "drop-build-packages")
    return (REORDER,) if question == "reorder" else (USER,)


def measure(root: Path) -> tuple[dict[str, Tally], dict[str, Result]]:
    """Refactor every context and tally what came of it."""
    tallies = {question: Tally() for question in ("split", "reorder", "user")}
    results: dict[str, Result] = {}
    for _, name, folder, home, file in contexts(root):
        label = f"{name}:{file}"
        data = (folder / file).read_bytes()
        config = Config(select=("all",), level=Safety.RISKY)
        result = run(file, data, config, Site(DiskContext(folder), file, home))
        results[label] = result
        for question in asks(data.decode("utf-8", "replace"), (folder / file).parent):
            tally = tallies[question]
            tally.eligible.append(label)
            ids = answer(question)
            mine = [r for r in result.remarks if r.transform in ids]
            if any(r.kind == "change" for r in mine):
                tally.changed.append(label)
            else:
                code = next((r.code for r in mine if r.kind == "refusal"), "none")
                tally.codes[code].append(label)
    return tallies, results


def main() -> None:
    """Print the table; with options, the cases behind it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument(
        "--list", choices=("split", "reorder", "user"), help="list what was refused"
    )
    parser.add_argument("--diff", default="", help="print the patches of ids that contain this")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a share is too small")
    options = parser.parse_args()
    tallies, results = measure(options.corpus)
    for question, tally in tallies.items():
        count = len(tally.eligible)
        share = 100 * len(tally.changed) / max(1, count)
        codes = ", ".join(f"{c} {len(v)}" for c, v in sorted(tally.codes.items()))
        print(
            f"{question}: eligible {count}, changed {len(tally.changed)} ({share:.0f} %); {codes}"
        )
        if options.list == question:
            for code, labels in sorted(tally.codes.items()):
                for label in labels:
                    ids = answer(question)
                    said = [f"{r.transform} {r.code}: {r.reason}" for r in results[label].remarks
                            if r.transform in ids and r.kind == "refusal"]  # fmt: skip
                    print(f"  {code} {label}", *said, sep="\n      ")
    small = [q for q, t in tallies.items() if len(t.changed) < LEAST[q] * len(t.eligible)]
    if options.check and small:
        raise SystemExit(f"too few changed: {', '.join(small)}")
    if options.diff:
        for label, result in results.items():
            if options.diff in label and isinstance(result, Changed):
                print(f"==== {label}\n{result.patch}")


if __name__ == "__main__":
    main()
