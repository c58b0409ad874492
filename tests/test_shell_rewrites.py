"""The law of RUN rewrites: executed, each one does what was there before, but for what it declares.

Every change that is made to a RUN of the corpus is executed by the oracle: the scripts before and
the script after, with stub commands and the combinations of their statuses. Argument vectors,
directories, environments, redirections, order and the final status must be the same. A change's
own claims say what may differ, and wrong rewrites of the same scripts must be told apart.

DFR_SHELL_PAIRS limits how many pairs are executed, spread over all of them.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Final

import pytest

from refactor.compose import Step
from refactor.facts.joining import Body, body
from refactor.model import Effect
from refactor.shell import AndOr, Command, Dialect, Node, Script, read
from refactor.snapshot import Run
from refactor.source import Edit, apply
from refactor.syntax import Instruction, parse
from tests import shell_oracle
from tests.shell_oracle import SHELLS, Argv, Call, OracleUnavailable, compare, run_all

if TYPE_CHECKING:
    from tests.corpus_runs import Record

CONTROLS: Final = 40
EACH: Final = 7  # of a kind, where the corpus has so many
MANY: Final = 7  # commands
WORKERS: Final = os.cpu_count() or 1

# ---- what a change declares ----

# Which commands a transform may append or leave out; they are taken to succeed.
_DROPPED: Final = {
    "clean-apt-lists": r"(?:sudo )?rm -rf /var/lib/apt/lists/\*",
    "clean-package-caches": r"(?:sudo )?(?:[a-z0-9]+ (?:clean|cache clean|clear-cache|clean all|"
    r"cache clean --force|clean --all|clean -afy|clean -cache -modcache)|"
    r"rm -rf /var/cache/[\w/*]+|rm -rf /usr/local/(?:bundle/cache/\*\.gem|cargo/registry))",
    "drop-late-cleanup": r"(?:apt-get|apt|dnf|yum|zypper) (?:auto)?clean(?: all)?|rm -rf [\w/*. ]+",
    "remove-unpacked-archives": r"rm -f [\w./+-]+",
    "set-mode-in-copy": r"ch(?:mod|own) \S+ \S+",
    "skip-apk-cache": r"apk update|rm -(?:rf|fr|f|r) /var/cache/apk/?\*?",
}
# Which words a transform may put into a command; the claim says which it did put in.
_ADDED: Final = {
    "assume-yes": r"-y|--noconfirm",
    "compile-uv-bytecode": r"--compile-bytecode",
    "hide-curl-progress": r"-sS",
    "shorten-wget-progress": r"--progress=dot:giga",
    "skip-apk-cache": r"--no-cache",
    "skip-apt-recommends": r"--no-install-recommends(?: [a-z0-9][a-z0-9+.-]*)*",
    "skip-gem-documentation": r"--no-document",
    "skip-login-log": r"-l",
    "skip-pip-cache": r"--no-cache-dir",
    "skip-weak-dependencies": r"--setopt=install_weak_deps=(?:0|False)|--no-recommends",
}
# Of these the corpus has no example.
_RARE: Final = frozenset({"skip-login-log"})
_APK_UPDATES: Final = (["-U"], ["--update"], ["--update-cache"])
_MERGES: Final = frozenset({"merge-apt-update", "merge-runs"})


@dataclass(frozen=True)
class Rule:
    """A command as it was and as a claim says that it is now."""

    old: str
    new: str

    def words(self) -> Iterator[tuple[str, str]]:
        """Yield each word with what it becomes; an added word was empty."""
        old, new = _words(self.old), _words(self.new)
        if sorted(old) == sorted(new):
            yield from zip(old, new, strict=True)
            return
        while old[:1] == ["sudo"] and len(old) > len(new):
            for _ in range(len(old) - len(new)):
                yield old.pop(0), ""
        for word in new:
            swapped = (old[:1], word) == (["apt"], "apt-get") or (
                word == "--no-cache" and old[:1] in _APK_UPDATES
            )
            if old[:1] == [word] or swapped:
                yield old.pop(0), word
            else:
                yield "", word
        assert not old, f"words are lost: {self}"

    def changed(self) -> list[tuple[str, str]]:
        """Return the words that differ."""
        return [(old, new) for old, new in self.words() if old != new]


_EXPANSION: Final = re.compile(r"\$\((?:[^()]|\([^()]*\))*\)|`[^`]*`|\$\{[^{}]*\}")
_ASSIGNMENTS: Final = re.compile(r"""(?:\w+=(?:"[^"]*"|'[^']*'|[^\s"'])*\s+)+""")


def _words(claimed: str) -> list[str]:
    """Return the words of a claimed command that reach the program."""
    text = _EXPANSION.sub("$x", claimed)
    words = _ASSIGNMENTS.sub("", text, count=1) if _ASSIGNMENTS.match(text) else text
    return re.sub(r"\A(?:exec|command) ", "", words).split(" ")


@lru_cache(maxsize=4096)
def _pattern(rule: Rule) -> tuple[re.Pattern[str], str]:
    """Return what matches the new form's argument vector, and the template of the old form's.

    Every argument ends with NUL; a blank of the claim may also be one within an argument. A word
    that the shell expands is known up to where the expansion begins.
    """
    pattern, template, groups = "", "", 0
    for old, new in rule.words():
        if old != new:
            pattern += new and re.escape(new) + "\0"
            template += old and old + "\0"
            continue
        groups += 1
        template += rf"\g<{groups}>"
        start = re.match(r"[^$`\"'\\*?\[{~]*", new)
        known = re.escape(start[0]) if start else ""
        if start and start[0] == new:
            pattern += rf"({known}[ \0])"
        elif known:
            pattern += rf"({known}[^ \0]*[ \0](?:[^ \0]*[ \0])*?)"
        else:
            pattern += r"((?:[^ \0]*[ \0])*?)"
    return re.compile(pattern), template


@dataclass(frozen=True)
class Declared:
    """What may differ: calls that are dropped, and calls that count as what they were."""

    rules: tuple[Rule, ...] = ()
    dropped: tuple[Argv, ...] = ()

    def __call__(self, call: Call) -> Call | None:
        """Return a call as it would have been without the change."""
        if call.argv in self.dropped:
            return None
        text = "".join(f"{word}\0" for word in call.argv)
        for rule in self.rules:
            pattern, template = _pattern(rule)
            if match := pattern.fullmatch(text):
                return replace(call, argv=tuple(match.expand(template).split("\0")[:-1]))
        return call


def declared(step: Step) -> Declared:
    """Return what the claims of a step declare; anything unusual in them is a failure."""
    name = step.transform.id
    if name in {*_MERGES, "use-workdir"} or not step.change.claims:
        return Declared()
    rules: list[Rule] = []
    dropped: list[Argv] = []
    for claim in step.change.claims:
        signs = {text[:2]: text[2:] for text in claim.footprint}
        if name == "set-mode-in-copy":
            signs = {"- ": signs["- "]}  # the COPY does it instead
        if claim.effect is Effect.LAYERS:
            continue
        if len(signs) == 1:
            (text,) = signs.values()
            assert re.fullmatch(_DROPPED[name], text), claim
            dropped.append(tuple(text.split()))
            continue
        rules.append(rule := Rule(signs["- "], signs["+ "]))
        if name == "use-apt-get":
            new = [("", "--with-new-pkgs")] if "upgrade" in _words(rule.old) else []
            assert rule.changed() == [("apt", "apt-get"), *new], claim
        elif name == "sort-packages":
            assert sorted(_words(rule.old)) == sorted(_words(rule.new)), claim
        elif name == "drop-sudo":
            gone = " ".join(old for old, _ in rule.changed())
            assert re.fullmatch(r"sudo(?: -[EHn]+)*", gone), claim
        else:
            added = " ".join(new for _, new in rule.changed())
            assert re.fullmatch(_ADDED[name], added), claim
    return Declared(tuple(rules), tuple(dropped))


@pytest.mark.parametrize(
    ("old", "new", "called", "counts_as"),
    [
        ("apt install x", "apt-get install x", "apt-get install x", "apt install x"),
        ("apt install x", "apt-get install x", "apt-get install y", "apt-get install y"),
        ("apt-get install x", "apt-get install -y x", "apt-get install -y x", "apt-get install x"),
        ("A=1 pip get $(cat r)", "A=1 pip get -q $(cat r)", "pip get -q", "pip get"),
        ("pip get a==$V b", "pip get -q a==$V b", "pip get -q a==1 b", "pip get a==1 b"),
        ("pip get a==$V b", "pip get -q a==$V b", "pip get -q b b", "pip get -q b b"),
        ("sudo -E a $P", "a $P", "a x", "sudo -E a x"),
        ("sudo pip install $P", "sudo pip install -q $P", "pip install -q x", "pip install -q x"),
    ],
)  # fmt: skip
def test_only_what_is_declared_is_ignored(old: str, new: str, called: str, counts_as: str) -> None:
    found = Declared((Rule(old, new),))(Call(tuple(called.split())))
    assert found is not None
    assert found.argv == tuple(counts_as.split())


# ---- the rewrites of the corpus ----


@dataclass(frozen=True)
class Pair:
    """The scripts of some RUNs and of what replaced them, and the shells that run them."""

    transform: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    shells: tuple[str, ...] = SHELLS
    options: tuple[str, ...] = ("-c",)
    declared: Declared = Declared()
    place: str = field(default="", compare=False)

    def __str__(self) -> str:
        shown = "\n".join((*(f"- {s}" for s in self.before), *(f"+ {s}" for s in self.after)))
        return f"{self.transform} in {self.place} {' '.join(self.options)}\n{shown}"


def rewrites(steps: Iterable[Step], place: str) -> Iterator[Pair]:
    """Yield what steps over one file do to its RUNs, if they do not leave them as they are."""
    for step in steps:
        yield from _rewrite(step, place)


def _rewrite(step: Step, place: str) -> Iterator[Pair]:
    edits = step.change.edits
    runs = [run for run in step.before.runs if any(_touches(e, run.instruction) for e in edits)]
    if not runs:
        return
    old = [run.instruction for run in runs]
    new = _replaced(step, min(i.span.start for i in old), max(i.span.end for i in old))
    if not new:
        assert step.transform.id in _DROPPED, f"{place}: {step.transform.id}: a RUN is gone"
    else:
        assert {_settings(i) for i in old} == {_settings(i) for i in new}, f"{place}: other flags"
    before, after = (tuple(i.args for i in side) for side in (old, new))
    if before != after:
        if step.transform.id == "use-workdir":
            after = _entering(step, after)
        assert all(i.json is None and not i.heredocs for i in (*old, *new)), f"{place}: no script"
        shells, options = _shells(runs)
        yield Pair(step.transform.id, before, after, shells, options, declared(step), place)


def _entering(step: Step, scripts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scripts as they run in the folders that WORKDIR enters, by what is claimed."""
    folders = [part[5:] for claim in step.change.claims for part in claim.footprint
               if part.startswith("- cd ")]  # fmt: skip
    pairs = zip(folders, scripts, strict=True)
    return tuple(f"cd {folder} || exit; {script}" for folder, script in pairs)


def _touches(edit: Edit, ins: Instruction) -> bool:
    at = edit.span.start
    return edit.span.end > ins.span.start and (at < ins.span.end or at == ins.code_end)


def _replaced(step: Step, start: int, end: int) -> list[Instruction]:
    """Return the RUN instructions that stand, after a step, where a range was."""
    edits = step.change.edits
    growth = [(e, len(e.text) - (e.span.end - e.span.start)) for e in edits]
    new_start = start + sum(more for e, more in growth if e.span.end <= start)
    new_end = end + sum(more for e, more in growth if e.span.start <= end)
    after = parse(apply(step.before.text, edits))
    targets = (ins.trigger or ins for ins in after.instructions)
    return [
        ins
        for ins in targets
        if ins.keyword == "RUN" and ins.span.start < new_end and new_start < ins.span.end
    ]


def _settings(ins: Instruction) -> tuple[tuple[str, str | None], ...]:
    return tuple(sorted((flag.name, flag.value) for flag in ins.flags))


def _shells(runs: Sequence[Run]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    (shell,) = {run.shell for run in runs}
    assert shell.dialect is not None, "not a POSIX shell, and changed"
    shells = ("bash",) if shell.dialect is Dialect.BASH else SHELLS
    return shells, shell.command[1:] or ("-c",)


# ---- execution ----


@dataclass(frozen=True)
class Seen:
    """What became of a pair."""

    pair: Pair
    differences: tuple[str, ...]
    executions: int
    seconds: float


@dataclass(frozen=True)
class Depth:
    """Up to how many commands some shells try every combination of statuses, and with what set.

    Beyond it they try that all succeed, that each fails alone, and some combinations; with -1 only
    that all succeed.
    """

    shells: tuple[str, ...]
    commands: int
    variables: tuple[str, ...] = ()


def depths(pair: Pair) -> Iterator[Depth]:
    """Yield what a pair is executed with.

    All shells do all of it where there are few commands, one where there are many. What the
    image may set is set, but for one look without it.
    """
    given, commands = variables(pair), size(pair)
    one, others = _shared(pair)
    if commands <= MANY:
        yield Depth(pair.shells, 6 if commands <= 6 else 3, given)
    else:
        yield Depth((one,), 2 if commands <= 20 else 0, given)
        yield Depth(others, -1, given)
    if given:
        yield Depth((one,), -1)


def look(pair: Pair) -> Seen:
    """Execute one pair."""
    start, before = time.monotonic(), shell_oracle.executions()
    found: list[str] = []
    for depth in depths(pair):
        found += compare(
            pair.before,
            pair.after,
            shells=depth.shells,
            max_commands=depth.commands,
            ignore=pair.declared,
            env={name: f"/{name.lower()}" for name in depth.variables},
            options=pair.options,
        )
    count = shell_oracle.executions() - before
    return Seen(pair, tuple(found), count, time.monotonic() - start)


def _shared(pair: Pair) -> tuple[str, tuple[str, ...]]:
    """Return one shell that a pair is given to, in turn, and the others."""
    text = "\n".join(pair.before)
    able = [name for name in pair.shells if name != "dash" or "source " not in text]
    one = able[zlib.crc32(text.encode("utf-8", "surrogateescape")) % len(able)]
    return one, tuple(name for name in pair.shells if name != one)


_REFERENCE: Final = re.compile(r"\$\{?[#!]?([A-Za-z_]\w*)")
_ASSIGNED: Final = re.compile(r"\b([A-Za-z_]\w*)\+?=")
_SHELLS_OWN: Final = re.compile(
    r"(?:HOME|PATH|PWD|OLDPWD|IFS|PS[1-4]|ENV|UID|EUID|PPID|SHLVL|SHELLOPTS|RANDOM|LINENO|"
    r"OPT[A-Z]+|HOSTNAME|BASH.*|LD_.*)\Z"
)


def variables(pair: Pair) -> tuple[str, ...]:
    """Return the variables that the scripts use and do not set."""
    text = "\n".join((*pair.before, *pair.after))
    names = {*_REFERENCE.findall(text)} - {*_ASSIGNED.findall(text)}
    return tuple(sorted(name for name in names if not _SHELLS_OWN.match(name)))


def size(pair: Pair) -> int:
    """Return how many commands the text after the change has."""
    dialect = Dialect.BASH if pair.shells == ("bash",) else Dialect.POSIX
    scripts = (read(text, dialect) for text in pair.after)
    return sum(len(list(s.commands())) for s in scripts if isinstance(s, Script))


def _settle(numbers: multiprocessing.Queue[int]) -> None:
    """Give each process a processor of its own: the oracle's worker stays on it."""
    here = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {here[numbers.get() % len(here)]})


def executed(pairs: Sequence[Pair]) -> list[Seen]:
    """Execute pairs on all cores, the longest first."""
    spawn = multiprocessing.get_context("spawn")
    numbers: multiprocessing.Queue[int] = spawn.Queue()
    for number in range(WORKERS):
        numbers.put(number)
    ordered = sorted(pairs, key=lambda pair: (-size(pair), pair.before))
    with spawn.Pool(WORKERS, _settle, (numbers,)) as pool:
        return list(pool.imap_unordered(look, ordered, chunksize=4))


@pytest.fixture(scope="module")
def blind() -> set[str]:
    """Return the shells that are of little use here; skip where nothing can be executed."""
    try:
        for shell in SHELLS:
            run_all(["stub"], shell)
        found = shell_oracle.blind_shells()
    except OracleUnavailable as reason:
        if os.environ.get("CI"):
            pytest.fail(f"in CI the oracle must be there: {reason}")
        pytest.skip(str(reason))
    if found and os.environ.get("CI"):
        pytest.fail(f"{found} run programs of their own: install busybox, not busybox-static")
    print(f"only the status is compared in: {', '.join(found) or 'none'}")
    return found


@pytest.fixture(scope="module")
def pairs(blind: set[str], at_risky: list[Record]) -> list[Pair]:
    """Return the distinct rewrites of the corpus."""
    answers = [one.rewrites for one in at_risky]
    reasons = [answer for answer in answers if isinstance(answer, str)]
    assert not reasons, "\n".join([f"{len(reasons)} files fail", *reasons[:5]])
    found = [pair for answer in answers if not isinstance(answer, str) for pair in answer]
    print(f"{len(found)} rewrites, {len(set(found))} of them distinct")
    return list(dict.fromkeys(found))


def test_rewrites_do_what_was_done(pairs: list[Pair]) -> None:
    start = time.monotonic()
    wanted = int(os.environ.get("DFR_SHELL_PAIRS", len(pairs))) or 1
    chosen = pairs[:: max(1, -(-len(pairs) // wanted))]
    seen = executed(chosen)
    _report(seen, len(chosen) - len(seen), time.monotonic() - start)
    assert len(seen) == len(chosen) > 0
    wanted_of = {"use-apt-get", "use-workdir", "drop-sudo", *_DROPPED, *_ADDED, *_MERGES} - _RARE
    assert wanted_of <= {pair.transform for pair in pairs}
    wrong = [f"{one.pair}\n" + "\n".join(one.differences) for one in seen if one.differences]
    assert not wrong, "\n\n".join([f"{len(wrong)} differ", *wrong[:20]])


def _report(seen: Sequence[Seen], skipped: int, seconds: float) -> None:
    total = sum(one.executions for one in seen)
    print(f"{len(seen)} pairs, {total} executions, {skipped} skipped, {seconds:.0f} s")
    for name, count in sorted(Counter(one.pair.transform for one in seen).items()):
        print(f"  {count:5} {name}")
    for one in sorted(seen, key=lambda one: -one.seconds)[:5]:
        counts = f"{size(one.pair)} commands, {one.executions} executions"
        print(f"  slow: {one.seconds:.1f} s, {counts}: {one.pair.place}")


# ---- the negative control: wrong rewrites of the same scripts ----


def test_wrong_rewrites_differ(pairs: list[Pair], blind: set[str]) -> None:
    chosen = list(controls(pairs))
    assert len(chosen) >= CONTROLS, Counter(pair.place for pair in chosen)
    seen = executed(chosen)
    same = [f"{', '.join(left)}: {one.pair}" for one in seen if (left := _missed(one) - blind)]
    print(f"{len(seen)} wrong rewrites, {len(seen) - len(same)} of them found")
    assert not same, "\n\n".join([f"{len(same)} are not found", *same])


def _missed(seen: Seen) -> set[str]:
    """Return the shells that tell no difference, though they tried failures too."""
    tried = {shell for one in depths(seen.pair) if one.commands >= 0 for shell in one.shells}
    return tried - {text.partition(",")[0] for text in seen.differences}


def controls(pairs: Iterable[Pair]) -> Iterator[Pair]:
    """Yield pairs that are known to be wrong: of each kind, and of each transform, alike."""
    ranks: Counter[str] = Counter()
    ranked: list[tuple[int, Pair]] = []
    for pair in pairs:
        if pair.shells == SHELLS and pair.options == ("-c",) and len(pair.after) == 1:
            ranks[pair.transform] += 1
            ranked.append((ranks[pair.transform], pair))
    mixed = [pair for _, pair in sorted(ranked, key=lambda one: one[0])]
    for spoil in _SPOILS:
        made = filter(None, map(spoil, mixed))
        for pair in islice(made, EACH):
            yield replace(pair, place=spoil.__name__)


def or_without_braces(pair: Pair) -> Pair | None:
    """Join with && where the right side has ||: what stands behind it now follows the left."""
    for left, right, tree in _neighbours(pair, Body.OR_LIST):
        if isinstance(tree, AndOr):
            other = tree.parts[tree.operators.index("||") + 1]
            if _program(other) or (isinstance(other, Command) and other.name == "true"):
                return _joined(left, right)
    return None


def sequence_without_braces(pair: Pair) -> Pair | None:
    """Join with && where the right side has a semicolon: its second part follows anyway."""
    found = _neighbours(pair, Body.SEQUENCE)
    return next((_joined(left, right) for left, right, _ in found), None)


def failure_forgiven(pair: Pair) -> Pair | None:
    """Join with && where the right side ends with `|| true`: the left's failure is forgiven too."""
    found = _neighbours(pair, Body.CHAIN)
    return next((_joined(left, f"{right} || true") for left, right, _ in found), None)


def errexit_behind(pair: Pair) -> Pair | None:
    """Join with && where the right side begins with `set -e;`: the rest follows anyway."""
    found = _neighbours(pair, Body.CHAIN)
    return next((_joined(left, f"set -e; {right}") for left, right, _ in found), None)


def directory_kept(pair: Pair) -> Pair | None:
    """Join with && where the left side changes the directory."""
    found = _neighbours(pair, Body.CHAIN)
    return next((_joined(f"cd /opt && {left}", right) for left, right, _ in found), None)


def redirection_lost(pair: Pair) -> Pair | None:
    """Leave out a redirection."""
    found = next((c for c in _chain(pair) if c.redirects), None)
    redirect = found.redirects[0] if found else None
    return _with(pair, redirect.start, redirect.end, "") if redirect else None


def commands_swapped(pair: Pair) -> Pair | None:
    """Let two commands change places."""
    (text,) = pair.after
    for one, two in pairwise(_chain(pair)):
        if one.argv != two.argv and not {one.argv, two.argv} & {*pair.declared.dropped}:
            between = text[one.end : two.start]
            swapped = text[two.start : two.end] + between + text[one.start : one.end]
            return _with(pair, one.start, two.end, swapped)
    return None


def argument_lost(pair: Pair) -> Pair | None:
    """Leave out the last argument of a command; what was put in is no argument that counts."""
    added = {new for rule in pair.declared.rules for _, new in rule.changed()}
    for command in _chain(pair):
        word = command.words[-1]
        if command.argv[1:] and word.literal and not {word.literal, *added} & added:
            return _with(pair, word.start, word.end, "")
    return None


_SPOILS: Final[tuple[Callable[[Pair], Pair | None], ...]] = (
    or_without_braces,
    sequence_without_braces,
    failure_forgiven,
    errexit_behind,
    directory_kept,
    redirection_lost,
    commands_swapped,
    argument_lost,
)


def _joined(left: str, right: str) -> Pair:
    return Pair("control", (left, right), (f"{left} && {right}",))


def _with(pair: Pair, start: int, end: int, text: str) -> Pair:
    (script,) = pair.after
    return replace(pair, after=(script[:start] + text + script[end:],))


def _neighbours(pair: Pair, form: Body) -> Iterator[tuple[str, str, Node]]:
    """Yield merged scripts: a chain, and one of a form with its tree; programs lead both."""
    for left, right in pairwise(pair.before):
        trees = [tree for tree in map(read, (left, right)) if isinstance(tree, Script)]
        leads = all(_program(next(tree.commands())) for tree in trees)
        if len(trees) == 2 and leads and [*map(body, trees)] == [Body.CHAIN, form]:
            yield left, right, trees[1].body.parts[0]


def _chain(pair: Pair) -> list[Command]:
    """Return the programs of a script after a change that is but a chain of them."""
    script = read("".join(pair.after[:1]))  # nothing, where a RUN is gone
    parts = script.body.parts if isinstance(script, Script) else ()
    if len(parts) != 1 or "||" in getattr(parts[0], "operators", ()):
        return []
    parts = parts[0].parts if isinstance(parts[0], AndOr) else parts
    found = [part for part in parts if isinstance(part, Command) and _program(part)]
    return found if len(found) == len(parts) else []


def _program(node: Node) -> bool:
    """Whether a node is a command that starts a program, and so one that may fail."""
    known = isinstance(node, Command) and node.name
    return bool(known) and known not in shell_oracle.BUILTINS
