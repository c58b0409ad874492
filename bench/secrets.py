"""Which secrets are found in real Dockerfiles: each finding, for a person to read.

    python -m bench.secrets CORPUS [--judged FILE]

CORPUS holds `dev/manifest.tsv`. One line a finding: file, line, what it is there for, instruction,
name, what it is. No value is printed: the line of the file says the rest. With `--judged`, FILE
(one `path<TAB>line<TAB>name` a line) lists those that a person found to be none; the share is
printed, and the exit code is 1 if it is 5 % or more.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath

from bench.compare import corpus_files
from refactor.facts.secrets import Secret, Use, secrets
from refactor.snapshot import Snapshot
from refactor.source import Unreadable, decode
from refactor.syntax import ParseError, parse

LIMIT = 0.05


def findings(root: Path) -> Iterator[tuple[str, int, Secret]]:
    """Yield the secrets of a corpus's Dockerfiles, with the file and the line."""
    for path in corpus_files(root):
        try:
            dockerfile = parse(decode(path.read_bytes()))
        except (Unreadable, ParseError):
            continue
        snapshot = Snapshot(PurePath(path.name), dockerfile.text, dockerfile)
        name = path.relative_to(root).as_posix()
        for secret in secrets(snapshot):
            yield name, dockerfile.line(secret.offset), secret


def main() -> None:
    """Print the findings and their numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--judged", type=Path, help="findings that are none")
    options = parser.parse_args()
    found = list(findings(options.corpus))
    for name, line, secret in found:
        print(name, line, secret.use, secret.keyword, secret.name or "-", secret.what, sep="\t")
    uses = Counter(secret.use for _, _, secret in found)
    print(f"{len(found)} findings: {', '.join(f'{n} {use}' for use, n in sorted(uses.items()))}")
    if options.judged:
        lines = options.judged.read_text(encoding="utf-8").splitlines()
        wrong = {tuple(line.split("\t")) for line in lines if line}
        told = [f for f in found if f[2].use is not Use.PLACEHOLDER]
        none = [f for f in told if (f[0], str(f[1]), f[2].name or "-") in wrong]
        print(f"of {len(told)} that are told, {len(none)} are none")
        sys.exit(len(none) >= LIMIT * len(told))


if __name__ == "__main__":
    main()
