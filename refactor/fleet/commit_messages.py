"""What a commit says: which transforms, at which places, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from refactor.compose import Step
from refactor.fleet.campaign import Commits
from refactor.report.text import flat

MAX_REASONS = 50
SKIP = re.compile(r"\[[^\]]*\b(?:skip|no)\b[^\]]*\b(?:ci|actions)\b[^\]]*\]|\[ci[ -]skip\]", re.I)


class Made(NamedTuple):
    """A change that a commit makes, and the file that it is of."""

    path: str
    step: Step


def message(made: Sequence[Made], commits: Commits, branch: str) -> str:
    """Return a commit's message; the template may name transforms, title, count and changes."""
    found = {one.step.transform.id: one.step.transform.title.rstrip(".") for one in made}
    names = ", ".join(found)
    title = next(iter(found.values())) if len(found) == 1 else f"{len(made)} changes"
    values = {
        "transforms": names if len(found) <= 3 else f"{len(found)} transforms",
        "title": title, "count": str(len(made)), "branch": branch,
        "changes": "\n".join(_reasons(made)),
    }  # fmt: skip
    text = commits.message or "{transforms}: {title}\n\n{changes}\n"
    text = re.sub(rf"{{({'|'.join(values)})}}", lambda match: values[match[1]], text)
    text = text.rstrip("\n") + "\n"
    return text + (f"\nSigned-off-by: {commits.author}\n" if commits.sign_off else "")


def _reasons(made: Sequence[Made]) -> list[str]:
    rows = []
    for path, step in made[:MAX_REASONS]:
        rows.append(f"- {_said(path)}: {_said(step.change.reason)}")
        rows += [f"  Assumes: {_said(sentence)}" for sentence in step.change.assumes]
    if len(made) > MAX_REASONS:
        rows.append(f"- and {len(made) - MAX_REASONS} more")
    return rows


def _said(words: str) -> str:
    return without_skip(flat(words))


def without_skip(words: str) -> str:
    """Return words in which nothing tells a forge to run no CI."""
    return SKIP.sub(lambda match: f"({match[0][1:-1]})", words)
