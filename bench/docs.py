"""Keeps what is generated of the documentation true: parts of the README, and docs/rules.md.

python -m bench.docs          write them
python -m bench.docs --check  exit with 1 if they are out of date
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from refactor.knowledge import table
from refactor.registry import entries

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
RULES = ROOT / "docs" / "rules.md"
RULES_HEAD = """# Rules of other tools

What answers each rule of hadolint and each check of BuildKit: a transform, which then heeds their
ignore comments too, or the reason why there is none. *Later* is said of what is planned, *never* of
what will not come.

<!-- written by `python -m bench.docs` from refactor/knowledge/rules.tsv and the transforms -->

| rule | what it finds | transform, or why there is none |
|---|---|---|
"""


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
            off = "" if entry.transform.default else " (when asked for)"
            told = all(example.after is None for example in entry.transform.examples)
            off = " (told: what to write is not in the file)" if told else off
            answers.setdefault(rule, []).append(f"`{entry.id}`{off}")
    rows = [
        f"| {row['tool']} {row['rule']} | {row['finds']} "
        f"| {', '.join(answers.get(row['rule'], [row['reason']]))} |"
        for row in table("rules")
    ]
    return RULES_HEAD + "\n".join(rows) + "\n"


def console(text: str) -> str:
    """Return the README with the output of its example as it is now."""

    def rerun(match: re.Match[str]) -> str:
        command = [sys.executable, "-m", "refactor.cli", *match[1].split()[1:]]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return f"```console\n$ {match[1]}\n{result.stdout}{result.stderr}```"

    return re.sub(r"```console\n\$ ([^\n]+)\n.*?```", rerun, text, flags=re.DOTALL)


def current() -> str:
    """Return the README as it should be."""
    text = console(README.read_text(encoding="utf-8"))
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
    pages = {README: current(), RULES: rules()}
    if parser.parse_args().check:
        stale = [p.name for p, text in pages.items() if p.read_text(encoding="utf-8") != text]
        if stale:
            sys.exit(f"{', '.join(stale)} out of date: python -m bench.docs")
        return
    for page, text in pages.items():
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
