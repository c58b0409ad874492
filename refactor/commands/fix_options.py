"""The options of `dfr fix`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

NAMES = ("text", "json", "sarif", "github", "gitlab", "junit", "markdown", "html")

Paths = Annotated[list[Path] | None, Argument(help="Files or folders; - reads standard input.")]
Check = Annotated[
    bool, Option("--check", help="Write nothing; exit with 1 if anything would change.")
]
Diff = Annotated[bool, Option("--diff", help="Write nothing; print a patch for `git apply`.")]
Patch = Annotated[Path | None, Option("--patch", help="Write nothing but the patch, to this file.")]
Series = Annotated[
    Path | None,
    Option(
        "--one-patch-per-change",
        help="Write nothing but a patch a change, for `git am`, to this folder.",
    ),
]
Interactive = Annotated[
    bool, Option("--interactive", "-i", help="Ask for each change, and make what is accepted.")
]
Decisions = Annotated[
    list[Path] | None,
    Option("--decisions", help="Make only what is accepted there; -i adds to the last of them."),
]
Baseline = Annotated[
    Path | None, Option("--baseline", help="Leave out what is pending since this was written.")
]
UpdateBaseline = Annotated[
    bool, Option("--update-baseline", help="Write what is pending to the baseline, no more.")
]
Format = Annotated[
    str,
    Option(
        "--format", metavar="NAME",
        help="text, json, sarif, github, gitlab, junit, markdown or html.",
        autocompletion=lambda incomplete: [n for n in NAMES if n.startswith(incomplete)],
    ),
]  # fmt: skip
Output = Annotated[Path | None, Option("--output", "-o", help="Write the report to this file.")]
Jobs = Annotated[int, Option("--jobs", "-j", help="Processes; 0 takes one a core.", min=0)]
Quiet = Annotated[bool, Option("--quiet", "-q", help="Say only what went wrong.")]
Verbose = Annotated[bool, Option("--verbose", "-v", help="Also say what was left alone, and why.")]
Strict = Annotated[bool, Option("--strict", help="Exit with 3 if a file is refused.")]
Prove = Annotated[bool, Option("--prove", help="Build before and after; keep what breaks nothing.")]
Scan = Annotated[
    str,
    Option(
        "--scan", metavar="trivy|grype|scout",
        help="Scan what changes before and after: files, and with --prove images.",
    ),
]  # fmt: skip
