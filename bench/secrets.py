"""Which secrets are found in real Dockerfiles: each finding, for a person to read.

    python -m bench.secrets CORPUS

CORPUS holds `dev/manifest.tsv`. One line a finding: file, line, what it is there for, instruction,
name, what it is. No value is printed: the line of the file says the rest. Those that a person has
read are in `tests/test_secrets.py`; another one fails the test of the corpus.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath

from bench.compare import corpus_files
from refactor.facts.secrets import Secret, secrets
from refactor.snapshot import Snapshot
from refactor.source import Unreadable, decode
from refactor.syntax import ParseError, parse


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
    options = parser.parse_args()
    found = list(findings(options.corpus))
    for name, line, secret in found:
        print(name, line, secret.use, secret.keyword, secret.name or "-", secret.what, sep="\t")
    uses = Counter(secret.use for _, _, secret in found)
    print(f"{len(found)} findings: {', '.join(f'{n} {use}' for use, n in sorted(uses.items()))}")


if __name__ == "__main__":
    main()
