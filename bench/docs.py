"""Keeps what is generated of the documentation true: parts of the README, docs/rules.md,
docs/practices.md, and what the commands print that the pages show.

python -m bench.docs          write them
python -m bench.docs --check  exit with 1 if they are out of date
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from refactor.knowledge import table
from refactor.model import Transform
from refactor.registry import entries

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
RULES = ROOT / "docs" / "rules.md"
PRACTICES = ROOT / "docs" / "practices.md"
_COMMAND = re.compile(r"^\$ .*\n(?:> ?.*\n)*", re.MULTILINE)
RULES_HEAD = """# Rules of other tools

What answers each rule of hadolint and each check of BuildKit: a transform, which then heeds their
ignore comments too, or the reason why there is none. *Later* is said of what is planned, *never* of
what will not come.

<!-- written by `python -m bench.docs` from refactor/knowledge/rules.tsv and the transforms -->

| rule | what it finds | transform, or why there is none |
|---|---|---|
"""
PRACTICES_HEAD = """# Practices of the guides

What answers the advice that guides for containers give: transforms, some of which only tell,
commands, or the reason why there is nothing. `dfr explain "CIS 4.1"` says so on the command line.

<!-- written by `python -m bench.docs` from refactor/knowledge/practices.tsv and the transforms -->
"""
GUIDES = {
    "Docker": "[Building best practices](https://docs.docker.com/build/building/best-practices/) "
    "of Docker's documentation, as of November 2026",
    "OWASP": "The rules of OWASP's [Docker Security Cheat Sheet]"
    "(https://cheatsheetseries.owasp.org/cheatsheets/Docker_Security_Cheat_Sheet.html), as of "
    "November 2026",
    "CIS": "Section 4 of the [CIS Docker Benchmark](https://www.cisecurity.org/benchmark/docker) "
    "1.6.0, on images and what builds them",
    "Kubernetes": "The [Pod Security Standards](https://kubernetes.io/docs/concepts/security/"
    "pod-security-standards/), level restricted",
    "Python": "What guides for Python in containers add",
}


def transforms() -> str:
    """Return the table of transforms."""
    rows = ["| id | what it does | answers |", "|---|---|---|"]
    found = sorted((entry.transform for entry in entries()), key=lambda t: (t.phase, t.id))
    for transform in found:
        answers = ", ".join(sorted(transform.answers))
        rows.append(f"| `{transform.id}` | {transform.title} | {answers} |")
    return "\n".join(rows)


def rules() -> str:
    """Return the page of rules."""
    answers: dict[str, list[str]] = {}
    for entry in entries():
        for rule in entry.transform.answers:
            named = _named(entry.transform, " (told: what to write is not in the file)")
            answers.setdefault(rule, []).append(named)
    rows = [
        f"| {row['tool']} {row['rule']} | {row['finds']} "
        f"| {', '.join(answers.get(row['rule'], [row['reason']]))} |"
        for row in table("rules")
    ]
    return RULES_HEAD + "\n".join(rows) + "\n"


def _named(transform: Transform, told: str) -> str:
    if all(example.after is None and not example.others for example in transform.examples):
        return f"`{transform.id}`{told}"
    return f"`{transform.id}`{'' if transform.default else ' (when asked for)'}"


def practices() -> str:
    """Return the page of what guides advise."""
    known = {entry.id: _named(entry.transform, " (told)") for entry in entries()}
    parts = [PRACTICES_HEAD]
    for guide, source in GUIDES.items():
        parts.append(f"\n## {guide}\n\n{source}.\n\n")
        parts.append("| practice | what it asks for | what answers it |\n|---|---|---|\n")
        for row in (row for row in table("practices") if row["guide"] == guide):
            names = row["answers"].split(", ")
            said = [", ".join(known.get(name, f"`{name}`") for name in names), row["note"]]
            answer = "; ".join(text for text in said if text.strip("`-"))
            parts.append(f"| {row['practice']} | {row['asks']} | {answer} |\n")
    return "".join(parts)


def replayed(text: str, folder: Path) -> str:
    """Return a page with what its commands print now, run one after the other in a folder.

    Lines behind `$ ` are a command, those behind `> ` below it what it goes on with. What follows
    is what it prints: standard output, then standard error.
    """
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def rerun(match: re.Match[str]) -> str:
        rows, code = ["```console"], 0
        for command in _COMMAND.findall(match[1]):
            script = f"(exit {code})\n" + re.sub(r"(?m)^[$>] ?", "", command)
            ended = subprocess.run(
                ["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False,
                env={**os.environ, "PATH": search, "COLUMNS": "100", "LC_ALL": "C.UTF-8"},
            )  # fmt: skip
            code = ended.returncode  # for `echo $?`
            rows.append(command + ended.stdout + ended.stderr.rstrip("\n"))
        return "\n".join(row.rstrip("\n") for row in rows) + "\n```"

    return re.sub(r"```console\n(.*?)```", rerun, text, flags=re.DOTALL)


def pages() -> dict[Path, str]:
    """Return the handwritten pages with commands, each run where there is a copy of fixtures/."""
    found = {}
    for path in sorted((ROOT / "docs").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if "```console" in text:
            with TemporaryDirectory() as folder:
                shutil.copytree(ROOT / "fixtures", Path(folder, "fixtures"))
                found[path] = replayed(text, Path(folder))
    return found


def current() -> str:
    """Return the README as it should be."""
    text = replayed(README.read_text(encoding="utf-8"), ROOT)
    return re.sub(
        r"(<!-- transforms -->\n).*?(<!-- /transforms -->)",
        lambda match: f"{match[1]}{transforms()}\n{match[2]}",
        text,
        flags=re.DOTALL,
    )


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description="Keep the documentation true.")
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    found = {README: current(), RULES: rules(), PRACTICES: practices(), **pages()}
    if check:
        stale = [p.name for p, text in found.items() if p.read_text(encoding="utf-8") != text]
        if stale:
            sys.exit(f"{', '.join(stale)} out of date: python -m bench.docs")
        return
    for page, text in found.items():
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
