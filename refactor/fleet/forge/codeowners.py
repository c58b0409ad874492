"""CODEOWNERS: the owners of changed files, as GitLab reads it (docs.gitlab.com: Code Owners)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# The first of these that is there holds.
PLACES = ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
MAX_BYTES = 1_000_000
_SECTION = re.compile(r"\^?\[(?P<name>[^\]]+)\](?:\[\d+\])?(?P<owners>.*)\Z")
_WORD = re.compile(r"(?:\\.|\S)+")


def owners(text: str, paths: Iterable[str]) -> tuple[str, ...]:
    """Return the users that own some paths, without the `@`, in their order.

    Of each section the last pattern that matches a path counts. Groups, roles and mail addresses
    are no users that could be asked.
    """
    from pathspec import GitIgnoreSpec

    sections: dict[str, list[tuple[GitIgnoreSpec, bool, Sequence[str]]]] = {}
    name, default = "", ""
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if section := _SECTION.match(line):
            name, default = section["name"].strip().lower(), section["owners"]
            continue
        words = _WORD.findall(line.removeprefix("!"))
        if words:
            spec = GitIgnoreSpec.from_lines([words[0]])
            named: Sequence[str] = words[1:] or default.split()
            sections.setdefault(name, []).append((spec, line.startswith("!"), named))
    found: dict[str, None] = {}
    for path in paths:
        for rules in sections.values():
            for spec, excluded, named in reversed(rules):
                if spec.match_file(path):
                    found |= dict.fromkeys([] if excluded else named)
                    break
    return tuple(one[1:] for one in found if re.fullmatch(r"@[^@/\s]+", one))
