"""What commands such as `docker build` and `docker run` say of an image."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from refactor.outside.records import (
    Build,
    Found,
    Invocation,
    Mount,
    Record,
    Use,
    dockerfiles,
    joined,
    mount,
    port,
    stages,
)
from refactor.outside.shell_lines import TOOLS, Word, commands

MAX_FOLDERS = 16
_PROGRAM = re.compile(
    r"(?:.*/)?(docker-compose|podman-compose|docker|podman|nerdctl|buildah|buildctl|kubectl|oc|gcloud|az|"
    r"executor|kaniko)(?:\.exe)?\Z"
)
_PROGRAM_VARIABLE = re.compile(
    r"\$[({]?\w*?(?:(?P<compose>compose\w*|\bDC)|(?P<docker>docker|podman|container_(?:tool|engine"
    r"|cli|runtime|bin|cmd)|engine|\bOCI_BIN|\bCRI)(?:_?(?:bin|cmd|cli|exe|command))?)[)}]?\Z",
    re.IGNORECASE,
)
# Options without a value, from the reference pages of docker, buildx, compose and podman;
# any other is taken to have one.
_RUN_FLAGS = frozenset(
    "detach disable-content-trust help init interactive no-healthcheck oom-kill-disable privileged "
    "publish-all quiet read-only rm sig-proxy tty use-api-socket "
    "replace tls-verify no-hosts no-hostname rmi env-host http-proxy passwd "
    "build dry-run no-TTY no-deps quiet-pull quiet-build remove-orphans service-ports use-aliases "
    "d i t P q T".split()
)
_BUILD_FLAGS = frozenset(
    "no-cache pull push load quiet rm force-rm squash compress disable-content-trust check debug "
    "stream layers squash-all tls-verify all-platforms no-hostname no-hosts omit-history "
    "cleanup single-snapshot insecure skip-tls-verify reproducible async no-logs no-push "
    "with-dependencies dry-run help q D".split()
)
_GLOBAL_FLAGS = frozenset(
    "debug tls tlsverify compatibility dry-run all-resources verbose no-ansi skip-hostname-check "
    "remote stdin tty quiet help D i t q r".split()
)
_LONG = {"u": "user", "v": "volume", "p": "publish", "t": "tag", "f": "file"}
_OPTIONS_VARIABLE = re.compile(
    r"\$[@*]|\$[({]?(?:\w*_)?(?:opts?|options?|args?|flags?|params?|interactive|tty|envs?|volumes?"
    r"|ports?|mounts?|extra)(?:_\w*)?(?:\[[@*]\])?[)}]?\Z",
    re.IGNORECASE,
)
# What names a tool without running it.
_NOT_RUN = frozenset(
    "echo printf which type alias brew grep cd cp mv mkdir rm ls cat apt-get apt apk yum dnf pip "
    "npm git curl systemctl service".split()
)


@dataclass(frozen=True)
class Place:
    """Where a command stands, and the folders that it may run in."""

    kind: str
    path: str
    line: int
    folders: tuple[str, ...]


class Options(NamedTuple):
    """The options of a command, and the words behind them."""

    given: tuple[tuple[str, str], ...]
    rest: tuple[Word, ...]

    def all(self, *names: str) -> tuple[str, ...]:
        """Return the values of options."""
        return tuple(value for name, value in self.given if name in names and value)

    def last(self, *names: str) -> str:
        """Return the last value of an option, empty if there is none."""
        return (self.all(*names) or ("",))[-1]


def read(text: str, place: Place) -> Iterator[Record]:
    """Yield what the commands of a shell text say; `place` is that of its first line."""
    if not TOOLS.search(text):
        return
    folders = list(place.folders)
    for command in commands(text, place.line):
        words = command.words
        names = [word.value for word in words]
        if names[0] in ("cd", "pushd") and len(names) > 1:
            moved = [joined(folder, names[1]) for folder in folders]
            folders += [folder for folder in moved if folder not in folders]
            del folders[MAX_FOLDERS:]
        here = Place(place.kind, place.path, command.line, tuple(folders))
        for record in read_words(words, here):
            yield _with_text(record, text) if isinstance(record, Build) else record


def read_words(words: Sequence[Word], place: Place) -> Iterator[Record]:
    """Yield what a command says, which may stand behind others such as sudo."""
    if words and words[0].value.lstrip("@-") in _NOT_RUN:
        return
    for index, word in enumerate(words):
        reader = _reader(word.value.lstrip("@-+") if not index else word.value)
        if reader is not None:
            yield from reader(tuple(words[index + 1 :]), place)
            return


def _with_text(build: Build, text: str) -> Build:
    """Return a build with what a text says of options that a variable holds."""
    if "*" not in build.targets:
        return build
    targets = re.findall(r"--target[= ][\"']?([\w.-]+)", text) or build.targets
    names = re.findall(r"--build-arg[= ][\"']?(\w+)", text)
    return replace(
        build,
        targets=tuple(dict.fromkeys(targets)),
        arguments=tuple(dict.fromkeys([*build.arguments, *names])),
    )


Reader = Callable[[tuple[Word, ...], Place], Iterable[Record]]


def _reader(program: str) -> Reader | None:
    match = _PROGRAM.match(program)
    if match:
        return _READERS.get(match[1], _docker)
    if program.startswith("$") and (match := _PROGRAM_VARIABLE.match(program)):
        return _compose if match["compose"] else _docker
    return None


def options(words: Sequence[Word], flags: frozenset[str], stop: bool = True) -> Options:
    """Read options up to the first other word, or all of them."""
    given: list[tuple[str, str]] = []
    rest: list[Word] = []
    todo = list(reversed(words))
    while todo:
        word = todo.pop()
        text = word.value
        if text == "--":
            rest += reversed(todo)
            break
        if text.startswith("--"):
            name, sign, value = text[2:].partition("=")
            if not sign and name not in flags and todo and not todo[-1].value.startswith("-"):
                value = todo.pop().value
            given.append((name, value))
        elif text.startswith("-") and len(text) > 1:
            given += _cluster(text[1:], flags, todo)
        elif stop and _OPTIONS_VARIABLE.match(text):
            continue
        elif stop:
            rest += [word, *reversed(todo)]
            break
        else:
            rest.append(word)
    return Options(tuple((_LONG.get(name, name), value) for name, value in given), tuple(rest))


def _cluster(letters: str, flags: frozenset[str], todo: list[Word]) -> Iterator[tuple[str, str]]:
    """Read `-it` and `-p80:80`; one letter with a value ends it."""
    for index, letter in enumerate(letters):
        if letter not in flags:
            value = letters[index + 1 :].removeprefix("=")
            yield letter, value or (todo.pop().value if todo else "")
            return
        yield letter, ""


def _docker(words: tuple[Word, ...], place: Place) -> Iterable[Record]:
    rest = options(words, _GLOBAL_FLAGS).rest
    while rest and rest[0].value in ("container", "image", "buildx", "builder"):
        rest = options(rest[1:], _GLOBAL_FLAGS).rest
    if not rest:
        return ()
    action, rest = rest[0].value, rest[1:]
    if action == "compose":
        return _compose(rest, place)
    if action in ("build", "b", "bud", "build-using-dockerfile"):
        return build(rest, place)
    if action in ("run", "create"):
        return _run(rest, place, service=False)
    if action == "bake":
        return _set(" ".join(options(rest, _BUILD_FLAGS, stop=False).all("set")), place)
    return _exec(rest, place) if action == "exec" else ()


def _compose(words: tuple[Word, ...], place: Place) -> Iterable[Record]:
    rest = options(words, _GLOBAL_FLAGS - {"t", "i"}).rest
    if not rest:
        return ()
    action, rest = rest[0].value, rest[1:]
    if action == "run":
        return _run(rest, place, service=True)
    if action == "exec":
        return _exec(rest, place)
    names = options(rest, _BUILD_FLAGS, stop=False).all("build-arg") if action == "build" else ()
    return [Build(place.kind, place.path, place.line, ("*",), arguments=_names(names))] * bool(
        names
    )


def build(words: Sequence[Word], place: Place) -> Iterator[Record]:
    """Read the options of a build and its context, which may be an option too."""
    found = options(words, _BUILD_FLAGS, stop=False)
    rest = [word.value for word in found.rest if not _OPTIONS_VARIABLE.match(word.value)]
    hidden = len(rest) < len(found.rest)
    context = (rest[-1] if rest else "") or found.last("context") or "."
    file = found.last("file", "dockerfile")
    files = dockerfiles(place.folders, context, file)
    if found.last("dockerfile"):  # kaniko takes it from the context too
        files += dockerfiles(place.folders, context, file, from_context=True)
    targets = tuple(stage for target in found.all("target") for stage in stages(target))
    yield Build(
        place.kind, place.path, place.line, files,
        targets=(*targets, "*") if hidden else targets,
        arguments=_names(found.all("build-arg")),
        images=found.all("tag", "destination", "image"),
    )  # fmt: skip


def _set(text: str, place: Place) -> Iterator[Record]:
    """Read what is set of the targets of a bake file, or for BuildKit's own command."""
    targets = re.findall(r"(?:^|[ .])target=(\S+)", text)
    names = re.findall(r"(?:\.args\.|\bbuild-arg:)(\w+)", text)
    if targets or names:
        stage = tuple(found for target in targets for found in stages(target))
        yield Build(place.kind, place.path, place.line, ("*",), False, "", stage, tuple(names))


def _buildctl(words: tuple[Word, ...], place: Place) -> Iterable[Record]:
    return _set(" ".join(options(words, _BUILD_FLAGS, stop=False).all("opt")), place)


def _names(arguments: Iterable[str]) -> tuple[str, ...]:
    """Return the names of `NAME=value` words."""
    return tuple(dict.fromkeys(argument.partition("=")[0] for argument in arguments))


def _run(words: tuple[Word, ...], place: Place, service: bool) -> Iterator[Record]:
    found = options(words, _RUN_FLAGS)
    rest = found.rest
    while len(rest) > 1 and rest[0].value.startswith("$") and rest[1].value.startswith("-"):
        found = Options(found.given, options(rest[1:], _RUN_FLAGS).rest)
        rest = found.rest
    if not rest:
        return
    name = rest[0].value
    said = [_said("command", rest[1:], place)] if rest[1:] else []
    for role, option in (("entrypoint", "entrypoint"), ("healthcheck", "health-cmd")):
        for text in found.all(option):
            argv = (text,) if role == "entrypoint" else ("/bin/sh", "-c", text)
            said.append(Invocation(place.kind, role, argv, text, place.path, place.line))
    yield Use(
        place.path, place.line,
        image="" if service else name, of=name if service else "", names=found.all("name"),
        commands=tuple(said), users=_found(found.all("user"), place), mounts=_mounts(found, place),
        ports=_found((port(text) for text in found.all("publish", "expose")), place),
        rights=_found(_rights(found), place),
    )  # fmt: skip


def _rights(found: Options) -> Iterator[str]:
    for name, value in found.given:
        given = name == "privileged" and value != "false"
        if given or (name in ("cap-add", "device") and value) or (name, value) == ("pid", "host"):
            yield f"--{name} {value}".rstrip()


def _exec(words: tuple[Word, ...], place: Place) -> Iterator[Record]:
    found = options(words, _RUN_FLAGS)
    if len(found.rest) > 1:
        yield Use(
            place.path, place.line, of=found.rest[0].value,
            commands=(_said("exec", found.rest[1:], place),),
            users=_found(found.all("user"), place),
        )  # fmt: skip


def _said(role: str, words: Sequence[Word], place: Place) -> Invocation:
    argv = tuple(word.value for word in words)
    text = " ".join(word.raw for word in words)
    return Invocation(place.kind, role, argv, text, place.path, place.line)


def _found(values: Iterable[str], place: Place) -> tuple[Found, ...]:
    return tuple(Found(value, place.path, place.line) for value in values)


def _mounts(found: Options, place: Place) -> tuple[Mount, ...]:
    made = [mount(text, place.path, place.line) for text in found.all("volume")]
    for text in found.all("tmpfs"):
        made.append(Mount(text.partition(":")[0], "tmpfs", "", False, place.path, place.line))
    for text in found.all("mount"):
        parts = dict(part.partition("=")[::2] for part in text.split(","))
        target = parts.get("target") or parts.get("destination") or parts.get("dst") or ""
        source = parts.get("source") or parts.get("src") or ""
        read_only = parts.get("readonly", parts.get("ro", "false")) in ("", "true", "1")
        kind = parts.get("type") or "volume"
        made.append(Mount(target, kind, source, read_only, place.path, place.line))
    return tuple(entry for entry in made if entry is not None and entry.target)


def _kubectl(words: tuple[Word, ...], place: Place) -> Iterator[Record]:
    dashes = next((i for i, word in enumerate(words) if word.value == "--"), len(words))
    found = options(words[:dashes], _GLOBAL_FLAGS | {"command", "expose", "rm"}, stop=False)
    names = [word.value for word in found.rest]
    behind = words[dashes + 1 :] or tuple(found.rest[2:])
    if names[:1] == ["run"] and found.last("image"):
        role = "entrypoint" if ("command", "") in found.given else "command"
        said = (_said(role, behind, place),) if behind else ()
        ports = _found(found.all("port"), place)
        image = found.last("image")
        yield Use(
            place.path, place.line, image, names=tuple(names[1:2]), commands=said, ports=ports
        )
    elif names[:1] == ["exec"] and len(names) > 1 and behind:
        named = found.last("container", "c") or names[1].rpartition("/")[2]
        said = (_said("exec", behind, place),)
        yield Use(place.path, place.line, of=named, commands=said)


def _gcloud(words: tuple[Word, ...], place: Place) -> Iterator[Record]:
    found = options(
        words, _BUILD_FLAGS | {"allow-unauthenticated", "no-allow-unauthenticated"}, False
    )
    names = [word.value for word in found.rest if word.value not in ("beta", "alpha")]
    if names[:2] == ["builds", "submit"]:
        if found.last("tag") or not found.last("config", "pack"):
            folder = names[2] if len(names) > 2 else "."
            files = dockerfiles(place.folders, folder)
            images = found.all("tag")
            yield Build(place.kind, place.path, place.line, files, images=images)
    elif names[:1] == ["run"] and (found.last("image") or found.last("source")):
        source = dockerfiles(place.folders, found.last("source")) if found.last("source") else ()
        built = Build(place.kind, place.path, place.line, source) if source else None
        said = [
            Invocation(place.kind, role, tuple(text.split(",")), text, place.path, place.line)
            for role, option in (("entrypoint", "command"), ("command", "args"))
            for text in found.all(option)
        ]
        yield Use(
            place.path, place.line, found.last("image"), built, commands=tuple(said),
            ports=_found(found.all("port"), place),
        )  # fmt: skip


def _az(words: tuple[Word, ...], place: Place) -> Iterable[Record]:
    if [word.value for word in words[:2]] == ["acr", "build"]:
        return build(words[2:], place)
    return ()


def _kaniko(words: tuple[Word, ...], place: Place) -> Iterable[Record]:
    if any(re.match(r"--(?:dockerfile|context|destination|no-push)\b", w.value) for w in words):
        return build(words, place)
    return ()


_READERS: dict[str, Reader] = {
    "docker-compose": _compose,
    "podman-compose": _compose,
    "kubectl": _kubectl,
    "oc": _kubectl,
    "gcloud": _gcloud,
    "az": _az,
    "buildctl": _buildctl,
    "executor": _kaniko,
    "kaniko": _kaniko,
}
