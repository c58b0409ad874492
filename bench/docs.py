"""Keeps the generated parts of the README true.

python -m bench.docs          write them
python -m bench.docs --check  exit with 1 if they are out of date
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from refactor.registry import entries

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def transforms() -> str:
    """Return the table of transforms."""
    rows = ["| id | what it does | answers |", "|---|---|---|"]
    found = sorted((entry.transform for entry in entries()), key=lambda t: (t.phase, t.id))
    for transform in found:
        answers = ", ".join(sorted(transform.answers))
        rows.append(f"| `{transform.id}` | {transform.title} | {answers} |")
    return "\n".join(rows)


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
    parser = argparse.ArgumentParser(description="Keep the README true.")
    parser.add_argument("--check", action="store_true")
    wanted = current()
    if parser.parse_args().check:
        if wanted != README.read_text(encoding="utf-8"):
            sys.exit("README.md is out of date: python -m bench.docs")
        return
    README.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
