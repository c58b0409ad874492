"""What tools leave in a build context and no image needs, as rules for its .dockerignore.

Only what the table names is ever left out: sources, manifests and lock files are not in it. A row
stays out of the rules where a copy, a mount, a script or a source names what it stands for.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from refactor.context import Context
from refactor.facts.mentions import Mention, mentioned, mentions, names
from refactor.facts.sharing import Part, User, missing, taken, user, users
from refactor.facts.sources import events
from refactor.knowledge import table
from refactor.model import FileEdits
from refactor.sent import Sent, read_rules
from refactor.snapshot import Snapshot
from refactor.source import Edit, Span, Unreadable

MARKER = "# What tools leave here: no image needs it."
MAX_PATTERNS = 8
MAX_GITIGNORE = 64 * 1024
_SPECIAL = frozenset("*?[]\\!# \t\n\r")


class Row(NamedTuple):
    """One kind of leftover.

    `anywhere`: at any depth, else only at the top or beside the one manifest. `beside` are files
    that stand in the same folder (in itself, behind a slash), `bound` those that make it certain
    that a tool will make it there. `maker` is the command that makes it anew in a build.
    """

    name: str
    anywhere: bool
    guard: str
    beside: tuple[str, ...]
    bound: tuple[str, ...]
    maker: str
    why: str


class Leftover(NamedTuple):
    """Rules that leave one kind out; `there` are the paths that are there now.

    `made` is the command of the build that makes it.
    """

    row: Row
    patterns: tuple[str, ...]
    there: tuple[str, ...]
    made: str = ""


class Kept(NamedTuple):
    """Why nothing, or one kind, is left out; `unlock` is what would allow it."""

    code: str
    reason: str
    unlock: str


@dataclass
class Plan:
    """The rules to add to an ignore file. `path` is the file's in the repository.

    `text` is what it says now, None if there is none; `at` is where a folder is copied first.
    """

    at: int
    path: str = ""
    source: str = ""
    text: str | None = None
    found: list[Leftover] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    assumes: tuple[str, ...] = ()

    @property
    def rules(self) -> list[str]:
        """The rules, in order; none if all that they would do is to spare a cache one day."""
        if not any(kind.there or kind.row.guard != "-" for kind in self.found):
            return []
        return list(dict.fromkeys(rule for kind in self.found for rule in kind.patterns))

    @property
    def appended(self) -> FileEdits:
        """The edit that writes the rules at the file's end, under one comment."""
        text = self.text or ""
        newline = "\r\n" if "\r\n" in text else "\n"
        lines = self.rules if MARKER in text else [MARKER, *self.rules]
        lead = "" if text.endswith("\n") or not text else newline
        if text and MARKER not in text:
            lead += newline
        added = lead + "".join(line + newline for line in lines)
        return FileEdits(self.path, (Edit(Span(len(text), len(text)), added),))


@lru_cache(maxsize=1)
def rows() -> tuple[Row, ...]:
    """Return the table."""
    return tuple(_row(row) for row in table("leftovers"))


def _row(row: Mapping[str, str]) -> Row:
    beside, bound = (() if row[k] == "-" else tuple(row[k].split()) for k in ("beside", "bound"))
    name = row["pattern"].removeprefix("**/")
    maker = "" if row["maker"] == "-" else row["maker"]
    return Row(name, name != row["pattern"], row["guard"], beside, bound, maker, row["why"])


def plan(snapshot: Snapshot) -> Plan | None:
    """Return the rules to add to the ignore file in force; None if no folder is copied."""
    sent = snapshot.sent
    at = _first_folder(snapshot, sent)
    if at is None:
        return None
    stopped = _stopped(snapshot, sent, snapshot.fact(user))
    if stopped is not None or sent is None:
        return Plan(at, kept=[stopped] if stopped else [])
    survey = Survey(snapshot, sent)
    found = [(row, places) for row in rows() if (places := survey.places(row))]
    if not found:
        return None
    path = posixpath.join(snapshot.home, sent.source)
    plan = Plan(at, path, sent.source, snapshot.read(path))
    everyone = users(snapshot)
    unknown = next((u for u in everyone if u.shares and u.unknown), None)
    if unknown is not None:
        reason = f"{unknown.place}: what `{unknown.unknown}` copies is only known to the build"
        plan.kept.append(Kept("I804", reason, "write the source without a variable"))
        return plan
    judge = Judge(snapshot, survey, everyone)
    for row, places in found:
        judge.take(plan, row, places)
    if snapshot.home:
        plan.assumes = (f"`{snapshot.home}` is the context, and that of no Dockerfile elsewhere",)
    return plan


def _first_folder(snapshot: Snapshot, sent: Sent | None) -> int | None:
    """Return where a folder of the context is copied first; all of it, if the files are unknown."""
    copies = snapshot.fact(events)
    for ins in snapshot.dockerfile.instructions:
        event = copies.get(ins.span.start) if ins.trigger is None else None
        if event is not None and any(_is_folder(s, sent) for s in taken(snapshot, event)):
            return ins.span.start
    return None


def _is_folder(source: str | None, sent: Sent | None) -> bool:
    if not source or sent is None:
        return source == ""
    return sent.kind(source) == "dir" or any(c in source for c in "*?[")


def _stopped(snapshot: Snapshot, sent: Sent | None, me: User) -> Kept | None:
    """Return what must be known and is not."""
    home = f"{snapshot.home}/" if snapshot.home else ""
    if sent is None:
        return Kept("I801", "the build context is not at hand", "run it in the repository")
    if not snapshot.place.startswith(home):
        reason = f"{snapshot.place} is not in the build context {snapshot.home}"
        return Kept("I801", reason, "move it there, or name the context")
    if not sent.complete:
        reason = f"too many files to list, or rules in {sent.source} that no engine takes"
        return Kept("I802", reason, "leave out what is large by hand")
    if sent.context.kind(sent.source) not in ("", "file"):
        return Kept("I802", f"{sent.source} is a link", "make it a file")
    try:
        snapshot.read(home + sent.source)
    except Unreadable as error:
        return Kept("I802", str(error), "save it as text")
    absent = missing(me, sent)
    if absent:
        where = "left out already" if sent.context.kind(absent) else "not in the build context"
        return Kept("I803", f"`{absent}` is copied, and {where}", "name the build context")
    return None


class Survey:
    """Where leftovers are, or are bound to be, among the files that are sent."""

    def __init__(self, snapshot: Snapshot, sent: Sent) -> None:
        self.snapshot = snapshot
        self.sent = sent
        text = snapshot.read(posixpath.join(snapshot.home, sent.source)) or ""
        self.rules = read_rules(text)
        self.taken_back = [
            line.strip()[1:].strip() for line in text.split("\n") if line.strip()[:1] == "!"
        ]
        if Survey not in sent.memo:
            sent.memo[Survey] = (_by_name(sent), {})
        self.named: Mapping[str, list[str]]
        self.known: dict[str, set[str]]
        self.named, self.known = sent.memo[Survey]

    def places(self, row: Row) -> tuple[str, ...]:
        """Return the paths of a kind that no rule leaves out yet."""
        found = {path for path in self.there(row) if self.belongs(row, path)}
        found |= set(self.bound(row))
        if not row.anywhere:
            found = self.top(row, found)
        return tuple(sorted(p for p in found if self.rules is None or not self.rules.matches(p)))

    def there(self, row: Row) -> list[str]:
        """Return all paths of a name, but those in another one."""
        known = self.named.get(row.name, [])
        return [path for path in known if row.name not in path.split("/")[:-1]]

    def belongs(self, row: Row, path: str) -> bool:
        """Whether the files stand beside a path that tell it from others of its name."""
        folder = posixpath.dirname(path)
        inner = [name for name in row.beside if name.startswith("/")]
        if inner:
            return any(self.sent.kind(path + name) for name in inner)
        return not row.beside or any(folder in self.folders(name) for name in row.beside)

    def folders(self, pattern: str) -> set[str]:
        """Return the folders with a file of a name or pattern."""
        if pattern not in self.known:
            plain = not any(char in pattern for char in "*?[")
            names = [pattern] if plain else fnmatch.filter(self.named, pattern)
            paths = (path for name in names for path in self.named.get(name, ()))
            self.known[pattern] = {posixpath.dirname(path) for path in paths}
        return self.known[pattern]

    def bound(self, row: Row) -> Iterator[str]:
        """Yield the paths where a tool will make it."""
        for pattern in row.bound:
            for folder in self.folders(pattern):
                yield posixpath.join(folder, row.name)

    def top(self, row: Row, found: set[str]) -> set[str]:
        """Return the path at the top, or beside the one manifest above all others."""
        folders = set().union(*(self.folders(name) for name in row.beside)) if row.beside else {""}
        tops = {folder for folder in folders if not folders.intersection(_above(folder))}
        return found & {posixpath.join(top, row.name) for top in tops} if len(tops) == 1 else set()


def _by_name(sent: Sent) -> Mapping[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in (*sent.files, *sorted(sent.folders - {""})):
        found[path.rpartition("/")[2]].append(path)
    return found


def _above(folder: str) -> Iterator[str]:
    while folder:
        folder = posixpath.dirname(folder)
        yield folder


@dataclass
class Judge:
    """Decides which rows become rules; `tree` is set where the build needs the history."""

    snapshot: Snapshot
    survey: Survey
    everyone: tuple[User, ...]
    tree: bool = False

    def take(self, plan: Plan, row: Row, places: tuple[str, ...]) -> None:
        """Put a kind among the rules, or say why it stays."""
        taken = tuple(p for p in places if any(part.took(p) for part in self.parts))
        there = tuple(path for path in taken if self.survey.sent.kind(path))
        kept = self.needed(row, places, there)
        if row.guard == "git":
            self.tree = kept is not None
        if kept is not None:
            if there:
                plan.kept.append(kept)
            return
        patterns = self.patterns(row, taken) if taken else ()
        if patterns:
            made = self.maker(row) if row.guard == "made" or self.mention(row) else ""
            plan.found.append(Leftover(row, patterns, there, made))

    def needed(self, row: Row, places: tuple[str, ...], there: tuple[str, ...]) -> Kept | None:
        """Return why a kind may be needed."""
        for other in self.everyone:
            if source := other.named(row.name):
                reason = f"`{row.name}` is copied or mounted by name: `{source}` in {other.place}"
                return Kept("I805", reason, "none needed")
        back = next((neg for neg in self.survey.taken_back if _meets(neg, row, places)), None)
        if back is not None:
            return Kept("I806", f"`!{back}` takes `{row.name}` back in", "edit the rules by hand")
        if row.guard == "made":
            return self.unmade(row, places, there)
        if row.guard != "-" and (kept := self.read(row)):
            return kept
        if self.tree and any(not self.ignored_by_git(path) for path in there):
            reason = f"`{row.name}` may be tracked: left out, it would count as deleted in git"
            return Kept("I807", reason, "none needed")
        return None

    def read(self, row: Row) -> Kept | None:
        """Return where a kind is read or named, if nothing makes it anew."""
        code = {"git": "I807", "secret": "I808"}.get(row.guard, "I809")
        mention = self.mention(row)
        if mention is None and not mentions(self.snapshot).complete:
            reason = f"too many sources to look through for who reads `{row.name}`"
            return Kept(code, reason, "edit the rules by hand")
        if mention is None or (row.maker and self.made(row)):
            return None
        return Kept(code, f"`{row.name}` may be read: {mention}", "edit the rules by hand")

    def mention(self, row: Row) -> Mention | None:
        """Return where a Dockerfile or a source reads or names a kind."""
        if row.name not in names():
            return None
        for other in self.everyone:
            if found := mentioned(row.name, other.place, other.says):
                return found
        return mentions(self.snapshot).first.get(row.name)

    def unmade(self, row: Row, places: tuple[str, ...], there: tuple[str, ...]) -> Kept | None:
        """Return why a kind that builds make may be needed from outside."""
        if not self.made(row, places):
            reason = f"no RUN makes `{row.name}`: the one that is copied may be the one needed"
            return Kept("I810", reason, "make it in the build")
        if any(not self.ignored_by_git(path) for path in there):
            reason = f"`{row.name}` is no leftover to git: it may be part of the project"
            return Kept("I811", reason, "name it in .gitignore")
        return None

    @property
    def parts(self) -> list[Part]:
        """What is built with the context."""
        return [part for other in self.everyone if other.shares for part in other.parts]

    def made(self, row: Row, places: tuple[str, ...] = ()) -> bool:
        """Whether all stages that take a kind make it, or come from or go into one that does."""
        parts = [p for p in self.parts if p.takes and (not places or any(map(p.took, places)))]
        return all(re.search(row.maker, part.runs, re.MULTILINE) for part in parts)

    def maker(self, row: Row) -> str:
        """Return the command that makes a kind."""
        scripts = (part.runs for part in self.parts)
        found = (re.search(row.maker, script, re.MULTILINE) for script in scripts)
        return next((" ".join(match[0].split()) for match in found if match), "")

    def patterns(self, row: Row, places: tuple[str, ...]) -> tuple[str, ...]:
        """Return the rules for a kind: the paths, or one for all if it can mean no other."""
        others = [p for p in self.survey.there(row) if not self.survey.belongs(row, p)]
        if row.anywhere and not others and (len(places) > 1 or not row.beside):
            return (f"**/{row.name}",)
        if len(places) > MAX_PATTERNS or any(_SPECIAL & set(path) for path in places):
            return ()
        return places

    def ignored_by_git(self, path: str) -> bool:
        """Whether a .gitignore beside or above a path names it."""
        tree = self.snapshot.repository
        folder = posixpath.join(self.snapshot.home, posixpath.dirname(path))
        name = posixpath.basename(path)
        while tree is not None:
            if _ignores(tree, folder, name, path):
                return True
            if not folder:
                break
            folder = posixpath.dirname(folder)
        return False


def _meets(negation: str, row: Row, places: tuple[str, ...]) -> bool:
    """Whether a rule that takes files back in is about a kind, or about what it is in."""
    if row.name in negation.split("/"):
        return True
    try:
        matcher = read_rules(negation)
    except ValueError:
        return True
    return matcher is not None and any(map(matcher.matches, places))


def _ignores(tree: Context, folder: str, name: str, path: str) -> bool:
    data = tree.head(posixpath.join(folder, ".gitignore"), MAX_GITIGNORE)
    found = False
    for line in data.decode("utf-8", "replace").split("\n"):
        taken_back = line.startswith("!")
        rule = line.strip().lstrip("!").strip("/").removeprefix("**/").removesuffix("/*")
        inner = posixpath.join(folder, rule).endswith(path) if "/" in rule else False
        if rule and (fnmatch.fnmatchcase(name, rule) or inner):
            found = not taken_back
    return found
