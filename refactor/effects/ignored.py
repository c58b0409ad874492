"""What more a .dockerignore leaves out: only leftovers of tools, that no copy names.

The relation knows nothing of how a transform chose them: the rules before stand unchanged in front
of the new ones, each new rule is a kind of the table, and what is lost is what these rules say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from refactor.context import clean
from refactor.effects.events import Build, Copy, Event, flat
from refactor.knowledge import table
from refactor.sent import MAX_TEXT, Sent, read_rules
from refactor.syntax import ParseError, parse
from refactor.words import parse_words

_ASKS_GIT = re.compile(
    r"\bgit (?:-C \S+ |-\S+ )*(?:describe|rev-parse|rev-list|log|show|status|ls-files|submodule)\b"
)
_RULE = re.compile(r"(?:\*\*/)?[^*?\[\]\\!#\s]+\Z")


def left_out(before: Sent | None, after: Sent | None, build: Build) -> str | frozenset[str]:
    """Return the footprint of the rules that were added, empty if none was; or what is wrong."""
    if before is None or after is None:
        return frozenset() if before is after else "the build context appears or vanishes"
    if before.source != after.source:
        return f"{after.source} takes the place of {before.source}"
    old, new = (sent.context.head(sent.source, MAX_TEXT + 1) for sent in (before, after))
    if old == new:
        same = before.files == after.files
        return frozenset() if same else "other files are in the build context"
    if not before.complete or not after.complete:
        return "the files of the build context are not all known"
    rules = _added(old, new)
    if isinstance(rules, str):
        return rules
    reason = _lost(before, after, rules) or _needed(before, after, rules, build)
    return reason or frozenset({"context", f"+ {after.source}", *(f"- {rule}" for rule in rules)})


def _added(old: bytes, new: bytes) -> list[str] | str:
    """Return the rules behind the old text, or what else was done to it."""
    if len(new) > MAX_TEXT or not new.startswith(old):
        return "rules that were there have changed"
    tail = new[len(old) :].decode("utf-8", "replace")
    if old and not old.endswith(b"\n"):
        newline = re.match(r"\r?\n", tail)
        if newline is None:
            return "the last rule goes on"
        tail = tail[newline.end() :]
    lines = [line.removesuffix("\r") for line in tail.split("\n")]
    rules = [line for line in lines if line and not line.startswith("#")]
    kinds = {_name(row) for row in table("leftovers")}
    for rule in rules:
        if not _RULE.match(rule) or rule.rpartition("/")[2] not in kinds:
            return f"`{rule}` leaves out what is no leftover"
    return rules if rules and len(set(rules)) == len(rules) else "no rule, or one twice"


def _lost(before: Sent, after: Sent, rules: list[str]) -> str | None:
    """Return which file comes or goes that no rule speaks of, or which is no leftover."""
    matcher = read_rules("\n".join(rules))
    for path, kind in after.files.items():
        if before.files.get(path) != kind and path != after.source:
            return f"`{path}` was not sent before"
    for path in before.files:
        gone = matcher is not None and matcher.matches(path)
        if gone != (path not in after.files):
            return f"`{path}` is still sent" if gone else f"`{path}` is lost"
    names = {rule.rpartition("/")[2] for rule in rules}
    lost = before.files.keys() - after.files.keys()
    places = {_place(path, names) for path in lost}
    found = {path.rpartition("/")[::2] for path in before.files}
    wrong = (place for place in sorted(places) if not _is_leftover(place, found))
    return next((f"`{place}` is no leftover" for place in wrong), None)


def _place(path: str, names: set[str]) -> str:
    """Return the outermost folder of a path, or itself, that is of a name."""
    parts = path.split("/")
    depth = next((i for i, part in enumerate(parts) if part in names), len(parts))
    return "/".join(parts[: depth + 1])


def _is_leftover(place: str, found: set[tuple[str, str]]) -> bool:
    """Whether what tells a leftover from others of its name is beside a path, or in it."""
    folder, _, name = place.rpartition("/")
    for row in table("leftovers"):
        if _name(row) != name:
            continue
        for beside in row["beside"].split():
            here = place if beside.startswith("/") else folder
            pattern = beside.lstrip("/")
            if beside == "-" or any(f == here and fnmatchcase(n, pattern) for f, n in found):
                return True
    return False


def _needed(before: Sent, after: Sent, rules: list[str], build: Build) -> str | None:
    """Return which copy, mount or command needs what is left out."""
    names = {rule.rpartition("/")[2] for rule in rules}
    for source in (*_sources(build), *_others(before)):
        parts = clean(source.replace("\\", "/")).split("/")
        if any(p not in ("*", "**") and fnmatchcase(n, p) for p in parts for n in names):
            return f"`{source}` is copied or mounted, and left out"
        if "$" not in source and _there(before, parts) and not _there(after, parts):
            return f"nothing is left of `{source}`"
    if unknown := next((s for s in _sources(build) if "$" in s), None):
        return f"`{unknown}` may be what is left out"
    texts = [event.text for stage in build.stages for event in flat(stage.events)]
    for name in sorted(names):
        kinds = [row for row in table("leftovers") if _name(row) == name]
        makers = [row["maker"] for row in kinds if row["maker"] != "-"]
        made = any(re.search(maker, text, re.MULTILINE) for maker in makers for text in texts)
        word = re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w-])")
        reader = next((text for text in texts if word.search(text) or _reads(name, text)), None)
        guards = {row["guard"] for row in kinds}
        if "made" in guards and not made:
            return f"no command makes `{name}`, which is left out"
        if guards & {"git", "secret", "named"} and reader is not None and not made:
            return f"`{reader[:60]}` names `{name}`, which is left out"
    return None


def _name(row: dict[str, str]) -> str:
    return row["pattern"].removeprefix("**/")


def _reads(name: str, text: str) -> bool:
    """Whether a command asks git about the repository that it is in."""
    return name == ".git" and bool(_ASKS_GIT.search(text))


def _there(sent: Sent, parts: list[str]) -> bool:
    """Whether a source, which may be a pattern, finds something."""
    if not parts[0] or not any(c in part for part in parts for c in "*?["):
        return bool(sent.kind("/".join(parts)))
    for path in (*sent.files, *sent.folders):
        found = path.split("/")
        if len(found) == len(parts) and all(map(fnmatchcase, found, parts)):
            return True
    return False


def _sources(build: Build) -> Iterator[str]:
    """Yield what copies and mounts name in the context, in any stage, triggers included."""
    for stage in build.stages:
        onbuild = dict(stage.config)["onbuild"]
        assert isinstance(onbuild, tuple)
        for event in flat((*stage.events, *onbuild)):
            yield from _named(event)


def _named(event: Event) -> Iterator[str]:
    if isinstance(event, Copy):
        if not isinstance(event.origin, int):
            yield from (source.text for source in event.sources)
        return
    for name, value in getattr(getattr(event, "setting", None), "flags", ()):
        if name == "mount" and value and "from=" not in value:
            found = re.search(r"(?:\A|,)(?:source|src)=([^,]+)", value, re.IGNORECASE)
            if found:
                yield found[1]


def _others(sent: Sent) -> Iterator[str]:
    """Yield the sources of copies in other Dockerfiles of the context."""
    for path, kind in sent.files.items():
        if kind != "file" or not re.search(r"(?:docker|container)file[^/]*\Z", path, re.IGNORECASE):
            continue
        try:
            found = parse(sent.text(path) or "")
        except ParseError:
            continue
        for ins in found.instructions:
            stage = ins.flag("from")
            if ins.keyword in ("ADD", "COPY") and stage is None:
                words = ins.json or tuple(parse_words(ins.args, found.escape))
                yield from words[:-1]
