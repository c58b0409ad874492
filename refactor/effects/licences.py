"""Which difference between two events a claim may allow: the tables behind `verify`."""

from __future__ import annotations

import re

from refactor.effects.events import Copy, Event, Exec, flat
from refactor.facts import archives, sudo, weak
from refactor.facts.managers import cleanups, mount_value
from refactor.facts.packages import (
    APK_UPDATES,
    APT,
    LISTS,
    SAME_IN_APT_GET,
    Operation,
    argv_operation,
    command_of,
    installs_names,
    is_plain_name,
    only_cleans,
    recommended,
    unwrap,
    updates_lists,
)
from refactor.facts.stages import Stage

# A variable that only a build reads: it need not be in the image.
FRONTEND = ("DEBIAN_FRONTEND", "noninteractive")
# A variable that only tells Python when to write what it prints.
UNBUFFERED = ("PYTHONUNBUFFERED", "1")
_ARCHIVES = (
    ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".gz",
    ".bz2", ".xz", ".zst", ".tzst", ".tar.z",
)  # fmt: skip


def same_command(before: Exec, after: Exec) -> bool:
    """Whether two commands do the same, by what their manuals say."""
    return (
        _answers_yes(before.argv, after.argv)
        or _is_apt_get(before.argv, after.argv)
        or _is_quieter(before.argv, after.argv)
        or _is_sorted(before, after)
    )


def same_without_sudo(before: Exec, after: Exec, stage: Stage, assumes: frozenset[str]) -> bool:
    """Whether the second is what sudo runs as root, and root runs it."""
    plain = sudo.command(before.argv)
    if not plain or plain != after.argv or sudo.assumption(plain) not in assumes:
        return False
    return sudo.is_root(before.setting.user, stage.image)


def same_but_for_cache(before: Exec, after: Exec) -> bool:
    """Whether the second only leaves out a cache that the first writes."""
    found = argv_operation(before.argv)
    if found is None or found.action not in found.row.fills:
        return False
    option = found.row.no_cache
    swapped = [(b, a) for b, a in zip(before.argv, after.argv, strict=False) if b != a]
    if found.manager == "apk" and len(before.argv) == len(after.argv) and len(swapped) == 1:
        return swapped[0][0] in APK_UPDATES and swapped[0][1] == option
    return bool(option) and _is_added(found, before.argv, after.argv, option)


def same_but_for_documentation(before: Exec, after: Exec) -> bool:
    """Whether the second only leaves out the documentation of gems."""
    found = argv_operation(before.argv)
    if found is None or (found.manager, found.action) != ("gem", "install"):
        return False
    return _is_added(found, before.argv, after.argv, "--no-document")


def same_but_for_bytecode(before: Exec, after: Exec) -> bool:
    """Whether the second also compiles the Python modules that it installs."""
    found = argv_operation(before.argv)
    if found is None or found.manager != "uv" or found.action not in ("sync", "pip"):
        return False
    behind = "install" if found.action == "pip" else "sync"
    return _inserted(before.argv, after.argv) == (behind, ("--compile-bytecode",))


_PRODUCTION = {
    ("poetry", "install"): ("--only", "main"), ("pdm", "install"): ("--prod",),
    ("pdm", "sync"): ("--prod",), ("uv", "sync"): ("--no-dev",),
    ("npm", "ci"): ("--omit=dev",), ("npm", "install"): ("--omit=dev",),
}  # fmt: skip


def same_but_for_development(before: Exec, after: Exec) -> bool:
    """Whether the second leaves out the packages that a project declares for its development."""
    found = argv_operation(before.argv)
    if found is None:
        return False
    option = _PRODUCTION.get((found.manager, found.action))
    return option is not None and _inserted(before.argv, after.argv) == (found.action, option)


def same_but_for_packages(before: Exec, after: Exec) -> bool:
    """Whether the second installs no recommended packages but those that it must keep."""
    found = argv_operation(before.argv)
    if found is None:
        return False
    names = [word.text for word in found.arguments]
    added = _behind(before.argv, after.argv)
    if added is None or len(added) < 1 or not names:
        return False
    (place, flag), *kept = added
    if found.manager not in APT:
        installs = found.action in ("install", "in") and not kept and not weak.relying(names)
        return installs and (place, flag) == (found.flag_place.text, weak.option(found))
    if found.action != "install":
        return False
    if flag != "--no-install-recommends" or not re.match(r"install\Z|-[yq]+\Z", place):
        return False
    allowed = set(recommended(names).keep) - set(names)
    places = {names[-1], flag, *(word for _, word in kept)}
    return all(word in allowed and behind in places for behind, word in kept)


def empties(event: Exec, earlier: list[Exec]) -> bool:
    """Whether a command only deletes what earlier ones of its RUN put into caches."""
    text = event.text.removeprefix("sudo ")
    found = [argv_operation(e.argv) for e in earlier]
    if text == f"rm -rf {LISTS}/*":
        return any(map(updates_lists, found))
    manager = cleanups().get(text)
    return manager is not None and any(
        op is not None and op.manager == manager.name and op.action in manager.fills for op in found
    )


def mounts(events: list[Event]) -> list[str]:
    """Return the cache mounts that the commands of a RUN may get."""
    found = [argv_operation(e.argv) for e in flat(tuple(events)) if isinstance(e, Exec)]
    fetched = any(map(updates_lists, found))
    values: dict[str, None] = {}
    for op in found:
        if op is not None and op.row.mount and (op.action in op.row.fills or fetched):
            values[mount_value(op.row)] = None
    return list(values)


def is_only_cleanup(event: Exec) -> bool:
    """Whether nothing is lost without a command but room, or an index that nothing reads."""
    if event.redirects or event.assignments:
        return False
    found = argv_operation(event.argv)
    updates = found is not None and (found.manager, found.action) == ("apk", "update")
    return updates or only_cleans(event.argv)


def removes_unpacked(event: Exec, earlier: list[Exec]) -> bool:
    """Whether a command only removes an archive that its RUN downloaded and then unpacked."""
    path = event.argv[2] if event.argv[:2] == ("rm", "-f") and len(event.argv) == 3 else ""
    fetched = [i for i, e in enumerate(earlier) if path and archives.downloaded(e.argv) == path]
    if not fetched or not any(archives.unpacked(e.argv) == path for e in earlier[fetched[0] :]):
        return False
    return path.startswith("/") or earlier[fetched[0]].shell_state == event.shell_state


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


def _answers_yes(before: tuple[str, ...], after: tuple[str, ...]) -> bool:
    found = argv_operation(before)
    if found is None or found.action not in found.row.asks:
        return False
    option = found.row.yes
    return bool(option) and _is_added(found, before, after, option)


def _is_added(
    found: Operation, before: tuple[str, ...], after: tuple[str, ...], option: str
) -> bool:
    """Whether all that differs is an option behind the action."""
    return _inserted(before, after) == (found.action_word.text, (option,))


# What these programs print or log besides; the flag stands behind the program.
_QUIETER = {"wget": "--progress=dot:giga", "curl": "-sS", "useradd": "-l"}


def _is_quieter(before: tuple[str, ...], after: tuple[str, ...]) -> bool:
    words, _ = unwrap(command_of(before).words)
    name = words[0].text if words else ""
    return name in _QUIETER and _inserted(before, after) == (name, (_QUIETER[name],))


def _is_sorted(before: Exec, after: Exec) -> bool:
    """Whether all that differs is the order of the packages to install."""
    found, other = argv_operation(before.argv), argv_operation(after.argv)
    if found is None or other is None or not installs_names(found):
        return False
    names = [word.text for word in found.arguments]
    rest = [[w for w in argv if w not in names] for argv in (before.argv, after.argv)]
    return (
        all(map(is_plain_name, names))
        and sorted(names) == [word.text for word in other.arguments]
        and rest[0] == rest[1]
    )


def _is_apt_get(before: tuple[str, ...], after: tuple[str, ...]) -> bool:
    if "--with-new-pkgs" in after and "--with-new-pkgs" not in before:
        at = after.index("--with-new-pkgs")
        if after[at - 1] != "upgrade":
            return False
        plain = after[:at] + after[at + 1 :]
        pairs = [(b, a) for b, a in zip(before, plain, strict=False) if b != a]
        return len(before) == len(plain) and pairs == [("apt", "apt-get")]
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
