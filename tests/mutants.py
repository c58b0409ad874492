"""Wrong versions of a Dockerfile: each differs from it by one small, textual mutation.

A mutation is found on the syntax tree and made as a string edit. `equivalence` says of a mutant
that it builds the same image after all, by rules that know nothing of the verifier: they compare
what BuildKit's own parser reads.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise, takewhile

import dockerfile

from refactor import shell
from refactor.model import Change, Effect
from refactor.shell import AndOr, Command, Compound, Node, Pipeline
from refactor.snapshot import Run, Snapshot
from refactor.source import Edit, Overlap, Span, apply
from refactor.syntax import KEYWORDS, Flag, Instruction, ParseError, Trivia, TriviaKind
from refactor.verify import verify

Edits = tuple[Edit, ...]
Operator = Callable[[Snapshot], Iterator[Edits]]

OPERATORS: dict[str, Operator] = {}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A change that the verifier lets through, and the state after it alone."""

    transform: str
    change: Change
    before: Snapshot
    after: Snapshot

    def verdict(self, after: Snapshot) -> str | None:
        """Return why the verifier rejects a state as the outcome of the change."""
        return verify(self.before.evidence, after.evidence, self.change.claims, self.change.assumes)

    @property
    def joins(self) -> bool:
        """Whether it claims that RUNs become one, and nothing else."""
        return {claim.effect for claim in self.change.claims} == {Effect.LAYERS}

    @property
    def changed(self) -> list[Span]:
        """Where the change wrote."""
        found: list[Span] = []
        moved = 0
        for edit in sorted(self.change.edits, key=lambda e: e.span):
            start = edit.span.start + moved
            found.append(Span(start, start + len(edit.text)))
            moved += len(edit.text) - (edit.span.end - edit.span.start)
        return found


@dataclass(frozen=True, slots=True)
class Mutant:
    """A wrong state, if nothing shows that it is equivalent."""

    kind: str
    snapshot: Snapshot


Site = tuple[Snapshot, Edits]


def mutants(accepted: Accepted, count: int, made: Counter[str], seed: str) -> list[Mutant]:
    """Return at most `count` mutants, half of them where something was changed.

    `made` counts the mutants so far: kinds that are rare are preferred.
    """
    chance = random.Random(seed)
    near = _reach(accepted.after, accepted.changed)
    left = _sites(accepted)
    found: list[Mutant] = []
    texts = {accepted.after.text}
    while len(found) < count and (kinds := [kind for kind, sites in left.items() if sites]):
        kind = chance.choices(kinds, [1 / (1 + made[kind]) for kind in kinds])[0]
        sites = left[kind]
        close = [site for site in sites if _within(site[1], near)]
        site = chance.choice(close if close and chance.random() < 0.5 else sites)
        sites.remove(site)
        mutant = _mutated(kind, *site)
        if mutant is not None and mutant.snapshot.text not in texts:
            texts.add(mutant.snapshot.text)
            made[kind] += 1
            found.append(mutant)
    return found


def _sites(accepted: Accepted) -> dict[str, list[Site]]:
    after = accepted.after
    found = {kind: [(after, e) for e in find(after)] for kind, find in OPERATORS.items()}
    if len(accepted.change.claims) == 1 and accepted.joins:
        found["join other RUNs"] = [(accepted.before, e) for e in _merge_runs(accepted.before)]
    return found


def _reach(snapshot: Snapshot, changed: Sequence[Span]) -> list[Span]:
    """Return the items that hold a changed place."""
    return [i.span for i in snapshot.dockerfile.items if any(_touch(i.span, c) for c in changed)]


def _touch(one: Span, two: Span) -> bool:
    return one.start <= two.end and two.start <= one.end


def _within(site: Edits, near: list[Span]) -> bool:
    return any(_touch(edit.span, span) for edit in site for span in near)


def _mutated(kind: str, base: Snapshot, site: Edits) -> Mutant | None:
    """Return the mutant, unless it is no Dockerfile."""
    try:
        after = base.with_text(apply(base.text, site))
    except (Overlap, ParseError):
        return None
    keywords = [(ins.trigger or ins).keyword for ins in after.dockerfile.instructions]
    if not KEYWORDS.issuperset(keywords) or next((k for k in keywords if k != "ARG"), "") != "FROM":
        return None
    return Mutant(kind, after)


def operator(kind: str) -> Callable[[Operator], Operator]:
    """Enter a function that finds the places of one kind of mutation."""

    def enter(find: Operator) -> Operator:
        OPERATORS[kind] = find
        return find

    return enter


# ---- places in scripts ----


def scripts(snapshot: Snapshot) -> Iterator[tuple[Run, shell.Script]]:
    """Yield the RUN instructions whose script is understood."""
    for run in snapshot.runs:
        if run.script is not None and run.script.body.parts:
            yield run, run.script


def _place(run: Run, start: int, end: int) -> Span:
    """Return where a range of a script stands in the file."""
    return run.instruction.logical.span(run.at(start), run.at(end))


def _before(run: Run, at: int) -> Span:
    """Return the point in front of a character of a script."""
    home = run.instruction.logical.home(run.at(at))
    return Span(home, home)


def _behind(run: Run, at: int) -> Span:
    """Return the point behind the last character of a range of a script."""
    home = run.instruction.logical.home(run.at(at) - 1) + 1
    return Span(home, home)


def _written(run: Run, node: Node) -> str:
    span = _place(run, node.start, node.end)
    return run.text[span.start : span.end]


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    if not isinstance(node, Command):
        for part in node.parts:
            if not isinstance(part, str):
                yield from _nodes(part)


def _lists(snapshot: Snapshot) -> Iterator[tuple[Run, AndOr | shell.Sequence]]:
    """Yield what joins two or more commands, pipes left out."""
    for run, script in scripts(snapshot):
        for node in _nodes(script.body):
            if isinstance(node, AndOr | shell.Sequence) and len(node.parts) > 1:
                yield run, node


def _operators(snapshot: Snapshot) -> Iterator[tuple[Run, str, int]]:
    """Yield each operator between two commands and where it stands in its script."""
    for run, script in scripts(snapshot):
        for node in _nodes(script.body):
            if isinstance(node, AndOr | Pipeline):
                signs: Sequence[str] = node.operators
            elif isinstance(node, shell.Sequence):
                signs = node.separators[: len(node.parts) - 1]
            else:
                continue
            for sign, part in zip(signs, node.parts, strict=False):
                assert not isinstance(part, str)
                yield run, sign, script.text.index(sign, part.end)


def _commands(snapshot: Snapshot) -> Iterator[tuple[Run, Command]]:
    for run, script in scripts(snapshot):
        for command in script.commands():
            yield run, command


def _words(snapshot: Snapshot) -> Iterator[tuple[Run, Command, int]]:
    """Yield the arguments of commands by index."""
    for run, command in _commands(snapshot):
        for index in range(1, len(command.words)):
            yield run, command, index


# ---- mutations of scripts ----


@operator("delete a command")
def _delete_command(snapshot: Snapshot) -> Iterator[Edits]:
    for run, node in _lists(snapshot):
        for index, part in enumerate(node.parts):
            if index + 1 < len(node.parts):
                yield (Edit(_place(run, part.start, node.parts[index + 1].start), ""),)
            else:
                yield (Edit(_place(run, node.parts[index - 1].end, part.end), ""),)


@operator("swap commands")
def _swap_commands(snapshot: Snapshot) -> Iterator[Edits]:
    for run, node in _lists(snapshot):
        for one, two in pairwise(node.parts):
            yield (
                Edit(_place(run, one.start, one.end), _written(run, two)),
                Edit(_place(run, two.start, two.end), _written(run, one)),
            )


@operator("move a command")
def _move_command(snapshot: Snapshot) -> Iterator[Edits]:
    """Move the last command of a list to its front: a cleanup before what it cleans."""
    for run, node in _lists(snapshot):
        first, last = node.parts[0], node.parts[-1]
        sign = node.operators[-1] if isinstance(node, AndOr) else node.separators[-2]
        yield (
            Edit(_before(run, first.start), f"{_written(run, last)} {sign} "),
            Edit(_place(run, node.parts[-2].end, last.end), ""),
        )


@operator("repeat a command")
def _repeat_command(snapshot: Snapshot) -> Iterator[Edits]:
    for run, node in _lists(snapshot):
        for part in node.parts:
            yield (Edit(_before(run, part.start), f"{_written(run, part)} && "),)


@operator("clean up elsewhere")
def _clean_up(snapshot: Snapshot) -> Iterator[Edits]:
    """Write a cleanup that nobody claimed, or a claimed one at another place."""
    command = "rm -rf /var/lib/apt/lists/*"
    for run, node in _lists(snapshot):
        own = next((p for p in node.parts if _written(run, p) == command), None)
        for part in node.parts:
            if part is own:
                continue
            moved = [Edit(_before(run, part.start), f"{command} && ")]
            yield tuple(moved)
            if own is not None and own is node.parts[-1]:
                yield (*moved, Edit(_place(run, node.parts[-2].end, own.end), ""))


@operator("change a program")
def _change_program(snapshot: Snapshot) -> Iterator[Edits]:
    for run, command in _commands(snapshot):
        if command.words:
            yield (Edit(_behind(run, command.words[0].end), "x"),)


@operator("exchange apt and apt-get")
def _exchange_apt(snapshot: Snapshot) -> Iterator[Edits]:
    twins = {"apt": "apt-get", "apt-get": "apt", "pip": "pip3", "pip3": "pip"}
    for run, command in _commands(snapshot):
        for word in command.words[:3]:
            if twin := twins.get(word.text):
                yield (Edit(_place(run, word.start, word.end), twin),)


@operator("retarget a path")
def _retarget_path(snapshot: Snapshot) -> Iterator[Edits]:
    for run, command, index in _words(snapshot):
        word = command.words[index]
        for match in re.finditer(r"/\w+", word.text):
            yield (Edit(_behind(run, word.start + match.end()), "_"),)


@operator("change a value")
def _change_value(snapshot: Snapshot) -> Iterator[Edits]:
    """Change what follows a `=`, or the argument behind an option."""
    for run, command, index in _words(snapshot):
        word = command.words[index]
        if match := re.search(r"=[\"']?\w+", word.text):
            yield (Edit(_behind(run, word.start + match.end()), "1"),)
        elif command.words[index - 1].text[0] == "-" and word.text.isalnum():
            yield (Edit(_behind(run, word.end), "1"),)


@operator("rename a package")
def _rename_package(snapshot: Snapshot) -> Iterator[Edits]:
    for run, command, index in _words(snapshot):
        word = command.words[index]
        if re.fullmatch(r"[a-z][\w.+-]*", word.text):
            yield (Edit(_behind(run, word.end), "x"),)


@operator("delete an argument")
def _delete_argument(snapshot: Snapshot) -> Iterator[Edits]:
    for run, command, index in _words(snapshot):
        if command.words[index].text[0] != "-":
            yield (_without_word(run, command, index),)


@operator("delete an option")
def _delete_option(snapshot: Snapshot) -> Iterator[Edits]:
    for run, command, index in _words(snapshot):
        if command.words[index].text[0] == "-":
            yield (_without_word(run, command, index),)


def _without_word(run: Run, command: Command, index: int) -> Edit:
    return Edit(_place(run, command.words[index - 1].end, command.words[index].end), "")


@operator("add an argument")
def _add_argument(snapshot: Snapshot) -> Iterator[Edits]:
    """Write the flags that transforms write, and others, where nobody claimed them."""
    flags = ("-y", "--no-install-recommends", "--no-cache-dir", "ca-certificates", "-x", "x")
    for run, command in _commands(snapshot):
        for number, word in enumerate(command.words):
            yield (Edit(_behind(run, word.end), f" {flags[(number + command.start) % 6]}"),)


@operator("swap arguments")
def _swap_arguments(snapshot: Snapshot) -> Iterator[Edits]:
    for run, command, index in _words(snapshot):
        if index > 1:
            one, two = command.words[index - 1 : index + 1]
            yield (
                Edit(_place(run, one.start, one.end), two.text),
                Edit(_place(run, two.start, two.end), one.text),
            )


@operator("change an assignment")
def _change_assignment(snapshot: Snapshot) -> Iterator[Edits]:
    for run, command in _commands(snapshot):
        for word in command.assignments:
            yield (Edit(_behind(run, word.start + word.text.index("=")), "X"),)
            if word.end < command.end:
                yield (Edit(_place(run, word.start, word.end), ""),)


@operator("remove quotes")
def _remove_quotes(snapshot: Snapshot) -> Iterator[Edits]:
    for run, command in _commands(snapshot):
        for word in (*command.words, *command.assignments):
            if word.text[-1] in "\"'" and len(word.text) > 2:
                bare = re.sub(r"[\"']", "", word.text)
                yield (Edit(_place(run, word.start, word.end), bare),)


@operator("add quotes")
def _add_quotes(snapshot: Snapshot) -> Iterator[Edits]:
    """Keep the shell from expanding a word."""
    for run, command, index in _words(snapshot):
        word = command.words[index]
        if re.search(r"[$*?`]|^~", word.text) and not re.search(r"[\"'\\]", word.text):
            yield (Edit(_place(run, word.start, word.end), f"'{word.text}'"),)


@operator("remove a redirection")
def _remove_redirect(snapshot: Snapshot) -> Iterator[Edits]:
    for run, script in scripts(snapshot):
        for node in _nodes(script.body):
            if isinstance(node, Command | Compound):
                for redirect in node.redirects:
                    yield (Edit(_place(run, redirect.start, redirect.end), ""),)


@operator("change a redirection")
def _change_redirect(snapshot: Snapshot) -> Iterator[Edits]:
    for run, script in scripts(snapshot):
        for node in _nodes(script.body):
            if isinstance(node, Command | Compound):
                for redirect in node.redirects:
                    yield (Edit(_behind(run, redirect.end), "1"),)
                    if ">>" in redirect.text:
                        at = redirect.start + redirect.text.index(">>")
                        yield (Edit(_place(run, at, at + 2), ">"),)


@operator("change && or ;")
def _change_operator(snapshot: Snapshot) -> Iterator[Edits]:
    others = {"&&": (";", "||"), ";": ("&&",), "||": ("&&", ";"), "|": ("&&",), "&": (";",)}
    for run, sign, at in _operators(snapshot):
        for other in others.get(sign, ()):
            yield (Edit(_place(run, at, at + len(sign)), other),)


@operator("ignore a failure")
def _ignore_failure(snapshot: Snapshot) -> Iterator[Edits]:
    for run, command in _commands(snapshot):
        yield (Edit(_behind(run, command.end), " || true"),)


@operator("run in the background")
def _background(snapshot: Snapshot) -> Iterator[Edits]:
    for run, sign, at in _operators(snapshot):
        if sign in ("&&", ";"):
            yield (Edit(_place(run, at, at + len(sign)), "&"),)


@operator("drop set -e")
def _drop_errexit(snapshot: Snapshot) -> Iterator[Edits]:
    for run, node in _lists(snapshot):
        for index, part in enumerate(node.parts[:-1]):
            if isinstance(part, Command) and part.name == "set":
                yield (Edit(_place(run, part.start, node.parts[index + 1].start), ""),)
                for word in part.words[1:]:
                    if re.match(r"-[a-z]*e", word.text):
                        at = word.start + word.text.index("e")
                        yield (Edit(_place(run, at, at + 1), "" if len(word.text) > 2 else "x"),)


@operator("remove braces")
def _remove_braces(snapshot: Snapshot) -> Iterator[Edits]:
    for run, script in scripts(snapshot):
        for node in _nodes(script.body):
            if isinstance(node, Compound) and node.kind in ("{", "(") and not node.redirects:
                body = node.parts[1]
                assert isinstance(body, shell.Sequence)
                yield (
                    Edit(_place(run, node.start, body.start), ""),
                    Edit(_place(run, body.parts[-1].end, node.end), ""),
                )


@operator("move a command to the next RUN")
def _move_boundary(snapshot: Snapshot) -> Iterator[Edits]:
    for one, two in _neighbours(snapshot):
        assert one.script is not None
        last = one.script.body.parts[-1]
        if isinstance(last, AndOr):
            command, end = last.parts[-1], last.parts[-2].end
            yield (
                Edit(_place(one, end, command.end), ""),
                Edit(_before(two, 0), f"{_written(one, command)} {last.operators[-1]} "),
            )


@operator("merge RUNs")
def _merge_runs(snapshot: Snapshot) -> Iterator[Edits]:
    for one, two in _neighbours(snapshot):
        for sign in (" && ", "; ", " || "):
            yield (_joined(one, two, sign),)


@operator("leak a shell's state")
def _leak(snapshot: Snapshot) -> Iterator[Edits]:
    for one, two in _neighbours(snapshot):
        assert one.script is not None
        if any(c.name in _STATE or not c.words for c in one.script.commands()):
            yield (_joined(one, two, " && "),)


_STATE = frozenset({"cd", "set", "export", "umask", ".", "source", "unset", "shopt"})


def _neighbours(snapshot: Snapshot) -> Iterator[tuple[Run, Run]]:
    """Yield the RUN instructions that stand next to each other, nothing but blanks between."""
    for (one, _), (two, _) in pairwise(scripts(snapshot)):
        between = snapshot.text[one.instruction.span.end : two.instruction.span.start]
        if not between.strip() and not (one.triggered or two.triggered):
            yield one, two


def _joined(one: Run, two: Run, sign: str) -> Edit:
    assert one.script is not None
    end = _behind(one, one.script.body.parts[-1].end).start
    return Edit(Span(end, _before(two, 0).start), sign)


@operator("split a RUN")
def _split_run(snapshot: Snapshot) -> Iterator[Edits]:
    for run, script in scripts(snapshot):
        body = script.body.parts[-1]
        if isinstance(body, AndOr):
            for one, two in pairwise(body.parts):
                yield (Edit(_place(run, one.end, two.start), "\nRUN "),)


@operator("change a heredoc")
def _change_heredoc(snapshot: Snapshot) -> Iterator[Edits]:
    for ins in snapshot.dockerfile.instructions:
        for heredoc in ins.heredocs:
            body = snapshot.text[heredoc.body.start : heredoc.body.end]
            for match in re.finditer(r"\w+", body):
                at = heredoc.body.start + match.end()
                yield (Edit(Span(at, at), "x"),)


# ---- mutations of instructions ----


def _own(snapshot: Snapshot) -> Iterator[Instruction]:
    """Yield the instructions, those behind ONBUILD instead of the ONBUILD."""
    for ins in snapshot.dockerfile.instructions:
        yield ins.trigger or ins


def _line(snapshot: Snapshot, ins: Instruction) -> str:
    """Return an instruction's text with one newline at its end."""
    return snapshot.text[ins.span.start : ins.span.end].rstrip("\n") + "\n"


@operator("delete an instruction")
def _delete_instruction(snapshot: Snapshot) -> Iterator[Edits]:
    for ins in snapshot.dockerfile.instructions:
        yield (Edit(ins.span, ""),)


@operator("repeat an instruction")
def _repeat_instruction(snapshot: Snapshot) -> Iterator[Edits]:
    for ins in snapshot.dockerfile.instructions:
        yield (Edit(Span(ins.span.start, ins.span.start), _line(snapshot, ins)),)


@operator("swap instructions")
def _swap_instructions(snapshot: Snapshot) -> Iterator[Edits]:
    for one, two in pairwise(snapshot.dockerfile.instructions):
        yield (Edit(one.span, _line(snapshot, two)), Edit(two.span, _line(snapshot, one)))


_CHANGED = (
    "FROM", "ENV", "ARG", "LABEL", "USER", "WORKDIR", "EXPOSE", "VOLUME", "CMD", "ENTRYPOINT",
    "HEALTHCHECK", "SHELL", "STOPSIGNAL", "MAINTAINER", "COPY", "ADD",
)  # fmt: skip


def _change_arguments(keyword: str) -> Operator:
    def find(snapshot: Snapshot) -> Iterator[Edits]:
        for ins in _own(snapshot):
            if ins.keyword == keyword and not ins.heredocs:
                for match in re.finditer(r"[^\W_]+", ins.args):
                    home = ins.logical.home(ins.args_start + match.end() - 1) + 1
                    yield (Edit(Span(home, home), "1" if match[0].isdigit() else "x"),)

    return find


for _keyword in _CHANGED:
    OPERATORS[f"change {_keyword}"] = _change_arguments(_keyword)


@operator("delete a word of an instruction")
def _delete_word(snapshot: Snapshot) -> Iterator[Edits]:
    """Delete a variable, a label, a port, a source."""
    for ins in _own(snapshot):
        if ins.keyword in ("RUN", "FROM") or ins.heredocs or re.search(r"[\"'\\]", ins.args):
            continue
        words = list(re.finditer(r"\S+\s*", ins.args))
        if len(words) > 1:
            for match in words:
                start, end = ins.args_start + match.start(), ins.args_start + match.end()
                yield (Edit(ins.logical.span(start, end), ""),)


@operator("change an image or stage name")
def _change_stage(snapshot: Snapshot) -> Iterator[Edits]:
    """Let a FROM or COPY --from name another stage."""
    stages = snapshot.graph.stages
    names = [name for s in stages for name in (s.name, str(s.index)) if name] + ["busybox"]
    for ins in _own(snapshot):
        if ins.keyword == "FROM" and (base := ins.args.split()[:1]):
            place = ins.logical.span(ins.args_start, ins.args_start + len(base[0]))
            yield from ((Edit(place, name),) for name in names if name != base[0])
        for flag in ins.flags:
            if flag.name == "from":
                place = ins.logical.span(flag.start, flag.end)
                others = (name for name in names if name != flag.value)
                yield from ((Edit(place, f"--from={name}"),) for name in others)


def _flags(snapshot: Snapshot) -> Iterator[tuple[Instruction, Flag]]:
    for ins in _own(snapshot):
        for flag in ins.flags:
            yield ins, flag


@operator("delete a flag")
def _delete_flag(snapshot: Snapshot) -> Iterator[Edits]:
    for ins, flag in _flags(snapshot):
        yield (Edit(ins.logical.span(flag.start, flag.end + 1), ""),)


@operator("change a flag")
def _change_flag(snapshot: Snapshot) -> Iterator[Edits]:
    for ins, flag in _flags(snapshot):
        for match in re.finditer(r"\w+", ins.logical.text[flag.start : flag.end]):
            home = ins.logical.home(flag.start + match.end() - 1) + 1
            yield (Edit(Span(home, home), "1"),)


@operator("add a flag")
def _add_flag(snapshot: Snapshot) -> Iterator[Edits]:
    flags = {"COPY": "--chown=1:1", "ADD": "--chown=1:1", "RUN": "--network=none",
             "FROM": "--platform=linux/s390x", "HEALTHCHECK": "--retries=7"}  # fmt: skip
    for ins in _own(snapshot):
        if ins.keyword in flags and ins.args:
            home = ins.logical.home(ins.args_start)
            yield (Edit(Span(home, home), f"{flags[ins.keyword]} "),)


@operator("change a keyword")
def _change_keyword(snapshot: Snapshot) -> Iterator[Edits]:
    others = {"COPY": "ADD", "ADD": "COPY", "CMD": "ENTRYPOINT", "ENTRYPOINT": "CMD", "ENV": "ARG",
              "ARG": "ENV", "LABEL": "ENV", "MAINTAINER": "STOPSIGNAL", "USER": "WORKDIR",
              "EXPOSE": "VOLUME", "VOLUME": "EXPOSE", "RUN": "CMD", "WORKDIR": "USER"}  # fmt: skip
    for ins in _own(snapshot):
        if ins.keyword in others:
            yield (Edit(ins.keyword_span, others[ins.keyword]),)


@operator("change between JSON and shell form")
def _change_form(snapshot: Snapshot) -> Iterator[Edits]:
    for ins in _own(snapshot):
        if ins.keyword in ("RUN", "CMD", "ENTRYPOINT") and ins.args and not ins.heredocs:
            if ins.json is not None:
                text = " ".join(ins.json)
            else:
                words = ins.args.replace("\\", "").replace('"', "").split()
                text = json.dumps(words)
            yield (Edit(ins.args_span, text),)


@operator("add or remove ONBUILD")
def _change_onbuild(snapshot: Snapshot) -> Iterator[Edits]:
    for ins in snapshot.dockerfile.instructions:
        if ins.trigger is not None:
            yield (Edit(Span(ins.span.start, ins.trigger.keyword_span.start), ""),)
        elif ins.keyword not in ("FROM", "MAINTAINER"):
            yield (Edit(Span(ins.keyword_span.start, ins.keyword_span.start), "ONBUILD "),)


# ---- mutations of comments ----


def _comments(snapshot: Snapshot) -> Iterator[Span]:
    for item in snapshot.dockerfile.items:
        if isinstance(item, Instruction):
            yield from item.comments
        elif isinstance(item, Trivia) and item.kind is not TriviaKind.BLANK:
            start = item.span.start
            for line in snapshot.text[item.span.start : item.span.end].splitlines(keepends=True):
                yield Span(start, start + len(line))
                start += len(line)


@operator("delete a comment")
def _delete_comment(snapshot: Snapshot) -> Iterator[Edits]:
    for span in _comments(snapshot):
        yield (Edit(span, ""),)


@operator("change a comment")
def _change_comment(snapshot: Snapshot) -> Iterator[Edits]:
    for span in _comments(snapshot):
        at = span.start + len(snapshot.text[span.start : span.end].rstrip())
        yield (Edit(Span(at, at), "x"),)


# ---- equivalent mutants ----


@dataclass(frozen=True, slots=True)
class Reading:
    """An instruction as BuildKit's own parser reads it."""

    keyword: str
    flags: tuple[str, ...]
    json: bool
    values: tuple[str, ...]
    inline: tuple[str, ...]

    @property
    def text(self) -> str:
        """All that may hold a variable."""
        return " ".join((*self.flags, *self.values, *self.inline))

    @property
    def fields(self) -> dict[str, str]:
        """What a setting sets, by name: variables, labels, ports, or the one value it has."""
        if self.keyword in ("ENV", "LABEL"):
            return dict(zip(self.values[::2], self.values[1::2], strict=True))
        if self.keyword == "ARG":
            pairs = (value.strip("\"'").partition("=") for value in self.values)
            return {name: default for name, _, default in pairs}
        if self.keyword in ("EXPOSE", "VOLUME"):
            return dict.fromkeys(self.values, "")
        return {"": repr(self)}

    @property
    def reads(self) -> set[str]:
        """The variables that Docker itself expands here."""
        if self.keyword in ("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK", "SHELL", "MAINTAINER"):
            return set()
        return set(re.findall(r"\$\{?(\w+)", self.text))

    @property
    def sets(self) -> set[str]:
        """The variables that are set here."""
        return set(self.fields) if self.keyword in ("ENV", "ARG") else set()


@lru_cache(maxsize=4)
def read(text: str) -> tuple[Reading, ...] | None:
    """Return the instructions as BuildKit's parser reads them."""
    try:
        found = dockerfile.parse_string(text)
    except dockerfile.GoParseError:
        return None
    return tuple(
        Reading(
            f"ONBUILD {c.sub_cmd}" if c.cmd == "ONBUILD" else c.cmd, tuple(sorted(c.flags)), c.json,
            tuple(c.value), tuple(h.content for h in c.heredocs),
        )
        for c in found
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """What stands in only one of two readings, and what surrounds it in both."""

    before: tuple[Reading, ...]
    one: tuple[Reading, ...]
    two: tuple[Reading, ...]
    after: tuple[Reading, ...]

    @property
    def rest_of_stage(self) -> tuple[Reading, ...]:
        """The instructions behind the difference, up to the next FROM."""
        return tuple(takewhile(lambda r: r.keyword != "FROM", self.after))


def difference(one: Sequence[Reading], two: Sequence[Reading]) -> Difference:
    """Cut off what two readings share at both ends."""
    shorter = min(len(one), len(two))
    start = next((i for i in range(shorter) if one[i] != two[i]), shorter)
    end = next((i for i in range(shorter - start) if one[-1 - i] != two[-1 - i]), shorter - start)
    last = len(one) - end
    return Difference(
        tuple(one[:start]), tuple(one[start:last]), tuple(two[start : len(two) - end]),
        tuple(one[last:]),
    )  # fmt: skip


def equivalence(accepted: Accepted, mutant: str) -> str | None:
    """Return the name of the rule by which a mutant is no different, if there is one."""
    if _comment_lines(accepted.after.text) != _comment_lines(mutant):
        return None
    one, two = read(accepted.after.text), read(mutant)
    if one is None or two is None:
        return None
    found = difference(one, two)
    name = next((name for name, rule in RULES.items() if rule(found)), None)
    return name or (_ROWS if accepted.joins and _same_rows(one, two) else None)


def _comment_lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip().startswith("#")]


def _same_reading(found: Difference) -> bool:
    """BuildKit's parser reads the same instructions."""
    return not found.one and not found.two


# What only ends up in the image's configuration: no step of the build sees it.
_PASSIVE = frozenset(
    {"LABEL", "EXPOSE", "CMD", "ENTRYPOINT", "HEALTHCHECK", "STOPSIGNAL", "MAINTAINER"}
)
# What sees of the variables no more than it expands itself.
_EXPANDING = frozenset({"COPY", "ADD", "WORKDIR", "USER", "VOLUME", "SHELL", "ENV", "ARG"})


def _commuting(found: Difference) -> bool:
    """Two neighbours changed places of which neither sees what the other one sets."""
    if len(found.one) != 2 or found.two != found.one[::-1]:
        return False
    one, two = found.one
    if one.sets & (two.reads | two.sets) or two.sets & one.reads:
        return False
    return _free(one, two) or _free(two, one)


def _free(one: Reading, two: Reading) -> bool:
    if "FROM" in (one.keyword, two.keyword):
        return False
    if {one.keyword, two.keyword} <= {"USER", "VOLUME", "SHELL"}:
        return one.keyword != two.keyword
    if one.keyword in _PASSIVE:
        if two.keyword == "SHELL":
            return one.json or one.keyword in ("LABEL", "EXPOSE", "STOPSIGNAL", "MAINTAINER")
        return one.keyword != two.keyword or not set(one.fields) & set(two.fields)
    return one.keyword in ("ENV", "ARG") and two.keyword in _EXPANDING


def _overridden(found: Difference) -> bool:
    """What differs is set again in the same stage before anything can see it."""
    keywords = {reading.keyword for reading in (*found.one, *found.two)}
    if len(keywords) != 1 or not keywords <= _PASSIVE | {"ENV", "USER"}:
        return False
    keyword = keywords.pop()
    one, two = (_fields(side) for side in (found.one, found.two))
    left = {key for key in one.keys() | two.keys() if one.get(key) != two.get(key)}
    for later in found.rest_of_stage:
        if _sees(later, keyword, left):
            return False
        if later.keyword == keyword:
            left -= set(later.fields)
        if not left:
            return True
    return False


def _fields(readings: tuple[Reading, ...]) -> dict[str, str]:
    return {key: value for reading in readings for key, value in reading.fields.items()}


def _sees(later: Reading, keyword: str, names: set[str]) -> bool:
    if keyword in _PASSIVE:
        return False
    if later.keyword.startswith(("RUN", "ONBUILD")):
        return True
    return later.keyword == "WORKDIR" if keyword == "USER" else bool(later.reads & names)


def _repeated(found: Difference) -> bool:
    """An instruction stands there twice that sets fixed values."""
    new = found.two if not found.one else found.one if not found.two else ()
    if len(new) != 1 or new[0] not in (*found.before[-1:], *found.after[:1]):
        return False
    kind = new[0].keyword
    absolute = kind == "WORKDIR" and new[0].values[0].startswith("/")
    fixed = kind in _PASSIVE | {"ENV", "ARG", "USER", "VOLUME", "SHELL"} or absolute
    return fixed and not new[0].sets & new[0].reads


def _unread_argument(found: Difference) -> bool:
    """An ARG differs that nothing behind it reads: the reference knows a warning at most."""
    both = (*found.one, *found.two)
    if not both or any(r.keyword != "ARG" for r in both):
        return False
    names = set().union(*(r.sets for r in both))
    for later in found.after:
        if later.keyword.startswith(("RUN", "ONBUILD")) or names & (later.reads | later.sets):
            return False
    return not any(r.keyword == "FROM" for r in found.after)


def _same_stage(found: Difference) -> bool:
    """A stage is named by its number instead of its name."""
    if len(found.one) != 1 or len(found.two) != 1:
        return False
    starts = [r for r in found.before if r.keyword == "FROM"]
    names = {r.values[2].lower(): str(n) for n, r in enumerate(starts) if len(r.values) == 3}
    one, two = (_numbered(side[0], names) for side in (found.one, found.two))
    return one == two


def _numbered(reading: Reading, names: dict[str, str]) -> Reading:
    flags = []
    for flag in reading.flags:
        name = flag.removeprefix("--from=").lower()
        flags.append(f"--from={names[name]}" if flag[:7] == "--from=" and name in names else flag)
    return replace(reading, flags=tuple(flags))


def _scripts(found: Difference) -> tuple[str, str] | None:
    """Return the two scripts, if they are all that differs in one RUN."""
    if len(found.one) != 1 or len(found.two) != 1:
        return None
    one, two = found.one[0], found.two[0]
    if one.json or two.json or one.inline or replace(one, values=two.values) != two:
        return None
    return (one.values[0], two.values[0]) if one.keyword.endswith("RUN") else None


def _same_words(found: Difference) -> bool:
    """Scripts are the same but for quotes around text that no shell expands, and for tracing."""
    pair = _scripts(found)
    return pair is not None and _tokens(pair[0]) == _tokens(pair[1])


_TOKEN = re.compile(
    r"""(?:\$\([^;&|()<>'"`]*\)|[^\s;&|()<>'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+"""
    r"""|&&|\|\||;;|[;&|()<>]|\S""",
    re.DOTALL,
)
_PLAIN = re.compile(r"(?:[\w@%+=:,./^-]|(?<=\w)~|!(?=\w)|(?<=\w)!|(?<=[\w/])#)+|\{\}", re.ASCII)
_OPENS_COMMAND = frozenset({"&&", "||", ";", "|", "&", "(", "{", "!", "then", "do", "else"})


def _tokens(script: str) -> list[str]:
    """Return words and operators; quotes are removed where they make no difference."""
    tokens: list[str] = []
    for token in _TOKEN.findall(script):
        named = tokens and tokens[-1] not in _OPENS_COMMAND
        if named and re.search(r"[\"']", token) and "\\" not in token:
            bare = re.sub(r"'([^']*)'|\"([^\"]*)\"", r"\1\2", token)
            token = bare if _PLAIN.fullmatch(bare) else token
        tokens.append(token)
    return _untraced(tokens)


def _untraced(tokens: list[str]) -> list[str]:
    """Take `set -x` and `set -v` out where a command follows: they print, and always succeed."""
    found: list[str] = []
    at = 0
    while at < len(tokens):
        starts = not found or found[-1] in _OPENS_COMMAND
        if starts and tokens[at : at + 1] == ["set"] and (end := _set_end(tokens, at)):
            words = [re.sub("[xv]", "", w) if w[0] == "-" else w for w in tokens[at + 1 : end]]
            words = [word for word in words if word != "-"]
            found += ["set", *words, *tokens[end : end + 1]] if words else []
            at = end + 1
        else:
            found.append(tokens[at])
            at += 1
    return found[:-1] if found[-1:] == ["&&"] else found


def _set_end(tokens: list[str], at: int) -> int:
    """Return where the operator behind a `set` with options alone stands, 0 if it is no such."""
    end = at + 1
    while end < len(tokens) and re.fullmatch(r"-[a-z]+|pipefail|errexit", tokens[end]):
        end += 1
    ends = end == len(tokens) and tokens[at - 1 : at] == ["&&"]
    return end if ends or tokens[end : end + 1] in (["&&"], [";"]) else 0


def _same_flow(found: Difference) -> bool:
    """Scripts without nesting run the same commands, whatever each one returns."""
    pair = _scripts(found)
    if pair is None:
        return False
    one, two = (_flow(_tokens(script)) for script in pair)
    return one is not None and one == two


Flow = list[tuple[str, bool, list[list[str]]]]
_CLOSERS = {
    "if": "fi", "while": "done", "until": "done", "for": "done", "case": "esac", "{": "}", "(": ")"
}  # fmt: skip


def _flow(tokens: list[str]) -> Flow | None:
    """Return the commands of a script in lists, and what the failure of each list does."""
    if "&" in tokens or any(re.search(r"(`|\$\().*(;|&|\|\|)", t) for t in tokens):
        return None
    lists: list[list[list[str]]] = [[[]]]
    open_until: list[str] = []
    for before, token in pairwise(["", *tokens]):
        if token == "!" and before in _OPENS_COMMAND | {""}:
            return None
        if before[-1:] == "$" and token == "(":
            open_until.append("$)")
        elif token in _CLOSERS and before in _OPENS_COMMAND | {""}:
            open_until.append(_CLOSERS[token])
        elif token == "case":  # behind a pattern: which `)` closes what is not clear
            return None
        elif open_until and token == open_until[-1].lstrip("$"):
            open_until.pop()
        elif "$)" in open_until and token == ";":
            return None
        elif not open_until and token in (";", "&&", "||"):
            new: dict[str, list[list[str]]] = {"&&": [[]], "||": [["||"], []], ";": []}
            lists[-1] += new[token]
            lists += [[[]]] if token == ";" else []
            continue
        lists[-1][-1].append(token)
    return _fates(lists if lists[-1][-1] else lists[:-1])


def _fates(lists: list[list[list[str]]]) -> Flow | None:
    """Return each list with what a failure does, and whether `set -e` has a say inside."""
    errexit = False
    found: Flow = []
    kept: list[list[str]] = []
    for chain in lists:
        last = chain is lists[-1]
        kept = [command for command in map(_without_errexit, chain) if command]
        if kept != chain and (["||"] in kept or (kept and chain[0] == kept[0] and not last)):
            return None
        errexit = errexit or kept != chain
        while kept[:1] and kept[0][0] == "set" and ["||"] not in kept:  # it always succeeds
            found.append(("stops", False, [kept.pop(0)]))
        inside = errexit and bool(kept) and any(token in _CLOSERS for token in kept[-1])
        if ["||"] not in kept and (last or (errexit and len(kept) == 1)):
            found += [("stops", inside and command is kept[-1], [command]) for command in kept]
        elif kept:
            fate = "stops" if last else "stops at its last" if errexit else "goes on"
            found.append((fate, inside, kept))
    return found or None


def _without_errexit(command: list[str]) -> list[str]:
    if command[:1] != ["set"]:
        return command
    words = [re.sub("e", "", word) if word[0] == "-" else word for word in command[1:]]
    return ["set", *words] if (words := [word for word in words if word != "-"]) else []


def _same_group(found: Difference) -> bool:
    """Braces or parentheses keep nothing apart: at a script's ends, or around a part of a chain."""
    pair = _scripts(found)
    if pair is None:
        return False
    one, two = map(_tokens, pair)
    return two in (_ungrouped_start(one), _ungrouped_end(one)) or two in _ungrouped_chains(one)


_LASTING = frozenset("cd set export unset umask . source exit exec trap alias shopt eval".split())


def _matching(tokens: list[str], opening: str, closing: str) -> int:
    """Return where the group that a script starts with is closed, 0 if nowhere."""
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token == opening) - (token == closing)
        if depth == 0:
            return at
    return 0


def _ungrouped_start(tokens: list[str]) -> list[str] | None:
    """Return a script without the group that it starts with: lists bind from the left anyway."""
    closing = {"{": "}", "(": ")"}.get(tokens[0] if tokens else "", "")
    end = _matching(tokens, tokens[0], closing) if closing else 0
    body = tokens[1 : end - (tokens[end - 1] == ";")]
    lasting = "set" in body if closing == "}" else _leaves_more_than_files(body)
    if not body or lasting or "&" in body:
        return None
    follows = tokens[end + 1 : end + 2]
    return body + tokens[end + 1 :] if follows in ([], ["&&"], ["||"], [";"]) else None


def _ungrouped_end(tokens: list[str]) -> list[str] | None:
    """Return a script without the subshell that it ends with: nothing is left to see its state."""
    back = _matching(tokens[::-1], ")", "(") if tokens[-1:] == [")"] else 0
    start = len(tokens) - 1 - back
    body = tokens[start + 1 : -1]
    if not body or "exit" in body or (start and tokens[start - 1] not in ("&&", ";")):
        return None
    loop = body[0] in ("for", "while", "if", "case") and body[-1] in ("done", "fi", "esac")
    return tokens[:start] + body if loop or not {";", "||", "&"} & set(body) else None


def _ungrouped_chains(tokens: list[str]) -> Iterator[list[str]]:
    """Yield a script without one of its groups that hold a chain and stand in a chain."""
    for start, token in enumerate(tokens):
        end = start + _matching(tokens[start:], token, _CLOSERS[token]) if token in "({" else 0
        body = tokens[start + 1 : end - (tokens[end - 1] == ";")]
        ends = {"", *tokens[:start][-1:], *tokens[end + 1 :][:1]} - {"&&"}
        apart = {";", "||", "|", "&"}.intersection(body) or _leaves_more_than_files(body)
        if end and ends == {""} and not apart:
            yield [*tokens[:start], *body, *tokens[end + 1 :]]


def _same_rows(one: Sequence[Reading], two: Sequence[Reading]) -> bool:
    """Neighbours are joined by &&, of other pairs but as many: a claim on layers names none.

    Both do the same commands in the same order; what one leaves in its shell, or running, no other
    one sees.
    """
    counts = [sum(r.keyword == "RUN" for r in readings) for readings in (one, two)]
    return counts[0] == counts[1] and _rows(one) == _rows(two)


def _rows(readings: Sequence[Reading]) -> list[tuple[Reading, list[str]]]:
    """Return the instructions; neighbouring RUNs are one script where that is no difference."""
    found: list[tuple[Reading, list[str]]] = []
    for reading in readings:
        if reading.keyword != "RUN" or reading.json or reading.inline:
            found.append((reading, []))
            continue
        bare, tokens = replace(reading, values=()), _as_chain(_tokens(reading.values[0]))
        if found and found[-1][0] == bare and not _leaves_more_than_files(found[-1][1]):
            found[-1][1].extend(["&&", *tokens])
        else:
            found.append((bare, tokens))
    return found


def _as_chain(tokens: list[str]) -> list[str]:
    """Put braces around a script that is no chain of &&."""
    depth = 0
    braced = ["{", *(tokens if tokens[-1:] == [";"] else [*tokens, ";"]), "}"]
    if "case" in tokens:
        return braced
    for before, token in pairwise(["", *tokens]):
        opens = token == "(" or (token in _CLOSERS and before in _OPENS_COMMAND | {""})
        depth += opens - (token in _CLOSERS.values())
        if depth == 0 and token in (";", "||"):
            return braced
    return tokens


_PROCESS = re.compile(
    r"(?:.*/)?(?:service|systemctl|nginx|redis-server|mysqld|mysqld_safe|gpg|gpg2|dirmngr)\Z"
)
_ANYWHERE = re.compile(r"&\Z|.*/etc/(?:hosts|resolv\.conf|hostname)|.*\$\{\w+:?=")
_INSTALLER = re.compile(r"(?:pip3?|npm|yarn|conda|gem|bundler)(?:[@=<>~!].*)?\Z")


def _leaves_more_than_files(tokens: list[str]) -> bool:
    """Whether a script may leave state, a process or a program that its shell knows already."""
    depth = 0
    installs = False
    for before, token, behind in zip(["&&", *tokens], tokens, [*tokens[1:], "&&"], strict=False):
        depth += (token == "(") - (token == ")")
        starts = before in _OPENS_COMMAND
        installs = not starts and (installs or token == "install")
        alone = bool(re.match(r"\w+=", token)) and behind in _OPENS_COMMAND
        if depth == 0 and starts and (alone or token == "for" or token in _LASTING):
            return True
        if _ANYWHERE.match(token) or (starts and _PROCESS.match(token)):
            return True
        if installs and _INSTALLER.match(token):
            return True
    return False


RULES: dict[str, Callable[[Difference], bool]] = {
    "same reading": _same_reading,
    "neighbours that commute": _commuting,
    "set again before it is seen": _overridden,
    "said twice": _repeated,
    "unread ARG": _unread_argument,
    "a stage by its number": _same_stage,
    "quotes around plain text": _same_words,
    "same flow": _same_flow,
    "grouping without effect": _same_group,
}
_ROWS = "as many RUNs joined"
REASONS = {
    name: (rule.__doc__ or "").partition("\n")[0]
    for name, rule in [*RULES.items(), (_ROWS, _same_rows)]
}
