"""Instructions -> an abstract build."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b

from refactor.effects.events import Block, Build, Copy, Event, Exec, Pairs, Setting, Stage, Verbatim
from refactor.effects.lowering import lower
from refactor.facts import paths, ports, signals
from refactor.facts import stages as graph_facts
from refactor.facts.stages import Graph, ShellInForce
from refactor.syntax import Dockerfile, Flag, Instruction
from refactor.words import Value, expand, pairs, parse_words

_UNKNOWN = Value("", "base")  # the directory that a base image leaves


def build(dockerfile: Dockerfile, graph: Graph) -> Build:
    """Return what a Dockerfile builds, stage by stage."""
    arguments: dict[str, Value] = {}
    for ins in graph.globals:
        if ins.keyword == "ARG":
            arguments |= _arguments(ins, ChainMap(arguments), dockerfile.escape)
    states: list[_State] = []
    for stage in graph.stages:
        parent = states[stage.parent] if stage.parent is not None else None
        shell = graph_facts.default_shell(stage.image, parent.shell if parent else None)
        state = _State(dockerfile, graph, stage.index, shell, arguments, parent)
        state.workdir = _first_directory(graph, stage, parent)
        for ins in stage.instructions[1:]:
            state.take(ins)
        states.append(state)
    return Build(
        tuple(sorted(arguments.items())),
        tuple(s.stage(graph.stages[s.index]) for s in states),
        tuple(sorted(dockerfile.directives.items())),
    )


def _first_directory(
    graph: Graph, stage: graph_facts.Stage, parent: _State | None
) -> tuple[Value, ...]:
    """Return the directory that a stage starts in."""
    if "$" in stage.start_word:
        return (_UNKNOWN,)
    if parent is None:
        return (Value(stage.image.workdir) if stage.image.workdir else _UNKNOWN,)
    inherited = (ins.trigger for ins in graph.stages[parent.index].instructions)
    if any(trigger and trigger.keyword == "WORKDIR" for trigger in inherited):
        return (*parent.workdir, _UNKNOWN)
    return parent.workdir


def _arguments(ins: Instruction, known: ChainMap[str, Value], escape: str) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for word in parse_words(ins.args, escape):
        name, equals, default = word.partition("=")
        value = expand(default, known.new_child(found), escape)
        # A build argument can be given on the command line: its value is never known.
        found[name] = Value(value.text, f"ARG {name}{equals}{value.text}{value.raw}")
    return found


class Variables(dict[str, Value]):
    """Variables by name, with a digest that does not depend on their order."""

    digest = 0

    def __setitem__(self, name: str, value: Value) -> None:
        if name in self:
            self.digest ^= number(name, self[name])
        self.digest ^= number(name, value)
        super().__setitem__(name, value)

    def copy(self) -> Variables:
        """Return a copy that changes on its own."""
        other = Variables()
        dict.update(other, self)
        other.digest = self.digest
        return other


def number(name: str, value: Value) -> int:
    """Return what a variable adds to a digest of variables, or takes from it."""
    text = "\0".join((name, value.text, value.raw)).encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(text, digest_size=16).digest(), "big")


class _State:
    """The configuration of a stage while its instructions are read."""

    def __init__(
        self, dockerfile: Dockerfile, graph: Graph, index: int, shell: ShellInForce,
        arguments: dict[str, Value], parent: _State | None,
    ) -> None:  # fmt: skip
        self.dockerfile = dockerfile
        self.escape = dockerfile.escape
        self.graph = graph
        self.index = index
        self.shell = shell
        self.globals = arguments
        self.env: Variables = parent.env.copy() if parent else Variables()
        self.args: Variables = parent.args.copy() if parent else Variables()
        self.config: dict[str, object] = dict(parent.config) if parent else {}
        self.labels: dict[Value, Value] = dict(parent.labels) if parent else {}
        self.ports: frozenset[str] = parent.ports if parent else frozenset()
        self.volumes: frozenset[str] = parent.volumes if parent else frozenset()
        self.user: Value = parent.user if parent else Value("", "the base image's user")
        self.workdir: tuple[Value, ...] = (_UNKNOWN,)
        self.present = False  # whether the directory is there for certain
        self.made: tuple[tuple[Value, Value], ...] = ()
        self.onbuild: tuple[Event, ...] = ()
        self.events: list[Event] = []
        self.runs: list[int] = []
        self.layers = 0
        self._setting: Setting | None = None

    def stage(self, found: graph_facts.Stage) -> Stage:
        """Return what the stage ends up with."""
        word = found.start_word
        named = found.parent is not None and "$" not in word  # however its name is spelt
        config = self.config | {
            "from": None if named else expand(word, self.globals, self.escape),
            "directories": self.made,
            "env": _sorted(self.env), "args": self.args.digest,
            "labels": frozenset(self.labels.items()),
            "ports": self.ports, "volumes": self.volumes, "user": self.user,
            "workdir": self.workdir, "shell": self.shell.command, "onbuild": self.onbuild,
        }  # fmt: skip
        base: int | Value = found.parent if found.parent is not None else found.base
        default = graph_facts.target_flag(self.graph, found)
        flags = " ".join(f"--{f.name}={f.value}" for f in found.start.flags if f != default)
        return Stage(
            found.name, base, flags or None, tuple(self.events), tuple(self.runs),
            tuple(sorted(config.items())), self.layers,
        )  # fmt: skip

    def setting(self, flags: tuple[tuple[str, str | None], ...] = ()) -> Setting:
        """Return what an instruction runs under now."""
        if self._setting is None:
            self._setting = Setting(
                self.env.digest,
                self.args.digest,
                self.user,
                self.workdir,
                self.shell.command,
                self.volumes,
            )
        return replace(self._setting, flags=flags) if flags else self._setting

    def known(self) -> ChainMap[str, Value]:
        """Return the variables that Docker expands here: ENV wins over ARG."""
        return ChainMap(self.env, self.args)

    def value(self, word: str) -> Value:
        """Return a word's value here."""
        return expand(word, self.known(), self.escape)

    def name(self, word: str) -> str:
        """Return a word's value as one string, which equals only that of the same value."""
        value = self.value(word)
        return value.raw or value.text

    def directory(self) -> str:
        """Return the directory in force, empty if it is not known."""
        value = self.workdir[0]
        known = len(self.workdir) == 1 and not value.raw and value.text.startswith("/")
        return value.text if known else ""

    def take(self, ins: Instruction) -> None:
        """Let one instruction take effect."""
        if ins.keyword == "ONBUILD":
            if ins.trigger:
                self.onbuild += self._triggered(ins.trigger)
            return
        handler = getattr(self, f"_{ins.keyword.lower()}", None)
        if handler is None:
            self.events.append(Verbatim(f"{ins.keyword} {ins.args}", self.setting()))
            return
        handler(ins)
        if ins.keyword not in ("RUN", "COPY", "ADD"):
            self._setting = None

    def _triggered(self, ins: Instruction) -> tuple[Event, ...]:
        """Return what a trigger will do in a child, under a setting that is not known here."""
        inner = _State(self.dockerfile, self.graph, self.index, self.shell, {}, None)
        inner.take(ins)
        if inner.events:
            return tuple(inner.events)
        values: object = (
            _sorted(inner.env) or sorted(inner.labels.items(), key=repr)
            or sorted(inner.ports) or inner.config.get("stopsignal")
        )  # fmt: skip
        flags = [(f.name, f.value) for f in ins.flags]
        return (Verbatim(f"{ins.keyword} {flags or ''} {values or ins.args}", self.setting()),)

    def _run(self, ins: Instruction) -> None:
        flags = tuple(sorted((f.name, self._mount(f)) for f in ins.flags))
        setting = self.setting(flags)
        self.layers += 1
        text = self.dockerfile.text
        if ins.json is not None:
            events: tuple[Event, ...] = (
                Exec(ins.json, (), (), replace(setting, shell=("none",)), (), True),
            )
        elif ins.heredocs or self.shell.dialect is None:
            bodies = [text[h.body.start : h.body.end] for h in ins.heredocs]
            events = (Verbatim("\n".join((ins.args, *bodies)), setting),)
        else:
            events = lower(ins.args, self.shell.dialect, setting)
        self.events += events
        self.runs.append(len(self.events))
        self.present = False

    def _mount(self, flag: Flag) -> str | None:
        """Return the value of a RUN's flag; a stage that it names is a number."""
        if flag.name != "mount" or not flag.value:
            return flag.value
        return self.graph.numbered(flag.value, self.index)

    def _copy(self, ins: Instruction) -> None:
        self.layers += 1
        words = list(ins.json) if ins.json is not None else parse_words(ins.args, self.escape)
        values = [Value(w) if "$" not in w and ins.json else self.value(w) for w in words]
        source = ins.flag("from")
        origin: int | str | None = None
        if source is not None:
            stage = self.graph.resolve(self.value(source).text, self.index)
            origin = self.name(source) if stage is None else stage
        flags = [(f.name, f.value and self.name(f.value)) for f in ins.flags if f.name != "from"]
        flags += [("<<", "expanded" if h.expand else "verbatim") for h in ins.heredocs]
        text = self.dockerfile.text
        self.events.append(
            Copy(
                ins.keyword, tuple(values[:-1]), self._destination(ins, values), origin,
                tuple(sorted(flags)),
                tuple(text[h.body.start : h.body.end] for h in ins.heredocs), self.workdir,
                self.user, self.volumes,
            )
        )  # fmt: skip
        self.present = self.present and not ins.flags and ins.keyword == "COPY"

    _add = _copy

    def _destination(self, ins: Instruction, values: list[Value]) -> Value:
        """Return where a copy goes, as an absolute path if that is known."""
        value = values[-1] if values else Value("")
        directory = self.directory()
        if value.raw or not directory:
            return value
        if paths.is_joinable(value.text):
            value = Value(paths.destination(directory, value.text))
        several = len(values) > 2 and not any(flag.name == "link" for flag in ins.flags)
        there = self.present and value.text == directory and not directory.endswith("/")
        return Value(f"{directory}/") if several and there else value  # each under its own name

    def _env(self, ins: Instruction) -> None:
        values = [(self.name(k), self.value(v)) for k, v in pairs(ins, self.escape)]
        for name, value in values:  # all of one instruction see the variables before it
            self.env[name] = value

    def _arg(self, ins: Instruction) -> None:
        for name, value in _arguments(ins, self.known(), self.escape).items():
            default = self.globals.get(name)
            inherits = default is not None and value.raw == f"ARG {name}"
            self.args[name] = default if inherits and default is not None else value

    def _label(self, ins: Instruction) -> None:
        for key, value in pairs(ins, self.escape):
            self.labels[self.value(key)] = self.value(value)

    def _maintainer(self, ins: Instruction) -> None:
        self.config["maintainer"] = ins.args

    def _user(self, ins: Instruction) -> None:
        self.user = self.value(ins.args)

    def _workdir(self, ins: Instruction) -> None:
        self.layers += 1
        path = self.value(ins.args)
        if self.directory() and not path.raw and paths.is_joinable(path.text):
            path = Value(paths.join(self.directory(), path.text))
        self.made = (*self.made, (path, self.user))  # whose it is, if it was not there
        absolute = path.text.startswith("/") and not path.raw
        self.workdir = (path,) if absolute else (*self.workdir, path)
        self.present = True

    def _expose(self, ins: Instruction) -> None:
        self.ports |= {self._port(w) for w in ins.args.split()}

    def _port(self, word: str) -> str:
        value = self.value(word)
        found = None if value.raw else ports.read(value.text)
        return found.declared if found else self.name(word)

    def _volume(self, ins: Instruction) -> None:
        words = ins.json if ins.json is not None else tuple(ins.args.split())
        self.volumes |= {self.name(w) for w in words}

    def _shell(self, ins: Instruction) -> None:
        self.shell = graph_facts.set_shell(ins)

    def _entrypoint(self, ins: Instruction) -> None:
        self.config["entrypoint"] = self._argv(ins)
        if self.config.get("cmd stage") != self.index:
            self.config.pop("cmd", None)  # an ENTRYPOINT resets the CMD of the base

    def _cmd(self, ins: Instruction) -> None:
        self.config["cmd"] = self._argv(ins)
        self.config["cmd stage"] = self.index

    def _healthcheck(self, ins: Instruction) -> None:
        self.config["healthcheck"] = self._argv(ins)

    def _stopsignal(self, ins: Instruction) -> None:
        value = self.value(ins.args)
        known = None if value.raw else signals.name(value.text)
        self.config["stopsignal"] = Value(known) if known else value

    def _argv(self, ins: Instruction) -> tuple[object, ...]:
        flags = tuple(sorted((f.name, f.value) for f in ins.flags))  # a CMD should have none
        if ins.json is not None:
            kind = ins.args.partition(" ")[0] if ins.keyword == "HEALTHCHECK" else "json"
            return (kind, ins.json, flags)
        return ("shell", ins.args, self.shell.command, flags)


def _sorted(variables: dict[str, Value]) -> Pairs:
    return tuple(sorted(variables.items(), key=lambda item: item[0]))


def with_argument(before: Stage, after: Stage, name: str, text: str) -> Stage:
    """Return a stage as it is if a variable of its environment becomes a build argument.

    From the first event on that differs, its commands find the value there; an ENV that is not
    there, or has another value, leaves a stage that equals nothing.
    """
    value = Value(text)
    variable, argument = number(name, value), number(name, Value(text, f"ARG {name}={text}"))
    config = dict(before.config)
    env, args = config["env"], config["args"]
    assert isinstance(env, tuple)
    assert isinstance(args, int)
    config["env"] = tuple(pair for pair in env if pair != (name, value))
    config["args"] = args ^ argument
    pairs = zip(before.events, after.events, strict=False)
    same = next((i for i, (b, a) in enumerate(pairs) if b != a), len(before.events))
    moved = (with_digests(event, variable, argument) for event in before.events[same:])
    return replace(
        before, config=tuple(sorted(config.items())), events=(*before.events[:same], *moved)
    )


def with_digests(event: Event, variable: int, argument: int) -> Event:
    """Return an event as it is if a variable and a build argument are there, or are not."""
    return _under(event, lambda old: replace(old, env=old.env ^ variable, args=old.args ^ argument))


def with_variable(event: Event, becomes: tuple[Value | None, Value]) -> Event:
    """Return an event as it is if PATH has another value: before and after."""
    old, new = becomes
    shift = number("PATH", new) ^ (number("PATH", old) if old else 0)
    return _under(event, lambda setting: replace(setting, env=setting.env ^ shift))


def with_flag(event: Event, flag: tuple[str, str]) -> Event:
    """Return an event as it is if its RUN has one flag more."""
    return _under(event, lambda old: replace(old, flags=tuple(sorted((*old.flags, flag)))))


def with_user(event: Event, user: Value) -> Event:
    """Return an event as it is if another user is in force."""
    if isinstance(event, Copy):
        return replace(event, user=user)
    return _under(event, lambda old: replace(old, user=user))


def with_shell(event: Event, command: tuple[str, ...]) -> Event:
    """Return an event as it is if the default shell is another one."""
    return _under(event, lambda old: old if old.shell else replace(old, shell=command))


def _under(event: Event, change: Callable[[Setting], Setting]) -> Event:
    if isinstance(event, Copy):
        return event
    if isinstance(event, Block):
        parts = (part if isinstance(part, str) else _under(part, change) for part in event.parts)
        return replace(event, parts=tuple(parts))
    return replace(event, setting=change(event.setting))
