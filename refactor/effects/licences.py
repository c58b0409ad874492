"""Which difference between two events a claim may allow: the tables behind `verify`."""

from __future__ import annotations

import re

from refactor.effects.events import Copy, Exec
from refactor.facts.packages import APT, LISTS, SAME_IN_APT_GET, operation, recommended
from refactor.shell import Command, Word

CLEANUPS = frozenset({f"rm -rf {LISTS}/*", f"sudo rm -rf {LISTS}/*"})
ASSUME_YES_ACTIONS = frozenset(
    "install reinstall remove purge autoremove autopurge upgrade dist-upgrade full-upgrade "
    "build-dep source".split()
)
_ARCHIVES = (
    ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".gz",
    ".bz2", ".xz", ".zst", ".tzst", ".tar.z",
)  # fmt: skip


def same_command(before: Exec, after: Exec) -> bool:
    """Whether two commands do the same, by what their manuals say."""
    return _is_assume_yes(before.argv, after.argv) or _is_apt_get(before.argv, after.argv)


def same_but_for_cache(before: Exec, after: Exec) -> bool:
    """Whether the second only leaves out a cache that the first writes."""
    added = _inserted(before.argv, after.argv)
    return added == ("install", ("--no-cache-dir",)) and "pip" in " ".join(before.argv[:4])


def same_but_for_packages(before: Exec, after: Exec) -> bool:
    """Whether the second installs no recommended packages but those that it must keep."""
    words = tuple(Word(text, 0, 0, text) for text in before.argv)
    found = operation(Command(0, 0, (), words, ()))
    if found is None or found.manager not in APT or found.action != "install":
        return False
    names = [word.text for word in found.arguments]
    added = _behind(before.argv, after.argv)
    if added is None or len(added) < 1 or not names:
        return False
    (place, flag), *kept = added
    if flag != "--no-install-recommends" or not re.match(r"install\Z|-[yq]+\Z", place):
        return False
    allowed = set(recommended(names).keep) - set(names)
    places = {names[-1], flag, *(word for _, word in kept)}
    return all(word in allowed and behind in places for behind, word in kept)


def _behind(before: tuple[str, ...], after: tuple[str, ...]) -> list[tuple[str, str]] | None:
    """Return the words that were put in, each with the word in front of it, if that is all."""
    at = 0
    added: list[tuple[str, str]] = []
    for index, word in enumerate(after):
        if at < len(before) and before[at] == word:
            at += 1
        elif index:
            added.append((after[index - 1], word))
        else:
            return None
    return added if at == len(before) else None


def same_copy(before: Copy, after: Copy) -> bool:
    """Whether an ADD only copies: no URL, no archive, nothing unknown among its sources."""
    if (before.keyword, after.keyword) != ("ADD", "COPY") or before.origin is not None:
        return False
    return all(not s.raw and is_plain_source(s.text) for s in before.sources)


def is_plain_source(source: str) -> bool:
    """Whether a source's name excludes a URL, a git repository and an archive."""
    lowered = source.lower()
    if "://" in lowered or lowered.startswith("git@") or "$" in source:
        return False
    if any(c in source for c in "*?[") and not _names_suffix(source):
        return False
    return not lowered.endswith(_ARCHIVES)


def _names_suffix(pattern: str) -> bool:
    """Whether a pattern fixes the end of a file's name: `*.py`, but not `dist/*`."""
    tail = pattern.rpartition("/")[2].rpartition("*")[2]
    return "." in tail and not any(c in tail for c in "?[]")


def _is_assume_yes(before: tuple[str, ...], after: tuple[str, ...]) -> bool:
    found = _inserted(before, after)
    return (
        found is not None
        and found[1] == ("-y",)
        and found[0] in ASSUME_YES_ACTIONS
        and bool(APT.intersection(before))
    )


def _is_apt_get(before: tuple[str, ...], after: tuple[str, ...]) -> bool:
    if len(before) != len(after):
        return False
    changed = [i for i, (b, a) in enumerate(zip(before, after, strict=True)) if b != a]
    if len(changed) != 1 or (before[changed[0]], after[changed[0]]) != ("apt", "apt-get"):
        return False
    rest = [w for w in before[changed[0] + 1 :] if not w.startswith("-")]
    return bool(rest) and rest[0] in SAME_IN_APT_GET


def _inserted(
    before: tuple[str, ...], after: tuple[str, ...]
) -> tuple[str, tuple[str, ...]] | None:
    """Return the word before an insertion, and what was inserted, if that is all that differs."""
    count = len(after) - len(before)
    if count < 1:
        return None
    at = next((i for i, (b, a) in enumerate(zip(before, after, strict=False)) if b != a),
              len(before))  # fmt: skip
    while at and after[at - 1] == after[at + count - 1] and after[at - 1].startswith("-"):
        at -= 1
    if at == 0 or after[:at] + after[at + count :] != before:
        return None
    return after[at - 1], after[at : at + count]
