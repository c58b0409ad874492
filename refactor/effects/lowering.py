"""A RUN's script -> events.

Commands of a fail-fast chain become events of their own, wherever the RUN boundary was: `a && b`,
`set -e; a; b` and two RUN lines give the same two events. Everything else keeps its structure in
a `Block`. The shell's own state (directory, variables, options) is part of each event, so that a
state that leaks from one RUN into another shows as a difference.
"""

from __future__ import annotations

import re
from functools import lru_cache

from refactor import shell
from refactor.effects.events import Block, Event, Exec, Setting, Verbatim
from refactor.facts.packages import program

# After these a RUN's remaining commands may not run, or another program takes its place.
_LEAVES = frozenset({"exit", "return", "exec", "trap", "kill", "break", "continue", "wait"})
_STATE = frozenset(
    "cd pushd popd export unset readonly declare typeset local set shopt umask ulimit alias "
    "unalias source . eval read hash enable bind mapfile readarray getopts let".split()
)
# POSIX: an assignment in front of one of these stays.
_SPECIAL = frozenset({":", "times", "shift", "set"})
_ASSIGNING = re.compile(r"\$\{\w+:?=[^}]*")
OUTLIVING = re.compile(
    r"(?:.*/)?(?:service|systemctl|supervisord|dockerd|Xvfb|pg_ctl|pg_ctlcluster|mysqld_safe|mysqld|"
    r"mongod|redis-server|nginx|apachectl|apache2ctl|gpg2?|gpg-agent|dirmngr|usermod|groupmod|"
    r"start-stop-daemon)\Z|"
    r"/etc/init\.d/"
)
# In some shells $( ) inherits -e.
INNER_LIST = re.compile(r"(?:\$\(|`).*;")
REMOUNTED = re.compile(r"/etc/(?:hosts|resolv\.conf|hostname)\b")
KNOWN_PROGRAM = "program that the shell may know at its old place"
REHASHED = re.compile(r"(?:pip3?|npm|yarn|conda|gem|bundler)(?:[@=<>~!].*)?\Z")


@lru_cache(maxsize=1024)  # most RUNs come back as they were after each change
def lower(text: str, dialect: shell.Dialect, setting: Setting) -> tuple[Event, ...]:
    """Return the events of a script; one `Verbatim` if it is not understood."""
    script = shell.read(text, dialect)
    if isinstance(script, shell.Opaque):
        return (Verbatim(text, setting),)
    lowering = _Lowering(setting, errexit=_shell_errexit(setting.shell))
    scope = _scope(script.body)
    try:
        if scope:
            return (Block(scope, lowering.mirror_all(script.body), True),)
        return tuple(lowering.statements(script.body, must=True, checked=False))
    except _Unclear:
        return (Verbatim(text, setting),)


class _Unclear(Exception):
    """The options in force after a command depend on how it ended."""


def _shell_errexit(command: tuple[str, ...]) -> bool:
    return any(re.match(r"-[a-zA-Z]*e|errexit\Z", word) for word in command[1:])


def _scope(node: shell.Node) -> str:
    """Return `run` or `scope` if the commands of a RUN cannot be taken one by one."""
    if any(sep == "&" for seq in _sequences(node) for sep in seq.separators):
        return "run"
    return "scope" if any(c.name in _LEAVES for c in shell.commands(node)) else ""


def _sequences(node: shell.Node) -> list[shell.Sequence]:
    found = [node] if isinstance(node, shell.Sequence) else []
    if not isinstance(node, shell.Command):
        for part in node.parts:
            if not isinstance(part, str):
                found += _sequences(part)
    return found


class _Lowering:
    def __init__(self, setting: Setting, errexit: bool) -> None:
        self.setting = setting
        self.errexit = errexit
        self.state: tuple[str, ...] = ()

    def statements(self, seq: shell.Sequence, must: bool, checked: bool) -> list[Event]:
        """Lower a list. `checked`: errexit is off because something tests the list's status."""
        events: list[Event] = []
        for index, part in enumerate(seq.parts):
            last = index == len(seq.parts) - 1
            fatal = must if last else self.errexit and not checked and _trips_errexit(part)
            events += self.statement(part, fatal, checked)
        return events

    def statement(self, node: shell.Node, must: bool, checked: bool) -> list[Event]:
        """Lower one statement whose failure fails the build, or is ignored."""
        if isinstance(node, shell.Command):
            return self.command(node, must)
        if isinstance(node, shell.AndOr) and must:
            return self.and_or(node, checked)
        if isinstance(node, shell.Compound) and not node.redirects:
            if node.kind == "{":
                return self.statements(_body(node), must, checked)
            if node.kind == "(" and not _scope(node):
                return self.subshell(node, must, checked)
            if node.kind == "(":
                return [Block("scope", self.mirror_all(_body(node)), must)]
        return [self.block(node, must, checked)]

    def subshell(self, node: shell.Compound, must: bool, checked: bool) -> list[Event]:
        """Lower `( ... )`: what it does to the shell ends with it."""
        state, errexit = self.state, self.errexit
        events = self.statements(_body(node), must, checked)
        self.state, self.errexit = (*state, *_outliving(node)), errexit
        return events

    def and_or(self, node: shell.AndOr, checked: bool) -> list[Event]:
        """Lower a list that must succeed: what follows its last `||` is a chain."""
        cut = len(node.operators) - next(
            (i for i, op in enumerate(reversed(node.operators)) if op == "||"), len(node.operators)
        )
        events: list[Event] = []
        parts = node.parts
        if cut:
            left = shell.AndOr(node.start, parts[cut].end, parts[: cut + 1], node.operators[:cut])
            events.append(self.block(left, True, checked or bool(parts[cut + 1 :])))
            parts = parts[cut + 1 :]
        for index, part in enumerate(parts):
            events += self.statement(part, True, checked or index < len(parts) - 1)
        return events

    def command(self, node: shell.Command, must: bool) -> list[Event]:
        """Lower a simple command and note what it leaves in the shell."""
        plain = not node.redirects and not node.assignments
        if node.name == "set" and plain and self.quiet_set(node):
            return []
        event = self.exec(node, must)
        self.remember(node)
        return [event]

    def exec(self, node: shell.Command, must: bool) -> Exec:
        """Return the event of a simple command under the present state."""
        words = (*node.assignments, *node.words)
        inherits = self.errexit and any(INNER_LIST.search(w.text) for w in words)
        state = (*self.state, "set -e") if inherits else self.state
        return Exec(
            node.argv, tuple(w.text for w in node.assignments),
            tuple(r.text for r in node.redirects), self.setting, state, must,
            tuple(w.literal is not None for w in node.words if not _is_bare(w)),
        )  # fmt: skip

    def quiet_set(self, node: shell.Command) -> bool:
        """Take `set -e`, `-x` and `-v` as what they are: no event; other options are state."""
        words = [w.literal for w in node.words[1:]]
        options: list[str] = []
        while words:
            word = words.pop(0)
            if word is None or not re.match(r"-[a-zA-Z]+\Z", word):
                return False
            named = words.pop(0) if word.endswith("o") and words else None
            if named == "errexit" or "e" in word:
                self.errexit = True
            if named and named not in ("errexit", "xtrace", "verbose"):
                options.append(named)
            options += [c for c in word[1:] if c not in "exvo"]
        if options:
            self.state = (*self.state, f"set {' '.join(sorted(options))}")
        return True

    def remember(self, node: shell.Command) -> None:
        """Add to the state what a command changes in the shell itself."""
        if node.name is None and node.words:
            return
        self.state += _outliving(node)
        text = " ".join((*(w.text for w in node.assignments), *node.argv))
        self.state += tuple(_ASSIGNING.findall(text))
        special = node.assignments and node.name in _SPECIAL
        if node.name is None or node.name in _STATE or special:
            if node.name == "set" and any(w.text.startswith(("+", "-o")) for w in node.words[1:]):
                raise _Unclear
            self.state = (*self.state, text)

    def block(self, node: shell.Node, must: bool, checked: bool) -> Block:
        """Keep a statement's structure; what it may change in the shell is added to the state."""
        if isinstance(node, shell.AndOr):
            kind = "errexit list" if self.errexit and not must else "list"
        elif isinstance(node, shell.Pipeline):
            kind = "!" if node.negated else "|"
        else:
            kind = node.kind if isinstance(node, shell.Compound) else "command"
        lists = any(len(inner.parts) > 1 for inner in _sequences(node))
        if self.errexit and (kind not in ("|", "list") or (lists and not checked)):
            kind = f"errexit {kind}"
        block = Block(kind, self.mirror(node), must)
        changed = [c for c in shell.commands(node) if c.name in _STATE or not c.words]
        self.state += _outliving(node)
        if any(c.name == "set" for c in changed):
            raise _Unclear
        named = kind.endswith(("function", "for"))  # a loop leaves its variable
        if named or (changed and not kind.endswith(("(", "|"))):
            texts = [" ".join((*(w.text for w in c.assignments), *c.argv)) for c in changed]
            self.state = (*self.state, f"{kind}: {'; '.join(texts)}")
        return block

    def mirror(self, node: shell.Node) -> tuple[Event | str, ...]:
        """Return a node's parts as events and tokens, in order."""
        if isinstance(node, shell.Command):
            return (self.exec(node, False),)
        if isinstance(node, shell.Sequence):
            return self.mirror_all(node)
        parts: list[Event | str] = []
        if isinstance(node, shell.Compound):
            for part in node.parts:
                if isinstance(part, str):
                    parts.append(part)
                else:
                    parts.append(Block("body", self.mirror(part), False))
            parts += (r.text for r in node.redirects)
            return (node.kind, *parts)
        for index, part in enumerate(node.parts):
            if index:
                parts.append(node.operators[index - 1])
            parts.append(self.nested(part))
        return ("!", *parts) if isinstance(node, shell.Pipeline) and node.negated else tuple(parts)

    def nested(self, node: shell.Node) -> Event:
        """Return one part of a block as an event."""
        if isinstance(node, shell.Command):
            return self.exec(node, False)
        return Block(type(node).__name__.lower(), self.mirror(node), False)

    def mirror_all(self, seq: shell.Sequence) -> tuple[Event | str, ...]:
        """Return a list's statements and separators, in order; the last separator says nothing."""
        parts: list[Event | str] = []
        for part, separator in zip(seq.parts, seq.separators, strict=True):
            parts += (self.nested(part), separator)
        if parts and parts[-1] in (";", ""):
            parts.pop()
        return tuple(parts)


def _is_bare(word: shell.Word) -> bool:
    return word.literal == word.text or (
        word.literal is not None and shell.literal(word.literal) == word.literal
    )


def _outliving(node: shell.Node) -> tuple[str, ...]:
    """Return what stays of a statement besides files, until its RUN ends: processes, mounts."""
    found: list[str] = []
    for command in shell.commands(node):
        words = (*command.argv, *(r.text for r in command.redirects))
        if OUTLIVING.match(name := program(command)):
            found.append(f"process of {name}")
        if any(map(REMOUNTED.search, words)):
            found.append("file that each RUN finds anew")
        if "install" in words and any(map(REHASHED.match, words[2:])):
            found.append(KNOWN_PROGRAM)
    return tuple(found)


def _trips_errexit(node: shell.Node) -> bool:
    if isinstance(node, shell.Pipeline):
        return not node.negated
    return not isinstance(node, shell.AndOr)


def _body(node: shell.Compound) -> shell.Sequence:
    body = node.parts[1]
    if not isinstance(body, shell.Sequence):
        raise _Unclear
    return body
